"""Leases; the one rule: whoever holds one is the only one, and whoever lost it changes nothing any more."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest

from app.leases import FencedDatabase
from app.storage import events, leases
from app.storage.database import Database
from app.storage.leases import Lease, LeaseLost
from app.storage.statements import run
from tests.app.databases import Store
from tests.app.lease_holders import (
    LONG,
    NAME,
    WAIT_SECONDS_MAX,
    advance_head,
    connected,
    give_back,
    head,
    holder,
    microseconds_left,
    renew,
    take,
    taken,
)

SHORT = 20_000
SHORT_SECONDS = 0.05
HANDOVERS = 40


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    """The first gateway's connections."""
    async with connected(store) as database:
        yield database


@pytest.fixture
async def other(store: Store) -> AsyncIterator[Database]:
    """The second gateway's connections."""
    async with connected(store) as database:
        yield database


class TestTerms:
    async def test_the_first_to_ask_holds_it(self, database: Database, other: Database) -> None:
        assert await holder(other) is None
        lease = await taken(database, "a")
        assert lease == Lease(name=NAME, term=1, microseconds=LONG)
        assert await take(other, "b") is None
        assert await take(database, "a") is None
        assert await holder(other) == "a"

    async def test_who_asks_in_vain_changes_nothing(self, store: Store, database: Database, other: Database) -> None:
        await taken(database, "a")
        before = await store.dump()
        assert await take(other, "b") is None
        assert await store.dump() == before

    async def test_only_one_of_many_that_ask_at_once_holds_it(self, database: Database, other: Database) -> None:
        asked = [take(one, name) for name in "abcdefgh" for one in (database, other)]
        found = [lease for lease in await asyncio.gather(*asked) if lease is not None]
        assert [lease.term for lease in found] == [1]

    async def test_one_that_ran_out_is_taken_in_a_new_term(self, database: Database, other: Database) -> None:
        old = await taken(database, "a", microseconds=SHORT)
        await asyncio.sleep(SHORT_SECONDS)
        assert await holder(other) is None
        new = await taken(other, "b")
        assert (old.term, new.term) == (1, 2)
        assert not await renew(database, old)
        assert not await give_back(database, old)
        assert await holder(database) == "b"

    async def test_a_renewed_one_runs_on(self, database: Database, other: Database) -> None:
        lease = await taken(database, "a", microseconds=LONG)
        assert await renew(database, Lease(name=NAME, term=lease.term, microseconds=2 * LONG))
        assert LONG < await microseconds_left(database) <= 2 * LONG
        assert await take(other, "b", microseconds=LONG) is None

    async def test_one_that_ran_out_is_not_renewed(self, store: Store, database: Database) -> None:
        lease = await taken(database, "a", microseconds=SHORT)
        await asyncio.sleep(SHORT_SECONDS)
        before = await store.dump()
        assert not await renew(database, lease)
        assert await store.dump() == before

    async def test_one_that_is_given_back_is_free_at_once(self, database: Database, other: Database) -> None:
        lease = await taken(database, "a")
        assert await give_back(database, lease)
        assert (await taken(other, "b")).term == 2

    async def test_leases_know_nothing_of_each_other(self, database: Database) -> None:
        await taken(database, "a")
        script = partial(leases.take, "counting", holder="b", microseconds=LONG)
        assert await database.write(script, keeps=bool) == Lease(name="counting", term=1, microseconds=LONG)

    async def test_a_clock_that_was_set_back_keeps_none_for_long(
        self, store: Store, database: Database, other: Database
    ) -> None:
        """Given a lease that by the clock runs for an hour more than any does, then it is free."""
        old = await taken(database, "a")
        await store.change(f"UPDATE leases SET expires_at = expires_at + {3_600_000_000}")
        assert await holder(other) is None
        assert (await taken(other, "b")).term == 2
        assert not await renew(database, old)


class TestFence:
    async def test_what_is_written_under_the_lease_is_kept(self, store: Store, database: Database) -> None:
        fenced = FencedDatabase(database, await taken(database, "a"))
        assert await advance_head(fenced) == 1
        assert await head(store) == 1

    async def test_a_process_that_wakes_up_beside_its_successor_changes_nothing(
        self, store: Store, database: Database, other: Database
    ) -> None:
        fenced = FencedDatabase(database, await taken(database, "a", microseconds=SHORT))
        await asyncio.sleep(SHORT_SECONDS)
        await taken(other, "b")
        before = await store.dump()
        with pytest.raises(LeaseLost):
            await advance_head(fenced)
        assert await store.dump() == before

    async def test_a_lease_that_ran_out_fences_even_when_nobody_else_wants_it(
        self, store: Store, database: Database
    ) -> None:
        fenced = FencedDatabase(database, await taken(database, "a", microseconds=SHORT))
        await asyncio.sleep(SHORT_SECONDS)
        with pytest.raises(LeaseLost):
            await advance_head(fenced)
        assert await head(store) == 0

    async def test_what_is_not_kept_renews_nothing(self, store: Store, database: Database) -> None:
        fenced = FencedDatabase(database, await taken(database, "a"))
        before = await store.dump()
        await fenced.write(partial(run, events.advance_head, taken=1), keeps=lambda _: False)
        assert await store.dump() == before

    async def test_terms_never_go_back_in_what_is_kept(self, database: Database, other: Database) -> None:
        """Given holders that write on until they are refused, while the lease changes hands again and again, then in
        the order of what was kept no term comes after a later one.
        """
        kept: list[tuple[int, int]] = []

        async def write_on(name: str, gateway: Database) -> None:
            for _ in range(HANDOVERS):
                lease = await take(gateway, name, microseconds=SHORT)
                if lease is None:
                    await asyncio.sleep(SHORT_SECONDS / 10)
                    continue
                fenced = FencedDatabase(gateway, lease)
                with suppress(LeaseLost):
                    while True:
                        kept.append((await advance_head(fenced), lease.term))
                        await asyncio.sleep(random.uniform(0, SHORT_SECONDS))

        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await asyncio.gather(write_on("a", database), write_on("b", other))
        terms = [term for _, term in sorted(kept)]
        assert terms == sorted(terms)
        assert len(set(terms)) > 2

"""Bad commands and bad databases; the one rule: everyone is told in time, and a command is kept once or not at all."""

import asyncio
import gc
import logging
from dataclasses import replace
from typing import Any

import pytest

from app.ledger_writer import ATTEMPTS_MAX
from domain.adjustments import ShortagePolicy
from domain.ports import Receipt, Unavailable
from domain.stock_commands import InventoryAdjust
from tests.app.databases import Store
from tests.app.feeds import hearing
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    WAIT_SECONDS_MAX,
    Shop,
    accepted,
    open_shop,
    queued,
    running,
    sale,
    stock_up,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, SKU

SHORT_LOCK_TIMEOUT_MS = 20
SHORT_DEADLINE_SECONDS = 0.2


def with_id_of(known: Receipt, command: InventoryAdjust) -> InventoryAdjust:
    """Return a command that the decider accepts and the database does not: its adjustment's id is taken."""
    assert known.adjustment is not None
    return replace(command, command_id=known.adjustment.id)


class TestBadCommands:
    async def test_one_that_breaks_a_constraint_fails_alone(self, shop: Shop) -> None:
        known = await shop.accept(sale(1, key="a"))
        bad = with_id_of(known, sale(1, key="bad"))
        told = await shop.settle(
            *(shop.writer.execute(one, by=CLERK) for one in (sale(1, key="b"), bad, sale(1, key="c")))
        )
        assert [accepted(told[place]).position for place in (0, 2)] == [OPENING_HEAD + 2, OPENING_HEAD + 3]
        assert isinstance(told[1], shop.store.constraint_error)
        assert await shop.on_hand() == 7
        assert await shop.keys() == [("acme", "a"), ("acme", "b"), ("acme", "c")]
        assert await shop.positions() == list(range(1, OPENING_HEAD + 4))

    async def test_one_that_the_database_itself_refuses_fails_alone(self, shop: Shop) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        commands = [sale(1, key=f"good-{number}") for number in range(5)]
        commands.insert(2, sale(1, key="bad", sku=OTHER_SKU))
        told = await shop.settle(*(shop.writer.execute(one, by=CLERK) for one in commands))
        assert isinstance(told.pop(2), shop.store.constraint_error)
        assert [accepted(one).position for one in told] == [8, 9, 10, 11, 12]
        assert await shop.levels() == {(SKU, EAST): (5, 6), (SKU, CENTRAL): (5, 1), (OTHER_SKU, EAST): (20, 1)}

    async def test_one_that_makes_the_decider_raise_fails_alone(self, shop: Shop) -> None:
        # A conflict is named after its cause; an id that is no UUID cannot name one.
        oversold = sale(11, key="bad", on_shortage=ShortagePolicy.RECORD_CONFLICT)
        bad = replace(oversold, command_id="no id at all")
        told = await shop.settle(
            *(shop.writer.execute(one, by=CLERK) for one in (sale(1, key="a"), bad, sale(2, key="b")))
        )
        assert isinstance(told[1], ValueError)
        assert [accepted(told[place]).position for place in (0, 2)] == [8, 9]
        assert await shop.on_hand() == 7

    async def test_alone_it_leaves_no_trace(self, shop: Shop) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        before = await shop.store.dump()
        (told,) = await shop.settle(shop.writer.execute(sale(1, key="bad", sku=OTHER_SKU), by=CLERK))
        assert isinstance(told, shop.store.constraint_error)
        assert await shop.store.dump() == before

    async def test_it_fails_its_whole_group_and_no_other(self, shop: Shop) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        group = [sale(1, key="g1"), sale(1, key="g2", sku=OTHER_SKU)]
        told = await shop.settle(
            shop.writer.execute_together([sale(1, key="a")], by=CLERK),
            shop.writer.execute_together(group, by=CLERK),
            shop.writer.execute_together([sale(1, key="b")], by=CLERK),
        )
        assert isinstance(told[1], shop.store.constraint_error)
        assert await shop.keys() == [("acme", "a"), ("acme", "b")]
        assert await shop.on_hand() == 8

    async def test_the_writer_goes_on(self, shop: Shop) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        async with running(shop.writer) as ledger:
            with pytest.raises(shop.store.constraint_error):
                await within(ledger.execute(sale(1, key="bad", sku=OTHER_SKU), by=CLERK))
            accepted(await within(ledger.execute(sale(1, key="a"), by=CLERK)))

    async def test_independent_commands_are_kept_beside_it_and_no_error_goes_unheard(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        caplog.set_level(logging.CRITICAL)  # a record that is kept would keep its error from being missed
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        commands = [sale(1, key="a"), *(sale(1, key=f"bad-{number}", sku=OTHER_SKU) for number in range(3))]
        (told,) = await shop.settle(shop.writer.execute_each(commands, by=CLERK), count=4)
        assert isinstance(told, shop.store.constraint_error)
        assert await shop.keys() == [("acme", "a")]
        del told
        await shop.accept(sale(1, key="b"))  # the connection lets go of what it did last
        gc.collect()
        assert unheard == []


class TestLockedDatabase:
    async def test_a_lock_held_for_long_is_told_in_time_and_nothing_is_kept(self, store: Store) -> None:
        async with open_shop(store, lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS) as shop:
            await stock_up(shop)
            before = await store.dump()
            attempts: list[str] = []
            with hearing("stockgate.ledger", attempts.append):
                async with store.locked():
                    told = await shop.settle(*(shop.writer.execute(sale(1, key=key), by=CLERK) for key in ("a", "b")))
            assert [type(one) for one in told] == [Unavailable, Unavailable]
            assert len(attempts) == ATTEMPTS_MAX
            assert await store.dump() == before
            for outcome in await shop.batch(sale(1, key="a"), sale(1, key="b")):
                assert accepted(outcome).replayed is False
            assert await shop.on_hand() == 8

    async def test_a_lock_held_briefly_is_waited_for(self, shop: Shop) -> None:
        attempts: list[str] = []
        async with shop.store.locked() as lock:
            with hearing("stockgate.ledger", attempts.append):
                (task,) = await queued(shop.writer.execute(sale(1, key="a"), by=CLERK))
                committing = asyncio.create_task(shop.writer.run_once())
                await asyncio.sleep(0)
                lock.release()
                await within(committing)
        assert accepted(await within(task)).position == OPENING_HEAD + 1
        assert attempts == []

    async def test_a_lock_that_outlasts_an_attempt_is_tried_again(self, store: Store) -> None:
        async with open_shop(store, lock_timeout_ms=SHORT_LOCK_TIMEOUT_MS) as shop:
            await stock_up(shop)
            async with store.locked() as lock:
                attempts: list[str] = []

                def release(said: str) -> None:
                    attempts.append(said)
                    lock.release()

                with hearing("stockgate.ledger", release):
                    receipt = await shop.accept(sale(1, key="a"))
            assert len(attempts) == 1
            assert (receipt.replayed, receipt.position) == (False, OPENING_HEAD + 1)
            assert await shop.on_hand() == 9

    async def test_a_full_disk_is_told_in_time_and_nothing_is_kept(self, shop: Shop) -> None:
        before = await shop.store.dump()
        big = [sale(1, key=f"k{number}", reference_document_uri="x" * 2048) for number in range(9)]
        async with shop.store.full(shop.database):
            told = await shop.settle(*(shop.writer.execute(command, by=CLERK) for command in big))
        assert [type(one) for one in told] == [Unavailable] * 9
        assert await shop.store.dump() == before
        assert [accepted(outcome).replayed for outcome in await shop.batch(*big)] == [False] * 9


class TestStalledDatabase:
    async def test_a_commit_that_takes_too_long_is_told_and_kept_once(self, shop: Shop) -> None:
        commits: list[int] = []
        hasty = shop.with_limits(
            commit_deadline_seconds=SHORT_DEADLINE_SECONDS, on_commit=lambda: commits.append(len(commits))
        )
        async with running(hasty.writer) as ledger, shop.store.stalled(shop.database) as stall:
            with pytest.raises(Unavailable):
                await within(ledger.execute(sale(3, key="a"), by=CLERK))
            # Its caller asks again while nobody knows yet what became of the first time.
            (again,) = await queued(ledger.execute(sale(3, key="a"), by=CLERK))
            assert commits == []
            stall.release()
            receipt = accepted(await within(again))
        assert receipt.replayed is True
        assert receipt.position == OPENING_HEAD + 1
        assert commits == [0]
        assert await shop.on_hand() == 7
        assert await shop.positions() == list(range(1, OPENING_HEAD + 2))

    async def test_what_waits_behind_it_too_long_is_dropped_and_not_applied(self, shop: Shop) -> None:
        hasty = shop.with_limits(
            commit_deadline_seconds=SHORT_DEADLINE_SECONDS, queue_deadline_seconds=SHORT_DEADLINE_SECONDS
        )
        async with running(hasty.writer) as ledger:
            async with shop.store.stalled(shop.database):
                calls = await queued(*(ledger.execute(sale(1, key=key), by=CLERK) for key in ("a", "b")))
                told = await within(asyncio.gather(*calls, return_exceptions=True))
                assert [type(one) for one in told] == [Unavailable, Unavailable]
                with pytest.raises(Unavailable):
                    await within(ledger.execute(sale(1, key="c"), by=CLERK))
            receipt = accepted(await within(ledger.execute(sale(1, key="d"), by=CLERK)))
        # The first batch had been handed to the database; what came later had not.
        assert receipt.position == OPENING_HEAD + 3
        assert await shop.keys() == [("acme", "a"), ("acme", "b"), ("acme", "d")]

    async def test_a_stall_between_a_bad_batch_and_its_commands_is_waited_for_once(self, shop: Shop) -> None:
        await shop.store.refuse_movements_of(OTHER_SKU)
        hasty = shop.with_limits(commit_deadline_seconds=SHORT_DEADLINE_SECONDS)
        commands = [sale(1, key="bad", sku=OTHER_SKU), *(sale(1, key=f"good-{number}") for number in range(9))]
        waiting = await queued(*(hasty.writer.execute(one, by=CLERK) for one in commands))
        loop = asyncio.get_running_loop()
        began = loop.time()
        committing = asyncio.create_task(hasty.writer.run_once())
        for _ in range(5):  # until the batch is in the connection's hands
            await asyncio.sleep(0)
        async with shop.store.stalled(shop.database):
            told = await within(asyncio.gather(*waiting, return_exceptions=True))
            assert loop.time() - began < 5 * SHORT_DEADLINE_SECONDS
            assert all(isinstance(one, Unavailable) for one in told)
            await within(committing)
        async with running(hasty.writer) as ledger:
            accepted(await within(ledger.execute(sale(1, key="good-1"), by=CLERK)))
        assert await shop.keys() == [("acme", "good-1")]


class TestStop:
    async def test_what_waits_is_still_done(self, shop: Shop) -> None:
        small = shop.with_limits(batch_rows_max=2)
        waiting = await queued(*(small.writer.execute(sale(1, key=f"k{number}"), by=CLERK) for number in range(7)))
        small.writer.stop()
        await within(small.writer.run())
        assert [accepted(outcome).position for outcome in await within(asyncio.gather(*waiting))] == list(range(8, 15))

    async def test_nothing_more_is_taken(self, shop: Shop) -> None:
        async with running(shop.writer) as ledger:
            ledger.stop()
            with pytest.raises(Unavailable):
                await within(ledger.execute(sale(1, key="a"), by=CLERK))
        assert await shop.keys() == []

    async def test_an_idle_writer_ends_at_once(self, shop: Shop) -> None:
        work = asyncio.create_task(shop.writer.run())
        await asyncio.sleep(0)
        shop.writer.stop()
        await within(work)

    async def test_a_stalled_database_does_not_keep_it_from_ending(self, shop: Shop) -> None:
        hasty = shop.with_limits(
            commit_deadline_seconds=SHORT_DEADLINE_SECONDS, queue_deadline_seconds=SHORT_DEADLINE_SECONDS
        )
        async with shop.store.stalled(shop.database):
            work = asyncio.create_task(hasty.writer.run())
            (first,) = await queued(hasty.writer.execute(sale(1, key="a"), by=CLERK))
            hasty.writer.stop()
            await within(work)
            assert isinstance(first.exception(), Unavailable)


async def test_a_restart_keeps_everything_and_its_keys_replay(store: Store) -> None:
    async with open_shop(store) as shop:
        await stock_up(shop)
        first = await shop.accept(sale(3, key="a"))
    kept = await store.dump()
    async with open_shop(store) as shop:
        assert await store.dump() == kept
        again = await shop.accept(sale(3, key="a"))
        assert again == replace(first, replayed=True, events=())
        assert await store.dump() == kept
        assert (await shop.accept(sale(1, key="b"))).position == first.position + 1
        assert await shop.on_hand() == 6


def test_waits_in_these_tests_outlast_the_deadlines_that_they_prove() -> None:
    assert WAIT_SECONDS_MAX > 10 * SHORT_DEADLINE_SECONDS

"""Work under a lease; the one rule: it is done in one place, and goes on elsewhere when that place is gone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from app.event_retention import EventRetention
from app.leases import FencedDatabase, LeasedWorker, LeaseTimes
from app.storage.database import Database
from app.storage.leases import LeaseLost
from tests.app.databases import Store
from tests.app.lease_holders import (
    NAME,
    WAIT_SECONDS_MAX,
    becomes,
    connected,
    give_back,
    head,
    holder,
    microseconds_left,
    taken,
)
from tests.app.shop import within

TIMES = LeaseTimes(lease_seconds=1.5, renewal_seconds=0.2, margin_seconds=0.3, look_seconds=0.05)
QUICK = LeaseTimes(lease_seconds=1.0, renewal_seconds=0.1, margin_seconds=0.3, look_seconds=0.05)


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


@dataclass(slots=True, kw_only=True)
class Sweeper:
    """Work that notes when it begins and ends; it can be told to fail, or not to heed `stop`."""

    database: Database
    heeds_stop: bool = True
    failure: Exception | None = None
    began: float = 0.0
    ended: float | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Work until `stop`, or fail."""
        self.began = asyncio.get_running_loop().time()
        try:
            if self.failure is not None:
                raise self.failure
            await (self.stopping.wait() if self.heeds_stop else asyncio.sleep(WAIT_SECONDS_MAX))
        finally:
            self.ended = asyncio.get_running_loop().time()

    def stop(self) -> None:
        """End `run`."""
        self.stopping.set()

    @property
    def is_working(self) -> bool:
        """Whether it is at work."""
        return self.began > 0 and self.ended is None


@dataclass(slots=True, kw_only=True)
class Place:
    """One process's part of the work: all the sweepers that it made."""

    database: Database
    times: LeaseTimes = TIMES
    heeds_stop: bool = True
    failures: list[Exception] = field(default_factory=list)
    sweepers: list[Sweeper] = field(default_factory=list)

    def leased(self, holder: str) -> LeasedWorker:
        """Return the worker."""
        return LeasedWorker(self.database, name=NAME, work=self.make, holder=holder, times=self.times)

    def make(self, fenced: Database) -> Sweeper:
        """Make the next sweeper."""
        failure = self.failures.pop() if self.failures else None
        self.sweepers.append(Sweeper(database=fenced, heeds_stop=self.heeds_stop, failure=failure))
        return self.sweepers[-1]

    @property
    def is_working(self) -> bool:
        """Whether the work is done here now."""
        return bool(self.sweepers) and self.sweepers[-1].is_working


@asynccontextmanager
async def running(worker: LeasedWorker) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a worker work; stop it at the end."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        await within(task)


async def stays(is_so: Callable[[], bool], seconds: float) -> None:
    """Prove that something stays so for a while."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        assert is_so()
        await asyncio.sleep(0.01)


class TestLeasedWorker:
    async def test_it_works_in_one_place_for_as_long_as_that_lives(self, database: Database, other: Database) -> None:
        first, second = Place(database=database), Place(database=other)
        async with running(first.leased("a")):
            await becomes(lambda: first.is_working)
            async with running(second.leased("b")):
                await stays(lambda: first.is_working and not second.sweepers, 2 * TIMES.lease_seconds)
        assert len(first.sweepers) == 1

    async def test_a_stop_hands_it_over_at_once(self, database: Database, other: Database) -> None:
        first, second = Place(database=database), Place(database=other)
        worker = first.leased("a")
        async with running(worker) as task:
            await becomes(lambda: first.is_working)
            async with running(second.leased("b")):
                worker.stop()
                await within(task)
                began = asyncio.get_running_loop().time()
                await becomes(lambda: second.is_working)
                assert asyncio.get_running_loop().time() - began < TIMES.lease_seconds - TIMES.renewal_seconds
        assert first.sweepers[0].ended is not None
        assert first.sweepers[0].ended < second.sweepers[0].began

    async def test_it_goes_on_elsewhere_when_its_process_is_gone(self, database: Database, other: Database) -> None:
        """Given a holder that says nothing any more, then another goes on, and not before the lease has run out."""
        began = asyncio.get_running_loop().time()
        await taken(database, "gone", microseconds=int(TIMES.lease_seconds * 1_000_000))
        place = Place(database=other)
        async with running(place.leased("b")):
            await becomes(lambda: place.is_working)
            # SQLite's clock counts whole milliseconds.
            assert place.sweepers[0].began - began > TIMES.lease_seconds - 0.002
            assert place.sweepers[0].began - began < TIMES.lease_seconds + WAIT_SECONDS_MAX / 2

    async def test_a_holder_that_is_cut_off_stops_before_its_lease_has_run_out(
        self, store: Store, database: Database, other: Database
    ) -> None:
        place = Place(database=database, times=QUICK)
        async with running(place.leased("a")):
            await becomes(lambda: place.is_working)
            await asyncio.sleep(2 * QUICK.renewal_seconds)
            async with store.locked():
                locked = asyncio.get_running_loop().time()
                await becomes(lambda: not place.is_working)
                assert await microseconds_left(other) > 0
                assert asyncio.get_running_loop().time() - locked < QUICK.lease_seconds
            await becomes(lambda: len(place.sweepers) == 2)
            assert await head(store) == 0

    async def test_a_holder_whose_lease_is_anothers_stops_and_waits_for_its_turn(
        self, store: Store, database: Database, other: Database
    ) -> None:
        place = Place(database=database)
        async with running(place.leased("a")):
            await becomes(lambda: place.is_working)
            await store.change("UPDATE leases SET expires_at = 0")
            lease = await taken(other, "b")
            await becomes(lambda: not place.is_working)
            await stays(lambda: len(place.sweepers) == 1, 4 * TIMES.look_seconds)
            await give_back(other, lease)
            await becomes(lambda: len(place.sweepers) == 2)

    async def test_work_that_fails_is_begun_anew(self, database: Database, caplog: pytest.LogCaptureFixture) -> None:
        place = Place(database=database, failures=[OSError("broom broken")])
        async with running(place.leased("a")):
            await becomes(lambda: len(place.sweepers) == 2 and place.is_working)
        assert [one.message for one in caplog.records if one.levelno >= logging.ERROR] == ["sweeping has failed"]

    async def test_work_that_finds_its_lease_lost_is_no_failure(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        place = Place(database=database, failures=[LeaseLost(NAME)])
        async with running(place.leased("a")):
            await becomes(lambda: len(place.sweepers) == 2 and place.is_working)
        assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []

    async def test_work_that_does_not_heed_a_stop_is_cut_short_while_the_lease_lasts(
        self, database: Database, other: Database
    ) -> None:
        place = Place(database=database, times=QUICK, heeds_stop=False)
        worker = place.leased("a")
        async with running(worker) as task:
            await becomes(lambda: place.is_working)
            worker.stop()
            await within(task)
            assert not place.is_working
            assert await holder(other) is None

    async def test_a_database_that_is_away_is_told_once_and_waited_for(
        self, store: Store, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        place = Place(database=database)
        async with AsyncExitStack() as away:
            await away.enter_async_context(store.hanging_reads(database, connections=2))
            async with running(place.leased("a")):
                await becomes(lambda: bool(caplog.records))
                await asyncio.sleep(3 * TIMES.renewal_seconds)
                assert [one.levelname for one in caplog.records] == ["WARNING"]
                assert place.sweepers == []
                await away.aclose()
                await becomes(lambda: place.is_working)


async def test_retention_ends_when_its_lease_is_lost(
    store: Store, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    fenced = FencedDatabase(database, await taken(database, "a"))
    await store.change("UPDATE leases SET term = term + 1")
    with pytest.raises(LeaseLost):
        await within(retention(fenced).run())
    assert caplog.records == []


def retention(database: Database) -> EventRetention:
    """Return what forgets everything."""
    return EventRetention(database, keep_for=timedelta(0), clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))

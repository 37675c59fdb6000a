"""Points over many processes, with a real Redis; the one rule: each process of a test has buckets of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import settings as settings_module
from app import shared_rate_limits
from app.rate_limits import NANO, Key, LeakyBuckets, key_of
from app.redis_client import close, connect
from app.shared_rate_limits import RedisBuckets, SharedBuckets
from domain.ports import PointsLeft
from domain.principals import Principal, Role
from tests.servers.redis_server import RedisPlace, RedisServer

POINTS_MAX = 100
SLOW = 1
"""Points a second: so few that none flow back while a test runs."""
WAIT_SECONDS_MAX = 10.0
UNWAITED_SECONDS_MAX = 0.9
"""Less than any deadline of Redis's answers: what takes no longer did not wait for it, even on a busy machine."""
MICROSECONDS = 1_000_000


def caller(name: str) -> Principal:
    return Principal(account="shop", name=name, role=Role.STOREFRONT)


ONE, OTHER = caller("one"), caller("other")
BUCKET = key_of(ONE)


@asynccontextmanager
async def buckets_at(
    place: RedisPlace, *, points_max: int = POINTS_MAX, points_per_second: int = SLOW
) -> AsyncIterator[RedisBuckets]:
    """Connect to the buckets that are kept in a place."""
    redis = connect(place.url)
    try:
        yield RedisBuckets(redis, prefix=place.prefix, points_max=points_max, points_per_second=points_per_second)
    finally:
        await close(redis)


@asynccontextmanager
async def process_at(place: RedisPlace) -> AsyncIterator[SharedBuckets]:
    """Be one of the processes that share a place; nothing is told unless the test says so, and time stands still."""
    async with buckets_at(place) as shared:
        own = LeakyBuckets(points_max=POINTS_MAX, points_per_second=SLOW, clock=lambda: 0)
        yield SharedBuckets(own, shared)


@asynccontextmanager
async def telling(limits: SharedBuckets) -> AsyncIterator[None]:
    """Let a process tell by itself what it granted."""
    work = asyncio.create_task(limits.run())
    try:
        yield
    finally:
        limits.stop()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await work


async def until(limits: SharedBuckets, *, failures: int) -> None:
    """Spend nothing, again and again, until so many tellings have failed."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while limits.outages.failures_in_all < failures:
            await limits.take(ONE, 0)
            await asyncio.sleep(0.01)


def left(points: int, *, is_granted: bool = True, retry_after_ms: int | None = None) -> PointsLeft:
    return PointsLeft(
        points=points,
        points_max=POINTS_MAX,
        points_per_second=SLOW,
        is_granted=is_granted,
        retry_after_ms=retry_after_ms,
    )


def points(level: int) -> int:
    """Return whole points; a few that flow back meanwhile are part of one."""
    return level // NANO


class TestRedisBuckets:
    """The arithmetic."""

    @given(
        st.lists(
            st.tuples(st.integers(0, 3 * MICROSECONDS), st.integers(-POINTS_MAX, 2 * POINTS_MAX)),
            min_size=1,
            max_size=20,
        ),
        st.sampled_from([1, 50, settings_module.POINTS_MAX]),
    )
    @settings(deadline=None, max_examples=60)
    async def test_they_reckon_like_the_buckets_of_one_process(
        self, redis_url: str, steps: list[tuple[int, int]], points_per_second: int
    ) -> None:
        """Given any spending and giving back at any times, then both have the same left, to the nano-point."""
        clock = SteppedClock()
        own = LeakyBuckets(points_max=POINTS_MAX, points_per_second=points_per_second, clock=clock)
        place = RedisPlace.on(redis_url)
        async with buckets_at(place, points_per_second=points_per_second) as shared:
            for passed_us, spent in steps:
                await clock.step(shared, BUCKET, passed_us)
                level = (await shared.spend({BUCKET: spent}))[BUCKET]
                await clock.read(shared, BUCKET)
                await own.give_back(ONE, -spent)
                assert level == own._buckets[BUCKET].nano_points

    async def test_the_largest_bucket_is_exact(self, redis_place: RedisPlace) -> None:
        """Given the largest bucket and rate that may be set, then a single point more or less is seen."""
        most = settings_module.POINTS_MAX
        async with buckets_at(redis_place, points_max=most, points_per_second=SLOW) as shared:
            assert points((await shared.spend({BUCKET: 1}))[BUCKET]) == most - 1
            assert points((await shared.spend({BUCKET: most - 1}))[BUCKET]) == 0
            assert points((await shared.spend({BUCKET: most}))[BUCKET]) == -most
            assert points((await shared.spend({BUCKET: 1 - most}))[BUCKET]) == -1

    async def test_a_bucket_is_kept_until_it_is_full_again(self, redis_place: RedisPlace) -> None:
        """Given a bucket that lacks something, then its key expires when it does not; a full one has no key."""
        async with buckets_at(redis_place) as shared:
            await shared.spend({BUCKET: 30})
            remaining_ms = await shared._spend.registered_client.pttl(shared.key(BUCKET))
            assert 25_000 < remaining_ms <= 30_001
            await shared.spend({BUCKET: -30})
            assert await shared._spend.registered_client.exists(shared.key(BUCKET)) == 0

    async def test_each_caller_has_a_bucket(self, redis_place: RedisPlace) -> None:
        """Given callers whose names would run together, then each has its own; a call answers for all of them."""
        keys: list[Key] = [("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"), ("ä", "\n 1 2")]
        async with buckets_at(redis_place) as shared:
            spent = {key: 10 * (number + 1) for number, key in enumerate(keys)}
            levels = await shared.spend(spent)
            assert [points(level) for level in levels.values()] == [90, 80, 70, 60]
            assert [points(level) for level in (await shared.spend(dict.fromkeys(keys, 0))).values()] == [
                90,
                80,
                70,
                60,
            ]
            assert all(shared.key(key).startswith(f"{redis_place.prefix}:points:") for key in keys)

    async def test_a_smaller_bucket_is_at_most_full(self, redis_place: RedisPlace) -> None:
        """Given processes with other settings, as while they are restarted, then each keeps to its own size."""
        async with buckets_at(redis_place, points_max=10) as small, buckets_at(redis_place) as large:
            assert points((await large.spend({BUCKET: 10}))[BUCKET]) == 90
            assert points((await small.spend({BUCKET: 1}))[BUCKET]) == 9

    async def test_what_cannot_be_read_is_a_full_bucket(self, redis_place: RedisPlace) -> None:
        async with buckets_at(redis_place) as shared:
            await shared._spend.registered_client.set(shared.key(BUCKET), "rubbish", px=60_000)
            assert points((await shared.spend({BUCKET: 1}))[BUCKET]) == 99


class TestSharing:
    """What several processes have together."""

    async def test_what_one_grants_the_other_has_no_more(self, redis_place: RedisPlace) -> None:
        async with process_at(redis_place) as here, process_at(redis_place) as there:
            assert await here.take(ONE, 70) == left(30)
            assert await here.run_once() == 1
            assert await there.take(ONE, 10) == left(90)
            assert await there.run_once() == 1
            assert await there.take(ONE, 20) == left(0)
            assert not (await there.take(ONE, 1)).is_granted
            assert await there.take(OTHER, 100) == left(0)

    async def test_what_was_granted_twice_is_owed(self, redis_place: RedisPlace) -> None:
        """Given two processes that each grant a bucket before they hear of each other, then both wait for the debt."""
        async with process_at(redis_place) as here, process_at(redis_place) as there:
            assert (await here.take(ONE, 100)).is_granted
            assert (await there.take(ONE, 100)).is_granted
            await here.run_once()
            await there.run_once()
            await here.take(ONE, 0)
            await here.run_once()
            for process in (here, there):
                refused = await process.take(ONE, 1)
                assert not refused.is_granted
                assert refused.points == 0
                assert 90_000 < (refused.retry_after_ms or 0) <= 101_000

    async def test_what_one_gives_back_the_other_may_take(self, redis_place: RedisPlace) -> None:
        """Given a caller that was refused, when another process gives points back, then the next request is granted."""
        async with process_at(redis_place) as here, process_at(redis_place) as there:
            await here.take(ONE, 100)
            await here.run_once()
            await there.take(ONE, 0)
            await there.run_once()
            await here.give_back(ONE, 60)
            await here.run_once()
            assert not (await there.take(ONE, 50)).is_granted
            await there.run_once()
            assert await there.take(ONE, 50) == left(10)

    async def test_what_is_taken_while_it_is_told_counts(self, redis_place: RedisPlace) -> None:
        """Given points taken between the telling and its answer, then the answer does not bring them back."""
        async with process_at(redis_place) as here, process_at(redis_place) as there:
            await here.take(ONE, 50)
            telling_it = asyncio.create_task(here.run_once())
            await asyncio.sleep(0)
            assert await here.take(ONE, 30) == left(20)
            assert await telling_it == 1
            assert await here.take(ONE, 0) == left(20)
            assert await here.run_once() == 1
            await there.take(ONE, 0)
            await there.run_once()
            assert await there.take(ONE, 0) == left(20)

    async def test_groups_of_gateways_do_not_share(self, redis_url: str) -> None:
        places = RedisPlace.on(redis_url), RedisPlace.on(redis_url)
        async with process_at(places[0]) as here, process_at(places[1]) as there:
            await here.take(ONE, 100)
            await here.run_once()
            await there.take(ONE, 0)
            await there.run_once()
            assert await there.take(ONE, 100) == left(0)

    async def test_many_callers_are_told_in_several_calls(
        self, redis_place: RedisPlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shared_rate_limits, "BUCKETS_TOLD_AT_ONCE_MAX", 2)
        async with process_at(redis_place) as here:
            for number in range(5):
                await here.take(caller(str(number)), 1)
            assert [await here.run_once() for _ in range(4)] == [2, 2, 1, 0]

    async def test_what_waits_to_be_told_is_bounded(
        self, redis_place: RedisPlace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given more callers than are told of at once, then those beyond are limited by this process alone."""
        monkeypatch.setattr(shared_rate_limits, "BUCKETS_UNTOLD_MAX", 1)
        async with process_at(redis_place) as here:
            await here.take(ONE, 10)
            assert await here.take(OTHER, 100) == left(0)
            assert not (await here.take(OTHER, 1)).is_granted
            assert await here.run_once() == 1

    async def test_it_tells_by_itself(self, redis_place: RedisPlace) -> None:
        async with process_at(redis_place) as here, process_at(redis_place) as there, telling(here), telling(there):
            await here.take(ONE, 100)
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while (await there.take(ONE, 0)).points > 1:
                    await asyncio.sleep(0.01)


class TestWithoutRedis:
    """It fails open, and nothing waits."""

    async def test_own_buckets_serve_while_it_is_killed_and_started_again(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Given a Redis that dies, then each process goes by itself, says so once, and says once when it is over."""
        place = RedisPlace.on(redis_server.url)
        async with process_at(place) as here, process_at(place) as there, telling(here):
            redis_server.kill()
            assert await here.take(ONE, 100) == left(0)
            assert await there.take(ONE, 100) == left(0)
            await until(here, failures=2)
            assert (await here.take(ONE, 1)).is_granted is False
            redis_server.begin()
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                # It begins anew, with full buckets: all that is lost.
                while not (await here.take(ONE, 1)).is_granted:
                    await asyncio.sleep(0.01)
        away, back = (record.getMessage() for record in caplog.records)
        assert away.startswith("Redis does not answer (ConnectionError")
        assert away.endswith("each process counts its callers' points for itself until it does")
        assert back.startswith("Redis answers again after ")
        assert back.endswith(f" s and {here.outages.failures_in_all} failed attempts")

    async def test_nothing_waits_while_it_is_held_up(self, redis_server: RedisServer) -> None:
        """Given a Redis that accepts and never answers, then takes are answered at once, and it may stop at once."""
        loop = asyncio.get_running_loop()
        async with process_at(RedisPlace.on(redis_server.url)) as here:
            async with telling(here):
                redis_server.pause()
                for _ in range(100):
                    began = loop.time()
                    await here.take(ONE, 1)
                    assert loop.time() - began < UNWAITED_SECONDS_MAX
                    await asyncio.sleep(0)
                assert not (await here.take(ONE, 1)).is_granted
                await asyncio.sleep(0.1)
                began = loop.time()
            assert loop.time() - began < UNWAITED_SECONDS_MAX
            redis_server.resume()

    async def test_what_was_spent_meanwhile_is_forgotten(
        self, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given spending that could not be told, then it is not added up for the time after."""
        monkeypatch.setattr(shared_rate_limits, "BUCKETS_TOLD_AT_ONCE_MAX", 1)
        async with process_at(RedisPlace.on(redis_server.url)) as here, telling(here):
            redis_server.kill()
            for name in ("two", "three", "four"):
                await here.take(caller(name), 100)
            await until(here, failures=1)
            assert not any(here._untold.values())

    async def test_flushing_it_loses_points_only(self, redis_server: RedisServer) -> None:
        """Given a Redis that forgets its keys and scripts, then the next telling makes them anew."""
        async with process_at(RedisPlace.on(redis_server.url)) as here:
            await here.take(ONE, 100)
            await here.run_once()
            client = here._shared._spend.registered_client
            await client.flushall()
            await client.script_flush()
            await here.take(ONE, 0)
            assert await here.run_once() == 1
            assert await here.take(ONE, 60) == left(40)

    async def test_a_refusal_of_redis_is_an_outage(self, redis_server: RedisServer) -> None:
        """Given a key that somebody else made something else of, then own buckets serve."""
        async with process_at(RedisPlace.on(redis_server.url)) as here, telling(here):
            await here._shared._spend.registered_client.lpush(here._shared.key(BUCKET), "x")
            await until(here, failures=1)
            assert await here.take(ONE, 100) == left(0)


@dataclass(slots=True)
class SteppedClock:
    """The clock of a process that goes with Redis's, and is moved on together with what a bucket has seen."""

    now_ns: int = 0
    ahead_us: int = 0

    def __call__(self) -> int:
        return self.now_ns

    async def step(self, shared: RedisBuckets, bucket: Key, passed_us: int) -> None:
        """Let time pass for one bucket: what it saw, it saw that much earlier."""
        redis = shared._spend.registered_client
        kept = await redis.get(shared.key(bucket))
        self.ahead_us += passed_us
        if kept is not None:
            level, seen = kept.split()
            await redis.set(shared.key(bucket), f"{int(level)} {int(seen) - passed_us}", keepttl=True, xx=True)

    async def read(self, shared: RedisBuckets, bucket: Key) -> None:
        """Say the time at which Redis reckoned last; of a full bucket any time since will do."""
        redis = shared._spend.registered_client
        kept = await redis.get(shared.key(bucket))
        seconds, microseconds = await redis.time()
        seen = seconds * MICROSECONDS + microseconds if kept is None else int(kept.split()[1])
        self.now_ns = (seen + self.ahead_us) * 1000

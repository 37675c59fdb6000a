"""Redis is killed, flushed or held up under load: changes go on as before, and subscribers miss nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from tests.faults.counts import SEED, seconds
from tests.faults.stores import PostgresStore
from tests.faults.subscribers import Subscriber, following, logged
from tests.faults.trial import open_trial
from tests.servers.redis_server import RedisServer

DOWN_SECONDS: Final = seconds("REDIS_DOWN_SECONDS", ci=1)
UNDER_LOAD_SECONDS: Final = 0.5
SUBSCRIBERS: Final = 2
TOLD_BY_POLLING_SECONDS_MAX: Final = 3.0
"""A feed that is told nothing looks every second."""
ANSWERED_SECONDS_MAX: Final = 3.0
SECONDS_MAX: Final = 180


async def test_no_fault_of_redis_reaches_a_client(
    tmp_path: Path, postgres_store: PostgresStore, redis_server: RedisServer
) -> None:
    settings = {"STOCKGATE_REDIS_URL": redis_server.url}
    async with (
        asyncio.timeout(SECONDS_MAX + 2 * DOWN_SECONDS),
        open_trial(tmp_path, postgres_store, seed=SEED, gateways=2, settings=settings) as trial,
    ):
        begin = (await postgres_store.read()).head
        places = [trial.gateways[number % 2 :][:1] for number in range(SUBSCRIBERS)]
        async with following(places, after=begin, seed=SEED) as subscribers, trial.under_load() as pause:
            late = []
            for fault in (killed(redis_server), held_up(redis_server), flushed(redis_server)):
                await pause(UNDER_LOAD_SECONDS)
                async with fault:
                    await pause(DOWN_SECONDS)
                    late.append(await seconds_until_told(subscribers, (await postgres_store.read()).head))
            await pause(UNDER_LOAD_SECONDS)
            trial.load.stopping.set()
            await pause(ANSWERED_SECONDS_MAX)
            expected = await logged(postgres_store, after=begin)
            await seconds_until_told(subscribers, expected[-1][0])
        aftermath = await trial.finish()
    print(f"\nRedis killed, held up for {DOWN_SECONDS} s and flushed: subscribers were told {late} s later")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert aftermath.turned_away == {}
    assert aftermath.longest_wait_seconds <= ANSWERED_SECONDS_MAX
    assert max(late) <= TOLD_BY_POLLING_SECONDS_MAX
    assert all(subscriber.received == expected for subscriber in subscribers)
    assert all(subscriber.connections == 1 for subscriber in subscribers)


@asynccontextmanager
async def killed(redis: RedisServer) -> AsyncIterator[None]:
    """Kill Redis, and start it again, empty, at the end."""
    await asyncio.to_thread(redis.kill)
    yield
    await asyncio.to_thread(redis.begin)


@asynccontextmanager
async def held_up(redis: RedisServer) -> AsyncIterator[None]:
    """Let Redis take connections and answer nothing."""
    redis.pause()
    try:
        yield
    finally:
        redis.resume()


@asynccontextmanager
async def flushed(redis: RedisServer) -> AsyncIterator[None]:
    """Make Redis forget everything."""
    client = Redis.from_url(redis.url)
    try:
        await client.flushall()
    finally:
        await client.aclose()
    yield


async def seconds_until_told(subscribers: Sequence[Subscriber], position: int) -> float:
    """Wait until everybody has got everything up to a position, and return how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*(subscriber.reaches(position) for subscriber in subscribers))
    return round(loop.time() - began, 2)

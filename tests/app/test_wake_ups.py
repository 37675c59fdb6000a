"""Hints between gateways, through a real Redis; the one rule: with a lost hint nothing but time is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from app import redis_client, wake_ups
from app.redis_client import close, connect
from app.wake_ups import WakeUpReceiver, WakeUpSender, channel_of
from tests.servers.redis_server import RedisPlace, RedisServer

WAIT_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 0.9
"""Less than any deadline of Redis's answers, which it must not wait for."""
QUIET_SECONDS = 0.1
"""How long is waited for what should not come."""


@dataclass(slots=True)
class Feed:
    """Counts how often it is woken."""

    woken: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Take note."""
        self.woken += 1
        self.news.set()

    async def reaches(self, count: int) -> None:
        """Wait until it has been woken so often."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.woken < count:
                self.news.clear()
                await self.news.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One of several that share a place: what it sends by, what it receives by, and what that wakes."""

    redis: Redis
    channel: str
    feed: Feed
    sender: WakeUpSender
    receiver: WakeUpReceiver


@asynccontextmanager
async def gateway_at(place: RedisPlace, name: str, *, works: bool = True) -> AsyncIterator[Gateway]:
    """Be a gateway; one that works has been woken once, because it has just begun to listen."""
    redis, channel, feed = connect(place.url), channel_of(place.prefix), Feed()
    gateway = Gateway(
        redis=redis,
        channel=channel,
        feed=feed,
        sender=WakeUpSender(redis, channel=channel, sender=name),
        receiver=WakeUpReceiver(redis, channel=channel, receiver=name, wake=feed.wake),
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close, redis)
        if works:
            await stack.enter_async_context(working(gateway))
            await feed.reaches(1)
        yield gateway


@asynccontextmanager
async def working(gateway: Gateway) -> AsyncIterator[None]:
    """Let both of its workers run; stop them at the end, which takes no time."""
    work = [asyncio.create_task(worker.run()) for worker in (gateway.sender, gateway.receiver)]
    try:
        yield
    finally:
        gateway.sender.stop()
        gateway.receiver.stop()
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await asyncio.gather(*work)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed soon, and a Redis that was away is asked again soon."""
    monkeypatch.setattr(wake_ups, "SILENCE_SECONDS_MAX", 0.2)
    monkeypatch.setattr(redis_client, "FAILURES_THAT_LENGTHEN_PAUSES", 1)


class TestHints:
    async def test_one_wakes_the_others_and_not_its_sender(self, redis_place: RedisPlace) -> None:
        async with (
            gateway_at(redis_place, "a") as a,
            gateway_at(redis_place, "b") as b,
            gateway_at(redis_place, "c") as c,
        ):
            a.sender.send()
            await asyncio.gather(b.feed.reaches(2), c.feed.reaches(2))
            await asyncio.sleep(QUIET_SECONDS)
            assert [one.feed.woken for one in (a, b, c)] == [1, 2, 2]

    async def test_one_is_passed_on_to_each_that_listens(self, redis_place: RedisPlace) -> None:
        async with gateway_at(redis_place, "a") as a, gateway_at(redis_place, "b", works=False) as b:
            assert await a.sender.run_once() == 1
            assert await b.receiver.run_once() == 0
            assert b.feed.woken == 1
            assert await a.sender.run_once() == 2
            assert await b.receiver.run_once() == 1
            assert b.feed.woken == 2
            await b.sender.run_once()
            assert await b.receiver.run_once() == 0
            assert b.feed.woken == 2
            await b.receiver._hang_up()

    async def test_many_commits_are_few_hints(self, redis_place: RedisPlace) -> None:
        """Given a thousand commits at once, then the others are woken once; later ones wake them again."""
        async with gateway_at(redis_place, "a") as a, gateway_at(redis_place, "b") as b:
            for _ in range(1000):
                a.sender.send()
            await b.feed.reaches(2)
            await asyncio.sleep(QUIET_SECONDS)
            assert b.feed.woken == 2
            a.sender.send()
            await b.feed.reaches(3)

    async def test_groups_of_gateways_do_not_hear_each_other(self, redis_url: str) -> None:
        async with (
            gateway_at(RedisPlace.on(redis_url), "a") as a,
            gateway_at(RedisPlace.on(redis_url), "b") as b,
        ):
            a.sender.send()
            await asyncio.sleep(QUIET_SECONDS)
            assert b.feed.woken == 1

    @pytest.mark.parametrize("rubbish", [b"", b"\x00\xff", b"x" * 100_000, b'{"position": 9223372036854775807}'])
    async def test_nothing_that_it_says_is_believed(self, redis_place: RedisPlace, rubbish: bytes) -> None:
        """Given a message that no gateway sent, then the feed looks, and the next hint is heard."""
        async with gateway_at(redis_place, "a") as a, gateway_at(redis_place, "b") as b:
            await a.redis.publish(a.channel, rubbish)
            await b.feed.reaches(2)
            a.sender.send()
            await b.feed.reaches(3)

    async def test_who_listens_in_silence_goes_on(self, redis_place: RedisPlace, impatient: None) -> None:
        """Given nothing to hear for long, then Redis is asked whether it lives, and nobody is woken by that."""
        async with gateway_at(redis_place, "a") as a, gateway_at(redis_place, "b") as b:
            await asyncio.sleep(wake_ups.SILENCE_SECONDS_MAX * 4)
            assert (b.feed.woken, b.receiver.outages.failures_in_all) == (1, 0)
            a.sender.send()
            await b.feed.reaches(2)


class TestWithoutRedis:
    async def test_it_is_found_again_after_it_was_killed(
        self, redis_server: RedisServer, impatient: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Given a Redis that dies and comes back, then each worker says both once, and hints are heard again."""
        place = RedisPlace.on(redis_server.url)
        async with gateway_at(place, "a") as a, gateway_at(place, "b") as b:
            redis_server.kill()
            a.sender.send()
            await failures_of(a, sender=1, receiver=2)
            redis_server.begin()
            a.sender.send()
            # Hints may have been lost: whoever listens again looks at the log.
            await asyncio.gather(a.feed.reaches(2), b.feed.reaches(2))
            await until_sent(a, to=b)
        said = [record.getMessage() for record in caplog.records]
        assert [len([line for line in said if line.startswith(f"Redis {verb}")]) for verb in VERBS] == [3, 3]
        assert len(said) == 6

    async def test_it_is_given_up_when_it_falls_silent(self, redis_server: RedisServer, impatient: None) -> None:
        """Given a Redis that is held up, then its silence is noticed; when it goes on, so do hints."""
        place = RedisPlace.on(redis_server.url)
        async with gateway_at(place, "a") as a, gateway_at(place, "b") as b:
            redis_server.pause()
            await failures_of(a, sender=1, receiver=1)
            redis_server.resume()
            await b.feed.reaches(2)
            await until_sent(a, to=b)

    async def test_flushing_it_loses_nothing(self, redis_server: RedisServer) -> None:
        place = RedisPlace.on(redis_server.url)
        async with gateway_at(place, "a") as a, gateway_at(place, "b") as b:
            await a.redis.flushall()
            a.sender.send()
            await b.feed.reaches(2)

    async def test_it_may_come_later(self, redis_server: RedisServer, impatient: None) -> None:
        """Given a gateway that starts before its Redis, then it listens as soon as that is there."""
        redis_server.kill()
        async with gateway_at(RedisPlace.on(redis_server.url), "a", works=False) as a, working(a):
            await failures_of(a, receiver=2)
            assert a.feed.woken == 0
            redis_server.begin()
            await a.feed.reaches(1)

    async def test_a_wrong_password_is_told_without_it(
        self, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        with RedisServer(tmp_path_factory.mktemp("redis"), password="right-secret").begin() as server:
            async with gateway_at(RedisPlace.on(server.url), "a") as a:
                a.sender.send()
            assert caplog.records == []
            wrong = RedisPlace.on(server.url.replace("right", "wrong"))
            async with gateway_at(wrong, "a", works=False) as a, working(a):
                await failures_of(a, receiver=1)
        (line,) = (record.getMessage() for record in caplog.records)
        assert line.startswith("Redis does not answer (AuthenticationError: ")
        assert "secret" not in line


VERBS = ("does not answer (", "answers again after ")


async def failures_of(gateway: Gateway, *, sender: int = 0, receiver: int = 0) -> None:
    """Wait until its workers have failed so often; where its sender is waited for, it commits meanwhile."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while gateway.sender.outages.failures_in_all < sender or gateway.receiver.outages.failures_in_all < receiver:
            if sender:
                gateway.sender.send()
            await asyncio.sleep(0.01)


async def until_sent(gateway: Gateway, *, to: Gateway) -> None:
    """Commit again and again until the other is woken."""
    woken = to.feed.woken
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while to.feed.woken == woken:
            gateway.sender.send()
            await asyncio.sleep(0.01)

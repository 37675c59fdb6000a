"""Gateways that share a database and a Redis, put together as they are served; the rule: Redis may go at any time.

Both gateways of a test run in this process, on one database of either kind. The one that is followed polls so seldom
that only a hint can have woken it, or so often that it needs none: each test says which.
"""

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.bootstrap import Gateway, open_gateway
from app.redis_client import Outages, close, connect
from app.settings import SQLITE_PREFIX, Settings
from domain.catalogue import ItemUpsert
from domain.ports import Feed
from domain.principals import LOCAL_PRINCIPAL
from tests.app.databases import SqliteStore, Store
from tests.app.postgres_store import PostgresStore
from tests.servers.redis_server import RedisPlace, RedisServer

PROJECT = Path(__file__).parents[2]
NEVER_MS = 600_000
SOON_MS = 50
WAIT_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 2.0
IMPORT_SECONDS_MAX = 60
POINTS_MAX = 1000


class Shop:
    """Two gateways, one of which is followed from its first event on."""

    def __init__(self, here: Gateway, there: Gateway) -> None:
        self.here = here
        self.there = there
        self._stream = _positions(there.services.feed)

    async def commit(self, sku: str) -> int:
        """Commit something on one gateway; return its position."""
        receipt = await self.here.services.ledger.execute(ItemUpsert(sku=sku, fields={}), by=LOCAL_PRINCIPAL)
        return getattr(receipt, "position", 0)

    async def sees(self, position: int) -> None:
        """Wait until a follower of the other gateway has been given what was committed."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while await anext(self._stream) < position:
                pass


async def _positions(feed: Feed) -> AsyncIterator[int]:
    async for run in feed.follow(0):
        for recorded in run:
            yield recorded.position


def settings_at(database_url: str, place: RedisPlace, *, poll_ms: int) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=SecretStr(place.url),
        redis_prefix=place.prefix,
        feed_poll_ms=poll_ms,
        cost_points_max=POINTS_MAX,
        cost_points_per_second=1,
    )


@pytest.fixture
def database_url(store: Store) -> str:
    """Where both gateways keep the truth."""
    return store.url if isinstance(store, PostgresStore) else f"{SQLITE_PREFIX}{_file_of(store)}"


def _file_of(store: Store) -> Path:
    assert isinstance(store, SqliteStore)
    return store.path


@asynccontextmanager
async def shop_at(database_url: str, place: RedisPlace, *, poll_ms: int) -> AsyncIterator[Shop]:
    settings = settings_at(database_url, place, poll_ms=poll_ms)
    async with open_gateway(settings) as here, open_gateway(settings) as there:
        yield Shop(here, there)


async def spent_there(shop: Shop) -> None:
    """Spend everything on one gateway, and wait until the other has heard."""
    assert (await shop.here.services.rate_limits.take(LOCAL_PRINCIPAL, POINTS_MAX)).is_granted
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await shop.there.services.rate_limits.take(LOCAL_PRINCIPAL, 0)).points > POINTS_MAX // 2:
            await asyncio.sleep(0.01)


async def test_a_follower_sees_at_once_what_another_gateway_commits(database_url: str, redis_place: RedisPlace) -> None:
    async with shop_at(database_url, redis_place, poll_ms=NEVER_MS) as shop:
        for number in range(20):
            await shop.sees(await shop.commit(f"SKU-{number}"))


async def test_callers_spend_the_same_points_everywhere(database_url: str, redis_place: RedisPlace) -> None:
    async with shop_at(database_url, redis_place, poll_ms=NEVER_MS) as shop:
        await spent_there(shop)
        assert not (await shop.there.services.rate_limits.take(LOCAL_PRINCIPAL, POINTS_MAX)).is_granted


async def test_commits_are_followed_and_callers_limited_while_redis_is_killed(
    database_url: str, redis_server: RedisServer
) -> None:
    """Given a Redis that dies, then commits are seen by polling and each gateway counts for itself; then it is back."""
    async with shop_at(database_url, RedisPlace.on(redis_server.url), poll_ms=SOON_MS) as shop:
        await shop.sees(await shop.commit("BEFORE"))
        redis_server.kill()
        await shop.sees(await shop.commit("WITHOUT"))
        for gateway in (shop.here, shop.there):
            assert (await gateway.services.rate_limits.take(LOCAL_PRINCIPAL, POINTS_MAX)).is_granted
            assert not (await gateway.services.rate_limits.take(LOCAL_PRINCIPAL, POINTS_MAX)).is_granted
            assert gateway.is_working
        redis_server.begin()
        await shop.sees(await shop.commit("AFTER"))


async def test_commits_are_answered_and_followed_while_redis_is_held_up(
    database_url: str, redis_server: RedisServer
) -> None:
    """Given a Redis that accepts and never answers, then nobody waits for it, and gateways stop as ever."""
    loop = asyncio.get_running_loop()
    async with shop_at(database_url, RedisPlace.on(redis_server.url), poll_ms=SOON_MS) as shop:
        await shop.sees(await shop.commit("BEFORE"))
        redis_server.pause()
        await shop.sees(await shop.commit("WITHOUT"))
        await asyncio.sleep(0.1)
        began = loop.time()
    assert loop.time() - began < STOP_SECONDS_MAX
    redis_server.resume()


async def test_a_gateway_starts_before_its_redis(
    database_url: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.kill()
    async with shop_at(database_url, RedisPlace.on(redis_server.url), poll_ms=SOON_MS) as shop:
        await shop.sees(await shop.commit("WITHOUT"))
        redis_server.begin()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not [line for line in caplog.messages if line.startswith("Redis answers again")]:
                await asyncio.sleep(0.01)
        await shop.sees(await shop.commit("WITH"))


async def test_it_may_do_no_more_than_the_manual_says(
    database_url: str, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a user of Redis with the rights that docs/operations.md asks for, then gateways share all they can."""
    told = " ".join((PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    commands = re.findall("`([A-Z ]+)`", told.split("needs the commands ")[1].split(", on the keys")[0])
    assert len(commands) == 9
    rights = [f"+{command.lower().replace(' ', '|')}" for command in commands]
    administrator = connect(redis_server.url)
    await administrator.acl_setuser(
        "gateway",
        enabled=True,
        passwords=["+secret"],
        reset_channels=True,
        categories=["-@all"],
        commands=rights,
        keys=["stockgate:points:*"],
        channels=["stockgate:wake-ups"],
    )
    await close(administrator)
    place = RedisPlace(url=redis_server.url.replace("redis://", "redis://gateway:secret@"), prefix="stockgate")
    async with shop_at(database_url, place, poll_ms=NEVER_MS) as shop:
        await shop.sees(await shop.commit("SKU"))
        await spent_there(shop)
    assert "Permission" not in caplog.text


def test_without_a_redis_no_client_is_loaded() -> None:
    """Given no Redis, then a gateway is made without the client's code."""
    code = (
        "import sys\nfrom app.settings import Settings\nfrom app.sharing import share\n"
        "assert share(Settings(), wake_feed=print).workers == {}\nassert 'redis' not in sys.modules\n"
        "import app.bootstrap\nassert 'redis' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=IMPORT_SECONDS_MAX,
        cwd=PROJECT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/0",
        "redis://:p%40ss@10.0.0.5:6380/15",
        "redis://user:secret@[::1]:6379",
        "rediss://user:secret@cache.example:6380/1",
        "rediss://cache.example?ssl_ca_certs=ca.pem&ssl_check_hostname=true",
    ],
)
def test_a_url_of_redis_is_taken(url: str) -> None:
    kept = Settings(redis_url=SecretStr(url)).redis_url
    assert kept is not None
    assert kept.get_secret_value() == url
    is_encrypted = url.startswith("rediss:")
    assert connect(url).connection_pool.connection_class.__name__ == ("SSLConnection" if is_encrypted else "Connection")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://user:secret@localhost",
        "unix:///run/redis.sock",
        "redis://",
        "redis:///0",
        "redis://user:secret@localhost:port",
        "redis://user:secret@localhost:0",
        "redis://user:secret@localhost:65536",
        "redis://user:secret@localhost/first",
        "redis://user:secret@localhost/0/1",
        "redis://user:secret@[::1",
        "redis://user:secret@localhost?socket_timeout=60",
        "redis://user:secret@localhost?ssl_ca_certs=ca.pem",
        "rediss://user:secret@localhost?ssl_ca_certs",
        "rediss://user:secret@localhost?protocol=3",
    ],
)
def test_another_url_is_refused_without_being_told(url: str) -> None:
    """Given what is no URL of a Redis, then what to write is told, and nothing of what was written."""
    with pytest.raises(ValidationError) as refusal:
        Settings(redis_url=SecretStr(url))
    assert "write redis://host:6379 or rediss://host:6379" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_the_password_is_in_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKGATE_REDIS_URL", "redis://user:secret@localhost")
    settings = Settings()
    assert settings.redis_url is not None
    client = connect(settings.redis_url.get_secret_value())
    told = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {client!r}"
    assert "secret" not in told


@pytest.mark.parametrize("prefix", ["", "a b", "a" * 65, "a\n", "ä", "{a}", "*"])
def test_a_prefix_is_plain_text(prefix: str) -> None:
    with pytest.raises(ValidationError, match="write 1 to 64 letters, digits or any of"):
        Settings(redis_prefix=prefix)


async def test_who_cannot_reach_redis_waits_longer_before_it_tries_again() -> None:
    """Given failure after failure, then pauses grow to two seconds, are no two alike, and never overflow."""
    outages = Outages(logging.getLogger("stockgate.test"), meanwhile="it goes without")
    pauses = [outages.failed(OSError()) for _ in range(2000)]
    assert 0.25 <= pauses[0] <= 0.5
    assert all(1.0 <= pause <= 2.0 for pause in pauses[3:])
    assert len(set(pauses)) == len(pauses)

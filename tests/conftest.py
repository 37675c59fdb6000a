"""Real servers for every test that wants one; the one rule: each starts once, when it is first asked for.

The summary tells which were used, so that nobody takes a run without one for a run with it.
"""

from collections.abc import Iterator

import pytest

from app.bench.postgres_server import DURABLE, PostgresServer
from tests.servers import redis_server as redis
from tests.servers.postgres_server import TestServer, running_server
from tests.servers.redis_server import RedisPlace, RedisServer
from tests.servers.standby import StandbyServer, running_pair

SERVERS_USED = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no server used."""
    config.stash[SERVERS_USED] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which servers the tests ran on."""
    used = {
        "SQLite": "files of its own",
        "PostgreSQL": "not used",
        "PostgreSQL with a replica": "not used",
        "Redis": "not used",
        **config.stash[SERVERS_USED],
    }
    terminalreporter.write_sep("-", "servers used")
    for name, what in used.items():
        terminalreporter.write_line(f"{name}: {what}")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A real PostgreSQL."""
    with running_server() as server:
        request.config.stash[SERVERS_USED]["PostgreSQL"] = server.version
        yield server


@pytest.fixture(scope="session")
def durable_postgres(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A real PostgreSQL that syncs every commit, as in production; for the fault tests."""
    with running_server(DURABLE) as server:
        request.config.stash[SERVERS_USED]["PostgreSQL, every commit synced"] = server.version
        yield server


@pytest.fixture(scope="session")
def postgres_pair(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, StandbyServer]]:
    """A primary and its standby, which tests may pause, kill and start again."""
    with running_pair() as (primary, standby):
        ports = f"primary on port {primary.port}, standby on port {standby.port}"
        request.config.stash[SERVERS_USED]["PostgreSQL with a replica"] = ports
        yield primary, standby


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis that tests share; none of them stops it."""
    _note_redis(request)
    given = redis.given_url()
    if given is not None:
        yield given
        return
    with RedisServer(tmp_path_factory.mktemp("redis")).begin() as server:
        yield server.url


@pytest.fixture
def redis_place(redis_url: str) -> RedisPlace:
    """A part of the shared Redis of the test's own."""
    return RedisPlace.on(redis_url)


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the test's own, which it may kill and hold up."""
    _note_redis(request)
    with RedisServer(tmp_path_factory.mktemp("redis")).begin() as server:
        yield server


def _note_redis(request: pytest.FixtureRequest) -> None:
    request.config.stash[SERVERS_USED]["Redis"] = redis.described()

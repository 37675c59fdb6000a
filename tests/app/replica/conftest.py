"""A real primary with a real standby; the one rule: each test has a database of its own, and leaves the standby up."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import strawberry

from app.bench.postgres_server import PostgresServer
from app.bootstrap import open_gateway
from app.settings import Settings
from resolvers.schema import build_schema
from tests.app.postgres_store import PostgresDatabases, PostgresStore
from tests.servers.postgres_server import TestServer
from tests.servers.standby import StandbyServer

pytest.register_assert_rewrite("tests.resolvers.desk", "tests.app.replica.floor")

from tests.app.replica.floor import Floor, floor_on  # noqa: E402  # after the registration
from tests.resolvers.desk import Desk, stock_up  # noqa: E402  # after the registration


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    """The schema, built once."""
    return build_schema()


@pytest.fixture(scope="session")
def primary(postgres_pair: tuple[PostgresServer, StandbyServer]) -> PostgresServer:
    """The server that the truth is kept on."""
    return postgres_pair[0]


@pytest.fixture
def standby(postgres_pair: tuple[PostgresServer, StandbyServer]) -> Iterator[StandbyServer]:
    """The server that follows it, whatever was done to it before."""
    standby = postgres_pair[1]
    yield standby
    standby.recover()


@pytest.fixture(scope="session")
def stocked(primary: PostgresServer, schema: strawberry.Schema) -> tuple[PostgresDatabases, PostgresStore]:
    """A database with the small shop, to be copied."""
    server = TestServer(base_url=primary.url("").rstrip("/"), version="the primary")
    databases = PostgresDatabases(server)
    store = databases.new_store()
    assert isinstance(store, PostgresStore)

    async def stock() -> None:
        async with open_gateway(Settings(database_url=store.url)) as gateway:
            await stock_up(Desk(gateway=gateway, schema=schema))

    asyncio.run(stock())
    return databases, store


@pytest.fixture
def store(stocked: tuple[PostgresDatabases, PostgresStore], standby: StandbyServer) -> PostgresStore:
    """A database with the small shop, on both servers."""
    databases, template = stocked
    copy = databases.copy_of(template)
    assert isinstance(copy, PostgresStore)
    standby.catch_up()
    return copy


@pytest.fixture
async def floor(store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema) -> AsyncIterator[Floor]:
    """A gateway whose replica is in use, and stays so however busy the machine is."""
    async with floor_on(store, standby, schema, read_staleness_ms_max=60_000) as floor:
        await floor.until_used()
        yield floor

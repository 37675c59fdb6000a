"""What the contract tests of the writer, the storage and the feed share; the one rule: each test has its own store."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app import authentication
from tests.app.databases import Databases, SqliteDatabases, Store
from tests.app.postgres_store import PostgresDatabases

pytest.register_assert_rewrite("tests.app.shop", "tests.app.callers", "tests.domain.given")

from tests.app.shop import Shop, open_shop, stock_up  # noqa: E402  # after the registration


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Every kind of database, one after the other."""
    if request.param == "sqlite":
        return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))
    return PostgresDatabases(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="session")
def stocked(databases: Databases) -> Store:
    """A store that holds what the small shop begins with; nobody is connected to it."""
    store = databases.new_store()
    asyncio.run(_stock_up(store))
    return store


@pytest.fixture
def store(databases: Databases) -> Store:
    """A migrated store that holds nothing."""
    return databases.new_store()


@pytest.fixture
async def shop(databases: Databases, stocked: Store) -> AsyncIterator[Shop]:
    """The small shop, open."""
    async with open_shop(databases.copy_of(stocked)) as shop:
        yield shop


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was read is believed for a moment."""
    monkeypatch.setattr(authentication, "BELIEVED_SECONDS", 0.0)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is believed for longer than a test takes."""
    monkeypatch.setattr(authentication, "BELIEVED_SECONDS", 600.0)


async def _stock_up(store: Store) -> None:
    async with open_shop(store) as shop:
        await stock_up(shop)

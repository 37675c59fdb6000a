"""Databases for the fault tests, one of each test's own; the one rule: what is committed is on disk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.stores import PostgresStore, SqliteStore, Store, new_postgres_store
from tests.servers.postgres_server import TestServer


@pytest.fixture
async def postgres_store(durable_postgres: TestServer) -> AsyncIterator[PostgresStore]:
    """A database that holds no tables yet."""
    async with new_postgres_store(durable_postgres) as store:
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    """A file that is not there yet."""
    return SqliteStore(path=tmp_path / "ledger.sqlite3")

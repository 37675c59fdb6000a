"""Databases for the fault tests; the one rule: what is committed is on disk, as it is in production.

`STOCKGATE_TEST_POSTGRES_URL` names a server to use instead; only the tests that kill a server always start their own.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.bench.postgres_server import DURABLE, PostgresServer
from tests.faults.stores import PostgresStore, SqliteStore, Store, new_postgres_store
from tests.servers.postgres_server import URL_VARIABLE, TestServer


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[TestServer]:
    """A PostgreSQL server that syncs every commit."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield TestServer(base_url=given.rpartition("/")[0], version=f"the server of {URL_VARIABLE}")
        return
    with PostgresServer(settings=DURABLE) as server:
        yield TestServer(base_url=server.url("").rstrip("/"), version=server.execute("SHOW server_version"))


@pytest.fixture
async def postgres_store(durable_postgres: TestServer) -> AsyncIterator[PostgresStore]:
    """A database of the test's own, empty."""
    async with new_postgres_store(durable_postgres) as store:
        yield store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    """A file of the test's own, which is not there yet."""
    return SqliteStore(path=tmp_path / "ledger.sqlite3")

"""The PostgreSQL that the tests run on: one cluster a session, made when the first test asks for it.

The one rule: `STOCKGATE_TEST_POSTGRES_URL` names a server to use instead; there too, tests make their own databases.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.bench.postgres_server import QUICK, PostgresServer

URL_VARIABLE: Final = "STOCKGATE_TEST_POSTGRES_URL"
DRIVER_PREFIX: Final = "postgresql+asyncpg://"
CONNECT_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestServer:
    """A running server: `url` without a database's name, and what it says it is."""

    __test__ = False

    base_url: str
    version: str

    def url(self, database: str) -> str:
        """Return the setting that names a database."""
        return f"{self.base_url}/{database}"

    def dsn(self, database: str) -> str:
        """Return the address of a database as the driver wants it."""
        return self.url(database).replace(DRIVER_PREFIX, "postgresql://")

    async def execute(self, sql: str, *, database: str = "postgres") -> None:
        """Run SQL outside of any transaction."""
        connection = await asyncpg.connect(self.dsn(database), timeout=CONNECT_SECONDS_MAX)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


@contextmanager
def running_server(settings: Mapping[str, str] = QUICK) -> Iterator[TestServer]:
    """Yield the server that the environment names, or one of the session's own with these settings."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield TestServer(base_url=given.rpartition("/")[0], version=f"the server of {URL_VARIABLE}")
        return
    with PostgresServer(settings={**settings, "max_locks_per_transaction": "256"}) as server:
        version = server.execute("SHOW server_version")
        base_url = server.url("").rstrip("/")
        yield TestServer(base_url=base_url, version=f"PostgreSQL {version} on port {server.port}")

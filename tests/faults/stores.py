"""The databases on which the faults are tried, each read past the gateway into the same ledger."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import asyncpg

from app.settings import POSTGRES_PREFIX, SQLITE_PREFIX
from tests.faults.ledger import READ_SECONDS_MAX, Ledger, read_postgres, read_sqlite
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgres_server import TestServer
from tests.servers.wire_text import PostgresStatements

POSTGRES_PORT: Final = 5432
NAMES: Final = counting(1)


class Store(Protocol):
    """One database; `url` is how gateways are told of it."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def url(self) -> str:
        """What STOCKGATE_DATABASE_URL says."""
        ...

    async def read(self) -> Ledger:
        """Read all of it on one snapshot; gateways may be running on it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteStore:
    """A file."""

    path: Path
    name: str = "SQLite"

    @property
    def url(self) -> str:
        """Return the file's URL."""
        return f"{SQLITE_PREFIX}{self.path}"

    async def read(self) -> Ledger:
        """Read the file."""
        return await asyncio.to_thread(read_sqlite, self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStore:
    """A database of a PostgreSQL server."""

    url: str
    name: str = "PostgreSQL"

    @property
    def plain_url(self) -> str:
        """Return the URL as PostgreSQL's own clients take it."""
        return self.url.replace(POSTGRES_PREFIX, "postgresql://", 1)

    def by_way_of(self, proxy: FaultProxy) -> str:
        """Return the URL of the same database behind a proxy."""
        parts = urlsplit(self.url)
        who = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{who}@127.0.0.1:{proxy.port}").geturl()

    async def ask(self, sql: str) -> Any:
        """Run SQL past the gateways; return the first value that it finds."""
        connection = await asyncpg.connect(self.plain_url, timeout=READ_SECONDS_MAX, command_timeout=READ_SECONDS_MAX)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def read(self) -> Ledger:
        """Read the database."""
        return await read_postgres(self.plain_url)


@asynccontextmanager
async def new_postgres_store(server: TestServer) -> AsyncIterator[PostgresStore]:
    """Make an empty database while the block runs."""
    name = f"faults_{os.getpid()}_{next(NAMES)}"
    await server.execute(f"CREATE DATABASE {name}")
    try:
        yield PostgresStore(url=server.url(name), name=server.version.partition(" on ")[0])
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def ways_to(store: PostgresStore, *, count: int) -> Iterator[list[FaultProxy]]:
    """Open so many ways to a database, each with a proxy of its own on it."""
    parts = urlsplit(store.url)
    target = (parts.hostname or "127.0.0.1", parts.port or POSTGRES_PORT)
    with ExitStack() as stack:
        yield [stack.enter_context(FaultProxy(target, reader=PostgresStatements)) for _ in range(count)]

"""The databases on which the faults are tried, each read past the gateway into the same ledger."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from app.settings import SQLITE_PREFIX
from tests.faults.ledger import Ledger, read_postgres, read_sqlite

POSTGRES_PREFIX: Final = "postgresql+asyncpg://"


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

    async def read(self) -> Ledger:
        """Read the database."""
        return await read_postgres(self.plain_url)

"""The database as the rest of the process sees it: scripts in, results or infrastructure errors out."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from app.storage.sqlite import SqliteConnection, SqliteDialect, SqliteReaders, connect
from app.storage.statements import Script

Result = TypeVar("Result")


class TransientError(Exception):
    """The database could not do it now (busy, disk full, connection lost); the same may succeed later."""


class Database(Protocol):
    """One store of the truth. Scripts come as functions, because a script that failed cannot be run again."""

    async def write(self, script: Callable[[], Script[Result]], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in the one write transaction. Raises TransientError."""
        ...

    async def read(self, script: Callable[[], Script[Result]], *, is_single_statement: bool = False) -> Result:
        """Run a script of reads on one snapshot. Raises TransientError."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class SqliteDatabase:
    """One SQLite file: one connection that writes, a few that read."""

    def __init__(self, *, writer: SqliteConnection, readers: SqliteReaders) -> None:
        self._writer = writer
        self._readers = readers

    @classmethod
    async def open(cls, path: Path, *, lock_timeout_ms: int, read_connections: int) -> "SqliteDatabase":
        """Open a migrated file."""
        dialect = SqliteDialect()
        writer = await connect(path, dialect=dialect, busy_timeout_ms=lock_timeout_ms, is_reader=False)
        readers = [
            await connect(path, dialect=dialect, busy_timeout_ms=lock_timeout_ms, is_reader=True)
            for _ in range(read_connections)
        ]
        return cls(writer=writer, readers=SqliteReaders(readers))

    async def write(self, script: Callable[[], Script[Result]], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in one write transaction, durable when this returns."""
        try:
            return await self._writer.run_writing(script(), keeps=keeps)
        except sqlite3.OperationalError as error:
            raise TransientError(str(error)) from error

    async def read(self, script: Callable[[], Script[Result]], *, is_single_statement: bool = False) -> Result:
        """Run a script of reads on one snapshot."""
        try:
            return await self._readers.run(script(), is_single_statement=is_single_statement)
        except sqlite3.OperationalError as error:
            raise TransientError(str(error)) from error

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._writer.close(), self._readers.close())

"""The databases that the contract tests of the storage run on; the one rule: a test knows stores, never a dialect.

Every contract test runs on each of them: on SQLite here, on PostgreSQL in `tests.app.postgres_store`.
"""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from app.settings import SQLITE_PREFIX
from app.storage.database import Database, SqliteDatabase
from app.storage.migrate import migrate_sqlite
from app.storage.statements import Script
from app.storage.tables import metadata

LOCK_TIMEOUT_MS = 2000
OTHER_PROGRAM_SECONDS_MAX = 20.0
"""Longer than any test waits: what ends by itself proves nothing."""

Row = tuple[Any, ...]
Dump = dict[str, list[Row]]
"""Every row of every table, in order."""


@dataclass(slots=True, kw_only=True)
class Lock:
    """What keeps every writer waiting until `release`, which may be called again."""

    release: Callable[[], None]


class Store(Protocol):
    """One migrated database of its own, and what a test may do to it behind the gateway's back."""

    constraint_error: type[Exception]
    """What the driver raises when a constraint or a trigger refuses a row."""
    begin_writing: str
    """How a write transaction begins."""
    takes_steps_whole: bool
    """Whether the calls of one step reach the database as one statement."""

    @property
    def url(self) -> str:
        """The setting that names it."""
        ...

    async def open(self, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS, read_connections: int = 2) -> Database:
        """Connect as a gateway does."""
        ...

    async def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return what a query of another program finds."""
        ...

    async def change(self, sql: str, *parameters: object) -> None:
        """Change something as another program would."""
        ...

    async def dump(self) -> Dump:
        """Return all that is kept."""
        ...

    async def refuse_movements_of(self, sku: str) -> None:
        """Let the database itself fail whatever writes a movement of this item, once its rows are decided."""
        ...

    def locked(self) -> AbstractAsyncContextManager[Lock]:
        """Hold what a writer needs, as a program that does not end its transaction."""
        ...

    def stalled(self, database: Database) -> AbstractAsyncContextManager[Lock]:
        """Let the gateway's own writing connection hang, as a disk does that does not answer."""
        ...

    def hanging_reads(
        self, database: Database, *, connections: int, is_abandoned: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Let so many of the gateway's reading connections hang; `is_abandoned`: their callers have given up."""
        ...

    def full(self, database: Database) -> AbstractAsyncContextManager[None]:
        """Leave the gateway no room to write what does not fit what there is."""
        ...

    def unreadable(self) -> AbstractAsyncContextManager[None]:
        """Let every read of the event log fail, as it does when the database is away."""
        ...

    def statements(self, database: Database) -> AbstractAsyncContextManager[list[str]]:
        """Note the text of each statement that the gateway's connections run."""
        ...


class Databases(Protocol):
    """Makes stores of one kind."""

    def new_store(self) -> Store:
        """Return a migrated store that holds nothing."""
        ...

    def copy_of(self, store: Store) -> Store:
        """Return a store that holds the same as one that nobody is connected to."""
        ...


@dataclass(slots=True)
class SqliteDatabases:
    """SQLite files, each a copy of one that was migrated once: a migration costs ten times a copy."""

    directory: Path
    made: int = 0

    def new_store(self) -> Store:
        """Return a copy of the template."""
        template = self.directory / "template.sqlite3"
        if not template.exists():
            migrate_sqlite(template)
        return self.copy_of(SqliteStore(path=template))

    def copy_of(self, store: Store) -> Store:
        """Return a copy of the file, once all that is in its write-ahead log is in it."""
        assert isinstance(store, SqliteStore)
        with store._connected() as connection:
            # Connections that close at the same moment may each leave this to the other.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.made += 1
        path = self.directory / f"store-{self.made}.sqlite3"
        shutil.copyfile(store.path, path)
        return SqliteStore(path=path)


@dataclass(slots=True, kw_only=True)
class SqliteStore:
    """One SQLite file."""

    path: Path
    constraint_error: type[Exception] = field(default=sqlite3.IntegrityError)
    begin_writing: str = field(default="BEGIN IMMEDIATE")
    takes_steps_whole: bool = field(default=False)

    @property
    def url(self) -> str:
        """The setting that names it."""
        return f"{SQLITE_PREFIX}{self.path}"

    async def open(self, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS, read_connections: int = 2) -> Database:
        """Connect as a gateway does."""
        return await SqliteDatabase.open(self.path, lock_timeout_ms=lock_timeout_ms, read_connections=read_connections)

    async def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return what a query of another program finds."""
        with self._connected() as connection:
            return connection.execute(sql, parameters).fetchall()

    async def change(self, sql: str, *parameters: object) -> None:
        """Change something as another program would."""
        with self._connected() as connection:
            connection.execute(sql, parameters)

    async def dump(self) -> Dump:
        """Return all that is kept."""
        with self._connected() as connection:
            return {
                table.name: connection.execute(
                    f"SELECT * FROM {table.name} ORDER BY {', '.join(table.primary_key.columns.keys())}"
                ).fetchall()
                for table in metadata.sorted_tables
            }

    async def refuse_movements_of(self, sku: str) -> None:
        """Raise in a trigger, so that the transaction fails at its very end."""
        with self._connected() as connection:
            item_id = connection.execute("SELECT id FROM items WHERE sku = ?", (sku,)).fetchone()[0]
            connection.execute(
                f"CREATE TRIGGER refused_{item_id} BEFORE INSERT ON movements WHEN NEW.item_id = {item_id} "
                "BEGIN SELECT RAISE(ABORT, 'this item is not to move'); END"
            )

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[Lock]:
        """Begin a write transaction and leave it open."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Lock(release=connection.rollback)

    @asynccontextmanager
    async def stalled(self, database: Database) -> AsyncIterator[Lock]:
        """Occupy the connection's thread."""
        is_over = threading.Event()
        hanging = asyncio.create_task(database.write(partial(_hang, is_over), keeps=bool))
        await asyncio.sleep(0)
        try:
            yield Lock(release=is_over.set)
        finally:
            is_over.set()
            await hanging

    @asynccontextmanager
    async def hanging_reads(
        self, database: Database, *, connections: int, is_abandoned: bool = False
    ) -> AsyncIterator[None]:
        """Occupy the threads of the connections that are free."""
        is_over = threading.Event()
        hanging = [asyncio.create_task(database.read(partial(_hang, is_over))) for _ in range(connections)]
        await asyncio.sleep(0)
        try:
            for one in hanging:
                if is_abandoned:
                    one.cancel()
            await asyncio.sleep(0)
            yield
        finally:
            is_over.set()
            await asyncio.wait(hanging)

    @asynccontextmanager
    async def full(self, database: Database) -> AsyncIterator[None]:
        """Limit the file to the pages that it has."""
        assert isinstance(database, SqliteDatabase)
        ((pages,),) = await self.rows("PRAGMA page_count")
        connection = database._writer.connection
        await connection.execute(f"PRAGMA max_page_count = {pages}")
        try:
            yield
        finally:
            await connection.execute(f"PRAGMA max_page_count = {2**30}")

    @asynccontextmanager
    async def unreadable(self) -> AsyncIterator[None]:
        """Take the tables away that every read of the log goes through."""
        await self.change("ALTER TABLE feed_head RENAME TO feed_head_away")
        await self.change("ALTER TABLE events RENAME TO events_away")
        try:
            yield
        finally:
            await self.change("ALTER TABLE events_away RENAME TO events")
            await self.change("ALTER TABLE feed_head_away RENAME TO feed_head")

    @asynccontextmanager
    async def statements(self, database: Database) -> AsyncIterator[list[str]]:
        """Ask the driver: it calls back with each statement that it begins."""
        assert isinstance(database, SqliteDatabase)
        seen: list[str] = []
        connections = [database._writer.connection, *(one.connection for one in database._readers._connections)]
        for connection in connections:
            await connection.set_trace_callback(seen.append)
        try:
            yield seen
        finally:
            for connection in connections:
                await connection.set_trace_callback(None)  # type: ignore[arg-type]  # what takes it off again

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=OTHER_PROGRAM_SECONDS_MAX, isolation_level=None)) as connection:
            yield connection


def _hang(is_over: threading.Event) -> Script[bool]:
    """Say nothing for a while."""
    is_over.wait(timeout=OTHER_PROGRAM_SECONDS_MAX)
    yield from ()
    return False

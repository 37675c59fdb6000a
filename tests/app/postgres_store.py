"""Stores on a real PostgreSQL, as `tests.app.databases` wants them; the one rule: each has a database of its own."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import Integer, Select, bindparam, func, select, type_coerce

from app.storage.database import Database
from app.storage.migrate import migrate_postgres
from app.storage.postgres import BEGIN_WRITING, PostgresSessions
from app.storage.postgres_database import PostgresDatabase, PostgresOptions
from app.storage.statements import Call, Script, Statement
from app.storage.tables import metadata
from tests.app.databases import LOCK_TIMEOUT_MS, OTHER_PROGRAM_SECONDS_MAX, Dump, Lock, Row, Store
from tests.servers.postgres_server import TestServer

READ_DEADLINE_MS: Final = 5000
DATABASES_KEPT_MAX: Final = 40
"""So many databases of tests that are over are left until they are dropped; each holds 8 MB."""
NAMES: Final = count(1)


@dataclass(slots=True)
class PostgresDatabases:
    """Databases on one server, each a copy of one that was migrated once."""

    server: TestServer
    template: "PostgresStore | None" = None
    copied_from: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)

    def new_store(self) -> Store:
        """Return a copy of the template."""
        if self.template is None:
            template = PostgresStore(server=self.server, name=_new_name())
            _run(self.server.execute(f"CREATE DATABASE {template.name} TEMPLATE template0"))
            _run(migrate_postgres(template.url))
            self.template = template
        return self.copy_of(self.template)

    def copy_of(self, store: Store) -> Store:
        """Return a copy of a database that nobody is connected to."""
        assert isinstance(store, PostgresStore)
        self.copied_from.add(store.name)
        copy = PostgresStore(server=self.server, name=_new_name())
        _run(self._copy(store.name, copy.name))
        return copy

    async def _copy(self, source: str, name: str) -> None:
        statements = [f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy"]
        self.made.append(name)
        if len(self.made) > 2 * DATABASES_KEPT_MAX:
            old, self.made = self.made[:DATABASES_KEPT_MAX], self.made[DATABASES_KEPT_MAX:]
            self.made = [one for one in old if one in self.copied_from] + self.made
            statements += [f"DROP DATABASE {one} WITH (FORCE)" for one in old if one not in self.copied_from]
        connection = await asyncpg.connect(self.server.dsn("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(slots=True, kw_only=True)
class PostgresStore:
    """One database."""

    server: TestServer
    name: str
    constraint_error: type[Exception] = field(default=asyncpg.IntegrityConstraintViolationError)
    begin_writing: str = field(default=BEGIN_WRITING)
    takes_steps_whole: bool = field(default=True)

    @property
    def url(self) -> str:
        """The setting that names it."""
        return self.server.url(self.name)

    async def open(self, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS, read_connections: int = 2) -> Database:
        """Connect as a gateway does."""
        return await PostgresDatabase.open(
            self.url,
            PostgresOptions(
                lock_timeout_ms=lock_timeout_ms, read_deadline_ms=READ_DEADLINE_MS, read_connections=read_connections
            ),
        )

    async def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Return what a query of another program finds."""
        async with self._connected() as connection:
            return [tuple(row) for row in await connection.fetch(_numbered(sql), *parameters)]

    async def change(self, sql: str, *parameters: object) -> None:
        """Change something as another program would."""
        async with self._connected() as connection:
            await connection.execute(_numbered(sql), *parameters)

    async def dump(self) -> Dump:
        """Return all that is kept."""
        async with self._connected() as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in await connection.fetch(
                        f"SELECT * FROM {table.name} ORDER BY {', '.join(table.primary_key.columns.keys())}"
                    )
                ]
                for table in metadata.sorted_tables
            }

    async def refuse_movements_of(self, sku: str) -> None:
        """Raise in a trigger, so that the transaction fails at its very end."""
        await self._refuse("movements", f"NEW.item_id = (SELECT id FROM items WHERE sku = '{sku}')", "check_violation")

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[Lock]:
        """Begin a transaction that lets others read only, and leave it open."""
        async with self._connected() as connection:
            tables = ", ".join(table.name for table in metadata.sorted_tables)
            await connection.execute(f"BEGIN; LOCK TABLE {tables} IN EXCLUSIVE MODE")
            pid = connection.get_server_pid()

            def release() -> None:
                _run(self._end(pid))

            yield Lock(release=release)

    @asynccontextmanager
    async def stalled(self, database: Database) -> AsyncIterator[Lock]:
        """Stop the process behind the session that writes."""
        assert isinstance(database, PostgresDatabase)
        if not _server_pids(database._writing):
            await database.write(_nothing, keeps=bool)
        with _stopped(_server_pids(database._writing)) as release:
            yield Lock(release=release)

    @asynccontextmanager
    async def hanging_reads(
        self, database: Database, *, connections: int, is_abandoned: bool = False
    ) -> AsyncIterator[None]:
        """Let reads sleep at the server for longer than a test takes."""
        hanging = [asyncio.create_task(database.read(_sleep)) for _ in range(connections)]
        await asyncio.sleep(0.1)
        try:
            for one in hanging:
                if is_abandoned:
                    one.cancel()
            await asyncio.sleep(0)
            yield
        finally:
            for one in hanging:
                one.cancel()
            await asyncio.wait(hanging)

    @asynccontextmanager
    async def full(self, database: Database) -> AsyncIterator[None]:
        """Let the server say what it says when its disk is full."""
        await self._refuse("events", "true", "disk_full")
        try:
            yield
        finally:
            await self.change("DROP TRIGGER refused ON events")

    @asynccontextmanager
    async def unreadable(self) -> AsyncIterator[None]:
        """Cut every session, and let none begin."""
        await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        await self.server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
        )
        try:
            yield
        finally:
            await self.server.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    @asynccontextmanager
    async def statements(self, database: Database) -> AsyncIterator[list[str]]:
        """Ask the driver: it tells of each statement that it has run."""
        assert isinstance(database, PostgresDatabase)
        seen: list[str] = []

        def note(query: asyncpg.connection.LoggedQuery) -> None:
            seen.append(query.query)

        pools = (database._writing.pool, database._reading.pool)
        for pool in pools:
            await _each_session(pool, lambda connection: connection.add_query_logger(note))
        yield seen
        for pool in pools:
            await _each_session(pool, lambda connection: connection.remove_query_logger(note))

    async def _refuse(self, table: str, condition: str, error: str) -> None:
        await self.change(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {condition} THEN RAISE EXCEPTION 'refused by a test' USING ERRCODE = '{error}'; END IF; "
            "RETURN NEW; END $$"
        )
        await self.change(f"CREATE TRIGGER refused BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")

    async def _end(self, pid: int) -> None:
        await self.server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.server.dsn(self.name), timeout=OTHER_PROGRAM_SECONDS_MAX)
        try:
            yield connection
        finally:
            connection.terminate()


async def _each_session(
    pool: "asyncpg.Pool[asyncpg.Record]", do: "Callable[[PoolConnectionProxy[asyncpg.Record]], None]"
) -> None:
    """Do something with every session of a pool, opening those that are not open."""
    held = [await pool.acquire() for _ in range(pool.get_max_size())]
    for connection in held:
        do(connection)
        await pool.release(connection)


def _server_pids(sessions: PostgresSessions) -> list[int]:
    return [holder._con.get_server_pid() for holder in sessions.pool._holders if holder._con is not None]


@contextmanager
def _stopped(pids: list[int]) -> Iterator["partial[None]"]:
    def go_on() -> None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue

    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield partial(go_on)
    finally:
        go_on()


def _nothing() -> Script[bool]:
    yield from ()
    return False


def _sleeping(_: object) -> Select[*tuple[object, ...]]:
    return select(type_coerce(func.pg_sleep(bindparam("seconds", type_=Integer)), Integer).label("slept"))


def _sleep() -> Script[bool]:
    yield (Call(Statement("sleeping", _sleeping), {"seconds": int(OTHER_PROGRAM_SECONDS_MAX)}),)
    return False


def _new_name() -> str:
    return f"stockgate_test_{os.getpid()}_{next(NAMES)}"


def _numbered(sql: str) -> str:
    """Return the query with the places of its parameters as this server wants them."""
    head, *rest = sql.split("?")
    return head + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))


def _run(work: Coroutine[object, object, object]) -> None:
    """Run something to its end in a loop of its own: the test that asks may be inside another."""
    thread = threading.Thread(target=lambda: asyncio.run(work))
    thread.start()
    thread.join(OTHER_PROGRAM_SECONDS_MAX)
    assert not thread.is_alive()

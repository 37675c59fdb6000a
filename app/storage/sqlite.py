"""SQLite through aiosqlite: the dialect and the driver; the one rule: a script is one hop into the database's thread.

Bound arrays travel as JSON and result rows come back as one JSON text, because the sqlite3 module gives up and takes
back Python's global lock with every row that it steps over: beside a busy event loop that hand-over costs far more
than the JSON (a batch of 64 commands touches some 450 rows, but steps 15 times).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeEngine

from app.storage.statements import Call, Objects, Rows, Script, Statement
from app.storage.tables import feed_head

Result = TypeVar("Result")
COMPILED_STATEMENTS_MAX = 512


class SqliteDialect:
    """Builds statements for SQLite: sets are JSON arrays, times come from the machine's clock."""

    def __init__(self) -> None:
        self._core = sqlite.dialect(paramstyle="named")

    def rows(self, name: str, /, **columns: type[TypeEngine[Any]]) -> Subquery:
        """Return the JSON array of arrays `name` as a table; `ordinal` is the place in the array."""
        each = func.json_each(bindparam(name)).table_valued("key", "value", name=f"{name}_each")
        cells = [
            func.json_extract(each.c.value, literal_column(f"'$[{index}]'"), type_=kind()).label(column)
            for index, (column, kind) in enumerate(columns.items())
        ]
        return select(each.c.key.label("ordinal"), *cells).subquery(name)

    def values(self, name: str, /, kind: type[TypeEngine[Any]]) -> Subquery:
        """Return the JSON array `name` as a table; `ordinal` is the place in the array."""
        each = func.json_each(bindparam(name)).table_valued("key", "value", name=f"{name}_each")
        return select(each.c.key.label("ordinal"), each.c.value.label("value")).subquery(name)

    def now(self) -> ColumnElement[int]:
        """Return the clock in microseconds (SQLite tells milliseconds)."""
        return literal_column("CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) * 1000", Integer)

    def insert_ignoring(self, table: FromClause, columns: Sequence[str], source: Subquery) -> Executable:
        """Return an insert that leaves rows alone whose key exists."""
        return sqlite.insert(table).from_select(columns, _all_of(source, columns)).on_conflict_do_nothing()  # type: ignore[arg-type]  # every table here is a Table

    def insert_or_update(
        self, table: FromClause, columns: Sequence[str], source: Subquery, *, key: Sequence[str]
    ) -> Executable:
        """Return an insert that updates the other columns of rows whose key exists."""
        insert = sqlite.insert(table).from_select(columns, _all_of(source, columns))  # type: ignore[arg-type]  # every table here is a Table
        changed = {column: insert.excluded[column] for column in columns if column not in key}
        return insert.on_conflict_do_update(index_elements=list(key), set_=changed)

    def head_taken(self) -> ColumnElement[int]:
        """Return the head as this transaction sees it."""
        return select(feed_head.c.position).scalar_subquery()

    def lock_catalogue(self, *, is_shared: bool) -> Executable:
        """Return what does nothing: there is one writer at a time, whatever it writes."""
        return select(literal_column(str(int(is_shared)), Integer).label("is_shared"))

    def objects_of(self, document: ColumnElement[Any], *arrays: str, **fields: type[TypeEngine[Any]]) -> Objects:
        """Return the objects that a column's JSON holds in an array of that name, or in arrays within arrays."""
        sources: list[FromClause] = []
        for name in arrays or ("",):
            path = f"'$.{name}'" if name else "'$'"
            array = func.json_each(document, literal_column(path, Text))
            sources.append(array.table_valued("value", name=f"{name}_of_json"))
            document = sources[-1].c.value
        cells = {
            name: func.json_extract(document, literal_column(f"'$.{name}'"), type_=kind())
            for name, kind in fields.items()
        }
        return Objects(sources=sources, fields=cells)

    def compile(self, which: Statement) -> "CompiledStatement":
        """Compile a statement to text. Plain selects are packed: their rows come back as one JSON array."""
        built = which.build(self)
        is_packed = isinstance(built, Select)
        if isinstance(built, Select):
            inner = built.subquery("packed")
            built = select(func.json_group_array(func.json_array(*inner.c)))
        compiled = built.compile(dialect=self._core)  # type: ignore[attr-defined]  # every Executable here compiles
        return CompiledStatement(text=str(compiled), constants=dict(compiled.params), is_packed=is_packed)


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """The text of a statement, the parameters that are fixed in it, and whether its rows come packed."""

    text: str
    constants: dict[str, Any]
    is_packed: bool


def _all_of(source: Subquery, columns: Sequence[str]) -> Select[Any]:
    # SQLite needs a WHERE between a SELECT and ON CONFLICT, else it takes ON for a join's.
    return select(*(source.c[column] for column in columns)).where(literal_column("1") == literal_column("1"))


@dataclass(slots=True)
class SqliteConnection:
    """One connection and its thread; runs scripts one after the other."""

    connection: aiosqlite.Connection
    dialect: SqliteDialect
    statements: dict[str, CompiledStatement] = field(default_factory=dict)

    async def run(self, script: Script[Result]) -> Result:
        """Run a script of reads; a single statement needs no transaction of its own."""
        return await self._in_thread(self._drive, script)

    async def run_reading(self, script: Script[Result]) -> Result:
        """Run a script of several reads on one snapshot."""
        return await self._in_thread(self._transact, script, "BEGIN", lambda _: False)

    async def run_writing(self, script: Script[Result], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in one write transaction, durable when this returns; rolled back unless `keeps(result)`."""
        return await self._in_thread(self._transact, script, "BEGIN IMMEDIATE", keeps)

    async def close(self) -> None:
        """Close the connection once what it is doing is done."""
        await self.connection.close()

    async def _in_thread(self, function: Callable[..., Result], *arguments: object) -> Result:
        # aiosqlite offers one hop a statement; its own `_execute` is the hop itself, and takes any function.
        result: Result = await self.connection._execute(function, *arguments)  # type: ignore[no-untyped-call]  # untyped there
        return result

    def _transact(self, script: Script[Result], begin: str, keeps: Callable[[Result], bool]) -> Result:
        raw = self.connection._conn
        raw.execute(begin)
        try:
            result = self._drive(script)
            if keeps(result):
                raw.execute("COMMIT")
            return result
        finally:
            # Whatever was not committed, for whichever reason, is undone; after a commit there is nothing to undo.
            _roll_back(raw)

    def _drive(self, script: Script[Result]) -> Result:
        try:
            step = next(script)
            while True:
                step = script.send([self._call(call) for call in step])
        except StopIteration as finished:
            result: Result = finished.value
            return result
        finally:
            script.close()

    def _call(self, call: Call) -> Rows:
        compiled = self.statements.get(call.statement.name)
        if compiled is None:
            compiled = self.dialect.compile(call.statement)
            self.statements[call.statement.name] = compiled
        parameters = dict(compiled.constants)
        for name, value in call.parameters.items():
            parameters[name] = orjson.dumps(value).decode() if isinstance(value, list | tuple) else value
        cursor = self.connection._conn.execute(compiled.text, parameters)
        if compiled.is_packed:
            packed: Rows = orjson.loads(cursor.fetchone()[0])
            return packed
        return cursor.fetchall() if cursor.description else []


def _roll_back(raw: sqlite3.Connection) -> None:
    if raw.in_transaction:
        raw.execute("ROLLBACK")


async def connect(path: Path, *, dialect: SqliteDialect, busy_timeout_ms: int, is_reader: bool) -> SqliteConnection:
    """Open the file: WAL, every commit synced to disk, foreign keys on, waiting for locks at most so long."""
    connection = await aiosqlite.connect(
        path, isolation_level=None, cached_statements=COMPILED_STATEMENTS_MAX, timeout=busy_timeout_ms / 1000
    )
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    if is_reader:
        pragmas.append("query_only=ON")
    for pragma in pragmas:
        await connection.execute(f"PRAGMA {pragma}")
    return SqliteConnection(connection=connection, dialect=dialect)


class SqliteReaders:
    """A few reading connections; the one that is free first takes the next script."""

    def __init__(self, connections: Sequence[SqliteConnection]) -> None:
        self._connections = tuple(connections)
        self._free: asyncio.LifoQueue[SqliteConnection] = asyncio.LifoQueue()
        self._coming_back: set[asyncio.Task[None]] = set()
        for connection in connections:
            self._free.put_nowait(connection)

    async def run(self, script: Script[Result], *, is_single_statement: bool) -> Result:
        """Run a script of reads on one snapshot."""
        connection = await self._free.get()
        is_idle = True
        try:
            if is_single_statement:
                return await connection.run(script)
            return await connection.run_reading(script)
        except asyncio.CancelledError:
            # The caller gave up, its script did not: nobody else is to wait behind it.
            is_idle = False
            task = asyncio.create_task(self._take_back(connection))
            self._coming_back.add(task)
            task.add_done_callback(self._coming_back.discard)
            raise
        finally:
            if is_idle:
                self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            await connection.close()

    async def _take_back(self, connection: SqliteConnection) -> None:
        with contextlib.suppress(ValueError):  # closed meanwhile: nobody will ask for it again
            await connection.run(_nothing())
            self._free.put_nowait(connection)


def _nothing() -> Script[None]:
    yield from ()

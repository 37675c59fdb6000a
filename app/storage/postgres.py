"""PostgreSQL through asyncpg: the dialect and the driver; the one rule: a statement is one round trip, at any size.

Sets travel as one bound array a column (large ones of new rows by COPY), and statements are prepared once a connection.
What a connection may hold up, and for how long, is told to the server itself, so that it lets go of what a stalled
gateway holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    UpdateBase,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, JSONPATH
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeEngine

from app.storage.postgres_copy import CopyTarget, is_to_be_copied, rows_of, target_of
from app.storage.statements import ROWS, Call, Objects, Rows, Script, Statement, Step
from app.storage.tables import feed_head

Result = TypeVar("Result")
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

STATEMENTS_CACHED_MAX: Final = 512
FOR_EVER: Final = 0
QUERIES_MAX: Final = 2**62
"""A connection is not exchanged for having been used."""
HEAD_STATEMENT: Final = "advance_head"
CATALOGUE_LOCK: Final = 0x5706_C6A7_0001
"""The advisory lock of the catalogue: any number that nothing else in the database locks."""

ONE: Final = literal_column("1", Integer)
"""The server counts a table's rows from one, we from nought."""

BEGIN_WRITING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
PLAN_AGAIN: Final = "DISCARD PLANS"
TRANSACTIONS_A_PLAN_MAX: Final = 50
"""A plan is made for the tables as they are then; this often it is made anew, because they grow. It takes 2 ms."""
BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"
SYNCED_COMMITS: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""What is acknowledged is on disk, also on a server whose default is faster than that; a stricter one is left alone."""
BOUNDED_TRANSACTIONS: Final = (
    "SELECT set_config('transaction_timeout', $1, false) WHERE current_setting('server_version_num')::integer >= 170000"
)
"""A session that stops between preparing a statement and running it counts as busy: no other limit ends it."""
ARRAYS: Final = "SELECT $1::bigint[], $2::integer[], $3::text[], $4::varchar[], $5::boolean[]"
"""All kinds of arrays that are bound: the driver asks the server once a session what they are."""


class PostgresDialect:
    """Builds statements for PostgreSQL: sets are arrays, times come from the server's clock."""

    def __init__(self) -> None:
        self._core = asyncpg_dialect()  # type: ignore[no-untyped-call]  # untyped there
        self._prefix = ""
        self._columns_of_set: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, CTE] = {}

    def rows(self, name: str, /, **columns: type[TypeEngine[Any]]) -> Subquery:
        """Return the arrays of `name`, one a column, as a table; `ordinal` is the place in the arrays."""
        name = self._prefix + name
        self._columns_of_set[name] = tuple(columns)
        arrays = [bindparam(_array_name(name, one), type_=ARRAY(kind())) for one, kind in columns.items()]
        each = (
            func.unnest(*arrays)
            .table_valued(*(column(one, kind()) for one, kind in columns.items()), with_ordinality="ordinal")
            .render_derived(name=f"{name}_each")
        )
        return select((each.c.ordinal - ONE).label("ordinal"), *(each.c[one] for one in columns)).subquery(name)

    def values(self, name: str, /, kind: type[TypeEngine[Any]]) -> Subquery:
        """Return the array `name` as a table; `ordinal` is the place in the array."""
        name = self._prefix + name
        each = (
            func.unnest(bindparam(name, type_=ARRAY(kind())))
            .table_valued(column("value", kind()), with_ordinality="ordinal")
            .render_derived(name=f"{name}_each")
        )
        return select((each.c.ordinal - ONE).label("ordinal"), each.c.value).subquery(name)

    def now(self) -> ColumnElement[int]:
        """Return the moment in which the server got the statement, in microseconds."""
        seconds = func.extract("epoch", func.statement_timestamp())
        return cast(seconds * literal_column("1000000", Integer), BigInteger)

    def insert_ignoring(self, table: FromClause, columns: Sequence[str], source: Subquery) -> Executable:
        """Return an insert that leaves rows alone whose key exists, in the order of the source."""
        return postgresql.insert(table).from_select(columns, _in_order(source, columns)).on_conflict_do_nothing()  # type: ignore[arg-type]  # every table here is a Table

    def insert_or_update(
        self, table: FromClause, columns: Sequence[str], source: Subquery, *, key: Sequence[str]
    ) -> Executable:
        """Return an insert that updates the other columns of rows whose key exists."""
        insert = postgresql.insert(table).from_select(columns, select(*(source.c[one] for one in columns)))  # type: ignore[arg-type]  # every table here is a Table
        changed = {one: insert.excluded[one] for one in columns if one not in key}
        return insert.on_conflict_do_update(index_elements=list(key), set_=changed)

    def head_taken(self) -> ColumnElement[int]:
        """Return the head that this step took, or the one that this transaction sees."""
        taken = self._written.get(HEAD_STATEMENT)
        return select(feed_head.c.position if taken is None else taken.c.position).scalar_subquery()

    def lock_catalogue(self, *, is_shared: bool) -> Executable:
        """Return what waits for the catalogue's lock, and holds it until the transaction ends."""
        lock = func.pg_advisory_xact_lock_shared if is_shared else func.pg_advisory_xact_lock
        return select(lock(literal_column(str(CATALOGUE_LOCK), BigInteger), type_=Integer))

    def objects_of(self, document: ColumnElement[Any], *arrays: str, **fields: type[TypeEngine[Any]]) -> Objects:
        """Return the objects that a column's JSON holds in an array of that name, or in arrays within arrays."""
        path = "".join(f".{name}[*]" for name in arrays) or "[*]"
        each = func.jsonb_path_query(cast(document, JSONB), cast(literal_column(f"'${path}'", Text), JSONPATH))
        source = each.table_valued(column("found", JSONB())).render_derived(name=f"{''.join(arrays[-1:])}_of_json")
        found = source.c.found
        cells = {name: cast(found[literal_column(f"'{name}'", Text)].astext, kind()) for name, kind in fields.items()}
        return Objects(sources=[source], fields=cells)

    def compile(self, *which: Statement) -> "CompiledStep":
        """Compile the statements of a step to one text. The rows of several come packed, each set in a JSON array."""
        self._prefix, self._columns_of_set, self._written = "", {}, {}
        built = which[0].build(self) if len(which) == 1 else self._together(which)
        compiled = built.compile(dialect=self._core)  # type: ignore[attr-defined]  # every Executable here compiles
        return CompiledStep(
            text=str(compiled),
            constants=dict(compiled.params),
            names=tuple(compiled.positiontup or ()),
            columns_of_set=self._columns_of_set,
        )

    def copy_target(self, which: Statement) -> CopyTarget:
        """Return where the rows of a plain insert go."""
        self._prefix, self._columns_of_set, self._written = "", {}, {}
        return target_of(which.build(self), cells=self._columns_of_set[ROWS])

    def _together(self, which: Sequence[Statement]) -> Executable:
        """Return one statement that does what all do; it sees the database as it was before any of them wrote."""
        packed: list[ColumnElement[Any]] = []
        for one in which:
            self._prefix = prefix_of(one.name)
            built = one.build(self)
            if isinstance(built, UpdateBase):
                written = self._written[one.name] = built.cte(one.name)
                packed.append(_packed(written) if built._returning else literal_column("NULL"))
            else:
                packed.append(_packed(built.subquery(one.name)))  # type: ignore[attr-defined]  # what does not write selects
        return select(*packed).add_cte(*self._written.values())


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """The text of a step, what is fixed in it, and how its parameters are laid out."""

    text: str
    constants: dict[str, Any]
    names: tuple[str, ...]
    columns_of_set: dict[str, tuple[str, ...]]

    def arguments(self, step: Step) -> list[object]:
        """Return the parameters of all calls in the order of the text's places."""
        parameters = dict(self.constants)
        for call in step:
            prefix = prefix_of(call.statement.name) if len(step) > 1 else ""
            for name, value in call.parameters.items():
                parameters[prefix + name if isinstance(value, list | tuple) else name] = value
        for name, columns in self.columns_of_set.items():
            rows: Sequence[Sequence[object]] = parameters[name]
            arrays = zip(*rows, strict=True) if rows else ((),) * len(columns)
            parameters.update((_array_name(name, one), array) for one, array in zip(columns, arrays, strict=True))
        return [parameters[name] for name in self.names]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What one session may hold up at the server, in milliseconds, and whether it is to write."""

    statement_timeout_ms: int
    lock_timeout_ms: int
    idle_in_transaction_timeout_ms: int
    transaction_timeout_ms: int
    connect_timeout_seconds: float
    is_reader: bool

    def server_settings(self) -> dict[str, str]:
        """Return what the server is told at the beginning of each session."""
        settings = {
            "application_name": "stockgate",
            "statement_timeout": str(self.statement_timeout_ms),
            "lock_timeout": str(self.lock_timeout_ms),
            "idle_in_transaction_session_timeout": str(self.idle_in_transaction_timeout_ms),
            # A gateway that vanished is noticed by the server itself; these mean nothing on a Unix socket.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": str(2 * self.idle_in_transaction_timeout_ms),
            "jit": "off",
        }
        if not self.is_reader:
            # All that a writer does is to find rows by their keys: a plan that scans a table, made while the table was
            # small, would hold every lock for as long as the scan takes once it is not.
            plain = dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off")
            # The statements name what is looked up first, so their own order of joins is the right one.
            settings |= {**plain, "join_collapse_limit": "1", "plan_cache_mode": "force_generic_plan"}
        return settings


@dataclass(slots=True)
class PostgresSessions:
    """Sessions of one kind on one server: opened when they are needed, and again when they were lost."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    dialect: PostgresDialect
    compiled: dict[tuple[str, ...], CompiledStep] = field(default_factory=dict)
    copy_targets: dict[str, CopyTarget] = field(default_factory=dict)
    transactions: int = 0

    @classmethod
    async def on(cls, dsn: str, *, count: int, limits: SessionLimits, dialect: PostgresDialect) -> "PostgresSessions":
        """Return sessions that are not open yet: the server is not waited for."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=count,
            max_queries=QUERIES_MAX,
            max_inactive_connection_lifetime=FOR_EVER,
            init=partial(_prepare, limits=limits),
            # A session holds nothing beyond its transactions, so that there is nothing to reset between two of them.
            reset=_let_pass,
            timeout=limits.connect_timeout_seconds,
            statement_cache_size=STATEMENTS_CACHED_MAX,
            max_cached_statement_lifetime=FOR_EVER,
            server_settings=limits.server_settings(),
        )
        return cls(pool, dialect)

    async def run(self, script: Script[Result]) -> Result:
        """Run a script of one statement, which needs no transaction of its own."""
        async with self._session() as connection:
            return await self._drive(connection, script)

    async def run_reading(self, script: Script[Result]) -> Result:
        """Run a script of several reads on one snapshot."""
        async with self._session() as connection:
            return await self._transact(connection, script, BEGIN_READING, lambda _: False)

    async def run_writing(self, script: Script[Result], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in one write transaction, durable when this returns; rolled back unless `keeps(result)`."""
        self.transactions += 1
        is_to_plan = self.transactions % TRANSACTIONS_A_PLAN_MAX == 0
        begin = f"{PLAN_AGAIN}; {BEGIN_WRITING}" if is_to_plan else BEGIN_WRITING
        async with self._session() as connection:
            return await self._transact(connection, script, begin, keeps)

    async def close(self) -> None:
        """Close every session once what it is doing is done."""
        await self.pool.close()

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        connection = await self.pool.acquire()
        try:
            yield connection
        except asyncpg.PostgresError:
            raise  # the server said what is wrong: the session is as good as before
        except BaseException:
            # Given up, or lost: whether the server still works on it is not known, and nobody is to wait for that.
            with contextlib.suppress(asyncpg.InterfaceError):  # one that the server closed is out of our hands already
                connection.terminate()
            raise
        finally:
            await self.pool.release(connection)

    async def _transact(
        self, connection: Connection, script: Script[Result], begin: str, keeps: Callable[[Result], bool]
    ) -> Result:
        await connection.execute(begin)
        try:
            result = await self._drive(connection, script)
        except asyncpg.PostgresError:
            await connection.execute(ROLLBACK)
            raise
        await connection.execute(COMMIT if keeps(result) else ROLLBACK)
        return result

    async def _drive(self, connection: Connection, script: Script[Result]) -> Result:
        try:
            step = next(script)
            while True:
                step = script.send(await self._take(connection, step))
        except StopIteration as finished:
            result: Result = finished.value
            return result
        finally:
            script.close()

    async def _take(self, connection: Connection, step: Step) -> list[Rows]:
        copied = {call.statement.name: call for call in step if is_to_be_copied(call)}
        if copied:
            return await self._take_copying(connection, step, copied)
        names = tuple(call.statement.name for call in step)
        compiled = self.compiled.get(names)
        if compiled is None:
            compiled = self.compiled[names] = self.dialect.compile(*(call.statement for call in step))
        rows: Rows = await connection.fetch(compiled.text, *compiled.arguments(step))
        if len(step) == 1:
            return [rows]
        return [[] if text is None else orjson.loads(text) for text in rows[0]]

    async def _take_copying(self, connection: Connection, step: Step, copied: Mapping[str, Call]) -> list[Rows]:
        """Take a step with large sets of new rows: first those without a position, for which nobody else waits."""
        placed: list[Call] = []
        for call in copied.values():
            if self._copy_target(call).is_placed:
                placed.append(call)
            else:
                await self._copy(connection, call)
        others = [call for call in step if call.statement.name not in copied]
        taken = await self._take(connection, others) if others else []
        found = {call.statement.name: rows for call, rows in zip(others, taken, strict=True)}
        for call in placed:
            await self._copy(connection, call, head=found[HEAD_STATEMENT][0][0])
        return [found.get(call.statement.name, []) for call in step]

    async def _copy(self, connection: Connection, call: Call, *, head: int = 0) -> None:
        target = self._copy_target(call)
        await connection.copy_records_to_table(
            target.table, columns=target.columns, records=target.records(rows_of(call), head=head)
        )

    def _copy_target(self, call: Call) -> CopyTarget:
        name = call.statement.name
        if name not in self.copy_targets:
            self.copy_targets[name] = self.dialect.copy_target(call.statement)
        return self.copy_targets[name]


def dsn_of(url: str) -> str:
    """Return the setting's address (postgresql+asyncpg://…) as the driver wants it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def prefix_of(statement_name: str) -> str:
    """Return what a statement's sets are called by in a step of several, so that each has its own.

    Single values keep their names: no two statements of a step have one in common.
    """
    return f"{statement_name}_"


def _packed(rows: FromClause) -> ColumnElement[Any]:
    """Return rows as one JSON array of arrays, NULL where there are none."""
    return select(func.json_agg(func.json_build_array(*rows.c))).select_from(rows).scalar_subquery()


def _array_name(name: str, column_name: str) -> str:
    return f"{name}_{column_name}"


def _in_order(source: Subquery, columns: Sequence[str]) -> Select[Any]:
    return select(*(source.c[one] for one in columns)).order_by(source.c.ordinal)


async def _let_pass(_: object) -> None:
    await asyncio.sleep(0)


async def _prepare(connection: Connection, *, limits: SessionLimits) -> None:
    """Do what is done once a session, before anything is locked in it."""
    await connection.execute(SYNCED_COMMITS)
    await connection.fetch(BOUNDED_TRANSACTIONS, str(limits.transaction_timeout_ms))
    await connection.fetch(ARRAYS, *([],) * ARRAYS.count("$"))

"""A PostgreSQL server as the store of the truth; the rule: what may succeed later is told apart from what is wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from app.storage.database import TransientError
from app.storage.postgres import PostgresDialect, PostgresSessions, SessionLimits, dsn_of
from app.storage.statements import Script

Result = TypeVar("Result")

WRITING_SESSIONS: Final = 3
"""The ledger's writer has one; beside it, leases and retention are not to wait for a batch."""
CONNECT_SECONDS_MAX: Final = 5.0
WRITE_TIMEOUT_MS_MIN: Final = 2000
TRANSACTION_ROOM_MS: Final = 500
"""What a transaction may take beyond its longest statement, before the server itself ends it for others' sake."""
SLACK_SECONDS: Final = 1.0
"""What a transaction may take beyond what the server itself would let its last statement take."""

PASSING_STATES: Final = frozenset(
    {
        "25006",  # read_only_sql_transaction: this server is a standby now
        "55000",  # object_not_in_prerequisite_state: the database takes no connections now
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "55P03",  # lock_not_available
    }
)
PASSING_CLASSES: Final = frozenset(
    {
        "08",  # connection exceptions
        "40",  # serialization failures and deadlocks
        "53",  # insufficient resources: disk full, too many connections
        "57",  # operator intervention: cancelled, shutting down, starting up
        "58",  # system errors: input and output
    }
)
"""SQLSTATE codes (https://www.postgresql.org/docs/current/errcodes-appendix.html) of what may succeed later."""
SHARED_KEYS: Final = frozenset({"pk_idempotency_keys"})
"""What two processes may add at once that lock nothing in common; tried again, the second sees what the first kept."""
LOST: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What is raised where no answer came; whether a commit counted is then not known."""
PASSING: Final = (asyncpg.PostgresError, *LOST)
"""What may be passing; `is_passing` tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOptions:
    """How a gateway uses its server. Times in milliseconds."""

    lock_timeout_ms: int
    read_deadline_ms: int
    read_connections: int

    @property
    def write_timeout_ms(self) -> int:
        """How long one statement of a writer may take, and how long a writer may leave the server waiting."""
        return max(self.lock_timeout_ms, WRITE_TIMEOUT_MS_MIN)

    @property
    def writing(self) -> SessionLimits:
        """What a writing session may hold up: nobody else longer than the lock timeout."""
        return SessionLimits(
            statement_timeout_ms=self.write_timeout_ms,
            lock_timeout_ms=self.lock_timeout_ms,
            idle_in_transaction_timeout_ms=self.write_timeout_ms,
            transaction_timeout_ms=self.write_timeout_ms + TRANSACTION_ROOM_MS,
            connect_timeout_seconds=CONNECT_SECONDS_MAX,
            is_reader=False,
        )

    @property
    def reading(self) -> SessionLimits:
        """What a reading session may hold up: it locks nothing, and nobody waits for it longer than the deadline."""
        return SessionLimits(
            statement_timeout_ms=self.read_deadline_ms,
            lock_timeout_ms=self.lock_timeout_ms,
            idle_in_transaction_timeout_ms=self.write_timeout_ms,
            transaction_timeout_ms=self.read_deadline_ms + TRANSACTION_ROOM_MS,
            connect_timeout_seconds=CONNECT_SECONDS_MAX,
            is_reader=True,
        )


class PostgresDatabase:
    """A database of a PostgreSQL server: a few sessions that write, a few that read; they come back by themselves."""

    def __init__(self, *, writing: PostgresSessions, reading: PostgresSessions, write_deadline_seconds: float) -> None:
        self._writing = writing
        self._reading = reading
        self._write_deadline_seconds = write_deadline_seconds

    @classmethod
    async def open(cls, url: str, options: PostgresOptions) -> "PostgresDatabase":
        """Return the database that `url` (postgresql+asyncpg://…) names; its server need not be up yet."""
        dialect, dsn = PostgresDialect(), dsn_of(url)
        return cls(
            writing=await PostgresSessions.on(dsn, count=WRITING_SESSIONS, limits=options.writing, dialect=dialect),
            reading=await PostgresSessions.on(
                dsn, count=options.read_connections, limits=options.reading, dialect=dialect
            ),
            write_deadline_seconds=2 * options.write_timeout_ms / 1000 + SLACK_SECONDS,
        )

    async def write(self, script: Callable[[], Script[Result]], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in one write transaction, durable when this returns."""
        try:
            async with asyncio.timeout(self._write_deadline_seconds):
                return await self._writing.run_writing(script(), keeps=keeps)
        except PASSING as error:
            if not is_passing(error):
                raise
            raise TransientError(f"{type(error).__name__}: {error}") from error

    async def read(self, script: Callable[[], Script[Result]], *, is_single_statement: bool = False) -> Result:
        """Run a script of reads on one snapshot."""
        try:
            if is_single_statement:
                return await self._reading.run(script())
            return await self._reading.run_reading(script())
        except PASSING as error:
            if not is_passing(error):
                raise
            raise TransientError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close every session."""
        await asyncio.gather(self._writing.close(), self._reading.close())


def is_passing(error: BaseException) -> bool:
    """Return whether the same may succeed later."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if isinstance(error, asyncpg.UniqueViolationError):
            return error.constraint_name in SHARED_KEYS
        return state in PASSING_STATES or state[:2] in PASSING_CLASSES
    return isinstance(error, LOST)

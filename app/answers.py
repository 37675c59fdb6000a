"""How a database answers questions; the one rule: every read has a deadline, and each statement is of one snapshot."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from app.read_replica import Placed, ReadReplica
from app.storage import reads
from app.storage.database import Database, TransientError
from app.storage.statements import Rows, Script, Statement, run
from domain.ports import ANY, NEWEST, PositionNotReached, Unavailable
from domain.text import is_code

Result = TypeVar("Result")

# Behind every text that PostgreSQL and SQLite can hold, in the order of code points.
LAST_TEXT = "\U0010ffff"
# Behind every number that they can hold.
LAST_NUMBER = 2**63 - 1
# NUL and half a surrogate pair can be neither stored nor asked for; these neighbours are part of no code.
NEIGHBOURS = {0: "\x01"} | dict.fromkeys(range(0xD800, 0xE000), "\ud7ff")
RETRY_AFTER_MS = 1000
AHEAD_SECONDS_MAX: Final = 0.05
"""How long the primary is given to show what a replica has shown already."""


class Answers:
    """Answers questions from the database, each within `deadline_seconds`; those that may be, from its replica."""

    def __init__(self, database: Database, *, deadline_seconds: float, replica: ReadReplica | None = None) -> None:
        self._database = database
        self._deadline_seconds = deadline_seconds
        self._replica = replica

    @property
    def has_replica(self) -> bool:
        """Whether a replica is asked first."""
        return self._replica is not None

    async def _rows(self, which: Statement, *, at_least: int = NEWEST, **parameters: object) -> Rows:
        plain, placed = partial(run, which, **parameters), partial(reads.placed, which, **parameters)
        return await self._in_time(self._answer(plain, placed, at_least=at_least))

    async def _answer(self, plain: Callable[[], Script[Rows]], placed: Placed, *, at_least: int) -> Rows:
        if self._replica is not None and at_least < NEWEST:
            rows = await self._replica.read(placed, at_least=at_least)
            if rows is not None:
                return rows
        if ANY < at_least < NEWEST:
            return await self._reached(placed, at_least)
        return await self._database.read(plain, is_single_statement=True)

    async def _reached(self, placed: Placed, at_least: int) -> Rows:
        position, rows = await self._database.read(placed, is_single_statement=True)
        if position < at_least and self._replica is not None:
            # A replica may show a commit a moment before the primary does, and who saw it there names its position.
            await asyncio.sleep(AHEAD_SECONDS_MAX)
            position, rows = await self._database.read(placed, is_single_statement=True)
        if position < at_least:
            raise PositionNotReached(head=position)
        return rows

    async def _in_time(self, answer: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await answer
        except (TransientError, TimeoutError) as error:
            raise Unavailable("The database does not answer now; ask again.", retry_after_ms=RETRY_AFTER_MS) from error


def storable_codes(codes: Sequence[str]) -> list[str]:
    """Return the texts that can be codes, each once: no other text names anything."""
    return [code for code in dict.fromkeys(codes) if is_code(code)]


def storable(text: str | None) -> str:
    """Return a text that databases can hold and that stands in the same place among all codes."""
    return (text or "").translate(NEIGHBOURS)

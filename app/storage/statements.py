"""Named statements and the scripts that run them.

A *statement* is one sentence of SQL, built once per dialect with SQLAlchemy Core and compiled to text. A *script* is
a generator that yields calls of statements and is sent back their rows, so that one description of a transaction runs
inside SQLite's thread in one hop and, statement by statement, on asyncpg. The rule: a statement works on sets (bound
arrays), so that a batch costs a handful of statements, however many commands are in it.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import ColumnElement, FromClause, Subquery
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeEngine

Row = Sequence[Any]
Rows = list[Row]
Parameters = Mapping[str, object]
ROWS: Final = "rows"
PLACES_BACK: Final = "back"


class Dialect(Protocol):
    """What differs between databases when a statement is built."""

    def rows(self, name: str, /, **columns: type[TypeEngine[Any]]) -> Subquery:
        """Return the bound parameter `name`, a list of lists, as a table with these columns."""
        ...

    def values(self, name: str, /, kind: type[TypeEngine[Any]]) -> Subquery:
        """Return the bound parameter `name`, a list, as a table with the column `value`."""
        ...

    def now(self) -> ColumnElement[int]:
        """Return the database's clock, in microseconds since 1970."""
        ...

    def insert_ignoring(self, table: FromClause, columns: Sequence[str], source: Subquery) -> Executable:
        """Return an insert that leaves rows alone whose key exists."""
        ...

    def head_taken(self) -> ColumnElement[int]:
        """Return the head of the log as `advance_head` left it, in this step or before it."""
        ...

    def lock_catalogue(self, *, is_shared: bool) -> Executable:
        """Return what waits for the catalogue's lock, and holds it until the transaction ends.

        Many hold it shared, or one alone.
        """
        ...

    def objects_of(self, document: ColumnElement[Any], *arrays: str, **fields: type[TypeEngine[Any]]) -> "Objects":
        """Return the objects that a column's JSON holds in an array of that name, or in arrays within arrays.

        Without a name, those that the JSON itself is an array of.
        """
        ...

    def insert_or_update(
        self, table: FromClause, columns: Sequence[str], source: Subquery, *, key: Sequence[str]
    ) -> Executable:
        """Return an insert that updates the other columns of rows whose key exists."""
        ...


@dataclass(frozen=True, slots=True)
class Statement:
    """A named sentence of SQL; `build` makes it for a dialect.

    `is_plain_insert`: it does nothing but insert its set `rows`, each cell into the column of its name, so that a
    driver may bring the rows there another way. The cell PLACES_BACK is a position, told as how far before the head.
    """

    name: str
    build: Callable[[Dialect], Executable]
    is_plain_insert: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A statement with its parameters."""

    statement: Statement
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects within the JSON of a column: beside its table, `sources` have a row for each; `fields` are the cells."""

    sources: Sequence[FromClause]
    fields: Mapping[str, ColumnElement[Any]]


Step = Sequence[Call]
"""Calls that may be made in one round trip: all of them read, or all of them write.

None may rely on seeing what another of the step writes, but for `Dialect.head_taken`.
"""
Result = TypeVar("Result")
Script = Generator[Step, list[Rows], Result]
"""Yields steps, is sent the rows of each call, returns its result. Raising rolls the transaction back."""


def statement(build: Callable[[Dialect], Executable]) -> Statement:
    """Name a statement after the function that builds it."""
    return Statement(name=build.__name__, build=build)


def plain_insert(build: Callable[[Dialect], Executable]) -> Statement:
    """Name a statement that does nothing but insert its `rows` after the function that builds it."""
    return Statement(name=build.__name__, build=build, is_plain_insert=True)


def run(which: Statement, **parameters: object) -> Script[Rows]:
    """Run one statement as a step of a script."""
    (rows,) = yield (Call(which, parameters),)
    return rows


def run_if_any(which: Statement, **parameters: Sequence[object]) -> Script[Rows]:
    """Run one statement over the given sets, unless every one of them is empty."""
    (rows,) = yield from run_together(call_if_any(which, **parameters))
    return rows


def call_if_any(which: Statement, **parameters: Sequence[object]) -> Call | None:
    """Return the call of a statement over the given sets, unless every one of them is empty."""
    return Call(which, parameters) if any(parameters.values()) else None


def run_together(*calls: Call | None) -> Script[list[Rows]]:
    """Run calls as one step; one that is left out has no rows."""
    wanted = [call for call in calls if call is not None]
    found = iter((yield wanted) if wanted else ())
    return [[] if call is None else next(found) for call in calls]

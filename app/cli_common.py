"""What the commands of the command line share: reading settings, migrating, failing in a sentence."""

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.settings import Settings

if TYPE_CHECKING:  # only their shapes are used
    from pydantic_core import ErrorDetails

    from app.storage.database import Database

Result = TypeVar("Result")

console = Console(stderr=True, highlight=False)

VARIABLE_PREFIX = "STOCKGATE_"
OTHER_PREFIXES = (
    "STOCKGATE_BENCH_",
    "STOCKGATE_FAULTS_",
    "STOCKGATE_MATRIX_",
    "STOCKGATE_MODEL_",
    "STOCKGATE_TEST_",
)
"""What tests and benches are told by; no settings of the gateway."""
COMMAND_DEADLINE_MS = 6 * 3_600_000
"""How long one statement of a command that only reads may take."""
LIKENESS_MIN = 0.5
"""How alike two names must be for the one to be taken for a slip of the other, from 0 to 1."""
WORDS_BY_TYPE = {
    "bool_parsing": "write true or false",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "greater_than_equal": "write at least {ge}",
    "less_than_equal": "write at most {le}",
    "value_error": "{error}",
}
"""What to write instead, by the kind of what is wrong."""


def read_settings(**given: int | str | None) -> Settings:
    """Return the settings of the environment, but for those given; exits with 2 when one of them cannot be.

    Variables that look like settings and are none are told of.
    """
    for warning in unknown_variables(os.environ):
        console.print(f"[yellow]![/yellow] {escape(warning)}", soft_wrap=True)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # checked by the settings themselves
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            place = f"{VARIABLE_PREFIX}{name}" if name else "settings"
            console.print(f"[red]✗[/red] {place}: {escape(_what_to_write(problem))}.", soft_wrap=True)
        raise typer.Exit(2) from None


def unknown_variables(variables: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable that begins as settings do and is none."""
    known = {name.upper() for name in Settings.model_fields}
    for variable in sorted(variables):
        name = variable.upper().removeprefix(VARIABLE_PREFIX)
        if name in known or not variable.upper().startswith(VARIABLE_PREFIX) or variable.startswith(OTHER_PREFIXES):
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS_MIN)
        advice = f"did you mean {VARIABLE_PREFIX}{near[0]}?" if near else "the README lists them all."
        yield f"{variable} is no setting; {advice}"


def open_existing(settings: Settings) -> None:
    """Migrate the database that is there; exits with 2 when there is none, so that a slip of its path makes none."""
    from app.storage.opening import is_there  # noqa: PLC0415  # a second of imports that --help should not pay for

    if not _asked(settings, is_there):
        fail(
            f"there is no database at {settings.database_name}; run this where the gateway runs, set "
            "STOCKGATE_DATABASE_URL, or make one with stockgate migrate"
        )
    bring_up_to_date(settings)


def bring_up_to_date(settings: Settings, *, waits: bool = False) -> tuple[str | None, str]:
    """Migrate the database; return its revision before and after. Exits with 2 when it cannot be used.

    `waits`: a server that is not up yet is waited for, however long that takes.
    """
    from app.storage.opening import migrate, migrate_once_it_is_up  # noqa: PLC0415  # a second of imports that --help should not pay for

    return _asked(settings, migrate_once_it_is_up if waits else migrate)


def on_database(settings: Settings, work: "Callable[[Database], Awaitable[Result]]") -> Result:
    """Return what `work` comes to on the database, without a gateway around it; it is closed however that ends."""
    from app.storage.opening import open_database  # noqa: PLC0415  # a second of imports that --help should not pay for

    async def run() -> Result:
        # Nobody waits behind a command, and going over a whole ledger takes its time.
        patient = settings.model_copy(update={"read_deadline_ms": COMMAND_DEADLINE_MS})
        database = await open_database(patient, read_connections=1)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _asked(settings: Settings, question: "Callable[[Settings], Coroutine[object, object, Result]]") -> Result:
    """Return what a question about the database comes to; exits with 2 when it cannot be used."""
    from asyncpg import PostgresError  # noqa: PLC0415  # a second of imports that --help should not pay for
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # as above

    from app.storage.opening import UnusableDatabase, cause_of, described  # noqa: PLC0415  # as above

    try:
        return asyncio.run(question(settings))
    except UnusableDatabase as error:
        fail(f"cannot use the database {error}; set STOCKGATE_DATABASE_URL")
    except (OSError, SQLAlchemyError, PostgresError) as error:
        cause = cause_of(error)
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else described(cause)
        fail(f"cannot use the database {settings.database_name}: {reason}; set STOCKGATE_DATABASE_URL")


def counted(number: int, noun: str) -> str:
    """Return how many of something there are, in words: `1 document`, `2,000 documents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit with 2."""
    console.print(f"[red]✗[/red] {escape(message)}.", soft_wrap=True)
    raise typer.Exit(2)


def _what_to_write(problem: "ErrorDetails") -> str:
    context: Mapping[str, object] = problem.get("ctx", {})
    if problem["type"] == "string_pattern_mismatch":
        *others, last = str(context["pattern"]).strip("^$()").split("|")
        return f"write {', '.join(others)} or {last}"
    words = WORDS_BY_TYPE.get(problem["type"])
    return words.format(**context) if words else problem["msg"]

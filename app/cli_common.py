"""What the commands of the command line share: reading settings, migrating, failing in a sentence."""

from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.settings import Settings

console = Console(stderr=True, highlight=False)


def read_settings(**given: int | str | None) -> Settings:
    """Return the settings of the environment, but for those given; exits with 2 when one of them cannot be."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # checked by the settings themselves
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            console.print(f"[red]{f'STOCKGATE_{name}' if name else 'settings'}[/red]: {problem['msg']}")
        raise typer.Exit(2) from None


def bring_up_to_date(settings: Settings) -> tuple[str | None, str]:
    """Migrate the database; return its revision before and after. Exits with 2 when it cannot be used."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # a second of imports that --help should not pay for

    from app.storage.migrate import migrate_sqlite  # noqa: PLC0415  # as above

    try:
        return migrate_sqlite(settings.sqlite_path)
    except (OSError, SQLAlchemyError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.__cause__)
        fail(f"cannot use the database {settings.sqlite_path}: {reason}; set STOCKGATE_DATABASE_URL")


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit with 2."""
    console.print(f"[red]✗[/red] {escape(message)}.")
    raise typer.Exit(2)

"""The command line: `stockgate serve, migrate, demo load, schema, audit`; the one rule: it parses, calls and prints."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.settings import Settings

app = typer.Typer(
    help="Stockgate: one truth of stock, for every channel.", no_args_is_help=True, pretty_exceptions_enable=False
)
demo = typer.Typer(help="The demo: a real catalogue and real order lines.", no_args_is_help=True)
app.add_typer(demo, name="demo")
console = Console(stderr=True, highlight=False)

LOOPBACK_ADDRESSES = ("127.0.0.1", "::1", "localhost")
PROJECT = Path(__file__).resolve().parent.parent


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; loopback only.")] = None,
    with_demo: Annotated[bool, typer.Option("--demo", help="Load the demo first, unless it is there.")] = False,
) -> None:
    """Serve the gateway. Migrates its SQLite file first."""
    settings = _settings(port=port, host=host)
    _refuse_public_address(settings.host)
    if with_demo:
        _migrate(settings)
        _load_demo(settings, unless_there=True)
    from app.server import serve as run_server  # noqa: PLC0415  # the server takes a second to import, --help should not

    try:
        run_server(
            settings, on_listening=lambda: _migrate(settings), on_ready=lambda address: _greet(address, settings)
        )
    except OSError as error:
        _fail(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port")


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = _settings()
    before, after = _migrate(settings)
    console.print(f"{settings.sqlite_path}: " + ("up to date" if before == after else f"migrated {before} → {after}"))


@demo.command("load")
def load() -> None:
    """Load the demo: catalogue, opening stock, and every order line. Loading it again changes nothing."""
    settings = _settings()
    _migrate(settings)
    _load_demo(settings)


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Compare with schema.graphql instead of printing.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write schema.graphql.")] = False,
) -> None:
    """Print the GraphQL schema, write it, or check that schema.graphql is what the code says."""
    from app.schema_file import problems_with_schema_file, write_schema_file  # noqa: PLC0415  # as above
    from resolvers.schema import build_schema  # noqa: PLC0415  # as above

    if check:
        problems = problems_with_schema_file(PROJECT)
        for problem in problems:
            console.print(f"[red]✗[/red] {problem}")
        if problems:
            raise typer.Exit(1)
        console.print("schema.graphql is what the code says, and breaks nobody")
    elif write:
        write_schema_file(PROJECT)
    else:
        sys.stdout.write(build_schema().as_str() + "\n")


@app.command()
def audit() -> None:
    """Recompute every stock level from the ledger and compare. Exits with 1 when anything differs."""
    from app.audit import AuditReport, audit_ledger  # noqa: PLC0415  # as above
    from app.storage.database import SqliteDatabase  # noqa: PLC0415  # as above

    settings = _settings()
    if not settings.sqlite_path.exists():
        _fail(f"there is no database at {settings.sqlite_path}; set STOCKGATE_DATABASE_URL")

    async def run() -> AuditReport:
        database = await SqliteDatabase.open(
            settings.sqlite_path, lock_timeout_ms=settings.lock_timeout_ms, read_connections=1
        )
        try:
            return await audit_ledger(database)
        finally:
            await database.close()

    report = asyncio.run(run())
    table = Table("must hold", "differences", "first cases")
    for finding in report.findings:
        mark = "[green]0[/green]" if not finding.count else f"[red]{finding.count}[/red]"
        table.add_row(finding.rule, mark, ", ".join(finding.examples[:3]))
    console.print(table)
    console.print(
        f"{report.levels} levels, {report.movements} movements, {report.adjustments} adjustments, {report.keys} keys, "
        f"{report.events} events: {report.difference_count} differences"
    )
    if report.difference_count:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()


def _settings(**given: int | str | None) -> Settings:
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # checked by the settings themselves
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            console.print(f"[red]STOCKGATE_{name}[/red]: {problem['msg']}")
        raise typer.Exit(2) from None


def _refuse_public_address(host: str) -> None:
    if host not in LOOPBACK_ADDRESSES:
        _fail(
            f"{host} is not a loopback address. This gateway has no keys yet, so whoever reaches it may do everything; "
            "use 127.0.0.1, and let only programs on this machine reach it"
        )


def _migrate(settings: Settings) -> tuple[str | None, str]:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # as above

    from app.storage.migrate import migrate_sqlite  # noqa: PLC0415  # as above

    try:
        return migrate_sqlite(settings.sqlite_path)
    except (OSError, SQLAlchemyError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error.__cause__)
        _fail(f"cannot use the database {settings.sqlite_path}: {reason}; set STOCKGATE_DATABASE_URL")


def _load_demo(settings: Settings, *, unless_there: bool = False) -> None:
    from app.bootstrap import open_gateway  # noqa: PLC0415  # as above
    from app.demo.loader import DemoSummary, demo_is_loaded, load_demo  # noqa: PLC0415  # as above

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    async def run(progress: Progress) -> DemoSummary | None:
        bars = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done)

        async with open_gateway(settings) as gateway:
            if unless_there and await demo_is_loaded(gateway.services.reads):
                return None
            return await load_demo(gateway.services.ledger, new_id=gateway.services.new_id, report=report)

    with Progress(*columns, console=console) as progress:
        summary = asyncio.run(run(progress))
    for line in summary.lines() if summary else ("The demo is there already.",):
        console.print(line, soft_wrap=True)


def _greet(address: str, settings: Settings) -> None:
    console.print(f"Stockgate serves [bold]{address}/graphql[/bold] from {settings.sqlite_path}")
    console.print("No keys are configured: it answers on this machine only, and every caller is its administrator.")
    if settings.environment == "development":
        console.print(f"Open {address}/graphql in a browser for GraphiQL, or try:")
        query = '{"query":"{ availability(skus: [\\"B2B-SERV-001X\\"]) { sku availableQuantity status } }"}'
        console.print(f"  curl -s {address}/graphql -H 'content-type: application/json' -d '{query}'", soft_wrap=True)
    console.print("Stop with Ctrl-C.")


def _fail(message: str) -> NoReturn:
    console.print(f"[red]✗[/red] {message}.")
    raise typer.Exit(2)

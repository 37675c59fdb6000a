"""The command line: `stockgate serve, migrate, demo load, schema, audit`; the one rule: it parses, calls and prints."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import cli_documents, cli_errors, cli_files, cli_keys, cli_permissions
from app.cli_common import bring_up_to_date, console, counted, fail, on_database, open_existing, read_settings
from app.endings import OPEN_TO_OTHERS, CannotServe
from app.settings import Settings

app = typer.Typer(
    help="Stockgate: one truth of stock, for every channel.", no_args_is_help=True, pretty_exceptions_enable=False
)
demo = typer.Typer(help="The demo: a real catalogue and real order lines.", no_args_is_help=True)
app.add_typer(demo, name="demo")
app.add_typer(cli_documents.app, name="documents")
app.add_typer(cli_keys.app, name="keys")
app.command()(cli_errors.errors)
app.command()(cli_permissions.permissions)
app.command("import")(cli_files.import_file)
app.command("export")(cli_files.export_file)

PROJECT = Path(__file__).resolve().parent.parent


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; without keys a loopback address.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes serve; more than one on PostgreSQL.")] = None,
    with_demo: Annotated[bool, typer.Option("--demo", help="Load the demo first, unless it is there.")] = False,
) -> None:
    """Serve the gateway. Brings its database up to date first; a server that is not up yet is waited for."""
    settings = read_settings(port=port, host=host, workers=workers)
    _refuse_to_share_a_file(settings)
    _refuse_to_be_open_to_others(settings)
    if with_demo:
        bring_up_to_date(settings)
        _load_demo(settings, unless_there=True)
    from app.processes import serve as run  # noqa: PLC0415  # the server takes a second to import, --help should not

    def prepare() -> None:
        # A file is there or is not. A server may come up later, and each process brings its tables up to date then.
        if settings.is_sqlite:
            bring_up_to_date(settings)

    def greet(address: str, *, is_open: bool) -> None:
        _greet(address, settings, is_open=is_open)

    try:
        code = run(settings, on_listening=prepare, on_ready=greet)
    except CannotServe as refusal:
        fail(str(refusal))
    except OSError as error:
        fail(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another --port")
    if code:
        raise typer.Exit(code)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = read_settings()
    before, after = bring_up_to_date(settings)
    console.print(f"{settings.database_name}: " + ("up to date" if before == after else f"migrated {before} → {after}"))


@demo.command("load")
def load() -> None:
    """Load the demo: catalogue, opening stock, and every order line. Loading it again changes nothing."""
    settings = read_settings()
    bring_up_to_date(settings)
    _load_demo(settings)


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Compare with schema.graphql instead of printing.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write schema.graphql.")] = False,
    federation: Annotated[bool, typer.Option("--federation", help="Print the federation subgraph instead.")] = False,
) -> None:
    """Print the GraphQL schema, write it, or check that schema.graphql is what the code says."""
    from app.schema_file import printed_schema, problems_with_schema_file, write_schema_file  # noqa: PLC0415  # as above
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
        sys.stdout.write(build_schema().subgraph_sdl if federation else printed_schema())


@app.command()
def audit() -> None:
    """Recompute every stock level from the ledger and compare. Exits with 1 when anything differs."""
    from app.audit import audit_ledger  # noqa: PLC0415  # as above

    settings = read_settings()
    open_existing(settings)
    report = on_database(settings, audit_ledger)
    table = Table("must hold", "differences", "first cases")
    for finding in report.findings:
        mark = "[green]0[/green]" if not finding.count else f"[red]{finding.count}[/red]"
        table.add_row(finding.rule, mark, ", ".join(finding.examples[:3]))
    console.print(table)
    console.print(
        f"{counted(report.levels, 'level')}, {counted(report.movements, 'movement')}, "
        f"{counted(report.adjustments, 'adjustment')}, {counted(report.keys, 'key')}, "
        f"{counted(report.events, 'event')}: {counted(report.difference_count, 'difference')}"
    )
    if report.difference_count:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()


def _refuse_to_share_a_file(settings: Settings) -> None:
    if settings.workers > 1 and settings.is_sqlite:
        fail(
            f"a SQLite file is served by one process, and {settings.workers} were asked for; set "
            "STOCKGATE_DATABASE_URL to postgresql+asyncpg://user:password@host/name, or leave --workers and "
            "STOCKGATE_WORKERS out"
        )


def _refuse_to_be_open_to_others(settings: Settings) -> None:
    """Refuse before anything is made. A server may not be up yet: there it is refused once it is."""
    if settings.is_loopback or settings.oidc_issuer is not None or not settings.is_sqlite:
        return
    if settings.sqlite_path.exists():
        bring_up_to_date(settings)
        if cli_keys.has_keys(settings):
            return
    fail(OPEN_TO_OTHERS.format(host=settings.host))


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


def _greet(address: str, settings: Settings, *, is_open: bool) -> None:
    console.print(f"Stockgate serves [bold]{address}/graphql[/bold] from {settings.database_name}")
    if is_open:
        console.print("There are no keys: it answers on this machine only, and every caller is its administrator.")
    else:
        console.print("Callers need a key: Authorization: Bearer …")
    if settings.environment == "development":
        console.print(f"Open {address}/graphql in a browser for GraphiQL, or try:")
        query = '{"query":"{ availability(skus: [\\"B2B-SERV-001X\\"]) { sku availableQuantity status } }"}'
        key = "" if is_open else ' -H "authorization: Bearer $TOKEN"'
        command = f"curl -s {address}/graphql{key} -H 'content-type: application/json' -d '{query}'"
        console.print(f"  {escape(command)}", soft_wrap=True)
    console.print("Stop with Ctrl-C.")

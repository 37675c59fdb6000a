"""`stockgate documents`: what clients may run where only registered documents are; a manifest is taken whole or not."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli_common import console, counted, fail, on_database, open_existing, read_settings
from app.settings import Settings

if TYPE_CHECKING:
    from app.storage.statements import Script

app = typer.Typer(help="Trusted documents: register a client's manifest, list, remove.", no_args_is_help=True)

Result = TypeVar("Result")
PROBLEMS_SHOWN_MAX = 20
LISTED_PER_PAGE = 500
MANIFEST_BYTES_MAX = 100_000_000


@app.command("register")
def register(
    manifest: Annotated[
        Path,
        typer.Argument(
            help="A JSON file: Apollo's persisted query manifest, or a map of ids to texts as Relay's compiler and "
            "GraphQL Code Generator write it.",
            metavar="MANIFEST.json",
        ),
    ],
) -> None:
    """Register every document of a manifest, or none when one of them does not fit the schema or the limits."""
    from app.bootstrap import document_limits  # noqa: PLC0415  # a second of imports that --help should not pay for
    from app.documents_manifest import MalformedManifest, problems_of, read_manifest  # noqa: PLC0415  # as above
    from app.storage import documents as storage  # noqa: PLC0415  # as above
    from resolvers.schema import build_schema  # noqa: PLC0415  # as above

    try:
        documents = read_manifest(_content(manifest))
    except MalformedManifest as malformed:
        fail(f"{manifest} is not a manifest: {malformed}")
    settings = read_settings()
    problems = problems_of(documents, build_schema(limits=document_limits(settings)))
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        console.print(f"[red]✗[/red] {escape(problem.name or problem.id)}: {escape(problem.message)}", soft_wrap=True)
    if problems:
        console.print(
            f"Nothing was registered: {counted(len(problems), 'problem')} in {counted(len(documents), 'document')}."
        )
        raise typer.Exit(1)
    done = _write(settings, partial(storage.register, documents, at=datetime.now(UTC)))
    for id in done.conflicts[:PROBLEMS_SHOWN_MAX]:
        console.print(f"[red]✗[/red] {escape(id)} is registered with another text; remove it first.", soft_wrap=True)
    if done.conflicts:
        console.print("Nothing was registered.")
        raise typer.Exit(1)
    added = counted(done.added, "document")
    console.print(f"{added} registered, {done.known:,} there before. Gateways that run follow in seconds.")


@app.command("list")
def list_documents() -> None:
    """List the registered documents."""
    from app.storage import documents as storage  # noqa: PLC0415  # as above

    settings = read_settings()
    table = Table(Column("id", overflow="fold"), "name", Column("characters", justify="right"), "registered")
    after = ""
    while page := _write(settings, partial(storage.page, after=after, limit=LISTED_PER_PAGE)):
        for one in page:
            registered_at = one.registered_at.strftime("%Y-%m-%d %H:%M")
            table.add_row(escape(one.id), escape(one.name or ""), str(one.characters), registered_at)
        after = page[-1].id
    console.print(table)


@app.command("remove")
def remove(
    ids: Annotated[list[str], typer.Argument(help="The ids, as `stockgate documents list` shows them.")],
) -> None:
    """Forget documents; whoever still sends them is refused within seconds. Exits with 1 when one was not there."""
    from app.storage import documents as storage  # noqa: PLC0415  # as above

    found = _write(read_settings(), partial(storage.remove, ids))
    console.print(f"{counted(len(found), 'document')} removed.")
    missing = [id for id in ids if id not in found]
    for id in missing:
        console.print(f"[red]✗[/red] there is no document {escape(id)}", soft_wrap=True)
    if missing:
        raise typer.Exit(1)


def _content(manifest: Path) -> bytes:
    try:
        if manifest.stat().st_size > MANIFEST_BYTES_MAX:
            fail(f"{manifest} is larger than {MANIFEST_BYTES_MAX} bytes")
        return manifest.read_bytes()
    except OSError as error:
        fail(f"cannot read {manifest}: {error.strerror}")


def _write(settings: Settings, script: "Callable[[], Script[Result]]") -> Result:
    """Run a script on the database, in one transaction."""
    from app.storage.database import TransientError  # noqa: PLC0415  # as above

    open_existing(settings)
    try:
        return on_database(settings, lambda database: database.write(script, keeps=lambda _: True))
    except TransientError as error:
        fail(f"the database is busy: {error}; try again")

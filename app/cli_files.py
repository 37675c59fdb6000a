"""`stockgate import` and `stockgate export`: files from the command line; the one rule: it parses, calls and prints.

An export goes to standard output where no file is named; all that is said about it goes to standard error.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.cli_common import console, counted, fail, open_existing, read_settings
from app.settings import Settings
from domain.adjustments import AdjustmentReason
from domain.file_columns import FileKind
from domain.file_doubles import ROWS_REMEMBERED_MAX, DoubleRows
from domain.files import RowStatus, run_problems
from domain.ports import InfrastructureError
from domain.principals import LOCAL_PRINCIPAL
from domain.rejections import Refused, Rejection

if TYPE_CHECKING:  # the gateway takes a second to import, --help should not
    from app.files.importing import ImportOptions, ImportReport

COMMAND_LINE = replace(LOCAL_PRINCIPAL, name="command line")
STANDARD_OUTPUT = "-"
EXIT_REFUSED = 1
MEANINGS = {
    RowStatus.APPLIED: "created or changed",
    RowStatus.UNCHANGED: "were so already",
    RowStatus.REPLAYED: "imported by this run before",
    RowStatus.REFUSED: "see above",
}


def import_file(
    kind: Annotated[FileKind, typer.Argument(help="What the rows are about.")],
    file: Annotated[Path, typer.Argument(help="The CSV file.", exists=True, dir_okay=False, readable=True)],
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and keep nothing.")] = False,
    run: Annotated[
        str | None,
        typer.Option(
            help="For levels: the name of this count. The same row is recorded once a run; without a name the file's "
            "content is the run, so the same file again changes nothing, even if stock has moved since."
        ),
    ] = None,
    reason: Annotated[
        AdjustmentReason, typer.Option(help="For levels: why stock changes.", case_sensitive=False)
    ] = AdjustmentReason.CYCLE_COUNT,
    errors: Annotated[
        Path | None, typer.Option(help="Where refused rows go; FILE.errors.csv beside the file unless named.")
    ] = None,
) -> None:
    """Import a CSV file. Empty cells stay as they are, (clear) empties a field.

    Importing again changes nothing; an import that was cut short is run again to go on. Refused rows are written to an
    error file that can be mended and imported as it is; the exit code is then 1. What is refused of such a file goes
    back into it, and mended rows are never written over. A dry run looks at each row by itself and writes no file.
    """
    from app.files.importing import BATCH_ROWS_MAX, BATCHES_IN_FLIGHT_MAX, ImportOptions  # noqa: PLC0415  # as above

    _refuse_options(kind, file=file, run=run, reason=reason, errors=errors)
    settings = read_settings()
    rows_max = min(BATCH_ROWS_MAX, settings.batch_rows_max, settings.queue_commands_max // BATCHES_IN_FLIGHT_MAX)
    # The writer makes one transaction of one batch: it would take two that wait as one, and the next would not be read
    # while one is committed.
    settings = settings.model_copy(update={"batch_rows_max": rows_max})
    options = ImportOptions(
        kind=kind,
        path=file,
        errors_path=errors,
        run_name=run,
        reason=reason,
        is_dry_run=is_dry_run,
        batch_rows_max=rows_max,
    )
    open_existing(settings)
    report = _imported(settings, options)
    _print_report(report, options)
    if report.rows[RowStatus.REFUSED]:
        raise typer.Exit(EXIT_REFUSED)


def export_file(
    kind: Annotated[FileKind, typer.Argument(help="What to export.")],
    file: Annotated[Path | None, typer.Argument(help="The CSV file to write; - or none for standard output.")] = None,
) -> None:
    """Export everything in use as CSV, with the columns that an import takes. Importing it again changes nothing."""
    settings = read_settings()
    open_existing(settings)
    try:
        if file is None or str(file) == STANDARD_OUTPUT:
            rows = _exported(settings, kind, _to_standard_output)
        else:
            from app.files.outputs import replaced_file  # noqa: PLC0415  # as above

            with replaced_file(file) as output:
                rows = _exported(settings, kind, output.write)
                output.keep()
    except BrokenPipeError:
        # Whoever read has enough; nothing more is to be flushed to it when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except OSError as error:
        fail(f"cannot write {_plain(str(file))}: {error.strerror}")
    except InfrastructureError as error:
        fail(f"the export stopped: {error} Run it again")
    console.print(f"{counted(rows, kind.removesuffix('s'))} exported")


def _refuse_options(
    kind: FileKind, *, file: Path, run: str | None, reason: AdjustmentReason, errors: Path | None
) -> None:
    if kind is not FileKind.LEVELS and (run is not None or reason is not AdjustmentReason.CYCLE_COUNT):
        fail("--run and --reason are for levels; a catalogue's rows say what is to be, and need neither")
    problem = next(run_problems(run), None) if run is not None else None
    if problem is not None:
        fail(f"--run: {problem.message.rstrip('.')}")
    if errors is not None and errors.resolve() == file.resolve():
        fail("--errors names the file that is imported; name another, or leave it out")


def _imported(settings: Settings, options: "ImportOptions") -> "ImportReport":
    from app.bootstrap import open_gateway  # noqa: PLC0415  # as above
    from app.files.importing import ErrorFileInTheWay, ImportInterrupted, import_file  # noqa: PLC0415  # as above
    from app.memory import OBJECTS_MADE_IN_BULK_MAX, settle_memory  # noqa: PLC0415  # as above

    async def run(progress: Callable[[int, int], None]) -> "ImportReport | Refused":
        async with open_gateway(settings) as gateway:
            settle_memory(objects_made_max=OBJECTS_MADE_IN_BULK_MAX)
            return await import_file(gateway.services, options, by=COMMAND_LINE, progress=progress)

    try:
        with _import_progress(options) as progress:
            report = uvloop.run(run(progress))
    except OSError as error:
        fail(f"cannot import {_plain(str(options.path))}: {error.strerror} ({_plain(str(error.filename or ''))})")
    except ErrorFileInTheWay as found:
        path = _plain(str(found.path))
        fail(
            f"{path} is there already, and may hold rows that you have mended; import it first, move it away, or name "
            "another file with --errors"
        )
    except ImportInterrupted as interrupted:
        row = interrupted.report.last_row
        fail(f"the import stopped behind row {row}: {interrupted} Run the same command again to go on")
    if isinstance(report, Refused):
        _print_rejections((None, one) for one in report.rejections)
        fail(f"nothing was imported: {_plain(str(options.path))} is no file of {options.kind} as it is")
    return report


def _exported(settings: Settings, kind: FileKind, write: Callable[[str], object]) -> int:
    from app.bootstrap import open_gateway  # noqa: PLC0415  # as above
    from app.files.exporting import export_records  # noqa: PLC0415  # as above
    from app.memory import OBJECTS_MADE_IN_BULK_MAX, settle_memory  # noqa: PLC0415  # as above

    columns = (SpinnerColumn(), TextColumn("{task.description}"), RowsPerSecond())

    async def run(progress: Progress) -> int:
        bar = progress.add_task(f"exporting {kind}", total=None, rows=0)
        async with open_gateway(settings) as gateway:
            settle_memory(objects_made_max=OBJECTS_MADE_IN_BULK_MAX)
            return await export_records(
                gateway.services.reads, kind, write=write, progress=lambda rows: progress.update(bar, rows=rows)
            )

    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        return uvloop.run(run(progress))


class RowsPerSecond(ProgressColumn):
    """How many rows are done, and how many that is a second."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        rows: int = task.fields["rows"]
        return Text(f"{rows:,} rows, {rows / max(task.elapsed or 0.0, 0.001):,.0f} a second")


@contextlib.contextmanager
def _import_progress(options: "ImportOptions") -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), RowsPerSecond(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"importing {options.kind}", total=options.path.stat().st_size, rows=0)
        yield lambda size, rows: progress.update(bar, completed=size, rows=rows)


def _print_report(report: "ImportReport", options: "ImportOptions") -> None:
    from app.files.importing import refused_rows  # noqa: PLC0415  # as above

    kind, is_dry_run = options.kind, options.is_dry_run
    _print_rejections(refused_rows(report))
    if report.rows[RowStatus.REFUSED] > len(report.first_refused):
        console.print(f"… {report.rows[RowStatus.REFUSED]:,} rows were refused in all: {_codes(report)}")
    _print_doubles(report.doubles)
    table = Table(f"{kind}, {'as a dry run' if is_dry_run else 'imported'}", "rows", "")
    for status in RowStatus:
        if report.rows[status] or status is not RowStatus.REPLAYED:
            table.add_row(status.lower(), f"{report.rows[status]:,}", MEANINGS[status] if report.rows[status] else "")
    console.print(table)
    if is_dry_run:
        console.print("Nothing was kept.")
    elif not report.rows[RowStatus.APPLIED]:
        is_recorded = kind is FileKind.LEVELS and report.rows[RowStatus.UNCHANGED]
        console.print("No stock changed; the counts are recorded." if is_recorded else "Nothing changed.")
    if report.rows[RowStatus.REPLAYED]:
        rows = report.rows[RowStatus.REPLAYED]
        advice = "use --run" if options.run_name is None else "name another --run"
        console.print(
            f"{counted(rows, 'row')} {'was' if rows == 1 else 'were'} already imported by run "
            f"{_plain(report.run.name)}; {advice} to record this count anew.",
            soft_wrap=True,
        )
    if is_dry_run and report.rows[RowStatus.REFUSED]:
        console.print("Import without --dry-run to have the refused rows in a file.")
    if report.errors_path is not None:
        path = _plain(str(report.errors_path))
        console.print(f"The refused rows are in {path}; mend them there and import that file.", soft_wrap=True)


def _print_doubles(doubles: DoubleRows) -> None:
    for one in doubles.first:
        key = ", ".join(f"{column} {_plain(cell)}" for column, cell in one.key)
        words = f"row {one.row}: {key} also stands in row {one.earlier_row}; the later row counts"
        console.print(f"[yellow]![/yellow] {words}", soft_wrap=True)
    if doubles.count > len(doubles.first):
        console.print(f"… {doubles.count:,} rows in all are about the same as an earlier one")
    if not doubles.is_complete:
        console.print(f"Beyond {ROWS_REMEMBERED_MAX:,} different rows, doubles were not looked for.")


def _print_rejections(rejections: "Iterator[tuple[int | None, Rejection]] | list[tuple[int, Rejection]]") -> None:
    for row, rejection in rejections:
        place = "header" if row is None else f"row {row}"
        column = f", {_plain(rejection.field[0])}" if rejection.field else ""
        console.print(f"[red]✗[/red] {place}{column}: {rejection.code}: {_plain(rejection.message)}", soft_wrap=True)


def _codes(report: "ImportReport") -> str:
    return ", ".join(f"{code} {count:,}" for code, count in report.codes.most_common())


def _plain(text: str) -> str:
    """Return a text that a terminal shows and does nothing else with."""
    return escape("".join(character if character.isprintable() else "\ufffd" for character in text))


def _to_standard_output(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8"))

"""Imports a file into the ledger and the catalogue, batch after batch; one is read while another is committed.

The rule: rows carry their own keys or name what they set, so an import that was cut short is simply run again; a
busy database is waited for, a limited number of times; and no row that somebody mended is ever written over.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from app.files.outputs import ReplacedFile, replaced_file
from app.files.sources import FileSource, open_source
from domain.adjustments import AdjustmentReason
from domain.csv_records import BYTE_ORDER_MARK, CsvRecord
from domain.file_columns import FileKind, Table, open_table
from domain.file_doubles import DoubleRows
from domain.file_errors import error_header, error_line, is_as_written, is_error_table
from domain.files import Batch, ImportRun, RowResult, RowStatus, batches
from domain.ports import InfrastructureError
from domain.principals import Principal
from domain.rejections import Refused, Rejection, RejectionCode
from resolvers.context import Services
from resolvers.file_rows import import_rows

BATCH_ROWS_MAX = 1000
BATCHES_IN_FLIGHT_MAX = 2
ATTEMPTS_MAX = 8
PAUSE_SECONDS = 0.5
REFUSALS_SHOWN_MAX = 20
ERRORS_ENDING = ".errors.csv"

Progress = Callable[[int, int], None]
"""Told how many bytes and how many rows are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What is asked for. `run_name` None stands for the digest of the file, `errors_path` None for one beside it."""

    kind: FileKind
    path: Path
    errors_path: Path | None = None
    run_name: str | None = None
    reason: AdjustmentReason = AdjustmentReason.CYCLE_COUNT
    is_dry_run: bool = False
    batch_rows_max: int = BATCH_ROWS_MAX


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What came of an import, so far: rows by what became of them, refusals by code, and the first of these."""

    run: ImportRun
    rows: Counter[RowStatus] = field(default_factory=Counter)
    codes: Counter[RejectionCode] = field(default_factory=Counter)
    first_refused: list[RowResult] = field(default_factory=list)
    last_row: int = 0
    errors_path: Path | None = None
    doubles: DoubleRows = field(default_factory=DoubleRows)

    def add(self, result: RowResult, table: Table) -> None:
        """Count what became of one row."""
        self.rows[result.status] += 1
        self.last_row = result.record.row
        if self._counts(result):
            self.doubles.note(table, result.record)
        if result.status is RowStatus.REFUSED:
            self.codes[result.rejections[0].code] += 1
            if len(self.first_refused) < REFUSALS_SHOWN_MAX:
                self.first_refused.append(result)

    def _counts(self, result: RowResult) -> bool:
        # In a named run a row that is replayed may stand for an earlier one that is alike: it does not count again.
        replayed_before = result.status is RowStatus.REPLAYED and not self.run.is_of_one_file
        return result.status is not RowStatus.REFUSED and not replayed_before


class ImportInterrupted(Exception):
    """The database could not take more now. What is reported is kept; the same import goes on from there."""

    def __init__(self, report: ImportReport, cause: InfrastructureError) -> None:
        super().__init__(str(cause))
        self.report = report


class ErrorFileInTheWay(Exception):
    """Where refused rows would go is a file that may hold somebody's work; nothing was imported."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


async def import_file(
    services: Services, options: ImportOptions, *, by: Principal, progress: Progress
) -> ImportReport | Refused:
    """Import the file, or return why none of it can be. Raises OSError, ErrorFileInTheWay and ImportInterrupted."""
    with open_source(options.path) as source:
        opened = open_table(options.kind, source.lines())
        if isinstance(opened, Refused):
            return opened
        table, records = opened
        errors_path = _errors_path(options, table)
        if not options.is_dry_run:
            _refuse_to_lose(errors_path, options)
        report = ImportReport(run=_run(options, source))
        read = ((batch, source.bytes_read) for batch in batches(table, records, rows_max=options.batch_rows_max))
        take = partial(_taken, services, table=table, report=report, by=by)
        with replaced_file(errors_path) as errors:
            async with aclosing(_in_turn(read, take)) as taken:
                async for results, bytes_read in taken:
                    for result in results:
                        report.add(result, table)
                        if result.rejections and not options.is_dry_run:
                            line = error_line(table, result, is_back=errors_path == options.path)
                            _tell(errors, line, table=table, source=source)
                    progress(bytes_read, report.rows.total())
            if not options.is_dry_run:
                _settle(errors, errors_path, report)
        return report


Taken = asyncio.Task[list[RowResult]]


async def _in_turn(
    read: Iterable[tuple[Batch, int]], take: Callable[[Collection[CsvRecord]], Coroutine[None, None, list[RowResult]]]
) -> AsyncGenerator[tuple[list[RowResult], int], None]:
    """Yield what became of each batch, in their order, with how far the file was read for it.

    While one is committed the next is read and sent, unless both are about the same: it sees what the one before left.
    """
    flying: deque[tuple[Taken, Batch, int]] = deque()
    try:
        for batch, bytes_read in read:
            while flying and (
                len(flying) >= BATCHES_IN_FLIGHT_MAX
                or not all(batch.keys().isdisjoint(other.keys()) for _, other, _ in flying)
            ):
                task, _, place = flying.popleft()
                yield await task, place
            flying.append((asyncio.create_task(take(batch.values())), batch, bytes_read))
        while flying:
            task, _, place = flying.popleft()
            yield await task, place
    finally:
        for task, _, _ in flying:
            task.cancel()
        await asyncio.gather(*(task for task, _, _ in flying), return_exceptions=True)


def _run(options: ImportOptions, source: FileSource) -> ImportRun:
    return ImportRun(
        name=options.run_name or source.digest,
        is_of_one_file=options.run_name is None,
        reason=options.reason,
        is_dry_run=options.is_dry_run,
    )


def _errors_path(options: ImportOptions, table: Table) -> Path:
    """Return where refused rows go; those of an error file that was mended go back into it."""
    path = options.path
    if options.errors_path is not None:
        return options.errors_path
    if path.name.endswith(ERRORS_ENDING) and is_error_table(table):
        return path
    return path.with_name(path.stem + ERRORS_ENDING)


def _refuse_to_lose(errors_path: Path, options: ImportOptions) -> None:
    """Raise ErrorFileInTheWay for a file that is neither imported now nor still as an import wrote it."""
    if errors_path == options.path or not errors_path.exists():
        return
    with open_source(errors_path) as found:
        if not is_as_written(options.kind, found.lines()):
            raise ErrorFileInTheWay(errors_path)


async def _taken(
    services: Services, batch: Collection[CsvRecord], *, table: Table, report: ImportReport, by: Principal
) -> list[RowResult]:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await import_rows(services, batch, table=table, run=report.run, by=by)
        except InfrastructureError as error:
            if attempt == ATTEMPTS_MAX:
                raise ImportInterrupted(report, error) from error
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError("every attempt returns or raises")


def _tell(errors: ReplacedFile, line: str, *, table: Table, source: FileSource) -> None:
    if not errors.is_begun:
        errors.write((BYTE_ORDER_MARK if source.has_byte_order_mark else "") + error_header(table))
    errors.write(line)


def _settle(errors: ReplacedFile, path: Path, report: ImportReport) -> None:
    """Let the error file appear, or take away the one of an earlier import when nothing was refused now."""
    if errors.is_begun:
        errors.keep()
        report.errors_path = path
    else:
        path.unlink(missing_ok=True)


def refused_rows(report: ImportReport) -> list[tuple[int, Rejection]]:
    """Return the first refusals with their rows, each sentence once a row, as many as a person reads."""
    told: dict[tuple[int, RejectionCode, str], tuple[int, Rejection]] = {}
    for result in report.first_refused:
        for rejection in result.rejections:
            row = result.record.row
            told.setdefault((row, rejection.code, rejection.message), (row, rejection))
    return list(islice(told.values(), REFUSALS_SHOWN_MAX))

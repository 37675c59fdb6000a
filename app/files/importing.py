"""Imports a file into the ledger and the catalogue, batch after batch.

The rule: rows carry their own keys or name what they set, so an import that was cut short is simply run again; a
busy database is waited for, a limited number of times.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from app.files.outputs import ReplacedFile, replaced_file
from app.files.sources import FileSource, open_source
from domain.adjustments import AdjustmentReason
from domain.csv_records import BYTE_ORDER_MARK, CsvRecord
from domain.file_columns import FileKind, Table, open_table
from domain.file_errors import error_header, error_line, is_error_header
from domain.files import ImportRun, RowResult, RowStatus, batches
from domain.ports import InfrastructureError
from domain.principals import Principal
from domain.rejections import Refused, Rejection, RejectionCode
from resolvers.context import Services
from resolvers.file_rows import import_rows

BATCH_ROWS_MAX = 1000
ATTEMPTS_MAX = 8
PAUSE_SECONDS = 0.5
REFUSALS_SHOWN_MAX = 20

Progress = Callable[[int, int], None]
"""Told how many bytes and how many rows are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What is asked for. `run_name` None stands for the digest of the file."""

    kind: FileKind
    path: Path
    errors_path: Path
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
    errors_left_alone: Path | None = None

    def add(self, result: RowResult) -> None:
        """Count what became of one row."""
        self.rows[result.status] += 1
        self.last_row = result.record.row
        if result.status is RowStatus.REFUSED:
            self.codes[result.rejections[0].code] += 1
            if len(self.first_refused) < REFUSALS_SHOWN_MAX:
                self.first_refused.append(result)


class ImportInterrupted(Exception):
    """The database could not take more now. What is reported is kept; the same import goes on from there."""

    def __init__(self, report: ImportReport, cause: InfrastructureError) -> None:
        super().__init__(str(cause))
        self.report = report


async def import_file(
    services: Services, options: ImportOptions, *, by: Principal, progress: Progress
) -> ImportReport | Refused:
    """Import the file, or return why none of it can be. Raises OSError and ImportInterrupted."""
    with open_source(options.path) as source, replaced_file(options.errors_path) as errors:
        opened = open_table(options.kind, source.lines())
        if isinstance(opened, Refused):
            return opened
        table, records = opened
        run = ImportRun(
            name=options.run_name or source.digest,
            is_of_one_file=options.run_name is None,
            reason=options.reason,
            is_dry_run=options.is_dry_run,
        )
        report = ImportReport(run=run)
        for batch in batches(table, records, rows_max=options.batch_rows_max):
            for result in await _taken(services, batch, table=table, report=report, by=by):
                report.add(result)
                if result.rejections:
                    _tell(errors, result, table=table, source=source)
            progress(source.bytes_read, report.rows.total())
        _settle(errors, options.errors_path, report)
        return report


async def _taken(
    services: Services, batch: Sequence[CsvRecord], *, table: Table, report: ImportReport, by: Principal
) -> list[RowResult]:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await import_rows(services, batch, table=table, run=report.run, by=by)
        except InfrastructureError as error:
            if attempt == ATTEMPTS_MAX:
                raise ImportInterrupted(report, error) from error
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError("every attempt returns or raises")


def _tell(errors: ReplacedFile, result: RowResult, *, table: Table, source: FileSource) -> None:
    if not errors.is_begun:
        errors.write((BYTE_ORDER_MARK if source.has_byte_order_mark else "") + error_header(table))
    errors.write(error_line(table, result))


def _settle(errors: ReplacedFile, path: Path, report: ImportReport) -> None:
    """Let the error file appear, or take away the one of an earlier import when nothing was refused now."""
    if errors.is_begun:
        errors.keep()
        report.errors_path = path
    elif path.is_file():
        if _is_error_file(path):
            path.unlink()
        else:
            report.errors_left_alone = path


def _is_error_file(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as handle:
        return is_error_header(handle.readline(BATCH_ROWS_MAX * 100))


def refused_rows(report: ImportReport) -> list[tuple[int, Rejection]]:
    """Return the first refusals with their rows, as many as a person reads."""
    told = ((result.record.row, rejection) for result in report.first_refused for rejection in result.rejections)
    return list(islice(told, REFUSALS_SHOWN_MAX))

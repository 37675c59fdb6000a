"""`rowsImport`: the rows of a CSV text, by the same rules and columns as files on the command line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Annotated

import strawberry

from domain.csv_records import CsvRecord, lines_of
from domain.file_columns import FileKind, Table, open_table
from domain.file_errors import error_text
from domain.files import ImportRun, RowResult, RowStatus, batches, digest_of, run_problems
from domain.permissions import without_permission
from domain.rejections import Refused, Rejection, RejectionCode, refuse
from resolvers.context import Info
from resolvers.enums import AdjustmentReason, described_enum
from resolvers.errors import UserError, user_errors
from resolvers.file_rows import import_rows
from resolvers.inputs import compiled_input
from resolvers.permissions import ROWS

ROWS_PER_REQUEST_MAX = 250
LINES_PER_REQUEST_MAX = 10_000
"""Rows may be empty, and cells of several lines; a text of nothing else is not read to its end."""

described_enum(
    FileKind,
    name="FileKind",
    description="What the rows of a file are about.",
    values={
        FileKind.ITEMS: "Columns: sku, name, product_code, attributes (JSON) or attribute:… columns, "
        "identifiers (JSON) or identifier:… columns, is_backorderable.",
        FileKind.LOCATIONS: "Columns: code, name, kind, country_code, channels (their codes, with | between them).",
        FileKind.LISTINGS: "Columns: sku, channel, external_key.",
        FileKind.LEVELS: "Counts, in base units. Columns: sku, location, on_hand, quarantined, damaged, safety_stock.",
    },
)
described_enum(
    RowStatus,
    name="RowStatus",
    description="What became of a row.",
    values={
        RowStatus.APPLIED: "It created or changed something.",
        RowStatus.UNCHANGED: "All was as the row says already.",
        RowStatus.REPLAYED: "The same run recorded this count before; it is not recorded again.",
        RowStatus.REFUSED: "It was refused and left no trace; its userErrors say why.",
    },
)


@compiled_input(description="Rows to import.")
class RowsImportInput:
    """A CSV text."""

    kind: FileKind = strawberry.field(description="What the rows are about.")
    csv: str = strawberry.field(
        description="A header that names the columns, and 1 to 250 rows. Cells are parted by commas, semicolons or "
        "tabs. An empty cell leaves its field as it is, `(clear)` empties it."
    )
    dry_run: bool = strawberry.field(
        default=False, description="Whether to answer everything and keep nothing; each row is looked at by itself."
    )
    run: str | None = strawberry.field(
        default=None,
        description="For LEVELS: the name of this count, at most 200 characters; the same row is recorded once a run. "
        "Without it the text's digest is the run, so that the same text again changes nothing.",
    )
    reason: AdjustmentReason = strawberry.field(
        default=AdjustmentReason.CYCLE_COUNT, description="For LEVELS: why stock changes."
    )


@strawberry.type(description="What became of one row.")
class RowImportResult:
    """The result of one row."""

    row: int = strawberry.field(description="The row as a spreadsheet counts: the header is 1, empty rows count too.")
    status: RowStatus = strawberry.field(description="What became of it.")
    user_errors: list[UserError] = strawberry.field(
        description='Why it was refused; a field is ["input", "csv", row, column].'
    )


@strawberry.type(description="How many rows became what.")
class RowImportCounts:
    """Rows by status."""

    applied: int = strawberry.field(description="Rows that created or changed something.")
    unchanged: int = strawberry.field(description="Rows that said what was so already.")
    replayed: int = strawberry.field(description="Rows that the same run had recorded before.")
    refused: int = strawberry.field(description="Rows that were refused.")


@strawberry.type(description="What became of the rows of a file.")
class RowsImportPayload:
    """The results of all rows."""

    results: list[RowImportResult] = strawberry.field(description="One result a row that is not empty, in their order.")
    counts: RowImportCounts = strawberry.field(description="How many rows became what.")
    run: str | None = strawberry.field(
        description="The run under which levels were recorded; null for other kinds, and when nothing was imported."
    )
    position: str = strawberry.field(
        description="The place of the newest change in the order of all events; without any, the newest event as of "
        "now."
    )
    error_file: str | None = strawberry.field(
        description="The refused rows as CSV, each with its reason; mended, it can be imported as it is. Null when no "
        "row was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why nothing of the file was imported.")


@strawberry.type
class FileMutations:
    """Changes by rows of a file."""

    @strawberry.mutation(
        description="Import up to 250 rows of CSV: items, locations, listings or counts. Each row is for itself: those "
        "that can be applied are. Sent again, it changes nothing."
    )
    async def rows_import(
        self,
        info: Info,
        input: Annotated[RowsImportInput, strawberry.argument(description="The rows.")],
    ) -> RowsImportPayload | None:
        """Import rows."""
        # Asked before anything is read, so that nobody has work done whose rows would all be refused.
        opened = without_permission(ROWS[input.kind], by=info.context.principal) or _opened(input)
        if isinstance(opened, Refused):
            return await _payload(info, (), problems=user_errors(opened))
        table, rows = opened
        name = input.run if input.run is not None else digest_of(input.csv.encode("utf-8", "surrogatepass"))
        run = ImportRun(name=name, is_of_one_file=input.run is None, reason=input.reason, is_dry_run=input.dry_run)
        context = info.context
        results: list[RowResult] = []
        for batch in batches(table, rows, rows_max=ROWS_PER_REQUEST_MAX):
            results += await import_rows(context.services, batch.values(), table=table, run=run, by=context.principal)
        return await _payload(
            info,
            results,
            run=name if input.kind is FileKind.LEVELS and _imports_any(results, run) else None,
            error_file=error_text(table, results),
        )


def _opened(input: RowsImportInput) -> tuple[Table, Sequence[CsvRecord]] | Refused:
    problems = tuple(run_problems(input.run)) if input.run is not None else ()
    if problems:
        return Refused(rejections=problems)
    if len(list(islice(lines_of(input.csv), LINES_PER_REQUEST_MAX + 1))) > LINES_PER_REQUEST_MAX:
        message = f"There are more than {LINES_PER_REQUEST_MAX:,} lines; send fewer, or use `stockgate import`."
        return refuse(_in_csv(Rejection(code=RejectionCode.INVALID_INPUT, message=message)))
    opened = open_table(input.kind, lines_of(input.csv))
    if isinstance(opened, Refused):
        return refuse(*(_in_csv(one) for one in opened.rejections))
    table, records = opened
    rows = list(islice(records, ROWS_PER_REQUEST_MAX + 1))
    if not 1 <= len(rows) <= ROWS_PER_REQUEST_MAX:
        count = "no rows" if not rows else f"more than {ROWS_PER_REQUEST_MAX} rows"
        message = f"There are {count}; send 1 to {ROWS_PER_REQUEST_MAX} a request, or use `stockgate import`."
        return refuse(_in_csv(Rejection(code=RejectionCode.INVALID_INPUT, message=message)))
    return table, rows


def _imports_any(results: Iterable[RowResult], run: ImportRun) -> bool:
    return not run.is_dry_run and any(result.status is not RowStatus.REFUSED for result in results)


def _in_csv(rejection: Rejection) -> Rejection:
    return Rejection(code=rejection.code, message=rejection.message, field=("csv", *rejection.field))


async def _payload(
    info: Info,
    results: Sequence[RowResult],
    *,
    run: str | None = None,
    error_file: str | None = None,
    problems: list[UserError] | None = None,
) -> RowsImportPayload:
    known = [result.position for result in results if result.position is not None]
    position = max(known) if known else await info.context.services.reads.position()
    return RowsImportPayload(
        results=[_presented(result) for result in results],
        counts=_counts(results),
        run=run,
        position=str(position),
        error_file=error_file,
        user_errors=problems or [],
    )


def _presented(result: RowResult) -> RowImportResult:
    prefix = ("input", "csv", str(result.record.row))
    errors = user_errors(Refused(rejections=result.rejections), prefix=prefix)
    return RowImportResult(row=result.record.row, status=result.status, user_errors=errors)


def _counts(results: Iterable[RowResult]) -> RowImportCounts:
    counted = Counter(result.status for result in results)
    return RowImportCounts(
        applied=counted[RowStatus.APPLIED],
        unchanged=counted[RowStatus.UNCHANGED],
        replayed=counted[RowStatus.REPLAYED],
        refused=counted[RowStatus.REFUSED],
    )

"""The error file: the refused rows as they were sent, each with why; the one rule: mended, it imports as it is.

Each of its rows ends with a check of its own cells, so that a file in which somebody mended rows is told from one that
may be written over.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from domain.csv_records import CsvRecord, line_from
from domain.file_columns import (
    CLEAR,
    ERROR_COLUMNS,
    SEPARATOR,
    FileKind,
    Table,
    open_table,
    plain_text,
    safe_cell,
)
from domain.files import WHOLE_NUMBER, RowResult
from domain.rejections import Refused

CHECK_LENGTH = 12
CHECK_START = "c"
"""No spreadsheet takes what begins with it for a number."""
MENDED = "mended"
"""Instead of a check: this row is not as an import of the first file would write it."""


def error_header(table: Table) -> str:
    """Return the first line of an error file: the file's own columns and, behind them, what is wrong with the row."""
    return line_from((*table.own_columns, *ERROR_COLUMNS), delimiter=table.delimiter)


def error_line(table: Table, result: RowResult, *, is_back: bool = False) -> str:
    """Return the line of a refused row. A row that could not be read stands in the first column, as it was.

    A row that goes back into the very file it came from (`is_back`) stands nowhere else once somebody has mended it,
    so it stays known as mended.
    """
    cells = (*_own_cells(table, result), *_told(result))
    check = MENDED if is_back and not _is_as_written(result.record) else _check(cells)
    return line_from((*cells, check), delimiter=table.delimiter)


def error_text(table: Table, results: Iterable[RowResult]) -> str | None:
    """Return a whole error file, or None when no row was refused."""
    lines = [error_line(table, result) for result in results if result.rejections]
    return "".join((error_header(table), *lines)) if lines else None


def is_error_table(table: Table) -> bool:
    """Return whether a file with these columns was written here, and perhaps mended since."""
    return set(ERROR_COLUMNS) <= set(table.columns)


def is_as_written(kind: FileKind, lines: Iterator[str]) -> bool:
    """Return whether these are the lines of an error file in which nobody has added or changed a row."""
    opened = open_table(kind, lines)
    if isinstance(opened, Refused):
        return False
    table, records = opened
    return is_error_table(table) and all(_is_as_written(record) for record in records)


def _is_as_written(record: CsvRecord) -> bool:
    return record.problem is None and record.cells[-1] == _check(record.cells[:-1])


def _check(cells: Sequence[str]) -> str:
    return CHECK_START + hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:CHECK_LENGTH]


def _own_cells(table: Table, result: RowResult) -> Iterator[str]:
    cells = table.cells_by_column(result.record)
    if result.record.problem is not None:
        # The text of the row is no cell yet, so nothing in it stands for anything else.
        cells = dict(zip(table.own_columns, map(safe_cell, result.record.cells), strict=False))
    return (_guarded(cells.get(column, "")) for column in table.own_columns)


def _guarded(cell: str) -> str:
    """Return the cell that stands for the same, and that no spreadsheet computes; numbers stay numbers."""
    is_as_meant = cell == CLEAR or WHOLE_NUMBER.fullmatch(cell) is not None
    return cell if is_as_meant else safe_cell(plain_text(cell))


def _told(result: RowResult) -> Iterator[str]:
    columns = dict.fromkeys(name for rejection in result.rejections for name in rejection.field)
    yield str(result.record.row)
    yield result.rejections[0].code.value
    yield safe_cell(SEPARATOR.join(columns))
    yield safe_cell(" ".join(dict.fromkeys(rejection.message for rejection in result.rejections)))

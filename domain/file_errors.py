"""The error file: the refused rows as they were sent, each with why; the one rule: mended, it imports as it is."""

from collections.abc import Iterable, Iterator

from domain.csv_records import DELIMITERS, line_from
from domain.file_columns import ERROR_COLUMNS, SEPARATOR, Table, safe_cell
from domain.files import RowResult


def error_header(table: Table) -> str:
    """Return the first line of an error file: the file's own columns and, behind them, what is wrong with the row."""
    return line_from((*table.own_columns, *ERROR_COLUMNS), delimiter=table.delimiter)


def error_line(table: Table, result: RowResult) -> str:
    """Return the line of a refused row. A row that could not be read stands in the first column, as it was."""
    return line_from((*_own_cells(table, result), *_told(result)), delimiter=table.delimiter)


def error_text(table: Table, results: Iterable[RowResult]) -> str | None:
    """Return a whole error file, or None when no row was refused."""
    lines = [error_line(table, result) for result in results if result.rejections]
    return "".join((error_header(table), *lines)) if lines else None


def is_error_header(line: str) -> bool:
    """Return whether a file that begins with this line was written here."""
    return any(line.rstrip("\r\n").endswith(delimiter.join(("", *ERROR_COLUMNS))) for delimiter in DELIMITERS)


def _own_cells(table: Table, result: RowResult) -> Iterator[str]:
    cells = table.cells_by_column(result.record)
    if result.record.problem is not None:
        cells = dict(zip(table.own_columns, result.record.cells, strict=False))
    return (cells.get(column, "") for column in table.own_columns)


def _told(result: RowResult) -> Iterator[str]:
    columns = dict.fromkeys(name for rejection in result.rejections for name in rejection.field)
    yield str(result.record.row)
    yield result.rejections[0].code.value
    yield safe_cell(SEPARATOR.join(columns))
    yield safe_cell(" ".join(dict.fromkeys(rejection.message for rejection in result.rejections)))

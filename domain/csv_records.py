"""CSV as spreadsheets and other programs write it: lines of text to records, cells to lines.

The rule: reading ends and raises nothing, whatever the text, and what is not a record is told as a problem of its row
together with its own text; so nothing is lost in silence.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t")
"""What may stand between cells; of those that fit a header alike, the first is taken."""
BYTE_ORDER_MARK = "\ufeff"
LINE_END = "\r\n"
"""RFC 4180's, and with it Python's writer puts cells that hold either of the two characters into quotes."""

UNREADABLE = (
    "The row cannot be read: a quotation mark is not closed, text follows a closing one, or a cell is longer than "
    "131,072 characters. Put the cell into quotation marks, and double those within it."
)
ONE_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRecord:
    """One row of a file; `row` counts as a spreadsheet does: every row, the header and empty ones too, from 1.

    With a `problem` there are no cells but one, the text of the row as it stands in the file.
    """

    row: int
    cells: tuple[str, ...]
    problem: str | None = None


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, as a file does that is read without translation."""
    return (found[0] for found in ONE_LINE.finditer(text))


def line_from(cells: Iterable[str], *, delimiter: str) -> str:
    """Return the line that holds these cells."""
    line = _Line()
    csv.writer(line, delimiter=delimiter, lineterminator=LINE_END).writerow(list(cells))
    return line.text


def header_line(lines: Iterator[str]) -> tuple[int, str]:
    """Return the first line that is not empty with its row, without a byte order mark; empty when there is none."""
    for row, line in enumerate(lines, start=1):
        text = line.removeprefix(BYTE_ORDER_MARK) if row == 1 else line
        if text.strip():
            return row, text
    return 0, ""


def split_header(line: str, *, is_known: Callable[[str], bool]) -> tuple[str, tuple[str, ...]] | None:
    """Return the delimiter with which a header names most known columns, and its cells; None when none can read it."""
    read = [(delimiter, cells) for delimiter in DELIMITERS if (cells := _cells(line, delimiter=delimiter)) is not None]
    return max(read, key=lambda one: sum(map(is_known, one[1])), default=None)


def records(lines: Iterator[str], *, delimiter: str, first_row: int) -> Iterator[CsvRecord]:
    """Yield the records that hold anything, in order. One that cannot be read costs its own first line only."""
    source = _Source(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    row = first_row - 1
    while True:
        row += 1
        source.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield CsvRecord(row=row, cells=(source.give_back(),), problem=UNREADABLE)
        else:
            if any(cells):
                yield CsvRecord(row=row, cells=tuple(cells))


class _Line:
    """What a writer of one row writes to."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Take the line."""
        self.text += text


class _Source:
    """Lines, of which those after the first of an unreadable record can be read again.

    A quotation mark that is never closed swallows rows up to the longest cell allowed; they are not lost with it.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._record: list[str] = []

    def __iter__(self) -> "_Source":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._record.append(line)
        return line

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self._record.clear()

    def give_back(self) -> str:
        """Return the first line of this record without its end; the others will be read again."""
        first, *others = self._record
        self._again.extendleft(reversed(others))
        return first.rstrip("\r\n")


def _cells(line: str, *, delimiter: str) -> tuple[str, ...] | None:
    try:
        rows: Sequence[Sequence[str]] = list(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return tuple(rows[0])

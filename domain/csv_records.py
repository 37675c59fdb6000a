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

RECORD_CHARACTERS_MAX = 131_072
RECORD_LINES_MAX = 1000
RECORD_CELLS_MAX = 1000
REREAD_CHARACTERS_FREE = 2 * RECORD_CHARACTERS_MAX
REREAD_SHARE_MAX = 4
"""How many characters may be read again: so many in any text, and so many more for each character of it."""

UNREADABLE = (
    "The row cannot be read: a quotation mark is not closed, text follows a closing one, or the row is longer than "
    "131,072 characters or 1,000 lines. Put the cell into quotation marks, and double those within it."
)
TOO_WIDE = "The row has more than 1,000 cells; put a cell that holds the delimiter into quotation marks."
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
    """Yield the records that hold anything, in order.

    One that cannot be read costs its own first line only; where too much was read again already, all of its lines.
    """
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
            if len(cells) > RECORD_CELLS_MAX:
                yield CsvRecord(row=row, cells=(source.text(),), problem=TOO_WIDE)
            elif any(cells):
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

    A quotation mark that is never closed swallows rows up to the longest record allowed; they are not lost with it. A
    text of nothing but such marks is not read over and over: what is read again is a bounded share of what was read.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._record_characters = 0
        self._reread_characters_left = REREAD_CHARACTERS_FREE

    def __iter__(self) -> "_Source":
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._lines)
            self._reread_characters_left += REREAD_SHARE_MAX * len(line)
        self._record.append(line)
        self._record_characters += len(line)
        if self._record_characters > RECORD_CHARACTERS_MAX or len(self._record) > RECORD_LINES_MAX:
            raise csv.Error("the record is too long")
        return line

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self._record.clear()
        self._record_characters = 0

    def text(self) -> str:
        """Return the text of this record without its end."""
        return "".join(self._record).rstrip("\r\n")

    def give_back(self) -> str:
        """Return the first line of this record without its end; the others will be read again.

        When too much has been read again, return the whole of it: then nothing more is made of its lines.
        """
        first, *others = self._record
        again_characters = self._record_characters - len(first)
        if again_characters > self._reread_characters_left:
            return self.text()
        self._reread_characters_left -= again_characters
        self._again.extendleft(reversed(others))
        return first.rstrip("\r\n")


def _cells(line: str, *, delimiter: str) -> tuple[str, ...] | None:
    try:
        rows: Sequence[Sequence[str]] = list(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return tuple(rows[0])

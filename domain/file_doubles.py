"""Which rows of one file are about the same; the one rule: what is remembered is bounded, however long the file is."""

from dataclasses import dataclass

from domain.csv_records import CsvRecord
from domain.file_columns import Table

ROWS_REMEMBERED_MAX = 1_000_000
"""Each takes about 100 bytes: a hash of what it is about, and its number."""
SHOWN_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleRow:
    """A row that is about the same as an earlier one; `key` has what both are about, by column."""

    row: int
    earlier_row: int
    key: tuple[tuple[str, str], ...]


class DoubleRows:
    """Finds the rows of a file that are about the same as an earlier one, and keeps the first of them."""

    def __init__(self, *, remembered_max: int = ROWS_REMEMBERED_MAX) -> None:
        self.count = 0
        self.first: list[DoubleRow] = []
        self.is_complete = True
        self._remembered_max = remembered_max
        self._rows: dict[int, int] = {}

    def note(self, table: Table, record: CsvRecord) -> None:
        """Look a row up, and remember it as the newest that is about what it is about."""
        key = table.key_of(record)
        hashed = hash(key)
        earlier_row = self._rows.get(hashed)
        if earlier_row is None and len(self._rows) >= self._remembered_max:
            self.is_complete = False
            return
        self._rows[hashed] = record.row
        if earlier_row is None:
            return
        self.count += 1
        if len(self.first) < SHOWN_MAX:
            named = tuple(zip(table.key_columns, key, strict=True))
            self.first.append(DoubleRow(row=record.row, earlier_row=earlier_row, key=named))

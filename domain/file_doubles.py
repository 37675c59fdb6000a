"""Which rows of one file are about the same; the one rule: what is remembered is bounded, however long the file is."""

from array import array
from dataclasses import dataclass

from domain.csv_records import CsvRecord
from domain.file_columns import Table

ROWS_REMEMBERED_MAX = 3_500_000
"""Each takes 16 bytes, a hash of what it is about and its number, and its share of what is free: 75 MB in all."""
SHELF_SLOTS_MIN = 2**16
SHELF_GROWTH = 8
"""How many times larger each shelf is than the one before: nothing that is remembered is ever moved."""
SHELF_FILLED_MAX = 0.75
SHOWN_MAX = 10
FREE = 0


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
        self._remembered = 0
        self._shelves = [_Shelf(SHELF_SLOTS_MIN)]

    def note(self, table: Table, record: CsvRecord) -> None:
        """Look a row up, and remember it as the newest that is about what it is about."""
        key = table.key_of(record)
        earlier_row = self._exchange(hash(key) or 1, record.row)
        if earlier_row is None:
            return
        self.count += 1
        if len(self.first) < SHOWN_MAX:
            named = tuple(zip(table.key_columns, key, strict=True))
            self.first.append(DoubleRow(row=record.row, earlier_row=earlier_row, key=named))

    def _exchange(self, hashed: int, row: int) -> int | None:
        """Return the row that is remembered for a hash, if one is, and remember this one instead."""
        for shelf in self._shelves:
            slot = shelf.slot_of(hashed)
            if shelf.hashes[slot] != FREE:
                earlier_row = shelf.rows[slot]
                shelf.rows[slot] = row
                return earlier_row
        if self._remembered >= self._remembered_max:
            self.is_complete = False
            return None
        if self._shelves[-1].is_full:
            self._shelves.append(_Shelf(SHELF_GROWTH * len(self._shelves[-1].rows)))
        self._shelves[-1].put(hashed, row)
        self._remembered += 1
        return None


class _Shelf:
    """A hash table of a fixed size, a power of two, without an object for anything in it."""

    def __init__(self, slots: int) -> None:
        self.hashes = array("q", bytes(8 * slots))
        self.rows = array("q", bytes(8 * slots))
        self._free = int(SHELF_FILLED_MAX * slots)

    @property
    def is_full(self) -> bool:
        """Whether no more is to be put in, lest looking takes long."""
        return self._free <= 0

    def slot_of(self, hashed: int) -> int:
        """Return the slot of a hash, or the free one where it would be."""
        hashes, last = self.hashes, len(self.hashes) - 1
        slot = hashed & last
        while hashes[slot] not in (FREE, hashed):
            slot = (slot + 1) & last
        return slot

    def put(self, hashed: int, row: int) -> None:
        """Keep a row under a hash that is not here."""
        slot = self.slot_of(hashed)
        self.hashes[slot], self.rows[slot] = hashed, row
        self._free -= 1

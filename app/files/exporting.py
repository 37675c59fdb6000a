"""Exports records as CSV, page after page; the one rule: what is written imports again and changes nothing.

Each page is read from one snapshot; what changes while a long export runs may be in it or not.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from domain.csv_records import line_from
from domain.file_columns import COLUMNS, FileKind
from domain.files import FileRecord, cells_of
from domain.filters import ItemFilter
from domain.ports import Reads
from domain.records import Item

PAGE_ROWS_MAX = 250
DELIMITER = ","
EVERY_ITEM = ItemFilter()

Write = Callable[[str], object]
Progress = Callable[[int], None]
"""Told how many rows are written."""


async def export_records(reads: Reads, kind: FileKind, *, write: Write, progress: Progress) -> int:
    """Write the header and a row for every record in use; return how many rows there were. Raises Unavailable."""
    write(line_from([column.name for column in COLUMNS[kind]], delimiter=DELIMITER))
    rows = 0
    async for page in _pages(reads, kind):
        write("".join(line_from(cells_of(record), delimiter=DELIMITER) for record in page))
        rows += len(page)
        progress(rows)
    return rows


async def _pages(reads: Reads, kind: FileKind) -> AsyncIterator[Sequence[FileRecord]]:
    if kind is FileKind.LOCATIONS:
        async for records in _locations(reads):
            yield records
        return
    async for items in _items(reads):
        if kind is FileKind.ITEMS:
            yield items
        elif kind is FileKind.LISTINGS:
            listings = await reads.listings([item.sku for item in items])
            yield [listing for listed in listings for listing in listed]
        else:
            snapshots = await reads.snapshots([(item.sku, None) for item in items])
            yield [one.level for snapshot in snapshots for one in snapshot.own_levels]


async def _items(reads: Reads) -> AsyncIterator[list[Item]]:
    after: str | None = None
    while page := await reads.item_page(EVERY_ITEM, after=after, limit=PAGE_ROWS_MAX):
        yield page
        after = page[-1].sku


async def _locations(reads: Reads) -> AsyncIterator[Sequence[FileRecord]]:
    after: str | None = None
    while page := await reads.location_page(after=after, limit=PAGE_ROWS_MAX):
        served = await reads.channels_served([location.code for location in page])
        yield [
            (location, tuple(channel.code for channel in channels))
            for location, channels in zip(page, served, strict=True)
        ]
        after = page[-1].code

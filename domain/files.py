"""Files: rows of items, locations, listings and levels to commands, and records back to rows.

The rule: an empty cell, like a column that is not there, leaves the field as it is; only `(clear)` empties one.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar, assert_never

from domain.adjustments import AdjustmentReason
from domain.catalogue import ItemUpsert, LocationUpsert
from domain.csv_records import CsvRecord
from domain.file_columns import (
    ATTRIBUTE,
    COLUMNS,
    IDENTIFIER,
    Table,
    joined_codes,
    safe_cell,
)
from domain.levels import COUNTER_NAMES, InventoryBucket, StockLevel
from domain.listings import ListingUpsert
from domain.records import Attribute, Identifier, Item, Listing, Location
from domain.rejections import FieldPath, Rejection
from domain.stock_commands import InventorySet
from domain.text import exact_text_problems

DIGEST_LENGTH = 32
RUN_LENGTH_MAX = 200
"""With its prefix and a row's digest, a run makes a key of at most 240 of the 255 characters allowed."""
WHOLE_NUMBER = re.compile(r"-?[0-9]+")
COUNTED_BUCKETS = (
    InventoryBucket.ON_HAND,
    InventoryBucket.QUARANTINED,
    InventoryBucket.DAMAGED,
    InventoryBucket.SAFETY_STOCK,
)

FileCommand = ItemUpsert | LocationUpsert | ListingUpsert | InventorySet
FileRecord = Item | tuple[Location, tuple[str, ...]] | Listing | StockLevel
"""What a row of an export shows; a location with the codes of the channels that it serves."""
Batch = Mapping[tuple[str, ...], CsvRecord]
"""Rows in their order, each under what it is about."""
Changes = Mapping[str, str | None]
"""New values by name; None takes the name away."""
Pair = TypeVar("Pair", Attribute, Identifier)


class RowStatus(StrEnum):
    """What became of a row."""

    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    REPLAYED = "REPLAYED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    """What one import is: `name` tells its counts from those of other runs, `reason` says why levels change.

    `is_of_one_file` says that the name stands for the very bytes of one file: then a count is known by its row too, so
    that a level which is counted again further down ends at its last count.
    """

    name: str
    is_of_one_file: bool = False
    reason: AdjustmentReason = AdjustmentReason.CYCLE_COUNT
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCommand:
    """A row that could be read: its command, and what can be completed only by looking at the record as it is."""

    record: CsvRecord
    command: FileCommand
    attributes: Changes = field(default_factory=dict)
    identifiers: Changes = field(default_factory=dict)
    keeps_external_key: bool = False

    @property
    def merges_item(self) -> bool:
        """Whether some attributes or identifiers are to change and the others to stay."""
        return bool(self.attributes or self.identifiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row; the place of each rejection is the column it lies in. `position` is its receipt's."""

    record: CsvRecord
    status: RowStatus
    rejections: tuple[Rejection, ...] = ()
    position: int | None = None


def digest_of(content: bytes) -> str:
    """Return the run of a file that was given no name: the same file is the same run."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def run_problems(name: str) -> Iterator[Rejection]:
    """Yield what keeps a text from naming a run."""
    return exact_text_problems(name, field=("run",), what="The name of the run", length_max=RUN_LENGTH_MAX)


def batches(table: Table, rows: Iterable[CsvRecord], *, rows_max: int) -> Iterator[Batch]:
    """Yield rows in their order, in batches in which no two are about the same: each sees what the one before left."""
    batch: dict[tuple[str, ...], CsvRecord] = {}
    for record in rows:
        key = table.key_of(record)
        if len(batch) >= rows_max or key in batch:
            yield batch
            batch = {}
        batch[key] = record
    if batch:
        yield batch


def completed(
    row: RowCommand, *, item: Item | None = None, listing: Listing | None = None, serves: frozenset[str] | None = None
) -> FileCommand:
    """Return the command with what the row leaves as it is: other attributes, the listing's key, the same channels.

    `serves` are the channels in use that the location serves now, None where that is not known.
    """
    command = row.command
    if isinstance(command, ItemUpsert) and row.merges_item:
        fields = command.fields.copy()
        if row.attributes:
            known = [(one.name, one.value) for one in (item.attributes if item else ())]
            pairs = _merged(known, row.attributes)
            fields["attributes"] = tuple(Attribute(name=name, value=value) for name, value in pairs)
        if row.identifiers:
            known = [(one.scheme, one.value) for one in (item.identifiers if item else ())]
            pairs = _merged(known, row.identifiers)
            fields["identifiers"] = tuple(Identifier(scheme=name, value=value) for name, value in pairs)
        return replace(command, fields=fields)
    if isinstance(command, ListingUpsert) and row.keeps_external_key and listing is not None:
        return replace(command, external_key=listing.external_key)
    if isinstance(command, LocationUpsert) and serves is not None and command.channels == serves:
        return replace(command, channels=None)
    return command


def column_of(table: Table, command: FileCommand, path: FieldPath) -> FieldPath:
    """Return the column that a field of the command came from; nothing for what is in no column."""
    match path:
        case ("quantities", _, "locationId"):
            return ("location",)
        case ("quantities", place, *_) if isinstance(command, InventorySet):
            return (COUNTER_NAMES[command.quantities[int(place)].bucket],)
        case ("attributes", place) if isinstance(command, ItemUpsert) and "attributes" not in table.columns:
            return (ATTRIBUTE + command.fields["attributes"][int(place)].name,)
        case ("identifiers", place) if isinstance(command, ItemUpsert) and "identifiers" not in table.columns:
            return (IDENTIFIER + command.fields["identifiers"][int(place)].scheme,)
        case (name, *_):
            return tuple(column.name for column in COLUMNS[table.kind] if column.field == name)
        case _:
            return ()


def cells_of(record: FileRecord) -> tuple[str, ...]:
    """Return the row that shows a record, in the order of its kind's columns."""
    match record:
        case Item():
            return (
                safe_cell(record.sku),
                safe_cell(record.name or ""),
                safe_cell(record.product_code or ""),
                _json([(one.name, one.value) for one in record.attributes]),
                _json([(one.scheme, one.value) for one in record.identifiers]),
                "true" if record.is_backorderable else "false",
            )
        case Listing():
            return (safe_cell(record.sku), safe_cell(record.channel), safe_cell(record.external_key or ""))
        case StockLevel():
            # Numbers are no formulas, and a spreadsheet is to add them up: a negative one stays a number.
            counters = (str(record.balance(bucket)) for bucket in COUNTED_BUCKETS)
            return (safe_cell(record.sku), safe_cell(record.location), *counters)
        case (location, channels):
            return (
                safe_cell(location.code),
                safe_cell(location.name or ""),
                location.kind.value,
                location.country_code or "",
                safe_cell(joined_codes(channels)),
            )
        case _:
            assert_never(record)


def _merged(known: Sequence[tuple[str, str]], changes: Changes) -> Iterator[tuple[str, str]]:
    """Yield the pairs after the changes; one that stays keeps its place, and a changed name is there once."""
    told: set[str] = set()
    for name, value in (*known, *((name, "") for name in changes)):
        if name not in changes:
            yield name, value
        elif name not in told:
            told.add(name)
            changed = changes[name]
            if changed is not None:
                yield name, changed


def _json(pairs: Sequence[tuple[str, str]]) -> str:
    # Written by hand, because a name may be there twice, which no dict can hold.
    members = (
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in pairs
    )
    return f"{{{', '.join(members)}}}" if pairs else ""

"""Files: rows of items, locations, listings and levels to commands, and records back to rows.

The rule: an empty cell, like a column that is not there, leaves the field as it is; only `(clear)` empties one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar, assert_never

from domain.adjustments import AdjustmentReason
from domain.catalogue import ItemFields, ItemUpsert, LocationFields, LocationUpsert
from domain.csv_records import CsvRecord
from domain.file_columns import (
    ATTRIBUTE,
    CLEAR,
    COLUMNS,
    IDENTIFIER,
    FileKind,
    Table,
    joined_codes,
    plain_text,
    safe_cell,
    split_codes,
)
from domain.levels import COUNTER_NAMES, InventoryBucket, StockLevel
from domain.listings import ListingUpsert
from domain.records import Attribute, Identifier, Item, Listing, Location, LocationKind
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode
from domain.stock_commands import InventorySet, LevelQuantity
from domain.text import exact_text_problems

DIGEST_LENGTH = 32
RUN_LENGTH_MAX = 200
"""With its prefix and a row's digest, a run makes a key of at most 240 of the 255 characters allowed."""
NUMBER_DIGITS_MAX = 18
WHOLE_NUMBER = re.compile(r"-?[0-9]+")
TRUTHS = {"true": True, "false": False}
COUNTED_BUCKETS = (
    InventoryBucket.ON_HAND,
    InventoryBucket.QUARANTINED,
    InventoryBucket.DAMAGED,
    InventoryBucket.SAFETY_STOCK,
)

FileCommand = ItemUpsert | LocationUpsert | ListingUpsert | InventorySet
FileRecord = Item | tuple[Location, tuple[str, ...]] | Listing | StockLevel
"""What a row of an export shows; a location with the codes of the channels that it serves."""
Changes = Mapping[str, str | None]
"""New values by name; None takes the name away."""
Given = dict[str, str | None]
"""The texts of the cells that say anything, by column; None where the cell says `(clear)`."""
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


def batches(table: Table, rows: Iterable[CsvRecord], *, rows_max: int) -> Iterator[list[CsvRecord]]:
    """Yield rows in their order, in batches in which no two are about the same: each sees what the one before left."""
    batch: list[CsvRecord] = []
    keys: set[tuple[str, ...]] = set()
    for record in rows:
        key = table.key_of(record)
        if len(batch) >= rows_max or key in keys:
            yield batch
            batch, keys = [], set()
        batch.append(record)
        keys.add(key)
    if batch:
        yield batch


def row_from(table: Table, record: CsvRecord, *, run: ImportRun, new_id: Callable[[], str]) -> RowCommand | Refused:
    """Return the command that a row stands for, or why it cannot be read."""
    problems = list(_shape_problems(table, record))
    if problems:
        return Refused(rejections=tuple(problems))
    given = _given(table, record, problems)
    read = _read(table.kind, given, problems, row=record.row, run=run, new_id=new_id)
    return Refused(rejections=tuple(problems)) if problems else replace(read, record=record)


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


def _shape_problems(table: Table, record: CsvRecord) -> Iterator[Rejection]:
    if record.problem is not None:
        yield _invalid((), record.problem)
        return
    cells, columns = len(record.cells), len(table.columns)
    if cells != columns:
        left_over = "".join(f" [{cell}]" for cell in record.cells[columns:])
        finding = f"The row has {cells} cells, the header {columns} columns"
        advice = f"; put a cell that holds the delimiter into quotation marks. Left over:{left_over}"
        yield _invalid((), finding + (advice if left_over else "; write every delimiter, for empty cells too."))
    for column, cell in table.cells_by_column(record).items():
        if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
            yield _invalid((column,), "The cell is not UTF-8 text; save the file as CSV UTF-8.")


def _given(table: Table, record: CsvRecord, problems: list[Rejection]) -> Given:
    fixed = {column.name for column in COLUMNS[table.kind] if not column.is_clearable}
    keys = table.key_columns
    cells = table.cells_by_column(record)
    given: Given = {}
    for column in table.own_columns:
        cell = cells[column]
        if column in keys and not cell:
            problems.append(_invalid((column,), f"The {column} is empty; it says what the row is about."))
        elif cell == CLEAR and column in fixed:
            problems.append(_invalid((column,), f"The {column} cannot be cleared; write a value, or leave it empty."))
        if cell:
            given[column] = None if cell == CLEAR else plain_text(cell)
    return given


def _read(
    kind: FileKind, given: Given, problems: list[Rejection], *, row: int, run: ImportRun, new_id: Callable[[], str]
) -> RowCommand:
    match kind:
        case FileKind.ITEMS:
            return _item(given, problems)
        case FileKind.LOCATIONS:
            return _unfilled(_location(given, problems))
        case FileKind.LISTINGS:
            command = ListingUpsert(
                sku=given.get("sku") or "",
                channel=given.get("channel") or "",
                external_key=given.get("external_key"),
            )
            return replace(_unfilled(command), keeps_external_key="external_key" not in given)
        case FileKind.LEVELS:
            return _unfilled(_level(given, problems, row=row, run=run, new_id=new_id))
        case _:
            assert_never(kind)


def _item(given: Given, problems: list[Rejection]) -> RowCommand:
    fields: ItemFields = {}
    if "name" in given:
        fields["name"] = given["name"]
    if "product_code" in given:
        fields["product_code"] = given["product_code"]
    if "attributes" in given:
        pairs = _pairs(given, "attributes", problems)
        fields["attributes"] = tuple(Attribute(name=name, value=value) for name, value in pairs)
    if "identifiers" in given:
        pairs = _pairs(given, "identifiers", problems)
        fields["identifiers"] = tuple(Identifier(scheme=name, value=value) for name, value in pairs)
    if "is_backorderable" in given:
        fields["is_backorderable"] = _truth(given, "is_backorderable", problems)
    return replace(
        _unfilled(ItemUpsert(sku=given.get("sku") or "", fields=fields)),
        attributes=_named(given, ATTRIBUTE),
        identifiers=_named(given, IDENTIFIER),
    )


def _location(given: Given, problems: list[Rejection]) -> LocationUpsert:
    fields: LocationFields = {}
    if "name" in given:
        fields["name"] = given["name"]
    if "country_code" in given:
        fields["country_code"] = given["country_code"]
    kind = given.get("kind")
    if kind is not None:
        if kind in LocationKind.__members__:
            fields["kind"] = LocationKind(kind)
        else:
            problems.append(_invalid(("kind",), f"There is no kind {kind!r}; write {', '.join(LocationKind)}."))
    channels = None
    if "channels" in given:
        channels = frozenset(split_codes(given["channels"] or "")) if given["channels"] else frozenset()
    return LocationUpsert(code=given.get("code") or "", fields=fields, channels=channels)


def _level(
    given: Given, problems: list[Rejection], *, row: int, run: ImportRun, new_id: Callable[[], str]
) -> InventorySet:
    sku, location = given.get("sku") or "", given.get("location") or ""
    counts = [
        (bucket, _whole_number(text, COUNTER_NAMES[bucket], problems))
        for bucket in COUNTED_BUCKETS
        if (text := given.get(COUNTER_NAMES[bucket])) is not None
    ]
    if not counts and not problems:
        problems.append(_invalid(("on_hand",), "Nothing was counted; write how many, or remove the row."))
    counted = [row, sku, location, counts] if run.is_of_one_file else [sku, location, counts]
    content = json.dumps(counted, separators=(",", ":")).encode()
    return InventorySet(
        command_id=new_id(),
        sku=sku,
        idempotency_key=f"import:{run.name}:{digest_of(content)}",
        reason=run.reason,
        dry_run=run.is_dry_run,
        quantities=tuple(
            LevelQuantity(location=location, quantity=quantity, bucket=bucket) for bucket, quantity in counts
        ),
    )


def _unfilled(command: FileCommand) -> RowCommand:
    return RowCommand(record=CsvRecord(row=0, cells=()), command=command)


def _named(given: Given, prefix: str) -> Changes:
    return {column.removeprefix(prefix): text for column, text in given.items() if column.startswith(prefix)}


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


def _whole_number(text: str, column: str, problems: list[Rejection]) -> int:
    if WHOLE_NUMBER.fullmatch(text) is None:
        problems.append(_invalid((column,), f"No whole number: {text[:50]!r}; write digits only, such as 12."))
        return 0
    if len(text) > NUMBER_DIGITS_MAX:
        message = f"The number has {len(text)} characters; a count is between 0 and 10,000,000."
        problems.append(Rejection(code=RejectionCode.INVALID_QUANTITY, message=message, field=(column,)))
        return 0
    return int(text)


def _truth(given: Given, column: str, problems: list[Rejection]) -> bool:
    text = given[column]
    truth = False if text is None else TRUTHS.get(text.lower())
    if truth is None:
        problems.append(_invalid((column,), f"Neither true nor false: {(text or '')[:50]!r}; write one of them."))
    return bool(truth)


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object in their order, with names that are there twice."""


def _pairs(given: Given, column: str, problems: list[Rejection]) -> list[tuple[str, str]]:
    text = given[column]
    if text is None:
        return []
    try:
        found = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        found = None
    pairs = [(name, value) for name, value in found if isinstance(value, str)] if isinstance(found, _Pairs) else []
    if not isinstance(found, _Pairs) or len(pairs) != len(found):
        problems.append(_invalid((column,), 'The cell is no JSON object of texts; write it as {"size": "XL"}.'))
    return pairs


def _json(pairs: Sequence[tuple[str, str]]) -> str:
    # Written by hand, because a name may be there twice, which no dict can hold.
    members = (
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}" for name, value in pairs
    )
    return f"{{{', '.join(members)}}}" if pairs else ""


def _invalid(path: FieldPath, message: str) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=path)

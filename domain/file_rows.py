"""One row of a file to the command that it stands for; the one rule: nothing is guessed, and every problem of a row is
told by its column at once.
"""

import json
from collections.abc import Callable, Iterator
from typing import assert_never

from domain.catalogue import ItemUpsert, LocationUpsert
from domain.catalogue_fields import ItemFields, LocationFields
from domain.csv_records import CsvRecord
from domain.file_columns import (
    ATTRIBUTE,
    CLEAR,
    ERROR_COLUMNS,
    IDENTIFIER,
    FileKind,
    Table,
    plain_text,
    split_codes,
)
from domain.files import COUNTED_BUCKETS, WHOLE_NUMBER, Changes, ImportRun, RowCommand, digest_of
from domain.levels import COUNTER_NAMES
from domain.listings import ListingUpsert
from domain.records import Attribute, Identifier, LocationKind
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode
from domain.stock_commands import InventorySet, LevelQuantity

NUMBER_DIGITS_MAX = 18
TRUTHS = {"true": True, "false": False}
COUNTED_COLUMNS = tuple((bucket, COUNTER_NAMES[bucket]) for bucket in COUNTED_BUCKETS)

Given = dict[str, str | None]
"""The texts of the cells that say anything, by column; None where the cell says `(clear)`."""


def row_from(table: Table, record: CsvRecord, *, run: ImportRun, new_id: Callable[[], str]) -> RowCommand | Refused:
    """Return the command that a row stands for, or why it cannot be read."""
    problems = list(_shape_problems(table, record))
    if problems:
        return Refused(rejections=tuple(problems))
    given = _given(table, record, problems)
    read = _read(record, given, problems, kind=table.kind, run=run, new_id=new_id)
    return Refused(rejections=tuple(problems)) if problems else read


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
    for column, cell in zip(table.columns, record.cells, strict=False):
        if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
            yield _invalid((column,), "The cell is not UTF-8 text; save the file as CSV UTF-8.")


def _given(table: Table, record: CsvRecord, problems: list[Rejection]) -> Given:
    given: Given = {}
    for column, cell in zip(table.columns, record.cells, strict=True):
        if column in ERROR_COLUMNS:
            continue
        if not cell:
            if column in table.key_columns:
                problems.append(_invalid((column,), f"The {column} is empty; it says what the row is about."))
            continue
        given[column] = None if cell == CLEAR else plain_text(cell)
        if cell == CLEAR and column in table.fixed_columns:
            problems.append(_invalid((column,), f"The {column} cannot be cleared; write a value, or leave it empty."))
    return given


def _read(
    record: CsvRecord,
    given: Given,
    problems: list[Rejection],
    *,
    kind: FileKind,
    run: ImportRun,
    new_id: Callable[[], str],
) -> RowCommand:
    match kind:
        case FileKind.ITEMS:
            return RowCommand(
                record=record,
                command=_item(given, problems),
                attributes=_named(given, ATTRIBUTE),
                identifiers=_named(given, IDENTIFIER),
            )
        case FileKind.LOCATIONS:
            return RowCommand(record=record, command=_location(given, problems))
        case FileKind.LISTINGS:
            command = ListingUpsert(
                sku=given.get("sku") or "",
                channel=given.get("channel") or "",
                external_key=given.get("external_key"),
            )
            return RowCommand(record=record, command=command, keeps_external_key="external_key" not in given)
        case FileKind.LEVELS:
            return RowCommand(record=record, command=_level(given, problems, row=record.row, run=run, new_id=new_id))
        case _:
            assert_never(kind)


def _item(given: Given, problems: list[Rejection]) -> ItemUpsert:
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
    return ItemUpsert(sku=given.get("sku") or "", fields=fields)


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
        (bucket, _whole_number(text, column, problems))
        for bucket, column in COUNTED_COLUMNS
        if (text := given.get(column)) is not None
    ]
    if not counts and not problems:
        problems.append(_invalid(("on_hand",), "Nothing was counted; write how many, or remove the row."))
    # The JSON array [row, sku, location, [[bucket, quantity], …]], without the row where the run has a name.
    said = ",".join([f"[{json.dumps(bucket)},{quantity}]" for bucket, quantity in counts])
    content = f"{f'{row},' if run.is_of_one_file else ''}{json.dumps(sku)},{json.dumps(location)},[{said}]"
    return InventorySet(
        command_id=new_id(),
        sku=sku,
        idempotency_key=f"import:{run.name}:{digest_of(f'[{content}]'.encode())}",
        reason=run.reason,
        dry_run=run.is_dry_run,
        quantities=tuple(
            LevelQuantity(location=location, quantity=quantity, bucket=bucket) for bucket, quantity in counts
        ),
    )


def _named(given: Given, prefix: str) -> Changes:
    return {column.removeprefix(prefix): text for column, text in given.items() if column.startswith(prefix)}


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


PAIRS = json.JSONDecoder(object_pairs_hook=_Pairs)


def _pairs(given: Given, column: str, problems: list[Rejection]) -> list[tuple[str, str]]:
    text = given[column]
    if text is None:
        return []
    try:
        found = PAIRS.decode(text)
    except (ValueError, RecursionError):
        found = None
    pairs = [(name, value) for name, value in found if isinstance(value, str)] if isinstance(found, _Pairs) else []
    if not isinstance(found, _Pairs) or len(pairs) != len(found):
        problems.append(_invalid((column,), 'The cell is no JSON object of texts; write it as {"size": "XL"}.'))
    return pairs


def _invalid(path: FieldPath, message: str) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=path)

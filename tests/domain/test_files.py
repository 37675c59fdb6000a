"""Rows to commands; the one rule: what is left empty stays as it is, and what cannot be read is told by its column."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.adjustments import AdjustmentReason
from domain.catalogue import ItemUpsert, LocationUpsert
from domain.csv_records import CsvRecord, line_from, lines_of
from domain.decider import malformed
from domain.file_columns import COLUMNS, FileKind, Table, open_table
from domain.files import (
    FileCommand,
    ImportRun,
    RowCommand,
    batches,
    column_of,
    completed,
    digest_of,
    run_problems,
)
from domain.levels import InventoryBucket
from domain.listings import ListingUpsert
from domain.records import Attribute, Identifier, Item, Listing, LocationKind
from domain.rejections import Refused
from domain.stock_commands import InventorySet, LevelQuantity
from domain.text import IDEMPOTENCY_KEY_LENGTH_MAX
from tests.domain.given import COMMAND_ID, NOW
from tests.domain.rows import rows_of

ITEM = Item(
    sku="M-1",
    name="Mug",
    attributes=(Attribute(name="size", value="L"), Attribute(name="colour", value="red")),
    identifiers=(Identifier(scheme="GTIN", value="1"), Identifier(scheme="GTIN", value="2")),
    created_at=NOW,
    updated_at=NOW,
)


def command_of(kind: FileKind, text: str) -> FileCommand:
    (row,) = rows_of(kind, text)
    assert isinstance(row, RowCommand), row
    return row.command


def reasons(kind: FileKind, text: str) -> list[tuple[str, str, str]]:
    """Return (code, column, message) of each reason why the only row is refused."""
    (row,) = rows_of(kind, text)
    assert isinstance(row, Refused), row
    return [(one.code.value, ".".join(one.field), one.message) for one in row.rejections]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("sku\nM-1\n", ItemUpsert(sku="M-1", fields={})),
        ("sku,name,product_code,attributes,identifiers,is_backorderable\nM-1,,,,,\n", ItemUpsert(sku="M-1", fields={})),
        (
            "sku,name,product_code,attributes,identifiers,is_backorderable\n"
            "M-1,(clear),(clear),(clear),(clear),(clear)\n",
            ItemUpsert(
                sku="M-1",
                fields={
                    "name": None,
                    "product_code": None,
                    "attributes": (),
                    "identifiers": (),
                    "is_backorderable": False,
                },
            ),
        ),
        (
            "sku,name,product_code,attributes,identifiers,is_backorderable\n"
            'M-1,\'=Mug,P,"{""size"": ""L""}","{""GTIN"": ""1"", ""GTIN"": ""2""}",TRUE\n',
            ItemUpsert(
                sku="M-1",
                fields={
                    "name": "=Mug",
                    "product_code": "P",
                    "attributes": (Attribute(name="size", value="L"),),
                    "identifiers": (Identifier(scheme="GTIN", value="1"), Identifier(scheme="GTIN", value="2")),
                    "is_backorderable": True,
                },
            ),
        ),
        ("sku,name\nM-1,-\n", None),
    ],
)
def test_item_rows(text: str, command: ItemUpsert | None) -> None:
    """Given a row, then empty cells are left out and a dash is a name like any other."""
    assert command_of(FileKind.ITEMS, text) == (command or ItemUpsert(sku="M-1", fields={"name": "-"}))


@pytest.mark.parametrize(
    ("cells", "command"),
    [
        ("L,,,,", LocationUpsert(code="L", fields={})),
        (
            "L,East,STORE,DE,web|till",
            LocationUpsert(
                code="L",
                fields={"name": "East", "kind": LocationKind.STORE, "country_code": "DE"},
                channels=frozenset({"web", "till"}),
            ),
        ),
        (
            "L,(clear),,(clear),(clear)",
            LocationUpsert(code="L", fields={"name": None, "country_code": None}, channels=frozenset()),
        ),
    ],
)
def test_location_rows(cells: str, command: LocationUpsert) -> None:
    assert command_of(FileKind.LOCATIONS, f"code,name,kind,country_code,channels\n{cells}\n") == command


def test_listing_rows_keep_the_key_unless_they_name_or_clear_it() -> None:
    """Given three rows, then only the one with an empty cell waits for the listing's own key."""
    rows = rows_of(FileKind.LISTINGS, "sku,channel,external_key\nM-1,web,A1\nM-1,web,\nM-1,web,(clear)\n")
    assert [(row.command, row.keeps_external_key) for row in rows if isinstance(row, RowCommand)] == [
        (ListingUpsert(sku="M-1", channel="web", external_key="A1"), False),
        (ListingUpsert(sku="M-1", channel="web", external_key=None), True),
        (ListingUpsert(sku="M-1", channel="web", external_key=None), False),
    ]


def test_level_rows_are_counts_under_a_key_of_their_own() -> None:
    """Given counts, then each row sets what it states, without a look at what was there."""
    run = ImportRun(name="count-7", reason=AdjustmentReason.RECEIPT, is_dry_run=True)
    (row,) = rows_of(FileKind.LEVELS, "sku,location,on_hand,damaged\nM-1,L,007,0\n", run=run)
    assert isinstance(row, RowCommand)
    assert isinstance(row.command, InventorySet)
    content = b'["M-1","L",[["ON_HAND",7],["DAMAGED",0]]]'
    assert row.command == InventorySet(
        command_id=COMMAND_ID,
        sku="M-1",
        idempotency_key=f"import:count-7:{digest_of(content)}",
        reason=AdjustmentReason.RECEIPT,
        dry_run=True,
        quantities=(
            LevelQuantity(location="L", quantity=7),
            LevelQuantity(location="L", quantity=0, bucket=InventoryBucket.DAMAGED),
        ),
    )


def test_key_of_a_count_says_run_place_and_counts_and_nothing_else() -> None:
    """Given the same counts in another layout, then the key is the same; given any other count, it is another."""
    rows = [
        *rows_of(FileKind.LEVELS, "sku,location,on_hand,damaged\nA,L,1,2\nA,L,1,\nA,M,1,2\nB,L,1,2\nA,L,2,2\n"),
        *rows_of(FileKind.LEVELS, "damaged;error_row;on_hand;location;sku\n2;9;01;L;A\n"),
        *rows_of(FileKind.LEVELS, "sku,location,on_hand,damaged\nA,L,1,2\n", run=ImportRun(name="other")),
    ]
    keys = [
        row.command.idempotency_key
        for row in rows
        if isinstance(row, RowCommand) and isinstance(row.command, InventorySet)
    ]
    assert [keys.index(key) for key in keys] == [0, 1, 2, 3, 4, 0, 6]


@pytest.mark.parametrize(
    ("is_of_one_file", "digest"),
    [(False, "0f4186ecd9c44673ab001b327076047e"), (True, "c7eb6f54b7a4c44749d9705f9938cfc2")],
)
def test_key_of_a_count_is_kept_for_ever(is_of_one_file: bool, digest: str) -> None:
    """Given a count, then its key is the digest of the same JSON as ever, so that an old import goes on."""
    run = ImportRun(name="count-7", is_of_one_file=is_of_one_file)
    (row,) = rows_of(FileKind.LEVELS, 'sku,location,on_hand,damaged\nÄ"1,L\\,1,2\n', run=run)
    assert isinstance(row, RowCommand)
    assert isinstance(row.command, InventorySet)
    assert row.command.idempotency_key == f"import:count-7:{digest}"


@pytest.mark.parametrize("name", ["x" * 200, "ä" * 200])
def test_longest_run_makes_a_key_that_is_taken(name: str) -> None:
    (row,) = rows_of(FileKind.LEVELS, "sku,location,on_hand\nA,L,1\n", run=ImportRun(name=name))
    assert list(run_problems(name)) == []
    assert isinstance(row, RowCommand)
    assert isinstance(row.command, InventorySet)
    assert len(row.command.idempotency_key or "") == 240 <= IDEMPOTENCY_KEY_LENGTH_MAX
    assert malformed(row.command) is None


@pytest.mark.parametrize("name", ["", "x" * 201, " x", "a\nb"])
def test_run_that_makes_no_key_is_refused(name: str) -> None:
    assert [one.field for one in run_problems(name)] == [("run",)]


NO_NUMBER = "No whole number: {}; write digits only, such as 12."
NO_OBJECT = 'The cell is no JSON object of texts; write it as {"size": "XL"}.'


@pytest.mark.parametrize("cell", ["1.5", "1e3", " 7 ", "7 ", "1,000", "+7", "٣", "--1", "-", "x", "'7", "1_0", "\x00"])
def test_no_other_text_is_a_number(cell: str) -> None:
    text = "sku,location,on_hand,damaged\n" + line_from(["A", "L", "1", cell], delimiter=",")
    assert reasons(FileKind.LEVELS, text) == [("INVALID_INPUT", "damaged", NO_NUMBER.format(repr(cell)))]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        (
            FileKind.LEVELS,
            "sku,location,on_hand\nA,L,1234567890123456789\n",
            [("INVALID_QUANTITY", "on_hand", "The number has 19 characters; a count is between 0 and 10,000,000.")],
        ),
        (
            FileKind.LEVELS,
            "sku,location,on_hand\nA,L,\n",
            [("INVALID_INPUT", "on_hand", "Nothing was counted; write how many, or remove the row.")],
        ),
        (
            FileKind.LEVELS,
            "sku,location,on_hand\n,,x\n",
            [
                ("INVALID_INPUT", "sku", "The sku is empty; it says what the row is about."),
                ("INVALID_INPUT", "location", "The location is empty; it says what the row is about."),
                ("INVALID_INPUT", "on_hand", NO_NUMBER.format("'x'")),
            ],
        ),
        (
            FileKind.LEVELS,
            "sku,location,on_hand\n(clear),L,(clear)\n",
            [
                ("INVALID_INPUT", "sku", "The sku cannot be cleared; write a value, or leave it empty."),
                ("INVALID_INPUT", "on_hand", "The on_hand cannot be cleared; write a value, or leave it empty."),
            ],
        ),
        (
            FileKind.LEVELS,
            "sku,location,on_hand\nA,L\n",
            [
                (
                    "INVALID_INPUT",
                    "",
                    "The row has 2 cells, the header 3 columns; write every delimiter, for empty cells too.",
                )
            ],
        ),
        (
            FileKind.LEVELS,
            "sku,location,on_hand\nA,L,1,2,x y\n",
            [
                (
                    "INVALID_INPUT",
                    "",
                    "The row has 5 cells, the header 3 columns; put a cell that holds the delimiter into quotation "
                    "marks. Left over: [2] [x y]",
                )
            ],
        ),
        (
            FileKind.ITEMS,
            "sku,name\nA,M\udcfcg\n",
            [("INVALID_INPUT", "name", "The cell is not UTF-8 text; save the file as CSV UTF-8.")],
        ),
        (
            FileKind.ITEMS,
            "sku,is_backorderable\nA,yes\n",
            [("INVALID_INPUT", "is_backorderable", "Neither true nor false: 'yes'; write one of them.")],
        ),
        (
            FileKind.LOCATIONS,
            "code,kind\nA,Store\n",
            [
                (
                    "INVALID_INPUT",
                    "kind",
                    "There is no kind 'Store'; write WAREHOUSE, STORE, THIRD_PARTY, SUPPLIER.",
                )
            ],
        ),
    ],
)
def test_row_is_refused_by_column(kind: FileKind, text: str, found: list[tuple[str, str, str]]) -> None:
    assert reasons(kind, text) == found


@pytest.mark.parametrize(
    "cell", ["size=L", "[]", '"x"', '{"size": 42}', '{"size": null}', '{"a": {"b": "c"}}', "{", "[" * 100_000]
)
def test_attributes_are_an_object_of_texts(cell: str) -> None:
    text = "sku,attributes\n" + line_from(["A", cell], delimiter=",")
    assert reasons(FileKind.ITEMS, text) == [("INVALID_INPUT", "attributes", NO_OBJECT)]


@pytest.mark.parametrize(
    ("item", "cells", "attributes", "identifiers"),
    [
        (ITEM, "M-1,XL,", (("size", "XL"), ("colour", "red")), None),
        (ITEM, "M-1,(clear),", (("colour", "red"),), None),
        (ITEM, "M-1,,3", None, (("GTIN", "3"),)),
        (ITEM, "M-1,,(clear)", None, ()),
        (None, "M-1,XL,3", (("size", "XL"),), (("GTIN", "3"),)),
        (None, "M-1,(clear),", (), None),
        (ITEM, "M-1,,", None, None),
    ],
)
def test_columns_of_their_own_change_single_attributes(
    item: Item | None,
    cells: str,
    attributes: tuple[tuple[str, str], ...] | None,
    identifiers: tuple[tuple[str, str], ...] | None,
) -> None:
    """Given an item, when a row names one attribute or identifier, then the others stay, in their order."""
    (row,) = rows_of(FileKind.ITEMS, f"sku,attribute:size,identifier:GTIN\n{cells}\n")
    assert isinstance(row, RowCommand)
    command = completed(row, item=item)
    assert isinstance(command, ItemUpsert)
    told = command.fields.get("attributes"), command.fields.get("identifiers")
    assert told == (
        None if attributes is None else tuple(Attribute(name=name, value=value) for name, value in attributes),
        None if identifiers is None else tuple(Identifier(scheme=name, value=value) for name, value in identifiers),
    )


def test_listing_row_is_completed_with_the_key_that_it_keeps() -> None:
    """Given a listing, when the cell is empty, then its key is stated; without one, none is."""
    (row,) = rows_of(FileKind.LISTINGS, "sku,channel\nM-1,web\n")
    assert isinstance(row, RowCommand)
    known = Listing(sku="M-1", channel="web", external_key="A1", updated_at=NOW)
    assert completed(row, listing=known) == ListingUpsert(sku="M-1", channel="web", external_key="A1")
    assert completed(row) == ListingUpsert(sku="M-1", channel="web", external_key=None)


def test_location_row_that_names_the_channels_served_leaves_them() -> None:
    """Given a location that serves these channels in use, then an archived one that it also serves is not dropped."""
    (row,) = rows_of(FileKind.LOCATIONS, "code,channels\nL,web|till\n")
    assert isinstance(row, RowCommand)
    assert completed(row, serves=frozenset({"till", "web"})) == LocationUpsert(code="L", fields={}, channels=None)
    for serves in (None, frozenset({"web"}), frozenset[str]()):
        assert completed(row, serves=serves) == row.command


def test_batches_hold_no_two_rows_of_the_same_thing() -> None:
    """Given rows, then they keep their order, and a second row of one key begins another batch."""
    table = Table(kind=FileKind.LISTINGS, delimiter=",", columns=("sku", "channel"))
    rows = [
        CsvRecord(row=row, cells=cells) for row, cells in enumerate((("A", "w"), ("A", "x"), ("B", "w"), ("A", "w")))
    ]
    assert [[one.row for one in batch.values()] for batch in batches(table, rows, rows_max=10)] == [[0, 1, 2], [3]]
    assert [[one.row for one in batch.values()] for batch in batches(table, rows, rows_max=2)] == [[0, 1], [2, 3]]
    assert list(batches(table, [], rows_max=2)) == []


LEVEL_TABLE = Table(kind=FileKind.LEVELS, delimiter=",", columns=("sku", "location", "damaged"))
TWO_ATTRIBUTES = ItemUpsert(
    sku="A", fields={"attributes": ITEM.attributes, "identifiers": ITEM.identifiers, "name": "x"}
)


@pytest.mark.parametrize(
    ("kind", "columns", "command", "path", "column"),
    [
        (FileKind.LEVELS, "damaged", "level", ("quantities", "0", "locationId"), "location"),
        (FileKind.LEVELS, "damaged", "level", ("quantities", "0", "quantity"), "damaged"),
        (FileKind.LEVELS, "damaged", "level", ("sku",), "sku"),
        (FileKind.LEVELS, "damaged", "level", ("idempotencyKey",), ""),
        (FileKind.ITEMS, "attributes", "item", ("attributes", "1"), "attributes"),
        (FileKind.ITEMS, "attributes", "item", ("attributes",), "attributes"),
        (FileKind.ITEMS, "attribute:size", "item", ("attributes", "1"), "attribute:colour"),
        (FileKind.ITEMS, "identifiers", "item", ("identifiers", "0"), "identifiers"),
        (FileKind.ITEMS, "identifier:x", "item", ("identifiers", "0"), "identifier:GTIN"),
        (FileKind.ITEMS, "name", "item", ("productCode",), "product_code"),
        (FileKind.ITEMS, "name", "item", (), ""),
    ],
)
def test_places_are_told_as_columns(
    kind: FileKind, columns: str, command: str, path: tuple[str, ...], column: str
) -> None:
    level = command_of(FileKind.LEVELS, "sku,location,on_hand,damaged\nA,L,,1\n")
    table = Table(kind=kind, delimiter=",", columns=("sku", *columns.split(",")))
    found = column_of(table, level if command == "level" else TWO_ATTRIBUTES, path)
    assert found == ((column,) if column else ())


@for_all(
    some.sampled_from(FileKind),
    some.text(alphabet='aL,;\t"\r\n\x00\udcff\ud800=(clear){}0123456789-|\\', max_size=80),
)
def test_odd_text_leads_to_commands_or_reasons_and_nothing_else(kind: FileKind, text: str) -> None:
    """Given any rows behind a good header, then each is a command that can be checked, or says what is wrong."""
    header = line_from([column.name for column in COLUMNS[kind]], delimiter=",")
    for row in rows_of(kind, header + text):
        if isinstance(row, RowCommand):
            malformed(completed(row))
        else:
            assert all(one.message for one in row.rejections)
    open_table(kind, lines_of(text))

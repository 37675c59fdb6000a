"""Headers and cells of files; the one rule: a column is known or refused by name, a cell says exactly one thing."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.csv_records import CsvRecord, lines_of
from domain.file_columns import (
    CLEAR,
    FileKind,
    Table,
    joined_codes,
    open_table,
    plain_text,
    safe_cell,
    split_codes,
)
from domain.rejections import Refused, RejectionCode

ITEM_NAMES = "sku, name, product_code, attributes, identifiers, is_backorderable"


def refusals(kind: FileKind, header: str) -> list[tuple[str, str]]:
    """Return (column, message) of each reason why a header is refused."""
    opened = open_table(kind, lines_of(header))
    assert isinstance(opened, Refused)
    assert {one.code for one in opened.rejections} == {RejectionCode.INVALID_INPUT}
    return [(".".join(one.field), one.message) for one in opened.rejections]


def test_columns_come_in_any_order_and_number() -> None:
    """Given a header with a few columns, then the rows behind it are read by these."""
    opened = open_table(FileKind.ITEMS, lines_of("\ufeff\r\nname;attribute:size;sku;error_row\r\nMug;L;M-1;7\r\n"))
    assert not isinstance(opened, Refused)
    table, records = opened
    assert table == Table(
        kind=FileKind.ITEMS, delimiter=";", columns=("name", "attribute:size", "sku", "error_row"), header_row=2
    )
    assert table.own_columns == ("name", "attribute:size", "sku")
    (record,) = records
    assert record == CsvRecord(row=3, cells=("Mug", "L", "M-1", "7"))
    assert table.cells_by_column(record) == {"name": "Mug", "attribute:size": "L", "sku": "M-1", "error_row": "7"}
    assert table.key_of(record) == ("M-1",)


@pytest.mark.parametrize(
    ("kind", "header", "reasons"),
    [
        (FileKind.ITEMS, "", [("", f"There is no header; the first row names the columns: {ITEM_NAMES}.")]),
        (FileKind.ITEMS, "\n\n", [("", f"There is no header; the first row names the columns: {ITEM_NAMES}.")]),
        (
            FileKind.ITEMS,
            '"sku\n',
            [("", f"The header cannot be read; the first row names the columns: {ITEM_NAMES}.")],
        ),
        (
            FileKind.ITEMS,
            "name\n",
            [("sku", "The column sku is missing: Which item; it is created if there is none.")],
        ),
        (FileKind.ITEMS, "sku,Name\n", [("Name", "There is no column 'Name'; did you mean name?")]),
        (
            FileKind.ITEMS,
            "sku, product code\n",
            [(" product code", "There is no column ' product code'; did you mean product_code?")],
        ),
        (
            FileKind.ITEMS,
            "sku,zzz\n",
            [("zzz", f"There is no column 'zzz'; a file of items has {ITEM_NAMES}.")],
        ),
        (FileKind.ITEMS, "sku,name,name\n", [("name", "The column name is there 2 times; keep one of them.")]),
        (FileKind.ITEMS, "sku,name,\n", [("", "Column 3 has no name; name it, or remove it.")]),
        (
            FileKind.ITEMS,
            "sku,attribute:\n",
            [("attribute:", "The column attribute: lacks a name behind the colon, such as attribute:size.")],
        ),
        (
            FileKind.ITEMS,
            "sku,attributes,attribute:size,identifiers,identifier:GTIN\n",
            [
                ("attributes", "There are columns attribute:… beside attributes, which names them all; keep one way."),
                (
                    "identifiers",
                    "There are columns identifier:… beside identifiers, which names them all; keep one way.",
                ),
            ],
        ),
        (
            FileKind.LISTINGS,
            "sku,channel,attribute:size\n",
            [
                (
                    "attribute:size",
                    "There is no column 'attribute:size'; a file of listings has sku, channel, external_key.",
                )
            ],
        ),
        (
            FileKind.LEVELS,
            "sku\n",
            [
                ("location", "The column location is missing: The code of the location; it must exist."),
                ("on_hand", "The column on_hand is missing: How many were counted, in base units."),
            ],
        ),
        (
            FileKind.ITEMS,
            "s\x00k\x00u\n",
            [
                ("s\x00k\x00u", "The header is not UTF-8 text; save the file as CSV UTF-8."),
                ("sku", "The column sku is missing: Which item; it is created if there is none."),
            ],
        ),
        (
            FileKind.ITEMS,
            "sku,na\udcefme\n",
            [("na\udcefme", "The header is not UTF-8 text; save the file as CSV UTF-8.")],
        ),
        (FileKind.ITEMS, "sku" + ",x" * 500, [("", "There are 501 columns; a file has at most 500.")]),
    ],
)
def test_header_is_refused_by_name(kind: FileKind, header: str, reasons: list[tuple[str, str]]) -> None:
    assert refusals(kind, header) == reasons


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("mug", "mug"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-", "'-"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'tis", "''tis"),
        (CLEAR, "'(clear)"),
        ("(clear) ", "(clear) "),
    ],
)
def test_no_text_is_a_formula_in_a_file(text: str, cell: str) -> None:
    assert safe_cell(text) == cell
    assert plain_text(cell) == text


@pytest.mark.parametrize("cell", ["'tis", "'", "a'=", "-3", "=x"])
def test_a_cell_written_by_hand_means_what_it_shows(cell: str) -> None:
    assert plain_text(cell) == cell


@for_all(some.text(alphabet="'=+-@\t\r(clear)x", max_size=12))
def test_any_text_comes_back_from_its_cell(text: str) -> None:
    assert plain_text(safe_cell(text)) == text
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("web", ("web",)),
        ("web|till", ("web", "till")),
        (r"a\|b|c\\", ("a|b", "c\\")),
        ("web|", ("web", "")),
        ("a\\", ("a\\",)),
        (r"\x", ("x",)),
    ],
)
def test_codes_are_parted_by_bars(text: str, codes: tuple[str, ...]) -> None:
    assert split_codes(text) == codes


@for_all(some.lists(some.text(alphabet="ab|\\", max_size=5), min_size=1, max_size=4).map(tuple))
def test_any_codes_come_back_from_their_cell(codes: tuple[str, ...]) -> None:
    assert split_codes(joined_codes(codes)) == codes

"""CSV text and records; the one rule: reading raises nothing and loses nothing, and what was written is read back."""

import pytest
from hypothesis import example
from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.csv_records import (
    DELIMITERS,
    TOO_WIDE,
    UNREADABLE,
    CsvRecord,
    header_line,
    line_from,
    lines_of,
    records,
    split_header,
)

KNOWN = ("sku", "name", "on_hand")
ODD_TEXTS = some.text(alphabet='ab,;\t"\r\n\x00\x0b\u2028\ufeff\ud800=', max_size=60)


def read(text: str, *, delimiter: str = ",") -> list[CsvRecord]:
    return list(records(lines_of(text), delimiter=delimiter, first_row=2))


def test_rows_count_as_a_spreadsheet_does() -> None:
    """Given empty rows and a cell of two lines, then each is one row, and only those that hold anything are told."""
    assert read('a,b\r\n\r\n,,\n"c\nd",e\rf,g') == [
        CsvRecord(row=2, cells=("a", "b")),
        CsvRecord(row=5, cells=("c\nd", "e")),
        CsvRecord(row=6, cells=("f", "g")),
    ]


@pytest.mark.parametrize("bad", ['a,"b', 'a,"b"c', '"', 'a,"' + "b" * 131_073])
def test_an_unreadable_row_costs_no_other(bad: str) -> None:
    """Given a row that cannot be read, then it is told with its text, and all that follow are read."""
    assert read(f"1,2\n{bad}\n3,4\r\n5,6\n") == [
        CsvRecord(row=2, cells=("1", "2")),
        CsvRecord(row=3, cells=(bad,), problem=UNREADABLE),
        CsvRecord(row=4, cells=("3", "4")),
        CsvRecord(row=5, cells=("5", "6")),
    ]


def test_lines_end_where_files_end_them() -> None:
    """Given other characters that Python takes for line ends, then they are a part of the line."""
    assert list(lines_of("a\x0bb\r\n\u2028c\rd\n\ne")) == ["a\x0bb\r\n", "\u2028c\r", "d\n", "\n", "e"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sku,name\n1,2\n", (1, "sku,name\n")),
        ("\ufeffsku\n", (1, "sku\n")),
        ("\n \r\nsku\n", (3, "sku\n")),
        ("\n\ufeffsku\n", (2, "\ufeffsku\n")),
        ("", (0, "")),
        ("\ufeff\n\n", (0, "")),
    ],
)
def test_header_is_the_first_line_that_is_not_empty(text: str, found: tuple[int, str]) -> None:
    assert header_line(lines_of(text)) == found


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("sku,name\n", (",", ("sku", "name"))),
        ("sku;name;a,b\n", (";", ("sku", "name", "a,b"))),
        ("sku\tname\n", ("\t", ("sku", "name"))),
        ('"sku";"name"\n', (";", ("sku", "name"))),
        ("sku\n", (",", ("sku",))),
        ("one;two\n", (",", ("one;two",))),
        ('sku,"name\n', (";", ('sku,"name',))),
        ('"sku,name\n', None),
    ],
)
def test_delimiter_is_the_one_that_names_most_columns(line: str, split: tuple[str, tuple[str, ...]] | None) -> None:
    assert split_header(line, is_known=KNOWN.__contains__) == split


@for_all(
    rows=some.lists(some.lists(some.text(max_size=8), min_size=1, max_size=4).filter(any), max_size=6),
    delimiter=some.sampled_from(DELIMITERS),
)
@example(rows=[["\r", "\n", "\r\n", '"', ",;\t", " a ", "\x00", "\x85"]], delimiter=";")
def test_what_is_written_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    """Given any cells, then lines written from them read back as the same cells."""
    text = "".join(line_from(row, delimiter=delimiter) for row in rows)
    assert [list(record.cells) for record in read(text, delimiter=delimiter)] == rows
    assert all(record.problem is None for record in read(text, delimiter=delimiter))


@for_all(ODD_TEXTS, some.sampled_from(DELIMITERS))
def test_no_text_raises_and_no_character_is_lost(text: str, delimiter: str) -> None:
    """Given any text, then reading ends, and every letter of it is in some record."""
    found = "".join(cell for record in read(text, delimiter=delimiter) for cell in record.cells)
    assert [one for one in found if one in "ab="] == [one for one in text if one in "ab="]


def test_a_record_is_bounded_by_characters_lines_and_cells() -> None:
    """Given records at their bounds, then they are read; beyond one, they are refused, and what follows is read."""
    for cells in ((f"{'a' * 65_000}", "b" * 66_069), ("c\n" * 999, "d"), ("e",) * 1000):
        assert read(line_from(cells, delimiter=",") + "x\n") == [
            CsvRecord(row=2, cells=cells),
            CsvRecord(row=3, cells=("x",)),
        ]
    long = f"{'a' * 65_000},{'b' * 66_070}"
    assert read(f"{long}\r\nx\n") == [
        CsvRecord(row=2, cells=(long,), problem=UNREADABLE),
        CsvRecord(row=3, cells=("x",)),
    ]
    wide = "e," * 1000
    assert read(f"{wide}\nx\n") == [
        CsvRecord(row=2, cells=(wide,), problem=TOO_WIDE),
        CsvRecord(row=3, cells=("x",)),
    ]
    assert read('"c' + "\n" * 1000 + '",d\nx\n') == [
        CsvRecord(row=2, cells=('"c',), problem=UNREADABLE),
        CsvRecord(row=1002, cells=('",d',), problem=UNREADABLE),
        CsvRecord(row=1003, cells=("x",)),
    ]


def test_a_text_of_broken_rows_is_read_in_proportion_to_its_length() -> None:
    """Given rows that each swallow all that follow, then lines are read again only a bounded number of times."""
    text = 'x","\n' * 40_000
    found = read(text)
    assert "".join(cell for one in found for cell in one.cells).replace("\n", "") == text.replace("\n", "")
    assert {one.problem for one in found} == {UNREADABLE}
    assert [one.cells[0].count("\n") for one in found[:2]] == [0, 0]
    assert max(one.cells[0].count("\n") for one in found) == 1000

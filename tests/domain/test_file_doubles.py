"""Rows about the same; the one rule: what is told and what is remembered is bounded, and its end is said."""

from domain.csv_records import CsvRecord
from domain.file_columns import FileKind, Table
from domain.file_doubles import SHELF_SLOTS_MIN, DoubleRow, DoubleRows

LISTINGS = Table(kind=FileKind.LISTINGS, delimiter=",", columns=("channel", "external_key", "sku"))


def doubles_of(*rows: tuple[str, ...], remembered_max: int = 100) -> DoubleRows:
    """Note rows from the second of a file on."""
    doubles = DoubleRows(remembered_max=remembered_max)
    for number, cells in enumerate(rows, start=2):
        doubles.note(LISTINGS, CsvRecord(row=number, cells=cells))
    return doubles


def test_each_row_is_told_with_the_newest_one_before_it() -> None:
    """Given a key three times among others, then the second and third are told, whatever else they hold."""
    doubles = doubles_of(("web", "1", "A"), ("till", "2", "A"), ("web", "3", "A"), ("web", "", "B"), ("web", "4", "A"))
    key = (("sku", "A"), ("channel", "web"))
    assert doubles.first == [
        DoubleRow(row=4, earlier_row=2, key=key),
        DoubleRow(row=6, earlier_row=4, key=key),
    ]
    assert (doubles.count, doubles.is_complete) == (2, True)


def test_ten_are_told_and_all_are_counted() -> None:
    """Given a key thirteen times, then the first ten repetitions are told of twelve."""
    doubles = doubles_of(*[("web", "", "A")] * 13)
    assert ([one.row for one in doubles.first], doubles.count) == (list(range(3, 13)), 12)


def test_what_is_remembered_is_bounded() -> None:
    """Given more keys than are remembered, then only those remembered are found, and that is said."""
    doubles = doubles_of(("web", "", "A"), ("web", "", "B"), ("web", "", "B"), ("web", "", "A"), remembered_max=1)
    assert ([(one.row, one.earlier_row) for one in doubles.first], doubles.is_complete) == ([(5, 2)], False)


def test_more_rows_than_a_shelf_are_remembered() -> None:
    """Given keys that fill the first shelf and begin another, then a repetition of each tenth is found by its row."""
    rows = int(1.5 * SHELF_SLOTS_MIN)
    doubles = doubles_of(
        *(("web", "", f"S-{number}") for number in (*range(rows), *range(0, rows, 10))), remembered_max=rows
    )
    assert (doubles.count, doubles.is_complete) == (len(range(0, rows, 10)), True)
    assert [one.earlier_row for one in doubles.first] == list(range(2, 102, 10))

"""The error file; the one rule: what was refused stands in it as it was, and mended it is imported as it is."""

import hashlib
import json

from domain.csv_records import CsvRecord, lines_of
from domain.file_columns import FileKind, Table, open_table
from domain.file_errors import error_text, is_as_written
from domain.file_rows import row_from
from domain.files import (
    RowCommand,
    RowResult,
    RowStatus,
)
from domain.rejections import Refused, Rejection, RejectionCode
from tests.domain.given import COMMAND_ID
from tests.domain.rows import RUN, rows_of


def test_error_file_holds_the_refused_rows_as_they_were() -> None:
    """Given refused rows, then each stands with its reasons; mended, the file is read as one of the same kind."""
    text = 'sku;location;error_row;on_hand\n=A;L;1;x\nB;M;2;3\n"C\nD;N\n'
    opened = open_table(FileKind.LEVELS, lines_of(text))
    assert not isinstance(opened, Refused)
    table, records = opened
    results = []
    for record in records:
        row = row_from(table, record, run=RUN, new_id=lambda: COMMAND_ID)
        rejections = row.rejections if isinstance(row, Refused) else ()
        results.append(RowResult(record=record, status=RowStatus.REFUSED, rejections=rejections))
    errors = error_text(table, results)
    unreadable = results[2].rejections[0].message
    checked = json.dumps(['"C', "", "", "4", "INVALID_INPUT", "", unreadable])
    check = "c" + hashlib.sha256(checked.encode()).hexdigest()[:12]
    assert errors == (
        "sku;location;on_hand;error_row;error_code;error_column;error_message;error_check\r\n"
        "'=A;L;x;2;INVALID_INPUT;on_hand;\"No whole number: 'x'; write digits only, such as 12.\";c60294f450133\r\n"
        f'"""C";;;4;INVALID_INPUT;;{unreadable};{check}\r\n'
        'D;N;;5;INVALID_INPUT;;"The row has 2 cells, the header 4 columns; write every delimiter, for empty cells '
        'too.";c390f703db893\r\n'
    )
    assert is_as_written(FileKind.LEVELS, lines_of(errors))
    assert is_as_written(FileKind.LEVELS, lines_of(errors.replace('"D"', "D").replace("\r\n", "\n")))
    for old, new in (("L;x", "L;7"), ("D;N", "D;M"), ("=A", "A"), ("error_check", "error_message")):
        assert not is_as_written(FileKind.LEVELS, lines_of(errors.replace(old, new))), old
    assert not is_as_written(FileKind.LEVELS, lines_of(f"{errors}E;L;1;;;;\r\n"))
    assert not is_as_written(FileKind.LEVELS, lines_of(f'{errors}"E\r\n'))
    assert not is_as_written(FileKind.ITEMS, lines_of(errors))
    mended = rows_of(FileKind.LEVELS, errors.replace("L;x", "L;7"))
    assert isinstance(mended[0], RowCommand)
    assert mended[0].record.row == 2


def test_error_file_tells_each_reason_and_column_once() -> None:
    """Given several reasons of one row, then they share its line, and none of them is a formula."""
    table = Table(kind=FileKind.ITEMS, delimiter=",", columns=("sku", "name"))
    reasons = tuple(
        Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)
        for message, field in (("=Bad.", ("sku",)), ("=Bad.", ("name",)), ("Worse.", ("sku",)))
    )
    result = RowResult(record=CsvRecord(row=9, cells=("A", "B")), status=RowStatus.REFUSED, rejections=reasons)
    text = error_text(table, [result])
    assert text is not None
    assert text.splitlines()[1] == "A,B,9,INVALID_INPUT,sku|name,'=Bad. Worse.,cc12ef6f77555"


def test_no_error_file_without_a_refusal() -> None:
    table = Table(kind=FileKind.ITEMS, delimiter=",", columns=("sku",))
    assert error_text(table, [RowResult(record=CsvRecord(row=2, cells=("A",)), status=RowStatus.APPLIED)]) is None
    assert not is_as_written(FileKind.ITEMS, lines_of("sku,name\r\n"))
    assert not is_as_written(FileKind.ITEMS, lines_of("my notes\r\n"))


def test_no_cell_is_a_formula_and_each_still_says_the_same() -> None:
    """Given refused cells of every sort, then those that a spreadsheet computes are guarded, and all mean the same."""
    cells = ("=A", "'=A", "''=A", "'A", "(clear)", "'(clear)", "-5", "-5+1", "@x", "A", "")
    columns = ("sku", *(f"attribute:{number}" for number in range(len(cells) - 1)))
    table = Table(kind=FileKind.ITEMS, delimiter=",", columns=columns)
    reason = Rejection(code=RejectionCode.INVALID_INPUT, message="Bad.", field=())
    row = CsvRecord(row=2, cells=cells)
    text = error_text(table, [RowResult(record=row, status=RowStatus.REFUSED, rejections=(reason,))])
    assert text is not None
    assert text.splitlines()[1].startswith("'=A,'=A,''=A,''A,(clear),'(clear),-5,'-5+1,'@x,A,,2,")


def test_the_text_of_an_unreadable_row_is_no_formula() -> None:
    """Given a row that cannot be read and begins like a formula, then it stands guarded in the first column."""
    table = Table(kind=FileKind.ITEMS, delimiter=",", columns=("sku", "name"))
    reason = Rejection(code=RejectionCode.INVALID_INPUT, message="Bad.", field=())
    row = CsvRecord(row=2, cells=('=A,"b',), problem="Bad.")
    text = error_text(table, [RowResult(record=row, status=RowStatus.REFUSED, rejections=(reason,))])
    assert text is not None
    assert text.splitlines()[1].startswith('"\'=A,""b",,2,')

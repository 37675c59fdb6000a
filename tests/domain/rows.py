"""What tests of files share: texts to rows; the one rule: ids are fixed, and a refused header fails the test."""

from domain.csv_records import lines_of
from domain.file_columns import FileKind, open_table
from domain.file_rows import row_from
from domain.files import ImportRun, RowCommand
from domain.rejections import Refused
from tests.domain.given import COMMAND_ID

RUN = ImportRun(name="count-7")


def rows_of(kind: FileKind, text: str, *, run: ImportRun = RUN) -> list[RowCommand | Refused]:
    opened = open_table(kind, lines_of(text))
    assert not isinstance(opened, Refused), opened
    table, records = opened
    return [row_from(table, record, run=run, new_id=lambda: COMMAND_ID) for record in records]

"""SQL of postings: what documents did to items' counters; the one rule: rows are added, never changed."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, insert, select
from sqlalchemy.sql.base import Executable

from app.storage.statements import Call, Dialect, plain_insert
from app.storage.tables import postings
from app.storage.times import to_microseconds
from domain.postings import Posting


@plain_insert
def add_postings(sql: Dialect) -> Executable:
    """Keep postings with their positions, `back` of each before the head."""
    columns = [column.name for column in postings.c]
    kinds = {column.name: type(column.type) for column in postings.c if column.name != "position"}
    rows = sql.rows("rows", back=BigInteger, **kinds)
    position = (sql.head_taken() - rows.c.back).label("position")
    source = select(*(position if column == "position" else rows.c[column] for column in columns))
    return insert(postings).from_select(columns, source)


def call_to_add_postings(rows: Iterable[tuple[Posting, int, int]]) -> Call:
    """Return the call that keeps postings, each with its item's id and how far before the head its position is."""
    return Call(
        add_postings,
        {
            "rows": [
                (
                    back,
                    one.id,
                    one.cause,
                    one.document_id,
                    item_id,
                    one.account,
                    one.idempotency_key,
                    one.source_channel,
                    one.correlation_id,
                    to_microseconds(one.recorded_at),
                    one.recorded_by,
                )
                for one, item_id, back in rows
            ]
        },
    )

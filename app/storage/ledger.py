"""SQL of the ledger: adjustments, movements and idempotency keys; the one rule: rows are added, never changed."""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Integer, Select, Text, insert, select
from sqlalchemy.sql.base import Executable

from app.storage.statements import Call, Dialect, Row, Script, call_if_any, plain_insert, run, run_together, statement
from app.storage.tables import adjustments, idempotency_keys, items, locations, movements
from app.storage.times import from_microseconds, to_microseconds
from domain.adjustments import Adjustment, AdjustmentReason, Movement
from domain.levels import InventoryBucket
from domain.postings import Posting

Cause = Adjustment | Posting
"""What movements come from."""

ADJUSTMENT_COLUMNS = (
    adjustments.c.id,
    adjustments.c.position,
    adjustments.c.account_id,
    adjustments.c.idempotency_key,
    items.c.sku,
    adjustments.c.reason,
    adjustments.c.source_channel,
    adjustments.c.reference_document_uri,
    adjustments.c.correlation_id,
    adjustments.c.occurred_at,
    adjustments.c.recorded_at,
    adjustments.c.recorded_by,
)


@statement
def keys_used(sql: Dialect) -> Select[*tuple[object, ...]]:
    """What is kept under the keys `keys` (account, key)."""
    wanted = sql.rows("keys", account=Text, key=Text)
    return select(
        idempotency_keys.c.account_id,
        idempotency_keys.c.key,
        idempotency_keys.c.fingerprint,
        idempotency_keys.c.adjustment_id,
        idempotency_keys.c.document_id,
    ).where(idempotency_keys.c.account_id == wanted.c.account, idempotency_keys.c.key == wanted.c.key)


@statement
def adjustments_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Adjustments whose id is among `ids`."""
    wanted = sql.values("ids", Text)
    return select(*ADJUSTMENT_COLUMNS).select_from(adjustments.join(items)).where(adjustments.c.id == wanted.c.value)


@statement
def movements_by_adjustment(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Movements of the adjustments `ids`, in the order in which they were written."""
    wanted = sql.values("ids", Text)
    return (
        select(
            movements.c.id,
            movements.c.adjustment_id,
            locations.c.code,
            movements.c.bucket,
            movements.c.delta,
            movements.c.balance_after,
        )
        .select_from(movements.join(locations))
        .where(movements.c.adjustment_id == wanted.c.value)
    )


@plain_insert
def add_movements(sql: Dialect) -> Executable:
    """Append ledger rows."""
    rows = sql.rows(
        "rows",
        adjustment_id=Text,
        item_id=BigInteger,
        location_id=BigInteger,
        bucket=Text,
        delta=Integer,
        balance_after=Integer,
        recorded_at=BigInteger,
    )
    columns = [column.name for column in movements.c if column.name != "id"]
    source = select(*(rows.c[column] for column in columns)).order_by(rows.c.ordinal)
    return insert(movements).from_select(columns, source)


@plain_insert
def add_keys(sql: Dialect) -> Executable:
    """Keep idempotency keys; one that exists breaks the unique index and so the transaction."""
    rows = sql.rows(
        "rows",
        account_id=Text,
        key=Text,
        fingerprint=Text,
        adjustment_id=Text,
        recorded_at=BigInteger,
        document_id=Text,
    )
    columns = [column.name for column in idempotency_keys.c]
    return insert(idempotency_keys).from_select(columns, select(*(rows.c[column] for column in columns)))


@plain_insert
def add_adjustments(sql: Dialect) -> Executable:
    """Keep adjustments with their positions, `back` of each before the head."""
    columns = [column.name for column in adjustments.c]
    kinds = {column.name: type(column.type) for column in adjustments.c if column.name != "position"}
    rows = sql.rows("rows", back=BigInteger, **kinds)
    position = (sql.head_taken() - rows.c.back).label("position")
    source = select(*(position if column == "position" else rows.c[column] for column in columns))
    return insert(adjustments).from_select(columns, source)


def call_to_add_movements(rows: Iterable[tuple[Cause, int, dict[str, int]]]) -> Call | None:
    """Return the call that appends the movements of their causes, each with its item's id and its locations' ids."""
    return call_if_any(
        add_movements,
        rows=[
            (
                cause.id,
                item_id,
                location_ids[movement.location],
                movement.bucket,
                movement.delta,
                movement.balance_after,
                to_microseconds(cause.recorded_at),
            )
            for cause, item_id, location_ids in rows
            for movement in cause.movements
        ],
    )


def call_to_add_adjustments(rows: Iterable[tuple[Adjustment, int, int]]) -> Call | None:
    """Return the call that keeps adjustments, each with its item's id and how far before the head its position is."""
    return call_if_any(
        add_adjustments,
        rows=[
            (
                back,
                one.id,
                one.account,
                one.idempotency_key,
                item_id,
                one.reason,
                one.source_channel,
                one.reference_document_uri,
                one.correlation_id,
                to_microseconds(one.occurred_at),
                to_microseconds(one.recorded_at),
                one.recorded_by,
            )
            for one, item_id, back in rows
        ],
    )


def load_adjustments(ids: Sequence[str]) -> Script[dict[str, Adjustment]]:
    """Return the adjustments with these ids, by id."""
    if not ids:
        return {}
    heads, rows = yield from run_together(
        Call(adjustments_by_id, {"ids": list(ids)}), Call(movements_by_adjustment, {"ids": list(ids)})
    )
    movements_of: dict[str, list[Movement]] = {row[0]: [] for row in heads}
    for _, adjustment_id, location, bucket, delta, balance_after in sorted(rows, key=lambda row: int(row[0])):
        movements_of[adjustment_id].append(
            Movement(location=location, bucket=InventoryBucket(bucket), delta=delta, balance_after=balance_after)
        )
    return {row[0]: adjustment_from(row, tuple(movements_of[row[0]])) for row in heads}


def load_adjustment_by_key(key: str, *, account: str) -> Script[Adjustment | None]:
    """Return the adjustment that is kept under a key."""
    rows = yield from run(keys_used, keys=[(account, key)])
    ids = [row[3] for row in rows if row[3] is not None]
    found = yield from load_adjustments(ids)
    return next(iter(found.values()), None)


def adjustment_from(row: Row, movements_of_it: tuple[Movement, ...]) -> Adjustment:
    """Return the adjustment that a row of ADJUSTMENT_COLUMNS and its movements hold."""
    id_, position, account, key, sku, reason, channel, document, correlation, occurred, recorded, by = row
    return Adjustment(
        id=id_,
        position=position,
        account=account,
        idempotency_key=key,
        sku=sku,
        reason=AdjustmentReason(reason),
        movements=movements_of_it,
        source_channel=channel,
        reference_document_uri=document,
        correlation_id=correlation,
        occurred_at=from_microseconds(occurred),
        recorded_at=from_microseconds(recorded),
        recorded_by=by,
    )

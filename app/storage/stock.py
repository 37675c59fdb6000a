"""SQL of stock levels: the only place that locks, always in order of (item, location)."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Text,
    and_,
    delete,
    false,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.base import Executable

from app.storage.statements import Call, Dialect, Row, Script, call_if_any, run_if_any, statement
from app.storage.tables import COUNTERS, conflicts, items, locations, stock_levels
from app.storage.times import from_microseconds, to_microseconds
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.levels import StockLevel

LEVEL_COLUMNS = tuple(stock_levels.c[name] for name in (*COUNTERS, "version", "conflict_id", "updated_at"))
VERSION_PLACE = len(COUNTERS)
"""Where the version stands among LEVEL_COLUMNS."""
_BALANCES = attrgetter(*COUNTERS)


@statement
def begin_levels(sql: Dialect) -> Executable:
    """Insert the missing ones of the levels `keys` (item id, location id), not active yet, so they can be locked.

    Nobody sees such a row, so it was never updated.
    """
    wanted = sql.rows("keys", item_id=BigInteger, location_id=BigInteger)
    empty = {name: literal_column("0", Integer) for name in (*COUNTERS, "version", "updated_at")}
    cells = {"item_id": wanted.c.item_id, "location_id": wanted.c.location_id, **empty, "is_active": false()}
    source = select(wanted.c.ordinal, *(cell.label(name) for name, cell in cells.items())).subquery("begun")
    return sql.insert_ignoring(stock_levels, list(cells), source)


@statement
def levels_for_update(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Lock and load the levels `keys` (item id, location id), sorted, ended ones too."""
    wanted = sql.rows("keys", item_id=BigInteger, location_id=BigInteger)
    return (
        select(stock_levels.c.item_id, stock_levels.c.location_id, stock_levels.c.is_active, *LEVEL_COLUMNS)
        .join(
            wanted,
            and_(
                stock_levels.c.item_id == wanted.c.item_id,
                stock_levels.c.location_id == wanted.c.location_id,
            ),
        )
        .order_by(stock_levels.c.item_id, stock_levels.c.location_id)
        .with_for_update(of=stock_levels)
    )


@statement
def level_counts_by_sku(sql: Dialect) -> Select[*tuple[object, ...]]:
    """How many active levels each of the items `skus` has; items without any are left out."""
    wanted = sql.values("skus", Text)
    return (
        select(items.c.sku, func.count())
        .select_from(wanted.join(items, items.c.sku == wanted.c.value).join(stock_levels))
        .where(stock_levels.c.is_active)
        .group_by(items.c.sku)
    )


@statement
def level_counts_by_location(sql: Dialect) -> Select[*tuple[object, ...]]:
    """How many active levels each of the locations `codes` has; locations without any are left out."""
    wanted = sql.values("codes", Text)
    return (
        select(locations.c.code, func.count())
        .select_from(wanted.join(locations, locations.c.code == wanted.c.value).join(stock_levels))
        .where(stock_levels.c.is_active)
        .group_by(locations.c.code)
    )


@statement
def put_levels(sql: Dialect) -> Executable:
    """Keep the levels as they are now; each row exists, and is locked."""
    rows = sql.rows("rows", **{column.name: type(column.type) for column in stock_levels.c})
    changed = (*COUNTERS, "is_active", "version", "conflict_id", "updated_at")
    return (
        update(stock_levels)
        .where(stock_levels.c.item_id == rows.c.item_id, stock_levels.c.location_id == rows.c.location_id)
        .values({name: rows.c[name] for name in changed})
    )


@statement
def forget_levels(sql: Dialect) -> Executable:
    """Delete the levels `keys` (item id, location id) that wait for their first activation."""
    wanted = sql.rows("keys", item_id=BigInteger, location_id=BigInteger)
    key = tuple_(stock_levels.c.item_id, stock_levels.c.location_id)
    return delete(stock_levels).where(
        key.in_(select(wanted.c.item_id, wanted.c.location_id)), stock_levels.c.version == 0
    )


@statement
def open_conflicts(sql: Dialect) -> Executable:
    """Keep conflicts that opened (and perhaps closed again) in this batch."""
    rows = sql.rows(
        "rows",
        id=Text,
        item_id=BigInteger,
        location_id=BigInteger,
        unbacked=Integer,
        opened_at=BigInteger,
        closed_at=BigInteger,
    )
    columns = [column.name for column in conflicts.c]
    return insert(conflicts).from_select(columns, select(*(rows.c[column] for column in columns)))


@statement
def close_conflicts(sql: Dialect) -> Executable:
    """Mark conflicts as closed."""
    rows = sql.rows("rows", id=Text, closed_at=BigInteger)
    return update(conflicts).where(conflicts.c.id == rows.c.id).values(closed_at=rows.c.closed_at)


LevelIds = tuple[int, int]
"""(item id, location id)"""


def call_to_put_levels(levels: Iterable[tuple[LevelIds, StockLevel, bool]]) -> Call | None:
    """Return the call that keeps levels, each with its ids and whether it is active."""
    rows = [
        (
            *ids,
            *_BALANCES(level),
            is_active,
            level.version,
            level.conflict_id,
            to_microseconds(level.updated_at),
        )
        for ids, level, is_active in sorted(levels, key=lambda one: one[0])
    ]
    return call_if_any(put_levels, rows=rows)


def write_conflicts(
    opened: Sequence[tuple[LevelIds, StockConflictOpened]], closed: Sequence[StockConflictClosed]
) -> Script[None]:
    """Keep what opened and closed; closing comes first, because a level has one open conflict at the most."""
    closed_at = {event.conflict_id: to_microseconds(event.level.updated_at) for event in closed}
    yield from run_if_any(close_conflicts, rows=list(closed_at.items()))
    yield from run_if_any(
        open_conflicts,
        rows=[
            (
                event.conflict_id,
                *ids,
                event.unbacked,
                to_microseconds(event.level.updated_at),
                closed_at.get(event.conflict_id),
            )
            for ids, event in opened
        ],
    )


def level_from(row: Row, *, sku: str, location: str) -> StockLevel:
    """Return the level that a row of LEVEL_COLUMNS holds."""
    return StockLevel(
        sku=sku,
        location=location,
        on_hand=row[0],
        reserved=row[1],
        allocated=row[2],
        quarantined=row[3],
        damaged=row[4],
        safety_stock=row[5],
        incoming=row[6],
        in_transit=row[7],
        backordered=row[8],
        version=row[9],
        conflict_id=row[10],
        updated_at=from_microseconds(row[11]),
    )

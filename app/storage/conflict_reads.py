"""SQL of questions about stock conflicts; the one rule: what is at risk is worked out from what is held now."""

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, case, func, or_, select

from app.storage.statements import Dialect, Row, Statement, statement
from app.storage.tables import allocations, conflicts, holds, items, locations, reservations, stock_levels
from app.storage.times import from_microseconds
from domain.conflicts import PromiseAtRisk, PromiseKind, StockConflict
from domain.filters import ConflictFilter

CONFLICT_COLUMNS = (
    conflicts.c.id,
    items.c.sku,
    locations.c.code,
    conflicts.c.unbacked,
    conflicts.c.opened_at,
    conflicts.c.closed_at,
)


@statement
def conflicts_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The conflicts `ids`."""
    wanted = sql.values("ids", Text)
    source = wanted.join(conflicts, conflicts.c.id == wanted.c.value).join(items).join(locations)
    return select(*CONFLICT_COLUMNS).select_from(source)


def conflict_page(wanted: ConflictFilter) -> Statement:
    """At most `limit` conflicts that opened before (`opened_at`, `id`), the newest first."""

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        conditions = {
            "sku": (wanted.sku is not None, items.c.sku == bindparam("sku")),
            "locations": (
                wanted.locations is not None,
                locations.c.code.in_(select(sql.values("locations", Text).c.value)),
            ),
            "open": (wanted.is_open is True, conflicts.c.closed_at.is_(None)),
            "closed": (wanted.is_open is False, conflicts.c.closed_at.is_not(None)),
        }
        opened_at, id_ = bindparam("opened_at", type_=BigInteger), bindparam("id", type_=Text)
        is_older = or_(
            conflicts.c.opened_at < opened_at, and_(conflicts.c.opened_at == opened_at, conflicts.c.id < id_)
        )
        return (
            select(*CONFLICT_COLUMNS)
            .select_from(conflicts.join(items).join(locations))
            .where(is_older, *(condition for is_wanted, condition in conditions.values() if is_wanted))
            .order_by(conflicts.c.opened_at.desc(), conflicts.c.id.desc())
            .limit(bindparam("limit"))
        )

    parts = (wanted.sku is not None, wanted.locations is not None, wanted.is_open)
    return Statement(f"conflict_page-{parts}", build)


@statement
def promises_at_risk(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Of the levels `keys` (SKU, location code) what lacks stock: (SKU, location, kind, document, units), newest first.

    The newest promises are those at risk, as many units as the level lacks.
    """
    wanted = sql.rows("keys", sku=Text, location=Text)
    made_at = func.coalesce(reservations.c.created_at, allocations.c.created_at)
    backing = stock_levels.c.on_hand - stock_levels.c.quarantined - stock_levels.c.damaged
    of_level = and_(stock_levels.c.item_id == items.c.id, stock_levels.c.location_id == locations.c.id)
    held_there = and_(holds.c.item_id == items.c.id, holds.c.location_id == locations.c.id)
    held = (
        select(
            wanted.c.sku,
            wanted.c.location,
            holds.c.kind,
            holds.c.document_id,
            holds.c.quantity,
            made_at.label("made_at"),
            (stock_levels.c.reserved + stock_levels.c.allocated - backing).label("unbacked"),
            func.sum(holds.c.quantity)
            .over(
                partition_by=(items.c.id, locations.c.id),
                order_by=(made_at.desc(), holds.c.document_id.desc()),
                rows=(None, 0),
            )
            .label("running"),
        )
        .select_from(
            wanted.join(items, items.c.sku == wanted.c.sku)
            .join(locations, locations.c.code == wanted.c.location)
            .join(stock_levels, of_level)
            .join(holds, held_there)
            .outerjoin(reservations, reservations.c.id == holds.c.document_id)
            .outerjoin(allocations, allocations.c.id == holds.c.document_id)
        )
        .subquery("held")
    )
    newer = held.c.running - held.c.quantity
    lacking = held.c.unbacked - newer
    return (
        select(
            held.c.sku,
            held.c.location,
            held.c.kind,
            held.c.document_id,
            case((lacking < held.c.quantity, lacking), else_=held.c.quantity),
        )
        .where(lacking > 0)
        .order_by(held.c.sku, held.c.location, held.c.made_at.desc(), held.c.document_id.desc())
    )


def conflict_from(row: Row) -> StockConflict:
    """Return the conflict that a row of CONFLICT_COLUMNS holds."""
    id_, sku, location, unbacked, opened_at, closed_at = row
    return StockConflict(
        id=id_,
        sku=sku,
        location=location,
        unbacked=unbacked,
        opened_at=from_microseconds(opened_at),
        closed_at=None if closed_at is None else from_microseconds(closed_at),
    )


def promise_from(row: Row) -> PromiseAtRisk:
    """Return the promise that a row of `promises_at_risk` holds."""
    return PromiseAtRisk(kind=PromiseKind(row[2]), document_id=row[3], quantity=int(row[4]))

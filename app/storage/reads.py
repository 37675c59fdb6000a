"""SQL of the reading side: each question is one statement, and carries the position that its answer is true at."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    column,
    func,
    select,
    table,
)

from app.storage.catalogue import CHANNEL_COLUMNS, ITEM_COLUMNS, LOCATION_COLUMNS, location_from
from app.storage.statements import Call, Dialect, Row, Rows, Script, Statement, run, run_together, statement
from app.storage.stock import LEVEL_COLUMNS, level_from
from app.storage.tables import (
    adjustments,
    bundle_parts,
    channels,
    feed_head,
    items,
    listings,
    location_channels,
    locations,
    movements,
    postings,
    stock_levels,
)
from app.storage.times import from_microseconds
from domain.adjustments import AdjustmentReason
from domain.availability import PLAIN_EXPOSURE, Exposure
from domain.compositions import Component
from domain.filters import ItemFilter
from domain.levels import InventoryBucket
from domain.ports import LedgerRow, LevelAtLocation, StockSnapshot
from domain.postings import PostingCause
from domain.records import Location

SNAPSHOT_HEAD_WIDTH = 11
SNAPSHOT_POSITION = 2
SNAPSHOT_IS_BUNDLE = 9
LEVEL_WIDTH = len(LEVEL_COLUMNS)
LOCATION_PLACE = SNAPSHOT_HEAD_WIDTH + LEVEL_WIDTH
PART_PLACE = LOCATION_PLACE + len(LOCATION_COLUMNS)
Keys = Sequence[tuple[str, str | None]]
"""SKUs, each with the code of a channel or none."""


@statement
def stock_snapshots(sql: Dialect) -> Select[*tuple[object, ...]]:
    """All that availability is computed from, for `keys` (SKU, channel code or null): a row a level, or one without."""
    wanted = sql.rows("keys", sku=Text, channel=Text)
    return _snapshots(sql, wanted, _asked(wanted), levels_of=items.c.id)


@statement
def bundle_snapshots(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The same for bundles: a row a level of each part, or one for a part without; the part stands behind the rest.

    One that is no bundle any more is answered like any item.
    """
    wanted = sql.rows("keys", sku=Text, channel=Text)
    part = items.alias("part")
    taken = and_(bundle_parts.c.bundle_item_id == items.c.id, bundle_parts.c.quantity > 0)
    parts = _asked(wanted).outerjoin(bundle_parts, taken).outerjoin(part, part.c.id == bundle_parts.c.part_item_id)
    found = _snapshots(sql, wanted, parts, levels_of=func.coalesce(bundle_parts.c.part_item_id, items.c.id))
    pools = _pools_of_others(bundle_parts.c.part_item_id, name="other_of_part")
    return found.add_columns(part.c.sku.label("part_sku"), bundle_parts.c.quantity, pools.label("pools_of_part"))


def _asked(wanted: Subquery) -> FromClause:
    """Return what is asked for, with the items and channels as far as they are in use."""
    return wanted.outerjoin(items, and_(items.c.sku == wanted.c.sku, items.c.archived_at.is_(None))).outerjoin(
        channels, and_(channels.c.code == wanted.c.channel, channels.c.archived_at.is_(None))
    )


def _pools_of_others(item_id: ColumnElement[int], *, name: str = "other") -> ScalarSelect[int]:
    """Return how many units of an item are pre-allocated to channels beside the one that is asked for."""
    other, other_channel = listings.alias(name), channels.alias(f"{name}_channel")
    return (
        select(func.coalesce(func.sum(other.c.pool), 0))
        .select_from(other.join(other_channel, other_channel.c.id == other.c.channel_id))
        .where(
            other.c.item_id == item_id,
            other.c.channel_id != channels.c.id,
            other.c.pool > 0,
            other_channel.c.archived_at.is_(None),
        )
        .scalar_subquery()
    )


def _snapshots(
    sql: Dialect, wanted: Subquery, asked: FromClause, *, levels_of: ColumnElement[int]
) -> Select[*tuple[object, ...]]:
    source = (
        asked.outerjoin(stock_levels, and_(stock_levels.c.item_id == levels_of, stock_levels.c.is_active))
        .outerjoin(locations, locations.c.id == stock_levels.c.location_id)
        .outerjoin(listings, and_(listings.c.item_id == items.c.id, listings.c.channel_id == channels.c.id))
        .outerjoin(
            location_channels,
            and_(
                location_channels.c.location_id == stock_levels.c.location_id,
                location_channels.c.channel_id == channels.c.id,
            ),
        )
    )
    return select(
        wanted.c.ordinal,
        sql.now().label("now"),
        select(feed_head.c.position).scalar_subquery().label("position"),
        items.c.is_backorderable,
        channels.c.id.label("channel_id"),
        listings.c.buffer,
        listings.c.minimum_exposure,
        listings.c.maximum_exposure,
        _pools_of_others(items.c.id).label("pools_of_others"),
        items.c.composition.is_not(None).label("is_bundle"),
        location_channels.c.location_id.label("serves"),
        *LEVEL_COLUMNS,
        *(column.label(f"location_{column.name}") for column in locations.c),
    ).select_from(source)


@statement
def head_position(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The position of the newest event."""
    return select(feed_head.c.position)


def item_page(wanted: ItemFilter) -> Statement:
    """At most `limit` items from the SKU `lower` on and below `upper`, but for `after`, in order.

    A statement for each combination of filters, so that each can use the index that fits it.
    """
    named = {
        "skus": wanted.skus is not None,
        "name": wanted.name_contains is not None,
        "product_code": wanted.product_code is not None,
        "stocked_at": wanted.stocked_at is not None,
    }

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        skus = sql.values("skus", Text)
        stocked = (
            select(stock_levels.c.item_id)
            .join(locations)
            .where(locations.c.code == bindparam("stocked_at"), stock_levels.c.is_active)
        )
        conditions = {
            "skus": items.c.sku.in_(select(skus.c.value)),
            "name": items.c.name.ilike(bindparam("name_pattern"), escape="\\"),
            "product_code": items.c.product_code == bindparam("product_code"),
            "stocked_at": items.c.id.in_(stocked),
        }
        return (
            select(*ITEM_COLUMNS)
            .where(
                items.c.sku >= bindparam("lower"),
                items.c.sku < bindparam("upper"),
                items.c.sku != bindparam("after"),
                items.c.archived_at.is_not(None) if wanted.is_archived else items.c.archived_at.is_(None),
                *(conditions[name] for name, is_wanted in named.items() if is_wanted),
            )
            .order_by(items.c.sku)
            .limit(bindparam("limit"))
        )

    parts = ["item_page", *(name for name, is_wanted in named.items() if is_wanted), str(wanted.is_archived)]
    return Statement("-".join(parts), build)


@statement
def location_page(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` locations in use behind the code `after`, in order."""
    return (
        select(*LOCATION_COLUMNS)
        .where(locations.c.code > bindparam("after"), locations.c.archived_at.is_(None))
        .order_by(locations.c.code)
        .limit(bindparam("limit"))
    )


@statement
def channel_page(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` channels in use behind the code `after`, in order."""
    return (
        select(*CHANNEL_COLUMNS)
        .where(channels.c.code > bindparam("after"), channels.c.archived_at.is_(None))
        .order_by(channels.c.code)
        .limit(bindparam("limit"))
    )


def movement_page(*, of_item: bool, at_locations: bool) -> Statement:
    """At most `limit` ledger rows older than the row `before`, newest first, of the item `sku`, at `locations`."""

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        item = select(items.c.id).where(items.c.sku == bindparam("sku")).scalar_subquery()
        asked = select(sql.values("locations", Text).c.value)
        places = select(locations.c.id).where(locations.c.code.in_(asked))
        return (
            select(
                movements.c.id,
                items.c.sku,
                locations.c.code,
                movements.c.bucket,
                movements.c.delta,
                movements.c.balance_after,
                movements.c.recorded_at,
                adjustments.c.reason,
                adjustments.c.id.label("adjustment_id"),
                postings.c.cause,
                postings.c.document_id,
            )
            .select_from(
                movements.join(items, items.c.id == movements.c.item_id)
                .join(locations)
                .outerjoin(adjustments, adjustments.c.id == movements.c.adjustment_id)
                .outerjoin(postings, postings.c.id == movements.c.adjustment_id)
            )
            .where(
                movements.c.id < bindparam("before"),
                *((movements.c.item_id == item,) if of_item else ()),
                *((movements.c.location_id.in_(places),) if at_locations else ()),
            )
            .order_by(movements.c.id.desc())
            .limit(bindparam("limit"))
        )

    return Statement(f"movement_page-{of_item}-{at_locations}", build)


@statement
def skus_at_location(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` SKUs behind the SKU `after` with a level at the location `code`, in order."""
    return (
        select(items.c.sku)
        .select_from(stock_levels.join(items).join(locations))
        .where(locations.c.code == bindparam("code"), stock_levels.c.is_active, items.c.sku > bindparam("after"))
        .order_by(items.c.sku)
        .limit(bindparam("limit"))
    )


@statement
def cluster_identity(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Which cluster and which database of it this is: a replica's are its primary's. PostgreSQL only."""
    control = func.pg_control_system().table_valued(column("system_identifier", BigInteger))
    databases = table("pg_database", column("oid", BigInteger), column("datname", Text))
    this = databases.c.datname == func.current_database()
    return select(control.c.system_identifier, databases.c.oid).select_from(control.join(databases, this))


def placed(which: Statement, **parameters: object) -> Script[tuple[int, Rows]]:
    """Run a statement; return a position that its rows have reached, and the rows."""
    head, rows = yield from run_together(Call(head_position, {}), Call(which, parameters))
    return head[0][0], rows


def placed_snapshots(which: Statement, keys: Keys) -> Script[tuple[int, Rows]]:
    """Run `stock_snapshots` or `bundle_snapshots`, whose rows say themselves at which position they are true."""
    rows = yield from run(which, keys=keys)
    return rows[0][SNAPSHOT_POSITION], rows


def snapshots_from(rows: Rows, keys: Keys) -> list[StockSnapshot]:
    """Return one snapshot a key, in the order of the keys. Rows of bundles are those of `bundle_snapshots`."""
    places: dict[str, Location] = {}
    rows.sort(key=lambda row: int(row[0]))
    grouped = groupby(rows, key=lambda row: int(row[0]))
    return [_snapshot(list(group), keys[ordinal], places) for ordinal, group in grouped]


def bundles_among(rows: Rows) -> list[int]:
    """Return which keys of `stock_snapshots` are bundles, by their places."""
    return sorted({int(row[0]) for row in rows if row[SNAPSHOT_IS_BUNDLE]})


def ledger_row_from(row: Row) -> LedgerRow:
    """Return the ledger row that a row of `movement_page` holds."""
    row_id, sku, location, bucket, delta, balance_after, recorded_at, reason, adjustment_id, cause, document_id = row
    return LedgerRow(
        row_id=row_id,
        sku=sku,
        location=location,
        bucket=InventoryBucket(bucket),
        delta=delta,
        balance_after=balance_after,
        reason=None if reason is None else AdjustmentReason(reason),
        adjustment_id=adjustment_id,
        recorded_at=from_microseconds(recorded_at),
        cause=None if cause is None else PostingCause(cause),
        document_id=document_id,
    )


def _snapshot(rows: Rows, key: tuple[str, str | None], places: dict[str, Location]) -> StockSnapshot:
    sku, channel = key
    _, now, position, is_backorderable, channel_id, buffer, minimum, maximum, pools = rows[0][:SNAPSHOT_IS_BUNDLE]
    parts = _parts(rows)
    if buffer is None and not pools:
        exposure = PLAIN_EXPOSURE
    else:
        exposure = Exposure(
            buffer=buffer or 0, minimum=minimum or 0, maximum=maximum, pools_of_others=0 if channel is None else pools
        )
    levels = [_level(row, sku, channel, places) for row in rows if row[SNAPSHOT_HEAD_WIDTH] is not None]
    levels.sort(key=lambda one: (one.location.code, one.level.sku))
    return StockSnapshot(
        position=position,
        as_of=from_microseconds(now),
        sku=sku,
        is_known=is_backorderable is not None,
        is_backorderable=bool(is_backorderable),
        channel_is_known=channel is None or channel_id is not None,
        exposure=exposure,
        levels=tuple(levels),
        parts=tuple(Component(sku=part, quantity=quantity) for part, (quantity, _) in sorted(parts.items())),
        pools_of_parts={} if channel is None else {part: pools for part, (_, pools) in parts.items() if pools},
    )


def _parts(rows: Rows) -> dict[str, tuple[int, int]]:
    """Return how many of each part a bundle takes, and how many other channels' pools hold; nothing of other items."""
    if len(rows[0]) == PART_PLACE:
        return {}
    return {row[PART_PLACE]: (row[PART_PLACE + 1], row[PART_PLACE + 2]) for row in rows if row[PART_PLACE] is not None}


def _level(row: Row, sku: str, channel: str | None, places: dict[str, Location]) -> LevelAtLocation:
    location_row = row[LOCATION_PLACE:PART_PLACE]
    part = row[PART_PLACE] if len(row) > PART_PLACE else None
    code = location_row[1]
    location = places.get(code)
    if location is None:
        location = places[code] = location_from(location_row)
    return LevelAtLocation(
        level=level_from(row[SNAPSHOT_HEAD_WIDTH:LOCATION_PLACE], sku=part or sku, location=code),
        location=location,
        serves_channel=channel is None or row[SNAPSHOT_HEAD_WIDTH - 1] is not None,
    )

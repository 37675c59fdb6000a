"""SQL of documents that promise stock: reservations, orders' allocations, shipments, and the units that they hold.

The rule: a document is kept whole, as JSON; what stands beside it is what documents are found by. `holds` has what is
held now, and nothing of a document that is over.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.base import Executable

from app.storage.catalogue import CHANNEL_COLUMNS, LOCATION_COLUMNS
from app.storage.record_codec import encode_record
from app.storage.statements import Call, Dialect, Row, plain_insert, statement
from app.storage.tables import (
    allocations,
    channels,
    holds,
    items,
    listings,
    location_channels,
    locations,
    reservations,
    shipments,
    stock_levels,
)
from app.storage.times import to_microseconds
from domain.allocation_commands import Allocation, Shipment
from domain.reservation_commands import Reservation

RESERVATION: Final = "RESERVATION"
ALLOCATION: Final = "ALLOCATION"
IS_ACTIVE = reservations.c.state == literal_column("'ACTIVE'")
"""Written out, because a bound value finds no partial index."""
HELD_COLUMNS = (items.c.sku, holds.c.item_id, locations.c.code, holds.c.location_id)
"""What tells where units are held: SKU, item id, location code, location id."""


@statement
def levels_of_reservations(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Where the reservations `ids` hold units."""
    wanted = sql.values("ids", Text)
    held = wanted.join(holds, holds.c.document_id == wanted.c.value)
    return select(holds.c.document_id, *HELD_COLUMNS).select_from(
        held.join(items, items.c.id == holds.c.item_id).join(locations, locations.c.id == holds.c.location_id)
    )


@statement
def levels_of_orders(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Where stock lies that is allocated to the orders `ids`, of whatever channel, and has still to ship."""
    wanted = sql.values("ids", Text)
    held = wanted.join(allocations, allocations.c.order_id == wanted.c.value).join(
        holds, holds.c.document_id == allocations.c.id
    )
    return select(allocations.c.order_id, *HELD_COLUMNS).select_from(
        held.join(items, items.c.id == holds.c.item_id).join(locations, locations.c.id == holds.c.location_id)
    )


@statement
def channels_of_reservations(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The channels that the reservations `ids` were made through, archived ones too."""
    wanted = sql.values("ids", Text)
    made = wanted.join(reservations, reservations.c.id == wanted.c.value)
    return select(*CHANNEL_COLUMNS).select_from(made.join(channels, channels.c.code == reservations.c.channel_code))


@statement
def levels_sourced(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The places with an active level of an item that serve a channel, for `keys` (SKU, channel code or null for all).

    Each row is the key, the item's id and the location.
    """
    wanted = sql.rows("keys", sku=Text, channel=Text)
    levels = (
        wanted.join(items, items.c.sku == wanted.c.sku)
        .outerjoin(channels, channels.c.code == wanted.c.channel)
        .join(stock_levels, and_(stock_levels.c.item_id == items.c.id, stock_levels.c.is_active))
        .outerjoin(
            location_channels,
            and_(
                location_channels.c.location_id == stock_levels.c.location_id,
                location_channels.c.channel_id == channels.c.id,
            ),
        )
        .join(locations, and_(locations.c.id == stock_levels.c.location_id, locations.c.archived_at.is_(None)))
    )
    return (
        select(wanted.c.sku, wanted.c.channel, items.c.id.label("item_id"), *LOCATION_COLUMNS)
        .select_from(levels)
        .where(or_(wanted.c.channel.is_(None), location_channels.c.location_id.is_not(None)))
    )


@statement
def lapsed_on_levels(sql: Dialect) -> Select[*tuple[object, ...]]:
    """All that the reservations hold that have lapsed and hold units of the levels `keys` (item id, location id).

    At most `limit` reservations, the oldest first.
    """
    wanted = sql.rows("keys", item_id=BigInteger, location_id=BigInteger)
    claimed = holds.alias("claimed")
    holds_some = exists(
        select(literal_column("1")).where(
            claimed.c.document_id == reservations.c.id,
            tuple_(claimed.c.item_id, claimed.c.location_id).in_(select(wanted.c.item_id, wanted.c.location_id)),
        )
    )
    lapsed = (
        select(reservations.c.id)
        .where(IS_ACTIVE, reservations.c.expires_at <= sql.now(), holds_some)
        .order_by(reservations.c.expires_at)
        .limit(bindparam("limit"))
        .subquery("lapsed")
    )
    return select(holds.c.document_id, *HELD_COLUMNS).select_from(
        lapsed.join(holds, holds.c.document_id == lapsed.c.id)
        .join(items, items.c.id == holds.c.item_id)
        .join(locations, locations.c.id == holds.c.location_id)
    )


@statement
def reservations_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The reservations `ids`, whatever became of them."""
    wanted = sql.values("ids", Text)
    return select(reservations.c.data).select_from(wanted.join(reservations, reservations.c.id == wanted.c.value))


@statement
def allocations_by_order(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The allocations of the orders `ids`, of whatever channel."""
    wanted = sql.values("ids", Text)
    return select(allocations.c.data).select_from(wanted.join(allocations, allocations.c.order_id == wanted.c.value))


@statement
def pools_by_sku(sql: Dialect) -> Select[*tuple[object, ...]]:
    """How many units of the items `skus` are pre-allocated to each channel in use, behind SKU and channel code."""
    wanted = sql.values("skus", Text)
    pooled = (
        wanted.join(items, items.c.sku == wanted.c.value)
        .join(listings, and_(listings.c.item_id == items.c.id, listings.c.pool > 0))
        .join(channels, and_(channels.c.id == listings.c.channel_id, channels.c.archived_at.is_(None)))
    )
    return select(items.c.sku, channels.c.code, listings.c.pool).select_from(pooled)


@statement
def put_reservations(sql: Dialect) -> Executable:
    """Keep reservations as they are now; each is new, or its levels are locked."""
    rows = sql.rows("rows", **{column.name: type(column.type) for column in reservations.c})
    return sql.insert_or_update(reservations, [column.name for column in reservations.c], rows, key=["id"])


@statement
def add_allocations(sql: Dialect) -> Executable:
    """Keep the first allocation of orders, and tell which were; an order that got one meanwhile is left alone."""
    rows = sql.rows("rows", **{column.name: type(column.type) for column in allocations.c})
    added = sql.insert_ignoring(allocations, [column.name for column in allocations.c], rows)
    told: Executable = added.returning(allocations.c.id)  # type: ignore[attr-defined]  # it is an insert
    return told


@statement
def change_allocations(sql: Dialect) -> Executable:
    """Keep allocations as they are now, and tell which were as they had been found; others are left alone.

    Two orders of one id have no level in common that would keep two writers apart.
    """
    rows = sql.rows(
        "rows", id=Text, version_found=BigInteger, state=Text, data=Text, updated_at=BigInteger, version=BigInteger
    )
    changed = ("state", "data", "updated_at", "version")
    return (
        update(allocations)
        .where(allocations.c.id == rows.c.id, allocations.c.version == rows.c.version_found)
        .values({name: rows.c[name] for name in changed})
        .returning(allocations.c.id)
    )


@plain_insert
def add_shipments(sql: Dialect) -> Executable:
    """Keep shipments."""
    rows = sql.rows("rows", **{column.name: type(column.type) for column in shipments.c})
    columns = [column.name for column in shipments.c]
    return insert(shipments).from_select(columns, select(*(rows.c[column] for column in columns)))


@statement
def put_holds(sql: Dialect) -> Executable:
    """Keep how many units documents hold now; the levels are locked."""
    rows = sql.rows("rows", **{column.name: type(column.type) for column in holds.c})
    return sql.insert_or_update(
        holds, [column.name for column in holds.c], rows, key=["document_id", "item_id", "location_id"]
    )


@statement
def forget_holds(sql: Dialect) -> Executable:
    """Forget the holds `keys` (document id, item id, location id); the levels are locked."""
    wanted = sql.rows("keys", document_id=Text, item_id=BigInteger, location_id=BigInteger)
    key = tuple_(holds.c.document_id, holds.c.item_id, holds.c.location_id)
    return delete(holds).where(key.in_(select(wanted.c.document_id, wanted.c.item_id, wanted.c.location_id)))


def call_to_put_reservations(changed: Iterable[Reservation]) -> Call:
    """Return the call that keeps reservations as they are now."""
    return Call(put_reservations, {"rows": [_reservation_row(one) for one in changed]})


def call_to_add_allocations(new: Iterable[Allocation]) -> Call:
    """Return the call that keeps orders' first allocations."""
    return Call(add_allocations, {"rows": [_allocation_row(one) for one in new]})


def call_to_change_allocations(changed: Iterable[tuple[Allocation, int]]) -> Call:
    """Return the call that keeps allocations, each with the version at which it was found."""
    rows = [
        (one.id, found, one.state, encode_record(one), to_microseconds(one.updated_at), one.version)
        for one, found in changed
    ]
    return Call(change_allocations, {"rows": rows})


def call_to_add_shipments(new: Iterable[Shipment]) -> Call:
    """Return the call that keeps shipments."""
    rows = [
        (
            one.id,
            one.channel or "",
            one.order_id,
            one.external_id,
            encode_record(one),
            to_microseconds(one.shipped_at),
            to_microseconds(one.recorded_at),
        )
        for one in new
    ]
    return Call(add_shipments, {"rows": rows})


def _reservation_row(one: Reservation) -> Row:
    return (
        one.id,
        one.account,
        one.channel,
        one.external_reference,
        one.state,
        one.order_id,
        encode_record(one),
        to_microseconds(one.created_at),
        to_microseconds(one.expires_at),
        to_microseconds(one.updated_at),
        one.version,
    )


def _allocation_row(one: Allocation) -> Row:
    channel, order_id = one.key
    return (
        one.id,
        channel,
        order_id,
        one.account,
        one.state,
        encode_record(one),
        to_microseconds(one.created_at),
        to_microseconds(one.updated_at),
        one.version,
    )

"""SQL of questions about documents; the one rule: what is over is still shown, but by its item only what is held."""

from sqlalchemy import Integer, Select, Text, bindparam, exists, literal_column, select

from app.storage.promises import IS_ACTIVE
from app.storage.statements import Dialect, Statement, statement
from app.storage.tables import allocations, holds, items, reservations, shipments
from domain.filters import ReservationFilter

ONE = literal_column("1", Integer)


@statement
def allocations_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The allocations `ids`."""
    wanted = sql.values("ids", Text)
    return select(allocations.c.data).select_from(wanted.join(allocations, allocations.c.id == wanted.c.value))


@statement
def allocations_by_key(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The allocations of the orders `keys` (channel code, empty for none; order id)."""
    wanted = sql.rows("keys", channel=Text, order_id=Text)
    of_order = (allocations.c.channel_code == wanted.c.channel) & (allocations.c.order_id == wanted.c.order_id)
    return select(allocations.c.data).select_from(wanted.join(allocations, of_order))


@statement
def shipments_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The shipments `ids`."""
    wanted = sql.values("ids", Text)
    return select(shipments.c.data).select_from(wanted.join(shipments, shipments.c.id == wanted.c.value))


@statement
def shipments_by_order(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The shipments of the orders `keys` (channel code, empty for none; order id), in the order of their confirmation.

    Each stands behind the key.
    """
    wanted = sql.rows("keys", channel=Text, order_id=Text)
    of_order = (shipments.c.channel_code == wanted.c.channel) & (shipments.c.order_id == wanted.c.order_id)
    return (
        select(shipments.c.channel_code, shipments.c.order_id, shipments.c.data)
        .select_from(wanted.join(shipments, of_order))
        .order_by(shipments.c.recorded_at, shipments.c.id)
    )


@statement
def lapsed_reservations(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` reservations whose time is over and that nothing has resolved, the oldest first."""
    return (
        select(reservations.c.id)
        .where(IS_ACTIVE, reservations.c.expires_at <= sql.now())
        .order_by(reservations.c.expires_at)
        .limit(bindparam("limit"))
    )


def reservation_page(wanted: ReservationFilter) -> Statement:
    """At most `limit` reservations older than the id `before`, newest first.

    A statement for each combination of filters, so that each can use the index that fits it.
    """
    named = {
        "reference": wanted.external_reference is not None,
        "sku": wanted.sku is not None,
        "channel": wanted.channel is not None,
        "state": wanted.state is not None,
        "channels": wanted.channels is not None,
        "locations": wanted.locations is not None,
    }

    def build(sql: Dialect) -> Select[*tuple[object, ...]]:
        item = select(items.c.id).where(items.c.sku == bindparam("sku")).scalar_subquery()
        held = sql.objects_of(reservations.c.data, "lines", "holds", location=Text)
        seen = select(sql.values("locations", Text).c.value)
        conditions = {
            "reference": reservations.c.external_reference == bindparam("reference"),
            "sku": reservations.c.id.in_(select(holds.c.document_id).where(holds.c.item_id == item)),
            "channel": reservations.c.channel_code == bindparam("channel"),
            "state": reservations.c.state == bindparam("state"),
            "channels": reservations.c.channel_code.in_(select(sql.values("channels", Text).c.value)),
            "locations": ~exists(select(ONE).select_from(*held.sources).where(held.fields["location"].not_in(seen))),
        }
        return (
            select(reservations.c.data)
            .where(
                reservations.c.id < bindparam("before"),
                *(conditions[name] for name, is_wanted in named.items() if is_wanted),
            )
            .order_by(reservations.c.id.desc())
            .limit(bindparam("limit"))
        )

    parts = ["reservation_page", *(name for name, is_wanted in named.items() if is_wanted)]
    return Statement("-".join(parts), build)

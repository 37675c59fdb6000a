"""The ways in that lead to documents: reservations, orders and shipments.

The one rule: what a change consumes is made for it, and nothing else.
"""

from typing import Any

from resolvers import node_ids
from tests.permissions.changes import mutation
from tests.permissions.entries import CHANNEL, FRESH, ITEM, LOCATION, Entry, Prepare, Probe, Values, query
from tests.permissions.ground import FOREIGN_DC, MUG, OWN_DC, OWN_WEB, Ground, fresh
from tests.permissions.promises import OWN_CART, OWN_ORDER, allocate, reserve
from tests.resolvers.desk import Desk

RESERVATION, ALLOCATION, SHIPMENT = node_ids.RESERVATION, node_ids.ALLOCATION, node_ids.SHIPMENT
CART, ORDER = "externalReference", "orderId"
PAGE = 2
"""Every field of a document comes to thousands of points, so that a page of two is asked for."""


def document_entries(ground: Ground) -> list[Entry]:
    """Return every question, change and subscription that concerns documents."""
    return [*_questions(ground), *_reservation_changes(ground), *_order_changes(), *_subscriptions(ground)]


def _questions(ground: Ground) -> list[Entry]:
    made = ground.promises
    return [
        query("reservation", "$id: ID!", {"id": made.own_reservation}, ("id", RESERVATION)),
        query("reservation of a bundle", "$id: ID!", {"id": made.own_reservation_of_bundle}, field="reservation"),
        _reservations(),
        query(
            "allocation",
            "$id: ID!",
            {"id": node_ids.allocation_id(made.own_allocation)},
            ("id", ALLOCATION),
        ),
        query(
            "allocation of an order",
            "$orderId: String!, $channelId: ID",
            {"orderId": OWN_ORDER, "channelId": OWN_WEB},
            ("orderId", ORDER),
            ("channelId", CHANNEL),
            field="allocation",
        ),
        *(
            query(f"node of {kind}", "$id: ID!", {"id": id}, ("id", kind), field="node", on=kind)
            for kind, id in (
                (RESERVATION, node_ids.reservation_id(made.own_reservation)),
                (ALLOCATION, node_ids.allocation_id(made.own_allocation)),
                (SHIPMENT, node_ids.shipment_id(made.own_shipment)),
            )
        ),
    ]


def _reservations() -> Entry:
    return Entry(
        name="reservations",
        field="Query.reservations",
        declared="$first: Int!, $filter: ReservationFilter",
        arguments="first: $first, filter: $filter",
        own={"first": PAGE, "filter": {"channelId": OWN_WEB, "externalReference": OWN_CART}},
        probes=tuple(
            Probe(coordinate=f"ReservationFilter.{name}", place=f"filter.{name}", kind=kind)
            for name, kind in (("sku", ITEM), ("channelId", CHANNEL), ("externalReference", CART))
        ),
    )


def _claim(kind: str, line: str) -> dict[str, str]:
    return {
        f"{kind}.channelId @ channelId": CHANNEL,
        f"{line}.sku @ lines.0.sku": ITEM,
        f"{line}.locationId @ lines.0.locationId": LOCATION,
    }


def _reservation_changes(ground: Ground) -> list[Entry]:
    lines = [{"sku": MUG, "quantity": 1, "locationId": OWN_DC}]
    made = {"reservationId": ground.promises.own_reservation, "idempotencyKey": FRESH}
    moves = [{"lineId": "1", "quantity": 1, "toLocationId": OWN_DC}]

    def change(name: str, more: Values, probes: dict[str, str], *, prepare: Prepare = _reservation) -> Entry:
        kind = f"{name[0].upper()}{name[1:]}Input"
        named = {f"{kind}.reservationId @ reservationId": RESERVATION, **probes}
        return mutation(name, f"{kind}!", {**made, **more}, named, prepare=prepare)

    return [
        mutation(
            "reservationCreate",
            "ReservationCreateInput!",
            {"lines": lines, "channelId": OWN_WEB, "externalReference": "a cart", "idempotencyKey": FRESH},
            _claim("ReservationCreateInput", "ReservationLineInput"),
        ),
        change("reservationExtend", {"ttlSeconds": 60}, {}),
        change("reservationRelease", {}, {}),
        change(
            "reservationMove",
            {"moves": moves},
            {
                "ReservationLineMoveInput.toLocationId @ moves.0.toLocationId": LOCATION,
                "ReservationLineMoveInput.fromLocationId @ moves.0.fromLocationId": LOCATION,
            },
            prepare=_reservation_elsewhere,
        ),
        change("reservationCommit", {"orderId": FRESH}, {}),
    ]


def _order_changes() -> list[Entry]:
    lines = [{"sku": MUG, "quantity": 1, "locationId": OWN_DC}]
    own = {"orderId": OWN_ORDER, "channelId": OWN_WEB, "idempotencyKey": FRESH}

    def named(kind: str) -> dict[str, str]:
        return {f"{kind}.orderId @ orderId": ORDER, f"{kind}.channelId @ channelId": CHANNEL}

    return [
        mutation(
            "allocationCreate",
            "AllocationCreateInput!",
            {"orderId": FRESH, "channelId": OWN_WEB, "lines": lines, "idempotencyKey": FRESH},
            _claim("AllocationCreateInput", "AllocationLineInput"),
        ),
        mutation("allocationCancel", "AllocationCancelInput!", own, named("AllocationCancelInput"), prepare=_order),
        mutation(
            "shipmentConfirm",
            "ShipmentConfirmInput!",
            {**own, "shipmentId": "parcel", "lines": [{"lineId": "1", "quantity": 1, "locationId": OWN_DC}]},
            {
                **named("ShipmentConfirmInput"),
                "ShipmentLineInput.locationId @ lines.0.locationId": LOCATION,
            },
            prepare=_order,
        ),
    ]


def _subscriptions(ground: Ground) -> list[Entry]:
    made, changed = ground.promises, "Subscription.reservationChanged"
    return [
        Entry(
            name="reservationChanged",
            field=changed,
            declared="$ids: [ID!], $externalReference: String, $after: String",
            arguments="ids: $ids, externalReference: $externalReference, after: $after",
            own={"ids": [made.own_reservation], "externalReference": OWN_CART, "after": made.before},
            probes=(
                Probe(coordinate=f"{changed}(ids:)", place="ids.0", kind=RESERVATION),
                Probe(coordinate=f"{changed}(externalReference:)", place="externalReference", kind=CART),
            ),
        ),
        Entry(
            name="reservationChanged of all",
            field=changed,
            declared="$after: String",
            arguments="after: $after",
            own={"after": made.before},
        ),
        Entry(
            name="stockChanged of documents",
            field="Subscription.stockChanged",
            declared="$after: String",
            arguments="after: $after",
            own={"after": made.before},
        ),
    ]


async def _reservation(desk: Desk) -> dict[str, Any]:
    return {"reservationId": await reserve(desk)}


async def _reservation_elsewhere(desk: Desk) -> dict[str, Any]:
    return {"reservationId": await reserve(desk, at=FOREIGN_DC)}


async def _order(desk: Desk) -> dict[str, Any]:
    order = fresh("order")
    await allocate(desk, order)
    return {"orderId": order}

"""The part of the ground that documents stand on: reservations, orders and a shipment, of which some are foreign.

The one rule: what must never be told has FOREIGN in its name; the caller's own hold units at OWN_DC, for OWN_WEB.
"""

from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from resolvers import node_ids
from tests.resolvers.desk import Answer, Desk

MUG: Final = "MUG-01"
RISK: Final = "RISK-01"
"""An item of which more is promised than there is, at both locations."""
PAIR: Final = "PAIR-01"
"""A bundle of two of MUG."""
OWN_DC, FOREIGN_DC = "OWN-DC", "FOREIGN-DC"
OWN_WEB, FOREIGN_WEB = "OWN-WEB", "FOREIGN-WEB"
OWN_CART, ELSEWHERE_CART, NO_CART = "own-cart", "FOREIGN-cart", "no-cart"
OWN_ORDER, ELSEWHERE_ORDER, NO_ORDER = "own-order", "FOREIGN-order", "no-order"
DAY_SECONDS: Final = 86_400
PROMISED_AT_OWN_DC: Final = 13
"""How many mugs are no longer available there, once all of this was done."""
NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What was made that has no name of our choosing: plain ids, the caller's own and foreign ones."""

    before: str
    own_reservation: str
    own_reservation_of_bundle: str
    foreign_reservations: tuple[str, ...]
    own_allocation: str
    foreign_allocations: tuple[str, ...]
    own_conflict: str
    foreign_conflict: str
    own_shipment: str
    foreign_shipments: tuple[str, ...]


async def lay_promises(desk: Desk) -> Promises:
    """Reserve, allocate and ship: for the caller's own channel and location, and for all others."""
    before = await desk.position()
    own = await reserve(desk, externalReference=OWN_CART)
    foreign = [
        await reserve(desk, channelId=FOREIGN_WEB, externalReference=ELSEWHERE_CART),
        await reserve(desk, at=FOREIGN_DC, externalReference=ELSEWHERE_CART),
        await reserve(desk, channelId=None, externalReference=ELSEWHERE_CART),
    ]
    bundle = await reserve(desk, lines=[{"sku": PAIR, "quantity": 1, "locationId": OWN_DC}], externalReference=OWN_CART)
    committed = await reserve(desk, quantity=3, externalReference=OWN_CART)
    fields = {"reservationId": committed, "orderId": OWN_ORDER, "idempotencyKey": "own-commit"}
    payload = await desk.change("reservationCommit", "ReservationCommitInput", "allocation { id }", fields)
    own_allocation = payload["allocation"]["id"]
    own_shipment = await ship(desk, OWN_ORDER, quantity=1)
    allocations, shipments = [], []
    for channel, location in ((FOREIGN_WEB, OWN_DC), (OWN_WEB, FOREIGN_DC)):
        allocations.append(await allocate(desk, ELSEWHERE_ORDER, channelId=channel, at=location))
        shipments.append(await ship(desk, ELSEWHERE_ORDER, channelId=channel, quantity=1))
    own_conflict, foreign_conflict = await fail_promises(desk)
    return Promises(
        before=before,
        own_reservation=own,
        own_reservation_of_bundle=bundle,
        foreign_reservations=tuple(foreign),
        own_conflict=own_conflict,
        foreign_conflict=foreign_conflict,
        own_allocation=plain(own_allocation, node_ids.ALLOCATION),
        foreign_allocations=tuple(plain(one, node_ids.ALLOCATION) for one in allocations),
        own_shipment=plain(own_shipment, node_ids.SHIPMENT),
        foreign_shipments=tuple(plain(one, node_ids.SHIPMENT) for one in shipments),
    )


async def fail_promises(desk: Desk) -> list[str]:
    """Promise units and count none, at both locations; return the plain ids of the conflicts, the own one first."""
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": RISK})
    opened = []
    for location in (OWN_DC, FOREIGN_DC):
        await _count(desk, location, 5)
        await reserve(desk, lines=[{"sku": RISK, "quantity": 1, "locationId": location}])
        order = f"risk at {location}"
        await allocate(desk, order, at=location, lines=[{"sku": RISK, "quantity": 1, "locationId": location}])
        await _count(desk, location, 0)
        document = "query($at: ID!) { conflicts(first: 1, filter: { locationId: $at }) { nodes { id } } }"
        ((conflict,),) = ((await desk.ask(document, at=location))["conflicts"]["nodes"],)
        opened.append(plain(conflict["id"], node_ids.CONFLICT))
    return opened


async def _count(desk: Desk, location: str, quantity: int) -> None:
    quantities = [{"locationId": location, "quantity": quantity, "changeFromQuantity": None}]
    key = f"{location} holds {quantity}"
    payload = await desk.count("userErrors { code }", sku=RISK, quantities=quantities, idempotencyKey=key)
    assert payload == {"userErrors": []}


async def reserve(desk: Desk, *, at: str = OWN_DC, quantity: int = 2, **more: Any) -> str:
    """Reserve mugs for the caller's channel, and return the reservation's plain id."""
    fields = {
        "lines": [{"sku": MUG, "quantity": quantity, "locationId": at}],
        "channelId": OWN_WEB,
        "ttlSeconds": DAY_SECONDS,
        **more,
    }
    payload = await _done(desk, "reservationCreate", "ReservationCreateInput", "reservation { reservationId }", fields)
    key: str = payload["reservation"]["reservationId"]
    return key


async def allocate(desk: Desk, order: str, *, at: str = OWN_DC, quantity: int = 2, **more: Any) -> str:
    """Allocate mugs to an order, and return the allocation's global id."""
    lines = [{"sku": MUG, "quantity": quantity, "locationId": at}]
    fields = {"orderId": order, "channelId": OWN_WEB, "lines": lines, **more}
    payload = await _done(desk, "allocationCreate", "AllocationCreateInput", "allocation { id }", fields)
    id: str = payload["allocation"]["id"]
    return id


async def ship(desk: Desk, order: str, *, quantity: int, **more: Any) -> str:
    """Ship mugs of an order's first line, and return the shipment's global id."""
    fields = {
        "orderId": order,
        "channelId": OWN_WEB,
        "shipmentId": f"parcel of {order}",
        "lines": [{"lineId": "1", "quantity": quantity}],
        **more,
    }
    payload = await _done(desk, "shipmentConfirm", "ShipmentConfirmInput", "shipment { id }", fields)
    id: str = payload["shipment"]["id"]
    return id


async def _done(desk: Desk, mutation: str, kind: str, selection: str, fields: Answer) -> Answer:
    selected = f"{selection} userErrors {{ field message code }}"
    key = f"promise-{next(NUMBERS)}"
    payload = await desk.change(mutation, kind, selected, {"idempotencyKey": key, **fields})
    assert payload["userErrors"] == [], payload
    return payload


def plain(id: str, kind: str) -> str:
    """Return the plain id behind a global one."""
    return node_ids.code_from(id, type_name=kind)

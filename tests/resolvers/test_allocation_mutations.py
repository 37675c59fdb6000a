"""Mutations of orders' stock: what is committed, cancelled and shipped; a repeated key shows what is now."""

import pytest

from domain.principals import Role
from resolvers.node_ids import allocation_id, channel_id, shipment_id
from tests.resolvers.desk import CUP, EAST, FAR, MUG, TILL, WEB, WEST, Answer, Desk, refusals
from tests.resolvers.promised import counters, done, held, input_kind, line, seated, sees, sent


def amounts(order: Answer) -> list[tuple[object, ...]]:
    """Return (line, asked for, open, shipped, cancelled) of every line."""
    names = ("lineId", "quantity", "openQuantity", "shippedQuantity", "cancelledQuantity")
    return [tuple(one[name] for name in names) for one in order["lines"]]


async def ordered(desk: Desk, *lines: Answer, **fields: object) -> Answer:
    """Allocate to order-1 of the till, and return the payload."""
    return await done(desk, "allocationCreate", orderId="order-1", channelId=TILL, lines=list(lines), **fields)


async def test_an_order_is_answered_with_all_that_is_committed_to_it(desk: Desk) -> None:
    """Given stock, when it is allocated to an order, then the answer says what, where and why."""
    before = int(await desk.position())
    payload = await done(
        desk, "allocationCreate", orderId="order-1", channelId=channel_id(TILL), lines=[line(MUG, 12, lineId="a")]
    )
    order = payload["allocation"]
    assert order == {
        "id": order["id"],
        "orderId": "order-1",
        "channelId": TILL,
        "channel": {"code": TILL},
        "fulfilment": "SHIPPING",
        "state": "OPEN",
        "createdAt": order["updatedAt"],
        "updatedAt": order["updatedAt"],
        "version": 1,
        "lines": [
            {
                "lineId": "a",
                "sku": MUG,
                "quantity": 12,
                "openQuantity": 12,
                "shippedQuantity": 0,
                "cancelledQuantity": 0,
                "item": {"name": "Red mug"},
                "holds": [
                    {
                        "sku": MUG,
                        "locationCode": code,
                        "quantity": units,
                        "reason": "PRIORITY",
                        "location": {"code": code},
                    }
                    for code, units in ((EAST, 10), (WEST, 2))
                ],
            }
        ],
    }
    assert (payload["replayed"], payload["position"]) == (False, str(before + 2))
    assert sorted(counters(payload)) == [(MUG, EAST, 10, 0, 10, 0), (MUG, WEST, 4, 0, 2, 2)]


async def test_more_lines_join_the_order_and_a_line_comes_once(desk: Desk) -> None:
    """Given an order, when more is allocated to it, then it grows; a line that it has is refused."""
    first = await ordered(desk, line(MUG, 1))
    more = await ordered(desk, line(CUP, 2, lineId="2"))
    assert more["allocation"]["id"] == first["allocation"]["id"]
    assert (amounts(more["allocation"]), more["allocation"]["version"]) == ([("1", 1, 1, 0, 0), ("2", 2, 2, 0, 0)], 2)
    again = await sent(desk, "allocationCreate", orderId="order-1", channelId=TILL, lines=[line(CUP, 1)])
    assert refusals(again) == [("ORDER_LINE_EXISTS", "input.lines.0.lineId")]
    other = await done(desk, "allocationCreate", orderId="order-1", channelId=WEB, lines=[line(CUP, 1)])
    assert other["allocation"]["id"] != first["allocation"]["id"]


async def test_what_has_not_shipped_is_given_back(desk: Desk) -> None:
    """Given an order that shipped in part, when it is cancelled, line by line, then the rest is available again."""
    await ordered(desk, line(MUG, 3), line(CUP, 2))
    await done(desk, "shipmentConfirm", orderId="order-1", channelId=TILL, lines=[{"lineId": "1", "quantity": 1}])
    part = await done(desk, "allocationCancel", orderId="order-1", channelId=TILL, lines=[{"lineId": "1"}])
    assert amounts(part["allocation"]) == [("1", 3, 0, 1, 2), ("2", 2, 2, 0, 0)]
    assert (part["allocation"]["state"], counters(part)) == ("OPEN", [(MUG, EAST, 9, 0, 0, 9)])
    rest = await done(desk, "allocationCancel", orderId="order-1", channelId=TILL)
    assert (rest["allocation"]["state"], counters(rest)) == ("SHIPPED", [(CUP, EAST, 7, 0, 0, 7)])
    refused = await sent(desk, "allocationCancel", orderId="order-1", channelId=TILL)
    assert refusals(refused) == [("EXCEEDS_ALLOCATED_QUANTITY", "input.orderId")]


async def test_an_order_ships_in_several_parcels(desk: Desk) -> None:
    """Given an order, when goods leave, then on hand and allocated fall together, and each parcel is kept."""
    await ordered(desk, line(MUG, 12))
    first = await done(
        desk,
        "shipmentConfirm",
        orderId="order-1",
        channelId=TILL,
        shipmentId="parcel-1",
        shippedAt="2026-03-01T10:00:00+02:00",
        lines=[{"lineId": "1", "quantity": 2, "locationId": WEST}],
    )
    parcel, order = first["shipment"], first["allocation"]
    assert parcel == {
        "id": parcel["id"],
        "shipmentId": "parcel-1",
        "orderId": "order-1",
        "channelId": TILL,
        "shippedAt": "2026-03-01T08:00:00+00:00",
        "recordedAt": order["updatedAt"],
        "lines": [{"lineId": "1", "sku": MUG, "quantity": 2, "holds": parcel["lines"][0]["holds"]}],
    }
    assert held(parcel) == [("1", WEST, 2, "PRIORITY")]
    assert (order["state"], amounts(order), held(order)) == (
        "OPEN",
        [("1", 12, 10, 2, 0)],
        [("1", EAST, 10, "PRIORITY")],
    )
    assert counters(first) == [(MUG, WEST, 2, 0, 0, 2)]
    rest = await done(desk, "shipmentConfirm", orderId="order-1", channelId=TILL, lines=None, shippedAt=None)
    assert rest["shipment"]["shippedAt"] == rest["shipment"]["recordedAt"]
    assert (rest["shipment"]["shipmentId"], rest["allocation"]["state"]) == (None, "SHIPPED")
    assert counters(rest) == [(MUG, EAST, 0, 0, 0, 0)]
    document = "query q($id: ID!) { allocation(id: $id) { shipments { id lines { quantity } } } }"
    shipments = (await desk.ask(document, id=order["id"]))["allocation"]["shipments"]
    assert shipments == [
        {"id": parcel["id"], "lines": [{"quantity": 2}]},
        {"id": rest["shipment"]["id"], "lines": [{"quantity": 10}]},
    ]


async def test_a_repeated_key_shows_order_and_parcel_as_they_are_now(desk: Desk) -> None:
    """Given changes of an order, when their keys are sent again, then nothing moves, and the order is as it is now."""
    create: Answer = {"orderId": "order-1", "channelId": TILL, "lines": [line(MUG, 3)], "idempotencyKey": "create"}
    await done(desk, "allocationCreate", **create)
    ship = {
        "orderId": "order-1",
        "channelId": TILL,
        "lines": [{"lineId": "1", "quantity": 1}],
        "idempotencyKey": "ship",
    }
    shipped = await done(desk, "shipmentConfirm", **ship)
    cancel = {"orderId": "order-1", "channelId": TILL, "idempotencyKey": "cancel"}
    last = await done(desk, "allocationCancel", **cancel)
    head = await desk.position()
    for mutation, fields in (("allocationCreate", create), ("shipmentConfirm", ship), ("allocationCancel", cancel)):
        again = await done(desk, mutation, **fields)
        assert (again["replayed"], again["position"], again["levels"]) == (True, head, [])
        assert again["allocation"] == last["allocation"]
        if mutation == "shipmentConfirm":
            assert again["shipment"] == shipped["shipment"]
    assert await desk.position() == head


@pytest.mark.parametrize(
    ("mutation", "fields", "code", "field"),
    [
        ("allocationCreate", {"lines": []}, "INVALID_INPUT", "lines"),
        ("allocationCreate", {"lines": [line(MUG, 1)], "orderId": ""}, "INVALID_INPUT", "orderId"),
        ("allocationCreate", {"lines": [line(CUP, 8, lineId="2")]}, "INSUFFICIENT_STOCK", "lines.0.quantity"),
        ("allocationCancel", {"orderId": "nope"}, "ORDER_NOT_FOUND", "orderId"),
        ("allocationCancel", {"channelId": WEB}, "ORDER_NOT_FOUND", "orderId"),
        ("allocationCancel", {"channelId": None}, "ORDER_NOT_FOUND", "orderId"),
        ("allocationCancel", {"lines": [{"lineId": "9"}]}, "LINE_NOT_FOUND", "lines.0.lineId"),
        ("shipmentConfirm", {"shipmentId": ""}, "INVALID_INPUT", "shipmentId"),
        (
            "shipmentConfirm",
            {"lines": [{"lineId": "1", "quantity": 4}]},
            "EXCEEDS_ALLOCATED_QUANTITY",
            "lines.0.quantity",
        ),
        (
            "shipmentConfirm",
            {"lines": [{"lineId": "1", "quantity": 1, "locationId": FAR}]},
            "EXCEEDS_ALLOCATED_QUANTITY",
            "lines.0.quantity",
        ),
        ("shipmentConfirm", {"lines": [{"lineId": "1", "quantity": 0}]}, "INVALID_QUANTITY", "lines.0.quantity"),
    ],
)
async def test_what_cannot_be_done_is_refused(desk: Desk, mutation: str, fields: Answer, code: str, field: str) -> None:
    """Given an order, when a change of it is wrong, then it is refused where it is, and nothing changes."""
    await ordered(desk, line(MUG, 3))
    request = {"orderId": "order-1", "channelId": TILL, "idempotencyKey": "change", **fields}
    assert await desk.refused(mutation, input_kind(mutation), request) == [(code, f"input.{field}")]


async def test_a_warehouse_ships_what_lies_with_it(desk: Desk) -> None:
    """Given a partner's key for one location, then it ships orders that lie there, and others are missing."""
    await ordered(desk, line(MUG, 1, EAST))
    await done(desk, "allocationCreate", orderId="order-2", channelId=TILL, lines=[line(MUG, 1, WEST)])
    partner = seated(desk, Role.PARTNER, sees(locations={WEST}))
    payload = await sent(partner, "shipmentConfirm", orderId="order-1", channelId=TILL)
    assert refusals(payload) == [("ORDER_NOT_FOUND", "input.orderId")]
    payload = await done(partner, "shipmentConfirm", orderId="order-2", channelId=TILL)
    assert (payload["allocation"]["state"], counters(payload)) == ("SHIPPED", [(MUG, WEST, 3, 0, 0, 3)])


async def test_a_key_of_one_channel_need_not_name_it(desk: Desk) -> None:
    """Given a channel's own key, then its orders are those of its channel; one of several has to say which."""
    shop = seated(desk, Role.CHANNEL, sees(channels={TILL}))
    made = await done(shop, "allocationCreate", orderId="order-1", lines=[line(MUG, 1)])
    assert (made["allocation"]["channelId"], made["levels"]) == (TILL, [])
    await done(shop, "allocationCancel", orderId="order-1")
    both = seated(desk, Role.BACKOFFICE, sees(channels={WEB, TILL}))
    requests: dict[str, Answer] = {
        "allocationCreate": {"lines": [line(MUG, 1)]},
        "allocationCancel": {},
        "shipmentConfirm": {},
    }
    for mutation, more in requests.items():
        payload = await sent(both, mutation, orderId="order-1", **more)
        assert refusals(payload) == [("INVALID_INPUT", "input.channelId")]


async def test_ids_lead_back(desk: Desk) -> None:
    """Given an order that shipped, then its global ids are answered by `node`."""
    await ordered(desk, line(MUG, 1))
    payload = await done(desk, "shipmentConfirm", orderId="order-1", channelId=TILL)
    document = """query q($id: ID!) {
      node(id: $id) { __typename id ... on Allocation { orderId } ... on Shipment { orderId } }
    }"""
    for kind in ("allocation", "shipment"):
        id = payload[kind]["id"]
        found = (await desk.ask(document, id=id))["node"]
        assert found == {"__typename": kind.capitalize(), "id": id, "orderId": "order-1"}
    for nothing in (allocation_id("nope"), shipment_id("nope"), allocation_id("a\0b"), shipment_id("")):
        assert (await desk.ask(document, id=nothing))["node"] is None

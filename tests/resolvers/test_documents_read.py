"""Questions about reservations, orders and shipments: by id, reference, item and state; what is not seen is missing."""

import pytest

from domain.principals import Role, Scope
from resolvers.node_ids import channel_id, reservation_id
from tests.resolvers.desk import CUP, EAST, MUG, TILL, WEB, WEST, Answer, Desk
from tests.resolvers.promised import RESERVATION, done, line, reserved, seated, sees

LIST = """query q($first: Int! = 50, $after: String, $filter: ReservationFilter) {
  reservations(first: $first, after: $after, filter: $filter) {
    nodes { reservationId } pageInfo { endCursor hasNextPage }
  }
}"""
ONE = f"query q($id: ID!) {{ reservation(id: $id) {{ {RESERVATION} }} }}"
ORDER = """query q($id: ID, $orderId: String, $channelId: ID) {
  allocation(id: $id, orderId: $orderId, channelId: $channelId) { id orderId channelId shipments { shipmentId } }
}"""


async def listed(desk: Desk, **filter: object) -> list[str]:
    """Return the plain ids that the list shows."""
    data = await desk.ask(LIST, filter=filter or None)
    return [one["reservationId"] for one in data["reservations"]["nodes"]]


async def test_a_reservation_is_found_by_either_id(desk: Desk) -> None:
    """Given a reservation, then its plain and its global id find it, and other texts find nothing."""
    made = (await done(desk, "reservationCreate", lines=[line(MUG, 2)], channelId=WEB))["reservation"]
    for id in (made["id"], made["reservationId"]):
        assert (await desk.ask(ONE, id=id))["reservation"] == made
    node = "query q($id: ID!) { node(id: $id) { id ... on Reservation { reservationId } } }"
    found = (await desk.ask(node, id=made["id"]))["node"]
    assert found == {"id": made["id"], "reservationId": made["reservationId"]}
    for nothing in ("", "nope", "a\0b", "\ud800", reservation_id("nope"), channel_id(WEB), MUG):
        assert (await desk.ask(ONE, id=nothing))["reservation"] is None, nothing


async def test_the_list_is_narrowed_by_what_is_asked_for(desk: Desk) -> None:
    """Given reservations, then they are listed newest first, and by channel, reference, item and state."""
    first = await reserved(desk, line(MUG, 1), channelId=WEB, externalReference="cart-1")
    second = await reserved(desk, line(MUG, 1, WEST), line(CUP, 1, EAST), channelId=TILL, externalReference="cart-2")
    third = await reserved(desk, line(CUP, 1))
    await done(desk, "reservationRelease", reservationId=first)
    assert await listed(desk) == [third, second, first]
    for filter, expected in (
        ({"channelId": WEB}, [first]),
        ({"channelId": channel_id(TILL)}, [second]),
        ({"externalReference": "cart-2"}, [second]),
        ({"sku": CUP}, [third, second]),
        ({"sku": MUG}, [second]),
        ({"state": "ACTIVE"}, [third, second]),
        ({"state": "RELEASED"}, [first]),
        ({"state": "RELEASED", "sku": MUG}, []),
        ({"channelId": None, "externalReference": None, "sku": None, "state": None}, [third, second, first]),
        ({"channelId": "nope"}, []),
        ({"externalReference": "cart"}, []),
        ({"sku": "a\0b"}, []),
    ):
        assert await listed(desk, **filter) == expected, filter


@pytest.mark.parametrize("size", [1, 2, 3, 250])
async def test_pages_lead_back_in_time_to_the_end(desk: Desk, size: int) -> None:
    """Given three reservations, when they are asked for page by page, then each comes once, the newest first."""
    made = [await reserved(desk, line(MUG, 1), channelId=WEB) for _ in range(3)]
    seen: list[str] = []
    after = None
    while True:
        page = (await desk.ask(LIST, first=size, after=after))["reservations"]
        seen += [one["reservationId"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == made[::-1]
    for wrong in ({"first": 0}, {"first": 251}, {"after": "nope"}):
        assert await desk.problems(LIST, **wrong) == [("INVALID_INPUT", ("reservations",))]


async def test_a_scope_narrows_what_is_listed(desk: Desk) -> None:
    """Given keys that see a part, then a document shows only if its channel and all its locations are seen."""
    web = await reserved(desk, line(MUG, 1), channelId=WEB)
    both = await reserved(desk, line(MUG, 1, EAST), line(MUG, 1, WEST), channelId=TILL)
    west = await reserved(desk, line(MUG, 1, WEST), channelId=TILL)
    none = await reserved(desk, line(MUG, 1, EAST))
    narrowed: list[tuple[Scope, list[str]]] = [
        (sees(channels={WEB}), [web]),
        (sees(channels={TILL}), [west, both]),
        (sees(locations={EAST}), [none, web]),
        (sees(locations={WEST}), [west]),
        (sees(channels={TILL}, locations={WEST}), [west]),
        (sees(locations={EAST, WEST}), [none, west, both, web]),
        (sees(channels=set()), []),
    ]
    for scope, expected in narrowed:
        clerk = seated(desk, Role.BACKOFFICE, scope)
        assert await listed(clerk) == expected, scope
        for key in (web, both, west, none):
            found = (await clerk.ask(ONE, id=key))["reservation"]
            assert (found is not None) is (key in expected), (scope, key)


async def test_an_order_is_found_by_its_own_id_and_channel(desk: Desk) -> None:
    """Given orders of one id on two channels and of none, then the channel tells them apart."""
    made: dict[str | None, str] = {}
    for channel in (WEB, TILL, None):
        payload = await done(desk, "allocationCreate", orderId="order-1", channelId=channel, lines=[line(MUG, 1)])
        made[channel] = payload["allocation"]["id"]
    for channel, id in made.items():
        expected: Answer = {"id": id, "orderId": "order-1", "channelId": channel, "shipments": []}
        assert (await desk.ask(ORDER, orderId="order-1", channelId=channel))["allocation"] == expected
        assert (await desk.ask(ORDER, id=id))["allocation"] == expected
    assert (await desk.ask(ORDER, orderId="nope", channelId=WEB))["allocation"] is None
    assert (await desk.ask(ORDER, orderId="order-1", channelId="nope"))["allocation"] is None
    assert (await desk.ask(ORDER, id="nope"))["allocation"] is None
    shop = seated(desk, Role.CHANNEL, sees(channels={TILL}))
    assert (await shop.ask(ORDER, orderId="order-1"))["allocation"]["id"] == made[TILL]
    assert (await shop.ask(ORDER, orderId="order-1", channelId=WEB))["allocation"] is None
    assert (await shop.ask(ORDER, id=made[WEB]))["allocation"] is None
    for wrong in ({}, {"id": made[WEB], "orderId": "order-1"}):
        assert await desk.problems(ORDER, **wrong) == [("INVALID_INPUT", ("allocation",))]
    both = seated(desk, Role.CHANNEL, sees(channels={TILL, WEB}))
    assert await both.problems(ORDER, orderId="order-1") == [("INVALID_INPUT", ("allocation",))]


async def test_a_parcel_of_elsewhere_is_not_shown_with_its_order(desk: Desk) -> None:
    """Given an order that shipped from two places, then who sees one is shown the parcel that left there."""
    await done(desk, "allocationCreate", orderId="order-1", channelId=TILL, lines=[line(MUG, 12)])
    for code, units in ((WEST, 2), (EAST, 10)):
        lines = [{"lineId": "1", "quantity": units, "locationId": code}]
        await done(desk, "shipmentConfirm", orderId="order-1", channelId=TILL, shipmentId=code, lines=lines)
    partner = seated(desk, Role.PARTNER, sees(locations={WEST}))
    found = (await partner.ask(ORDER, orderId="order-1", channelId=TILL))["allocation"]
    assert found is not None
    assert found["shipments"] == [{"shipmentId": WEST}]


async def test_a_committed_reservation_leads_to_its_order(desk: Desk) -> None:
    """Given a reservation that became an order's, then the order's stock is shown with it, as it is now."""
    key = await reserved(desk, line(MUG, 2), channelId=WEB)
    await done(desk, "reservationCommit", reservationId=key, orderId="order-1")
    await done(desk, "shipmentConfirm", orderId="order-1", channelId=WEB)
    document = "{ reservations { nodes { allocation { orderId state } } } }"
    found = (await desk.ask(document))["reservations"]["nodes"]
    assert found == [{"allocation": {"orderId": "order-1", "state": "SHIPPED"}}]


async def test_the_ledger_says_which_document_moved_stock(desk: Desk) -> None:
    """Given a reservation that became an order's and shipped, then each movement names its cause and document."""
    key = await reserved(desk, line(CUP, 2), channelId=WEB)
    payload = await done(desk, "reservationCommit", reservationId=key, orderId="order-1")
    await done(desk, "shipmentConfirm", orderId="order-1", channelId=WEB)
    document = f"""{{ movements(sku: "{CUP}") {{
      nodes {{ bucket delta balanceAfter reason cause documentId adjustment {{ id }} location {{ code }} }}
    }} }}"""
    rows: list[Answer] = (await desk.ask(document))["movements"]["nodes"]
    order, made = payload["allocation"]["id"], payload["reservation"]["id"]
    moved = [(one["cause"], one["documentId"], one["bucket"], one["delta"], one["balanceAfter"]) for one in rows[:-1]]
    assert sorted(moved[:2]) == [
        ("SHIPMENT_CONFIRMED", order, "ALLOCATED", -2, 0),
        ("SHIPMENT_CONFIRMED", order, "ON_HAND", -2, 5),
    ]
    assert sorted(moved[2:4]) == [
        ("RESERVATION_COMMITTED", made, "ALLOCATED", 2, 2),
        ("RESERVATION_COMMITTED", made, "RESERVED", -2, 0),
    ]
    assert moved[4:] == [("RESERVATION_CREATED", made, "RESERVED", 2, 2)]
    assert all((one["reason"], one["adjustment"]) == (None, None) for one in rows[:-1])
    assert (rows[-1]["reason"], rows[-1]["cause"], rows[-1]["documentId"]) == ("CYCLE_COUNT", None, None)

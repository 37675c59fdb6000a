"""Stock conflicts: what lacks stock, whose promises are at risk, newest first, and how they close."""

import asyncio
from typing import Any

from resolvers.context import RequestContext
from resolvers.node_ids import location_id
from tests.resolvers.desk import ANSWER_SECONDS_MAX, CORRELATION_ID, EAST, MUG, WEB, WEST, Desk, counted, delta

CONFLICTS = """
query conflicts($first: Int! = 50, $after: String, $filter: StockConflictFilter) {
  conflicts(first: $first, after: $after, filter: $filter) {
    nodes {
      id sku locationCode location { code } isOpen unbackedAtOpening closedAt level { hasOpenConflict }
      atRisk { quantity reservation { reservationId } allocation { orderId } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
NODE = "query node($id: ID!) { node(id: $id) { id ... on StockConflict { sku isOpen } } }"
FOLLOW = """
subscription follow($after: String, $skus: [String!]) {
  conflictChanged(after: $after, skus: $skus) { position change conflict { sku isOpen } }
}
"""
RESERVED = "reservation { reservationId } userErrors { code message }"


async def hold(desk: Desk, quantity: int, *, key: str, at: str = EAST) -> str:
    """Reserve units of the mug at a location; return the reservation's id."""
    fields: dict[str, Any] = {
        "lines": [{"sku": MUG, "quantity": quantity, "locationId": at}],
        "channelId": WEB,
        "idempotencyKey": key,
    }
    payload = await desk.change("reservationCreate", "ReservationCreateInput", RESERVED, fields)
    assert payload["userErrors"] == []
    return str(payload["reservation"]["reservationId"])


async def counts(desk: Desk, quantity: int, *, key: str, at: str = EAST) -> str:
    """Record a count of the mug; return its position."""
    payload = await desk.count(
        "position userErrors { code }", sku=MUG, quantities=[counted(at, quantity)], idempotencyKey=key
    )
    assert payload["userErrors"] == []
    return str(payload["position"])


async def test_the_newest_promises_are_at_risk_as_far_as_the_level_lacks(desk: Desk) -> None:
    oldest, middle, newest = [await hold(desk, 3, key=f"hold-{number}") for number in range(3)]
    await counts(desk, 5, key="five-left")
    (conflict,) = (await desk.ask(CONFLICTS, filter={"isOpen": True}))["conflicts"]["nodes"]
    assert (conflict["sku"], conflict["locationCode"], conflict["location"]["code"]) == (MUG, EAST, EAST)
    assert conflict["isOpen"]
    assert conflict["level"] == {"hasOpenConflict": True}
    assert conflict["unbackedAtOpening"] == 4
    at_risk = [(one["reservation"]["reservationId"], one["quantity"]) for one in conflict["atRisk"]]
    assert at_risk == [(newest, 3), (middle, 1)]
    assert (await desk.ask(NODE, id=conflict["id"]))["node"] == {"id": conflict["id"], "sku": MUG, "isOpen": True}
    await desk.change(
        "reservationRelease",
        "ReservationReleaseInput",
        "userErrors { code }",
        {"reservationId": oldest, "idempotencyKey": "gives-up"},
    )
    (conflict,) = (await desk.ask(CONFLICTS))["conflicts"]["nodes"]
    assert [(one["reservation"]["reservationId"], one["quantity"]) for one in conflict["atRisk"]] == [(newest, 1)]


async def test_an_order_can_be_at_risk_too(desk: Desk) -> None:
    fields = {"reservationId": await hold(desk, 4, key="hold"), "orderId": "order-7", "idempotencyKey": "commit"}
    payload = await desk.change("reservationCommit", "ReservationCommitInput", "userErrors { code }", fields)
    assert payload["userErrors"] == []
    await counts(desk, 1, key="one-left")
    (conflict,) = (await desk.ask(CONFLICTS))["conflicts"]["nodes"]
    assert conflict["atRisk"] == [{"quantity": 3, "reservation": None, "allocation": {"orderId": "order-7"}}]


async def test_it_closes_by_itself_when_the_promises_are_backed_again(desk: Desk) -> None:
    await hold(desk, 4, key="hold")
    before = await counts(desk, 10, key="all-there")
    await counts(desk, 1, key="one-left")
    await desk.adjust("position", sku=MUG, adjustments=[delta(EAST, 3)], idempotencyKey="found-three")
    (conflict,) = (await desk.ask(CONFLICTS))["conflicts"]["nodes"]
    assert not conflict["isOpen"]
    assert conflict["closedAt"] is not None
    assert conflict["atRisk"] == []
    assert (await desk.ask(CONFLICTS, filter={"isOpen": True}))["conflicts"]["nodes"] == []
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    stream: Any = await desk.schema.subscribe(
        FOLLOW, variable_values={"after": before, "skus": [MUG]}, context_value=context
    )
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        changes = [(await anext(stream)).data["conflictChanged"]["change"] for _ in range(2)]
    await stream.aclose()
    assert changes == ["OPENED", "CLOSED"]


async def test_a_list_is_filtered_and_paged(desk: Desk) -> None:
    await hold(desk, 2, key="hold-east")
    await counts(desk, 0, key="none-left")
    page = (await desk.ask(CONFLICTS, first=1, filter={"locationId": location_id(EAST), "sku": MUG}))["conflicts"]
    assert len(page["nodes"]) == 1
    assert not page["pageInfo"]["hasNextPage"]
    behind = await desk.ask(CONFLICTS, first=1, after=page["pageInfo"]["endCursor"])
    assert behind["conflicts"]["nodes"] == []
    assert (await desk.ask(CONFLICTS, filter={"locationId": WEST}))["conflicts"]["nodes"] == []
    ((code, _),) = await desk.problems(CONFLICTS, after="nonsense")
    assert code == "INVALID_INPUT"

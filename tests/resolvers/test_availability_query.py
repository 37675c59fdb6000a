"""`availability`: what may be sold, and where; the one rule: what the caller may not know is null, never an error."""

import pytest

from resolvers.node_ids import channel_id, item_id, location_id
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Desk, delta

ASK = """
query ask($skus: [String!]!, $channelId: ID, $locationIds: [ID!]) {
  availability(skus: $skus, channelId: $channelId, locationIds: $locationIds) {
    sku channelId availableQuantity status
    nodes { location { code } availableQuantity status }
    levels { location { code } onHand available }
  }
}
"""


def answer(sku: str, quantity: int, levels: dict[str, int], *, channel: str | None = None) -> dict[str, object]:
    """Return what is answered for an item whose levels hold nothing but what is for sale."""
    return {
        "sku": sku,
        "channelId": channel,
        "availableQuantity": quantity,
        "status": "IN_STOCK" if quantity else "OUT_OF_STOCK",
        "nodes": [
            {"location": {"code": code}, "availableQuantity": held, "status": "IN_STOCK" if held else "OUT_OF_STOCK"}
            for code, held in levels.items()
        ],
        "levels": [{"location": {"code": code}, "onHand": held, "available": held} for code, held in levels.items()],
    }


async def test_availability_keeps_the_order_of_the_skus_and_answers_null_for_unknown_ones(desk: Desk) -> None:
    data = await desk.ask(ASK, skus=[CUP, "nope", MUG, JAR, CUP, "mug-01", "", "a\0b"])
    mug, cup, jar = answer(MUG, 14, {EAST: 10, WEST: 4}), answer(CUP, 7, {EAST: 7}), answer(JAR, 0, {})
    assert data["availability"] == [cup, None, mug, jar, cup, None, None, None]


async def test_a_channel_sees_only_the_locations_that_serve_it(desk: Desk) -> None:
    data = await desk.ask(ASK, skus=[MUG], channelId=WEB)
    assert data["availability"] == [answer(MUG, 10, {EAST: 10}, channel=WEB)]
    data = await desk.ask(ASK, skus=[MUG, "nope"], channelId=channel_id(TILL))
    assert data["availability"] == [answer(MUG, 14, {EAST: 10, WEST: 4}, channel=TILL), None]


@pytest.mark.parametrize("unknown", ["nope", "", "WEB", "a\0b", location_id(EAST), item_id(MUG)])
async def test_everything_is_null_on_an_unknown_channel(desk: Desk, unknown: str) -> None:
    assert await desk.ask(ASK, skus=[MUG, CUP], channelId=unknown) == {"availability": [None, None]}


async def test_only_the_named_locations_count(desk: Desk) -> None:
    data = await desk.ask(ASK, skus=[MUG], locationIds=[WEST, "nope", FAR])
    assert data["availability"] == [answer(MUG, 4, {WEST: 4})]
    data = await desk.ask(ASK, skus=[MUG], locationIds=[location_id(EAST)], channelId=WEB)
    assert data["availability"] == [answer(MUG, 10, {EAST: 10}, channel=WEB)]
    data = await desk.ask(ASK, skus=[MUG], locationIds=[WEST], channelId=WEB)
    assert data["availability"] == [answer(MUG, 0, {}, channel=WEB)]
    data = await desk.ask(ASK, skus=[MUG], locationIds=[])
    assert data["availability"] == [answer(MUG, 0, {})]


async def test_a_location_in_the_red_takes_nothing_from_another(desk: Desk) -> None:
    await desk.adjust(
        "position",
        sku=MUG,
        adjustments=[delta(WEST, -9)],
        idempotencyKey="fact",
        onShortage="RECORD_CONFLICT",
    )
    (mug,) = (await desk.ask(ASK, skus=[MUG]))["availability"]
    assert mug["availableQuantity"] == 10
    assert [(one["location"]["code"], one["available"]) for one in mug["levels"]] == [(EAST, 10), (WEST, -5)]
    assert [(one["availableQuantity"], one["status"]) for one in mug["nodes"]] == [
        (10, "IN_STOCK"),
        (0, "OUT_OF_STOCK"),
    ]


async def test_a_backorderable_item_is_never_out_of_stock(desk: Desk) -> None:
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": JAR, "isBackorderable": True})
    data = await desk.ask("query q($skus: [String!]!) { availability(skus: $skus) { status } }", skus=[JAR, MUG])
    assert data["availability"] == [{"status": "BACKORDER"}, {"status": "IN_STOCK"}]


async def test_an_answer_carries_the_position_at_which_it_is_true(desk: Desk) -> None:
    document = "query q($skus: [String!]!) { availability(skus: $skus) { position asOf } }"
    (before,) = (await desk.ask(document, skus=[MUG]))["availability"]
    payload = await desk.adjust("position", sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey="sale")
    (after,) = (await desk.ask(document, skus=[MUG]))["availability"]
    assert int(after["position"]) == int(payload["position"]) == int(before["position"]) + 1
    assert after["asOf"] >= before["asOf"]


@pytest.mark.parametrize("skus", [[], ["x"] * 251])
async def test_one_to_250_skus_may_be_asked_for(desk: Desk, skus: list[str]) -> None:
    assert await desk.problems(ASK, skus=skus) == [("INVALID_INPUT", ("availability",))]

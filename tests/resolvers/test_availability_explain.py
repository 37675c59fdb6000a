"""`availabilityExplain`: the same number as `availability`, taken apart."""

from typing import Any

import pytest

from resolvers.node_ids import channel_id
from tests.resolvers.desk import CUP, EAST, JAR, MUG, WEB, WEST, Desk, delta

ASK = """
query explain($sku: String!, $channelId: ID) {
  availabilityExplain(sku: $sku, channelId: $channelId) {
    sku channelId availableQuantity status position
    term { ...term parts { ...term parts { ...term parts { name } } } }
  }
  availability(skus: [$sku], channelId: $channelId) { availableQuantity position }
}
fragment term on AvailabilityTerm { name quantity locationId isLimiting }
"""


def term(name: str, quantity: int, *parts: Any, at: str | None = None, limits: bool = False) -> dict[str, Any]:
    return {"name": name, "quantity": quantity, "locationId": at, "isLimiting": limits, "parts": list(parts)}


async def test_it_is_the_sum_of_its_terms_down_to_the_counters(desk: Desk) -> None:
    adjustments = [delta(EAST, 3, bucket="DAMAGED"), delta(WEST, -1)]
    await desk.adjust("position", sku=MUG, idempotencyKey="three-broke", adjustments=adjustments)
    data = await desk.ask(ASK, sku=MUG)
    explained = data["availabilityExplain"]
    assert explained["term"] == term(
        "CHANNEL_AVAILABILITY",
        10,
        term(
            "LOCATION",
            7,
            term("ON_HAND", 10, at=EAST),
            term("DAMAGED", -3, at=EAST, limits=True),
            at=EAST,
        ),
        term("LOCATION", 3, term("ON_HAND", 3, at=WEST), at=WEST),
    )
    (known,) = data["availability"]
    assert explained["availableQuantity"] == known["availableQuantity"] == 10
    assert explained["position"] == known["position"]


async def test_only_what_serves_the_channel_counts(desk: Desk) -> None:
    explained = (await desk.ask(ASK, sku=MUG, channelId=channel_id(WEB)))["availabilityExplain"]
    assert explained["channelId"] == WEB
    assert [one["locationId"] for one in explained["term"]["parts"]] == [EAST]
    assert explained["availableQuantity"] == 10


async def test_what_is_stocked_nowhere_is_explained_too(desk: Desk) -> None:
    explained = (await desk.ask(ASK, sku=JAR))["availabilityExplain"]
    assert explained["term"] == term("CHANNEL_AVAILABILITY", 0, limits=True)


@pytest.mark.parametrize(("sku", "channel"), [("nope", None), (CUP, "nope"), ("a\0b", None)])
async def test_what_is_unknown_is_null(desk: Desk, sku: str, channel: str | None) -> None:
    assert (await desk.ask(ASK, sku=sku, channelId=channel))["availabilityExplain"] is None

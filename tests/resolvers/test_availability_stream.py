"""What availabilityChanged tells, and when it ends; followed through the schema, as a subscriber would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from resolvers.context import RequestContext
from tests.resolvers.desk import CORRELATION_ID, EAST, MUG, WEB, Desk, delta

FOLLOW = """subscription ($skus: [String!], $channel: ID, $after: String) {
  availabilityChanged(skus: $skus, channelId: $channel, after: $after) {
    position sku availableQuantity previousQuantity status
  }
}"""
ANSWER_SECONDS_MAX = 10.0


@asynccontextmanager
async def following(desk: Desk, **variables: object) -> AsyncIterator[AsyncIterator[Any]]:
    """Follow what may be sold, until the block is left."""
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    stream: Any = await desk.schema.subscribe(FOLLOW, variable_values=variables, context_value=context)
    try:
        yield stream
    finally:
        await stream.aclose()


async def told(stream: AsyncIterator[Any]) -> Any:
    """Return what the subscriber is told next."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        result = await anext(stream)
    assert not result.errors, result.errors
    return result.data["availabilityChanged"]


async def sell_out(desk: Desk) -> None:
    """Bring the mug to nothing at every location."""
    levels = await desk.levels()
    entries = [delta(place, -on_hand) for (sku, place), (on_hand, _) in levels.items() if sku == MUG and on_hand]
    payload = await desk.adjust("userErrors { code }", sku=MUG, adjustments=entries, idempotencyKey="sold out")
    assert payload["userErrors"] == []


async def test_a_status_is_news_although_the_quantity_stays(desk: Desk) -> None:
    """Given nothing left, when the item may be backordered from now on, then that is told."""
    await sell_out(desk)
    async with following(desk, skus=[MUG], after=await desk.position()) as stream:
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": MUG, "isBackorderable": True})
        change = await told(stream)
        assert (change["availableQuantity"], change["status"]) == (0, "BACKORDER")
        assert change["position"] == await desk.position()


async def test_it_ends_with_the_channel(desk: Desk) -> None:
    """Given a subscriber of a channel, when the channel is archived, then the stream ends as for an unknown one."""
    async with following(desk, channel=WEB, after=await desk.position()) as stream:
        await desk.accepted("channelArchive", "ChannelArchiveInput", {"channelId": WEB})
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            result = await anext(stream)
        assert [error.extensions["code"] for error in result.errors] == ["CHANNEL_NOT_FOUND"]


async def test_what_changed_often_is_told_once_with_its_last_value(desk: Desk) -> None:
    """Given many changes of one item since a position, when it is followed from there, then one value comes."""
    before = await desk.position()
    (start,) = [on_hand for (sku, place), (on_hand, _) in (await desk.levels()).items() if (sku, place) == (MUG, EAST)]
    for number in range(5):
        await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, 1)], idempotencyKey=f"found {number}")
    async with following(desk, skus=[MUG], after=before) as stream:
        change = await told(stream)
        assert change["previousQuantity"] is None
        assert change["position"] == await desk.position()
        await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey="sold")
        following_change = await told(stream)
        assert following_change["previousQuantity"] == change["availableQuantity"]
        assert following_change["availableQuantity"] == change["availableQuantity"] - 1
    assert start + 4 == (await desk.levels())[MUG, EAST][0]

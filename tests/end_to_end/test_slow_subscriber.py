"""A subscriber that stops reading; the one rule: it is told where it was, and nobody waits for it."""

from typing import Final

from tests.end_to_end.client import Client
from tests.end_to_end.gateway import FEW_EVENTS_KEPT, Gateway
from tests.end_to_end.shop import Shop, open_shop
from tests.end_to_end.streams import STOCK_CHANGED, SocketStream, Stream, StreamFailed, follow, over_each_transport

EVENTS: Final = 130
PLACES: Final = 20
BUFFER_BYTES: Final = 4096
LARGE: Final = """
subscription large($skus: [String!], $after: String) {
  stockChanged(skus: $skus, after: $after) {
    position adjustment { movements { adjustment { referenceDocumentUri correlationId } } }
  }
}
"""
"""One event of 20 movements is 200 kB long in this selection: few fit the buffers of a connection."""
LONG_URI: Final = "\N{PACKAGE}" * 2048
LONG_TRACE: Final = "\N{PACKAGE}" * 500


async def stocked_everywhere(shop: Shop) -> list[str]:
    """Stock the first item at many locations; return their codes."""
    codes = [f"{shop.east}-{number}" for number in range(PLACES)]
    for code in codes:
        await shop.client.accepted("locationUpsert", "LocationUpsertInput", "", {"code": code})
    quantities = [{"locationId": code, "quantity": 1000, "changeFromQuantity": None} for code in codes]
    input = {"sku": shop.skus[0], "quantities": quantities, "idempotencyKey": shop.key()}
    await shop.client.accepted("inventorySet", "InventorySetInput", "", input)
    return codes


async def sell_everywhere(shop: Shop, codes: list[str]) -> int:
    deltas = [(code, -1) for code in codes]
    details = {"referenceDocumentUri": LONG_URI, "correlationId": LONG_TRACE}
    return int((await shop.adjust(shop.skus[0], *deltas, **details))["position"])


async def read_to_the_end(stream: Stream, received: list[int]) -> StreamFailed:
    """Read on until the stream fails, noting the positions; return the failure."""
    for _ in range(EVENTS + 1):
        try:
            received.append(int((await stream.next())["position"]))
        except StreamFailed as failure:
            return failure
    raise AssertionError("the subscriber was never too slow")


@over_each_transport
async def test_a_subscriber_that_stops_reading_is_told_its_position_and_resumes_without_a_gap(
    production: Gateway, transport: str
) -> None:
    async with Client(production.url) as client:
        shop = await open_shop(production, client, items=1)
        codes = await stocked_everywhere(shop)
        before, _ = await shop.snapshot()
        variables = {"skus": [shop.skus[0]], "after": str(before)}
        async with (
            follow(production, LARGE, variables, transport=transport, receive_buffer_bytes=BUFFER_BYTES) as slow,
            follow(production, STOCK_CHANGED, variables, transport=transport) as quick,
        ):
            sold = [await sell_everywhere(shop, codes)]
            received = [int((await slow.next())["position"])]
            for _ in range(EVENTS):
                sold.append(await sell_everywhere(shop, codes))
                assert int((await quick.next())["position"]) == sold[-2]
            failure = await read_to_the_end(slow, received)
            if isinstance(slow, SocketStream):
                assert await slow.socket.ask("another", "{ __typename }") == {"data": {"__typename": "Query"}}
        assert failure.code == "SUBSCRIBER_TOO_SLOW"
        assert received == sold[: len(received)]
        assert len(received) < EVENTS + 1 - FEW_EVENTS_KEPT
        assert failure.position == received[-1]
        variables["after"] = str(failure.position)
        async with follow(production, STOCK_CHANGED, variables, transport=transport) as stream:
            rest = [int((await stream.next())["position"]) for _ in sold[len(received) :]]
    assert received + rest == sold


async def test_catching_up_over_more_than_is_kept_in_memory_is_not_too_slow(production: Gateway) -> None:
    async with Client(production.url) as client:
        shop = await open_shop(production, client, items=1)
        before, _ = await shop.snapshot()
        sold = [await shop.sell(shop.skus[0]) for _ in range(FEW_EVENTS_KEPT + 20)]
        for transport in ("websocket", "sse"):
            variables = {"skus": [shop.skus[0]], "after": str(before)}
            async with follow(production, STOCK_CHANGED, variables, transport=transport) as stream:
                assert [int((await stream.next())["position"]) for _ in sold] == sold

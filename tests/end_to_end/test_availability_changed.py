"""availabilityChanged over both transports; the one rule: only the latest value, and never one less than that."""

import asyncio

from tests.end_to_end.shop import OPENING, Shop
from tests.end_to_end.streams import AVAILABILITY_CHANGED, Stream, follow, over_each_transport


async def values(stream: Stream, count: int) -> list[tuple[str, int | None, int]]:
    """Return (SKU, previous quantity, quantity) of the next changes."""
    changes = [await stream.next() for _ in range(count)]
    return [(one["sku"], one["previousQuantity"], one["availableQuantity"]) for one in changes]


@over_each_transport
async def test_the_latest_value_of_each_changed_item_comes_once_and_then_live(shop: Shop, transport: str) -> None:
    first, second, third = shop.skus
    before, _ = await shop.snapshot()
    for units in (1, 2, 3):
        await shop.sell(first, units)
    await shop.sell(third, OPENING)
    await shop.sell(third, OPENING, shop.west)
    variables = {"skus": list(shop.skus), "after": str(before)}
    async with follow(shop.gateway, AVAILABILITY_CHANGED, variables, transport=transport) as stream:
        caught_up = await values(stream, 2)
        assert sorted(caught_up) == [(first, None, 2 * OPENING - 6), (third, None, 0)]
        await shop.sell(second, 4)
        assert await values(stream, 1) == [(second, None, 2 * OPENING - 4)]
        await shop.sell(first, 1)
        assert await values(stream, 1) == [(first, 2 * OPENING - 6, 2 * OPENING - 7)]
        await shop.adjust(third, (shop.west, 5))
        change = await stream.next()
    assert (change["previousQuantity"], change["availableQuantity"], change["status"]) == (0, 5, "IN_STOCK")
    assert change["channelId"] is None


@over_each_transport
async def test_a_channel_is_told_only_what_changes_for_it(shop: Shop, transport: str) -> None:
    first = shop.skus[0]
    before, _ = await shop.snapshot()
    variables = {"skus": [first], "channelId": shop.web, "after": str(before)}
    async with follow(shop.gateway, AVAILABILITY_CHANGED, variables, transport=transport) as stream:
        await shop.sell(first, 1, shop.east)
        change = await stream.next()
        assert (change["channelId"], change["availableQuantity"]) == (shop.web, OPENING - 1)
        await shop.sell(first, 10, shop.west)
        await shop.sell(first, 1, shop.east)
        assert await values(stream, 1) == [(first, OPENING - 1, OPENING - 2)]
        await shop.client.accepted(
            "locationUpsert", "LocationUpsertInput", "", {"code": shop.west, "channelIds": [shop.web, shop.till]}
        )
        assert await values(stream, 1) == [(first, OPENING - 2, 2 * OPENING - 12)]
        await shop.client.accepted("locationUpsert", "LocationUpsertInput", "", {"code": shop.east, "channelIds": []})
        assert await values(stream, 1) == [(first, 2 * OPENING - 12, OPENING - 10)]


@over_each_transport
async def test_what_a_location_came_to_serve_is_told_when_resuming(shop: Shop, transport: str) -> None:
    before, _ = await shop.snapshot()
    await shop.client.accepted(
        "locationUpsert", "LocationUpsertInput", "", {"code": shop.west, "channelIds": [shop.web]}
    )
    for skus in (list(shop.skus), None):
        variables = {"skus": skus, "channelId": shop.web, "after": str(before)}
        async with follow(shop.gateway, AVAILABILITY_CHANGED, variables, transport=transport) as stream:
            caught_up = await values(stream, len(shop.skus))
        assert sorted(caught_up) == [(sku, None, 2 * OPENING) for sku in sorted(shop.skus)]


@over_each_transport
async def test_cut_off_between_two_values_a_subscriber_is_told_of_the_second_again(shop: Shop, transport: str) -> None:
    before, _ = await shop.snapshot()
    for units, sku in enumerate(shop.skus, start=1):
        await shop.sell(sku, units)
    expected = {sku: 2 * OPENING - units for units, sku in enumerate(shop.skus, start=1)}
    last = before
    for cut_after in range(len(shop.skus)):
        told, last = await told_after(shop, before, transport=transport, changes=cut_after)
        again, last = await told_after(shop, last, transport=transport, changes=len(shop.skus))
        assert told | again == expected
    # The last value's position is complete: after it there is nothing but what comes now.
    variables = {"skus": list(shop.skus), "after": str(last)}
    async with follow(shop.gateway, AVAILABILITY_CHANGED, variables, transport=transport) as stream:
        await shop.sell(shop.skus[1], 1)
        assert await values(stream, 1) == [(shop.skus[1], None, expected[shop.skus[1]] - 1)]


async def told_after(shop: Shop, last: int, *, transport: str, changes: int) -> tuple[dict[str, int], int]:
    """Read so many values after a position; return them and the position to resume from."""
    told: dict[str, int] = {}
    variables = {"skus": list(shop.skus), "after": str(last)}
    async with follow(shop.gateway, AVAILABILITY_CHANGED, variables, transport=transport) as stream:
        for _ in range(changes):
            change = await stream.next()
            told[change["sku"]] = change["availableQuantity"]
            last = int(change["position"])
    return told, last


@over_each_transport
async def test_without_a_position_the_first_change_knows_what_was_before(shop: Shop, transport: str) -> None:
    sku = shop.skus[0]
    async with follow(shop.gateway, AVAILABILITY_CHANGED, {"skus": [sku]}, transport=transport) as stream:
        receiving = asyncio.create_task(stream.next())
        while not receiving.done():
            await shop.sell(sku, 1, shop.west)
        first = await receiving
        assert first["previousQuantity"] > first["availableQuantity"]
        await shop.sell(sku)
        left = (await shop.snapshot())[1][sku]
        said = first["availableQuantity"]
        # The latest value is told once: it may have come with an earlier change already.
        while said != left:
            change = await stream.next()
            assert change["previousQuantity"] == said
            said = change["availableQuantity"]

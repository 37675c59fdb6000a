"""stockChanged over both transports: snapshots, resuming, filters; the one rule: nothing missed, nothing twice."""

import asyncio
import random
from contextlib import suppress

from websockets.exceptions import ConnectionClosed

from tests.end_to_end.client import Answer
from tests.end_to_end.event_stream import StreamCut
from tests.end_to_end.shop import OPENING, Shop
from tests.end_to_end.streams import STOCK_CHANGED, follow, over_each_transport

WRITERS = 4
SALES_PER_WRITER = 12


async def sell_at_random(shop: Shop, seed: int) -> list[int]:
    """Sell one unit after the other from random places; return the positions."""
    chance = random.Random(seed)
    return [
        await shop.sell(chance.choice(shop.skus), 1, chance.choice((shop.east, shop.west)))
        for _ in range(SALES_PER_WRITER)
    ]


async def sell_side_by_side(shop: Shop) -> list[int]:
    """Sell with several writers at once; return all positions in order."""
    made = await asyncio.gather(*(sell_at_random(shop, seed) for seed in range(WRITERS)))
    return sorted(position for positions in made for position in positions)


@over_each_transport
async def test_a_change_is_told_with_all_that_it_did(shop: Shop, transport: str) -> None:
    before, _ = await shop.snapshot()
    variables = {"skus": [shop.skus[0]], "after": str(before)}
    async with follow(shop.gateway, STOCK_CHANGED, variables, transport=transport) as stream:
        payload = await shop.adjust(
            shop.skus[0],
            (shop.east, -3),
            (shop.west, 1),
            selection="position adjustment { idempotencyKey occurredAt }",
            reason="SALE",
            sourceChannelId=shop.web,
            correlationId="trace-1",
        )
        change = await stream.next()
    key = payload["adjustment"]["idempotencyKey"]
    assert change == {
        "position": payload["position"],
        "sku": shop.skus[0],
        "reason": "SALE",
        "sourceChannelId": shop.web,
        "correlationId": "trace-1",
        "occurredAt": payload["adjustment"]["occurredAt"],
        "levels": [
            {"location": {"code": shop.east}, "onHand": OPENING - 3, "version": 2},
            {"location": {"code": shop.west}, "onHand": OPENING + 1, "version": 2},
        ],
        "adjustment": {
            "position": payload["position"],
            "idempotencyKey": key,
            "movements": [
                {"locationCode": shop.east, "delta": -3, "balanceAfter": OPENING - 3},
                {"locationCode": shop.west, "delta": 1, "balanceAfter": OPENING + 1},
            ],
        },
    }


@over_each_transport
async def test_a_snapshot_and_what_comes_after_it_make_the_whole_under_concurrent_writes(
    shop: Shop, transport: str
) -> None:
    writing = asyncio.create_task(sell_side_by_side(shop))
    async with follow(
        shop.gateway, STOCK_CHANGED, {"skus": list(shop.skus), "after": "0"}, transport=transport
    ) as early:
        # Well within the writes: the openings and some sales have come.
        for _ in range(len(shop.skus) + WRITERS * SALES_PER_WRITER // 3):
            await early.next()
    snapshot, available = await shop.snapshot()
    variables = {"skus": list(shop.skus), "after": str(snapshot)}
    async with follow(shop.gateway, STOCK_CHANGED, variables, transport=transport) as stream:
        positions = await writing
        later = [position for position in positions if position > snapshot]
        changes = [await stream.next() for _ in later]
        sentinel = await shop.sell(shop.skus[0])
        assert int((await stream.next())["position"]) == sentinel
    assert [int(change["position"]) for change in changes] == later
    for change in changes:
        available[change["sku"]] += sum(one["delta"] for one in change["adjustment"]["movements"])
    available[shop.skus[0]] -= 1
    assert (await shop.snapshot())[1] == available


@over_each_transport
async def test_a_subscriber_that_is_cut_off_again_and_again_misses_nothing(shop: Shop, transport: str) -> None:
    chance = random.Random(7)
    last, _ = await shop.snapshot()
    writing = asyncio.create_task(sell_side_by_side(shop))
    received: list[int] = []
    connections = 0
    while len(received) < WRITERS * SALES_PER_WRITER:
        connections += 1
        variables = {"skus": list(shop.skus), "after": str(last)}
        async with follow(shop.gateway, STOCK_CHANGED, variables, transport=transport) as stream:
            for _ in range(min(chance.randint(1, 8), WRITERS * SALES_PER_WRITER - len(received))):
                last = int((await stream.next())["position"])
                received.append(last)
            stream.cut()
            with suppress(ConnectionClosed, StreamCut):
                # What was on its way when the connection broke is lost, as in life.
                await stream.next()
    assert connections > 5
    assert received == await writing


@over_each_transport
async def test_only_the_named_items_and_locations_are_followed(shop: Shop, transport: str) -> None:
    first, second, third = shop.skus
    before, _ = await shop.snapshot()
    variables: Answer = {"skus": [first, third], "locationIds": [shop.west], "after": str(before)}
    async with follow(shop.gateway, STOCK_CHANGED, variables, transport=transport) as stream:
        await shop.sell(second, 1, shop.west)
        await shop.sell(first, 1, shop.east)
        await shop.adjust(first, (shop.east, -1), (shop.west, -1))
        await shop.sell(third, 5, shop.west)
        changes = [await stream.next() for _ in range(2)]
    assert [(one["sku"], [level["location"]["code"] for level in one["levels"]]) for one in changes] == [
        (first, [shop.west]),
        (third, [shop.west]),
    ]
    assert len(changes[0]["adjustment"]["movements"]) == 2


@over_each_transport
async def test_the_beginning_and_end_of_a_level_are_told(shop: Shop, transport: str) -> None:
    sku, place = shop.skus[0], f"{shop.east}-2"
    await shop.client.accepted("locationUpsert", "LocationUpsertInput", "", {"code": place})
    before, _ = await shop.snapshot()
    async with follow(
        shop.gateway, STOCK_CHANGED, {"skus": [sku], "after": str(before)}, transport=transport
    ) as stream:
        level = {"sku": sku, "locationId": place}
        begun = await shop.client.accepted("inventoryActivate", "InventoryActivateInput", "position", level)
        ended = await shop.client.accepted("inventoryDeactivate", "InventoryDeactivateInput", "position", level)
        changes = [await stream.next() for _ in range(2)]
    assert [one["position"] for one in changes] == [begun["position"], ended["position"]]
    assert [one["adjustment"] for one in changes] == [None, None]
    assert [one["levels"] for one in changes] == [
        [{"location": {"code": place}, "onHand": 0, "version": version}] for version in (1, 2)
    ]


@over_each_transport
async def test_without_a_position_a_subscriber_begins_now(shop: Shop, transport: str) -> None:
    await shop.sell(shop.skus[0])
    async with follow(shop.gateway, STOCK_CHANGED, {"skus": [shop.skus[0]]}, transport=transport) as stream:
        receiving = asyncio.create_task(stream.next())
        sold: list[int] = []
        while not receiving.done():
            # There is no word from the gateway that it has begun to follow; from the first change on, all must come.
            sold.append(await shop.sell(shop.skus[0], 1, shop.west))
        first = int((await receiving)["position"])
        sold.append(await shop.sell(shop.skus[0]))
        assert first in sold
        for position in sold[sold.index(first) + 1 :]:
            assert int((await stream.next())["position"]) == position

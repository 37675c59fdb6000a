"""Two gateways on one PostgreSQL, as clients of both see them; the one rule: it makes no difference which is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.end_to_end.client import Answer, Client, codes, refusals
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import OPENING, Shop, open_shop
from tests.end_to_end.streams import AVAILABILITY_CHANGED, STOCK_CHANGED, follow, over_each_transport
from tests.servers.postgres_server import TestServer

EVENT_SECONDS_MAX: Final = 10.0
ROUNDS: Final = 10
BUYERS: Final = 20
AVAILABLE: Final = "query available($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"
ADJUST: Final = """
mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) {
    replayed adjustment { id position movements { locationCode delta balanceAfter } } userErrors { field message code }
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two gateways that share a database, a client of each, and a shop that was opened at the first."""

    first: Client
    second: Client
    other: Gateway
    shop: Shop

    async def sell(self, client: Client, key: str, units: int = 1, location: str | None = None) -> Answer:
        """Take units of the first item from one location, at whichever gateway."""
        change = {"locationId": location or self.shop.east, "delta": -units}
        input = {"sku": self.shop.skus[0], "adjustments": [change], "idempotencyKey": key}
        payload: Answer = (await client.ask(ADJUST, input=input))["inventoryAdjust"]
        return payload


@pytest.fixture(scope="module")
def gateways_of_two(
    postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways that start at the same moment on a database that holds no tables yet."""
    name = "stockgate_two_gateways"
    asyncio.run(postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE template0"))
    directory = tmp_path_factory.mktemp("two")
    settings = {"STOCKGATE_DATABASE_URL": postgres_server.url(name)}
    with (
        Gateway(file=directory / "first", settings=settings) as first,
        Gateway(file=directory / "second", settings=settings) as second,
    ):

        async def begin() -> None:
            await asyncio.gather(asyncio.to_thread(first.begin), asyncio.to_thread(second.begin))

        asyncio.run(begin())
        yield first, second
        for gateway in (first, second):
            assert gateway.stop(deadline_seconds=20.0) == 0
            assert gateway.failures() == [], gateway.log()


@pytest.fixture
async def pair(gateways_of_two: tuple[Gateway, Gateway]) -> AsyncIterator[Pair]:
    """The two gateways, with a shop of the test's own."""
    one, other = gateways_of_two
    async with Client(one.url) as first, Client(other.url) as second:
        yield Pair(first=first, second=second, other=other, shop=await open_shop(one, first))


async def test_what_one_acknowledged_the_other_answers(pair: Pair) -> None:
    for number, (writer, reader) in enumerate([(pair.first, pair.second), (pair.second, pair.first)] * 5):
        sold = await pair.sell(writer, pair.shop.key())
        assert sold["userErrors"] == []
        found = await reader.ask(AVAILABLE, skus=pair.shop.skus[:1])
        assert found["availability"] == [{"availableQuantity": 2 * OPENING - number - 1}]


async def test_a_key_that_one_knows_is_replayed_by_the_other(pair: Pair) -> None:
    key = pair.shop.key()
    first = await pair.sell(pair.first, key)
    assert (first["replayed"], first["userErrors"]) == (False, [])
    assert await pair.sell(pair.second, key) == {**first, "replayed": True}
    assert refusals(await pair.sell(pair.second, key, units=2)) == [
        ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")
    ]


async def test_one_key_sent_to_both_at_once_moves_stock_once(pair: Pair) -> None:
    before = await pair.shop.on_hand()
    for _ in range(ROUNDS):
        key = pair.shop.key()
        told = await asyncio.gather(*(pair.sell(client, key) for client in (pair.first, pair.second) * 5))
        assert [one["userErrors"] for one in told] == [[]] * 10
        assert sorted(one["replayed"] for one in told) == [False, *[True] * 9]
        assert [one["adjustment"] for one in told] == [told[0]["adjustment"]] * 10
    after = await pair.shop.on_hand()
    sold = (pair.shop.skus[0], pair.shop.east)
    assert after == {**before, sold: before[sold] - ROUNDS}


async def test_one_key_with_two_changes_that_share_no_level_counts_once(pair: Pair) -> None:
    """Given changes that lock nothing in common, sent to both at once, then the key itself decides between them."""
    for _ in range(ROUNDS):
        key = pair.shop.key()
        told = await asyncio.gather(
            pair.sell(pair.first, key, location=pair.shop.east), pair.sell(pair.second, key, location=pair.shop.west)
        )
        assert sorted(refusals(one) for one in told) == [
            [],
            [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")],
        ]


async def test_the_last_unit_is_sold_once(pair: Pair) -> None:
    sku, east = pair.shop.skus[0], pair.shop.east
    for _ in range(ROUNDS):
        one_left = {"sku": sku, "quantities": [{"locationId": east, "quantity": 1, "changeFromQuantity": None}]}
        await pair.first.accepted(
            "inventorySet", "InventorySetInput", "replayed", {**one_left, "idempotencyKey": pair.shop.key()}
        )
        told = await asyncio.gather(
            *(pair.sell(client, pair.shop.key()) for client in (pair.first, pair.second) * (BUYERS // 2))
        )
        assert sorted(refusals(one) for one in told) == [
            [],
            *[[("INSUFFICIENT_STOCK", "input.adjustments.0.delta")]] * (BUYERS - 1),
        ]


@over_each_transport
async def test_a_subscriber_of_one_is_told_what_the_other_changed(pair: Pair, transport: str) -> None:
    position, _ = await pair.shop.snapshot()
    sku = pair.shop.skus[0]
    variables = {"skus": [sku], "after": str(position)}
    async with follow(pair.other, STOCK_CHANGED, variables, transport=transport) as stream:
        keys = [pair.shop.key() for _ in range(5)]
        for key in keys:
            await pair.sell(pair.first, key)
        told = [await asyncio.wait_for(stream.next(), EVENT_SECONDS_MAX) for _ in keys]
    assert [one["adjustment"]["idempotencyKey"] for one in told] == keys


async def test_a_subscriber_cut_off_from_one_goes_on_at_the_other(pair: Pair) -> None:
    position, _ = await pair.shop.snapshot()
    variables = {"skus": [pair.shop.skus[0]], "channelId": None}
    keys = count(1)
    seen: list[int] = []
    for gateway in (pair.other, pair.shop.gateway, pair.other):
        await pair.sell(pair.first, f"{pair.shop.east}-cut-{next(keys)}")
        after = {**variables, "after": str(position)}
        async with follow(gateway, AVAILABILITY_CHANGED, after, transport="websocket") as stream:
            told = await asyncio.wait_for(stream.next(), EVENT_SECONDS_MAX)
            stream.cut()
        position = int(told["position"])
        seen.append(told["availableQuantity"])
    assert seen == [2 * OPENING - 1, 2 * OPENING - 2, 2 * OPENING - 3]


async def test_an_item_is_not_archived_while_another_gateway_begins_its_level(pair: Pair) -> None:
    """Given an archive at one and an activation at the other, at once, then never both."""
    for number in range(ROUNDS):
        sku = f"{pair.shop.east}-brief-{number}"
        await pair.first.accepted("itemUpsert", "ItemUpsertInput", "inventoryItem { sku }", {"sku": sku})
        archived, begun = await asyncio.gather(
            pair.first.change("itemArchive", "ItemArchiveInput", "userErrors { code field }", {"sku": sku}),
            pair.second.change(
                "inventoryActivate",
                "InventoryActivateInput",
                "userErrors { code field }",
                {"sku": sku, "locationId": pair.shop.east, "idempotencyKey": pair.shop.key()},
            ),
        )
        assert sorted(refusals(archived) + refusals(begun)) in (
            [("STILL_STOCKED", "input.sku")],
            [("ITEM_NOT_FOUND", "input.sku")],
        )


async def test_codes_of_a_schema_that_is_refused_are_the_same_at_both(pair: Pair, tmp_path: Path) -> None:
    told = [(await client.post("{ nothing }")).json() for client in (pair.first, pair.second)]
    assert codes(told[0]) == codes(told[1]) == ["GRAPHQL_VALIDATION_FAILED"]

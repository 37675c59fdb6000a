"""The guides' own operation and what a restart leaves of it; the one rule: a key is answered for ever."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.end_to_end.client import Answer, Client, refusals
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.streams import AVAILABILITY_CHANGED, STOCK_CHANGED, StreamFailed, follow, over_each_transport

OPERATION: Final = """mutation adjustMultiChannelInventory($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) {
    inventoryItem { id sku totalAvailableQuantity }
    syncStatus { channelId confirmedAt idempotencyKey }
    userErrors { field message }
  }
}
"""
VARIABLES: Final[Answer] = {
    "input": {
        "sku": "B2B-SERV-001X",
        "adjustments": [{"locationId": "WH-US-EAST", "delta": -5}, {"locationId": "WH-EU-CENTRAL", "delta": -2}],
        "idempotencyKey": "order_77921_sync_04",
    }
}
WITH_ADJUSTMENT: Final = """
mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) {
    replayed position userErrors { field message code }
    adjustment {
      id idempotencyKey sku reason position occurredAt recordedAt recordedBy sourceChannelId correlationId
      referenceDocumentUri movements { locationCode bucket delta balanceAfter recordedAt reason sku }
    }
  }
}
"""
LEVELS: Final = """
{ inventoryItem(sku: "B2B-SERV-001X") { totalAvailableQuantity levels { location { code } onHand version } } }
"""
CATALOGUE: Final = """
mutation {
  b2b: channelUpsert(input: {code: "b2b"}) { userErrors { code } }
  web: channelUpsert(input: {code: "web"}) { userErrors { code } }
  east: locationUpsert(input: {code: "WH-US-EAST", channelIds: ["b2b", "web"]}) { userErrors { code } }
  central: locationUpsert(input: {code: "WH-EU-CENTRAL", channelIds: ["b2b"]}) { userErrors { code } }
  item: itemUpsert(input: {sku: "B2B-SERV-001X", name: "Server"}) { userErrors { code } }
  listings: listingUpsertBulk(
    inputs: [{sku: "B2B-SERV-001X", channelId: "b2b"}, {sku: "B2B-SERV-001X", channelId: "web"}]
  ) { userErrors { code } }
  stock: inventorySet(input: {
    sku: "B2B-SERV-001X", idempotencyKey: "opening"
    quantities: [
      {locationId: "WH-US-EAST", quantity: 20, changeFromQuantity: null}
      {locationId: "WH-EU-CENTRAL", quantity: 10, changeFromQuantity: null}
    ]
  }) { userErrors { code } }
}
"""
DAY_MICROSECONDS: Final = 24 * 60 * 60 * 1_000_000
FORGOTTEN_SECONDS_MAX: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What a gateway answered in its first life, with its clock set forward by 40 days before its second."""

    gateway: Gateway
    first: Answer
    second: Answer
    levels: Answer
    detailed: Answer
    head: int


@pytest.fixture(scope="module")
def life(gateways: Gateways) -> Iterator[Life]:
    """A gateway that was stopped and started again."""
    with gateways.new("contract", EVENT_RETENTION_DAYS="30").begin() as gateway:
        lived = asyncio.run(_first_life(gateway))
        assert gateway.stop(deadline_seconds=20.0) == 0
        aged = gateway.change("UPDATE events SET recorded_at = recorded_at - ?", 40 * DAY_MICROSECONDS)
        assert aged == lived.head
        gateway.begin()
        asyncio.run(_forgotten(gateway))
        yield lived
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()


async def _first_life(gateway: Gateway) -> Life:
    async with Client(gateway.url) as client:
        created = await client.ask(CATALOGUE)
        assert [one["userErrors"] for one in created.values()] == [[]] * len(created)
        first = (await client.ask(OPERATION, **VARIABLES))["inventoryAdjust"]
        second = (await client.ask(OPERATION, **VARIABLES))["inventoryAdjust"]
        detailed = (await client.ask(WITH_ADJUSTMENT, **VARIABLES))["inventoryAdjust"]
        levels = await client.ask(LEVELS)
    head = max(position for (position, *_) in gateway.dump()["events"])
    return Life(gateway=gateway, first=first, second=second, levels=levels, detailed=detailed, head=head)


async def _forgotten(gateway: Gateway) -> None:
    async with asyncio.timeout(FORGOTTEN_SECONDS_MAX):
        while gateway.dump()["events"]:
            await asyncio.sleep(0.02)


def test_the_guides_operation_runs_as_it_stands(life: Life) -> None:
    key = "order_77921_sync_04"
    assert life.first == {
        "inventoryItem": {
            "id": life.first["inventoryItem"]["id"],
            "sku": "B2B-SERV-001X",
            "totalAvailableQuantity": 23,
        },
        "syncStatus": [
            {"channelId": "b2b", "confirmedAt": None, "idempotencyKey": key},
            {"channelId": "web", "confirmedAt": None, "idempotencyKey": key},
        ],
        "userErrors": [],
    }


def test_a_second_time_it_answers_the_same_and_moves_nothing(life: Life) -> None:
    assert life.second == life.first
    assert (life.detailed["replayed"], life.detailed["userErrors"]) == (True, [])
    assert [
        (one["locationCode"], one["delta"], one["balanceAfter"]) for one in life.detailed["adjustment"]["movements"]
    ] == [
        ("WH-US-EAST", -5, 15),
        ("WH-EU-CENTRAL", -2, 8),
    ]
    assert life.levels["inventoryItem"] == {
        "totalAvailableQuantity": 23,
        "levels": [
            {"location": {"code": "WH-EU-CENTRAL"}, "onHand": 8, "version": 2},
            {"location": {"code": "WH-US-EAST"}, "onHand": 15, "version": 2},
        ],
    }


async def test_after_a_restart_it_still_answers_the_same_and_moves_nothing(life: Life) -> None:
    async with Client(life.gateway.url) as client:
        assert (await client.ask(WITH_ADJUSTMENT, **VARIABLES))["inventoryAdjust"] == life.detailed
        assert (await client.ask(OPERATION, **VARIABLES))["inventoryAdjust"] == life.first
        assert await client.ask(LEVELS) == life.levels
        other = {"input": {**VARIABLES["input"], "reason": "SALE"}}
        payload = (await client.ask(WITH_ADJUSTMENT, **other))["inventoryAdjust"]
        assert refusals(payload) == [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")]


@over_each_transport
@pytest.mark.parametrize("document", [STOCK_CHANGED, AVAILABILITY_CHANGED])
async def test_what_is_no_longer_kept_cannot_be_resumed(life: Life, transport: str, document: str) -> None:
    for after in (0, life.head - 1):
        async with follow(life.gateway, document, {"after": str(after)}, transport=transport) as stream:
            with pytest.raises(StreamFailed) as failed:
                await stream.next()
        assert failed.value.code == "POSITION_EXPIRED"


@over_each_transport
async def test_positions_go_on_where_the_log_ended(life: Life, transport: str) -> None:
    async with Client(life.gateway.url) as client:
        head = int(
            (await client.ask('{ availability(skus: ["B2B-SERV-001X"]) { position } }'))["availability"][0]["position"]
        )
        assert head >= life.head
        variables: Answer = {"after": str(head)}
        async with follow(life.gateway, STOCK_CHANGED, variables, transport=transport) as stream:
            entries = [{"locationId": "WH-US-EAST", "delta": 1}]
            again = {"sku": "B2B-SERV-001X", "adjustments": entries, "idempotencyKey": f"again-{transport}"}
            await client.accepted("inventoryAdjust", "InventoryAdjustmentInput", "", again)
            change = await stream.next()
    assert (int(change["position"]), change["adjustment"]["idempotencyKey"]) == (head + 1, f"again-{transport}")

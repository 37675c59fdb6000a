"""How many SQL statements an answer costs; the one rule: the number never grows with the number of entries."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import strawberry

from app.storage.database import SqliteDatabase
from tests.resolvers.desk import EAST, TILL, WEB, WEST, Desk, complete, delta, open_desk

ITEMS = 260
PAGE = 250
SKUS = [f"BULK-{number:03d}" for number in range(ITEMS)]

AVAILABILITY = """
query q($skus: [String!]!, $channelId: ID) {
  availability(skus: $skus, channelId: $channelId) {
    sku availableQuantity status asOf position
    nodes { location { id code name kind } availableQuantity status }
    levels { id onHand reserved available version location { code name } }
  }
}
"""
ITEM_LIST = """
query q($first: Int!) {
  inventoryItems(first: $first) {
    edges { cursor node { id sku } }
    nodes {
      id sku name totalAvailableQuantity
      levels { id onHand location { code channels { code name } } }
      syncStatus { channelId state }
    }
    pageInfo { endCursor }
  }
}
"""
LEDGER = """
query q($first: Int!) {
  movements(first: $first) {
    nodes { sku location { code channels { code } } adjustment { id movements { delta location { code } } } }
  }
}
"""
ADJUST_BULK = """
mutation m($inputs: [InventoryAdjustmentInput!]!, $errorPolicy: ErrorPolicy!) {
  inventoryAdjustBulk(inputs: $inputs, errorPolicy: $errorPolicy) {
    results {
      replayed position inventoryItem { sku totalAvailableQuantity levels { onHand location { code } } }
      adjustment { id movements { delta location { code } } } levels { onHand location { code } }
      syncStatus { channelId idempotencyKey } userErrors { code field message }
    }
  }
}
"""
ITEM_BULK = """
mutation m($inputs: [ItemUpsertInput!]!) {
  itemUpsertBulk(inputs: $inputs) { results { inventoryItem { sku levels { onHand } syncStatus { channelId } } } }
}
"""
ACTIVATE = """
mutation m($sku: String!, $east: ID!, $west: ID!) {
  east: inventoryActivate(input: {sku: $sku, locationId: $east}) { replayed }
  west: inventoryActivate(input: {sku: $sku, locationId: $west}) { replayed }
}
"""
LISTING_BULK = """
mutation m($inputs: [ListingUpsertInput!]!) {
  listingUpsertBulk(inputs: $inputs) { results { listing { id sku } userErrors { code } } }
}
"""


@asynccontextmanager
async def statements(desk: Desk) -> AsyncIterator[list[str]]:
    """Note each statement that the gateway's connections run."""
    database = desk.gateway.database
    assert isinstance(database, SqliteDatabase)
    seen: list[str] = []
    connections = [database._writer.connection, *(one.connection for one in database._readers._connections)]
    for connection in connections:
        await connection.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        for connection in connections:
            await connection.set_trace_callback(None)  # type: ignore[arg-type]  # what takes it off again


async def cost_of(desk: Desk, document: str, **variables: object) -> int:
    """Return how many statements a request takes, once its statements have been prepared."""
    async with statements(desk) as seen:
        await desk.ask(document, **variables)
    return len(seen)


@pytest.fixture(scope="module")
def warehouse_file(stocked_file: Path, schema: strawberry.Schema) -> Path:
    """A file with many items at two locations, most of them listed on two channels."""
    path = Path(shutil.copyfile(stocked_file, stocked_file.with_name("warehouse.sqlite3")))

    async def stock() -> None:
        async with open_desk(path, schema) as desk:
            await stock_many(desk)

    asyncio.run(stock())
    return complete(path)


@pytest.fixture
async def warehouse(warehouse_file: Path, schema: strawberry.Schema, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway with many items."""
    path = Path(shutil.copyfile(warehouse_file, tmp_path / "gateway.sqlite3"))
    async with open_desk(path, schema) as desk:
        yield desk


async def stock_many(desk: Desk) -> None:
    for start in range(0, ITEMS, PAGE):
        await desk.ask(ITEM_BULK, inputs=[{"sku": sku, "name": sku} for sku in SKUS[start : start + PAGE]])
    for channel in (WEB, TILL):
        inputs = [{"sku": sku, "channelId": channel} for sku in SKUS[:PAGE]]
        await desk.ask(LISTING_BULK, inputs=inputs)
    await asyncio.gather(*(desk.ask(ACTIVATE, sku=sku, east=EAST, west=WEST) for sku in SKUS))


def sales(skus: Sequence[str], key: str, amount: int) -> list[dict[str, object]]:
    return [{"sku": sku, "idempotencyKey": f"{key}-{sku}", "adjustments": [delta(EAST, amount)]} for sku in skus]


async def test_availability_is_one_statement(warehouse: Desk) -> None:
    assert await cost_of(warehouse, AVAILABILITY, skus=SKUS[:1]) == 1
    assert await cost_of(warehouse, AVAILABILITY, skus=SKUS[:PAGE]) == 1
    assert await cost_of(warehouse, AVAILABILITY, skus=SKUS[:PAGE], channelId=WEB) == 1
    assert await cost_of(warehouse, AVAILABILITY, skus=["nope"]) == 1


async def test_a_list_of_items_takes_four_statements(warehouse: Desk) -> None:
    for size in (1, PAGE):
        assert await cost_of(warehouse, ITEM_LIST, first=size) == 4  # the page, levels, channels served, listings


async def test_the_ledger_takes_a_constant_number_of_statements(warehouse: Desk) -> None:
    await warehouse.ask(ADJUST_BULK, inputs=sales(SKUS[:PAGE], "opening", 5), errorPolicy="REJECT_FAILED_ROWS")
    few = await cost_of(warehouse, LEDGER, first=1)
    assert await cost_of(warehouse, LEDGER, first=PAGE) == few


@pytest.mark.parametrize("policy", ["REJECT_FAILED_ROWS", "REJECT_EVERYTHING"])
async def test_bulk_adjustments_take_a_constant_number_of_statements(warehouse: Desk, policy: str) -> None:
    for key, amount in (("in", 3), ("in", 3), ("out", -99)):
        few = await cost_of(warehouse, ADJUST_BULK, inputs=sales(SKUS[:2], f"few-{key}", amount), errorPolicy=policy)
        many = await cost_of(
            warehouse, ADJUST_BULK, inputs=sales(SKUS[:PAGE], f"many-{key}", amount), errorPolicy=policy
        )
        assert many == few, key


async def test_bulk_changes_of_the_catalogue_take_a_constant_number_of_statements(warehouse: Desk) -> None:
    for number, document in enumerate((ITEM_BULK, LISTING_BULK)):
        more = {"name": f"new {number}"} if document == ITEM_BULK else {"channelId": WEB, "externalKey": "new"}
        few = await cost_of(warehouse, document, inputs=[{"sku": sku, **more} for sku in SKUS[:2]])
        many = await cost_of(warehouse, document, inputs=[{"sku": sku, **more} for sku in SKUS[2:252]])
        assert many == few


async def test_requests_of_one_tick_share_their_statements(warehouse: Desk) -> None:
    pages = [SKUS[number : number + 20] for number in range(0, 200, 10)]
    async with statements(warehouse) as seen:
        answers = await asyncio.gather(*(warehouse.ask(AVAILABILITY, skus=page) for page in pages))
    assert [[one["sku"] for one in answer["availability"]] for answer in answers] == pages
    assert len(pages) == 20
    assert len(seen) == 1
    one_item = "query q($sku: String!) { inventoryItem(sku: $sku) { sku levels { onHand } syncStatus { state } } }"
    async with statements(warehouse) as seen:
        await asyncio.gather(*(warehouse.ask(one_item, sku=sku) for sku in SKUS[:20]))
    assert len(seen) == 3


async def test_positions_take_no_more_statements(warehouse: Desk) -> None:
    asking = AVAILABILITY.replace("$channelId: ID)", "$channelId: ID, $at: String)").replace(
        "$channelId)", "$channelId, minPosition: $at)"
    )
    head = await warehouse.position()
    async with statements(warehouse) as seen:
        await asyncio.gather(*(warehouse.ask(asking, skus=SKUS[:3], at=one) for one in (None, head, "1", head)))
    assert len(seen) == 1


async def test_a_loader_remembers_nothing(warehouse: Desk) -> None:
    for amount in (1, 2, 3):
        await warehouse.adjust("replayed", sku=SKUS[0], adjustments=[delta(EAST, 1)], idempotencyKey=f"in-{amount}")
        answer = await warehouse.ask(AVAILABILITY, skus=[SKUS[0], SKUS[0]])
        assert [one["availableQuantity"] for one in answer["availability"]] == [amount, amount]

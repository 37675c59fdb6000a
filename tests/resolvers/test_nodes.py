"""`node` and the questions for one thing; the one rule: what is missing, archived or another's is the same null."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.principals import Principal, Role
from domain.text import encode_node_id
from resolvers.node_ids import (
    account_id,
    adjustment_id,
    channel_id,
    item_id,
    level_id,
    listing_id,
    location_id,
)
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Desk, delta

NODE = """
query node($id: ID!) {
  node(id: $id) {
    __typename id
    ... on InventoryItem { sku name levels { id } }
    ... on Location { code kind channels { code } }
    ... on Channel { code }
    ... on StockLevel { sku onHand location { code } }
    ... on InventoryAdjustment { idempotencyKey movements { delta } }
    ... on Listing { sku channelId externalKey }
  }
}
"""


async def node_of(desk: Desk, id: str) -> object:
    return (await desk.ask(NODE, id=id))["node"]


async def test_every_node_is_found_by_its_own_id(desk: Desk) -> None:
    expected: dict[str, dict[str, object]] = {
        item_id(CUP): {
            "__typename": "InventoryItem",
            "sku": CUP,
            "name": "Tea cup",
            "levels": [{"id": level_id(CUP, EAST)}],
        },
        location_id(WEST): {"__typename": "Location", "code": WEST, "kind": "WAREHOUSE", "channels": [{"code": TILL}]},
        channel_id(WEB): {"__typename": "Channel", "code": WEB},
        level_id(MUG, WEST): {"__typename": "StockLevel", "sku": MUG, "onHand": 4, "location": {"code": WEST}},
        listing_id(MUG, WEB): {"__typename": "Listing", "sku": MUG, "channelId": WEB, "externalKey": "B00MUG"},
    }
    for id, fields in expected.items():
        assert await node_of(desk, id) == {"id": id, **fields}


async def test_an_adjustment_is_found_by_its_own_id(desk: Desk) -> None:
    payload = await desk.adjust("adjustment { id }", sku=MUG, adjustments=[delta(EAST, -2)], idempotencyKey="sale")
    id = payload["adjustment"]["id"]
    expected = {"__typename": "InventoryAdjustment", "id": id, "idempotencyKey": "sale", "movements": [{"delta": -2}]}
    assert await node_of(desk, id) == expected


async def test_every_id_that_is_answered_leads_back(desk: Desk) -> None:
    document = """
    { inventoryItems { nodes { id levels { id location { id channels { id } } } } }
      locations { nodes { id } } channels { nodes { id } } movements { nodes { adjustment { id } } } }
    """
    data = await desk.ask(document)
    ids = set(_ids(data))
    assert len(ids) == 3 + 3 + 3 + 2 + 2
    for id in ids:
        found = await node_of(desk, id)
        assert isinstance(found, dict)
        assert found["id"] == id


def _ids(data: object) -> list[str]:
    if isinstance(data, list):
        return [id for one in data for id in _ids(one)]
    if isinstance(data, dict):
        own = [data["id"]] if "id" in data else []
        return own + [id for one in data.values() for id in _ids(one)]
    return []


NOTHING = [
    "",
    "x",
    MUG,
    "äöü",
    "a\0b",
    "SW52ZW50b3J5SXRlbTpNVUctMDE",  # a padding is missing
    item_id("nope"),
    item_id(""),
    item_id(MUG.lower()),
    location_id(MUG),
    channel_id(EAST),
    level_id(MUG, FAR),
    level_id("nope", EAST),
    level_id(EAST, MUG),
    listing_id(CUP, WEB),
    listing_id(WEB, MUG),
    adjustment_id("nope"),
    adjustment_id(MUG),
    encode_node_id("StockLevel", "MUG-01"),
    encode_node_id("StockLevel", "[]"),
    encode_node_id("StockLevel", "[1, 2]"),
    encode_node_id("StockLevel", '["MUG-01","EAST","x"]'),
    encode_node_id("Listing", '{"MUG-01":"web"}'),
    encode_node_id("StockLevel", "[" * 5000),
    encode_node_id("Query", "x"),
    encode_node_id("InventoryItem", "a\0b"),
    encode_node_id("Location", "a\0b"),
    encode_node_id("Channel", "a\0b"),
    encode_node_id("InventoryAdjustment", "a\0b"),
    encode_node_id("StockLevel", '["a\\u0000b","EAST"]'),
    encode_node_id("StockLevel", '["\\ud800","EAST"]'),
    encode_node_id("Listing", '["\\ud800","web"]'),
]


async def test_an_id_of_nothing_answers_null(desk: Desk) -> None:
    for id in NOTHING:
        assert await node_of(desk, id) is None, id


async def test_what_was_archived_answers_null(desk: Desk) -> None:
    await desk.accepted("itemArchive", "ItemArchiveInput", {"sku": JAR})
    await desk.accepted("locationArchive", "LocationArchiveInput", {"locationId": location_id(FAR)})
    await desk.accepted("channelArchive", "ChannelArchiveInput", {"channelId": channel_id(WEB)})
    for id in (item_id(JAR), location_id(FAR), channel_id(WEB), listing_id(MUG, WEB)):
        assert await node_of(desk, id) is None
    assert (await desk.ask('{ inventoryItem(sku: "JAR-01") { sku } }'))["inventoryItem"] is None
    assert (await desk.ask('{ location(id: "FAR") { code } }'))["location"] is None
    assert (await desk.ask('{ channel(id: "web") { code } }'))["channel"] is None


async def test_a_level_that_ended_answers_null(desk: Desk) -> None:
    await desk.count(
        "replayed",
        sku=MUG,
        quantities=[{"locationId": WEST, "quantity": 0, "changeFromQuantity": 4}],
        idempotencyKey="out",
    )
    await desk.accepted("inventoryDeactivate", "InventoryDeactivateInput", {"sku": MUG, "locationId": WEST})
    assert await node_of(desk, level_id(MUG, WEST)) is None


async def test_an_adjustment_of_another_account_answers_null(desk: Desk) -> None:
    payload = await desk.adjust("adjustment { id }", sku=MUG, adjustments=[delta(EAST, -2)], idempotencyKey="sale")
    id = payload["adjustment"]["id"]
    other = replace(desk, principal=Principal(account="other", name="other's clerk", role=Role.BACKOFFICE))
    assert await node_of(other, id) is None
    by_id = "query q($id: ID!) { adjustment(id: $id) { id } }"
    by_key = "query q($key: String!) { adjustment(idempotencyKey: $key) { id } }"
    assert await desk.ask(by_id, id=id) == {"adjustment": {"id": id}}
    assert await desk.ask(by_key, key="sale") == {"adjustment": {"id": id}}
    assert await other.ask(by_id, id=id) == {"adjustment": None}
    assert await other.ask(by_key, key="sale") == {"adjustment": None}
    for unknown in ("nope", "", "SALE", "a\0b", "x" * 5000):
        assert await desk.ask(by_key, key=unknown) == {"adjustment": None}
        assert await desk.ask(by_id, id=unknown) == {"adjustment": None}


async def test_an_administrator_has_the_adjustment_of_any_account(desk: Desk) -> None:
    payload = await desk.adjust("adjustment { id }", sku=MUG, adjustments=[delta(EAST, -2)], idempotencyKey="sale")
    id = payload["adjustment"]["id"]
    chief = desk.of("other")
    expected = {"__typename": "InventoryAdjustment", "id": id, "idempotencyKey": "sale", "movements": [{"delta": -2}]}
    assert await node_of(chief, id) == expected
    assert await chief.ask("query q($id: ID!) { adjustment(id: $id) { id } }", id=id) == {"adjustment": {"id": id}}
    by_key = 'query q($account: ID) { adjustment(idempotencyKey: "sale", accountId: $account) { id } }'
    # A key without an account is the caller's own.
    assert await chief.ask(by_key) == {"adjustment": None}
    for account in ("local", account_id("local")):
        assert await chief.ask(by_key, account=account) == {"adjustment": {"id": id}}


@pytest.mark.parametrize(
    ("field", "make", "code", "foreign"),
    [
        ("location", location_id, EAST, channel_id),
        ("channel", channel_id, WEB, location_id),
        ("inventoryItem", item_id, MUG, location_id),
    ],
)
async def test_one_thing_is_found_by_its_id_or_code_and_not_by_an_id_of_another_type(
    desk: Desk, field: str, make: Callable[[str], str], code: str, foreign: Callable[[str], str]
) -> None:
    document = f"query q($id: ID!) {{ {field}(id: $id) {{ id }} }}"
    for either in (code, make(code)):
        assert await desk.ask(document, id=either) == {field: {"id": make(code)}}
    for wrong in (foreign(code), code.lower() if code.isupper() else code.upper(), "", "a\0b"):
        assert await desk.ask(document, id=wrong) == {field: None}


async def test_an_item_is_asked_for_by_exactly_one_of_id_and_sku(desk: Desk) -> None:
    document = "query q($id: ID, $sku: String) { inventoryItem(id: $id, sku: $sku) { sku } }"
    assert await desk.ask(document, sku=MUG) == {"inventoryItem": {"sku": MUG}}
    assert await desk.ask(document, sku=MUG, id=None) == {"inventoryItem": {"sku": MUG}}
    for sku in ("", "a\0b", "mug-01", item_id(MUG)):
        assert await desk.ask(document, sku=sku) == {"inventoryItem": None}
    for both in ({}, {"sku": MUG, "id": item_id(MUG)}, {"sku": None, "id": None}):
        assert await desk.problems(document, **both) == [("INVALID_INPUT", ("inventoryItem",))]
    adjustment = "query q($id: ID, $key: String) { adjustment(id: $id, idempotencyKey: $key) { id } }"
    for both in ({}, {"key": "a", "id": "b"}):
        assert await desk.problems(adjustment, **both) == [("INVALID_INPUT", ("adjustment",))]

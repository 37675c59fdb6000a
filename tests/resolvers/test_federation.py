"""Entities as a router asks for them; the one rule: what is wrong with one representation is its own entry's error."""

from dataclasses import replace
from typing import Any

import pytest
import strawberry
from graphql import GraphQLObjectType, parse

from app.schema_file import printed_schema
from domain.principals import Principal, Role, Scope
from resolvers.schema import build_schema
from resolvers.served_schema import Schema
from tests.resolvers.desk import CUP, EAST, MUG, TILL, WEB, Desk
from tests.resolvers.test_statement_counts import SKUS, cost_of, warehouse, warehouse_file

__all__ = ["warehouse", "warehouse_file"]  # fixtures of the shop with many items

ENTITIES = """
query e($representations: [_Any!]!, $channelId: ID, $locationIds: [ID!]) {
  _entities(representations: $representations) {
    __typename
    ... on InventoryItem { sku name }
    ... on ProductVariant {
      sku
      availability(channelId: $channelId, locationIds: $locationIds) { channelId availableQuantity }
      inventoryItem { name }
    }
  }
}
"""


def item(sku: object) -> dict[str, object]:
    return {"__typename": "InventoryItem", "sku": sku}


def variant(sku: object) -> dict[str, object]:
    return {"__typename": "ProductVariant", "sku": sku}


async def test_entities_are_answered_in_order(desk: Desk) -> None:
    """Given items and variants mixed, when a router asks, then each stands where its representation does."""
    answer = await desk.ask(ENTITIES, representations=[variant(MUG), item(CUP), item(MUG), variant(MUG)])
    mug = {
        "__typename": "ProductVariant",
        "sku": MUG,
        "availability": {"channelId": None, "availableQuantity": 14},
        "inventoryItem": {"name": "Red mug"},
    }
    assert answer["_entities"] == [
        mug,
        {"__typename": "InventoryItem", "sku": CUP, "name": "Tea cup"},
        {"__typename": "InventoryItem", "sku": MUG, "name": "Red mug"},
        mug,
    ]


async def test_availability_of_a_variant_takes_a_channel_and_locations(desk: Desk) -> None:
    """Given a channel and locations, when a variant's availability is asked, then they narrow it."""
    answer = await desk.ask(ENTITIES, representations=[variant(MUG)], channelId=WEB)
    assert answer["_entities"][0]["availability"] == {"channelId": WEB, "availableQuantity": 10}
    answer = await desk.ask(ENTITIES, representations=[variant(MUG)], channelId=TILL, locationIds=[EAST])
    assert answer["_entities"][0]["availability"] == {"channelId": TILL, "availableQuantity": 10}


async def test_what_is_unknown_is_null(desk: Desk) -> None:
    """Given an unknown SKU, then the item is null, and the variant (another service's) has null fields."""
    answer = await desk.ask(ENTITIES, representations=[item("nope"), variant("nope")])
    nothing = {"__typename": "ProductVariant", "sku": "nope", "availability": None, "inventoryItem": None}
    assert answer["_entities"] == [None, nothing]


MALFORMED: list[Any] = [
    {"sku": MUG},
    {"__typename": "Location", "sku": MUG},
    {"__typename": "Nothing"},
    {"__typename": 7, "sku": MUG},
    {"__typename": ["InventoryItem"], "sku": MUG},
    item(7),
    item(None),
    variant([MUG]),
    variant({"sku": MUG}),
    {"__typename": "InventoryItem"},
    "InventoryItem",
    7,
    [item(MUG)],
]


@pytest.mark.parametrize("representation", MALFORMED, ids=str)
async def test_a_malformed_representation_is_its_own_error(desk: Desk, representation: object) -> None:
    """Given one malformed representation among good ones, then it is null with a typed error, the others answered."""
    result = await desk.execute(ENTITIES, {"representations": [item(MUG), representation, item(CUP)]})
    assert [one and one["sku"] for one in result.data["_entities"]] == [MUG, None, CUP]
    problems = [(one.extensions["code"], one.path) for one in result.errors]
    assert problems == [("INVALID_INPUT", ["_entities", 1])]


async def test_representations_are_bounded(desk: Desk) -> None:
    """Given 251 representations, then none is answered."""
    assert await desk.problems(ENTITIES, representations=[item(MUG)] * 251) == [("INVALID_INPUT", ("_entities",))]
    assert len((await desk.ask(ENTITIES, representations=[item(MUG)] * 250))["_entities"]) == 250


async def test_a_representation_may_be_written_out_and_stays_as_it_was(desk: Desk) -> None:
    """Given a literal representation, or one that is used twice, then it is read and not changed."""
    document = '{ _entities(representations: [{__typename: "InventoryItem", sku: "CUP-01", more: 1}]) { __typename } }'
    assert await desk.ask(document) == {"_entities": [{"__typename": "InventoryItem"}]}
    given = [item(MUG)]
    await desk.ask(ENTITIES, representations=given)
    assert given == [{"__typename": "InventoryItem", "sku": MUG}]


@pytest.mark.parametrize(
    "selection", ["InventoryItem { name }", "ProductVariant { availability { availableQuantity } }"]
)
async def test_a_batch_of_entities_is_one_statement(warehouse: Desk, selection: str) -> None:
    """Given 1 or 100 representations, when they are resolved, then that is one statement."""
    document = f"query e($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {selection} }} }}"
    kind = item if selection.startswith("Inv") else variant
    for size in (1, 100):
        assert await cost_of(warehouse, document, r=[kind(sku) for sku in SKUS[:size]]) == 1


async def test_the_subgraph_describes_itself(desk: Desk) -> None:
    """Given a router's question, then it is answered the SDL that composes: keys, and nothing of the router's own."""
    sdl = (await desk.ask("{ _service { sdl } }"))["_service"]["sdl"]
    assert isinstance(desk.schema, Schema)
    assert sdl == desk.schema.subgraph_sdl
    parse(sdl)
    assert 'type InventoryItem implements Node @key(fields: "sku") {' in sdl
    assert 'type ProductVariant @key(fields: "sku") {' in sdl
    assert "type PageInfo @shareable {" in sdl
    assert [word for word in ("_service", "_entities", "_Any", "_Entity", "_Service") if word in sdl] == []


def test_the_contract_knows_nothing_of_federation() -> None:
    """Given schema.graphql, then there is nothing of a router's in it."""
    words = ("_service", "_entities", "_Any", "_Entity", "_Service", "@key", "@shareable", "@link", "ProductVariant")
    assert [word for word in words if word in printed_schema()] == []


def test_what_is_served_is_the_contract_and_federation() -> None:
    """Given both schemas, then they differ by what federation adds and by nothing else."""
    served, plain = build_schema()._schema, build_schema(is_federated=False)._schema
    assert served.type_map.keys() - plain.type_map.keys() == {"_Any", "_Entity", "_Service", "ProductVariant"}
    assert plain.type_map.keys() - served.type_map.keys() == set()
    for name, kind in plain.type_map.items():
        if isinstance(kind, GraphQLObjectType):
            other = served.type_map[name]
            assert isinstance(other, GraphQLObjectType)
            added = {"_service", "_entities"} if name == "Query" else set()
            assert other.fields.keys() - kind.fields.keys() == added
    assert isinstance(build_schema(), strawberry.Schema)


async def test_what_lies_outside_the_callers_scope_is_null(desk: Desk) -> None:
    """Given a key for one channel, then another channel's availability is null, as an unknown channel's is."""
    scope = Scope(channels=frozenset({WEB}), locations=None)
    seller = replace(desk, principal=Principal(account="web", name="web", role=Role.CHANNEL, scope=scope))
    for channel, quantity in ((WEB, 10), (TILL, None), ("no-such", None)):
        (entity,) = (await seller.ask(ENTITIES, representations=[variant(MUG)], channelId=channel))["_entities"]
        assert (entity["availability"] or {}).get("availableQuantity") == quantity


async def test_only_roles_that_may_introspect_are_told_the_subgraph(desk: Desk) -> None:
    """Given a storefront's key, then it may fetch entities, and may not ask for the whole schema."""
    storefront = replace(desk, principal=Principal(account="web", name="web", role=Role.STOREFRONT))
    assert await storefront.problems("{ _service { sdl } }") == [("FORBIDDEN", ())]
    assert (await storefront.ask(ENTITIES, representations=[item(MUG)]))["_entities"][0]["sku"] == MUG


async def test_what_entities_cost_grows_with_their_number(desk: Desk) -> None:
    """Given 1 and 100 representations, then the second request is told to cost a hundred times as much."""
    document = "query e($r: [_Any!]!) { _entities(representations: $r) { ... on InventoryItem { name } } }"
    costs = []
    for size in (1, 100):
        result = await desk.execute(document, {"r": [item(MUG)] * size})
        costs.append(result.extensions["cost"]["requestedQueryCost"])
    assert costs[1] == 100 * costs[0]

"""Requests that say too little or in the wrong way, and what is remembered of documents."""

from graphql import FieldNode, parse

from resolvers.completion import CompiledCompletions
from resolvers.execution import CACHED_DOCUMENT_CHARACTERS_MAX, DocumentCache
from resolvers.schema import build_schema
from tests.resolvers.desk import EAST, MUG, WEB, Desk, delta

TWO = "query a { locations { nodes { code } } } query b { channels { nodes { code } } }"


async def test_of_several_operations_one_must_be_named(desk: Desk) -> None:
    """Given two operations and no name, then neither is run."""
    assert await desk.problems(TWO) == [("GRAPHQL_VALIDATION_FAILED", ())]
    assert (await desk.ask('query only { location(id: "EAST") { code } }'))["location"] == {"code": EAST}


async def test_an_item_and_a_bulk_payload_say_their_position(desk: Desk) -> None:
    """Given a snapshot of items or many adjustments, then a subscriber knows where to begin."""
    document = "{ inventoryItems { nodes { sku position totalAvailableQuantity } } }"
    items = (await desk.ask(document))["inventoryItems"]["nodes"]
    assert {item["position"] for item in items} == {await desk.position()}
    adjust = """mutation ($inputs: [InventoryAdjustmentInput!]!) {
      inventoryAdjustBulk(inputs: $inputs) { position results { position } userErrors { code } }
    }"""
    inputs = [
        {"sku": MUG, "adjustments": [delta(EAST, 1)], "idempotencyKey": "one"},
        {"sku": "no such", "adjustments": [delta(EAST, 1)], "idempotencyKey": "two"},
        {"sku": MUG, "adjustments": [delta(EAST, 1)], "idempotencyKey": ""},
    ]
    payload = (await desk.ask(adjust, inputs=inputs))["inventoryAdjustBulk"]
    newest = await desk.position()
    assert payload["position"] == newest
    assert [one["position"] for one in payload["results"]] == [newest, newest, newest]
    refused = (await desk.ask(adjust, inputs=[]))["inventoryAdjustBulk"]
    assert (refused["position"], refused["userErrors"]) == (newest, [{"code": "INVALID_INPUT"}])


async def test_a_renamed_location_goes_on_serving_a_channel_that_comes_back(desk: Desk) -> None:
    """Given an archived channel, when a location that served it is renamed, then both are together again afterwards."""
    served = '{ location(id: "EAST") { channels { code } } }'
    before = (await desk.ask(served))["location"]
    assert {"code": WEB} in before["channels"]
    await desk.accepted("channelArchive", "ChannelArchiveInput", {"channelId": WEB})
    await desk.accepted("locationUpsert", "LocationUpsertInput", {"code": EAST, "name": "The east"})
    assert {"code": WEB} not in (await desk.ask(served))["location"]["channels"]
    await desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": WEB})
    assert (await desk.ask(served))["location"] == before


def first_field(text: str) -> FieldNode:
    """Return the first field of a document."""
    definition = parse(text).definitions[0]
    node = definition.selection_set.selections[0]  # type: ignore[attr-defined]  # it is an operation
    assert isinstance(node, FieldNode)
    return node


def test_long_documents_are_remembered_nowhere() -> None:
    """Given a document of unusual length, then neither it nor what was compiled for it is kept."""
    core = build_schema()._schema
    query = core.query_type
    assert query is not None
    kind = query.fields["node"].type
    padding = "#" + "x" * CACHED_DOCUMENT_CHARACTERS_MAX
    documents, completions = DocumentCache(documents_max=2), CompiledCompletions(documents_max=2)
    for number in range(5):
        documents.validation_errors(documents.document(f"{{ a{number}: __typename }} {padding}"), core)
        assert completions.get(first_field(f"{{ a{number} }} {padding}"), kind) is None
    assert (len(documents._known), len(completions._by_document)) == (0, 0)
    for number in range(5):
        documents.validation_errors(documents.document(f"{{ a{number}: __typename }}"), core)
        completions.get(first_field(f"{{ a{number} }}"), kind)
    assert (len(documents._known), len(completions._by_document)) == (2, 2)

"""Query cost: what an operation may cost is known before it runs, what it came to is told, and the rest given back."""

from dataclasses import replace
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, GraphQLSchema

from app.rate_limits import LeakyBuckets
from domain.principals import LOCAL_PRINCIPAL
from resolvers.context import RequestContext
from resolvers.cost_plan import SELECTIONS_MAX, CostPlan, TooManySelections, compile_plan
from resolvers.document_limits import DocumentLimits, parse_within
from resolvers.execution import KnownDocument
from resolvers.introspection_cost import IntrospectionCosts
from resolvers.schema import build_schema
from resolvers.served_schema import Schema
from tests.resolvers.desk import CORRELATION_ID, CUP, EAST, MUG, WEST, Answer, Desk, delta

LARGE = DocumentLimits(
    characters_max=10**6, tokens_max=10**6, depth_max=1000, aliases_max=2**64, directives_max=10, root_fields_max=10**6
)
AVAILABILITY = """
query shown($skus: [String!]!, $more: Boolean = true) {
  availability(skus: $skus) { sku levels { location { code } } nodes @include(if: $more) { availableQuantity } }
}
"""
ADJUST = """
mutation change($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { inventoryItem { sku } levels { onHand } userErrors { code } }
}
"""
ADJUST_MANY = """
mutation ($inputs: [InventoryAdjustmentInput!]!) {
  inventoryAdjustBulk(inputs: $inputs) { results { userErrors { code } } userErrors { code } }
}
"""
ITEMS = "query ($first: Int! = 20) { inventoryItems(first: $first) { nodes { sku levels { onHand } } } }"


@pytest.fixture(scope="module")
def core() -> GraphQLSchema:
    """The schema as graphql-core has it."""
    return build_schema()._schema


def plan_of(core: GraphQLSchema, text: str) -> CostPlan:
    known = KnownDocument(parse_within(text, LARGE))
    operation = known.operation(None)
    assert operation is not None
    fragments = {one.name.value: one for one in known.document.definitions if isinstance(one, FragmentDefinitionNode)}
    return compile_plan(core, operation, fragments, IntrospectionCosts.of(core))


def requested(core: GraphQLSchema, text: str, **variables: object) -> int:
    plan = plan_of(core, text)
    return plan.input_points(variables) + plan.requested(variables)


RESERVE = """
mutation change($input: ReservationCreateInput!) {
  reservationCreate(input: $input) { reservation { lines { holds { quantity } } } userErrors { code } }
}
"""
NO_NUMBERS: tuple[object, ...] = (-1, True, "50", [50], {}, None, float("inf"), float("nan"))
NO_INPUTS: tuple[object, ...] = (None, 1, "a", [], {"adjustments": None})
ONE_AVAILABILITY = 1 + 10 * 2 + 10
"""An availability, its ten assumed levels with a location each, and its ten assumed nodes."""


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{ __typename }", 0),
        ("{ viewer { name role } }", 1),
        ("{ viewer { name } again: viewer { name } }", 2),
        ("{ viewer { name } viewer { role } }", 1),
        ("{ inventoryItem(sku: \"a\") { name levels { location { channels { code } } } } }", 1 + 10 * (1 + 1 + 10)),
        ("{ inventoryItem(sku: \"a\") { identifiers { value } attributes { value } } }", 1 + 10 + 10),
        ("{ locations { nodes { code } } }", 1 + 50),
        ("{ locations(first: 3) { nodes { code } } }", 1 + 3),
        ("{ locations(first: 3) { edges { node { code } } pageInfo { endCursor } } }", 1 + 3 * 2 + 1),
        ("{ locations(first: 3) { ...f } } fragment f on LocationConnection { nodes { channels { code } } }", 1 + 33),
        ("{ node(id: 1) { ... on Location { channels { code } } ... on InventoryItem { levels { sku } } } }", 1 + 20),
        ("{ movements(first: 5) { nodes { adjustment { movements { location { code } } } } } }", 1 + 5 * (2 + 10 * 2)),
        ("{ reservations(first: 5) { nodes { lines { holds { sku } } } } }", 1 + 5 * (1 + 10 * (1 + 2))),
        ("{ allocation(id: 1) { lines { holds { sku } } shipments { lines { sku } } } }", 1 + 10 * 3 + 2 * (1 + 10)),
        ("subscription { reservationChanged { reservation { lines { sku } } } }", 10),
        ("subscription { stockChanged { levels { location { code } } } }", 10),
    ],
)  # fmt: skip  # a pair reads best on a line
def test_every_object_costs_a_point_and_lists_as_much_as_their_entries(
    core: GraphQLSchema, text: str, points: int
) -> None:
    """Given a document without variables, then it costs what its objects and the lengths of its lists come to."""
    assert requested(core, text) == points


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        (AVAILABILITY, {"skus": ["a", "b"]}, 2 * ONE_AVAILABILITY),
        (AVAILABILITY, {"skus": []}, 0),
        (AVAILABILITY, {"skus": "a"}, ONE_AVAILABILITY),
        (AVAILABILITY, {"skus": ["a"] * 100_000}, 250 * ONE_AVAILABILITY),
        (AVAILABILITY, {}, 10 * ONE_AVAILABILITY),
        (ITEMS, {}, 1 + 20 * 11),
        (ITEMS, {"first": 3}, 1 + 3 * 11),
        (ITEMS, {"first": 3.0}, 1 + 3 * 11),
        (ITEMS, {"first": 0}, 1),
        (ITEMS, {"first": 10**30}, 1 + 250 * 11),
        *((ITEMS, {"first": odd}, 1 + 11) for odd in NO_NUMBERS),
        ("query ($a: String!) { availability(skus: [$a, \"b\", $a]) { sku } }", {"a": "x"}, 3),
        (ADJUST, {"input": {"adjustments": [{}, {}, {}]}}, 10 + 3 + 1 + 1 + 10 + 1),
        (ADJUST, {"input": {"adjustments": {}}}, 10 + 1 + 1 + 1 + 10 + 1),
        *((ADJUST, {"input": odd}, 10 + 0 + 1 + 1 + 10 + 1) for odd in NO_INPUTS),
        (ADJUST, {}, 10 + 1 + 1 + 10 + 1),
        (RESERVE, {"input": {"lines": [{}, {}]}}, 10 + 2 + 1 + 1 + 10 * (1 + 2) + 1),
        (ADJUST_MANY, {"inputs": [{"adjustments": [{}, {}]}, {"adjustments": [{}]}]}, 10 + 2 + 3 + 1 + 2 * 2 + 1),
        (ADJUST_MANY, {"inputs": [1, None, [], {"adjustments": 7}]}, 10 + 4 + 1 + 1 + 4 * 2 + 1),
    ],
)  # fmt: skip  # a case reads best on a line
def test_variables_say_how_long_lists_are_whatever_they_hold(
    core: GraphQLSchema, text: str, variables: dict[str, object], points: int
) -> None:
    """Given variables, right or wrong, then they are counted; what is of a wrong kind counts as one entry."""
    assert requested(core, text, **variables) == points


def test_a_mutation_costs_more_a_root_field(core: GraphQLSchema) -> None:
    """Given two changes in a request, then each pays for its entries and for itself, wherever the values stand."""
    entry = '{locationId: "a", delta: 1}'
    one = f'inventoryAdjust(input: {{sku: "a", idempotencyKey: "k", adjustments: [{entry}, {entry}]}}) {{ replayed }}'
    assert requested(core, f"mutation {{ {one} again: {one} }}") == 2 * (10 + 2 + 1)
    text = 'mutation ($more: [LocationAdjustmentInput!]!) { inventoryAdjust(input: {sku: "a", idempotencyKey: "k", '
    text += "adjustments: $more}) { replayed } }"
    assert requested(core, text, more=[{}, {}, {}]) == 10 + 3 + 1


@pytest.mark.parametrize(
    ("csv", "points"),
    [("", 0), ("sku\na\rb\r\nc", 3 + 3), ("x" * 1000, 10 + 10), ("x" * 199 + "\n" * 1001, 1013 + 250), (7, 0)],
)
def test_rows_in_a_text_cost_their_lines_and_characters(core: GraphQLSchema, csv: object, points: int) -> None:
    """Given a text of rows, then it costs a point a line and a hundred characters, and at most 250 results."""
    text = "mutation ($input: RowsImportInput!) { rowsImport(input: $input) { results { row } } }"
    assert requested(core, text, input={"kind": "ITEMS", "csv": csv}) == 10 + 1 + points


def test_fragments_in_fragments_cost_no_time(core: GraphQLSchema) -> None:
    """Given selections that double at each of 20 levels, then they are counted at once, up to the largest cost."""
    levels = 20
    text = "query ($n: Int!) { movements(first: $n) { nodes { ...f0 } } } "
    text += " ".join(
        f"fragment f{n} on StockMovement {{ a: adjustment {{ movements {{ ...f{n + 1} }} }} "
        f"b: adjustment {{ movements {{ ...f{n + 1} }} }} }}"
        for n in range(levels)
    )
    text += f" fragment f{levels} on StockMovement {{ sku }}"
    assert requested(core, text, n=1) == 2**31 - 1


def test_a_plan_is_bounded(core: GraphQLSchema) -> None:
    """Given more different selections than a plan holds, then there is no plan."""
    text = "{ " + " ".join(f"a{n}: viewer {{ name }}" for n in range(SELECTIONS_MAX + 1)) + " }"
    with pytest.raises(TooManySelections):
        plan_of(core, text)


def objects_in(value: Any) -> int:
    """Return how many objects an answer holds, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(objects_in, value.values()))
    return sum(map(objects_in, value)) if isinstance(value, list) else 0


@pytest.mark.parametrize(
    "text",
    [
        "{ viewer { name } }",
        "{ inventoryItems { nodes { sku levels { location { channels { code } } } syncStatus { channelId } } } }",
        "{ movements { edges { node { adjustment { movements { location { code } } } } } pageInfo { endCursor } } }",
        '{ inventoryItem(sku: "no such") { levels { location { code } } } location(id: "EAST") { channels { code } } }',
        '{ availability(skus: ["MUG-01", "CUP-01"]) { ...a levels { ...l } } } '
        "fragment a on Availability { levels { location { code } } nodes { location { channels { name } } } } "
        "fragment l on StockLevel { location { channels { code } } }",
        '{ location(id: "EAST") { code channels @skip(if: true) { code } } }',
    ],
)
async def test_an_answer_costs_the_objects_that_it_holds(desk: Desk, text: str) -> None:
    """Given answers of every shape, then their cost is the number of their objects, counted by their lists alone."""
    result = await desk.execute(text)
    assert not result.errors
    assert result.extensions["cost"]["actualQueryCost"] == objects_in(result.data) - 1


async def test_the_rest_is_given_back_and_told(desk: Desk) -> None:
    """Given a query and a mutation, then each is told what it might have cost, what it did, and what is left."""
    slow = metered(desk, points_max=1000)
    result = await slow.execute(AVAILABILITY, {"skus": [MUG, CUP]})
    actual = (1 + 2 * 2 + 2) + (1 + 1 * 2 + 1)
    assert result.extensions["cost"] == {
        "requestedQueryCost": 2 * ONE_AVAILABILITY,
        "actualQueryCost": actual,
        "throttleStatus": {"maximumAvailable": 1000, "currentlyAvailable": 1000 - actual, "restoreRate": 1},
    }
    entries = {"sku": MUG, "idempotencyKey": "one", "adjustments": [delta(EAST, 1), delta(WEST, 1)]}
    result = await slow.execute(ADJUST, {"input": entries})
    assert result.extensions["cost"] == {
        "requestedQueryCost": 10 + 2 + 1 + 1 + 10 + 1,
        "actualQueryCost": 10 + 2 + 1 + 1 + 2,
        "throttleStatus": {"maximumAvailable": 1000, "currentlyAvailable": 1000 - actual - 16, "restoreRate": 1},
    }


async def test_who_has_spent_too_much_is_told_when_to_come_back(desk: Desk) -> None:
    """Given too few points, then nothing is run, and the answer says when it would be."""
    slow = metered(desk, points_max=100)
    await slow.gateway.services.rate_limits.take(LOCAL_PRINCIPAL, 90)
    before = await desk.levels()
    entries = {"sku": MUG, "idempotencyKey": "one", "adjustments": [delta(EAST, 1)]}
    result = await slow.execute(ADJUST, {"input": entries})
    (error,) = result.errors
    assert result.data is None
    assert error.extensions == {"code": "THROTTLED", "retryAfterMs": 14_000}
    assert result.extensions["cost"] == {
        "requestedQueryCost": 24,
        "actualQueryCost": 0,
        "throttleStatus": {"maximumAvailable": 100, "currentlyAvailable": 10, "restoreRate": 1},
    }
    assert await desk.levels() == before


async def test_a_subscription_pays_at_its_start(desk: Desk, schema: Schema) -> None:
    """Given ten points, then one subscription can begin; the next is refused, and neither is told its cost."""
    slow = metered(desk, points_max=10)
    context = RequestContext(services=slow.gateway.services, principal=LOCAL_PRINCIPAL, correlation_id=CORRELATION_ID)
    text = "subscription ($after: String) { stockChanged(after: $after) { position } }"
    answers: list[Answer] = []
    for _ in range(2):
        stream = await schema.subscribe(text, variable_values={"after": "0"}, context_value=context)
        result: Any = await anext(stream)
        answers.append({"codes": [one.extensions["code"] for one in result.errors or ()], "told": result.extensions})
        await stream.aclose()
    assert answers == [{"codes": [], "told": {}}, {"codes": ["THROTTLED"], "told": {}}]


async def test_more_than_there_ever_is_cannot_be_asked(desk: Desk) -> None:
    """Given a request beyond the size of a bucket, then it is refused for good: no time to come back is told."""
    slow = metered(desk, points_max=50)
    result = await slow.execute(AVAILABILITY, {"skus": [MUG, CUP]})
    (error,) = result.errors
    assert (result.data, error.extensions) == (None, {"code": "COST_LIMIT_EXCEEDED"})
    assert result.extensions["cost"]["throttleStatus"]["currentlyAvailable"] == 50


async def test_wrong_values_cost_a_point(desk: Desk) -> None:
    """Given values that do not fit their types, then next to nothing was done, and next to nothing is paid."""
    result = await metered(desk, points_max=1000).execute(AVAILABILITY, {"skus": 1})
    assert [error.extensions["code"] for error in result.errors] == ["BAD_USER_INPUT"]
    assert result.extensions["cost"]["actualQueryCost"] == 1


async def test_what_broke_off_is_paid_in_full(desk: Desk) -> None:
    """Given an answer that is lost because a field failed, then nobody knows what was done, and all of it is paid."""
    result = await metered(desk, points_max=1000).execute("{ locations(first: 0) { nodes { code } } viewer { name } }")
    assert result.data is None
    assert result.extensions["cost"]["actualQueryCost"] == result.extensions["cost"]["requestedQueryCost"] == 2


@pytest.mark.parametrize("text", ["{ viewer {", "{ viewer }", "query a { __typename } query b { __typename }"])
async def test_what_is_no_valid_request_costs_nothing(desk: Desk, text: str) -> None:
    """Given a request that ends before its operation is known, then no cost is told."""
    assert "cost" not in (await desk.execute(text)).extensions


def metered(desk: Desk, *, points_max: int) -> Desk:
    """Return the desk of a caller with few points, which come back only as slowly as a second a point."""
    limits = LeakyBuckets(points_max=points_max, points_per_second=1, clock=lambda: 0)
    services = replace(desk.gateway.services, rate_limits=limits)
    return replace(desk, gateway=replace(desk.gateway, services=services))

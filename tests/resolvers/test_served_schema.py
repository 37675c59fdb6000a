"""The straight road of queries and mutations, compared with Strawberry's own: whatever is asked is answered alike."""

from dataclasses import replace
from typing import Any, Final

import pytest
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from domain.principals import Role
from resolvers.context import RequestContext
from resolvers.document_limits import DocumentLimits
from resolvers.execution import KnownDocument
from resolvers.request_log import OperationRecord
from resolvers.schema import build_schema
from tests.resolvers.desk import EAST, MUG, Desk

CASES: Final[dict[str, dict[str, Any]]] = {
    "a query": {"query": f'{{ availability(skus: ["{MUG}", "no"]) {{ sku availableQuantity levels {{ onHand }} }} }}'},
    "variables": {
        "query": "query q($skus: [String!]!) { availability(skus: $skus) { sku } }",
        "variable_values": {"skus": [MUG]},
    },
    "a wrong variable": {
        "query": "query q($skus: [String!]!) { availability(skus: $skus) { sku } }",
        "variable_values": {"skus": [1]},
    },
    "a missing variable": {"query": "query q($skus: [String!]!) { availability(skus: $skus) { sku } }"},
    "a bad input": {"query": "{ availability(skus: []) { sku } locations(first: 0) { nodes { code } } }"},
    "no GraphQL": {"query": "{"},
    "no such field": {"query": "{ nothing }"},
    "too deep": {"query": "{ locations { nodes " + "{ channels " * 12 + "{ code }" + " }" * 13 + " }"},
    "the first of two": {"query": "query a { __typename } query b { viewer { role } }", "operation_name": "b"},
    "one of two, unsaid": {"query": "query a { __typename } query b { viewer { role } }"},
    "not permitted": {"query": "{ accounts { nodes { code } } viewer { role } }"},
    "a mutation refused": {
        "query": "mutation ($input: InventoryAdjustmentInput!) { inventoryAdjust(input: $input) "
        "{ userErrors { code field } inventoryItem { sku } position } }",
        "variable_values": {
            "input": {
                "sku": "no",
                "idempotencyKey": "k",
                "adjustments": [{"locationId": EAST, "delta": 1}],
            }
        },
    },
    "introspection": {"query": '{ __schema { queryType { name } } __type(name: "Channel") { name } }'},
    "an unknown document": {
        "query": None,
        "operation_extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a"}},
    },
}


def context_of(desk: Desk) -> RequestContext:
    """Return the context of one request at the desk."""
    return RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id="c")


def told(result: ExecutionResult) -> dict[str, Any]:
    """Return what a client is answered; the clock of the bucket goes on between two requests."""
    cost = dict((result.extensions or {}).get("cost", {}))
    cost.pop("throttleStatus", None)
    return {"data": result.data, "errors": [error.formatted for error in result.errors or []], "cost": cost}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.STOREFRONT])
@pytest.mark.parametrize("case", CASES)
async def test_both_roads_answer_alike(desk: Desk, case: str, role: Role) -> None:
    """Given any request, then the straight road and the hooks answer, and tell the log, the same."""
    request, context = CASES[case], context_of(desk)
    lines: list[OperationRecord] = []
    services = replace(context.services, observe=lambda record: lines.append(replace(record, duration_ms=0)))
    asked = replace(context, services=services, principal=replace(context.principal, role=role))
    schema = build_schema(limits=DocumentLimits())
    straight = await schema.execute(context_value=asked, **request)
    by_hooks = await schema.execute_by_hooks(context_value=asked, **request)
    assert told(straight) == told(by_hooks)
    assert lines[0] == lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("request_", "raised"),
    [
        ({"query": None}, MissingQueryError),
        ({"query": "{ __typename }", "operation_name": "no"}, CannotGetOperationTypeError),
        (
            {
                "query": 'mutation { itemArchive(input: {sku: "a"}) { userErrors { code } } }',
                "allowed_operation_types": [OperationType.QUERY],
            },
            InvalidOperationTypeError,
        ),
    ],
)
async def test_both_roads_raise_alike(desk: Desk, request_: dict[str, Any], raised: type[Exception]) -> None:
    """Given a request without an operation that may be run, then both roads raise the same."""
    schema = build_schema()
    for road in (schema.execute, schema.execute_by_hooks):
        with pytest.raises(raised):
            await road(context_value=context_of(desk), **request_)


async def test_a_bug_of_the_executor_is_masked(desk: Desk) -> None:
    """Given an executor that fails, then INTERNAL_ERROR is answered, and nothing told of it."""
    schema = build_schema()

    class Broken:
        @classmethod
        def build(cls, *_: Any, **__: Any) -> Any:
            raise RuntimeError("secret")

    schema.execution_context_class = Broken  # type: ignore[assignment]  # a broken one, on purpose
    result = await schema.execute("{ __typename }", context_value=context_of(desk))
    (error,) = result.errors or [GraphQLError("none")]
    assert (error.extensions or {})["code"] == "INTERNAL_ERROR"
    assert "secret" not in error.message


async def test_a_variable_that_is_not_declared_is_let_go_of(desk: Desk) -> None:
    """Given a variable that the operation does not declare, then it is answered, and nothing holds the variable."""
    seen: list[ExecutionContext] = []

    def gate(_: KnownDocument, context: ExecutionContext) -> list[GraphQLError]:
        seen.append(context)
        return []

    schema = build_schema(gates=[gate])
    query = "query q($skus: [String!]!) { availability(skus: $skus) { sku } }"
    variables = {"skus": [MUG], "large": "x" * 1000}
    result = await schema.execute(query, variable_values=variables, context_value=context_of(desk))
    assert result.data == {"availability": [{"sku": MUG}]}
    assert [context.variables for context in seen] == [{"skus": [MUG]}]

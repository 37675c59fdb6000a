"""Kept answers about the schema; the one rule: whoever is given one would have been answered the same without it."""

from dataclasses import replace
from typing import Final

import pytest
from graphql import get_introspection_query
from strawberry.types import ExecutionResult

from domain.principals import Role
from resolvers.context import RequestContext
from resolvers.introspection_answers import ANSWERS_MAX, IntrospectionAnswers
from resolvers.schema import build_schema
from resolvers.served_schema import Schema
from tests.resolvers.desk import CORRELATION_ID, MUG, Desk

STANDARD: Final = get_introspection_query()
KEPT: Final = [
    STANDARD,
    "{ __typename }",
    '{ __type(name: "Channel") { ...named } } fragment named on __Type { name @include(if: true) }',
]
NOT_KEPT: Final = [
    "query ($yes: Boolean = true) { __schema { queryType { name @include(if: $yes) } } }",
    "{ __typename viewer { name } }",
    f'{{ availability(skus: ["{MUG}"]) {{ __typename }} }}',
    "{ ...mixed } fragment mixed on Query { __typename viewer { role } }",
    'mutation { __typename itemArchive(input: {sku: "no"}) { userErrors { code } } }',
]


def context_of(desk: Desk) -> RequestContext:
    """Return the context of one request at the desk."""
    return RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)


@pytest.fixture
def served() -> Schema:
    """A schema that has been asked nothing, and that only some roles may introspect."""
    return build_schema()


@pytest.mark.parametrize("document", KEPT)
async def test_an_answer_about_the_schema_is_kept(desk: Desk, served: Schema, document: str) -> None:
    """Given a document about the schema alone, when it is asked again, then the answer is the one that was given."""
    asking = replace(desk, schema=served)
    first = await asking.execute(document)
    again = await asking.execute(document)
    assert first.errors is None
    assert again.data is first.data
    assert told_cost(again) == told_cost(first)


@pytest.mark.parametrize("document", NOT_KEPT)
async def test_an_answer_about_anything_else_is_not(desk: Desk, served: Schema, document: str) -> None:
    """Given a document that asks for data as well, or goes by variables, then it is answered anew."""
    asking = replace(desk, schema=served)
    first = await asking.execute(document)
    again = await asking.execute(document)
    assert again.data == first.data
    assert again.data is not first.data


async def test_operations_of_one_document_are_told_apart(desk: Desk, served: Schema) -> None:
    """Given a document with two operations about the schema, then each has its own answer."""
    document = "query a { __typename } query b { __schema { queryType { name } } }"
    context = context_of(desk)
    for _ in range(2):
        a = await served.execute(document, context_value=context, operation_name="a")
        b = await served.execute(document, context_value=context, operation_name="b")
        assert a.data == {"__typename": "Query"}
        assert b.data == {"__schema": {"queryType": {"name": "Query"}}}


async def test_the_gate_stands_before_a_kept_answer(desk: Desk, served: Schema) -> None:
    """Given an answer that is kept, when a role asks that may not introspect, then it is refused as before."""
    assert (await replace(desk, schema=served).execute(STANDARD)).errors is None
    storefront = replace(desk, schema=served, principal=replace(desk.principal, role=Role.STOREFRONT))
    assert await storefront.problems(STANDARD) == [("FORBIDDEN", ())]


async def test_streams_are_answered_alike(desk: Desk, served: Schema) -> None:
    """Given an answer that was kept on one road, then the other gives it too, with what it cost."""
    first = await replace(desk, schema=served).execute(STANDARD)
    results = await served.stream(STANDARD, context_value=context_of(desk))
    (streamed,) = [one async for one in results]
    assert isinstance(streamed, ExecutionResult)
    assert streamed.data is first.data
    assert told_cost(streamed) == told_cost(first)


def told_cost(result: ExecutionResult) -> int:
    """Return what an answer says that it cost."""
    cost: int = (result.extensions or {})["cost"]["actualQueryCost"]
    return cost


def test_few_answers_are_kept() -> None:
    """Given more answers than are kept, then the one that has not been asked for longest is let go."""
    answers = IntrospectionAnswers()
    for number in range(ANSWERS_MAX):
        answers.keep(f"{number}", None, {"n": number})
    assert answers.find("0", None) == {"n": 0}
    answers.keep("one more", None, {})
    kept = [answers.find(f"{number}", None) for number in range(ANSWERS_MAX)]
    assert kept == [{"n": 0}, None, {"n": 2}, {"n": 3}]

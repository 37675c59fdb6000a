"""What is told of operations; the one rule: once for a request, at the start and the end for a subscription."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from strawberry.schema.exceptions import CannotGetOperationTypeError

from resolvers.context import RequestContext
from resolvers.request_log import Moment, OperationRecord
from tests.resolvers.desk import CORRELATION_ID, EAST, MUG, Desk, delta

FOLLOW = "subscription follow($after: String) { stockChanged(after: $after) { position sku } }"
ACCOUNT, NAME = "local", "local"


@pytest.fixture
async def told(desk: Desk) -> list[OperationRecord]:
    """What the desk's observer was told."""
    return []


@pytest.fixture
async def observed(desk: Desk, told: list[OperationRecord]) -> Desk:
    """A desk whose gateway has an observer."""
    services = replace(desk.gateway.services, observe=told.append)
    return replace(desk, gateway=replace(desk.gateway, services=services))


async def messages(desk: Desk, document: str, **variables: object) -> AsyncGenerator[object, None]:
    """Yield the messages of a subscription."""
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    stream: Any = await desk.schema.subscribe(document, variable_values=variables, context_value=context)
    async with aclosing(stream):
        async for result in stream:
            yield result


def summary(records: list[OperationRecord]) -> list[tuple[Moment, str | None, str | None, str, int | None]]:
    assert {(one.account, one.principal, one.correlation_id) for one in records} == {(ACCOUNT, NAME, CORRELATION_ID)}
    assert all(one.duration_ms >= 0 for one in records)
    return [(one.moment, one.operation, one.kind, one.outcome, one.messages) for one in records]


REQUESTS = [
    ("query page { locations { nodes { code } } }", "page", "query", "ok"),
    ("{ locations { nodes { code } } }", None, "query", "ok"),
    ("{ nothing }", None, "query", "GRAPHQL_VALIDATION_FAILED"),
    ("query page { locations(first: 0) { nodes { code } } }", "page", "query", "INVALID_INPUT"),
    ("{", None, None, "GRAPHQL_PARSE_FAILED"),
    (
        "mutation m { itemArchive(input: {sku: 7}) { userErrors { code } } }",
        "m",
        "mutation",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    ('mutation m { itemArchive(input: {sku: "x"}) { userErrors { code } } }', "m", "mutation", "ok"),
]


@pytest.mark.parametrize(("document", "name", "kind", "outcome"), REQUESTS)
async def test_a_request_is_told_once(
    observed: Desk, told: list[OperationRecord], document: str, name: str | None, kind: str | None, outcome: str
) -> None:
    """Given a query or mutation, when it has been answered, then it is told once, with the code of its first error."""
    await observed.execute(document)
    assert summary(told) == [(Moment.REQUEST, name, kind, outcome, None)]


async def test_a_failure_is_told_with_its_code(
    observed: Desk, told: list[OperationRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a gateway that fails, then the line says INTERNAL_ERROR, under the id that the caller is told."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(type(observed.gateway.services.reads), "location_page", fail)
    result = await observed.execute("query q { locations { nodes { code } } }")
    assert result.errors[0].extensions == {"code": "INTERNAL_ERROR", "correlationId": CORRELATION_ID}
    assert summary(told) == [(Moment.REQUEST, "q", "query", "INTERNAL_ERROR", None)]


async def test_a_subscription_is_told_at_its_start_and_its_end(observed: Desk, told: list[OperationRecord]) -> None:
    """Given a subscriber that leaves after two messages, then its start and its end are told, and how many it got."""
    position = await observed.position()
    for key in ("one", "two", "three"):
        await observed.adjust("replayed", sku=MUG, adjustments=[delta(EAST, 1)], idempotencyKey=key)
    told.clear()
    stream = messages(observed, FOLLOW, after=position)
    await anext(stream)
    assert summary(told) == [(Moment.SUBSCRIPTION_STARTED, "follow", "subscription", "ok", None)]
    await anext(stream)
    await stream.aclose()
    assert summary(told)[1:] == [(Moment.SUBSCRIPTION_ENDED, "follow", "subscription", "closed", 2)]


async def test_a_subscription_that_fails_is_told_with_its_reason(observed: Desk, told: list[OperationRecord]) -> None:
    """Given a position that is none, then the subscription ends with its code and no message."""
    results = [one async for one in messages(observed, FOLLOW, after="nonsense")]
    assert len(results) == 1
    assert summary(told)[-1] == (Moment.SUBSCRIPTION_ENDED, "follow", "subscription", "INVALID_INPUT", 0)


async def test_a_refused_subscription_never_begins(observed: Desk, told: list[OperationRecord]) -> None:
    """Given a document that does not fit the schema, then only its refusal is told."""
    assert [one async for one in messages(observed, "subscription s { nothing }")]
    assert summary(told) == [(Moment.REQUEST, "s", "subscription", "GRAPHQL_VALIDATION_FAILED", None)]


async def test_names_are_told_short_and_as_the_document_has_them(observed: Desk, told: list[OperationRecord]) -> None:
    """Given a very long name, or one that is not in the document, then the log holds its beginning, or none."""
    await observed.execute(f"query {'a' * 1000} {{ __typename }}")
    context = RequestContext(
        services=observed.gateway.services, principal=observed.principal, correlation_id=CORRELATION_ID
    )
    with pytest.raises(CannotGetOperationTypeError):
        await observed.schema.execute("query a { __typename }", operation_name="b\nc", context_value=context)
    assert summary(told) == [
        (Moment.REQUEST, "a" * 100, "query", "ok", None),
        (Moment.REQUEST, None, None, "BAD_REQUEST", None),
    ]

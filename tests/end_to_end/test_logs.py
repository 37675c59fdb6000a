"""The log of a real gateway; the one rule: every request is one line, found by the id that its answer names."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.web_socket import open_socket

SECRET = "sgk_0123456789abcdef_top-secret"
WRITTEN_SECONDS_MAX = 10.0
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def logging_gateway(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway that logs JSON."""
    with gateways.new("logs", LOG_FORMAT="json").begin() as one:
        yield one


async def lines_of(gateway: Gateway, correlation_id: str, count: int) -> list[dict[str, Any]]:
    """Return the log's lines about one request, once there are so many."""
    async with asyncio.timeout(WRITTEN_SECONDS_MAX):
        while True:
            # What is not JSON is the greeting, and what was before it.
            written = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
            found = [line for line in written if line.get("correlation_id") == correlation_id]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def sent(gateway: Gateway, body: object, **headers: str) -> httpx.Response:
    async with Client(gateway.url) as client:
        content = body if isinstance(body, str) else json.dumps(body)
        return await client.http.post(gateway.url, content=content, headers=JSON | headers)


async def test_a_request_is_found_by_the_id_of_its_answer(logging_gateway: Gateway) -> None:
    """Given a request, then its one line says who asked what, how long it took and how it ended."""
    response = await sent(logging_gateway, {"query": "query page { locations { nodes { code } } }"})
    (line,) = await lines_of(logging_gateway, response.headers["x-request-id"], 1)
    told = {name: line[name] for name in ("level", "event", "transport", "operation", "kind", "principal", "outcome")}
    assert list(told.values()) == ["INFO", "request", "http", "page", "query", "local", "ok"]
    cost = response.json()["extensions"]["cost"]
    assert (line["requested_cost"], line["actual_cost"]) == (cost["requestedQueryCost"], cost["actualQueryCost"])
    assert line["duration_ms"] > 0


async def test_the_callers_own_id_is_taken_when_it_is_plain(logging_gateway: Gateway) -> None:
    """Given an id from the caller, then it is answered and logged; an odd one is replaced."""
    response = await sent(logging_gateway, {"query": "{ nothing }"}, **{"x-request-id": "cart-7.2"})
    assert response.headers["x-request-id"] == "cart-7.2"
    (line,) = await lines_of(logging_gateway, "cart-7.2", 1)
    assert line["outcome"] == "GRAPHQL_VALIDATION_FAILED"
    odd = await sent(logging_gateway, {"query": "{ __typename }"}, **{"x-request-id": "a b"})
    assert len(odd.headers["x-request-id"]) == 32


async def test_what_graphql_refuses_is_logged_once(logging_gateway: Gateway) -> None:
    """Given an operation that is answered with 400, then its one line is the operation's, and none says refused."""
    accept = {"accept": "application/graphql-response+json"}
    response = await sent(logging_gateway, {"query": "{ nothing }"}, **accept, **{"x-request-id": "refused-1"})
    assert response.status_code == 400
    after = await sent(logging_gateway, {"query": "{ __typename }"}, **{"x-request-id": "refused-2"})
    assert after.status_code == 200
    await lines_of(logging_gateway, "refused-2", 1)
    assert [line["event"] for line in await lines_of(logging_gateway, "refused-1", 1)] == ["request"]


async def test_what_is_refused_before_graphql_is_logged(logging_gateway: Gateway) -> None:
    """Given a request that is no GraphQL request, then its line has the status and the code."""
    response = await sent(logging_gateway, "{", **{"x-request-id": "broken-1"})
    (line,) = await lines_of(logging_gateway, "broken-1", 1)
    assert (line["event"], line["status"], line["outcome"]) == ("refused", response.status_code, "BAD_REQUEST")


async def test_a_subscription_is_logged_at_both_ends(logging_gateway: Gateway) -> None:
    """Given a socket, then each operation on it is logged; a subscription when it begins and when it ends."""
    async with open_socket(logging_gateway) as socket:
        await socket.ask("1", "query asked { __typename }")
        await socket.subscribe("2", "subscription followed { stockChanged { sku } }")
        await socket.ask("3", "query afterwards { __typename }")
        await socket.send({"id": "2", "type": "complete"})
        await socket.ask("4", "query last { __typename }")
        written = [json.loads(line) for line in logging_gateway.log().splitlines() if line.startswith("{")]
        (asked,) = [line for line in written if line.get("operation") == "asked"]
        lines = await lines_of(logging_gateway, asked["correlation_id"], 5)
    assert {line["transport"] for line in lines} == {"websocket"}
    assert [(line["event"], line["operation"], line["outcome"]) for line in lines] == [
        ("request", "asked", "ok"),
        ("subscription started", "followed", "ok"),
        ("request", "afterwards", "ok"),
        ("subscription ended", "followed", "closed"),
        ("request", "last", "ok"),
    ]
    assert lines[3]["messages"] == 0


async def test_nothing_that_a_caller_sends_is_logged_but_the_operations_name(logging_gateway: Gateway) -> None:
    """Given secrets in the credential, the document, the variables and the URL, then none is in the log."""
    query = (
        f'query named($s: [String!]!) {{ availability(skus: $s) {{ sku }} other: location(id: "{SECRET}") {{ id }} }}'
    )
    headers = {"authorization": f"Bearer {SECRET}", "x-request-id": "secretive"}
    await sent(logging_gateway, {"query": query, "variables": {"s": [SECRET]}}, **headers)
    async with Client(logging_gateway.url) as client:
        await client.http.get(f"{logging_gateway.url}?token={SECRET}&query=nonsense", headers=headers)
    assert len(await lines_of(logging_gateway, "secretive", 2)) == 2
    assert "secret" not in logging_gateway.log().replace("secretive", "")

"""Limits, cost and throttling as clients meet them; the one rule: every transport refuses the same, with one code."""

import json
from collections.abc import Iterator
from time import perf_counter

import pytest

from tests.end_to_end.client import Answer, Client, codes
from tests.end_to_end.event_stream import Event, open_event_stream
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.web_socket import open_socket
from tests.resolvers import documents

MS = 1000.0
SMALL = {
    "DOCUMENT_CHARACTERS_MAX": "400",
    "DOCUMENT_TOKENS_MAX": "60",
    "DOCUMENT_DEPTH_MAX": "4",
    "DOCUMENT_ALIASES_MAX": "2",
    "DOCUMENT_DIRECTIVES_MAX": "2",
    "DOCUMENT_ROOT_FIELDS_MAX": "3",
    "ANSWERED_ERRORS_MAX": "2",
    "COST_POINTS_MAX": "100",
    "COST_POINTS_PER_SECOND": "1",
}
"""Limits that short documents exceed."""
BEYOND = {
    "TOKEN_LIMIT_EXCEEDED": "{ viewer { " + "name " * 60 + "} }",
    "DEPTH_LIMIT_EXCEEDED": "{ movements { nodes { adjustment { movements { sku } } } } }",
    "ALIAS_LIMIT_EXCEEDED": "{ a: __typename b: __typename viewer { c: name } }",
    "DIRECTIVE_LIMIT_EXCEEDED": "{ viewer { ...f @skip(if: false) name @skip(if: false) } } "
    "fragment f on Viewer { role @skip(if: false) }",
    "ROOT_FIELD_LIMIT_EXCEEDED": "{ viewer { name } __typename viewer { role } __typename }",
    "COST_LIMIT_EXCEEDED": "{ locations(first: 250) { nodes { code } } }",
}
BEYOND_FOR_FOLLOWERS = {
    "TOKEN_LIMIT_EXCEEDED": "subscription { stockChanged { " + "sku " * 60 + "} }",
    "DEPTH_LIMIT_EXCEEDED": "subscription { stockChanged { adjustment { movements { location { code } } } } }",
    "ALIAS_LIMIT_EXCEEDED": "subscription { stockChanged { a: sku b: sku c: sku } }",
    "DIRECTIVE_LIMIT_EXCEEDED": "subscription { stockChanged { " + "sku @skip(if: false) " * 3 + "} }",
    "ROOT_FIELD_LIMIT_EXCEEDED": "subscription { " + "stockChanged { sku } " * 4 + "}",
}
UPSERT = 'mutation { itemUpsert(input: {sku: "a"}) { userErrors { code } } }'
CHEAP = "{ viewer { name } }"
FOLLOW = "subscription { stockChanged { sku } }"
TRANSPORTS = ("http", "websocket", "sse")


@pytest.fixture(scope="module")
def small(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway with small limits. It ends well, and its log tells of no failure."""
    with gateways.new("small", **SMALL).begin() as gateway:
        yield gateway
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()


async def asked(gateway: Gateway, transport: str, document: str, variables: Answer | None = None) -> Answer:
    """Return what a request is answered over a transport, whatever it is."""
    if transport == "http":
        async with Client(gateway.url) as client:
            answer: Answer = (await client.post(document, variables)).json()
            return answer
    if transport == "websocket":
        async with open_socket(gateway) as socket:
            await socket.subscribe("only", document, variables)
            message = await socket.receive()
            assert message["id"] == "only"
            payload = message["payload"]
            return payload if message["type"] == "next" else {"errors": payload}
    async with open_event_stream(gateway, document, variables) as stream:
        event: Event = await stream.next()
        assert event.name == "next"
        streamed: Answer = json.loads(event.data)
        return streamed


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("code", BEYOND)
async def test_each_limit_holds_on_each_transport(small: Gateway, transport: str, code: str) -> None:
    """Given a query beyond a limit, then it is refused with the limit's code, and a small one is answered."""
    answer = await asked(small, transport, BEYOND[code])
    assert codes(answer) == [code]
    assert not answer.get("data")
    assert (await asked(small, transport, CHEAP))["data"] == {"viewer": {"name": "local"}}


@pytest.mark.parametrize("transport", ["websocket", "sse"])
@pytest.mark.parametrize("code", BEYOND_FOR_FOLLOWERS)
async def test_each_limit_holds_for_subscriptions(small: Gateway, transport: str, code: str) -> None:
    """Given a subscription beyond a limit, then it is refused with the limit's code."""
    assert codes(await asked(small, transport, BEYOND_FOR_FOLLOWERS[code])) == [code]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_errors_are_bounded_on_each_transport(small: Gateway, transport: str) -> None:
    """Given many mistakes in a document or its variables, then only the first are told."""
    assert len((await asked(small, transport, "{ viewer { a b c d e f } }"))["errors"]) == 2
    many = "query ($skus: [String!]!) { availability(skus: $skus) { sku } }"
    assert codes(await asked(small, transport, many, {"skus": [1, 2, 3, 4]})) == ["BAD_USER_INPUT"] * 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_cost_is_told_on_each_transport(gateway: Gateway, transport: str) -> None:
    """Given a query, then its answer tells what it cost; a refused one is told too."""
    answer = await asked(gateway, transport, "{ locations(first: 2) { pageInfo { endCursor } } }")
    cost = answer["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (2, 2)
    status = cost["throttleStatus"]
    assert (status["maximumAvailable"], status["restoreRate"]) == (200_000, 500_000)
    assert 0 < status["currentlyAvailable"] <= 200_000


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_asks_too_much_waits_on_each_transport(gateways: Gateways, transport: str) -> None:
    """Given a caller that has spent its points, then queries and subscriptions are refused, with the time to wait."""
    few = {"COST_POINTS_MAX": "24", "COST_POINTS_PER_SECOND": "1"}
    with gateways.new(f"throttled-{transport}", **few).begin() as gateway:
        for _ in range(2):
            answer = await asked(
                gateway, transport, 'mutation { itemUpsert(input: {sku: "a"}) { userErrors { code } } }'
            )
            assert answer["data"] == {"itemUpsert": {"userErrors": []}}
        listing = "{ locations(first: 10) { nodes { code } } }"
        for document in (listing, *([FOLLOW] if transport != "http" else [])):
            (error,) = (await asked(gateway, transport, document))["errors"]
            assert error["extensions"]["code"] == "THROTTLED"
            assert 0 < error["extensions"]["retryAfterMs"] <= 12_000


@pytest.mark.parametrize("attack", documents.ATTACKS)
async def test_each_attack_is_refused_and_the_gateway_goes_on(gateway: Gateway, client: Client, attack: str) -> None:
    """Given a document made to hurt, then it is refused for what it is, and the next request is answered."""
    text, code = documents.ATTACKS[attack]
    started = perf_counter()
    response = await client.post(text)
    print(f"{attack}: {(perf_counter() - started) * MS:.1f} ms")
    assert set(codes(response.json())) == {code}
    assert await client.ask(CHEAP) == {"viewer": {"name": "local"}}


async def test_deep_variables_are_refused(gateway: Gateway, client: Client) -> None:
    """Given variables that nest 100,000 deep, then they are refused before anything reads them."""
    deep = '{"query": "query ($a: [String!]!) { availability(skus: $a) { sku } }", "variables": {"a": '
    response = await client.send(deep + "[" * 100_000 + "]" * 100_000 + "}}")
    assert codes(response.json()) == ["BAD_REQUEST"]
    less_deep = await client.send(deep + "[" * 500 + "]" * 500 + "}}")
    assert codes(less_deep.json()) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_lists_without_end_are_refused(gateway: Gateway, transport: str) -> None:
    """Given lists that no command takes, then they are refused unread; somewhat too long ones by their argument."""
    question = "query ($a: [String!]!) { availability(skus: $a) { sku } }"
    for skus, code in ((["x"] * 100_000, "BAD_USER_INPUT"), (["x"] * 1000, "INVALID_INPUT")):
        assert codes(await asked(gateway, transport, question, {"a": skus})) == [code]
    change = "mutation ($i: [InventoryAdjustmentInput!]!) { inventoryAdjustBulk(inputs: $i) { position } }"
    many = [{"sku": "a", "idempotencyKey": "k", "adjustments": [{}] * 900} for _ in range(6)]
    assert codes(await asked(gateway, transport, change, {"i": many})) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_production_suggests_nothing(production: Gateway, transport: str) -> None:
    """Given a slip of the pen in production, then no name of the schema is told."""
    for document in ("{ viewr { name } }", "{ locations(fist: 1) { nodes { code } } }"):
        answer = await asked(production, transport, document)
        assert codes(answer) == ["GRAPHQL_VALIDATION_FAILED"]
        assert "Did you mean" not in str(answer)

"""What JSON, HTTP or GraphQL refuses itself; the one rule: a typed error as JSON, and nothing moves."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import httpx
import pytest

from tests.end_to_end.client import JSON, Answer, Client, codes, result_of
from tests.end_to_end.shop import Shop
from tests.end_to_end.web_socket import open_socket

ADJUST: Final = """
mutation adjust($input: InventoryAdjustmentInput!) { inventoryAdjust(input: $input) { userErrors { code } } }
"""
PAGE: Final = "query page($first: Int!) { locations(first: $first) { nodes { code } } }"
QUERY: Final = json.dumps({"query": "{ __typename }"})


def typed(response: httpx.Response) -> list[str]:
    """Return the codes of a refusal, which is JSON, no failure of the gateway, and explains itself."""
    assert response.status_code < 500, response.text
    assert response.headers["content-type"].startswith("application/json"), response.headers
    assert response.headers["x-content-type-options"] == "nosniff"
    answer = response.json()
    assert answer.get("data") is None
    assert all(error["message"] for error in answer["errors"])
    return codes(answer)


@pytest.fixture
async def untouched(shop: Shop) -> AsyncIterator[Shop]:
    """A shop whose gateway holds the same after the test as before."""
    before = shop.gateway.dump()
    yield shop
    assert shop.gateway.dump() == before


def entry(shop: Shop, **more: object) -> Answer:
    """Return an input of inventoryAdjust with one entry."""
    return {
        "sku": shop.skus[0],
        "idempotencyKey": "bad",
        "adjustments": [{"locationId": shop.east, "delta": 1, **more}],
    }


WRONG: Final[Mapping[str, Sequence[object]]] = {
    "sku": [1, None, ["x", "y"], {}, True],
    "idempotencyKey": [1, None, {}],
    "adjustments": [None, 5, "x", [None], [[]], [5]],
    "occurredAt": ["yesterday", "2026-13-01T00:00:00Z", "", 5, "2026-01-01T25:00:00Z"],
    "reason": ["BECAUSE", 5, "sale"],
    "onShortage": [None, "MAYBE"],
    "dryRun": [None, "false", 0],
    "unknown": [1],
}
WRONG_IN_ENTRY: Final[Mapping[str, Sequence[object]]] = {
    "delta": [2**31, -(2**31) - 1, 10**30, 1.5, 1e10, "1", True, None, [1], {}],
    "changeFromQuantity": [2**31, 0.5, "1"],
    "bucket": ["NOWHERE", "on_hand", "", None, 1],
    "locationId": [1.5, True, None, ["EAST", "WEST"], {}],
    "unknown": [1],
}


def ill_typed(shop: Shop) -> list[object]:
    """Return inputs that the schema's types refuse."""
    good = entry(shop)
    return [
        *({**good, name: value} for name, values in WRONG.items() for value in values),
        *(entry(shop, **{name: value}) for name, values in WRONG_IN_ENTRY.items() for value in values),
        *({other: good[other] for other in good if other != name} for name in good),
        {},
        None,
        5,
        [],
        "x",
    ]


async def test_variables_of_other_types_are_bad_input(untouched: Shop) -> None:
    for input in ill_typed(untouched):
        response = await untouched.client.post(ADJUST, {"input": input})
        assert set(typed(response)) == {"BAD_USER_INPUT"}, input
    assert typed(await untouched.client.post(ADJUST, {})) == ["BAD_USER_INPUT"]


async def test_variables_of_other_types_are_bad_input_over_a_socket_too(untouched: Shop) -> None:
    async with open_socket(untouched.gateway) as socket:
        for number, input in enumerate(ill_typed(untouched)):
            await socket.subscribe(f"o{number}", ADJUST, {"input": input})
            message = await socket.receive()
            assert (message["id"], message["type"]) == (f"o{number}", "error"), message
            assert set(codes({"errors": message["payload"]})) == {"BAD_USER_INPUT"}, input


@pytest.mark.parametrize("first", [2**31, -(2**31) - 1, 10**40, 1.5, "1", True, None, [1, 2], {}])
async def test_a_number_beyond_int_is_bad_input_as_variable_and_as_literal(client: Client, first: object) -> None:
    assert typed(await client.post(PAGE, {"first": first})) == ["BAD_USER_INPUT"]
    literal = json.dumps(first)
    document = f"{{ locations(first: {literal}) {{ nodes {{ code }} }} }}"
    assert typed(await client.post(document)) == ["GRAPHQL_VALIDATION_FAILED"]


DOCUMENTS: Final = [
    ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ locations(first: 5, nothing: 1) { nodes { code } } }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ locations }", "GRAPHQL_VALIDATION_FAILED"),
    ("query q($x: Nothing) { __typename }", "GRAPHQL_VALIDATION_FAILED"),
    ("query q($x: String) { locations(first: $x) { nodes { code } } }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ ...f } fragment f on Query { ...f }", "GRAPHQL_VALIDATION_FAILED"),
    ("", "GRAPHQL_PARSE_FAILED"),
    ("{", "GRAPHQL_PARSE_FAILED"),
    ("#", "GRAPHQL_PARSE_FAILED"),
    ("{ a\0 }", "GRAPHQL_PARSE_FAILED"),
    ('{ availability(skus: ["\\ud800"]) { sku } }', "GRAPHQL_PARSE_FAILED"),
    ('{ availability(skus: ["\\udc00\\ud800"]) { sku } }', "GRAPHQL_PARSE_FAILED"),
    ('{ availability(skus: ["\\u{d800}"]) { sku } }', "GRAPHQL_PARSE_FAILED"),
    ('{ availability(skus: ["\\u{110000}"]) { sku } }', "GRAPHQL_PARSE_FAILED"),
    ("{ a " * 5000 + "}" * 5000, "DEPTH_LIMIT_EXCEEDED"),
    ("{ availability(skus: " + "[" * 5000 + "]" * 5000 + ") { sku } }", "DEPTH_LIMIT_EXCEEDED"),
]


@pytest.mark.parametrize(("document", "code"), DOCUMENTS)
async def test_a_document_that_cannot_be_run_says_why(client: Client, document: str, code: str) -> None:
    assert set(typed(await client.post(document))) == {code}


def deep(opening: str, closing: str, levels: int) -> str:
    return opening * levels + "1" + closing * levels


BODIES: Final = {
    "nothing": b"",
    "no JSON": b"{",
    "a word": b"query",
    "a text": b'"query"',
    "a number": b"5",
    "null": b"null",
    "true": b"true",
    "not a number": b'{"query": "{ __typename }", "variables": {"x": NaN}}',
    "infinity": b'{"query": "{ __typename }", "variables": {"x": Infinity}}',
    "half a surrogate pair in a variable": b'{"query": "{ __typename }", "variables": {"x": "\\ud800"}}',
    "half a surrogate pair as a name": b'{"query": "{ __typename }", "variables": {"\\udc00": 1}}',
    "half a surrogate pair in the document": b'{"query": "{ __typename } # \\ud800"}',
    "no UTF-8": b'{"query": "{ __typename } # \xff"}',
    "a surrogate in UTF-8": b'{"query": "{ __typename } # \xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"query": "{ __typename }"}',
    "UTF-16": QUERY.encode("utf-16"),
    "two bodies": (QUERY * 2).encode(),
    "deep lists": ('{"query": "{ __typename }", "variables": {"x": ' + deep("[", "]", 20_000) + "}}").encode(),
    "deep objects": ('{"query": "{ __typename }", "variables": ' + deep('{"x":', "}", 20_000) + "}").encode(),
    "a batch": f"[{QUERY}, {QUERY}]".encode(),
    "an empty batch": b"[]",
    "an array of nothing": b"[null]",
    "no query": b"{}",
    "a query of another type": b'{"query": 5}',
    "a query that is null": b'{"query": null}',
    "variables in a list": b'{"query": "{ __typename }", "variables": []}',
    "variables as text": b'{"query": "{ __typename }", "variables": "{}"}',
    "extensions in a list": b'{"query": "{ __typename }", "extensions": []}',
    "an operation name of another type": b'{"query": "{ __typename }", "operationName": 5}',
    "a document id of another type": b'{"documentId": 5}',
    "an unknown operation": b'{"query": "query a { __typename }", "operationName": "b"}',
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_is_no_request_is_refused(client: Client, what: str) -> None:
    response = await client.send(BODIES[what])
    assert (response.status_code, typed(response)) == (400, ["BAD_REQUEST"])


@pytest.mark.parametrize("levels", [990, 1010, 1024])
async def test_variables_that_are_just_not_too_deep_for_json_are_bad_input(client: Client, levels: int) -> None:
    for variables in (deep("[", "]", levels), deep('{"x":', "}", levels)):
        body = f'{{"query": {json.dumps(PAGE)}, "variables": {{"first": {variables}}}}}'
        assert typed(await client.send(body)) in (["BAD_USER_INPUT"], ["BAD_REQUEST"])


async def test_a_body_over_the_limit_is_refused_however_it_is_sent(client: Client) -> None:
    padding = "x" * 1_000_000
    body = json.dumps({"query": f"{{ __typename }} # {padding}"}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    for content in (body, pieces()):
        response = await client.http.post(client.url, content=content, headers=JSON)
        assert (response.status_code, typed(response)) == (413, ["BODY_TOO_LARGE"])
    fitting = '{"query": "{ __typename }", "extensions": {"padding": "'
    fitting += "x" * (1_000_000 - len(fitting) - len('"}}')) + '"}}'
    assert len(fitting) == 1_000_000
    assert result_of(await client.send(fitting)) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/graphql"},
        {"content-type": "json"},
        {"content-type": ""},
        {"content-type": "application/jsonfoo"},
        {"content-type": "application/json+graphql"},
        {"content-type": "text/json"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json; charset=iso-8859-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_of_another_type_is_refused(client: Client, headers: Mapping[str, str]) -> None:
    response = await client.send(QUERY, headers)
    assert (response.status_code, typed(response)) == (415, ["UNSUPPORTED_MEDIA_TYPE"])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json;charset=UTF-8",
        'Application/JSON; charset="utf-8"',
        "application/json; profile=x; charset=utf8",
    ],
)
async def test_parameters_of_the_type_that_change_nothing_are_let_pass(client: Client, content_type: str) -> None:
    response = await client.send(QUERY, {"content-type": content_type})
    assert result_of(response) == {"data": {"__typename": "Query"}}


async def test_nothing_is_changed_by_get(untouched: Shop) -> None:
    document = f'mutation {{ itemArchive(input: {{sku: "{untouched.skus[0]}"}}) {{ userErrors {{ code }} }} }}'
    for accept in ("application/json", "*/*"):
        response = await untouched.client.http.get(
            untouched.client.url, params={"query": document}, headers={"accept": accept}
        )
        assert (response.status_code, typed(response)) == (405, ["METHOD_NOT_ALLOWED"])
        assert response.headers["allow"] == "POST"
    stream = await untouched.client.http.get(
        untouched.client.url, params={"query": document}, headers={"accept": "text/event-stream"}
    )
    name, data, *_ = stream.text.split("\n")
    assert (name, codes(json.loads(data.removeprefix("data: ")))) == ("event: next", ["METHOD_NOT_ALLOWED"])


async def test_a_query_may_be_asked_by_get(client: Client) -> None:
    params = {"query": "query q($x: [String!]!) { availability(skus: $x) { sku } }", "variables": '{"x": ["nope"]}'}
    response = await client.http.get(client.url, params=params, headers={"accept": "application/json"})
    assert result_of(response) == {"data": {"availability": [None]}}
    for broken in ("{", "5", "[]", '{"x": "\\ud800"}'):
        response = await client.http.get(client.url, params={**params, "variables": broken}, headers=JSON)
        assert (response.status_code, typed(response)) == (400, ["BAD_REQUEST"])


async def test_a_subscription_by_plain_request_says_how_to_subscribe(client: Client) -> None:
    document = "subscription { stockChanged { sku } }"
    posted = await client.post(document)
    got = await client.http.get(client.url, params={"query": document}, headers={"accept": "application/json"})
    for response in (posted, got):
        assert (response.status_code, typed(response)) == (400, ["BAD_REQUEST"])
        assert "text/event-stream" in response.json()["errors"][0]["message"]

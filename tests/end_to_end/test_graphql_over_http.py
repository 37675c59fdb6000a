"""GraphQL over HTTP, sentence by sentence; each test names the section of the draft specification that it is about.

The one rule: what the draft's newest text recommends and the audits of its implementers contradict is decided for the
audits (400 and 200 instead of 422 and 294), and stands here as such.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import pytest

from tests.end_to_end.client import Client, codes, result_of
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import OPENING, Shop

JSON: Final = "application/json"
RESPONSE: Final = "application/graphql-response+json"
UTF_8: Final = "; charset=utf-8"
TYPE_NAME: Final = {"data": {"__typename": "Query"}}
PAGE: Final = "query page($first: Int!) { locations(first: $first) { nodes { code } } }"

both_media_types = pytest.mark.parametrize("accept", [JSON, RESPONSE])


async def post(client: Client, body: object, accept: str | None = JSON, **headers: str) -> httpx.Response:
    """Post a JSON body, taking an answer of this kind."""
    named = {"content-type": JSON, **({} if accept is None else {"accept": accept}), **headers}
    request = client.http.build_request("POST", client.url, content=json.dumps(body), headers=named)
    if accept is None:
        del request.headers["accept"]
    return await client.http.send(request)


async def get(client: Client, accept: str = JSON, **parameters: str) -> httpx.Response:
    """Ask by GET."""
    return await client.http.get(client.url, params=parameters, headers={"accept": accept})


def refused(response: httpx.Response) -> tuple[int, list[str]]:
    """Return the status and codes of an answer that says nothing of data."""
    answer = response.json()
    assert "data" not in answer
    return response.status_code, codes(answer)


# Section "Body": which media type is answered.


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (RESPONSE, RESPONSE),
        (RESPONSE.upper(), RESPONSE),
        (f"{RESPONSE}; charset=utf-8", RESPONSE),
        (f"{RESPONSE}, {JSON};q=0.9", RESPONSE),
        (f"{JSON};q=0.9, {RESPONSE}", RESPONSE),
        (f"{RESPONSE};q=0.5, {JSON};q=0.501", JSON),
        (f"{JSON}, {RESPONSE}", JSON),
        (f"{RESPONSE}, {JSON}", RESPONSE),
        (f"{JSON};q=0, {RESPONSE};q=0.001", RESPONSE),
        (f"{JSON};q=0, */*;q=0.1", RESPONSE),
        (f"*/*;q=0.1, {RESPONSE};q=0.2", RESPONSE),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", JSON),
        (f"image/png, {JSON};q=abc, {RESPONSE}", RESPONSE),
        (f"{RESPONSE}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", RESPONSE),
        (f"{JSON};profile=x;q=0.2,{RESPONSE}; q=0.1", JSON),
    ],
)
async def test_the_best_supported_media_type_is_answered(client: Client, accept: str | None, answered: str) -> None:
    """Given an Accept header, when the server supports several of its types, then the one ranked highest is used."""
    response = await post(client, {"query": "{ __typename }"}, accept)
    assert (response.status_code, result_of(response)) == (200, TYPE_NAME)
    assert response.headers["content-type"] == answered + UTF_8


@pytest.mark.parametrize(
    "accept",
    ["text/plain", "application/xml, image/*", f"{JSON};q=0", f"{JSON};q=0, {RESPONSE};q=0.0", "json", f"{JSON};q=2"],
)
async def test_an_accept_that_nothing_fits_is_not_acceptable(client: Client, accept: str) -> None:
    """Given no supported media type in Accept, then the answer is 406 and processing stops."""
    assert refused(await post(client, {"query": "{ __typename }"}, accept)) == (406, ["NOT_ACCEPTABLE"])


async def test_several_accept_headers_count_as_one(client: Client) -> None:
    """Given the header twice (RFC 9110, field lines), then it is read as one list."""
    headers = [("content-type", JSON), ("accept", "text/plain"), ("accept", RESPONSE)]
    response = await client.http.post(client.url, content='{"query": "{ __typename }"}', headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, RESPONSE + UTF_8)


# Section "Status Codes": what a document or its values get wrong.

REQUEST_ERRORS: Final = [
    ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": PAGE}, "BAD_USER_INPUT"),
    ({"query": PAGE, "variables": {"first": "many"}}, "BAD_USER_INPUT"),
    ({"query": "query a { __typename } query b { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("body", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_400_for_todays_media_type(client: Client, body: object, code: str) -> None:
    """Given a document that cannot be parsed, validated or given its variables, then 4xx, and no `data` entry."""
    response = await post(client, body, RESPONSE)
    assert refused(response) == (400, [code])
    assert response.headers["content-type"] == RESPONSE + UTF_8


@pytest.mark.parametrize(("body", "code"), REQUEST_ERRORS)
async def test_a_request_error_is_200_for_clients_of_json(client: Client, body: object, code: str) -> None:
    """Given the same and a legacy client, then it may rely on a response of 2xx to come from GraphQL."""
    response = await post(client, body, JSON)
    assert refused(response) == (200, [code])
    assert response.headers["content-type"] == JSON + UTF_8


@both_media_types
async def test_partial_success_is_2xx(client: Client, accept: str) -> None:
    """Given data and errors of fields, then the status is 2xx and both are answered."""
    response = await post(client, {"query": "{ __typename availability(skus: []) { sku } }"}, accept)
    answer = response.json()
    assert (response.status_code, answer["data"]) == (200, {"__typename": "Query", "availability": None})
    assert codes(answer) == ["INVALID_INPUT"]


@both_media_types
async def test_data_that_is_null_after_execution_is_2xx_and_said_so(client: Client, accept: str) -> None:
    """Given an error of a field that may not be null, then execution began: `data` is there, and null."""
    response = await post(client, {"query": "{ locations(first: 251) { nodes { code } } }"}, accept)
    answer = response.json()
    assert (response.status_code, answer["data"], codes(answer)) == (200, None, ["INVALID_INPUT"])


# Sections "Request" and "JSON Encoding": what a well-formed request is.

MALFORMED: Final = [
    {},
    {"qeury": "{ __typename }"},
    {"query": None},
    *({"query": value} for value in (0, 1.5, True, ["{ __typename }"], {"a": 1})),
    *({"query": "{ __typename }", "operationName": value} for value in (0, False, ["a"], {"a": 1})),
    *({"query": "{ __typename }", "variables": value} for value in ("{}", 0, False, [7])),
    *({"query": "{ __typename }", "extensions": value} for value in ("{}", 0, False, [7])),
    [{"query": "{ __typename }"}],
    [],
    None,
    "{ __typename }",
    5,
]


@both_media_types
@pytest.mark.parametrize("body", MALFORMED, ids=json.dumps)
async def test_what_is_not_well_formed_is_400(client: Client, body: object, accept: str) -> None:
    """Given parameters that are missing or of a wrong type, then 4xx, and not as a GraphQL response."""
    response = await post(client, body, accept)
    assert refused(response) == (400, ["BAD_REQUEST"])
    assert response.headers["content-type"] == JSON + UTF_8


@both_media_types
async def test_null_and_unknown_members_are_ignored(client: Client, accept: str) -> None:
    """Given null for optional parameters, or properties that are not known, then they count as not given."""
    body = {"query": "{ __typename }", "operationName": None, "variables": None, "extensions": None, "more": [1]}
    assert result_of(await post(client, body, accept)) == TYPE_NAME


async def test_an_operation_is_named_among_several(client: Client) -> None:
    """Given several operations, then `operationName` says which is run; a name that is not there runs none."""
    body = {"query": "query a { a: __typename } query b { b: __typename }"}
    assert result_of(await post(client, {**body, "operationName": "b"})) == {"data": {"b": "Query"}}
    assert refused(await post(client, {**body, "operationName": "c"})) == (400, ["BAD_REQUEST"])


async def test_utf_8_is_assumed_and_answered(shop: Shop) -> None:
    """Given a body that names no encoding, then it is read as UTF-8, and so is the answer written."""
    query = 'query q($sku: String!) { availability(skus: [$sku]) { sku } alias: __typename # "ä€\N{PACKAGE}"\n }'
    body = json.dumps({"query": query, "variables": {"sku": "ä€\N{PACKAGE}"}}, ensure_ascii=False).encode()
    response = await shop.client.send(body)
    assert result_of(response) == {"data": {"availability": [None], "alias": "Query"}}


# Section "GET".


@both_media_types
async def test_a_query_is_asked_by_get(shop: Shop, accept: str) -> None:
    """Given the parameters in the URL, `variables` and `extensions` as JSON, then the query is answered."""
    query = "query a { __typename } query b($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"
    variables = json.dumps({"skus": [shop.skus[0]]})
    response = await get(shop.client, accept, query=query, operationName="b", variables=variables, extensions="{}")
    assert result_of(response) == {"data": {"availability": [{"availableQuantity": 2 * OPENING}]}}
    assert (response.status_code, response.headers["content-type"]) == (200, accept + UTF_8)


async def test_empty_optional_parameters_are_as_good_as_none(client: Client) -> None:
    """Given the empty string for optional parameters, then they count as not given."""
    response = await get(client, query="{ __typename }", operationName="", variables="", extensions="")
    assert result_of(response) == TYPE_NAME


async def test_an_operation_may_be_named_null(client: Client) -> None:
    """Given operationName=null, then that is a name like any other."""
    assert result_of(await get(client, query="query null { __typename }", operationName="null")) == TYPE_NAME


@both_media_types
async def test_a_mutation_by_get_is_405(shop: Shop, accept: str) -> None:
    """Given a mutation by GET, then 405 with Allow, and nothing is executed."""
    before = shop.gateway.dump()
    document = f'mutation {{ itemArchive(input: {{sku: "{shop.skus[0]}"}}) {{ userErrors {{ code }} }} }}'
    for parameters in ({"query": document}, {"query": f"query a {{ __typename }} {document}", "operationName": ""}):
        response = await get(shop.client, accept, **parameters)
        if parameters["query"] == document:
            assert refused(response) == (405, ["METHOD_NOT_ALLOWED"])
            assert response.headers["allow"] == "POST"
        assert "itemArchive" not in response.text
    assert shop.gateway.dump() == before


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "variables=%7B%7D",
        "query=%7B__typename%7D&variables=%7B",
        "query=%7B__typename%7D&variables=5",
        "query=%7B__typename%7D&extensions=%5B%5D",
        "query=%7B__typename%7D&query=%7B__typename%7D",
        "query=%7B__typename%7D%FF",
        "query=%7B__typename%7D&" + "&".join(f"p{number}=1" for number in range(16)),
        "query=%7B__typename%7D&" + "&" * 20_000,
    ],
)
async def test_a_url_that_holds_no_request_is_400(client: Client, parameters: str) -> None:
    """Given parameters that are missing, malformed, doubled or too many, then 400."""
    response = await client.http.get(f"{client.url}?{parameters}", headers={"accept": JSON})
    assert refused(response) == (400, ["BAD_REQUEST"])


async def test_get_is_off_in_production(production: Gateway, client: Client) -> None:
    """Given a gateway in production, then GET is 405, with or without a query; POST is answered."""
    for parameters in ({"query": "{ __typename }"}, {}):
        response = await client.http.get(production.url, params=parameters)
        assert refused(response) == (405, ["METHOD_NOT_ALLOWED"])
        assert response.headers["allow"] == "POST, OPTIONS"


# Sections "Status Codes" and RFC 9110: what the transport refuses.


async def test_a_body_that_does_not_arrive_is_408(few: Gateway) -> None:
    """Given a client that does not produce its request in time, then 408."""
    reader, writer = await asyncio.open_connection(sock=await few.connect())
    head = f"POST /graphql HTTP/1.1\r\nHost: {few.host}\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"query":')
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()
    assert status.startswith(b"HTTP/1.1 408 ")


async def test_a_url_over_the_limit_is_414(few: Gateway, client: Client) -> None:
    """Given a URI that is too large, then 414: it should have been sent by POST."""
    response = await client.http.get(few.url, params={"query": "{ __typename } #" + "x" * 5000})
    assert refused(response) == (414, ["BODY_TOO_LARGE"])


async def test_a_body_over_the_limit_is_413(few: Gateway, client: Client) -> None:
    """Given a body that is too large, then 413."""
    response = await client.http.post(few.url, json={"query": "{ __typename }", "more": "x" * 5000})
    assert refused(response) == (413, ["BODY_TOO_LARGE"])


@both_media_types
async def test_a_throttled_request_says_when_to_come_again(few: Gateway, accept: str) -> None:
    """Given a caller that has spent its points, then 429 with Retry-After in whole seconds, rounded up."""
    body = {"query": "{ " + " ".join(f"a{n}: locations(first: 1) {{ nodes {{ code }} }}" for n in range(10)) + " }"}
    async with Client(few.url) as client:
        responses = [await post(client, body, accept) for _ in range(10)]
    throttled = [response for response in responses if response.status_code == 429]
    assert throttled, [response.text for response in responses]
    assert refused(throttled[0]) == (429, ["THROTTLED"])
    retry_after_ms = throttled[0].json()["errors"][0]["extensions"]["retryAfterMs"]
    assert int(throttled[0].headers["retry-after"]) == max(1, -(-retry_after_ms // 1000))


@pytest.fixture(scope="module")
def few(gateways: Any) -> Any:
    """A gateway of small limits."""
    limits: Mapping[str, str] = {
        "BODY_BYTES_MAX": "4000",
        "BODY_DEADLINE_MS": "300",
        "COST_POINTS_MAX": "40",
        "COST_POINTS_PER_SECOND": "1",
    }
    with gateways.new("few", **limits).begin() as gateway:
        yield gateway
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()

"""HTTP itself: methods, hosts, pipelining, health, GraphiQL; the one rule: only this machine's names are answered."""

import asyncio
import json

import httpx
import pytest

from tests.end_to_end.client import Client, codes, result_of
from tests.end_to_end.gateway import Gateway

ANSWER_SECONDS_MAX = 10.0
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def exchange(gateway: Gateway, request: bytes) -> bytes:
    """Send bytes and return all that comes until the gateway closes the connection."""
    reader, writer = await asyncio.open_connection(sock=await gateway.connect())
    writer.write(request)
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        answer = await reader.read()
    writer.close()
    return answer


def post(gateway: Gateway, document: str, *, last: bool = False) -> bytes:
    """Return a request as bytes."""
    body = json.dumps({"query": document}).encode()
    close = "Connection: close\r\n" if last else ""
    head = f"POST /graphql HTTP/1.1\r\nHost: {gateway.host}\r\nContent-Type: application/json\r\n{close}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_requests_sent_in_one_go_are_answered_in_order(gateway: Gateway) -> None:
    aliases = [f"a{number}" for number in range(10)]
    requests = [post(gateway, f"{{ {alias}: __typename }}", last=alias == aliases[-1]) for alias in aliases]
    answer = await exchange(gateway, b"".join(requests))
    assert answer.count(b"HTTP/1.1 200 OK") == len(aliases)
    places = [answer.index(f'{{"data":{{"{alias}":"Query"}}'.encode()) for alias in aliases]
    assert places == sorted(places)


async def test_a_bad_request_does_not_spoil_the_next_on_its_connection(gateway: Gateway) -> None:
    bad = b"POST /graphql HTTP/1.1\r\nHost: " + gateway.host.encode() + b"\r\nContent-Length: 1\r\n\r\n{"
    answer = await exchange(gateway, bad + post(gateway, "{ __typename }", last=True))
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b'{"data":{"__typename":"Query"}' in answer


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
async def test_other_methods_are_refused(client: Client, method: str) -> None:
    response = await client.http.request(method, client.url)
    assert response.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert response.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert codes(response.json()) == ["METHOD_NOT_ALLOWED"]


async def test_options_tells_the_methods(client: Client, production: Gateway) -> None:
    for url, methods in ((client.url, "GET, HEAD, POST, OPTIONS"), (production.url, "POST, OPTIONS")):
        response = await client.http.options(url)
        assert (response.status_code, response.headers["allow"], response.content) == (204, methods, b"")


async def test_head_is_get_without_its_body(client: Client) -> None:
    params = {"query": "{ __typename }"}
    got, headed = [await client.http.request(method, client.url, params=params) for method in ("GET", "HEAD")]
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]", "127.0.0.1:80", "localhost:5"])
async def test_this_machine_is_answered(client: Client, host: str) -> None:
    response = await client.http.post(client.url, json={"query": "{ __typename }"}, headers={"host": host})
    assert result_of(response) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "", "127.1"],
)
@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/nothing"])
async def test_every_other_host_is_misdirected(gateway: Gateway, client: Client, host: str, path: str) -> None:
    response = await client.http.get(f"http://{gateway.host}{path}", headers={"host": host})
    assert (response.status_code, codes(response.json())) == (421, ["MISDIRECTED_REQUEST"])


async def test_a_request_without_a_host_is_misdirected(gateway: Gateway) -> None:
    answer = await exchange(gateway, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 421 ")


async def test_health_and_readiness_are_told_and_nothing_else(gateway: Gateway, client: Client) -> None:
    for path, text in (("healthz", "alive\n"), ("readyz", "ready\n")):
        response = await client.http.get(f"http://{gateway.host}/{path}")
        assert (response.status_code, response.text) == (200, text)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers
    assert (await client.http.get(f"http://{gateway.host}/")).status_code == 404
    assert (await client.http.get(f"http://{gateway.host}/graphql/")).status_code in (307, 404)


async def test_answers_are_not_to_be_kept(client: Client) -> None:
    response = await client.post("{ __typename }")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_graphiql_is_there_in_development_only(gateway: Gateway, production: Gateway, client: Client) -> None:
    page = await client.http.get(gateway.url, headers=HTML)
    assert (page.status_code, "text/html" in page.headers["content-type"]) == (200, True)
    assert "graphiql" in page.text.lower()
    page = await client.http.get(production.url, headers=HTML)
    assert (page.status_code, codes(page.json())) == (405, ["METHOD_NOT_ALLOWED"])
    assert "graphiql" not in page.text.lower()
    async with Client(production.url) as caller:
        assert await caller.ask("{ __typename }") == {"__typename": "Query"}

"""Pages of other web sites; the one rule: none but those that the operator names reads an answer or opens a socket."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.end_to_end.client import Client, codes, result_of
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.web_socket import SUBPROTOCOL

SHOP: Final = "https://shop.example"
PREFLIGHT: Final = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
QUERY: Final = {"query": "{ __typename }"}
TYPE_NAME: Final = {"data": {"__typename": "Query"}}


@pytest.fixture(scope="module")
def shared_with_shop(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway that lets the pages of two sites in."""
    with gateways.new("origins", ALLOWED_ORIGINS=f"{SHOP}, HTTP://till.example:80").begin() as gateway:
        yield gateway
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()


def granted(response: httpx.Response) -> list[str]:
    """Return which of CORS's headers an answer carries."""
    return [name for name in response.headers if name.startswith("access-control-allow")]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://", "https://"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_foreign_page_is_forbidden(client: Client, origin: str, method: str) -> None:
    """Given a gateway that names no site, when a page of one calls it, then 403, and nothing says that it may read."""
    headers = {"origin": origin}
    if method == "GET":
        response = await client.http.get(client.url, params=QUERY, headers=headers)
    else:
        response = await client.http.post(client.url, json=QUERY, headers=headers)
    assert (response.status_code, codes(response.json())) == (403, ["FORBIDDEN"])
    assert granted(response) == []


async def test_a_form_of_a_foreign_page_is_forbidden(client: Client) -> None:
    """Given what a page can send without asking first (text/plain), then it is refused, with or without an origin."""
    for headers, status in (({"origin": "https://evil.example"}, 403), ({}, 415)):
        response = await client.send('{"query": "{ __typename }"}', {"content-type": "text/plain", **headers})
        assert response.status_code == status


async def test_a_preflight_is_granted_nothing(client: Client) -> None:
    """Given a gateway that names no site, when a browser asks first, then no header lets the page go on."""
    response = await client.http.options(client.url, headers={"origin": SHOP, **PREFLIGHT})
    assert (response.status_code, granted(response)) == (204, [])


async def test_our_own_page_is_let_in(client: Client, gateway: Gateway) -> None:
    """Given GraphiQL, a page of the gateway itself, then it is answered."""
    for headers in (
        {"origin": f"http://{gateway.host}"},
        {"origin": "https://proxy.example", "sec-fetch-site": "same-origin"},
    ):
        assert result_of(await client.http.post(client.url, json=QUERY, headers=headers)) == TYPE_NAME


@pytest.mark.parametrize("origin", [SHOP, "http://till.example"])
async def test_a_named_site_is_let_in(shared_with_shop: Gateway, client: Client, origin: str) -> None:
    """Given a site that the operator names, then its pages may ask, read, and open sockets; exactly that origin."""
    url = shared_with_shop.url
    preflight = await client.http.options(url, headers={"origin": origin, **PREFLIGHT})
    answer = await client.http.post(url, json=QUERY, headers={"origin": origin})
    refusal = await client.http.post(url, json={}, headers={"origin": origin})
    assert preflight.status_code == httpx.codes.OK
    assert result_of(answer) == TYPE_NAME
    for response in (preflight, answer, refusal):
        assert response.headers["access-control-allow-origin"] == origin
        assert "Origin" in response.headers["vary"]
        assert "access-control-allow-credentials" not in response.headers
    async with connect(
        f"ws://{shared_with_shop.host}/graphql", subprotocols=[SUBPROTOCOL], origin=Origin(origin), proxy=None
    ) as connection:
        assert connection.subprotocol == SUBPROTOCOL


@pytest.mark.parametrize("origin", ["https://shop.example.evil.example", "http://shop.example", f"{SHOP}:444", "null"])
async def test_a_site_of_a_similar_name_is_not(shared_with_shop: Gateway, client: Client, origin: str) -> None:
    """Given another scheme, port or name, then it is another site."""
    preflight = await client.http.options(shared_with_shop.url, headers={"origin": origin, **PREFLIGHT})
    answer = await client.http.post(shared_with_shop.url, json=QUERY, headers={"origin": origin})
    assert (preflight.status_code, answer.status_code) == (400, 403)
    for response in (preflight, answer):
        assert "access-control-allow-origin" not in response.headers
    with pytest.raises(InvalidStatus):
        await connect(
            f"ws://{shared_with_shop.host}/graphql", subprotocols=[SUBPROTOCOL], origin=Origin(origin), proxy=None
        )

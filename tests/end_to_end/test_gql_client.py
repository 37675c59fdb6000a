"""A client library of others (gql) over HTTP and WebSocket; the one rule: it works as its own manual says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import GraphQLRequest
from gql.client import AsyncClientSession, ReconnectingAsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import OPENING, Shop

STOCK = """
subscription stock($skus: [String!], $after: String) {
  stockChanged(skus: $skus, after: $after) { position sku levels { onHand } }
}
"""
AVAILABILITY = """
subscription available($skus: [String!], $after: String) {
  availabilityChanged(skus: $skus, after: $after) { position sku availableQuantity previousQuantity status }
}
"""
ADJUST = """
mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { position replayed userErrors { code field } }
}
"""
ASK = "query ask($skus: [String!]!) { availability(skus: $skus) { availableQuantity position } }"

Session = AsyncClientSession | ReconnectingAsyncClientSession


@pytest.fixture(params=["http", "websocket"])
async def session(request: pytest.FixtureRequest, gateway: Gateway) -> AsyncIterator[Session]:
    """A session that asks; its client has read the schema by introspection and checks each request against it."""
    transport: Any
    if request.param == "http":
        transport = AIOHTTPTransport(url=gateway.url)
    else:
        transport = WebsocketsTransport(url=f"ws://{gateway.host}/graphql")
    async with GqlClient(transport=transport, fetch_schema_from_transport=True) as session:
        yield session


@pytest.fixture
async def following(gateway: Gateway) -> AsyncIterator[Session]:
    """A session that follows; gql subscribes over WebSocket."""
    async with GqlClient(transport=WebsocketsTransport(url=f"ws://{gateway.host}/graphql")) as session:
        yield session


def request(document: str, variables: dict[str, object]) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


async def sell(session: Session, shop: Shop, units: int) -> int:
    entries = [{"locationId": shop.east, "delta": -units}]
    input = {"sku": shop.skus[0], "adjustments": entries, "idempotencyKey": shop.key()}
    payload = (await session.execute(request(ADJUST, {"input": input})))["inventoryAdjust"]
    assert (payload["replayed"], payload["userErrors"]) == (False, [])
    return int(payload["position"])


async def test_it_asks_and_changes(session: Session, shop: Shop) -> None:
    position = await sell(session, shop, 7)
    (found,) = (await session.execute(request(ASK, {"skus": [shop.skus[0]]})))["availability"]
    assert found == {"availableQuantity": 2 * OPENING - 7, "position": str(position)}


async def test_it_is_told_what_is_wrong(session: Session) -> None:
    with pytest.raises(TransportQueryError) as failed:
        await session.execute(request(ASK, {"skus": []}))
    assert failed.value.errors is not None
    assert [error["extensions"]["code"] for error in failed.value.errors] == ["INVALID_INPUT"]


async def test_it_follows_stock(session: Session, following: Session, shop: Shop) -> None:
    before, _ = await shop.snapshot()
    position = await sell(session, shop, 1)
    changes = following.subscribe(request(STOCK, {"skus": [shop.skus[0]], "after": str(before)}))
    first = await anext(changes)
    assert first["stockChanged"] == {
        "position": str(position),
        "sku": shop.skus[0],
        "levels": [{"onHand": OPENING - 1}],
    }
    later = await sell(session, shop, 2)
    assert (await anext(changes))["stockChanged"]["position"] == str(later)
    await changes.aclose()


async def test_it_follows_availability(session: Session, following: Session, shop: Shop) -> None:
    before, _ = await shop.snapshot()
    await sell(session, shop, 1)
    changes = following.subscribe(request(AVAILABILITY, {"skus": list(shop.skus), "after": str(before)}))
    first = (await anext(changes))["availabilityChanged"]
    assert first["sku"] == shop.skus[0]
    assert (first["previousQuantity"], first["availableQuantity"]) == (None, 2 * OPENING - 1)
    await sell(session, shop, 2)
    second = (await anext(changes))["availabilityChanged"]
    assert (second["previousQuantity"], second["availableQuantity"]) == (2 * OPENING - 1, 2 * OPENING - 3)
    await changes.aclose()


async def test_it_is_told_why_a_subscription_ends(following: Session) -> None:
    with pytest.raises(TransportQueryError) as failed:
        await anext(following.subscribe(request(STOCK, {"after": "soon"})))
    assert failed.value.errors is not None
    assert [error["extensions"]["code"] for error in failed.value.errors] == ["INVALID_INPUT"]

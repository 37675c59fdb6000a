"""Stories of a shop, told through a client library of others (gql): every subscriber hears the same, in order."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import GraphQLRequest
from gql.client import AsyncClientSession, ReconnectingAsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.websockets import WebsocketsTransport

from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import Shop

TOLD_SECONDS_MAX = 10.0
COUNT = """
mutation count($input: InventorySetInput!) { inventorySet(input: $input) { position userErrors { code } } }
"""
SELL = """
mutation sell($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { position levels { onHand available } userErrors { code } }
}
"""
RESERVE = """
mutation reserve($input: ReservationCreateInput!) {
  reservationCreate(input: $input) {
    reservation { id reservationId state fulfilment expiresAt } userErrors { code message field }
  }
}
"""
COMMIT = """
mutation commit($input: ReservationCommitInput!) {
  reservationCommit(input: $input) { reservation { state orderId } userErrors { code message } }
}
"""
SHIP = """
mutation ship($input: ShipmentConfirmInput!) {
  shipmentConfirm(input: $input) { shipment { lines { quantity } } allocation { state } userErrors { code message } }
}
"""
BUNDLE = """
mutation bundle($input: BundleUpsertInput!) {
  bundleUpsert(input: $input) { inventoryItem { sku isBundle } userErrors { code message } }
}
"""
LEVEL = """
query level($skus: [String!]!, $locationIds: [ID!]) {
  availability(skus: $skus, locationIds: $locationIds) {
    availableQuantity levels { onHand reserved allocated available hasOpenConflict }
  }
}
"""
CONFLICTS = """
query conflicts($sku: String) {
  conflicts(filter: { sku: $sku, isOpen: true }) {
    nodes { unbackedAtOpening atRisk { quantity reservation { reservationId state } allocation { orderId } } }
  }
}
"""
STOCK = """
subscription stock($skus: [String!], $after: String) {
  stockChanged(skus: $skus, after: $after) { position cause reason levels { onHand reserved allocated available } }
}
"""
CONFLICT = """
subscription conflict($skus: [String!], $after: String) {
  conflictChanged(skus: $skus, after: $after) { position change conflict { sku locationCode isOpen } }
}
"""
RESERVATION = """
subscription reservation($ids: [ID!], $after: String) {
  reservationChanged(ids: $ids, after: $after) { change reservation { state } }
}
"""
AVAILABLE = """
subscription available($skus: [String!], $channelId: ID, $after: String) {
  availabilityChanged(skus: $skus, channelId: $channelId, after: $after) { availableQuantity }
}
"""
Session = AsyncClientSession | ReconnectingAsyncClientSession


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[Session]:
    """A session that asks and changes."""
    async with GqlClient(transport=AIOHTTPTransport(url=gateway.url), fetch_schema_from_transport=True) as session:
        yield session


@pytest.fixture
async def following(gateway: Gateway) -> AsyncIterator[Session]:
    """A session that follows."""
    async with GqlClient(transport=WebsocketsTransport(url=f"ws://{gateway.host}/graphql")) as session:
        yield session


async def ask(session: Session, document: str, **variables: object) -> dict[str, Any]:
    return dict(await session.execute(GraphQLRequest(document, variable_values=variables)))


async def change(session: Session, document: str, **input: object) -> dict[str, Any]:
    """Return the payload of a mutation that must be accepted."""
    (payload,) = (await ask(session, document, input=input)).values()
    assert payload["userErrors"] == [], payload
    return dict(payload)


async def told(session: Session, document: str, *, count: int, **variables: object) -> list[dict[str, Any]]:
    """Return the first messages of a subscription."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(TOLD_SECONDS_MAX):
        async for data in session.subscribe(GraphQLRequest(document, variable_values=variables)):
            messages += data.values()
            if len(messages) == count:
                break
    return messages


async def last_unit(session: Session, shop: Shop) -> str:
    """Leave one unit of the first item at the store, and none elsewhere; return the position of that."""
    quantities = [
        {"locationId": shop.east, "quantity": 1, "changeFromQuantity": None},
        {"locationId": shop.west, "quantity": 0, "changeFromQuantity": None},
    ]
    payload = await change(
        session, COUNT, sku=shop.skus[0], quantities=quantities, idempotencyKey=f"{shop.east}-last-unit"
    )
    return str(payload["position"])


async def test_the_last_unit_is_reserved_for_pick_up_and_then_sold_at_the_till(
    session: Session, following: Session, shop: Shop
) -> None:
    """Given a pick-up of the last unit, when the till has sold it, then everybody is told, and it can be mended."""
    sku = shop.skus[0]
    before = await last_unit(session, shop)
    line = {"sku": sku, "quantity": 1, "locationId": shop.east}
    made = await change(
        session, RESERVE, lines=[line], channelId=shop.web, fulfilment="PICKUP", idempotencyKey=f"{shop.east}-pick-up"
    )
    reservation = made["reservation"]["reservationId"]
    (empty,) = (await ask(session, LEVEL, skus=[sku], locationIds=[shop.east]))["availability"]
    assert empty["availableQuantity"] == 0

    # The till has sold it before the store knew: that has happened, and is recorded.
    sold = {"locationId": shop.east, "delta": -1}
    sale = await change(
        session,
        SELL,
        sku=sku,
        adjustments=[sold],
        reason="SALE",
        sourceChannelId=shop.till,
        onShortage="RECORD_CONFLICT",
        idempotencyKey=f"{shop.east}-till",
    )
    assert sale["levels"] == [{"onHand": 0, "available": -1}]
    (after,) = (await ask(session, LEVEL, skus=[sku], locationIds=[shop.east]))["availability"]
    assert after["availableQuantity"] == 0
    assert after["levels"] == [{"onHand": 0, "reserved": 1, "allocated": 0, "available": -1, "hasOpenConflict": True}]
    (conflict,) = (await ask(session, CONFLICTS, sku=sku))["conflicts"]["nodes"]
    assert conflict["unbackedAtOpening"] == 1
    at_risk = {"quantity": 1, "reservation": {"reservationId": reservation, "state": "ACTIVE"}, "allocation": None}
    assert conflict["atRisk"] == [at_risk]

    # Every subscriber hears of it, each in its own terms.
    held, lost = await told(following, STOCK, count=2, skus=[sku], after=before)
    assert (held["cause"], held["levels"][0]["available"]) == ("RESERVATION_CREATED", 0)
    assert (lost["reason"], lost["levels"][0]["available"]) == ("SALE", -1)
    (opened,) = await told(following, CONFLICT, count=1, skus=[sku], after=before)
    assert (opened["change"], opened["conflict"]["locationCode"]) == ("OPENED", shop.east)
    (shown,) = await told(following, AVAILABLE, count=1, skus=[sku], channelId=shop.web, after=before)
    assert shown["availableQuantity"] == 0

    # One comes back from the cabinet: the promise is backed again, and kept.
    found = {"locationId": shop.east, "delta": 1}
    await change(session, SELL, sku=sku, adjustments=[found], reason="RETURN", idempotencyKey=f"{shop.east}-found")
    assert (await ask(session, CONFLICTS, sku=sku))["conflicts"]["nodes"] == []
    changes = await told(following, CONFLICT, count=2, skus=[sku], after=before)
    assert [one["change"] for one in changes] == ["OPENED", "CLOSED"]
    await change(
        session, COMMIT, reservationId=reservation, orderId=f"{shop.east}-1", idempotencyKey=f"{shop.east}-commit"
    )
    handed_over = await change(
        session, SHIP, orderId=f"{shop.east}-1", channelId=shop.web, idempotencyKey=f"{shop.east}-handed-over"
    )
    assert handed_over["allocation"]["state"] == "SHIPPED"
    (done,) = (await ask(session, LEVEL, skus=[sku], locationIds=[shop.east]))["availability"]
    assert done["levels"] == [{"onHand": 0, "reserved": 0, "allocated": 0, "available": 0, "hasOpenConflict": False}]
    life = await told(following, RESERVATION, count=2, ids=[reservation], after=before)
    assert [one["change"] for one in life] == ["CREATED", "COMMITTED"]


async def test_a_checkout_that_is_given_up_gives_its_units_back(
    session: Session, following: Session, shop: Shop
) -> None:
    """Given a hold of the last unit, when its time is over, then others may have it, and who held it may not."""
    sku = shop.skus[0]
    before = await last_unit(session, shop)
    line = {"sku": sku, "quantity": 1}
    made = await change(
        session, RESERVE, lines=[line], channelId=shop.web, ttlSeconds=1, idempotencyKey=f"{shop.east}-slow"
    )
    shown = await told(following, AVAILABLE, count=1, skus=[sku], channelId=shop.web, after=before)
    assert [one["availableQuantity"] for one in shown] == [0]
    reservation = made["reservation"]["reservationId"]
    life = await told(following, RESERVATION, count=2, ids=[reservation], after=before)
    assert [one["change"] for one in life] == ["CREATED", "EXPIRED"]
    late = await ask(
        session,
        COMMIT,
        input={"reservationId": reservation, "orderId": f"{shop.east}-2", "idempotencyKey": f"{shop.east}-late"},
    )
    assert [one["code"] for one in late["reservationCommit"]["userErrors"]] == ["RESERVATION_EXPIRED"]
    await change(session, RESERVE, lines=[line], channelId=shop.web, idempotencyKey=f"{shop.east}-next")


async def test_two_checkouts_race_for_a_bundle_of_which_one_component_is_the_last(
    session: Session, following: Session, shop: Shop
) -> None:
    """Given one component left, when two want the bundle, then one wins, and the other is told what is short."""
    bundle, last, plenty = shop.skus
    for location in (shop.east, shop.west):
        for sku, quantity in ((bundle, 0), (last, int(location == shop.east))):
            entries = [{"locationId": location, "quantity": quantity, "changeFromQuantity": None}]
            await change(session, COUNT, sku=sku, quantities=entries, idempotencyKey=f"{location}-{sku}-left")
        await ended(session, bundle, location)
    components = [{"sku": last, "quantity": 1}, {"sku": plenty, "quantity": 2}]
    made = await change(session, BUNDLE, sku=bundle, components=components)
    assert made["inventoryItem"] == {"sku": bundle, "isBundle": True}
    before, shown = await shop.snapshot(channel=shop.web)
    assert shown[bundle] == 1

    line = {"sku": bundle, "quantity": 1}
    answers = await asyncio.gather(
        *(
            ask(
                session,
                RESERVE,
                input={"lines": [line], "channelId": shop.web, "idempotencyKey": f"{shop.east}-checkout-{number}"},
            )
            for number in range(2)
        )
    )
    errors = [answer["reservationCreate"]["userErrors"] for answer in answers]
    ((refusal,),) = [one for one in errors if one]
    assert (refusal["code"], refusal["field"]) == ("INSUFFICIENT_STOCK", ["input", "lines", "0", "quantity"])
    assert last in refusal["message"]
    assert plenty not in refusal["message"]
    (told_of,) = await told(following, AVAILABLE, count=1, skus=[bundle], channelId=shop.web, after=str(before))
    assert told_of["availableQuantity"] == 0


async def ended(session: Session, sku: str, location: str) -> None:
    """End an empty level: a bundle has none."""
    document = (
        "mutation end($input: InventoryDeactivateInput!) { inventoryDeactivate(input: $input) { userErrors { code } } }"
    )
    await change(session, document, sku=sku, locationId=location)

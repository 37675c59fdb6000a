"""graphql-transport-ws by hand; the one rule: what goes wrong with one operation never ends another."""

from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.end_to_end.client import codes
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import OPENING, Shop
from tests.end_to_end.web_socket import SUBPROTOCOL, Socket, open_raw_socket, open_socket

STOCK = """
subscription stock($skus: [String!], $after: String) { stockChanged(skus: $skus, after: $after) { position } }
"""
AVAILABILITY = """
subscription available($skus: [String!], $after: String) {
  availabilityChanged(skus: $skus, after: $after) { availableQuantity previousQuantity }
}
"""
ADJUST = """
mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { position userErrors { code field } }
}
"""
ASK = "query ask($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"


async def test_queries_mutations_and_subscriptions_share_a_socket(shop: Shop) -> None:
    sku = shop.skus[0]
    before, _ = await shop.snapshot()
    async with open_socket(shop.gateway) as socket:
        assert await socket.ask("a", ASK, {"skus": [sku]}) == {
            "data": {"availability": [{"availableQuantity": 2 * OPENING}]}
        }
        entries = [{"locationId": shop.east, "delta": -1}]
        input = {"sku": sku, "adjustments": entries, "idempotencyKey": shop.key()}
        payload = (await socket.ask("a", ADJUST, {"input": input}))["data"]["inventoryAdjust"]
        assert payload["userErrors"] == []
        await socket.subscribe("stock", STOCK, {"skus": [sku], "after": str(before)})
        await socket.subscribe("available", AVAILABILITY, {"skus": [sku], "after": str(before)})
        assert await next_payloads(socket, 2) == {
            "stock": [{"stockChanged": {"position": payload["position"]}}],
            "available": [{"availabilityChanged": {"availableQuantity": 2 * OPENING - 1, "previousQuantity": None}}],
        }
        later = await shop.sell(sku)
        assert await next_payloads(socket, 2) == {
            "stock": [{"stockChanged": {"position": str(later)}}],
            "available": [
                {"availabilityChanged": {"availableQuantity": 2 * OPENING - 2, "previousQuantity": 2 * OPENING - 1}}
            ],
        }


async def next_payloads(socket: Socket, count: int) -> dict[str, list[object]]:
    """Return the data of so many `next` messages, by operation."""
    found: dict[str, list[object]] = {}
    for _ in range(count):
        message = await socket.receive()
        assert message["type"] == "next", message
        found.setdefault(message["id"], []).append(message["payload"]["data"])
    return found


async def test_an_operation_that_ends_with_an_error_leaves_the_others_alive(shop: Shop) -> None:
    sku = shop.skus[0]
    before, _ = await shop.snapshot()
    bad: list[tuple[str, dict[str, object], str]] = [
        (STOCK, {"after": "soon"}, "INVALID_INPUT"),
        (STOCK, {"after": str(2**62)}, "POSITION_EXPIRED"),
        (AVAILABILITY, {"skus": []}, "INVALID_INPUT"),
        (STOCK, {"skus": [5.5]}, "BAD_USER_INPUT"),
        (ADJUST, {}, "BAD_USER_INPUT"),
        ("subscription { nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query { nothing", {}, "GRAPHQL_PARSE_FAILED"),
        ('{ availability(skus: ["\\ud800"]) { sku } }', {}, "GRAPHQL_PARSE_FAILED"),
        ("{ locations(first: 99999999999) { nodes { code } } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ]
    async with open_socket(shop.gateway) as socket:
        await socket.subscribe("alive", STOCK, {"skus": [sku], "after": str(before)})
        for number, (document, variables, code) in enumerate(bad):
            await socket.subscribe(f"bad-{number}", document, variables)
            message = await socket.receive()
            assert (message["id"], message["type"]) == (f"bad-{number}", "error"), message
            assert codes({"errors": message["payload"]}) == [code]
        position = await shop.sell(sku)
        assert await next_payloads(socket, 1) == {"alive": [{"stockChanged": {"position": str(position)}}]}


async def test_a_position_named_by_one_operation_counts_for_no_other(shop: Shop) -> None:
    asking = ASK.replace("$skus: [String!]!", "$skus: [String!]!, $at: String").replace(
        "skus: $skus", "skus: $skus, minPosition: $at"
    )
    answer = {"data": {"availability": [{"availableQuantity": 2 * OPENING}]}}
    async with open_socket(shop.gateway) as socket:
        refused = await socket.ask("a", asking, {"skus": [shop.skus[0]], "at": str(2**62)})
        assert codes(refused) == ["POSITION_NOT_REACHED"]
        assert await socket.ask("b", asking, {"skus": [shop.skus[0]]}) == answer
        assert await socket.ask("c", asking, {"skus": [shop.skus[0]], "at": "1"}) == answer


async def test_an_id_may_be_used_again_once_its_operation_has_ended(shop: Shop) -> None:
    before, _ = await shop.snapshot()
    async with open_socket(shop.gateway) as socket:
        for _ in range(3):
            await socket.subscribe("a", STOCK, {"after": "soon"})
            assert (await socket.receive())["type"] == "error"
        await socket.subscribe("a", STOCK, {"skus": [shop.skus[0]], "after": str(before)})
        first = await shop.sell(shop.skus[0])
        assert await next_payloads(socket, 1) == {"a": [{"stockChanged": {"position": str(first)}}]}
        await socket.send({"id": "a", "type": "complete"})
        await socket.subscribe("a", STOCK, {"skus": [shop.skus[0]], "after": str(first)})
        second = await shop.sell(shop.skus[0])
        assert await next_payloads(socket, 1) == {"a": [{"stockChanged": {"position": str(second)}}]}


async def test_an_id_in_use_closes_the_socket(gateway: Gateway) -> None:
    async with open_socket(gateway) as socket:
        for _ in range(2):
            await socket.subscribe("a", STOCK)
        assert await socket.closed() == 4409


async def test_nothing_is_answered_before_the_connection_is_acknowledged(gateway: Gateway) -> None:
    async with open_raw_socket(gateway) as socket:
        await socket.subscribe("a", "{ __typename }")
        assert await socket.closed() == 4401


async def test_a_ping_is_answered(gateway: Gateway) -> None:
    async with open_socket(gateway) as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


async def test_a_socket_runs_a_hundred_operations_and_no_more(shop: Shop) -> None:
    before, _ = await shop.snapshot()
    async with open_socket(shop.gateway) as socket:
        for number in range(100):
            await socket.subscribe(f"s{number}", STOCK, {"skus": [shop.skus[0]], "after": str(before)})
        await socket.subscribe("one too many", STOCK)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("one too many", "error")
        await shop.sell(shop.skus[0])
        assert len(await next_payloads(socket, 100)) == 100


@pytest.mark.parametrize("text", ["", "{", "\\ud800", '{"id": "a\\ud800", "type": "ping"}', "[" * 100_000])
async def test_what_is_no_json_closes_the_socket(gateway: Gateway, text: str) -> None:
    async with open_socket(gateway) as socket:
        await socket.connection.send(text)
        assert await socket.closed() == 4400


async def test_a_frame_over_the_limit_closes_the_socket(gateway: Gateway) -> None:
    async with open_socket(gateway) as socket:
        with suppress(ConnectionClosed):
            await socket.connection.send("x" * 1_000_001)
        # The gateway reads no further than the frame's announced length; its word may be lost with the unread rest.
        assert await socket.closed() in (1009, 1006)
    async with open_socket(gateway) as socket:
        assert await socket.ask("a", "{ __typename }") == {"data": {"__typename": "Query"}}


async def test_the_old_sub_protocol_is_refused(gateway: Gateway) -> None:
    legacy = Subprotocol("graphql-ws")
    async with connect(f"ws://{gateway.host}/graphql", subprotocols=[legacy], proxy=None) as connection:
        socket = Socket(connection)
        assert await socket.closed() == 4406


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "0.0.0.0"])
async def test_a_foreign_host_is_refused(gateway: Gateway, host: str) -> None:
    """Against DNS rebinding: a page of evil.example whose name leads to this machine."""
    refused = connect(
        f"ws://{host}:{gateway.port}/graphql",
        host="127.0.0.1",
        port=gateway.port,
        subprotocols=[SUBPROTOCOL],
        proxy=None,
    )
    with pytest.raises(InvalidStatus) as failed:
        async with refused:
            pass
    assert failed.value.response.status_code == 421
    assert b"MISDIRECTED_REQUEST" in (failed.value.response.body or b"")


async def test_a_page_of_another_origin_is_refused(gateway: Gateway) -> None:
    refused = connect(
        f"ws://{gateway.host}/graphql",
        subprotocols=[SUBPROTOCOL],
        origin=Origin("https://evil.example"),
        proxy=None,
    )
    with pytest.raises(InvalidStatus) as failed:
        async with refused:
            pass
    assert failed.value.response.status_code == 403

"""The GraphQL over WebSocket protocol, sentence by sentence; the one rule: a fault has its close code, never 1006.

Each test names the message or section of the protocol that it is about.
"""

import asyncio
import json
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.end_to_end.client import Client, codes
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.shop import OPENING, Shop, open_shop
from tests.end_to_end.web_socket import SUBPROTOCOL, Socket, open_raw_socket, open_socket

ASK: Final = "query ask($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"
STOCK: Final = "subscription stock($skus: [String!]) { stockChanged(skus: $skus) { position } }"
ALL: Final = "subscription all($after: String) { stockChanged(after: $after) { position correlationId } }"
MANY: Final = 1500
TYPE_NAME: Final = {"query": "{ __typename }"}


def subscribe(**changed: object) -> dict[str, object]:
    """Return a good `subscribe` message with something changed."""
    return {"id": "a", "type": "subscribe", "payload": TYPE_NAME, **changed}


# "Invalid message": a type or format that the protocol does not specify closes the socket with 4400.

MALFORMED: Final[dict[str, object]] = {
    "an id that is too long": {"id": "x" * 256, "type": "complete"},
    "an array": [],
    "an array of messages": [{"type": "ping"}],
    "null": None,
    "a number": 5,
    "a text": "ping",
    "a truth": True,
    "no type": {},
    "a type that is null": {"type": None},
    "a type that is a list": {"type": ["ping"]},
    "an unknown type": {"type": "start", "id": "a", "payload": TYPE_NAME},
    "a type of the server's": {"type": "next", "id": "a", "payload": {}},
    "a ping whose payload is text": {"type": "ping", "payload": "x"},
    "a pong whose payload is a list": {"type": "pong", "payload": []},
    "an init whose payload is text": {"type": "connection_init", "payload": "x"},
    "no id": {"type": "subscribe", "payload": TYPE_NAME},
    "an empty id": subscribe(id=""),
    "an id that is null": subscribe(id=None),
    "an id that is a number": subscribe(id=1),
    "an id that is a list": subscribe(id=["a"]),
    "an id that is an object": subscribe(id={}),
    "no payload": {"type": "subscribe", "id": "a"},
    "a payload that is null": subscribe(payload=None),
    "a payload that is a list": subscribe(payload=[TYPE_NAME]),
    "a payload that is text": subscribe(payload="{ __typename }"),
    "no query": subscribe(payload={}),
    "a query that is a number": subscribe(payload={"query": 5}),
    "a query that is null": subscribe(payload={"query": None}),
    "variables in a list": subscribe(payload={**TYPE_NAME, "variables": []}),
    "variables as text": subscribe(payload={**TYPE_NAME, "variables": "{}"}),
    "an operation name that is a number": subscribe(payload={**TYPE_NAME, "operationName": 5}),
    "extensions in a list": subscribe(payload={**TYPE_NAME, "extensions": []}),
    "a completion without an id": {"type": "complete"},
    "a completion of a number": {"type": "complete", "id": 5},
    "a completion of a list": {"type": "complete", "id": []},
}
UNREADABLE: Final[dict[str, str | bytes]] = {
    "bytes": json.dumps({"type": "ping"}).encode(),
    "no JSON": "{",
    "nothing": "",
    "not a number": '{"type": "ping", "payload": {"x": NaN}}',
    "deep lists": "[" * 20_000 + "]" * 20_000,
    "deep variables": '{"id":"a","type":"subscribe","payload":{"query":"{a}","variables":'
    + '{"x":' * 20_000
    + "1"
    + "}" * 20_003,
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_a_malformed_message_closes_the_socket(gateway: Gateway, what: str) -> None:
    """Given an acknowledged socket, when a message breaks the form, then 4400 with a word about why."""
    async with open_socket(gateway) as socket:
        await socket.send(MALFORMED[what])
        assert await socket.closed() == 4400
        assert socket.connection.close_reason


@pytest.mark.parametrize("what", UNREADABLE)
async def test_an_unreadable_message_closes_the_socket(gateway: Gateway, what: str) -> None:
    """Given a frame that is no text, or holds no JSON, then 4400 too."""
    async with open_socket(gateway) as socket:
        await socket.connection.send(UNREADABLE[what])
        assert await socket.closed() == 4400


@pytest.mark.parametrize("what", ["an array", "no id", "a number", "an init whose payload is text"])
async def test_a_malformed_first_message_closes_the_socket(gateway: Gateway, what: str) -> None:
    """Given a socket that is not acknowledged, when a message breaks the form, then 4400 comes before 4401."""
    async with open_raw_socket(gateway) as socket:
        await socket.send(MALFORMED[what])
        assert await socket.closed() == 4400


# "ConnectionInit" and "ConnectionAck".


@pytest.mark.parametrize("message", [{}, {"payload": None}, {"payload": {}}, {"payload": {"x": [1]}}, {"more": 1}])
async def test_a_connection_is_acknowledged(gateway: Gateway, message: dict[str, object]) -> None:
    """Given no payload, null, or an object, then the connection is acknowledged."""
    async with open_raw_socket(gateway) as socket:
        await socket.send({"type": "connection_init", **message})
        assert await socket.receive() == {"type": "connection_ack"}
        assert await socket.ask("a", "{ __typename }") == {"data": {"__typename": "Query"}}


async def test_a_second_initialisation_closes_the_socket(gateway: Gateway) -> None:
    """Given more than one ConnectionInit at any time, then 4429."""
    async with open_socket(gateway) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == 4429


async def test_a_client_that_does_not_initialise_is_closed(gateway: Gateway) -> None:
    """Given no ConnectionInit within the allowed time, then 4408."""
    async with open_raw_socket(gateway) as socket:
        assert await socket.closed() == 4408


@pytest.mark.parametrize("offered", [["graphql-ws"], ["soap", "graphql-ws"], ["graphql-transport-ws2"], []])
async def test_another_sub_protocol_is_not_acceptable(gateway: Gateway, offered: list[str]) -> None:
    """Given a handshake that does not offer graphql-transport-ws, then 4406; the legacy protocol is none of ours."""
    protocols = [Subprotocol(one) for one in offered] or None
    async with connect(f"ws://{gateway.host}/graphql", subprotocols=protocols, proxy=None) as connection:
        assert await Socket(connection).closed() == 4406


async def test_ours_is_chosen_among_several(gateway: Gateway) -> None:
    """Given a handshake that offers ours among others, then it is ours."""
    offered = [Subprotocol("graphql-ws"), SUBPROTOCOL]
    async with connect(f"ws://{gateway.host}/graphql", subprotocols=offered, proxy=None) as connection:
        assert connection.subprotocol == SUBPROTOCOL


# "Ping" and "Pong".


@pytest.mark.parametrize("payload", [{}, {"sent": 5, "by": ["me", None]}])
async def test_a_ping_is_answered_with_its_payload(gateway: Gateway, payload: dict[str, object]) -> None:
    """Given a ping at any time, acknowledged or not, then a pong as soon as possible, with what it carried."""
    async with open_raw_socket(gateway) as socket:
        await socket.send({"type": "ping", "payload": payload})
        assert await socket.receive() == {"type": "pong", "payload": payload}
        await socket.send({"type": "ping", "payload": None})
        assert await socket.receive() == {"type": "pong"}


async def test_a_pong_that_nobody_asked_for_is_ignored(gateway: Gateway) -> None:
    """Given an unsolicited pong, then nothing happens."""
    async with open_socket(gateway) as socket:
        await socket.send({"type": "pong", "payload": {"x": 1}})
        assert await socket.ask("a", "{ __typename }") == {"data": {"__typename": "Query"}}


# "Subscribe", "Next", "Error", "Complete".


async def test_null_members_of_a_request_count_as_not_given(gateway: Gateway) -> None:
    """Given null for what is optional, then the operation runs."""
    payload = {**TYPE_NAME, "variables": None, "operationName": None, "extensions": None}
    async with open_socket(gateway) as socket:
        await socket.send(subscribe(payload=payload))
        assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("depth", [300, 900])
async def test_a_ping_too_deep_to_be_echoed_closes_as_malformed(gateway: Gateway, depth: int) -> None:
    """Given a ping whose payload can be read but not written again, then 4400, and no failure in the log."""
    async with open_raw_socket(gateway) as socket:
        await socket.connection.send('{"type":"ping","payload":' + '{"a":' * depth + "1" + "}" * depth + "}")
        assert await socket.closed() == 4400


async def test_a_long_id_in_use_closes_with_its_code(gateway: Gateway) -> None:
    """Given an active id again, then 4409, even when the reason does not fit a close frame."""
    async with open_socket(gateway) as socket:
        for _ in range(2):
            await socket.subscribe("ä€" * 127, STOCK)
        assert await socket.closed() == 4409
        assert (socket.connection.close_reason or "").startswith("Subscriber for ä€")


async def test_the_operation_too_many_is_told_the_limit(gateways: Gateways) -> None:
    """Given as many operations as a socket carries, when one more comes, then it gets an error, and they go on."""
    with gateways.new("two_operations", SUBSCRIPTIONS_PER_SOCKET_MAX="2").begin() as gateway:
        async with open_socket(gateway) as socket:
            for id in ("a", "b", "c"):
                await socket.subscribe(id, STOCK)
            message = await socket.receive()
            assert (message["id"], message["type"]) == ("c", "error")
            assert codes({"errors": message["payload"]}) == ["SUBSCRIPTION_LIMIT_EXCEEDED"]
            await socket.send({"id": "a", "type": "complete"})
            assert await socket.ask("c", "{ __typename }") == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query a { __typename } query b { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment f on Query { __typename }", "BAD_REQUEST"),
    ],
)
async def test_a_bad_document_is_an_error_of_its_operation(shop: Shop, document: str, code: str) -> None:
    """Given an operation that is not valid, then an Error message and no Complete, and the others live."""
    async with open_socket(shop.gateway) as socket:
        await socket.subscribe("alive", STOCK, {"skus": [shop.skus[0]]})
        await socket.subscribe("bad", document)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("bad", "error")
        assert codes({"errors": message["payload"]}) == [code]
        assert await socket.ask("bad", ASK, {"skus": [shop.skus[0]]}) == {
            "data": {"availability": [{"availableQuantity": 2 * OPENING}]}
        }
        position = await shop.sell(shop.skus[0])
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("alive", "next")
        assert message["payload"]["data"] == {"stockChanged": {"position": str(position)}}


async def test_a_completed_operation_is_told_nothing_more(shop: Shop) -> None:
    """Given an operation that its client completed, when something happens, then nothing is sent for it."""
    async with open_socket(shop.gateway) as socket:
        for id in ("ended", "alive"):
            await socket.subscribe(id, STOCK, {"skus": [shop.skus[0]]})
        await socket.ask("in order", "{ __typename }")
        await socket.send({"id": "ended", "type": "complete"})
        await socket.ask("in order", "{ __typename }")
        await shop.sell(shop.skus[0])
        assert (await socket.receive())["id"] == "alive"
        assert await socket.ask("in order", "{ __typename }") == {"data": {"__typename": "Query"}}


async def test_a_completion_of_an_unknown_operation_is_ignored(gateway: Gateway) -> None:
    """Given a Complete for what has ended or never was, then it is no error."""
    async with open_socket(gateway) as socket:
        await socket.ask("a", "{ __typename }")
        for id in ("a", "never"):
            await socket.send({"id": id, "type": "complete"})
        assert await socket.ask("a", "{ __typename }") == {"data": {"__typename": "Query"}}


async def test_extensions_may_stand_for_the_document(gateway: Gateway) -> None:
    """Given a request whose document is named by its hash, then its form is right, and what is unknown is an error."""
    extensions: dict[str, Any] = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
    async with open_socket(gateway) as socket:
        await socket.send(subscribe(payload={"extensions": extensions}))
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("a", "error")


# Origins: a browser sends no preflight before it opens a socket.


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://evil.example:80"])
async def test_a_socket_of_a_foreign_page_is_refused(gateway: Gateway, origin: str) -> None:
    """Given a page of another site, then the handshake is refused with a typed error."""
    with pytest.raises(InvalidStatus) as failed:
        await connect(f"ws://{gateway.host}/graphql", subprotocols=[SUBPROTOCOL], origin=Origin(origin), proxy=None)
    assert failed.value.response.status_code == httpx.codes.FORBIDDEN
    assert codes(json.loads(failed.value.response.body or b"{}")) == ["FORBIDDEN"]


async def test_a_socket_of_our_own_page_is_let_in(gateway: Gateway) -> None:
    """Given a page of the gateway's own origin, as GraphiQL is, then it is let in."""
    origin = Origin(f"http://{gateway.host}")
    async with connect(
        f"ws://{gateway.host}/graphql", subprotocols=[SUBPROTOCOL], origin=origin, proxy=None
    ) as connection:
        assert connection.subprotocol == SUBPROTOCOL


async def test_a_socket_whose_reader_has_stalled_is_closed(gateways: Gateways) -> None:
    """Given a client that leaves messages unread for too long, when it reads on, then it finds 1013 behind them."""
    settings = {"SEND_DEADLINE_MS": "300", "KEEP_ALIVE_MS": "60000"}
    with gateways.new("stalled_socket", **settings).begin() as gateway:
        async with Client(gateway.url) as client:
            shop = await open_shop(gateway, client, items=1)
            before, _ = await shop.snapshot()
            text = "\N{PACKAGE}" * 500
            await asyncio.gather(*(shop.adjust(shop.skus[0], (shop.east, 1), correlationId=text) for _ in range(MANY)))
        async with open_socket(gateway, receive_buffer_bytes=4096) as socket:
            await socket.subscribe("a", ALL, {"after": str(before)})
            await asyncio.sleep(1.5)
            with pytest.raises(ConnectionClosed) as ended:
                await read_on(socket)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1013
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert "Traceback" not in gateway.log()


async def read_on(socket: Socket) -> None:
    """Read until the socket is closed."""
    for _ in range(MANY + 1):
        await socket.receive()

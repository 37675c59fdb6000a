"""Heads of requests, which are read before anybody is known; the one rule: they are bounded in size and in time."""

import asyncio
import json
from typing import Final

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.gateway import Gateway, Gateways

ANSWER_SECONDS_MAX: Final = 10.0
MEGABYTE: Final = 1_000_000


async def answer_to(gateway: Gateway, pieces: list[bytes]) -> bytes:
    """Return all that one connection is answered that sends these pieces, and then says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    answered = b""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            answered = await reader.read()
    except ConnectionError:
        pass  # closed while we were still sending
    finally:
        writer.close()
    return answered


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n", *[b"a:\r\n" * 20_000] * 5],
        [b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\na: ", *[b"x" * 20_000] * 5],
        [b"GET /graphql?", *[b"x" * 20_000] * 5],
        [b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\n", *[b"a: b\r\n" * 20_000] * 5],
    ],
    ids=["many lines", "one long header", "a long URL", "a handshake"],
)
async def test_a_head_that_is_too_large_is_refused(production: Gateway, pieces: list[bytes]) -> None:
    """Given a head beyond the limit, however it is cut, then it is refused or cut off, and others are answered."""
    answered = await answer_to(production, pieces)
    if answered:
        head, _, body = answered.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    async with Client(production.url) as client:
        assert await client.ask("{ __typename }") == {"__typename": "Query"}


async def test_what_is_no_request_is_refused_as_json(production: Gateway) -> None:
    """Given bytes that are no HTTP, then the answer is 400 with a code."""
    answered = await answer_to(production, [b"\x00\x01\x02\r\n\r\n"])
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answered.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_a_large_body_behind_a_small_head_is_no_large_head(production: Gateway) -> None:
    """Given a body of many times the head's limit in the same pieces, then the request is answered."""
    body = json.dumps({"query": "{ __typename }", "extensions": {"x": "y" * 200_000}}).encode()
    head = (
        b"POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    )
    answered = await answer_to(production, [head + body])
    assert answered.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("padding", [b"a: b\r\n" * 8000, b"a: %b\r\n" % (b"x" * 40_000)], ids=["lines", "one line"])
async def test_a_client_that_waits_for_its_answer_is_told(production: Gateway, padding: bytes) -> None:
    """Given a whole head somewhat beyond the limit, then it is 431, with a code and what to do."""
    answered = await answer_to(production, [b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\n" + padding + b"\r\n"])
    assert answered.startswith(b"HTTP/1.1 431 ")
    error = json.loads(answered.partition(b"\r\n\r\n")[2])["errors"][0]
    assert error["message"] == "The request's line and headers are longer than 32768 bytes; send less in them."


async def test_a_head_that_does_not_come_is_waited_for_no_longer(gateways: Gateways) -> None:
    """Given a connection that sends nothing, or half a head, then it is closed at its deadline; whole ones live on."""
    with gateways.new("hasty", HEAD_DEADLINE_MS="300").begin() as gateway:
        assert await answer_to(gateway, []) == b""
        assert (await answer_to(gateway, [b"GET / HTTP/1.1\r\nhost:"])).startswith(b"HTTP/1.1 408 ")
        async with Client(gateway.url) as client:
            assert await client.ask("{ __typename }") == {"__typename": "Query"}
            await asyncio.sleep(0.6)
            assert await client.ask("{ __typename }") == {"__typename": "Query"}


async def test_more_connections_than_are_held_are_refused(gateways: Gateways) -> None:
    """Given as many connections as are held, then one more is 503, and a place that becomes free is taken."""
    with gateways.new("small", CONNECTIONS_MAX="3").begin() as gateway:
        async with Client(gateway.url) as client:
            assert await client.ask("{ __typename }") == {"__typename": "Query"}
            held = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(2)]
            assert (await answer_to(gateway, [])).startswith(b"HTTP/1.1 503 ")
            for _, writer in held:
                writer.close()
            await asyncio.sleep(0.2)
            async with Client(gateway.url) as other:
                assert await other.ask("{ __typename }") == {"__typename": "Query"}

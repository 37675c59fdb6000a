"""Subscriptions as strangers' clients see them; the one rule: both transports tell the same story, event by event.

A stream says what came: data, or the errors with which it ended, or that it is complete, or that it was cut.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import pytest

from tests.end_to_end.client import Answer
from tests.end_to_end.event_stream import EventStream, open_event_stream
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.web_socket import Socket, open_socket

STOCK_CHANGED: Final = """
subscription stock($skus: [String!], $locationIds: [ID!], $after: String) {
  stockChanged(skus: $skus, locationIds: $locationIds, after: $after) {
    position sku reason sourceChannelId correlationId occurredAt
    levels { location { code } onHand version }
    adjustment { position idempotencyKey movements { locationCode delta balanceAfter } }
  }
}
"""
AVAILABILITY_CHANGED: Final = """
subscription available($skus: [String!], $channelId: ID, $after: String) {
  availabilityChanged(skus: $skus, channelId: $channelId, after: $after) {
    position sku channelId availableQuantity previousQuantity status
  }
}
"""

over_each_transport = pytest.mark.parametrize("transport", ["websocket", "sse"])


class StreamFailed(Exception):
    """The stream ended with errors."""

    def __init__(self, errors: list[Answer]) -> None:
        super().__init__(errors)
        self.errors = errors

    @property
    def code(self) -> str:
        """The code of its only error."""
        (error,) = self.errors
        code: str = error["extensions"]["code"]
        return code

    @property
    def position(self) -> int:
        """The position to resume from."""
        return int(self.errors[0]["extensions"]["position"])


class StreamComplete(Exception):
    """The gateway said that nothing more will come."""


class Stream(Protocol):
    """One running subscription."""

    async def next(self) -> Answer:
        """Return the data of the next message. Raises StreamFailed, StreamComplete, or what says that it was cut."""
        ...

    def cut(self) -> None:
        """Drop the connection without a word."""
        ...


class SocketStream:
    """A subscription over graphql-transport-ws."""

    def __init__(self, socket: Socket, id: str) -> None:
        self.socket = socket
        self._id = id

    async def next(self) -> Answer:
        """Return the next data."""
        message = await self.socket.receive()
        assert message.get("id") == self._id, message
        match message["type"]:
            case "next":
                assert "errors" not in message["payload"], "a source's failure is told by an `error` message"
                return _data_of(message["payload"])
            case "error":
                raise StreamFailed(message["payload"])
            case "complete":
                raise StreamComplete
            case _:
                raise AssertionError(message)

    def cut(self) -> None:
        """Drop the connection."""
        self.socket.cut()


@asynccontextmanager
async def follow(
    gateway: Gateway, document: str, variables: Mapping[str, object] | None = None, *, transport: str, **options: Any
) -> AsyncIterator[Stream]:
    """Subscribe over a transport; the connection is dropped at the end."""
    if transport == "sse":
        async with open_event_stream(gateway, document, variables, **options) as stream:
            yield EventStreamReader(stream)
        return
    async with open_socket(gateway, **options) as socket:
        await socket.subscribe("only", document, variables)
        yield SocketStream(socket, "only")


class EventStreamReader:
    """A subscription over server-sent events."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    async def next(self) -> Answer:
        """Return the next data."""
        event = await self._stream.next()
        if event.name == "complete":
            raise StreamComplete
        assert event.name == "next", event
        return _data_of(event.payload)

    def cut(self) -> None:
        """Drop the connection."""
        self._stream.cut()


def _data_of(payload: Answer) -> Answer:
    if "errors" in payload:
        raise StreamFailed(payload["errors"])
    (data,) = payload["data"].values()
    assert isinstance(data, dict), payload
    return data

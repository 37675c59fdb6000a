"""graphql-transport-ws spoken by hand; the one rule: nothing is hidden, every message is returned as it came."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.end_to_end.client import Answer, without_cost

SUBPROTOCOL: Final = Subprotocol("graphql-transport-ws")
MESSAGE_SECONDS_MAX: Final = 20.0
CLOSE_SECONDS_MAX: Final = 5.0


class Reachable(Protocol):
    """A gateway to connect to."""

    @property
    def host(self) -> str:
        """What its URLs name."""
        ...

    async def connect(self, *, receive_buffer_bytes: int | None = None) -> socket.socket:
        """Return a plain connection to it."""
        ...


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: object) -> None:
        """Send one message."""
        await self.connection.send(json.dumps(message))

    async def receive(self) -> Answer:
        """Return the next message. Raises ConnectionClosed when there is none any more."""
        async with asyncio.timeout(MESSAGE_SECONDS_MAX):
            text = await self.connection.recv()
        assert isinstance(text, str)
        message: Answer = json.loads(text)
        return message

    async def subscribe(self, id: str, document: str, variables: Mapping[str, object] | None = None) -> None:
        """Begin an operation."""
        payload = {"query": document, "variables": dict(variables or {})}
        await self.send({"id": id, "type": "subscribe", "payload": payload})

    async def ask(self, id: str, document: str, variables: Mapping[str, object] | None = None) -> Answer:
        """Run a query or mutation while nothing else runs on this socket, and return its result."""
        await self.subscribe(id, document, variables)
        message = await self.receive()
        assert (message["id"], message["type"]) == (id, "next"), message
        assert await self.receive() == {"id": id, "type": "complete"}
        return without_cost(message["payload"])

    async def closed(self) -> int:
        """Wait until the gateway has closed the connection, and return the code that it gave."""
        async with asyncio.timeout(MESSAGE_SECONDS_MAX):
            await self.connection.wait_closed()
        code = self.connection.close_code
        assert code is not None
        return code

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        self.connection.transport.abort()


@asynccontextmanager
async def open_raw_socket(gateway: Reachable, *, receive_buffer_bytes: int | None = None) -> AsyncIterator[Socket]:
    """Connect, and say nothing yet."""
    endpoint = await gateway.connect(receive_buffer_bytes=receive_buffer_bytes)
    async with connect(
        f"ws://{gateway.host}/graphql",
        sock=endpoint,
        subprotocols=[SUBPROTOCOL],
        compression=None,
        max_size=None,
        max_queue=1 if receive_buffer_bytes is not None else 16,
        ping_interval=None,
        open_timeout=MESSAGE_SECONDS_MAX,
        close_timeout=CLOSE_SECONDS_MAX,
        proxy=None,
    ) as connection:
        yield Socket(connection)


@asynccontextmanager
async def open_socket(gateway: Reachable, *, receive_buffer_bytes: int | None = None) -> AsyncIterator[Socket]:
    """Connect and wait until the gateway has acknowledged it."""
    async with open_raw_socket(gateway, receive_buffer_bytes=receive_buffer_bytes) as opened:
        await opened.send({"type": "connection_init", "payload": {}})
        assert await opened.receive() == {"type": "connection_ack"}
        yield opened

"""Server-sent events read from a plain socket; the one rule: every byte is accounted for, and lines end with LF."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tests.end_to_end.client import Answer, without_cost
from tests.end_to_end.gateway import Gateway

EVENT_SECONDS_MAX: Final = 20.0
EVENT_BYTES_MAX: Final = 10_000_000
READ_BYTES: Final = 4096


class StreamCut(Exception):
    """The connection ended without `event: complete`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: its name and its one line of data."""

    name: str
    data: str

    @property
    def payload(self) -> Answer:
        """The data as the GraphQL result that it is, without what it cost."""
        return without_cost(json.loads(self.data))


class EventStream:
    """One response, read piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._text = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.comments: list[str] = []

    async def next(self) -> Event:
        """Return the next event, noting the comments before it. Raises StreamCut when there is none any more."""
        async with asyncio.timeout(EVENT_SECONDS_MAX):
            block = await self.next_block()
            while block.startswith(":"):
                self.comments.append(block)
                block = await self.next_block()
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        return Event(name=name.removeprefix("event: "), data=data.removeprefix("data: "))

    async def next_block(self) -> str:
        """Return what stands before the next empty line."""
        while b"\n\n" not in self._text:
            assert len(self._text) < EVENT_BYTES_MAX
            self._text += await self._chunk()
        block, _, self._text = self._text.partition(b"\n\n")
        assert b"\r" not in block
        return block.decode()

    async def ended(self) -> None:
        """Wait until the response has ended as HTTP says, with nothing left in it."""
        assert self._text == b""
        assert await self._chunk(is_last=True) == b""

    def cut(self) -> None:
        """Drop the connection."""
        self._writer.transport.abort()

    async def read_head(self) -> None:
        """Read the status line and the headers."""
        async with asyncio.timeout(EVENT_SECONDS_MAX):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def _chunk(self, *, is_last: bool = False) -> bytes:
        """Return the next piece of a body in chunks."""
        try:
            async with asyncio.timeout(EVENT_SECONDS_MAX):
                size = int(await self._reader.readuntil(b"\r\n"), 16)
                chunk = await self._reader.readexactly(size + 2)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise StreamCut from error
        if size == 0 and not is_last:
            raise StreamCut
        assert chunk.endswith(b"\r\n")
        return chunk[:-2]


@asynccontextmanager
async def open_event_stream(
    gateway: Gateway,
    document: str,
    variables: Mapping[str, object] | None = None,
    *,
    accept: str = "text/event-stream",
    receive_buffer_bytes: int | None = None,
    authorization: str | None = None,
) -> AsyncIterator[EventStream]:
    """Post a request that prefers events, and read the response's head; the connection is dropped at the end."""
    endpoint = await gateway.connect(receive_buffer_bytes=receive_buffer_bytes)
    reader, writer = await asyncio.open_connection(sock=endpoint, limit=READ_BYTES)
    body = json.dumps({"query": document, "variables": dict(variables or {})}).encode()
    credential = "" if authorization is None else f"Authorization: {authorization}\r\n"
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {gateway.host}\r\nAccept: {accept}\r\n{credential}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    stream = EventStream(reader, writer)
    try:
        await stream.read_head()
        yield stream
    finally:
        stream.cut()

"""One connection of the generator: at most one request is in flight, each answer is reported."""

import asyncio
from time import perf_counter
from typing import Final, Protocol, cast

from app.bench.http_messages import MessageError, frame

STATUS: Final = slice(9, 12)


class Run(Protocol):
    """What a connection needs of the run that it belongs to."""

    def next_request(self, now: float) -> bytes | None:
        """The next request to send, None when the run is over."""

    def answered(self, *, sent_at: float, now: float, status: bytes, body: bytes) -> bytes | None:
        """A request got its answer; return what is to be sent after it, None for the next request."""

    def broke(self, reason: str) -> None:
        """A request will never get its answer."""

    def closed(self) -> None:
        """The connection is gone."""


class LoadConnection(asyncio.Protocol):
    """A keep-alive connection that sends the next request when the last one is answered.

    A connection that the server drops is not opened again: it counts as a failure and the run goes on with
    the others.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport
        self._pending = b""
        self._sent_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; sending starts with `send_next`, for all connections at once."""
        # uvloop's transports do what asyncio.Transport promises without deriving from it.
        self._transport = cast("asyncio.Transport", transport)

    def send_next(self) -> None:
        """Send the run's next request, or close when there is none."""
        now = perf_counter()
        request = self._run.next_request(now)
        if request is None:
            self._transport.close()
            return
        self._send(request, now)

    def _send(self, request: bytes, now: float) -> None:
        self._sent_at = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect the answer, report it when it is whole, and go on."""
        if self._pending:
            data = self._pending + data
        try:
            found = frame(data)
        except MessageError as error:
            self._give_up(str(error))
            return
        if found is None:
            self._pending = data
            return
        self._pending = b""
        begin, end = found
        if self._sent_at is None or end != len(data):
            self._give_up("the server answered what was not asked")
            return
        sent_at, self._sent_at = self._sent_at, None
        now = perf_counter()
        second = self._run.answered(sent_at=sent_at, now=now, status=data[STATUS], body=data[begin:end])
        if second is None:
            self.send_next()
        else:
            self._send(second, now)

    def connection_lost(self, error: Exception | None) -> None:
        """Report a request that is still in flight as failed."""
        if self._sent_at is not None:
            self._sent_at = None
            self._run.broke(f"the connection was lost: {error or 'closed by the server'}")
        self._run.closed()

    def abandon(self) -> None:
        """Close at once; a request in flight is reported as failed."""
        self._transport.abort()

    def _give_up(self, reason: str) -> None:
        self._sent_at = None
        self._run.broke(reason)
        self._transport.abort()

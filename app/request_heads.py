"""The head of a request (its line and headers), which is read before anybody is known: bounded in size and in time.

The rule: a connection that has not sent a whole head in time, or sends one that is too large, is told so and closed.
A request that is on its way when the server is told to stop is still answered.
"""

import asyncio
from typing import cast

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from resolvers.error_codes import ErrorCode

HEAD_BYTES_MAX = 32_768
HEAD_DEADLINE_SECONDS = 10.0
CONNECTIONS_MAX = 2000
ON_ITS_WAY_SECONDS = 0.5
"""How long after the order to stop a request may come on a connection that was open by then."""
HEADER_LINE_BYTES = 4
"""What a header takes besides its name and value."""


class HeadTooLarge(httptools.HttpParserError):
    """The request's line and headers are longer than is read."""


class HttpWithBoundedHead(HttpToolsProtocol):
    """HTTP/1.1 whose heads are bounded; there are never more connections than `connections_max`."""

    head_bytes_max = HEAD_BYTES_MAX
    head_deadline_seconds = HEAD_DEADLINE_SECONDS
    connections_max = CONNECTIONS_MAX
    _head_bytes = 0
    _bytes_read = 0
    _reads_head = True
    _is_stopping = False
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection, unless there are too many; its first head has to come in time."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            self._refuse(503, "The gateway has too many connections; try again later.", ErrorCode.OVERLOADED)
        else:
            self._head_deadline = self.loop.call_later(self.head_deadline_seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Read on; what is still head afterwards counts, however it is cut into headers."""
        super().data_received(data)
        if self._reads_head and not self.transport.is_closing():
            self._bytes_read += len(data)
            if self._bytes_read > self.head_bytes_max:
                self.send_400_response("")
            elif self._head_deadline is None:
                self._head_deadline = self.loop.call_later(self.head_deadline_seconds, self._give_up)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._reads_head = True
        self._head_bytes = self._bytes_read = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL. Raises HeadTooLarge."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header. Raises HeadTooLarge."""
        self._count(len(name) + len(value) + HEADER_LINE_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that the head has come."""
        self._reads_head = False
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
        super().on_headers_complete()
        if self._is_stopping and self.cycle is not None:
            # The answer says that the connection is closed behind it.
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        """Begin a WebSocket, unless the server is stopping."""
        if self._is_stopping:
            self._refuse(503, "The gateway is stopping; connect again.", ErrorCode.UNAVAILABLE)
        else:
            super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """Stop with the server, when what has begun is answered, and what may be on its way has had time to come.

        Whoever is cut off with a request on the way cannot tell whether it was read, and may not be able to repeat it.
        """
        self._is_stopping = True
        if self._is_idle:
            self.loop.call_later(ON_ITS_WAY_SECONDS, self._close_if_idle)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one whose head is too large, and close."""
        if max(self._head_bytes, self._bytes_read) > self.head_bytes_max:
            message = f"The request's line and headers are longer than {self.head_bytes_max} bytes; send less in them."
            self._refuse(431, message, ErrorCode.BAD_REQUEST)
        else:
            self._refuse(400, "This is no HTTP request.", ErrorCode.BAD_REQUEST)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        if self._head_deadline is not None:
            self._head_deadline.cancel()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > self.head_bytes_max:
            raise HeadTooLarge

    def _close_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered; before the first there is no cycle, whatever uvicorn declares."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _give_up(self) -> None:
        if self._bytes_read:
            message = f"The request did not come within {self.head_deadline_seconds:g} s."
            self._refuse(408, message, ErrorCode.BAD_REQUEST)
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, code: ErrorCode) -> None:
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}

"""Connections on which a subscriber that stopped reading can still be told where it was.

uvicorn holds every message back while a connection's buffer is full, so whoever reads too slowly could only be cut off
without a word. The rule: the last words are few and small, they go behind what waits already, and a connection that
does not take them either is given up after a while.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol, TypeVar, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.request_heads import HttpWithBoundedHead

LAST_WORDS: Final = "stockgate.last_words"
LINGER_SECONDS: Final = 60.0
TRY_AGAIN_LATER: Final = 1013
NO_PONG: Final = "No ping was answered for too long; connect again, and resume after the last position"
UNREAD_PONGS_BYTES_MAX: Final = 65_536


class Writer(Protocol):
    """What is asked of a transport here."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not been taken yet."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class HttpWithLastWords(HttpWithBoundedHead):
    """HTTP/1.1, whose scope holds a function that lets the rest of a response past a full buffer."""

    linger_seconds = LINGER_SECONDS
    _is_left = False

    def on_message_begin(self) -> None:
        """Begin a request's scope."""
        super().on_message_begin()
        scope = cast(MutableMapping[str, Any], self.scope)
        scope["extensions"] = {LAST_WORDS: self.let_through}

    def let_through(self) -> None:
        """Take what is still sent, however much waits; give the connection up when nobody reads it for a while."""
        self._is_left = True
        # Another request on this connection could be met by the giving up that was meant for this one.
        self.cycle.keep_alive = False
        self.flow.resume_writing()
        give_up_later(self.loop, self.transport, seconds=self.linger_seconds)

    def shutdown(self) -> None:
        """Stop with the server, which does not wait for those who do not read."""
        super().shutdown()
        if self._is_left:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what refers to itself, so that nothing of the connection waits for garbage collection."""
        super().connection_lost(exc)
        _forget_last_words(self.scope)


class WebSocketWithLastWords(WebSocketsSansIOProtocol):
    """A WebSocket, whose scope holds a function that lets the last messages past a full buffer."""

    linger_seconds = LINGER_SECONDS
    _is_left = False
    _is_overdue = False

    async def run_asgi(self) -> None:
        """Run the application for this connection."""
        scope = cast(MutableMapping[str, Any], self.scope)
        scope.setdefault("extensions", {})[LAST_WORDS] = self.let_through
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Send one message of the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # A handshake that was refused with an answer is complete; uvicorn would report it as a failure.
            self.handshake_complete = True

    def let_through(self) -> None:
        """Take what is still sent, however much waits; give the connection up when nobody reads it for a while."""
        self._is_left = True
        # Closed at once, with a pong unread, it would be reset, and lose what the client has not read yet.
        self.close_timeout = self.linger_seconds
        self.writable.set()
        give_up_later(self.loop, self.transport, seconds=self.linger_seconds)

    def handle_ping(self) -> None:
        """Answer a ping, but pile no answers up for a client that reads none."""
        if self.transport.get_write_buffer_size() < UNREAD_PONGS_BYTES_MAX:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        """Note that the client reads."""
        self._is_overdue = False
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        """Leave a client that answers no ping, with a code at which clients come again.

        While a message waits for room, its sender is left the time to say where the subscription was.
        """
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        if not self.writable.is_set() and not self._is_overdue:
            self._is_overdue = True
            self.schedule_ping()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER, "reason": NO_PONG})
        self.conn.send_close(TRY_AGAIN_LATER, NO_PONG)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.let_through()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """Stop with the server, which does not wait for those who do not read."""
        super().shutdown()
        if self._is_left:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what refers to itself, so that nothing of the connection waits for garbage collection."""
        super().connection_lost(exc)
        _forget_last_words(getattr(self, "scope", None))


Kind = TypeVar("Kind", HttpWithLastWords, WebSocketWithLastWords)


def configured(kind: type[Kind], **limits: float) -> type[Kind]:
    """Return the protocol with other limits than its own."""
    return type(kind.__name__, (kind,), limits)


def last_words_of(scope: MutableMapping[str, Any]) -> Callable[[], None]:
    """Return the function that lets last words through on the connection of this scope."""
    let_through: Callable[[], None] = scope.get("extensions", {}).get(LAST_WORDS, _nothing)
    return let_through


def give_up_later(loop: asyncio.AbstractEventLoop, transport: Writer, *, seconds: float) -> None:
    """Abort the connection after a while if what was written to it still has not been taken."""

    def give_up() -> None:
        if transport.get_write_buffer_size() > 0:
            transport.abort()

    loop.call_later(seconds, give_up)


def _nothing() -> None:
    """Let nothing through: the server has no such connections."""


def _forget_last_words(scope: Any) -> None:
    if scope is not None:
        scope.get("extensions", {}).pop(LAST_WORDS, None)

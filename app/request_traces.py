"""Each request's trace: the correlation id that it is found by in answers and logs, and how it was refused.

The rule: an id that a caller brings is taken only when it is short and plain, and every answer names the id.
"""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final, cast

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ids import new_id

HEADERS_TAKEN: Final = (b"x-request-id", b"x-correlation-id")
HEADER_ANSWERED: Final = b"x-request-id"
PLAIN_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
PATH_CHARACTERS_MAX: Final = 100
ERROR_BODY_BYTES_MAX: Final = 10_000
NORMAL_CLOSES: Final = frozenset({1000, 1001, 1005, 1006, 1012})
"""WebSocket close codes that refuse nobody."""
MS: Final = 1000.0


class RequestTrace:
    """One HTTP request, or one WebSocket; `is_told` says that the log tells of it already."""

    __slots__ = ("_started", "code", "correlation_id", "is_told", "path", "status", "transport")

    def __init__(self, *, correlation_id: str, transport: str, path: str) -> None:
        self.correlation_id = correlation_id
        self.transport = transport
        self.path = path[:PATH_CHARACTERS_MAX]
        self.status = 0
        self.code: str | None = None
        self.is_told = False
        self._started = time.perf_counter()

    @property
    def duration_ms(self) -> float:
        """How long it has taken so far."""
        return (time.perf_counter() - self._started) * MS

    @property
    def is_refused(self) -> bool:
        """Whether it was refused before it came to be an operation."""
        if self.transport == "websocket":
            return self.status not in NORMAL_CLOSES and self.status != 0
        return self.status >= HTTPStatus.BAD_REQUEST and not self.is_told


CURRENT_TRACE: ContextVar[RequestTrace | None] = ContextVar("stockgate_request_trace", default=None)


class RequestTraces:
    """Gives each request its trace, each answer its id, and tells of those that were refused."""

    def __init__(self, app: ASGIApp, *, on_refusal: Callable[[RequestTrace], None] | None = None) -> None:
        self._app = app
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its trace."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        transport = "http" if scope["type"] == "http" else "websocket"
        correlation_id = correlation_id_from(scope["headers"]) or new_id()
        trace = RequestTrace(correlation_id=correlation_id, transport=transport, path=scope["path"])
        CURRENT_TRACE.set(trace)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        try:
            await self._app(scope, receive, _traced(send, trace))
        finally:
            if trace.is_refused and self._on_refusal is not None:
                self._on_refusal(trace)


def correlation_id_from(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Return the id that the caller brings; None when there is none, or one that is long or odd."""
    for name, value in headers:
        if name in HEADERS_TAKEN and PLAIN_ID.fullmatch(value):
            return value.decode("ascii")
    return None


def _traced(send: Send, trace: RequestTrace) -> Send:
    async def send_traced(message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                _note_start(message, trace)
            case "http.response.body" | "websocket.http.response.body":
                if trace.status >= HTTPStatus.BAD_REQUEST and trace.code is None:
                    trace.code = _error_code(message.get("body", b""))
            case "websocket.close":
                trace.status = message.get("code", 1000)
            case _:
                pass
        await send(message)

    return send_traced


def _note_start(message: Message, trace: RequestTrace) -> None:
    trace.status = message["status"]
    headers = cast("list[tuple[bytes, bytes]]", list(message.get("headers", ())))
    if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
        trace.transport = "sse"
    headers.append((HEADER_ANSWERED, trace.correlation_id.encode()))
    message["headers"] = headers


def _error_code(body: bytes) -> str | None:
    """Return the code of the error that a refusal answers, as its client reads it."""
    with contextlib.suppress(orjson.JSONDecodeError, LookupError, TypeError):
        answer: Any = orjson.loads(body[:ERROR_BODY_BYTES_MAX])
        return str(answer["errors"][0]["extensions"]["code"])
    return None

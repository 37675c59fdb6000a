"""HTTP and WebSocket: the endpoint, health, and what is refused before GraphQL sees it."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypedDict, cast

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.bootstrap import Gateway, document_limits, open_gateway
from app.graphql_view import GraphQLView
from app.observability import RequestLines
from app.request_traces import RequestTraces
from app.settings import Settings
from domain.ports import InfrastructureError
from resolvers.error_codes import ErrorCode
from resolvers.persisted import Trust
from resolvers.schema import build_schema

logger = logging.getLogger("stockgate.web")

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
SECURITY_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class State(TypedDict):
    """What every request finds in its scope."""

    gateway: Gateway


class GatewayApp:
    """The ASGI application. The gateway behind it is opened when the server starts, and closed when it stops."""

    def __init__(self, settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._gateway: Gateway | None = None
        schema = build_schema(
            limits=document_limits(settings),
            hides_suggestions=settings.environment == "production",
            shows_schema=settings.environment == "development",
            trust=Trust(settings.trusted_documents),
        )
        view = GraphQLView(schema, settings)
        routes = [
            Route("/graphql", endpoint=view),
            WebSocketRoute("/graphql", endpoint=view),
            Route("/healthz", endpoint=healthz, methods=["GET"]),
            Route("/readyz", endpoint=readyz, methods=["GET"]),
        ]
        self._lines = RequestLines(settings) if settings.log_requests else None
        self._app = RequestTraces(
            OnlyLocalHosts(
                Starlette(routes=routes, middleware=_cross_origin(settings), lifespan=self._lifespan),
                is_open=self._is_open,
            ),
            on_refusal=None if self._lines is None else self._lines.refusal,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's events."""
        await self._app(scope, receive, send)

    def end_streams(self) -> None:
        """End every subscription; the gateway itself goes on until the server has finished."""
        if self._gateway is not None:
            self._gateway.feed.stop()

    def _is_open(self) -> bool:
        return self._gateway is None or self._gateway.authenticator.is_open

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[State]:
        observe = None if self._lines is None else self._lines.operation
        async with open_gateway(self._settings, observe=observe, does_housekeeping=True) as gateway:
            self._gateway = gateway
            self._on_ready()
            yield {"gateway": gateway}


async def healthz(_: Request) -> Response:
    """Answer that the process is alive."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """Answer whether the process can serve: its workers live and its database answers."""
    gateway: Gateway = request.state.gateway
    if not gateway.is_working:
        return PlainTextResponse("a worker has failed\n", status_code=503)
    try:
        await gateway.services.reads.position()
    except InfrastructureError:
        return PlainTextResponse("the database does not answer\n", status_code=503)
    return PlainTextResponse("ready\n")


def _cross_origin(settings: Settings) -> list[Middleware]:
    """Let the pages of the sites that the operator names read our answers; without any, browsers keep them all out."""
    if not settings.origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=sorted(settings.origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "x-request-id"],
        expose_headers=["retry-after", "x-request-id"],
    )
    return [cors]


class OnlyLocalHosts:
    """While the gateway is open: answers only to the names of the loopback interface, so that no page can reach it by
    rebinding DNS. Where callers need a key, no name matters.
    """

    def __init__(self, app: ASGIApp, *, is_open: Callable[[], bool]) -> None:
        self._app = app
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is asked of a local host; refuse everything else with 421."""
        if scope["type"] == "lifespan" or _host(scope["headers"]) in LOOPBACK_HOSTS or not self._is_open():
            await self._app(scope, receive, _with_security_headers(send))
        else:
            body = orjson.dumps(
                {"errors": [{"message": MISDIRECTED, "extensions": {"code": ErrorCode.MISDIRECTED_REQUEST}}]}
            )
            await Response(body, status_code=421, media_type="application/json")(scope, receive, send)


MISDIRECTED = "This gateway has no keys yet and answers only to 127.0.0.1, [::1] and localhost."


def _host(headers: Sequence[tuple[bytes, bytes]]) -> str:
    value = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
    name, colon, port = value.rpartition(":")
    return name if colon and port.isdecimal() else value


def _with_security_headers(send: Send) -> Send:
    async def send_with_headers(message: "dict[str, object]") -> None:
        if message["type"] == "http.response.start":
            headers = cast("list[tuple[bytes, bytes]]", message.setdefault("headers", []))
            present = {name for name, _ in headers}
            headers.extend(one for one in SECURITY_HEADERS if one[0] not in present)
        await send(message)

    return cast(Send, send_with_headers)

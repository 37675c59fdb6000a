"""HTTP and WebSocket: the endpoint, health, and what is refused before GraphQL sees it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import cast

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.bootstrap import Gateway, document_limits, open_gateway
from app.endings import OPEN_TO_OTHERS, CannotServe
from app.graphql_view import GraphQLView
from app.late_gateway import LateGateway
from app.observability import RequestLines
from app.request_traces import RequestTraces
from app.settings import Settings
from domain.ports import InfrastructureError
from resolvers.error_codes import ErrorCode
from resolvers.persisted import Trust
from resolvers.schema import build_schema

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
SECURITY_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class GatewayApp:
    """The ASGI application. The gateway behind it is opened by `open`; until it is, all are told to come again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        schema = self._schema = build_schema(
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
            OnlyLocalHosts(Starlette(routes=routes, middleware=_cross_origin(settings))),
            on_refusal=None if self._lines is None else self._lines.refusal,
        )
        self._late = LateGateway(self._open_gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's events."""
        # Whether there is a gateway is decided once for each request: every layer below sees the same.
        scope.setdefault("state", {})["gateway"] = self._late.gateway
        await self._app(scope, receive, send)

    async def open(self, *, patience_seconds: float, is_given_up: Callable[[], bool]) -> None:
        """Begin to open the gateway, and wait a while for that, unless it is given up meanwhile.

        Raises what it failed for in that time, CannotServe at best.
        """
        await self._late.open(patience_seconds=patience_seconds, is_given_up=is_given_up)

    @property
    def is_open(self) -> bool:
        """Whether there is a gateway behind it."""
        return self._late.gateway is not None

    async def opened(self) -> Gateway:
        """Return the gateway once it is open. Raises as `open` does."""
        return await self._late.opened()

    def prepare_answers(self) -> None:
        """Make ready what takes long and a start does not wait for: a router's question is not to hold up others."""
        _ = self._schema.subgraph_sdl

    def end_streams(self) -> None:
        """End every subscription; the gateway itself goes on until the server has finished."""
        if self._late.gateway is not None:
            self._late.gateway.feed.stop()

    async def close(self) -> None:
        """Close the gateway, or give up to open it."""
        await self._late.close()

    @contextlib.asynccontextmanager
    async def _open_gateway(self) -> AsyncIterator[Gateway]:
        observe = None if self._lines is None else self._lines.operation
        async with open_gateway(self._settings, observe=observe, does_housekeeping=True) as gateway:
            if gateway.authenticator.is_open and not self._settings.is_loopback:
                raise CannotServe(OPEN_TO_OTHERS.format(host=self._settings.host))
            yield gateway


async def healthz(_: Request) -> Response:
    """Answer that the process is alive."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """Answer whether the process can serve: it is open, its workers live and its database answers."""
    gateway: Gateway | None = request.state.gateway
    if gateway is None:
        return PlainTextResponse("the database is waited for\n", status_code=503)
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
    """While callers need no key: answers only to the names of the loopback interface, so that no page can reach the
    gateway by rebinding DNS. Where callers need one, no name matters. Neither does it before the gateway is open: there
    is nothing behind it then, and whoever looks after its health may use any name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is asked of a local host; refuse everything else with 421."""
        gateway: Gateway | None = scope["state"]["gateway"]
        if gateway is None or not gateway.authenticator.is_open or _host(scope["headers"]) in LOOPBACK_HOSTS:
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

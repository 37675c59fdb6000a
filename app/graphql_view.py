"""The GraphQL endpoint: which transport answers a request, and who asks.

The rule: what is wrong with a request's method, origin, headers or credential is refused before its body is read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.graphql import OperationType

from app.authentication import Unauthenticated
from app.bootstrap import Gateway
from app.graphql_http import (
    FOREIGN_PAGE,
    Headers,
    Refusal,
    answered,
    bad_request,
    check_origin,
    headers_of,
    not_allowed,
    request_of_body,
    request_of_url,
    unauthenticated,
    unavailable,
    wrong_kind_of_operation,
)
from app.graphql_socket import ExactJson, TransportWSHandler, turn_away
from app.graphql_stream import EventStreamResponse, Intervals, event_stream
from app.negotiation import KINDS, KINDS_WITH_PAGE, SINGLE_KINDS, Kind, preferred_kind
from app.operation_requests import OperationRequest
from app.persisted_get import cached_answer, is_cacheable
from app.settings import Settings
from domain.ports import InfrastructureError
from resolvers.context import RequestContext
from resolvers.error_codes import ErrorCode
from resolvers.served_schema import Schema

CONNECTION_INIT_DEADLINE = timedelta(seconds=5)
MS = 1000.0
NOT_OPEN = "The gateway has started and waits for its database; send the request again."
OPENING_RETRY_AFTER_MS = 1000
READING = frozenset({OperationType.QUERY})
CHANGING = READING | {OperationType.MUTATION}


class GraphQLView(GraphQL[RequestContext, None]):
    """Strawberry's view on a running gateway: its sockets and its GraphiQL, and HTTP to the letter."""

    graphql_transport_ws_handler_class = TransportWSHandler
    websocket_adapter_class = ExactJson

    def __init__(self, schema: Schema, settings: Settings) -> None:
        super().__init__(
            schema=schema,
            graphql_ide="graphiql",
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=CONNECTION_INIT_DEADLINE,
            max_subscriptions_per_connection=settings.subscriptions_per_socket_max,
            allowed_origins=sorted(settings.origins),
        )
        self._settings = settings
        self._origins = settings.origins
        self._page_kinds = KINDS_WITH_PAGE if settings.environment == "development" else KINDS
        self._allow = "GET, HEAD, POST, OPTIONS" if settings.answers_get else "POST, OPTIONS"
        self._intervals = Intervals(
            keep_alive_seconds=settings.keep_alive_ms / MS,
            credential_check_seconds=settings.credential_check_ms / MS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one WebSocket."""
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            if scope["state"]["gateway"] is None:
                await turn_away(socket, NOT_OPEN)
            else:
                # A socket has no context before its client has said who it is.
                await self.run(socket, context=cast(Any, None))
            return
        try:
            try:
                response = await self._response(scope, receive)
            except Refusal as refusal:
                response = refusal.response()
            if not isinstance(response, EventStreamResponse):  # which has a deadline of its own, and last words
                send = _with_deadline(send, seconds=self._settings.send_deadline_ms / MS)
            await response(scope, receive, send)
        except ClientDisconnect:
            return

    async def reject_websocket(self, request: WebSocket) -> WebSocket:
        """Refuse the handshake of a page of a foreign site."""
        refusal = Refusal(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, FOREIGN_PAGE)
        await request.send_denial_response(refusal.response())
        return request

    def decode_json(self, data: str | bytes) -> object:
        """Read a socket's JSON to the letter. Raises JSONDecodeError."""
        decoded: object = orjson.loads(data)
        return decoded

    async def _response(self, scope: Scope, receive: Receive) -> ASGIApp:
        headers = headers_of(scope)
        method: str = scope["method"]
        if method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": self._allow})
        if method != "POST" and (method not in ("GET", "HEAD") or not self._settings.answers_get):
            raise not_allowed(f"Send one of {self._allow}.", allow=self._allow)
        check_origin(headers, allowed=self._origins)
        kind = self._kind_of_answer(scope, headers)
        if kind is Kind.PAGE:
            return HTMLResponse(self.graphql_ide_html)
        context, is_current = await self._caller(scope, headers)
        request = await self._request(scope, receive, headers)
        if kind is Kind.EVENT_STREAM:
            return await self._stream(scope, request, context, is_current)
        return await self._answer(scope, request, context, kind)

    def _kind_of_answer(self, scope: Scope, headers: Headers) -> Kind:
        """Return in what the client is answered. A page is for browsers that ask for nothing else."""
        kinds: tuple[Kind, ...] = KINDS
        if scope["method"] == "HEAD":
            kinds = SINGLE_KINDS
        elif scope["method"] == "GET" and not scope["query_string"]:
            kinds = self._page_kinds
        kind = preferred_kind(headers.get(b"accept"), kinds)
        if kind is None:
            message = f"Answers come as {', '.join(kinds)}; name one of them in Accept."
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, ErrorCode.NOT_ACCEPTABLE, message)
        return kind

    async def _caller(self, scope: Scope, headers: Headers) -> tuple[RequestContext, Callable[[], Awaitable[bool]]]:
        """Return what the resolvers are given, and what tells later whether the caller is still let in."""
        gateway: Gateway | None = scope["state"]["gateway"]
        if gateway is None:
            raise unavailable(NOT_OPEN, retry_after_ms=OPENING_RETRY_AFTER_MS)
        header = headers.get(b"authorization")
        authorization = None if header is None else header.decode("latin-1")
        try:
            principal = await gateway.authenticator.principal(authorization)
        except Unauthenticated as error:
            raise unauthenticated(str(error)) from error
        except InfrastructureError as error:
            raise unavailable(str(error), retry_after_ms=error.retry_after_ms) from error
        context = RequestContext(
            services=gateway.services, principal=principal, correlation_id=scope["state"]["correlation_id"]
        )
        return context, partial(gateway.authenticator.is_current, authorization, principal)

    async def _request(self, scope: Scope, receive: Receive, headers: Headers) -> OperationRequest:
        bytes_max = self._settings.body_bytes_max
        if scope["method"] != "POST":
            return request_of_url(scope, bytes_max=bytes_max)
        deadline_seconds = self._settings.body_deadline_ms / MS
        return await request_of_body(receive, headers, bytes_max=bytes_max, deadline_seconds=deadline_seconds)

    async def _answer(self, scope: Scope, request: OperationRequest, context: RequestContext, kind: Kind) -> Response:
        """Run a query or mutation."""
        try:
            result = await self.schema.execute(
                request.query,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
                operation_extensions=request.extensions,
                allowed_operation_types=CHANGING if scope["method"] == "POST" else READING,
            )
        except InvalidOperationTypeError as error:
            raise wrong_kind_of_operation(error) from error
        except (CannotGetOperationTypeError, MissingQueryError) as error:
            raise bad_request(
                "There is no such operation in the request; send a document, and name one of its operations."
            ) from error
        if scope["method"] != "POST" and self._settings.persisted_get_max_age_seconds and is_cacheable(request, result):
            return cached_answer(scope, result, kind, self._settings, role=context.principal.role)
        return answered(result, kind)

    async def _stream(
        self,
        scope: Scope,
        request: OperationRequest,
        context: RequestContext,
        is_current: Callable[[], Awaitable[bool]],
    ) -> EventStreamResponse:
        """Run any operation, its results as server-sent events."""
        allowed = CHANGING if scope["method"] == "POST" else READING
        results = await self.schema.stream(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
            operation_extensions=request.extensions,
            allowed_operation_types=allowed | {OperationType.SUBSCRIPTION},
        )
        events = event_stream(cast(Any, results), self._intervals, is_current=is_current)
        return EventStreamResponse(events, send_deadline_seconds=self._settings.send_deadline_ms / MS)


def _with_deadline(send: Send, *, seconds: float) -> Send:
    """Return a `send` that gives up on a client that leaves its answer unread for too long."""

    async def send_in_time(message: Message) -> None:
        try:
            async with asyncio.timeout(seconds):
                await send(message)
        except TimeoutError as error:
            raise ClientDisconnect from error

    return send_in_time

"""The GraphQL endpoint: Strawberry's view, with exact JSON, bounded bodies, and streams that say where they ended."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.http.streaming import SSETransport
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
    _OperationStreamClosed,
)

from app.ids import new_id
from app.settings import Settings
from domain.ports import Stopping
from domain.principals import LOCAL_PRINCIPAL
from resolvers.context import RequestContext
from resolvers.schema import Schema

CONNECTION_INIT_DEADLINE = timedelta(seconds=5)
SERVICE_RESTART = 1012
STREAM_WANTED = "A subscription is answered as a stream: send Accept: text/event-stream, or use a WebSocket."


class BodyTooLarge(HTTPException):
    """The body is larger than the gateway reads."""


class ExactJson(ASGIWebSocketAdapter):
    """A WebSocket that speaks the view's JSON, as text."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message. Raises WebSocketDisconnected when the client is gone."""
        try:
            await self.ws.send_text(orjson.dumps(message).decode())
        except (RuntimeError, WebSocketDisconnect) as error:
            # Starlette's words for a socket that was closed between two messages, by us or by the client.
            raise WebSocketDisconnected from error


class TransportWSHandler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """graphql-transport-ws, in which a subscription that its source ends with an error ends with an `error` message.

    When the gateway stops it closes the socket instead: clients take an `error` for the operation's own, and do not
    come again.
    """

    async def handle_task_exception(self, error: Exception) -> None:
        """Log why an operation failed; that its client has gone is no failure."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def _send_result_stream(self, operation: Operation[RequestContext, None], result_source: Any) -> None:
        async for result in result_source:
            if not is_no_answer(result):
                await operation.send_next(result)
            elif any(error.extensions.get("code") == Stopping.code for error in result.errors):
                await self.websocket.close(code=SERVICE_RESTART, reason="the gateway is stopping")
                raise _OperationStreamClosed
            else:
                await operation.send_initial_errors(result.errors)
                return


class LineFeedSSE(SSETransport):
    """Server-sent events framed by line feeds, and only for clients that prefer them to JSON."""

    def accepts(self, accept: str) -> bool:
        """Return whether the client would rather have an event stream than anything else it accepts."""
        return preferred_media_type(accept) == "text/event-stream"

    def encode_event(self, event: str, data: str | None = None) -> str:
        """Encode one event; the data is one line of JSON."""
        return f"event: {event}\ndata: {data or ''}\n\n"

    def encode_comment(self, comment: str) -> str:
        """Encode a keep-alive."""
        return f": {comment}\n\n"


class GraphQLView(GraphQL[RequestContext, None]):
    """Strawberry's view on a running gateway."""

    graphql_transport_ws_handler_class = TransportWSHandler
    websocket_adapter_class = ExactJson

    def __init__(self, schema: Schema, settings: Settings) -> None:
        self.stream_transport_classes_by_protocol = {GRAPHQL_SSE_PROTOCOL: LineFeedSSE}
        super().__init__(
            schema=schema,
            graphql_ide="graphiql" if settings.environment == "development" else None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=CONNECTION_INIT_DEADLINE,
            max_subscriptions_per_connection=settings.subscriptions_per_socket_max,
        )
        # Strawberry makes the transports itself, with an interval of its own.
        for transport in self._stream_transport_map.values():
            transport.heartbeat_interval = settings.keep_alive_ms / 1000
        self._settings = settings
        self._documents = schema.documents

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one WebSocket."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            body = _bounded(receive, limit=self._settings.body_bytes_max)
            response = await self.run(Request(scope, receive=body))
        except HTTPException as error:
            response = refusal(error)
        await response(scope, receive, _with_deadline(send, seconds=self._settings.send_deadline_ms / 1000))

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> RequestContext:
        """Return what the resolvers of this request, or of this socket, are given."""
        return RequestContext(
            services=request.state.gateway.services, principal=LOCAL_PRINCIPAL, correlation_id=new_id()
        )

    def parse_json(self, data: str | bytes) -> object:
        """Read the body of a request. Raises HTTPException when it is no JSON, or neither an object nor a batch."""
        parsed: object = super().parse_json(data)
        if not isinstance(parsed, dict | list):
            raise HTTPException(400, 'A GraphQL request is a JSON object; send {"query": …, "variables": …}.')
        return parsed

    async def execute_single(self, *, request_data: Any, **rest: Any) -> Any:  # type: ignore[override]  # called by name
        """Run a query or mutation; a subscription needs a transport that streams. Raises HTTPException."""
        if self._documents.is_subscription(request_data.query, request_data.operation_name):
            raise HTTPException(400, STREAM_WANTED)
        return await super().execute_single(request_data=request_data, **rest)

    def decode_json(self, data: str | bytes) -> object:
        """Read JSON to the letter: no lone surrogates, no NaN, bounded depth. Raises JSONDecodeError."""
        decoded: object = orjson.loads(data)
        return decoded

    def encode_json(self, data: object) -> bytes:
        """Print JSON."""
        return orjson.dumps(data)

    def _stream_result(self, request: Request, result: Any, transport: Any) -> Any:
        return super()._stream_result(request, cast(Any, _until_no_answer(result)), transport)

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """Return an answer that is sent piece by piece."""
        return StreamingResponse(stream(), headers=dict(headers))


def is_no_answer(result: Any) -> bool:
    """Return whether a stream ends with this result: it holds errors only.

    A subscription whose event could not be presented must not go on behind it as if there had been no such event: the
    subscriber resumes after the last position that it was given.
    """
    return result.data is None and bool(result.errors)


async def _until_no_answer(results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    async with aclosing(results):
        async for result in results:
            yield result
            if is_no_answer(result):
                return


def preferred_media_type(accept: str) -> str:
    """Return the media type that an Accept header likes best; of equals the first."""
    best, best_quality = "", 0.0
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        quality = _quality(parameters)
        if quality > best_quality:
            best, best_quality = kind.strip().lower(), quality
    return best


def refusal(error: HTTPException) -> Response:
    """Return the answer to a request that is no GraphQL request."""
    code = "BODY_TOO_LARGE" if isinstance(error, BodyTooLarge) else "BAD_REQUEST"
    body = {"errors": [{"message": error.reason, "extensions": {"code": code}}]}
    headers = {"allow": "GET, POST"} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else None
    return Response(orjson.dumps(body), status_code=error.status_code, headers=headers, media_type="application/json")


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _bounded(receive: Receive, *, limit: int) -> Receive:
    """Return a `receive` that refuses a body once it is longer than the limit, however it is announced."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge(413, f"The request body is larger than {limit} bytes; send less at a time.")
        return message

    return receive_bounded


def _with_deadline(send: Send, *, seconds: float) -> Send:
    """Return a `send` that gives up on a client that leaves its answer unread for too long."""

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(seconds):
            await send(message)

    return send_in_time

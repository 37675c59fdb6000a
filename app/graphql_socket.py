"""graphql-transport-ws, message by message; the one rule: what goes wrong with one operation never ends another.

A message that breaks the protocol's form closes the socket with 4400, a credential that opens nothing, or no longer,
with 4403. When the gateway stops it closes sockets with 1012: clients take an `error` for the operation's own, and
would not come again.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, cast

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.types import ExecutionResult

from app.authentication import Authenticator, Unauthenticated
from app.bootstrap import Gateway
from app.graphql_stream import Credential, is_no_answer, too_slow
from app.last_words import TRY_AGAIN_LATER, last_words_of
from app.operation_requests import OperationRequest, operation_request
from app.socket_messages import fault_of
from domain.ports import InfrastructureError, Stopping
from domain.principals import Principal
from resolvers.context import RequestContext
from resolvers.error_codes import ErrorCode
from resolvers.errors import refused_request
from resolvers.subscriptions import PLACE

logger = logging.getLogger("stockgate.graphql")

SERVICE_RESTART = 1012
UNAUTHORIZED = 4401
FORBIDDEN = 4403
ID_IN_USE = 4409
TOO_MANY_INITIALISATIONS = 4429
STALLED = "Messages were left unread for too long; connect again, and resume after the last position"
MS = 1000.0
CLOSE_REASON_BYTES_MAX = 123
"""What a close frame holds."""


class ReaderStalled(WebSocketDisconnected):
    """The client leaves its messages unread: nothing more is sent but last words."""


class ExactJson(ASGIWebSocketAdapter):
    """A WebSocket that speaks the view's JSON, as text, to a client that reads it in time.

    One that does not is told, behind all that it has left unread, where each subscription was that had more to say;
    then the socket is closed.
    """

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        # One message at a time waits for room: all that waited would be written at once when the last words are let
        # through, however long it is.
        self._turn = asyncio.Lock()
        self._farewell: asyncio.Task[None] | None = None

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send one message. Raises ReaderStalled when it is not taken in time, WebSocketDisconnected else."""
        try:
            async with asyncio.timeout(self.ws.state.gateway.settings.send_deadline_ms / MS), self._turn:
                if self._farewell is None:
                    await self._send(message)
                    return
        except TimeoutError:
            self._begin_farewell()
        raise ReaderStalled

    async def send_last_words(self, message: Mapping[str, object]) -> None:
        """Send one message behind what is left unread. Raises WebSocketDisconnected when the client is gone."""
        await self._send(message)

    def _begin_farewell(self) -> None:
        if self._farewell is None:
            last_words_of(self.ws.scope)()
            self._farewell = asyncio.create_task(self._close_behind_last_words())

    async def _close_behind_last_words(self) -> None:
        # Who waits for its turn has its last words before us.
        async with self._turn:
            await self.close(TRY_AGAIN_LATER, STALLED)

    async def _send(self, message: Mapping[str, object]) -> None:
        try:
            await self.ws.send_text(orjson.dumps(message).decode())
        except (RuntimeError, WebSocketDisconnect) as error:
            # Starlette's words for a socket that was closed between two messages, by us or by the client.
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, with as much of the reason as a close frame holds; once is enough."""
        short = reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
        with suppress(RuntimeError, WebSocketDisconnect):
            await self.ws.close(code=code, reason=short)


class SocketOperation(Operation[RequestContext, None]):
    """One operation of a socket, with the extensions of its request, and after which position it resumes."""

    __slots__ = ("extensions", "resume_after")

    def __init__(self, handler: "TransportWSHandler", id: str, request: OperationRequest) -> None:
        # The document may be missing here: the extensions then name one that is kept.
        super().__init__(handler, id, cast(str, request.query), request.variables, request.operation_name)
        self.extensions = request.extensions
        self.resume_after: int | None = None

    async def send_next(self, execution_result: ExecutionResult) -> None:
        """Send one result, noting where the subscription stands without it and with it."""
        place = PLACE.get()
        if place is not None:
            self.resume_after = place.without
        await super().send_next(execution_result)
        if place is not None:
            self.resume_after = place.with_it

    async def send_operation_message(self, message: Any) -> None:
        """Send one message. To a client that does not take it in time, say instead where the operation was."""
        try:
            await super().send_operation_message(message)
        except ReaderStalled:
            # At once, while the socket cannot have been closed yet.
            errors = [error.formatted for error in too_slow(self.resume_after).errors or ()]
            last_words = {"id": self.id, "type": "error", "payload": errors}
            await cast(TransportWSHandler, self.handler).websocket.send_last_words(last_words)
            raise


class TransportWSHandler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """One socket: whose it is, and its operations. `context` is there once the socket has been acknowledged."""

    websocket: ExactJson
    _watch: "asyncio.Task[None] | None" = None
    _credential: Credential | None = None

    async def handle_message(self, message: Any) -> None:
        """Serve one message, or close the socket when it breaks the protocol's form."""
        fault = fault_of(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
            return
        with suppress(ReaderStalled):  # the operations still have something to say
            await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        """Let the client in by what it brings in the message, or else by the handshake's Authorization header."""
        if self.connection_timed_out:
            return
        if self.connection_init_received:
            await self.websocket.close(TOO_MANY_INITIALISATIONS, "Too many initialisation requests")
            return
        self.connection_init_received = True
        if self.connection_init_timeout_task:
            self.connection_init_timeout_task.cancel()
        authorization = authorization_of(message.get("payload") or {}, self.websocket.ws)
        try:
            principal = await self._authenticator.principal(authorization)
        except Unauthenticated:
            await self.websocket.close(FORBIDDEN, "Forbidden")
        except InfrastructureError:
            await self.websocket.close(TRY_AGAIN_LATER, "The credential cannot be checked now; connect again")
        else:
            await self._acknowledge(authorization, principal)

    async def handle_ping(self, message: Any) -> None:
        """Answer with the payload that came."""
        payload = message.get("payload")
        try:
            await self.send_message({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})
        except orjson.JSONEncodeError:
            await self.handle_invalid_message("The payload nests deeper than can be echoed")

    async def handle_subscribe(self, message: Any) -> None:
        """Begin an operation."""
        id = message["id"]
        if not self.connection_acknowledged:
            await self.websocket.close(UNAUTHORIZED, "Unauthorized")
            return
        if id in self.operations:
            await self.websocket.close(ID_IN_USE, f"Subscriber for {id} already exists")
            return
        # As for a request of its own: who is revoked changes nothing any more.
        if self._credential is None or not await self._credential.is_in_force():
            await self.websocket.close(FORBIDDEN, "Forbidden")
            return
        operation = SocketOperation(self, id, operation_request(message["payload"]))
        self.operations[id] = operation
        most = self.max_subscriptions_per_connection
        if most is not None and len(self.operations) > most:
            reason = f"A WebSocket carries {most} operations at once; complete some, or open another."
            error = refused_request(reason, code=ErrorCode.SUBSCRIPTION_LIMIT_EXCEEDED)
            await operation.send_initial_errors([error])
            return
        operation.task = asyncio.create_task(self.run_operation(operation))
        operation.task.add_done_callback(self._task_done)

    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        """Run an operation to its end, and tell the client how it ended."""
        try:
            results = await self.schema.stream(
                operation.query,
                variable_values=operation.variables,
                context_value=self.context.of_new_operation(),
                operation_name=operation.operation_name,
                operation_extensions=cast(SocketOperation, operation).extensions,
            )
            # They have been taken over; a subscription lives long, and what it does not use is not held for it.
            operation.variables, cast(SocketOperation, operation).extensions = None, None
            async with aclosing(cast(Any, results)):
                if await self._has_sent_all(operation, results):
                    await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except WebSocketDisconnected:
            return
        except Exception:  # whatever it is, it is told to this operation and ends no other
            logger.exception("an operation of a socket failed")
            with suppress(WebSocketDisconnected):
                error = refused_request("The gateway failed to answer this.", code=ErrorCode.INTERNAL_ERROR)
                await operation.send_initial_errors([error])

    async def shutdown(self) -> None:
        """End all that the socket has begun."""
        if self._watch is not None:
            self._watch.cancel()
        await super().shutdown()

    @property
    def _authenticator(self) -> Authenticator:
        return self._gateway.authenticator

    @property
    def _gateway(self) -> Gateway:
        gateway: Gateway = self.websocket.ws.state.gateway
        return gateway

    async def _acknowledge(self, authorization: str | None, principal: Principal) -> None:
        self.context = RequestContext(
            services=self._gateway.services,
            principal=principal,
            correlation_id=self.websocket.ws.state.correlation_id,
        )
        self._credential = Credential(partial(self._authenticator.is_current, authorization, principal))
        self._watch = asyncio.create_task(self._close_when_ended(self._credential))
        self._watch.add_done_callback(self._task_done)
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True

    async def _close_when_ended(self, credential: Credential) -> None:
        """Close the socket once the credential that opened it is no longer in force."""
        seconds = self._gateway.settings.credential_check_ms / MS
        try:
            is_in_force = True
            while is_in_force:
                await asyncio.sleep(seconds)
                is_in_force = await credential.is_in_force()
        except Exception:  # whatever it is, nobody is left in unwatched
            logger.exception("a socket's credential could not be checked")
            await self.websocket.close(TRY_AGAIN_LATER, "The credential cannot be checked now; connect again")
        else:
            await self.websocket.close(FORBIDDEN, "Forbidden")

    async def _has_sent_all(self, operation: Operation[RequestContext, None], results: Any) -> bool:
        """Send what comes; return whether the operation is complete, as against ended by an error or by us."""
        async for result in results:
            if not is_no_answer(result):
                await operation.send_next(result)
            elif any(error.extensions.get("code") == Stopping.code for error in result.errors):
                await self.websocket.close(SERVICE_RESTART, "the gateway is stopping")
                return False
            else:
                await operation.send_initial_errors(result.errors)
                return False
        return True


async def turn_away(websocket: WebSocket, reason: str) -> None:
    """Close a socket that cannot be served now, with a code at which clients come again."""
    with suppress(RuntimeError, WebSocketDisconnect):
        # Closed before it is accepted, it would be a failed handshake, which tells the client nothing.
        offered: Sequence[str] = websocket.scope["subprotocols"]
        is_spoken = GRAPHQL_TRANSPORT_WS_PROTOCOL in offered
        await websocket.accept(subprotocol=GRAPHQL_TRANSPORT_WS_PROTOCOL if is_spoken else None)
        await websocket.close(TRY_AGAIN_LATER, reason)


def authorization_of(payload: Mapping[str, object], websocket: WebSocket) -> str | None:
    """Return what the client brings to be let in; never from the URL, which is logged on its way."""
    for name in ("authorization", "Authorization"):
        brought = payload.get(name)
        if brought is not None:
            return brought if isinstance(brought, str) else ""
    header: str | None = websocket.headers.get("authorization")
    return header

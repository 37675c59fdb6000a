"""GraphQL over HTTP: what is read from a request, and the status and form in which a result is answered.

The rule: every refusal is JSON with a code, and `data` stands in an answer only when execution has begun.
"""

import asyncio
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope
from strawberry.http.websocket_origin import is_same_origin, normalize_origin
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from app.negotiation import Kind, is_json
from app.operation_requests import MalformedRequest, OperationRequest, decoded_json, operation_request
from resolvers.error_codes import ErrorCode

URL_PARAMETERS_MAX = 16
CONTENT_LENGTH_DIGITS_MAX = 20
MS = 1000.0
STREAM_WANTED = "A subscription is answered as a stream: send Accept: text/event-stream, or use a WebSocket."

STATUSES: Final[Mapping[str, HTTPStatus]] = {
    ErrorCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""With which status a request is refused that nothing was executed of, whatever media type the client takes."""
STATUSES_TO_CLIENTS_OF_TODAY: Final[Mapping[str, HTTPStatus]] = {
    ErrorCode.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The same for clients of application/graphql-response+json; others of their requests are 400."""

Headers = dict[bytes, bytes]


class Refusal(Exception):
    """The request is answered with an error before GraphQL sees it."""

    def __init__(
        self,
        status: HTTPStatus,
        code: ErrorCode,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers
        self.retry_after_ms = retry_after_ms

    def response(self) -> Response:
        """Return the answer."""
        extensions: dict[str, object] = {"code": self.code.value}
        if self.retry_after_ms is not None:
            extensions["retryAfterMs"] = self.retry_after_ms
        body = {"errors": [{"message": str(self), "extensions": extensions}]}
        return _json(body, status=self.status, kind=Kind.JSON, headers=self.headers)


def bad_request(message: str) -> Refusal:
    """Return the refusal of what is no GraphQL request."""
    return Refusal(HTTPStatus.BAD_REQUEST, ErrorCode.BAD_REQUEST, message)


def not_allowed(message: str, *, allow: str) -> Refusal:
    """Return the refusal of a method; `allow` names those that would do."""
    return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, ErrorCode.METHOD_NOT_ALLOWED, message, headers={"allow": allow})


def unauthenticated(message: str) -> Refusal:
    """Return the refusal of a caller that is not known."""
    headers = {"www-authenticate": "Bearer"}
    return Refusal(HTTPStatus.UNAUTHORIZED, ErrorCode.UNAUTHENTICATED, message, headers=headers)


def unavailable(message: str, *, retry_after_ms: int) -> Refusal:
    """Return the refusal of a request that could be answered later."""
    headers = {"retry-after": retry_after(retry_after_ms)}
    status, code = HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE
    return Refusal(status, code, message, headers=headers, retry_after_ms=retry_after_ms)


def wrong_kind_of_operation(error: InvalidOperationTypeError) -> Refusal:
    """Return the refusal of an operation that this method, or a single answer, is not for."""
    if error.operation_type is OperationType.SUBSCRIPTION:
        return bad_request(STREAM_WANTED)
    return not_allowed("Changes are sent by POST; GET is for queries.", allow="POST")


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers by name; one that is sent repeatedly is joined, as HTTP has it."""
    headers: Headers = {}
    for name, value in scope["headers"]:
        headers[name] = b"%b, %b" % (headers[name], value) if name in headers else value
    return headers


def check_origin(headers: Headers, *, allowed: frozenset[str]) -> None:
    """Let pass what no page of a foreign site sends. Raises Refusal."""
    origin = headers.get(b"origin")
    if origin is None or headers.get(b"sec-fetch-site") == b"same-origin":
        return
    text = origin.decode("latin-1")
    if not is_same_origin(text, headers.get(b"host", b"").decode("latin-1")) and normalize_origin(text) not in allowed:
        raise Refusal(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, FOREIGN_PAGE)


FOREIGN_PAGE = "Pages of this origin may not call the gateway; the operator allows them by STOCKGATE_ALLOWED_ORIGINS."


def request_of_url(scope: Scope, *, bytes_max: int) -> OperationRequest:
    """Read the request from the URL's parameters. Raises Refusal."""
    query_string: bytes = scope["query_string"]
    if len(query_string) > bytes_max:
        message = f"The URL is longer than {bytes_max} bytes; send the request by POST."
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, ErrorCode.BODY_TOO_LARGE, message)
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, max_num_fields=URL_PARAMETERS_MAX, errors="strict"
        )
    except ValueError as error:
        raise bad_request("The URL's parameters cannot be read as UTF-8, or are too many.") from error
    data: dict[str, object] = {name: value for name, value in pairs if value}
    if len({name for name, _ in pairs}) < len(pairs):
        raise bad_request("A parameter of the URL is given twice.")
    try:
        for name in data.keys() & {"variables", "extensions"}:
            data[name] = decoded_json(str(data[name]), what=f"parameter `{name}`")
        return operation_request(data)
    except MalformedRequest as malformed:
        raise bad_request(str(malformed)) from malformed


async def request_of_body(
    receive: Receive, headers: Headers, *, bytes_max: int, deadline_seconds: float
) -> OperationRequest:
    """Read the request from the body. Raises Refusal, and ClientDisconnect."""
    if not is_json(headers.get(b"content-type")) or headers.get(b"content-encoding", b"identity") != b"identity":
        message = "The body must be JSON in UTF-8; send Content-Type: application/json."
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ErrorCode.UNSUPPORTED_MEDIA_TYPE, message)
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:CONTENT_LENGTH_DIGITS_MAX]) > bytes_max:
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(deadline_seconds):
            body = await _body(receive, bytes_max=bytes_max)
    except TimeoutError as error:
        message = f"The body did not arrive within {deadline_seconds:g} s."
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, ErrorCode.BAD_REQUEST, message) from error
    try:
        return operation_request(decoded_json(body, what="body"))
    except MalformedRequest as malformed:
        raise bad_request(str(malformed)) from malformed


async def _body(receive: Receive, *, bytes_max: int) -> bytes:
    """Read the body, but no more than the limit, however it is announced."""
    parts: list[bytes] = []
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        received += len(parts[-1])
        if received > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(bytes_max: int) -> Refusal:
    reason = f"The request body is larger than {bytes_max} bytes; send less at a time."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.BODY_TOO_LARGE, reason)


def body_of(result: ExecutionResult) -> dict[str, Any]:
    """Return a result as it is sent; without `data` when nothing was executed."""
    body: dict[str, Any] = {} if is_request_error(result) else {"data": result.data}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def is_request_error(result: ExecutionResult) -> bool:
    """Return whether the request failed as a whole: an error of execution lies at a path in the answer."""
    return result.data is None and not any(error.path for error in result.errors or ())


def answered(result: ExecutionResult, kind: Kind) -> Response:
    """Return the answer to a query or mutation, in the media type that the client likes best."""
    body = body_of(result)
    if "data" in body:
        return _json(body, status=HTTPStatus.OK, kind=kind)
    extensions = body["errors"][0].get("extensions", {})
    status = _status_of(extensions.get("code"), kind)
    headers = {}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) and "retryAfterMs" in extensions:
        headers["retry-after"] = retry_after(extensions["retryAfterMs"])
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return _json(body, status=status, kind=kind, headers=headers)


def retry_after(milliseconds: float) -> str:
    """Return the header's value: whole seconds, rounded up."""
    return str(max(1, math.ceil(milliseconds / MS)))


def _status_of(code: str, kind: Kind) -> HTTPStatus:
    if code in STATUSES:
        return STATUSES[code]
    if kind is Kind.GRAPHQL_RESPONSE:
        return STATUSES_TO_CLIENTS_OF_TODAY.get(code, HTTPStatus.BAD_REQUEST)
    # Clients of application/json take another status for a failure of the way to the gateway.
    return HTTPStatus.OK


def _json(
    body: dict[str, Any], *, status: HTTPStatus, kind: Kind, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type=f"{kind.value}; charset=utf-8")

"""Answers to GETs of persisted queries, which caches may hold; the one rule: what they hold is data, and only that.

An answer with an error in it, and what differs from call to call (what the request cost), is never among it.
"""

import hashlib
from http import HTTPStatus

import orjson
from starlette.responses import Response
from starlette.types import Scope
from strawberry.types import ExecutionResult

from app.graphql_http import headers_of
from app.negotiation import Kind
from app.operation_requests import OperationRequest
from app.settings import Settings
from domain.principals import Role
from resolvers.persisted import names_document

TAG_CHARACTERS = 32
VARIES_BY = "accept, authorization"


def is_cacheable(request: OperationRequest, result: ExecutionResult) -> bool:
    """Return whether the answer to a GET may be held: of a query that was named, answered whole."""
    return names_document(request.extensions) and result.data is not None and not result.errors


def cached_answer(scope: Scope, result: ExecutionResult, kind: Kind, settings: Settings, *, role: Role) -> Response:
    """Return the answer with its tag and for how long it may be held; 304 when the caller has it already."""
    headers = headers_of(scope)
    body = orjson.dumps({"data": result.data})
    tag = f'"{hashlib.sha256(kind.value.encode() + body).hexdigest()[:TAG_CHARACTERS]}"'
    is_for_all = role is Role.STOREFRONT and settings.persisted_get_is_public
    is_public = b"authorization" not in headers or is_for_all
    answered = {
        "etag": tag,
        "cache-control": f"{'public' if is_public else 'private'}, max-age={settings.persisted_get_max_age_seconds}",
        "vary": VARIES_BY,
    }
    if _is_known(headers.get(b"if-none-match", b"").decode("latin-1"), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=answered)
    return Response(body, headers=answered, media_type=f"{kind.value}; charset=utf-8")


def _is_known(if_none_match: str, tag: str) -> bool:
    """Return whether the tag is among those that the caller holds; weak or strong does not matter for that."""
    held = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return tag in held or "*" in held

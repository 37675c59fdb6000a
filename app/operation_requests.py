"""What a client asks for, read from JSON that came over any transport; the one rule: it is well-formed or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

QUERY_WANTED = 'A GraphQL request is a JSON object; send {"query": …, "variables": …}.'
PERSISTED_QUERY = "persistedQuery"
DOCUMENT_ID = "documentId"
EMPTY_DOCUMENT = " "


class MalformedRequest(Exception):
    """This is no GraphQL request; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """A request: the document's text (None: the extensions name one that is kept), and what it is run with."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None


def operation_request(data: object) -> OperationRequest:
    """Return the request that decoded JSON makes; members that are not known are ignored. Raises MalformedRequest."""
    if not isinstance(data, dict):
        raise MalformedRequest(QUERY_WANTED)
    query = _text(data, "query")
    operation_name = _text(data, "operationName")
    variables = _object(data, "variables")
    extensions = _object(data, "extensions")
    document_id = _text(data, DOCUMENT_ID)
    if document_id is not None:
        extensions = {**(extensions or {}), DOCUMENT_ID: document_id}
    if query is None and not (extensions and (PERSISTED_QUERY in extensions or DOCUMENT_ID in extensions)):
        raise MalformedRequest("The request holds no document; send its text as `query`.")
    # Strawberry takes an empty text for none; it is a document that cannot be parsed, and is to be told so.
    return OperationRequest(
        query=EMPTY_DOCUMENT if query == "" else query,
        variables=variables,
        operation_name=operation_name,
        extensions=extensions,
    )


def decoded_json(text: bytes | str, *, what: str) -> object:
    """Read JSON to the letter: no lone surrogates, no NaN, bounded depth. Raises MalformedRequest."""
    try:
        decoded: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"The {what} cannot be read as JSON.") from error
    return decoded


def _text(data: Mapping[str, object], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedRequest(f"`{name}` is a string; leave it out when there is none.")
    return value


def _object(data: Mapping[str, object], name: str) -> dict[str, Any] | None:
    value = data.get(name)
    if value is not None and not isinstance(value, dict):
        raise MalformedRequest(f"`{name}` is a JSON object; leave it out when there is none.")
    return value

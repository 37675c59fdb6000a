"""Persisted documents: requests that name their document instead of sending it, and documents that are trusted.

The rule: a name never stands for another text than the one that was sent or registered with it. Two kinds are kept
apart: *automatic* ones, which any caller may leave here by sending text and hash together, for a while and only in this
process; and *trusted* ones, which the operator has registered.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from graphql import GraphQLError
from strawberry.types import ExecutionContext

from domain.ports import InfrastructureError
from domain.principals import Role
from resolvers.error_codes import ErrorCode
from resolvers.errors import refused_request
from resolvers.execution import CACHED_CHARACTERS_MAX, CACHED_DOCUMENT_CHARACTERS_MAX, CACHED_DOCUMENTS_MAX

PERSISTED_QUERY = "persistedQuery"
DOCUMENT_ID = "documentId"
HASH_PREFIX = "sha256:"
KEY_CHARACTERS_MAX = 255
NOT_FOUND_MESSAGE = "PersistedQueryNotFound"
"""The words that clients of the automatic protocol look for."""


class Trust(StrEnum):
    """Who may run registered documents only."""

    OFF = "off"
    STOREFRONT = "storefront"
    ALL = "all"


class TrustedDocuments(Protocol):
    """The documents that the operator has registered."""

    async def text(self, key: str) -> str | None:
        """Return the document of this id or sha256 digest. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a request calls its document: its digest (of the automatic protocol), or an id."""

    key: str


class PersistedDocuments:
    """Finds the text behind a request, and lets only trusted ones through where that is asked for."""

    def __init__(self, *, trust: Trust = Trust.OFF, documents_max: int = CACHED_DOCUMENTS_MAX) -> None:
        self._trust = trust
        self._documents_max = documents_max
        self._automatic: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    async def find(self, context: ExecutionContext) -> str | None:
        """Give the request its document's text, and return the name to remember it by once it has proved valid.

        The name is None when there is nothing to remember. Raises GraphQLError when there is no document, or none that
        may be run.
        """
        name = _name_in(context.operation_extensions)
        is_restricted = self._trust is not Trust.OFF and self._restricts(context)
        is_sent = bool(context.query)
        if name is None and not (is_restricted and is_sent):
            return None
        try:
            if is_restricted:
                context.query = await self._trusted_text(context, name)
            elif name is not None:
                context.query = await self._named_text(context, name)
        except InfrastructureError as error:
            raise GraphQLError(str(error), original_error=error) from error
        return name.key if name is not None and is_sent and not is_restricted else None

    def remember(self, key: str, text: str) -> None:
        """Keep a valid document by its digest, and let go of those that have not been used for longest."""
        if len(text) > CACHED_DOCUMENT_CHARACTERS_MAX or key in self._automatic or key != digest_of(text):
            return
        self._automatic[key] = text
        self._characters += len(text)
        while len(self._automatic) > self._documents_max or self._characters > CACHED_CHARACTERS_MAX:
            _, oldest = self._automatic.popitem(last=False)
            self._characters -= len(oldest)

    def _restricts(self, context: ExecutionContext) -> bool:
        return self._trust is Trust.ALL or context.context.principal.role is Role.STOREFRONT

    async def _trusted_text(self, context: ExecutionContext, name: Name | None) -> str:
        sent = context.query or None
        if sent is not None and name is not None:
            await self._check_same(context, name, sent)
        key = digest_of(sent) if sent is not None else name.key if name is not None else ""
        found = await _registered(context, key)
        if found is None:
            raise refused_request(
                "Only registered documents may be run here, and this is none of them; register the client's manifest.",
                code=ErrorCode.DOCUMENT_NOT_TRUSTED,
            )
        return found

    async def _named_text(self, context: ExecutionContext, name: Name) -> str:
        sent = context.query or None
        if sent is not None:
            await self._check_same(context, name, sent)
            return sent
        found = self._automatic.get(name.key)
        if found is not None:
            self._automatic.move_to_end(name.key)
            return found
        found = await _registered(context, name.key)
        if found is None:
            raise refused_request(NOT_FOUND_MESSAGE, code=ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        return found

    async def _check_same(self, context: ExecutionContext, name: Name, sent: str) -> None:
        if name.key != digest_of(sent) and await _registered(context, name.key) != sent:
            raise refused_request(
                "The document's hash or id is not that of its text; leave one of them out.", code=ErrorCode.BAD_REQUEST
            )


def digest_of(text: str) -> str:
    """Return the SHA-256 digest of a document's text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def names_document(extensions: dict[str, Any] | None) -> bool:
    """Return whether a request names its document."""
    return extensions is not None and (PERSISTED_QUERY in extensions or DOCUMENT_ID in extensions)


async def _registered(context: ExecutionContext, key: str) -> str | None:
    trusted: TrustedDocuments | None = context.context.services.trusted_documents
    return None if trusted is None else await trusted.text(key)


def _name_in(extensions: dict[str, Any] | None) -> Name | None:
    """Return what the request calls its document. Raises GraphQLError when that is malformed."""
    if not extensions or not names_document(extensions):
        return None
    if DOCUMENT_ID in extensions:
        key = extensions[DOCUMENT_ID]
        key = key.removeprefix(HASH_PREFIX) if isinstance(key, str) else None
    else:
        named = extensions[PERSISTED_QUERY]
        is_understood = isinstance(named, dict) and type(named.get("version")) is int and named["version"] == 1
        key = named.get("sha256Hash") if is_understood else None
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        raise refused_request(
            'Name a document by extensions.persistedQuery {"version": 1, "sha256Hash": …}, or by documentId.',
            code=ErrorCode.BAD_REQUEST,
        )
    return Name(key=key)

"""Manifests of trusted documents, as the tools of three client libraries write them.

The rule: a manifest is taken whole or not at all, and every document in it fits the schema and the limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import GraphQLError

from app.storage.documents import TrustedDocument
from domain.text import is_code
from resolvers.persisted import HASH_PREFIX, KEY_CHARACTERS_MAX, digest_of
from resolvers.served_schema import Schema

APOLLO_FORMAT = "apollo-persisted-query-manifest"
APOLLO_VERSION = 1
DOCUMENTS_MAX = 20_000


class MalformedManifest(Exception):
    """The file is none of the manifests that are known; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a document of a manifest cannot be registered."""

    id: str
    name: str | None
    message: str


def read_manifest(content: bytes) -> list[TrustedDocument]:
    """Return the documents of a manifest: Apollo's format, or (Relay, GraphQL Code Generator) a map of ids to texts.

    Raises MalformedManifest.
    """
    try:
        manifest: object = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise MalformedManifest(f"it is no JSON ({error})") from error
    if not isinstance(manifest, dict):
        raise MalformedManifest("it is no JSON object")
    documents = list(_operations(manifest) if "operations" in manifest else _map(manifest))
    if not 1 <= len(documents) <= DOCUMENTS_MAX:
        raise MalformedManifest(f"it holds {len(documents)} documents; 1 to {DOCUMENTS_MAX} are taken")
    texts: dict[str, str] = {}
    for one in documents:
        if texts.setdefault(one.id, one.body) != one.body:
            raise MalformedManifest(f"the id {one.id} stands for two documents")
    return list({one.id: one for one in documents}.values())


def problems_of(documents: list[TrustedDocument], schema: Schema) -> list[Problem]:
    """Return what keeps documents from being run: their syntax, the schema, or a limit."""
    return [
        Problem(id=one.id, name=one.name, message=message)
        for one in documents
        for message in _messages(one.body, schema)
    ]


def _messages(body: str, schema: Schema) -> list[str]:
    try:
        known = schema.documents.document(body)
    except GraphQLError as error:
        return [error.message]
    return [error.message for error in schema.documents.validation_errors(known, schema._schema)]


def _operations(manifest: Mapping[str, Any]) -> Iterator[TrustedDocument]:
    kind, version = manifest.get("format"), manifest.get("version")
    if kind != APOLLO_FORMAT or version != APOLLO_VERSION:
        raise MalformedManifest(f"its format is {kind} {version}, not {APOLLO_FORMAT} {APOLLO_VERSION}")
    if not isinstance(manifest["operations"], list):
        raise MalformedManifest("its operations are no list")
    for operation in manifest["operations"]:
        if not isinstance(operation, dict):
            raise MalformedManifest("an operation is no JSON object")
        name = operation.get("name")
        yield _document(operation.get("id"), operation.get("body"), name if isinstance(name, str) else None)


def _map(manifest: Mapping[str, Any]) -> Iterator[TrustedDocument]:
    for key, text in manifest.items():
        yield _document(key, text, None)


def _document(key: object, body: object, name: str | None) -> TrustedDocument:
    # A prefixed hash is asked for without its prefix.
    id = key.removeprefix(HASH_PREFIX) if isinstance(key, str) else ""
    if not is_code(id) or len(id) > KEY_CHARACTERS_MAX:
        wanted = f"1 to {KEY_CHARACTERS_MAX} printable characters without blanks around them"
        raise MalformedManifest(f"an id must be {wanted}; {key!r} is not")
    if not isinstance(body, str) or not body:
        raise MalformedManifest(f"the document {id} has no text")
    return TrustedDocument(id=id, sha256=digest_of(body), name=name, body=body)

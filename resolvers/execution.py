"""Execution speed: documents are parsed and validated once; the one rule: what is remembered is bounded."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse, validate
from strawberry.extensions import SchemaExtension

CACHED_DOCUMENTS_MAX = 1000
CACHED_DOCUMENT_CHARACTERS_MAX = 20_000


@dataclass(slots=True)
class KnownDocument:
    """A document that was parsed, and its validation errors once it has been validated."""

    document: DocumentNode
    validation_errors: list[GraphQLError] | None = None


class DocumentCache:
    """The documents that were used last, by their text; unusually long ones are not kept."""

    def __init__(self, *, documents_max: int = CACHED_DOCUMENTS_MAX) -> None:
        self._documents_max = documents_max
        self._known: OrderedDict[str, KnownDocument] = OrderedDict()

    def document(self, text: str) -> KnownDocument:
        """Return the parsed document. Raises GraphQLError when it is no GraphQL."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        known = KnownDocument(parse(text))
        if len(text) <= CACHED_DOCUMENT_CHARACTERS_MAX:
            self._known[text] = known
            if len(self._known) > self._documents_max:
                self._known.popitem(last=False)
        return known

    def validation_errors(self, text: str, schema: GraphQLSchema) -> list[GraphQLError]:
        """Return what is wrong with a document that was parsed."""
        known = self.document(text)
        if known.validation_errors is None:
            known.validation_errors = validate(schema, known.document)
        return known.validation_errors


class CachedDocuments(SchemaExtension):
    """Takes parsing and validation from the cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache; what cannot be parsed is left for Strawberry to refuse."""
        text = self.execution_context.query
        if text is not None:
            with contextlib.suppress(GraphQLError):
                self.execution_context.graphql_document = self._cache.document(text).document
        yield

    def on_validate(self) -> Iterator[None]:
        """Take the validation's result from the cache."""
        text = self.execution_context.query
        if text is not None:
            schema = self.execution_context.schema._schema
            self.execution_context.pre_execution_errors = self._cache.validation_errors(text, schema)
        yield

"""Execution speed: documents are parsed and validated once; the one rule: what is remembered is bounded."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, parse, validate
from strawberry.extensions import SchemaExtension

CACHED_DOCUMENTS_MAX = 1000
CACHED_DOCUMENT_CHARACTERS_MAX = 20_000


@dataclass(slots=True)
class KnownDocument:
    """A document that was parsed, and its validation errors once it has been validated."""

    document: DocumentNode
    validation_errors: list[GraphQLError] | None = None

    @property
    def operations(self) -> list[OperationDefinitionNode]:
        """The operations that can be asked for."""
        return [one for one in self.document.definitions if isinstance(one, OperationDefinitionNode)]


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

    def is_subscription(self, text: str | None, operation_name: str | None) -> bool:
        """Return whether the request asks for a subscription; what cannot be parsed asks for nothing."""
        try:
            operations = self.document(text or "").operations
        except GraphQLError:
            return False
        named = [one for one in operations if operation_name in (None, one.name.value if one.name else None)]
        return bool(named) and named[0].operation is OperationType.SUBSCRIPTION


class CachedDocuments(SchemaExtension):
    """Takes parsing and validation from the cache."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache
        self._known: KnownDocument | None = None

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache; what cannot be parsed is left for Strawberry to refuse."""
        text = self.execution_context.query
        if text is not None:
            with contextlib.suppress(GraphQLError):
                self._known = self._cache.document(text)
                self.execution_context.graphql_document = self._known.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Take the validation's result from the cache."""
        known = self._known
        if known is not None:
            if known.validation_errors is None:
                known.validation_errors = validate(self.execution_context.schema._schema, known.document)
            self.execution_context.pre_execution_errors = known.validation_errors or self._unclear_operation(known)
        yield

    def _unclear_operation(self, known: KnownDocument) -> list[GraphQLError]:
        # Strawberry would run the first of several; the specification wants the caller to say which.
        if self.execution_context._provided_operation_name is None and len(known.operations) > 1:
            return [GraphQLError("The document holds several operations; say which with `operationName`.")]
        return []

"""The road of every operation: its document is parsed and validated once, then gates may refuse it, then it is metered.

The rule: what is remembered is bounded. The road is the same for queries, mutations and subscriptions on every
transport: limits, parsing, validation, gates in their order, meter, execution.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from graphql import (
    DefinitionNode,
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionContext
from strawberry.types import ExecutionResult as StrawberryResult

from resolvers.document_limits import DEFAULT_LIMITS, DocumentLimits, errors_of, parse_within
from resolvers.introspection_answers import Data, IntrospectionAnswers, is_about_schema
from resolvers.variable_limits import check_variables

CACHED_DOCUMENTS_MAX = 1000
CACHED_DOCUMENT_CHARACTERS_MAX = 20_000
CACHED_CHARACTERS_MAX = 1_000_000
"""How long all kept documents are together; parsed they take up to a hundred times as many bytes."""
REMEMBERED_MAX = 64
"""How many things are remembered of one document."""

NOT_YET = object()

Made = TypeVar("Made")


@dataclass(slots=True)
class KnownDocument:
    """A document that was parsed, its validation errors once it has been validated, and what is remembered of it."""

    document: DocumentNode
    validation_errors: list[GraphQLError] | None = None
    _remembered: dict[Hashable, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What was parsed."""
        return "" if self.document.loc is None else self.document.loc.source.body

    @property
    def operations(self) -> list[OperationDefinitionNode]:
        """The operations that can be asked for."""
        return [one for one in self.document.definitions if isinstance(one, OperationDefinitionNode)]

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation that a request with this operation name asks for, of several unnamed ones the first."""
        for one in self.document.definitions:
            if isinstance(one, OperationDefinitionNode) and (name is None or (one.name and one.name.value == name)):
                return one
        return None

    def remember(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return what was made under this key, and make it now if it never was; for gates, once a document.

        It is kept as long as the document is. Beyond REMEMBERED_MAX keys nothing more is kept, and made every time.
        """
        known = self._remembered.get(key, NOT_YET)
        if known is NOT_YET:
            known = make()
            if len(self._remembered) < REMEMBERED_MAX:
                self._remembered[key] = known
        return cast(Made, known)

    def coordinates(self, schema: GraphQLSchema, operation_name: str | None = None) -> frozenset[str]:
        """Return every field that the operation names, as `Type.field`, with its fragments and with introspection.

        A field that is named on an interface stands under the interface. Only for documents that are valid.
        """
        key = ("coordinates", operation_name)
        return self.remember(key, lambda: _coordinates(schema, self.document, self.operation(operation_name)))

    def declared(self, variables: dict[str, Any], operation_name: str | None) -> dict[str, Any]:
        """Return the variables that the operation declares: others mean nothing, and a subscription would hold them."""
        operation = self.operation(operation_name)
        definitions = (operation.variable_definitions if operation is not None else None) or ()
        names = {one.variable.name.value for one in definitions}
        return variables if variables.keys() <= names else {name: variables[name] for name in names & variables.keys()}

    def is_about_schema(self, schema: GraphQLSchema, operation_name: str | None) -> bool:
        """Return whether the operation's answer depends on the schema alone. Only for documents that are valid."""
        operation = self.operation(operation_name)
        if operation is None:
            return False
        fields = self.coordinates(schema, operation_name)
        return self.remember(("schema", operation_name), lambda: is_about_schema(schema, operation, fields))


class Gate(Protocol):
    """Looks at a valid document before it is run; the first gate that returns errors refuses the request."""

    def __call__(self, known: KnownDocument, context: ExecutionContext, /) -> Sequence[GraphQLError]:
        """Return why the request is refused; nothing when it may pass."""
        ...


class Charge(Protocol):
    """What was charged for one operation."""

    async def settle(self, context: ExecutionContext) -> None:
        """Account for what the executed operation really came to."""
        ...


class Meter(Protocol):
    """Takes account of what each operation costs, after the gates have let it through."""

    async def charge(self, known: KnownDocument, context: ExecutionContext) -> Charge | None:
        """Charge for an operation; None when there is nothing to settle. Raises GraphQLError to refuse it."""
        ...


class DocumentCache:
    """The valid documents that were used last, by their text; unusually long ones are not kept.

    Of those, and of what is no valid document, only the very last is held, so that one request pays for it once.
    """

    def __init__(
        self,
        *,
        documents_max: int = CACHED_DOCUMENTS_MAX,
        limits: DocumentLimits = DEFAULT_LIMITS,
        hides_suggestions: bool = False,
    ) -> None:
        self.limits = limits
        self.hides_suggestions = hides_suggestions
        self.introspection = IntrospectionAnswers()
        self._documents_max = documents_max
        self._known: OrderedDict[str, KnownDocument] = OrderedDict()
        self._characters = 0
        self._latest: tuple[str, KnownDocument | GraphQLError] | None = None

    def document(self, text: str) -> KnownDocument:
        """Return the parsed document. Raises GraphQLError when it is no GraphQL, or exceeds a limit."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        if self._latest is None or self._latest[0] != text:
            self._latest = (text, self._parsed(text))
        found = self._latest[1]
        if isinstance(found, GraphQLError):
            raise found.with_traceback(None)
        return found

    def validation_errors(self, known: KnownDocument, schema: GraphQLSchema) -> list[GraphQLError]:
        """Return what is wrong with the document, not more than is answered."""
        if known.validation_errors is None:
            known.validation_errors = errors_of(
                known.document, schema, self.limits, hides_suggestions=self.hides_suggestions
            )
            if not known.validation_errors:
                self._keep(known)
        return known.validation_errors

    def _keep(self, known: KnownDocument) -> None:
        """Keep a valid document, and let go of those that have not been used for longest."""
        text = known.text
        if not 0 < len(text) <= CACHED_DOCUMENT_CHARACTERS_MAX or text in self._known:
            return
        self._latest = None
        self._known[text] = known
        self._characters += len(text)
        while len(self._known) > self._documents_max or self._characters > CACHED_CHARACTERS_MAX:
            oldest, _ = self._known.popitem(last=False)
            self._characters -= len(oldest)

    def _parsed(self, text: str) -> KnownDocument | GraphQLError:
        try:
            return KnownDocument(parse_within(text, self.limits))
        except GraphQLError as error:
            return error.with_traceback(None)


class HidesSuggestions:
    """Keeps an executor, whose base it is, from suggesting names of the schema in its errors."""

    @classmethod
    def build(cls, *arguments: Any, **named: Any) -> Any:
        """Build the executor of one operation."""
        return super().build(*arguments, **{**named, "hide_suggestions": True})  # type: ignore[misc]  # the executor's


class CachedDocuments(SchemaExtension):
    """Takes parsing and validation from the cache, then asks the gates and the meter.

    Its refusals are raised while parsing and returned while validating: the schema answers both alike.
    """

    def __init__(self, cache: DocumentCache, *, gates: Sequence[Gate] = (), meter: Meter | None = None) -> None:
        self._cache = cache
        self._gates = gates
        self._meter = meter
        self._known: KnownDocument | None = None
        self._charge: Charge | None = None
        self._is_about_schema = False

    def on_parse(self) -> Iterator[None]:
        """Take the document from the cache. Raises GraphQLError when there is none in the text."""
        self.find()
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Take the validation's result from the cache, and let the gates and the meter decide on a valid document."""
        self.execution_context.pre_execution_errors = await self.refusals()
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Settle what was charged, once the operation has been executed; what was broken off is paid in full."""
        data = self.kept_answer()
        if data is not None:
            # With a result already there nothing is executed.
            self.execution_context.result = ExecutionResult(data, None)
        yield
        self.keep_answer()
        await self.settle()

    def find(self) -> KnownDocument | None:
        """Find the request's document; None without a text. Raises GraphQLError when there is none in the text."""
        text = self.execution_context.query
        if text:
            self._known = self._cache.document(text)
            self.execution_context.graphql_document = self._known.document
        return self._known

    def kept_answer(self) -> Data | None:
        """Return the data of the answer if it is about the schema alone, and was given before."""
        context, known = self.execution_context, self._known
        if known is None or not known.is_about_schema(context.schema._schema, context._provided_operation_name):
            return None
        self._is_about_schema = True
        return self._cache.introspection.find(known.text, context._provided_operation_name)

    def keep_answer(self) -> None:
        """Keep the operation's answer if it is about the schema alone, and whole."""
        result = self.execution_context.result
        if self._is_about_schema and isinstance(result, ExecutionResult | StrawberryResult):
            known = cast(KnownDocument, self._known)
            if result.data is not None and not result.errors:
                name = self.execution_context._provided_operation_name
                self._cache.introspection.keep(known.text, name, result.data)

    async def settle(self) -> None:
        """Settle what was charged by what the operation came to."""
        if self._charge is not None:
            await self._charge.settle(self.execution_context)

    async def refusals(self) -> list[GraphQLError]:
        """Return why the document that was found is not run; what it may cost is charged when it is."""
        context, known = self.execution_context, self._known
        if known is None:
            return []
        errors = self._cache.validation_errors(known, context.schema._schema)
        if errors:
            return errors
        # Strawberry would run the first of several; the specification wants the caller to say which.
        if context._provided_operation_name is None and len(known.operations) > 1:
            return [GraphQLError("The document holds several operations; say which with `operationName`.")]
        for gate in self._gates:
            refused = gate(known, context)
            if refused:
                return list(refused)
        try:
            if context.variables:
                check_variables(context.variables)
                context.variables = known.declared(context.variables, context._provided_operation_name)
            if self._meter is not None:
                self._charge = await self._meter.charge(known, context)
        except GraphQLError as error:
            return [error]
        return []


def _coordinates(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode | None
) -> frozenset[str]:
    """Return the coordinates of all fields that an operation reaches."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    found: set[str] = set()
    reached: set[str] = set()
    waiting: list[DefinitionNode] = [] if operation is None else [operation]
    while waiting:
        named = _named_by(schema, waiting.pop())
        found |= named.fields
        waiting += [fragments[name] for name in named.fragments - reached if name in fragments]
        reached |= named.fragments
    return frozenset(found)


class _Named(Visitor):
    """Notes which fields and fragments a definition names."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.fields: set[str] = set()
        self.fragments: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Note a field, under the type that it is named on."""
        parent = self._types.get_parent_type()
        if parent is not None:
            self.fields.add(f"{parent.name}.{node.name.value}")

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        """Note a fragment."""
        self.fragments.add(node.name.value)


def _named_by(schema: GraphQLSchema, definition: DefinitionNode) -> _Named:
    types = TypeInfo(schema)
    named = _Named(types)
    visit(definition, TypeInfoVisitor(types, named))
    return named

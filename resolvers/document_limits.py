"""Limits on documents; the rule: what a document may ask of the gateway is bounded before it is validated.

Reading stops at the first token too many, and nothing nests deeper than the parser and the rules of validation can
follow. Depth, aliases, directives and root fields are then counted over the parsed document with fragments expanded:
each fragment is measured once, so fragments that spread each other again and again cost no more than they are long.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    ParallelVisitor,
    SelectionNode,
    SelectionSetNode,
    Source,
    Token,
    TokenKind,
    TypeInfo,
    TypeInfoVisitor,
    visit,
)
from graphql.language import Lexer
from graphql.language.parser import Parser
from graphql.validation import OverlappingFieldsCanBeMergedRule, specified_rules
from graphql.validation.validate import ValidationAbortedError, query_document_keys_to_validate
from graphql.validation.validation_context import ValidationContext

from resolvers.error_codes import ErrorCode
from resolvers.errors import ANSWERED_ERRORS_MAX, refused_request

NESTING_MAX = 64
"""How deep brackets, and selections with their fragments expanded, may nest: introspection included, whose depth is
otherwise free."""
COMPARISONS_MAX = 8000
"""How much work the comparison of same-named fields may be, in the units of graphql-core's own rule."""

OPENING = frozenset({TokenKind.PAREN_L, TokenKind.BRACKET_L, TokenKind.BRACE_L})
CLOSING = frozenset({TokenKind.PAREN_R, TokenKind.BRACKET_R, TokenKind.BRACE_R})


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """What one document may hold, and how many of its errors are answered."""

    characters_max: int = 32_000
    tokens_max: int = 1000
    depth_max: int = 12
    aliases_max: int = 15
    directives_max: int = 50
    root_fields_max: int = 20
    errors_max: int = ANSWERED_ERRORS_MAX


DEFAULT_LIMITS = DocumentLimits()


def parse_within(text: str, limits: DocumentLimits) -> DocumentNode:
    """Return the parsed document. Raises GraphQLError when it is no GraphQL, or larger than a document may be."""
    if len(text) > limits.characters_max:
        raise _too_many_tokens(limits.characters_max, "characters")
    source = Source(text)
    lexer = _BoundedLexer(source, tokens_max=limits.tokens_max)
    try:
        document = Parser(source, lexer=lexer).parse_document()
    finally:
        lexer.unlink()
    _check(document, limits)
    return document


class _BoundedLexer(Lexer):
    """Gives up at the first token too many (comments are tokens), and before the parser descends too far."""

    def __init__(self, source: Source, *, tokens_max: int) -> None:
        super().__init__(source)
        self._tokens_left = self._tokens_max = tokens_max
        self._nesting = 0
        self._first = self.token

    def read_next_token(self, start: int) -> Token:
        """Return the next token. Raises GraphQLError when it is one too many."""
        token = super().read_next_token(start)
        self._tokens_left -= 1
        kind = token.kind
        if self._tokens_left < 0 and kind is not TokenKind.EOF:
            raise _too_many_tokens(self._tokens_max, "tokens")
        if kind in OPENING:
            self._nesting += 1
            if self._nesting > NESTING_MAX:
                raise _too_deep(NESTING_MAX)
        elif kind in CLOSING:
            self._nesting -= 1
        return token

    def unlink(self) -> None:
        """Let the tokens, of which each knows its neighbours, go one by one: no parsed document refers to itself."""
        token: Token | None = self._first
        while token is not None:
            following = token.next
            token.prev = token.next = None
            token = following


@dataclass(slots=True)
class _Measure:
    """What a list of selections comes to with its fragments expanded. `depth` leaves introspection out."""

    depth: int = 0
    nesting: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0


class _Measures:
    """Measures selections, each fragment once."""

    def __init__(self, fragments: Iterable[FragmentDefinitionNode]) -> None:
        self._fragments = {one.name.value: one for one in fragments}
        self._known: dict[str, _Measure] = {}

    def of(self, selections: SelectionSetNode | None, *, level: int) -> _Measure:
        """Return the measure of the selections at some level of nesting. Raises GraphQLError when it is too deep."""
        if level > NESTING_MAX:
            raise _too_deep(NESTING_MAX)
        total = _Measure()
        for selection in selections.selections if selections is not None else ():
            self._add(selection, to=total, level=level)
        return total

    def _add(self, selection: SelectionNode, *, to: _Measure, level: int) -> None:
        inner = self._inner(selection, level=level + 1)
        depth, fields = inner.depth, inner.fields
        if isinstance(selection, FieldNode):
            depth, fields = (1 if selection.name.value.startswith("__") else 1 + depth), 1
            to.aliases += selection.alias is not None
        to.depth = max(to.depth, depth)
        to.nesting = max(to.nesting, inner.nesting + 1)
        to.aliases += inner.aliases
        to.directives += inner.directives + len(selection.directives or ())
        to.fields += fields

    def _inner(self, selection: SelectionNode, *, level: int) -> _Measure:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value, level=level)
        return self.of(cast(FieldNode | InlineFragmentNode, selection).selection_set, level=level)

    def _fragment(self, name: str, *, level: int) -> _Measure:
        known = self._known.get(name)
        if known is None:
            # In a cycle the fragment counts as nothing inside itself; validation refuses it.
            self._known[name] = _Measure()
            definition = self._fragments.get(name)
            if definition is not None:
                known = self.of(definition.selection_set, level=level)
                known.directives += len(definition.directives or ())
                self._known[name] = known
            return self._known[name]
        if level + known.nesting > NESTING_MAX:
            raise _too_deep(NESTING_MAX)
        return known


def _check(document: DocumentNode, limits: DocumentLimits) -> None:
    """Raise GraphQLError for the first limit that a definition of the document exceeds."""
    measures = _Measures(one for one in document.definitions if isinstance(one, FragmentDefinitionNode))
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        found = measures.of(definition.selection_set, level=0)
        # A fragment on the schema's own types is introspection, whoever spreads it.
        if found.depth > limits.depth_max and not _is_on_introspection(definition):
            raise _too_deep(limits.depth_max)
        if found.aliases > limits.aliases_max:
            message = f"The document names more than {limits.aliases_max} aliases; send several requests."
            raise refused_request(message, code=ErrorCode.ALIAS_LIMIT_EXCEEDED)
        own = [definition, *(definition.variable_definitions or ())]
        if found.directives + sum(len(one.directives or ()) for one in own) > limits.directives_max:
            message = f"The document holds more than {limits.directives_max} directives; leave some out."
            raise refused_request(message, code=ErrorCode.DIRECTIVE_LIMIT_EXCEEDED)
        if isinstance(definition, OperationDefinitionNode) and found.fields > limits.root_fields_max:
            message = f"The operation asks for more than {limits.root_fields_max} root fields; send several requests."
            raise refused_request(message, code=ErrorCode.ROOT_FIELD_LIMIT_EXCEEDED)


def _is_on_introspection(definition: OperationDefinitionNode | FragmentDefinitionNode) -> bool:
    return isinstance(definition, FragmentDefinitionNode) and definition.type_condition.name.value.startswith("__")


def errors_of(
    document: DocumentNode, schema: GraphQLSchema, limits: DocumentLimits, *, hides_suggestions: bool
) -> list[GraphQLError]:
    """Return what is wrong with a document, not more than is answered.

    This is graphql-core's `validate`, but it does not hold the document. There, what has validated refers to itself and
    to the document: a flood of wrong documents was freed all at once, in pauses of 25 ms (measured). What the library's
    printer and its fragment visitors leave is still freed so; it is less.
    """
    errors: list[GraphQLError] = []

    def note(error: GraphQLError) -> None:
        errors.append(error)
        if len(errors) >= limits.errors_max:
            raise _Enough

    types = TypeInfo(schema)
    context = ValidationContext(schema, document, types, note, hides_suggestions)
    rules = [rule(context) for rule in RULES]
    visitor = ParallelVisitor(rules)
    try:
        visit(document, TypeInfoVisitor(types, visitor), query_document_keys_to_validate)
    except _Enough:
        pass
    finally:
        for leftover in (context, visitor, *rules):
            vars(leftover).clear()
    return errors


class _Enough(Exception):
    """As many errors have been found as are answered."""


class _BoundedOverlap(OverlappingFieldsCanBeMergedRule):
    """Fields of one name must agree; the comparison ends when it becomes more work than any honest document is."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = COMPARISONS_MAX

    def enter_selection_set(self, *arguments: Any) -> None:
        """Compare the fields of one selection. When there are too many, that is the last error."""
        try:
            super().enter_selection_set(*arguments)
        except ValidationAbortedError:
            message = "The document names the same fields too often to compare them all; name each one once."
            self.report_error(GraphQLError(message))
            raise _Enough from None


RULES = (*(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule), _BoundedOverlap)
"""The specification's rules, of which none takes longer than a document of permitted size deserves."""


def _too_deep(limit: int) -> GraphQLError:
    message = f"The document nests deeper than {limit} levels; ask for less at a time."
    return refused_request(message, code=ErrorCode.DEPTH_LIMIT_EXCEEDED)


def _too_many_tokens(limit: int, what: str) -> GraphQLError:
    message = f"The document holds more than {limit} {what}; pass values as variables, or send several requests."
    return refused_request(message, code=ErrorCode.TOKEN_LIMIT_EXCEEDED)

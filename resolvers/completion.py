"""Completing values fast: plain-data subtrees of an answer are completed by a function made for them once.

The rule: the reference is graphql-core. A compiled function handles exactly what it was made for (objects of the
expected class, values of the expected types, in range); at anything else it gives up, and the whole subtree is
completed by the reference, so errors, nulls and odd values are graphql-core's own.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    SelectionSetNode,
    Source,
    is_leaf_type,
)
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from resolvers.execution import CACHED_DOCUMENT_CHARACTERS_MAX, CACHED_DOCUMENTS_MAX

INT_MAX = 2**31 - 1
INT_MIN = -(2**31)

Complete = Callable[[Any], Any]
"""Turns a resolved value into its part of the answer. Raises anything at all when the reference has to do it."""


class Unexpected(Exception):
    """The value is not what the function was compiled for."""


class CompiledCompletions:
    """The functions made so far, by document, field node and type; None stands for what cannot be compiled.

    A node keeps its document's whole text alive, so as many documents are kept as the cache of documents keeps, and
    none that is longer.
    """

    def __init__(self, *, documents_max: int = CACHED_DOCUMENTS_MAX) -> None:
        self._documents_max = documents_max
        self._by_document: OrderedDict[int, tuple[Source, dict[tuple[int, int], Complete | None]]] = OrderedDict()

    def get(self, node: FieldNode, return_type: GraphQLOutputType) -> Complete | None:
        """Return the function that completes values of `return_type` for the selections of `node`."""
        if node.loc is None:
            return None
        source = node.loc.source
        kept = self._by_document.get(id(source))
        if kept is None:
            if len(source.body) > CACHED_DOCUMENT_CHARACTERS_MAX:
                return None
            # The source (and with it its nodes) is kept, so that no other can come to have its identity.
            kept = self._by_document[id(source)] = (source, {})
            if len(self._by_document) > self._documents_max:
                self._by_document.popitem(last=False)
        made = kept[1]
        key = (id(node), id(return_type))
        if key not in made:
            made[key] = compiled(return_type, node.selection_set)
        return made[key]


def compiling_executor() -> type["CompilingExecutionContext"]:
    """Return an executor for one schema, with completions of its own."""
    return type("CompilingExecutor", (CompilingExecutionContext,), {"completions": CompiledCompletions()})


class CompilingExecutionContext(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's executor, which completes plain data by compiled functions."""

    completions = CompiledCompletions()

    def build_per_event_executor(self, payload: Any) -> "CompilingExecutionContext":
        """Return the executor of one event of a subscription, which remembers nothing of the others."""
        executor = cast(CompilingExecutionContext, super().build_per_event_executor(payload))
        # graphql-core 3.3.2 shares one memory of collected fields, whose keys are new with every event: 7 kB an event
        # for as long as a subscription lives (measured).
        executor._relevant_sub_fields = {}
        return executor

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Complete a value: compiled where that is possible, else by the reference."""
        if len(field_details_list) == 1:
            complete = self.completions.get(field_details_list[0].node, return_type)
            if complete is not None:
                try:
                    return complete(result)
                except Exception:  # noqa: BLE001, S110  # whatever it was, the reference meets it again and reports it
                    pass
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)


def compiled(kind: GraphQLOutputType, selections: SelectionSetNode | None) -> Complete | None:
    """Return the function that completes values of a type, or None when they need the reference."""
    if isinstance(kind, GraphQLNonNull):
        return _non_null(compiled(kind.of_type, selections))
    return _nullable(_of_inner(kind, selections))


def _of_inner(kind: GraphQLOutputType, selections: SelectionSetNode | None) -> Complete | None:
    if isinstance(kind, GraphQLList):
        return _list(compiled(kind.of_type, selections))
    if is_leaf_type(kind):
        return _leaf(kind)
    if isinstance(kind, GraphQLObjectType) and selections is not None:
        return _object(kind, selections)
    return None


def _non_null(complete: Complete | None) -> Complete | None:
    if complete is None:
        return None

    def complete_non_null(value: Any) -> Any:
        if value is None:
            raise Unexpected
        return complete(value)

    return complete_non_null


def _nullable(complete: Complete | None) -> Complete | None:
    if complete is None:
        return None
    return lambda value: None if value is None else complete(value)


def _list(complete_item: Complete | None) -> Complete | None:
    if complete_item is None:
        return None

    def complete_list(value: Any) -> Any:
        if type(value) is not list:
            raise Unexpected
        return [complete_item(item) for item in value]

    return complete_list


def _object(kind: GraphQLObjectType, selections: SelectionSetNode) -> Complete | None:
    expected = _python_class(kind)
    fields = _plain_fields(kind, selections)
    if expected is None or fields is None:
        return None

    def complete_object(value: Any) -> Any:
        if type(value) is not expected:
            raise Unexpected
        return {name: complete(get(value)) for name, get, complete in fields}

    return complete_object


def _python_class(kind: GraphQLObjectType) -> type | None:
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    origin = getattr(definition, "origin", None)
    return origin if isinstance(origin, type) else None


def _plain_fields(
    kind: GraphQLObjectType, selections: SelectionSetNode
) -> tuple[tuple[str, Callable[[Any], Any], Complete], ...] | None:
    """Return (response name, getter, completion) of each selected field, or None when one is more than plain data."""
    fields: dict[str, tuple[str, Callable[[Any], Any], Complete]] = {}
    for selection in selections.selections:
        if not isinstance(selection, FieldNode) or selection.directives or selection.arguments:
            return None
        response_name = (selection.alias or selection.name).value
        plain = _plain_field(kind, selection)
        if plain is None or response_name in fields:
            return None
        fields[response_name] = (response_name, *plain)
    return tuple(fields.values())


def _plain_field(kind: GraphQLObjectType, node: FieldNode) -> tuple[Callable[[Any], Any], Complete] | None:
    name = node.name.value
    if name == "__typename":
        return (lambda _: kind.name), str
    field = kind.fields.get(name)
    definition = None if field is None else field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if field is None or not isinstance(definition, StrawberryField):
        return None
    get = _getter(definition)
    complete = compiled(field.type, node.selection_set)
    return None if get is None or complete is None else (get, complete)


def _getter(field: StrawberryField) -> Callable[[Any], Any] | None:
    """Return what reads a field's value: its attribute, or a method that needs nothing but the object itself."""
    if field.is_basic_field:
        return attrgetter(field.python_name)
    resolver = field.base_resolver
    if resolver is None or field.extensions or resolver.is_async or resolver.signature.parameters.keys() != {"self"}:
        return None
    return cast(Callable[[Any], Any], resolver.wrapped_func)


def _leaf(kind: GraphQLLeafType) -> Complete:
    if isinstance(kind, GraphQLEnumType):
        return kind.coerce_output_value
    return BUILT_IN_SCALARS.get(kind.name, kind.coerce_output_value)


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise Unexpected
    return value


def _integer(value: Any) -> Any:
    if type(value) is not int or not INT_MIN <= value <= INT_MAX:
        raise Unexpected
    return value


def _number(value: Any) -> Any:
    if type(value) is not float or not math.isfinite(value):
        raise Unexpected
    return value


def _truth(value: Any) -> Any:
    if type(value) is not bool:
        raise Unexpected
    return value


BUILT_IN_SCALARS: dict[str, Complete] = {
    "String": _text,
    "ID": _text,
    "Int": _integer,
    "Float": _number,
    "Boolean": _truth,
}

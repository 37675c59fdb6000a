"""What arguments say about cost, read from raw variables; the rule: whatever is sent, reading it never fails.

Cost is known before values are checked, so a value of the wrong kind counts as one, and is refused later by its type.
A reader is made once a document; what stands in the document itself is read then, and only variables are read again.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    value_from_ast_untyped,
)
from graphql.language import Visitor, visit

LENGTH_ASSUMED = 10
"""How long a list is taken to be when no argument says it."""
LENGTH_MAX = 250
"""What no list that is answered is longer than: arguments that ask for more are refused, and nothing is looked up."""
POINTS_MAX = 2**31 - 1
"""The largest cost there is: what fits GraphQL's Int."""
ENTRIES_LOOKED_INTO_MAX = 1000
"""Of longer lists the entries are counted but not looked into; no command takes as many."""
TEXT_FIELDS: Mapping[str, str] = {"RowsImportInput": "csv"}
"""Texts in inputs whose lines are entries like those of a list; long ones cost more."""
CHARACTERS_PER_POINT = 100
INPUT_LEVELS_MAX = 4
"""How deep lists are looked for in an input."""

Variables = Mapping[str, Any]
Read = Callable[[Variables], Any]
"""Reads a value, given the request's variables."""
Count = Callable[[Any], int]
"""Counts the entries of lists in a value, and what long texts in it cost."""


def argument_reader(field: GraphQLField, node: FieldNode, name: str, operation: OperationDefinitionNode) -> Read:
    """Return what reads an argument of a field as it was sent, or its default."""
    given = next((one.value for one in node.arguments or () if one.name.value == name), None)
    default = _default_of(field.args[name])
    if given is None:
        return lambda _: default
    return _value_reader(given, default, _variable_defaults(operation))


def length_of(value: Any) -> int:
    """Return how many entries a list argument asks for; what is no list is one, and null asks for all there are."""
    if value is None:
        return LENGTH_ASSUMED
    return min(len(value), LENGTH_MAX) if type(value) is list else 1


def page_of(value: Any) -> int:
    """Return how many entries `first` asks for. GraphQL takes 50.0 for 50, so it counts as 50 here too."""
    if type(value) is float and isfinite(value):
        value = int(value)
    return min(value, LENGTH_MAX) if type(value) is int and value >= 0 else 1


def is_list(argument: GraphQLArgument) -> bool:
    """Return whether an argument takes a list."""
    return isinstance(get_nullable_type(argument.type), GraphQLList)


def entry_counter(kind: GraphQLInputType, *, levels: int = INPUT_LEVELS_MAX) -> Count | None:
    """Return what counts the entries of all lists in an input of this type; None when it can hold none."""
    nullable = get_nullable_type(kind)
    if levels == 0:
        return None
    if isinstance(nullable, GraphQLList):
        return _list_counter(entry_counter(nullable.of_type, levels=levels - 1))
    named = get_named_type(kind)
    if not isinstance(named, GraphQLInputObjectType):
        return None
    counters = [
        (name, _text_points if TEXT_FIELDS.get(named.name) == name else entry_counter(field.type, levels=levels - 1))
        for name, field in named.fields.items()
    ]
    return _object_counter([(name, count) for name, count in counters if count is not None])


def _text_points(value: Any) -> int:
    if type(value) is not str:
        return 0
    lines = value.count("\n") + value.count("\r") - value.count("\r\n")
    return lines + len(value) // CHARACTERS_PER_POINT


def _list_counter(count_entry: Count | None) -> Count:
    def count(value: Any) -> int:
        if type(value) is not list:
            return 0 if value is None else 1 + (0 if count_entry is None else count_entry(value))
        if count_entry is None or len(value) > ENTRIES_LOOKED_INTO_MAX:
            return len(value)
        return len(value) + sum(map(count_entry, value))

    return count


def _object_counter(counters: list[tuple[str, Count]]) -> Count | None:
    if not counters:
        return None
    if len(counters) == 1:
        ((only, count_only),) = counters
        return lambda value: count_only(value.get(only)) if type(value) is dict else 0
    return lambda value: sum(count(value.get(name)) for name, count in counters) if type(value) is dict else 0


def _default_of(argument: GraphQLArgument) -> Any:
    return argument.default_value if isinstance(argument.default_value, int | float | str | list | dict) else None


def _variable_defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        one.variable.name.value: value_from_ast_untyped(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }


def _value_reader(given: ValueNode, default: Any, variable_defaults: dict[str, Any]) -> Read:
    if isinstance(given, VariableNode):
        name = given.name.value
        otherwise = variable_defaults.get(name, default)
        return lambda variables: variables.get(name, otherwise)
    if not _names_variables(given):
        known = value_from_ast_untyped(given)
        return lambda _: known
    return lambda variables: value_from_ast_untyped(given, {**variable_defaults, **variables})


def _names_variables(given: ValueNode) -> bool:
    found = _Variables()
    visit(given, found)
    return found.is_any


class _Variables(Visitor):
    """Notes whether a value names a variable."""

    is_any = False

    def enter_variable(self, *_: object) -> None:
        """Note it."""
        self.is_any = True

"""Building inputs fast: a function made once per input type turns coerced values into Strawberry's input objects.

The rule: the reference is Strawberry's own conversion, which a test compares with; it spends a third of a mutation's
time on asking each value what it is. graphql-core has coerced the values by the time they come here, so only their
nesting is left to follow.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, TypeVar, dataclass_transform

import strawberry
from strawberry.types.arguments import InputContext, _is_leaf_type
from strawberry.types.base import (
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    StrawberryType,
    has_object_definition,
)
from strawberry.types.unset import UNSET

InputType = TypeVar("InputType")
Convert = Callable[[Any], Any]
"""Turns a coerced value, which is neither null nor unset, into what a resolver is given."""


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def compiled_input(*, description: str) -> Callable[[type[InputType]], type[InputType]]:
    """Make a class an input type whose values are built by a compiled function."""

    def decorate(cls: type[InputType]) -> type[InputType]:
        made = strawberry.input(cls, description=description)
        definition: StrawberryObjectDefinition = made.__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.input
        definition.from_input = InputBuilder(definition)
        return made

    return decorate


class InputBuilder:
    """Builds one input type; compiled at its first use, when all types that it names are known."""

    def __init__(self, definition: StrawberryObjectDefinition) -> None:
        self._definition = definition
        self._build: Convert | None = None

    def __call__(self, _: type, value: Mapping[str, Any], context: InputContext) -> Any:
        """Return the input object for a coerced value."""
        if self._build is None:
            self._build = _object(self._definition, context)
        return self._build(value)


def _object(definition: StrawberryObjectDefinition, context: InputContext) -> Convert:
    cls = definition.origin
    fields = tuple(
        (
            context.config.name_converter.from_field(field),
            field.python_name,
            _convert(field.resolve_type(type_definition=definition), context),
        )
        for field in definition.fields
    )
    # Nullable fields without a default of their own may be left out.
    left_out = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }

    def build(value: Mapping[str, Any]) -> Any:
        given = dict(left_out)
        for name, python_name, convert in fields:
            if name in value:
                one = value[name]
                given[python_name] = one if convert is None or one is None or one is UNSET else convert(one)
        return cls(**given)

    return build


def _convert(kind: StrawberryType | type, context: InputContext) -> Convert | None:
    """Return the conversion of a type's values, or None when they are what they should be already."""
    if isinstance(kind, StrawberryOptional):
        return _convert(kind.of_type, context)
    if isinstance(kind, StrawberryList):
        return _list(_convert(kind.of_type, context))
    if _is_leaf_type(kind, context.scalar_registry):
        return None
    if has_object_definition(kind) and kind.__strawberry_definition__.is_input:
        return _object(kind.__strawberry_definition__, context)
    raise TypeError(f"no compiled conversion for {kind!r}")


def _list(convert: Convert | None) -> Convert:
    if convert is None:
        return list
    return lambda value: [one if one is None else convert(one) for one in value]

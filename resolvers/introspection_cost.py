"""What introspection costs; the rule: nobody may ask much more of the schema than the tools' own standard query does.

An answer about the schema is computed field by field, and nothing of it is cached: one odd document could ask for every
type's fields' types' fields, fifteen times over. The estimate counts the objects that an answer would hold, by the
schema's own averages where every type is listed, and by its largest type where a path leads to one type.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import ceil

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
)

LEAF_WEIGHT = 0.15
"""What a field without selections costs, in objects (measured)."""
WRAPPED_SHARES = (0.9, 0.3, 0.15)
"""How often a type has an `ofType`, and that one again, and so on: lists and non-nulls nest no deeper in practice."""
STANDARD_QUERIES_MAX = 1.1
"""How many standard introspection queries one operation may come to; one, and what a newer tool adds to it."""
LIST_NAMES = ("fields", "args", "inputFields", "enumValues", "interfaces", "possibleTypes")


class _Place(Enum):
    """Where a selection stands: under the list of all types, under a path to some type, or in what wraps a type."""

    LISTED = "listed"
    REACHED = "reached"
    WRAPPED_ONCE = "wrapped once"
    WRAPPED_TWICE = "wrapped twice"
    WRAPPED_DEEPER = "wrapped deeper"


WRAPPED_IN: Mapping[_Place, tuple[_Place, float]] = {
    _Place.LISTED: (_Place.WRAPPED_ONCE, WRAPPED_SHARES[0]),
    _Place.REACHED: (_Place.WRAPPED_ONCE, WRAPPED_SHARES[0]),
    _Place.WRAPPED_ONCE: (_Place.WRAPPED_TWICE, WRAPPED_SHARES[1]),
    _Place.WRAPPED_TWICE: (_Place.WRAPPED_DEEPER, WRAPPED_SHARES[2]),
    _Place.WRAPPED_DEEPER: (_Place.WRAPPED_DEEPER, 0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectionCosts:
    """Estimates what introspection comes to, for one schema."""

    types: int
    directives: int
    on_average: Mapping[str, float]
    at_most: Mapping[str, float]
    points_max: int

    @classmethod
    def of(cls, schema: GraphQLSchema) -> "IntrospectionCosts":
        """Measure the schema, and what the standard query asks of it."""
        kinds = list(schema.type_map.values())
        lengths = {name: [one for kind in kinds for one in _lengths(schema, kind, name)] for name in LIST_NAMES}
        measured = cls(
            types=len(kinds),
            directives=len(schema.directives),
            # Fields are divided by types, arguments by fields.
            on_average={name: sum(found) / max(1, len(found)) for name, found in lengths.items()},
            at_most={name: float(max(found, default=0)) for name, found in lengths.items()},
            points_max=0,
        )
        standard = measured._of_standard_query()
        return cls(
            types=measured.types,
            directives=measured.directives,
            on_average=measured.on_average,
            at_most=measured.at_most,
            points_max=ceil(standard * STANDARD_QUERIES_MAX),
        )

    def points(self, field: FieldNode, fragments: Mapping[str, FragmentDefinitionNode]) -> int:
        """Return what a `__schema` or `__type` of a valid document costs."""
        place = _Place.LISTED if field.name.value == "__schema" else _Place.REACHED
        return ceil(1 + _Estimate(self, fragments).of(field.selection_set, place))

    def _of_standard_query(self) -> int:
        text = get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
            one_of=True,
        )
        document = parse(text)
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        root = document.definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]  # it is an operation
        return self.points(root, fragments)


class _Estimate:
    """One document's estimates, each fragment once for each place in which it stands."""

    def __init__(self, costs: IntrospectionCosts, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._costs = costs
        self._fragments = fragments
        self._known: dict[tuple[str, _Place], float] = {}

    def of(self, selections: SelectionSetNode | None, place: _Place) -> float:
        """Return what one object with these selections holds, besides itself."""
        total = 0.0
        for selection in selections.selections if selections is not None else ():
            if isinstance(selection, FieldNode):
                total += self._field(selection, place)
            elif isinstance(selection, InlineFragmentNode):
                total += self.of(selection.selection_set, place)
            elif isinstance(selection, FragmentSpreadNode):
                total += self._fragment(selection.name.value, place)
        return total

    def _fragment(self, name: str, place: _Place) -> float:
        key = (name, place)
        if key not in self._known:
            self._known[key] = self.of(self._fragments[name].selection_set, place)
        return self._known[key]

    def _field(self, field: FieldNode, place: _Place) -> float:
        if field.selection_set is None:
            return LEAF_WEIGHT
        name = field.name.value
        inside, count = self._led_to(name, place)
        return count * (1 + self.of(field.selection_set, inside))

    def _led_to(self, name: str, place: _Place) -> tuple[_Place, float]:
        """Return where a field leads, and to how many objects."""
        costs = self._costs
        if name == "types":
            return _Place.LISTED, costs.types
        if name == "directives":
            return _Place.LISTED, costs.directives
        if name == "ofType":
            return WRAPPED_IN[place]
        if name in costs.on_average and place is _Place.LISTED:
            is_type = name in {"interfaces", "possibleTypes"}
            return (_Place.REACHED if is_type else _Place.LISTED), costs.on_average[name]
        return _Place.REACHED, costs.at_most.get(name, 1.0)


def _lengths(schema: GraphQLSchema, kind: GraphQLNamedType, name: str) -> Iterable[int]:
    """Return how long the lists of this name are on one type; `args` is a list of each of its fields."""
    fields = kind.fields if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else {}
    match name:
        case "fields":
            return [len(fields)]
        case "args":
            return [len(field.args) for field in fields.values()]
        case "inputFields":
            return [len(kind.fields) if isinstance(kind, GraphQLInputObjectType) else 0]
        case "enumValues":
            return [len(kind.values) if isinstance(kind, GraphQLEnumType) else 0]
        case "interfaces":
            return [len(kind.interfaces) if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else 0]
        case _:
            if not isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
                return [0]
            return [len(schema.get_possible_types(kind))]

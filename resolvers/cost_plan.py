"""What one operation costs, compiled once; the rule: every object that is answered costs one point.

A list costs as much as its entries: as many as its arguments ask for (`first`, or the length of a list argument such as
`skus`), else LENGTH_ASSUMED. The lists of a connection, and the results of a bulk payload, are as long as the arguments
of the field that leads to them say. A mutation adds MUTATION_POINTS a root field and one a list entry of its input
(of rows in a text one a line, and one each CHARACTERS_PER_POINT);
a subscription costs SUBSCRIPTION_POINTS at its start and nothing afterwards. Introspection has its own estimate.

The same plan is read twice: before the operation with its variables, and afterwards with the lengths of the lists that
were answered. Selections that fragments share are compiled once and read once a request, so nothing is exponential.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
)

from resolvers.cost_arguments import (
    LENGTH_ASSUMED,
    LENGTH_MAX,
    POINTS_MAX,
    Count,
    Read,
    Variables,
    argument_reader,
    entry_counter,
    is_list,
    length_of,
    page_of,
)
from resolvers.introspection_cost import IntrospectionCosts

LENGTHS_KNOWN: Mapping[str, int] = {"userErrors": 1, "holds": 2, "shipments": 2, "parts": 3, "components": 3}
"""Lists that are shorter than others: an error, a line from two places, an order in two parcels, a bundle of three."""
PAGED_LISTS = frozenset({"edges", "nodes", "results"})
"""Lists of a connection or payload that are as long as its field's arguments say."""
RESULTS_MAX: Mapping[str, int] = {"rowsImport": LENGTH_MAX}
"""How many results a mutation answers at the most, where its input costs more than an entry a result."""
MUTATION_POINTS = 10
SUBSCRIPTION_POINTS = 10
SELECTIONS_MAX = 2000
"""How many selections a plan holds; an operation with more costs more than there is."""

Answer = Mapping[str, Any]
Amount = tuple[int, int]
"""What one object's inside costs: so many points, and so many more for each entry of the page that it is part of."""
Level = tuple[tuple[GraphQLNamedType, SelectionSetNode], ...]
"""The selections that are merged into one object of the answer, each with the type that it is made on."""


class TooManySelections(Exception):
    """The operation selects more than a plan may hold."""


@dataclass(slots=True, kw_only=True)
class Branch:
    """A field that answers objects. `length` reads how many are asked for; a paged list goes by its parent's."""

    name: str
    inner: "Selection"
    is_list: bool
    is_paged: bool = False
    length: Read | None = None
    length_known: int = LENGTH_ASSUMED


class Selection:
    """What is selected on one object, of which only the fields that answer objects matter."""

    __slots__ = ("branches", "has_lists", "measured", "points_known", "unit")

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.branches = tuple(branches)
        self.has_lists: bool = any(one.is_list or one.inner.has_lists for one in branches)
        self.unit: int = min(POINTS_MAX, 1 + sum(one.inner.unit for one in branches))
        """What one object costs if it holds no lists."""
        self.measured = tuple((one.name, one.is_list, one.inner.has_lists, one.inner) for one in branches)
        """What is looked at in an answer; kept side by side, because this is done for every answer."""
        is_known = all(one.length is None and one.inner.points_known is not None for one in branches)
        self.points_known: Amount | None = self._sum({}, {}) if is_known else None

    def amount(self, variables: Variables, read: dict["Selection", Amount]) -> Amount:
        """Return what the inside of one such object is expected to cost."""
        if self.points_known is not None:
            return self.points_known
        found = read.get(self)
        if found is None:
            found = read[self] = self._sum(variables, read)
        return found

    def answered(self, data: Answer) -> int:
        """Return what the inside of one such object has cost, by the lengths of its lists."""
        total = 0
        for name, is_answered_as_list, has_lists, inner in self.measured:
            value = data.get(name)
            if value is None:
                continue
            if not has_lists:
                total += len(value) * inner.unit if is_answered_as_list else inner.unit
            elif is_answered_as_list:
                total += len(value)
                for one in value:
                    if one is not None:
                        total += inner.answered(one)
            else:
                total += 1 + inner.answered(value)
        return total

    def _sum(self, variables: Variables, read: dict["Selection", Amount]) -> Amount:
        fixed = paged = 0
        for branch in self.branches:
            inner_fixed, inner_paged = branch.inner.amount(variables, read)
            asked = branch.length_known if branch.length is None else branch.length(variables)
            points = 1 + inner_fixed + inner_paged * (1 if branch.is_list else asked)
            if branch.is_paged:
                paged += points
            else:
                fixed += points * asked if branch.is_list else points
        return min(POINTS_MAX, fixed), min(POINTS_MAX, paged)


@dataclass(slots=True, kw_only=True)
class CostPlan:
    """One operation's costs. `flat_points` is what does not go by the answer, `entries` what input lists add."""

    root: Selection
    flat_points: int
    introspection_points: int
    entries: tuple[tuple[Count, Read], ...]
    is_subscription: bool

    def input_points(self, variables: Variables) -> int:
        """Return what the operation costs before it answers anything."""
        points = self.flat_points
        for count, read in self.entries:
            points += count(read(variables))
        return points

    def requested(self, variables: Variables) -> int:
        """Return what the operation's answer is expected to cost at the most."""
        if self.is_subscription:
            return 0
        return min(POINTS_MAX, self.root.amount(variables, {})[0])

    def answered(self, data: Answer) -> int:
        """Return what the operation's answer has cost."""
        return self.root.answered(data)


def compile_plan(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    introspection: IntrospectionCosts,
) -> CostPlan:
    """Return the plan of a valid operation. Raises TooManySelections."""
    root_type = cast(GraphQLObjectType, schema.get_root_type(operation.operation))
    compiler = _Compiler(schema, operation, fragments)
    roots = compiler.fields_of(((root_type, operation.selection_set),))
    introspected = sum(
        introspection.points(node, fragments)
        for group in roots.values()
        for _, node in group
        if node.name.value in {"__schema", "__type"}
    )
    entries: list[tuple[Count, Read]] = []
    flat = introspected
    if operation.operation is OperationType.MUTATION:
        for group in roots.values():
            flat += MUTATION_POINTS
            entries += compiler.entries_of(*group[0])
    elif operation.operation is OperationType.SUBSCRIPTION:
        flat += SUBSCRIPTION_POINTS
    return CostPlan(
        root=compiler.selection(((root_type, operation.selection_set),)),
        flat_points=flat,
        introspection_points=introspected,
        entries=tuple(entries),
        is_subscription=operation.operation is OperationType.SUBSCRIPTION,
    )


class _Compiler:
    """Compiles the selections of one operation, each combination of them once."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._made: dict[tuple[tuple[str, int], ...], Selection] = {}

    def selection(self, level: Level) -> Selection:
        """Return the compiled selection of one object."""
        key = tuple((kind.name, id(node)) for kind, node in level)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= SELECTIONS_MAX:
                raise TooManySelections
            branches = [self._branch(name, group) for name, group in self.fields_of(level).items()]
            made = self._made[key] = Selection([one for one in branches if one is not None])
        return made

    def fields_of(self, level: Level) -> dict[str, list[tuple[GraphQLNamedType, FieldNode]]]:
        """Return the fields of one object by their names in the answer, each with the type that it is named on."""
        found: dict[str, list[tuple[GraphQLNamedType, FieldNode]]] = {}
        spread: set[str] = set()
        waiting = list(reversed(level))
        while waiting:
            kind, selections = waiting.pop()
            for one in selections.selections:
                if isinstance(one, FieldNode):
                    found.setdefault((one.alias or one.name).value, []).append((kind, one))
                elif isinstance(one, InlineFragmentNode):
                    on = one.type_condition.name.value if one.type_condition else kind.name
                    waiting.append((self._schema.type_map[on], one.selection_set))
                elif isinstance(one, FragmentSpreadNode) and one.name.value not in spread:
                    spread.add(one.name.value)
                    fragment = self._fragments[one.name.value]
                    waiting.append((self._schema.type_map[fragment.type_condition.name.value], fragment.selection_set))
        return found

    def entries_of(self, kind: GraphQLNamedType, node: FieldNode) -> list[tuple[Count, Read]]:
        """Return what counts the list entries of a mutation's arguments."""
        field = _field(kind, node)
        if field is None:
            return []
        counters = [(name, entry_counter(argument.type)) for name, argument in field.args.items()]
        return [(count, self._reader(field, node, name)) for name, count in counters if count is not None]

    def _branch(self, name: str, group: list[tuple[GraphQLNamedType, FieldNode]]) -> Branch | None:
        kind, node = group[0]
        field = _field(kind, node)
        if field is None or not is_composite_type(get_named_type(field.type)):
            return None
        inner: Level = tuple(
            (get_named_type(its.type), one.selection_set)
            for parent, one in group
            if one.selection_set is not None and (its := _field(parent, one)) is not None
        )
        is_list_answered = isinstance(get_nullable_type(field.type), GraphQLList)
        selected = self.selection(inner)
        matters = is_list_answered or any(one.is_paged for one in selected.branches)
        length = self._length(kind, field, node) if matters else None
        is_paged = is_list_answered and length is None and _is_page(kind) and node.name.value in PAGED_LISTS
        return Branch(
            name=name,
            inner=selected,
            is_list=is_list_answered,
            is_paged=is_paged,
            length=length,
            length_known=LENGTHS_KNOWN.get(node.name.value, LENGTH_ASSUMED),
        )

    def _length(self, kind: GraphQLNamedType, field: GraphQLField, node: FieldNode) -> Read | None:
        """Return what reads how many entries the arguments ask for; None when they say nothing of it."""
        if "first" in field.args:
            read = self._reader(field, node, "first")
            return lambda variables: page_of(read(variables))
        lists = [name for name, argument in field.args.items() if is_list(argument)]
        if lists:
            read_list = self._reader(field, node, lists[0])
            return lambda variables: length_of(read_list(variables))
        counts = self.entries_of(kind, node) if kind is self._schema.mutation_type else []
        most = RESULTS_MAX.get(node.name.value, POINTS_MAX)
        return (lambda variables: min(most, sum(count(read(variables)) for count, read in counts))) if counts else None

    def _reader(self, field: GraphQLField, node: FieldNode, name: str) -> Read:
        return argument_reader(field, node, name, self._operation)


def _field(kind: GraphQLNamedType, node: FieldNode) -> GraphQLField | None:
    """Return the field's definition; None for the introspection that every type has."""
    return kind.fields.get(node.name.value) if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else None


def _is_page(kind: GraphQLNamedType) -> bool:
    return kind.name.endswith(("Connection", "Payload"))

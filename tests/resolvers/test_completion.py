"""The compiled completion answers what graphql-core answers: data and errors alike, for odd values too."""

import math
import os
from enum import StrEnum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema, get_named_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.completion import CompilingExecutionContext, compiled


@strawberry.enum
class Size(StrEnum):
    """An enum whose values are text."""

    SMALL = "small"
    LARGE = "large"


@strawberry.type
class Leaf:
    """All kinds of leaves."""

    text: str
    count: int
    ratio: float
    flag: bool
    size: Size
    note: str | None
    numbers: list[int | None]
    id: strawberry.ID

    @strawberry.field
    def double(self) -> int:
        """A method that needs nothing but the object."""
        return self.count * 2


@strawberry.type
class Branch:
    """Objects within objects."""

    leaf: Leaf
    maybe: Leaf | None
    leaves: list[Leaf]
    grid: list[list[Leaf | None]]

    @strawberry.field
    async def later(self) -> Leaf:
        """A value that has to be awaited."""
        return self.leaf

    @strawberry.field
    def times(self, by: int = 2) -> int:
        """A field with an argument."""
        return self.leaf.count * by


@strawberry.type
class Query:
    """The root."""

    @strawberry.field
    def branch(self, info: strawberry.Info) -> Branch:
        """Whatever the test put there."""
        value: Branch = info.context
        return value

    @strawberry.field
    def branches(self, info: strawberry.Info) -> list[Branch | None] | None:
        """The same, twice."""
        return [info.context, None, info.context]


EXAMPLES = int(os.environ.get("STOCKGATE_COMPLETION_EXAMPLES", "100"))
REFERENCE = strawberry.Schema(query=Query)
FAST = strawberry.Schema(query=Query, execution_context_class=CompilingExecutionContext)


class Text(str):
    """Text, but not exactly text."""

    __slots__ = ()


class Lookalike:
    """Not a Leaf, though it has all that a Leaf has."""

    text, count, ratio, flag, size, note, numbers, id = "x", 1, 1.5, True, Size.SMALL, None, [1], "i"

    def double(self) -> int:
        """As a Leaf's."""
        return 2


ODD_VALUES: tuple[Any, ...] = (
    None,
    2**31,
    -(2**31) - 1,
    math.nan,
    math.inf,
    True,
    1,
    1.0,
    1.5,
    "text",
    Text("text"),
    Size.LARGE,
    "LARGE",
    b"bytes",
    (1, 2),
    [1, None],
    [2**31],
    {"a": 1},
    ValueError("returned, not raised"),
    Lookalike(),
    object,
)
ID = strawberry.ID("i")
FIELD_NAMES = ("text", "count", "ratio", "flag", "size", "note", "numbers", "id")

leaves = st.builds(
    Leaf,
    text=st.text(max_size=3),
    count=st.integers(-(2**30), 2**30),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    size=st.sampled_from(Size),
    note=st.none() | st.text(max_size=3),
    numbers=st.lists(st.none() | st.integers(0, 9), max_size=3),
    id=st.text(max_size=3),
)


@st.composite
def odd_leaves(draw: st.DrawFn) -> Any:
    """Leaves of which some have a field that is not what the schema says, and some are no leaves at all."""
    leaf = draw(leaves)
    match draw(st.integers(0, 5)):
        case 0:
            setattr(leaf, draw(st.sampled_from(FIELD_NAMES)), draw(st.sampled_from(ODD_VALUES)))
        case 1:
            return draw(st.sampled_from(ODD_VALUES))
        case _:
            pass
    return leaf


branches = st.builds(
    Branch,
    leaf=odd_leaves(),
    maybe=st.none() | odd_leaves(),
    leaves=st.lists(odd_leaves(), max_size=3) | st.sampled_from(ODD_VALUES),
    grid=st.lists(st.lists(odd_leaves(), max_size=2), max_size=2),
)


@st.composite
def selections(draw: st.DrawFn, schema: GraphQLSchema, kind: GraphQLObjectType, depth: int) -> str:
    """A selection set of a type: fields, aliases, `__typename`, fragments, directives."""
    parts = []
    is_plain = draw(st.booleans())
    names = [name for name in kind.fields if not (is_plain and name in ("later", "times"))]
    for name in draw(st.lists(st.sampled_from(["__typename", *names]), min_size=1, max_size=5, unique=is_plain)):
        inner = None if name == "__typename" else get_named_type(kind.fields[name].type)
        text = name
        if isinstance(inner, GraphQLObjectType):
            if depth == 0:
                continue
            text += draw(selections(schema, inner, depth - 1))
        alias = draw(st.sampled_from(["", "", "a: ", "b: "]))
        directive = "" if is_plain else draw(st.sampled_from(["", " @include(if: true)", " @skip(if: $yes)"]))
        field = f"{alias}{name}{directive}{text.removeprefix(name)}"
        if alias and name != "__typename":
            # The same alias for two different fields would be refused before anything is completed.
            field = field.replace(alias, f"{alias[0]}_{name}: ", 1)
        is_within_fragment = not is_plain and draw(st.booleans())
        parts.append(f"... on {kind.name} {{ {field} }}" if is_within_fragment else field)
    return " { " + " ".join(parts or ["__typename"]) + " }"


def answer(result: Any) -> tuple[Any, list[Any]]:
    """Return what a client would see of a result."""
    errors = [(error.message, error.path, error.locations) for error in result.errors or []]
    return repr(result.data), sorted(errors, key=repr)


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data(), branch=branches)
async def test_answers_are_those_of_the_reference(data: st.DataObject, branch: Branch) -> None:
    """Given any document and any values, when both execute it, then both answer the same."""
    core = REFERENCE._schema
    document = "query ($yes: Boolean! = true, $no: Boolean! = false)" + data.draw(
        selections(core, core.get_type("Query"), 3)  # type: ignore[arg-type]  # it is an object type
    )
    expected = await REFERENCE.execute(document, context_value=branch)
    fast = await FAST.execute(document, context_value=branch)
    assert answer(fast) == answer(expected)


def a_leaf() -> Leaf:
    """Return a leaf that is what the schema says."""
    return Leaf(text="t", count=1, ratio=1.5, flag=True, size=Size.SMALL, note=None, numbers=[1, None], id=ID)


def a_branch(leaf: Any) -> Branch:
    """Return a branch with this leaf at each of its places."""
    return Branch(leaf=leaf, maybe=leaf, leaves=[a_leaf(), leaf], grid=[[leaf], [None]])


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: f"{type(odd).__name__}-{odd!r}")
async def test_each_odd_value_is_answered_as_by_the_reference(odd: Any) -> None:
    """Given an odd value in any one field, or in place of an object, then both answer (and refuse) the same."""
    for name in FIELD_NAMES:
        leaf = a_leaf()
        setattr(leaf, name, odd)
        for place in ("leaf", "maybe", "leaves", "grid"):
            document = f"{{ branch {{ {place} {{ {name} }} }} branches {{ {place} {{ id {name} }} }} }}"
            expected = await REFERENCE.execute(document, context_value=a_branch(leaf))
            assert answer(await FAST.execute(document, context_value=a_branch(leaf))) == answer(expected)
    for place in ("leaf", "maybe", "leaves", "grid"):
        document = f"{{ branch {{ {place} {{ id text double }} }} }}"
        expected = await REFERENCE.execute(document, context_value=a_branch(odd))
        assert answer(await FAST.execute(document, context_value=a_branch(odd))) == answer(expected)


def test_plain_data_is_really_compiled() -> None:
    """Given a plain subtree, then there is a function for it; given an awaited field or an argument, then none."""
    schema = FAST._schema
    query = schema.query_type
    assert query is not None

    def is_compiled(text: str) -> bool:
        from graphql import FieldNode, parse  # noqa: PLC0415  # only here

        definition: Any = parse("{ branch " + text + " }").definitions[0]
        node: FieldNode = definition.selection_set.selections[0]
        return compiled(query.fields["branch"].type, node.selection_set) is not None

    assert is_compiled("{ leaf { text double size } leaves { numbers } grid { __typename } }")
    assert not is_compiled("{ later { text } }")
    assert not is_compiled("{ times(by: 3) }")
    assert not is_compiled("{ leaf { text @include(if: true) } }")
    assert not is_compiled("{ leaf { ... { text } } }")

"""What refusing costs afterwards; the one rule: a refusal says what the library would, and lets the document go."""

import gc
from typing import Final

import pytest
from graphql import DocumentNode, GraphQLError, parse, validate
from graphql.validation import specified_rules

from resolvers.document_limits import DEFAULT_LIMITS, errors_of, parse_within
from resolvers.schema import build_schema
from resolvers.served_schema import Schema
from resolvers.variable_limits import ALL_ENTRIES_MAX, LIST_ENTRIES_MAX, OBJECT_MEMBERS_MAX, check_variables
from tests.resolvers import documents

WRONG: Final = [
    documents.UNKNOWN,
    documents.CYCLIC,
    "{ viewer { name(a: 1) no } location { code } ...f } fragment g on Query { a }",
    "mutation { itemArchive(input: {sk: 1}) { userErrors { code } } locationUpsert(input: {code: 1, kind: X}) { x } }",
    "query a($a: Int!, $b: No) { viewer { name @no } } query a { viewer { name } }",
    "{ a: viewer { name } a: locations { nodes { code } } }",
]
LEFT_MAX: Final = 200
"""How many objects may wait for garbage collection; a document of the permitted size is thousands."""


@pytest.fixture(scope="module")
def served() -> Schema:
    """The schema as it is served."""
    return build_schema()


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("hides_suggestions", [True, False])
def test_errors_are_the_library_s_own(served: Schema, text: str, *, hides_suggestions: bool) -> None:
    """Given a wrong document, then its errors are those that graphql-core finds first."""
    document = parse(text)
    expected = validate(served._schema, document, specified_rules, hide_suggestions=hides_suggestions)
    found = errors_of(document, served._schema, DEFAULT_LIMITS, hides_suggestions=hides_suggestions)
    assert [one.formatted for one in found] == [one.formatted for one in expected[: DEFAULT_LIMITS.errors_max]]
    assert found != []


@pytest.mark.parametrize("name", ["unknown fields", "overlapping fields", "cost", "wide", "braces"])
def test_a_refused_document_is_freed_at_once(served: Schema, name: str) -> None:
    """Given a document that is parsed and validated, when nobody holds it any more, then it needs no collection.

    Printed values and fragments leave garbage of the library's own; such documents are not among these.
    """
    text, _ = documents.ATTACKS[name]
    refused(text, served)
    gc.collect()
    gc.disable()
    try:
        refused(text, served)
        assert gc.collect() < LEFT_MAX
    finally:
        gc.enable()


def refused(text: str, served: Schema) -> None:
    """Parse and validate, and let go of what comes of it."""
    try:
        document: DocumentNode = parse_within(text, DEFAULT_LIMITS)
    except GraphQLError as error:
        error.with_traceback(None)
    else:
        errors_of(document, served._schema, DEFAULT_LIMITS, hides_suggestions=False)


FITTING: Final[list[dict[str, object]]] = [
    {"a": ["x"] * LIST_ENTRIES_MAX},
    {"a": [["x"] * 900] * 5 + [["x"] * (ALL_ENTRIES_MAX - 4506)]},
    {"a": [{"sku": "x", "attributes": [{"name": "n", "value": "v"}] * 20}] * 250},
    {"a": {f"m{n}": n for n in range(OBJECT_MEMBERS_MAX)}},
    {f"v{n}": n for n in range(OBJECT_MEMBERS_MAX + 1)},
]
TOO_MUCH: Final[list[dict[str, object]]] = [
    {"a": ["x"] * (LIST_ENTRIES_MAX + 1)},
    {"a": [["x"] * 900] * 5 + [["x"] * (ALL_ENTRIES_MAX - 4505)]},
    {"a": {f"m{n}": n for n in range(OBJECT_MEMBERS_MAX + 1)}},
    {"a": [{"b": {f"m{n}": n for n in range(OBJECT_MEMBERS_MAX + 1)}}]},
]


@pytest.mark.parametrize("number", range(len(FITTING)))
def test_variables_at_a_limit_pass(number: int) -> None:
    """Given variables as large as they may be, 250 items with 20 attributes each among them, then they pass."""
    check_variables(FITTING[number])


@pytest.mark.parametrize("number", range(len(TOO_MUCH)))
def test_variables_beyond_a_limit_are_refused(number: int) -> None:
    """Given one entry or member too many, however deep, then the request is refused as bad input."""
    with pytest.raises(GraphQLError) as refusal:
        check_variables(TOO_MUCH[number])
    assert (refusal.value.extensions or {})["code"] == "BAD_USER_INPUT"

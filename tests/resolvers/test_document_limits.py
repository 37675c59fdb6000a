"""Limits on documents: what is too much is refused before it costs anything, what is just enough is not."""

from collections.abc import Callable
from time import perf_counter

import pytest
from graphql import GraphQLError, get_introspection_query

from domain.principals import LOCAL_PRINCIPAL
from resolvers.context import RequestContext
from resolvers.document_limits import DEFAULT_LIMITS, DocumentLimits, parse_within
from resolvers.execution import (
    CACHED_CHARACTERS_MAX,
    CACHED_DOCUMENT_CHARACTERS_MAX,
    REMEMBERED_MAX,
    DocumentCache,
    KnownDocument,
)
from resolvers.schema import build_schema
from resolvers.served_schema import Schema
from tests.resolvers import documents
from tests.resolvers.desk import CORRELATION_ID, Desk

SMALL = DocumentLimits(tokens_max=20, depth_max=3, aliases_max=2, directives_max=2, root_fields_max=2)


def code_of(text: str, limits: DocumentLimits) -> str | None:
    """Return the code with which a document is refused; None when it is not."""
    try:
        parse_within(text, limits)
    except GraphQLError as error:
        return str((error.extensions or {}).get("code", "no code"))
    return None


def test_the_last_token_is_counted_and_comments_too() -> None:
    """Given as many tokens as are allowed, then the document passes; with one more, a comment even, it does not."""
    assert code_of("{ " + "a " * 18 + "}", DocumentLimits(tokens_max=20)) is None
    assert code_of("{ " + "a " * 19 + "}", DocumentLimits(tokens_max=20)) == "TOKEN_LIMIT_EXCEEDED"
    assert code_of("{ " + "a " * 18 + "} # and no more", DocumentLimits(tokens_max=20)) == "TOKEN_LIMIT_EXCEEDED"


def test_characters_are_counted() -> None:
    """Given a document as long as is allowed, then it passes; a blank longer it does not."""
    assert code_of("{ a }".ljust(100), DocumentLimits(characters_max=100)) is None
    assert code_of("{ a }".ljust(101), DocumentLimits(characters_max=100)) == "TOKEN_LIMIT_EXCEEDED"


SAME = "fragment f on T { a: b c: d }"
AT_AND_BEYOND = [
    ("DEPTH", "{ a { b { c } } }", "{ a { b { c { d } } } }"),
    (
        "DEPTH",
        "{ a { ... { ...f } } } fragment f on T { b { c } }",
        "{ a { ... { ...f } } } fragment f on T { b { c { d } } }",
    ),
    ("DEPTH", "{ __schema { a { b { c { d } } } } }", "{ a { b { __schema { c } d { e } } } }"),
    ("DEPTH", "{ a } fragment f on __Type { a { b { c { d } } } }", "{ a } fragment f on T { a { b { c { d } } } }"),
    ("ALIAS", "{ a b: c d: e }", "{ a: b c: d ... { e: f } }"),
    ("ALIAS", "{ ...f } " + SAME, "{ x { ...f } ...f } " + SAME),
    ("DIRECTIVE", "query @a { b @c }", "query ($d: T @e) @a { b @c }"),
    ("DIRECTIVE", "{ ...f @a } fragment f on T { b @c }", "{ ...f @a } fragment f on T @d { b @c }"),
    ("ROOT_FIELD", "{ a b c { d e } }", "{ a b c d }"),
    ("ROOT_FIELD", "{ a b ...f } fragment f on T { c }", "{ ...f ...f } fragment f on T { b { c } d }"),
]


@pytest.mark.parametrize(("limit", "passes", "fails"), AT_AND_BEYOND)
def test_each_limit_counts_with_fragments_expanded(limit: str, passes: str, fails: str) -> None:
    """Given a document at a limit, then it passes; given one beyond it, wherever that comes from, then it does not."""
    limits = DocumentLimits(depth_max=3, aliases_max=2, directives_max=2, root_fields_max=3)
    assert code_of(passes, limits) is None
    assert code_of(fails, limits) == f"{limit}_LIMIT_EXCEEDED"


def test_a_fragment_that_nobody_spreads_is_measured_too() -> None:
    """Given limits, then a fragment is held to them for itself: it would be validated, whoever asks for it."""
    assert code_of("{ a } fragment f on T { a: b c: d e: f }", SMALL) == "ALIAS_LIMIT_EXCEEDED"
    assert code_of("{ a } fragment f on T { a { b { c { d } } } }", SMALL) == "DEPTH_LIMIT_EXCEEDED"


@pytest.mark.parametrize("type_depth", [7, 9, 15])
async def test_the_standard_introspection_queries_pass(desk: Desk, type_depth: int) -> None:
    """Given the question that every tool begins with, with everything a tool may add, then it is answered."""
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
        type_depth=type_depth,
    )
    assert (await desk.ask(text))["__schema"]["queryType"] == {"name": "Query", "kind": "OBJECT"}


@pytest.mark.parametrize("attack", documents.ATTACKS)
async def test_each_attack_ends_in_a_typed_refusal(desk: Desk, attack: str) -> None:
    """Given a document made to hurt, then it is refused for what it is, and soon."""
    text, code = documents.ATTACKS[attack]
    started = perf_counter()
    found = await desk.problems(text)
    print(f"{attack}: {(perf_counter() - started) * 1000:.1f} ms")
    assert {one for one, _ in found} == {code}
    assert len(found) <= DEFAULT_LIMITS.errors_max


@pytest.mark.parametrize("code", documents.LIMITS)
async def test_a_refusal_says_which_limit_and_what_to_do(desk: Desk, code: str) -> None:
    """Given a document beyond a limit, then the message names the limit."""
    (error,) = (await desk.execute(documents.LIMITS[code])).errors
    assert any(character.isdecimal() for character in error.message)
    assert "; " in error.message


async def test_at_most_nine_errors_are_answered(desk: Desk) -> None:
    """Given many mistakes in the document, in the variables, or while answering, then the first nine are told."""
    assert len(await desk.problems(documents.UNKNOWN)) == 9
    bad = [{"sku": 1} for _ in range(30)]
    adjust = "mutation ($i: [InventoryAdjustmentInput!]!) { inventoryAdjustBulk(inputs: $i) { position } }"
    assert await desk.problems(adjust, i=bad) == [("BAD_USER_INPUT", ())] * 9
    pages = "{ " + " ".join(f"a{n}: inventoryItem {{ sku }}" for n in range(15)) + " }"
    assert len(await desk.problems(pages)) == 9


UPSERT = "mutation ($i: LocationUpsertInput!) { locationUpsert(input: $i) { userErrors { code } } }"
ARCHIVE = "mutation ($i: ItemArchiveInput!) { itemArchive(input: $i) { userErrors { code } } }"
SUGGESTED: list[tuple[str, dict[str, object]]] = [
    ("{ viewr { name } }", {}),
    ("{ viewer { nam } }", {}),
    ("{ locations(fist: 1) { nodes { code } } }", {}),
    ("query ($a: InventoryAdjustmentInpu!) { viewer { name } }", {}),
    ('mutation { itemArchive(input: {sk: 1, sku: "a"}) { userErrors { code } } }', {}),
    ('mutation { locationUpsert(input: {code: "a", kind: STOR}) { userErrors { code } } }', {}),
    (UPSERT, {"i": {"code": "a", "kind": "STOR"}}),
    (ARCHIVE, {"i": {"sku": "a", "sk": 1}}),
    ("subscription ($k: [String!]) { stockChangd(skus: $k) { sku } }", {}),
]


@pytest.fixture(scope="module")
def quiet_schema() -> Schema:
    """The schema as production serves it."""
    return build_schema(hides_suggestions=True, shows_schema=True)


@pytest.mark.parametrize(("text", "variables"), SUGGESTED)
async def test_in_production_no_name_is_suggested(
    desk: Desk, quiet_schema: Schema, text: str, variables: dict[str, object]
) -> None:
    """Given a slip of the pen, then a developer is told what may be meant, and nobody is in production."""
    quiet = Desk(gateway=desk.gateway, schema=quiet_schema)
    loud = [error.message for error in (await desk.execute(text, variables)).errors]
    silent = [error.message for error in (await quiet.execute(text, variables)).errors]
    assert any("Did you mean" in message for message in loud), loud
    assert silent != []
    assert not any("Did you mean" in message for message in silent), silent


async def test_a_subscription_is_held_to_the_limits_too(desk: Desk, schema: Schema) -> None:
    """Given a subscription beyond a limit, then it ends before it begins, with the limit's code."""
    context = RequestContext(services=desk.gateway.services, principal=LOCAL_PRINCIPAL, correlation_id=CORRELATION_ID)
    text = "subscription { " + "stockChanged { sku } " * 21 + "}"
    stream = await schema.subscribe(text, context_value=context)
    results = [result async for result in stream]
    assert [(error.extensions or {})["code"] for result in results for error in result.errors or ()] == [
        "ROOT_FIELD_LIMIT_EXCEEDED"
    ]


def test_a_refused_or_long_document_is_read_once_a_request() -> None:
    """Given a document that is not kept, when it is looked up twice in a row, then it is read once."""
    cache = DocumentCache()
    long = "{ viewer { name } }".ljust(25_000)
    first = cache.document(long)
    assert cache.document(long) is first
    refusals = []
    for _ in range(2):
        with pytest.raises(GraphQLError) as refused:
            cache.document(documents.WIDE)
        refusals.append(refused.value)
    assert refusals[0] is refusals[1]
    assert cache.document(long) is not first


def test_only_valid_documents_are_kept_and_not_too_much_of_them(schema: Schema) -> None:
    """Given documents of all sorts, then wrong ones push out none, and those kept are bounded by their length."""
    cache = DocumentCache()
    core = schema._schema
    for number in range(80):
        valid = f"{{ a{number}: __typename }}".ljust(CACHED_DOCUMENT_CHARACTERS_MAX)
        assert cache.validation_errors(cache.document(valid), core) == []
        assert cache.document(valid) is cache.document(valid)
        assert cache.validation_errors(cache.document(f"{{ a{number} }}"), core) != []
    assert len(cache._known) == CACHED_CHARACTERS_MAX // CACHED_DOCUMENT_CHARACTERS_MAX
    assert cache._characters == sum(map(len, cache._known)) == CACHED_CHARACTERS_MAX


COORDINATES = """
query page($skus: [String!]!) { availability(skus: $skus) { ...shown } node(id: "a") { id ...item } }
query schema { __schema { types { name } } __typename }
fragment shown on Availability { sku levels { ...level } }
fragment level on StockLevel { location { code } }
fragment item on InventoryItem { name }
"""


def test_a_gate_sees_every_field_that_an_operation_names(schema: Schema) -> None:
    """Given a document, then its operations' fields are told apart, with those of fragments and introspection."""
    core = schema._schema
    known = schema.documents.document(COORDINATES)
    assert known.coordinates(core, "page") == {
        *("Query.availability", "Query.node", "Availability.sku", "Availability.levels"),
        *("StockLevel.location", "Location.code", "Node.id", "InventoryItem.name"),
    }
    assert known.coordinates(core, "schema") == {
        *("Query.__schema", "Query.__typename", "__Schema.types", "__Type.name"),
    }
    assert known.coordinates(core, "schema") is known.coordinates(core, "schema")
    assert known.coordinates(core, "no such") == frozenset()


def test_what_is_remembered_of_a_document_is_bounded() -> None:
    """Given more things to remember than are kept, then the others are made each time."""
    known = KnownDocument(parse_within("{ a }", DEFAULT_LIMITS))
    made: list[int] = []

    def make(number: int) -> Callable[[], None]:
        return lambda: made.append(number)

    for _ in range(2):
        for number in range(REMEMBERED_MAX + 2):
            known.remember(number, make(number))
    assert len(known._remembered) == REMEMBERED_MAX
    assert len(made) == REMEMBERED_MAX + 4

"""The schema as strangers meet it; the one rule: everything in it is described, and no promise is broken silently."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    get_introspection_query,
)

from app.schema_file import (
    CHANGELOG_FILE,
    SCHEMA_FILE,
    printed_schema,
    problems_with_schema_file,
    unannounced_breaking_changes,
    write_schema_file,
)
from domain.rejections import RejectionCode
from resolvers.schema import build_schema as gateway_schema
from tests.resolvers.desk import Answer, Desk

ROOT = Path(__file__).resolve().parent.parent.parent
GIT_SECONDS_MAX = 20
PROMISED = printed_schema()
EMPTY_CHANGELOG = "# Changelog\n"
NOT_WRITTEN = f"{SCHEMA_FILE} is not what the code says; run `stockgate schema --write`"


def undescribed(introspected: Answer) -> Iterator[str]:
    """Yield the name of everything that an introspection answers without a description."""
    for kind in introspected["types"]:
        if kind["name"].startswith("__"):
            continue
        if not kind["description"]:
            yield kind["name"]
        for member in (kind["fields"] or []) + (kind["inputFields"] or []) + (kind["enumValues"] or []):
            if not member["description"]:
                yield f"{kind['name']}.{member['name']}"
            yield from (
                f"{kind['name']}.{member['name']}({argument['name']})"
                for argument in member.get("args", [])
                if not argument["description"]
            )
    for directive in introspected["directives"]:
        if not directive["description"]:
            yield f"@{directive['name']}"


async def test_every_type_field_argument_and_enum_value_is_described(empty_desk: Desk) -> None:
    introspected = (await empty_desk.ask(get_introspection_query(descriptions=True)))["__schema"]
    assert {kind["name"] for kind in introspected["types"]} > {"Availability", "InventoryAdjustmentInput", "UserError"}
    assert list(undescribed(introspected)) == []


async def test_a_missing_description_is_found() -> None:
    field: Answer = {"name": "c", "description": "", "args": [{"name": "d", "description": None}]}
    members = {"fields": [field], "inputFields": None, "enumValues": [{"name": "E", "description": None}]}
    one = {"types": [{"name": "B", "description": None, **members}], "directives": [{"name": "f", "description": ""}]}
    assert list(undescribed(one)) == ["B", "B.c", "B.c(d)", "B.E", "@f"]


def test_the_file_is_what_the_code_says() -> None:
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == PROMISED


def test_the_printed_schema_is_the_one_that_is_served() -> None:
    printed, served = build_schema(PROMISED), gateway_schema(is_federated=False)._schema
    assert printed.type_map.keys() == served.type_map.keys()
    for name, kind in printed.type_map.items():
        other = served.type_map[name]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            assert isinstance(other, type(kind))
            shown = {field: str(one.type) for field, one in kind.fields.items()}
            assert shown == {field: str(one.type) for field, one in other.fields.items()}
        elif isinstance(kind, GraphQLEnumType):
            assert isinstance(other, GraphQLEnumType)
            assert list(kind.values) == list(other.values)


def test_error_codes_are_listed_in_order_of_precedence() -> None:
    codes = build_schema(PROMISED).type_map["UserErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    assert list(codes.values) == [code.value for code in RejectionCode]


def test_root_fields_of_mutations_may_be_null() -> None:
    mutations = build_schema(PROMISED).mutation_type
    assert mutations is not None
    assert [name for name, field in mutations.fields.items() if str(field.type).endswith("!")] == []


CONFIRMED = '  """The channel shows the number."""\n  CONFIRMED\n\n'
SKUS = "    skus: [String!]!\n"
DRY_RUN = "  dryRun: Boolean! = false\n"
TOTAL = "  totalAvailableQuantity: Int"
BREAKING = {
    "Field Availability.availableQuantity was removed": ("  availableQuantity:", "  availableNow:"),
    "Enum value SyncState.CONFIRMED was removed": (CONFIRMED, ""),
    "A required argument Query.availability(region:) was added": (SKUS, f"{SKUS}    region: String!\n"),
    "A required field AllocationCancelInput.actor was added": (DRY_RUN, f"{DRY_RUN}  actor: String!\n"),
    "Field InventoryItem.totalAvailableQuantity changed type from Int! to Int": (f"{TOTAL}!", TOTAL),
    "Listing no longer implements interface Node": ("type Listing implements Node {", "type Listing {"),
}
HARMLESS = [
    (CONFIRMED, f"{CONFIRMED}  PAUSED\n\n"),
    (DRY_RUN, f"{DRY_RUN}  actor: String\n"),
    (TOTAL, f"  extra: Int\n{TOTAL}"),
]


def replaced(old: str, new: str) -> str:
    assert old in PROMISED
    return PROMISED.replace(old, new, 1)


@pytest.mark.parametrize("description", BREAKING)
def test_a_breaking_change_must_be_named_in_the_changelog(description: str) -> None:
    changed = replaced(*BREAKING[description])
    assert unannounced_breaking_changes(PROMISED, changed, EMPTY_CHANGELOG) == [
        f"breaks clients: {description}. Name it in {CHANGELOG_FILE}, in these words, if it is meant."
    ]
    assert unannounced_breaking_changes(PROMISED, changed, f"### Changed\n\n- {description}: use …\n") == []


@pytest.mark.parametrize(("old", "new"), HARMLESS)
def test_an_addition_breaks_nobody(old: str, new: str) -> None:
    assert unannounced_breaking_changes(PROMISED, replaced(old, new), EMPTY_CHANGELOG) == []


def committed_project(directory: Path, schema_text: str) -> Path:
    """Return a project whose last commit holds this schema."""
    (directory / SCHEMA_FILE).write_text(schema_text, encoding="utf-8")
    (directory / CHANGELOG_FILE).write_text(EMPTY_CHANGELOG, encoding="utf-8")
    author = ["-c", "user.name=A", "-c", "user.email=a@shop.example", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "promise"]):
        subprocess.run(["git", *words], cwd=directory, check=True, capture_output=True, timeout=GIT_SECONDS_MAX)
    return directory


def test_the_check_compares_with_the_last_commit(tmp_path: Path) -> None:
    project = committed_project(tmp_path, PROMISED + "\ntype Gone {\n  field: Int\n}\n")
    assert problems_with_schema_file(project) == [
        NOT_WRITTEN,
        f"breaks clients: Gone was removed. Name it in {CHANGELOG_FILE}, in these words, if it is meant.",
    ]
    write_schema_file(project)
    assert len(problems_with_schema_file(project)) == 1
    (project / CHANGELOG_FILE).write_text("### Removed\n\n- Gone was removed\n", encoding="utf-8")
    assert problems_with_schema_file(project) == []


def test_the_check_notices_a_file_that_is_missing_or_stale(tmp_path: Path) -> None:
    assert problems_with_schema_file(tmp_path) == [NOT_WRITTEN]
    write_schema_file(tmp_path)
    assert problems_with_schema_file(tmp_path) == []
    (tmp_path / SCHEMA_FILE).write_text(PROMISED + "\n", encoding="utf-8")
    assert problems_with_schema_file(tmp_path) == [NOT_WRITTEN]

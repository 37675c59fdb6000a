"""Requests that name their document, and callers that may run trusted ones only; the rule: a name means one text."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.documents_manifest import read_manifest
from app.storage import documents as storage
from domain.ports import Unavailable
from domain.principals import Principal, Role
from resolvers.context import RequestContext
from resolvers.execution import CACHED_DOCUMENT_CHARACTERS_MAX
from resolvers.persisted import PersistedDocuments, Trust, digest_of
from resolvers.schema import build_schema
from tests.resolvers.desk import CORRELATION_ID, MUG, Desk, open_desk

PAGE = "query page($skus: [String!]!) { availability(skus: $skus) { sku availableQuantity } }"
OTHER = "{ locations { nodes { code } } }"
FOLLOW = "subscription follow { stockChanged { sku } }"
SKUS = {"skus": [MUG]}
ANSWER = {"availability": [{"sku": MUG, "availableQuantity": 14}]}
STOREFRONT = Principal(account="shop", name="the shop's page", role=Role.STOREFRONT)
NOT_FOUND, NOT_TRUSTED, BAD = "PERSISTED_QUERY_NOT_FOUND", "DOCUMENT_NOT_TRUSTED", "BAD_REQUEST"
MANIFEST = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "page-1", "name": "page", "type": "query", "body": PAGE},
        {"id": "follow-1", "name": "follow", "type": "subscription", "body": FOLLOW},
    ],
}


def hashed(text: str) -> dict[str, object]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}}


def with_id(id: object) -> dict[str, object]:
    return {"documentId": id}


async def answer(desk: Desk, query: str | None, extensions: dict[str, object] | None = None) -> Any:
    """Return the data of a request, or the code of its first error."""
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    result = await desk.schema.execute(
        query, variable_values=dict(SKUS), context_value=context, operation_extensions=extensions
    )
    return (result.errors[0].extensions or {})["code"] if result.errors else result.data


async def followed(desk: Desk, query: str | None, extensions: dict[str, object] | None = None) -> str | None:
    """Return the code with which a subscription is refused, or None when it begins."""
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    stream: Any = await desk.schema.stream(query, context_value=context, operation_extensions=extensions)
    async for result in stream:
        return str(result.errors[0].extensions["code"])
    return None


async def register(desk: Desk, manifest: dict[str, Any]) -> None:
    """Register a manifest in the desk's database."""
    script = partial(storage.register, read_manifest(json.dumps(manifest).encode()), at=datetime.now(UTC))
    done = await desk.gateway.database.write(script, keeps=lambda _: True)
    assert done.conflicts == ()


@pytest.fixture
async def shop(desk: Desk) -> Desk:
    """A storefront at a gateway that has registered its manifest, where storefronts are bound to it."""
    await register(desk, MANIFEST)
    return replace(desk, schema=build_schema(trust=Trust.STOREFRONT), principal=STOREFRONT)


@pytest.fixture
async def everywhere(shop: Desk) -> Desk:
    """The administrator of a gateway where everybody is bound to the manifest."""
    return replace(shop, schema=build_schema(trust=Trust.ALL), principal=replace(STOREFRONT, role=Role.ADMIN))


@pytest.fixture
async def fresh(desk: Desk) -> Desk:
    """A caller of a process that has seen no document yet."""
    return replace(desk, schema=build_schema())


async def test_an_automatic_document_is_left_once_and_then_named(fresh: Desk) -> None:
    """Given an unknown hash, when its text is sent with it, then the hash alone does from then on."""
    assert await answer(fresh, None, hashed(PAGE)) == NOT_FOUND
    assert await answer(fresh, PAGE, hashed(PAGE)) == ANSWER
    assert await answer(fresh, None, hashed(PAGE)) == ANSWER
    assert await answer(fresh, "", hashed(PAGE)) == ANSWER


async def test_not_found_is_said_in_the_protocols_words(fresh: Desk) -> None:
    """Given an unknown hash, then the message is the one that clients look for."""
    context = RequestContext(services=fresh.gateway.services, principal=STOREFRONT, correlation_id=CORRELATION_ID)
    result = await fresh.schema.execute(None, context_value=context, operation_extensions=hashed(PAGE))
    assert [(one.message, one.extensions) for one in result.errors or ()] == [
        ("PersistedQueryNotFound", {"code": NOT_FOUND})
    ]


async def test_a_hash_of_another_text_is_refused_and_keeps_nothing(fresh: Desk) -> None:
    """Given a hash that is not the text's, then the request is refused, and the hash stays unknown."""
    assert await answer(fresh, OTHER, hashed(PAGE)) == BAD
    assert await answer(fresh, None, hashed(PAGE)) == NOT_FOUND


@pytest.mark.parametrize(
    "extensions",
    [
        {"persistedQuery": None},
        {"persistedQuery": "abc"},
        {"persistedQuery": []},
        {"persistedQuery": {}},
        {"persistedQuery": {"sha256Hash": digest_of(PAGE)}},
        {"persistedQuery": {"version": 2, "sha256Hash": digest_of(PAGE)}},
        {"persistedQuery": {"version": True, "sha256Hash": digest_of(PAGE)}},
        {"persistedQuery": {"version": 1}},
        {"persistedQuery": {"version": 1, "sha256Hash": 7}},
        {"persistedQuery": {"version": 1, "sha256Hash": ""}},
        {"persistedQuery": {"version": 1, "sha256Hash": "a" * 256}},
        {"persistedQuery": {"version": 1, "sha256Hash": "a\0b"}},
        {"documentId": None},
        {"documentId": 7},
        {"documentId": "sha256:"},
    ],
    ids=str,
)
async def test_a_malformed_name_is_refused(fresh: Desk, extensions: dict[str, object]) -> None:
    """Given a name of the wrong form, then the request is refused, with a text or without."""
    assert await answer(fresh, None, extensions) == BAD
    assert await answer(fresh, PAGE, extensions) == BAD


async def test_other_extensions_do_not_matter(fresh: Desk) -> None:
    """Given extensions that name no document, then the text is run as ever."""
    assert await answer(fresh, PAGE, {"tracing": True}) == ANSWER


async def test_automatic_documents_are_bounded(fresh: Desk) -> None:
    """Given more documents than are kept, then the one not used for longest goes; a very long one is never kept."""
    documents = PersistedDocuments(documents_max=2)
    fresh.schema.persisted = documents  # type: ignore[attr-defined]  # the gateway's own schema has it
    one, two, three = (f"query page{number} {{ __typename }}" for number in range(3))
    assert await answer(fresh, one, hashed(one)) == {"__typename": "Query"}
    await answer(fresh, two, hashed(two))
    await answer(fresh, None, hashed(one))
    await answer(fresh, three, hashed(three))
    assert [await answer(fresh, None, hashed(text)) for text in (one, two, three)] == [
        {"__typename": "Query"},
        NOT_FOUND,
        {"__typename": "Query"},
    ]
    long = "{ __typename }" + " " * CACHED_DOCUMENT_CHARACTERS_MAX
    assert await answer(fresh, long, hashed(long)) == {"__typename": "Query"}
    assert await answer(fresh, None, hashed(long)) == NOT_FOUND


async def test_what_cannot_be_run_is_not_remembered(fresh: Desk) -> None:
    """Given what is no document, or does not fit the schema, then it is refused and not remembered by its name."""
    for text, code in (("{ nothing }", "GRAPHQL_VALIDATION_FAILED"), ("{", "GRAPHQL_PARSE_FAILED")):
        assert await answer(fresh, text, hashed(text)) == code
        assert await answer(fresh, None, hashed(text)) == NOT_FOUND


def test_the_characters_of_automatic_documents_are_bounded() -> None:
    """Given a million characters of documents, when one more comes, then the one not used for longest goes."""
    documents = PersistedDocuments()
    texts = [f"{{ a{number:05} }}".ljust(CACHED_DOCUMENT_CHARACTERS_MAX) for number in range(51)]
    for text in texts:
        documents.remember(digest_of(text), text)
    assert list(documents._automatic.values()) == texts[1:]


NAMES = [hashed(PAGE), with_id("page-1"), with_id(f"sha256:{digest_of(PAGE)}"), with_id(digest_of(PAGE))]
NAMES.append({"persistedQuery": {"version": 1, "sha256Hash": "page-1"}})


@pytest.mark.parametrize("name", NAMES, ids=str)
@pytest.mark.parametrize("sent", [None, PAGE])
async def test_a_registered_document_is_run_by_any_of_its_names(
    shop: Desk, name: dict[str, object], sent: str | None
) -> None:
    """Given a registered document, when a storefront names it by hash or id, with its text or without, then it runs."""
    assert await answer(shop, sent, name) == ANSWER
    assert await answer(replace(shop, schema=build_schema()), sent, name) == ANSWER


async def test_the_exact_text_of_a_registered_document_is_run(shop: Desk) -> None:
    """Given a registered document, when its text is sent, then it runs; with one blank more it does not."""
    assert await answer(shop, PAGE) == ANSWER
    assert await answer(shop, f"{PAGE} ") == NOT_TRUSTED


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (OTHER, None),
        (None, hashed(OTHER)),
        (OTHER, hashed(OTHER)),
        (None, with_id("page-2")),
        ("{", None),
        ("{ __schema { types { name } } }", None),
    ],
)
async def test_anything_else_is_not_trusted(shop: Desk, query: str | None, name: dict[str, object] | None) -> None:
    """Given any document that is not registered, when a storefront sends or names it, then it is not run."""
    assert await answer(shop, query, name) == NOT_TRUSTED


async def test_a_foreign_name_does_not_help(shop: Desk) -> None:
    """Given a registered name beside another text, then neither is run."""
    assert await answer(shop, OTHER, hashed(PAGE)) == BAD
    assert await answer(shop, OTHER, with_id("page-1")) == BAD


async def test_an_automatic_document_does_not_come_to_be_trusted(shop: Desk) -> None:
    """Given a document that others left by its hash, then a storefront cannot run it."""
    clerk = replace(shop, principal=replace(STOREFRONT, role=Role.BACKOFFICE))
    assert await answer(clerk, OTHER, hashed(OTHER)) != NOT_TRUSTED
    assert await answer(clerk, None, hashed(OTHER)) != NOT_FOUND
    assert await answer(shop, None, hashed(OTHER)) == NOT_TRUSTED


async def test_other_roles_are_bound_only_where_all_are(shop: Desk, everywhere: Desk) -> None:
    """Given another role, then it runs what it likes, unless everybody is bound."""
    clerk = replace(shop, principal=replace(STOREFRONT, role=Role.BACKOFFICE))
    assert "locations" in await answer(clerk, OTHER)
    assert await answer(everywhere, OTHER) == NOT_TRUSTED
    assert await answer(everywhere, PAGE) == ANSWER


async def test_subscriptions_are_bound_alike(shop: Desk) -> None:
    """Given a stream, then registered subscriptions are let through by name, and others are refused."""
    admin = replace(shop, schema=build_schema(trust=Trust.ALL), principal=replace(STOREFRONT, role=Role.ADMIN))
    assert await followed(shop, "subscription { availabilityChanged { sku } }") == NOT_TRUSTED
    assert await followed(shop, None, with_id("other")) == NOT_TRUSTED
    # The document is known; that a storefront may not follow every change is the next question.
    assert await followed(shop, None, with_id("follow-1")) == "FORBIDDEN"
    assert await followed(admin, None, with_id("nothing")) == NOT_TRUSTED


async def test_a_database_that_does_not_answer_is_told_so(shop: Desk) -> None:
    """Given that trusted documents cannot be read, then the refusal can be retried, and nothing is run."""

    class Silent:
        async def text(self, key: str) -> str | None:
            raise Unavailable(f"no answer about {key}", retry_after_ms=1000)

    services = replace(shop.gateway.services, trusted_documents=Silent())
    unable = replace(shop, gateway=replace(shop.gateway, services=services))
    assert await answer(unable, PAGE) == "UNAVAILABLE"


async def test_a_text_is_kept_exactly(empty_file: Path, tmp_path: Path) -> None:
    """Given a document with blanks, comments and other scripts in it, then its own text is its name's text."""
    text = '# größer\n{ __typename }\n\t# 日本 "🙂"\n'
    async with _desk_on(empty_file, tmp_path) as desk:
        await register(desk, {"exact": text})
        assert await answer(replace(desk, schema=build_schema(trust=Trust.ALL)), text) == {"__typename": "Query"}


def _desk_on(template: Path, directory: Path) -> Any:
    path = directory / "exact.sqlite3"
    path.write_bytes(template.read_bytes())
    return open_desk(path, build_schema())

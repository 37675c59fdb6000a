"""Persisted documents over every transport, and what caches may hold; the rule: a name does what its text does."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import SQLITE_PREFIX
from resolvers.persisted import digest_of
from tests.end_to_end.client import Client
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.web_socket import open_socket

PAGE = "query page { locations { nodes { code } } }"
OTHER = "query other { channels { nodes { code } } }"
BROKEN = "query broken { locations(first: 0) { nodes { code } } }"
FOLLOW = "subscription follow { stockChanged { sku } }"
CHANGE = 'mutation change { itemArchive(input: {sku: "none"}) { userErrors { code } } }'
EMPTY_PAGE: dict[str, object] = {"locations": {"nodes": []}}
MAX_AGE = "3"
STREAMING = {"accept": "text/event-stream"}


def hashed(text: str) -> dict[str, object]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}}


def cli(file: Path, *words: str) -> str:
    """Run a command on a gateway's file, and return what it prints on standard output."""
    result = CliRunner().invoke(app, list(words), env={"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{file}"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def caching(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway whose answers to persisted GETs may be held."""
    with gateways.new("caching", PERSISTED_GET_MAX_AGE_SECONDS=MAX_AGE).begin() as one:
        yield one
        assert one.failures() == [], one.log()


@pytest.fixture(scope="module")
def trusting(gateways: Gateways, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that runs its manifest for everybody, and nothing else."""
    manifest = tmp_path_factory.mktemp("manifest") / "manifest.json"
    manifest.write_text(json.dumps({"page-1": PAGE, "follow-1": FOLLOW, "change-1": CHANGE}))
    one = gateways.new("trusting", TRUSTED_DOCUMENTS="all")
    cli(one.file, "documents", "register", str(manifest))
    with one.begin():
        yield one
        assert one.failures() == [], one.log()


@pytest.fixture(scope="module")
def keyed(gateways: Gateways) -> Iterator[tuple[Gateway, str]]:
    """A gateway with a key, and the key."""
    one = gateways.new("keyed", PERSISTED_GET_MAX_AGE_SECONDS=MAX_AGE)
    token = cli(one.file, "keys", "create", "--account", "shop", "--role", "STOREFRONT").split()[-1]
    with one.begin():
        yield one, token
        assert one.failures() == [], one.log()


@pytest.fixture(scope="module")
def public(gateways: Gateways) -> Iterator[tuple[Gateway, list[str]]]:
    """A gateway whose answers to storefronts shared caches may hold, and keys of three roles, a storefront's first."""
    one = gateways.new("public", PERSISTED_GET_MAX_AGE_SECONDS=MAX_AGE, PERSISTED_GET_IS_PUBLIC="true")
    roles = ("STOREFRONT", "DASHBOARD", "BACKOFFICE")
    tokens = [cli(one.file, "keys", "create", "--account", role.lower(), "--role", role).split()[-1] for role in roles]
    with one.begin():
        yield one, tokens
        assert one.failures() == [], one.log()


async def get(
    gateway: Gateway, text: str, *, sends_text: bool = False, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """GET a persisted document."""
    parameters = {"extensions": json.dumps(hashed(text))} | ({"query": text} if sends_text else {})
    async with Client(gateway.url) as client:
        return await client.http.get(gateway.url, params=parameters, headers=dict(headers or {}))


async def post(gateway: Gateway, body: object, **headers: str) -> httpx.Response:
    async with Client(gateway.url) as client:
        return await client.http.post(gateway.url, json=body, headers=headers)


def code(response: httpx.Response) -> str:
    """Return the code of the answer's only error."""
    (error,) = response.json()["errors"]
    return str(error["extensions"]["code"])


async def test_the_automatic_protocol_over_http(gateway: Gateway) -> None:
    """Given Apollo's protocol, when the hash, then text and hash, then the hash are sent, then it is found at last."""
    assert code(await post(gateway, {"extensions": hashed(PAGE)})) == "PERSISTED_QUERY_NOT_FOUND"
    assert (await post(gateway, {"extensions": hashed(PAGE), "query": PAGE})).status_code == 200
    assert "locations" in (await post(gateway, {"extensions": hashed(PAGE)})).json()["data"]
    assert "locations" in (await get(gateway, PAGE)).json()["data"]
    assert code(await post(gateway, {"extensions": hashed(PAGE), "query": OTHER})) == "BAD_REQUEST"


async def test_the_automatic_protocol_over_a_socket_and_a_stream(gateway: Gateway) -> None:
    """Given the same protocol, then it is the same over WebSocket and server-sent events."""
    text = "query overSocket { __typename }"
    async with open_socket(gateway) as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": {"extensions": hashed(text)}})
        refused = await socket.receive()
        assert (refused["type"], refused["payload"][0]["message"]) == ("error", "PersistedQueryNotFound")
        await socket.send({"id": "2", "type": "subscribe", "payload": {"extensions": hashed(text), "query": text}})
        assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}
        assert (await socket.receive())["type"] == "complete"
    streamed = await post(gateway, {"extensions": hashed(text)}, **STREAMING)
    first = json.loads(streamed.text.split("data: ")[1].split("\n")[0])
    assert first["data"] == {"__typename": "Query"}


TRUSTED: list[tuple[Any, dict[str, object] | str]] = [
    ({"documentId": "page-1"}, EMPTY_PAGE),
    ({"documentId": f"sha256:{digest_of(PAGE)}"}, EMPTY_PAGE),
    ({"extensions": hashed(PAGE)}, EMPTY_PAGE),
    ({"query": PAGE}, EMPTY_PAGE),
    ({"query": OTHER}, "DOCUMENT_NOT_TRUSTED"),
    ({"extensions": hashed(OTHER), "query": OTHER}, "DOCUMENT_NOT_TRUSTED"),
    ({"documentId": "page-2"}, "DOCUMENT_NOT_TRUSTED"),
]


@pytest.mark.parametrize(("body", "expected"), TRUSTED, ids=str)
async def test_only_trusted_documents_are_run_on_every_transport(trusting: Gateway, body: Any, expected: Any) -> None:
    """Given a gateway that is bound to its manifest, then each way to ask is answered alike by POST, SSE and socket."""
    by_post = (await post(trusting, body)).json()
    streamed = await post(trusting, body, **STREAMING)
    by_stream = json.loads(streamed.text.split("data: ")[1].split("\n")[0])
    async with open_socket(trusting) as socket:
        await socket.send({"id": "1", "type": "subscribe", "payload": body})
        by_socket = (await socket.receive())["payload"]
    if isinstance(expected, str):
        assert by_post["errors"][0]["extensions"]["code"] == expected
        assert by_stream["errors"][0]["extensions"]["code"] == expected
        assert by_socket[0]["extensions"]["code"] == expected
    else:
        assert by_post["data"] == by_stream["data"] == by_socket["data"] == expected


async def test_a_mutation_is_no_more_run_by_get_for_being_trusted(trusting: Gateway) -> None:
    """Given a registered mutation, when it is named by GET, then it is refused."""
    response = await get(trusting, CHANGE)
    assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")


async def test_the_answer_to_a_persisted_get_may_be_held(caching: Gateway) -> None:
    """Given the setting, when a persisted query is asked by GET, then its answer is tagged, and 304 the next time."""
    response = await get(caching, PAGE, sends_text=True)
    assert response.json() == {"data": EMPTY_PAGE}
    assert response.headers["cache-control"] == "public, max-age=3"
    assert response.headers["vary"] == "accept, authorization"
    tag = response.headers["etag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await get(caching, PAGE, headers={"if-none-match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "public, max-age=3"
    assert (await get(caching, PAGE, headers={"if-none-match": '"other"'})).status_code == 200


async def test_the_tag_is_of_the_data(caching: Gateway) -> None:
    """Given that the data changes, then the tag does; the media type has a tag of its own."""
    text = "query held { channels { nodes { code } } }"
    before = await get(caching, text, sends_text=True)
    other_type = await get(caching, text, headers={"accept": "application/graphql-response+json"})
    body = 'mutation { channelUpsert(input: {code: "web"}) { userErrors { code } } }'
    assert (await post(caching, {"query": body})).status_code == 200
    after = await get(caching, text, headers={"if-none-match": before.headers["etag"]})
    assert after.json() == {"data": {"channels": {"nodes": [{"code": "web"}]}}}
    assert len({before.headers["etag"], other_type.headers["etag"], after.headers["etag"]}) == 3


async def test_nothing_else_may_be_held(caching: Gateway, gateway: Gateway) -> None:
    """Given an error, a POST, a query that is not persisted, or no setting, then the answer may not be held."""
    async with Client(caching.url) as client:
        plain = await client.http.get(caching.url, params={"query": PAGE})
    answers = [
        await get(caching, BROKEN, sends_text=True),
        await get(caching, "query unknown { __typename }"),
        await post(caching, {"query": PAGE, "extensions": hashed(PAGE)}),
        plain,
        await get(gateway, PAGE, sends_text=True),
    ]
    assert [(one.headers["cache-control"], "etag" in one.headers) for one in answers] == [("no-store", False)] * 5


async def test_an_answer_to_a_credential_is_its_own(keyed: tuple[Gateway, str]) -> None:
    """Given a caller with a key, then only its own cache may hold the answer."""
    gateway, token = keyed
    response = await get(gateway, PAGE, sends_text=True, headers={"authorization": f"Bearer {token}"})
    assert response.json() == {"data": EMPTY_PAGE}
    assert response.headers["cache-control"] == "private, max-age=3"
    refused = await get(gateway, PAGE, sends_text=True)
    assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")


async def test_a_cdn_may_hold_what_storefronts_are_answered(public: tuple[Gateway, list[str]]) -> None:
    """Given the setting, then answers to a storefront's key are public, and those to all other roles stay private."""
    gateway, tokens = public
    answers = [
        await get(gateway, PAGE, sends_text=True, headers={"authorization": f"Bearer {token}"}) for token in tokens
    ]
    assert [response.headers["cache-control"] for response in answers] == [
        "public, max-age=3",
        "private, max-age=3",
        "private, max-age=3",
    ]

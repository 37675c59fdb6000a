"""Trusted documents: manifests, what is kept of them, the command line; the rule: a manifest is taken whole or not."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.documents_manifest import MalformedManifest, problems_of, read_manifest
from app.settings import SQLITE_PREFIX
from app.storage import documents as storage
from app.storage.database import SqliteDatabase
from app.storage.documents import RegisteredDocument, TrustedDocument
from app.storage.migrate import migrate_sqlite
from app.storage.statements import run
from app.trusted_documents import BELIEVED_SECONDS, REMEMBERED_MAX, BelievedDocuments
from resolvers.persisted import digest_of
from resolvers.schema import build_schema

PAGE = "query page { locations { nodes { code } } }"
OTHER = "query other { channels { nodes { code } } }"
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def document(id: str, body: str, name: str | None = None) -> TrustedDocument:
    return TrustedDocument(id=id, sha256=digest_of(body), name=name, body=body)


def apollo(*operations: object, format: object = "apollo-persisted-query-manifest", version: object = 1) -> bytes:
    return json.dumps({"format": format, "version": version, "operations": list(operations)}).encode()


def operation(id: object, body: object, name: object = "page") -> dict[str, object]:
    return {"id": id, "name": name, "type": "query", "body": body}


def test_a_manifest_of_apollos_is_read() -> None:
    """Given a persisted query manifest, then each operation is a document under its id and name."""
    content = apollo(operation("a", PAGE), operation("b", OTHER, None), operation("a", PAGE))
    assert read_manifest(content) == [document("a", PAGE, "page"), document("b", OTHER)]


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_a_map_of_ids_to_texts_is_read(prefix: str) -> None:
    """Given Relay's or the code generator's map, then each entry is a document without a name of its own."""
    content = json.dumps({prefix + digest_of(PAGE): PAGE, "md5-of-it": OTHER}).encode()
    assert read_manifest(content) == [document(digest_of(PAGE), PAGE), document("md5-of-it", OTHER)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "it is no JSON ("),
        (b"[]", "it is no JSON object"),
        (b"7", "it is no JSON object"),
        (b"{}", "it holds 0 documents; 1 to 20000 are taken"),
        (apollo(), "it holds 0 documents; 1 to 20000 are taken"),
        (apollo(operation("a", PAGE), version=2), "its format is apollo-persisted-query-manifest 2, not"),
        (apollo(operation("a", PAGE), format="other"), "its format is other 1, not"),
        (
            b'{"format": "apollo-persisted-query-manifest", "version": 1, "operations": {}}',
            "its operations are no list",
        ),
        (apollo(7), "an operation is no JSON object"),
        (apollo(operation(7, PAGE)), "an id must be"),
        (apollo(operation("", PAGE)), "an id must be"),
        (apollo(operation("a" * 256, PAGE)), "an id must be"),
        (apollo(operation("a\nb", PAGE)), "an id must be"),
        (apollo(operation(" a", PAGE)), "an id must be"),
        (apollo(operation("a", None)), "the document a has no text"),
        (apollo(operation("a", "")), "the document a has no text"),
        (b'{"a": 7}', "the document a has no text"),
        (apollo(operation("a", PAGE), operation("a", OTHER)), "the id a stands for two documents"),
    ],
)
def test_what_is_no_manifest_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    """Given another file, then the refusal says what is wrong with it."""
    with pytest.raises(MalformedManifest) as refused:
        read_manifest(content)
    assert str(refused.value).startswith(reason)


def test_documents_that_cannot_be_run_are_named() -> None:
    """Given documents with wrong syntax, unknown fields or too much in them, then each of those is a problem."""
    aliases = "{ " + " ".join(f"a{number}: __typename" for number in range(50)) + " }"
    documents = [document("good", PAGE), document("good-too", OTHER)]
    documents += [document("syntax", "{", "s"), document("field", "{ nothing }"), document("aliases", aliases)]
    assert [(one.id, one.name) for one in problems_of(documents, build_schema())] == [
        ("syntax", "s"),
        ("field", None),
        ("aliases", None),
    ]


@pytest.fixture
async def database(tmp_path: Path) -> SqliteDatabase:
    """A migrated file."""
    path = tmp_path / "documents.sqlite3"
    migrate_sqlite(path)
    return await SqliteDatabase.open(path, lock_timeout_ms=1000, read_connections=1)


async def test_documents_are_registered_listed_and_removed(database: SqliteDatabase) -> None:
    """Given documents, when they are registered twice, then they are kept once, found by id and digest, and can go."""

    async def texts(*keys: str) -> dict[str, str]:
        rows = await database.read(lambda: run(storage.document_texts, keys=list(keys)))
        return {row[0]: row[1] for row in rows}

    async def register(*documents: TrustedDocument) -> storage.Registration:
        return await database.write(partial(storage.register, documents, at=AT), keeps=lambda _: True)

    try:
        one, two = document("b", PAGE, "page"), document("a", OTHER)
        assert await register(one) == storage.Registration(added=1, known=0, conflicts=())
        assert await register(one, two) == storage.Registration(added=1, known=1, conflicts=())
        assert await texts("a", digest_of(PAGE), "c") == {"a": OTHER, digest_of(PAGE): PAGE}
        assert await register(document("new", PAGE), document("a", PAGE)) == storage.Registration(
            added=1, known=1, conflicts=("a",)
        )
        assert await texts("a", "new") == {"a": OTHER}
        listed = await database.read(lambda: storage.page(after="", limit=10))
        assert listed == [
            RegisteredDocument(id="a", sha256=digest_of(OTHER), name=None, characters=len(OTHER), registered_at=AT),
            RegisteredDocument(id="b", sha256=digest_of(PAGE), name="page", characters=len(PAGE), registered_at=AT),
        ]
        assert await database.read(lambda: storage.page(after="a", limit=1)) == listed[1:]
        assert await database.write(partial(storage.remove, ["a", "zzz"]), keeps=lambda _: True) == ["a"]
        assert await texts("a", "b") == {"b": PAGE}
    finally:
        await database.close()


class Store:
    """Documents that can be counted when they are read."""

    def __init__(self, **documents: str) -> None:
        self.documents = documents
        self.reads: list[list[str]] = []
        self.seconds = 0.0

    async def load(self, keys: Sequence[str]) -> list[str | None]:
        self.reads.append(list(keys))
        return [self.documents.get(key) for key in keys]

    def clock(self) -> float:
        return self.seconds


async def test_what_was_read_is_believed_for_a_while() -> None:
    """Given a document, or none, when it is asked for again, then it is read again only after some seconds."""
    store = Store(a=PAGE)
    documents = BelievedDocuments(store.load, clock=store.clock)
    assert [await documents.text(key) for key in ("a", "b", "a", "b")] == [PAGE, None, PAGE, None]
    assert store.reads == [["a"], ["b"]]
    store.documents = {"b": OTHER}
    store.seconds = BELIEVED_SECONDS
    assert [await documents.text(key) for key in ("a", "b")] == [None, OTHER]
    assert store.reads == [["a"], ["b"], ["a"], ["b"]]


async def test_what_is_believed_is_bounded() -> None:
    """Given a flood of made-up hashes, then only so many answers are remembered."""
    store = Store(a=PAGE)
    documents = BelievedDocuments(store.load, clock=store.clock)
    await documents.text("a")
    for number in range(REMEMBERED_MAX):
        await documents.text(f"made up {number}")
    await documents.text("a")
    assert [key for keys in store.reads for key in keys].count("a") == 2


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "partial[Result]":
    """The command line, on a database of its own."""
    monkeypatch.setenv("STOCKGATE_DATABASE_URL", f"{SQLITE_PREFIX}{tmp_path / 'cli.sqlite3'}")
    monkeypatch.setenv("COLUMNS", "200")
    migrate_sqlite(tmp_path / "cli.sqlite3")
    return partial(CliRunner().invoke, app)


def test_a_manifest_is_registered_from_the_command_line(command: "partial[Result]", tmp_path: Path) -> None:
    """Given a manifest, when it is registered, listed and removed, then each says what it did and exits as it went."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(apollo(operation("a", PAGE), operation("b", OTHER)))
    first = command(["documents", "register", str(manifest)])
    assert (first.exit_code, first.stderr) == (
        0,
        "2 documents registered, 0 there before. Gateways that run follow in seconds.\n",
    )
    assert "0 documents registered, 2 there before." in command(["documents", "register", str(manifest)]).stderr
    listed = command(["documents", "list"]).stderr
    assert [line.split()[1] for line in listed.splitlines() if " page " in line] == ["a", "b"]
    assert command(["documents", "remove", "a"]).exit_code == 0
    gone = command(["documents", "remove", "a", "b"])
    assert (gone.exit_code, gone.stderr) == (1, "1 document removed.\n✗ there is no document a\n")


@pytest.mark.parametrize(
    ("content", "exit_code", "words"),
    [
        (b"[]", 2, "is not a manifest: it is no JSON object"),
        (apollo(operation("a", PAGE), operation("b", "{ nothing }", "other")), 1, "✗ other: Cannot query field"),
    ],
)
def test_a_manifest_that_does_not_fit_registers_nothing(
    command: "partial[Result]", tmp_path: Path, content: bytes, exit_code: int, words: str
) -> None:
    """Given a file that is no manifest, or one with a bad document in it, then nothing is registered."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(content)
    result = command(["documents", "register", str(manifest)])
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert PAGE not in command(["documents", "list"]).stderr
    assert command(["documents", "remove", "a"]).exit_code == 1


def test_an_id_is_not_given_another_text(command: "partial[Result]", tmp_path: Path) -> None:
    """Given a registered id, when it comes with another text, then nothing of the manifest is registered."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(apollo(operation("a", PAGE)))
    assert command(["documents", "register", str(manifest)]).exit_code == 0
    manifest.write_bytes(apollo(operation("a", OTHER), operation("b", OTHER)))
    result = command(["documents", "register", str(manifest)])
    assert result.exit_code == 1
    assert "a is registered with another text; remove it first" in result.stderr
    assert command(["documents", "remove", "b"]).exit_code == 1


def test_a_file_that_is_not_there_is_said_so(command: "partial[Result]", tmp_path: Path) -> None:
    """Given no such file, then the command says so and exits with 2."""
    assert command(["documents", "register", str(tmp_path / "none.json")]).exit_code == 2

"""SQL of trusted documents; the one rule: an id, once registered, never comes to mean another text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, CompoundSelect, Delete, Select, Text, bindparam, delete, func, select, union_all
from sqlalchemy.sql.base import Executable

from app.storage.catalogue import lock_catalogue_alone
from app.storage.statements import Dialect, Script, run, run_if_any, statement
from app.storage.tables import trusted_documents
from app.storage.times import from_microseconds, to_microseconds

COLUMNS = ("id", "sha256", "name", "body", "registered_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedDocument:
    """A document that was registered under an id; `sha256` is the digest of its text, in hexadecimal."""

    id: str
    sha256: str
    name: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDocument:
    """A registered document as a list shows it."""

    id: str
    sha256: str
    name: str | None
    characters: int
    registered_at: datetime


@statement
def document_texts(sql: Dialect) -> CompoundSelect[*tuple[object, ...]]:
    """The texts of the documents whose id or digest is among `keys`, each behind its key."""
    wanted, table = sql.values("keys", Text), trusted_documents.c
    return union_all(
        select(table.id, table.body).where(table.id == wanted.c.value),
        select(table.sha256, table.body).where(table.sha256 == wanted.c.value),
    )


@statement
def document_page(_: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` documents behind the id `after`, in order, without their texts."""
    table = trusted_documents.c
    return (
        select(table.id, table.sha256, table.name, func.length(table.body), table.registered_at)
        .where(table.id > bindparam("after"))
        .order_by(table.id)
        .limit(bindparam("limit"))
    )


@statement
def digests_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The digests of the documents `ids`, each behind its id."""
    wanted, table = sql.values("ids", Text), trusted_documents.c
    return select(table.id, table.sha256).where(table.id == wanted.c.value)


@statement
def add_documents(sql: Dialect) -> Executable:
    """Register documents; those that are there stay as they are."""
    rows = sql.rows("rows", id=Text, sha256=Text, name=Text, body=Text, registered_at=BigInteger)
    return sql.insert_ignoring(trusted_documents, COLUMNS, rows)


@statement
def delete_documents(sql: Dialect) -> Delete:
    """Forget the documents `ids`."""
    wanted = sql.values("ids", Text)
    return delete(trusted_documents).where(trusted_documents.c.id.in_(select(wanted.c.value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What registering came to: how many were new, how many were there, and which ids mean another text already."""

    added: int
    known: int
    conflicts: tuple[str, ...]


def register(documents: Sequence[TrustedDocument], *, at: datetime) -> Script[Registration]:
    """Register all documents, or none when an id among them means another text already."""
    yield from run(lock_catalogue_alone)
    rows = yield from run(digests_by_id, ids=[one.id for one in documents])
    known = {row[0]: row[1] for row in rows}
    conflicts = tuple(one.id for one in documents if known.get(one.id, one.sha256) != one.sha256)
    if not conflicts:
        microseconds = to_microseconds(at)
        new = [(one.id, one.sha256, one.name, one.body, microseconds) for one in documents if one.id not in known]
        yield from run_if_any(add_documents, rows=new)
    return Registration(added=len(documents) - len(known), known=len(known), conflicts=conflicts)


def remove(ids: Sequence[str]) -> Script[list[str]]:
    """Forget documents; return the ids that were there."""
    rows = yield from run(digests_by_id, ids=list(ids))
    found = [row[0] for row in rows]
    yield from run_if_any(delete_documents, ids=found)
    return found


def page(*, after: str, limit: int) -> Script[list[RegisteredDocument]]:
    """List documents in order of their ids, after the given one."""
    rows = yield from run(document_page, after=after, limit=limit)
    return [
        RegisteredDocument(
            id=row[0], sha256=row[1], name=row[2], characters=row[3], registered_at=from_microseconds(row[4])
        )
        for row in rows
    ]

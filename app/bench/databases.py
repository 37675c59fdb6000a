"""The databases that a bench runs on: a file, a cluster of the bench's own, or one that the user names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.bench.postgres_server import DURABLE, PostgresServer

GATEWAY_DATABASE = "stockgate"


class DatabaseKind(StrEnum):
    """What the gateway keeps its truth in."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchDatabase:
    """The setting that names the database and, where it is ours, the server behind it."""

    url: str
    server: PostgresServer | None = None


@contextmanager
def bench_database(kind: DatabaseKind, directory: Path) -> Iterator[BenchDatabase]:
    """Yield an empty database, which is gone afterwards; every commit of it is synced to disk."""
    if kind is DatabaseKind.SQLITE:
        yield BenchDatabase(url=f"sqlite+aiosqlite:///{directory}/ledger.sqlite3")
        return
    with PostgresServer(settings=DURABLE, directory=directory) as server:
        server.execute(f"CREATE DATABASE {GATEWAY_DATABASE}")
        yield BenchDatabase(url=server.url(GATEWAY_DATABASE), server=server)

"""Bringing a database's tables up to date; the one rule: running it again changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.storage.postgres import dsn_of
from app.storage.revisions import CONNECT_SECONDS_MAX

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK: Final = 0x5706_C6A7_0002
"""The advisory lock of whoever migrates: any number that nothing else in the database locks."""
TURN_TIMEOUT: Final = "60s"
"""How long one process waits until another has migrated."""
TABLE_LOCK_TIMEOUT: Final = "2s"
"""How long a migration may keep everybody waiting who wants a table that a long query holds; it is run again."""


def migrate_sqlite(path: Path) -> tuple[str | None, str]:
    """Create the file if need be and apply what it lacks; return the revision before and after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin_for_writing)
    try:
        with engine.begin() as connection:
            return upgrade(connection)
    finally:
        engine.dispose()


async def migrate_postgres(url: str) -> tuple[str | None, str]:
    """Apply what the database lacks; return the revision before and after.

    Of many processes that start together one migrates, and the others find it done. Raises what SQLAlchemy raises, and
    OSError where nobody answers.
    """
    async with _connected(url) as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{TURN_TIMEOUT}'"))
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        await connection.execute(text(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}'"))
        return await connection.run_sync(upgrade)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    # The driver reads the address itself, here as everywhere, so that it means the same in both places.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(dsn_of(url), timeout=CONNECT_SECONDS_MAX),
    )
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Apply what the database lacks; return the revision before and after."""
    config = alembic_config()
    newest = ScriptDirectory.from_config(config).get_current_head()
    before = MigrationContext.configure(connection).get_current_revision()
    if newest is None:
        raise RuntimeError("the migrations are missing from this installation")
    if before != newest:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, newest


def alembic_config() -> Config:
    """Return the configuration that Alembic needs; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions on its own, too late to cover the statements that create tables.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_for_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")

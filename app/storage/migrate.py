"""Bringing a database's tables up to date; the one rule: running it again changes nothing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

MIGRATIONS = Path(__file__).parent / "migrations"


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

"""Migrations; the one rule: what they make of nothing is what the tables say, and a second run changes nothing."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from app.storage.migrate import alembic_config, migrate_sqlite
from app.storage.revisions import NEWEST
from app.storage.tables import metadata
from tests.app.databases import SqliteStore

PROGRAMS = 4


def newest() -> str:
    """Return the last revision."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None
    return head


def definitions(path: Path) -> dict[str, list[str]]:
    """Return the text of each table and index, but for the one that counts migrations, in sorted parts.

    The order of columns is for `columns` to compare; that of constraints means nothing.
    """
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE tbl_name != 'alembic_version'").fetchall()
    return {name: sorted(parts(sql or "")) for name, sql in rows}


def parts(sql: str) -> list[str]:
    """Return what stands before, between and behind the outermost parentheses, split at their commas."""
    found, depth = [""], 0
    for character in " ".join(sql.split()):
        depth += {"(": 1, ")": -1}.get(character, 0)
        ends_part = (character, depth) in {("(", 1), (",", 1), (")", 0)}
        found[-1] += "" if ends_part else character
        if ends_part:
            found.append("")
    return [part.strip() for part in found]


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return name, type, nullability, default and key place of each table's columns."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: connection.execute(f"PRAGMA table_info({table.name})").fetchall()
            for table in metadata.sorted_tables
        }


def connected(path: Path, do: Callable[[Connection], None]) -> None:
    """Run something on a connection of SQLAlchemy's, in one transaction."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    try:
        with engine.begin() as connection:
            do(connection)
    finally:
        engine.dispose()


def downgrade(connection: Connection) -> None:
    """Take every migration back."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


def test_the_revision_that_starts_look_for_is_the_last_migration() -> None:
    assert newest() == NEWEST


def test_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    migrated, created = tmp_path / "migrated.sqlite3", tmp_path / "created.sqlite3"
    migrate_sqlite(migrated)
    connected(created, metadata.create_all)
    assert definitions(migrated) == definitions(created)
    assert columns(migrated) == columns(created)


def test_parts_of_a_definition_keep_what_belongs_together() -> None:
    sql = "CREATE TABLE a (\n\tb INTEGER, \n\tCHECK (b IN (1, 2))\n) WITHOUT ROWID"
    assert parts(sql) == ["CREATE TABLE a", "b INTEGER", "CHECK (b IN (1, 2))", "WITHOUT ROWID"]


def test_autogeneration_finds_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "migrated.sqlite3"
    migrate_sqlite(path)
    found: list[object] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found.extend(compare_metadata(context, metadata))

    connected(path, compare)
    assert found == []


async def test_a_new_database_begins_at_position_zero_and_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "directory" / "stock.sqlite3"
    assert migrate_sqlite(path) == (None, newest())
    dump = await SqliteStore(path=path).dump()
    assert dump == {table: [(1, 0)] if table == "feed_head" else [] for table in dump}


async def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    migrate_sqlite(path)
    store = SqliteStore(path=path)
    await store.change("UPDATE feed_head SET position = 41")
    before = path.read_bytes(), definitions(path), await store.dump()
    assert migrate_sqlite(path) == (newest(), newest())
    assert (path.read_bytes(), definitions(path), await store.dump()) == before


def test_what_is_taken_back_can_be_applied_again(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    migrate_sqlite(path)
    before = definitions(path)
    connected(path, downgrade)
    assert definitions(path) == {}
    assert migrate_sqlite(path) == (None, newest())
    assert definitions(path) == before


def test_a_migrated_database_is_a_write_ahead_one(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    migrate_sqlite(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_programs_that_migrate_at_once_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    with ThreadPoolExecutor(PROGRAMS) as pool:
        found = list(pool.map(migrate_sqlite, [path] * PROGRAMS))
    assert sorted(found, key=str) == sorted([(None, newest()), *[(newest(), newest())] * (PROGRAMS - 1)], key=str)


async def test_a_database_of_a_later_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    migrate_sqlite(path)
    store = SqliteStore(path=path)
    await store.change("UPDATE alembic_version SET version_num = '9999'")
    before = definitions(path), await store.dump()
    with pytest.raises(CommandError, match="9999"):
        migrate_sqlite(path)
    assert (definitions(path), await store.dump()) == before


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "stock.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stock_levels (unrelated TEXT)")
    with pytest.raises(Exception, match="stock_levels"):
        migrate_sqlite(path)
    assert list(definitions(path)) == ["stock_levels"]


def test_every_migration_follows_the_one_before_it_by_number() -> None:
    revisions = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())
    assert [one.revision for one in reversed(revisions)] == [f"{number:04d}" for number in range(1, len(revisions) + 1)]

"""Which revision a database has, told without Alembic; the rule: a database that is up to date costs one question.

Alembic is a quarter of a second of imports, which a gateway that starts again after a fall has no need of.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import asyncpg

from app.storage.postgres import dsn_of

NEWEST: Final = "0006"
"""The revision that this version of the product works with; a test holds it to the migrations."""
CONNECT_SECONDS_MAX: Final = 5.0
REVISION: Final = "SELECT version_num FROM alembic_version"


def revision_of_sqlite(path: Path) -> str | None:
    """Return a file's revision; None where it is not there, is none of ours, or cannot be read now."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(path)) as connection:
            row = connection.execute(REVISION).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


async def revision_of_postgres(url: str) -> str | None:
    """Return the database's revision; None where there is none of ours. Raises PostgresError, OSError, TimeoutError."""
    connection = await asyncpg.connect(dsn_of(url), timeout=CONNECT_SECONDS_MAX)
    try:
        revision = await connection.fetchval(REVISION, timeout=CONNECT_SECONDS_MAX)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close(timeout=CONNECT_SECONDS_MAX)
    return None if revision is None else str(revision)

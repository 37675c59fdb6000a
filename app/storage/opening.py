"""Which database the settings name, and how it is opened; the one rule: nothing else asks what kind it is."""

import asyncio
import logging
from dataclasses import replace
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from app.settings import Settings
from app.storage.database import Database, SqliteDatabase
from app.storage.postgres_database import PostgresDatabase, PostgresOptions, is_passing
from app.storage.revisions import NEWEST, revision_of_postgres, revision_of_sqlite

logger = logging.getLogger("stockgate")

PAUSE_SECONDS: Final = 0.25
LINES_APART_SECONDS: Final = 10.0
"""While the database is waited for, the log says so this often."""
NO_SUCH_DATABASE: Final = "3D000"


class UnusableDatabase(Exception):
    """The database cannot be used, and trying again would not help; the text is half a sentence that says why."""


async def open_database(settings: Settings, *, read_connections: int | None = None) -> Database:
    """Open a migrated database."""
    connections = settings.read_connections if read_connections is None else read_connections
    if settings.is_sqlite:
        return await SqliteDatabase.open(
            settings.sqlite_path, lock_timeout_ms=settings.lock_timeout_ms, read_connections=connections
        )
    return await PostgresDatabase.open(settings.database_url, options_of(settings, read_connections=connections))


async def open_replica(settings: Settings, *, read_connections: int) -> Database:
    """Open the replica that the settings name, to be read only; it need not be up yet.

    It is given half the time that a read has, so that the database itself can still be asked.
    """
    options = replace(
        options_of(settings, read_connections=read_connections), read_deadline_ms=settings.read_deadline_ms // 2 or 1
    )
    return await PostgresDatabase.open(settings.read_database_url or "", options)


def options_of(settings: Settings, *, read_connections: int) -> PostgresOptions:
    """Return how a gateway uses a PostgreSQL server."""
    return PostgresOptions(
        lock_timeout_ms=settings.lock_timeout_ms,
        read_deadline_ms=settings.read_deadline_ms,
        read_connections=read_connections,
    )


async def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the tables up to date; return the revision before and after.

    Raises what the driver raises, SQLAlchemyError, or OSError where nobody answers.
    """
    if await _revision(settings) == NEWEST:
        return NEWEST, NEWEST
    from app.storage.migrate import migrate_postgres, migrate_sqlite  # noqa: PLC0415  # a start with nothing to do is not to wait for Alembic

    if settings.is_sqlite:
        return await asyncio.to_thread(migrate_sqlite, settings.sqlite_path)
    return await migrate_postgres(settings.database_url)


async def migrate_once_it_is_up(settings: Settings) -> tuple[str | None, str]:
    """Bring the tables up to date as `migrate` does, however long it takes to come up. Raises UnusableDatabase."""
    if settings.is_sqlite:
        return await migrate(settings)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    said_at: float | None = None
    while True:
        try:
            revisions = await migrate(settings)
        except Exception as error:
            cause = cause_of(error)
            if not is_passing(cause):
                raise UnusableDatabase(f"{settings.database_name}: {cause}") from error
            if said_at is None or loop.time() - said_at >= LINES_APART_SECONDS:
                logger.warning("waiting for the database %s: %s", settings.database_name, described(cause))
                said_at = loop.time()
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            if said_at is not None:
                logger.warning("the database %s is there after %.1f s", settings.database_name, loop.time() - began_at)
            return revisions


async def is_there(settings: Settings) -> bool:
    """Return whether there is a database of ours, of whatever revision. Raises as `migrate` does."""
    if settings.is_sqlite:
        return settings.sqlite_path.exists()
    try:
        return await _revision(settings) is not None
    except Exception as error:
        if getattr(cause_of(error), "sqlstate", None) == NO_SUCH_DATABASE:
            return False
        raise


async def _revision(settings: Settings) -> str | None:
    if settings.is_sqlite:
        return await asyncio.to_thread(revision_of_sqlite, settings.sqlite_path)
    return await revision_of_postgres(settings.database_url)


def cause_of(error: BaseException) -> BaseException:
    """Return what the driver or the system said behind what SQLAlchemy made of it."""
    while isinstance(error, DBAPIError) or not isinstance(error, asyncpg.PostgresError | OSError | TimeoutError):
        inner = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error.__cause__
        if inner is None:
            return error
        error = inner
    return error


def described(error: BaseException) -> str:
    """Return what went wrong in a few words; some errors have none of their own."""
    return str(error) or type(error).__name__

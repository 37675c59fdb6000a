"""Runs migrations on the connection that `app.storage.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection

from app.storage.tables import metadata


def run_migrations(connection: Connection) -> None:
    """Bring the tables up to date in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run_migrations(context.config.attributes["connection"])

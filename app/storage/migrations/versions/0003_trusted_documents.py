"""Trusted documents: what clients may run where only registered documents are run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def short_code(length: int) -> sa.String:
    """Return the type of a code: it sorts by code point, whatever the server's locale."""
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table of trusted documents."""
    op.create_table(
        "trusted_documents",
        sa.Column("id", short_code(255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusted_documents")),
    )
    op.create_index(op.f("ix_trusted_documents_sha256"), "trusted_documents", ["sha256"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("trusted_documents")

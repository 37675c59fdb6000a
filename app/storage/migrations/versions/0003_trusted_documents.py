"""Trusted documents: what clients may run where only registered documents are run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of trusted documents."""
    op.create_table(
        "trusted_documents",
        sa.Column("id", sa.String(length=255), nullable=False),
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

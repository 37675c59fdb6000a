"""Accounts and their API keys; a gateway is open to its own machine for as long as there has never been a key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def short_code(length: int) -> sa.String:
    """Return the type of a code: it sorts by code point, whatever the server's locale."""
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables of accounts and API keys."""
    op.create_table(
        "accounts",
        sa.Column("code", short_code(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("channels", sa.Text(), nullable=True),
        sa.Column("locations", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_accounts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", short_code(32), nullable=False),
        sa.Column("account_code", short_code(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("channels", sa.Text(), nullable=True),
        sa.Column("locations", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("replaced_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["account_code"], ["accounts.code"], name=op.f("fk_api_keys_account_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_api_keys_account_code_id"), "api_keys", ["account_code", "id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("api_keys")
    op.drop_table("accounts")

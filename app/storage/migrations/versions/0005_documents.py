"""Documents: reservations, orders' allocations, shipments, what they hold, and the postings that they caused.

Columns are added with constant defaults, so that no table is written anew and no lock is held for longer than a moment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CODE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROOM_TO_CHANGE = {"fillfactor": "50"}


def short_code(length: int) -> sa.String:
    """Return the type of a code: it sorts by code point, whatever the server's locale."""
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the documents' tables, and add what keys, channels and locations say of them."""
    op.create_table(
        "reservations",
        sa.Column("id", short_code(32), nullable=False),
        sa.Column("account_id", short_code(64), nullable=False),
        sa.Column("channel_code", CODE, nullable=True),
        sa.Column("external_reference", CODE, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("order_id", CODE, nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sqlite_with_rowid=False,
        postgresql_with=ROOM_TO_CHANGE,
    )
    op.create_index(op.f("ix_reservations_external_reference"), "reservations", ["external_reference"])
    op.create_index(
        "ix_reservations_expires_at_active",
        "reservations",
        ["expires_at"],
        sqlite_where=sa.text("state = 'ACTIVE'"),
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "allocations",
        sa.Column("id", short_code(32), nullable=False),
        sa.Column("channel_code", CODE, nullable=False),
        sa.Column("order_id", CODE, nullable=False),
        sa.Column("account_id", short_code(64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocations")),
        sa.UniqueConstraint("channel_code", "order_id", name=op.f("uq_allocations_channel_code_order_id")),
        sqlite_with_rowid=False,
        postgresql_with=ROOM_TO_CHANGE,
    )
    op.create_index(op.f("ix_allocations_order_id"), "allocations", ["order_id"])
    op.create_table(
        "shipments",
        sa.Column("id", short_code(32), nullable=False),
        sa.Column("channel_code", CODE, nullable=False),
        sa.Column("order_id", CODE, nullable=False),
        sa.Column("external_id", CODE, nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("shipped_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_shipments_channel_code_order_id"), "shipments", ["channel_code", "order_id"])
    op.create_table(
        "holds",
        sa.Column("document_id", short_code(32), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_holds_quantity")),
        sa.PrimaryKeyConstraint("document_id", "item_id", "location_id", name=op.f("pk_holds")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_holds_item_id_location_id"), "holds", ["item_id", "location_id"])
    op.create_table(
        "postings",
        sa.Column("id", short_code(32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("document_id", short_code(32), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", short_code(64), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("source_channel", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postings")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_postings_document_id"), "postings", ["document_id"])
    op.add_column("idempotency_keys", sa.Column("document_id", sa.String(length=32), nullable=True))
    op.add_column(
        "channels", sa.Column("sourcing", sa.String(length=16), nullable=False, server_default=sa.text("'PRIORITY'"))
    )
    for name, default in (("reservation_ttl_seconds", "900"), ("reservation_ttl_seconds_max", "86400")):
        op.add_column("channels", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(default)))
    op.add_column("locations", sa.Column("region", CODE, nullable=True))
    op.add_column("locations", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("100")))


def downgrade() -> None:
    """Drop the tables and columns."""
    for table, column in (
        ("locations", "priority"),
        ("locations", "region"),
        ("channels", "reservation_ttl_seconds_max"),
        ("channels", "reservation_ttl_seconds"),
        ("channels", "sourcing"),
        ("idempotency_keys", "document_id"),
    ):
        op.drop_column(table, column)
    for table in ("postings", "holds", "shipments", "allocations", "reservations"):
        op.drop_table(table)

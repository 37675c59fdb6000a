"""The ledger: catalogue, levels, movements, idempotency keys, conflicts, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CODE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def short_code(length: int) -> sa.String:
    """Return the type of a code: it sorts by code point, whatever the server's locale."""
    return sa.String(length=length).with_variant(sa.String(length=length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and the head of the event log at position 0."""
    op.create_table(
        "channels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", CODE, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("code", name=op.f("uq_channels_code")),
    )
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("sku", CODE, nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
    )
    op.create_table(
        "feed_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_head_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_head")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", short_code(64), nullable=False),
        sa.Column("key", CODE, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("adjustment_id", sa.String(length=32), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sku", CODE, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("product_code", CODE, nullable=True),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("is_backorderable", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("sku", name=op.f("uq_items_sku")),
    )
    op.create_index(op.f("ix_items_product_code"), "items", ["product_code"], unique=False)
    op.create_table(
        "locations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", CODE, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("country_code", sa.String(length=2), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
        sa.UniqueConstraint("code", name=op.f("uq_locations_code")),
    )
    op.create_table(
        "adjustments",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("source_channel", sa.Text(), nullable=True),
        sa.Column("reference_document_uri", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_adjustments_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conflicts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("unbacked", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_conflicts_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_conflicts_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicts")),
    )
    op.create_index(
        "uq_conflicts_open_per_level",
        "conflicts",
        ["item_id", "location_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "listings",
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("external_key", sa.Text(), nullable=True),
        sa.Column("buffer", sa.Integer(), nullable=False),
        sa.Column("minimum_exposure", sa.Integer(), nullable=False),
        sa.Column("maximum_exposure", sa.Integer(), nullable=True),
        sa.Column("pool", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("buffer >= 0 AND minimum_exposure >= 0 AND pool >= 0", name=op.f("ck_listings_numbers")),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_listings_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_listings_item_id")),
        sa.PrimaryKeyConstraint("item_id", "channel_id", name=op.f("pk_listings")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_listings_channel_id"), "listings", ["channel_id"], unique=False)
    op.create_table(
        "location_channels",
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name=op.f("fk_location_channels_channel_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_location_channels_location_id")),
        sa.PrimaryKeyConstraint("location_id", "channel_id", name=op.f("pk_location_channels")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_location_channels_channel_id"), "location_channels", ["channel_id"], unique=False)
    op.create_table(
        "movements",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("adjustment_id", sa.String(length=32), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.String(length=16), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.Column("balance_after", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_movements_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_movements_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movements")),
        sa.UniqueConstraint(
            "adjustment_id",
            "location_id",
            "bucket",
            name=op.f("uq_movements_adjustment_id_location_id_bucket"),
        ),
    )
    op.create_index(op.f("ix_movements_item_id_id"), "movements", ["item_id", "id"], unique=False)
    op.create_table(
        "stock_levels",
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("allocated", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("safety_stock", sa.Integer(), nullable=False),
        sa.Column("incoming", sa.Integer(), nullable=False),
        sa.Column("in_transit", sa.Integer(), nullable=False),
        sa.Column("backordered", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("conflict_id", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("allocated BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_allocated")),
        sa.CheckConstraint("backordered BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_backordered")),
        sa.CheckConstraint("damaged BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_damaged")),
        sa.CheckConstraint("in_transit BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_in_transit")),
        sa.CheckConstraint("incoming BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_incoming")),
        sa.CheckConstraint("on_hand BETWEEN -10000000 AND 10000000", name=op.f("ck_stock_levels_on_hand")),
        sa.CheckConstraint("quarantined BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_quarantined")),
        sa.CheckConstraint("reserved BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_reserved")),
        sa.CheckConstraint("safety_stock BETWEEN 0 AND 10000000", name=op.f("ck_stock_levels_safety_stock")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stock_levels_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name=op.f("fk_stock_levels_location_id")),
        sa.PrimaryKeyConstraint("item_id", "location_id", name=op.f("pk_stock_levels")),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        op.f("ix_stock_levels_location_id_item_id"), "stock_levels", ["location_id", "item_id"], unique=False
    )
    op.execute("INSERT INTO feed_head (id, position) VALUES (1, 0)")


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_stock_levels_location_id_item_id"), table_name="stock_levels")
    op.drop_table("stock_levels")
    op.drop_index(op.f("ix_movements_item_id_id"), table_name="movements")
    op.drop_table("movements")
    op.drop_index(op.f("ix_location_channels_channel_id"), table_name="location_channels")
    op.drop_table("location_channels")
    op.drop_index(op.f("ix_listings_channel_id"), table_name="listings")
    op.drop_table("listings")
    op.drop_index(
        "uq_conflicts_open_per_level",
        table_name="conflicts",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_table("conflicts")
    op.drop_table("adjustments")
    op.drop_table("locations")
    op.drop_index(op.f("ix_items_product_code"), table_name="items")
    op.drop_table("items")
    op.drop_table("idempotency_keys")
    op.drop_table("feed_head")
    op.drop_table("events")
    op.drop_table("channels")

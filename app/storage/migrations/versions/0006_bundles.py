"""Bundles: what an item is made of, and which bundles a component is part of.

The column has no default, so that no table is written anew and no lock is held for longer than a moment.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of parts, and let items say what they are made of."""
    op.add_column("items", sa.Column("composition", sa.Text(), nullable=True))
    op.create_table(
        "bundle_parts",
        sa.Column("bundle_item_id", sa.BigInteger(), nullable=False),
        sa.Column("part_item_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("is_direct", sa.Boolean(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_bundle_parts_quantity")),
        sa.ForeignKeyConstraint(["bundle_item_id"], ["items.id"], name=op.f("fk_bundle_parts_bundle_item_id")),
        sa.ForeignKeyConstraint(["part_item_id"], ["items.id"], name=op.f("fk_bundle_parts_part_item_id")),
        sa.PrimaryKeyConstraint("bundle_item_id", "part_item_id", name=op.f("pk_bundle_parts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_bundle_parts_part_item_id"), "bundle_parts", ["part_item_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("bundle_parts")
    op.drop_column("items", "composition")

"""The tables; the one rule: they say the same on SQLite and PostgreSQL, so every type is one that both keep alike.

Times are whole microseconds since 1970 (UTC) and identifiers are text, because the writer talks to the drivers
directly, past SQLAlchemy's type conversion. Check constraints and unique indexes are the last fence behind the
decider, not the first.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from domain.levels import BALANCE_MAX

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers a table's rows by itself only when the key is called INTEGER, which there holds 64 bits too.
RowId = BigInteger().with_variant(Integer(), "sqlite")
# Codes sort by code point on SQLite, so they do on PostgreSQL, whatever its locale: pages and locks go by their order.
Code = Text().with_variant(Text(collation="C"), "postgresql")


# PostgreSQL keeps a row's new version beside the old one, and its indexes as they are, while the page has room.
ROOM_TO_CHANGE = {"fillfactor": "50"}


def _short_code(length: int) -> String:
    """Return the type of a code of at most `length` characters."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _times() -> tuple[Column[int], ...]:
    return (
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        Column("archived_at", BigInteger),
    )


items = Table(
    "items",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("sku", Code, nullable=False),
    Column("name", Text),
    Column("product_code", Code),
    Column("attributes", Text, nullable=False),
    Column("identifiers", Text, nullable=False),
    Column("is_backorderable", Boolean, nullable=False),
    *_times(),
    Column("composition", Text),
    UniqueConstraint("sku"),
    Index(None, "product_code"),
)

# What a bundle is made of, so that it can be found by its parts: a row for each item that it takes from stock in the
# end (`quantity` is not 0), and for each component that it names.
bundle_parts = Table(
    "bundle_parts",
    metadata,
    Column("bundle_item_id", BigInteger, ForeignKey("items.id"), primary_key=True),
    Column("part_item_id", BigInteger, ForeignKey("items.id"), primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("is_direct", Boolean, nullable=False),
    CheckConstraint("quantity >= 0", name="quantity"),
    Index(None, "part_item_id"),
    sqlite_with_rowid=False,
)

locations = Table(
    "locations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("code", Code, nullable=False),
    Column("name", Text),
    Column("kind", String(32), nullable=False),
    Column("country_code", String(2)),
    *_times(),
    Column("region", Code),
    Column("priority", Integer, nullable=False, server_default=text("100")),
    UniqueConstraint("code"),
)

channels = Table(
    "channels",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("code", Code, nullable=False),
    Column("name", Text),
    *_times(),
    Column("sourcing", String(16), nullable=False, server_default=text("'PRIORITY'")),
    Column("reservation_ttl_seconds", Integer, nullable=False, server_default=text("900")),
    Column("reservation_ttl_seconds_max", Integer, nullable=False, server_default=text("86400")),
    UniqueConstraint("code"),
)

location_channels = Table(
    "location_channels",
    metadata,
    Column("location_id", BigInteger, ForeignKey("locations.id"), primary_key=True),
    Column("channel_id", BigInteger, ForeignKey("channels.id"), primary_key=True),
    Index(None, "channel_id"),
    sqlite_with_rowid=False,
)

listings = Table(
    "listings",
    metadata,
    Column("item_id", BigInteger, ForeignKey("items.id"), primary_key=True),
    Column("channel_id", BigInteger, ForeignKey("channels.id"), primary_key=True),
    Column("external_key", Text),
    Column("buffer", Integer, nullable=False),
    Column("minimum_exposure", Integer, nullable=False),
    Column("maximum_exposure", Integer),
    Column("pool", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "channel_id"),
    CheckConstraint("buffer >= 0 AND minimum_exposure >= 0 AND pool >= 0", name="numbers"),
    sqlite_with_rowid=False,
)

PART_COUNTERS = (
    "reserved",
    "allocated",
    "quarantined",
    "damaged",
    "safety_stock",
    "incoming",
    "in_transit",
    "backordered",
)
COUNTERS = ("on_hand", *PART_COUNTERS)

stock_levels = Table(
    "stock_levels",
    metadata,
    Column("item_id", BigInteger, ForeignKey("items.id"), primary_key=True),
    Column("location_id", BigInteger, ForeignKey("locations.id"), primary_key=True),
    *(Column(counter, Integer, nullable=False) for counter in COUNTERS),
    Column("is_active", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("conflict_id", String(32)),
    Column("updated_at", BigInteger, nullable=False),
    CheckConstraint(f"on_hand BETWEEN {-BALANCE_MAX} AND {BALANCE_MAX}", name="on_hand"),
    *(CheckConstraint(f"{counter} BETWEEN 0 AND {BALANCE_MAX}", name=counter) for counter in PART_COUNTERS),
    Index(None, "location_id", "item_id"),
    sqlite_with_rowid=False,
    postgresql_with=ROOM_TO_CHANGE,
)

adjustments = Table(
    "adjustments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("item_id", BigInteger, ForeignKey("items.id"), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("source_channel", Text),
    Column("reference_document_uri", Text),
    Column("correlation_id", Text),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("recorded_by", Text, nullable=False),
    sqlite_with_rowid=False,
)

movements = Table(
    "movements",
    metadata,
    Column("id", RowId, primary_key=True),
    # The cause, an adjustment or a posting. No foreign key: movements are written before either, which waits for its
    # position.
    Column("adjustment_id", String(32), nullable=False),
    Column("item_id", BigInteger, ForeignKey("items.id"), nullable=False),
    Column("location_id", BigInteger, ForeignKey("locations.id"), nullable=False),
    Column("bucket", String(16), nullable=False),
    Column("delta", Integer, nullable=False),
    Column("balance_after", Integer, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    UniqueConstraint("adjustment_id", "location_id", "bucket"),
    Index(None, "item_id", "id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", _short_code(64), primary_key=True),
    Column("key", Code, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("adjustment_id", String(32)),
    Column("recorded_at", BigInteger, nullable=False),
    Column("document_id", String(32)),
    sqlite_with_rowid=False,
)

IS_ACTIVE = text("state = 'ACTIVE'")
"""Of reservations; written out, because a bound value finds no partial index."""

# Documents and what belongs to them have no foreign keys to the catalogue, whose rows never go: checking them costs
# PostgreSQL as much as writing the rows. The audit compares documents, holds and levels.
reservations = Table(
    "reservations",
    metadata,
    Column("id", _short_code(32), primary_key=True),
    Column("account_id", _short_code(64), nullable=False),
    Column("channel_code", Code),
    Column("external_reference", Code),
    Column("state", String(16), nullable=False),
    Column("order_id", Code),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index(None, "external_reference"),
    Index("ix_reservations_expires_at_active", "expires_at", sqlite_where=IS_ACTIVE, postgresql_where=IS_ACTIVE),
    sqlite_with_rowid=False,
    postgresql_with=ROOM_TO_CHANGE,
)

allocations = Table(
    "allocations",
    metadata,
    Column("id", _short_code(32), primary_key=True),
    # Empty for orders of no channel: null would be unlike itself.
    Column("channel_code", Code, nullable=False),
    Column("order_id", Code, nullable=False),
    Column("account_id", _short_code(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("channel_code", "order_id"),
    Index(None, "order_id"),
    sqlite_with_rowid=False,
    postgresql_with=ROOM_TO_CHANGE,
)

shipments = Table(
    "shipments",
    metadata,
    Column("id", _short_code(32), primary_key=True),
    Column("channel_code", Code, nullable=False),
    Column("order_id", Code, nullable=False),
    Column("external_id", Code),
    Column("data", Text, nullable=False),
    Column("shipped_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index(None, "channel_code", "order_id"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("document_id", _short_code(32), primary_key=True),
    Column("item_id", BigInteger, primary_key=True, autoincrement=False),
    Column("location_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("quantity", Integer, nullable=False),
    CheckConstraint("quantity > 0", name="quantity"),
    Index(None, "item_id", "location_id"),
    sqlite_with_rowid=False,
)

postings = Table(
    "postings",
    metadata,
    Column("id", _short_code(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("cause", String(32), nullable=False),
    Column("document_id", _short_code(32), nullable=False),
    Column("item_id", BigInteger, nullable=False),
    Column("account_id", _short_code(64), nullable=False),
    Column("idempotency_key", Text),
    Column("source_channel", Text),
    Column("correlation_id", Text),
    Column("recorded_at", BigInteger, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Index(None, "document_id"),
    sqlite_with_rowid=False,
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("item_id", BigInteger, ForeignKey("items.id"), nullable=False),
    Column("location_id", BigInteger, ForeignKey("locations.id"), nullable=False),
    Column("unbacked", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Index(
        "uq_conflicts_open_per_level",
        "item_id",
        "location_id",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(64), nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("sku", Code),
    Column("data", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
)

feed_head = Table(
    "feed_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single_row"),
    postgresql_with=ROOM_TO_CHANGE,
)

accounts = Table(
    "accounts",
    metadata,
    Column("code", _short_code(64), primary_key=True),
    Column("name", Text),
    Column("role", String(16), nullable=False),
    # Scopes are JSON arrays of codes; null stands for everything, what is yet to come included.
    Column("channels", Text),
    Column("locations", Text),
    *_times(),
    sqlite_with_rowid=False,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _short_code(32), primary_key=True),
    Column("account_code", _short_code(64), ForeignKey("accounts.code"), nullable=False),
    Column("name", Text),
    Column("digest", String(64), nullable=False),
    Column("channels", Text),
    Column("locations", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("replaced_by", String(32)),
    Index(None, "account_code", "id"),
    sqlite_with_rowid=False,
)

trusted_documents = Table(
    "trusted_documents",
    metadata,
    Column("id", _short_code(255), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("name", Text),
    Column("body", Text, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Index(None, "sha256"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

"""SQL of the catalogue: items, locations, channels, listings; the one rule: rows become records here and only here."""

from collections.abc import Iterable, Sequence

import orjson
from sqlalchemy import BigInteger, Boolean, ColumnElement, Integer, Select, Text, and_, delete, insert, select, true
from sqlalchemy.sql.base import Executable

from app.storage.record_codec import decode_record, encode_record
from app.storage.statements import Dialect, Row, Script, run, run_if_any, statement
from app.storage.tables import channels, items, listings, location_channels, locations
from app.storage.times import (
    from_microseconds,
    from_microseconds_or_none,
    to_microseconds,
    to_microseconds_or_none,
)
from domain.compositions import Composition
from domain.promises import SourcingStrategy
from domain.records import Attribute, Channel, Identifier, Item, Listing, Location, LocationKind

ITEM_COLUMNS: tuple[ColumnElement[object], ...] = tuple(items.c)
LOCATION_COLUMNS: tuple[ColumnElement[object], ...] = tuple(locations.c)
CHANNEL_COLUMNS: tuple[ColumnElement[object], ...] = tuple(channels.c)
LISTING_NUMBERS: tuple[ColumnElement[object], ...] = tuple(listings.c)[2:]


@statement
def lock_catalogue_alone(sql: Dialect) -> Executable:
    """Wait until nobody else changes the catalogue or counts on it, and let nobody until the transaction ends."""
    return sql.lock_catalogue(is_shared=False)


@statement
def lock_catalogue_shared(sql: Dialect) -> Executable:
    """Wait until nobody changes the catalogue, and let nobody until the transaction ends."""
    return sql.lock_catalogue(is_shared=True)


@statement
def items_by_sku(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Items whose SKU is among `skus`, archived ones too."""
    wanted = sql.values("skus", Text)
    return select(*ITEM_COLUMNS).where(items.c.sku == wanted.c.value)


@statement
def locations_by_code(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Locations whose code is among `codes`, archived ones too."""
    wanted = sql.values("codes", Text)
    return select(*LOCATION_COLUMNS).where(locations.c.code == wanted.c.value)


@statement
def channels_by_code(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Channels whose code is among `codes`, archived ones too."""
    wanted = sql.values("codes", Text)
    return select(*CHANNEL_COLUMNS).where(channels.c.code == wanted.c.value)


@statement
def channels_by_location(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The channels in use that each of the locations `codes` serves, each behind its location's code."""
    wanted = sql.values("codes", Text)
    return (
        select(locations.c.code, *CHANNEL_COLUMNS)
        .select_from(locations.join(location_channels).join(channels))
        .where(locations.c.code == wanted.c.value, channels.c.archived_at.is_(None))
        .order_by(channels.c.code)
    )


@statement
def channel_codes_by_location(sql: Dialect) -> Select[*tuple[object, ...]]:
    """The codes of all channels, archived ones too, that each of the locations `codes` serves, behind its code."""
    wanted = sql.values("codes", Text)
    return select(locations.c.code, channels.c.code.label("channel_code")).select_from(
        wanted.join(locations, locations.c.code == wanted.c.value).join(location_channels).join(channels)
    )


@statement
def listings_by_key(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Listings whose (SKU, channel code) is among `keys`."""
    wanted = sql.rows("keys", sku=Text, channel=Text)
    source = (
        wanted.join(items, items.c.sku == wanted.c.sku)
        .join(channels, channels.c.code == wanted.c.channel)
        .join(listings, and_(listings.c.item_id == items.c.id, listings.c.channel_id == channels.c.id))
    )
    return select(items.c.sku, channels.c.code, *LISTING_NUMBERS).select_from(source)


@statement
def listings_by_sku(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Listings of the items `skus` on channels in use."""
    wanted = sql.values("skus", Text)
    return (
        select(items.c.sku, channels.c.code, *LISTING_NUMBERS)
        .select_from(listings.join(items).join(channels))
        .where(items.c.sku == wanted.c.value, channels.c.archived_at.is_(None))
        .order_by(channels.c.code)
    )


@statement
def put_items(sql: Dialect) -> Executable:
    """Create or change items."""
    rows = sql.rows(
        "rows",
        sku=Text,
        name=Text,
        product_code=Text,
        attributes=Text,
        identifiers=Text,
        is_backorderable=Boolean,
        created_at=BigInteger,
        updated_at=BigInteger,
        archived_at=BigInteger,
        composition=Text,
    )
    return sql.insert_or_update(items, [c.name for c in items.c if c.name != "id"], rows, key=["sku"])


@statement
def put_locations(sql: Dialect) -> Executable:
    """Create or change locations."""
    rows = sql.rows(
        "rows",
        code=Text,
        name=Text,
        kind=Text,
        country_code=Text,
        created_at=BigInteger,
        updated_at=BigInteger,
        archived_at=BigInteger,
        region=Text,
        priority=Integer,
    )
    return sql.insert_or_update(locations, [c.name for c in locations.c if c.name != "id"], rows, key=["code"])


@statement
def put_channels(sql: Dialect) -> Executable:
    """Create or change channels."""
    rows = sql.rows(
        "rows",
        code=Text,
        name=Text,
        created_at=BigInteger,
        updated_at=BigInteger,
        archived_at=BigInteger,
        sourcing=Text,
        reservation_ttl_seconds=Integer,
        reservation_ttl_seconds_max=Integer,
    )
    return sql.insert_or_update(channels, [c.name for c in channels.c if c.name != "id"], rows, key=["code"])


@statement
def forget_channels_served(sql: Dialect) -> Executable:
    """Take away which channels the locations `codes` serve."""
    wanted = sql.values("codes", Text)
    of_these = select(locations.c.id).where(locations.c.code.in_(select(wanted.c.value)))
    return delete(location_channels).where(location_channels.c.location_id.in_(of_these))


@statement
def put_channels_served(sql: Dialect) -> Executable:
    """Keep which channels locations serve."""
    rows = sql.rows("rows", location=Text, channel=Text)
    joined = rows.join(locations, locations.c.code == rows.c.location).join(channels, channels.c.code == rows.c.channel)
    return insert(location_channels).from_select(
        ["location_id", "channel_id"], select(locations.c.id, channels.c.id).select_from(joined)
    )


@statement
def put_listings(sql: Dialect) -> Executable:
    """Create or change listings."""
    rows = sql.rows(
        "rows",
        sku=Text,
        channel=Text,
        external_key=Text,
        buffer=Integer,
        minimum_exposure=Integer,
        maximum_exposure=Integer,
        pool=Integer,
        updated_at=BigInteger,
    )
    joined = rows.join(items, items.c.sku == rows.c.sku).join(channels, channels.c.code == rows.c.channel)
    numbers = [rows.c[column.name] for column in tuple(listings.c)[2:]]
    source = select(items.c.id.label("item_id"), channels.c.id.label("channel_id"), *numbers).select_from(joined)
    return sql.insert_or_update(
        listings, [c.name for c in listings.c], source.where(true()).subquery("source"), key=["item_id", "channel_id"]
    )


def write_items(changed: Iterable[Item]) -> Script[None]:
    """Keep these items as they are now."""
    yield from run_if_any(put_items, rows=[_item_row(item) for item in changed])


def write_channels(changed: Iterable[Channel]) -> Script[None]:
    """Keep these channels as they are now."""
    rows = [
        (
            channel.code,
            channel.name,
            to_microseconds(channel.created_at),
            to_microseconds(channel.updated_at),
            to_microseconds_or_none(channel.archived_at),
            channel.sourcing,
            channel.reservation_ttl_seconds,
            channel.reservation_ttl_seconds_max,
        )
        for channel in changed
    ]
    yield from run_if_any(put_channels, rows=rows)


def write_locations(changed: Iterable[Location]) -> Script[None]:
    """Keep these locations as they are now."""
    rows = [
        (
            location.code,
            location.name,
            location.kind,
            location.country_code,
            to_microseconds(location.created_at),
            to_microseconds(location.updated_at),
            to_microseconds_or_none(location.archived_at),
            location.region,
            location.priority,
        )
        for location in changed
    ]
    yield from run_if_any(put_locations, rows=rows)


def write_channels_served(served: dict[str, frozenset[str]]) -> Script[None]:
    """Keep which channels these locations serve, in place of what was kept."""
    if served:
        yield from run(forget_channels_served, codes=list(served))
        pairs = [(location, channel) for location, codes in served.items() for channel in sorted(codes)]
        yield from run_if_any(put_channels_served, rows=pairs)


def write_listings(changed: Iterable[Listing]) -> Script[None]:
    """Keep these listings as they are now."""
    rows = [
        (
            listing.sku,
            listing.channel,
            listing.external_key,
            listing.buffer,
            listing.minimum_exposure,
            listing.maximum_exposure,
            listing.pool,
            to_microseconds(listing.updated_at),
        )
        for listing in changed
    ]
    yield from run_if_any(put_listings, rows=rows)


def item_from(row: Row) -> Item:
    """Return the item that a row of ITEM_COLUMNS holds."""
    _, sku, name, product_code, attributes, identifiers, is_backorderable, created, updated, archived, made_of = row
    return Item(
        sku=sku,
        name=name,
        product_code=product_code,
        attributes=tuple(Attribute(name=key, value=value) for key, value in _pairs(attributes)),
        identifiers=tuple(Identifier(scheme=key, value=value) for key, value in _pairs(identifiers)),
        is_backorderable=bool(is_backorderable),
        composition=None if made_of is None else decode_record(Composition, made_of),
        created_at=from_microseconds(created),
        updated_at=from_microseconds(updated),
        archived_at=from_microseconds_or_none(archived),
    )


def location_from(row: Row) -> Location:
    """Return the location that a row of LOCATION_COLUMNS holds."""
    _, code, name, kind, country_code, created, updated, archived, region, priority = row
    return Location(
        code=code,
        name=name,
        kind=LocationKind(kind),
        country_code=country_code,
        region=region,
        priority=priority,
        created_at=from_microseconds(created),
        updated_at=from_microseconds(updated),
        archived_at=from_microseconds_or_none(archived),
    )


def channel_from(row: Row) -> Channel:
    """Return the channel that a row of CHANNEL_COLUMNS holds."""
    _, code, name, created, updated, archived, sourcing, ttl_seconds, ttl_seconds_max = row
    return Channel(
        code=code,
        name=name,
        sourcing=SourcingStrategy(sourcing),
        reservation_ttl_seconds=ttl_seconds,
        reservation_ttl_seconds_max=ttl_seconds_max,
        created_at=from_microseconds(created),
        updated_at=from_microseconds(updated),
        archived_at=from_microseconds_or_none(archived),
    )


def listing_from(row: Row) -> Listing:
    """Return the listing behind (SKU, channel code, LISTING_NUMBERS …)."""
    sku, channel, external_key, buffer, minimum, maximum, pool, updated = row
    return Listing(
        sku=sku,
        channel=channel,
        external_key=external_key,
        buffer=buffer,
        minimum_exposure=minimum,
        maximum_exposure=maximum,
        pool=pool,
        updated_at=from_microseconds(updated),
    )


def _pairs(text: str) -> Sequence[tuple[str, str]]:
    pairs: Sequence[tuple[str, str]] = () if text == "[]" else orjson.loads(text)
    return pairs


def _item_row(item: Item) -> Row:
    return (
        item.sku,
        item.name,
        item.product_code,
        orjson.dumps([(one.name, one.value) for one in item.attributes]).decode(),
        orjson.dumps([(one.scheme, one.value) for one in item.identifiers]).decode(),
        item.is_backorderable,
        to_microseconds(item.created_at),
        to_microseconds(item.updated_at),
        to_microseconds_or_none(item.archived_at),
        None if item.composition is None else encode_record(item.composition),
    )

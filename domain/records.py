"""The catalogue's records: items, locations, channels and the listings that join them.

The rule: a record that is archived is, to every command, as good as missing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from domain.compositions import Component, Composition
from domain.promises import SourcingStrategy
from domain.rejections import FieldPath, Rejection, RejectionCode

PRIORITY_DEFAULT = 100
"""The priority of a location that says nothing of it; a lower one is preferred."""
RESERVATION_TTL_SECONDS = 900
"""A quarter of an hour: as long as a checkout takes."""
RESERVATION_TTL_SECONDS_MAX = 86_400
"""A day."""


class LocationKind(StrEnum):
    """What kind of place a location is."""

    WAREHOUSE = "WAREHOUSE"
    STORE = "STORE"
    THIRD_PARTY = "THIRD_PARTY"
    SUPPLIER = "SUPPLIER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One property that tells a variant from its siblings: `size = XL`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A code that others use for the item: `GTIN = 4006381333931`, `ASIN = B00ABC1234`."""

    scheme: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is stocked, at variant level; `product_code` names its parent product. A bundle has a composition."""

    sku: str
    name: str | None = None
    product_code: str | None = None
    attributes: tuple[Attribute, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    is_backorderable: bool = False
    composition: Composition | None = None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


def leaves_of(item: Item) -> tuple[Component, ...]:
    """Return what one unit of an item takes from stock: of a bundle its leaves, of any other item itself."""
    if item.composition is None:
        return (Component(sku=item.sku, quantity=1),)
    return item.composition.leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where stock lies. Which channels it serves is a relation of its own.

    Sourcing prefers a lower `priority`, and may prefer the `region` (in the retailer's own terms) of the destination.
    """

    code: str
    name: str | None = None
    kind: LocationKind = LocationKind.WAREHOUSE
    country_code: str | None = None
    region: str | None = None
    priority: int = PRIORITY_DEFAULT
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where stock is sold: the web shop, a marketplace, the tills.

    `sourcing` chooses locations for what is sold here; a reservation lives for `reservation_ttl_seconds` if it does
    not say, and for `reservation_ttl_seconds_max` at the most.
    """

    code: str
    name: str | None = None
    sourcing: SourcingStrategy = SourcingStrategy.PRIORITY
    reservation_ttl_seconds: int = RESERVATION_TTL_SECONDS
    reservation_ttl_seconds_max: int = RESERVATION_TTL_SECONDS_MAX
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """An item on a channel. Its numbers (base units) are what rules make of it; their defaults change nothing.

    `buffer` is held back on this channel, `minimum_exposure` is the least worth showing, `maximum_exposure` the most
    that is shown, `pool` is pre-allocated to this channel and so taken from what all others may show.
    """

    sku: str
    channel: str
    external_key: str | None = None
    buffer: int = 0
    minimum_exposure: int = 0
    maximum_exposure: int | None = None
    pool: int = 0
    updated_at: datetime


Record = TypeVar("Record", Item, Location, Channel)


def active(record: Record | None) -> Record | None:
    """Return the record unless it is missing or archived: to a command both are the same."""
    return record if record is not None and record.archived_at is None else None


def item_not_found(sku: str, *, field: FieldPath = ("sku",)) -> Rejection:
    """Return the refusal of a SKU that names no item."""
    return Rejection(
        code=RejectionCode.ITEM_NOT_FOUND,
        message=f"There is no item with SKU {sku!r}; check its spelling (case matters) or create it with itemUpsert.",
        field=field,
    )


def location_not_found(code: str, *, field: FieldPath) -> Rejection:
    """Return the refusal of a code that names no location."""
    return Rejection(
        code=RejectionCode.LOCATION_NOT_FOUND,
        message=f"There is no location {code!r}; check the code or create it with locationUpsert.",
        field=field,
    )


def channel_not_found(code: str, *, field: FieldPath) -> Rejection:
    """Return the refusal of a code that names no channel."""
    return Rejection(
        code=RejectionCode.CHANNEL_NOT_FOUND,
        message=f"There is no channel {code!r}; check the code or create it with channelUpsert.",
        field=field,
    )

"""Events as the log keeps them: a type name, a schema version and JSON; the one rule: what was written once can be
read for ever, so a field is only ever added with a default, and any other change raises the version and adds a step
to `UPCASTS`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from app.storage.record_codec import decoder_of, encode_record
from domain.accounts import AccountChanged, ApiKeyChanged
from domain.allocation_commands import (
    AllocationCancelled,
    AllocationCreated,
    AllocationLinesAdded,
    ShipmentConfirmed,
)
from domain.catalogue import (
    ChannelArchived,
    ChannelUpserted,
    ItemArchived,
    ItemUpserted,
    LocationArchived,
    LocationUpserted,
)
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.listings import ListingUpserted
from domain.postings import StockPosted
from domain.reservation_commands import (
    ReservationCommitted,
    ReservationCreated,
    ReservationExpired,
    ReservationExtended,
    ReservationMoved,
    ReservationReleased,
)
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated

SCHEMA_VERSION = 1
EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        ItemUpserted,
        ItemArchived,
        LocationUpserted,
        LocationArchived,
        ChannelUpserted,
        ChannelArchived,
        ListingUpserted,
        InventoryAdjusted,
        LevelActivated,
        LevelDeactivated,
        StockConflictOpened,
        StockConflictClosed,
        AccountChanged,
        ApiKeyChanged,
        StockPosted,
        ReservationCreated,
        ReservationExtended,
        ReservationReleased,
        ReservationMoved,
        ReservationCommitted,
        ReservationExpired,
        AllocationCreated,
        AllocationLinesAdded,
        AllocationCancelled,
        ShipmentConfirmed,
    )
}
UPCASTS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""(type, version) → what turns its data into the next version's."""


def encode_event(event: Event) -> tuple[str, int, str | None, str]:
    """Return the event's type name, schema version, the SKU that it is about (if any) and its data."""
    return type(event).__name__, SCHEMA_VERSION, sku_of(event), encode_record(event)


def decode_event(kind: str, version: int, data: str, *, position: int) -> Event:
    """Return the event; an older version is brought up to date first."""
    fields_of_it = orjson.loads(data)
    for step in range(version, SCHEMA_VERSION):
        fields_of_it = UPCASTS[kind, step](fields_of_it)
    event: Event = _DECODERS[kind](fields_of_it)
    if isinstance(event, InventoryAdjusted):
        return replace(event, adjustment=replace(event.adjustment, position=position))
    return event


def sku_of(event: Event) -> str | None:
    """Return the SKU whose stock, listing or item the event is about."""
    match event:
        case InventoryAdjusted(adjustment=adjustment):
            return adjustment.sku
        case StockPosted(posting=posting):
            return posting.sku
        case ItemUpserted(item=item) | ItemArchived(item=item):
            return item.sku
        case ListingUpserted(listing=listing):
            return listing.sku
        case LevelActivated(level=level) | LevelDeactivated(level=level):
            return level.sku
        case StockConflictOpened(level=level) | StockConflictClosed(level=level):
            return level.sku
        case _:
            return None


_DECODERS: dict[str, Callable[[Any], Event]] = {name: decoder_of(kind) for name, kind in EVENT_TYPES.items()}

"""Items, locations and channels: what is stocked, where it lies, where it is sold.

The rule: an upsert names what it changes; fields that are left out stay, and an upsert that changes nothing
appends nothing. What still holds stock cannot be archived, so an archived code is as good as missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.catalogue_fields import (
    ChannelFields,
    ItemFields,
    LocationFields,
    channel_fields_problems,
    item_fields_problems,
    location_fields_problems,
)
from domain.principals import Scope
from domain.records import (
    Channel,
    Item,
    Location,
    Record,
    active,
    channel_not_found,
    item_not_found,
    location_not_found,
)
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, first_refused, refuse
from domain.state import Selectors, State
from domain.text import code_problems, new_code_problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUpsert:
    """Create the item or change the named fields; an archived item comes back."""

    sku: str
    fields: ItemFields


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemArchive:
    """Take the item out of the catalogue; its ledger stays."""

    sku: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationUpsert:
    """Create the location or change the named fields; an archived location comes back.

    `channels` are the codes of all channels that it serves from now on; None leaves them as they are.
    """

    code: str
    fields: LocationFields
    channels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationArchive:
    """Take the location out of use."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUpsert:
    """Create the channel or change the named fields; an archived channel comes back."""

    code: str
    fields: ChannelFields


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelArchive:
    """Take the channel out of use; its listings no longer count."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemUpserted:
    """The item is now this."""

    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemArchived:
    """The item is out of the catalogue."""

    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationUpserted:
    """The location is now this, and serves these channels."""

    location: Location
    channels: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationArchived:
    """The location is out of use."""

    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUpserted:
    """The channel is now this."""

    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelArchived:
    """The channel is out of use."""

    channel: Channel


CatalogueCommand = ItemUpsert | ItemArchive | LocationUpsert | LocationArchive | ChannelUpsert | ChannelArchive
CatalogueEvent = ItemUpserted | ItemArchived | LocationUpserted | LocationArchived | ChannelUpserted | ChannelArchived


def malformed(command: CatalogueCommand) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    match command:
        case ItemUpsert():
            yield from new_code_problems(command.sku, field=("sku",), what="The SKU")
            yield from item_fields_problems(command.fields)
        case LocationUpsert():
            yield from new_code_problems(command.code, field=("code",), what="The location code")
            yield from location_fields_problems(command.fields, command.channels)
        case ChannelUpsert():
            yield from new_code_problems(command.code, field=("code",), what="The channel code")
            yield from channel_fields_problems(command.fields)
        case ItemArchive(sku=code):
            yield from code_problems(code, field=("sku",), what="The SKU")
        case LocationArchive(code=code):
            yield from code_problems(code, field=("locationId",), what="The location")
        case ChannelArchive(code=code):
            yield from code_problems(code, field=("channelId",), what="The channel")
        case _:
            assert_never(command)


def touches(command: CatalogueCommand) -> Selectors:
    """Return what the command needs to see."""
    match command:
        case ItemUpsert():
            return Selectors(skus=frozenset({command.sku}))
        case ItemArchive():
            skus = frozenset({command.sku})
            return Selectors(skus=skus, level_counts_of_items=skus, bundle_uses=skus)
        case LocationUpsert():
            return Selectors(locations=frozenset({command.code}), channels=command.channels or frozenset())
        case LocationArchive():
            codes = frozenset({command.code})
            return Selectors(locations=codes, level_counts_of_locations=codes)
        case ChannelUpsert() | ChannelArchive():
            return Selectors(channels=frozenset({command.code}))
        case _:
            assert_never(command)


def decide(command: CatalogueCommand, state: State, *, at: datetime) -> tuple[CatalogueEvent, ...] | Refused:
    """Return what happens, or why it may not."""
    match command:
        case ItemUpsert():
            return decide_item_upsert(command, state, at=at)
        case ItemArchive():
            return decide_item_archive(command, state, at=at)
        case LocationUpsert():
            return decide_location_upsert(command, state, at=at)
        case LocationArchive():
            return decide_location_archive(command, state, at=at)
        case ChannelUpsert():
            return decide_channel_upsert(command, state, at=at)
        case ChannelArchive():
            return decide_channel_archive(command, state, at=at)
        case _:
            assert_never(command)


def outside(command: CatalogueCommand, scope: Scope) -> Refused | None:
    """Return why somebody with this scope may not create or change the record: to them there is none."""
    match command:
        case LocationUpsert(code=code) if not scope.sees_location(code):
            return refuse(location_not_found(code, field=("code",)))
        case ChannelUpsert(code=code) if not scope.sees_channel(code):
            return refuse(channel_not_found(code, field=("code",)))
        case _:
            return None


def evolve(state: State, event: CatalogueEvent) -> State:
    """Return the state after the event; an archived record is as good as missing, but is kept to come back."""
    match event:
        case ItemUpserted(item=item) | ItemArchived(item=item):
            state.put_item(item)
        case LocationUpserted(location=location, channels=channels):
            state.locations[location.code] = location
            state.channels_served[location.code] = channels
        case LocationArchived(location=location):
            state.locations[location.code] = location
        case ChannelUpserted(channel=channel) | ChannelArchived(channel=channel):
            state.channels[channel.code] = channel
        case _:
            assert_never(event)
    return state


def decide_item_upsert(command: ItemUpsert, state: State, *, at: datetime) -> tuple[CatalogueEvent, ...]:
    """Create the item, or change what differs."""
    known = state.items.get(command.sku) or Item(sku=command.sku, created_at=at, updated_at=at)
    return _upserted(
        known,
        replace(known, **command.fields, archived_at=None),
        is_new=command.sku not in state.items,
        event=lambda item: ItemUpserted(item=item),
        at=at,
    )


def decide_item_archive(command: ItemArchive, state: State, *, at: datetime) -> tuple[CatalogueEvent, ...] | Refused:
    """Archive an item that is stocked nowhere and part of no bundle.

    One that is a bundle is none from then on: its components may change and go, and it may come back.
    """
    item = active(state.items.get(command.sku))
    if item is None:
        return refuse(item_not_found(command.sku))
    if refused := first_refused((in_use(command.sku, state),)):
        return refused
    if state.level_counts_by_item.get(command.sku, 0):
        return refuse(_still_stocked(f"{command.sku} is still stocked", ("sku",)))
    return (ItemArchived(item=replace(item, composition=None, archived_at=at, updated_at=at)),)


def in_use(sku: str, state: State) -> Iterator[Rejection]:
    """BUNDLE_IN_USE: what is to change or to go is a component of a bundle."""
    uses = state.bundle_uses.get(sku, 0)
    if uses:
        bundles = "a bundle" if uses == 1 else f"{uses} bundles"
        yield Rejection(
            code=RejectionCode.BUNDLE_IN_USE,
            message=f"{sku} is a component of {bundles}; take it out there first, with bundleUpsert or bundleDissolve.",
            field=("sku",),
        )


def decide_location_upsert(
    command: LocationUpsert, state: State, *, at: datetime
) -> tuple[CatalogueEvent, ...] | Refused:
    """Create the location, or change what differs; every channel that it is to serve must exist."""
    unknown = [
        channel_not_found(code, field=("channelIds",))
        for code in sorted(command.channels or ())
        if active(state.channels.get(code)) is None
    ]
    if unknown:
        return refuse(*unknown)
    known = state.locations.get(command.code) or Location(code=command.code, created_at=at, updated_at=at)
    wanted = replace(known, **command.fields, archived_at=None)
    served = state.channels_served.get(command.code, frozenset())
    channels = served if command.channels is None else command.channels
    if command.code in state.locations and wanted == known and channels == served:
        return ()
    return (LocationUpserted(location=replace(wanted, updated_at=at), channels=channels),)


def decide_location_archive(
    command: LocationArchive, state: State, *, at: datetime
) -> tuple[CatalogueEvent, ...] | Refused:
    """Archive a location that stocks nothing."""
    location = active(state.locations.get(command.code))
    if location is None:
        return refuse(location_not_found(command.code, field=("locationId",)))
    if state.level_counts_by_location.get(command.code, 0):
        return refuse(_still_stocked(f"{command.code} still stocks items", ("locationId",)))
    return (LocationArchived(location=replace(location, archived_at=at, updated_at=at)),)


def decide_channel_upsert(
    command: ChannelUpsert, state: State, *, at: datetime
) -> tuple[CatalogueEvent, ...] | Refused:
    """Create the channel, or change what differs; what is meant as a default must be within its limit."""
    known = state.channels.get(command.code) or Channel(code=command.code, created_at=at, updated_at=at)
    wanted = replace(known, **command.fields, archived_at=None)
    if wanted.reservation_ttl_seconds > wanted.reservation_ttl_seconds_max:
        return refuse(_beyond_limit(wanted))
    return _upserted(
        known,
        wanted,
        is_new=command.code not in state.channels,
        event=lambda channel: ChannelUpserted(channel=channel),
        at=at,
    )


def decide_channel_archive(
    command: ChannelArchive, state: State, *, at: datetime
) -> tuple[CatalogueEvent, ...] | Refused:
    """Archive a channel."""
    channel = active(state.channels.get(command.code))
    if channel is None:
        return refuse(channel_not_found(command.code, field=("channelId",)))
    return (ChannelArchived(channel=replace(channel, archived_at=at, updated_at=at)),)


def _upserted(
    known: Record, wanted: Record, *, is_new: bool, event: Callable[[Record], CatalogueEvent], at: datetime
) -> tuple[CatalogueEvent, ...]:
    if is_new:
        return (event(wanted),)
    return () if wanted == known else (event(replace(wanted, updated_at=at)),)


def _beyond_limit(channel: Channel) -> Rejection:
    return Rejection(
        code=RejectionCode.TTL_OUT_OF_RANGE,
        message=f"Reservations would live for {channel.reservation_ttl_seconds} seconds and at most for "
        f"{channel.reservation_ttl_seconds_max}; send a default within the limit.",
        field=("reservationTtlSeconds",),
    )


def _still_stocked(finding: str, field: FieldPath) -> Rejection:
    return Rejection(
        code=RejectionCode.STILL_STOCKED,
        message=f"{finding}; end each stock level with inventoryDeactivate before archiving.",
        field=field,
    )

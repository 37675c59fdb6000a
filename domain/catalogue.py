"""Items, locations and channels: what is stocked, where it lies, where it is sold.

The rule: an upsert names what it changes; fields that are left out stay, and an upsert that changes nothing
appends nothing. What still holds stock cannot be archived, so an archived code is as good as missing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict, assert_never

from domain.principals import Scope
from domain.records import (
    Attribute,
    Channel,
    Identifier,
    Item,
    Location,
    LocationKind,
    Record,
    active,
    channel_not_found,
    item_not_found,
    location_not_found,
)
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, refuse
from domain.state import Selectors, State
from domain.text import (
    NAME_LENGTH_MAX,
    code_problems,
    exact_text_problems,
    free_text_problems,
    new_code_problems,
)

ATTRIBUTES_PER_ITEM_MAX = 50
IDENTIFIERS_PER_ITEM_MAX = 50
CHANNELS_PER_LOCATION_MAX = 250
COUNTRY_CODE_LENGTH = 2


class ItemFields(TypedDict, total=False):
    """The fields of an item that an upsert names."""

    name: str | None
    product_code: str | None
    attributes: tuple[Attribute, ...]
    identifiers: tuple[Identifier, ...]
    is_backorderable: bool


class LocationFields(TypedDict, total=False):
    """The fields of a location that an upsert names."""

    name: str | None
    kind: LocationKind
    country_code: str | None


class ChannelFields(TypedDict, total=False):
    """The fields of a channel that an upsert names."""

    name: str | None


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
            yield from _malformed_item(command)
        case LocationUpsert():
            yield from _malformed_location(command)
        case ChannelUpsert():
            yield from new_code_problems(command.code, field=("code",), what="The channel code")
            yield from free_text_problems(command.fields.get("name"), field=("name",), what="The name")
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
            return Selectors(skus=frozenset({command.sku}), level_counts_of_items=frozenset({command.sku}))
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
            state.items[item.sku] = item
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
    """Archive an item that is stocked nowhere."""
    item = active(state.items.get(command.sku))
    if item is None:
        return refuse(item_not_found(command.sku))
    if state.level_counts_by_item.get(command.sku, 0):
        return refuse(_still_stocked(f"{command.sku} is still stocked", ("sku",)))
    return (ItemArchived(item=replace(item, archived_at=at, updated_at=at)),)


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


def decide_channel_upsert(command: ChannelUpsert, state: State, *, at: datetime) -> tuple[CatalogueEvent, ...]:
    """Create the channel, or change what differs."""
    known = state.channels.get(command.code) or Channel(code=command.code, created_at=at, updated_at=at)
    return _upserted(
        known,
        replace(known, **command.fields, archived_at=None),
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


def _still_stocked(finding: str, field: FieldPath) -> Rejection:
    return Rejection(
        code=RejectionCode.STILL_STOCKED,
        message=f"{finding}; end each stock level with inventoryDeactivate before archiving.",
        field=field,
    )


def _malformed_item(command: ItemUpsert) -> Iterator[Rejection]:
    fields = command.fields
    yield from new_code_problems(command.sku, field=("sku",), what="The SKU")
    yield from free_text_problems(fields.get("name"), field=("name",), what="The name")
    yield from free_text_problems(fields.get("product_code"), field=("productCode",), what="The product code")
    attributes = [(attribute.name, attribute.value) for attribute in fields.get("attributes", ())]
    identifiers = [(identifier.scheme, identifier.value) for identifier in fields.get("identifiers", ())]
    yield from _malformed_pairs(attributes, field="attributes", count_max=ATTRIBUTES_PER_ITEM_MAX)
    yield from _malformed_pairs(identifiers, field="identifiers", count_max=IDENTIFIERS_PER_ITEM_MAX)


def _malformed_pairs(pairs: list[tuple[str, str]], *, field: str, count_max: int) -> Iterator[Rejection]:
    if len(pairs) > count_max:
        message = f"There are {len(pairs)} {field}; send at most {count_max}."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=(field,))
        return
    for index, pair in enumerate(pairs):
        for text in pair:
            yield from exact_text_problems(
                text, field=(field, str(index)), what=f"An entry of {field}", length_max=NAME_LENGTH_MAX
            )


def _malformed_location(command: LocationUpsert) -> Iterator[Rejection]:
    fields = command.fields
    yield from new_code_problems(command.code, field=("code",), what="The location code")
    yield from free_text_problems(fields.get("name"), field=("name",), what="The name")
    yield from _malformed_country(fields.get("country_code"))
    for code in sorted(command.channels or ()):
        yield from code_problems(code, field=("channelIds",), what="A channel")
    if len(command.channels or ()) > CHANNELS_PER_LOCATION_MAX:
        message = f"A location serves at most {CHANNELS_PER_LOCATION_MAX} channels; send fewer."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("channelIds",))


def _malformed_country(code: str | None) -> Iterator[Rejection]:
    is_code = code is None or (
        len(code) == COUNTRY_CODE_LENGTH and code.isascii() and code.isalpha() and code.isupper()
    )
    if not is_code:
        message = "The country code is not two capital letters (ISO 3166-1 alpha-2), such as DE."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("countryCode",))

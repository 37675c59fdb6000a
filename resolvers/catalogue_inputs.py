"""Inputs of the mutations of the catalogue, and the commands that they become; what is left out stays as it is."""

import strawberry
from strawberry import UNSET

from domain.catalogue import ChannelUpsert, ItemUpsert, LocationUpsert
from domain.catalogue_fields import ChannelFields, ItemFields, LocationFields
from domain.listings import ListingUpsert
from domain.records import (
    PRIORITY_DEFAULT,
    RESERVATION_TTL_SECONDS,
    RESERVATION_TTL_SECONDS_MAX,
    Attribute,
    Identifier,
)
from resolvers import node_ids
from resolvers.enums import LocationKind, SourcingStrategy
from resolvers.inputs import compiled_input
from resolvers.listings import ListingUpsertInput
from resolvers.places import EitherId


@compiled_input(description="A property that tells a variant from its siblings.")
class ItemAttributeInput:
    """An attribute."""

    name: str = strawberry.field(description="Which property, such as `size`.")
    value: str = strawberry.field(description="Its value, such as `XL`.")


@compiled_input(description="A code that others use for the item.")
class ItemIdentifierInput:
    """An identifier."""

    scheme: str = strawberry.field(description="Whose code it is, such as `GTIN` or `ASIN`.")
    value: str = strawberry.field(description="The code itself.")


@compiled_input(description="An item to create, or to change: fields that are left out stay as they are, null clears.")
class ItemUpsertInput:
    """One item."""

    sku: str = strawberry.field(description="Which item; 1 to 255 printable characters, compared exactly.")
    name: str | None = strawberry.field(default=UNSET, description="The item's name for people.")
    product_code: str | None = strawberry.field(default=UNSET, description="The product that it is a variant of.")
    attributes: list[ItemAttributeInput] | None = strawberry.field(
        default=UNSET, description="What tells it from its siblings; replaces all attributes."
    )
    identifiers: list[ItemIdentifierInput] | None = strawberry.field(
        default=UNSET, description="Codes that others use for it; replaces all identifiers."
    )
    is_backorderable: bool | None = strawberry.field(
        default=UNSET, description="Whether it may be sold while nothing is left; null means false."
    )


@compiled_input(
    description="A location to create, or to change: fields that are left out stay as they are, null clears."
)
class LocationUpsertInput:
    """One location."""

    code: str = strawberry.field(description="Which location: your own code, 1 to 255 printable characters.")
    name: str | None = strawberry.field(default=UNSET, description="The location's name for people.")
    kind: LocationKind | None = strawberry.field(
        default=UNSET, description="What kind of place it is; a new location is a WAREHOUSE unless said otherwise."
    )
    country_code: str | None = strawberry.field(
        default=UNSET, description="The country it is in: two capital letters (ISO 3166-1 alpha-2)."
    )
    region: str | None = strawberry.field(
        default=UNSET,
        description="The region it is in, in your own terms: NEAREST_REGION compares it with a destination's.",
    )
    priority: int | None = strawberry.field(
        default=UNSET,
        description="Which of several locations serves first: a lower number is preferred, 0 to 1,000,000; null means "
        "100.",
    )
    channel_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="All channels that it serves from now on (global ids or codes); null means none."
    )


@compiled_input(
    description="A channel to create, or to change: fields that are left out stay as they are, null clears."
)
class ChannelUpsertInput:
    """One channel."""

    code: str = strawberry.field(description="Which channel: your own code, 1 to 255 printable characters.")
    name: str | None = strawberry.field(default=UNSET, description="The channel's name for people.")
    sourcing: SourcingStrategy | None = strawberry.field(
        default=UNSET,
        description="How locations are chosen for what is sold here, unless a request says otherwise; null means "
        "PRIORITY.",
    )
    reservation_ttl_seconds: int | None = strawberry.field(
        default=UNSET,
        description="How long a reservation lives that does not say, in seconds: 1 to 2,592,000 (30 days), within "
        "reservationTtlSecondsMax; null means 900.",
    )
    reservation_ttl_seconds_max: int | None = strawberry.field(
        default=UNSET,
        description="How long a reservation may live at the most, in seconds: 1 to 2,592,000 (30 days); null means "
        "86,400 (a day).",
    )


@compiled_input(description="The item to archive.")
class ItemArchiveInput:
    """One item."""

    sku: str = strawberry.field(description="Its SKU. It must be stocked nowhere; its ledger stays.")


@compiled_input(description="The location to archive.")
class LocationArchiveInput:
    """One location."""

    location_id: EitherId = strawberry.field(description="Its global id or code. It must stock nothing.")


@compiled_input(description="The channel to archive.")
class ChannelArchiveInput:
    """One channel."""

    channel_id: EitherId = strawberry.field(description="Its global id or code. Its listings no longer count.")


def item_upsert_command(wanted: ItemUpsertInput) -> ItemUpsert:
    """Return the command that the input asks for."""
    fields: ItemFields = {}
    if wanted.name is not UNSET:
        fields["name"] = wanted.name
    if wanted.product_code is not UNSET:
        fields["product_code"] = wanted.product_code
    if wanted.attributes is not UNSET:
        fields["attributes"] = tuple(Attribute(name=a.name, value=a.value) for a in wanted.attributes or ())
    if wanted.identifiers is not UNSET:
        fields["identifiers"] = tuple(Identifier(scheme=i.scheme, value=i.value) for i in wanted.identifiers or ())
    if wanted.is_backorderable is not UNSET:
        fields["is_backorderable"] = bool(wanted.is_backorderable)
    return ItemUpsert(sku=wanted.sku, fields=fields)


def location_upsert_command(wanted: LocationUpsertInput) -> LocationUpsert:
    """Return the command that the input asks for."""
    fields: LocationFields = {}
    if wanted.name is not UNSET:
        fields["name"] = wanted.name
    if wanted.kind is not UNSET:
        fields["kind"] = wanted.kind or LocationKind.WAREHOUSE
    if wanted.country_code is not UNSET:
        fields["country_code"] = wanted.country_code
    if wanted.region is not UNSET:
        fields["region"] = wanted.region
    if wanted.priority is not UNSET:
        fields["priority"] = _or_default(wanted.priority, PRIORITY_DEFAULT)
    channels = None
    if wanted.channel_ids is not UNSET:
        channels = frozenset(node_ids.code_from(id_, type_name=node_ids.CHANNEL) for id_ in wanted.channel_ids or ())
    return LocationUpsert(code=wanted.code, fields=fields, channels=channels)


def channel_upsert_command(wanted: ChannelUpsertInput) -> ChannelUpsert:
    """Return the command that the input asks for."""
    fields: ChannelFields = {}
    if wanted.name is not UNSET:
        fields["name"] = wanted.name
    if wanted.sourcing is not UNSET:
        fields["sourcing"] = wanted.sourcing or SourcingStrategy.PRIORITY
    if wanted.reservation_ttl_seconds is not UNSET:
        fields["reservation_ttl_seconds"] = _or_default(wanted.reservation_ttl_seconds, RESERVATION_TTL_SECONDS)
    if wanted.reservation_ttl_seconds_max is not UNSET:
        most = _or_default(wanted.reservation_ttl_seconds_max, RESERVATION_TTL_SECONDS_MAX)
        fields["reservation_ttl_seconds_max"] = most
    return ChannelUpsert(code=wanted.code, fields=fields)


def listing_upsert_command(wanted: ListingUpsertInput) -> ListingUpsert:
    """Return the command that the input asks for."""
    return ListingUpsert(
        sku=wanted.sku,
        channel=node_ids.code_from(wanted.channel_id, type_name=node_ids.CHANNEL),
        external_key=wanted.external_key,
    )


def _or_default(number: int | None, default: int) -> int:
    return default if number is None else number

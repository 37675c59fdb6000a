"""Listings and what each channel was told, as GraphQL types, and the mutation that lists items."""

from datetime import datetime

import strawberry

from domain import records
from domain.permissions import Permission
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import SyncState
from resolvers.errors import UserError
from resolvers.freshness import CataloguePayload, required_position
from resolvers.inputs import compiled_input
from resolvers.places import EitherId, Node
from resolvers.visibility import is_allowed, scope_of


@strawberry.type(description="What a channel was told of an item's number, and when it confirmed it.")
class ChannelSyncStatus:
    """The sync status of one listing."""

    channel_id: strawberry.ID = strawberry.field(description="The channel's code.")
    sku: str = strawberry.field(description="The item's SKU.")
    state: SyncState = strawberry.field(description="How far the channel has been told.")
    desired_quantity: int | None = strawberry.field(
        description="What the channel should show, in base units; null while nothing is computed for it."
    )
    confirmed_quantity: int | None = strawberry.field(
        description="What the channel last confirmed to show, in base units; null before its first confirmation."
    )
    confirmed_at: datetime | None = strawberry.field(
        description="In a mutation's payload: when the channel first confirmed a number that takes this change into "
        "account; null until then. Elsewhere: when it last confirmed a number."
    )
    idempotency_key: str | None = strawberry.field(
        description="In a mutation's payload: this change's key. Elsewhere: the newest key that a confirmation covers."
    )
    lag_seconds: float | None = strawberry.field(
        description="How long the confirmed number lags behind the truth; null before the first confirmation."
    )
    attempts: int = strawberry.field(description="How often sending the current number was tried.")
    last_error: str | None = strawberry.field(description="Why the last attempt failed; null when it did not.")
    next_attempt_at: datetime | None = strawberry.field(description="When the next attempt is due; null when none is.")


@strawberry.type(description="An item on a channel, under the channel's own key. A listing never holds stock.")
class Listing(Node):
    """A listing."""

    sku: str = strawberry.field(description="The item's SKU.")
    channel_id: strawberry.ID = strawberry.field(description="The channel's code.")
    external_key: str | None = strawberry.field(description="The channel's own key for the item, such as an ASIN.")
    updated_at: datetime = strawberry.field(description="When the listing last changed.")


@compiled_input(description="An item to list on a channel, or a listing whose key changes.")
class ListingUpsertInput:
    """One listing."""

    sku: str = strawberry.field(description="The item's SKU.")
    channel_id: EitherId = strawberry.field(description="The channel, by global id or code.")
    external_key: str | None = strawberry.field(default=None, description="The channel's own key for the item.")


@strawberry.type(description="What became of one listing of a bulk request.")
class ListingUpsertResult:
    """The result of one entry."""

    listing: Listing | None = strawberry.field(description="The listing as it is now; null when it was refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


@strawberry.type(description="What became of a bulk request.")
class ListingUpsertBulkPayload(CataloguePayload):
    """The results of all entries."""

    results: list[ListingUpsertResult] = strawberry.field(description="One result an entry, in the order of the input.")
    user_errors: list[UserError] = strawberry.field(description="Why the request as a whole was refused.")


def suspended_status(listing: records.Listing, *, idempotency_key: str | None) -> ChannelSyncStatus:
    """Return the status of a listing that no connector serves: nothing is sent, and nothing is pretended."""
    return ChannelSyncStatus(
        channel_id=strawberry.ID(listing.channel),
        sku=listing.sku,
        state=SyncState.SUSPENDED,
        desired_quantity=None,
        confirmed_quantity=None,
        confirmed_at=None,
        idempotency_key=idempotency_key,
        lag_seconds=None,
        attempts=0,
        last_error=None,
        next_attempt_at=None,
    )


async def load_sync_status(info: Info, sku: str, *, idempotency_key: str | None = None) -> list[ChannelSyncStatus]:
    """Return what each channel that lists the item was told."""
    if not is_allowed(info, Permission.READ_LISTINGS):
        return []
    seen = scope_of(info)
    found = await info.context.services.loaders.listings.load(sku, at_least=required_position(info))
    listings = [one for one in found if seen.sees_channel(one.channel)]
    return [suspended_status(listing, idempotency_key=idempotency_key) for listing in listings]


def present_listing(listing: records.Listing) -> Listing:
    """Return the listing as clients see it."""
    return Listing(
        id=strawberry.ID(node_ids.listing_id(listing.sku, listing.channel)),
        sku=listing.sku,
        channel_id=strawberry.ID(listing.channel),
        external_key=listing.external_key,
        updated_at=listing.updated_at,
    )


async def load_listing(info: Info, key: str) -> Listing | None:
    """Return the listing behind the key of its global id."""
    parts = node_ids.pair_from(key)
    if parts is None or not scope_of(info).sees_channel(parts[1]):
        return None
    listings = await info.context.services.loaders.listings.load(parts[0], at_least=required_position(info))
    return next((present_listing(one) for one in listings if one.channel == parts[1]), None)

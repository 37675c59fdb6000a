"""Nodes, locations and channels as GraphQL types, and the questions about them."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain import records
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import LocationKind, SourcingStrategy
from resolvers.freshness import MinPosition, require, required_position
from resolvers.pagination import (
    After,
    Connection,
    First,
    checked_page_size,
    codes_behind,
    key_from_cursor,
    page_of,
    page_within,
)


@strawberry.interface(description="Anything that has a global id and can be asked for again with `node`.")
class Node:
    """Relay's node."""

    id: strawberry.ID = strawberry.field(description="The global id; opaque, stable for ever.")


@strawberry.type(description="Where stock is sold: the web shop, a marketplace, the tills.")
class Channel(Node):
    """A sales channel."""

    code: str = strawberry.field(description="Your own code for the channel, such as `web`.")
    name: str | None = strawberry.field(description="The channel's name for people.")
    sourcing: SourcingStrategy = strawberry.field(
        description="How locations are chosen for what is sold here, unless a request says otherwise."
    )
    reservation_ttl_seconds: int = strawberry.field(
        description="How long a reservation lives that does not say, in seconds."
    )
    reservation_ttl_seconds_max: int = strawberry.field(
        description="How long a reservation may live at the most, in seconds."
    )
    created_at: datetime = strawberry.field(description="When the channel was created.")
    updated_at: datetime = strawberry.field(description="When the channel last changed.")


@strawberry.type(description="Where stock lies: a warehouse, a store, somebody else's warehouse.")
class Location(Node):
    """A location."""

    code: str = strawberry.field(description="Your own code for the location, such as `WH-US-EAST`.")
    name: str | None = strawberry.field(description="The location's name for people.")
    kind: LocationKind = strawberry.field(description="What kind of place it is.")
    country_code: str | None = strawberry.field(description="The country it is in (ISO 3166-1 alpha-2).")
    region: str | None = strawberry.field(description="The region it is in, in your own terms.")
    priority: int = strawberry.field(
        description="Which of several locations serves first: a lower number is preferred."
    )
    created_at: datetime = strawberry.field(description="When the location was created.")
    updated_at: datetime = strawberry.field(description="When the location last changed.")

    @strawberry.field(description="The channels whose orders this location serves, in order of their codes.")
    async def channels(self, info: Info) -> list[Channel]:
        """Load the channels that the location serves."""
        served = await info.context.services.loaders.channels_served.load(self.code, at_least=required_position(info))
        seen = info.context.principal.scope
        return [present_channel(channel) for channel in served if seen.sees_channel(channel.code)]


def present_channel(channel: records.Channel) -> Channel:
    """Return the channel as clients see it."""
    return Channel(
        id=strawberry.ID(node_ids.channel_id(channel.code)),
        code=channel.code,
        name=channel.name,
        sourcing=channel.sourcing,
        reservation_ttl_seconds=channel.reservation_ttl_seconds,
        reservation_ttl_seconds_max=channel.reservation_ttl_seconds_max,
        created_at=channel.created_at,
        updated_at=channel.updated_at,
    )


def present_location(location: records.Location) -> Location:
    """Return the location as clients see it."""
    return Location(
        id=strawberry.ID(node_ids.location_id(location.code)),
        code=location.code,
        name=location.name,
        kind=location.kind,
        country_code=location.country_code,
        region=location.region,
        priority=location.priority,
        created_at=location.created_at,
        updated_at=location.updated_at,
    )


async def load_location(info: Info, code: str) -> Location | None:
    """Return the location with this code; None when there is none in use, or none that the caller may see."""
    if not info.context.principal.scope.sees_location(code):
        return None
    found = await info.context.services.loaders.locations.load(code, at_least=required_position(info))
    return None if found is None else present_location(found)


async def load_channel(info: Info, code: str) -> Channel | None:
    """Return the channel with this code; None when there is none in use, or none that the caller may see."""
    if not info.context.principal.scope.sees_channel(code):
        return None
    found = await info.context.services.loaders.channels.load(code, at_least=required_position(info))
    return None if found is None else present_channel(found)


EitherId = Annotated[strawberry.ID, strawberry.argument(description="Its global id, or your own code for it.")]


@strawberry.type
class PlaceQueries:
    """Questions about locations and channels."""

    @strawberry.field(description="One location; null when there is none.")
    async def location(self, info: Info, id: EitherId, min_position: MinPosition = None) -> Location | None:
        """Return a location by global id or code."""
        require(info, min_position)
        return await load_location(info, node_ids.code_from(id, type_name=node_ids.LOCATION))

    @strawberry.field(description="All locations in use, in order of their codes.")
    async def locations(
        self, info: Info, first: First = 50, after: After = None, min_position: MinPosition = None
    ) -> Connection[Location]:
        """Return a page of locations."""
        require(info, min_position)
        size, at_least = checked_page_size(first), required_position(info)
        reads, seen, begin = info.context.services.reads, info.context.principal.scope.locations, key_from_cursor(after)
        if seen is None:
            rows = await reads.location_page(after=begin, limit=size + 1, at_least=at_least)
        else:
            found = await reads.locations(codes_behind(seen, begin), at_least=at_least)
            rows = page_within(found, limit=size + 1)
        return page_of(rows, first=size, after=after, present=present_location, key=lambda one: one.code)

    @strawberry.field(description="One channel; null when there is none.")
    async def channel(self, info: Info, id: EitherId, min_position: MinPosition = None) -> Channel | None:
        """Return a channel by global id or code."""
        require(info, min_position)
        return await load_channel(info, node_ids.code_from(id, type_name=node_ids.CHANNEL))

    @strawberry.field(description="All channels in use, in order of their codes.")
    async def channels(
        self, info: Info, first: First = 50, after: After = None, min_position: MinPosition = None
    ) -> Connection[Channel]:
        """Return a page of channels."""
        require(info, min_position)
        size, at_least = checked_page_size(first), required_position(info)
        reads, seen, begin = info.context.services.reads, info.context.principal.scope.channels, key_from_cursor(after)
        if seen is None:
            rows = await reads.channel_page(after=begin, limit=size + 1, at_least=at_least)
        else:
            found = await reads.channels(codes_behind(seen, begin), at_least=at_least)
            rows = page_within(found, limit=size + 1)
        return page_of(rows, first=size, after=after, present=present_channel, key=lambda one: one.code)

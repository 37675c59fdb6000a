"""Availability: what may be sold, and where it lies; one loader call a SKU, one statement for all of them."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.availability import (
    availability_status,
    available_by_location,
    limiting_part,
    node_availability,
    shown_availability,
    total_available,
)
from domain.permissions import Permission
from domain.ports import LevelAtLocation, StockSnapshot
from domain.records import Location as DomainLocation
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import AvailabilityStatus
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require, required_position
from resolvers.places import Location, present_location
from resolvers.stock import StockLevel, present_level
from resolvers.visibility import answered_channel, is_allowed, visible_locations

SKUS_MAX = 250


@strawberry.type(description="What one location may promise.")
class NodeAvailability:
    """Availability at one fulfilment node."""

    location: Location = strawberry.field(description="The location.")
    available_quantity: int = strawberry.field(
        description="What may be sold from here, in base units: what is available here, and never more than the "
        "channel as a whole may sell."
    )
    status: AvailabilityStatus = strawberry.field(description="What a storefront may say of this location.")


@strawberry.type(description="The component of a bundle of which there is too little for more bundles.")
class LimitingComponent:
    """What keeps a bundle's number where it is."""

    sku: str = strawberry.field(description="The component's SKU.")
    available_quantity: int = strawberry.field(
        description="How many units of it are available at the locations that were counted, in base units."
    )


@strawberry.type(description="What may be sold of an item, on a channel or overall, as of one position.")
class Availability:
    """Availability of one SKU."""

    sku: str = strawberry.field(description="The item's SKU.")
    channel_id: strawberry.ID | None = strawberry.field(
        description="The channel's code; null when no channel was asked for."
    )
    available_quantity: int = strawberry.field(
        description="What may be sold, in base units: the sum of what is available at each location (one in the red "
        "counts as 0), less what is pre-allocated to other channels and the channel's own buffer, within the "
        "channel's least and most to show. Of a bundle: what its components make at each location, summed, and no "
        "more than other channels' shares of the components leave; then the same rules."
    )
    status: AvailabilityStatus = strawberry.field(description="What a storefront may tell its shopper.")
    as_of: datetime = strawberry.field(
        description="When the answer was read, by the database's clock. Where the gateway reads from a replica, what "
        "it says may be a little older; `position` is exact."
    )
    position: str = strawberry.field(
        description="The place in the order of all events at which the answer is true; subscribe after it to miss "
        "nothing."
    )
    snapshot: strawberry.Private[StockSnapshot]
    counted: strawberry.Private[list[LevelAtLocation]]
    shows_levels: strawberry.Private[bool]

    @strawberry.field(
        description="The locations that were counted, each with what it may promise, in order of their codes."
    )
    def nodes(self) -> list[NodeAvailability]:
        """Present what each location may promise."""
        places = {one.location.code: one.location for one in self.counted}
        available = available_by_location((one.level for one in self.counted), self.snapshot.parts)
        is_backorderable = self.snapshot.is_backorderable
        return [
            _node(
                places[code],
                node_availability(available[code], channel_quantity=self.available_quantity),
                is_backorderable=is_backorderable,
            )
            for code in places
        ]

    @strawberry.field(
        description="Of a bundle, the component of which the fewest bundles can be made at the locations that were "
        "counted; null for other items, and for callers who may not see details."
    )
    def limiting_component(self) -> LimitingComponent | None:
        """Name the part that is short, and how much of it there is."""
        levels = [one.level for one in self.counted]
        part = limiting_part(levels, self.snapshot.parts) if self.shows_levels else None
        if part is None:
            return None
        available = total_available(level.available for level in levels if level.sku == part.sku)
        return LimitingComponent(sku=part.sku, available_quantity=available)

    @strawberry.field(
        description="The stock levels that were counted, of a bundle those of its components; empty for callers who "
        "may not see details."
    )
    def levels(self) -> list[StockLevel]:
        """Present the levels."""
        return [present_level(one.level, one.location) for one in self.counted] if self.shows_levels else []


Skus = Annotated[list[str], strawberry.argument(description="Which items, 1 to 250 SKUs.")]
ChannelArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The channel to answer for, by global id or code; null asks for all stock, or for "
        "the one channel that your key is for."
    ),
]
LocationsArgument = Annotated[
    list[strawberry.ID] | None,
    strawberry.argument(description="Count only these locations (global ids or codes); null counts all."),
]


def counted_levels(snapshot: StockSnapshot, locations: frozenset[str] | None) -> list[LevelAtLocation]:
    """Return the levels that count: where the location serves the channel and was asked for."""
    return [
        one for one in snapshot.levels if one.serves_channel and (locations is None or one.location.code in locations)
    ]


def available_quantity(snapshot: StockSnapshot, counted: list[LevelAtLocation]) -> int:
    """Return what may be sold of the item, from the levels that count."""
    return shown_availability(
        (one.level for one in counted),
        snapshot.exposure,
        parts=snapshot.parts,
        pools_of_parts=snapshot.pools_of_parts,
    )


def present_availability(
    snapshot: StockSnapshot, *, channel: str | None, locations: frozenset[str] | None, shows_levels: bool
) -> Availability | None:
    """Return what may be sold; None for an unknown SKU or channel."""
    if not (snapshot.is_known and snapshot.channel_is_known):
        return None
    counted = counted_levels(snapshot, locations)
    quantity = available_quantity(snapshot, counted)
    return Availability(
        sku=snapshot.sku,
        channel_id=None if channel is None else strawberry.ID(channel),
        available_quantity=quantity,
        status=availability_status(quantity, is_backorderable=snapshot.is_backorderable),
        as_of=snapshot.as_of,
        position=str(snapshot.position),
        snapshot=snapshot,
        counted=counted,
        shows_levels=shows_levels,
    )


@strawberry.type
class AvailabilityQueries:
    """Questions about availability."""

    @strawberry.field(
        description="What may be sold of each item, in the order of the SKUs; null for an unknown SKU, and for every "
        "SKU when the channel is unknown. The storefront's question: ask for a whole page of products at once."
    )
    async def availability(
        self,
        info: Info,
        skus: Skus,
        channel_id: ChannelArgument = None,
        location_ids: LocationsArgument = None,
        min_position: MinPosition = None,
    ) -> list[Availability | None] | None:
        """Return availability, SKU by SKU."""
        if not 1 <= len(skus) <= SKUS_MAX:
            raise bad_input(f"`skus` names {len(skus)} items; name 1 to {SKUS_MAX}.")
        require(info, min_position)
        return await load_availability(info, skus, channel_id, location_ids)


async def load_availability(
    info: Info, skus: list[str], channel_id: str | None, location_ids: list[strawberry.ID] | None
) -> list[Availability | None]:
    """Return what the caller is told of each SKU, in their order."""
    channel = answered_channel(info, channel_code(channel_id))
    locations = visible_locations(info, location_codes(location_ids))
    shows_levels = is_allowed(info, Permission.READ_STOCK)
    snapshots = await info.context.services.loaders.snapshots.load_many(
        [(sku, channel) for sku in skus], at_least=required_position(info)
    )
    return [
        present_availability(one, channel=channel, locations=locations, shows_levels=shows_levels) for one in snapshots
    ]


def channel_code(channel_id: str | None) -> str | None:
    """Return the code of the channel that an argument names."""
    return None if channel_id is None else node_ids.code_from(channel_id, type_name=node_ids.CHANNEL)


def location_codes(location_ids: list[strawberry.ID] | None) -> frozenset[str] | None:
    """Return the codes of the locations that an argument names; None stands for all."""
    if location_ids is None:
        return None
    return frozenset(node_ids.code_from(one, type_name=node_ids.LOCATION) for one in location_ids)


def _node(location: DomainLocation, quantity: int, *, is_backorderable: bool) -> NodeAvailability:
    return NodeAvailability(
        location=present_location(location),
        available_quantity=quantity,
        status=availability_status(quantity, is_backorderable=is_backorderable),
    )

"""Subscriptions: stock changes event by event, availability by its latest value; both resumable by position."""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import datetime
from typing import Annotated, NamedTuple

import strawberry

from domain.adjustments import Adjustment
from domain.levels import StockLevel as DomainLevel
from domain.ports import RecordedEvent
from domain.postings import Posting, StockPosted
from domain.principals import EVERYTHING, Principal
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated
from resolvers.availability import SKUS_MAX, ChannelArgument, LocationsArgument, channel_code, location_codes
from resolvers.availability_stream import AvailabilityStream, AvailableNow, channel_not_found
from resolvers.context import Info
from resolvers.enums import AdjustmentReason, AvailabilityStatus, PostingCause
from resolvers.errors import bad_input
from resolvers.freshness import position_from
from resolvers.stock import InventoryAdjustment, StockLevel, present_adjustment, present_document_id, present_levels
from resolvers.visibility import UNKNOWN_CHANNEL, answered_channel, visible_locations


@strawberry.type(description="Stock of one item changed.")
class StockChange:
    """One event about stock."""

    position: str = strawberry.field(
        description="The event's place in the order of all events; resume `after` it to go on without a gap."
    )
    occurred_at: datetime = strawberry.field(description="When it happened in the world, as the caller gave it.")
    sku: str = strawberry.field(description="The item's SKU.")
    adjustment: InventoryAdjustment | None = strawberry.field(
        description="The adjustment behind it; null when a document moved stock, or a level began or ended."
    )
    changed_levels: strawberry.Private[list[DomainLevel]]
    reason: AdjustmentReason | None = strawberry.field(
        description="Why stock was adjusted; null when it was not an adjustment."
    )
    cause: PostingCause | None = strawberry.field(
        description="What happened to the document (a reservation, an order) that moved stock; null when none did."
    )
    document_id: strawberry.ID | None = strawberry.field(
        description="The global id of that document; `node` answers it to those who may see it."
    )
    source_channel_id: strawberry.ID | None = strawberry.field(description="The code of the channel that caused it.")
    correlation_id: str | None = strawberry.field(description="The caller's own trace id, as given.")

    @strawberry.field(description="The levels that changed, as of this event.")
    async def levels(self, info: Info) -> list[StockLevel]:
        """Present the levels with their locations."""
        return await present_levels(info, self.changed_levels)


@strawberry.type(description="What may be sold of one item changed; only the latest value is sent.")
class AvailabilityChange:
    """The latest availability of one item."""

    position: str = strawberry.field(
        description="Up to where, in the order of all events, this subscription is complete: resume `after` it and "
        "nothing is missed. The value itself may be newer."
    )
    sku: str = strawberry.field(description="The item's SKU.")
    channel_id: strawberry.ID | None = strawberry.field(description="The channel's code, when one was asked for.")
    available_quantity: int = strawberry.field(description="What may be sold now, in base units.")
    previous_quantity: int | None = strawberry.field(
        description="What this subscription last said; null when it has not said anything of this item yet."
    )
    status: AvailabilityStatus = strawberry.field(description="What a storefront may tell its shopper.")


class Place(NamedTuple):
    """Where a subscription stands: after which position to resume without its last message, and with it."""

    without: int
    with_it: int


PLACE: ContextVar[Place | None] = ContextVar("stockgate_subscription_place", default=None)
"""The place of the subscription that runs in this task, for transports whose client stops reading."""

SkusArgument = Annotated[
    list[str] | None, strawberry.argument(description="Only these items, at most 250; null follows all.")
]
Position = Annotated[
    str | None,
    strawberry.argument(
        description="Send first what happened after this position (of a snapshot, or the last one received); null "
        "begins now. Older than what is kept: the error POSITION_EXPIRED."
    ),
]


@strawberry.type
class StockSubscriptions:
    """What dashboards and storefronts follow."""

    @strawberry.subscription(
        description="Every change of stock, in order, none missed and none twice. A subscriber that falls too far "
        "behind gets the error SUBSCRIBER_TOO_SLOW with the position to resume from."
    )
    async def stock_changed(
        self,
        info: Info,
        skus: SkusArgument = None,
        location_ids: LocationsArgument = None,
        after: Position = None,
    ) -> AsyncIterator[StockChange]:
        """Follow the log and present what concerns the subscriber."""
        wanted = checked_skus(skus)
        locations = visible_locations(info, location_codes(location_ids))
        caller = info.context.principal
        async for run in info.context.services.feed.follow(checked_position(after)):
            for recorded in run:
                change = _stock_change(recorded, wanted, locations, caller)
                if change is not None:
                    PLACE.set(Place(recorded.position - 1, recorded.position))
                    yield change

    @strawberry.subscription(
        description="What may be sold of each item, whenever it changes: first the latest value of each item that "
        "changed after the given position, then live. A burst of changes is answered once, with the latest value."
    )
    async def availability_changed(
        self,
        info: Info,
        skus: SkusArgument = None,
        channel_id: ChannelArgument = None,
        after: Position = None,
    ) -> AsyncIterator[AvailabilityChange]:
        """Follow the log and say what each change comes to."""
        asked, wanted, begin = channel_code(channel_id), checked_skus(skus), checked_position(after)
        channel = answered_channel(info, asked)
        if channel == UNKNOWN_CHANNEL:
            raise channel_not_found(asked or "")
        stream = AvailabilityStream(
            info.context.services, channel=channel, skus=wanted, locations=visible_locations(info, None)
        )
        async for now in stream.follow(begin):
            PLACE.set(Place(now.safe, now.position))
            yield _availability_change(now)


def checked_skus(skus: list[str] | None) -> frozenset[str] | None:
    """Return the SKUs to follow; None stands for all."""
    if skus is not None and not 1 <= len(skus) <= SKUS_MAX:
        raise bad_input(f"`skus` names {len(skus)} items; name 1 to {SKUS_MAX}, or null for all.")
    return None if skus is None else frozenset(skus)


def checked_position(after: str | None) -> int | None:
    """Return the position that an argument names."""
    return None if after is None else position_from(after, argument="after")


def _stock_change(
    recorded: RecordedEvent, skus: frozenset[str] | None, locations: frozenset[str] | None, caller: Principal
) -> StockChange | None:
    match recorded.event:
        case InventoryAdjusted(adjustment=adjustment, levels=levels):
            change = _change_by_adjustment(adjustment, recorded.position, caller)
        case StockPosted(posting=posting, levels=levels):
            change = _change_by_posting(posting, recorded.position, caller)
        case LevelActivated(level=level) | LevelDeactivated(level=level):
            levels = (level,)
            change = _change_of_level(level, recorded)
        case _:
            return None
    change.changed_levels = [level for level in levels if locations is None or level.location in locations]
    is_wanted = skus is None or change.sku in skus
    return change if is_wanted and change.changed_levels else None


def _change_by_adjustment(adjustment: Adjustment, position: int, caller: Principal) -> StockChange:
    presented = present_adjustment(adjustment, caller)
    return StockChange(
        position=str(position),
        occurred_at=adjustment.occurred_at,
        sku=adjustment.sku,
        adjustment=presented,
        changed_levels=[],
        reason=adjustment.reason,
        cause=None,
        document_id=None,
        source_channel_id=presented.source_channel_id,
        correlation_id=presented.correlation_id,
    )


def _change_by_posting(posting: Posting, position: int, caller: Principal) -> StockChange:
    channel = posting.source_channel
    is_told_all = caller.scope == EVERYTHING or posting.account == caller.account
    return StockChange(
        position=str(position),
        occurred_at=posting.recorded_at,
        sku=posting.sku,
        adjustment=None,
        changed_levels=[],
        reason=None,
        cause=posting.cause,
        document_id=present_document_id(posting.cause, posting.document_id),
        source_channel_id=_id_or_none(channel) if channel is not None and caller.scope.sees_channel(channel) else None,
        correlation_id=posting.correlation_id if is_told_all else None,
    )


def _change_of_level(level: DomainLevel, recorded: RecordedEvent) -> StockChange:
    return StockChange(
        position=str(recorded.position),
        occurred_at=recorded.recorded_at,
        sku=level.sku,
        adjustment=None,
        changed_levels=[],
        reason=None,
        cause=None,
        document_id=None,
        source_channel_id=None,
        correlation_id=None,
    )


def _availability_change(now: AvailableNow) -> AvailabilityChange:
    return AvailabilityChange(
        position=str(now.position),
        sku=now.sku,
        channel_id=_id_or_none(now.channel),
        available_quantity=now.quantity,
        previous_quantity=now.previous_quantity,
        status=now.status,
    )


def _id_or_none(code: str | None) -> strawberry.ID | None:
    return None if code is None else strawberry.ID(code)

"""Stock conflicts as GraphQL types, the questions about them, and their subscription.

The rule: what is at risk is answered as of now, from what is held now; a closed conflict puts nothing at risk.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated

import strawberry

from domain import conflicts as records
from domain.conflicts import PromiseKind, StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.filters import ConflictFilter as DomainFilter
from domain.ports import RecordedEvent
from resolvers import node_ids
from resolvers.allocations import Allocation, load_allocation
from resolvers.availability import LocationsArgument, location_codes
from resolvers.context import Info
from resolvers.enums import ConflictChangeKind
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require, required_position
from resolvers.inputs import compiled_input
from resolvers.pagination import After, Connection, First, checked_page_size, key_from_cursor, page_of, whole_number
from resolvers.places import EitherId, Location, Node
from resolvers.reservations import Reservation, load_reservation
from resolvers.stock import StockLevel, load_level, location_of_record
from resolvers.subscriptions import PLACE, Place, Position, SkusArgument, checked_position, checked_skus
from resolvers.visibility import scope_of, visible_locations


@strawberry.type(description="A promise whose units lack physical stock now.")
class PromiseAtRisk:
    """A document at risk."""

    quantity: int = strawberry.field(description="How many of its units on this level lack stock, in base units.")
    document: strawberry.Private[records.PromiseAtRisk]

    @strawberry.field(description="The reservation at risk; null for an order, and for one that you may not see.")
    async def reservation(self, info: Info) -> Reservation | None:
        """Load the reservation."""
        if self.document.kind is not PromiseKind.RESERVATION:
            return None
        return await load_reservation(info, self.document.document_id)

    @strawberry.field(
        description="The order's stock at risk; null for a reservation, and for one that you may not see."
    )
    async def allocation(self, info: Info) -> Allocation | None:
        """Load the allocation."""
        if self.document.kind is not PromiseKind.ALLOCATION:
            return None
        return await load_allocation(info, self.document.document_id)


@strawberry.type(
    description="A recorded fact (a sale at the till, a count) left promises at a stock level without units behind "
    "them. It closes by itself when every promise is backed again."
)
class StockConflict(Node):
    """A conflict."""

    sku: str = strawberry.field(description="The item's SKU.")
    location_code: str = strawberry.field(description="The location's code.")
    unbacked_at_opening: int = strawberry.field(
        description="How many promised units lacked stock when it opened, in base units."
    )
    is_open: bool = strawberry.field(description="Whether promises still lack stock.")
    opened_at: datetime = strawberry.field(description="When the fact was recorded.")
    closed_at: datetime | None = strawberry.field(description="When every promise was backed again; null until then.")

    @strawberry.field(description="The location.")
    async def location(self, info: Info) -> Location:
        """Load the location."""
        return await location_of_record(info, self.location_code)

    @strawberry.field(description="The stock level as it is now; null when it has ended.")
    async def level(self, info: Info) -> StockLevel | None:
        """Load the level."""
        return await load_level(info, node_ids.pair_key(self.sku, self.location_code))

    @strawberry.field(
        description="The promises whose units lack stock now, the newest first: those made last are the first to fail. "
        "Their quantities sum to what the level lacks."
    )
    async def at_risk(self, info: Info) -> list[PromiseAtRisk]:
        """Load what is at risk."""
        key = (self.sku, self.location_code)
        found = await info.context.services.loaders.promises_at_risk.load(key, at_least=required_position(info))
        return [PromiseAtRisk(quantity=one.quantity, document=one) for one in found]


@strawberry.type(description="A stock conflict opened or closed.")
class ConflictChange:
    """One event about a conflict."""

    position: str = strawberry.field(
        description="The event's place in the order of all events; resume `after` it to go on without a gap."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    change: ConflictChangeKind = strawberry.field(description="What happened.")
    conflict: StockConflict = strawberry.field(description="The conflict as it is now.")


@compiled_input(description="Which conflicts to list; fields that are left out or null do not narrow the list.")
class StockConflictFilter:
    """A filter of conflicts."""

    sku: str | None = strawberry.field(default=None, description="Only those of this item.")
    location_id: EitherId | None = strawberry.field(
        default=None, description="Only those at this location (global id or code)."
    )
    is_open: bool | None = strawberry.field(default=None, description="Only open ones, or only closed ones.")


@strawberry.type
class ConflictQueries:
    """Questions about conflicts."""

    @strawberry.field(description="Stock conflicts, the newest first; ask with `isOpen: true` for those to act on.")
    async def conflicts(
        self,
        info: Info,
        first: First = 50,
        after: After = None,
        filter: Annotated[
            StockConflictFilter | None, strawberry.argument(description="Which conflicts; null lists all.")
        ] = None,
        min_position: MinPosition = None,
    ) -> Connection[StockConflict]:
        """Return a page of conflicts."""
        require(info, min_position)
        size, before = checked_page_size(first), _place_from(key_from_cursor(after))
        rows = await info.context.services.reads.conflict_page(
            _domain_filter(info, filter or StockConflictFilter()),
            before=before,
            limit=size + 1,
            at_least=required_position(info),
        )
        return page_of(rows, first=size, after=after, present=present_conflict, key=_place_of)


@strawberry.type
class ConflictSubscriptions:
    """What those who keep promises follow."""

    @strawberry.subscription(
        description="Every stock conflict that opens or closes, in order, none missed and none twice."
    )
    async def conflict_changed(
        self,
        info: Info,
        skus: SkusArgument = None,
        location_ids: LocationsArgument = None,
        after: Position = None,
    ) -> AsyncIterator[ConflictChange]:
        """Follow the log and present what concerns the subscriber."""
        wanted = checked_skus(skus)
        locations = visible_locations(info, location_codes(location_ids))
        async for run in info.context.services.feed.follow(checked_position(after)):
            concerning = [(one, id_) for one in run for id_ in _conflicts_in(one.event, wanted, locations)]
            # One statement for the conflicts of a whole run.
            found = await info.context.services.loaders.conflicts.load_many(id_ for _, id_ in concerning)
            for (recorded, _), conflict in zip(concerning, found, strict=True):
                if conflict is not None:
                    PLACE.set(Place(recorded.position - 1, recorded.position))
                    yield _change(recorded, conflict)


async def load_conflict(info: Info, key: str) -> StockConflict | None:
    """Return the conflict with this id; None when there is none, or none at a location that the caller may see."""
    found = await info.context.services.loaders.conflicts.load(key, at_least=required_position(info))
    if found is None or not scope_of(info).sees_location(found.location):
        return None
    return present_conflict(found)


def present_conflict(conflict: records.StockConflict) -> StockConflict:
    """Return the conflict as clients see it."""
    return StockConflict(
        id=strawberry.ID(node_ids.conflict_id(conflict.id)),
        sku=conflict.sku,
        location_code=conflict.location,
        unbacked_at_opening=conflict.unbacked,
        is_open=conflict.closed_at is None,
        opened_at=conflict.opened_at,
        closed_at=conflict.closed_at,
    )


def _conflicts_in(event: Event, skus: frozenset[str] | None, locations: frozenset[str] | None) -> Iterator[str]:
    """Yield the id of the conflict that an event is about, if it is about one that is followed."""
    if isinstance(event, StockConflictOpened | StockConflictClosed):
        level = event.level
        if (skus is None or level.sku in skus) and (locations is None or level.location in locations):
            yield event.conflict_id


def _change(recorded: RecordedEvent, conflict: records.StockConflict) -> ConflictChange:
    opened = isinstance(recorded.event, StockConflictOpened)
    return ConflictChange(
        position=str(recorded.position),
        occurred_at=recorded.recorded_at,
        change=ConflictChangeKind.OPENED if opened else ConflictChangeKind.CLOSED,
        conflict=present_conflict(conflict),
    )


def _domain_filter(info: Info, wanted: StockConflictFilter) -> DomainFilter:
    asked = None if wanted.location_id is None else location_codes([wanted.location_id])
    return DomainFilter(sku=wanted.sku, locations=visible_locations(info, asked), is_open=wanted.is_open)


def _place_of(conflict: records.StockConflict) -> str:
    """Return where a conflict stands in the list: when it opened, in microseconds, and its id."""
    return f"{round(conflict.opened_at.timestamp() * 1_000_000)} {conflict.id}"


def _place_from(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    opened_at, _, id_ = cursor.partition(" ")
    number = whole_number(opened_at)
    if number is None:
        raise bad_input("`after` is not a cursor of this list; give a cursor as it was answered.")
    return number, id_

"""The subscription of reservations: event by event, resumable by position; nothing missed, nothing twice."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, assert_never

import strawberry

from domain.permissions import Permission
from domain.ports import RecordedEvent
from domain.reservation_commands import (
    ReservationCommitted,
    ReservationCreated,
    ReservationEvent,
    ReservationExpired,
    ReservationExtended,
    ReservationMoved,
    ReservationReleased,
)
from resolvers import node_ids
from resolvers.availability import SKUS_MAX
from resolvers.context import Info
from resolvers.enums import ReservationChangeKind
from resolvers.error_codes import ErrorCode
from resolvers.errors import bad_input, refused_request
from resolvers.promises import is_visible
from resolvers.reservations import Reservation, present_reservation
from resolvers.subscriptions import PLACE, Place, Position, checked_position
from resolvers.visibility import is_allowed

IDS_MAX = SKUS_MAX


@strawberry.type(description="Something happened to a reservation.")
class ReservationChange:
    """One event about a reservation."""

    position: str = strawberry.field(
        description="The event's place in the order of all events; resume `after` it to go on without a gap."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    reservation: Reservation = strawberry.field(description="The reservation as this event left it.")
    change: ReservationChangeKind = strawberry.field(description="What happened.")


@strawberry.type
class ReservationSubscriptions:
    """What checkouts follow."""

    @strawberry.subscription(
        description="Everything that happens to reservations, in order, none missed and none twice. Callers who may "
        "not read promises follow those whose ids they have."
    )
    async def reservation_changed(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Only these reservations (global or plain ids), at most 250; null follows all that you may "
                "see."
            ),
        ] = None,
        external_reference: Annotated[
            str | None, strawberry.argument(description="Only reservations with this reference of your own.")
        ] = None,
        after: Position = None,
    ) -> AsyncIterator[ReservationChange]:
        """Follow the log and present what concerns the subscriber."""
        wanted = _checked_ids(info, ids)
        async for run in info.context.services.feed.follow(checked_position(after)):
            for recorded in run:
                change = _change(info, recorded, wanted, external_reference)
                if change is not None:
                    PLACE.set(Place(recorded.position - 1, recorded.position))
                    yield change


def _checked_ids(info: Info, ids: list[strawberry.ID] | None) -> frozenset[str] | None:
    """Return the reservations to follow; None stands for all."""
    if ids is None:
        if not is_allowed(info, Permission.READ_PROMISES):
            message = f"The role {info.context.principal.role} follows reservations by their ids only; give `ids`."
            raise refused_request(message, code=ErrorCode.FORBIDDEN)
        return None
    if not 1 <= len(ids) <= IDS_MAX:
        raise bad_input(f"`ids` names {len(ids)} reservations; name 1 to {IDS_MAX}, or null for all.")
    return frozenset(node_ids.code_from(one, type_name=node_ids.RESERVATION) for one in ids)


def _change(
    info: Info, recorded: RecordedEvent, ids: frozenset[str] | None, external_reference: str | None
) -> ReservationChange | None:
    event = recorded.event
    if not isinstance(event, ReservationEvent):
        return None
    reservation = event.reservation
    is_wanted = (ids is None or reservation.id in ids) and external_reference in (None, reservation.external_reference)
    if not is_wanted or not is_visible(info, reservation):
        return None
    return ReservationChange(
        position=str(recorded.position),
        occurred_at=recorded.recorded_at,
        reservation=present_reservation(reservation),
        change=_kind(event),
    )


def _kind(event: ReservationEvent) -> ReservationChangeKind:
    match event:
        case ReservationCreated():
            return ReservationChangeKind.CREATED
        case ReservationExtended():
            return ReservationChangeKind.EXTENDED
        case ReservationReleased():
            return ReservationChangeKind.RELEASED
        case ReservationMoved():
            return ReservationChangeKind.MOVED
        case ReservationCommitted():
            return ReservationChangeKind.COMMITTED
        case ReservationExpired():
            return ReservationChangeKind.EXPIRED
        case _:
            assert_never(event)

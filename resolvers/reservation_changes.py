"""Mutations of reservations: parse, make one call, present; what a repeated key did is shown as it is now."""

from typing import Annotated

import strawberry

from domain.allocation_commands import AllocationEvent
from domain.allocation_commands import order_key as key_of_order
from domain.permissions import Permission
from domain.rejections import Refused
from domain.reservation_commands import ReservationEvent, ReservationExpired
from resolvers.allocations import Allocation, load_allocation_of, present_allocation
from resolvers.context import Info
from resolvers.promises import is_visible
from resolvers.receipts import DocumentPayload, MovingPayload, Outcome, common, executed, moved
from resolvers.reservation_inputs import (
    ReservationCommitInput,
    ReservationCreateInput,
    ReservationExtendInput,
    ReservationMoveInput,
    ReservationReleaseInput,
    commit_command,
    create_command,
    extend_command,
    move_command,
    release_command,
)
from resolvers.reservations import Reservation, load_reservation, present_reservation
from resolvers.visibility import is_allowed


@strawberry.type(description="What became of a request that concerns a reservation.")
class ReservationPayload(DocumentPayload):
    """What all payloads of reservations hold."""

    reservation: Reservation | None = strawberry.field(
        description="The reservation as this change left it (for a dry run: would leave it); null when the request was "
        "refused."
    )


@strawberry.type(description="What became of a request to hold units.")
class ReservationCreatePayload(MovingPayload, ReservationPayload):
    """The result of reservationCreate."""


@strawberry.type(description="What became of a request to let a reservation live longer.")
class ReservationExtendPayload(ReservationPayload):
    """The result of reservationExtend."""


@strawberry.type(description="What became of a request to give units back.")
class ReservationReleasePayload(MovingPayload, ReservationPayload):
    """The result of reservationRelease."""


@strawberry.type(description="What became of a request to hold units elsewhere.")
class ReservationMovePayload(MovingPayload, ReservationPayload):
    """The result of reservationMove."""


@strawberry.type(description="What became of a request to commit a reservation to an order.")
class ReservationCommitPayload(MovingPayload, ReservationPayload):
    """The result of reservationCommit."""

    allocation: Allocation | None = strawberry.field(
        description="The order's stock as this change left it (for a dry run: would leave it); null when the request "
        "was refused, and for callers who may not read promises."
    )


@strawberry.type
class ReservationMutations:
    """Changes of reservations."""

    @strawberry.mutation(
        description="Hold units of one or many items for a while: all lines, or none unless part will do. May be "
        "repeated without harm under the same key."
    )
    async def reservation_create(
        self,
        info: Info,
        input: Annotated[ReservationCreateInput, strawberry.argument(description="What to hold.")],
    ) -> ReservationCreatePayload | None:
        """Make one reservation."""
        outcome = await executed(info, create_command(input, info))
        return ReservationCreatePayload(reservation=await _reservation(info, outcome), **moved(outcome))

    @strawberry.mutation(
        description="Let a reservation live for an interval from now on. May be repeated without harm under the same "
        "key: then it is not extended again."
    )
    async def reservation_extend(
        self,
        info: Info,
        input: Annotated[ReservationExtendInput, strawberry.argument(description="Which, and for how long.")],
    ) -> ReservationExtendPayload | None:
        """Extend one reservation."""
        outcome = await executed(info, extend_command(input, info))
        return ReservationExtendPayload(reservation=await _reservation(info, outcome), **common(outcome))

    @strawberry.mutation(
        description="Give back what a reservation holds, all of it or some lines. May be repeated without harm under "
        "the same key."
    )
    async def reservation_release(
        self,
        info: Info,
        input: Annotated[ReservationReleaseInput, strawberry.argument(description="What to give back.")],
    ) -> ReservationReleasePayload | None:
        """Release one reservation, or lines of it."""
        outcome = await executed(info, release_command(input, info))
        return ReservationReleasePayload(reservation=await _reservation(info, outcome), **moved(outcome))

    @strawberry.mutation(
        description="Hold a reservation's units at other locations, if they are available there. May be repeated "
        "without harm under the same key."
    )
    async def reservation_move(
        self,
        info: Info,
        input: Annotated[ReservationMoveInput, strawberry.argument(description="What to hold where.")],
    ) -> ReservationMovePayload | None:
        """Move lines of one reservation."""
        outcome = await executed(info, move_command(input, info))
        return ReservationMovePayload(reservation=await _reservation(info, outcome), **moved(outcome))

    @strawberry.mutation(
        description="Turn a reservation into an order's allocation; what the order does not take is given back. May be "
        "repeated without harm under the same key."
    )
    async def reservation_commit(
        self,
        info: Info,
        input: Annotated[ReservationCommitInput, strawberry.argument(description="Which, and for what order.")],
    ) -> ReservationCommitPayload | None:
        """Commit one reservation."""
        outcome = await executed(info, commit_command(input, info))
        reservation = await _reservation(info, outcome)
        allocation = await _allocation(info, outcome, reservation)
        return ReservationCommitPayload(reservation=reservation, allocation=allocation, **moved(outcome))


async def _reservation(info: Info, outcome: Outcome) -> Reservation | None:
    """Return the reservation as the command left it; for a repeated key as it is now."""
    if isinstance(outcome, Refused):
        return None
    if outcome.replayed:
        return None if outcome.document_id is None else await load_reservation(info, outcome.document_id)
    # A claim may have ended lapsed reservations first: its own is the last.
    changed = [
        event.reservation
        for event in outcome.events
        if isinstance(event, ReservationEvent) and not isinstance(event, ReservationExpired)
    ]
    return present_reservation(changed[-1]) if changed and is_visible(info, changed[-1]) else None


async def _allocation(info: Info, outcome: Outcome, reservation: Reservation | None) -> Allocation | None:
    if isinstance(outcome, Refused) or reservation is None or not is_allowed(info, Permission.READ_PROMISES):
        return None
    if outcome.replayed:
        order = reservation.order_id
        return None if order is None else await load_allocation_of(info, key_of_order(reservation.channel_id, order))
    changed = [event.allocation for event in outcome.events if isinstance(event, AllocationEvent)]
    return present_allocation(changed[-1]) if changed and is_visible(info, changed[-1]) else None

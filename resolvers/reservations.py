"""Reservations as GraphQL types, and the questions about them.

The rule: reading adjusts nothing. A reservation whose time is over is ACTIVE until its end is recorded.
"""

from datetime import datetime
from typing import Annotated

import strawberry

from domain import reservation_commands
from domain.allocation_commands import order_key
from domain.permissions import Permission
from domain.ports import ReservationFilter as DomainFilter
from resolvers import node_ids
from resolvers.allocations import Allocation, load_allocation_of
from resolvers.context import Info
from resolvers.enums import FulfilmentKind, ReservationState
from resolvers.freshness import MinPosition, require, required_position
from resolvers.inputs import compiled_input
from resolvers.pagination import After, Connection, First, checked_page_size, key_from_cursor, page_of
from resolvers.places import Channel, EitherId, Node, load_channel
from resolvers.promises import DocumentLine, Hold, id_or_none, is_visible, present_holds
from resolvers.visibility import is_allowed, scope_of


@strawberry.type(description="A line of a reservation: what was asked for, and what is held of it.")
class ReservationLine(DocumentLine):
    """A line of a reservation."""

    quantity: int = strawberry.field(description="How many units were asked for, in base units.")
    held_quantity: int = strawberry.field(
        description="How many units are held; once the reservation is over, how many were held last."
    )
    holds: list[Hold] = strawberry.field(description="Where they are held, and why there.")


@strawberry.type(description="Units that are held for a while, for a checkout that may still be given up.")
class Reservation(Node):
    """A reservation."""

    reservation_id: str = strawberry.field(description="Its plain id; inputs take it, or the global id.")
    state: ReservationState = strawberry.field(description="Where it is in its life.")
    channel_id: strawberry.ID | None = strawberry.field(description="The code of the channel that it is for.")
    external_reference: str | None = strawberry.field(description="Your own reference, such as a cart's id, as given.")
    fulfilment: FulfilmentKind = strawberry.field(description="How the customer gets the goods.")
    lines: list[ReservationLine] = strawberry.field(description="What it holds; once it is over, what it held last.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(
        description="Until when it may be committed. From then on it is of no use, whatever `state` still says."
    )
    updated_at: datetime = strawberry.field(description="When it last changed.")
    version: int = strawberry.field(description="Grows by one with each change.")
    order_id: str | None = strawberry.field(description="The order that it was committed to.")

    @strawberry.field(description="The channel; null for reservations of none, and when it is no longer in use.")
    async def channel(self, info: Info) -> Channel | None:
        """Load the channel."""
        return None if self.channel_id is None else await load_channel(info, self.channel_id)

    @strawberry.field(
        description="The stock of the order that it was committed to, as it is now; null before, and for callers who "
        "may not read promises."
    )
    async def allocation(self, info: Info) -> Allocation | None:
        """Load the order's allocation."""
        if self.order_id is None or not is_allowed(info, Permission.READ_PROMISES):
            return None
        return await load_allocation_of(info, order_key(self.channel_id, self.order_id))


@compiled_input(description="Which reservations to list; fields that are left out or null do not narrow the list.")
class ReservationFilter:
    """A filter of reservations."""

    external_reference: str | None = strawberry.field(default=None, description="Only those with this reference.")
    sku: str | None = strawberry.field(default=None, description="Only those that hold units of this item now.")
    channel_id: EitherId | None = strawberry.field(
        default=None, description="Only those for this channel (global id or code)."
    )
    state: ReservationState | None = strawberry.field(default=None, description="Only those in this state.")


def present_reservation(reservation: reservation_commands.Reservation) -> Reservation:
    """Return the reservation as clients see it."""
    return Reservation(
        id=strawberry.ID(node_ids.reservation_id(reservation.id)),
        reservation_id=reservation.id,
        state=reservation.state,
        channel_id=id_or_none(reservation.channel),
        external_reference=reservation.external_reference,
        fulfilment=reservation.fulfilment,
        lines=[
            ReservationLine(
                line_id=line.id,
                sku=line.sku,
                quantity=line.quantity,
                held_quantity=line.held,
                holds=present_holds(line),
            )
            for line in reservation.lines
        ],
        created_at=reservation.created_at,
        expires_at=reservation.expires_at,
        updated_at=reservation.updated_at,
        version=reservation.version,
        order_id=reservation.order_id,
    )


async def load_reservation(info: Info, key: str) -> Reservation | None:
    """Return the reservation with this id; None when there is none, or none that the caller may see."""
    found = await info.context.services.loaders.reservations.load(key, at_least=required_position(info))
    return None if found is None or not is_visible(info, found) else present_reservation(found)


EitherReservationId = Annotated[
    strawberry.ID, strawberry.argument(description="The reservation's global id, or its plain id.")
]


@strawberry.type
class ReservationQueries:
    """Questions about reservations."""

    @strawberry.field(
        description="One reservation, for those who hold it: whoever has its id. Null when there is none."
    )
    async def reservation(
        self, info: Info, id: EitherReservationId, min_position: MinPosition = None
    ) -> Reservation | None:
        """Return a reservation by global or plain id."""
        require(info, min_position)
        return await load_reservation(info, node_ids.code_from(id, type_name=node_ids.RESERVATION))

    @strawberry.field(description="Reservations, the newest first, whatever became of them.")
    async def reservations(
        self,
        info: Info,
        first: First = 50,
        after: After = None,
        filter: Annotated[
            ReservationFilter | None, strawberry.argument(description="Which reservations; null lists all.")
        ] = None,
        min_position: MinPosition = None,
    ) -> Connection[Reservation]:
        """Return a page of reservations."""
        require(info, min_position)
        size, before = checked_page_size(first), key_from_cursor(after)
        rows = await info.context.services.reads.reservation_page(
            _domain_filter(info, filter or ReservationFilter()),
            before=before,
            limit=size + 1,
            at_least=required_position(info),
        )
        return page_of(rows, first=size, after=after, present=present_reservation, key=lambda one: one.id)


def _domain_filter(info: Info, wanted: ReservationFilter) -> DomainFilter:
    channel, seen = wanted.channel_id, scope_of(info)
    return DomainFilter(
        external_reference=wanted.external_reference,
        sku=wanted.sku,
        channel=None if channel is None else node_ids.code_from(channel, type_name=node_ids.CHANNEL),
        state=wanted.state,
        channels=seen.channels,
        locations=seen.locations,
    )

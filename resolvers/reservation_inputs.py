"""Inputs of the mutations of reservations, and the commands that they become."""

import strawberry

from domain.rejections import Refused
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    ReservationCommit,
    ReservationCreate,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
)
from resolvers import node_ids
from resolvers.claim_inputs import (
    LINE,
    LINES_OR_ALL,
    QUANTITY,
    ClaimInput,
    DocumentInput,
    LineQuantityInput,
    RequestedLineInput,
    basics,
    channel_meant,
    claim_details,
    line_quantities,
    location_or_none,
)
from resolvers.context import Info
from resolvers.inputs import compiled_input
from resolvers.places import EitherId
from resolvers.reservations import EitherReservationId

RESERVATION = "Which reservation, by its global id or its plain id."
TTL = "in seconds; left out, as long as the channel says. At most the channel's reservationTtlSecondsMax."


@compiled_input(description="Units to hold.")
class ReservationLineInput(RequestedLineInput):
    """One line of a reservation."""


@compiled_input(description="Units to hold for a while: all lines, or none unless part will do.")
class ReservationCreateInput(ClaimInput):
    """One reservation."""

    lines: list[ReservationLineInput] = strawberry.field(description="What to hold, 1 to 250 lines.")
    ttl_seconds: int | None = strawberry.field(default=None, description=f"How long it lives, {TTL}")
    external_reference: str | None = strawberry.field(
        default=None, description="Your own reference, such as a cart's id: `reservations` finds it by that."
    )


@compiled_input(description="A reservation that is to live longer, or shorter.")
class ReservationExtendInput(DocumentInput):
    """One reservation's new time."""

    reservation_id: EitherReservationId = strawberry.field(description=RESERVATION)
    ttl_seconds: int | None = strawberry.field(default=None, description=f"How long it lives from now on, {TTL}")


@compiled_input(description="Units of a reservation to give back.")
class ReservationReleaseInput(DocumentInput):
    """What is given back."""

    reservation_id: EitherReservationId = strawberry.field(description=RESERVATION)
    lines: list[LineQuantityInput] | None = strawberry.field(default=None, description=LINES_OR_ALL)


@compiled_input(description="Units of a line to hold elsewhere.")
class ReservationLineMoveInput:
    """One line's move."""

    line_id: str = strawberry.field(description=LINE)
    to_location_id: EitherId = strawberry.field(description="Where they are to be held (global id or code).")
    from_location_id: EitherId | None = strawberry.field(
        default=None, description="Where they are held (global id or code); left out, wherever that is."
    )
    quantity: int | None = strawberry.field(default=None, description=QUANTITY)


@compiled_input(description="Units of a reservation to hold elsewhere; all of them are moved, or none.")
class ReservationMoveInput(DocumentInput):
    """Moves of one reservation."""

    reservation_id: EitherReservationId = strawberry.field(description=RESERVATION)
    moves: list[ReservationLineMoveInput] = strawberry.field(description="What moves where, 1 to 250 lines.")


@compiled_input(description="Units of a line that an order takes.")
class ReservationLineCommitInput:
    """One line, or a part of it."""

    line_id: str = strawberry.field(description=LINE)
    quantity: int | None = strawberry.field(default=None, description=QUANTITY)
    order_line_id: str | None = strawberry.field(
        default=None, description="Your own id of the order's line; left out, the reservation's line id."
    )


@compiled_input(description="A reservation that becomes an order's allocation; what is not taken is given back.")
class ReservationCommitInput(DocumentInput):
    """What an order takes of a reservation."""

    reservation_id: EitherReservationId = strawberry.field(description=RESERVATION)
    order_id: str = strawberry.field(description="Your own id of the order, unique within the reservation's channel.")
    lines: list[ReservationLineCommitInput] | None = strawberry.field(default=None, description=LINES_OR_ALL)


def create_command(wanted: ReservationCreateInput, info: Info) -> ReservationCreate | Refused:
    """Return the command that the input asks for; refused where the channel has to be named."""
    channel = channel_meant(info, wanted.channel_id)
    if isinstance(channel, Refused):
        return channel
    return ReservationCreate(
        channel=channel,
        external_reference=wanted.external_reference,
        ttl_seconds=wanted.ttl_seconds,
        **basics(wanted, info),
        **claim_details(wanted, wanted.lines),
    )


def extend_command(wanted: ReservationExtendInput, info: Info) -> ReservationExtend:
    """Return the command that the input asks for."""
    return ReservationExtend(
        reservation=_key(wanted.reservation_id), ttl_seconds=wanted.ttl_seconds, **basics(wanted, info)
    )


def release_command(wanted: ReservationReleaseInput, info: Info) -> ReservationRelease:
    """Return the command that the input asks for."""
    return ReservationRelease(
        reservation=_key(wanted.reservation_id), lines=line_quantities(wanted.lines), **basics(wanted, info)
    )


def move_command(wanted: ReservationMoveInput, info: Info) -> ReservationMove:
    """Return the command that the input asks for."""
    return ReservationMove(
        reservation=_key(wanted.reservation_id),
        moves=tuple(
            LineMove(
                line=one.line_id,
                to_location=node_ids.code_from(one.to_location_id, type_name=node_ids.LOCATION),
                from_location=location_or_none(one.from_location_id),
                quantity=one.quantity,
            )
            for one in wanted.moves
        ),
        **basics(wanted, info),
    )


def commit_command(wanted: ReservationCommitInput, info: Info) -> ReservationCommit:
    """Return the command that the input asks for."""
    lines = wanted.lines
    return ReservationCommit(
        reservation=_key(wanted.reservation_id),
        order_id=wanted.order_id,
        lines=None
        if lines is None
        else tuple(LineCommit(line=one.line_id, quantity=one.quantity, order_line=one.order_line_id) for one in lines),
        **basics(wanted, info),
    )


def _key(either: str) -> str:
    return node_ids.code_from(either, type_name=node_ids.RESERVATION)

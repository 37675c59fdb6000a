"""Inputs of the mutations of orders' stock, and the commands that they become."""

from datetime import datetime

import strawberry

from domain.allocation_commands import AllocationCancel, AllocationCreate, ShipmentConfirm, ShipmentLine
from domain.rejections import Refused
from resolvers.claim_inputs import (
    CHANNEL,
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
from resolvers.stock_inputs import in_utc

ORDER = "Your own id of the order."


@compiled_input(description="Units to commit to an order.")
class AllocationLineInput(RequestedLineInput):
    """One line of an order."""


@compiled_input(description="Stock to commit to an order that nothing was reserved for; more lines may follow later.")
class AllocationCreateInput(ClaimInput):
    """What an order needs."""

    order_id: str = strawberry.field(description="Your own id of the order, unique within its channel.")
    lines: list[AllocationLineInput] = strawberry.field(description="What to commit, 1 to 250 lines.")


@compiled_input(description="Stock of an order to give back; what has shipped stays shipped.")
class AllocationCancelInput(DocumentInput):
    """What an order gives back."""

    order_id: str = strawberry.field(description=ORDER)
    channel_id: EitherId | None = strawberry.field(default=None, description=CHANNEL)
    lines: list[LineQuantityInput] | None = strawberry.field(default=None, description=LINES_OR_ALL)


@compiled_input(description="Units of an order's line that left.")
class ShipmentLineInput:
    """One line, or a part of it."""

    line_id: str = strawberry.field(description=LINE)
    quantity: int | None = strawberry.field(default=None, description=QUANTITY)
    location_id: EitherId | None = strawberry.field(
        default=None, description="From where (global id or code); left out, from wherever they are allocated."
    )


@compiled_input(description="Goods of an order that left: on hand and allocated fall together.")
class ShipmentConfirmInput(DocumentInput):
    """One shipment."""

    order_id: str = strawberry.field(description=ORDER)
    channel_id: EitherId | None = strawberry.field(default=None, description=CHANNEL)
    shipment_id: str | None = strawberry.field(default=None, description="Your own id of the shipment; kept with it.")
    lines: list[ShipmentLineInput] | None = strawberry.field(
        default=None, description="What left, 1 to 250 lines; left out, all that has still to ship."
    )
    shipped_at: datetime | None = strawberry.field(
        default=None, description="When it left; left out, now. A time without an offset is UTC."
    )


def create_command(wanted: AllocationCreateInput, info: Info) -> AllocationCreate | Refused:
    """Return the command that the input asks for; refused where the channel has to be named."""
    channel = channel_meant(info, wanted.channel_id)
    if isinstance(channel, Refused):
        return channel
    return AllocationCreate(
        channel=channel,
        order_id=wanted.order_id,
        **basics(wanted, info),
        **claim_details(wanted, wanted.lines),
    )


def cancel_command(wanted: AllocationCancelInput, info: Info) -> AllocationCancel | Refused:
    """Return the command that the input asks for; refused where the channel has to be named."""
    channel = channel_meant(info, wanted.channel_id)
    if isinstance(channel, Refused):
        return channel
    lines = line_quantities(wanted.lines)
    return AllocationCancel(channel=channel, order_id=wanted.order_id, lines=lines, **basics(wanted, info))


def ship_command(wanted: ShipmentConfirmInput, info: Info) -> ShipmentConfirm | Refused:
    """Return the command that the input asks for; refused where the channel has to be named."""
    channel = channel_meant(info, wanted.channel_id)
    if isinstance(channel, Refused):
        return channel
    lines = wanted.lines
    return ShipmentConfirm(
        channel=channel,
        order_id=wanted.order_id,
        external_id=wanted.shipment_id,
        lines=None
        if lines is None
        else tuple(
            ShipmentLine(line=one.line_id, quantity=one.quantity, location=location_or_none(one.location_id))
            for one in lines
        ),
        shipped_at=in_utc(wanted.shipped_at),
        **basics(wanted, info),
    )

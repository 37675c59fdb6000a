"""Mutations of orders' stock: parse, make one call, present; what a repeated key did is shown as it is now."""

from typing import Annotated

import strawberry

from domain.allocation_commands import AllocationEvent, ShipmentConfirmed, order_key
from domain.rejections import Refused
from resolvers.allocation_inputs import (
    AllocationCancelInput,
    AllocationCreateInput,
    ShipmentConfirmInput,
    cancel_command,
    create_command,
    ship_command,
)
from resolvers.allocations import (
    Allocation,
    Shipment,
    load_allocation,
    load_allocation_of,
    load_shipment,
    present_allocation,
    present_shipment,
)
from resolvers.context import Info
from resolvers.promises import is_visible
from resolvers.receipts import MovingPayload, Outcome, executed, moved


@strawberry.type(description="What became of a request that concerns an order's stock.")
class AllocationPayload(MovingPayload):
    """What all payloads of orders' stock hold."""

    allocation: Allocation | None = strawberry.field(
        description="The order's stock as this change left it (for a dry run: would leave it); null when the request "
        "was refused."
    )


@strawberry.type(description="What became of a request to commit stock to an order.")
class AllocationCreatePayload(AllocationPayload):
    """The result of allocationCreate."""


@strawberry.type(description="What became of a request to give an order's stock back.")
class AllocationCancelPayload(AllocationPayload):
    """The result of allocationCancel."""


@strawberry.type(description="What became of a shipment that was reported.")
class ShipmentConfirmPayload(AllocationPayload):
    """The result of shipmentConfirm."""

    shipment: Shipment | None = strawberry.field(description="What left; null when the request was refused.")


@strawberry.type
class AllocationMutations:
    """Changes of orders' stock."""

    @strawberry.mutation(
        description="Commit stock to an order that nothing was reserved for: all lines, or none unless part will do. "
        "May be repeated without harm under the same key."
    )
    async def allocation_create(
        self,
        info: Info,
        input: Annotated[AllocationCreateInput, strawberry.argument(description="The order's lines.")],
    ) -> AllocationCreatePayload | None:
        """Allocate to one order."""
        outcome = await executed(info, create_command(input, info))
        return AllocationCreatePayload(allocation=await _allocation(info, outcome), **moved(outcome))

    @strawberry.mutation(
        description="Give back what an order has not shipped, all of it or some lines. May be repeated without harm "
        "under the same key."
    )
    async def allocation_cancel(
        self,
        info: Info,
        input: Annotated[AllocationCancelInput, strawberry.argument(description="What to give back.")],
    ) -> AllocationCancelPayload | None:
        """Cancel one order's stock, or lines of it."""
        outcome = await executed(info, cancel_command(input, info))
        return AllocationCancelPayload(allocation=await _allocation(info, outcome), **moved(outcome))

    @strawberry.mutation(
        description="Report that goods of an order left, all of them or some: on hand and allocated fall together. "
        "Never more than is allocated. May be repeated without harm under the same key."
    )
    async def shipment_confirm(
        self,
        info: Info,
        input: Annotated[ShipmentConfirmInput, strawberry.argument(description="What left.")],
    ) -> ShipmentConfirmPayload | None:
        """Confirm one shipment."""
        outcome = await executed(info, ship_command(input, info))
        shipment = await _shipment(info, outcome)
        allocation = await _allocation(info, outcome, shipment)
        return ShipmentConfirmPayload(shipment=shipment, allocation=allocation, **moved(outcome))


async def _allocation(info: Info, outcome: Outcome, shipment: Shipment | None = None) -> Allocation | None:
    """Return the order's stock as the command left it; for a repeated key as it is now."""
    if isinstance(outcome, Refused):
        return None
    if outcome.replayed:
        if shipment is not None:
            return await load_allocation_of(info, order_key(shipment.channel_id, shipment.order_id))
        return None if outcome.document_id is None else await load_allocation(info, outcome.document_id)
    changed = [event.allocation for event in outcome.events if isinstance(event, AllocationEvent)]
    return present_allocation(changed[-1]) if changed and is_visible(info, changed[-1]) else None


async def _shipment(info: Info, outcome: Outcome) -> Shipment | None:
    if isinstance(outcome, Refused):
        return None
    if outcome.replayed:
        return None if outcome.document_id is None else await load_shipment(info, outcome.document_id)
    confirmed = [event.shipment for event in outcome.events if isinstance(event, ShipmentConfirmed)]
    return present_shipment(confirmed[-1]) if confirmed and is_visible(info, confirmed[-1]) else None

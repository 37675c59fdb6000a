"""Allocations and shipments as GraphQL types, and the questions about them."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain import allocation_commands
from domain.allocation_commands import OrderKey, order_key
from resolvers import node_ids
from resolvers.availability import channel_code
from resolvers.context import Info
from resolvers.enums import AllocationState, FulfilmentKind
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require, required_position
from resolvers.places import Channel, Node, load_channel
from resolvers.promises import DocumentLine, Hold, id_or_none, is_visible, present_holds
from resolvers.visibility import answered_channel


@strawberry.type(description="A line of a shipment: what left, and from where.")
class ShipmentLine(DocumentLine):
    """Units that left."""

    quantity: int = strawberry.field(description="How many units left, in base units.")
    holds: list[Hold] = strawberry.field(description="The locations that gave them.")


@strawberry.type(description="What left for a customer in one go.")
class Shipment(Node):
    """A shipment."""

    shipment_id: str | None = strawberry.field(description="Your own id of it, as given.")
    order_id: str = strawberry.field(description="Your own id of the order.")
    channel_id: strawberry.ID | None = strawberry.field(description="The code of the order's channel.")
    lines: list[ShipmentLine] = strawberry.field(description="What left, one entry a line of the order.")
    shipped_at: datetime = strawberry.field(description="When it left, as given; else recordedAt.")
    recorded_at: datetime = strawberry.field(description="When it was recorded.")


@strawberry.type(description="A line of an order: what was committed to it, and what became of that.")
class AllocationLine(DocumentLine):
    """A line of an allocation."""

    quantity: int = strawberry.field(description="How many units were asked for, in base units.")
    open_quantity: int = strawberry.field(description="How many units have still to ship.")
    shipped_quantity: int = strawberry.field(description="How many units have shipped.")
    cancelled_quantity: int = strawberry.field(description="How many units were given back.")
    holds: list[Hold] = strawberry.field(description="Where the units lie that have still to ship.")


@strawberry.type(description="The stock that is committed to an order until it ships. An order has one at the most.")
class Allocation(Node):
    """An allocation."""

    order_id: str = strawberry.field(description="Your own id of the order, unique within its channel.")
    channel_id: strawberry.ID | None = strawberry.field(description="The code of the channel that sold it.")
    fulfilment: FulfilmentKind = strawberry.field(description="How the customer gets the goods.")
    state: AllocationState = strawberry.field(description="Where it is in its life.")
    lines: list[AllocationLine] = strawberry.field(description="What was committed, one entry a line of the order.")
    created_at: datetime = strawberry.field(description="When stock was first committed to the order.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    version: int = strawberry.field(description="Grows by one with each change.")

    @strawberry.field(description="The channel that sold it; null for orders of none, and when it is no longer in use.")
    async def channel(self, info: Info) -> Channel | None:
        """Load the channel."""
        return None if self.channel_id is None else await load_channel(info, self.channel_id)

    @strawberry.field(description="What has left of it, in the order in which it was confirmed.")
    async def shipments(self, info: Info) -> list[Shipment]:
        """Load the order's shipments."""
        key = order_key(self.channel_id, self.order_id)
        found = await info.context.services.loaders.shipments_of_orders.load(key)
        return [present_shipment(one) for one in found if is_visible(info, one)]


def present_allocation(allocation: allocation_commands.Allocation) -> Allocation:
    """Return the allocation as clients see it."""
    return Allocation(
        id=strawberry.ID(node_ids.allocation_id(allocation.id)),
        order_id=allocation.order_id,
        channel_id=id_or_none(allocation.channel),
        fulfilment=allocation.fulfilment,
        state=allocation.state,
        lines=[
            AllocationLine(
                line_id=line.id,
                sku=line.sku,
                quantity=line.quantity,
                open_quantity=line.held,
                shipped_quantity=line.shipped,
                cancelled_quantity=line.cancelled,
                holds=present_holds(line),
            )
            for line in allocation.lines
        ],
        created_at=allocation.created_at,
        updated_at=allocation.updated_at,
        version=allocation.version,
    )


def present_shipment(shipment: allocation_commands.Shipment) -> Shipment:
    """Return the shipment as clients see it."""
    return Shipment(
        id=strawberry.ID(node_ids.shipment_id(shipment.id)),
        shipment_id=shipment.external_id,
        order_id=shipment.order_id,
        channel_id=id_or_none(shipment.channel),
        lines=[
            ShipmentLine(line_id=line.id, sku=line.sku, quantity=line.quantity, holds=present_holds(line))
            for line in shipment.lines
        ],
        shipped_at=shipment.shipped_at,
        recorded_at=shipment.recorded_at,
    )


async def load_allocation(info: Info, key: str) -> Allocation | None:
    """Return the allocation with this key; None when there is none, or none that the caller may see."""
    found = await info.context.services.loaders.allocations.load(key, at_least=required_position(info))
    return None if found is None or not is_visible(info, found) else present_allocation(found)


async def load_allocation_of(info: Info, key: OrderKey) -> Allocation | None:
    """Return an order's allocation; None when there is none, or none that the caller may see."""
    found = await info.context.services.loaders.allocations_of_orders.load(key, at_least=required_position(info))
    return None if found is None or not is_visible(info, found) else present_allocation(found)


async def load_shipment(info: Info, key: str) -> Shipment | None:
    """Return the shipment with this key; None when there is none, or none that the caller may see."""
    found = await info.context.services.loaders.shipments.load(key)
    return None if found is None or not is_visible(info, found) else present_shipment(found)


@strawberry.type
class AllocationQueries:
    """Questions about orders' stock."""

    @strawberry.field(
        description="The stock that is committed to an order, by the order's id and channel or by the allocation's "
        "global id; null when there is none."
    )
    async def allocation(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The allocation's global id.")] = None,
        order_id: Annotated[str | None, strawberry.argument(description="Your own id of the order.")] = None,
        channel_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="With `orderId`: the order's channel (global id or code); null asks for an order of the "
                "one channel that your key is for, or of none."
            ),
        ] = None,
        min_position: MinPosition = None,
    ) -> Allocation | None:
        """Return an allocation; exactly one of `id` and `orderId` says which."""
        if (id is None) == (order_id is None):
            raise bad_input("Give either `id` or `orderId`.")
        require(info, min_position)
        if id is not None:
            return await load_allocation(info, node_ids.code_from(id, type_name=node_ids.ALLOCATION))
        channel = answered_channel(info, channel_code(channel_id))
        return await load_allocation_of(info, order_key(channel, order_id or ""))

"""Orders' stock: allocate, cancel, ship; what each may do and what happens when it does.

The rule: what ships was allocated, so that on hand and allocated fall together and nothing that another was promised
leaves with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.allocation_commands import (
    Allocation,
    AllocationCancel,
    AllocationCancelled,
    AllocationCommands,
    AllocationCreate,
    AllocationEvent,
    AllocationLine,
    Shipment,
    ShipmentConfirm,
    ShipmentConfirmed,
    ShipmentLine,
    order_key,
)
from domain.allocation_records import allocated, lines_are_new
from domain.claim_checks import (
    claim_well_formed,
    document_well_formed,
    names_are_known,
    places_may_serve,
    quantities_are_valid,
    quantity_is_valid,
    sourced_lines,
    touches_claim,
)
from domain.levels import BALANCE_MAX
from domain.postings import PostingCause, PostingEvent, deltas_of, occasion_of, posted
from domain.principals import Principal
from domain.promises import Line, held_where, taken_from, units_by_level
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, first_refused, refuse
from domain.reservation_checks import is_seen, lines_are_there, lines_well_formed
from domain.state import Selectors, State
from domain.text import code_problems

Happened = tuple[AllocationEvent | PostingEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """So many units of an order's line, and where the input says so; None stands for all that are open."""

    line: str
    quantity: int | None
    location: str | None
    field: FieldPath

    def lies(self, location: str) -> bool:
        """Whether it takes units that lie there."""
        return self.location in (None, location)


def malformed(command: AllocationCommands) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    if isinstance(command, AllocationCreate):
        yield from claim_well_formed(command)
    else:
        yield from document_well_formed(command)
        if command.channel is not None:
            yield from code_problems(command.channel, field=("channelId",), what="The channel")
        if command.lines is not None:
            yield from lines_well_formed(command.lines)
    yield from code_problems(command.order_id, field=("orderId",), what="The order's id")
    if isinstance(command, ShipmentConfirm):
        yield from _shipment_well_formed(command)


def touches(command: AllocationCommands) -> Selectors:
    """Return what the command needs to see; an order brings the levels that its stock lies on."""
    orders = frozenset({command.order_id})
    return (
        replace(touches_claim(command), orders=orders)
        if isinstance(command, AllocationCreate)
        else Selectors(orders=orders)
    )


def decide(command: AllocationCommands, state: State, *, by: Principal, at: datetime) -> Happened | Refused:
    """Return what happens, or why it may not."""
    match command:
        case AllocationCreate():
            return decide_create(command, state, by=by, at=at)
        case AllocationCancel() | ShipmentConfirm():
            allocation = state.allocations.get(order_key(command.channel, command.order_id))
            if allocation is None or not is_seen(allocation.channel, allocation.lines, by):
                return refuse(_order_not_found(command.order_id, command.channel))
            return decide_taking(command, allocation, state, by=by, at=at)
        case _:
            assert_never(command)


def evolve(state: State, event: AllocationEvent) -> State:
    """Return the state after the event."""
    state.allocations[event.allocation.key] = event.allocation
    return state


def decide_create(command: AllocationCreate, state: State, *, by: Principal, at: datetime) -> Happened | Refused:
    """Allocate what sourcing finds; lines that get nothing are left out."""
    key = order_key(command.channel, command.order_id)
    named = ((line.id, ("lines", str(place), "lineId")) for place, line in enumerate(command.lines))
    refused = first_refused(
        (
            *names_are_known(command, state),
            lines_are_new(key, named, state),
            *places_may_serve(command, state),
            quantities_are_valid(command),
        )
    )
    lines = refused or sourced_lines(command, state)
    if isinstance(lines, Refused):
        return lines
    order_lines = tuple(
        AllocationLine(id=line.id, sku=line.sku, quantity=line.quantity, holds=line.holds)
        for line in lines
        if line.holds
    )
    event = allocated(key, order_lines, state, new_id=command.command_id, fulfilment=command.fulfilment, by=by, at=at)
    occasion = occasion_of(command, event.allocation, PostingCause.ALLOCATION_CREATED, by=by, at=at)
    deltas = (one for line in order_lines for one in deltas_of(line.holds, allocated=1))
    return (event, *posted(deltas, state, occasion))


def decide_taking(
    command: AllocationCancel | ShipmentConfirm, allocation: Allocation, state: State, *, by: Principal, at: datetime
) -> Happened | Refused:
    """Cancel or ship what is named, or everything that is open."""
    portions = tuple(_portions(command, allocation))
    if refused := first_refused(_are_allocated(command, portions, allocation)):
        return refused
    ships = isinstance(command, ShipmentConfirm)
    lines = {line.id: line for line in allocation.lines}
    taken_lines: list[Line] = []
    for portion in portions:
        line = lines[portion.line]
        open_units = held_where(line, portion.lies)
        taken, rest = taken_from(line, open_units if portion.quantity is None else portion.quantity, lies=portion.lies)
        units = sum(hold.quantity for hold in taken)
        lines[line.id] = replace(
            rest,
            shipped=rest.shipped + (units if ships else 0),
            cancelled=rest.cancelled + (0 if ships else units),
        )
        taken_lines.append(Line(id=line.id, sku=line.sku, quantity=units, holds=taken))
    if isinstance(command, ShipmentConfirm) and (
        refused := first_refused((_on_hand_stays_in_range(command, taken_lines, state),))
    ):
        return refused
    after = replace(allocation, lines=tuple(lines.values()), updated_at=at, version=allocation.version + 1)
    cause = PostingCause.SHIPMENT_CONFIRMED if ships else PostingCause.ALLOCATION_CANCELLED
    occasion = occasion_of(command, after, cause, by=by, at=at)
    on_hand = -1 if ships else 0
    deltas = (one for line in taken_lines for one in deltas_of(line.holds, allocated=-1, on_hand=on_hand))
    event: AllocationEvent = AllocationCancelled(allocation=after)
    if isinstance(command, ShipmentConfirm):
        event = ShipmentConfirmed(shipment=_shipment(command, after, taken_lines, at=at), allocation=after)
    return (event, *posted(deltas, state, occasion))


def _shipment_well_formed(command: ShipmentConfirm) -> Iterator[Rejection]:
    if command.external_id is not None:
        yield from code_problems(command.external_id, field=("shipmentId",), what="The shipment's id")
    for place, one in enumerate(command.lines or ()):
        if one.location is not None:
            yield from code_problems(one.location, field=("lines", str(place), "locationId"), what="The location")


def _shipment(command: ShipmentConfirm, allocation: Allocation, lines: Iterable[Line], *, at: datetime) -> Shipment:
    return Shipment(
        id=command.command_id,
        order_id=allocation.order_id,
        channel=allocation.channel,
        external_id=command.external_id,
        lines=tuple(lines),
        shipped_at=command.shipped_at or at,
        recorded_at=at,
    )


def _portions(command: AllocationCancel | ShipmentConfirm, allocation: Allocation) -> Iterator[Portion]:
    if command.lines is None:
        for line in allocation.lines:
            if line.holds:
                yield Portion(line=line.id, quantity=None, location=None, field=("orderId",))
        return
    for place, one in enumerate(command.lines):
        location = one.location if isinstance(one, ShipmentLine) else None
        yield Portion(line=one.line, quantity=one.quantity, location=location, field=("lines", str(place)))


def _are_allocated(
    command: AllocationCancel | ShipmentConfirm, portions: tuple[Portion, ...], allocation: Allocation
) -> Iterator[Iterator[Rejection]]:
    """LINE_NOT_FOUND, INVALID_QUANTITY, then EXCEEDS_ALLOCATED_QUANTITY; also where nothing is open at all."""
    lines = {line.id: line for line in allocation.lines}
    yield lines_are_there((((*one.field, "lineId"), one.line) for one in portions), lines)
    yield (
        rejection for one in portions for rejection in quantity_is_valid(one.quantity, field=(*one.field, "quantity"))
    )
    yield (
        _too_many(open_units, one)
        for one in portions
        for open_units in (held_where(lines[one.line], one.lies),)
        if (one.quantity or 1) > open_units
    )
    if not portions:
        what = "ship" if isinstance(command, ShipmentConfirm) else "cancel"
        yield iter((_nothing_open(allocation, what),))


def _on_hand_stays_in_range(command: ShipmentConfirm, lines: Iterable[Line], state: State) -> Iterator[Rejection]:
    """INVALID_QUANTITY: a balance is bounded below too, which only facts on top of facts can reach."""
    for (sku, location), units in units_by_level(lines).items():
        after = state.levels[sku, location].on_hand - units
        if after < -BALANCE_MAX:
            yield Rejection(
                code=RejectionCode.INVALID_QUANTITY,
                message=f"ON_HAND of {sku} at {location} would be {after:,}; a balance is at most {BALANCE_MAX:,} "
                "either way. Count the stock with inventorySet first.",
                field=("orderId",) if command.lines is None else ("lines",),
            )


def _order_not_found(order_id: str, channel: str | None) -> Rejection:
    of = "of no channel" if channel is None else f"of the channel {channel}"
    return Rejection(
        code=RejectionCode.ORDER_NOT_FOUND,
        message=f"No stock is allocated to an order {order_id!r} {of}; check the id and the channel.",
        field=("orderId",),
    )


def _too_many(open_units: int, portion: Portion) -> Rejection:
    where = "" if portion.location is None else f" at {portion.location}"
    return Rejection(
        code=RejectionCode.EXCEEDS_ALLOCATED_QUANTITY,
        message=f"{open_units} units of line {portion.line!r} are open{where}; name at most that many.",
        field=(*portion.field, "quantity"),
        quantity_available=open_units,
    )


def _nothing_open(allocation: Allocation, what: str) -> Rejection:
    return Rejection(
        code=RejectionCode.EXCEEDS_ALLOCATED_QUANTITY,
        message=f"Nothing of order {allocation.order_id} is open any more; there is nothing to {what}.",
        field=("orderId",),
        quantity_available=0,
    )

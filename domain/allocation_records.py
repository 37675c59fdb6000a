"""How stock comes to an order; the one rule: a line of an order is allocated once, whichever way it comes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from domain.allocation_commands import (
    Allocation,
    AllocationCreated,
    AllocationLine,
    AllocationLinesAdded,
    OrderKey,
    order_key,
)
from domain.principals import Principal
from domain.promises import FulfilmentKind
from domain.rejections import FieldPath, Rejection, RejectionCode
from domain.reservation_commands import Reservation, ReservationCommit
from domain.state import State


def committed_to(
    command: ReservationCommit,
    reservation: Reservation,
    lines: Sequence[AllocationLine],
    state: State,
    *,
    by: Principal,
    at: datetime,
) -> AllocationCreated | AllocationLinesAdded:
    """Return the order's allocation with the lines that a reservation brings."""
    return allocated(
        order_key(reservation.channel, command.order_id),
        lines,
        state,
        new_id=command.command_id,
        fulfilment=reservation.fulfilment,
        by=by,
        at=at,
    )


def allocated(
    key: OrderKey,
    lines: Sequence[AllocationLine],
    state: State,
    *,
    new_id: str,
    fulfilment: FulfilmentKind,
    by: Principal,
    at: datetime,
) -> AllocationCreated | AllocationLinesAdded:
    """Return the order's allocation with these lines: its first, or some more."""
    known = state.allocations.get(key)
    if known is not None:
        more = replace(known, lines=(*known.lines, *lines), updated_at=at, version=known.version + 1)
        return AllocationLinesAdded(allocation=more)
    channel, order_id = key
    return AllocationCreated(
        allocation=Allocation(
            id=new_id,
            order_id=order_id,
            account=by.account,
            channel=channel or None,
            fulfilment=fulfilment,
            lines=tuple(lines),
            created_at=at,
            updated_at=at,
            version=1,
        )
    )


def new_lines_differ(command: ReservationCommit, reservation: Reservation, state: State) -> Iterator[Rejection]:
    """ORDER_LINE_EXISTS, for the lines that a reservation brings."""
    named: Iterable[tuple[str, FieldPath]]
    if command.lines is None:
        named = ((line.id, ("orderId",)) for line in reservation.lines if line.holds)
    else:
        named = (
            (one.line if one.order_line is None else one.order_line, ("lines", str(place), "orderLineId"))
            for place, one in enumerate(command.lines)
        )
    yield from lines_are_new(order_key(reservation.channel, command.order_id), named, state)


def lines_are_new(key: OrderKey, lines: Iterable[tuple[str, FieldPath]], state: State) -> Iterator[Rejection]:
    """ORDER_LINE_EXISTS."""
    known = state.allocations.get(key)
    taken = set() if known is None else {line.id for line in known.lines}
    for one, field in lines:
        if one in taken:
            yield Rejection(
                code=RejectionCode.ORDER_LINE_EXISTS,
                message=f"Order {key[1]} has a line {one!r} already; give more units another line id.",
                field=field,
            )
        taken.add(one)

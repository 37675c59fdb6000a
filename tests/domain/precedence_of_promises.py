"""Commands on promises that are wrong in as many ways as they are told, for the walk through the order of refusals.

The rule: every way has a place of its own in the command, so that any two of them are met at once.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta

from domain.allocation_commands import Allocation, ShipmentLine
from domain.claims import LineQuantity, RequestedLine
from domain.rejections import RejectionCode
from domain.reservation_commands import LineCommit, LineMove, Reservation, ReservationState
from tests.domain.given import (
    CENTRAL,
    EAST,
    NOW,
    WEB,
    Fact,
    Outcome,
    Served,
    channel,
    given,
    item,
    level,
    location,
)
from tests.domain.promised import (
    RESERVATION,
    SOON,
    allocate,
    allocation,
    cancel,
    commit,
    extend,
    hold,
    line,
    order_line,
    release,
    relocate,
    reservation,
    reserve,
    ship,
    want,
)

INVALID_INPUT = RejectionCode.INVALID_INPUT
ITEM_NOT_FOUND = RejectionCode.ITEM_NOT_FOUND
LOCATION_NOT_FOUND = RejectionCode.LOCATION_NOT_FOUND
CHANNEL_NOT_FOUND = RejectionCode.CHANNEL_NOT_FOUND
RESERVATION_NOT_FOUND = RejectionCode.RESERVATION_NOT_FOUND
ORDER_NOT_FOUND = RejectionCode.ORDER_NOT_FOUND
RESERVATION_EXPIRED = RejectionCode.RESERVATION_EXPIRED
LINE_NOT_FOUND = RejectionCode.LINE_NOT_FOUND
ORDER_LINE_EXISTS = RejectionCode.ORDER_LINE_EXISTS
ITEM_NOT_STOCKED_AT_LOCATION = RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION
LOCATION_NOT_SERVING_CHANNEL = RejectionCode.LOCATION_NOT_SERVING_CHANNEL
TTL_OUT_OF_RANGE = RejectionCode.TTL_OUT_OF_RANGE
INVALID_QUANTITY = RejectionCode.INVALID_QUANTITY
EXCEEDS_RESERVED_QUANTITY = RejectionCode.EXCEEDS_RESERVED_QUANTITY
EXCEEDS_ALLOCATED_QUANTITY = RejectionCode.EXCEEDS_ALLOCATED_QUANTITY
INSUFFICIENT_STOCK = RejectionCode.INSUFFICIENT_STOCK

Wrong = Collection[RejectionCode]
Build = Callable[[Wrong], Outcome]
OVER: dict[RejectionCode, ReservationState] = {
    RESERVATION_EXPIRED: ReservationState.EXPIRED,
    RejectionCode.RESERVATION_ALREADY_COMMITTED: ReservationState.COMMITTED,
    RejectionCode.RESERVATION_ALREADY_RELEASED: ReservationState.RELEASED,
}
SHOP: tuple[Fact, ...] = (
    item(),
    channel(),
    location(EAST),
    location(CENTRAL),
    location("BARE"),
    location("FOREIGN"),
    *(Served(location=code, channels=frozenset({WEB})) for code in (EAST, CENTRAL, "BARE")),
    level("FOREIGN", on_hand=50),
)
STOCKED: tuple[Fact, ...] = (*SHOP, level(EAST, on_hand=50, reserved=8, allocated=8), level(CENTRAL, on_hand=1))
HOLDS = tuple(line(hold(2), id=id) for id in ("1", "2", "3", "4"))
ORDERED = tuple(order_line(hold(2), id=id) for id in ("1", "2", "3", "4"))


def key(wrong: Wrong) -> str:
    return "" if INVALID_INPUT in wrong else "key"


def code_of_channel(wrong: Wrong) -> str:
    return "shop" if CHANNEL_NOT_FOUND in wrong else WEB


def lines_of(wrong: Wrong) -> list[RequestedLine]:
    lines = {
        ITEM_NOT_FOUND: want(1, id="1", sku="UNKNOWN"),
        LOCATION_NOT_FOUND: want(1, id="2", at="NOWHERE"),
        ORDER_LINE_EXISTS: want(1, id="taken"),
        ITEM_NOT_STOCKED_AT_LOCATION: want(1, id="4", at="BARE"),
        LOCATION_NOT_SERVING_CHANNEL: want(1, id="5", at="FOREIGN"),
        INVALID_QUANTITY: want(0, id="6"),
        INSUFFICIENT_STOCK: want(1000, id="7"),
    }
    return [want(1, id="plain"), *(one for code, one in lines.items() if code in wrong)]


def when_reserving(wrong: Wrong) -> Outcome:
    ttl = 0 if TTL_OUT_OF_RANGE in wrong else None
    command = reserve(*lines_of(wrong), idempotency_key=key(wrong), channel=code_of_channel(wrong), ttl_seconds=ttl)
    return given(*STOCKED).when(command)


def when_allocating(wrong: Wrong) -> Outcome:
    code = code_of_channel(wrong)
    known = allocation(order_line(id="taken", shipped=1), channel=code)
    command = allocate(*lines_of(wrong), idempotency_key=key(wrong), channel=code)
    return given(*STOCKED, known).when(command)


def reservation_in(wrong: Wrong) -> Reservation:
    """Return a reservation that is as wrong as it is told; one that has lapsed is refused like one that expired."""
    state = next((state for code, state in OVER.items() if code in wrong), ReservationState.ACTIVE)
    is_lapsed = RESERVATION_EXPIRED in wrong and LINE_NOT_FOUND in wrong
    return reservation(
        *HOLDS,
        id="another" if RESERVATION_NOT_FOUND in wrong else RESERVATION,
        state=ReservationState.ACTIVE if is_lapsed else state,
        expires_at=NOW - timedelta(seconds=1) if is_lapsed else SOON,
        order_id="SO-1",
        channel=WEB,
    )


def when_extending(wrong: Wrong) -> Outcome:
    ttl = 0 if TTL_OUT_OF_RANGE in wrong else None
    return given(*STOCKED, reservation_in(wrong)).when(extend(ttl, idempotency_key=key(wrong)))


def when_releasing(wrong: Wrong) -> Outcome:
    lines = {
        LINE_NOT_FOUND: LineQuantity(line="z"),
        INVALID_QUANTITY: LineQuantity(line="2", quantity=0),
        EXCEEDS_RESERVED_QUANTITY: LineQuantity(line="3", quantity=3),
    }
    chosen = [one for code, one in lines.items() if code in wrong]
    command = release(LineQuantity(line="1"), *chosen, idempotency_key=key(wrong))
    return given(*STOCKED, reservation_in(wrong)).when(command)


def when_moving_holds(wrong: Wrong) -> Outcome:
    moves = {
        LOCATION_NOT_FOUND: LineMove(line="1", to_location="NOWHERE"),
        LINE_NOT_FOUND: LineMove(line="z", to_location=CENTRAL),
        ITEM_NOT_STOCKED_AT_LOCATION: LineMove(line="2", to_location="BARE"),
        LOCATION_NOT_SERVING_CHANNEL: LineMove(line="3", to_location="FOREIGN"),
        INVALID_QUANTITY: LineMove(line="x", to_location=CENTRAL, quantity=0),
        EXCEEDS_RESERVED_QUANTITY: LineMove(line="y", to_location=CENTRAL, quantity=3),
        INSUFFICIENT_STOCK: LineMove(line="4", to_location=CENTRAL),
    }
    chosen = [one for code, one in moves.items() if code in wrong]
    plain = LineMove(line="w", to_location=CENTRAL, quantity=1)
    known = reservation_in(wrong)
    more = replace(known, lines=(*known.lines, *(line(hold(2), id=id) for id in ("w", "x", "y"))))
    command = relocate(plain, *chosen, idempotency_key=key(wrong))
    return given(*STOCKED, level(EAST, on_hand=50, reserved=14), more).when(command)


def when_committing(wrong: Wrong) -> Outcome:
    lines = {
        LINE_NOT_FOUND: LineCommit(line="z"),
        ORDER_LINE_EXISTS: LineCommit(line="2", order_line="taken"),
        INVALID_QUANTITY: LineCommit(line="3", quantity=0),
        EXCEEDS_RESERVED_QUANTITY: LineCommit(line="4", quantity=3),
    }
    chosen = [one for code, one in lines.items() if code in wrong]
    known = allocation(order_line(id="taken", shipped=1), channel=WEB)
    command = commit(LineCommit(line="1"), *chosen, idempotency_key=key(wrong))
    return given(*STOCKED, known, reservation_in(wrong)).when(command)


def when_cancelling(wrong: Wrong) -> Outcome:
    lines = [LineQuantity(line="1"), *(LineQuantity(line=id, quantity=units) for id, units in _portions(wrong))]
    return given(*STOCKED, _order_in(wrong)).when(cancel(*lines, idempotency_key=key(wrong), channel=WEB))


def when_shipping(wrong: Wrong) -> Outcome:
    lines = [ShipmentLine(line="1"), *(ShipmentLine(line=id, quantity=units) for id, units in _portions(wrong))]
    return given(*STOCKED, _order_in(wrong)).when(ship(*lines, idempotency_key=key(wrong), channel=WEB))


def _portions(wrong: Wrong) -> list[tuple[str, int]]:
    lines = {LINE_NOT_FOUND: ("z", 1), INVALID_QUANTITY: ("2", 0), EXCEEDS_ALLOCATED_QUANTITY: ("3", 3)}
    return [one for code, one in lines.items() if code in wrong]


def _order_in(wrong: Wrong) -> Allocation:
    return allocation(*ORDERED, channel=None if ORDER_NOT_FOUND in wrong else WEB)


def of_each_end(
    build: Build, before: tuple[RejectionCode, ...], after: tuple[RejectionCode, ...]
) -> list[tuple[Build, tuple[RejectionCode, ...]]]:
    """Return the builder's codes with each way in which a reservation may be past changing."""
    return [(_named(build, code), (*before, code, *after)) for code in (RESERVATION_NOT_FOUND, *OVER)]


def _named(build: Build, code: RejectionCode) -> Build:
    def when(wrong: Wrong) -> Outcome:
        return build(wrong)

    when.__name__ = f"{build.__name__}_{code.lower()}"
    return when


OF_CLAIMS = (INVALID_INPUT, ITEM_NOT_FOUND, LOCATION_NOT_FOUND, CHANNEL_NOT_FOUND)
OF_PLACES = (ITEM_NOT_STOCKED_AT_LOCATION, LOCATION_NOT_SERVING_CHANNEL)
OF_HOLDS = (INVALID_QUANTITY, EXCEEDS_RESERVED_QUANTITY)
OF_ORDERS = (INVALID_INPUT, ORDER_NOT_FOUND, LINE_NOT_FOUND, INVALID_QUANTITY, EXCEEDS_ALLOCATED_QUANTITY)
STEPS: list[tuple[Build, tuple[RejectionCode, ...]]] = [
    (when_reserving, (*OF_CLAIMS, *OF_PLACES, TTL_OUT_OF_RANGE, INVALID_QUANTITY, INSUFFICIENT_STOCK)),
    (when_allocating, (*OF_CLAIMS, ORDER_LINE_EXISTS, *OF_PLACES, INVALID_QUANTITY, INSUFFICIENT_STOCK)),
    *of_each_end(when_extending, (INVALID_INPUT,), (TTL_OUT_OF_RANGE,)),
    *of_each_end(when_releasing, (INVALID_INPUT,), (LINE_NOT_FOUND, *OF_HOLDS)),
    *of_each_end(
        when_moving_holds,
        (INVALID_INPUT, LOCATION_NOT_FOUND),
        (LINE_NOT_FOUND, *OF_PLACES, *OF_HOLDS, INSUFFICIENT_STOCK),
    ),
    *of_each_end(when_committing, (INVALID_INPUT,), (LINE_NOT_FOUND, ORDER_LINE_EXISTS, *OF_HOLDS)),
    (when_cancelling, OF_ORDERS),
    (when_shipping, OF_ORDERS),
]

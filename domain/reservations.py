"""Reservations: create, extend, release, move, commit, expire; what each may do and what happens when it does.

The rule: the first event that resolves a reservation is the only one, and decides by the database's clock; a hold
that has lapsed is of no use to anybody, but its units return only with the event that says so.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import assert_never

from domain import reservation_checks as checks
from domain.allocation_commands import AllocationCreated, AllocationLine, AllocationLinesAdded
from domain.allocation_records import committed_to, new_lines_differ
from domain.claim_checks import (
    names_are_known,
    places_may_serve,
    quantities_are_valid,
    sourced_lines,
    touches_claim,
)
from domain.postings import CounterDelta, Occasion, PostingCause, PostingEvent, deltas_of, occasion_of, posted
from domain.principals import SYSTEM_PRINCIPAL, Principal
from domain.promises import Hold, Line, SourcingReason, merged_holds, taken_from
from domain.rejections import Refused, Rejection, first_refused
from domain.reservation_commands import (
    Reservation,
    ReservationCommands,
    ReservationCommit,
    ReservationCommitted,
    ReservationCreate,
    ReservationCreated,
    ReservationEvent,
    ReservationExpire,
    ReservationExpired,
    ReservationExtend,
    ReservationExtended,
    ReservationMove,
    ReservationMoved,
    ReservationRelease,
    ReservationReleased,
    ReservationState,
)
from domain.state import Selectors, State

Happened = tuple[ReservationEvent | AllocationCreated | AllocationLinesAdded | PostingEvent, ...]


def malformed(command: ReservationCommands) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    match command:
        case ReservationCreate():
            yield from checks.create_well_formed(command)
        case ReservationExtend() | ReservationRelease() | ReservationMove() | ReservationCommit():
            yield from checks.change_well_formed(command)
        case ReservationExpire():
            return
        case _:
            assert_never(command)


def touches(command: ReservationCommands) -> Selectors:
    """Return what the command needs to see; a reservation brings the levels that it holds units on."""
    if isinstance(command, ReservationCreate):
        return touches_claim(command)
    reservations = frozenset({command.reservation})
    if isinstance(command, ReservationMove):
        places = frozenset(move.to_location for move in command.moves)
        return Selectors(
            reservations=reservations,
            locations=places,
            new_places=frozenset((command.reservation, place) for place in places),
        )
    orders = frozenset({command.order_id}) if isinstance(command, ReservationCommit) else frozenset()
    return Selectors(reservations=reservations, orders=orders)


def decide(command: ReservationCommands, state: State, *, by: Principal, at: datetime) -> Happened | Refused:
    """Return what happens, or why it may not."""
    match command:
        case ReservationCreate():
            return decide_create(command, state, by=by, at=at)
        case ReservationExpire():
            reservation = state.reservations.get(command.reservation)
            return () if reservation is None else expired(reservation, state, command_id=command.command_id, at=at)
        case _:
            unknown = first_refused((checks.destinations_exist(command, state),))
            found = unknown or checks.resolvable(command, state, by=by, at=at)
            return found if isinstance(found, Refused) else _decide_change(command, found, state, by=by, at=at)


def evolve(state: State, event: ReservationEvent) -> State:
    """Return the state after the event."""
    state.reservations[event.reservation.id] = event.reservation
    return state


def decide_create(command: ReservationCreate, state: State, *, by: Principal, at: datetime) -> Happened | Refused:
    """Hold what sourcing finds."""
    refused = first_refused(
        (
            *names_are_known(command, state),
            *places_may_serve(command, state),
            checks.ttl_is_within_policy(command.ttl_seconds, command.channel, state),
            quantities_are_valid(command),
        )
    )
    lines = refused or sourced_lines(command, state)
    if isinstance(lines, Refused):
        return lines
    ttl = checks.ttl_seconds(command.ttl_seconds, command.channel, state)
    reservation = Reservation(
        id=command.command_id,
        account=by.account,
        channel=command.channel,
        external_reference=command.external_reference,
        fulfilment=command.fulfilment,
        state=ReservationState.ACTIVE,
        lines=lines,
        created_at=at,
        expires_at=at + timedelta(seconds=ttl),
        updated_at=at,
        version=1,
    )
    occasion = occasion_of(command, reservation, PostingCause.RESERVATION_CREATED, by=by, at=at)
    return (ReservationCreated(reservation=reservation), *posted(_reserved(lines, 1), state, occasion))


def expired(reservation: Reservation, state: State, *, command_id: str, at: datetime) -> Happened:
    """Return what happens to a reservation that has lapsed; nothing to any other."""
    if not reservation.has_lapsed(at):
        return ()
    occasion = Occasion(
        command_id=command_id,
        cause=PostingCause.RESERVATION_EXPIRED,
        document_id=reservation.id,
        by=SYSTEM_PRINCIPAL,
        at=at,
        source_channel=reservation.channel,
    )
    after = _after(reservation, at=at, state=ReservationState.EXPIRED)
    return (ReservationExpired(reservation=after), *posted(_reserved(reservation.lines, -1), state, occasion))


def _decide_change(
    command: ReservationExtend | ReservationRelease | ReservationMove | ReservationCommit,
    reservation: Reservation,
    state: State,
    *,
    by: Principal,
    at: datetime,
) -> Happened | Refused:
    match command:
        case ReservationExtend():
            return decide_extend(command, reservation, state, at=at)
        case ReservationRelease():
            return decide_release(command, reservation, state, by=by, at=at)
        case ReservationMove():
            return decide_move(command, reservation, state, by=by, at=at)
        case ReservationCommit():
            return decide_commit(command, reservation, state, by=by, at=at)
        case _:
            assert_never(command)


def decide_extend(
    command: ReservationExtend, reservation: Reservation, state: State, *, at: datetime
) -> Happened | Refused:
    """Let it live for an interval from now on."""
    if refused := first_refused((checks.ttl_is_within_policy(command.ttl_seconds, reservation.channel, state),)):
        return refused
    ttl = checks.ttl_seconds(command.ttl_seconds, reservation.channel, state)
    after = replace(_after(reservation, at=at), expires_at=at + timedelta(seconds=ttl))
    return (ReservationExtended(reservation=after),)


def decide_release(
    command: ReservationRelease, reservation: Reservation, state: State, *, by: Principal, at: datetime
) -> Happened | Refused:
    """Give back what is named, or everything."""
    wanted = command.lines
    named = wanted or ()
    refused = first_refused(
        (checks.lines_are_held(named, reservation), *checks.quantities_are_held(named, reservation))
    )
    if refused:
        return refused
    kept: list[Line] = []
    freed: list[Hold] = []
    amounts = None if wanted is None else {one.line: one.quantity for one in wanted}
    for line in reservation.lines:
        if amounts is not None and line.id not in amounts:
            kept.append(line)
            continue
        quantity = line.held if amounts is None else amounts[line.id]
        taken, rest = taken_from(line, line.held if quantity is None else quantity)
        freed += taken
        kept.append(rest)
    is_over = not any(line.holds for line in kept)
    occasion = occasion_of(command, reservation, PostingCause.RESERVATION_RELEASED, by=by, at=at)
    if is_over:
        after = _after(reservation, at=at, state=ReservationState.RELEASED)
    else:
        after = _after(reservation, at=at, lines=tuple(kept))
    return (ReservationReleased(reservation=after), *posted(deltas_of(freed, reserved=-1), state, occasion))


def decide_move(
    command: ReservationMove, reservation: Reservation, state: State, *, by: Principal, at: datetime
) -> Happened | Refused:
    """Hold the units elsewhere; what is not available there is refused."""
    if refused := first_refused(checks.moves_are_possible(command, reservation, state)):
        return refused
    lines = {line.id: line for line in reservation.lines}
    deltas: list[CounterDelta] = []
    for move in command.moves:
        line = lines[move.line]
        quantity = line.held if move.quantity is None else move.quantity
        taken, rest = taken_from(line, quantity, lies=move.lies)
        added = tuple(replace(hold, location=move.to_location, reason=SourcingReason.MOVED) for hold in taken)
        lines[move.line] = replace(rest, holds=merged_holds((*rest.holds, *added)))
        deltas += (*deltas_of(taken, reserved=-1), *deltas_of(added, reserved=1))
    if refused := first_refused((checks.places_can_hold(command, reservation, deltas, state),)):
        return refused
    after = _after(reservation, at=at, lines=tuple(lines.values()))
    occasion = occasion_of(command, reservation, PostingCause.RESERVATION_MOVED, by=by, at=at)
    return (ReservationMoved(reservation=after), *posted(deltas, state, occasion))


def decide_commit(
    command: ReservationCommit, reservation: Reservation, state: State, *, by: Principal, at: datetime
) -> Happened | Refused:
    """Allocate to an order what it takes, and give the rest back."""
    wanted = command.lines or ()
    refused = first_refused(
        (
            checks.lines_are_held(wanted, reservation),
            new_lines_differ(command, reservation, state),
            *checks.quantities_are_held(wanted, reservation),
        )
    )
    if refused:
        return refused
    taken, rest = _split(command, reservation)
    allocation = committed_to(command, reservation, taken, state, by=by, at=at)
    after = replace(_after(reservation, at=at, state=ReservationState.COMMITTED), order_id=command.order_id)
    occasion = occasion_of(command, reservation, PostingCause.RESERVATION_COMMITTED, by=by, at=at)
    deltas = (
        *chain.from_iterable(deltas_of(line.holds, reserved=-1, allocated=1) for line in taken),
        *deltas_of(rest, reserved=-1),
    )
    return (ReservationCommitted(reservation=after), allocation, *posted(deltas, state, occasion))


def _split(command: ReservationCommit, reservation: Reservation) -> tuple[tuple[AllocationLine, ...], list[Hold]]:
    """Return the order's lines, and the holds that it does not take."""
    wanted = {one.line: one for one in command.lines or ()}
    taken: list[AllocationLine] = []
    rest: list[Hold] = []
    for line in reservation.lines:
        one = wanted.get(line.id)
        if one is None and command.lines is not None:
            rest += line.holds
            continue
        quantity = line.held if one is None or one.quantity is None else one.quantity
        # The order keeps the locations that were chosen first; what is given back is the last hold, as in a release.
        left, kept = taken_from(line, line.held - quantity)
        rest += left
        if kept.holds:
            order_line = line.id if one is None or one.order_line is None else one.order_line
            taken.append(AllocationLine(id=order_line, sku=line.sku, quantity=quantity, holds=kept.holds))
    return tuple(taken), rest


def _after(
    reservation: Reservation,
    *,
    at: datetime,
    state: ReservationState = ReservationState.ACTIVE,
    lines: Sequence[Line] | None = None,
) -> Reservation:
    return replace(
        reservation,
        state=state,
        lines=reservation.lines if lines is None else tuple(lines),
        updated_at=at,
        version=reservation.version + 1,
    )


def _reserved(lines: Iterable[Line], sign: int) -> Iterator[CounterDelta]:
    for line in lines:
        yield from deltas_of(line.holds, reserved=sign)

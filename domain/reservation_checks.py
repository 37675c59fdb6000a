"""Why a command on a reservation may be refused; the one rule: who comes second is told what came first."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime

from domain.adjustments import ENTRIES_PER_COMMAND_MAX
from domain.claim_checks import (
    claim_well_formed,
    document_well_formed,
    ids_differ,
    invalid,
    not_serving,
    not_stocked,
    quantity_is_valid,
)
from domain.claims import LineQuantity
from domain.levels import LevelKey
from domain.postings import CounterDelta
from domain.principals import Principal
from domain.promises import Line, held_where
from domain.records import RESERVATION_TTL_SECONDS, RESERVATION_TTL_SECONDS_MAX, active, location_not_found
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, refuse
from domain.reservation_commands import (
    Reservation,
    ReservationCommit,
    ReservationCreate,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
    ReservationState,
)
from domain.state import State
from domain.text import code_problems, free_text_problems

ReservationChange = ReservationExtend | ReservationRelease | ReservationMove | ReservationCommit


def create_well_formed(command: ReservationCreate) -> Iterator[Rejection]:
    """INVALID_INPUT: the claim and the caller's own reference."""
    yield from claim_well_formed(command)
    yield from free_text_problems(
        command.external_reference, field=("externalReference",), what="The external reference"
    )


def change_well_formed(command: ReservationChange) -> Iterator[Rejection]:
    """INVALID_INPUT: the key, the reservation's id and the lines."""
    yield from document_well_formed(command)
    yield from code_problems(command.reservation, field=("reservationId",), what="The reservation's id")
    if isinstance(command, ReservationCommit):
        yield from code_problems(command.order_id, field=("orderId",), what="The order's id")
        for place, one in enumerate(command.lines or ()):
            if one.order_line is not None:
                field = ("lines", str(place), "orderLineId")
                yield from code_problems(one.order_line, field=field, what="The order line's id")
    if isinstance(command, ReservationMove):
        yield from _moves_well_formed(command)
    elif not isinstance(command, ReservationExtend) and command.lines is not None:
        yield from lines_well_formed(command.lines)


def lines_well_formed(lines: Sequence[LineQuantity]) -> Iterator[Rejection]:
    """INVALID_INPUT: which lines of a document are meant."""
    if not 1 <= len(lines) <= ENTRIES_PER_COMMAND_MAX:
        message = f"There are {len(lines)} lines; send 1 to {ENTRIES_PER_COMMAND_MAX}, or leave them out for all."
        yield invalid(message, field=("lines",))
        return
    for place, one in enumerate(lines):
        yield from code_problems(one.line, field=("lines", str(place), "lineId"), what="The line's id")
    yield from ids_differ(((("lines", str(place), "lineId"), one.line) for place, one in enumerate(lines)))


def resolvable(command: ReservationChange, state: State, *, by: Principal, at: datetime) -> Reservation | Refused:
    """Return the reservation if it can still be changed, or who was first."""
    reservation = state.reservations.get(command.reservation)
    if reservation is None or not is_seen(reservation.channel, reservation.lines, by):
        return refuse(_not_found(command.reservation))
    match reservation.state:
        case ReservationState.COMMITTED:
            return refuse(
                _over(
                    reservation,
                    RejectionCode.RESERVATION_ALREADY_COMMITTED,
                    f"was committed to order {reservation.order_id}; go on with the order",
                )
            )
        case ReservationState.RELEASED:
            code = RejectionCode.RESERVATION_ALREADY_RELEASED
            return refuse(_over(reservation, code, "was released; make a new one"))
        case ReservationState.EXPIRED:
            return refuse(_over(reservation, RejectionCode.RESERVATION_EXPIRED, "expired; make a new one"))
        case _:
            return refuse(_lapsed(reservation)) if reservation.has_lapsed(at) else reservation


def is_seen(channel: str | None, lines: Iterable[Line], by: Principal) -> bool:
    """Return whether a document is visible: its channel, and every location that it holds units at.

    One of no channel is visible to those who see all channels.
    """
    sees_channel = by.scope.channels is None if channel is None else by.scope.sees_channel(channel)
    return sees_channel and (
        by.scope.locations is None
        or all(by.scope.sees_location(hold.location) for line in lines for hold in line.holds)
    )


def ttl_is_within_policy(seconds: int | None, channel: str | None, state: State) -> Iterator[Rejection]:
    """TTL_OUT_OF_RANGE."""
    most = _policy(channel, state)[1]
    if seconds is not None and not 1 <= seconds <= most:
        yield Rejection(
            code=RejectionCode.TTL_OUT_OF_RANGE,
            message=f"ttlSeconds is {seconds}; send 1 to {most}, or none for the channel's default.",
            field=("ttlSeconds",),
        )


def ttl_seconds(seconds: int | None, channel: str | None, state: State) -> int:
    """Return how long a reservation lives that says so, or that says nothing."""
    return _policy(channel, state)[0] if seconds is None else seconds


def lines_are_held(wanted: Sequence[LineQuantity], reservation: Reservation) -> Iterator[Rejection]:
    """LINE_NOT_FOUND."""
    named = ((("lines", str(place), "lineId"), one.line) for place, one in enumerate(wanted))
    yield from lines_are_there(named, {line.id for line in reservation.lines})


def quantities_are_held(wanted: Sequence[LineQuantity], reservation: Reservation) -> Iterator[Iterator[Rejection]]:
    """INVALID_QUANTITY, then EXCEEDS_RESERVED_QUANTITY; also for all units of a line that holds none."""
    lines = {line.id: line for line in reservation.lines}
    yield (
        rejection
        for place, one in enumerate(wanted)
        for rejection in quantity_is_valid(one.quantity, field=("lines", str(place), "quantity"))
    )
    yield (
        _too_many(lines[one.line].held, one.quantity or 1, field=("lines", str(place), "quantity"))
        for place, one in enumerate(wanted)
        if (one.quantity or 1) > lines[one.line].held
    )


def lines_are_there(named: Iterable[tuple[FieldPath, str]], lines: Container[str]) -> Iterator[Rejection]:
    """LINE_NOT_FOUND."""
    for field, one in named:
        if one not in lines:
            yield Rejection(
                code=RejectionCode.LINE_NOT_FOUND,
                message=f"There is no line {one!r}; check its id among the document's lines.",
                field=field,
            )


def destinations_exist(command: ReservationChange, state: State) -> Iterator[Rejection]:
    """LOCATION_NOT_FOUND: where a move goes."""
    for place, move in enumerate(command.moves if isinstance(command, ReservationMove) else ()):
        if active(state.locations.get(move.to_location)) is None:
            yield location_not_found(move.to_location, field=("moves", str(place), "toLocationId"))


def moves_are_possible(
    command: ReservationMove, reservation: Reservation, state: State
) -> Iterator[Iterator[Rejection]]:
    """LINE_NOT_FOUND, ITEM_NOT_STOCKED_AT_LOCATION, LOCATION_NOT_SERVING_CHANNEL, then the quantities."""
    lines = {line.id: line for line in reservation.lines}
    moves = [(("moves", str(place)), move) for place, move in enumerate(command.moves)]
    yield lines_are_there((((*at, "lineId"), move.line) for at, move in moves), lines)
    yield (
        not_stocked(sku, move.to_location, field=(*at, "toLocationId"))
        for at, move in moves
        for sku in dict.fromkeys(key[0] for hold in lines[move.line].holds for key, _ in hold.units())
        if (sku, move.to_location) not in state.levels
    )
    channel = reservation.channel
    yield (
        not_serving(move.to_location, channel, field=(*at, "toLocationId"))
        for at, move in moves
        if channel is not None and channel not in state.channels_served.get(move.to_location, frozenset())
    )
    yield (rejection for at, move in moves for rejection in quantity_is_valid(move.quantity, field=(*at, "quantity")))
    yield (
        _too_many(held, move.quantity or 1, field=(*at, "quantity"))
        for at, move in moves
        for held in (held_where(lines[move.line], move.lies),)
        if (move.quantity or 1) > held
    )


def places_can_hold(
    command: ReservationMove, reservation: Reservation, deltas: Iterable[CounterDelta], state: State
) -> Iterator[Rejection]:
    """INSUFFICIENT_STOCK: what is held elsewhere must be available there; named at the first move that goes there.

    `deltas` are those of RESERVED. Of bundles it says how many the short component makes.
    """
    lines = {line.id: line for line in reservation.lines}
    units_a_line = {line.id: _units_a_unit(line) for line in reservation.lines}
    more: dict[LevelKey, int] = {}
    for one in deltas:
        more[one.sku, one.location] = more.get((one.sku, one.location), 0) + one.delta
    for (sku, location), units in more.items():
        available = max(0, state.levels[sku, location].available)
        if units > available:
            at, line = next(
                (place, lines[move.line])
                for place, move in enumerate(command.moves)
                if move.to_location == location and sku in units_a_line[move.line]
            )
            made = available // units_a_line[line.id][sku]
            remedy = "move at most that many" if sku == line.sku else f"move at most {made} of {line.sku}"
            yield Rejection(
                code=RejectionCode.INSUFFICIENT_STOCK,
                message=f"{available} of {units} units of {sku} can be had at {location}; {remedy}.",
                field=("moves", str(at), "quantity"),
                quantity_available=made,
            )


def _units_a_unit(line: Line) -> dict[str, int]:
    """Return how many units of what one unit of a line holds: of a bundle of its parts, of any other item one."""
    return {sku: units // hold.quantity for hold in line.holds for (sku, _), units in hold.units()}


def _moves_well_formed(command: ReservationMove) -> Iterator[Rejection]:
    if not 1 <= len(command.moves) <= ENTRIES_PER_COMMAND_MAX:
        message = f"There are {len(command.moves)} moves; send 1 to {ENTRIES_PER_COMMAND_MAX} a request."
        yield invalid(message, field=("moves",))
        return
    for place, move in enumerate(command.moves):
        at = ("moves", str(place))
        yield from code_problems(move.line, field=(*at, "lineId"), what="The line's id")
        yield from code_problems(move.to_location, field=(*at, "toLocationId"), what="The location")
        if move.from_location is not None:
            yield from code_problems(move.from_location, field=(*at, "fromLocationId"), what="The location")
        if move.from_location == move.to_location:
            yield invalid("The move ends where it begins; name two different locations.", field=at)
    yield from ids_differ(((("moves", str(place), "lineId"), move.line) for place, move in enumerate(command.moves)))


def _policy(channel: str | None, state: State) -> tuple[int, int]:
    """Return how long a reservation lives by default and at the most, in seconds."""
    known = None if channel is None else state.channels.get(channel)
    if known is None:
        return RESERVATION_TTL_SECONDS, RESERVATION_TTL_SECONDS_MAX
    return known.reservation_ttl_seconds, known.reservation_ttl_seconds_max


def _not_found(reservation: str) -> Rejection:
    return Rejection(
        code=RejectionCode.RESERVATION_NOT_FOUND,
        message=f"There is no reservation {reservation!r}; check the id that reservationCreate answered.",
        field=("reservationId",),
    )


def _lapsed(reservation: Reservation) -> Rejection:
    message = f"The reservation's time was over at {reservation.expires_at.isoformat()}; make a new one."
    return Rejection(code=RejectionCode.RESERVATION_EXPIRED, message=message, field=("reservationId",))


def _over(reservation: Reservation, code: RejectionCode, what: str) -> Rejection:
    message = f"At {reservation.updated_at.isoformat()} the reservation {what}."
    return Rejection(code=code, message=message, field=("reservationId",))


def _too_many(held: int, wanted: int, *, field: FieldPath) -> Rejection:
    return Rejection(
        code=RejectionCode.EXCEEDS_RESERVED_QUANTITY,
        message=f"The line holds {held} units there, fewer than {wanted}; name at most that many.",
        field=field,
        quantity_available=held,
    )

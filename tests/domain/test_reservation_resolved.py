"""reservationCommit and reservationExpire, and who comes second; the one rule: one event resolves a reservation."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.allocation_commands import AllocationCreated, AllocationLinesAdded
from domain.claims import LineQuantity
from domain.conflicts import StockConflictClosed
from domain.decider import Command
from domain.postings import PostingCause
from domain.principals import SYSTEM_PRINCIPAL, Principal, Role, Scope
from domain.promises import FulfilmentKind
from domain.rejections import RejectionCode
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    Reservation,
    ReservationCommitted,
    ReservationExpired,
    ReservationState,
)
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    NOW,
    WEB,
    channel,
    given,
    item,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    ALLOCATED,
    ORDER,
    RESERVATION,
    RESERVED,
    SOON,
    allocation,
    commit,
    expire,
    extend,
    hold,
    line,
    order_line,
    posted,
    release,
    relocate,
    reservation,
)

COMMITTED = PostingCause.RESERVATION_COMMITTED
EXPIRED = PostingCause.RESERVATION_EXPIRED
EXCEEDS = RejectionCode.EXCEEDS_RESERVED_QUANTITY
TAKEN = RejectionCode.ORDER_LINE_EXISTS
SHOP = (item(), item("CUP"), location(EAST), location(CENTRAL), channel())
LINES = (line(hold(3, CENTRAL), hold(4, EAST), id="a"), line(hold(2, EAST), id="b"))
HELD = (*SHOP, level(EAST, on_hand=9, reserved=6), level(CENTRAL, on_hand=5, reserved=3), reservation(*LINES))
IS_COMMITTED = reservation(*LINES, state=ReservationState.COMMITTED, order_id=ORDER, updated_at=NOW, version=2)
NEW = allocation(id=COMMAND_ID, created_at=NOW, updated_at=NOW)


class TestCommit:
    def test_all_of_it_becomes_the_orders(self) -> None:
        order = replace(NEW, lines=(order_line(*LINES[0].holds, id="a"), order_line(*LINES[1].holds, id="b")))
        state = (
            given(*HELD)
            .when(commit())
            .then(
                ReservationCommitted(reservation=IS_COMMITTED),
                AllocationCreated(allocation=order),
                posted(
                    COMMITTED,
                    level(CENTRAL, on_hand=5, allocated=3, version=2, at=NOW),
                    level(EAST, on_hand=9, allocated=6, version=2, at=NOW),
                    movements=(
                        moved(CENTRAL, -3, 0, RESERVED),
                        moved(CENTRAL, 3, 3, ALLOCATED),
                        moved(EAST, -6, 0, RESERVED),
                        moved(EAST, 6, 6, ALLOCATED),
                    ),
                ),
            )
        )
        assert state.allocations == {("", ORDER): order}

    def test_the_order_takes_part_where_it_was_wanted_most_and_the_rest_is_given_back(self) -> None:
        order = replace(NEW, lines=(order_line(hold(3, CENTRAL), hold(1, EAST), id="a"),))
        given(*HELD).when(commit(LineCommit(line="a", quantity=4))).then(
            ReservationCommitted(reservation=IS_COMMITTED),
            AllocationCreated(allocation=order),
            posted(
                COMMITTED,
                level(CENTRAL, on_hand=5, allocated=3, version=2, at=NOW),
                level(EAST, on_hand=9, allocated=1, version=2, at=NOW),
                movements=(
                    moved(CENTRAL, -3, 0, RESERVED),
                    moved(CENTRAL, 3, 3, ALLOCATED),
                    moved(EAST, -6, 0, RESERVED),
                    moved(EAST, 1, 1, ALLOCATED),
                ),
            ),
        )

    def test_a_line_has_the_id_that_the_order_gives_it(self) -> None:
        order = replace(NEW, lines=(order_line(*LINES[0].holds, id="b"), order_line(*LINES[1].holds, id="10")))
        outcome = given(*HELD).when(commit(LineCommit(line="b", order_line="10"), LineCommit(line="a", order_line="b")))
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[1] == AllocationCreated(allocation=order)

    def test_a_line_that_holds_nothing_stays_behind(self) -> None:
        held = (line(hold(2), id="a", asked=5), line(id="b", asked=1))
        order = replace(NEW, lines=(order_line(hold(2), id="a"),))
        outcome = given(*SHOP, level(on_hand=2, reserved=2), reservation(*held)).when(commit())
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[1] == AllocationCreated(allocation=order)

    def test_an_order_that_has_stock_gets_more(self) -> None:
        known = allocation(order_line(hold(1), id="x", shipped=2))
        more = replace(
            known,
            lines=(*known.lines, order_line(*LINES[0].holds, id="a"), order_line(*LINES[1].holds, id="b")),
            updated_at=NOW,
            version=2,
        )
        outcome = given(*HELD, level(EAST, on_hand=9, reserved=6, allocated=1), known).when(commit())
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[1] == AllocationLinesAdded(allocation=more)

    def test_the_order_of_another_channel_is_another_order(self) -> None:
        known = allocation(order_line(hold(1), id="1"))
        before = reservation(line(hold(1)), channel=WEB, fulfilment=FulfilmentKind.PICKUP)
        order = replace(NEW, lines=(order_line(hold(1)),), channel=WEB, fulfilment=FulfilmentKind.PICKUP, id=COMMAND_ID)
        state = given(*SHOP, level(on_hand=2, reserved=1, allocated=1), known, before).when(commit())
        assert isinstance(state.answer, tuple)
        assert state.answer[1] == AllocationCreated(allocation=order)

    def test_what_is_unbacked_stays_so(self) -> None:
        """Given a level in conflict, when all is committed, then the conflict neither closes nor opens anew."""
        short = level(on_hand=1, reserved=2, conflict_id="c-1")
        order = replace(NEW, lines=(order_line(hold(2)),))
        before = reservation(line(hold(2)))
        given(*SHOP, short, before).when(commit()).then(
            ReservationCommitted(
                reservation=replace(before, state=ReservationState.COMMITTED, order_id=ORDER, updated_at=NOW, version=2)
            ),
            AllocationCreated(allocation=order),
            posted(
                COMMITTED,
                level(on_hand=1, allocated=2, version=2, at=NOW, conflict_id="c-1"),
                movements=(moved(EAST, -2, 0, RESERVED), moved(EAST, 2, 2, ALLOCATED)),
            ),
        )

    def test_malformed(self) -> None:
        lines = (LineCommit(line="a", order_line=""), LineCommit(line=" ", order_line="10"), LineCommit(line="a"))
        given(*HELD).when(commit(*lines, order_id="", reservation="", correlation_id="\x00")).then_refused(
            RejectionCode.INVALID_INPUT,
            "correlationId",
            "reservationId",
            "orderId",
            "lines.0.orderLineId",
            "lines.1.lineId",
            "lines.2.lineId",
        )

    def test_a_line_that_it_does_not_have(self) -> None:
        given(*HELD).when(commit(LineCommit(line="a"), LineCommit(line="z"))).then_refused(
            RejectionCode.LINE_NOT_FOUND, "lines.1.lineId"
        )

    def test_more_than_is_held(self) -> None:
        given(*HELD).when(commit(LineCommit(line="a", quantity=8), LineCommit(line="b"))).then_refused(
            EXCEEDS, "lines.0.quantity", quantity_available=7
        )

    def test_lines_that_hold_nothing_make_no_order(self) -> None:
        held = (line(hold(2), id="a", asked=5), line(id="b", asked=1))
        given(*SHOP, level(on_hand=2, reserved=2), reservation(*held)).when(commit(LineCommit(line="b"))).then_refused(
            EXCEEDS, "lines.0.quantity", quantity_available=0
        )

    @pytest.mark.parametrize("quantity", [0, -1, 10_000_001])
    def test_a_quantity(self, quantity: int) -> None:
        given(*HELD).when(commit(LineCommit(line="a", quantity=quantity))).then_refused(
            RejectionCode.INVALID_QUANTITY, "lines.0.quantity"
        )

    @pytest.mark.parametrize(
        ("command", "fields"),
        [
            (commit(), ["orderId"]),
            (commit(LineCommit(line="b"), LineCommit(line="a")), ["lines.1.orderLineId"]),
            (commit(LineCommit(line="b", order_line="a")), ["lines.0.orderLineId"]),
            (
                commit(LineCommit(line="b", order_line="c"), LineCommit(line="a", order_line="c")),
                ["lines.1.orderLineId"],
            ),
        ],
    )
    def test_a_line_of_an_order_is_allocated_once(self, command: Command, fields: list[str]) -> None:
        known = allocation(order_line(id="a", shipped=1))
        outcome = given(*HELD, known).when(command)
        outcome.then_refused(TAKEN, *fields)


class TestExpire:
    def test_what_has_lapsed_gives_its_units_back(self) -> None:
        before = reservation(*LINES, expires_at=NOW, channel=WEB)
        after = replace(before, state=ReservationState.EXPIRED, updated_at=NOW, version=2)
        given(*HELD, before).when(expire(), by=SYSTEM_PRINCIPAL).then(
            ReservationExpired(reservation=after),
            posted(
                EXPIRED,
                level(CENTRAL, on_hand=5, version=2, at=NOW),
                level(EAST, on_hand=9, version=2, at=NOW),
                movements=(moved(CENTRAL, -3, 0, RESERVED), moved(EAST, -6, 0, RESERVED)),
                account="stockgate",
                recorded_by="stockgate",
                idempotency_key=None,
                source_channel=WEB,
            ),
        )

    def test_promises_that_are_backed_again_close_the_conflict(self) -> None:
        before = reservation(line(hold(2)), expires_at=EARLIER)
        backed = level(version=2, at=NOW)
        outcome = given(*SHOP, level(reserved=2, conflict_id="c-1"), before).when(expire(), by=SYSTEM_PRINCIPAL)
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[2:] == (StockConflictClosed(conflict_id="c-1", level=backed),)

    @pytest.mark.parametrize(
        "before",
        [
            reservation(*LINES, expires_at=NOW + timedelta(microseconds=1)),
            *(reservation(*LINES, state=one, expires_at=EARLIER) for one in ReservationState if one != "ACTIVE"),
            reservation(*LINES, id="another", expires_at=EARLIER),
        ],
        ids=["lives", "committed", "released", "expired", "unknown"],
    )
    def test_anything_else_is_left_as_it_is(self, before: Reservation) -> None:
        given(*SHOP, level(EAST, on_hand=9, reserved=6), level(CENTRAL, on_hand=5, reserved=3), before).when(
            expire(), by=SYSTEM_PRINCIPAL
        ).then()


ANY_CHANGE: dict[str, Command] = {
    "extend": extend(),
    "extend by nothing": extend(0),
    "release": release(),
    "release a line": release(LineQuantity(line="a")),
    "move": relocate(LineMove(line="a", to_location=EAST)),
    "commit": commit(),
    "commit to another order": commit(order_id="SO-8"),
}


@pytest.mark.parametrize("command", ANY_CHANGE.values(), ids=ANY_CHANGE)
class TestSecond:
    """Who comes second is told what came first; nothing is resolved twice."""

    @pytest.mark.parametrize("expires_at", [EARLIER, NOW])
    def test_after_its_time_was_over(self, command: Command, expires_at: datetime) -> None:
        given(*HELD, reservation(*LINES, expires_at=expires_at)).when(command).then_refused(
            RejectionCode.RESERVATION_EXPIRED,
            "reservationId",
            message=f"The reservation's time was over at {expires_at.isoformat()}; make a new one.",
        )

    def test_after_it_expired(self, command: Command) -> None:
        before = reservation(*LINES, expires_at=EARLIER, state=ReservationState.EXPIRED)
        given(*HELD, before).when(command).then_refused(
            RejectionCode.RESERVATION_EXPIRED,
            "reservationId",
            message=f"At {EARLIER.isoformat()} the reservation expired; make a new one.",
        )

    @pytest.mark.parametrize("expires_at", [EARLIER, SOON])
    def test_after_it_was_committed(self, command: Command, expires_at: datetime) -> None:
        before = reservation(*LINES, expires_at=expires_at, state=ReservationState.COMMITTED, order_id="SO-9")
        given(*HELD, before).when(command).then_refused(
            RejectionCode.RESERVATION_ALREADY_COMMITTED,
            "reservationId",
            message=f"At {EARLIER.isoformat()} the reservation was committed to order SO-9; go on with the order.",
        )

    @pytest.mark.parametrize("expires_at", [EARLIER, SOON])
    def test_after_it_was_released(self, command: Command, expires_at: datetime) -> None:
        before = reservation(*LINES, expires_at=expires_at, state=ReservationState.RELEASED)
        given(*HELD, before).when(command).then_refused(
            RejectionCode.RESERVATION_ALREADY_RELEASED,
            "reservationId",
            message=f"At {EARLIER.isoformat()} the reservation was released; make a new one.",
        )

    def test_what_there_never_was(self, command: Command) -> None:
        given(*SHOP).when(command).then_refused(
            RejectionCode.RESERVATION_NOT_FOUND,
            "reservationId",
            message=f"There is no reservation '{RESERVATION}'; check the id that reservationCreate answered.",
        )

    @pytest.mark.parametrize(
        ("channel_code", "scope"),
        [
            (WEB, Scope(channels=frozenset({"till"}))),
            (None, Scope(channels=frozenset({WEB}))),
            (WEB, Scope(locations=frozenset({EAST}))),
        ],
        ids=["of a foreign channel", "of no channel", "held at a foreign location"],
    )
    def test_what_is_not_seen_is_refused_like_what_is_missing(
        self, command: Command, channel_code: str | None, scope: Scope
    ) -> None:
        narrow = Principal(account="acme", name="clerk", role=Role.BACKOFFICE, scope=scope)
        for state in ReservationState:
            before = reservation(*LINES, channel=channel_code, state=state, expires_at=EARLIER)
            given(*HELD, before).when(command, by=narrow).then_refused(
                RejectionCode.RESERVATION_NOT_FOUND,
                "reservationId",
                message=f"There is no reservation '{RESERVATION}'; check the id that reservationCreate answered.",
            )

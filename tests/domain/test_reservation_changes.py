"""reservationExtend, reservationRelease, reservationMove; the one rule: no unit that is held is lost or made."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.claims import LineQuantity
from domain.conflicts import StockConflictClosed
from domain.postings import PostingCause
from domain.promises import SourcingReason
from domain.rejections import RejectionCode
from domain.reservation_commands import (
    LineMove,
    ReservationExtended,
    ReservationMoved,
    ReservationReleased,
    ReservationState,
)
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Served,
    channel,
    given,
    item,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    QUARTER,
    RESERVED,
    extend,
    hold,
    line,
    posted,
    release,
    relocate,
    reservation,
)

RELEASED = PostingCause.RESERVATION_RELEASED
MOVED = PostingCause.RESERVATION_MOVED
INVALID = RejectionCode.INVALID_INPUT
EXCEEDS = RejectionCode.EXCEEDS_RESERVED_QUANTITY
SHOP = (item(), item("CUP"), location(EAST), location(CENTRAL))
ON_WEB = (*SHOP, channel(), Served(location=EAST, channels=frozenset({WEB})))
BOTH = line(hold(3, CENTRAL), hold(4, EAST))
SPLIT = (
    *SHOP,
    level(EAST, on_hand=9, reserved=4),
    level(CENTRAL, on_hand=5, reserved=3),
    reservation(BOTH),
)


class TestExtend:
    def test_it_lives_for_an_interval_from_now_on(self) -> None:
        before = reservation(line(hold(1)))
        after = replace(before, expires_at=QUARTER, updated_at=NOW, version=2)
        state = (
            given(*SHOP, before, level(on_hand=1, reserved=1))
            .when(extend())
            .then(ReservationExtended(reservation=after))
        )
        assert state.levels == {(SKU, EAST): level(on_hand=1, reserved=1)}

    @pytest.mark.parametrize(("asked", "seconds"), [(None, 120), (1, 1), (600, 600)])
    def test_the_channel_says_how_long(self, asked: int | None, seconds: int) -> None:
        web = channel(reservation_ttl_seconds=120, reservation_ttl_seconds_max=600)
        before = reservation(line(hold(1)), channel=WEB)
        after = replace(before, expires_at=NOW + timedelta(seconds=seconds), updated_at=NOW, version=2)
        given(*SHOP, web, before, level(on_hand=1, reserved=1)).when(extend(asked)).then(
            ReservationExtended(reservation=after)
        )

    @pytest.mark.parametrize("asked", [-1, 0, 601])
    def test_but_no_longer_than_that(self, asked: int) -> None:
        web = channel(reservation_ttl_seconds=120, reservation_ttl_seconds_max=600)
        before = reservation(line(hold(1)), channel=WEB)
        given(*SHOP, web, before, level(on_hand=1, reserved=1)).when(extend(asked)).then_refused(
            RejectionCode.TTL_OUT_OF_RANGE,
            "ttlSeconds",
            message=f"ttlSeconds is {asked}; send 1 to 600, or none for the channel's default.",
        )

    def test_in_its_last_moment_it_can_be_extended(self) -> None:
        before = reservation(line(hold(1)), expires_at=NOW + timedelta(microseconds=1))
        after = replace(before, expires_at=QUARTER, updated_at=NOW, version=2)
        given(*SHOP, before, level(on_hand=1, reserved=1)).when(extend()).then(ReservationExtended(reservation=after))


class TestRelease:
    def test_all_of_it_ends_it(self) -> None:
        after = reservation(BOTH, state=ReservationState.RELEASED, updated_at=NOW, version=2)
        given(*SPLIT).when(release()).then(
            ReservationReleased(reservation=after),
            posted(
                RELEASED,
                level(CENTRAL, on_hand=5, version=2, at=NOW),
                level(EAST, on_hand=9, version=2, at=NOW),
                movements=(moved(CENTRAL, -3, 0, RESERVED), moved(EAST, -4, 0, RESERVED)),
            ),
        )

    def test_units_of_a_line_leave_the_location_that_was_chosen_last(self) -> None:
        kept = line(hold(2, CENTRAL), asked=7)
        given(*SPLIT).when(release(LineQuantity(line="1", quantity=5))).then(
            ReservationReleased(reservation=reservation(kept, updated_at=NOW, version=2)),
            posted(
                RELEASED,
                level(CENTRAL, on_hand=5, reserved=2, version=2, at=NOW),
                level(EAST, on_hand=9, version=2, at=NOW),
                movements=(moved(CENTRAL, -1, 2, RESERVED), moved(EAST, -4, 0, RESERVED)),
            ),
        )

    def test_it_goes_on_while_a_line_is_held(self) -> None:
        lines = (line(hold(1), id="a"), line(hold(2), id="b"))
        after = reservation(line(id="a", asked=1), lines[1], updated_at=NOW, version=2)
        state = (
            given(*SHOP, level(on_hand=3, reserved=3), reservation(*lines))
            .when(release(LineQuantity(line="a")))
            .then(
                ReservationReleased(reservation=after),
                posted(
                    RELEASED,
                    level(on_hand=3, reserved=2, version=2, at=NOW),
                    movements=(moved(EAST, -1, 2, RESERVED),),
                ),
            )
        )
        assert state.reservations["r-1"].is_active

    def test_the_last_line_ends_it(self) -> None:
        lines = (line(id="a", asked=1), line(hold(2), id="b"))
        after = reservation(*lines, state=ReservationState.RELEASED, updated_at=NOW, version=2)
        given(*SHOP, level(on_hand=3, reserved=2), reservation(*lines)).when(
            release(LineQuantity(line="b", quantity=2))
        ).then(
            ReservationReleased(reservation=after),
            posted(RELEASED, level(on_hand=3, version=2, at=NOW), movements=(moved(EAST, -2, 0, RESERVED),)),
        )

    def test_promises_that_are_backed_again_close_the_conflict(self) -> None:
        lines = (line(hold(2), id="a"), line(hold(3), id="b"))
        short = level(on_hand=3, reserved=5, conflict_id="c-1")
        backed = level(on_hand=3, reserved=3, version=2, at=NOW)
        given(*SHOP, short, reservation(*lines)).when(release(LineQuantity(line="a"))).then(
            ReservationReleased(reservation=reservation(line(id="a", asked=2), lines[1], updated_at=NOW, version=2)),
            posted(RELEASED, backed, movements=(moved(EAST, -2, 3, RESERVED),)),
            StockConflictClosed(conflict_id="c-1", level=backed),
        )

    def test_while_one_is_not_the_conflict_stays(self) -> None:
        lines = (line(hold(2), id="a"), line(hold(3), id="b"))
        short = level(on_hand=2, reserved=5, conflict_id="c-1")
        given(*SHOP, short, reservation(*lines)).when(release(LineQuantity(line="a"))).then(
            ReservationReleased(reservation=reservation(line(id="a", asked=2), lines[1], updated_at=NOW, version=2)),
            posted(
                RELEASED,
                level(on_hand=2, reserved=3, version=2, at=NOW, conflict_id="c-1"),
                movements=(moved(EAST, -2, 3, RESERVED),),
            ),
        )

    @pytest.mark.parametrize("count", [0, 251])
    def test_too_few_or_too_many_lines(self, count: int) -> None:
        lines = tuple(LineQuantity(line=str(place)) for place in range(count))
        given(*SPLIT).when(replace(release(), lines=lines)).then_refused(
            INVALID, "lines", message=f"There are {count} lines; send 1 to 250, or leave them out for all."
        )

    def test_two_entries_of_one_line(self) -> None:
        given(*SPLIT).when(
            release(LineQuantity(line="1"), LineQuantity(line="1", quantity=1), LineQuantity(line=" "))
        ).then_refused(INVALID, "lines.2.lineId", "lines.1.lineId")

    def test_a_line_that_it_does_not_have(self) -> None:
        given(*SPLIT).when(release(LineQuantity(line="1"), LineQuantity(line="9"))).then_refused(
            RejectionCode.LINE_NOT_FOUND,
            "lines.1.lineId",
            message="There is no line '9'; check its id among the document's lines.",
        )

    @pytest.mark.parametrize("quantity", [0, -3, 10_000_001])
    def test_a_quantity(self, quantity: int) -> None:
        given(*SPLIT).when(release(LineQuantity(line="1", quantity=quantity))).then_refused(
            RejectionCode.INVALID_QUANTITY, "lines.0.quantity"
        )

    def test_more_than_is_held(self) -> None:
        given(*SPLIT).when(release(LineQuantity(line="1", quantity=8))).then_refused(
            EXCEEDS,
            "lines.0.quantity",
            quantity_available=7,
            message="The line holds 7 units there, fewer than 8; name at most that many.",
        )

    @pytest.mark.parametrize("quantity", [None, 1])
    def test_a_line_that_holds_nothing(self, quantity: int | None) -> None:
        lines = (line(id="a", asked=1), line(hold(2), id="b"))
        given(*SHOP, level(on_hand=3, reserved=2), reservation(*lines)).when(
            release(LineQuantity(line="b"), LineQuantity(line="a", quantity=quantity))
        ).then_refused(EXCEEDS, "lines.1.quantity", quantity_available=0)


class TestMove:
    def test_all_of_a_line_goes_to_another_location(self) -> None:
        merged = reservation(line(hold(7, CENTRAL)), updated_at=NOW, version=2)
        given(*SHOP, level(EAST, on_hand=9, reserved=4), level(CENTRAL, on_hand=7, reserved=3), reservation(BOTH)).when(
            relocate(LineMove(line="1", to_location=CENTRAL))
        ).then(
            ReservationMoved(reservation=merged),
            posted(
                MOVED,
                level(EAST, on_hand=9, version=2, at=NOW),
                level(CENTRAL, on_hand=7, reserved=7, version=2, at=NOW),
                movements=(moved(EAST, -4, 0, RESERVED), moved(CENTRAL, 4, 7, RESERVED)),
            ),
        )

    def test_some_units_go(self) -> None:
        lines = line(hold(5, EAST), hold(2, CENTRAL, reason=SourcingReason.MOVED))
        given(*SHOP, level(EAST, on_hand=9, reserved=7), level(CENTRAL, on_hand=2), reservation(line(hold(7)))).when(
            relocate(LineMove(line="1", to_location=CENTRAL, from_location=EAST, quantity=2))
        ).then(
            ReservationMoved(reservation=reservation(lines, updated_at=NOW, version=2)),
            posted(
                MOVED,
                level(EAST, on_hand=9, reserved=5, version=2, at=NOW),
                level(CENTRAL, on_hand=2, reserved=2, version=2, at=NOW),
                movements=(moved(EAST, -2, 5, RESERVED), moved(CENTRAL, 2, 2, RESERVED)),
            ),
        )

    def test_two_lines_may_change_places(self) -> None:
        """Given two full locations, when two lines swap them, then nothing has to be available at either."""
        lines = (line(hold(4, EAST), id="a"), line(hold(4, CENTRAL), id="b"))
        swapped = (
            line(hold(4, CENTRAL, reason=SourcingReason.MOVED), id="a"),
            line(hold(4, EAST, reason=SourcingReason.MOVED), id="b"),
        )
        full = (level(EAST, on_hand=4, reserved=4), level(CENTRAL, on_hand=4, reserved=4))
        given(*SHOP, *full, reservation(*lines)).when(
            relocate(LineMove(line="a", to_location=CENTRAL), LineMove(line="b", to_location=EAST))
        ).then(ReservationMoved(reservation=reservation(*swapped, updated_at=NOW, version=2)))

    def test_what_is_in_the_red_is_brought_to_where_there_is_stock(self) -> None:
        before = (level(EAST, on_hand=1, reserved=3, conflict_id="c-1"), level(CENTRAL, on_hand=9))
        backed = level(EAST, on_hand=1, reserved=1, version=2, at=NOW)
        after = line(hold(1), hold(2, CENTRAL, reason=SourcingReason.MOVED))
        given(*SHOP, *before, reservation(line(hold(3)))).when(
            relocate(LineMove(line="1", to_location=CENTRAL, quantity=2))
        ).then(
            ReservationMoved(reservation=reservation(after, updated_at=NOW, version=2)),
            posted(
                MOVED,
                backed,
                level(CENTRAL, on_hand=9, reserved=2, version=2, at=NOW),
                movements=(moved(EAST, -2, 1, RESERVED), moved(CENTRAL, 2, 2, RESERVED)),
            ),
            StockConflictClosed(conflict_id="c-1", level=backed),
        )

    @pytest.mark.parametrize("count", [0, 251])
    def test_too_few_or_too_many_moves(self, count: int) -> None:
        moves = [LineMove(line=str(place), to_location=EAST) for place in range(count)]
        given(*SPLIT).when(relocate(*moves)).then_refused(
            INVALID, "moves", message=f"There are {count} moves; send 1 to 250 a request."
        )

    def test_moves_that_are_malformed(self) -> None:
        moves = (
            LineMove(line="", to_location="E", from_location="C"),
            LineMove(line="2", to_location=" ", from_location="C"),
            LineMove(line="3", to_location="E", from_location="C\n"),
            LineMove(line="4", to_location="E", from_location="E"),
            LineMove(line="4", to_location="E"),
        )
        given(*SPLIT).when(relocate(*moves)).then_refused(
            INVALID, "moves.0.lineId", "moves.1.toLocationId", "moves.2.fromLocationId", "moves.3", "moves.4.lineId"
        )

    def test_to_a_location_that_there_is_not(self) -> None:
        old = location("OLD", archived_at=EARLIER)
        given(*SPLIT, old).when(
            relocate(LineMove(line="1", to_location="NOWHERE"), LineMove(line="2", to_location="OLD"))
        ).then_refused(RejectionCode.LOCATION_NOT_FOUND, "moves.0.toLocationId", "moves.1.toLocationId")

    def test_of_a_line_that_there_is_not(self) -> None:
        given(*SPLIT).when(relocate(LineMove(line="9", to_location=EAST))).then_refused(
            RejectionCode.LINE_NOT_FOUND, "moves.0.lineId"
        )

    def test_to_where_the_item_is_not_stocked(self) -> None:
        given(*SPLIT, location("BARE")).when(relocate(LineMove(line="1", to_location="BARE"))).then_refused(
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "moves.0.toLocationId"
        )

    def test_to_a_location_that_does_not_serve_the_channel(self) -> None:
        before = reservation(line(hold(1)), channel=WEB)
        stock = (level(EAST, on_hand=1, reserved=1), level(CENTRAL, on_hand=9))
        there = Served(location=CENTRAL, channels=frozenset({"till"}))
        for facts in ((), (there,)):
            given(*ON_WEB, *facts, *stock, before).when(relocate(LineMove(line="1", to_location=CENTRAL))).then_refused(
                RejectionCode.LOCATION_NOT_SERVING_CHANNEL, "moves.0.toLocationId"
            )

    def test_to_a_location_that_serves_the_channel(self) -> None:
        before = reservation(line(hold(1)), channel=WEB)
        stock = (level(EAST, on_hand=1, reserved=1), level(CENTRAL, on_hand=9))
        there = Served(location=CENTRAL, channels=frozenset({WEB}))
        outcome = given(*ON_WEB, there, *stock, before).when(relocate(LineMove(line="1", to_location=CENTRAL)))
        assert isinstance(outcome.answer, tuple)

    @pytest.mark.parametrize("quantity", [0, -1, 10_000_001])
    def test_a_quantity(self, quantity: int) -> None:
        given(*SPLIT).when(relocate(LineMove(line="1", to_location=EAST, quantity=quantity))).then_refused(
            RejectionCode.INVALID_QUANTITY, "moves.0.quantity"
        )

    @pytest.mark.parametrize(
        ("move", "held"),
        [
            (LineMove(line="1", to_location=CENTRAL, quantity=5), 4),
            (LineMove(line="1", to_location=EAST, quantity=4), 3),
            (LineMove(line="1", to_location=CENTRAL, from_location="ELSEWHERE"), 0),
        ],
    )
    def test_more_than_is_held_elsewhere(self, move: LineMove, held: int) -> None:
        given(*SPLIT).when(relocate(move)).then_refused(EXCEEDS, "moves.0.quantity", quantity_available=held)

    def test_a_line_that_is_there_already(self) -> None:
        given(*SHOP, level(on_hand=1, reserved=1), reservation(line(hold(1)))).when(
            relocate(LineMove(line="1", to_location=EAST))
        ).then_refused(EXCEEDS, "moves.0.quantity", quantity_available=0)

    def test_more_than_is_available_there(self) -> None:
        given(*SPLIT).when(relocate(LineMove(line="1", to_location=CENTRAL))).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "moves.0.quantity",
            quantity_available=2,
            message=f"2 of 4 units of {SKU} can be had at {CENTRAL}; move at most that many.",
        )

    def test_the_move_of_the_item_that_is_short_is_named(self) -> None:
        lines = (line(hold(1, sku="CUP"), id="a", sku="CUP"), line(hold(4), id="b"))
        stock = (level(on_hand=4, reserved=4), level(CENTRAL, on_hand=3, reserved=9))
        cups = (level(sku="CUP", on_hand=1, reserved=1), level(CENTRAL, sku="CUP", on_hand=3))
        given(*SHOP, *stock, *cups, reservation(*lines)).when(
            relocate(LineMove(line="a", to_location=CENTRAL), LineMove(line="b", to_location=CENTRAL))
        ).then_refused(RejectionCode.INSUFFICIENT_STOCK, "moves.1.quantity", quantity_available=0)

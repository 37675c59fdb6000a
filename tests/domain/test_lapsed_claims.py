"""Reservations that have lapsed and stand in a claim's way; the one rule: their units return only by the event that
says so, and only when that helps.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid5

import pytest

from domain.adjustments import ShortagePolicy
from domain.allocation_commands import AllocationCreated
from domain.conflicts import StockConflictClosed
from domain.decider import Command, Event
from domain.postings import PostingCause, StockPosted
from domain.principals import Principal, Role, Scope
from domain.promises import SourcingReason
from domain.rejections import Refused, RejectionCode
from domain.reservation_commands import (
    LineMove,
    Reservation,
    ReservationCreated,
    ReservationExpired,
    ReservationMoved,
    ReservationState,
)
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    NOW,
    adjust,
    adjusted,
    change,
    given,
    item,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    ALLOCATED,
    QUARTER,
    RESERVED,
    allocate,
    allocation,
    extend,
    hold,
    line,
    order_line,
    posted,
    relocate,
    reservation,
    reserve,
    want,
)

EXPIRED = PostingCause.RESERVATION_EXPIRED
SHOP = (item(), item("CUP"), location(EAST), location(CENTRAL))
LAPSED = reservation(line(hold(4)), id="old", expires_at=NOW)
IS_EXPIRED = replace(LAPSED, state=ReservationState.EXPIRED, updated_at=NOW, version=2)
FULL = (*SHOP, level(on_hand=5, reserved=4), LAPSED)


def expiry(after: Reservation, balance: int, *, version: int = 2, place: int = 0, units: int = 4) -> tuple[Event, ...]:
    """Return the events with which the claim ends a lapsed reservation of SKU in EAST."""
    return (
        ReservationExpired(reservation=after),
        posted(
            EXPIRED,
            level(on_hand=5, reserved=balance, version=version, at=NOW),
            movements=(moved(EAST, -units, balance, RESERVED),),
            command_id=uuid5(UUID(COMMAND_ID), str(place)).hex,
            document_id=after.id,
            account="stockgate",
            recorded_by="stockgate",
            idempotency_key=None,
        ),
    )


class TestHelped:
    def test_a_reservation(self) -> None:
        made = reservation(line(hold(5)), id=COMMAND_ID, created_at=NOW, updated_at=NOW, expires_at=QUARTER)
        state = (
            given(*FULL)
            .when(reserve(want(5)))
            .then(
                *expiry(IS_EXPIRED, 0),
                ReservationCreated(reservation=made),
                posted(
                    PostingCause.RESERVATION_CREATED,
                    level(on_hand=5, reserved=5, version=3, at=NOW),
                    movements=(moved(EAST, 5, 5, RESERVED),),
                ),
            )
        )
        assert state.reservations == {"old": IS_EXPIRED, COMMAND_ID: made}

    def test_an_allocation(self) -> None:
        given(*FULL).when(allocate(want(2, at=EAST))).then(
            *expiry(IS_EXPIRED, 0),
            AllocationCreated(
                allocation=allocation(
                    order_line(hold(2, reason=SourcingReason.NAMED)), id=COMMAND_ID, created_at=NOW, updated_at=NOW
                )
            ),
            posted(
                PostingCause.ALLOCATION_CREATED,
                level(on_hand=5, allocated=2, version=3, at=NOW),
                movements=(moved(EAST, 2, 2, ALLOCATED),),
            ),
        )

    def test_an_adjustment(self) -> None:
        given(*FULL).when(adjust(change(EAST, -3))).then(
            *expiry(IS_EXPIRED, 0),
            adjusted(level(on_hand=2, version=3, at=NOW), movements=(moved(EAST, -3, 2),)),
        )

    def test_a_move(self) -> None:
        """Given no room where units are to go, when what stands there has lapsed, then there is."""
        mine = reservation(line(hold(2, CENTRAL)))
        stock = (level(CENTRAL, on_hand=2, reserved=2),)
        answer = given(*FULL, *stock, mine).when(relocate(LineMove(line="1", to_location=EAST))).answer
        assert isinstance(answer, tuple)
        assert answer[:2] == expiry(IS_EXPIRED, 0)
        after = reservation(line(hold(2, reason=SourcingReason.MOVED)), updated_at=NOW, version=2)
        assert answer[2] == ReservationMoved(reservation=after)

    def test_all_that_have_lapsed_end_at_once(self) -> None:
        older = replace(LAPSED, id="older", lines=(line(hold(1)),), expires_at=EARLIER)
        ended = replace(older, state=ReservationState.EXPIRED, updated_at=NOW, version=2)
        answer = given(*SHOP, level(on_hand=5, reserved=5), LAPSED, older).when(adjust(change(EAST, -3))).answer
        assert answer == (
            *expiry(IS_EXPIRED, 1),
            *expiry(ended, 0, version=3, place=1, units=1),
            adjusted(level(on_hand=2, version=4, at=NOW), movements=(moved(EAST, -3, 2),)),
        )

    def test_whose_they_are_does_not_matter(self) -> None:
        foreign = replace(LAPSED, channel="till", lines=(line(hold(3), hold(1, CENTRAL)),))
        narrow = Principal(account="acme", name="clerk", role=Role.PARTNER, scope=Scope(locations=frozenset({EAST})))
        stock = (level(EAST, on_hand=3, reserved=3), level(CENTRAL, on_hand=1, reserved=1))
        answer = given(*SHOP, *stock, foreign).when(adjust(change(EAST, -3)), by=narrow).answer
        assert isinstance(answer, tuple)
        assert [type(one).__name__ for one in answer] == ["ReservationExpired", "StockPosted", "InventoryAdjusted"]

    def test_a_conflict_that_they_were_part_of_closes_first(self) -> None:
        short = level(on_hand=3, reserved=4, conflict_id="c-1")
        backed = level(on_hand=3, version=2, at=NOW)
        answer = given(*SHOP, short, LAPSED).when(adjust(change(EAST, -1))).answer
        assert isinstance(answer, tuple)
        assert answer[2:] == (
            StockConflictClosed(conflict_id="c-1", level=backed),
            adjusted(level(on_hand=2, version=3, at=NOW), movements=(moved(EAST, -1, 2),)),
        )

    def test_a_dry_run_is_decided_alike(self) -> None:
        answer = given(*FULL).when(reserve(want(5), dry_run=True, idempotency_key=None)).answer
        assert isinstance(answer, tuple)
        assert answer[:2] == expiry(IS_EXPIRED, 0)


class TestLeft:
    """Nothing ends that need not, or that would not help."""

    def test_a_claim_that_finds_enough_leaves_them(self) -> None:
        given(*FULL).when(adjust(change(EAST, -1))).then(
            adjusted(level(on_hand=4, reserved=4, version=2, at=NOW), movements=(moved(EAST, -1, 4),))
        )

    def test_a_part_that_will_do_leaves_them(self) -> None:
        answer = given(*FULL).when(reserve(want(5), allow_partial=True)).answer
        assert isinstance(answer, tuple)
        assert [type(one) for one in answer] == [ReservationCreated, StockPosted]

    def test_a_fact_leaves_them(self) -> None:
        answer = given(*FULL).when(adjust(change(EAST, -3), on_shortage=ShortagePolicy.RECORD_CONFLICT)).answer
        assert isinstance(answer, tuple)
        assert [type(one).__name__ for one in answer] == ["InventoryAdjusted", "StockConflictOpened"]

    @pytest.mark.parametrize("command", [reserve(want(6)), allocate(want(6)), adjust(change(EAST, -6))])
    def test_what_is_short_without_them_too_is_refused_as_it_stands(self, command: Command) -> None:
        outcome = given(*FULL).when(command)
        assert isinstance(outcome.answer, Refused)
        (rejection,) = outcome.answer.rejections
        assert (rejection.code, rejection.quantity_available) == (RejectionCode.INSUFFICIENT_STOCK, 1)
        assert outcome.state == outcome.before

    @pytest.mark.parametrize(
        "other",
        [
            replace(LAPSED, expires_at=NOW + timedelta(microseconds=1)),
            replace(LAPSED, state=ReservationState.RELEASED),
            replace(LAPSED, state=ReservationState.COMMITTED),
        ],
        ids=["lives", "released", "committed"],
    )
    def test_what_has_not_lapsed_stands(self, other: Reservation) -> None:
        given(*SHOP, level(on_hand=5, reserved=4), other).when(reserve(want(2))).then_refused(
            RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=1
        )

    def test_those_of_other_items_are_left(self) -> None:
        cups = reservation(line(hold(1, sku="CUP"), sku="CUP"), id="cups", expires_at=EARLIER)
        stock = level(sku="CUP", on_hand=1, reserved=1)
        state = given(*FULL, stock, cups).when(adjust(change(EAST, -3)))
        assert isinstance(state.answer, tuple)
        assert [type(one).__name__ for one in state.answer] == [
            "ReservationExpired",
            "StockPosted",
            "InventoryAdjusted",
        ]

    def test_one_that_lies_on_a_level_that_is_not_loaded_is_left(self) -> None:
        """Given a reservation that another command of the batch named, when a level of it is not at hand, then it is
        left to that command.
        """
        scenario = given(*FULL, level(CENTRAL, on_hand=9, reserved=1))
        elsewhere = replace(LAPSED, id="elsewhere", lines=(line(hold(1, "GONE"), hold(1)),), expires_at=EARLIER)
        scenario.state.reservations["elsewhere"] = elsewhere
        answer = scenario.when(adjust(change(EAST, -3))).answer
        assert isinstance(answer, tuple)
        assert [one.reservation.id for one in answer if isinstance(one, ReservationExpired)] == ["old"]

    def test_any_other_refusal_stands(self) -> None:
        given(*FULL).when(extend()).then_refused(RejectionCode.RESERVATION_NOT_FOUND, "reservationId")
        given(*FULL).when(reserve(want(5), ttl_seconds=0)).then_refused(RejectionCode.TTL_OUT_OF_RANGE, "ttlSeconds")

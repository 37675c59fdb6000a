"""Bundles that are held while the bundle becomes another; the one rule: a hold keeps the parts of its day."""

from dataclasses import replace

import pytest

from domain.adjustments import ShortagePolicy
from domain.allocation_commands import (
    AllocationCancelled,
    AllocationCreated,
    ShipmentConfirmed,
    ShipmentLine,
)
from domain.claims import LineQuantity
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.levels import BALANCE_MAX, InventoryBucket, StockLevel
from domain.postings import PostingCause, StockPosted
from domain.promises import SourcingReason
from domain.records import Item
from domain.rejections import RejectionCode
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    ReservationCommitted,
    ReservationExpired,
    ReservationMoved,
    ReservationReleased,
    ReservationState,
)
from tests.domain.bundled import CUP, KIT, LID, ON_WEB, bundle, kits, made_of, part, stock
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    NOW,
    WEB,
    Fact,
    adjust,
    change,
    given,
    item,
    level,
    moved,
)
from tests.domain.promised import (
    ALLOCATED,
    ON_HAND,
    RESERVED,
    allocation,
    cancel,
    commit,
    expire,
    line,
    order_line,
    posted,
    release,
    relocate,
    reservation,
    ship,
    shipment,
)

LINE = line(kits(1, CENTRAL), kits(2), sku=KIT)
RESERVATION = reservation(LINE)
ORDERED = allocation(order_line(kits(1, CENTRAL), kits(2), sku=KIT))
TODAY = [
    bundle(),
    bundle(made_of(part("MUG", 7), part(CUP))),
    item(KIT),
    replace(item(KIT), archived_at=EARLIER),
]
every_day = pytest.mark.parametrize(
    "today", TODAY, ids=["the same bundle", "another bundle", "no bundle any more", "archived"]
)


def promised(bucket: InventoryBucket) -> tuple[StockLevel, ...]:
    """Return what there is of the components, with what three kits take reserved or allocated."""
    cups, lids = stock(EAST, 9, 9)
    more, few = stock(CENTRAL, 5, 5)
    units = zip((cups, lids, more, few), (4, 2, 2, 1), strict=True)
    return tuple(one.with_balances({bucket: taken}, at=EARLIER, version=1) for one, taken in units)


def known(today: Item, bucket: InventoryBucket = RESERVED) -> tuple[Fact, ...]:
    """Return the shop of today, in which three kits of an earlier day are promised."""
    return (*ON_WEB, item("MUG"), today, *promised(bucket), RESERVATION if bucket is RESERVED else ORDERED)


def rows(cause: PostingCause, sku: str, deltas: dict[tuple[str, InventoryBucket], tuple[int, int]]) -> StockPosted:
    """Return what was posted of one component: change and balance by place and counter."""
    is_of_order = cause in {PostingCause.ALLOCATION_CANCELLED, PostingCause.SHIPMENT_CONFIRMED}
    bucket = ALLOCATED if is_of_order else RESERVED
    levels = {one.location: one for one in promised(bucket) if one.sku == sku}
    for (place, counter), (_, balance) in deltas.items():
        levels[place] = levels[place].with_balances({counter: balance}, at=NOW, version=2)
    return posted(
        cause,
        *(levels[place] for place in dict.fromkeys(place for place, _ in deltas)),
        movements=tuple(moved(place, *change, counter) for (place, counter), change in deltas.items()),
        sku=sku,
    )


@every_day
class TestReservation:
    def test_released(self, today: Item) -> None:
        cause = PostingCause.RESERVATION_RELEASED
        after = replace(RESERVATION, state=ReservationState.RELEASED, updated_at=NOW, version=2)
        given(*known(today)).when(release()).then(
            ReservationReleased(reservation=after),
            rows(cause, CUP, {(CENTRAL, RESERVED): (-2, 0), (EAST, RESERVED): (-4, 0)}),
            rows(cause, LID, {(CENTRAL, RESERVED): (-1, 0), (EAST, RESERVED): (-2, 0)}),
        )

    def test_released_in_part(self, today: Item) -> None:
        cause = PostingCause.RESERVATION_RELEASED
        kept = line(kits(1, CENTRAL), kits(1), sku=KIT, asked=3)
        given(*known(today)).when(release(LineQuantity(line="1", quantity=1))).then(
            ReservationReleased(reservation=replace(RESERVATION, lines=(kept,), updated_at=NOW, version=2)),
            rows(cause, CUP, {(EAST, RESERVED): (-2, 2)}),
            rows(cause, LID, {(EAST, RESERVED): (-1, 1)}),
        )

    def test_moved(self, today: Item) -> None:
        cause = PostingCause.RESERVATION_MOVED
        gone = line(kits(2, CENTRAL), kits(1), sku=KIT)
        move = LineMove(line="1", from_location=EAST, to_location=CENTRAL, quantity=1)
        given(*known(today)).when(relocate(move)).then(
            ReservationMoved(reservation=replace(RESERVATION, lines=(gone,), updated_at=NOW, version=2)),
            rows(cause, CUP, {(EAST, RESERVED): (-2, 2), (CENTRAL, RESERVED): (2, 4)}),
            rows(cause, LID, {(EAST, RESERVED): (-1, 1), (CENTRAL, RESERVED): (1, 2)}),
        )

    def test_moved_where_it_was_not(self, today: Item) -> None:
        facts = (*known(today), *stock("WEST", 2, 1))
        move = LineMove(line="1", from_location=CENTRAL, to_location="WEST")
        gone = line(kits(2), kits(1, "WEST", reason=SourcingReason.MOVED), sku=KIT)
        outcome = given(*facts).when(relocate(move))
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[0] == ReservationMoved(
            reservation=replace(RESERVATION, lines=(gone,), updated_at=NOW, version=2)
        )
        state = outcome.then(*outcome.answer)
        assert {key: one.reserved for key, one in state.levels.items() if key[1] != EAST} == {
            (CUP, CENTRAL): 0,
            (LID, CENTRAL): 0,
            (CUP, "WEST"): 2,
            (LID, "WEST"): 1,
        }

    def test_not_moved_where_a_component_is_short_or_not_stocked(self, today: Item) -> None:
        move = LineMove(line="1", from_location=CENTRAL, to_location="WEST")
        cups, lids = stock("WEST", 9, 0)
        given(*known(today), cups).when(relocate(move)).then_refused(
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
            "moves.0.toLocationId",
            message="LID is not stocked at WEST; name another location, or begin the level with inventoryActivate.",
        )
        given(*known(today), cups, lids).when(relocate(move)).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "moves.0.quantity",
            quantity_available=0,
            message="0 of 1 units of LID can be had at WEST; move at most 0 of KIT.",
        )

    def test_how_many_can_be_moved_is_said_in_bundles(self, today: Item) -> None:
        move = LineMove(line="1", to_location="WEST")
        given(*known(today), *stock("WEST", 5, 9)).when(relocate(move)).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "moves.0.quantity",
            quantity_available=2,
            message="5 of 6 units of CUP can be had at WEST; move at most 2 of KIT.",
        )

    def test_committed_in_part(self, today: Item) -> None:
        cause = PostingCause.RESERVATION_COMMITTED
        after = replace(RESERVATION, state=ReservationState.COMMITTED, order_id="SO-7", updated_at=NOW, version=2)
        order = allocation(
            order_line(kits(1, CENTRAL), kits(1), id="a", sku=KIT), id=COMMAND_ID, created_at=NOW, updated_at=NOW
        )
        given(*known(today)).when(commit(LineCommit(line="1", quantity=2, order_line="a"))).then(
            ReservationCommitted(reservation=after),
            AllocationCreated(allocation=order),
            rows(
                cause,
                CUP,
                {
                    (CENTRAL, RESERVED): (-2, 0),
                    (CENTRAL, ALLOCATED): (2, 2),
                    (EAST, RESERVED): (-4, 0),
                    (EAST, ALLOCATED): (2, 2),
                },
            ),
            rows(
                cause,
                LID,
                {
                    (CENTRAL, RESERVED): (-1, 0),
                    (CENTRAL, ALLOCATED): (1, 1),
                    (EAST, RESERVED): (-2, 0),
                    (EAST, ALLOCATED): (1, 1),
                },
            ),
        )

    def test_expired(self, today: Item) -> None:
        late = replace(RESERVATION, expires_at=NOW)
        outcome = given(*known(today), late).when(expire())
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[0] == ReservationExpired(
            reservation=replace(late, state=ReservationState.EXPIRED, updated_at=NOW, version=2)
        )
        state = outcome.then(*outcome.answer)
        assert {one.reserved for one in state.levels.values()} == {0}


@every_day
class TestOrder:
    def test_cancelled_in_part(self, today: Item) -> None:
        cause = PostingCause.ALLOCATION_CANCELLED
        after = order_line(kits(1, CENTRAL), sku=KIT, cancelled=2)
        given(*known(today, ALLOCATED)).when(cancel(LineQuantity(line="1", quantity=2))).then(
            AllocationCancelled(allocation=replace(ORDERED, lines=(after,), updated_at=NOW, version=2)),
            rows(cause, CUP, {(EAST, ALLOCATED): (-4, 0)}),
            rows(cause, LID, {(EAST, ALLOCATED): (-2, 0)}),
        )

    def test_shipped(self, today: Item) -> None:
        cause = PostingCause.SHIPMENT_CONFIRMED
        after = replace(ORDERED, lines=(order_line(sku=KIT, shipped=3),), updated_at=NOW, version=2)
        given(*known(today, ALLOCATED)).when(ship()).then(
            ShipmentConfirmed(shipment=shipment(LINE), allocation=after),
            *(
                rows(
                    cause,
                    sku,
                    {
                        (CENTRAL, ALLOCATED): (-units, 0),
                        (CENTRAL, ON_HAND): (-units, 5 - units),
                        (EAST, ALLOCATED): (-2 * units, 0),
                        (EAST, ON_HAND): (-2 * units, 9 - 2 * units),
                    },
                )
                for sku, units in ((CUP, 2), (LID, 1))
            ),
        )

    def test_shipped_from_one_location(self, today: Item) -> None:
        cause = PostingCause.SHIPMENT_CONFIRMED
        after = order_line(kits(1, CENTRAL), kits(1), sku=KIT, shipped=1)
        given(*known(today, ALLOCATED)).when(ship(ShipmentLine(line="1", quantity=1, location=EAST))).then(
            ShipmentConfirmed(
                shipment=shipment(line(kits(1), sku=KIT)),
                allocation=replace(ORDERED, lines=(after,), updated_at=NOW, version=2),
            ),
            rows(cause, CUP, {(EAST, ALLOCATED): (-2, 2), (EAST, ON_HAND): (-2, 7)}),
            rows(cause, LID, {(EAST, ALLOCATED): (-1, 1), (EAST, ON_HAND): (-1, 8)}),
        )


def test_no_component_falls_below_what_a_balance_may_be() -> None:
    deepest = level(EAST, sku=CUP, on_hand=1 - BALANCE_MAX, allocated=2, conflict_id="c-1")
    facts = (*ON_WEB, deepest, level(EAST, sku=LID, on_hand=1, allocated=1), allocation(order_line(kits(1), sku=KIT)))
    given(*facts).when(ship()).then_refused(
        RejectionCode.INVALID_QUANTITY,
        "orderId",
        message="ON_HAND of CUP at WH-US-EAST would be -10,000,001; a balance is at most 10,000,000 either way. Count "
        "the stock with inventorySet first.",
    )


class TestConflicts:
    """What unbacks a component unbacks the bundles that are promised of it."""

    def test_a_component_that_is_gone_opens_one_on_its_own_level(self) -> None:
        outcome = given(*known(bundle())).when(
            adjust(change(EAST, -7), sku=CUP, on_shortage=ShortagePolicy.RECORD_CONFLICT)
        )
        assert isinstance(outcome.answer, tuple)
        opened = outcome.answer[1]
        assert isinstance(opened, StockConflictOpened)
        assert (opened.level.key, opened.unbacked) == ((CUP, EAST), 2)
        state = outcome.then(*outcome.answer)
        assert [key for key, one in state.levels.items() if one.conflict_id is not None] == [(CUP, EAST)]

    def test_a_bundle_given_back_closes_it(self) -> None:
        short = level(EAST, sku=CUP, on_hand=2, reserved=4, conflict_id="c-1")
        backed = level(EAST, sku=CUP, on_hand=2, reserved=2, version=2, at=NOW)
        cause = PostingCause.RESERVATION_RELEASED
        kept = line(kits(1, CENTRAL), kits(1), sku=KIT, asked=3)
        given(*known(bundle()), short).when(release(LineQuantity(line="1", quantity=1))).then(
            ReservationReleased(reservation=replace(RESERVATION, lines=(kept,), updated_at=NOW, version=2)),
            posted(cause, backed, movements=(moved(EAST, -2, 2, RESERVED),), sku=CUP),
            rows(cause, LID, {(EAST, RESERVED): (-1, 1)}),
            StockConflictClosed(conflict_id="c-1", level=backed),
        )

    def test_one_that_moves_closes_one_and_opens_none(self) -> None:
        short = level(EAST, sku=CUP, on_hand=3, reserved=4, conflict_id="c-1")
        move = LineMove(line="1", from_location=EAST, to_location=CENTRAL, quantity=1)
        outcome = given(*known(bundle()), short).when(relocate(move))
        assert isinstance(outcome.answer, tuple)
        assert [type(one) for one in outcome.answer] == [
            ReservationMoved,
            StockPosted,
            StockPosted,
            StockConflictClosed,
        ]

    def test_it_moves_only_where_its_channel_is_served(self) -> None:
        facts = (*known(bundle()), *stock("WEST", 9, 9), replace(RESERVATION, channel=WEB))
        given(*facts).when(relocate(LineMove(line="1", to_location="WEST"))).then_refused(
            RejectionCode.LOCATION_NOT_SERVING_CHANNEL, "moves.0.toLocationId"
        )

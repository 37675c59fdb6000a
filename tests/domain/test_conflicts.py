"""Stock conflicts: when they open and close; the one rule: only promises without physical stock open one."""

import pytest

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.conflicts import StockConflict, StockConflictClosed, StockConflictOpened, settle_conflict
from domain.levels import InventoryBucket, StockLevel
from domain.stock_commands import LevelDelta
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EAST,
    NOW,
    SKU,
    adjust,
    adjusted,
    change,
    count,
    given,
    item,
    level,
    location,
    move,
    moved,
    part_move,
    set_to,
)

QUARANTINED = InventoryBucket.QUARANTINED
DAMAGED = InventoryBucket.DAMAGED
SAFETY_STOCK = InventoryBucket.SAFETY_STOCK
FACT = ShortagePolicy.RECORD_CONFLICT
SHOP = (item(), location(EAST), location(CENTRAL))
EAST_CONFLICT_ID = "27d824bee89159c8abec5f34da517f49"
CENTRAL_CONFLICT_ID = "686c40d178a45f0ea5d3a0edf8e1f0e5"


def test_a_sale_beyond_what_is_promised_opens_one() -> None:
    after = level(on_hand=2, reserved=3, allocated=4, version=2, at=NOW, conflict_id=EAST_CONFLICT_ID)
    state = (
        given(*SHOP, level(on_hand=9, reserved=3, allocated=4))
        .when(adjust(change(EAST, -7), reason=AdjustmentReason.SALE, on_shortage=FACT))
        .then(
            adjusted(after, movements=(moved(EAST, -7, 2),), reason=AdjustmentReason.SALE),
            StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=after, unbacked=5),
        )
    )
    assert state.levels == {(SKU, EAST): after}


@pytest.mark.parametrize(
    ("entry", "after", "unbacked"),
    [
        (change(EAST, -4), level(on_hand=5, reserved=6), 1),
        (change(EAST, 4, DAMAGED), level(on_hand=9, reserved=6, damaged=4), 1),
        (change(EAST, 5, QUARANTINED), level(on_hand=9, reserved=6, quarantined=5), 2),
        (change(EAST, -10), level(on_hand=-1, reserved=6), 7),
    ],
)
def test_any_counter_that_backs_promises_can_open_one(entry: LevelDelta, after: StockLevel, unbacked: int) -> None:
    changed = after.with_balances({}, at=NOW, version=2, conflict_id=EAST_CONFLICT_ID)
    given(*SHOP, level(on_hand=9, reserved=6)).when(adjust(entry, on_shortage=FACT)).then(
        adjusted(changed, movements=(moved(EAST, entry.delta, after.balance(entry.bucket), entry.bucket),)),
        StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=changed, unbacked=unbacked),
    )


@pytest.mark.parametrize(
    ("before", "entry", "after"),
    [
        pytest.param(
            level(on_hand=9, reserved=6), change(EAST, -3), level(on_hand=6, reserved=6), id="all just backed"
        ),
        pytest.param(
            level(on_hand=9, reserved=6),
            change(EAST, 100, SAFETY_STOCK),
            level(on_hand=9, reserved=6, safety_stock=100),
            id="safety stock is not a promise",
        ),
        pytest.param(
            level(on_hand=9, backordered=50),
            change(EAST, -9),
            level(on_hand=0, backordered=50),
            id="a backorder is a promise of its own kind",
        ),
        pytest.param(
            level(on_hand=9, reserved=6, incoming=50, in_transit=50),
            change(EAST, -3),
            level(on_hand=6, reserved=6, incoming=50, in_transit=50),
            id="what stands outside on hand does not count",
        ),
    ],
)
def test_nothing_else_opens_one(before: StockLevel, entry: LevelDelta, after: StockLevel) -> None:
    changed = after.with_balances({}, at=NOW, version=2)
    given(*SHOP, before).when(adjust(entry, on_shortage=FACT)).then(
        adjusted(changed, movements=(moved(EAST, entry.delta, after.balance(entry.bucket), entry.bucket),))
    )


def test_what_is_still_to_come_backs_no_promise() -> None:
    after = level(on_hand=5, reserved=6, incoming=50, in_transit=50, version=2, at=NOW)
    opened = after.with_balances({}, at=NOW, version=2, conflict_id=EAST_CONFLICT_ID)
    given(*SHOP, level(on_hand=9, reserved=6, incoming=50, in_transit=50)).when(
        adjust(change(EAST, -4), on_shortage=FACT)
    ).then(
        adjusted(opened, movements=(moved(EAST, -4, 5),)),
        StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=opened, unbacked=1),
    )


def test_a_count_and_a_move_open_one_too() -> None:
    counted = level(on_hand=1, reserved=6, version=2, at=NOW, conflict_id=EAST_CONFLICT_ID)
    given(*SHOP, level(on_hand=9, reserved=6)).when(set_to(count(EAST, 1))).then(
        adjusted(counted, movements=(moved(EAST, -8, 1),), reason=AdjustmentReason.CYCLE_COUNT),
        StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=counted, unbacked=5),
    )
    broken = level(on_hand=9, reserved=6, damaged=4, version=2, at=NOW, conflict_id=EAST_CONFLICT_ID)
    given(*SHOP, level(on_hand=9, reserved=6)).when(move(part_move(EAST, 4, target=DAMAGED), on_shortage=FACT)).then(
        adjusted(broken, movements=(moved(EAST, 4, 4, DAMAGED),)),
        StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=broken, unbacked=1),
    )


def test_each_location_has_its_own() -> None:
    east = level(EAST, on_hand=0, reserved=1, version=2, at=NOW, conflict_id=EAST_CONFLICT_ID)
    central = level(CENTRAL, on_hand=0, allocated=2, version=2, at=NOW, conflict_id=CENTRAL_CONFLICT_ID)
    given(*SHOP, level(EAST, on_hand=1, reserved=1), level(CENTRAL, on_hand=2, allocated=2)).when(
        adjust(change(EAST, -1), change(CENTRAL, -2), on_shortage=FACT)
    ).then(
        adjusted(east, central, movements=(moved(EAST, -1, 0), moved(CENTRAL, -2, 0))),
        StockConflictOpened(conflict_id=EAST_CONFLICT_ID, level=east, unbacked=1),
        StockConflictOpened(conflict_id=CENTRAL_CONFLICT_ID, level=central, unbacked=2),
    )


@pytest.mark.parametrize("delta", [-3, 3])
def test_an_open_one_stays_while_promises_are_unbacked(delta: int) -> None:
    after = level(on_hand=1 + delta, reserved=6, version=2, at=NOW, conflict_id="open")
    given(*SHOP, level(on_hand=1, reserved=6, conflict_id="open")).when(
        adjust(change(EAST, delta), on_shortage=FACT)
    ).then(adjusted(after, movements=(moved(EAST, delta, 1 + delta),)))


@pytest.mark.parametrize("delta", [5, 50])
def test_it_closes_when_every_promise_is_backed_again(delta: int) -> None:
    after = level(on_hand=1 + delta, reserved=6, version=2, at=NOW)
    state = (
        given(*SHOP, level(on_hand=1, reserved=6, conflict_id="open"))
        .when(adjust(change(EAST, delta)))
        .then(
            adjusted(after, movements=(moved(EAST, delta, 1 + delta),)),
            StockConflictClosed(conflict_id="open", level=after),
        )
    )
    assert state.levels == {(SKU, EAST): after}


def test_a_count_closes_it() -> None:
    after = level(on_hand=6, reserved=6, version=2, at=NOW)
    given(*SHOP, level(on_hand=1, reserved=6, conflict_id="open")).when(set_to(count(EAST, 6))).then(
        adjusted(after, movements=(moved(EAST, 5, 6),), reason=AdjustmentReason.CYCLE_COUNT),
        StockConflictClosed(conflict_id="open", level=after),
    )


def test_a_level_that_does_not_change_keeps_its_own() -> None:
    known = level(on_hand=1, reserved=6, conflict_id="open")
    given(*SHOP, known).when(set_to(count(EAST, 1))).then(adjusted(movements=(), reason=AdjustmentReason.CYCLE_COUNT))


def test_the_next_one_has_another_name() -> None:
    another_command_id = "0b6f1c2e-5d3a-4a77-9e10-2f4c6a8b0d1e"
    assert another_command_id != COMMAND_ID
    opened, event = settle_conflict(level(on_hand=1, reserved=6), cause=another_command_id)
    conflict_id = "2cbe6044e4fa57d49ec4ec3a2c271387"
    assert opened == level(on_hand=1, reserved=6, conflict_id=conflict_id)
    assert event == StockConflictOpened(conflict_id=conflict_id, level=opened, unbacked=5)


@pytest.mark.parametrize("known", [level(on_hand=6, reserved=6), level(reserved=1, conflict_id="open")])
def test_settling_what_is_settled_changes_nothing(known: StockLevel) -> None:
    assert settle_conflict(known, cause=COMMAND_ID) == (known, None)


def test_a_conflict_that_is_kept_is_about_its_level() -> None:
    kept = StockConflict(id="c-1", sku=SKU, location=EAST, unbacked=5, opened_at=NOW, closed_at=None)
    assert kept.key == (SKU, EAST)

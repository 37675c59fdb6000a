"""inventoryAdjust: what it does, which quantities it takes; the one rule: all entries are kept, or none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.levels import InventoryBucket, StockLevel
from domain.rejections import RejectionCode
from domain.stock_commands import LevelDelta
from tests.domain.given import (
    CENTRAL,
    EAST,
    NOW,
    SKU,
    WEB,
    Counters,
    Details,
    adjust,
    adjusted,
    change,
    channel,
    given,
    item,
    level,
    location,
    moved,
)

ON_HAND = InventoryBucket.ON_HAND
QUARANTINED = InventoryBucket.QUARANTINED
DAMAGED = InventoryBucket.DAMAGED
SAFETY_STOCK = InventoryBucket.SAFETY_STOCK
FACT = ShortagePolicy.RECORD_CONFLICT
SHOP = (item(), location(EAST), location(CENTRAL), channel(WEB))

OR_RECORD = "; take less, or record a fact with onShortage RECORD_CONFLICT."


class TestAccepted:
    def test_a_delta_changes_its_counter_and_the_version_by_one(self) -> None:
        state = given(*SHOP, level(on_hand=10, incoming=4, version=6)).when(adjust(change(EAST, -3)))
        after = level(on_hand=7, incoming=4, version=7, at=NOW)
        assert state.then(adjusted(after, movements=(moved(EAST, -3, 7),))).levels == {(SKU, EAST): after}

    def test_one_command_changes_many_locations(self) -> None:
        given(*SHOP, level(EAST, on_hand=9), level(CENTRAL, on_hand=4)).when(
            adjust(change(CENTRAL, -2), change(EAST, -5))
        ).then(
            adjusted(
                level(CENTRAL, on_hand=2, version=2, at=NOW),
                level(EAST, on_hand=4, version=2, at=NOW),
                movements=(moved(CENTRAL, -2, 2), moved(EAST, -5, 4)),
            )
        )

    def test_the_level_of_another_item_stays(self) -> None:
        other = level(sku="OTHER", on_hand=10)
        state = (
            given(*SHOP, item("OTHER"), other, level(on_hand=1))
            .when(adjust(change(EAST, 1)))
            .then(adjusted(level(on_hand=2, version=2, at=NOW), movements=(moved(EAST, 1, 2),)))
        )
        assert state.levels["OTHER", EAST] is other

    def test_entries_of_one_counter_are_one_movement(self) -> None:
        given(*SHOP, level(on_hand=10)).when(
            adjust(change(EAST, -30), change(EAST, 2, DAMAGED), change(EAST, 25))
        ).then(
            adjusted(
                level(on_hand=5, damaged=2, version=2, at=NOW),
                movements=(moved(EAST, -5, 5), moved(EAST, 2, 2, DAMAGED)),
            )
        )

    @pytest.mark.parametrize(
        ("bucket", "after"),
        [
            (ON_HAND, Counters(on_hand=24, quarantined=1, damaged=2, safety_stock=3)),
            (QUARANTINED, Counters(on_hand=20, quarantined=5, damaged=2, safety_stock=3)),
            (DAMAGED, Counters(on_hand=20, quarantined=1, damaged=6, safety_stock=3)),
            (SAFETY_STOCK, Counters(on_hand=20, quarantined=1, damaged=2, safety_stock=7)),
        ],
    )
    def test_each_entry_changes_its_own_counter_only(self, bucket: InventoryBucket, after: Counters) -> None:
        before = level(on_hand=20, quarantined=1, damaged=2, safety_stock=3)
        changed = level(version=2, at=NOW, **after)
        given(*SHOP, before).when(adjust(change(EAST, 4, bucket))).then(
            adjusted(changed, movements=(moved(EAST, 4, changed.balance(bucket), bucket),))
        )

    def test_the_adjustment_keeps_everything_that_the_command_said(self) -> None:
        occurred_at = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
        details = Details(
            reason=AdjustmentReason.SALE,
            source_channel=WEB,
            reference_document_uri="https://erp.example/invoices/9",
            correlation_id="trace-1",
            occurred_at=occurred_at,
        )
        given(*SHOP, level(on_hand=1)).when(adjust(change(EAST, -1), **details)).then(
            adjusted(
                level(on_hand=0, version=2, at=NOW),
                movements=(moved(EAST, -1, 0),),
                reason=AdjustmentReason.SALE,
                source_channel=WEB,
                reference_document_uri="https://erp.example/invoices/9",
                correlation_id="trace-1",
                occurred_at=occurred_at,
            )
        )

    def test_a_dry_run_is_decided_alike_and_needs_no_key(self) -> None:
        given(*SHOP, level(on_hand=1)).when(adjust(change(EAST, 1), idempotency_key=None, dry_run=True)).then(
            adjusted(level(on_hand=2, version=2, at=NOW), movements=(moved(EAST, 1, 2),), idempotency_key="")
        )

    def test_250_entries_are_one_command(self) -> None:
        given(*SHOP, level()).when(adjust(*[change(EAST, 1)] * 250)).then(
            adjusted(level(on_hand=250, version=2, at=NOW), movements=(moved(EAST, 250, 250),))
        )

    def test_the_longest_key_is_taken(self) -> None:
        given(*SHOP, level()).when(adjust(change(EAST, 1), idempotency_key="k" * 255)).then(
            adjusted(level(on_hand=1, version=2, at=NOW), movements=(moved(EAST, 1, 1),), idempotency_key="k" * 255)
        )


class TestShortage:
    """A claim may not make a counter negative, nor make available both negative and lower than before."""

    @pytest.mark.parametrize(
        ("before", "entries", "after"),
        [
            pytest.param(level(on_hand=5), (change(EAST, -5),), level(on_hand=0), id="the last unit"),
            pytest.param(
                level(on_hand=9, reserved=2, allocated=1, quarantined=1, damaged=1, safety_stock=1),
                (change(EAST, -3),),
                level(on_hand=6, reserved=2, allocated=1, quarantined=1, damaged=1, safety_stock=1),
                id="all that no part holds",
            ),
            pytest.param(
                level(on_hand=5),
                (change(EAST, 5, SAFETY_STOCK),),
                level(on_hand=5, safety_stock=5),
                id="all held back",
            ),
            pytest.param(
                level(on_hand=2, damaged=2),
                (change(EAST, -2), change(EAST, -2, DAMAGED)),
                level(),
                id="damaged units thrown away",
            ),
            pytest.param(
                level(),
                (change(EAST, 2), change(EAST, 2, DAMAGED)),
                level(on_hand=2, damaged=2),
                id="damaged units found",
            ),
            pytest.param(
                level(on_hand=1, reserved=5, conflict_id="open"),
                (change(EAST, 3),),
                level(on_hand=4, reserved=5, conflict_id="open"),
                id="in the red, but less so",
            ),
            pytest.param(
                level(on_hand=1, reserved=5, conflict_id="open"),
                (change(EAST, 2), change(EAST, 2, DAMAGED)),
                level(on_hand=3, reserved=5, damaged=2, conflict_id="open"),
                id="as deep in the red as before",
            ),
            pytest.param(
                level(on_hand=-5, conflict_id="open"),
                (change(EAST, 2),),
                level(on_hand=-3, conflict_id="open"),
                id="a negative counter rises",
            ),
        ],
    )
    def test_a_claim_takes_what_is_available(
        self, before: StockLevel, entries: tuple[LevelDelta, ...], after: StockLevel
    ) -> None:
        movements = tuple(moved(EAST, one.delta, after.balance(one.bucket), one.bucket) for one in entries)
        given(*SHOP, before).when(adjust(*entries)).then(
            adjusted(replace(after, version=2, updated_at=NOW), movements=movements)
        )

    @pytest.mark.parametrize(
        ("before", "entries", "field", "left"),
        [
            (Counters(on_hand=5), (change(EAST, -6),), "adjustments.0.delta", 5),
            (Counters(on_hand=9, reserved=4, allocated=3), (change(EAST, -3),), "adjustments.0.delta", 2),
            (Counters(on_hand=5, damaged=3), (change(EAST, -4, DAMAGED),), "adjustments.0.delta", 3),
            (Counters(on_hand=5, quarantined=1), (change(EAST, -2, QUARANTINED),), "adjustments.0.delta", 1),
            (
                Counters(on_hand=5, safety_stock=2),
                (change(EAST, -3, SAFETY_STOCK),),
                "adjustments.0.delta",
                2,
            ),
            (Counters(on_hand=5), (change(EAST, 6, SAFETY_STOCK),), "adjustments.0.delta", 5),
            (Counters(on_hand=5), (change(EAST, 1), change(EAST, 7, DAMAGED)), "adjustments.1.delta", 5),
            (Counters(on_hand=1, reserved=5), (change(EAST, -1),), "adjustments.0.delta", 0),
            (Counters(on_hand=-5), (change(EAST, -1),), "adjustments.0.delta", 0),
            (Counters(on_hand=5), (change(EAST, -3), change(EAST, -3)), "adjustments.0.delta", 5),
            (Counters(on_hand=5, reserved=2), (change(EAST, -6),), "adjustments.0.delta", 3),
            (
                Counters(on_hand=2, damaged=5),
                (change(EAST, -4, DAMAGED), change(EAST, -3)),
                "adjustments.1.delta",
                0,
            ),
        ],
    )
    def test_a_claim_beyond_it_is_refused_with_what_is_left(
        self, before: Counters, entries: tuple[LevelDelta, ...], field: str, left: int
    ) -> None:
        given(*SHOP, level(**before)).when(adjust(*entries)).then_refused(
            RejectionCode.INSUFFICIENT_STOCK, field, quantity_available=left
        )

    def test_every_short_location_is_named_and_none_is_changed(self) -> None:
        given(*SHOP, level(EAST, on_hand=2), level(CENTRAL, on_hand=2)).when(
            adjust(change(EAST, -3), change(EAST, 1, DAMAGED), change(CENTRAL, -4))
        ).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "adjustments.0.delta",
            "adjustments.2.delta",
            quantity_available=2,
        )

    @pytest.mark.parametrize(
        ("on_hand", "bucket", "delta", "message"),
        [
            (1, ON_HAND, -2, f"Only 1 of {SKU} is available at {EAST}{OR_RECORD}"),
            (3, ON_HAND, -4, f"Only 3 of {SKU} are available at {EAST}{OR_RECORD}"),
            (3, DAMAGED, -1, f"Only 0 of {SKU} are damaged at {EAST}; take less."),
            (3, DAMAGED, 4, f"Only 3 of {SKU} are available at {EAST}{OR_RECORD}"),
        ],
    )
    def test_the_refusal_says_what_to_do(self, on_hand: int, bucket: InventoryBucket, delta: int, message: str) -> None:
        given(*SHOP, level(on_hand=on_hand)).when(adjust(change(EAST, delta, bucket))).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "adjustments.0.delta",
            quantity_available=0 if delta == -1 else on_hand,
            message=message,
        )

    def test_a_fact_takes_on_hand_below_zero_from_what_is_not_promised(self) -> None:
        outcome = given(*SHOP, level(on_hand=2, conflict_id="known")).when(adjust(change(EAST, -7), on_shortage=FACT))
        after = level(on_hand=-5, version=2, at=NOW, conflict_id="known")
        outcome.then(adjusted(after, movements=(moved(EAST, -7, -5),)))

    @pytest.mark.parametrize("bucket", [QUARANTINED, DAMAGED, SAFETY_STOCK])
    def test_no_fact_takes_a_part_of_on_hand_below_zero(self, bucket: InventoryBucket) -> None:
        given(*SHOP, level(on_hand=9)).when(
            adjust(change(EAST, -20), change(EAST, -1, bucket), on_shortage=FACT)
        ).then_refused(RejectionCode.INSUFFICIENT_STOCK, "adjustments.1.delta", quantity_available=0)


class TestQuantities:
    @pytest.mark.parametrize(
        "entries",
        [
            pytest.param((change(EAST, 0),), id="zero"),
            pytest.param((change(EAST, 4), change(EAST, -4)), id="zero after merging"),
        ],
    )
    def test_nothing_is_no_change(self, entries: tuple[LevelDelta, ...]) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(*entries)).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "adjustments.0.delta",
            message="The change is zero (entries of one counter are summed); leave it out.",
        )

    @pytest.mark.parametrize("delta", [1_000_000_001, -1_000_000_001])
    def test_a_single_delta_has_a_limit(self, delta: int) -> None:
        given(*SHOP, level(on_hand=10)).when(
            adjust(change(EAST, 1), change(EAST, delta), change(EAST, -delta))
        ).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "adjustments.1.delta",
            "adjustments.2.delta",
            message="A change is at most 1,000,000,000 either way.",
        )

    @pytest.mark.parametrize(
        ("on_hand", "delta", "would_be"),
        [
            (0, 10_000_001, "10,000,001"),
            (9_999_999, 2, "10,000,001"),
            (0, 1_000_000_000, "1,000,000,000"),
            (0, -1_000_000_000, "-1,000,000,000"),
            (-10_000_000, -1, "-10,000,001"),
        ],
    )
    @pytest.mark.parametrize("on_shortage", ShortagePolicy)
    def test_a_balance_has_a_limit(self, on_hand: int, delta: int, would_be: str, on_shortage: ShortagePolicy) -> None:
        given(*SHOP, level(on_hand=on_hand)).when(adjust(change(EAST, delta), on_shortage=on_shortage)).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "adjustments.0.delta",
            message=f"ON_HAND at {EAST} would be {would_be}; a balance is at most 10,000,000 either way.",
        )

    def test_the_limits_themselves_can_be_reached(self) -> None:
        given(*SHOP, level(on_hand=9_999_999)).when(adjust(change(EAST, 1))).then(
            adjusted(level(on_hand=10_000_000, version=2, at=NOW), movements=(moved(EAST, 1, 10_000_000),))
        )
        given(*SHOP, level(on_hand=1, conflict_id="known")).when(
            adjust(change(EAST, -10_000_001), on_shortage=FACT)
        ).then(
            adjusted(
                level(on_hand=-10_000_000, version=2, at=NOW, conflict_id="known"),
                movements=(moved(EAST, -10_000_001, -10_000_000),),
            )
        )

    def test_huge_deltas_that_cancel_out_are_taken(self) -> None:
        given(*SHOP, level(on_hand=1)).when(adjust(change(EAST, 1_000_000_000), change(EAST, -999_999_999))).then(
            adjusted(level(on_hand=2, version=2, at=NOW), movements=(moved(EAST, 1, 2),))
        )

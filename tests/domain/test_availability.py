"""Availability: the formula, its limits and its statuses; the one rule: more stock never shows less."""

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as some

from domain.adjustments import CounterChange, Entry
from domain.availability import (
    PLAIN_EXPOSURE,
    AvailabilityStatus,
    Exposure,
    availability_status,
    channel_availability,
    node_availability,
    total_available,
)
from domain.levels import BALANCE_MAX, LEVELS_PER_ITEM_MAX, InventoryBucket, StockLevel
from tests.domain.given import EAST, NOW, level

INT32_MAX = 2_147_483_647


class TestOneLevel:
    @pytest.mark.parametrize(
        ("known", "available", "unbacked"),
        [
            (level(), 0, 0),
            (level(on_hand=10), 10, 0),
            (level(on_hand=10, reserved=1), 9, 0),
            (level(on_hand=10, allocated=2), 8, 0),
            (level(on_hand=10, quarantined=3), 7, 0),
            (level(on_hand=10, damaged=4), 6, 0),
            (level(on_hand=10, safety_stock=5), 5, 0),
            (level(on_hand=10, incoming=6, in_transit=7, backordered=8), 10, 0),
            (level(on_hand=10, reserved=6, allocated=5), -1, 1),
            (level(on_hand=10, reserved=4, quarantined=5, damaged=4), -3, 3),
            (level(on_hand=10, safety_stock=15), -5, 0),
            (level(on_hand=10, reserved=10, safety_stock=15), -15, 0),
        ],
    )
    def test_what_is_available_and_what_is_unbacked(self, known: StockLevel, available: int, unbacked: int) -> None:
        assert known.available == available
        assert known.unbacked == unbacked

    @pytest.mark.parametrize("bucket", InventoryBucket)
    def test_one_more_unit_changes_it_as_the_counter_says(self, bucket: InventoryBucket) -> None:
        entry = Entry(location=EAST, bucket=bucket, delta=1, field=(), amount_field="delta")
        changed = level().with_balances({bucket: 1}, at=NOW, version=2)
        assert CounterChange(entry=entry, before=0, after=1).effect_on_available == changed.available

    def test_every_counter_has_a_balance(self) -> None:
        balances = {bucket: number for number, bucket in enumerate(InventoryBucket, start=1)}
        filled = level().with_balances(balances, at=NOW, version=2, conflict_id="open")
        assert {bucket: filled.balance(bucket) for bucket in InventoryBucket} == balances
        assert filled == level(
            on_hand=1,
            reserved=2,
            allocated=3,
            quarantined=4,
            damaged=5,
            safety_stock=6,
            incoming=7,
            in_transit=8,
            backordered=9,
            version=2,
            at=NOW,
            conflict_id="open",
        )


class TestFormula:
    @pytest.mark.parametrize(
        ("available", "total"), [((), 0), ((3,), 3), ((3, 0, 4), 7), ((3, -5, 4), 7), ((-1, -2), 0)]
    )
    def test_a_location_in_the_red_takes_from_no_other(self, available: tuple[int, ...], total: int) -> None:
        assert total_available(available) == total
        assert channel_availability(available) == total

    @pytest.mark.parametrize(
        ("exposure", "shown"),
        [
            (PLAIN_EXPOSURE, 20),
            (Exposure(buffer=3), 17),
            (Exposure(buffer=20), 0),
            (Exposure(buffer=21), 0),
            (Exposure(pools_of_others=4), 16),
            (Exposure(pools_of_others=25), 0),
            (Exposure(buffer=3, pools_of_others=4), 13),
            (Exposure(minimum=20), 20),
            (Exposure(minimum=21), 0),
            (Exposure(buffer=1, minimum=20), 0),
            (Exposure(maximum=19), 19),
            (Exposure(maximum=20), 20),
            (Exposure(maximum=21), 20),
            (Exposure(maximum=0), 0),
            (Exposure(maximum=None), 20),
            (Exposure(buffer=3, pools_of_others=4, minimum=13, maximum=12), 12),
            (Exposure(buffer=3, pools_of_others=4, minimum=14, maximum=12), 0),
        ],
    )
    def test_a_channel_shows_what_is_left_for_it(self, exposure: Exposure, shown: int) -> None:
        assert channel_availability((12, -3, 8), exposure) == shown

    @pytest.mark.parametrize(
        ("available", "channel_quantity", "promised"),
        [(5, 9, 5), (5, 3, 3), (5, 0, 0), (0, 9, 0), (-5, 9, 0)],
    )
    def test_a_location_promises_what_it_has_within_the_channel(
        self, available: int, channel_quantity: int, promised: int
    ) -> None:
        assert node_availability(available, channel_quantity=channel_quantity) == promised

    @pytest.mark.parametrize(
        ("quantity", "is_backorderable", "status"),
        [
            (1, False, AvailabilityStatus.IN_STOCK),
            (1, True, AvailabilityStatus.IN_STOCK),
            (0, False, AvailabilityStatus.OUT_OF_STOCK),
            (0, True, AvailabilityStatus.BACKORDER),
        ],
    )
    def test_a_quantity_has_a_status(self, quantity: int, is_backorderable: bool, status: AvailabilityStatus) -> None:
        assert availability_status(quantity, is_backorderable=is_backorderable) is status


QUANTITIES = some.lists(some.integers(min_value=-60, max_value=60), max_size=6)
EXPOSURES = some.builds(
    Exposure,
    buffer=some.integers(min_value=0, max_value=40),
    minimum=some.integers(min_value=0, max_value=40),
    maximum=some.none() | some.integers(min_value=0, max_value=90),
    pools_of_others=some.integers(min_value=0, max_value=40),
)


class TestProperties:
    @for_all(QUANTITIES, EXPOSURES)
    def test_it_is_never_below_zero_nor_above_the_whole(self, available: list[int], exposure: Exposure) -> None:
        whole = sum(quantity for quantity in available if quantity > 0)
        assert 0 <= channel_availability(available, exposure) <= whole

    @for_all(QUANTITIES, EXPOSURES, some.integers(min_value=0, max_value=60), some.data())
    def test_more_stock_never_shows_less(
        self, available: list[int], exposure: Exposure, more: int, data: some.DataObject
    ) -> None:
        grown = [*available, 0]
        grown[data.draw(some.integers(min_value=0, max_value=len(available)))] += more
        assert channel_availability(available, exposure) <= channel_availability(grown, exposure)

    @for_all(QUANTITIES, EXPOSURES, some.integers(min_value=0, max_value=20))
    def test_holding_more_back_never_shows_more(self, available: list[int], exposure: Exposure, more: int) -> None:
        shown = channel_availability(available, exposure)
        for tighter in (
            Exposure(
                buffer=exposure.buffer + more,
                minimum=exposure.minimum,
                maximum=exposure.maximum,
                pools_of_others=exposure.pools_of_others,
            ),
            Exposure(
                buffer=exposure.buffer,
                minimum=exposure.minimum + more,
                maximum=exposure.maximum,
                pools_of_others=exposure.pools_of_others + more,
            ),
        ):
            assert channel_availability(available, tighter) <= shown

    @for_all(QUANTITIES, EXPOSURES)
    def test_the_order_of_locations_does_not_matter(self, available: list[int], exposure: Exposure) -> None:
        assert channel_availability(available, exposure) == channel_availability(available[::-1], exposure)


class TestLimits:
    def test_the_fullest_item_fits_the_integers_of_graphql(self) -> None:
        fullest = [level(on_hand=BALANCE_MAX)] * LEVELS_PER_ITEM_MAX
        total = total_available(known.available for known in fullest)
        assert total == 2_000_000_000
        assert total <= INT32_MAX
        assert channel_availability([BALANCE_MAX] * LEVELS_PER_ITEM_MAX) == total

    def test_the_deepest_level_does_too(self) -> None:
        deepest = level(
            on_hand=-BALANCE_MAX,
            reserved=BALANCE_MAX,
            allocated=BALANCE_MAX,
            quarantined=BALANCE_MAX,
            damaged=BALANCE_MAX,
            safety_stock=BALANCE_MAX,
        )
        assert deepest.available == -60_000_000
        assert deepest.unbacked == 50_000_000
        assert deepest.available * LEVELS_PER_ITEM_MAX == -12_000_000_000
        assert total_available([deepest.available] * LEVELS_PER_ITEM_MAX) == 0

    @settings(max_examples=20)
    @for_all(
        some.lists(
            some.integers(min_value=-6 * BALANCE_MAX, max_value=BALANCE_MAX),
            min_size=LEVELS_PER_ITEM_MAX,
            max_size=LEVELS_PER_ITEM_MAX,
        )
    )
    def test_no_total_leaves_them(self, available: list[int]) -> None:
        assert 0 <= total_available(available) <= INT32_MAX

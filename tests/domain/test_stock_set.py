"""inventorySet: what it does, why it may be refused; the one rule: a count is a fact and begins its level."""

from datetime import datetime

import pytest

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.levels import InventoryBucket, StockLevel
from domain.rejections import RejectionCode
from domain.stock_commands import InventorySet, LevelQuantity
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    KEY,
    NOW,
    SKU,
    WEB,
    Counters,
    Details,
    EndedLevel,
    LevelsElsewhere,
    adjusted,
    channel,
    count,
    given,
    item,
    level,
    location,
    moved,
    set_to,
)

COUNT = AdjustmentReason.CYCLE_COUNT
ON_HAND = InventoryBucket.ON_HAND
QUARANTINED = InventoryBucket.QUARANTINED
DAMAGED = InventoryBucket.DAMAGED
SAFETY_STOCK = InventoryBucket.SAFETY_STOCK
CLAIM = ShortagePolicy.REJECT
SHOP = (item(), location(EAST), location(CENTRAL), channel(WEB))


class TestAccepted:
    def test_a_count_is_a_fact_by_default(self) -> None:
        command = InventorySet(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, quantities=())
        assert command.on_shortage is ShortagePolicy.RECORD_CONFLICT
        assert command.reason is AdjustmentReason.CYCLE_COUNT

    def test_a_counter_is_brought_to_the_count(self) -> None:
        given(*SHOP, level(on_hand=10, version=3)).when(set_to(count(EAST, 7))).then(
            adjusted(level(on_hand=7, version=4, at=NOW), movements=(moved(EAST, -3, 7),), reason=COUNT)
        )

    @pytest.mark.parametrize(
        ("bucket", "delta", "after"),
        [
            (ON_HAND, -11, level(on_hand=9, quarantined=1, damaged=2, safety_stock=3, version=2, at=NOW)),
            (QUARANTINED, 8, level(on_hand=20, quarantined=9, damaged=2, safety_stock=3, version=2, at=NOW)),
            (DAMAGED, 7, level(on_hand=20, quarantined=1, damaged=9, safety_stock=3, version=2, at=NOW)),
            (SAFETY_STOCK, 6, level(on_hand=20, quarantined=1, damaged=2, safety_stock=9, version=2, at=NOW)),
        ],
    )
    def test_each_count_changes_its_own_counter_only(
        self, bucket: InventoryBucket, delta: int, after: StockLevel
    ) -> None:
        before = level(on_hand=20, quarantined=1, damaged=2, safety_stock=3)
        given(*SHOP, before).when(set_to(count(EAST, 9, bucket))).then(
            adjusted(after, movements=(moved(EAST, delta, 9, bucket),), reason=COUNT)
        )

    def test_the_reason_may_be_another(self) -> None:
        given(*SHOP, level(on_hand=9)).when(
            set_to(count(EAST, 8), reason=AdjustmentReason.SHRINKAGE, source_channel=WEB)
        ).then(
            adjusted(
                level(on_hand=8, version=2, at=NOW),
                movements=(moved(EAST, -1, 8),),
                reason=AdjustmentReason.SHRINKAGE,
                source_channel=WEB,
            )
        )

    def test_a_count_that_confirms_the_balance_changes_no_level(self) -> None:
        known = level(on_hand=7, version=3)
        state = given(*SHOP, known).when(set_to(count(EAST, 7))).then(adjusted(movements=(), reason=COUNT))
        assert state.levels == {(SKU, EAST): known}

    def test_confirmed_and_corrected_counts_go_together(self) -> None:
        given(*SHOP, level(EAST, on_hand=7), level(CENTRAL, on_hand=7)).when(
            set_to(count(EAST, 7), count(CENTRAL, 8), count(CENTRAL, 0, DAMAGED))
        ).then(adjusted(level(CENTRAL, on_hand=8, version=2, at=NOW), movements=(moved(CENTRAL, 1, 8),), reason=COUNT))

    def test_one_count_may_be_stated_twice(self) -> None:
        given(*SHOP, level(on_hand=10)).when(set_to(count(EAST, 7), count(EAST, 7, seen=10))).then(
            adjusted(level(on_hand=7, version=2, at=NOW), movements=(moved(EAST, -3, 7),), reason=COUNT)
        )

    @pytest.mark.parametrize("quantity", [0, 10_000_000])
    def test_the_limits_can_be_counted(self, quantity: int) -> None:
        given(*SHOP, level(on_hand=10)).when(set_to(count(EAST, quantity))).then(
            adjusted(
                level(on_hand=quantity, version=2, at=NOW),
                movements=(moved(EAST, quantity - 10, quantity),),
                reason=COUNT,
            )
        )

    def test_a_negative_balance_is_counted_away(self) -> None:
        given(*SHOP, level(on_hand=-4, conflict_id="open", reserved=2)).when(set_to(count(EAST, 1))).then(
            adjusted(
                level(on_hand=1, reserved=2, version=2, at=NOW, conflict_id="open"),
                movements=(moved(EAST, 5, 1),),
                reason=COUNT,
            )
        )


class TestBeginning:
    def test_a_count_begins_its_level(self) -> None:
        state = given(*SHOP).when(set_to(count(EAST, 7), count(EAST, 2, DAMAGED)))
        after = level(on_hand=7, damaged=2, version=1, at=NOW)
        now = state.then(adjusted(after, movements=(moved(EAST, 7, 7), moved(EAST, 2, 2, DAMAGED)), reason=COUNT))
        assert now.levels == {(SKU, EAST): after}
        assert now.level_counts_by_item == {SKU: 1}
        assert now.level_counts_by_location == {EAST: 1}

    def test_a_count_of_zero_begins_it_too(self) -> None:
        given(*SHOP).when(set_to(count(EAST, 0))).then(adjusted(level(version=1, at=NOW), movements=(), reason=COUNT))

    def test_an_ended_level_goes_on_from_its_version(self) -> None:
        state = (
            given(*SHOP, EndedLevel(key=(SKU, EAST), version=5))
            .when(set_to(count(EAST, 7)))
            .then(adjusted(level(on_hand=7, version=6, at=NOW), movements=(moved(EAST, 7, 7),), reason=COUNT))
        )
        assert state.ended_versions == {}

    def test_what_was_seen_of_a_level_that_has_not_begun_is_zero(self) -> None:
        given(*SHOP).when(set_to(count(EAST, 7, seen=0))).then(
            adjusted(level(on_hand=7, version=1, at=NOW), movements=(moved(EAST, 7, 7),), reason=COUNT)
        )
        given(*SHOP).when(set_to(count(EAST, 7, seen=1))).then_refused(
            RejectionCode.CHANGE_FROM_QUANTITY_STALE, "quantities.0.changeFromQuantity"
        )

    def test_the_200th_level_may_begin(self) -> None:
        state = given(*SHOP, LevelsElsewhere(sku=SKU, count=198), level(CENTRAL)).when(set_to(count(EAST, 1)))
        now = state.then(adjusted(level(on_hand=1, version=1, at=NOW), movements=(moved(EAST, 1, 1),), reason=COUNT))
        assert now.level_counts_by_item == {SKU: 200}

    @pytest.mark.parametrize("elsewhere", [199, 200])
    def test_the_201st_level_may_not(self, elsewhere: int) -> None:
        """Given a full item, then it is refused in words that do not tell how many levels there are elsewhere."""
        given(*SHOP, LevelsElsewhere(sku=SKU, count=elsewhere)).when(
            set_to(count(EAST, 1), count(EAST, 0, DAMAGED), count(CENTRAL, 1))
        ).then_refused(
            RejectionCode.LEVEL_LIMIT_REACHED,
            "sku",
            message=f"{SKU} would be stocked at more than 200 locations; deactivate levels that are no longer used.",
        )

    def test_200_levels_may_begin_at_once_and_no_more(self) -> None:
        codes = [f"L{index:03}" for index in range(201)]
        counts = [count(code, 0) for code in codes]
        locations = [location(code) for code in codes]
        begun = [level(code, version=1, at=NOW) for code in codes[:200]]
        given(item(), *locations).when(set_to(*counts[:200])).then(adjusted(*begun, movements=(), reason=COUNT))
        given(item(), *locations).when(set_to(*counts)).then_refused(RejectionCode.LEVEL_LIMIT_REACHED, "sku")

    def test_a_full_item_is_still_counted_where_it_is_stocked(self) -> None:
        given(*SHOP, LevelsElsewhere(sku=SKU, count=199), level(on_hand=1)).when(set_to(count(EAST, 2))).then(
            adjusted(level(on_hand=2, version=2, at=NOW), movements=(moved(EAST, 1, 2),), reason=COUNT)
        )


class TestRefused:
    @pytest.mark.parametrize("quantity", [-1, 10_000_001, 1_000_000_000, -1_000_000_001])
    def test_a_count_has_limits(self, quantity: int) -> None:
        given(*SHOP, level(on_hand=10)).when(
            set_to(count(EAST, 10), count(CENTRAL, quantity, SAFETY_STOCK))
        ).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "quantities.1.quantity",
            message="A count is between 0 and 10,000,000.",
        )

    @pytest.mark.parametrize("seen", [9, 0, -1])
    def test_what_was_seen_has_changed(self, seen: int) -> None:
        given(*SHOP, level(EAST, on_hand=10), level(CENTRAL, on_hand=seen)).when(
            set_to(count(CENTRAL, 7, seen=seen), count(EAST, 7, seen=seen))
        ).then_refused(
            RejectionCode.CHANGE_FROM_QUANTITY_STALE,
            "quantities.1.changeFromQuantity",
            message=f"ON_HAND at {EAST} is 10, not {seen}; read it again, decide again, and send a new request.",
        )

    @pytest.mark.parametrize(
        ("before", "quantities", "field", "left"),
        [
            (Counters(on_hand=10, reserved=6), (count(EAST, 5),), "quantities.0.quantity", 4),
            (Counters(on_hand=10, reserved=6), (count(EAST, 5, SAFETY_STOCK),), "quantities.0.quantity", 4),
            (
                Counters(on_hand=10, reserved=6),
                (count(EAST, 10), count(EAST, 5, SAFETY_STOCK)),
                "quantities.1.quantity",
                4,
            ),
            (Counters(on_hand=1, reserved=6), (count(EAST, 0),), "quantities.0.quantity", 0),
        ],
    )
    def test_as_a_claim_it_may_not_take_what_is_promised(
        self, before: Counters, quantities: tuple[LevelQuantity, ...], field: str, left: int
    ) -> None:
        given(*SHOP, level(**before)).when(set_to(*quantities, on_shortage=CLAIM)).then_refused(
            RejectionCode.INSUFFICIENT_STOCK, field, quantity_available=left
        )

    def test_as_a_claim_it_may_take_the_rest(self) -> None:
        given(*SHOP, level(on_hand=10, reserved=6)).when(set_to(count(EAST, 6), on_shortage=CLAIM)).then(
            adjusted(level(on_hand=6, reserved=6, version=2, at=NOW), movements=(moved(EAST, -4, 6),), reason=COUNT)
        )

    @pytest.mark.parametrize("archived_at", [None, EARLIER])
    def test_an_unknown_or_archived_item(self, archived_at: datetime | None) -> None:
        sku = "UNKNOWN" if archived_at is None else "OLD"
        given(*SHOP, item("OLD", archived_at=EARLIER)).when(set_to(count(EAST, 7), sku=sku)).then_refused(
            RejectionCode.ITEM_NOT_FOUND, "sku"
        )

    def test_an_unknown_or_archived_location(self) -> None:
        given(*SHOP, location("OLD", archived_at=EARLIER)).when(
            set_to(count(EAST, 7), count("OLD", 7), count("NOWHERE", 7))
        ).then_refused(RejectionCode.LOCATION_NOT_FOUND, "quantities.1.locationId", "quantities.2.locationId")

    def test_an_unknown_channel(self) -> None:
        given(*SHOP).when(set_to(count(EAST, 7), source_channel="shop")).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "sourceChannelId"
        )

    @pytest.mark.parametrize(
        "bucket",
        [
            InventoryBucket.RESERVED,
            InventoryBucket.ALLOCATED,
            InventoryBucket.INCOMING,
            InventoryBucket.IN_TRANSIT,
            InventoryBucket.BACKORDERED,
        ],
    )
    def test_the_counters_of_documents_are_theirs(self, bucket: InventoryBucket) -> None:
        given(*SHOP, level(on_hand=10)).when(set_to(count(EAST, 0, bucket))).then_refused(
            RejectionCode.BUCKET_OWNED_BY_DOCUMENT, "quantities.0.bucket"
        )


class TestMalformed:
    @pytest.mark.parametrize(
        ("quantities", "fields", "message"),
        [
            ((), ("quantities",), "There are 0 quantities; send 1 to 250 a request."),
            ((count(EAST, 1),) * 251, ("quantities",), "There are 251 quantities; send 1 to 250 a request."),
            (
                (count(EAST, 1), count("W ", 1)),
                ("quantities.1.locationId",),
                "The location begins or ends with a blank; remove it.",
            ),
            (
                (count(EAST, 1), count(EAST, 1, DAMAGED), count(EAST, 2), count(EAST, 0)),
                ("quantities.2.quantity", "quantities.3.quantity"),
                "Two entries of one counter state different values of quantity; state it once.",
            ),
            (
                (count(EAST, 1, seen=0), count(EAST, 1, seen=1)),
                ("quantities.1.changeFromQuantity",),
                "Two entries of one counter state different values of changeFromQuantity; state it once.",
            ),
        ],
    )
    def test_its_entries(self, quantities: tuple[LevelQuantity, ...], fields: tuple[str, ...], message: str) -> None:
        given(*SHOP, level(on_hand=10)).when(set_to(*quantities)).then_refused(
            RejectionCode.INVALID_INPUT, *fields, message=message
        )

    @pytest.mark.parametrize(
        ("details", "field"),
        [
            (Details(sku=""), "sku"),
            (Details(idempotency_key=None), "idempotencyKey"),
            (Details(idempotency_key="k" * 256), "idempotencyKey"),
            (Details(source_channel=""), "sourceChannelId"),
            (Details(correlation_id="\x00"), "correlationId"),
            (Details(reference_document_uri="\ud800"), "referenceDocumentUri"),
        ],
    )
    def test_its_details(self, details: Details, field: str) -> None:
        given(*SHOP, level(on_hand=10)).when(set_to(count(EAST, 7), **details)).then_refused(
            RejectionCode.INVALID_INPUT, field
        )

"""inventoryMove: what it does and every reason to refuse it; the one rule: on hand stays."""

from datetime import datetime

import pytest

from domain.adjustments import ShortagePolicy
from domain.levels import InventoryBucket, StockLevel
from domain.rejections import RejectionCode
from domain.stock_commands import LevelMove
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Details,
    adjusted,
    channel,
    given,
    item,
    level,
    location,
    move,
    moved,
    part_move,
)

QUARANTINED = InventoryBucket.QUARANTINED
DAMAGED = InventoryBucket.DAMAGED
SAFETY_STOCK = InventoryBucket.SAFETY_STOCK
FACT = ShortagePolicy.RECORD_CONFLICT
SHOP = (item(), location(EAST), location(CENTRAL), channel(WEB))


class TestAccepted:
    @pytest.mark.parametrize("part", [QUARANTINED, DAMAGED, SAFETY_STOCK])
    def test_from_available_to_a_part_and_back(self, part: InventoryBucket) -> None:
        before = level(on_hand=10, quarantined=2, damaged=2, safety_stock=2)
        there = given(*SHOP, before).when(move(part_move(EAST, 3, target=part)))
        level_there = before.with_balances({part: 5}, at=NOW, version=2)
        there.then(adjusted(level_there, movements=(moved(EAST, 3, 5, part),)))
        back = given(*SHOP, level_there).when(move(part_move(EAST, 3, source=part)))
        level_back = before.with_balances({}, at=NOW, version=3)
        back.then(adjusted(level_back, movements=(moved(EAST, -3, 2, part),)))

    @pytest.mark.parametrize(
        ("source", "target", "after"),
        [
            (QUARANTINED, DAMAGED, level(on_hand=9, damaged=6, safety_stock=3, version=2, at=NOW)),
            (DAMAGED, SAFETY_STOCK, level(on_hand=9, quarantined=3, safety_stock=6, version=2, at=NOW)),
            (SAFETY_STOCK, QUARANTINED, level(on_hand=9, quarantined=6, damaged=3, version=2, at=NOW)),
        ],
    )
    def test_between_two_parts_only_they_change(
        self, source: InventoryBucket, target: InventoryBucket, after: StockLevel
    ) -> None:
        before = level(on_hand=9, quarantined=3, damaged=3, safety_stock=3)
        given(*SHOP, before).when(move(part_move(EAST, 3, source=source, target=target))).then(
            adjusted(after, movements=(moved(EAST, -3, 0, source), moved(EAST, 3, 6, target)))
        )

    def test_many_moves_at_many_locations_are_merged_and_kept_together(self) -> None:
        given(*SHOP, level(EAST, on_hand=10), level(CENTRAL, on_hand=4, damaged=4)).when(
            move(
                part_move(EAST, 2, target=DAMAGED),
                part_move(CENTRAL, 4, source=DAMAGED),
                part_move(EAST, 3, target=DAMAGED),
                part_move(EAST, 1, source=DAMAGED, target=SAFETY_STOCK),
            )
        ).then(
            adjusted(
                level(EAST, on_hand=10, damaged=4, safety_stock=1, version=2, at=NOW),
                level(CENTRAL, on_hand=4, version=2, at=NOW),
                movements=(
                    moved(EAST, 4, 4, DAMAGED),
                    moved(EAST, 1, 1, SAFETY_STOCK),
                    moved(CENTRAL, -4, 0, DAMAGED),
                ),
            )
        )

    def test_in_the_red_a_move_that_keeps_available_is_taken(self) -> None:
        given(*SHOP, level(on_hand=5, safety_stock=8)).when(
            move(part_move(EAST, 2, source=SAFETY_STOCK, target=QUARANTINED))
        ).then(
            adjusted(
                level(on_hand=5, safety_stock=6, quarantined=2, version=2, at=NOW),
                movements=(moved(EAST, -2, 6, SAFETY_STOCK), moved(EAST, 2, 2, QUARANTINED)),
            )
        )

    def test_a_fact_moves_more_than_is_available(self) -> None:
        given(*SHOP, level(on_hand=5, safety_stock=4)).when(
            move(part_move(EAST, 3, target=DAMAGED), on_shortage=FACT)
        ).then(
            adjusted(
                level(on_hand=5, safety_stock=4, damaged=3, version=2, at=NOW),
                movements=(moved(EAST, 3, 3, DAMAGED),),
            )
        )

    def test_250_moves_are_one_command(self) -> None:
        moves = (part_move(EAST, 1, source=QUARANTINED, target=DAMAGED),) * 250
        given(*SHOP, level(on_hand=250, quarantined=250)).when(move(*moves)).then(
            adjusted(
                level(on_hand=250, damaged=250, version=2, at=NOW),
                movements=(moved(EAST, -250, 0, QUARANTINED), moved(EAST, 250, 250, DAMAGED)),
            )
        )


class TestShortage:
    @pytest.mark.parametrize(
        ("before", "wanted", "left"),
        [
            (level(on_hand=9, reserved=7), part_move(EAST, 3, target=DAMAGED), 2),
            (level(on_hand=9, damaged=2), part_move(EAST, 3, source=DAMAGED), 2),
            (level(on_hand=1, reserved=7), part_move(EAST, 1, target=SAFETY_STOCK), 0),
        ],
    )
    def test_a_move_takes_what_is_there(self, before: StockLevel, wanted: LevelMove, left: int) -> None:
        given(*SHOP, before).when(move(wanted)).then_refused(
            RejectionCode.INSUFFICIENT_STOCK, "moves.0.quantity", quantity_available=left
        )

    def test_no_fact_takes_a_part_below_zero(self) -> None:
        given(*SHOP, level(on_hand=9, damaged=2)).when(
            move(part_move(EAST, 3, source=DAMAGED), on_shortage=FACT)
        ).then_refused(
            RejectionCode.INSUFFICIENT_STOCK,
            "moves.0.quantity",
            quantity_available=2,
            message=f"Only 2 of {SKU} are damaged at {EAST}; take less.",
        )


class TestQuantities:
    @pytest.mark.parametrize("quantity", [0, -1, -1_000_000_000])
    def test_a_move_takes_at_least_one_unit(self, quantity: int) -> None:
        given(*SHOP, level(on_hand=10)).when(
            move(part_move(EAST, 1, target=DAMAGED), part_move(EAST, quantity, target=SAFETY_STOCK))
        ).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "moves.1.quantity",
            message="A move takes at least 1 unit; swap the two parts to move the other way.",
        )

    @pytest.mark.parametrize(
        ("quantity", "message"),
        [
            (1_000_000_001, "A change is at most 1,000,000,000 either way."),
            (
                1_000_000_000,
                f"DAMAGED at {EAST} would be 1,000,000,000; a balance is at most 10,000,000 either way.",
            ),
        ],
    )
    def test_a_move_has_a_limit(self, quantity: int, message: str) -> None:
        given(*SHOP, level(on_hand=10)).when(move(part_move(EAST, quantity, target=DAMAGED))).then_refused(
            RejectionCode.INVALID_QUANTITY, "moves.0.quantity", message=message
        )

    def test_moves_that_cancel_out_change_nothing(self) -> None:
        given(*SHOP, level(on_hand=10, damaged=5)).when(
            move(part_move(EAST, 3, target=DAMAGED), part_move(EAST, 3, source=DAMAGED))
        ).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "moves.0.quantity",
            message="The change is zero (entries of one counter are summed); leave it out.",
        )


class TestRefused:
    @pytest.mark.parametrize("archived_at", [None, EARLIER])
    def test_an_unknown_or_archived_item(self, archived_at: datetime | None) -> None:
        sku = "UNKNOWN" if archived_at is None else "OLD"
        given(*SHOP, item("OLD", archived_at=EARLIER)).when(
            move(part_move(EAST, 1, target=DAMAGED), sku=sku)
        ).then_refused(RejectionCode.ITEM_NOT_FOUND, "sku")

    def test_every_unknown_location_is_named_once(self) -> None:
        between = part_move("NOWHERE", 1, source=DAMAGED, target=QUARANTINED)
        given(*SHOP, level(on_hand=10)).when(move(between, part_move(EAST, 1, target=DAMAGED), between)).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "moves.0.locationId", "moves.2.locationId"
        )

    def test_an_unknown_channel(self) -> None:
        given(*SHOP, level(on_hand=10)).when(
            move(part_move(EAST, 1, target=DAMAGED), source_channel="shop")
        ).then_refused(RejectionCode.CHANNEL_NOT_FOUND, "sourceChannelId")

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
        given(*SHOP, level(on_hand=10)).when(
            move(part_move(EAST, 1, source=bucket), part_move(EAST, 1, source=DAMAGED, target=bucket))
        ).then_refused(RejectionCode.BUCKET_OWNED_BY_DOCUMENT, "moves.0.fromBucket", "moves.1.toBucket")

    def test_a_move_begins_no_level(self) -> None:
        given(*SHOP, level(EAST, on_hand=10)).when(
            move(part_move(EAST, 1, target=DAMAGED), part_move(CENTRAL, 1, source=DAMAGED, target=SAFETY_STOCK))
        ).then_refused(RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "moves.1.locationId")


class TestMalformed:
    @pytest.mark.parametrize(
        ("moves", "field", "message"),
        [
            ((), "moves", "There are 0 moves; send 1 to 250 a request."),
            (
                (part_move(EAST, 1, source=DAMAGED, target=QUARANTINED),) * 251,
                "moves",
                "There are 251 moves; send 1 to 250 a request.",
            ),
            (
                (part_move("", 1, source=DAMAGED, target=QUARANTINED),),
                "moves.0.locationId",
                "The location is empty; give 1 to 255 characters.",
            ),
            (
                (part_move(EAST, 1, target=DAMAGED), part_move(EAST, 1)),
                "moves.1",
                "The move ends where it begins; name two different parts.",
            ),
            (
                (part_move(EAST, 1, source=DAMAGED, target=DAMAGED),),
                "moves.0",
                "The move ends where it begins; name two different parts.",
            ),
        ],
    )
    def test_its_entries(self, moves: tuple[LevelMove, ...], field: str, message: str) -> None:
        given(*SHOP, level(on_hand=10)).when(move(*moves)).then_refused(
            RejectionCode.INVALID_INPUT, field, message=message
        )

    def test_on_hand_is_the_whole_and_not_one_of_its_parts(self) -> None:
        on_hand = InventoryBucket.ON_HAND
        given(*SHOP, level(on_hand=10, damaged=4)).when(
            move(part_move(EAST, 1, source=on_hand, target=DAMAGED), part_move(EAST, 1, target=on_hand))
        ).then_refused(
            RejectionCode.INVALID_INPUT,
            "moves.0.fromBucket",
            "moves.1.toBucket",
            message="On hand is the whole; name a part of it, or change on hand with inventoryAdjust.",
        )

    @pytest.mark.parametrize(
        ("details", "field"),
        [
            (Details(sku=" " + SKU), "sku"),
            (Details(idempotency_key=None), "idempotencyKey"),
            (Details(idempotency_key=""), "idempotencyKey"),
            (Details(source_channel=""), "sourceChannelId"),
        ],
    )
    def test_its_details(self, details: Details, field: str) -> None:
        given(*SHOP, level(on_hand=10)).when(move(part_move(EAST, 1, target=DAMAGED), **details)).then_refused(
            RejectionCode.INVALID_INPUT, field
        )

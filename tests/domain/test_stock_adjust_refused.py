"""inventoryAdjust: what else it compares and refuses; the one rule: every wrong place is named at once."""

from datetime import datetime

import pytest

from domain.adjustments import ShortagePolicy
from domain.levels import InventoryBucket
from domain.rejections import RejectionCode
from domain.stock_commands import LevelDelta
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Details,
    EndedLevel,
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

DAMAGED = InventoryBucket.DAMAGED
FACT = ShortagePolicy.RECORD_CONFLICT
SHOP = (item(), location(EAST), location(CENTRAL), channel(WEB))


class TestQuantitySeen:
    @pytest.mark.parametrize(
        "entries",
        [
            pytest.param((change(EAST, -3, seen=10),), id="stated"),
            pytest.param((change(EAST, -3, seen=None),), id="not stated"),
            pytest.param((change(EAST, -2, seen=10), change(EAST, -1, seen=10)), id="stated twice"),
            pytest.param((change(EAST, -2), change(EAST, -1, seen=10)), id="stated by the second entry"),
            pytest.param((change(EAST, -2, seen=10), change(EAST, -1)), id="stated by the first entry"),
        ],
    )
    def test_what_was_seen_is_still_so(self, entries: tuple[LevelDelta, ...]) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(*entries)).then(
            adjusted(level(on_hand=7, version=2, at=NOW), movements=(moved(EAST, -3, 7),))
        )

    def test_zero_is_a_quantity_like_any_other(self) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(change(EAST, 1, DAMAGED, seen=0))).then(
            adjusted(level(on_hand=10, damaged=1, version=2, at=NOW), movements=(moved(EAST, 1, 1, DAMAGED),))
        )

    @pytest.mark.parametrize("seen", [9, 11, 0, -10])
    def test_what_was_seen_has_changed(self, seen: int) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(change(EAST, -3, seen=seen))).then_refused(
            RejectionCode.CHANGE_FROM_QUANTITY_STALE,
            "adjustments.0.changeFromQuantity",
            message=f"ON_HAND at {EAST} is 10, not {seen}; read it again, decide again, and send a new request.",
        )

    def test_every_stale_counter_is_named(self) -> None:
        given(*SHOP, level(EAST, on_hand=10), level(CENTRAL, on_hand=5)).when(
            adjust(
                change(EAST, 1, seen=9),
                change(EAST, 1, DAMAGED, seen=0),
                change(CENTRAL, 1),
                change(CENTRAL, 1, seen=4),
            )
        ).then_refused(
            RejectionCode.CHANGE_FROM_QUANTITY_STALE,
            "adjustments.0.changeFromQuantity",
            "adjustments.2.changeFromQuantity",
        )


class TestUnknown:
    @pytest.mark.parametrize("sku", ["b2b-serv-001x", "UNKNOWN"])
    def test_an_unknown_item(self, sku: str) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(change(EAST, -3), sku=sku)).then_refused(
            RejectionCode.ITEM_NOT_FOUND,
            "sku",
            message=f"There is no item with SKU '{sku}'; check its spelling (case matters) or create it with "
            "itemUpsert.",
        )

    def test_an_archived_item(self) -> None:
        given(location(), item(archived_at=EARLIER), level(on_hand=10)).when(adjust(change(EAST, -3))).then_refused(
            RejectionCode.ITEM_NOT_FOUND, "sku"
        )

    def test_every_unknown_or_archived_location_is_named(self) -> None:
        given(item(), location(EAST), location("OLD", archived_at=EARLIER), level(on_hand=10)).when(
            adjust(change("NOWHERE", 1), change(EAST, -3), change("OLD", 1), change("NOWHERE", 2))
        ).then_refused(
            RejectionCode.LOCATION_NOT_FOUND,
            "adjustments.0.locationId",
            "adjustments.2.locationId",
            "adjustments.3.locationId",
        )

    @pytest.mark.parametrize("archived_at", [None, EARLIER])
    def test_an_unknown_or_archived_channel(self, archived_at: datetime | None) -> None:
        code = "shop" if archived_at is None else "old"
        given(*SHOP, channel("old", archived_at=EARLIER), level(on_hand=10)).when(
            adjust(change(EAST, -3), source_channel=code)
        ).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND,
            "sourceChannelId",
            message=f"There is no channel '{code}'; check the code or create it with channelUpsert.",
        )

    def test_an_adjustment_begins_no_level(self) -> None:
        given(*SHOP, level(EAST, on_hand=10), EndedLevel(key=(SKU, CENTRAL), version=4)).when(
            adjust(change(EAST, -3), change(CENTRAL, 1))
        ).then_refused(
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
            "adjustments.1.locationId",
            message=f"{SKU} is not stocked at {CENTRAL}; begin with inventoryActivate or inventorySet.",
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
        given(*SHOP, level(on_hand=10)).when(
            adjust(change(EAST, 1), change(EAST, 1, bucket), on_shortage=FACT)
        ).then_refused(
            RejectionCode.BUCKET_OWNED_BY_DOCUMENT,
            "adjustments.1.bucket",
            message=f"{bucket.value} moves only with its documents; change the document that promised the units.",
        )


KEY_MISSING = "There is no idempotency key; what moves stock needs one."
COUNT_WRONG = "There are {} adjustments; send 1 to 250 a request."
DISAGREEING = "Two entries of one counter state different values of changeFromQuantity; state it once."


class TestMalformed:
    @pytest.mark.parametrize(
        ("details", "field", "message"),
        [
            (Details(sku=""), "sku", "The SKU is empty; give 1 to 255 characters."),
            (
                Details(sku="S" * 256),
                "sku",
                "The SKU has 256 characters; shorten it to at most 255.",
            ),
            (Details(idempotency_key=None), "idempotencyKey", KEY_MISSING),
            (
                Details(idempotency_key=""),
                "idempotencyKey",
                "The idempotency key is empty; give 1 to 255 characters.",
            ),
            (
                Details(idempotency_key="k" * 256),
                "idempotencyKey",
                "The idempotency key has 256 characters; shorten it to at most 255.",
            ),
            (
                Details(idempotency_key="a\x00b"),
                "idempotencyKey",
                "The idempotency key holds a control character; send printable characters only.",
            ),
            (
                Details(source_channel=" web"),
                "sourceChannelId",
                "The channel begins or ends with a blank; remove it.",
            ),
            (
                Details(correlation_id="c" * 501),
                "correlationId",
                "The correlation id has 501 characters; shorten it to at most 500.",
            ),
            (
                Details(reference_document_uri="u" * 2049),
                "referenceDocumentUri",
                "The document's address has 2049 characters; shorten it to at most 2048.",
            ),
        ],
    )
    def test_its_details(self, details: Details, field: str, message: str) -> None:
        given(*SHOP, level(on_hand=10)).when(adjust(change(EAST, -3), **details)).then_refused(
            RejectionCode.INVALID_INPUT, field, message=message
        )

    @pytest.mark.parametrize(
        ("entries", "fields", "message"),
        [
            ((), ("adjustments",), COUNT_WRONG.format(0)),
            ((change(EAST, 1),) * 251, ("adjustments",), COUNT_WRONG.format(251)),
            ((change("", 1),) * 251, ("adjustments",), COUNT_WRONG.format(251)),
            (
                (change(EAST, 1), change("", 1)),
                ("adjustments.1.locationId",),
                "The location is empty; give 1 to 255 characters.",
            ),
            (
                (change(EAST, 1, seen=1), change(EAST, 1, seen=2), change(EAST, 1, seen=3)),
                ("adjustments.1.changeFromQuantity", "adjustments.2.changeFromQuantity"),
                DISAGREEING,
            ),
            (
                (change(EAST, 1, seen=0), change(CENTRAL, 1), change(EAST, 1), change(EAST, 1, seen=1)),
                ("adjustments.3.changeFromQuantity",),
                DISAGREEING,
            ),
        ],
    )
    def test_its_entries(self, entries: tuple[LevelDelta, ...], fields: tuple[str, ...], message: str) -> None:
        given(*SHOP, level(EAST), level(CENTRAL)).when(adjust(*entries)).then_refused(
            RejectionCode.INVALID_INPUT, *fields, message=message
        )

    def test_everything_that_is_wrong_is_named_at_once(self) -> None:
        given(*SHOP).when(adjust(change(" ", 1), sku="", idempotency_key="")).then_refused(
            RejectionCode.INVALID_INPUT, "sku", "idempotencyKey", "adjustments.0.locationId"
        )

"""inventoryActivate and inventoryDeactivate: how levels begin, end; the one rule: versions only grow."""

from typing import Protocol, Unpack

import pytest

from domain.levels import StockLevel
from domain.rejections import RejectionCode
from domain.stock_commands import InventoryActivate, InventoryDeactivate, LevelActivated, LevelDeactivated
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Details,
    EndedLevel,
    LevelsElsewhere,
    activate,
    channel,
    deactivate,
    given,
    item,
    level,
    location,
)

SHOP = (item(), location(EAST), location(CENTRAL), channel(WEB))
MALFORMED_DETAILS = [
    (Details(sku=""), "sku", "The SKU is empty; give 1 to 255 characters."),
    (
        Details(idempotency_key=""),
        "idempotencyKey",
        "The idempotency key is empty; give 1 to 255 characters.",
    ),
    (
        Details(source_channel="w\teb"),
        "sourceChannelId",
        "The channel holds a control character; send printable characters only.",
    ),
    (
        Details(correlation_id="a\x00"),
        "correlationId",
        "The correlation id holds a character that cannot be stored (NUL or half a surrogate pair).",
    ),
    (
        Details(reference_document_uri="u" * 2049),
        "referenceDocumentUri",
        "The document's address has 2049 characters; shorten it to at most 2048.",
    ),
]


class Build(Protocol):
    """Makes one of the two commands."""

    def __call__(self, location_code: str = ..., **details: Unpack[Details]) -> InventoryActivate | InventoryDeactivate:
        """Return the command on SKU."""


class TestActivate:
    def test_a_level_begins_with_all_counters_at_zero(self) -> None:
        began = level(version=1, at=NOW)
        state = given(*SHOP).when(activate()).then(LevelActivated(level=began))
        assert state.levels == {(SKU, EAST): began}
        assert state.level_counts_by_item == {SKU: 1}
        assert state.level_counts_by_location == {EAST: 1}

    def test_a_level_that_has_begun_stays_as_it_is(self) -> None:
        known = level(on_hand=5, version=9)
        state = given(*SHOP, known).when(activate()).then()
        assert state.levels == {(SKU, EAST): known}

    def test_an_ended_level_goes_on_from_its_version(self) -> None:
        state = given(*SHOP, EndedLevel(key=(SKU, EAST), version=7)).when(activate())
        now = state.then(LevelActivated(level=level(version=8, at=NOW)))
        assert now.ended_versions == {}

    def test_no_key_is_needed_as_nothing_moves(self) -> None:
        given(*SHOP).when(activate(idempotency_key=None)).then(LevelActivated(level=level(at=NOW)))
        given(*SHOP).when(activate(source_channel=WEB)).then(LevelActivated(level=level(at=NOW)))

    def test_the_200th_level_may_begin(self) -> None:
        given(*SHOP, LevelsElsewhere(sku=SKU, count=199)).when(activate()).then(LevelActivated(level=level(at=NOW)))

    def test_the_201st_level_may_not(self) -> None:
        given(*SHOP, LevelsElsewhere(sku=SKU, count=200)).when(activate()).then_refused(
            RejectionCode.LEVEL_LIMIT_REACHED,
            "sku",
            message=f"{SKU} would be stocked at more than 200 locations; deactivate levels that are no longer used.",
        )

    def test_the_200th_level_may_be_activated_again(self) -> None:
        given(*SHOP, LevelsElsewhere(sku=SKU, count=199), level()).when(activate()).then()


class TestDeactivate:
    def test_an_empty_level_ends(self) -> None:
        ended = level(version=5, at=NOW)
        state = given(*SHOP, level(version=4)).when(deactivate()).then(LevelDeactivated(level=ended))
        assert state.levels == {}
        assert state.ended_versions == {(SKU, EAST): 5}
        assert state.level_counts_by_item == {SKU: 0}
        assert state.level_counts_by_location == {EAST: 0}

    def test_a_level_can_begin_and_end_many_times(self) -> None:
        scenario = given(*SHOP).after(activate()).after(deactivate()).after(activate())
        scenario.when(deactivate()).then(LevelDeactivated(level=level(version=4, at=NOW)))

    @pytest.mark.parametrize(
        "known",
        [
            level(on_hand=1),
            level(on_hand=-1),
            level(reserved=1),
            level(allocated=1),
            level(quarantined=1),
            level(damaged=1),
            level(safety_stock=1),
            level(incoming=1),
            level(in_transit=1),
            level(backordered=1),
        ],
    )
    def test_nothing_may_be_left_or_promised(self, known: StockLevel) -> None:
        given(*SHOP, known).when(deactivate()).then_refused(
            RejectionCode.LEVEL_NOT_EMPTY,
            "locationId",
            message=f"{SKU} at {EAST} still holds or promises units; bring every counter to zero first "
            "(inventorySet), then deactivate.",
        )

    @pytest.mark.parametrize("ended", [(), (EndedLevel(key=(SKU, EAST), version=2),)])
    def test_what_is_not_stocked_cannot_end(self, ended: tuple[EndedLevel, ...]) -> None:
        given(*SHOP, level(CENTRAL), *ended).when(deactivate()).then_refused(
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
            "locationId",
            message=f"{SKU} is not stocked at {EAST}; begin with inventoryActivate or inventorySet.",
        )


BOTH = pytest.mark.parametrize("command", [activate, deactivate])


@BOTH
@pytest.mark.parametrize("sku", ["UNKNOWN", "OLD"])
def test_an_unknown_or_archived_item(command: Build, sku: str) -> None:
    given(*SHOP, item("OLD", archived_at=EARLIER)).when(command(EAST, sku=sku)).then_refused(
        RejectionCode.ITEM_NOT_FOUND, "sku"
    )


@BOTH
@pytest.mark.parametrize("code", ["NOWHERE", "OLD"])
def test_an_unknown_or_archived_location(command: Build, code: str) -> None:
    given(*SHOP, location("OLD", archived_at=EARLIER)).when(command(code)).then_refused(
        RejectionCode.LOCATION_NOT_FOUND,
        "locationId",
        message=f"There is no location '{code}'; check the code or create it with locationUpsert.",
    )


@BOTH
@pytest.mark.parametrize("code", ["shop", "old"])
def test_an_unknown_or_archived_channel(command: Build, code: str) -> None:
    given(*SHOP, channel("old", archived_at=EARLIER)).when(command(EAST, source_channel=code)).then_refused(
        RejectionCode.CHANNEL_NOT_FOUND, "sourceChannelId"
    )


@BOTH
@pytest.mark.parametrize(("details", "field", "message"), MALFORMED_DETAILS)
def test_malformed_details(command: Build, details: Details, field: str, message: str) -> None:
    given(*SHOP).when(command(EAST, **details)).then_refused(RejectionCode.INVALID_INPUT, field, message=message)


@BOTH
def test_a_malformed_location(command: Build) -> None:
    given(*SHOP).when(command(EAST + " ")).then_refused(
        RejectionCode.INVALID_INPUT,
        "locationId",
        message="The location begins or ends with a blank; remove it.",
    )

"""Listings: an item on a channel; the one rule: both must exist, and what changes nothing appends nothing."""

from dataclasses import replace

import pytest

from domain.listings import ListingUpsert, ListingUpserted
from domain.records import Listing
from domain.rejections import RejectionCode
from tests.domain.given import EARLIER, NOW, SKU, WEB, channel, given, item

RICH_LISTING = Listing(
    sku=SKU,
    channel=WEB,
    external_key="gid://web/1",
    buffer=2,
    minimum_exposure=3,
    maximum_exposure=9,
    pool=4,
    updated_at=EARLIER,
)


def upsert(*, sku: str = SKU, channel_code: str = WEB, external_key: str | None = "gid://web/1") -> ListingUpsert:
    return ListingUpsert(sku=sku, channel=channel_code, external_key=external_key)


@pytest.mark.parametrize("external_key", ["gid://web/1", None])
def test_an_item_is_listed_with_numbers_that_change_nothing(external_key: str | None) -> None:
    listed = Listing(sku=SKU, channel=WEB, external_key=external_key, updated_at=NOW)
    state = given(item(), channel()).when(upsert(external_key=external_key)).then(ListingUpserted(listing=listed))
    assert state.listings == {(SKU, WEB): listed}
    assert (listed.buffer, listed.minimum_exposure, listed.maximum_exposure, listed.pool) == (0, 0, None, 0)


@pytest.mark.parametrize("external_key", ["gid://web/2", None])
def test_its_key_changes_and_its_numbers_stay(external_key: str | None) -> None:
    given(item(), channel(), RICH_LISTING).when(upsert(external_key=external_key)).then(
        ListingUpserted(listing=replace(RICH_LISTING, external_key=external_key, updated_at=NOW))
    )


@pytest.mark.parametrize("external_key", ["gid://web/1", None])
def test_what_changes_nothing_appends_nothing(external_key: str | None) -> None:
    known = replace(RICH_LISTING, external_key=external_key)
    given(item(), channel(), known).when(upsert(external_key=external_key)).then()


@pytest.mark.parametrize("sku", ["UNKNOWN", "OLD"])
def test_an_unknown_or_archived_item(sku: str) -> None:
    given(item("OLD", archived_at=EARLIER), channel()).when(upsert(sku=sku)).then_refused(
        RejectionCode.ITEM_NOT_FOUND, "sku"
    )


@pytest.mark.parametrize("code", ["shop", "old"])
def test_an_unknown_or_archived_channel(code: str) -> None:
    given(item(), channel("old", archived_at=EARLIER)).when(upsert(channel_code=code)).then_refused(
        RejectionCode.CHANNEL_NOT_FOUND, "channelId"
    )


@pytest.mark.parametrize(
    ("command", "field", "message"),
    [
        (upsert(sku=""), "sku", "The SKU is empty; give 1 to 255 characters."),
        (upsert(channel_code="web "), "channelId", "The channel begins or ends with a blank; remove it."),
        (
            upsert(external_key="k" * 501),
            "externalKey",
            "The external key has 501 characters; shorten it to at most 500.",
        ),
    ],
)
def test_malformed(command: ListingUpsert, field: str, message: str) -> None:
    given(item(), channel()).when(command).then_refused(RejectionCode.INVALID_INPUT, field, message=message)


def test_all_that_is_wrong_is_named_at_once() -> None:
    given().when(upsert(sku="", channel_code="", external_key="\x00")).then_refused(
        RejectionCode.INVALID_INPUT, "sku", "channelId", "externalKey"
    )

"""Items, locations, channels and listings; the one rule: what changes nothing appends nothing."""

from datetime import datetime

from domain.catalogue import (
    ChannelArchive,
    ChannelUpsert,
    ItemArchive,
    ItemUpsert,
    ItemUpserted,
    LocationArchive,
    LocationUpsert,
    LocationUpserted,
)
from domain.decider import Command
from domain.listings import ListingUpsert, ListingUpserted
from domain.ports import Receipt
from domain.records import Attribute, Channel, Identifier, Item, Listing, Location, LocationKind
from domain.rejections import RejectionCode
from tests.app.shop import OPENING_HEAD, OTHER_SKU, Shop, accepted, refusals, sale
from tests.domain.given import CENTRAL, EAST, SKU, WEB

FULL_ITEM = ItemUpsert(
    sku="TEE-ÆØ-注文",
    fields={
        "name": "T-shirt “Ærø”\n",
        "product_code": "TEE",
        "attributes": (Attribute(name="size", value="XL"), Attribute(name="colour", value='"blå"')),
        "identifiers": (Identifier(scheme="GTIN", value="4006381333931"),),
        "is_backorderable": True,
    },
)
FULL_LOCATION = LocationUpsert(
    code="STORE-BER",
    fields={"name": "Berlin", "kind": LocationKind.STORE, "country_code": "DE"},
    channels=frozenset({WEB, "till"}),
)


async def test_an_item_is_kept_exactly(shop: Shop) -> None:
    receipt = await shop.accept(FULL_ITEM)
    (kept,) = await shop.reads.items([FULL_ITEM.sku])
    assert kept is not None
    assert kept == Item(sku=FULL_ITEM.sku, **FULL_ITEM.fields, created_at=kept.created_at, updated_at=kept.created_at)
    assert receipt == Receipt(position=OPENING_HEAD + 1, replayed=False, events=(ItemUpserted(item=kept),))


async def test_a_location_is_kept_exactly_with_its_channels(shop: Shop) -> None:
    _, outcome = await shop.batch(ChannelUpsert(code="till", fields={"name": "Tills"}), FULL_LOCATION)
    (kept,) = await shop.reads.locations(["STORE-BER"])
    assert kept is not None
    at = kept.created_at
    assert kept == Location(code="STORE-BER", **FULL_LOCATION.fields, created_at=at, updated_at=at)
    assert accepted(outcome).events == (LocationUpserted(location=kept, channels=frozenset({WEB, "till"})),)
    (served,) = await shop.reads.channels_served(["STORE-BER"])
    assert [one.code for one in served] == ["till", WEB]
    assert served[0] == Channel(code="till", name="Tills", created_at=at, updated_at=at)


async def test_a_listing_is_kept_exactly(shop: Shop) -> None:
    receipt = await shop.accept(ListingUpsert(sku=SKU, channel=WEB, external_key="B00ABC1234"))
    ((kept,),) = await shop.reads.listings([SKU])
    assert kept == Listing(sku=SKU, channel=WEB, external_key="B00ABC1234", updated_at=kept.updated_at)
    assert receipt.events == (ListingUpserted(listing=kept),)


async def test_an_upsert_that_changes_nothing_appends_nothing(shop: Shop) -> None:
    listed = ListingUpsert(sku=SKU, channel=WEB, external_key="B00ABC1234")
    commands: list[Command] = [ChannelUpsert(code="till", fields={}), FULL_LOCATION, FULL_ITEM, listed]
    for outcome in await shop.batch(*commands):
        accepted(outcome)
    before = await shop.store.dump()
    for outcome in await shop.batch(*commands, ItemUpsert(sku=FULL_ITEM.sku, fields={})):
        assert accepted(outcome) == Receipt(position=OPENING_HEAD + 4, replayed=False)
    assert await shop.store.dump() == before


async def test_an_upsert_that_changes_nothing_knows_its_batch(shop: Shop) -> None:
    first, second = await shop.batch(FULL_ITEM, FULL_ITEM)
    assert accepted(first).position == OPENING_HEAD + 1
    assert accepted(second) == Receipt(position=OPENING_HEAD + 1, replayed=False)
    assert await shop.positions() == list(range(1, OPENING_HEAD + 2))


async def test_an_upsert_changes_the_named_fields_only(shop: Shop) -> None:
    await shop.accept(FULL_ITEM)
    (before,) = await shop.reads.items([FULL_ITEM.sku])
    await shop.accept(ItemUpsert(sku=FULL_ITEM.sku, fields={"name": None, "is_backorderable": False}))
    (after,) = await shop.reads.items([FULL_ITEM.sku])
    assert before is not None
    assert after is not None
    assert (after.name, after.is_backorderable) == (None, False)
    assert (after.product_code, after.attributes, after.identifiers, after.created_at) == (
        before.product_code,
        before.attributes,
        before.identifiers,
        before.created_at,
    )
    assert after.updated_at >= before.updated_at


async def test_the_last_change_of_a_batch_is_what_is_kept(shop: Shop) -> None:
    await shop.batch(
        ItemUpsert(sku="CUP", fields={"name": "first"}),
        ItemArchive(sku="CUP"),
        ItemUpsert(sku="CUP", fields={"name": "second"}),
        LocationUpsert(code="SHED", fields={}, channels=frozenset({WEB})),
        LocationUpsert(code="SHED", fields={}, channels=frozenset()),
        ChannelUpsert(code="till", fields={}),
        ChannelArchive(code="till"),
    )
    ((cup,), (served,), (till,)) = (
        await shop.reads.items(["CUP"]),
        await shop.reads.channels_served(["SHED"]),
        await shop.reads.channels(["till"]),
    )
    assert cup is not None
    assert (cup.name, served, till) == ("second", (), None)
    assert await shop.positions() == list(range(1, OPENING_HEAD + 8))


async def test_a_location_keeps_its_channels_when_none_are_named(shop: Shop) -> None:
    await shop.accept(LocationUpsert(code=EAST, fields={"name": "East"}))
    (served,) = await shop.reads.channels_served([EAST])
    assert [one.code for one in served] == [WEB]
    await shop.accept(LocationUpsert(code=EAST, fields={}, channels=frozenset()))
    assert await shop.reads.channels_served([EAST]) == [()]


async def test_a_location_serves_only_channels_that_exist(shop: Shop) -> None:
    unknown = LocationUpsert(code=CENTRAL, fields={}, channels=frozenset({WEB, "ebay"}))
    assert await shop.refuse(unknown) == [(RejectionCode.CHANNEL_NOT_FOUND, "channelIds")]


async def test_what_is_archived_keeps_its_row_and_comes_back(shop: Shop) -> None:
    await shop.batch(FULL_ITEM, LocationUpsert(code="SHED", fields={}), ChannelUpsert(code="till", fields={}))
    archives: list[Command] = [
        ItemArchive(sku=FULL_ITEM.sku),
        LocationArchive(code="SHED"),
        ChannelArchive(code="till"),
    ]
    for outcome in await shop.batch(*archives):
        accepted(outcome)
    for table, count in (("items", 1), ("locations", 1), ("channels", 1)):
        assert await shop.store.rows(f"SELECT COUNT(*) FROM {table} WHERE archived_at = updated_at") == [(count,)]
    assert await shop.reads.items([FULL_ITEM.sku]) == [None]
    before = await shop.store.dump()
    assert [refusals(outcome)[0][0] for outcome in await shop.batch(*archives)] == [
        RejectionCode.ITEM_NOT_FOUND,
        RejectionCode.LOCATION_NOT_FOUND,
        RejectionCode.CHANNEL_NOT_FOUND,
    ]
    assert await shop.store.dump() == before
    await shop.accept(ItemUpsert(sku=FULL_ITEM.sku, fields={}))
    (back,) = await shop.reads.items([FULL_ITEM.sku])
    assert back is not None
    assert (back.name, back.archived_at) == ("T-shirt “Ærø”\n", None)


async def test_what_still_holds_stock_cannot_be_archived(shop: Shop) -> None:
    assert await shop.refuse(ItemArchive(sku=OTHER_SKU)) == [(RejectionCode.STILL_STOCKED, "sku")]
    assert await shop.refuse(LocationArchive(code=EAST)) == [(RejectionCode.STILL_STOCKED, "locationId")]
    await shop.accept(sale(20, key="a", sku=OTHER_SKU))
    assert await shop.refuse(ItemArchive(sku=OTHER_SKU)) == [(RejectionCode.STILL_STOCKED, "sku")]


async def test_skus_that_differ_by_case_only_are_different_items(shop: Shop) -> None:
    await shop.batch(ItemUpsert(sku="cup", fields={"name": "a"}), ItemUpsert(sku="CUP", fields={"name": "b"}))
    lower, upper = await shop.reads.items(["cup", "CUP"])
    assert lower is not None
    assert upper is not None
    assert (lower.name, upper.name) == ("a", "b")


async def test_a_listing_of_what_does_not_exist_is_refused(shop: Shop) -> None:
    unknown_item = ListingUpsert(sku="NOWHERE", channel=WEB, external_key=None)
    unknown_channel = ListingUpsert(sku=SKU, channel="ebay", external_key=None)
    assert await shop.refuse(unknown_item) == [(RejectionCode.ITEM_NOT_FOUND, "sku")]
    assert await shop.refuse(unknown_channel) == [(RejectionCode.CHANNEL_NOT_FOUND, "channelId")]


async def test_a_catalogue_can_be_made_in_one_batch(shop: Shop) -> None:
    outcomes = await shop.batch(
        ChannelUpsert(code="till", fields={}),
        LocationUpsert(code="SHED", fields={}, channels=frozenset({"till"})),
        ItemUpsert(sku="CUP", fields={}),
        ListingUpsert(sku="CUP", channel="till", external_key=None),
        ListingUpsert(sku="CUP", channel="till", external_key="cup-1"),
    )
    assert [accepted(outcome).position for outcome in outcomes] == [8, 9, 10, 11, 12]
    ((listing,),) = await shop.reads.listings(["CUP"])
    assert listing.external_key == "cup-1"
    assert isinstance(listing.updated_at, datetime)

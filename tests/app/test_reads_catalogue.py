"""Reading items, places and listings; the one rule: exact answers in the order asked, whatever the texts are."""

from dataclasses import replace

import pytest

from domain.catalogue import (
    ChannelArchive,
    ChannelUpsert,
    ItemArchive,
    ItemUpsert,
    LocationArchive,
    LocationUpsert,
)
from domain.catalogue_fields import ItemFields
from domain.decider import Command
from domain.listings import ListingUpsert
from domain.ports import ItemFilter
from domain.records import Item, Listing
from tests.app.shop import OTHER_SKU, Shop, accepted, activate, all_pages, deactivate, sale
from tests.domain.given import CENTRAL, EAST, SKU, WEB

NAMES = {
    "TEE-1": "T-shirt, 50% wool",
    "TEE-2": "T-SHIRT 50 wool",
    "TEE_3": "under_score",
    "TEEX3": "underXscore",
    "tee-1": 'back\\slash "quoted"',
    "Ærø-1": "Blå kop",
    "Ærø-2": None,
    "注文-1": "湯呑み",
    "💥-1": "boom",
}
IN_ORDER = sorted([SKU, OTHER_SKU, *NAMES])
"""By code point."""
ODD_TEXTS = [
    "NOWHERE",
    "A\x00",
    "A\x00B",
    "\x00A",
    " A",
    "A ",
    "A\n",
    "a",
    "x" * 256,
    "x" * 100_000,
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}A",
    "\ud800",
    "A\udfff",
    "\U0010ffff",
    "' OR 1=1 --",
    "%",
    "_",
    "\\",
    '["A"]',
]


async def catalogue(shop: Shop) -> None:
    """Bring in items with names that are hard to search."""
    fields: dict[str, ItemFields] = {sku: {"name": name} for sku, name in NAMES.items()}
    fields["TEE-1"]["product_code"] = "TEE"
    fields["tee-1"]["product_code"] = "tee"
    for outcome in await shop.batch(*(ItemUpsert(sku=sku, fields=one) for sku, one in fields.items())):
        accepted(outcome)


async def page(
    shop: Shop, wanted: ItemFilter | None = None, *, after: str | None = None, limit: int = 250
) -> list[str]:
    """Return the SKUs of a page."""
    return [item.sku for item in await shop.reads.item_page(wanted or ItemFilter(), after=after, limit=limit)]


class TestItems:
    async def test_answers_keep_the_order_of_the_question(self, shop: Shop) -> None:
        found = await shop.reads.items([OTHER_SKU, "NOWHERE", SKU, OTHER_SKU, ""])
        assert [None if item is None else item.sku for item in found] == [OTHER_SKU, None, SKU, OTHER_SKU, None]
        assert await shop.reads.items([]) == []

    async def test_an_archived_one_is_missing(self, shop: Shop) -> None:
        await shop.accept(ItemUpsert(sku="CUP", fields={}))
        await shop.accept(ItemArchive(sku="CUP"))
        assert await shop.reads.items(["CUP"]) == [None]
        assert "CUP" not in await page(shop)
        assert await page(shop, ItemFilter(is_archived=True)) == ["CUP"]

    async def test_a_list_is_in_the_order_of_code_points(self, shop: Shop) -> None:
        await catalogue(shop)
        assert await page(shop) == IN_ORDER

    @pytest.mark.parametrize("limit", [1, 2, 5, 250])
    async def test_pages_show_each_item_once(self, shop: Shop, limit: int) -> None:
        await catalogue(shop)

        async def ask(after: str | None) -> list[str]:
            found = await page(shop, after=after, limit=limit)
            assert len(found) <= limit
            return found

        assert await all_pages(ask) == IN_ORDER

    async def test_a_page_goes_on_behind_what_is_no_longer_there(self, shop: Shop) -> None:
        await catalogue(shop)
        await shop.accept(ItemArchive(sku="TEE-2"))
        assert await page(shop, after="TEE-2", limit=2) == ["TEEX3", "TEE_3"]
        assert await page(shop, after="TEE-0", limit=1) == ["TEE-1"]
        assert await page(shop, after="💥-1") == []

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (ItemFilter(skus=("TEE-2", "NOWHERE", "TEE-1", "TEE-1")), ["TEE-1", "TEE-2"]),
            (ItemFilter(skus=()), []),
            (ItemFilter(sku_starts_with="TEE"), ["TEE-1", "TEE-2", "TEEX3", "TEE_3"]),
            (ItemFilter(sku_starts_with="TEE_"), ["TEE_3"]),
            (ItemFilter(sku_starts_with="TEE-1"), ["TEE-1"]),
            (ItemFilter(sku_starts_with="TEE-1 "), []),
            (ItemFilter(sku_starts_with="tee"), ["tee-1"]),
            (ItemFilter(sku_starts_with="Æ"), ["Ærø-1", "Ærø-2"]),
            (ItemFilter(sku_starts_with="Ærø-2"), ["Ærø-2"]),
            (ItemFilter(sku_starts_with="注"), ["注文-1"]),
            (ItemFilter(sku_starts_with="💥"), ["💥-1"]),
            (ItemFilter(sku_starts_with="%"), []),
            (ItemFilter(sku_starts_with=""), IN_ORDER),
            (ItemFilter(name_contains="50%"), ["TEE-1"]),
            (ItemFilter(name_contains="%"), ["TEE-1"]),
            (ItemFilter(name_contains="t-shirt"), ["TEE-1", "TEE-2"]),
            (ItemFilter(name_contains="R_s"), ["TEE_3"]),
            (ItemFilter(name_contains="_"), ["TEE_3"]),
            (ItemFilter(name_contains="k\\s"), ["tee-1"]),
            (ItemFilter(name_contains='"'), ["tee-1"]),
            (ItemFilter(name_contains="blå"), ["Ærø-1"]),
            (ItemFilter(name_contains="呑"), ["注文-1"]),
            (ItemFilter(name_contains=""), sorted(sku for sku, name in NAMES.items() if name is not None)),
            (ItemFilter(product_code="TEE"), ["TEE-1"]),
            (ItemFilter(product_code="TE"), []),
            (ItemFilter(product_code=""), []),
            (ItemFilter(stocked_at=EAST), [SKU, OTHER_SKU]),
            (ItemFilter(stocked_at=CENTRAL), [SKU]),
            (ItemFilter(stocked_at=EAST, sku_starts_with="M", name_contains=None), [OTHER_SKU]),
            (ItemFilter(skus=("TEE-1", "TEE-2"), name_contains="wool", product_code="TEE"), ["TEE-1"]),
            (ItemFilter(is_archived=True), []),
        ],
    )
    async def test_a_filter_finds_exactly(self, shop: Shop, wanted: ItemFilter, found: list[str]) -> None:
        await catalogue(shop)
        assert await page(shop, wanted) == found

    async def test_a_filtered_list_has_pages_too(self, shop: Shop) -> None:
        await catalogue(shop)
        wanted = ItemFilter(sku_starts_with="TEE", name_contains="o")
        assert await page(shop, wanted, limit=1) == ["TEE-1"]
        assert await page(shop, wanted, after="TEE-1", limit=2) == ["TEE-2", "TEEX3"]
        assert await page(shop, wanted, after="A", limit=1) == ["TEE-1"]
        assert await page(shop, wanted, after="Z") == []

    async def test_an_ended_level_is_not_stock(self, shop: Shop) -> None:
        await shop.accept(sale(20, key="a", sku=OTHER_SKU))
        await shop.accept(deactivate(EAST, key="b", sku=OTHER_SKU))
        assert await page(shop, ItemFilter(stocked_at=EAST)) == [SKU]


class TestPlaces:
    async def test_locations_and_channels_keep_the_order_of_the_question(self, shop: Shop) -> None:
        locations = await shop.reads.locations([CENTRAL, "MOON", EAST, CENTRAL])
        assert [None if one is None else one.code for one in locations] == [CENTRAL, None, EAST, CENTRAL]
        channels = await shop.reads.channels(["ebay", WEB, WEB.upper()])
        assert [None if one is None else one.code for one in channels] == [None, WEB, None]

    async def test_lists_are_in_order_and_have_pages(self, shop: Shop) -> None:
        codes = ["Ö", "a", "B", "💥"]
        commands: list[Command] = [LocationUpsert(code=code, fields={}) for code in codes]
        commands += [ChannelUpsert(code=code, fields={}) for code in codes]
        await shop.batch(*commands, LocationArchive(code="B"), ChannelArchive(code="a"))
        locations = await shop.reads.location_page(after=None, limit=10)
        assert [one.code for one in locations] == [CENTRAL, EAST, "a", "Ö", "💥"]
        assert [one.code for one in await shop.reads.location_page(after=EAST, limit=2)] == ["a", "Ö"]
        channels = await shop.reads.channel_page(after=None, limit=10)
        assert [one.code for one in channels] == ["B", WEB, "Ö", "💥"]
        assert [one.code for one in await shop.reads.channel_page(after="B", limit=1)] == [WEB]

    async def test_archived_places_are_missing(self, shop: Shop) -> None:
        await shop.batch(LocationUpsert(code="SHED", fields={}), LocationArchive(code="SHED"))
        await shop.accept(ChannelArchive(code=WEB))
        assert await shop.reads.locations(["SHED"]) == [None]
        assert await shop.reads.channels([WEB]) == [None]
        assert await shop.reads.channels_served([EAST, "SHED"]) == [(), ()]

    async def test_the_channels_of_a_location_are_in_order(self, shop: Shop) -> None:
        codes = ["b", "Ö", "a"]
        await shop.batch(
            *(ChannelUpsert(code=code, fields={}) for code in codes),
            LocationUpsert(code=EAST, fields={}, channels=frozenset({*codes, WEB})),
        )
        served = await shop.reads.channels_served([CENTRAL, EAST, "MOON", EAST])
        assert [[one.code for one in channels] for channels in served] == [
            [],
            ["a", "b", WEB, "Ö"],
            [],
            ["a", "b", WEB, "Ö"],
        ]

    async def test_the_listings_of_an_item_are_in_order_of_channels_in_use(self, shop: Shop) -> None:
        commands: list[Command] = [ChannelUpsert(code=code, fields={}) for code in ("b", "Ö", "a", "gone")]
        commands += [ListingUpsert(sku=SKU, channel=code, external_key=None) for code in ("b", "Ö", "gone", "a", WEB)]
        await shop.batch(*commands, ChannelArchive(code="gone"))
        listings = await shop.reads.listings([OTHER_SKU, SKU, "NOWHERE"])
        assert [[one.channel for one in found] for found in listings] == [[], ["a", "b", WEB, "Ö"], []]

    async def test_a_listing_carries_its_numbers(self, shop: Shop) -> None:
        await shop.accept(ListingUpsert(sku=SKU, channel=WEB, external_key="x"))
        await shop.store.change("UPDATE listings SET buffer = 2, minimum_exposure = 3, maximum_exposure = 9, pool = 4")
        ((found,),) = await shop.reads.listings([SKU])
        plain = Listing(sku=SKU, channel=WEB, external_key="x", updated_at=found.updated_at)
        assert found == replace(plain, buffer=2, minimum_exposure=3, maximum_exposure=9, pool=4)


class TestOddTexts:
    @pytest.fixture
    async def odd_shop(self, shop: Shop) -> Shop:
        """A shop in which everything is called A, so that a text that is cut short finds something."""
        await shop.batch(
            ItemUpsert(sku="A", fields={"name": "A", "product_code": "A"}),
            ChannelUpsert(code="A", fields={}),
            LocationUpsert(code="A", fields={}, channels=frozenset({"A"})),
            ListingUpsert(sku="A", channel="A", external_key=None),
        )
        await shop.accept(activate("A", key="A", sku="A"))
        return shop

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_they_name_nothing(self, odd_shop: Shop, text: str) -> None:
        reads = odd_shop.reads
        assert await reads.items([text]) == [None]
        assert await reads.locations([text]) == [None]
        assert await reads.channels([text]) == [None]
        assert await reads.channels_served([text]) == [()]
        assert await reads.listings([text]) == [()]
        assert await page(odd_shop, ItemFilter(skus=(text,))) == []
        assert await page(odd_shop, ItemFilter(product_code=text)) == []
        assert await page(odd_shop, ItemFilter(stocked_at=text)) == []

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_they_find_only_what_holds_them(self, odd_shop: Shop, text: str) -> None:
        items: list[Item] = await odd_shop.reads.item_page(ItemFilter(), after=None, limit=250)
        starting = [item.sku for item in items if item.sku.startswith(text)]
        assert await page(odd_shop, ItemFilter(sku_starts_with=text)) == starting
        named = [item.sku for item in items if item.name is not None and text.lower() in item.name.lower()]
        assert await page(odd_shop, ItemFilter(name_contains=text)) == named

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_a_page_behind_them_is_a_page(self, odd_shop: Shop, text: str) -> None:
        assert await page(odd_shop, after=text) == [sku for sku in ("A", SKU, OTHER_SKU) if sku > text]
        places = await odd_shop.reads.location_page(after=text, limit=9)
        assert [one.code for one in places] == [code for code in ("A", CENTRAL, EAST) if code > text]
        channels = await odd_shop.reads.channel_page(after=text, limit=9)
        assert [one.code for one in channels] == [code for code in ("A", WEB) if code > text]

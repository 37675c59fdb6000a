"""Items, locations and channels: upserts and archiving; the one rule: what an upsert leaves out stays."""

from dataclasses import replace

import pytest

from domain.catalogue import (
    ChannelArchive,
    ChannelUpsert,
    ItemArchive,
    ItemArchived,
    ItemUpsert,
    ItemUpserted,
    LocationArchive,
    LocationArchived,
    LocationUpsert,
    LocationUpserted,
)
from domain.catalogue_fields import ItemFields, LocationFields
from domain.decider import Command
from domain.records import Attribute, Channel, Identifier, Item, Location, LocationKind
from domain.rejections import RejectionCode
from domain.text import encode_node_id
from tests.domain.given import (
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    LevelsElsewhere,
    Served,
    channel,
    given,
    item,
    level,
    location,
)

SIZE = Attribute(name="size", value="XL")
GTIN = Identifier(scheme="GTIN", value="4006381333931")
RICH_ITEM = Item(
    sku=SKU,
    name="Server",
    product_code="SERV",
    attributes=(SIZE,),
    identifiers=(GTIN,),
    is_backorderable=True,
    created_at=EARLIER,
    updated_at=EARLIER,
)
RICH_LOCATION = Location(
    code=EAST,
    name="East",
    kind=LocationKind.STORE,
    country_code="US",
    created_at=EARLIER,
    updated_at=EARLIER,
)
RICH_CHANNEL = Channel(code=WEB, name="Web shop", created_at=EARLIER, updated_at=EARLIER)
GLOBAL_ID = "reads like a global id of this gateway; choose a code of your own."


class TestItemUpsert:
    def test_a_plain_item_is_created(self) -> None:
        created = Item(sku=SKU, created_at=NOW, updated_at=NOW)
        state = given().when(ItemUpsert(sku=SKU, fields={})).then(ItemUpserted(item=created))
        assert state.items == {SKU: created}

    def test_an_item_is_created_with_all_its_fields(self) -> None:
        fields = ItemFields(
            name="Server",
            product_code="SERV",
            attributes=(SIZE,),
            identifiers=(GTIN,),
            is_backorderable=True,
        )
        given().when(ItemUpsert(sku=SKU, fields=fields)).then(
            ItemUpserted(item=replace(RICH_ITEM, created_at=NOW, updated_at=NOW))
        )

    @pytest.mark.parametrize(
        ("fields", "after"),
        [
            (ItemFields(name="New"), replace(RICH_ITEM, name="New")),
            (ItemFields(name=None), replace(RICH_ITEM, name=None)),
            (ItemFields(product_code=None), replace(RICH_ITEM, product_code=None)),
            (ItemFields(attributes=()), replace(RICH_ITEM, attributes=())),
            (ItemFields(identifiers=()), replace(RICH_ITEM, identifiers=())),
            (ItemFields(is_backorderable=False), replace(RICH_ITEM, is_backorderable=False)),
        ],
    )
    def test_a_named_field_changes_and_all_others_stay(self, fields: ItemFields, after: Item) -> None:
        changed = replace(after, updated_at=NOW)
        state = given(RICH_ITEM).when(ItemUpsert(sku=SKU, fields=fields)).then(ItemUpserted(item=changed))
        assert state.items == {SKU: changed}

    @pytest.mark.parametrize("fields", [ItemFields(), ItemFields(name="Server", attributes=(SIZE,))])
    def test_what_changes_nothing_appends_nothing(self, fields: ItemFields) -> None:
        given(RICH_ITEM).when(ItemUpsert(sku=SKU, fields=fields)).then()

    def test_codes_that_differ_by_case_are_two_items(self) -> None:
        state = given(item("abc")).when(ItemUpsert(sku="ABC", fields={}))
        now = state.then(ItemUpserted(item=Item(sku="ABC", created_at=NOW, updated_at=NOW)))
        assert sorted(now.items) == ["ABC", "abc"]

    def test_an_archived_item_comes_back_with_what_it_had(self) -> None:
        given(replace(RICH_ITEM, archived_at=EARLIER)).when(ItemUpsert(sku=SKU, fields={})).then(
            ItemUpserted(item=replace(RICH_ITEM, updated_at=NOW))
        )

    def test_at_most_50_attributes_and_identifiers(self) -> None:
        fields = ItemFields(attributes=(SIZE,) * 50, identifiers=(GTIN,) * 50)
        given(RICH_ITEM).when(ItemUpsert(sku=SKU, fields=fields)).then(
            ItemUpserted(item=replace(RICH_ITEM, attributes=(SIZE,) * 50, identifiers=(GTIN,) * 50, updated_at=NOW))
        )


class TestItemArchive:
    def test_an_item_that_is_stocked_nowhere(self) -> None:
        archived = replace(RICH_ITEM, archived_at=NOW, updated_at=NOW)
        state = given(RICH_ITEM).when(ItemArchive(sku=SKU)).then(ItemArchived(item=archived))
        assert state.items == {SKU: archived}

    def test_an_item_that_is_stocked(self) -> None:
        given(item(), LevelsElsewhere(sku=SKU, count=2), level()).when(ItemArchive(sku=SKU)).then_refused(
            RejectionCode.STILL_STOCKED,
            "sku",
            message=f"{SKU} is still stocked; end each stock level with inventoryDeactivate before archiving.",
        )

    @pytest.mark.parametrize("sku", ["UNKNOWN", "OLD"])
    def test_an_unknown_or_archived_item(self, sku: str) -> None:
        given(item("OLD", archived_at=EARLIER)).when(ItemArchive(sku=sku)).then_refused(
            RejectionCode.ITEM_NOT_FOUND, "sku"
        )


class TestLocationUpsert:
    def test_a_plain_location_is_created_and_serves_no_channel(self) -> None:
        created = Location(code=EAST, created_at=NOW, updated_at=NOW)
        state = (
            given()
            .when(LocationUpsert(code=EAST, fields={}))
            .then(LocationUpserted(location=created, channels=frozenset()))
        )
        assert state.locations == {EAST: created}
        assert state.channels_served == {EAST: frozenset()}

    def test_a_location_is_created_with_all_its_fields(self) -> None:
        fields = LocationFields(name="East", kind=LocationKind.STORE, country_code="US")
        channels = frozenset({WEB, "tills"})
        given(channel(WEB), channel("tills")).when(LocationUpsert(code=EAST, fields=fields, channels=channels)).then(
            LocationUpserted(location=replace(RICH_LOCATION, created_at=NOW, updated_at=NOW), channels=channels)
        )

    @pytest.mark.parametrize(
        ("fields", "after"),
        [
            (LocationFields(name="New"), replace(RICH_LOCATION, name="New")),
            (LocationFields(name=None), replace(RICH_LOCATION, name=None)),
            (LocationFields(kind=LocationKind.SUPPLIER), replace(RICH_LOCATION, kind=LocationKind.SUPPLIER)),
            (LocationFields(country_code=None), replace(RICH_LOCATION, country_code=None)),
            (LocationFields(region="south"), replace(RICH_LOCATION, region="south")),
            (LocationFields(priority=0), replace(RICH_LOCATION, priority=0)),
            (LocationFields(priority=1_000_000), replace(RICH_LOCATION, priority=1_000_000)),
        ],
    )
    def test_a_named_field_changes_and_all_else_stays(self, fields: LocationFields, after: Location) -> None:
        served = frozenset({WEB})
        given(RICH_LOCATION, Served(location=EAST, channels=served)).when(
            LocationUpsert(code=EAST, fields=fields)
        ).then(LocationUpserted(location=replace(after, updated_at=NOW), channels=served))

    @pytest.mark.parametrize("channels", [frozenset[str](), frozenset({"tills"}), frozenset({WEB, "tills"})])
    def test_stated_channels_take_the_place_of_those_before(self, channels: frozenset[str]) -> None:
        state = given(
            channel(WEB), channel("tills"), RICH_LOCATION, Served(location=EAST, channels=frozenset({WEB}))
        ).when(LocationUpsert(code=EAST, fields={}, channels=channels))
        now = state.then(LocationUpserted(location=replace(RICH_LOCATION, updated_at=NOW), channels=channels))
        assert now.channels_served == {EAST: channels}

    @pytest.mark.parametrize("channels", [None, frozenset({WEB})])
    @pytest.mark.parametrize("fields", [LocationFields(), LocationFields(name="East", country_code="US")])
    def test_what_changes_nothing_appends_nothing(
        self, fields: LocationFields, channels: frozenset[str] | None
    ) -> None:
        given(channel(WEB), RICH_LOCATION, Served(location=EAST, channels=frozenset({WEB}))).when(
            LocationUpsert(code=EAST, fields=fields, channels=channels)
        ).then()

    def test_an_archived_location_comes_back_with_what_it_had(self) -> None:
        served = frozenset({WEB})
        given(replace(RICH_LOCATION, archived_at=EARLIER), Served(location=EAST, channels=served)).when(
            LocationUpsert(code=EAST, fields={})
        ).then(LocationUpserted(location=replace(RICH_LOCATION, updated_at=NOW), channels=served))

    def test_every_unknown_or_archived_channel_is_named(self) -> None:
        given(channel(WEB), channel("old", archived_at=EARLIER)).when(
            LocationUpsert(code=EAST, fields={}, channels=frozenset({"shop", WEB, "old"}))
        ).then_refused(RejectionCode.CHANNEL_NOT_FOUND, "channelIds", "channelIds")


class TestLocationArchive:
    def test_a_location_that_stocks_nothing(self) -> None:
        archived = replace(RICH_LOCATION, archived_at=NOW, updated_at=NOW)
        state = given(RICH_LOCATION).when(LocationArchive(code=EAST)).then(LocationArchived(location=archived))
        assert state.locations == {EAST: archived}

    def test_a_location_that_stocks_an_item(self) -> None:
        given(location(), level()).when(LocationArchive(code=EAST)).then_refused(
            RejectionCode.STILL_STOCKED,
            "locationId",
            message=f"{EAST} still stocks items; end each stock level with inventoryDeactivate before archiving.",
        )

    @pytest.mark.parametrize("code", ["NOWHERE", "OLD"])
    def test_an_unknown_or_archived_location(self, code: str) -> None:
        given(location("OLD", archived_at=EARLIER)).when(LocationArchive(code=code)).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "locationId"
        )


EMPTY_NAME = Attribute(name="", value="XL")
EMPTY_VALUE = Identifier(scheme="GTIN", value="")
LONG_VALUE = Attribute(name="size", value="X" * 501)


@pytest.mark.parametrize(
    ("command", "field", "message"),
    [
        (ItemUpsert(sku="", fields={}), "sku", "The SKU is empty; give 1 to 255 characters."),
        (ItemUpsert(sku=encode_node_id("Item", "x"), fields={"name": "\x00"}), "name", None),
        (ItemUpsert(sku=encode_node_id("InventoryItem", "x"), fields={}), "sku", f"The SKU {GLOBAL_ID}"),
        (ItemUpsert(sku=SKU, fields={"name": "n" * 501}), "name", None),
        (ItemUpsert(sku=SKU, fields={"product_code": "\udfff"}), "productCode", None),
        (
            ItemUpsert(sku=SKU, fields={"attributes": (SIZE,) * 51}),
            "attributes",
            "There are 51 attributes; send at most 50.",
        ),
        (
            ItemUpsert(sku=SKU, fields={"identifiers": (GTIN,) * 51}),
            "identifiers",
            "There are 51 identifiers; send at most 50.",
        ),
        (
            ItemUpsert(sku=SKU, fields={"attributes": (SIZE, EMPTY_NAME)}),
            "attributes.1",
            "An entry of attributes is empty; give 1 to 500 characters.",
        ),
        (
            ItemUpsert(sku=SKU, fields={"attributes": (LONG_VALUE,)}),
            "attributes.0",
            "An entry of attributes has 501 characters; shorten it to at most 500.",
        ),
        (
            ItemUpsert(sku=SKU, fields={"identifiers": (GTIN, EMPTY_VALUE)}),
            "identifiers.1",
            "An entry of identifiers is empty; give 1 to 500 characters.",
        ),
        (ItemArchive(sku=" "), "sku", "The SKU begins or ends with a blank; remove it."),
        (LocationUpsert(code="", fields={}), "code", "The location code is empty; give 1 to 255 characters."),
        (
            LocationUpsert(code=encode_node_id("Location", EAST), fields={}),
            "code",
            f"The location code {GLOBAL_ID}",
        ),
        (LocationUpsert(code=EAST, fields={"name": "\x00"}), "name", None),
        (LocationUpsert(code=EAST, fields={}, channels=frozenset({"a\nb"})), "channelIds", None),
        (
            LocationUpsert(code=EAST, fields={}, channels=frozenset(f"c{index}" for index in range(251))),
            "channelIds",
            "A location serves at most 250 channels; send fewer.",
        ),
        (LocationArchive(code=""), "locationId", "The location is empty; give 1 to 255 characters."),
        (ChannelUpsert(code="", fields={}), "code", "The channel code is empty; give 1 to 255 characters."),
        (
            ChannelUpsert(code=encode_node_id("Channel", WEB), fields={}),
            "code",
            f"The channel code {GLOBAL_ID}",
        ),
        (ChannelUpsert(code=WEB, fields={"name": "n" * 501}), "name", None),
        (
            ChannelArchive(code="w" * 256),
            "channelId",
            "The channel has 256 characters; shorten it to at most 255.",
        ),
    ],
)
def test_malformed(command: Command, field: str, message: str | None) -> None:
    given(item(), location(), channel()).when(command).then_refused(RejectionCode.INVALID_INPUT, field, message=message)


@pytest.mark.parametrize("code", ["", "D", "DEU", "de", "De", "D1", "ÄÖ"])
def test_a_country_is_two_capital_letters(code: str) -> None:
    given(location()).when(LocationUpsert(code=EAST, fields={"country_code": code})).then_refused(
        RejectionCode.INVALID_INPUT,
        "countryCode",
        message="The country code is not two capital letters (ISO 3166-1 alpha-2), such as DE.",
    )


def test_all_that_is_wrong_with_an_item_is_named_at_once() -> None:
    fields = ItemFields(name="\x00", product_code="\x00", attributes=(EMPTY_NAME,), identifiers=(EMPTY_VALUE,))
    given().when(ItemUpsert(sku=" ", fields=fields)).then_refused(
        RejectionCode.INVALID_INPUT, "sku", "name", "productCode", "attributes.0", "identifiers.0"
    )


def test_all_that_is_wrong_with_a_location_is_named_at_once() -> None:
    fields = LocationFields(name="\x00", country_code="germany", region="", priority=-1)
    given().when(LocationUpsert(code=" ", fields=fields, channels=frozenset({""}))).then_refused(
        RejectionCode.INVALID_INPUT, "code", "name", "countryCode", "region", "priority", "channelIds"
    )


def test_a_location_may_serve_250_channels() -> None:
    channels = [channel(f"c{index}") for index in range(250)]
    served = frozenset(one.code for one in channels)
    given(*channels, RICH_LOCATION).when(LocationUpsert(code=EAST, fields={}, channels=served)).then(
        LocationUpserted(location=replace(RICH_LOCATION, updated_at=NOW), channels=served)
    )

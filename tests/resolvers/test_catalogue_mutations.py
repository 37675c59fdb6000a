"""Upserts and archiving of items, locations and channels; the one rule: what is left out stays, null clears."""

import pytest

from resolvers.node_ids import channel_id, item_id, location_id
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, counted

ITEM = """
    inventoryItem {
      id sku name productCode attributes { name value } identifiers { scheme value } isBackorderable archivedAt
    }
    userErrors { field message code }
"""
LOCATION = """
    location { id code name kind countryCode region priority channels { code } } userErrors { field message code }
"""
CHANNEL = """
    channel { id code name sourcing reservationTtlSeconds reservationTtlSecondsMax } userErrors { field message code }
"""
FULL: Answer = {
    "sku": "HAT-XL",
    "name": "Hat",
    "productCode": "HAT",
    "attributes": [{"name": "size", "value": "XL"}],
    "identifiers": [{"scheme": "GTIN", "value": "4006381333931"}],
    "isBackorderable": True,
}


async def item(desk: Desk, **fields: object) -> Answer:
    payload = await desk.change("itemUpsert", "ItemUpsertInput", ITEM, fields)
    assert payload["userErrors"] == []
    found: Answer = payload["inventoryItem"]
    return found


async def location(desk: Desk, **fields: object) -> Answer:
    payload = await desk.change("locationUpsert", "LocationUpsertInput", LOCATION, fields)
    assert payload["userErrors"] == []
    found: Answer = payload["location"]
    return found


async def channel(desk: Desk, **fields: object) -> Answer:
    payload = await desk.change("channelUpsert", "ChannelUpsertInput", CHANNEL, fields)
    assert payload["userErrors"] == []
    found: Answer = payload["channel"]
    return found


async def test_an_item_keeps_what_an_upsert_leaves_out(desk: Desk) -> None:
    created = {**FULL, "id": item_id("HAT-XL"), "archivedAt": None}
    assert await item(desk, **FULL) == created
    assert await item(desk, sku="HAT-XL") == created
    assert await item(desk, sku="HAT-XL", name="Top hat") == {**created, "name": "Top hat"}


@pytest.mark.parametrize(
    ("field", "cleared"),
    [("name", None), ("productCode", None), ("attributes", []), ("identifiers", []), ("isBackorderable", False)],
)
async def test_null_clears_a_field_of_an_item(desk: Desk, field: str, cleared: object) -> None:
    created = await item(desk, **FULL)
    assert await item(desk, sku="HAT-XL", **{field: None}) == {**created, field: cleared}


async def test_a_new_item_has_nothing_but_its_sku(desk: Desk) -> None:
    assert await item(desk, sku="NEW") == {
        "id": item_id("NEW"),
        "sku": "NEW",
        "name": None,
        "productCode": None,
        "attributes": [],
        "identifiers": [],
        "isBackorderable": False,
        "archivedAt": None,
    }


async def test_an_upsert_that_changes_nothing_leaves_no_event(desk: Desk) -> None:
    await item(desk, **FULL)
    before = await desk.position()
    await item(desk, **FULL)
    await location(desk, code=EAST)
    await location(desk, code=EAST, channelIds=[TILL, channel_id(WEB), WEB], name=None, kind="WAREHOUSE")
    await channel(desk, code=WEB, name=None)
    assert await desk.position() == before


async def test_skus_that_differ_by_case_are_different_items(desk: Desk) -> None:
    await item(desk, sku="85123a", name="lower")
    await item(desk, sku="85123A", name="upper")
    document = '{ lower: inventoryItem(sku: "85123a") { name } upper: inventoryItem(sku: "85123A") { name } }'
    assert await desk.ask(document) == {"lower": {"name": "lower"}, "upper": {"name": "upper"}}


async def test_a_location_keeps_what_an_upsert_leaves_out_and_null_clears(desk: Desk) -> None:
    own = {"name": "Shop", "kind": "STORE", "countryCode": "DE", "region": "south", "priority": 0}
    full = {"code": "SHOP", **own, "channelIds": [WEB, channel_id(TILL)]}
    created = {
        "id": location_id("SHOP"),
        "code": "SHOP",
        **own,
        "channels": [{"code": TILL}, {"code": WEB}],
    }
    assert await location(desk, **full) == created
    assert await location(desk, code="SHOP") == created
    defaults = {"name": None, "kind": "WAREHOUSE", "countryCode": None, "region": None, "priority": 100}
    for field, cleared in defaults.items():
        assert await location(desk, code="SHOP", **{field: None}) == {**created, field: cleared}
        assert await location(desk, **full) == created
    assert (await location(desk, code="SHOP", channelIds=[WEB]))["channels"] == [{"code": WEB}]
    assert (await location(desk, code="SHOP", channelIds=None))["channels"] == []
    assert (await location(desk, code="SHOP", channelIds=[]))["channels"] == []


async def test_a_channel_keeps_what_an_upsert_leaves_out_until_null_clears_it(desk: Desk) -> None:
    own = {
        "name": "App",
        "sourcing": "FEWEST_SPLITS",
        "reservationTtlSeconds": 1,
        "reservationTtlSecondsMax": 2_592_000,
    }
    full = {"id": channel_id("app"), "code": "app", **own}
    assert await channel(desk, code="app", **own) == full
    assert await channel(desk, code="app") == full
    defaults = {
        "name": None,
        "sourcing": "PRIORITY",
        "reservationTtlSeconds": 900,
        "reservationTtlSecondsMax": 86_400,
    }
    for field, cleared in defaults.items():
        assert await channel(desk, code="app", **{field: None}) == {**full, field: cleared}
        assert await channel(desk, code="app", **own) == full
    assert await channel(desk, code="new") == {"id": channel_id("new"), "code": "new", **defaults}


NUL, LONG = "a\0b", "x" * 501
BAD_CODES = [
    "",
    " x",
    "x ",
    "a\tb",
    NUL,
    "x" * 256,
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{NO-BREAK SPACE}x",
    "\N{ZERO WIDTH SPACE}",
]
BAD_FIELDS: list[tuple[str, str, Answer, str]] = [
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "name": NUL}, "name"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "name": LONG}, "name"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "productCode": NUL}, "productCode"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "attributes": [{"name": NUL, "value": "x"}]}, "attributes.0"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "attributes": [{"name": "x", "value": ""}]}, "attributes.0"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "identifiers": [{"scheme": "x", "value": NUL}]}, "identifiers.0"),
    ("itemUpsert", "ItemUpsertInput", {"sku": MUG, "attributes": [{"name": "x", "value": "x"}] * 51}, "attributes"),
    ("itemUpsert", "ItemUpsertInput", {"sku": item_id(MUG)}, "sku"),
    ("itemArchive", "ItemArchiveInput", {"sku": NUL}, "sku"),
    ("locationUpsert", "LocationUpsertInput", {"code": EAST, "name": NUL}, "name"),
    ("locationUpsert", "LocationUpsertInput", {"code": location_id(EAST)}, "code"),
    ("locationUpsert", "LocationUpsertInput", {"code": EAST, "channelIds": [NUL]}, "channelIds"),
    ("locationArchive", "LocationArchiveInput", {"locationId": NUL}, "locationId"),
    ("channelUpsert", "ChannelUpsertInput", {"code": WEB, "name": NUL}, "name"),
    ("channelUpsert", "ChannelUpsertInput", {"code": channel_id("new")}, "code"),
    ("channelArchive", "ChannelArchiveInput", {"channelId": NUL}, "channelId"),
    ("locationUpsert", "LocationUpsertInput", {"code": EAST, "region": ""}, "region"),
    *(
        ("locationUpsert", "LocationUpsertInput", {"code": EAST, "priority": one}, "priority")
        for one in (-1, 1_000_001)
    ),
    *(
        ("channelUpsert", "ChannelUpsertInput", {"code": WEB, field: seconds}, field)
        for field in ("reservationTtlSeconds", "reservationTtlSecondsMax")
        for seconds in (0, -1, 2_592_001)
    ),
    *(
        ("locationUpsert", "LocationUpsertInput", {"code": EAST, "countryCode": code}, "countryCode")
        for code in ("", "de", "D", "DEU", "D1", NUL, "ÄÖ")
    ),
    *(
        (mutation, kind, {name: code}, name)
        for mutation, kind, name in (
            ("itemUpsert", "ItemUpsertInput", "sku"),
            ("locationUpsert", "LocationUpsertInput", "code"),
            ("channelUpsert", "ChannelUpsertInput", "code"),
        )
        for code in BAD_CODES
    ),
]


async def test_a_malformed_text_is_refused_where_it_stands(desk: Desk) -> None:
    for mutation, kind, fields, field in BAD_FIELDS:
        refused = await desk.refused(mutation, kind, fields)
        assert set(refused) == {("INVALID_INPUT", f"input.{field}")}, (mutation, fields)


@pytest.mark.parametrize(
    ("mutation", "kind", "fields", "code", "field"),
    [
        ("itemArchive", "ItemArchiveInput", {"sku": MUG}, "STILL_STOCKED", "sku"),
        ("itemArchive", "ItemArchiveInput", {"sku": "nope"}, "ITEM_NOT_FOUND", "sku"),
        ("locationArchive", "LocationArchiveInput", {"locationId": EAST}, "STILL_STOCKED", "locationId"),
        ("locationArchive", "LocationArchiveInput", {"locationId": location_id(WEST)}, "STILL_STOCKED", "locationId"),
        ("locationArchive", "LocationArchiveInput", {"locationId": "nope"}, "LOCATION_NOT_FOUND", "locationId"),
        ("locationArchive", "LocationArchiveInput", {"locationId": item_id(MUG)}, "LOCATION_NOT_FOUND", "locationId"),
        ("channelArchive", "ChannelArchiveInput", {"channelId": "nope"}, "CHANNEL_NOT_FOUND", "channelId"),
        ("channelArchive", "ChannelArchiveInput", {"channelId": location_id(WEB)}, "CHANNEL_NOT_FOUND", "channelId"),
        (
            "locationUpsert",
            "LocationUpsertInput",
            {"code": FAR, "channelIds": ["x"]},
            "CHANNEL_NOT_FOUND",
            "channelIds",
        ),
        (
            "channelUpsert",
            "ChannelUpsertInput",
            {"code": WEB, "reservationTtlSeconds": 86_401},
            "TTL_OUT_OF_RANGE",
            "reservationTtlSeconds",
        ),
        (
            "channelUpsert",
            "ChannelUpsertInput",
            {"code": WEB, "reservationTtlSecondsMax": 899},
            "TTL_OUT_OF_RANGE",
            "reservationTtlSeconds",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused(
    desk: Desk, mutation: str, kind: str, fields: Answer, code: str, field: str
) -> None:
    assert await desk.refused(mutation, kind, fields) == [(code, f"input.{field}")]


async def test_an_archived_item_is_missing_and_comes_back_as_it_was(desk: Desk) -> None:
    before = await item(desk, sku=JAR)
    payload = await desk.change("itemArchive", "ItemArchiveInput", ITEM, {"sku": JAR})
    assert payload == {"inventoryItem": None, "userErrors": []}
    assert await desk.refused("itemArchive", "ItemArchiveInput", {"sku": JAR}) == [("ITEM_NOT_FOUND", "input.sku")]
    stock = {"sku": JAR, "quantities": [counted(EAST, 1)], "idempotencyKey": "k"}
    assert await desk.refused("inventorySet", "InventorySetInput", stock) == [("ITEM_NOT_FOUND", "input.sku")]
    assert await desk.ask('{ availability(skus: ["JAR-01"]) { sku } }') == {"availability": [None]}
    assert await item(desk, sku=JAR) == before


async def test_an_archived_location_serves_nobody_and_comes_back(desk: Desk) -> None:
    before = await location(desk, code=FAR, channelIds=[WEB])
    payload = await desk.change("locationArchive", "LocationArchiveInput", LOCATION, {"locationId": FAR})
    assert payload == {"location": None, "userErrors": []}
    refused = await desk.refused("inventoryActivate", "InventoryActivateInput", {"sku": MUG, "locationId": FAR})
    assert refused == [("LOCATION_NOT_FOUND", "input.locationId")]
    assert await desk.refused("locationArchive", "LocationArchiveInput", {"locationId": FAR}) == [
        ("LOCATION_NOT_FOUND", "input.locationId")
    ]
    assert await location(desk, code=FAR) == before


async def test_an_archived_channel_answers_nothing_and_comes_back_with_its_listings(desk: Desk) -> None:
    ask = '{ availability(skus: ["CUP-01"], channelId: "web") { availableQuantity } }'
    assert (await desk.ask(ask))["availability"] == [{"availableQuantity": 7}]
    payload = await desk.change("channelArchive", "ChannelArchiveInput", CHANNEL, {"channelId": channel_id(WEB)})
    assert payload == {"channel": None, "userErrors": []}
    assert (await desk.ask(ask))["availability"] == [None]
    sale = {"sku": CUP, "quantities": [counted(EAST, 1)], "idempotencyKey": "k", "sourceChannelId": WEB}
    assert await desk.refused("inventorySet", "InventorySetInput", sale) == [
        ("CHANNEL_NOT_FOUND", "input.sourceChannelId")
    ]
    assert (await location(desk, code=EAST))["channels"] == [{"code": TILL}]
    await channel(desk, code=WEB)
    assert (await desk.ask(ask))["availability"] == [{"availableQuantity": 7}]
    listings = await desk.ask('{ inventoryItem(sku: "MUG-01") { syncStatus { channelId } } }')
    assert listings["inventoryItem"]["syncStatus"] == [{"channelId": TILL}, {"channelId": WEB}]


async def test_the_ledger_can_be_read_after_its_location_was_archived(desk: Desk) -> None:
    await desk.count("position", sku=MUG, quantities=[counted(WEST, 0)], idempotencyKey="out")
    await desk.accepted("inventoryDeactivate", "InventoryDeactivateInput", {"sku": MUG, "locationId": WEST})
    await desk.accepted("locationArchive", "LocationArchiveInput", {"locationId": WEST})
    document = "{ movements(first: 1) { nodes { locationCode location { code } } } }"
    assert (await desk.ask(document))["movements"]["nodes"] == [{"locationCode": WEST, "location": {"code": WEST}}]
    document = '{ adjustment(idempotencyKey: "out") { movements { delta location { code } } } }'
    moved = [{"delta": -4, "location": {"code": WEST}}]
    assert (await desk.ask(document))["adjustment"]["movements"] == moved
    again = await desk.count(
        "replayed adjustment { movements { delta location { code } } }",
        sku=MUG,
        quantities=[counted(WEST, 0)],
        idempotencyKey="out",
    )
    assert again == {"replayed": True, "adjustment": {"movements": moved}}


CATALOGUE_CHANGES: dict[str, tuple[str, dict[str, object]]] = {
    "itemUpsert": ("ItemUpsertInput!", {"sku": "HAT-XL"}),
    "itemArchive": ("ItemArchiveInput!", {"sku": JAR}),
    "locationUpsert": ("LocationUpsertInput!", {"code": "NORTH"}),
    "locationArchive": ("LocationArchiveInput!", {"locationId": FAR}),
    "channelUpsert": ("ChannelUpsertInput!", {"code": "kiosk"}),
    "channelArchive": ("ChannelArchiveInput!", {"channelId": WEB}),
}
BULK_CHANGES: dict[str, tuple[str, dict[str, object]]] = {
    "itemUpsertBulk": ("[ItemUpsertInput!]!", {"sku": "HAT-XL"}),
    "listingUpsertBulk": ("[ListingUpsertInput!]!", {"sku": CUP, "channelId": WEB}),
}


@pytest.mark.parametrize("mutation", [*CATALOGUE_CHANGES, *BULK_CHANGES])
async def test_a_change_of_the_catalogue_says_at_which_position_it_shows(desk: Desk, mutation: str) -> None:
    is_bulk = mutation in BULK_CHANGES
    kind, wanted = (CATALOGUE_CHANGES | BULK_CHANGES)[mutation]
    argument = "inputs" if is_bulk else "input"
    document = f"mutation m($wanted: {kind}) {{ {mutation}({argument}: $wanted) {{ position }} }}"
    before = int(await desk.position())
    data = await desk.ask(document, wanted=[wanted] if is_bulk else wanted)
    assert data[mutation]["position"] == str(before + 1) == await desk.position()


@pytest.mark.parametrize("mutation", BULK_CHANGES)
async def test_a_refused_change_of_the_catalogue_stands_at_the_newest_position(desk: Desk, mutation: str) -> None:
    newest = await desk.position()
    document = f"mutation m {{ {mutation}(inputs: []) {{ position userErrors {{ code }} }} }}"
    assert (await desk.ask(document))[mutation] == {"position": newest, "userErrors": [{"code": "INVALID_INPUT"}]}
    payload = await desk.change("itemUpsert", "ItemUpsertInput", "position userErrors { code }", {"sku": ""})
    assert payload == {"position": newest, "userErrors": [{"code": "INVALID_INPUT"}]}

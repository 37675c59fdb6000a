"""Lists: pages forward to the end, opaque cursors, filters; the one rule: every entry once, in order."""

import base64

import pytest

from resolvers.node_ids import item_id, location_id
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Desk, counted, delta

ITEMS = """
query items($first: Int!, $after: String, $filter: InventoryItemFilter) {
  inventoryItems(first: $first, after: $after, filter: $filter) {
    edges { cursor node { sku } } nodes { sku }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
PAGE = """
query page($first: Int!, $after: String) {
  %s(first: $first, after: $after) {
    edges { cursor node { %s } } nodes { %s } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
LISTS: dict[str, tuple[str, list[object]]] = {
    "inventoryItems": ("sku", [CUP, JAR, MUG]),
    "locations": ("code", [EAST, FAR, WEST]),
    "channels": ("code", [TILL, WEB]),
    "movements": ("balanceAfter", [7, 4, 10]),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("size", [1, 2, 3, 250])
async def test_pages_lead_forward_to_the_end(desk: Desk, name: str, size: int) -> None:
    field, expected = LISTS[name]
    document = PAGE % (name, field, field)
    seen: list[object] = []
    after = None
    for number in range(len(expected) + 1):
        page = (await desk.ask(document, first=size, after=after))[name]
        assert [edge["node"] for edge in page["edges"]] == page["nodes"]
        assert len(page["nodes"]) == min(size, len(expected) - len(seen))
        seen += [node[field] for node in page["nodes"]]
        assert page["pageInfo"] == {
            "hasNextPage": len(seen) < len(expected),
            "hasPreviousPage": number > 0,
            "startCursor": page["edges"][0]["cursor"],
            "endCursor": page["edges"][-1]["cursor"],
        }
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == expected
    beyond = (await desk.ask(document, first=size, after=after))[name]
    info = {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None}
    assert beyond == {"edges": [], "nodes": [], "pageInfo": info}


async def test_a_page_of_another_size_is_a_bad_input(desk: Desk) -> None:
    for name, (field, _) in LISTS.items():
        for size in (0, -1, 251, 1_000_000_000):
            assert await desk.problems(PAGE % (name, field, field), first=size) == [("INVALID_INPUT", (name,))]


GARBAGE = ["", "x", "MUG-01", "not base64!", "äöü", "a\0b", base64.b64encode(b"before:MUG-01").decode(), "////", "\xff"]


async def test_what_is_no_cursor_is_a_bad_input(desk: Desk) -> None:
    for name, (field, _) in LISTS.items():
        for cursor in GARBAGE:
            problems = await desk.problems(PAGE % (name, field, field), first=5, after=cursor)
            assert problems == [("INVALID_INPUT", (name,))], (name, cursor)


async def test_a_cursor_of_another_list_is_a_bad_input_to_the_ledger(desk: Desk) -> None:
    for row in ("MUG-01", "-1", "1.5", "", "9" * 19, "9" * 5000, "\N{ARABIC-INDIC DIGIT THREE}", "²"):
        cursor = base64.urlsafe_b64encode(f"after:{row}".encode()).decode()
        problems = await desk.problems(PAGE % ("movements", "delta", "delta"), first=5, after=cursor)
        assert problems == [("INVALID_INPUT", ("movements",))], row


async def test_a_cursor_of_another_list_is_only_a_place_in_the_order_of_codes(desk: Desk) -> None:
    edges = (await desk.ask(PAGE % ("inventoryItems", "sku", "sku"), first=5))["inventoryItems"]["edges"]
    page = await desk.ask(PAGE % ("locations", "code", "code"), first=5, after=edges[1]["cursor"])
    assert page["locations"]["nodes"] == [{"code": WEST}]


async def test_an_entry_that_comes_in_behind_the_cursor_is_seen(desk: Desk) -> None:
    after = (await desk.ask(ITEMS, first=2))["inventoryItems"]["pageInfo"]["endCursor"]
    for sku in ("AAA", "KEG", "ZZZ"):
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": sku})
    page = (await desk.ask(ITEMS, first=5, after=after))["inventoryItems"]
    assert [node["sku"] for node in page["nodes"]] == ["KEG", MUG, "ZZZ"]


FILTERS: list[tuple[dict[str, object] | None, list[str]]] = [
    (None, [CUP, JAR, MUG]),
    ({}, [CUP, JAR, MUG]),
    ({"skus": None, "skuStartsWith": None, "nameContains": None, "archived": None}, [CUP, JAR, MUG]),
    ({"skus": [MUG, "nope", CUP, MUG]}, [CUP, MUG]),
    ({"skus": []}, []),
    ({"skuStartsWith": "M"}, [MUG]),
    ({"skuStartsWith": "m"}, []),
    ({"skuStartsWith": ""}, [CUP, JAR, MUG]),
    ({"nameContains": "CUP"}, [CUP]),
    ({"nameContains": "%"}, []),
    ({"nameContains": "_"}, []),
    ({"nameContains": "\\"}, []),
    ({"productCode": "JAR"}, [JAR]),
    ({"productCode": "jar"}, []),
    ({"stockedAt": EAST}, [CUP, MUG]),
    ({"stockedAt": location_id(WEST)}, [MUG]),
    ({"stockedAt": FAR}, []),
    ({"stockedAt": item_id(MUG)}, []),
    ({"skuStartsWith": "M", "productCode": "CUP"}, []),
    ({"skuStartsWith": "C", "nameContains": "tea", "productCode": "CUP", "stockedAt": EAST, "skus": [CUP]}, [CUP]),
    ({"archived": True}, []),
    ({"archived": False}, [CUP, JAR, MUG]),
    ({"nameContains": "a\0b", "productCode": "a\0b", "stockedAt": "a\0b", "skuStartsWith": "a\0b"}, []),
]


async def test_a_filter_narrows_the_list(desk: Desk) -> None:
    for wanted, skus in FILTERS:
        page = (await desk.ask(ITEMS, first=250, filter=wanted))["inventoryItems"]
        assert [node["sku"] for node in page["nodes"]] == skus, wanted


async def test_a_filtered_list_is_paged_too(desk: Desk) -> None:
    wanted = {"stockedAt": EAST}
    page = (await desk.ask(ITEMS, first=1, filter=wanted))["inventoryItems"]
    assert page["nodes"] == [{"sku": CUP}]
    page = (await desk.ask(ITEMS, first=1, filter=wanted, after=page["pageInfo"]["endCursor"]))["inventoryItems"]
    assert (page["nodes"], page["pageInfo"]["hasNextPage"]) == ([{"sku": MUG}], False)


async def test_a_filter_names_at_most_250_skus(desk: Desk) -> None:
    assert await desk.problems(ITEMS, first=1, filter={"skus": ["x"] * 251}) == [("INVALID_INPUT", ("inventoryItems",))]


async def test_archived_items_are_listed_on_request_only(desk: Desk) -> None:
    await desk.accepted("itemArchive", "ItemArchiveInput", {"sku": JAR})
    page = (await desk.ask(ITEMS, first=5))["inventoryItems"]
    assert page["nodes"] == [{"sku": CUP}, {"sku": MUG}]
    page = (await desk.ask(ITEMS, first=5, filter={"archived": True}))["inventoryItems"]
    assert page["nodes"] == [{"sku": JAR}]


async def test_movements_are_listed_newest_first_and_can_be_narrowed(desk: Desk) -> None:
    document = """
    query ledger($sku: String, $locationId: ID) {
      movements(sku: $sku, locationId: $locationId) {
        nodes { sku locationCode location { code } bucket delta balanceAfter reason adjustment { idempotencyKey } }
      }
    }
    """
    entries = [delta(EAST, -3), delta(WEST, 2), delta(EAST, 1, bucket="DAMAGED")]
    await desk.adjust("replayed", sku=MUG, adjustments=entries, idempotencyKey="sale", reason="SALE")
    nodes = (await desk.ask(document, sku=MUG, locationId=location_id(EAST)))["movements"]["nodes"]
    assert [(node["bucket"], node["delta"], node["balanceAfter"]) for node in nodes] == [
        ("DAMAGED", 1, 1),
        ("ON_HAND", -3, 7),
        ("ON_HAND", 10, 10),
    ]
    assert nodes[0] == {
        "sku": MUG,
        "locationCode": EAST,
        "location": {"code": EAST},
        "bucket": "DAMAGED",
        "delta": 1,
        "balanceAfter": 1,
        "reason": "SALE",
        "adjustment": {"idempotencyKey": "sale"},
    }
    assert [node["adjustment"]["idempotencyKey"] for node in nodes] == ["sale", "sale", MUG]
    for unknown in ({"sku": "nope"}, {"locationId": "nope"}, {"sku": "a\0b"}, {"locationId": "a\0b"}):
        assert (await desk.ask(document, **unknown))["movements"]["nodes"] == []


async def test_the_ledger_can_be_read_while_it_grows(desk: Desk) -> None:
    document = PAGE % ("movements", "balanceAfter", "balanceAfter")
    page = (await desk.ask(document, first=2))["movements"]
    await desk.count("replayed", sku=JAR, quantities=[counted(EAST, 99)], idempotencyKey="later")
    rest = (await desk.ask(document, first=2, after=page["pageInfo"]["endCursor"]))["movements"]
    assert [node["balanceAfter"] for node in page["nodes"] + rest["nodes"]] == [7, 4, 10]

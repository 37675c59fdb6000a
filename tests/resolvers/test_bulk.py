"""Bulk mutations under both policies; the one rule: results stand in the order of the inputs, come what may."""

import pytest

from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, delta, refusals

ADJUST = """
mutation bulk($inputs: [InventoryAdjustmentInput!]!, $errorPolicy: ErrorPolicy! = REJECT_FAILED_ROWS) {
  inventoryAdjustBulk(inputs: $inputs, errorPolicy: $errorPolicy) {
    results {
      replayed position inventoryItem { sku totalAvailableQuantity }
      adjustment { id idempotencyKey movements { delta balanceAfter } }
      userErrors { field message code quantityAvailable }
    }
    userErrors { field message code }
  }
}
"""
ITEMS = """
mutation items($inputs: [ItemUpsertInput!]!, $errorPolicy: ErrorPolicy! = REJECT_FAILED_ROWS) {
  itemUpsertBulk(inputs: $inputs, errorPolicy: $errorPolicy) {
    results { inventoryItem { sku name } userErrors { field message code } }
    userErrors { field message code }
  }
}
"""
LISTINGS = """
mutation listings($inputs: [ListingUpsertInput!]!, $errorPolicy: ErrorPolicy! = REJECT_FAILED_ROWS) {
  listingUpsertBulk(inputs: $inputs, errorPolicy: $errorPolicy) {
    results { listing { id sku channelId externalKey } userErrors { field message code } }
    userErrors { field message code }
  }
}
"""
EVERYTHING = "REJECT_EVERYTHING"


def sale(key: str, sku: str = MUG, amount: int = -1, location: str = EAST) -> Answer:
    """Return one input of inventoryAdjustBulk."""
    return {"sku": sku, "idempotencyKey": key, "adjustments": [delta(location, amount)]}


async def run(desk: Desk, *inputs: Answer, **policy: str) -> Answer:
    payload: Answer = (await desk.ask(ADJUST, inputs=list(inputs), **policy))["inventoryAdjustBulk"]
    return payload


def outcome(result: Answer) -> object:
    """Return what became of one input: the balance after, or the reason for its refusal."""
    if result["userErrors"]:
        assert result["adjustment"] is None
        return refusals(result)
    return [movement["balanceAfter"] for movement in result["adjustment"]["movements"]]


async def test_results_keep_the_order_and_good_rows_are_applied(desk: Desk) -> None:
    payload = await run(
        desk,
        sale("a"),
        sale("b", sku="nope"),
        sale("c", amount=-100),
        sale("d", amount=0),
        sale("e", location="nope"),
        sale("f", sku=CUP, amount=-7),
        sale("", amount=5),
        sale("g"),
    )
    assert payload["userErrors"] == []
    assert [outcome(result) for result in payload["results"]] == [
        [9],
        [("ITEM_NOT_FOUND", "inputs.1.sku")],
        [("INSUFFICIENT_STOCK", "inputs.2.adjustments.0.delta")],
        [("INVALID_QUANTITY", "inputs.3.adjustments.0.delta")],
        [("LOCATION_NOT_FOUND", "inputs.4.adjustments.0.locationId")],
        [0],
        [("INVALID_INPUT", "inputs.6.idempotencyKey")],
        [8],
    ]
    assert payload["results"][2]["userErrors"][0]["quantityAvailable"] == 9
    assert [(one["inventoryItem"] or {}).get("totalAvailableQuantity") for one in payload["results"]] == [
        12,
        None,
        12,
        12,
        12,
        0,
        12,
        12,
    ]
    assert await desk.levels() == {(MUG, EAST): (8, 3), (MUG, WEST): (4, 1), (CUP, EAST): (0, 2)}


async def test_all_or_nothing_keeps_everything_when_every_row_is_good(desk: Desk) -> None:
    payload = await run(desk, sale("a"), sale("b", amount=-9), sale("c", sku=CUP, amount=-7), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [[9], [0], [0]]
    positions = [int(result["position"]) for result in payload["results"]]
    assert positions == [positions[0], positions[0] + 1, positions[0] + 2]


async def test_all_or_nothing_keeps_nothing_when_one_row_is_refused(desk: Desk) -> None:
    before = await desk.levels(), await desk.position()
    payload = await run(desk, sale("a"), sale("b", amount=-10), sale("c", sku=CUP), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [
        [("BULK_REFUSED", "inputs.0")],
        [("INSUFFICIENT_STOCK", "inputs.1.adjustments.0.delta")],
        [("BULK_REFUSED", "inputs.2")],
    ]
    assert (await desk.levels(), await desk.position()) == before
    payload = await run(desk, sale("a"), sale("c", sku=CUP), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [[9], [6]]


async def test_all_or_nothing_names_every_malformed_row(desk: Desk) -> None:
    before = await desk.levels()
    payload = await run(desk, sale("a"), sale(""), sale("c", sku=" x"), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [
        [("BULK_REFUSED", "inputs.0")],
        [("INVALID_INPUT", "inputs.1.idempotencyKey")],
        [("INVALID_INPUT", "inputs.2.sku")],
    ]
    assert await desk.levels() == before


@pytest.mark.parametrize("policy", ["REJECT_FAILED_ROWS", EVERYTHING])
async def test_one_key_twice_in_a_request_moves_stock_once(desk: Desk, policy: str) -> None:
    first, other, again = (await run(desk, sale("a"), sale("b"), sale("a"), errorPolicy=policy))["results"]
    assert (first["replayed"], other["replayed"], again["replayed"]) == (False, False, True)
    assert again["adjustment"] == first["adjustment"]
    assert again["position"] == first["position"]
    assert (await desk.levels())[MUG, EAST] == (8, 3)


@pytest.mark.parametrize("policy", ["REJECT_FAILED_ROWS", EVERYTHING])
async def test_one_key_for_two_changes_in_a_request_is_a_mismatch(desk: Desk, policy: str) -> None:
    first, again = (await run(desk, sale("a"), sale("a", amount=-2), errorPolicy=policy))["results"]
    mismatch = [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "inputs.1.idempotencyKey")]
    assert outcome(again) == mismatch
    assert outcome(first) == ([("BULK_REFUSED", "inputs.0")] if policy == EVERYTHING else [9])


@pytest.mark.parametrize("policy", ["REJECT_FAILED_ROWS", EVERYTHING])
async def test_a_repeated_request_is_answered_again_row_by_row(desk: Desk, policy: str) -> None:
    inputs = [sale("a"), sale("b", sku=CUP)]
    first = (await run(desk, *inputs, errorPolicy=policy))["results"]
    levels, position = await desk.levels(), await desk.position()
    again = (await run(desk, *inputs, errorPolicy=policy))["results"]
    assert [result["replayed"] for result in again] == [True, True]
    assert [result["adjustment"] for result in again] == [result["adjustment"] for result in first]
    assert (await desk.levels(), await desk.position()) == (levels, position)


async def test_a_row_that_was_kept_before_is_answered_even_when_the_others_are_refused(desk: Desk) -> None:
    kept = (await run(desk, sale("a")))["results"][0]
    payload = await run(desk, sale("b"), sale("a"), sale("c", amount=-100), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [
        [("BULK_REFUSED", "inputs.0")],
        [9],
        [("INSUFFICIENT_STOCK", "inputs.2.adjustments.0.delta")],
    ]
    assert payload["results"][1]["adjustment"] == kept["adjustment"]
    assert payload["results"][1]["replayed"] is True
    assert (await desk.levels())[MUG, EAST] == (9, 2)


@pytest.mark.parametrize("policy", ["REJECT_FAILED_ROWS", EVERYTHING])
@pytest.mark.parametrize("entries", [[], [1] * 251, [250, 1], [0] * 251])
async def test_a_request_holds_1_to_250_entries_over_all_inputs(desk: Desk, policy: str, entries: list[int]) -> None:
    before = await desk.levels(), await desk.position()
    inputs = [
        {"sku": MUG, "idempotencyKey": f"key-{number}", "adjustments": [delta(EAST, 1)] * count}
        for number, count in enumerate(entries)
    ]
    payload = await run(desk, *inputs, errorPolicy=policy)
    assert payload["results"] == []
    assert refusals(payload) == [("INVALID_INPUT", "inputs")]
    assert (await desk.levels(), await desk.position()) == before


async def test_250_entries_are_taken(desk: Desk) -> None:
    inputs = [sale(f"key-{number}", amount=1) for number in range(249)]
    payload = await run(desk, *inputs, sale("key-249", sku=CUP), errorPolicy=EVERYTHING)
    assert [outcome(result) for result in payload["results"]] == [[11 + number] for number in range(249)] + [[6]]
    one = {"sku": MUG, "idempotencyKey": "one", "adjustments": [delta(EAST, -1)] * 249 + [delta(WEST, 1)]}
    (result,) = (await run(desk, one))["results"]
    assert outcome(result) == [10, 5]


async def test_items_are_upserted_one_by_one(desk: Desk) -> None:
    inputs = [
        {"sku": "NEW", "name": "New"},
        {"sku": " NEW"},
        {"sku": MUG, "name": None},
        {"sku": "NEW", "name": "Newer"},
    ]
    payload = (await desk.ask(ITEMS, inputs=inputs))["itemUpsertBulk"]
    assert payload["userErrors"] == []
    assert [one["inventoryItem"] for one in payload["results"]] == [
        {"sku": "NEW", "name": "Newer"},
        None,
        {"sku": MUG, "name": None},
        {"sku": "NEW", "name": "Newer"},
    ]
    assert [refusals(one) for one in payload["results"]] == [[], [("INVALID_INPUT", "inputs.1.sku")], [], []]


async def test_items_are_upserted_all_or_none(desk: Desk) -> None:
    before = await desk.position()
    inputs = [{"sku": "NEW"}, {"sku": ""}]
    payload = (await desk.ask(ITEMS, inputs=inputs, errorPolicy=EVERYTHING))["itemUpsertBulk"]
    assert [refusals(one) for one in payload["results"]] == [
        [("BULK_REFUSED", "inputs.0")],
        [("INVALID_INPUT", "inputs.1.sku")],
    ]
    assert await desk.ask('{ inventoryItem(sku: "NEW") { sku } }') == {"inventoryItem": None}
    assert await desk.position() == before


async def test_listings_are_upserted_one_by_one_or_all_or_none(desk: Desk) -> None:
    inputs = [
        {"sku": CUP, "channelId": WEB, "externalKey": "C1"},
        {"sku": "nope", "channelId": WEB},
        {"sku": JAR, "channelId": "nope"},
        {"sku": MUG, "channelId": TILL, "externalKey": "M1"},
        {"sku": MUG, "channelId": FAR, "externalKey": "x" * 501},
    ]
    refused = [
        [],
        [("ITEM_NOT_FOUND", "inputs.1.sku")],
        [("CHANNEL_NOT_FOUND", "inputs.2.channelId")],
        [],
        [("INVALID_INPUT", "inputs.4.externalKey")],
    ]
    payload = (await desk.ask(LISTINGS, inputs=inputs[:4], errorPolicy=EVERYTHING))["listingUpsertBulk"]
    assert [refusals(one) for one in payload["results"]] == [
        [("BULK_REFUSED", "inputs.0")],
        refused[1],
        refused[2],
        [("BULK_REFUSED", "inputs.3")],
    ]
    payload = (await desk.ask(LISTINGS, inputs=inputs))["listingUpsertBulk"]
    assert [refusals(one) for one in payload["results"]] == refused
    found = [one["listing"] for one in payload["results"] if one["listing"]]
    assert [(one["sku"], one["channelId"], one["externalKey"]) for one in found] == [
        (CUP, WEB, "C1"),
        (MUG, TILL, "M1"),
    ]
    again = (await desk.ask(LISTINGS, inputs=[{"sku": MUG, "channelId": TILL}]))["listingUpsertBulk"]
    assert again["results"][0]["listing"]["externalKey"] is None


@pytest.mark.parametrize("count", [0, 251])
async def test_a_bulk_change_of_the_catalogue_holds_1_to_250_entries(desk: Desk, count: int) -> None:
    before = await desk.position()
    items = (await desk.ask(ITEMS, inputs=[{"sku": f"I{n}"} for n in range(count)]))["itemUpsertBulk"]
    listings = (await desk.ask(LISTINGS, inputs=[{"sku": MUG, "channelId": WEB}] * count))["listingUpsertBulk"]
    for payload in (items, listings):
        assert (payload["results"], refusals(payload)) == ([], [("INVALID_INPUT", "inputs")])
    assert await desk.position() == before

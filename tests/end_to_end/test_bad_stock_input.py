"""Bad input that the type system admits; the one rule: a code, the path to the field, and nothing moves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from resolvers.node_ids import channel_id, item_id, level_id, location_id
from tests.end_to_end.client import Answer, Client, Refusal, refusals
from tests.end_to_end.shop import OPENING, Shop
from tests.end_to_end.web_socket import open_socket

Case = tuple[Answer, list[Refusal]]
"""(what differs from a good input, what it is refused for)"""
Ask = Callable[[str, Answer], Awaitable[Answer]]

MUTATIONS: Final = {
    "inventoryAdjust": "InventoryAdjustmentInput",
    "inventorySet": "InventorySetInput",
    "inventoryMove": "InventoryMoveInput",
    "inventoryActivate": "InventoryActivateInput",
    "inventoryDeactivate": "InventoryDeactivateInput",
}
NUL: Final = "a\0b"
NOT_EXACT: Final = [
    "",
    "x" * 256,
    " x",
    "x ",
    NUL,
    "a\nb",
    "\x7f",
    "a\N{ZERO WIDTH SPACE}b",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "x\N{NO-BREAK SPACE}",
    "\N{IDEOGRAPHIC SPACE}x",
    "a\N{LINE SEPARATOR}b",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{ANGSTROM SIGN}",
]
"""Texts that cannot be a key or a code: empty, too long, blank at an edge, unprintable, not in form NFC."""
OWNED: Final = ["RESERVED", "ALLOCATED", "INCOMING", "IN_TRANSIT", "BACKORDERED"]


@pytest.fixture(params=["http", "websocket"])
async def ask(request: pytest.FixtureRequest, shop: Shop, client: Client) -> AsyncIterator[Ask]:
    """What runs a mutation over one path and returns its payload."""
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(open_socket(shop.gateway)) if request.param == "websocket" else None

        async def run(mutation: str, input: Answer) -> Answer:
            document = (
                f"mutation m($input: {MUTATIONS[mutation]}!) "
                f"{{ {mutation}(input: $input) {{ userErrors {{ code field message quantityAvailable }} }} }}"
            )
            if socket is None:
                payload: Answer = (await client.ask(document, input=input))[mutation]
                return payload
            answer = await socket.ask("m", document, {"input": input})
            assert "errors" not in answer, answer
            found: Answer = answer["data"][mutation]
            return found

        yield run


async def all_refused(shop: Shop, ask: Ask, mutation: str, good: Answer, cases: list[Case]) -> None:
    """Prove that each case is refused for its reasons and leaves no trace at all."""
    before = shop.gateway.dump()
    for change, expected in cases:
        payload = await ask(mutation, {**good, **change})
        assert refusals(payload) == [(code, f"input.{field}") for code, field in expected], change
        assert all(one["message"].endswith(".") for one in payload["userErrors"]), payload
        assert shop.gateway.dump() == before, change


def cases_of_details(shop: Shop) -> list[Case]:
    """Return what is wrong alike with every mutation that moves stock."""
    long: dict[str, str] = {"correlationId": "x" * 501, "referenceDocumentUri": "x" * 2049}
    return [
        *(({"idempotencyKey": key}, [("INVALID_INPUT", "idempotencyKey")]) for key in NOT_EXACT),
        *(({"sku": code}, [("INVALID_INPUT", "sku")]) for code in NOT_EXACT),
        *(({"sourceChannelId": code}, [("INVALID_INPUT", "sourceChannelId")]) for code in NOT_EXACT),
        *(({name: NUL}, [("INVALID_INPUT", name)]) for name in long),
        *(({name: text}, [("INVALID_INPUT", name)]) for name, text in long.items()),
        ({"sku": "nope"}, [("ITEM_NOT_FOUND", "sku")]),
        ({"sku": shop.skus[0].upper()}, [("ITEM_NOT_FOUND", "sku")]),
        ({"sku": item_id(shop.skus[0])}, [("ITEM_NOT_FOUND", "sku")]),
        ({"sku": location_id(shop.east)}, [("ITEM_NOT_FOUND", "sku")]),
        ({"sourceChannelId": "nope"}, [("CHANNEL_NOT_FOUND", "sourceChannelId")]),
        ({"sourceChannelId": location_id(shop.web)}, [("CHANNEL_NOT_FOUND", "sourceChannelId")]),
        ({"sku": "", "idempotencyKey": ""}, [("INVALID_INPUT", "sku"), ("INVALID_INPUT", "idempotencyKey")]),
    ]


def cases_of_entries(shop: Shop, name: str, good: Answer) -> list[Case]:
    """Return what is wrong alike with every list of entries called `name`."""
    foreign = [item_id(shop.skus[0]), channel_id(shop.web), level_id(shop.skus[0], shop.east)]
    elsewhere = location_id("nope")
    return [
        ({name: []}, [("INVALID_INPUT", name)]),
        ({name: [good] * 251}, [("INVALID_INPUT", name)]),
        *(
            ({name: [good, {**good, "locationId": code}]}, [("INVALID_INPUT", f"{name}.1.locationId")])
            for code in NOT_EXACT
        ),
        *(
            ({name: [{**good, "locationId": code}]}, [("LOCATION_NOT_FOUND", f"{name}.0.locationId")])
            for code in ["nope", shop.east.lower(), elsewhere, *foreign]
        ),
        (
            {name: [{**good, "locationId": "x"}, good, {**good, "locationId": "y"}]},
            [("LOCATION_NOT_FOUND", f"{name}.0.locationId"), ("LOCATION_NOT_FOUND", f"{name}.2.locationId")],
        ),
    ]


def adjusting(*entries: Answer, **more: Any) -> Answer:
    return {"adjustments": list(entries), **more}


async def test_a_bad_adjustment_is_refused_and_nothing_moves(shop: Shop, ask: Ask) -> None:
    here: Answer = {"locationId": shop.east, "delta": -1}
    there: Answer = {"locationId": location_id(shop.west), "delta": -1}
    amount, bucket, seen = "adjustments.0.delta", "adjustments.0.bucket", "adjustments.0.changeFromQuantity"
    fact = {"onShortage": "RECORD_CONFLICT"}
    good = {"sku": shop.skus[0], "adjustments": [here], "idempotencyKey": "bad"}
    cases: list[Case] = [
        *cases_of_details(shop),
        *cases_of_entries(shop, "adjustments", here),
        *(
            (adjusting({**here, "delta": delta}), [("INVALID_QUANTITY", amount)])
            for delta in (0, 1_000_000_001, -1_000_000_001, 2**31 - 1, -(2**31), 1_000_000_000, 10_000_001 - OPENING)
        ),
        (adjusting({**here, "delta": -10_000_001 - OPENING}), [("INVALID_QUANTITY", amount)]),
        (adjusting({**here, "delta": -10_000_001 - OPENING}, **fact), [("INVALID_QUANTITY", amount)]),
        (adjusting(*[{**here, "delta": 5_000_000}] * 2), [("INVALID_QUANTITY", amount)]),
        (adjusting(*[{**here, "delta": 1_000_000_000}] * 250), [("INVALID_QUANTITY", amount)]),
        (adjusting({**here, "delta": 5}, {**here, "delta": -5}), [("INVALID_QUANTITY", amount)]),
        (adjusting(there, {**here, "delta": 0}), [("INVALID_QUANTITY", "adjustments.1.delta")]),
        (adjusting({**here, "delta": -1 - OPENING}), [("INSUFFICIENT_STOCK", amount)]),
        (adjusting(*[{**here, "delta": -60}] * 2), [("INSUFFICIENT_STOCK", amount)]),
        (adjusting(*[{**here, "delta": -1}] * 101), [("INSUFFICIENT_STOCK", amount)]),
        (
            adjusting({**here, "delta": -60}, there, {**here, "locationId": location_id(shop.east), "delta": -60}),
            [("INSUFFICIENT_STOCK", amount)],
        ),
        (adjusting({**here, "bucket": "DAMAGED"}), [("INSUFFICIENT_STOCK", amount)]),
        (adjusting({**here, "bucket": "DAMAGED"}, **fact), [("INSUFFICIENT_STOCK", amount)]),
        (adjusting({**here, "delta": OPENING + 1, "bucket": "SAFETY_STOCK"}), [("INSUFFICIENT_STOCK", amount)]),
        (adjusting({**here, "changeFromQuantity": 99}), [("CHANGE_FROM_QUANTITY_STALE", seen)]),
        (
            adjusting({**here, "changeFromQuantity": 100}, {**here, "changeFromQuantity": 99}),
            [("INVALID_INPUT", "adjustments.1.changeFromQuantity")],
        ),
        *((adjusting({**here, "bucket": owned}), [("BUCKET_OWNED_BY_DOCUMENT", bucket)]) for owned in OWNED),
    ]
    await all_refused(shop, ask, "inventoryAdjust", good, cases)


async def test_an_oversold_sum_says_how_many_there_are(shop: Shop, ask: Ask) -> None:
    entries = [{"locationId": shop.east, "delta": -60}] * 2
    input = {"sku": shop.skus[0], "adjustments": entries, "idempotencyKey": "bad"}
    (error,) = (await ask("inventoryAdjust", input))["userErrors"]
    assert (error["code"], error["quantityAvailable"]) == ("INSUFFICIENT_STOCK", OPENING)


async def test_a_bad_count_is_refused_and_nothing_moves(shop: Shop, ask: Ask) -> None:
    here: Answer = {"locationId": shop.east, "quantity": 1, "changeFromQuantity": None}
    unstated: Answer = {"locationId": shop.west, "quantity": 1}
    amount, bucket, seen = "quantities.0.quantity", "quantities.0.bucket", "quantities.0.changeFromQuantity"
    good = {"sku": shop.skus[0], "quantities": [here], "idempotencyKey": "bad"}
    cases: list[Case] = [
        *cases_of_details(shop),
        *cases_of_entries(shop, "quantities", here),
        *(
            ({"quantities": [{**here, "quantity": quantity}]}, [("INVALID_QUANTITY", amount)])
            for quantity in (-1, 10_000_001, 1_000_000_001, 2**31 - 1, -(2**31))
        ),
        ({"quantities": [unstated]}, [("INVALID_INPUT", seen)]),
        (
            {"quantities": [unstated, here, {**unstated, "bucket": "DAMAGED"}]},
            [("INVALID_INPUT", seen), ("INVALID_INPUT", "quantities.2.changeFromQuantity")],
        ),
        ({"quantities": [here, {**here, "quantity": 2}]}, [("INVALID_INPUT", "quantities.1.quantity")]),
        (
            {"quantities": [{**here, "changeFromQuantity": 100}, {**here, "changeFromQuantity": 0}]},
            [("INVALID_INPUT", "quantities.1.changeFromQuantity")],
        ),
        ({"quantities": [{**here, "changeFromQuantity": 99}]}, [("CHANGE_FROM_QUANTITY_STALE", seen)]),
        *(({"quantities": [{**here, "bucket": owned}]}, [("BUCKET_OWNED_BY_DOCUMENT", bucket)]) for owned in OWNED),
    ]
    await all_refused(shop, ask, "inventorySet", good, cases)


async def test_a_bad_move_is_refused_and_nothing_moves(shop: Shop, ask: Ask) -> None:
    here: Answer = {"locationId": shop.east, "quantity": 1, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}
    amount = "moves.0.quantity"
    good = {"sku": shop.skus[0], "moves": [here], "idempotencyKey": "bad"}
    cases: list[Case] = [
        *cases_of_details(shop),
        *cases_of_entries(shop, "moves", here),
        *(
            ({"moves": [{**here, "quantity": quantity}]}, [("INVALID_QUANTITY", amount)])
            for quantity in (0, -1, 1_000_000_001, 2**31 - 1, -1_000_000_000, 10_000_001)
        ),
        ({"moves": [{**here, "quantity": OPENING + 1}]}, [("INSUFFICIENT_STOCK", amount)]),
        ({"moves": [{**here, "quantity": 51}] * 2}, [("INSUFFICIENT_STOCK", amount)]),
        ({"moves": [{**here, "fromPart": "QUARANTINED"}]}, [("INSUFFICIENT_STOCK", amount)]),
        ({"moves": [{**here, "toPart": "AVAILABLE"}]}, [("INVALID_INPUT", "moves.0")]),
    ]
    await all_refused(shop, ask, "inventoryMove", good, cases)


@pytest.mark.parametrize("mutation", ["inventoryActivate", "inventoryDeactivate"])
async def test_a_bad_level_is_refused_and_nothing_moves(shop: Shop, ask: Ask, mutation: str) -> None:
    good = {"sku": shop.skus[0], "locationId": shop.east, "idempotencyKey": "bad"}
    cases: list[Case] = [
        *(
            ({name: text}, [("INVALID_INPUT", name)])
            for name in ("sku", "locationId", "idempotencyKey")
            for text in NOT_EXACT
        ),
        ({"sku": "nope"}, [("ITEM_NOT_FOUND", "sku")]),
        ({"locationId": "nope"}, [("LOCATION_NOT_FOUND", "locationId")]),
        ({"locationId": item_id(shop.skus[0])}, [("LOCATION_NOT_FOUND", "locationId")]),
    ]
    await all_refused(shop, ask, mutation, good, cases)


async def test_an_item_that_is_not_stocked_there_is_not_adjusted(shop: Shop, ask: Ask) -> None:
    place = f"{shop.east}-EMPTY"
    await shop.client.accepted("locationUpsert", "LocationUpsertInput", "", {"code": place})
    entries = [{"locationId": place, "delta": 1}]
    good = {"sku": shop.skus[0], "adjustments": entries, "idempotencyKey": "bad"}
    refused = [("ITEM_NOT_STOCKED_AT_LOCATION", "adjustments.0.locationId")]
    await all_refused(shop, ask, "inventoryAdjust", good, [({}, refused)])
    level = {"sku": shop.skus[0], "locationId": place}
    await all_refused(shop, ask, "inventoryDeactivate", level, [({}, [("ITEM_NOT_STOCKED_AT_LOCATION", "locationId")])])


async def test_the_greatest_and_longest_that_is_allowed_is_taken(shop: Shop, ask: Ask) -> None:
    long = {
        "idempotencyKey": shop.key().ljust(252, "-") + "é€\N{CJK UNIFIED IDEOGRAPH-4E2D}",
        "correlationId": "\N{PACKAGE}" * 500,
        "referenceDocumentUri": "é" * 2048,
        "occurredAt": "0001-01-01T00:00:00+14:00",
    }
    assert len(long["idempotencyKey"]) == 255
    entries = [{"locationId": shop.east, "delta": 1}] * 249 + [{"locationId": shop.west, "delta": 9_999_900}]
    payload = await ask("inventoryAdjust", {"sku": shop.skus[0], "adjustments": entries, **long})
    assert payload["userErrors"] == []
    assert await shop.on_hand() == {
        **{(sku, place): OPENING for sku in shop.skus for place in (shop.east, shop.west)},
        (shop.skus[0], shop.east): OPENING + 249,
        (shop.skus[0], shop.west): 10_000_000,
    }

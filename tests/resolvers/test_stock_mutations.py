"""Payloads of the mutations that move stock; the one rule: a replay repeats the stored answer and moves nothing."""

from dataclasses import replace

import pytest

from domain.principals import Scope
from resolvers.node_ids import channel_id, item_id, level_id, location_id
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, counted, delta, refusals

ADJUSTMENT = """
    id idempotencyKey sku reason sourceChannelId referenceDocumentUri correlationId occurredAt recordedAt recordedBy
    position movements { sku locationCode bucket delta balanceAfter reason recordedAt adjustment { id } }
"""
LEVEL = "id sku location { code } onHand quarantined damaged safetyStock available version hasOpenConflict updatedAt"
PAYLOAD = f"""
    replayed position inventoryItem {{ sku totalAvailableQuantity levels {{ id }} }}
    adjustment {{ {ADJUSTMENT} }} levels {{ {LEVEL} }} syncStatus {{ channelId state idempotencyKey confirmedAt }}
    userErrors {{ field message code quantityAvailable }}
"""
DETAILS = {
    "sourceChannelId": WEB,
    "reason": "SALE",
    "referenceDocumentUri": "https://shop.example/orders/1",
    "correlationId": "trace-1",
    "occurredAt": "2026-02-28T23:30:00+02:00",
}
SELLABLE = "available"


def levels(payload: Answer, *fields: str) -> list[tuple[object, ...]]:
    return [(one["location"]["code"], *(one[field] for field in fields)) for one in payload["levels"]]


async def test_an_adjustment_is_answered_with_all_that_it_did(desk: Desk) -> None:
    before = int(await desk.position())
    entries = [delta(EAST, -5), delta(location_id(WEST), -2), delta(EAST, 1, bucket="DAMAGED")]
    payload = await desk.adjust(PAYLOAD, sku=MUG, adjustments=entries, idempotencyKey="order-1", **DETAILS)
    adjustment = payload["adjustment"]
    at = adjustment["recordedAt"]
    assert payload["inventoryItem"] == {
        "sku": MUG,
        "totalAvailableQuantity": 6,
        "levels": [{"id": level_id(MUG, EAST)}, {"id": level_id(MUG, WEST)}],
    }
    moved = [(EAST, "ON_HAND", -5, 5), (EAST, "DAMAGED", 1, 1), (WEST, "ON_HAND", -2, 2)]
    assert adjustment == {
        "id": adjustment["id"],
        "idempotencyKey": "order-1",
        "sku": MUG,
        "reason": "SALE",
        "sourceChannelId": WEB,
        "referenceDocumentUri": "https://shop.example/orders/1",
        "correlationId": "trace-1",
        "occurredAt": "2026-02-28T21:30:00+00:00",
        "recordedAt": at,
        "recordedBy": "local",
        "position": str(before + 1),
        "movements": [
            {
                "sku": MUG,
                "locationCode": code,
                "bucket": bucket,
                "delta": change,
                "balanceAfter": balance,
                "reason": "SALE",
                "recordedAt": at,
                "adjustment": {"id": adjustment["id"]},
            }
            for code, bucket, change, balance in moved
        ],
    }
    assert (payload["replayed"], payload["position"], payload["userErrors"]) == (False, str(before + 1), [])
    assert levels(payload, "onHand", "damaged", SELLABLE, "version") == [(EAST, 5, 1, 4, 2), (WEST, 2, 0, 2, 2)]
    assert {one["updatedAt"] for one in payload["levels"]} == {at}


@pytest.mark.parametrize(
    "changed", [{}, {"correlationId": "other"}, {"occurredAt": None}, {"referenceDocumentUri": "x"}]
)
async def test_a_replay_answers_the_stored_adjustment_and_the_item_as_it_is_now(desk: Desk, changed: Answer) -> None:
    request = {"sku": MUG, "adjustments": [delta(EAST, -5)], "idempotencyKey": "order-1", **DETAILS}
    first = await desk.adjust(PAYLOAD, **request)
    await desk.adjust(PAYLOAD, sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey="order-2")
    head = await desk.position()
    again = await desk.adjust(PAYLOAD, **{**request, **changed})
    assert again["adjustment"] == first["adjustment"]
    assert (again["replayed"], again["userErrors"], again["levels"]) == (True, [], [])
    assert again["position"] == first["position"] != head
    assert again["inventoryItem"]["totalAvailableQuantity"] == 8
    assert [one["idempotencyKey"] for one in again["syncStatus"]] == ["order-1", "order-1"]
    assert await desk.position() == head


@pytest.mark.parametrize(
    "entries",
    [
        [delta(WEST, -2), delta(EAST, -5)],
        [delta(EAST, -2), delta(location_id(EAST), -3), delta(WEST, -2)],
        [delta(EAST, -5, bucket="ON_HAND"), delta(WEST, -2, changeFromQuantity=None)],
    ],
)
async def test_the_same_change_in_other_words_is_a_replay(desk: Desk, entries: list[Answer]) -> None:
    first = await desk.adjust(PAYLOAD, sku=MUG, adjustments=[delta(EAST, -5), delta(WEST, -2)], idempotencyKey="a")
    again = await desk.adjust(PAYLOAD, sku=MUG, adjustments=entries, idempotencyKey="a", reason="CORRECTION")
    assert (again["replayed"], again["adjustment"]) == (True, first["adjustment"])


@pytest.mark.parametrize(
    "changed",
    [
        {"sku": CUP},
        {"adjustments": [delta(EAST, -4)]},
        {"adjustments": [delta(WEST, -5)]},
        {"adjustments": [delta(EAST, -5, bucket="DAMAGED")]},
        {"adjustments": [delta(EAST, -5, changeFromQuantity=10)]},
        {"reason": "SALE"},
        {"sourceChannelId": WEB},
        {"onShortage": "RECORD_CONFLICT"},
        {"sku": "nope", "adjustments": [delta("nope", 0)]},
    ],
)
async def test_another_change_under_a_used_key_is_a_mismatch_before_all_else(desk: Desk, changed: Answer) -> None:
    request = {"sku": MUG, "adjustments": [delta(EAST, -5)], "idempotencyKey": "a"}
    await desk.accepted("inventoryAdjust", "InventoryAdjustmentInput", request)
    refused = await desk.refused("inventoryAdjust", "InventoryAdjustmentInput", {**request, **changed})
    assert refused == [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")]


async def test_all_mutations_share_one_name_space_of_keys(desk: Desk) -> None:
    await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, 1)], idempotencyKey="a")
    mismatch = [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")]
    counts = {"sku": MUG, "quantities": [counted(EAST, 1)], "idempotencyKey": "a"}
    moves = [{"locationId": EAST, "quantity": 1, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}]
    assert await desk.refused("inventorySet", "InventorySetInput", counts) == mismatch
    move = {"sku": MUG, "moves": moves, "idempotencyKey": "a"}
    assert await desk.refused("inventoryMove", "InventoryMoveInput", move) == mismatch
    level = {"sku": MUG, "locationId": FAR, "idempotencyKey": "a"}
    assert await desk.refused("inventoryActivate", "InventoryActivateInput", level) == mismatch
    assert await desk.refused("inventoryDeactivate", "InventoryDeactivateInput", level) == mismatch


async def test_another_account_may_use_the_same_key(desk: Desk) -> None:
    request = {"sku": MUG, "adjustments": [delta(EAST, -1)], "idempotencyKey": "a"}
    for one, name in ((desk, "local"), (desk.of("other"), "other's clerk")):
        payload = await one.adjust("replayed adjustment { recordedBy }", **request)
        assert payload == {"replayed": False, "adjustment": {"recordedBy": name}}
    assert (await desk.levels())[MUG, EAST] == (8, 3)


async def test_a_narrower_key_is_not_told_what_moved_elsewhere(desk: Desk) -> None:
    """Given a change where another key of the account sees nothing, when it repeats it, then what moved is not told."""
    request = {"sku": MUG, "adjustments": [delta(EAST, -1)], "idempotencyKey": "a"}
    first = await desk.adjust("replayed adjustment { id }", **request)
    for places, told in (({FAR}, None), ({FAR, EAST}, first["adjustment"])):
        narrow = replace(desk, principal=replace(desk.principal, scope=Scope(locations=frozenset(places))))
        again = await narrow.adjust("replayed adjustment { id }", **request)
        assert again == {"replayed": True, "adjustment": told}
        assert await narrow.ask('{ adjustment(idempotencyKey: "a") { id } }') == {"adjustment": told}


async def test_a_refused_key_stays_free(desk: Desk) -> None:
    request = {"sku": MUG, "adjustments": [delta(EAST, -11)], "idempotencyKey": "a"}
    assert await desk.refused("inventoryAdjust", "InventoryAdjustmentInput", request) == [
        ("INSUFFICIENT_STOCK", "input.adjustments.0.delta")
    ]
    await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, 1)], idempotencyKey="b")
    payload = await desk.adjust(PAYLOAD, **request)
    assert (payload["replayed"], payload["userErrors"]) == (False, [])
    assert levels(payload, "onHand") == [(EAST, 0)]


async def test_a_refusal_says_where_how_many_and_shows_the_item(desk: Desk) -> None:
    head = await desk.position()
    entries = [delta(WEST, 1), delta(EAST, -11)]
    payload = await desk.adjust(PAYLOAD, sku=MUG, adjustments=entries, idempotencyKey="a")
    (error,) = payload["userErrors"]
    assert (error["code"], error["field"]) == ("INSUFFICIENT_STOCK", ["input", "adjustments", "1", "delta"])
    assert error["quantityAvailable"] == 10
    assert "10" in error["message"]
    assert (payload["replayed"], payload["adjustment"], payload["levels"]) == (False, None, [])
    assert payload["position"] == head
    assert payload["inventoryItem"]["totalAvailableQuantity"] == 14


async def test_a_count_replaces_the_balance_and_begins_the_level(desk: Desk) -> None:
    quantities = [{"locationId": EAST, "quantity": 6, "changeFromQuantity": 10}, counted(FAR, 3)]
    payload = await desk.count(PAYLOAD, sku=MUG, quantities=quantities, idempotencyKey="count")
    assert levels(payload, "onHand", "version") == [(EAST, 6, 2), (FAR, 3, 1)]
    assert [(one["locationCode"], one["delta"]) for one in payload["adjustment"]["movements"]] == [(EAST, -4), (FAR, 3)]
    assert payload["adjustment"]["reason"] == "CYCLE_COUNT"
    again = await desk.count(PAYLOAD, sku=MUG, quantities=quantities, idempotencyKey="count")
    assert (again["replayed"], again["adjustment"]) == (True, payload["adjustment"])
    stale = {"sku": MUG, "quantities": quantities[:1], "idempotencyKey": "stale"}
    assert await desk.refused("inventorySet", "InventorySetInput", stale) == [
        ("CHANGE_FROM_QUANTITY_STALE", "input.quantities.0.changeFromQuantity")
    ]


async def test_a_count_that_confirms_the_record_is_kept_without_movements(desk: Desk) -> None:
    payload = await desk.count(PAYLOAD, sku=MUG, quantities=[counted(EAST, 10)], idempotencyKey="count")
    assert (payload["adjustment"]["movements"], payload["levels"]) == ([], [])
    assert (await desk.levels())[MUG, EAST] == (10, 1)
    again = await desk.count(PAYLOAD, sku=MUG, quantities=[counted(EAST, 10)], idempotencyKey="count")
    assert (again["replayed"], again["adjustment"]) == (True, payload["adjustment"])


async def test_a_move_changes_the_parts_and_leaves_on_hand(desk: Desk) -> None:
    moves = [
        {"locationId": EAST, "quantity": 3, "fromPart": "AVAILABLE", "toPart": "QUARANTINED"},
        {"locationId": EAST, "quantity": 1, "fromPart": "AVAILABLE", "toPart": "SAFETY_STOCK"},
    ]
    payload = await desk.move(PAYLOAD, sku=MUG, moves=moves, idempotencyKey="move-1")
    assert levels(payload, "onHand", "quarantined", "safetyStock", SELLABLE) == [(EAST, 10, 3, 1, 6)]
    moves = [{"locationId": EAST, "quantity": 2, "fromPart": "QUARANTINED", "toPart": "DAMAGED"}]
    payload = await desk.move(PAYLOAD, sku=MUG, moves=moves, idempotencyKey="move-2", reason="DAMAGE")
    assert levels(payload, "onHand", "quarantined", "damaged", SELLABLE) == [(EAST, 10, 1, 2, 6)]
    moved = [(one["bucket"], one["delta"], one["balanceAfter"]) for one in payload["adjustment"]["movements"]]
    assert moved == [("QUARANTINED", -2, 1), ("DAMAGED", 2, 2)]
    again = await desk.move(PAYLOAD, sku=MUG, moves=moves, idempotencyKey="move-2", reason="DAMAGE")
    assert (again["replayed"], again["adjustment"]) == (True, payload["adjustment"])


@pytest.mark.parametrize(
    ("move", "code", "field"),
    [
        ({"quantity": 11, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}, "INSUFFICIENT_STOCK", "moves.0.quantity"),
        ({"quantity": 1, "fromPart": "DAMAGED", "toPart": "AVAILABLE"}, "INSUFFICIENT_STOCK", "moves.0.quantity"),
        ({"quantity": 0, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}, "INVALID_QUANTITY", "moves.0.quantity"),
        ({"quantity": -1, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}, "INVALID_QUANTITY", "moves.0.quantity"),
        ({"quantity": 1, "fromPart": "DAMAGED", "toPart": "DAMAGED"}, "INVALID_INPUT", "moves.0"),
        (
            {"quantity": 1, "fromPart": "AVAILABLE", "toPart": "DAMAGED", "locationId": FAR},
            "ITEM_NOT_STOCKED_AT_LOCATION",
            "moves.0.locationId",
        ),
        (
            {"quantity": 1, "fromPart": "AVAILABLE", "toPart": "DAMAGED", "locationId": "x"},
            "LOCATION_NOT_FOUND",
            "moves.0.locationId",
        ),
    ],
)
async def test_a_move_that_cannot_be_made_is_refused(desk: Desk, move: Answer, code: str, field: str) -> None:
    request = {"sku": MUG, "moves": [{"locationId": EAST, **move}], "idempotencyKey": "move"}
    assert await desk.refused("inventoryMove", "InventoryMoveInput", request) == [(code, f"input.{field}")]


async def test_a_fact_without_stock_is_recorded(desk: Desk) -> None:
    payload = await desk.adjust(
        PAYLOAD, sku=MUG, adjustments=[delta(WEST, -6)], idempotencyKey="fact", onShortage="RECORD_CONFLICT"
    )
    assert levels(payload, "onHand", SELLABLE, "hasOpenConflict") == [(WEST, -2, -2, True)]
    payload = await desk.count(PAYLOAD, sku=MUG, quantities=[counted(WEST, 1)], idempotencyKey="found")
    assert levels(payload, "onHand", "hasOpenConflict") == [(WEST, 1, False)]


LEVEL_PAYLOAD = """
    replayed position inventoryItem { levels { location { code } onHand version } }
    syncStatus { channelId idempotencyKey } userErrors { field message code }
"""


async def begin(desk: Desk, **fields: object) -> Answer:
    return await desk.change("inventoryActivate", "InventoryActivateInput", LEVEL_PAYLOAD, fields)


async def end(desk: Desk, **fields: object) -> Answer:
    return await desk.change("inventoryDeactivate", "InventoryDeactivateInput", LEVEL_PAYLOAD, fields)


async def test_a_level_begins_ends_and_begins_again(desk: Desk) -> None:
    head = int(await desk.position())
    payload = await begin(desk, sku=JAR, locationId=location_id(FAR))
    assert payload["inventoryItem"]["levels"] == [{"location": {"code": FAR}, "onHand": 0, "version": 1}]
    assert (payload["replayed"], payload["position"], payload["syncStatus"]) == (False, str(head + 1), [])
    assert (await begin(desk, sku=JAR, locationId=FAR))["position"] == str(head + 1)
    assert (await end(desk, sku=JAR, locationId=FAR))["inventoryItem"]["levels"] == []
    again = await begin(desk, sku=JAR, locationId=FAR)
    assert again["inventoryItem"]["levels"] == [{"location": {"code": FAR}, "onHand": 0, "version": 3}]
    assert int(await desk.position()) == head + 3


async def test_beginning_and_ending_a_level_may_carry_a_key(desk: Desk) -> None:
    first = await begin(desk, sku=JAR, locationId=FAR, idempotencyKey="begin")
    assert (await end(desk, sku=JAR, locationId=FAR, idempotencyKey="end"))["replayed"] is False
    head = await desk.position()
    again = await begin(desk, sku=JAR, locationId=FAR, idempotencyKey="begin")
    assert (again["replayed"], again["inventoryItem"]["levels"], again["userErrors"]) == (True, [], [])
    assert (await end(desk, sku=JAR, locationId=FAR, idempotencyKey="end"))["replayed"] is True
    assert first["replayed"] is False
    assert await desk.position() == head


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"sku": MUG, "locationId": EAST}, "LEVEL_NOT_EMPTY", "locationId"),
        ({"sku": MUG, "locationId": FAR}, "ITEM_NOT_STOCKED_AT_LOCATION", "locationId"),
        ({"sku": "nope", "locationId": EAST}, "ITEM_NOT_FOUND", "sku"),
        ({"sku": MUG, "locationId": "nope"}, "LOCATION_NOT_FOUND", "locationId"),
        ({"sku": MUG, "locationId": item_id(MUG)}, "LOCATION_NOT_FOUND", "locationId"),
        ({"sku": MUG, "locationId": channel_id(TILL)}, "LOCATION_NOT_FOUND", "locationId"),
        ({"sku": "", "locationId": EAST}, "INVALID_INPUT", "sku"),
        ({"sku": MUG, "locationId": "a\0b"}, "INVALID_INPUT", "locationId"),
        ({"sku": MUG, "locationId": EAST, "idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ],
)
async def test_a_level_that_cannot_end_is_left_alone(desk: Desk, fields: Answer, code: str, field: str) -> None:
    assert await desk.refused("inventoryDeactivate", "InventoryDeactivateInput", fields) == [(code, f"input.{field}")]


async def test_sync_status_is_suspended_without_a_connector(desk: Desk) -> None:
    document = """
    mutation($input: InventoryAdjustmentInput!) { inventoryAdjust(input: $input) { syncStatus {
      channelId sku state desiredQuantity confirmedQuantity confirmedAt idempotencyKey lagSeconds attempts lastError
      nextAttemptAt
    } } }
    """
    entries = [delta(EAST, -1)]
    data = await desk.ask(document, input={"sku": MUG, "adjustments": entries, "idempotencyKey": "this"})
    nothing = dict.fromkeys(["desiredQuantity", "confirmedQuantity", "confirmedAt", "lagSeconds", "lastError"])
    assert data["inventoryAdjust"]["syncStatus"] == [
        {
            "channelId": code,
            "sku": MUG,
            "state": "SUSPENDED",
            "idempotencyKey": "this",
            "attempts": 0,
            "nextAttemptAt": None,
            **nothing,
        }
        for code in (TILL, WEB)
    ]
    item = await desk.ask('{ inventoryItem(sku: "MUG-01") { syncStatus { channelId state idempotencyKey } } }')
    status = [{"channelId": code, "state": "SUSPENDED", "idempotencyKey": None} for code in (TILL, WEB)]
    assert item == {"inventoryItem": {"syncStatus": status}}


async def test_sync_status_leaves_archived_channels_out_and_is_there_for_a_refusal(desk: Desk) -> None:
    await desk.accepted("channelArchive", "ChannelArchiveInput", {"channelId": TILL})
    selection = "syncStatus { channelId idempotencyKey } userErrors { field code }"
    payload = await desk.adjust(selection, sku=MUG, adjustments=[delta(EAST, -99)], idempotencyKey="no")
    assert payload["syncStatus"] == [{"channelId": WEB, "idempotencyKey": "no"}]
    assert refusals(payload) == [("INSUFFICIENT_STOCK", "input.adjustments.0.delta")]
    payload = await desk.adjust(selection, sku="nope", adjustments=[delta(EAST, 1)], idempotencyKey="no")
    assert payload["syncStatus"] == []

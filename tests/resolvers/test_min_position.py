"""`minPosition` without a replica; the one rule: who names a position is told nothing older, or is refused."""

import asyncio

import pytest

from resolvers.error_codes import ErrorCode
from resolvers.node_ids import item_id
from tests.resolvers.desk import EAST, MUG, WEB, Desk, delta

ONE_BEYOND = 1
LARGEST = str(2**63 - 1)
QUESTIONS = {
    "availability": f'availability(skus: ["{MUG}"], minPosition: $at) {{ availableQuantity }}',
    "inventoryItem": f'inventoryItem(sku: "{MUG}", minPosition: $at) {{ sku totalAvailableQuantity }}',
    "inventoryItems": "inventoryItems(minPosition: $at) { nodes { sku totalAvailableQuantity } }",
    "location": f'location(id: "{EAST}", minPosition: $at) {{ code channels {{ code }} }}',
    "locations": "locations(minPosition: $at) { nodes { code channels { code } } }",
    "channel": f'channel(id: "{WEB}", minPosition: $at) {{ code }}',
    "channels": "channels(minPosition: $at) { nodes { code } }",
    "movements": f'movements(sku: "{MUG}", minPosition: $at) {{ nodes {{ delta location {{ code }} }} }}',
    "reservation": 'reservation(id: "nope", minPosition: $at) { state lines { item { sku } } }',
    "reservations": "reservations(minPosition: $at) { nodes { state allocation { state } } }",
    "allocation": 'allocation(orderId: "nope", minPosition: $at) { state lines { item { sku } } }',
    "node": f'node(id: "{item_id(MUG)}", minPosition: $at) {{ ... on InventoryItem {{ totalAvailableQuantity }} }}',
    "_entities": f'_entities(representations: [{{__typename: "ProductVariant", sku: "{MUG}"}}]) '
    "{ ... on ProductVariant { availability(minPosition: $at) { sku } inventoryItem(minPosition: $at) { sku } } }",
}


def each_question() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", QUESTIONS)


def asking(name: str) -> str:
    return f"query q($at: String) {{ {QUESTIONS[name]} }}"


@each_question()
async def test_a_position_that_there_is_changes_nothing_in_the_answer(desk: Desk, name: str) -> None:
    plain = await desk.ask(asking(name))
    assert await desk.ask(asking(name), at=await desk.position()) == plain
    assert await desk.ask(asking(name), at="0") == plain


@each_question()
@pytest.mark.parametrize("beyond", ["one beyond", LARGEST])
async def test_a_position_that_there_is_not_yet_is_refused(desk: Desk, name: str, beyond: str) -> None:
    head = int(await desk.position())
    result = await desk.execute(asking(name), {"at": beyond if beyond == LARGEST else str(head + ONE_BEYOND)})
    assert {one.extensions["code"] for one in result.errors} == {ErrorCode.POSITION_NOT_REACHED}
    assert {one.path[0] for one in result.errors} == {name}
    assert str(head) in result.errors[0].message


@each_question()
@pytest.mark.parametrize("text", ["", "-1", "1.0", "one", " 1", "9" * 19, "٣"])
async def test_what_is_no_position_is_a_bad_input(desk: Desk, name: str, text: str) -> None:
    result = await desk.execute(asking(name), {"at": text})
    assert {one.extensions["code"] for one in result.errors} == {ErrorCode.INVALID_INPUT}
    assert result.errors[0].message == "`minPosition` is not a position; give one as it was answered."


async def test_the_position_of_a_change_shows_the_change(desk: Desk) -> None:
    payload = await desk.adjust("position", sku=MUG, adjustments=[delta(EAST, -3)], idempotencyKey="sale")
    assert await desk.ask(asking("availability"), at=payload["position"]) == {
        "availability": [{"availableQuantity": 11}]
    }
    assert (await desk.ask(asking("inventoryItem"), at=payload["position"]))["inventoryItem"] == {
        "sku": MUG,
        "totalAvailableQuantity": 11,
    }


async def test_each_root_field_has_a_position_of_its_own(desk: Desk) -> None:
    beyond = str(int(await desk.position()) + ONE_BEYOND)
    result = await desk.execute(
        f'query q($at: String) {{ far: inventoryItem(sku: "{MUG}", minPosition: $at) {{ sku }} '
        f'near: inventoryItem(sku: "{MUG}", minPosition: "1") {{ sku totalAvailableQuantity }} }}',
        {"at": beyond},
    )
    assert result.data == {"far": None, "near": {"sku": MUG, "totalAvailableQuantity": 14}}
    assert [(one.extensions["code"], one.path) for one in result.errors] == [(ErrorCode.POSITION_NOT_REACHED, ["far"])]


async def test_who_names_a_position_that_there_is_not_yet_fails_nobody_of_the_same_turn(desk: Desk) -> None:
    head = int(await desk.position())
    asked = [None, str(head), str(head + 1), str(head + 2), "1"]
    results = await asyncio.gather(*(desk.execute(asking("availability"), {"at": one}) for one in asked))
    assert [one.data["availability"] for one in results] == [
        [{"availableQuantity": 14}],
        [{"availableQuantity": 14}],
        None,
        None,
        [{"availableQuantity": 14}],
    ]

"""dryRun: everything is computed and answered, nothing is kept; the one rule: the same request can be made for good."""

import sqlite3
from contextlib import closing

import pytest

from app.storage.tables import metadata
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, counted, delta, refusals

ANSWER = """
    replayed position inventoryItem { sku totalAvailableQuantity }
    adjustment { id position idempotencyKey reason movements { locationCode bucket delta balanceAfter } }
    levels { location { code } onHand damaged available version }
    syncStatus { channelId state idempotencyKey }
    userErrors { field message code quantityAvailable }
"""
KINDS = {
    "inventoryAdjust": "InventoryAdjustmentInput",
    "inventorySet": "InventorySetInput",
    "inventoryMove": "InventoryMoveInput",
}
REQUESTS: dict[str, Answer] = {
    "inventoryAdjust": {"sku": MUG, "adjustments": [delta(EAST, -3), delta(WEST, 1)], "idempotencyKey": "try"},
    "inventorySet": {"sku": MUG, "quantities": [counted(EAST, 3), counted(FAR, 5)], "idempotencyKey": "try"},
    "inventoryMove": {
        "sku": MUG,
        "moves": [{"locationId": EAST, "quantity": 2, "fromPart": "AVAILABLE", "toPart": "DAMAGED"}],
        "idempotencyKey": "try",
    },
}
LEVELS = {
    "inventoryAdjust": [(EAST, 7, 0, 7, 2), (WEST, 5, 0, 5, 2)],
    "inventorySet": [(EAST, 3, 0, 3, 2), (FAR, 5, 0, 5, 1)],
    "inventoryMove": [(EAST, 10, 2, 8, 2)],
}
MOVEMENTS = {
    "inventoryAdjust": [(EAST, "ON_HAND", -3, 7), (WEST, "ON_HAND", 1, 5)],
    "inventorySet": [(EAST, "ON_HAND", -7, 3), (FAR, "ON_HAND", 5, 5)],
    "inventoryMove": [(EAST, "DAMAGED", 2, 2)],
}


def everything_kept(desk: Desk) -> dict[str, list[object]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(desk.gateway.settings.sqlite_path)) as connection:
        names = [table.name for table in metadata.sorted_tables]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def movements(payload: Answer) -> list[object]:
    rows = payload["adjustment"]["movements"]
    return [(row["locationCode"], row["bucket"], row["delta"], row["balanceAfter"]) for row in rows]


def levels(payload: Answer) -> list[object]:
    return [
        (one["location"]["code"], one["onHand"], one["damaged"], one["available"], one["version"])
        for one in payload["levels"]
    ]


@pytest.mark.parametrize("mutation", KINDS)
async def test_a_dry_run_answers_all_and_keeps_nothing(desk: Desk, mutation: str) -> None:
    before, position = everything_kept(desk), await desk.position()
    payload = await desk.change(mutation, KINDS[mutation], ANSWER, {**REQUESTS[mutation], "dryRun": True})
    assert everything_kept(desk) == before
    assert (payload["replayed"], payload["position"], payload["userErrors"]) == (False, position, [])
    assert payload["inventoryItem"] == {"sku": MUG, "totalAvailableQuantity": 14}
    assert payload["adjustment"]["position"] is None
    assert (movements(payload), levels(payload)) == (MOVEMENTS[mutation], LEVELS[mutation])
    assert [(one["channelId"], one["idempotencyKey"]) for one in payload["syncStatus"]] == [(TILL, "try"), (WEB, "try")]


@pytest.mark.parametrize("mutation", KINDS)
async def test_what_was_tried_can_be_done_for_good_and_is_as_was_answered(desk: Desk, mutation: str) -> None:
    tried = await desk.change(mutation, KINDS[mutation], ANSWER, {**REQUESTS[mutation], "dryRun": True})
    done = await desk.change(mutation, KINDS[mutation], ANSWER, {**REQUESTS[mutation], "dryRun": False})
    assert (done["replayed"], int(done["position"])) == (False, int(tried["position"]) + 1)
    assert (movements(done), levels(done)) == (movements(tried), levels(tried))
    assert done["adjustment"]["id"] != tried["adjustment"]["id"]


@pytest.mark.parametrize("mutation", KINDS)
async def test_a_dry_run_looks_up_no_key(desk: Desk, mutation: str) -> None:
    await desk.change(mutation, KINDS[mutation], ANSWER, REQUESTS[mutation])
    payload = await desk.adjust(
        ANSWER, sku=CUP, adjustments=[delta(EAST, -1)], idempotencyKey=REQUESTS[mutation]["idempotencyKey"], dryRun=True
    )
    assert (payload["replayed"], refusals(payload), movements(payload)) == (False, [], [(EAST, "ON_HAND", -1, 6)])


async def test_a_dry_run_is_refused_like_the_real_thing(desk: Desk) -> None:
    for dry_run in (True, False):
        payload = await desk.adjust(
            ANSWER, sku=MUG, adjustments=[delta(EAST, -11)], idempotencyKey="try", dryRun=dry_run
        )
        assert refusals(payload) == [("INSUFFICIENT_STOCK", "input.adjustments.0.delta")]
        assert payload["userErrors"][0]["quantityAvailable"] == 10
        assert (payload["adjustment"], payload["levels"]) == (None, [])


BULK = f"""
mutation bulk($inputs: [InventoryAdjustmentInput!]!, $errorPolicy: ErrorPolicy!) {{
  inventoryAdjustBulk(inputs: $inputs, errorPolicy: $errorPolicy) {{ results {{ {ANSWER} }} userErrors {{ code }} }}
}}
"""


@pytest.mark.parametrize(
    ("policy", "takes", "outcomes"),
    [
        ("REJECT_FAILED_ROWS", (-6, -6), [[(EAST, "ON_HAND", -6, 4)], [(EAST, "ON_HAND", -6, 4)]]),
        ("REJECT_EVERYTHING", (-6, -4), [[(EAST, "ON_HAND", -6, 4)], [(EAST, "ON_HAND", -4, 0)]]),
        ("REJECT_EVERYTHING", (-6, -6), ["BULK_REFUSED", "INSUFFICIENT_STOCK"]),
    ],
)
async def test_dry_runs_of_a_bulk_are_judged_as_it_would_be_and_keep_nothing(
    desk: Desk, policy: str, takes: tuple[int, int], outcomes: list[object]
) -> None:
    before = everything_kept(desk)
    inputs = [
        {"sku": MUG, "adjustments": [delta(EAST, take)], "idempotencyKey": f"try-{take}-{number}", "dryRun": True}
        for number, take in enumerate(takes)
    ]
    results = (await desk.ask(BULK, inputs=inputs, errorPolicy=policy))["inventoryAdjustBulk"]["results"]
    assert [one["userErrors"][0]["code"] if one["userErrors"] else movements(one) for one in results] == outcomes
    assert everything_kept(desk) == before


async def test_a_count_by_dry_run_begins_no_level(desk: Desk) -> None:
    payload = await desk.count(ANSWER, sku=JAR, quantities=[counted(FAR, 1)], idempotencyKey="try", dryRun=True)
    assert levels(payload) == [(FAR, 1, 0, 1, 1)]
    document = '{ inventoryItem(sku: "JAR-01") { levels { version } totalAvailableQuantity } }'
    assert (await desk.ask(document))["inventoryItem"] == {"levels": [], "totalAvailableQuantity": 0}

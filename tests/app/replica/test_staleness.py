"""How old an answer of the replica may be; the one rule: no older than the bound, and no older than its reader asks."""

import asyncio
import re
import time
from typing import Any

import pytest
import strawberry

from app import answers
from resolvers.node_ids import item_id
from tests.app.postgres_store import PostgresStore
from tests.app.replica.floor import (
    HOW_MANY,
    STALENESS_MS,
    Floor,
    floor_on,
    lines_about_the_replica,
    listen,
)
from tests.resolvers.desk import EAST, MUG, TILL, WEB
from tests.servers.standby import StandbyServer

CHANGES = 25
AT = "$at: String"
LEVELS = "levels { onHand location { code } }"
ABOUT_A_MUG = {
    "availability": f'{{ availability(skus: ["{MUG}"], minPosition: $at) {{ {LEVELS} }} }}',
    "inventoryItem": f'{{ inventoryItem(sku: "{MUG}", minPosition: $at) {{ {LEVELS} }} }}',
    "inventoryItems": f'{{ inventoryItems(filter: {{skus: ["{MUG}"]}}, minPosition: $at) {{ nodes {{ {LEVELS} }} }} }}',
    "node": f'{{ node(id: "{item_id(MUG)}", minPosition: $at) {{ ... on InventoryItem {{ {LEVELS} }} }} }}',
}


def on_hand_in(answer: Any) -> int:
    """Return what stands at EAST, wherever in the answer it is."""
    while isinstance(answer, list) or "onHand" not in answer:
        answer = answer[0] if isinstance(answer, list) else next(iter(answer.values()))
    return int(answer["onHand"])


async def test_a_replica_that_stands_still_is_left_within_the_bound_and_used_again(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a replica in use, when it stops replaying, then changes are seen within the bound; later it comes back."""
    listen(caplog)
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        standby.pause()
        _, position = await floor.sell("while it stands still")
        acknowledged_at = began_at = time.monotonic()
        while await floor.position_seen() < int(position):
            began_at = time.monotonic()
        assert began_at - acknowledged_at <= STALENESS_MS / 1000
        assert not floor.replica.is_used
        for _ in range(20):
            assert await floor.position_seen() >= int(position)
        standby.resume()
        await floor.until_used()
        await floor.until_answered()
    name = f"the read replica postgresql://127.0.0.1:{standby.port}/{store.name}"
    first, left, back = lines_about_the_replica(caplog)
    assert first == ("INFO", f"{name} is used")
    assert left[0] == back[0] == "WARNING"
    behind = "it lacks 1 of the events that it should have by now"
    assert left[1].startswith(f"{name} is not used for now: {behind} (it had answered ")
    # The read that found out, if it was one, is among those that went on.
    assert re.search(r" is used again after [\d.]+ s, in which the primary was asked for 2[01] reads$", back[1])


async def test_within_the_bound_the_replica_is_believed(floor: Floor) -> None:
    """Given a long bound and a replica that stands still, then it still answers, with what it has."""
    before = await floor.position_seen()
    floor.standby.pause()
    await floor.sell("while it stands still")
    assert await floor.position_seen() == before
    assert (floor.replica.answered, floor.replica.passed_on) == (2, 0)


@pytest.mark.parametrize("name", ABOUT_A_MUG)
async def test_who_names_the_position_of_a_change_sees_it(floor: Floor, name: str) -> None:
    """Given a replica that stands still, when each change's position is named in the next question, then it is seen."""
    floor.standby.pause()
    for number in range(CHANGES):
        left, position = await floor.sell(f"sale {number}")
        data = await floor.desk.ask(f"query q({AT}) {ABOUT_A_MUG[name]}", at=position)
        assert on_hand_in(data) == left == 9 - number
    assert on_hand_in(await floor.desk.ask(f"query q({AT}) {ABOUT_A_MUG[name]}")) == 10
    assert floor.replica.is_used


async def test_lists_show_what_was_changed_up_to_the_position_that_is_named(floor: Floor) -> None:
    """Given a replica that stands still, then movements, places and what is nested in them reach the named position."""
    floor.standby.pause()
    await floor.sell("sale")
    await floor.desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": "kiosk"})
    payload = await floor.desk.change(
        "locationUpsert", "LocationUpsertInput", "position", {"code": EAST, "channelIds": ["kiosk"]}
    )
    position = payload["position"]
    document = f"""query q({AT}) {{
      movements(first: 1, minPosition: $at) {{ nodes {{ delta adjustment {{ idempotencyKey }} }} }}
      location(id: "{EAST}", minPosition: $at) {{ channels {{ code }} }}
      locations(minPosition: $at) {{ nodes {{ code channels {{ code }} }} }}
      channel(id: "kiosk", minPosition: $at) {{ code }}
      channels(minPosition: $at) {{ nodes {{ code }} }} }}"""
    new, old = await floor.desk.ask(document, at=position), await floor.desk.ask(document)
    assert new["movements"]["nodes"] == [{"delta": -1, "adjustment": {"idempotencyKey": "sale"}}]
    assert old["movements"]["nodes"] != new["movements"]["nodes"]
    assert (new["location"]["channels"], old["location"]["channels"]) == (
        [{"code": "kiosk"}],
        [{"code": TILL}, {"code": WEB}],
    )
    assert new["locations"]["nodes"][0] == {"code": EAST, "channels": [{"code": "kiosk"}]}
    assert (new["channel"], old["channel"]) == ({"code": "kiosk"}, None)
    assert [one["code"] for one in new["channels"]["nodes"]] == ["kiosk", TILL, WEB]
    assert [one["code"] for one in old["channels"]["nodes"]] == [TILL, WEB]


async def test_a_position_counts_for_its_own_question_only(floor: Floor) -> None:
    """Given a replica that stands still, when some of many name a position, then the others stay with the replica."""
    old = await floor.position_seen()
    floor.standby.pause()
    _, position = await floor.sell("sale")
    answered = floor.replica.answered
    seen = await asyncio.gather(*(floor.position_seen(at=at) for at in (None, position, None, position, str(old))))
    assert seen == [old, int(position), old, int(position), int(position)]
    assert (floor.replica.answered - answered, floor.replica.passed_on) == (1, 1)


async def test_a_position_that_the_replica_has_reached_is_answered_there(floor: Floor) -> None:
    """Given a replica that has caught up, then the position of a change is no reason to ask the primary."""
    _, position = await floor.sell("sale")
    floor.standby.catch_up()
    assert await floor.position_seen(at=position) == int(position)
    assert (floor.replica.answered, floor.replica.passed_on) == (1, 0)


async def test_a_position_that_the_primary_shows_a_moment_later_is_waited_for(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a position that a replica may have shown before the primary does, then it is not refused at once."""
    monkeypatch.setattr(answers, "AHEAD_SECONDS_MAX", 1.0)
    head = await floor.position_seen()
    floor.standby.pause()
    asked = asyncio.create_task(floor.position_seen(at=str(head + 1)))
    await asyncio.sleep(0.1)
    await floor.sell("a moment later")
    assert await asked == head + 1


async def test_a_position_that_there_is_not_yet_is_refused(floor: Floor) -> None:
    """Given a position beyond the primary's head, then it is refused, and nobody who asked at the same time is."""
    head = await floor.position_seen()
    document = HOW_MANY.replace("])", f'], minPosition: "{head + 1}")')
    refused, answered = await asyncio.gather(floor.desk.problems(document), floor.desk.ask(HOW_MANY))
    assert refused == [("POSITION_NOT_REACHED", ("availability",))]
    assert answered["availability"][0]["position"] == str(head)

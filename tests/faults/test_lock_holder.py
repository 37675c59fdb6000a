"""A gateway is cut off from the database while it holds locks that another needs: the other goes on within 3 s."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.clients import Mix
from tests.faults.counts import SEED, count
from tests.faults.journal import Operation
from tests.faults.stores import PostgresStore, ways_to
from tests.faults.trial import LOCATIONS, SKUS, Trial, open_trial
from tests.servers.fault_proxy import FaultProxy, Then
from tests.servers.wire_text import PREPARING

ROUNDS: Final = count("LOCK_HOLDERS", ci=1)
OTHER_GOES_ON_SECONDS_MAX: Final = 3.0
LOCKED_SECONDS: Final = 0.1
"""The database has the statement when the trap springs, and its locks a moment later."""
WAITED_SECONDS_MIN: Final = 0.5
"""Who is answered before that was not stopped by the locks: the fault did not happen."""
SPRINGS_SECONDS_MAX: Final = 10.0
SECONDS_MAX_PER_ROUND: Final = 60
SECONDS_MAX_BESIDES: Final = 120
CALM: Final = Mix(skus=SKUS, locations=LOCATIONS, clients=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When the way is to vanish: behind which statement, and whether the other gateway then wants the same level."""

    name: str
    is_it: Callable[[str], bool]
    wants_same_level: bool
    then: Then = Then.HOLD
    is_on_new_sessions: bool = False


def locks_levels(sql: str) -> bool:
    """Whether a statement locks stock levels."""
    return "FOR UPDATE" in sql and not sql.startswith(PREPARING)


def locks_head(sql: str) -> bool:
    """Whether a statement locks the head of the log."""
    return "UPDATE feed_head" in sql and not sql.startswith(PREPARING)


def prepares_under_locks(sql: str) -> bool:
    """Whether a session that has locked levels is about to lock the head of the log for the first time."""
    return "UPDATE feed_head" in sql and sql.startswith(PREPARING)


MOMENTS: Final = (
    Moment(name="levels are locked", is_it=locks_levels, wants_same_level=True),
    Moment(name="half of the next", is_it=locks_levels, wants_same_level=True, then=Then.HOLD_IN_NEXT),
    Moment(name="the head is locked", is_it=locks_head, wants_same_level=False),
    Moment(name="half of the events", is_it=locks_head, wants_same_level=False, then=Then.HOLD_IN_NEXT),
    # Until what it has prepared is run, the server takes the session for busy, not for idle in its transaction.
    Moment(name="preparing", is_it=prepares_under_locks, wants_same_level=True, is_on_new_sessions=True),
)


async def test_a_gateway_that_vanished_with_its_locks_stops_the_other_for_three_seconds_at_the_most(
    tmp_path: Path, postgres_store: PostgresStore
) -> None:
    with ways_to(postgres_store, count=1) as (way,):
        async with (
            asyncio.timeout(SECONDS_MAX_BESIDES + ROUNDS * SECONDS_MAX_PER_ROUND),
            open_trial(
                tmp_path,
                postgres_store,
                seed=SEED,
                mix=CALM,
                database_urls=[postgres_store.by_way_of(way), postgres_store.url],
            ) as trial,
        ):
            waited = {
                moment.name: [await vanish_once(trial, way, moment, number=number) for number in range(ROUNDS)]
                for moment in MOMENTS
            }
            aftermath = await trial.finish()
    for name, seconds in waited.items():
        print(f"\n{name}: the other gateway went on after {[f'{one:.2f} s' for one in seconds]}", end="")
    print("\n" + "\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert min(map(min, waited.values())) >= WAITED_SECONDS_MIN
    assert max(map(max, waited.values())) <= OTHER_GOES_ON_SECONDS_MAX


async def vanish_once(trial: Trial, way: FaultProxy, moment: Moment, *, number: int) -> float:
    """Let gateway A vanish behind a statement; return how long gateway B then takes to keep a change of its own."""
    load, (gone, other) = trial.load, trial.gateways
    place, sku = LOCATIONS[0], SKUS[number % len(SKUS)]
    wanted = sku if moment.wants_same_level else SKUS[(number + 1) % len(SKUS)]
    if moment.is_on_new_sessions:
        way.go_down()
        way.pass_on()
    trap = way.arm(moment.is_it, moment.then)
    cut_off = asyncio.create_task(load.deliver(load.request(Operation.ADJUST, sku, {place: 1}), url=gone.url))
    try:
        await trap.springs(seconds_max=SPRINGS_SECONDS_MAX)
        began = time.monotonic()
        await asyncio.sleep(LOCKED_SECONDS)
        delivery = await load.deliver(load.request(Operation.ADJUST, wanted, {place: 1}), url=other.url)
        waited = delivery.answered_at - began
        assert not cut_off.done(), "the gateway was not cut off"
        way.pass_on()
        await cut_off
    finally:
        cut_off.cancel()
    return waited

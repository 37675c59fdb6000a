"""The database is a black hole, or slow: every request is answered within its deadline, and the pool is whole after."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.caller import Caller, NotAnsweredError
from tests.faults.clients import LEVELS
from tests.faults.counts import SEED, seconds
from tests.faults.gateway_process import GatewayProcess
from tests.faults.stores import PostgresStore, ways_to
from tests.faults.trial import Trial, open_trial
from tests.servers.fault_proxy import FaultProxy

SILENT_SECONDS: Final = seconds("SILENT_SECONDS", ci=4)
SLOW_SECONDS: Final = seconds("SLOW_SECONDS", ci=2)
LOADED_SECONDS: Final = 1.0
SECONDS_MAX_BESIDES: Final = 180
READERS: Final = 4
SLACK_SECONDS: Final = 1.0
"""What an answer may take beyond its deadlines on a busy machine."""
SAID_MEANWHILE: Final = {"UNAVAILABLE", "OVERLOADED"}
READ_CONNECTIONS: Final = 4
WRITING_SESSIONS: Final = 3
WAY_SECONDS: Final = 0.05
"""How late the slow way to the database brings each piece, there and back."""
TRIES: Final = 5
MOVEMENTS: Final = "query ($sku: String!) { movements(sku: $sku, first: 1) { edges { node { delta } } } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """The gateway's own deadlines, in milliseconds."""

    queue_ms: int
    commit_ms: int
    read_ms: int
    lock_ms: int

    @property
    def settings(self) -> dict[str, str]:
        """Return them as the gateway is told."""
        return {
            "STOCKGATE_QUEUE_DEADLINE_MS": str(self.queue_ms),
            "STOCKGATE_COMMIT_DEADLINE_MS": str(self.commit_ms),
            "STOCKGATE_READ_DEADLINE_MS": str(self.read_ms),
            "STOCKGATE_LOCK_TIMEOUT_MS": str(self.lock_ms),
            "STOCKGATE_READ_CONNECTIONS": str(READ_CONNECTIONS),
        }

    @property
    def write_seconds(self) -> float:
        """How long a change may take: its sender is looked up, it waits for its batch, the batch is committed."""
        return (self.read_ms + self.queue_ms + self.commit_ms) / 1000 + SLACK_SECONDS

    @property
    def read_seconds(self) -> float:
        """How long a read may take: its sender is looked up, then it is read."""
        return 2 * self.read_ms / 1000 + SLACK_SECONDS


TIGHT: Final = Deadlines(queue_ms=1000, commit_ms=1500, read_ms=1000, lock_ms=1000)
USUAL: Final = Deadlines(queue_ms=5000, commit_ms=10_000, read_ms=5000, lock_ms=2000)
"""The defaults: they need a black hole that outlasts them."""
CHOSEN: Final = (TIGHT, USUAL) if USUAL.write_seconds < SILENT_SECONDS else (TIGHT,)


@pytest.mark.parametrize("deadlines", CHOSEN, ids=["tight", "usual"][: len(CHOSEN)])
async def test_a_database_that_is_silent_or_slow_holds_nobody_up(
    tmp_path: Path, postgres_store: PostgresStore, deadlines: Deadlines
) -> None:
    with ways_to(postgres_store, count=2) as ways:
        async with (
            asyncio.timeout(SECONDS_MAX_BESIDES + SILENT_SECONDS + SLOW_SECONDS),
            open_trial(
                tmp_path,
                postgres_store,
                seed=SEED,
                database_urls=[postgres_store.by_way_of(way) for way in ways],
                settings=deadlines.settings,
            ) as trial,
        ):
            async with trial.under_load() as pause, reading(trial) as readers:
                await pause(LOADED_SECONDS)
                for way in ways:
                    way.hold()
                await pause(SILENT_SECONDS)
                for way in ways:
                    way.pass_on()
                healed_after = await seconds_until_answered(trial)
                silent = dict(trial.load.caller.turned_away)
                for way in ways:
                    way.slow(latency_seconds=0.01, bytes_per_second=1_000_000)
                await pause(SLOW_SECONDS)
                for way in ways:
                    way.pass_on()
            alone, together = await width_of_the_pool(trial, ways)
            sessions = await sessions_open(postgres_store)
            aftermath = await trial.finish()
    print(f"\nsilent for {SILENT_SECONDS} s: {silent}, reads {dict(readers.turned_away)}")
    print(f"longest waits: a change {aftermath.longest_wait_seconds:.2f} s of {deadlines.write_seconds} s, a read")
    print(f"{readers.longest_wait_seconds:.2f} s of {deadlines.read_seconds} s; well again after {healed_after:.2f} s")
    print(f"one read alone {alone:.2f} s, {READ_CONNECTIONS} at once {together:.2f} s; {sessions} sessions are open")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert aftermath.turned_away["UNAVAILABLE"] > 0
    assert readers.turned_away["UNAVAILABLE"] > 0
    assert {*aftermath.turned_away, *readers.turned_away} <= SAID_MEANWHILE
    assert aftermath.longest_wait_seconds <= deadlines.write_seconds
    assert readers.longest_wait_seconds <= deadlines.read_seconds
    assert together < alone * 2
    assert sessions <= 2 * (WRITING_SESSIONS + READ_CONNECTIONS)


@asynccontextmanager
async def reading(trial: Trial) -> AsyncIterator[Caller]:
    """Read all the time while the block runs; the caller knows how long it was made to wait."""
    load = trial.load.caller
    caller = Caller(session=load.session, urls=load.urls, chance=random.Random(trial.seed))
    skus = list(trial.load.mix.skus)

    async def read_on() -> None:
        while True:
            with suppress(NotAnsweredError):
                await caller.ask(LEVELS, {"skus": skus})
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(read_on()) for _ in range(READERS)]
    try:
        yield caller
        assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def seconds_until_answered(trial: Trial) -> float:
    """Wait until each gateway answers a read, and return how long that took."""
    began = time.monotonic()
    for gateway in trial.gateways:
        await trial.load.caller.answer(LEVELS, {"skus": list(trial.load.mix.skus)}, url=gateway.url)
    return time.monotonic() - began


async def width_of_the_pool(trial: Trial, ways: Sequence[FaultProxy]) -> tuple[float, float]:
    """Return how long one read takes over a slow way, and as many at once as there are connections for them.

    Connections that were lost and not opened again, or never given back, would let them wait for each other.
    """
    for way in ways:
        way.slow(latency_seconds=WAY_SECONDS)
    alone = max([await _reads_at(gateway, trial, 1) for gateway in trial.gateways])
    together = max([await _reads_at(gateway, trial, READ_CONNECTIONS) for gateway in trial.gateways])
    for way in ways:
        way.pass_on()
    return alone, together


async def _reads_at(gateway: GatewayProcess, trial: Trial, count: int) -> float:
    """Return how long so many reads take at once, once every connection has prepared what they run."""
    caller, took = trial.load.caller, []
    for _ in range(TRIES):
        began = time.monotonic()
        skus = trial.load.mix.skus[:count]
        await asyncio.gather(*(caller.ask(MOVEMENTS, {"sku": sku}, url=gateway.url) for sku in skus))
        took.append(time.monotonic() - began)
    return min(took)


async def sessions_open(store: PostgresStore) -> int:
    """Return how many sessions gateways have on the database."""
    found = await store.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'stockgate'"
    )
    return int(found)

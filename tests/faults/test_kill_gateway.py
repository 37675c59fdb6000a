"""kill -9 of a gateway under load: nothing acknowledged is lost or done twice, subscribers resume without a gap."""

import asyncio
from pathlib import Path
from typing import Final

from tests.faults.counts import READY_SECONDS_MAX, SEED, count
from tests.faults.kills import kill_under_load
from tests.faults.stores import Store

KILLS: Final = count("KILLS", ci=2)
SECONDS_MAX_PER_KILL: Final = 40
SECONDS_MAX_BESIDES: Final = 60


async def assert_kills_are_harmless(directory: Path, store: Store, *, gateways: int) -> None:
    """Kill gateways at random moments, and hold what is left against what was acknowledged."""
    async with asyncio.timeout(SECONDS_MAX_BESIDES + KILLS * SECONDS_MAX_PER_KILL):
        report = await kill_under_load(directory, store, kills=KILLS, seed=SEED, gateways=gateways)
    print("\n" + "\n".join(report.lines()))
    report.assert_harmless()
    assert len(report.restarts) == KILLS
    assert max(start.ready_seconds for start in report.restarts) <= READY_SECONDS_MAX


async def test_kills_under_load_lose_nothing_acknowledged_and_double_nothing(
    tmp_path: Path, sqlite_store: Store
) -> None:
    await assert_kills_are_harmless(tmp_path, sqlite_store, gateways=1)


async def test_kills_of_one_of_two_processes_lose_nothing_either(tmp_path: Path, postgres_store: Store) -> None:
    await assert_kills_are_harmless(tmp_path, postgres_store, gateways=2)

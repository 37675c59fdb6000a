"""kill -9 of the gateway under load, on SQLite: nothing acknowledged is lost, nothing is done twice."""

import asyncio
import os
import random
from pathlib import Path
from typing import Final

from tests.faults.kills import kill_under_load

KILLS: Final = int(os.environ.get("STOCKGATE_FAULTS_KILLS", "3"))
SEED: Final = int(os.environ.get("STOCKGATE_FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
# Generous here, for machines that run other tests at the same time; scripts/faults holds to 2 seconds.
READY_SECONDS_MAX: Final = float(os.environ.get("STOCKGATE_FAULTS_READY_SECONDS_MAX", "10"))
SECONDS_MAX_PER_KILL: Final = 12
SECONDS_MAX_BESIDES: Final = 60


async def test_kills_under_load_lose_nothing_acknowledged_and_double_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(SECONDS_MAX_BESIDES + KILLS * SECONDS_MAX_PER_KILL):
        report = await kill_under_load(tmp_path, kills=KILLS, seed=SEED)
    print("\n" + "\n".join(report.lines()))
    assert report.findings == ()
    assert report.asking_again_changed_nothing
    assert report.product_audit.exit_code == 0, report.product_audit.output
    assert report.levels_answered == report.levels_stored
    assert len(report.starts) == KILLS + 1
    assert max(start.ready_seconds for start in report.starts[1:]) <= READY_SECONDS_MAX
    assert report.found.keys_unanswered == 0
    assert sum(report.accepted_before_kills) > 0

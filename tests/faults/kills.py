"""The kill fault: SIGKILL ends a gateway under load at random moments; it starts again on the same database.

Subscribers follow all the while, and have their connections dropped as well. The rule: the load never pauses for a
kill, and the same seed draws the same moments.
"""

import asyncio
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.gateway_process import Start
from tests.faults.stores import Store
from tests.faults.subscribers import Received, Subscriber, following, logged
from tests.faults.trial import Aftermath, Trial, open_trial

UNDER_LOAD_SECONDS: Final = (0.05, 1.2)
LAST_LOAD_SECONDS: Final = 0.3
SUBSCRIBERS: Final = 3
LAST_CHANGES_SECONDS_MAX: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """What the kills did; each of the restarts followed one."""

    first_start: Start
    restarts: Sequence[Start]
    accepted_before_kills: Sequence[int]
    logged: Sequence[Received]
    subscribers: Sequence[Subscriber]
    aftermath: Aftermath

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line."""
        ready = [restart.ready_seconds for restart in self.restarts]
        busy = [restart.busy_seconds for restart in self.restarts]
        return [
            f"{len(self.restarts)} kills",
            f"accepted before each kill: {list(self.accepted_before_kills)}",
            f"ready again in {statistics.median(ready):.2f} s at the median, {max(ready):.2f} s at worst",
            f"processor time in it: {statistics.median(busy):.2f} s at the median, {max(busy):.2f} s at worst",
            f"the first start, without tables, took {self.first_start.ready_seconds:.2f} s",
            f"{len(self.subscribers)} subscribers, connected {[one.connections for one in self.subscribers]} times, "
            f"cut off by {dict(sum((one.endings for one in self.subscribers), Counter[str]()))}, "
            f"{len(self.logged):,} changes each",
            *self.aftermath.lines(),
        ]

    def assert_harmless(self) -> None:
        """Fail unless nothing was lost or doubled, and every subscriber has got every change once and in order."""
        self.aftermath.assert_whole()
        assert sum(self.accepted_before_kills) > 0
        assert all(subscriber.received == self.logged for subscriber in self.subscribers)
        assert all(subscriber.connections > len(self.restarts) for subscriber in self.subscribers)


async def kill_under_load(directory: Path, store: Store, *, kills: int, seed: int, gateways: int = 1) -> KillReport:
    """Run the load, kill and start a gateway `kills` times, ask every key again, and audit what is left."""
    async with open_trial(directory, store, seed=seed, gateways=gateways) as trial:
        begin = (await store.read()).head
        async with following([trial.gateways] * SUBSCRIBERS, after=begin, seed=seed) as subscribers:
            restarts, accepted = await _kill_repeatedly(trial, subscribers, kills=kills)
            expected = await logged(store, after=begin)
            async with asyncio.timeout(LAST_CHANGES_SECONDS_MAX):
                await asyncio.gather(*(subscriber.reaches(expected[-1][0]) for subscriber in subscribers))
        return KillReport(
            first_start=trial.starts[0],
            restarts=restarts,
            accepted_before_kills=accepted,
            logged=expected,
            subscribers=subscribers,
            aftermath=await trial.finish(),
        )


async def _kill_repeatedly(
    trial: Trial, subscribers: Sequence[Subscriber], *, kills: int
) -> tuple[list[Start], list[int]]:
    moments = random.Random(trial.seed)
    restarts, accepted = [], []
    async with trial.under_load() as pause:
        for _ in range(kills):
            before = len(trial.load.accepted)
            victim = moments.choice(trial.gateways)
            await pause(moments.uniform(*UNDER_LOAD_SECONDS))
            await victim.kill_now()
            accepted.append(len(trial.load.accepted) - before)
            restarts.append(await victim.start_ready())
            # Whoever was connected to the one that was killed has moved; now all are cut off.
            for subscriber in subscribers:
                subscriber.drop()
        await pause(LAST_LOAD_SECONDS)
    return restarts, accepted

"""Gateways are killed and sockets dropped: a subscriber that resumes, wherever, misses nothing and keeps the order."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Final

from tests.faults.counts import SEED, count
from tests.faults.stores import PostgresStore
from tests.faults.subscribers import following, logged
from tests.faults.trial import open_trial

DROPS: Final = count("DROPS", ci=5)
SUBSCRIBERS: Final = 4
UNDER_LOAD_SECONDS: Final = (0.1, 0.8)
LAST_SECONDS_MAX: Final = 30
SECONDS_MAX_PER_DROP: Final = 15
SECONDS_MAX_BESIDES: Final = 120


async def test_subscribers_that_resume_elsewhere_miss_nothing(tmp_path: Path, postgres_store: PostgresStore) -> None:
    moments = random.Random(SEED)
    async with (
        asyncio.timeout(SECONDS_MAX_BESIDES + DROPS * SECONDS_MAX_PER_DROP),
        open_trial(tmp_path, postgres_store, seed=SEED, gateways=2) as trial,
    ):
        begin = (await postgres_store.read()).head
        async with following([trial.gateways] * SUBSCRIBERS, after=begin, seed=SEED) as subscribers:
            async with trial.under_load() as pause:
                for _ in range(DROPS):
                    await pause(moments.uniform(*UNDER_LOAD_SECONDS))
                    victim = moments.choice(trial.gateways)
                    await victim.kill_now()
                    await pause(moments.uniform(*UNDER_LOAD_SECONDS))
                    for subscriber in subscribers:
                        subscriber.drop()
                    await victim.start_ready()
                await pause(UNDER_LOAD_SECONDS[1])
            expected = await logged(postgres_store, after=begin)
            async with asyncio.timeout(LAST_SECONDS_MAX):
                await asyncio.gather(*(subscriber.reaches(expected[-1][0]) for subscriber in subscribers))
        aftermath = await trial.finish()
    endings = sum((subscriber.endings for subscriber in subscribers), Counter[str]())
    print(f"\n{DROPS} kills and drops; connections of each subscriber: {[one.connections for one in subscribers]}")
    print(f"how they ended: {dict(endings)}; each received {len(expected):,} changes")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert all(subscriber.received == expected for subscriber in subscribers)
    assert all(subscriber.connections > DROPS for subscriber in subscribers)

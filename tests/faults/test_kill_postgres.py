"""kill -9 of all PostgreSQL processes under load: two gateways say so meanwhile, and come back by themselves."""

import asyncio
import random
import statistics
from pathlib import Path
from typing import Final

from app.bench.postgres_server import DURABLE, PostgresServer
from tests.faults.counts import READY_SECONDS_MAX, SEED, count
from tests.faults.stores import PostgresStore
from tests.faults.trial import open_trial

KILLS: Final = count("DATABASE_KILLS", ci=2)
UNDER_LOAD_SECONDS: Final = (0.1, 0.8)
DOWN_SECONDS: Final = (0.1, 1.5)
SECONDS_MAX_PER_KILL: Final = 30
SECONDS_MAX_BESIDES: Final = 120
SAID_MEANWHILE: Final = {"UNAVAILABLE", "OVERLOADED"}


async def test_kills_of_the_database_lose_nothing_and_gateways_recover_by_themselves(tmp_path: Path) -> None:
    """Given a database that dies again and again, when it is back, then both gateways read and write within 2 s.

    Meanwhile every request is told to come again; no connection to a gateway is lost.
    """
    moments = random.Random(SEED)
    with PostgresServer(settings=DURABLE) as server:
        store = PostgresStore(url=server.url(), name=f"PostgreSQL {server.execute('SHOW server_version')}")
        async with (
            asyncio.timeout(SECONDS_MAX_BESIDES + KILLS * SECONDS_MAX_PER_KILL),
            open_trial(tmp_path, store, seed=SEED, gateways=2) as trial,
        ):
            recovered, accepted = [], []
            async with trial.under_load() as pause:
                for _ in range(KILLS):
                    before = len(trial.load.accepted)
                    await pause(moments.uniform(*UNDER_LOAD_SECONDS))
                    await asyncio.to_thread(server.kill)
                    accepted.append(len(trial.load.accepted) - before)
                    await pause(moments.uniform(*DOWN_SECONDS))
                    await asyncio.to_thread(server.start)
                    recovered.append(await trial.seconds_until_all_work())
                await pause(UNDER_LOAD_SECONDS[1])
            aftermath = await trial.finish()
    print(f"\n{KILLS} kills of the database; accepted before each: {accepted}")
    print(
        f"working again after it: {statistics.median(recovered):.2f} s at the median, {max(recovered):.2f} s at worst"
    )
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert set(aftermath.turned_away) <= SAID_MEANWHILE
    assert aftermath.turned_away["UNAVAILABLE"] > 0
    assert max(recovered) <= READY_SECONDS_MAX

"""The connection is cut after COMMIT was sent and before its answer came: the effect is there exactly once."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.faults.counts import SEED, count
from tests.faults.journal import Attempt, Outcome, read_attempts
from tests.faults.stores import PostgresStore, ways_to
from tests.faults.trial import open_trial
from tests.servers.fault_proxy import Then

CUTS: Final = count("CUTS", ci=10)
SECONDS_MAX_PER_CUT: Final = 10
SECONDS_MAX_BESIDES: Final = 120
PAUSE_SECONDS_MAX: Final = 0.1


def is_commit(statement: str) -> bool:
    """Whether a statement ends a transaction that is to be kept."""
    return statement.strip().rstrip(";").upper() == "COMMIT"


async def test_commits_that_were_cut_off_count_once(tmp_path: Path, postgres_store: PostgresStore) -> None:
    """Given cuts at the commits of two gateways, at once or after the answer came, then every change is kept once."""
    moments = random.Random(SEED)
    with ways_to(postgres_store, count=2) as ways:
        async with (
            asyncio.timeout(SECONDS_MAX_BESIDES + CUTS * SECONDS_MAX_PER_CUT),
            open_trial(
                tmp_path, postgres_store, seed=SEED, database_urls=[postgres_store.by_way_of(way) for way in ways]
            ) as trial,
        ):
            async with trial.under_load() as pause:
                kinds = itertools.cycle(itertools.product(ways, (Then.CUT_ANSWERED, Then.CUT)))
                for way, then in itertools.islice(kinds, CUTS):
                    trap = way.arm(is_commit, then)
                    await trap.springs(seconds_max=SECONDS_MAX_PER_CUT)
                    await pause(moments.uniform(0, PAUSE_SECONDS_MAX))
                await pause(PAUSE_SECONDS_MAX)
            aftermath = await trial.finish()
    cuts = sum(way.cuts for way in ways)
    found_again = keys_known_by_replays_only(read_attempts(trial.journal_path))
    print(f"\n{cuts} commits were cut off; {found_again} of the changes were found kept when they were tried again")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert cuts == CUTS
    assert found_again > 0


def keys_known_by_replays_only(attempts: Sequence[Attempt]) -> int:
    """Return how many keys were accepted, though nobody was ever answered by the attempt that did it."""
    accepted = [attempt for attempt in attempts if attempt.outcome is Outcome.ACCEPTED]
    fresh = {attempt.request.key for attempt in accepted if not attempt.replayed}
    return len({attempt.request.key for attempt in accepted} - fresh)

"""What clients see of stock levels is linearizable while gateways are killed; the report names the mode."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tests.faults.clients import Delivery, Mix
from tests.faults.counts import SEED, count, seconds
from tests.faults.histories import Recorder, seen_of
from tests.faults.linearizability import (
    NEVER,
    Adjusted,
    Operation,
    Read,
    Refused,
    Unknown,
    Verdict,
    balance_after,
    check,
    check_all,
)
from tests.faults.stores import Store
from tests.faults.trial import Trial, open_trial

HISTORY_SECONDS: Final = seconds("HISTORY_SECONDS", ci=3)
KILLS: Final = count("HISTORY_KILLS", ci=1)
SECONDS_MAX_BESIDES: Final = 120
SECONDS_MAX_PER_KILL: Final = 40
LEVEL: Final = ("MUG", "EAST")
MIX: Final = Mix(skus=("MUG", "CUP"), locations=("EAST", "WEST"), opening=20)


def delivery(*, codes: tuple[str, ...] = (), sent_at: tuple[float, float] = (1.0, 1.0)) -> Delivery:
    """Return what became of an adjustment of -3, answered at 5.0."""
    movement = {"location": {"code": "EAST"}, "bucket": "ON_HAND", "delta": -3, "balanceAfter": 7}
    payload: dict[str, Any] = {
        "adjustment": None if codes else {"movements": [movement]},
        "userErrors": [{"code": code} for code in codes],
    }
    return Delivery(first_sent_at=sent_at[0], last_sent_at=sent_at[1], answered_at=5.0, payload=payload)


def seen(one: Delivery) -> list[tuple[float, float, object]]:
    """Return when each operation was called and answered, and what it was."""
    found = seen_of(one, level=LEVEL, client="any", delta=-3)
    return [(operation.called_at, operation.answered_at, operation.what) for operation in found]


def test_an_accepted_change_may_have_happened_since_it_was_first_sent() -> None:
    assert seen(delivery(sent_at=(1.0, 3.0))) == [(1.0, 5.0, Adjusted(-3, 7))]


def test_a_refused_change_was_refused_after_it_was_last_sent() -> None:
    assert seen(delivery(codes=("INSUFFICIENT_STOCK",))) == [(1.0, 5.0, Refused(-3))]


def test_an_unanswered_attempt_before_a_refusal_may_take_effect_yet() -> None:
    found = seen(delivery(codes=("INSUFFICIENT_STOCK",), sent_at=(1.0, 3.0)))
    assert found == [(3.0, 5.0, Refused(-3)), (1.0, NEVER, Unknown(-3))]


async def recorded(trial: Trial, *, kills: int, clients: int = 8) -> list[Operation]:
    """Record for a while, under kills at random moments."""
    chance = random.Random(trial.seed)
    recorder = Recorder(load=trial.load, clients=clients, chance=random.Random(trial.seed))
    running = asyncio.create_task(recorder.run())
    try:
        for _ in range(kills):
            await asyncio.wait({running}, timeout=HISTORY_SECONDS / (kills + 1))
            victim = chance.choice(trial.gateways)
            await victim.kill_now()
            await victim.start_ready()
        await asyncio.wait({running}, timeout=HISTORY_SECONDS / (kills + 1))
        recorder.stopping.set()
        await running
    finally:
        running.cancel()
    return recorder.operations


async def assert_linearizable(directory: Path, store: Store, *, gateways: int, kills: int) -> None:
    """Record a history under kills and judge it; one stale read more, and it would not be linearizable."""
    async with (
        asyncio.timeout(SECONDS_MAX_BESIDES + HISTORY_SECONDS + kills * SECONDS_MAX_PER_KILL),
        open_trial(directory, store, mix=MIX, seed=SEED, gateways=gateways) as trial,
    ):
        history = await recorded(trial, kills=kills)
        opening = Recorder(load=trial.load, clients=0, chance=random.Random(0)).opening
        verdicts = check_all(history, opening=opening)
        kinds = Counter(type(one.what).__name__ for one in history)
        print(f"\n{trial.mode}; seed {SEED}: {len(history):,} operations {dict(kinds)} on {len(verdicts)} levels")
        print("\n".join(line for verdict in verdicts for line in verdict.lines()))
        (await trial.finish()).assert_whole()
    assert [verdict.level for verdict in verdicts if not verdict.is_linearizable] == []
    stale = [with_stale_read(verdict, opening=opening[verdict.level]) for verdict in verdicts]
    assert not any(check(one, opening=opening[one[0].level]).is_linearizable for one in stale)
    assert min(kinds["Read"], kinds["Adjusted"], kinds["Refused"]) > 0


def with_stale_read(verdict: Verdict, *, opening: int) -> list[Operation]:
    """Return what a level's clients saw, and one who then reads a balance from before the last change."""
    known = [one for one in verdict.order if not isinstance(one.what, Unknown)]
    balances = [opening]
    for one in verdict.order:
        balances.append(balance_after(one.what, balances[-1]) or 0)
    stale = next(balance for balance in reversed(balances) if balance != balances[-1])
    end = max(one.answered_at for one in known)
    what = Read(stale)
    return [
        *verdict.order,
        Operation(level=verdict.level, client="late", called_at=end + 1, answered_at=end + 2, what=what),
    ]


async def test_what_clients_see_is_linearizable_on_one_process(tmp_path: Path, sqlite_store: Store) -> None:
    await assert_linearizable(tmp_path, sqlite_store, gateways=1, kills=0)


async def test_what_clients_see_is_linearizable_on_two_processes(tmp_path: Path, postgres_store: Store) -> None:
    await assert_linearizable(tmp_path, postgres_store, gateways=2, kills=KILLS)

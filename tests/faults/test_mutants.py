"""The fault tests bite: gateways with a seeded fault are caught, each by what is tried with sound ones elsewhere."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.auditor import Rule, audit
from tests.faults.counts import SEED, count
from tests.faults.histories import Recorder
from tests.faults.journal import read_attempts
from tests.faults.linearizability import check_all
from tests.faults.races import race_two_changes_under_one_key
from tests.faults.stores import PostgresStore
from tests.faults.trial import Trial, open_trial

SECONDS_MAX: Final = 180
PAUSE_SECONDS: Final = 0.05
CHANGES: Final = 300
ROUNDS_MAX: Final = 10
KILLS_MAX: Final = 25
UNTIL_KILLED_SECONDS: Final = 0.4
OPERATIONS: Final = 150
RACES_MAX: Final = 150
TIMES: Final = 4
CLIENTS: Final = 8
DROP_UNIQUE_INDEX: Final = "ALTER TABLE idempotency_keys DROP CONSTRAINT pk_idempotency_keys"

Found = set[str]
"""What gave the fault away; nothing if it was not caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A seeded fault, and how it is hunted. `damage` is done to the database once the tables are there."""

    name: str
    mutant: str
    hunt: Callable[[Trial], Awaitable[Found]]
    expected: Found
    gateways: int = 1
    damage: str | None = None


async def by_audit(trial: Trial) -> Found:
    """Load until the ledger breaks rules that the fault is known by, or for so many changes in all; return which."""
    found: Found = set()
    for _ in range(ROUNDS_MAX):
        before = len(trial.load.accepted)
        async with trial.under_load() as pause:
            while len(trial.load.accepted) < before + CHANGES:
                await pause(PAUSE_SECONDS)
        found = await broken_rules(trial)
        if found:
            break
    return found


async def by_kills(trial: Trial) -> Found:
    """Kill the gateway under load until that has broken a rule; return which."""
    loading = asyncio.create_task(trial.load.run())
    try:
        for _ in range(KILLS_MAX):
            await asyncio.wait({loading}, timeout=UNTIL_KILLED_SECONDS)
            await something_is_accepted(trial)
            await trial.gateways[0].kill_now()
            found = await broken_rules(trial)
            if found:
                return found
            await trial.gateways[0].start_ready()
        return set()
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)


async def something_is_accepted(trial: Trial) -> None:
    """Wait until a client has just been told that a change was kept."""
    before = len(trial.load.accepted)
    while len(trial.load.accepted) == before:
        await asyncio.sleep(0.001)


async def broken_rules(trial: Trial) -> Found:
    """Return which rules the ledger breaks."""
    return {
        finding.rule.name for finding in audit(await trial.store.read(), read_attempts(trial.journal_path)).findings
    }


async def by_history(trial: Trial) -> Found:
    """Record what clients see; return whether that is not linearizable."""
    recorder = Recorder(load=trial.load, clients=CLIENTS, chance=random.Random(SEED), skus_max=1)
    running = asyncio.create_task(recorder.run())
    while len(recorder.operations) < OPERATIONS and not running.done():
        await asyncio.sleep(PAUSE_SECONDS)
    recorder.stopping.set()
    await running
    verdicts = check_all(recorder.operations, opening=recorder.opening)
    return {"NOT_LINEARIZABLE" for verdict in verdicts if not verdict.is_linearizable}


async def by_races(trial: Trial) -> Found:
    """Let two changes race under one key until both are kept."""
    for number in range(RACES_MAX):
        try:
            await race_two_changes_under_one_key(trial, number=number, times=TIMES)
        except AssertionError:
            return await broken_rules(trial)
    return set()


LOST_UPDATE: Final = {Rule.LEVEL_IS_LEDGER_SUM.name, Rule.BALANCES_FOLLOW.name}
DONE_NEVER_OR_TWICE: Final = {Rule.ACKNOWLEDGED_ONCE.name}
REQUIRED: Final = (
    Case(
        name="no unique index",
        mutant="sound",
        hunt=by_races,
        gateways=2,
        damage=DROP_UNIQUE_INDEX,
        expected=DONE_NEVER_OR_TWICE,
    ),
    Case(
        # Behind the unique index it would do no harm: a second attempt sees what the first kept.
        name="keys are read before the lock, and no unique index",
        mutant="reads_keys_before_the_lock",
        hunt=by_audit,
        gateways=2,
        damage=DROP_UNIQUE_INDEX,
        expected={*DONE_NEVER_OR_TWICE, Rule.EXECUTED_ONCE.name},
    ),
    Case(name="nothing is locked", mutant="locks_nothing", hunt=by_audit, gateways=2, expected=LOST_UPDATE),
    Case(
        name="acknowledged before the commit, as clients see it",
        mutant="acknowledges_before_the_commit",
        hunt=by_history,
        expected={"NOT_LINEARIZABLE"},
    ),
)
FURTHER: Final = (
    Case(
        name="acknowledged before the commit, and killed",
        mutant="acknowledges_before_the_commit",
        hunt=by_kills,
        expected=DONE_NEVER_OR_TWICE,
    ),
    Case(
        name="rolled back after the answer",
        mutant="rolls_back_after_the_answer",
        hunt=by_audit,
        expected=DONE_NEVER_OR_TWICE,
    ),
    Case(
        name="keys are forgotten",
        mutant="forgets_keys",
        hunt=by_audit,
        expected={*DONE_NEVER_OR_TWICE, Rule.EXECUTED_ONCE.name},
    ),
    Case(
        name="torn transactions", mutant="tears_transactions", hunt=by_kills, expected={Rule.LEVEL_IS_LEDGER_SUM.name}
    ),
)


CASES: Final = (*REQUIRED, *FURTHER)[: count("MUTANTS", ci=len(REQUIRED))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_seeded_fault_is_caught(tmp_path: Path, postgres_store: PostgresStore, case: Case) -> None:
    async with (
        asyncio.timeout(SECONDS_MAX),
        open_trial(tmp_path, postgres_store, seed=SEED, gateways=case.gateways, mutant=case.mutant) as trial,
    ):
        if case.damage is not None:
            await postgres_store.ask(case.damage)
        found = await case.hunt(trial)
    print(f"\n{case.name}: {sorted(found)}")
    assert found >= case.expected

"""The kill fault: SIGKILL ends a gateway under load at random moments; it starts again on the same file.

The rule: the load never pauses for a kill, and the same seed draws the same moments.
"""

import asyncio
import random
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.faults.auditor import AuditReport, Finding, audit
from tests.faults.clients import Load, Mix
from tests.faults.gateway_process import STOPPED_EXIT_CODES, AuditRun, GatewayProcess, Start
from tests.faults.journal import Journal, read_attempts
from tests.faults.ledger import read_sqlite

SKUS: Final = tuple(f"FAULT-{number:02d}" for number in range(20))
LOCATIONS: Final = ("EAST", "WEST", "SOUTH")
UNDER_LOAD_SECONDS: Final = (0.05, 1.2)
LAST_LOAD_SECONDS: Final = 0.3
FINDINGS_SHOWN_MAX: Final = 20
NEWLINE: Final = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """What the kills did. The first of the starts made the file, each other one followed a kill."""

    seed: int
    starts: Sequence[Start]
    accepted_before_kills: Sequence[int]
    asked_again: int
    levels_answered: dict[tuple[str, str], int]
    levels_stored: dict[tuple[str, str], int]
    product_audit: AuditRun
    found: AuditReport
    found_before_asking_again: AuditReport
    asking_again_changed_nothing: bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, before every key was asked again and after."""
        return (*self.found_before_asking_again.findings, *self.found.findings)

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line."""
        found, (first_start, *restarts) = self.found, self.starts
        ready = [restart.ready_seconds for restart in restarts]
        busy = [restart.busy_seconds for restart in restarts]
        return [
            f"seed {self.seed}: {len(restarts)} kills",
            f"accepted before each kill: {list(self.accepted_before_kills)}",
            f"ready again in {statistics.median(ready):.2f} s at the median, {max(ready):.2f} s at worst",
            f"processor time in it: {statistics.median(busy):.2f} s at the median, {max(busy):.2f} s at worst",
            f"the first start, without a file, took {first_start.ready_seconds:.2f} s",
            f"{found.attempts:,} attempts, {found.attempts_unanswered:,} of them unanswered",
            f"{found.replays:,} answers were replays",
            f"{found.keys_acknowledged:,} keys acknowledged, {found.keys_refused:,} refused, "
            f"{found.keys_unanswered:,} without any answer; {self.asked_again:,} asked again at the end",
            f"{found.groups:,} ledger groups, {found.movements:,} movements, {found.levels:,} levels, "
            f"{found.events:,} events",
            f"{len(self.findings):,} findings",
            *(f"  {finding}" for finding in self.findings[:FINDINGS_SHOWN_MAX]),
            f"stockgate audit: {self.product_audit.output.rpartition(NEWLINE)[2]}",
        ]


async def kill_under_load(directory: Path, *, kills: int, seed: int, clients: int = 12) -> KillReport:
    """Run the load, kill and start the gateway `kills` times, ask every key again, and audit what is left."""
    database = directory / "ledger.sqlite3"
    journal_path = directory / "journal.jsonl"
    mix = Mix(skus=SKUS, locations=LOCATIONS, clients=clients)
    url = f"sqlite+aiosqlite:///{database}"
    with GatewayProcess(directory=directory, database_url=url) as gateway, Journal(journal_path) as journal:
        starts = [await gateway.start_ready()]
        async with aiohttp.ClientSession() as session:
            load = Load(session=session, url=gateway.url, journal=journal, mix=mix, chance=random.Random(seed))
            await load.prepare()
            accepted = await _kill_repeatedly(gateway, load, starts, kills=kills, seed=seed)
            # What was lost must be seen before it is asked for, which would do it anew.
            before = read_sqlite(database)
            found_before = audit(before, read_attempts(journal_path))
            asked_again = await load.ask_again()
            levels_answered = await load.on_hand()
        exit_code = await gateway.stop_gently()
        assert exit_code in STOPPED_EXIT_CODES, gateway.log_end()
        product_audit = await gateway.audit()
    ledger = read_sqlite(database)
    stored = {(sku, code): balance for (sku, code, name), balance in ledger.balances.items() if name == "ON_HAND"}
    return KillReport(
        seed=seed,
        starts=starts,
        accepted_before_kills=accepted,
        asked_again=asked_again,
        levels_answered=levels_answered,
        levels_stored=stored,
        product_audit=product_audit,
        found=audit(ledger, read_attempts(journal_path)),
        found_before_asking_again=found_before,
        asking_again_changed_nothing=ledger == before,
    )


async def _kill_repeatedly(
    gateway: GatewayProcess, load: Load, starts: list[Start], *, kills: int, seed: int
) -> list[int]:
    running = asyncio.create_task(load.run())
    moments = random.Random(seed)
    accepted = []
    try:
        for _ in range(kills):
            before = len(load.accepted)
            await _load_for(running, moments.uniform(*UNDER_LOAD_SECONDS))
            await gateway.kill_now()
            accepted.append(len(load.accepted) - before)
            starts.append(await gateway.start_ready())
        await _load_for(running, LAST_LOAD_SECONDS)
        load.stopping.set()
        await running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await running
    return accepted


async def _load_for(running: asyncio.Task[None], seconds: float) -> None:
    """Wait; a load that fails meanwhile ends the test at once."""
    await asyncio.wait({running}, timeout=seconds)
    if running.done():
        running.result()

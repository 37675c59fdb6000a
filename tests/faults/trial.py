"""A trial: gateways on one database, a load on them, and what is left of it when the faults are over.

The rule: every trial ends alike. What was lost must be seen before it is asked for, which would do it anew; then every
accepted request is asked for once more, and what each gateway answers, what its audit says and what the database holds
must be one.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.faults.auditor import AuditReport, Finding, audit
from tests.faults.caller import Caller
from tests.faults.clients import LEVELS, Load, Mix, levels_in
from tests.faults.gateway_process import STOPPED_EXIT_CODES, AuditRun, GatewayProcess, Start
from tests.faults.journal import Journal, Operation, read_attempts
from tests.faults.stores import Store

SKUS: Final = tuple(f"FAULT-{number:02d}" for number in range(20))
LOCATIONS: Final = ("EAST", "WEST", "SOUTH")
ONE_PROCESS: Final = Mix(skus=SKUS, locations=LOCATIONS)
TWO_PROCESSES: Final = Mix(skus=SKUS, locations=LOCATIONS, pause_seconds=0.03)
"""Two gateways, a database and the load share the machine: a load without pauses would measure only itself."""
FINDINGS_SHOWN_MAX: Final = 20
NEWLINE: Final = "\n"

LevelQuantities = dict[tuple[str, str], int]
"""What is on hand, by SKU and location."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What is left when the faults are over and the load has ended."""

    mode: str
    seed: int
    asked_again: int
    levels_answered: Sequence[LevelQuantities]
    levels_stored: LevelQuantities
    product_audit: AuditRun
    found: AuditReport
    found_before_asking_again: AuditReport
    asking_again_changed_nothing: bool
    turned_away: Mapping[str, int]
    longest_wait_seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, before every key was asked again and after."""
        return (*self.found_before_asking_again.findings, *self.found.findings)

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line."""
        found = self.found
        return [
            f"{self.mode}; seed {self.seed}",
            f"{found.attempts:,} attempts, {found.attempts_unanswered:,} of them unanswered "
            f"{dict(self.turned_away)}; the longest wait was {self.longest_wait_seconds:.2f} s",
            f"{found.replays:,} answers were replays",
            f"{found.keys_acknowledged:,} keys acknowledged, {found.keys_refused:,} refused, "
            f"{found.keys_unanswered:,} without any answer; {self.asked_again:,} asked again at the end",
            f"{found.groups:,} ledger groups, {found.movements:,} movements, {found.levels:,} levels, "
            f"{found.events:,} events",
            f"{len(self.findings):,} findings",
            *(f"  {finding}" for finding in self.findings[:FINDINGS_SHOWN_MAX]),
            f"stockgate audit: {self.product_audit.output.rpartition(NEWLINE)[2]}",
        ]

    def assert_whole(self) -> None:
        """Fail unless nothing was lost, doubled, or answered otherwise than it is kept."""
        assert self.findings == ()
        assert self.asking_again_changed_nothing
        assert self.product_audit.exit_code == 0, self.product_audit.output
        assert all(levels == self.levels_stored for levels in self.levels_answered)
        assert self.found.keys_unanswered == 0
        assert self.found.keys_acknowledged > 0


Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds; a load that fails meanwhile ends the test at once."""


@dataclass(slots=True, kw_only=True)
class Trial:
    """Running gateways and the load that is sent to all of them."""

    store: Store
    gateways: Sequence[GatewayProcess]
    load: Load
    journal_path: Path
    seed: int
    starts: list[Start] = field(default_factory=list)

    @property
    def mode(self) -> str:
        """What this runs on, for reports."""
        processes = "1 gateway process" if len(self.gateways) == 1 else f"{len(self.gateways)} gateway processes"
        return f"{self.store.name}, {processes}, reads from the primary"

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[Pause]:
        """Run the load while the block runs; at its end every client has got its last answer."""
        self.load.stopping.clear()
        running = asyncio.create_task(self.load.run())

        async def pause(seconds: float) -> None:
            await asyncio.wait({running}, timeout=seconds)
            if running.done():
                running.result()

        try:
            yield pause
            self.load.stopping.set()
            await running
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, ExceptionGroup):
                await running

    async def seconds_until_all_work(self) -> float:
        """Wait until each gateway has kept a change and answered a read; return how long that took."""
        began = time.monotonic()
        await asyncio.gather(*map(self._works, self.gateways))
        return time.monotonic() - began

    async def finish(self) -> Aftermath:
        """Ask everything again, stop the gateways, and audit what is left."""
        before = await self.store.read()
        found_before = audit(before, read_attempts(self.journal_path))
        asked_again = await self.load.ask_again()
        levels_answered = [await self._levels_at(gateway) for gateway in self.gateways]
        for gateway in self.gateways:
            exit_code = await gateway.stop_gently()
            assert exit_code in STOPPED_EXIT_CODES, gateway.log_end()
        product_audit = await self.gateways[0].audit()
        ledger = await self.store.read()
        return Aftermath(
            mode=self.mode,
            seed=self.seed,
            asked_again=asked_again,
            levels_answered=levels_answered,
            levels_stored=ledger.on_hand,
            product_audit=product_audit,
            found=audit(ledger, read_attempts(self.journal_path)),
            found_before_asking_again=found_before,
            asking_again_changed_nothing=ledger == before,
            turned_away=Counter(self.load.caller.turned_away),
            longest_wait_seconds=self.load.caller.longest_wait_seconds,
        )

    async def _works(self, gateway: GatewayProcess) -> None:
        mix = self.load.mix
        await self.load.deliver(
            self.load.request(Operation.ADJUST, mix.skus[0], {mix.locations[0]: 1}), url=gateway.url
        )
        await self._levels_at(gateway)

    async def _levels_at(self, gateway: GatewayProcess) -> LevelQuantities:
        skus = list(self.load.mix.skus)
        return levels_in(await self.load.caller.answer(LEVELS, {"skus": skus}, url=gateway.url))


@asynccontextmanager
async def open_trial(
    directory: Path,
    store: Store,
    *,
    seed: int,
    mix: Mix | None = None,
    gateways: int = 1,
    database_urls: Sequence[str] | None = None,
    settings: Mapping[str, str] | None = None,
    mutant: str | None = None,
) -> AsyncIterator[Trial]:
    """Start gateways and give every item its opening stock; `database_urls` is the way of each to the database."""
    urls = database_urls or [store.url] * gateways
    chance = random.Random(seed)
    journal_path = directory / "journal.jsonl"
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                GatewayProcess(directory=directory, database_url=url, name=name, settings=settings, mutant=mutant)
            )
            for url, name in zip(urls, "ABCDEFGH", strict=False)
        ]
        journal = stack.enter_context(Journal(journal_path))
        starts = await asyncio.gather(*(process.start_ready() for process in processes))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            caller = Caller(session=session, urls=[process.url for process in processes], chance=chance)
            usual = ONE_PROCESS if len(urls) == 1 else TWO_PROCESSES
            load = Load(caller=caller, journal=journal, mix=mix or usual, chance=chance)
            await load.prepare()
            yield Trial(store=store, gateways=processes, load=load, journal_path=journal_path, seed=seed, starts=starts)

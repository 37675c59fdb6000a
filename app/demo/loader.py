"""Loads the demo through the port `Ledger`, like any client; the one rule: every key says what it stands for, so that
loading again (or going on after a load that was cut short) changes nothing that is there.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.demo.orders import read_order_lines
from app.demo.places import CHANNELS, LOCATIONS
from app.demo.plan import DemoPlan, Stage, plan_demo
from domain.adjustments import AdjustmentReason
from domain.conflicts import StockConflictOpened
from domain.decider import Command
from domain.ports import Ledger, Reads, Receipt
from domain.principals import LOCAL_PRINCIPAL
from domain.rejections import Refused
from domain.stock_commands import StockCommand

LAST_ORDER_KEY = "537224:85025C"
"""The key of the last command. It is sent when all but the last COMMANDS_IN_FLIGHT_MAX are known to be kept."""
COMMANDS_IN_FLIGHT_MAX = 256
"""Enough for the writer to fill its batches, and far below what its queue takes."""

Report = Callable[[str, int, int], None]
"""Told the stage, how many of its commands are done, and how many it has."""


class DemoRefused(Exception):
    """The ledger refused a command of the demo: it holds something else under the demo's codes or keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What a load found and did; all numbers are exact.

    `adjustments_by_reason` counts what was sent, `adjustments_new` and `adjustments_replayed` what it led to;
    `catalogue_changes` are the items, listings, channels and locations that were not as the demo has them.
    """

    lines_read: int
    lines_left_out: Mapping[str, int]
    zero_sums: int
    channels: int
    locations: int
    items: int
    listings: int
    catalogue_changes: int
    adjustments_by_reason: Mapping[AdjustmentReason, int]
    adjustments_new: int
    adjustments_replayed: int
    conflicts_opened: int

    def lines(self) -> Iterator[str]:
        """Yield the summary in words, a line at a time."""
        left_out = ", ".join(f"{code} {count}" for code, count in sorted(self.lines_left_out.items()))
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.adjustments_by_reason.items()))
        yield f"{self.lines_read:,} order lines read; {sum(self.lines_left_out.values())} are not stock: {left_out}"
        yield (
            f"{self.items:,} items, {self.locations} locations, {self.channels} channels, {self.listings:,} listings: "
            f"{self.catalogue_changes:,} new or changed"
        )
        yield (
            f"{sum(self.adjustments_by_reason.values()):,} adjustments ({reasons}): {self.adjustments_new:,} new, "
            f"{self.adjustments_replayed:,} replayed; {self.zero_sums} summed to zero and were skipped"
        )
        yield f"{self.conflicts_opened} conflicts opened, where more was sold than there was"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the receipts of a load add up to, while it runs."""

    catalogue_changes: int = 0
    adjustments_by_reason: Counter[AdjustmentReason] = field(default_factory=Counter)
    adjustments_new: int = 0
    adjustments_replayed: int = 0
    conflicts_opened: int = 0

    def add(self, command: Command, receipt: Receipt) -> None:
        """Count what became of one command."""
        if isinstance(command, StockCommand):
            self.adjustments_by_reason[command.reason] += 1
            self.adjustments_new += not receipt.replayed
            self.adjustments_replayed += receipt.replayed
        else:
            self.catalogue_changes += bool(receipt.events)
        self.conflicts_opened += sum(isinstance(event, StockConflictOpened) for event in receipt.events)


async def load_demo(ledger: Ledger, *, new_id: Callable[[], str], report: Report) -> DemoSummary:
    """Load the demo's catalogue, opening stock and orders, in this order, and return what came of it.

    Raises DemoRefused, and Overloaded or Unavailable when the ledger cannot take it now; load again then.
    """
    plan = await asyncio.to_thread(_plan, new_id)
    tally = Tally()
    for stage in plan.stages:
        await load_stage(ledger, stage, tally, report=report)
    return _summary(plan, tally)


async def demo_is_loaded(reads: Reads) -> bool:
    """Return whether the demo was loaded to its end, by its last key: a quick look, where loading again is thorough."""
    return await reads.adjustment_by_key(LAST_ORDER_KEY, account=LOCAL_PRINCIPAL.account) is not None


async def load_stage(ledger: Ledger, stage: Stage, tally: Tally, *, report: Report) -> None:
    """Send a stage's commands in their order, a bounded number at a time."""
    total = len(stage.commands)
    report(stage.name, 0, total)
    for start in range(0, total, COMMANDS_IN_FLIGHT_MAX):
        commands = stage.commands[start : start + COMMANDS_IN_FLIGHT_MAX]
        outcomes = await ledger.execute_each(commands, by=LOCAL_PRINCIPAL)
        for command, receipt in zip(commands, _accepted(commands, outcomes), strict=True):
            tally.add(command, receipt)
        report(stage.name, start + len(commands), total)


def _plan(new_id: Callable[[], str]) -> DemoPlan:
    return plan_demo(read_order_lines(), new_id=new_id)


def _accepted(commands: Sequence[Command], outcomes: Sequence[Receipt | Refused]) -> Iterator[Receipt]:
    for command, outcome in zip(commands, outcomes, strict=True):
        if isinstance(outcome, Refused):
            raise DemoRefused(_why_refused(command, outcome))
        yield outcome


def _why_refused(command: Command, refused: Refused) -> str:
    name = command.idempotency_key if isinstance(command, StockCommand) else type(command).__name__
    return f"{name} was refused; load the demo into a database of its own. ({refused.rejections[0].message})"


def _summary(plan: DemoPlan, tally: Tally) -> DemoSummary:
    return DemoSummary(
        lines_read=plan.lines_read,
        lines_left_out=plan.lines_left_out,
        zero_sums=plan.zero_sums,
        channels=len(CHANNELS),
        locations=len(LOCATIONS),
        items=len(plan.items),
        listings=len(plan.listings),
        catalogue_changes=tally.catalogue_changes,
        adjustments_by_reason=tally.adjustments_by_reason,
        adjustments_new=tally.adjustments_new,
        adjustments_replayed=tally.adjustments_replayed,
        conflicts_opened=tally.conflicts_opened,
    )

"""How batches of an import follow one another; the one rule: the order of a file's rows is kept, and little waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.bootstrap import Gateway
from app.files import importing
from app.files.importing import ImportInterrupted, ImportOptions, import_file
from domain.decider import Command
from domain.file_columns import FileKind
from domain.ports import Receipt, Unavailable
from domain.principals import Principal
from domain.records import Attribute
from domain.rejections import Refused
from resolvers.context import Services
from tests.app.test_file_import import CLERK, WAIT_SECONDS_MAX, counts, gateway, imported, run

__all__ = ["gateway"]


class WatchedLedger:
    """A ledger in front of the real one that notes what comes, and lets it through one call after the other."""

    def __init__(self, services: Services) -> None:
        self._ledger = services.ledger
        self.came: list[int] = []
        self.let_through = asyncio.Semaphore(0)
        self.something_came = asyncio.Event()

    async def execute(self, command: Command, *, by: Principal) -> Receipt | Refused:
        """Take one command."""
        return (await self.execute_each([command], by=by))[0]

    async def execute_each(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Take commands when they are let through."""
        self.came.append(len(commands))
        self.something_came.set()
        await self.let_through.acquire()
        return await self._ledger.execute_each(commands, by=by)

    async def execute_together(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Take commands together."""
        return await self._ledger.execute_together(commands, by=by)

    async def has_come(self, calls: int) -> None:
        """Wait for so many calls, and a little for one more."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while len(self.came) < calls:
                self.something_came.clear()
                await self.something_came.wait()
        for _ in range(100):
            await asyncio.sleep(0)


async def test_the_next_batch_waits_at_the_ledger_while_one_is_committed(gateway: Gateway, tmp_path: Path) -> None:
    """Given five batches, then two of them are at the ledger at any time, and the report counts all in order."""
    path = tmp_path / "items.csv"
    path.write_text("sku\n" + "".join(f"N-{number}\n" for number in range(50)))
    ledger = WatchedLedger(gateway.services)
    progress: list[int] = []
    importing_all = asyncio.create_task(
        import_file(
            replace(gateway.services, ledger=ledger),
            ImportOptions(kind=FileKind.ITEMS, path=path, batch_rows_max=10),
            by=CLERK,
            progress=lambda _, rows: progress.append(rows),
        )
    )
    for done in range(4):
        await ledger.has_come(done + 2)
        assert len(ledger.came) == done + 2
        ledger.let_through.release()
    ledger.let_through.release()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        report = await importing_all
    assert not isinstance(report, Refused)
    assert (counts(report), report.last_row) == ({"APPLIED": 50}, 51)
    assert progress == [10, 20, 30, 40, 50]


async def test_a_row_sees_what_the_batch_before_left_of_the_same_item(gateway: Gateway, tmp_path: Path) -> None:
    """Given rows that each add to one item's attributes, of which each begins a batch, then none undoes another."""
    path = tmp_path / "items.csv"
    text = "sku,attribute:a,attribute:b,attribute:c\nM-1,1,,\nM-1,,2,\nM-2,,,\nM-3,,,\nM-1,,,3\nM-1,(clear),,\n"
    report = await imported(gateway, FileKind.ITEMS, path, text, batch_rows_max=2)
    assert counts(report) == {"APPLIED": 6}
    (item,) = await gateway.services.reads.items(["M-1"])
    assert item is not None
    assert item.attributes == (Attribute(name="b", value="2"), Attribute(name="c", value="3"))


class FailingLedger(WatchedLedger):
    """A ledger that never answers for one of its calls."""

    async def execute_each(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Take commands, but for those that hold N-15."""
        if any(getattr(command, "sku", "") == "N-15" for command in commands):
            raise Unavailable("The database did not answer in time.", retry_after_ms=1)
        return await self._ledger.execute_each(commands, by=by)


async def test_an_import_that_stops_tells_the_last_row_that_is_known_and_goes_on_from_there(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a second batch that cannot be kept, then the report ends behind the first, and another import does all."""
    monkeypatch.setattr(importing, "PAUSE_SECONDS", 0.001)
    path = tmp_path / "items.csv"
    path.write_text("sku\n" + "".join(f"N-{number}\n" for number in range(50)))
    options = ImportOptions(kind=FileKind.ITEMS, path=path, batch_rows_max=10)
    with pytest.raises(ImportInterrupted, match="did not answer in time") as stopped:
        await run(replace(gateway.services, ledger=FailingLedger(gateway.services)), options)
    assert (stopped.value.report.last_row, counts(stopped.value.report)) == (11, {"APPLIED": 10})
    others = [task for task in asyncio.all_tasks() if task.get_coro().__name__ == "_taken"]  # type: ignore[union-attr]  # every task has one
    assert others == []
    report = await run(gateway.services, options)
    assert not isinstance(report, Refused)
    assert (report.rows.total(), report.last_row) == (50, 51)
    assert None not in await gateway.services.reads.items([f"N-{number}" for number in range(50)])

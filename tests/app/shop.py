"""A small shop on a store, with its writer and its reads: given what it holds, when commands come, then what is kept.

The rule: nothing runs by itself. A test says which commands share a batch, and a refusal proves that nothing changed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar, Unpack

from app.ids import new_id
from app.ledger_requests import Outcome
from app.ledger_writer import LedgerWriter, WriterLimits
from app.reads import DatabaseReads
from app.storage.database import Database
from domain.catalogue import ChannelUpsert, ItemUpsert, LocationUpsert
from domain.decider import Command
from domain.levels import StockLevel
from domain.ports import Receipt
from domain.principals import Principal
from domain.rejections import Refused, RejectionCode
from domain.stock_commands import (
    InventoryActivate,
    InventoryAdjust,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    LevelDelta,
    LevelMove,
    LevelQuantity,
    StockCommand,
)
from tests.app.databases import Row, Store
from tests.domain import given
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB

OTHER_SKU = "MUG-01"
OPENING_HEAD = 7
"""The position after what every shop begins with: a channel, two locations, two items, two counts."""
WAIT_SECONDS_MAX = 5.0
PAGES_MAX = 100
PLAIN_LIMITS = WriterLimits(
    batch_rows_max=2000, queue_commands_max=10_000, queue_deadline_seconds=5.0, commit_deadline_seconds=10.0
)

Answer = TypeVar("Answer")
Key = TypeVar("Key")
Stock = TypeVar("Stock", bound=StockCommand)
Refusal = tuple[RejectionCode, str]
"""(code, where in the command)"""


class Limits(TypedDict, total=False):
    """The writer's limits; those left out are wide."""

    batch_rows_max: int
    queue_commands_max: int
    queue_deadline_seconds: float
    commit_deadline_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """SKU (10 at EAST, 5 at CENTRAL) and OTHER_SKU (20 at EAST) at two locations; EAST serves the channel WEB."""

    store: Store
    database: Database
    writer: LedgerWriter
    reads: DatabaseReads

    def with_limits(self, *, on_commit: Callable[[], None] = lambda: None, **limits: Unpack[Limits]) -> "Shop":
        """Return the shop with another writer."""
        writer = LedgerWriter(self.database, replace(PLAIN_LIMITS, **limits), on_commit=on_commit)
        return replace(self, writer=writer)

    async def accept(self, command: Command, *, by: Principal = CLERK) -> Receipt:
        """Run a command in a batch of its own, and prove that it is accepted."""
        (outcome,) = await self.batch(command, by=by)
        return accepted(outcome)

    async def refuse(self, command: Command, *, by: Principal = CLERK) -> list[Refusal]:
        """Run a command, prove that it is refused and leaves no trace, and return the reasons."""
        before = await self.store.dump()
        (outcome,) = await self.batch(command, by=by, count=None)
        assert await self.store.dump() == before
        return refusals(outcome)

    async def batch(self, *commands: Command, by: Principal = CLERK, count: int | None = -1) -> list[Outcome]:
        """Run independent commands in one batch; `count` says how many get that far (None: does not matter)."""
        found = await self.settle(*(self.writer.execute(command, by=by) for command in commands), count=count)
        for outcome in found:
            if isinstance(outcome, BaseException):
                raise outcome
        return [outcome for outcome in found if not isinstance(outcome, BaseException)]

    async def settle(self, *calls: Coroutine[Any, Any, Answer], count: int | None = -1) -> list[Answer | BaseException]:
        """Queue calls in this order, commit one batch of them, and return what each caller is told."""
        tasks = await queued(*calls)
        taken = await within(self.writer.run_once())
        assert count is None or taken == (len(calls) if count == -1 else count)
        return await within(asyncio.gather(*tasks, return_exceptions=True))

    async def levels(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return on hand and version of each active level."""
        rows = await self.store.rows(
            "SELECT i.sku, l.code, s.on_hand, s.version FROM stock_levels s JOIN items i ON i.id = s.item_id "
            "JOIN locations l ON l.id = s.location_id WHERE s.is_active"
        )
        return {(sku, code): (on_hand, version) for sku, code, on_hand, version in rows}

    async def on_hand(self, location: str = EAST, *, sku: str = SKU) -> int:
        """Return the physical total at a location."""
        return (await self.levels())[sku, location][0]

    async def level(self, location: str = EAST, *, sku: str = SKU) -> StockLevel:
        """Return the level as it is read."""
        (snapshot,) = await self.reads.snapshots([(sku, None)])
        return next(one.level for one in snapshot.levels if one.location.code == location)

    async def count_of(self, table: str) -> int:
        """Return how many rows a table has."""
        ((count,),) = await self.store.rows(f"SELECT COUNT(*) FROM {table}")
        assert isinstance(count, int)
        return count

    async def positions(self) -> list[int]:
        """Return the positions in the log."""
        return [row[0] for row in await self.store.rows("SELECT position FROM events ORDER BY position")]

    async def keys(self) -> list[Row]:
        """Return the account and key of all that was not the shop's opening."""
        return await self.store.rows(
            "SELECT account_id, key FROM idempotency_keys WHERE key NOT LIKE 'opening%' ORDER BY account_id, key"
        )


@asynccontextmanager
async def open_shop(store: Store, *, lock_timeout_ms: int = 2000) -> AsyncIterator[Shop]:
    """Connect to a store whatever it holds; disconnect at the end."""
    database = await store.open(lock_timeout_ms=lock_timeout_ms)
    try:
        yield Shop(
            store=store,
            database=database,
            writer=LedgerWriter(database, PLAIN_LIMITS),
            reads=DatabaseReads(database, deadline_seconds=WAIT_SECONDS_MAX),
        )
    finally:
        await within(database.close())


async def stock_up(shop: Shop) -> None:
    """Bring in what every shop begins with."""
    for outcome in await shop.batch(
        ChannelUpsert(code=WEB, fields={}),
        LocationUpsert(code=EAST, fields={}, channels=frozenset({WEB})),
        LocationUpsert(code=CENTRAL, fields={}),
        ItemUpsert(sku=SKU, fields={}),
        ItemUpsert(sku=OTHER_SKU, fields={}),
    ):
        accepted(outcome)
    for outcome in await shop.batch(
        set_to(given.count(EAST, 10), given.count(CENTRAL, 5), key="opening-1"),
        set_to(given.count(EAST, 20), key="opening-2", sku=OTHER_SKU),
    ):
        accepted(outcome)


@asynccontextmanager
async def running(writer: LedgerWriter) -> AsyncIterator[LedgerWriter]:
    """Let the writer work by itself; stop it at the end."""
    work = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await within(work)


async def within(what: Awaitable[Answer]) -> Answer:
    """Wait, but not for ever."""
    return await asyncio.wait_for(what, timeout=WAIT_SECONDS_MAX)


async def queued(*calls: Coroutine[Any, Any, Answer]) -> list["asyncio.Task[Answer]"]:
    """Let each call run until it waits, in this order."""
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def all_pages(ask: Callable[[Key | None], Awaitable[list[Key]]]) -> list[Key]:
    """Return all that the pages of a list hold, each asked for behind the last key of the one before."""
    found: list[Key] = []
    for _ in range(PAGES_MAX):
        page = await ask(found[-1] if found else None)
        if not page:
            return found
        found += page
    raise AssertionError(f"the list has no end: {found}")


def accepted(outcome: Outcome | BaseException) -> Receipt:
    """Prove that a command was accepted."""
    assert isinstance(outcome, Receipt), outcome
    return outcome


def refusals(outcome: Outcome | BaseException) -> list[Refusal]:
    """Prove that a command was refused, and return the reasons."""
    assert isinstance(outcome, Refused), outcome
    return [(one.code, ".".join(one.field)) for one in outcome.rejections]


def adjust(*changes: LevelDelta, key: str | None, **details: Unpack[given.Details]) -> InventoryAdjust:
    """Return an inventoryAdjust of SKU, with an id of its own."""
    return _own(given.adjust(*changes, **details), key)


def set_to(*quantities: LevelQuantity, key: str | None, **details: Unpack[given.Details]) -> InventorySet:
    """Return an inventorySet of SKU, with an id of its own."""
    return _own(given.set_to(*quantities, **details), key)


def move(*moves: LevelMove, key: str | None, **details: Unpack[given.Details]) -> InventoryMove:
    """Return an inventoryMove of SKU, with an id of its own."""
    return _own(given.move(*moves, **details), key)


def activate(location: str, *, key: str | None, **details: Unpack[given.Details]) -> InventoryActivate:
    """Return an inventoryActivate of SKU, with an id of its own."""
    return _own(given.activate(location, **details), key)


def deactivate(location: str, *, key: str | None, **details: Unpack[given.Details]) -> InventoryDeactivate:
    """Return an inventoryDeactivate of SKU, with an id of its own."""
    return _own(given.deactivate(location, **details), key)


def sale(
    quantity: int = 1, *, key: str | None, location: str = EAST, **details: Unpack[given.Details]
) -> InventoryAdjust:
    """Return an inventoryAdjust that takes so many of SKU from one location."""
    return adjust(given.change(location, -quantity), key=key, **details)


def _own(command: Stock, key: str | None) -> Stock:
    return replace(command, command_id=new_id(), idempotency_key=key)

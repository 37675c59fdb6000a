"""Loading the demo into a real database through the real writer: once, again, and after it was cut short."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from app.demo.loader import LAST_ORDER_KEY, DemoRefused, DemoSummary, Tally, demo_is_loaded, load_demo, load_stage
from app.demo.orders import read_order_lines
from app.demo.places import CENTRAL, CHANNELS, EAST, LOCATIONS
from app.demo.plan import DemoPlan, Stage, plan_demo
from app.ids import new_id
from app.ledger_writer import LedgerWriter, WriterLimits
from app.reads import DatabaseReads
from app.storage.database import SqliteDatabase
from app.storage.migrate import migrate_sqlite
from domain.adjustments import AdjustmentReason
from domain.catalogue import ItemUpsert
from domain.ports import Receipt
from domain.principals import LOCAL_PRINCIPAL
from domain.stock_commands import InventoryAdjust, InventorySet, LevelDelta, LevelQuantity

Result = TypeVar("Result")

LIMITS = WriterLimits(
    batch_rows_max=2000, queue_commands_max=10_000, queue_deadline_seconds=30, commit_deadline_seconds=30
)
STOP_SECONDS_MAX = 30
TABLES = ("items", "locations", "channels", "listings", "stock_levels", "movements", "adjustments", "idempotency_keys")
LEVEL_SUMS = """
    SELECT items.sku, locations.code, stock_levels.on_hand,
           (SELECT coalesce(sum(delta), 0) FROM movements
             WHERE movements.item_id = items.id AND movements.location_id = locations.id AND bucket = 'ON_HAND')
      FROM stock_levels JOIN items ON items.id = item_id JOIN locations ON locations.id = location_id
"""

LEVELS_THAT_BEGIN_EMPTY = 40

FIRST_LOAD = DemoSummary(
    lines_read=10_000,
    lines_left_out={"POST": 18, "M": 10, "DOT": 6, "D": 2, "C2": 1, "BANK CHARGES": 1},
    zero_sums=0,
    channels=4,
    locations=3,
    items=2010,
    listings=4473,
    catalogue_changes=6490,
    adjustments_by_reason={
        AdjustmentReason.RECEIPT: 2010,
        AdjustmentReason.SALE: 9490,
        AdjustmentReason.RETURN: 97,
        AdjustmentReason.SHRINKAGE: 30,
    },
    adjustments_new=11_627,
    adjustments_replayed=0,
    conflicts_opened=6,
)
SECOND_LOAD = replace(
    FIRST_LOAD, catalogue_changes=0, adjustments_new=0, adjustments_replayed=11_627, conflicts_opened=0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A database into which the demo was loaded twice."""

    path: Path
    first: DemoSummary
    second: DemoSummary
    progress: list[tuple[str, int, int]]
    facts_after_first: dict[str, int]


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Report to nobody."""


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[tuple[LedgerWriter, DatabaseReads]]:
    database = await SqliteDatabase.open(path, lock_timeout_ms=2000, read_connections=1)
    writer = LedgerWriter(database, LIMITS)
    running = asyncio.create_task(writer.run())
    try:
        yield writer, DatabaseReads(database, deadline_seconds=5)
    finally:
        writer.stop()
        await asyncio.wait_for(running, STOP_SECONDS_MAX)
        await database.close()


def with_ledger(path: Path, use: Callable[[LedgerWriter], Awaitable[Result]]) -> Result:
    """Migrate and open the database, and hand its writer over."""

    async def run() -> Result:
        async with open_database(path) as (writer, _):
            return await use(writer)

    migrate_sqlite(path)
    return asyncio.run(run())


def is_loaded(path: Path) -> bool:
    async def run() -> bool:
        async with open_database(path) as (_, reads):
            return await demo_is_loaded(reads)

    migrate_sqlite(path)
    return asyncio.run(run())


def rows_of(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def sums_of_levels(path: Path) -> dict[tuple[str, str], int]:
    """Return what the movements of each level add up to, after a look whether the level says the same."""
    rows = rows_of(path, LEVEL_SUMS)
    assert [row for row in rows if row[2] != row[3]] == []
    return {(str(sku), str(location)): int(str(units)) for sku, location, _, units in rows}


def balances_of(plan: DemoPlan) -> dict[tuple[str, str], int]:
    """Return what the plan's opening stock and orders add up to."""
    balances = {(one.sku, level.location): level.quantity for one in plan.openings for level in one.quantities}
    for order in plan.orders:
        for entry in order.adjustments:
            balances[order.sku, entry.location] += entry.delta
    return balances


def facts_of(path: Path) -> dict[str, int]:
    """Return how many rows each table has, and the position of the newest event."""
    counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES)
    head = "SELECT 'head', position FROM feed_head UNION ALL SELECT 'events', count(*) FROM events"
    conflicts = "SELECT 'open conflicts', count(*) FROM conflicts WHERE closed_at IS NULL"
    rows = rows_of(path, f"{counts} UNION ALL {head} UNION ALL {conflicts}")
    return {str(name): int(str(number)) for name, number in rows}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = tmp_path_factory.mktemp("demo") / "demo.sqlite3"
    progress: list[tuple[str, int, int]] = []
    first = with_ledger(
        path, lambda ledger: load_demo(ledger, new_id=new_id, report=lambda *step: progress.append(step))
    )
    facts = facts_of(path)
    second = with_ledger(path, lambda ledger: load_demo(ledger, new_id=new_id, report=quiet))
    return Loaded(path=path, first=first, second=second, progress=progress, facts_after_first=facts)


def test_first_load_brings_everything(loaded: Loaded) -> None:
    assert loaded.first == FIRST_LOAD


def test_second_load_replays_every_key_and_changes_nothing(loaded: Loaded) -> None:
    assert loaded.second == SECOND_LOAD
    assert facts_of(loaded.path) == loaded.facts_after_first


def test_database_holds_what_the_summary_says(loaded: Loaded) -> None:
    assert facts_of(loaded.path) == {
        "items": 2010,
        "locations": 3,
        "channels": 4,
        "listings": 4473,
        "stock_levels": 4519,
        "movements": 4519 - LEVELS_THAT_BEGIN_EMPTY + 9617,
        "adjustments": 11_627,
        "idempotency_keys": 11_627,
        "head": 6490 + 11_627 + 6,
        "events": 6490 + 11_627 + 6,
        "open conflicts": 6,
    }


def test_every_level_is_the_sum_of_its_movements_and_of_the_plan(loaded: Loaded) -> None:
    assert sums_of_levels(loaded.path) == balances_of(plan_demo(read_order_lines(), new_id=new_id))


def test_movements_keep_the_order_of_the_invoices(loaded: Loaded) -> None:
    rows = rows_of(
        loaded.path,
        "SELECT idempotency_key FROM adjustments WHERE idempotency_key NOT LIKE 'opening:%' ORDER BY position",
    )
    plan = plan_demo(read_order_lines(), new_id=new_id)
    assert [row[0] for row in rows] == [order.idempotency_key for order in plan.orders]


def test_progress_is_reported_from_nothing_to_all_of_each_stage(loaded: Loaded) -> None:
    stages = {"Channels": 4, "Locations": 3, "Items": 2010, "Listings": 4473, "Opening stock": 2010, "Orders": 9617}
    assert list(dict.fromkeys(step[0] for step in loaded.progress)) == list(stages)
    for name, total in stages.items():
        steps = [step for step in loaded.progress if step[0] == name]
        assert [done for _, done, _ in steps] == [*range(0, total, 256), total]
        assert {of for _, _, of in steps} == {total}


def test_last_key_shows_whether_the_demo_is_loaded(loaded: Loaded, tmp_path: Path) -> None:
    assert plan_demo(read_order_lines(), new_id=new_id).orders[-1].idempotency_key == LAST_ORDER_KEY
    assert is_loaded(loaded.path)
    assert not is_loaded(tmp_path / "empty.sqlite3")


def test_summary_is_told_in_words() -> None:
    assert list(FIRST_LOAD.lines()) == [
        "10,000 order lines read; 38 are not stock: BANK CHARGES 1, C2 1, D 2, DOT 6, M 10, POST 18",
        "2,010 items, 3 locations, 4 channels, 4,473 listings: 6,490 new or changed",
        "11,627 adjustments (RECEIPT 2,010, RETURN 97, SALE 9,490, SHRINKAGE 30): 11,627 new, 0 replayed; "
        "0 summed to zero and were skipped",
        "6 conflicts opened, where more was sold than there was",
    ]


def test_load_that_was_cut_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "demo.sqlite3"
    begun, whole = Tally(), Tally()
    plan = plan_demo(read_order_lines()[:1000], new_id=new_id)
    *before, orders = plan.stages

    async def begin_and_load(ledger: LedgerWriter) -> None:
        for stage in (*before, Stage(name=orders.name, commands=orders.commands[:300])):
            await load_stage(ledger, stage, begun, report=quiet)
        for stage in plan.stages:
            await load_stage(ledger, stage, whole, report=quiet)

    with_ledger(path, begin_and_load)
    openings, sent = len(plan.openings), len(plan.openings) + len(plan.orders)
    assert (begun.adjustments_replayed, begun.adjustments_new) == (0, openings + 300)
    assert (whole.adjustments_replayed, whole.adjustments_new) == (openings + 300, sent - openings - 300)
    assert whole.catalogue_changes == 0
    assert sums_of_levels(path) == balances_of(plan)


def test_foreign_change_under_a_key_of_the_demo_is_told_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "demo.sqlite3"

    async def load_over_a_foreign_change(ledger: LedgerWriter) -> None:
        await _stock_an_item(ledger, units=7)
        await load_demo(ledger, new_id=new_id, report=quiet)

    with pytest.raises(DemoRefused, match=r"^opening:85123A was refused; load the demo into a database of its own\."):
        with_ledger(path, load_over_a_foreign_change)
    assert {key: units for key, units in sums_of_levels(path).items() if key[0] == "85123A"} == {("85123A", CENTRAL): 7}
    assert rows_of(path, "SELECT count(*) FROM adjustments WHERE reason = 'SALE'") == [(0,)], "no order was begun"


def test_stock_that_moved_since_is_not_touched_by_another_load(tmp_path: Path) -> None:
    path = tmp_path / "demo.sqlite3"
    plan = plan_demo(read_order_lines()[:20], new_id=new_id)

    async def load_sell_and_load(ledger: LedgerWriter) -> int:
        for stage in plan.stages:
            await load_stage(ledger, stage, Tally(), report=quiet)
        sold = await ledger.execute(_sale(), by=LOCAL_PRINCIPAL)
        for stage in plan.stages:
            await load_stage(ledger, stage, Tally(), report=quiet)
        assert isinstance(sold, Receipt)
        return sold.position

    assert with_ledger(path, load_sell_and_load) == facts_of(path)["head"]
    sums = sums_of_levels(path)
    assert (sums["B2B-SERV-001X", CENTRAL], sums["B2B-SERV-001X", EAST]) == (495, 500)


async def _stock_an_item(ledger: LedgerWriter, *, units: int) -> None:
    opening = InventorySet(
        command_id=new_id(),
        sku="85123A",
        idempotency_key="opening:85123A",
        quantities=(LevelQuantity(location=CENTRAL, quantity=units),),
    )
    for command in (*CHANNELS, *LOCATIONS, ItemUpsert(sku="85123A", fields={}), opening):
        assert isinstance(await ledger.execute(command, by=LOCAL_PRINCIPAL), Receipt)


def _sale() -> InventoryAdjust:
    return InventoryAdjust(
        command_id=new_id(),
        sku="B2B-SERV-001X",
        idempotency_key="order_77921",
        adjustments=(LevelDelta(location=CENTRAL, delta=-5),),
    )

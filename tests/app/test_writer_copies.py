"""Large batches go to PostgreSQL another way than small ones; the one rule: nobody can tell which way it was."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import pytest

from app.storage import ledger, postgres_copy
from app.storage.statements import Call, Script
from app.storage.tables import metadata
from domain.decider import Command
from domain.levels import InventoryBucket
from tests.app.databases import Databases, Dump, Store
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Shop,
    accepted,
    activate,
    adjust,
    move,
    open_shop,
    running,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, change, count, part_move

NEVER: Final = 1_000_000
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set of new rows counts as large."""
    monkeypatch.setattr(postgres_copy, "COPIED_ROWS_MIN", 1)


def without_times(dump: Dump) -> dict[str, list[dict[str, object]]]:
    """Return the rows by column, but for when they were written."""
    names = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
    return {
        table: [
            {
                name: TIME.sub("", cell) if isinstance(cell, str) else cell
                for name, cell in zip(names[table], row, strict=True)
                if not name.endswith("_at")
            }
            for row in rows
        ]
        for table, rows in dump.items()
    }


async def kept(store: Store, commands: Sequence[Command]) -> dict[str, list[dict[str, object]]]:
    """Run commands in one batch on a store, and return all that it holds then."""
    async with open_shop(store) as shop:
        for outcome in await shop.batch(*commands):
            accepted(outcome)
        return without_times(await store.dump())


async def test_what_is_kept_is_the_same(databases: Databases, stocked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given counts, sales, moves and odd texts, when they are kept either way, then every row and id is the same."""
    odd = "\t\\N,\"'ü\u2028"
    commands: list[Command] = [
        set_to(count(EAST, 3), count(CENTRAL, 2), key="b"),
        sale(2, key="a", correlation_id=odd),
        adjust(change(EAST, 5), change(CENTRAL, 1, InventoryBucket.DAMAGED), key="c"),
        move(part_move(EAST, 1, target=InventoryBucket.QUARANTINED), key="ä"),
        activate(CENTRAL, key="d", sku=OTHER_SKU),
        set_to(count(EAST, 5), count(CENTRAL, 0), key="e"),
    ]
    found = []
    for least in (1, NEVER):
        monkeypatch.setattr(postgres_copy, "COPIED_ROWS_MIN", least)
        found.append(await kept(databases.copy_of(stocked), commands))
    assert found[0] == found[1]
    assert [row["position"] for row in found[0]["events"]] == list(range(1, OPENING_HEAD + 8))
    assert [row["correlation_id"] for row in found[0]["adjustments"]].count(odd) == 1


@pytest.mark.usefixtures("copying")
async def test_many_commands_at_once_are_placed_in_their_order(shop: Shop) -> None:
    receipts = [accepted(one) for one in await shop.batch(*(sale(1, key=f"k-{number}") for number in range(10)))]
    assert [one.position for one in receipts] == list(range(OPENING_HEAD + 1, OPENING_HEAD + 11))
    assert [one.adjustment and one.adjustment.position for one in receipts] == [one.position for one in receipts]
    assert await shop.positions() == list(range(1, OPENING_HEAD + 11))
    rows = await shop.store.rows("SELECT balance_after FROM movements ORDER BY id DESC LIMIT 10")
    assert [row[0] for row in rows] == list(range(10))


@pytest.mark.usefixtures("copying")
async def test_a_row_that_the_database_refuses_fails_alone(shop: Shop) -> None:
    await shop.store.refuse_movements_of(OTHER_SKU)
    commands = [sale(1, key="a"), sale(1, key="bad", sku=OTHER_SKU), sale(1, key="b")]
    told = await shop.settle(*(shop.writer.execute(one, by=CLERK) for one in commands))
    assert isinstance(told.pop(1), shop.store.constraint_error)
    assert [accepted(one).position for one in told] == [OPENING_HEAD + 1, OPENING_HEAD + 2]
    assert await shop.keys() == [("acme", "a"), ("acme", "b")]


@pytest.mark.usefixtures("copying")
async def test_two_writers_on_one_store_keep_a_key_once(shop: Shop) -> None:
    """Given the same keys for levels that have nothing in common, then who comes second sees what the first kept."""
    async with open_shop(shop.store) as other, running(shop.writer) as here, running(other.writer) as there:
        outcomes = await within(
            asyncio.gather(
                *(here.execute(sale(1, key=f"k-{number}"), by=CLERK) for number in range(5)),
                *(there.execute(sale(1, key=f"k-{number}"), by=CLERK) for number in range(5)),
            )
        )
    receipts = [accepted(one) for one in outcomes]
    assert sum(not one.replayed for one in receipts) == 5
    assert await shop.on_hand() == 5


@pytest.mark.usefixtures("copying")
async def test_rows_that_cannot_be_sent_leave_nothing_behind(shop: Shop) -> None:
    """Given a number that no column holds, then nothing of its transaction is there, and the next one is kept."""
    before = await shop.store.dump()
    rows = [("acme", "k", "1:x", None, 1, None), ("acme", "l", "1:x", None, 2**70, None)]

    def script() -> Script[bool]:
        yield (Call(ledger.add_keys, {"rows": rows}),)
        return True

    with pytest.raises((TypeError, OverflowError)):
        await shop.database.write(script, keeps=bool)
    assert await shop.store.dump() == before
    await shop.accept(sale(1, key="a"))

"""Levels that begin, end and fall into conflict; the one rule: a level's story survives its end and its batch."""

import asyncio

import pytest

from domain.adjustments import ShortagePolicy
from domain.catalogue import ItemArchive, ItemUpsert, LocationArchive, LocationUpsert
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import LEVELS_PER_ITEM_MAX
from domain.ports import Receipt
from domain.rejections import RejectionCode
from domain.stock_commands import InventoryActivate, LevelActivated, LevelDeactivated
from tests.app.databases import Row
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Shop,
    accepted,
    activate,
    adjust,
    deactivate,
    refusals,
    running,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, change, count, level

FACT = ShortagePolicy.RECORD_CONFLICT
PROMISED = 8


async def promise(shop: Shop, *, location: str = EAST) -> None:
    """Reserve units of SKU; the documents that will do so one day are not part of this."""
    await shop.store.change(
        f"UPDATE stock_levels SET reserved = {PROMISED} WHERE item_id = (SELECT id FROM items WHERE sku = '{SKU}') "
        f"AND location_id = (SELECT id FROM locations WHERE code = '{location}')"
    )


async def conflicts(shop: Shop) -> list[Row]:
    """Return (location, unbacked, whether it is closed) of each, by location."""
    return await shop.store.rows(
        "SELECT l.code, c.unbacked, c.closed_at IS NOT NULL FROM conflicts c JOIN locations l ON l.id = c.location_id "
        "ORDER BY l.code, c.unbacked"
    )


def kinds(events: tuple[Event, ...]) -> list[str]:
    """Return the names of events."""
    return [type(event).__name__ for event in events]


class TestBeginningAndEnd:
    async def test_a_level_begins_at_version_one_with_nothing_on_hand(self, shop: Shop) -> None:
        receipt = await shop.accept(activate(CENTRAL, key="a", sku=OTHER_SKU))
        began = await shop.level(CENTRAL, sku=OTHER_SKU)
        assert began == level(CENTRAL, sku=OTHER_SKU, version=1, at=began.updated_at)
        assert receipt.events == (LevelActivated(level=began),)

    async def test_a_level_that_has_begun_stays_as_it_is(self, shop: Shop) -> None:
        before = await shop.store.dump()
        receipt = await shop.accept(activate(EAST, key=None))
        assert receipt == Receipt(position=OPENING_HEAD, replayed=False)
        assert await shop.store.dump() == before

    async def test_the_version_goes_on_where_an_ended_level_left_off(self, shop: Shop) -> None:
        await shop.accept(sale(20, key="a", sku=OTHER_SKU))
        ended = await shop.accept(deactivate(EAST, key="b", sku=OTHER_SKU))
        assert [event.level.version for event in ended.events if isinstance(event, LevelDeactivated)] == [3]
        assert (OTHER_SKU, EAST) not in await shop.levels()
        assert await shop.refuse(sale(1, key="c", sku=OTHER_SKU)) == [
            (RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "adjustments.0.locationId")
        ]
        await shop.accept(activate(EAST, key="d", sku=OTHER_SKU))
        assert (await shop.levels())[OTHER_SKU, EAST] == (0, 4)
        await shop.accept(adjust(change(EAST, 2), key="e", sku=OTHER_SKU))
        assert (await shop.levels())[OTHER_SKU, EAST] == (2, 5)

    async def test_a_count_begins_an_ended_level_again(self, shop: Shop) -> None:
        for command in (sale(20, key="a", sku=OTHER_SKU), deactivate(EAST, key="b", sku=OTHER_SKU)):
            await shop.accept(command)
        receipt = await shop.accept(set_to(count(EAST, 6), key="c", sku=OTHER_SKU))
        assert kinds(receipt.events) == ["InventoryAdjusted"]
        assert (await shop.levels())[OTHER_SKU, EAST] == (6, 4)

    async def test_a_level_can_begin_end_and_begin_within_one_batch(self, shop: Shop) -> None:
        outcomes = await shop.batch(
            activate(CENTRAL, key="a", sku=OTHER_SKU),
            deactivate(CENTRAL, key="b", sku=OTHER_SKU),
            sale(1, key="c", sku=OTHER_SKU, location=CENTRAL),
            set_to(count(CENTRAL, 4), key="d", sku=OTHER_SKU),
            deactivate(CENTRAL, key="e", sku=OTHER_SKU),
        )
        assert refusals(outcomes[2]) == [(RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "adjustments.0.locationId")]
        assert refusals(outcomes[4]) == [(RejectionCode.LEVEL_NOT_EMPTY, "locationId")]
        assert [accepted(outcomes[place]).position for place in (0, 1, 3)] == [8, 9, 10]
        assert (await shop.levels())[OTHER_SKU, CENTRAL] == (4, 3)

    async def test_a_level_that_ends_in_its_first_batch_keeps_its_version(self, shop: Shop) -> None:
        await shop.batch(activate(CENTRAL, key="a", sku=OTHER_SKU), deactivate(CENTRAL, key="b", sku=OTHER_SKU))
        assert (OTHER_SKU, CENTRAL) not in await shop.levels()
        await shop.accept(activate(CENTRAL, key="c", sku=OTHER_SKU))
        assert (await shop.levels())[OTHER_SKU, CENTRAL] == (0, 3)

    async def test_two_commands_begin_one_level_once(self, shop: Shop) -> None:
        first, second = await shop.batch(
            activate(CENTRAL, key="a", sku=OTHER_SKU), activate(CENTRAL, key="b", sku=OTHER_SKU)
        )
        assert kinds(accepted(first).events) == ["LevelActivated"]
        assert accepted(second) == Receipt(position=OPENING_HEAD + 1, replayed=False)
        assert (await shop.levels())[OTHER_SKU, CENTRAL] == (0, 1)

    async def test_an_item_has_a_limited_number_of_levels(self, shop: Shop) -> None:
        codes = [f"STORE-{number:03d}" for number in range(LEVELS_PER_ITEM_MAX + 1)]
        for outcome in await shop.batch(*(LocationUpsert(code=code, fields={}) for code in codes)):
            accepted(outcome)
        full = set_to(*(count(code, 1) for code in codes[: LEVELS_PER_ITEM_MAX - 1]), key="a", sku=OTHER_SKU)
        accepted((await shop.batch(full))[0])
        too_many = [(RejectionCode.LEVEL_LIMIT_REACHED, "sku")]
        assert await shop.refuse(activate(codes[-1], key="b", sku=OTHER_SKU)) == too_many
        assert await shop.refuse(set_to(count(codes[-1], 1), key="c", sku=OTHER_SKU)) == too_many
        assert (await shop.accept(activate(codes[0], key="d", sku=OTHER_SKU))).events == ()
        await shop.accept(sale(20, key="e", sku=OTHER_SKU))
        ended, first, second = await shop.batch(
            deactivate(EAST, key="f", sku=OTHER_SKU),
            activate(codes[-1], key="g", sku=OTHER_SKU),
            activate(codes[-2], key="h", sku=OTHER_SKU),
        )
        assert kinds(accepted(ended).events) == ["LevelDeactivated"]
        assert kinds(accepted(first).events) == ["LevelActivated"]
        assert refusals(second) == too_many

    async def test_many_at_once_do_not_pass_the_limit(self, shop: Shop) -> None:
        codes = [f"STORE-{number:03d}" for number in range(LEVELS_PER_ITEM_MAX + 20)]
        await shop.batch(*(LocationUpsert(code=code, fields={}) for code in codes))
        async with running(shop.with_limits(batch_rows_max=50).writer) as ledger:
            calls = [ledger.execute(activate(code, key=code, sku=OTHER_SKU), by=CLERK) for code in codes]
            outcomes = await within(asyncio.gather(*calls))
        assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == LEVELS_PER_ITEM_MAX - 1
        assert sum(sku == OTHER_SKU for sku, _ in await shop.levels()) == LEVELS_PER_ITEM_MAX

    async def test_an_archived_item_or_location_is_as_good_as_missing(self, shop: Shop) -> None:
        for outcome in await shop.batch(ItemUpsert(sku="CUP", fields={}), LocationUpsert(code="SHED", fields={})):
            accepted(outcome)
        for outcome in await shop.batch(ItemArchive(sku="CUP"), LocationArchive(code="SHED")):
            accepted(outcome)
        assert await shop.refuse(activate(EAST, key="a", sku="CUP")) == [(RejectionCode.ITEM_NOT_FOUND, "sku")]
        assert await shop.refuse(activate("SHED", key="b")) == [(RejectionCode.LOCATION_NOT_FOUND, "locationId")]
        for outcome in await shop.batch(ItemUpsert(sku="CUP", fields={}), LocationUpsert(code="SHED", fields={})):
            accepted(outcome)
        await shop.accept(activate("SHED", key="c", sku="CUP"))


class TestConflicts:
    async def test_a_fact_that_leaves_promises_unbacked_opens_one(self, shop: Shop) -> None:
        await promise(shop)
        receipt = await shop.accept(sale(6, key="a", on_shortage=FACT))
        assert kinds(receipt.events) == ["InventoryAdjusted", "StockConflictOpened"]
        assert receipt.position == OPENING_HEAD + 2
        assert receipt.adjustment is not None
        assert receipt.adjustment.position == OPENING_HEAD + 1
        opened = receipt.events[1]
        assert isinstance(opened, StockConflictOpened)
        assert opened.unbacked == 4
        now = await shop.level()
        assert now == opened.level
        assert (now.on_hand, now.version, now.conflict_id) == (4, 2, opened.conflict_id)
        assert await conflicts(shop) == [(EAST, 4, 0)]

    async def test_it_closes_when_the_promises_are_backed_again(self, shop: Shop) -> None:
        await promise(shop)
        await shop.accept(sale(6, key="a", on_shortage=FACT))
        receipt = await shop.accept(adjust(change(EAST, 4), key="b"))
        assert kinds(receipt.events) == ["InventoryAdjusted", "StockConflictClosed"]
        assert (await shop.level()).conflict_id is None
        ((opened_at, closed_at),) = await shop.store.rows("SELECT opened_at, closed_at FROM conflicts")
        assert opened_at <= closed_at
        assert await conflicts(shop) == [(EAST, 4, 1)]

    async def test_it_stays_the_same_one_while_the_shortage_changes(self, shop: Shop) -> None:
        await promise(shop)
        first = await shop.accept(sale(6, key="a", on_shortage=FACT))
        second = await shop.accept(sale(1, key="b", on_shortage=FACT))
        assert kinds(second.events) == ["InventoryAdjusted"]
        opened = first.events[1]
        assert isinstance(opened, StockConflictOpened)
        assert (await shop.level()).conflict_id == opened.conflict_id
        assert await conflicts(shop) == [(EAST, 4, 0)]

    async def test_it_can_open_close_and_open_within_one_batch(self, shop: Shop) -> None:
        await promise(shop)
        outcomes = await shop.batch(
            sale(6, key="a", on_shortage=FACT), adjust(change(EAST, 6), key="b"), sale(7, key="c", on_shortage=FACT)
        )
        log = [event for outcome in outcomes for event in accepted(outcome).events]
        assert kinds(tuple(log)) == [
            "InventoryAdjusted",
            "StockConflictOpened",
            "InventoryAdjusted",
            "StockConflictClosed",
            "InventoryAdjusted",
            "StockConflictOpened",
        ]
        assert [accepted(outcome).position for outcome in outcomes] == [9, 11, 13]
        first, last = (event for event in log if isinstance(event, StockConflictOpened))
        (closed,) = (event for event in log if isinstance(event, StockConflictClosed))
        assert closed.conflict_id == first.conflict_id != last.conflict_id
        rows = await shop.store.rows("SELECT id, unbacked, closed_at IS NULL FROM conflicts")
        assert sorted(rows) == sorted([(first.conflict_id, 4, 0), (last.conflict_id, 5, 1)])
        assert await shop.level() == last.level

    async def test_it_can_close_open_and_close_within_one_batch(self, shop: Shop) -> None:
        await promise(shop)
        await shop.accept(sale(6, key="a", on_shortage=FACT))
        await shop.batch(
            adjust(change(EAST, 6), key="b"), sale(7, key="c", on_shortage=FACT), adjust(change(EAST, 7), key="d")
        )
        assert await shop.store.rows("SELECT unbacked, closed_at IS NULL FROM conflicts ORDER BY unbacked") == [
            (4, 0),
            (5, 0),
        ]
        assert (await shop.level()).conflict_id is None
        assert await shop.positions() == list(range(1, OPENING_HEAD + 9))

    async def test_one_command_opens_one_at_each_location(self, shop: Shop) -> None:
        await promise(shop)
        await promise(shop, location=CENTRAL)
        receipt = await shop.accept(adjust(change(EAST, -6), change(CENTRAL, -1), key="a", on_shortage=FACT))
        assert kinds(receipt.events) == ["InventoryAdjusted", "StockConflictOpened", "StockConflictOpened"]
        assert receipt.position == OPENING_HEAD + 3
        assert await conflicts(shop) == [(CENTRAL, 4, 0), (EAST, 4, 0)]
        opened = [event.conflict_id for event in receipt.events if isinstance(event, StockConflictOpened)]
        assert len(set(opened)) == 2

    async def test_a_claim_never_opens_one(self, shop: Shop) -> None:
        await promise(shop)
        assert await shop.refuse(sale(3, key="a")) == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]
        assert await shop.count_of("conflicts") == 0

    async def test_on_hand_falls_below_zero_only_as_a_fact(self, shop: Shop) -> None:
        receipt = await shop.accept(sale(12, key="a", on_shortage=FACT))
        assert kinds(receipt.events) == ["InventoryAdjusted", "StockConflictOpened"]
        assert await shop.on_hand() == -2
        assert await conflicts(shop) == [(EAST, 2, 0)]


@pytest.mark.parametrize("key", ["a", None])
async def test_a_dry_run_of_an_activation_keeps_nothing(shop: Shop, key: str | None) -> None:
    before = await shop.store.dump()
    command: InventoryActivate = activate(CENTRAL, key=key, sku=OTHER_SKU, dry_run=True)
    receipt = await shop.accept(command)
    assert kinds(receipt.events) == ["LevelActivated"]
    assert await shop.store.dump() == before

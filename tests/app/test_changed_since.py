"""What changed behind a position; the one rule: nothing is left out, and what is no longer known is said."""

from datetime import UTC, datetime, timedelta

import pytest

from app import event_feed
from app.event_retention import EVENTS_PER_RUN, EventRetention
from domain.catalogue import ChannelUpsert, ItemUpsert, LocationArchive, LocationUpsert
from domain.listings import ListingUpsert
from domain.ports import ChangedSince, PositionExpired, Unavailable
from tests.app.feeds import append, feed_on, forget
from tests.app.shop import OPENING_HEAD, OTHER_SKU, Shop, activate, sale
from tests.domain.given import CENTRAL, EAST, SKU, WEB

NOW = datetime(2030, 1, 1, tzinfo=UTC)


async def changed(shop: Shop, position: int) -> list[ChangedSince]:
    """Return what changed after a position, stretch by stretch."""
    return [stretch async for stretch in feed_on(shop.database).changes_after(position)]


async def skus(shop: Shop, position: int) -> list[str]:
    """Return the SKUs that changed after a position."""
    return [sku for stretch in await changed(shop, position) for sku in stretch.skus]


async def locations(shop: Shop, position: int) -> list[str]:
    """Return the codes of the locations that changed after a position."""
    return [code for stretch in await changed(shop, position) for code in stretch.locations]


class TestSkus:
    async def test_each_is_named_once_in_order(self, shop: Shop) -> None:
        await shop.batch(sale(1, key="a", sku=OTHER_SKU), sale(1, key="b"), sale(1, key="c", sku=OTHER_SKU))
        assert await skus(shop, OPENING_HEAD) == [SKU, OTHER_SKU]
        assert await skus(shop, OPENING_HEAD + 1) == [SKU, OTHER_SKU]
        assert await skus(shop, OPENING_HEAD + 2) == [OTHER_SKU]
        assert await skus(shop, OPENING_HEAD + 3) == []

    async def test_every_kind_of_change_counts(self, shop: Shop) -> None:
        await shop.batch(
            ChannelUpsert(code="till", fields={}),
            LocationUpsert(code="SHED", fields={}),
            ItemUpsert(sku="CUP", fields={}),
            ListingUpsert(sku=OTHER_SKU, channel=WEB, external_key=None),
        )
        await shop.accept(activate(CENTRAL, key=None, sku="CUP"))
        assert await skus(shop, OPENING_HEAD) == sorted(["CUP", OTHER_SKU])
        assert await skus(shop, OPENING_HEAD + 4) == ["CUP"]

    async def test_a_long_log_comes_in_stretches(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_feed, "STRETCH_POSITIONS", 3)
        head = await append(shop, 7)
        stretches = await changed(shop, OPENING_HEAD)
        assert [stretch.end for stretch in stretches] == [OPENING_HEAD + 3, OPENING_HEAD + 6, head]
        assert [len(stretch.skus) for stretch in stretches] == [3, 3, 1]

    @pytest.mark.parametrize("position", [-1, OPENING_HEAD + 1, 2**62])
    async def test_a_position_that_never_was_has_expired(self, shop: Shop, position: int) -> None:
        with pytest.raises(PositionExpired):
            await changed(shop, position)

    async def test_a_forgotten_position_has_expired(self, shop: Shop) -> None:
        await forget(shop, to=4)
        with pytest.raises(PositionExpired):
            await changed(shop, 3)
        assert await skus(shop, 4) == [SKU, OTHER_SKU]
        assert await skus(shop, OPENING_HEAD) == []

    async def test_what_is_forgotten_between_two_stretches_is_told(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_feed, "STRETCH_POSITIONS", 2)
        stretches = feed_on(shop.database).changes_after(0)
        assert (await anext(stretches)).end == 2
        await forget(shop, to=4)
        with pytest.raises(PositionExpired):
            await anext(stretches)

    async def test_a_log_that_cannot_be_read_is_told(self, shop: Shop) -> None:
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await changed(shop, 0)


class TestLocations:
    async def test_each_is_named_once_in_order(self, shop: Shop) -> None:
        await shop.batch(
            LocationUpsert(code="SHED", fields={}),
            LocationUpsert(code=EAST, fields={"name": "East"}),
            ItemUpsert(sku="CUP", fields={}),
            ChannelUpsert(code="till", fields={}),
            LocationUpsert(code="SHED", fields={"name": "Shed"}),
            LocationUpsert(code="ATTIC", fields={}),
        )
        await shop.accept(LocationArchive(code="SHED"))
        assert await locations(shop, OPENING_HEAD) == ["ATTIC", "SHED", EAST]
        assert await locations(shop, OPENING_HEAD + 6) == ["SHED"]
        assert await locations(shop, 0) == ["ATTIC", "SHED", CENTRAL, EAST]

    async def test_stock_changes_no_location(self, shop: Shop) -> None:
        await shop.accept(sale(1, key="a"))
        assert await locations(shop, OPENING_HEAD) == []


class TestRetention:
    async def test_only_what_is_older_is_forgotten(self, shop: Shop) -> None:
        days = 30
        kept_from = NOW - timedelta(days=days)
        for position, age in ((3, timedelta(microseconds=1)), (4, timedelta(0))):
            at = int((kept_from - age).timestamp() * 1_000_000)
            await shop.store.change(f"UPDATE events SET recorded_at = {at} WHERE position <= {position}")
        await shop.store.change("UPDATE events SET recorded_at = recorded_at - 1 WHERE position <= 3")
        await shop.store.change(f"UPDATE events SET recorded_at = {2**60} WHERE position > 4")
        ledger = await shop.store.rows("SELECT * FROM movements ORDER BY id")
        retention = EventRetention(shop.database, keep_for=timedelta(days=days), clock=lambda: NOW)
        assert await retention.run_once() == 3
        assert await shop.positions() == [4, 5, 6, 7]
        assert await retention.run_once() == 0
        assert await shop.store.rows("SELECT * FROM movements ORDER BY id") == ledger
        assert await shop.reads.position() == OPENING_HEAD

    async def test_the_oldest_go_first_and_not_all_at_once(self, shop: Shop) -> None:
        head = await append(shop, EVENTS_PER_RUN)
        retention = EventRetention(shop.database, keep_for=timedelta(0), clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))
        assert await retention.run_once() == EVENTS_PER_RUN
        assert await shop.positions() == list(range(EVENTS_PER_RUN + 1, head + 1))
        assert await retention.run_once() == OPENING_HEAD
        assert await shop.positions() == []
        assert (await shop.accept(sale(1, key="a"))).position == head + 1

    async def test_a_clock_that_stepped_leaves_no_hole(self, shop: Shop) -> None:
        await shop.store.change(f"UPDATE events SET recorded_at = {2**60} WHERE position = 3")
        retention = EventRetention(shop.database, keep_for=timedelta(0), clock=lambda: datetime(2100, 1, 1, tzinfo=UTC))
        assert await retention.run_once() == 2
        assert await shop.positions() == list(range(3, OPENING_HEAD + 1))
        assert await retention.run_once() == 0

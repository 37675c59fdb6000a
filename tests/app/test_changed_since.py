"""What changed behind a position; the one rule: nothing is left out, and what is no longer known is said."""

from datetime import UTC, datetime, timedelta

import pytest

from app.event_retention import EVENTS_PER_RUN, EventRetention
from domain.catalogue import ChannelUpsert, ItemUpsert, LocationArchive, LocationUpsert
from domain.listings import ListingUpsert
from domain.ports import PositionExpired, Unavailable
from tests.app.feeds import append, feed_on, forget
from tests.app.shop import OPENING_HEAD, OTHER_SKU, Shop, activate, sale
from tests.app.test_reads_catalogue import ODD_TEXTS
from tests.domain.given import CENTRAL, EAST, SKU, WEB

NOW = datetime(2030, 1, 1, tzinfo=UTC)


async def skus(
    shop: Shop,
    position: int,
    *,
    among: list[str] | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[str]:
    """Return a page of the SKUs that changed."""
    return await feed_on(shop.database).skus_changed_since(position, among=among, after=after, limit=limit)


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
        assert await skus(shop, OPENING_HEAD) == ["CUP", OTHER_SKU]
        assert await skus(shop, OPENING_HEAD + 4) == ["CUP"]

    async def test_it_has_pages(self, shop: Shop) -> None:
        head = await append(shop, 7)
        names = [f"NEW-{number:04d}" for number in range(OPENING_HEAD, head)]
        seen: list[str] = []
        while page := await skus(shop, OPENING_HEAD, after=seen[-1] if seen else None, limit=2):
            seen += page
        assert seen == names
        assert await skus(shop, OPENING_HEAD, after="NEW-0008z", limit=1) == ["NEW-0009"]

    async def test_it_can_be_narrowed(self, shop: Shop) -> None:
        head = await append(shop, 7)
        asked = ["NEW-0009", "NOWHERE", "NEW-0007", SKU, "NEW-0012"]
        assert await skus(shop, OPENING_HEAD, among=asked) == ["NEW-0007", "NEW-0009", "NEW-0012"]
        assert await skus(shop, OPENING_HEAD, among=asked, after="NEW-0007", limit=1) == ["NEW-0009"]
        assert await skus(shop, OPENING_HEAD, among=[]) == []
        assert head == OPENING_HEAD + 7

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_texts_name_nothing(self, shop: Shop, text: str) -> None:
        await shop.accept(ItemUpsert(sku="A", fields={}))
        assert await skus(shop, OPENING_HEAD, among=[text]) == []
        assert await skus(shop, OPENING_HEAD, among=[text, "A"]) == ["A"]

    @pytest.mark.parametrize("position", [-1, OPENING_HEAD + 1, 2**70])
    async def test_a_position_that_never_was_has_expired(self, shop: Shop, position: int) -> None:
        with pytest.raises(PositionExpired):
            await skus(shop, position)

    async def test_a_forgotten_position_has_expired(self, shop: Shop) -> None:
        await forget(shop, to=4)
        with pytest.raises(PositionExpired):
            await skus(shop, 3)
        assert await skus(shop, 4) == [SKU, OTHER_SKU]
        assert await skus(shop, OPENING_HEAD) == []

    async def test_a_log_that_cannot_be_read_is_told(self, shop: Shop) -> None:
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await skus(shop, 0)


class TestPlaces:
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
        feed = feed_on(shop.database)
        assert await feed.places_changed_since(OPENING_HEAD) == ["ATTIC", "SHED", EAST]
        assert await feed.places_changed_since(OPENING_HEAD + 6) == ["SHED"]
        assert await feed.places_changed_since(OPENING_HEAD + 7) == []
        assert await feed.places_changed_since(0) == ["ATTIC", "SHED", CENTRAL, EAST]

    async def test_stock_changes_no_place(self, shop: Shop) -> None:
        await shop.accept(sale(1, key="a"))
        assert await feed_on(shop.database).places_changed_since(OPENING_HEAD) == []

    @pytest.mark.parametrize("position", [-1, 2, OPENING_HEAD + 1])
    async def test_a_position_that_is_not_kept_has_expired(self, shop: Shop, position: int) -> None:
        await forget(shop, to=4)
        with pytest.raises(PositionExpired):
            await feed_on(shop.database).places_changed_since(position)

    async def test_a_log_that_cannot_be_read_is_told(self, shop: Shop) -> None:
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await feed_on(shop.database).places_changed_since(0)


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

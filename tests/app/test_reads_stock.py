"""Reading stock and its history; the one rule: each answer is exact, of one moment, and costs one statement."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.reads import DatabaseReads
from domain.adjustments import AdjustmentReason
from domain.availability import Exposure
from domain.catalogue import ChannelArchive, ChannelUpsert, ItemArchive, ItemUpsert, LocationArchive, LocationUpsert
from domain.filters import ItemFilter
from domain.levels import InventoryBucket
from domain.listings import ListingUpsert
from domain.ports import LedgerRow, LevelAtLocation, StockSnapshot, Unavailable
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Shop,
    activate,
    adjust,
    all_pages,
    deactivate,
    queued,
    running,
    sale,
    set_to,
    within,
)
from tests.app.test_reads_catalogue import ODD_TEXTS
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB, change, count, level

ON_HAND = InventoryBucket.ON_HAND
OPENING_ROWS = 3
SHORT_DEADLINE_SECONDS = 0.05


async def exposures(shop: Shop, *keys: tuple[str, str | None]) -> list[Exposure]:
    """Return what listings do to each number."""
    return [snapshot.exposure for snapshot in await shop.reads.snapshots(keys)]


class TestSnapshots:
    async def test_it_holds_all_that_availability_is_computed_from(self, shop: Shop) -> None:
        east, central = await shop.reads.locations([EAST, CENTRAL])
        assert east is not None
        assert central is not None
        ((snapshot,), at) = await shop.reads.snapshots([(SKU, WEB)]), east.created_at
        opened = snapshot.levels[0].level.updated_at
        assert snapshot == StockSnapshot(
            position=OPENING_HEAD,
            as_of=snapshot.as_of,
            sku=SKU,
            is_known=True,
            is_backorderable=False,
            channel_is_known=True,
            exposure=Exposure(),
            levels=(
                LevelAtLocation(
                    level=level(CENTRAL, on_hand=5, version=1, at=opened), location=central, serves_channel=False
                ),
                LevelAtLocation(level=level(EAST, on_hand=10, version=1, at=opened), location=east),
            ),
        )
        assert at <= opened <= snapshot.as_of
        assert abs(datetime.now(UTC) - snapshot.as_of) < timedelta(minutes=1)

    async def test_without_a_channel_every_location_serves(self, shop: Shop) -> None:
        (snapshot,) = await shop.reads.snapshots([(SKU, None)])
        assert [one.serves_channel for one in snapshot.levels] == [True, True]
        assert snapshot.channel_is_known

    async def test_answers_keep_the_order_of_the_question(self, shop: Shop) -> None:
        keys = [(OTHER_SKU, None), ("NOWHERE", WEB), (SKU, "ebay"), (OTHER_SKU, None), (SKU, None)]
        found = await shop.reads.snapshots(keys)
        assert [(one.sku, one.is_known, one.channel_is_known, len(one.levels)) for one in found] == [
            (OTHER_SKU, True, True, 1),
            ("NOWHERE", False, True, 0),
            (SKU, True, False, 2),
            (OTHER_SKU, True, True, 1),
            (SKU, True, True, 2),
        ]
        assert await shop.reads.snapshots([]) == []

    async def test_an_unknown_channel_is_served_by_no_location(self, shop: Shop) -> None:
        (snapshot,) = await shop.reads.snapshots([(SKU, "ebay")])
        assert [one.serves_channel for one in snapshot.levels] == [False, False]

    async def test_an_archived_item_or_channel_is_unknown(self, shop: Shop) -> None:
        await shop.accept(ItemUpsert(sku="CUP", fields={}))
        await shop.batch(ItemArchive(sku="CUP"), ChannelArchive(code=WEB))
        cup, known = await shop.reads.snapshots([("CUP", WEB), (SKU, WEB)])
        assert (cup.is_known, cup.channel_is_known) == (False, False)
        assert (known.is_known, known.channel_is_known) == (True, False)
        assert [one.serves_channel for one in known.levels] == [False, False]

    async def test_ended_levels_do_not_show(self, shop: Shop) -> None:
        await shop.accept(sale(20, key="a", sku=OTHER_SKU))
        await shop.accept(deactivate(EAST, key="b", sku=OTHER_SKU))
        (snapshot,) = await shop.reads.snapshots([(OTHER_SKU, None)])
        assert (snapshot.is_known, snapshot.levels) == (True, ())

    async def test_it_moves_with_each_command(self, shop: Shop) -> None:
        receipt = await shop.accept(adjust(change(EAST, 1), change(CENTRAL, -5), key="a"))
        (snapshot,) = await shop.reads.snapshots([(SKU, None)])
        assert snapshot.position == receipt.position
        assert [one.level for one in snapshot.levels] == sorted(receipt.levels, key=lambda one: one.location)

    async def test_a_listing_shapes_the_number_of_its_channel_only(self, shop: Shop) -> None:
        await shop.batch(
            ChannelUpsert(code="till", fields={}),
            ListingUpsert(sku=SKU, channel=WEB, external_key=None),
            ListingUpsert(sku=SKU, channel="till", external_key=None),
        )
        await shop.store.change(
            "UPDATE listings SET buffer = 2, minimum_exposure = 3, maximum_exposure = 9, pool = 4 "
            f"WHERE channel_id = (SELECT id FROM channels WHERE code = '{WEB}')"
        )
        keys = [(SKU, WEB), (SKU, "till"), (SKU, None), (OTHER_SKU, WEB), (SKU, "ebay")]
        assert await exposures(shop, *keys) == [
            Exposure(buffer=2, minimum=3, maximum=9),
            Exposure(pools_of_others=4),
            Exposure(),
            Exposure(),
            Exposure(),
        ]

    async def test_pools_of_all_other_channels_in_use_add_up(self, shop: Shop) -> None:
        codes = ["a", "b", "gone"]
        await shop.batch(
            *(ChannelUpsert(code=code, fields={}) for code in codes),
            *(ListingUpsert(sku=SKU, channel=code, external_key=None) for code in (*codes, WEB)),
        )
        await shop.store.change("UPDATE listings SET pool = 10")
        await shop.accept(ChannelArchive(code="gone"))
        assert await exposures(shop, (SKU, WEB), (SKU, "a")) == [Exposure(pools_of_others=20)] * 2

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_texts_name_nothing(self, shop: Shop, text: str) -> None:
        await shop.batch(ItemUpsert(sku="A", fields={}), ChannelUpsert(code="A", fields={}))
        by_sku, by_channel = await shop.reads.snapshots([(text, None), ("A", text)])
        assert (by_sku.sku, by_sku.is_known, by_sku.levels) == (text, False, ())
        assert (by_channel.is_known, by_channel.channel_is_known) == (True, False)

    async def test_two_hundred_levels_come_in_order(self, shop: Shop) -> None:
        codes = [f"S-{number:03d}" for number in range(199)]
        await shop.batch(*(LocationUpsert(code=code, fields={}) for code in reversed(codes)))
        await shop.accept(set_to(*(count(code, 1) for code in reversed(codes)), key="a", sku=OTHER_SKU))
        (snapshot,) = await shop.reads.snapshots([(OTHER_SKU, None)])
        assert [one.location.code for one in snapshot.levels] == [*codes, EAST]


class TestHistory:
    async def test_adjustments_keep_the_order_of_the_question(self, shop: Shop) -> None:
        first, second = (receipt.adjustment for receipt in [await shop.accept(sale(1, key=key)) for key in ("a", "b")])
        assert first is not None
        assert second is not None
        asked = [second.id, "0" * 32, first.id, second.id, "", "\x00", "\ud800", first.id.upper()]
        found = await shop.reads.adjustments(asked)
        assert found == [second, None, first, second, None, None, None, None]
        assert await shop.reads.adjustments([]) == []

    async def test_an_adjustment_is_found_by_its_key_in_its_account(self, shop: Shop) -> None:
        receipt = await shop.accept(sale(1, key="A"))
        assert await shop.reads.adjustment_by_key("A", account="acme") == receipt.adjustment
        assert await shop.reads.adjustment_by_key("A", account="globex") is None
        assert await shop.reads.adjustment_by_key("a", account="acme") is None

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_texts_are_no_key(self, shop: Shop, text: str) -> None:
        await shop.accept(sale(1, key="A"))
        assert await shop.reads.adjustment_by_key(text, account="acme") is None
        assert await shop.reads.adjustment_by_key("A", account=text) is None
        assert await shop.reads.adjustments([text]) == [None]

    async def test_the_key_of_an_activation_has_no_adjustment(self, shop: Shop) -> None:
        await shop.accept(activate(CENTRAL, key="A", sku=OTHER_SKU))
        assert await shop.reads.adjustment_by_key("A", account="acme") is None

    async def test_movements_come_newest_first(self, shop: Shop) -> None:
        receipt = await shop.accept(
            adjust(change(EAST, -2), change(CENTRAL, 1), key="a", reason=AdjustmentReason.OTHER)
        )
        assert receipt.adjustment is not None
        rows = await shop.reads.movement_page(sku=None, locations=None, before=None, limit=2)
        newest = OPENING_ROWS + 2
        at, id_ = receipt.adjustment.recorded_at, receipt.adjustment.id
        assert rows == [
            LedgerRow(
                row_id=newest - place,
                sku=SKU,
                location=code,
                bucket=ON_HAND,
                delta=delta,
                balance_after=balance,
                reason=AdjustmentReason.OTHER,
                adjustment_id=id_,
                recorded_at=at,
            )
            for place, (code, delta, balance) in enumerate([(CENTRAL, 1, 6), (EAST, -2, 8)])
        ]

    @pytest.mark.parametrize(
        ("sku", "location", "found"),
        [
            (None, None, [(SKU, CENTRAL), (SKU, EAST), (OTHER_SKU, EAST), (SKU, CENTRAL), (SKU, EAST)]),
            (SKU, None, [(SKU, CENTRAL), (SKU, EAST), (SKU, CENTRAL), (SKU, EAST)]),
            (None, EAST, [(SKU, EAST), (OTHER_SKU, EAST), (SKU, EAST)]),
            (SKU, CENTRAL, [(SKU, CENTRAL), (SKU, CENTRAL)]),
            (OTHER_SKU, CENTRAL, []),
            ("NOWHERE", None, []),
            (None, "MOON", []),
        ],
    )
    async def test_movements_can_be_of_an_item_or_a_place(
        self, shop: Shop, sku: str | None, location: str | None, found: list[tuple[str, str]]
    ) -> None:
        await shop.accept(adjust(change(EAST, -2), change(CENTRAL, 1), key="a"))
        rows = await shop.reads.movement_page(
            sku=sku, locations=None if location is None else [location], before=None, limit=250
        )
        assert [(row.sku, row.location) for row in rows] == found

        async def ask(before: int | None) -> list[int]:
            page = await shop.reads.movement_page(
                sku=sku, locations=None if location is None else [location], before=before, limit=1
            )
            return [row.row_id for row in page]

        assert await all_pages(ask) == [row.row_id for row in rows]

    async def test_movements_of_what_is_archived_stay(self, shop: Shop) -> None:
        await shop.accept(sale(20, key="a", sku=OTHER_SKU))
        await shop.accept(deactivate(EAST, key="b", sku=OTHER_SKU))
        await shop.accept(ItemArchive(sku=OTHER_SKU))
        rows = await shop.reads.movement_page(sku=OTHER_SKU, locations=None, before=None, limit=9)
        assert [(row.delta, row.balance_after) for row in rows] == [(-20, 0), (20, 20)]

    @pytest.mark.parametrize(("before", "rows"), [(2**70, 3), (2, 1), (1, 0), (0, 0), (-1, 0), (-(2**70), 0)])
    async def test_any_number_is_a_place_in_the_ledger(self, shop: Shop, before: int, rows: int) -> None:
        found = await shop.reads.movement_page(sku=None, locations=None, before=before, limit=9)
        assert len(found) == rows

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_texts_have_no_movements(self, shop: Shop, text: str) -> None:
        for name in ({"sku": text, "locations": None}, {"sku": None, "locations": [text]}):
            assert await shop.reads.movement_page(**name, before=None, limit=9) == []

    async def test_the_position_is_that_of_the_newest_event(self, shop: Shop) -> None:
        assert await shop.reads.position() == OPENING_HEAD
        receipt = await shop.accept(sale(1, key="a"))
        assert await shop.reads.position() == receipt.position

    async def test_skus_at_a_location_have_pages(self, shop: Shop) -> None:
        await shop.batch(
            *(ItemUpsert(sku=sku, fields={}) for sku in ("Ä", "a")), LocationUpsert(code="SHED", fields={})
        )
        await shop.batch(*(activate(EAST, key=sku, sku=sku) for sku in ("Ä", "a")))
        assert await shop.reads.skus_stocked_at(EAST, after=None, limit=9) == [SKU, OTHER_SKU, "a", "Ä"]
        assert await shop.reads.skus_stocked_at(EAST, after=SKU, limit=2) == [OTHER_SKU, "a"]
        assert await shop.reads.skus_stocked_at(EAST, after="Ä", limit=2) == []
        assert await shop.reads.skus_stocked_at("SHED", after=None, limit=9) == []
        await shop.accept(LocationArchive(code="SHED"))
        await shop.accept(deactivate(EAST, key="end", sku="a"))
        assert await shop.reads.skus_stocked_at(EAST, after=None, limit=9) == [SKU, OTHER_SKU, "Ä"]

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_texts_stock_nothing(self, shop: Shop, text: str) -> None:
        assert await shop.reads.skus_stocked_at(text, after=None, limit=9) == []
        assert await shop.reads.skus_stocked_at(EAST, after=text, limit=9) == [
            sku for sku in (SKU, OTHER_SKU) if sku > text
        ]


ONE_STATEMENT: list[Callable[[DatabaseReads], Awaitable[object]]] = [
    lambda reads: reads.snapshots([(SKU, WEB), (OTHER_SKU, None)] * 125),
    lambda reads: reads.items([SKU, OTHER_SKU]),
    lambda reads: reads.item_page(ItemFilter(name_contains="a", stocked_at=EAST), after=None, limit=9),
    lambda reads: reads.locations([EAST, CENTRAL]),
    lambda reads: reads.location_page(after=None, limit=9),
    lambda reads: reads.channels([WEB]),
    lambda reads: reads.channel_page(after=None, limit=9),
    lambda reads: reads.channels_served([EAST, CENTRAL]),
    lambda reads: reads.listings([SKU, OTHER_SKU]),
    lambda reads: reads.movement_page(sku=SKU, locations=[EAST], before=None, limit=9),
    lambda reads: reads.position(),
    lambda reads: reads.skus_stocked_at(EAST, after=None, limit=9),
]


class TestCost:
    @pytest.mark.parametrize("ask", ONE_STATEMENT, ids=range(len(ONE_STATEMENT)))
    async def test_a_question_is_one_statement(
        self, shop: Shop, ask: Callable[[DatabaseReads], Awaitable[object]]
    ) -> None:
        async with shop.store.statements(shop.database) as seen:
            await ask(shop.reads)
        assert [text.split()[0] for text in seen] == ["SELECT"]

    async def test_adjustments_are_read_on_one_snapshot(self, shop: Shop) -> None:
        adjustment = (await shop.accept(sale(1, key="a"))).adjustment
        assert adjustment is not None
        async with shop.store.statements(shop.database) as by_id:
            await shop.reads.adjustments([adjustment.id] * 3)
        async with shop.store.statements(shop.database) as by_key:
            await shop.reads.adjustment_by_key("a", account="acme")
        of_it = ["SELECT"] if shop.store.takes_steps_whole else ["SELECT", "SELECT"]
        assert [text.split()[0] for text in by_id] == ["BEGIN", *of_it, "ROLLBACK"]
        assert [text.split()[0] for text in by_key] == ["BEGIN", "SELECT", *of_it, "ROLLBACK"]

    async def test_the_numbers_of_a_snapshot_belong_to_its_position(self, shop: Shop) -> None:
        async def watch() -> None:
            for _ in range(50):
                (snapshot,) = await shop.reads.snapshots([(SKU, None)])
                by_code = {one.location.code: one.level for one in snapshot.levels}
                moved = snapshot.position - OPENING_HEAD
                assert (by_code[EAST].on_hand, by_code[CENTRAL].on_hand) == (10 + moved, 5 + 2 * moved)
                assert by_code[EAST].version == by_code[CENTRAL].version == 1 + moved

        async with running(shop.with_limits(batch_rows_max=4).writer) as ledger:
            commands = [adjust(change(EAST, 1), change(CENTRAL, 2), key=f"k{number}") for number in range(60)]
            await within(asyncio.gather(watch(), *(ledger.execute(command, by=CLERK) for command in commands)))
        assert await shop.on_hand() == 70


class TestHangingReads:
    async def test_a_read_that_takes_too_long_is_told_in_time(self, shop: Shop) -> None:
        hasty = DatabaseReads(shop.database, deadline_seconds=SHORT_DEADLINE_SECONDS)
        async with shop.store.hanging_reads(shop.database, connections=2):
            with pytest.raises(Unavailable):
                await within(hasty.position())
            with pytest.raises(Unavailable):
                await within(hasty.adjustments(["0" * 32]))
        assert await within(shop.reads.position()) == OPENING_HEAD

    async def test_a_connection_that_hangs_is_not_given_to_others(self, shop: Shop) -> None:
        async with shop.store.hanging_reads(shop.database, connections=1, is_abandoned=True):
            for _ in range(3):
                assert await within(shop.reads.position()) == OPENING_HEAD
        # The pool is whole afterwards: both connections answer at once.
        asked = await queued(*(shop.reads.position() for _ in range(4)))
        assert await within(asyncio.gather(*asked)) == [OPENING_HEAD] * 4

    async def test_a_failing_read_is_told_as_unavailable(self, shop: Shop) -> None:
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await shop.reads.position()
            with pytest.raises(Unavailable):
                await shop.reads.snapshots([(SKU, None)])
        assert await shop.reads.position() == OPENING_HEAD

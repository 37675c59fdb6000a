"""What an accepted command leaves behind; the one rule: its receipt, the rows and the event tell the same story."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson

from app.storage.times import from_microseconds, to_microseconds
from domain.adjustments import Adjustment, AdjustmentReason
from domain.levels import InventoryBucket
from domain.ports import Receipt
from domain.stock_commands import InventoryAdjusted
from tests.app.databases import Row
from tests.app.shop import OPENING_HEAD, OTHER_SKU, Shop, activate, adjust, move, sale, set_to
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB, change, count, level, moved, part_move

DAMAGED = InventoryBucket.DAMAGED
OCCURRED = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)


async def test_an_adjustment_is_answered_exactly(shop: Shop) -> None:
    command = adjust(
        change(EAST, -5),
        change(CENTRAL, -2),
        change(EAST, 1, DAMAGED),
        key="order-1",
        reason=AdjustmentReason.SALE,
        source_channel=WEB,
        reference_document_uri="https://shop.example/orders/1",
        correlation_id="trace-1",
        occurred_at=OCCURRED,
    )
    receipt = await shop.accept(command)
    assert receipt.adjustment is not None
    at = receipt.adjustment.recorded_at
    adjustment = Adjustment(
        id=command.command_id,
        account="acme",
        idempotency_key="order-1",
        sku=SKU,
        reason=AdjustmentReason.SALE,
        movements=(moved(EAST, -5, 5), moved(EAST, 1, 1, DAMAGED), moved(CENTRAL, -2, 3)),
        source_channel=WEB,
        reference_document_uri="https://shop.example/orders/1",
        correlation_id="trace-1",
        occurred_at=OCCURRED,
        recorded_at=at,
        recorded_by="clerk",
        position=OPENING_HEAD + 1,
    )
    levels = (level(EAST, on_hand=5, damaged=1, version=2, at=at), level(CENTRAL, on_hand=3, version=2, at=at))
    assert receipt == Receipt(
        position=OPENING_HEAD + 1,
        replayed=False,
        events=(InventoryAdjusted(adjustment=replace(adjustment, position=None), levels=levels),),
        adjustment=adjustment,
    )
    assert receipt.levels == levels
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


async def test_an_adjustment_is_kept_exactly(shop: Shop) -> None:
    first_movement = await shop.count_of("movements") + 1
    command = adjust(
        change(EAST, -5), change(CENTRAL, 2), change(EAST, 1, DAMAGED), key="order-1", occurred_at=OCCURRED
    )
    receipt = await shop.accept(command)
    assert receipt.adjustment is not None
    at = to_microseconds(receipt.adjustment.recorded_at)
    id_ = command.command_id
    assert await shop.store.rows(
        "SELECT m.id, m.adjustment_id, i.sku, l.code, m.bucket, m.delta, m.balance_after, m.recorded_at "
        "FROM movements m JOIN items i ON i.id = m.item_id JOIN locations l ON l.id = m.location_id "
        f"WHERE m.id >= {first_movement} ORDER BY m.id"
    ) == [
        (first_movement, id_, SKU, EAST, "ON_HAND", -5, 5, at),
        (first_movement + 1, id_, SKU, EAST, "DAMAGED", 1, 1, at),
        (first_movement + 2, id_, SKU, CENTRAL, "ON_HAND", 2, 7, at),
    ]
    assert await _level_row(shop, CENTRAL) == (7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, None, at)
    assert await _level_row(shop, EAST) == (5, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, None, at)
    ((fingerprint,),) = await shop.store.rows("SELECT fingerprint FROM idempotency_keys WHERE key = 'order-1'")
    assert await shop.store.rows("SELECT * FROM idempotency_keys WHERE key = 'order-1'") == [
        ("acme", "order-1", fingerprint, id_, at, None)
    ]
    ((item_id,),) = await shop.store.rows(f"SELECT id FROM items WHERE sku = '{SKU}'")
    assert await shop.store.rows("SELECT * FROM adjustments WHERE idempotency_key = 'order-1'") == [
        (
            id_,
            OPENING_HEAD + 1,
            "acme",
            "order-1",
            item_id,
            "CORRECTION",
            None,
            None,
            None,
            to_microseconds(OCCURRED),
            at,
            "clerk",
        )
    ]


async def test_an_adjustment_is_logged_exactly(shop: Shop) -> None:
    receipt = await shop.accept(sale(3, key="order-1", correlation_id="trace-1"))
    assert receipt.adjustment is not None
    recorded_at = receipt.adjustment.recorded_at
    ((position, kind, version, sku, data, at),) = await shop.store.rows(
        f"SELECT * FROM events WHERE position > {OPENING_HEAD}"
    )
    assert (position, kind, version, sku, from_microseconds(at)) == (
        OPENING_HEAD + 1,
        "InventoryAdjusted",
        1,
        SKU,
        recorded_at,
    )
    kept = orjson.loads(data)
    assert kept["adjustment"]["movements"] == [{"location": EAST, "bucket": "ON_HAND", "delta": -3, "balance_after": 7}]
    assert [(one["location"], one["on_hand"], one["version"]) for one in kept["levels"]] == [(EAST, 7, 2)]
    assert await shop.store.rows("SELECT * FROM feed_head") == [(1, OPENING_HEAD + 1)]


async def test_what_an_adjustment_does_not_touch_stays(shop: Shop) -> None:
    before = await shop.store.dump()
    await shop.accept(sale(3, key="order-1"))
    after = await shop.store.dump()
    changed = {table for table, rows in after.items() if rows != before[table]}
    assert changed == {"stock_levels", "movements", "adjustments", "idempotency_keys", "events", "feed_head"}
    assert sum(row in before["stock_levels"] for row in after["stock_levels"]) == len(before["stock_levels"]) - 1
    for table in ("movements", "adjustments", "idempotency_keys", "events"):
        assert [row for row in after[table] if row in before[table]] == before[table]


async def test_commands_of_one_batch_see_each_other_and_share_a_time(shop: Shop) -> None:
    first, second, third = [
        receipt.adjustment
        for receipt in await shop.batch(
            sale(4, key="a"), sale(5, key="b"), move(part_move(EAST, 1, target=DAMAGED), key="c")
        )
        if isinstance(receipt, Receipt) and receipt.adjustment is not None
    ]
    assert [one.movements for one in (first, second, third)] == [
        (moved(EAST, -4, 6),),
        (moved(EAST, -5, 1),),
        (moved(EAST, 1, 1, DAMAGED),),
    ]
    assert first.recorded_at == second.recorded_at == third.recorded_at
    assert [first.position, second.position, third.position] == [
        OPENING_HEAD + 1,
        OPENING_HEAD + 2,
        OPENING_HEAD + 3,
    ]
    assert await shop.level() == level(EAST, on_hand=1, damaged=1, version=4, at=third.recorded_at)


async def test_levels_are_written_once_a_batch_as_the_last_command_left_them(shop: Shop) -> None:
    await shop.batch(sale(1, key="a"), sale(2, key="b"), sale(2, key="c", sku=OTHER_SKU))
    assert await shop.levels() == {(SKU, EAST): (7, 3), (SKU, CENTRAL): (5, 1), (OTHER_SKU, EAST): (18, 2)}


async def test_a_count_that_confirms_the_balance_is_kept_and_changes_no_level(shop: Shop) -> None:
    before = await shop.level()
    receipt = await shop.accept(set_to(count(EAST, 10, seen=10), key="count-1"))
    assert receipt.adjustment is not None
    assert receipt.adjustment.movements == ()
    assert (receipt.position, receipt.levels) == (OPENING_HEAD + 1, ())
    assert await shop.level() == before
    assert await shop.reads.adjustments([receipt.adjustment.id]) == [receipt.adjustment]


async def test_an_adjustment_is_read_back_as_it_was_answered(shop: Shop) -> None:
    receipt = await shop.accept(
        adjust(change(CENTRAL, -1), change(EAST, -2), key="order-1", correlation_id="ü\n", occurred_at=OCCURRED)
    )
    assert receipt.adjustment is not None
    assert receipt.adjustment.movements == (moved(CENTRAL, -1, 4), moved(EAST, -2, 8))
    assert await shop.reads.adjustments([receipt.adjustment.id]) == [receipt.adjustment]


async def test_an_activation_needs_no_key_and_keeps_none(shop: Shop) -> None:
    receipt = await shop.accept(activate(CENTRAL, key=None, sku=OTHER_SKU))
    assert (receipt.position, receipt.adjustment, receipt.replayed) == (OPENING_HEAD + 1, None, False)
    assert await shop.keys() == []
    assert (await shop.levels())[OTHER_SKU, CENTRAL] == (0, 1)


async def test_who_asked_is_kept(shop: Shop) -> None:
    await shop.accept(sale(key="order-1"), by=replace(CLERK, name="Anna-Lena Öst"))
    assert await shop.store.rows("SELECT recorded_by FROM adjustments WHERE idempotency_key = 'order-1'") == [
        ("Anna-Lena Öst",)
    ]


async def _level_row(shop: Shop, location: str) -> Row:
    (row,) = await shop.store.rows(
        "SELECT s.* FROM stock_levels s JOIN items i ON i.id = s.item_id JOIN locations l ON l.id = s.location_id "
        f"WHERE i.sku = '{SKU}' AND l.code = '{location}'"
    )
    return row[2:]

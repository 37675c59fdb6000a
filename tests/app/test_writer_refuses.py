"""What a refused command and a dry run leave behind; the one rule: nothing."""

import pytest

from domain.catalogue import ItemArchive
from domain.decider import Command
from domain.levels import InventoryBucket
from domain.ports import Receipt
from domain.rejections import RejectionCode
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Shop,
    accepted,
    activate,
    adjust,
    deactivate,
    move,
    queued,
    refusals,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB, change, count, level, moved, part_move

DAMAGED = InventoryBucket.DAMAGED


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (sale(key=""), RejectionCode.INVALID_INPUT, "idempotencyKey"),
        (sale(key="k", sku="A\x00B"), RejectionCode.INVALID_INPUT, "sku"),
        (sale(key="k", sku="NOWHERE"), RejectionCode.ITEM_NOT_FOUND, "sku"),
        (sale(key="k", sku=SKU.lower()), RejectionCode.ITEM_NOT_FOUND, "sku"),
        (sale(key="k", location="MOON"), RejectionCode.LOCATION_NOT_FOUND, "adjustments.0.locationId"),
        (sale(key="k", source_channel="ebay"), RejectionCode.CHANNEL_NOT_FOUND, "sourceChannelId"),
        (
            adjust(change(EAST, 1, InventoryBucket.RESERVED), key="k"),
            RejectionCode.BUCKET_OWNED_BY_DOCUMENT,
            "adjustments.0.bucket",
        ),
        (
            sale(key="k", sku=OTHER_SKU, location=CENTRAL),
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
            "adjustments.0.locationId",
        ),
        (sale(0, key="k"), RejectionCode.INVALID_QUANTITY, "adjustments.0.delta"),
        (set_to(count(CENTRAL, 10_000_001), key="k"), RejectionCode.INVALID_QUANTITY, "quantities.0.quantity"),
        (
            set_to(count(CENTRAL, 3, seen=1), key="k", sku=OTHER_SKU),
            RejectionCode.CHANGE_FROM_QUANTITY_STALE,
            "quantities.0.changeFromQuantity",
        ),
        (sale(11, key="k"), RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta"),
        (move(part_move(EAST, 11, target=DAMAGED), key="k"), RejectionCode.INSUFFICIENT_STOCK, "moves.0.quantity"),
        (deactivate(EAST, key="k"), RejectionCode.LEVEL_NOT_EMPTY, "locationId"),
        (activate("MOON", key="k"), RejectionCode.LOCATION_NOT_FOUND, "locationId"),
        (ItemArchive(sku=SKU), RejectionCode.STILL_STOCKED, "sku"),
    ],
)
async def test_a_refused_command_leaves_no_trace(shop: Shop, command: Command, code: RejectionCode, field: str) -> None:
    assert await shop.refuse(command) == [(code, field)]


async def test_one_refused_entry_refuses_its_whole_command(shop: Shop) -> None:
    command = adjust(change(EAST, 5), change(CENTRAL, -6), key="k")
    assert await shop.refuse(command) == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.1.delta")]


async def test_a_malformed_command_never_waits_for_a_batch(shop: Shop) -> None:
    (task,) = await queued(shop.writer.execute(sale(key=""), by=CLERK))
    assert refusals(await within(task)) == [(RejectionCode.INVALID_INPUT, "idempotencyKey")]
    assert await shop.writer.run_once() == 0


async def test_a_refused_command_fails_no_neighbour_and_uses_no_position(shop: Shop) -> None:
    first, second, third = await shop.batch(sale(4, key="a"), sale(7, key="b"), sale(6, key="c"))
    assert accepted(first).position == OPENING_HEAD + 1
    assert refusals(second) == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]
    assert accepted(third).position == OPENING_HEAD + 2
    assert await shop.on_hand() == 0
    assert await shop.keys() == [("acme", "a"), ("acme", "c")]
    assert await shop.positions() == list(range(1, OPENING_HEAD + 3))


async def test_a_refused_count_begins_no_level_beside_an_accepted_neighbour(shop: Shop) -> None:
    levels_before = await shop.count_of("stock_levels")
    stale = set_to(count(CENTRAL, 3, seen=1), key="a", sku=OTHER_SKU)
    refused, _ = await shop.batch(stale, sale(key="b"))
    assert refusals(refused) == [(RejectionCode.CHANGE_FROM_QUANTITY_STALE, "quantities.0.changeFromQuantity")]
    assert await shop.count_of("stock_levels") == levels_before


async def test_a_dry_run_answers_what_would_be(shop: Shop) -> None:
    before = await shop.store.dump()
    (outcome,) = await shop.batch(sale(4, key="order-1", dry_run=True, source_channel=WEB))
    receipt = accepted(outcome)
    assert await shop.store.dump() == before
    assert receipt.adjustment is not None
    assert (receipt.position, receipt.replayed) == (OPENING_HEAD, False)
    assert receipt.adjustment.position is None
    assert receipt.adjustment.movements == (moved(EAST, -4, 6),)
    at = receipt.adjustment.recorded_at
    assert receipt.levels == (level(EAST, on_hand=6, version=2, at=at),)


async def test_a_dry_run_is_refused_as_the_command_would_be(shop: Shop) -> None:
    refused = await shop.refuse(sale(11, key=None, dry_run=True))
    assert refused == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]


async def test_a_dry_run_uses_no_key(shop: Shop) -> None:
    await shop.accept(sale(4, key="order-1", dry_run=True))
    receipt = await shop.accept(sale(1, key="order-1"))
    assert (receipt.replayed, await shop.on_hand()) == (False, 9)


@pytest.mark.parametrize("quantity", [1, 2])
async def test_a_dry_run_looks_up_no_key(shop: Shop, quantity: int) -> None:
    await shop.accept(sale(1, key="order-1"))
    before = await shop.store.dump()
    receipt = await shop.accept(sale(quantity, key="order-1", dry_run=True))
    assert receipt.adjustment is not None
    assert (receipt.replayed, receipt.adjustment.movements) == (False, (moved(EAST, -quantity, 9 - quantity),))
    assert await shop.store.dump() == before


async def test_a_dry_run_sees_its_batch_and_does_not_show_in_it(shop: Shop) -> None:
    outcomes = await shop.batch(sale(4, key="a"), sale(5, key="b", dry_run=True), sale(6, key="c"))
    first, dry, last = (accepted(outcome) for outcome in outcomes)
    assert dry.adjustment is not None
    assert dry.adjustment.movements == (moved(EAST, -5, 1),)
    assert [one.position for one in (first, dry, last)] == [OPENING_HEAD + 1, OPENING_HEAD + 1, OPENING_HEAD + 2]
    assert await shop.on_hand() == 0
    assert await shop.keys() == [("acme", "a"), ("acme", "c")]


async def test_a_dry_run_of_a_count_begins_no_level_beside_an_accepted_neighbour(shop: Shop) -> None:
    levels_before = await shop.count_of("stock_levels")
    dry, _ = await shop.batch(set_to(count(CENTRAL, 3), key="a", sku=OTHER_SKU, dry_run=True), sale(key="b"))
    assert isinstance(dry, Receipt)
    assert dry.levels == (level(CENTRAL, sku=OTHER_SKU, on_hand=3, version=1, at=dry.levels[0].updated_at),)
    assert await shop.count_of("stock_levels") == levels_before

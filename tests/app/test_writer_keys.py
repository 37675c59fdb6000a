"""Idempotency keys; the one rule: a key stands for one change of one account, for ever, with one answer."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.catalogue import ChannelArchive, ChannelUpsert, ItemArchive
from domain.decider import Command
from domain.levels import InventoryBucket
from domain.ports import Receipt
from domain.principals import Principal, Role
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
    open_shop,
    refusals,
    running,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, WEB, Details, change, count, part_move

CALLERS = 100
OTHER_ACCOUNT = Principal(account="globex", name="clerk", role=Role.BACKOFFICE)
MISMATCH = [(RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH, "idempotencyKey")]


async def test_a_repeated_command_has_the_first_answer_and_moves_nothing(shop: Shop) -> None:
    command = adjust(change(EAST, -3), change(CENTRAL, -1), key="order-1", correlation_id="trace-1")
    first = await shop.accept(command)
    after_first = await shop.store.dump()
    again = await shop.accept(replace(command, command_id=sale(key="x").command_id))
    assert again == Receipt(position=first.position, replayed=True, events=(), adjustment=first.adjustment)
    assert again.levels == ()
    assert await shop.store.dump() == after_first


async def test_a_replay_in_the_same_batch_has_the_same_answer(shop: Shop) -> None:
    outcomes = await shop.batch(*(sale(3, key="order-1") for _ in range(3)), sale(2, key="order-2"))
    first, second, third, other = (accepted(outcome) for outcome in outcomes)
    assert first.adjustment is not None
    assert [one.replayed for one in (first, second, third, other)] == [False, True, True, False]
    assert first.adjustment == second.adjustment == third.adjustment
    assert (second.position, other.position) == (OPENING_HEAD + 1, OPENING_HEAD + 2)
    assert await shop.on_hand() == 5
    assert await shop.count_of("adjustments") == 4


async def test_a_key_sent_by_many_at_once_is_one_ledger_group_and_one_answer(shop: Shop) -> None:
    rows_before = await shop.count_of("movements")
    # A batch holds ten of them, so that copies meet in one batch and across batches.
    async with running(shop.with_limits(batch_rows_max=10).writer) as ledger:
        outcomes = await within(
            asyncio.gather(*(ledger.execute(sale(3, key="order-1"), by=CLERK) for _ in range(CALLERS)))
        )
    receipts = [accepted(outcome) for outcome in outcomes]
    assert [one.replayed for one in receipts] == [False] + [True] * (CALLERS - 1)
    assert {one.adjustment for one in receipts} == {receipts[0].adjustment}
    assert {one.position for one in receipts} == {OPENING_HEAD + 1}
    assert await shop.count_of("movements") == rows_before + 1
    assert await shop.on_hand() == 7
    assert await shop.positions() == list(range(1, OPENING_HEAD + 2))


async def test_two_writers_on_one_store_keep_a_key_once(shop: Shop) -> None:
    async with (
        open_shop(shop.store) as other,
        running(shop.with_limits(batch_rows_max=3).writer) as here,
        running(other.with_limits(batch_rows_max=3).writer) as there,
    ):
        calls = [
            ledger.execute(sale(1, key=f"order-{number % 5}"), by=CLERK)
            for number in range(20)
            for ledger in (here, there)
        ]
        receipts = [accepted(outcome) for outcome in await within(asyncio.gather(*calls))]
    assert sum(not one.replayed for one in receipts) == 5
    assert len({one.adjustment for one in receipts}) == 5
    assert await shop.on_hand() == 5
    assert await shop.positions() == list(range(1, OPENING_HEAD + 6))


@pytest.mark.parametrize(
    "other",
    [
        sale(4, key="order-1"),
        sale(3, key="order-1", location=CENTRAL),
        sale(3, key="order-1", sku=OTHER_SKU),
        sale(3, key="order-1", sku="NOWHERE"),
        sale(3, key="order-1", reason=AdjustmentReason.SALE),
        sale(3, key="order-1", source_channel=WEB),
        sale(3, key="order-1", on_shortage=ShortagePolicy.RECORD_CONFLICT),
        adjust(change(EAST, -3, seen=10), key="order-1"),
        set_to(count(EAST, 7), key="order-1"),
        move(part_move(EAST, 3, target=InventoryBucket.DAMAGED), key="order-1"),
        activate(CENTRAL, key="order-1", sku=OTHER_SKU),
        deactivate(EAST, key="order-1"),
    ],
)
async def test_a_key_of_another_change_is_refused_without_a_trace(shop: Shop, other: Command) -> None:
    await shop.accept(sale(3, key="order-1"))
    assert await shop.refuse(other) == MISMATCH


async def test_a_key_of_another_change_is_refused_in_the_same_batch(shop: Shop) -> None:
    first, second = await shop.batch(sale(3, key="order-1"), sale(4, key="order-1"))
    assert accepted(first).replayed is False
    assert refusals(second) == MISMATCH
    assert await shop.on_hand() == 7


async def test_accounts_do_not_share_keys(shop: Shop) -> None:
    ours = await shop.accept(sale(3, key="order-1"))
    theirs = await shop.accept(sale(4, key="order-1"), by=OTHER_ACCOUNT)
    assert (ours.replayed, theirs.replayed) == (False, False)
    assert await shop.on_hand() == 3
    assert await shop.keys() == [("acme", "order-1"), ("globex", "order-1")]
    again = await shop.accept(sale(4, key="order-1"), by=OTHER_ACCOUNT)
    assert again.adjustment == theirs.adjustment
    assert await shop.refuse(sale(3, key="order-1"), by=OTHER_ACCOUNT) == MISMATCH


async def test_callers_of_one_account_share_its_keys(shop: Shop) -> None:
    first = await shop.accept(sale(3, key="order-1"))
    again = await shop.accept(
        sale(3, key="order-1"), by=Principal(account="acme", name="another till", role=Role.BACKOFFICE)
    )
    assert again.replayed
    assert again.adjustment == first.adjustment


@pytest.mark.parametrize(
    "notes",
    [
        Details(correlation_id="another"),
        Details(reference_document_uri="urn:another"),
        Details(occurred_at=datetime(2020, 1, 1, tzinfo=UTC)),
        Details(reason=AdjustmentReason.CORRECTION, on_shortage=ShortagePolicy.REJECT, source_channel=None),
    ],
)
async def test_what_is_only_noted_does_not_make_another_change(shop: Shop, notes: Details) -> None:
    first = await shop.accept(sale(3, key="order-1", correlation_id="trace-1"))
    before = await shop.store.dump()
    again = await shop.accept(sale(3, key="order-1", **notes))
    assert again == Receipt(position=first.position, replayed=True, adjustment=first.adjustment)
    assert await shop.store.dump() == before


async def test_entries_in_another_order_or_split_are_the_same_change(shop: Shop) -> None:
    first = await shop.accept(adjust(change(EAST, -3), change(CENTRAL, -1), key="order-1"))
    again = await shop.accept(adjust(change(CENTRAL, -1), change(EAST, -1), change(EAST, -2), key="order-1"))
    assert again.replayed
    assert again.adjustment == first.adjustment


async def test_the_key_of_a_refused_command_stays_free(shop: Shop) -> None:
    assert await shop.refuse(sale(11, key="order-1")) == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]
    await shop.accept(adjust(change(EAST, 1), key="receipt-1"))
    later = await shop.accept(sale(11, key="order-1"))
    assert (later.replayed, await shop.on_hand()) == (False, 0)


async def test_the_key_of_a_refused_command_is_free_for_another_change(shop: Shop) -> None:
    outcomes = await shop.batch(sale(11, key="order-1"), sale(2, key="order-1"), sale(2, key="order-1"))
    assert refusals(outcomes[0]) == [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]
    assert [accepted(outcome).replayed for outcome in outcomes[1:]] == [False, True]
    assert await shop.on_hand() == 8


async def test_keys_compare_exactly(shop: Shop) -> None:
    keys = ["order-1", "Order-1", "order 1", "órder-1", "注文-1", "order-1%", "order_1", "o" * 255, "o" * 254]
    for outcome in await shop.batch(*(sale(1, key=key) for key in keys)):
        assert accepted(outcome).replayed is False
    assert await shop.on_hand() == 10 - len(keys)
    for outcome in await shop.batch(*(sale(1, key=key) for key in keys)):
        assert accepted(outcome).replayed is True


async def test_a_replay_is_answered_even_when_the_command_would_be_refused_now(shop: Shop) -> None:
    await shop.accept(ChannelUpsert(code="ebay", fields={}))
    command = sale(20, key="order-1", sku=OTHER_SKU, source_channel="ebay")
    first = await shop.accept(command)
    await shop.accept(deactivate(EAST, key="end-1", sku=OTHER_SKU))
    for outcome in await shop.batch(ItemArchive(sku=OTHER_SKU), ChannelArchive(code="ebay")):
        accepted(outcome)
    again = await shop.accept(command)
    assert again == Receipt(position=first.position, replayed=True, adjustment=first.adjustment)


async def test_an_activation_replays_without_an_adjustment(shop: Shop) -> None:
    first = await shop.accept(activate(CENTRAL, key="begin-1", sku=OTHER_SKU))
    assert (first.position, first.replayed, first.adjustment) == (OPENING_HEAD + 1, False, None)
    before = await shop.store.dump()
    again = await shop.accept(activate(CENTRAL, key="begin-1", sku=OTHER_SKU))
    assert again == Receipt(position=OPENING_HEAD + 1, replayed=True)
    assert await shop.store.dump() == before


async def test_a_replayed_activation_never_stands_before_the_first_one(shop: Shop) -> None:
    outcomes = await shop.batch(*(activate(CENTRAL, key="begin-1", sku=OTHER_SKU) for _ in range(2)))
    assert [accepted(outcome).position for outcome in outcomes] == [OPENING_HEAD + 1, OPENING_HEAD + 1]
    assert [accepted(outcome).replayed for outcome in outcomes] == [False, True]


async def test_a_key_is_kept_where_nothing_had_to_change(shop: Shop) -> None:
    before = await shop.store.dump()
    first = await shop.accept(activate(EAST, key="begin-1"))
    assert first == Receipt(position=OPENING_HEAD, replayed=False)
    after = await shop.store.dump()
    assert {table for table in after if after[table] != before[table]} == {"idempotency_keys"}
    assert await shop.accept(activate(EAST, key="begin-1")) == Receipt(position=OPENING_HEAD, replayed=True)
    assert await shop.refuse(activate(CENTRAL, key="begin-1")) == MISMATCH

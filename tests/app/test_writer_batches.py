"""The queue and its batches; the one rule: every wait has a limit, and the log is dense and in commit order."""

import asyncio
from collections import defaultdict

from domain.adjustments import ShortagePolicy
from domain.catalogue import ItemUpsert
from domain.decider import Command
from domain.levels import InventoryBucket
from domain.ports import Overloaded, Unavailable
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Shop,
    accepted,
    activate,
    adjust,
    move,
    queued,
    running,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, change, count, part_move

COMMANDS = 500
FACT = ShortagePolicy.RECORD_CONFLICT


async def test_positions_are_dense_and_in_commit_order(shop: Shop) -> None:
    commands = [
        adjust(change(EAST, 1), change(CENTRAL, number % 3 - 1 or 2), key=f"order-{number}")
        for number in range(COMMANDS)
    ]
    async with running(shop.with_limits(batch_rows_max=60).writer) as ledger:
        outcomes = await within(asyncio.gather(*(ledger.execute(command, by=CLERK) for command in commands)))
    receipts = [accepted(outcome) for outcome in outcomes]
    assert [one.position for one in receipts] == list(range(OPENING_HEAD + 1, OPENING_HEAD + 1 + COMMANDS))
    assert await shop.positions() == list(range(1, OPENING_HEAD + 1 + COMMANDS))
    assert await shop.store.rows("SELECT position FROM feed_head") == [(OPENING_HEAD + COMMANDS,)]
    stored: dict[str, int] = {row[0]: row[1] for row in await shop.store.rows("SELECT id, position FROM adjustments")}
    assert all(one.adjustment is not None and stored[one.adjustment.id] == one.position for one in receipts)
    versions = [{level.location: level.version for level in one.levels} for one in receipts]
    assert versions == [{EAST: number + 2, CENTRAL: number + 2} for number in range(COMMANDS)]


async def test_the_ledger_adds_up_in_the_order_of_the_log(shop: Shop) -> None:
    commands = [
        adjust(change(EAST, number % 7 - 3 or 4), key=f"order-{number}", on_shortage=FACT, sku=sku)
        for number in range(60)
        for sku in (SKU, OTHER_SKU)
    ]
    async with running(shop.with_limits(batch_rows_max=7).writer) as ledger:
        await within(asyncio.gather(*(ledger.execute(command, by=CLERK) for command in commands)))
    rows = await shop.store.rows(
        "SELECT i.sku, l.code, m.delta, m.balance_after FROM movements m JOIN adjustments a ON a.id = m.adjustment_id "
        "JOIN items i ON i.id = m.item_id JOIN locations l ON l.id = m.location_id ORDER BY a.position, m.id"
    )
    balances: dict[tuple[str, str], int] = defaultdict(int)
    for sku, code, delta, balance_after in rows:
        balances[sku, code] += delta
        assert balances[sku, code] == balance_after
    assert balances == {key: on_hand for key, (on_hand, _) in (await shop.levels()).items()}


async def test_a_full_queue_refuses_at_once_and_takes_nothing(shop: Shop) -> None:
    small = shop.with_limits(queue_commands_max=3)
    waiting = await queued(*(small.writer.execute(sale(1, key=key), by=CLERK) for key in ("a", "b", "c")))
    (refused,) = await queued(small.writer.execute(sale(1, key="d"), by=CLERK))
    assert refused.done()
    error = refused.exception()
    assert isinstance(error, Overloaded)
    assert (error.code, error.retry_after_ms) == ("OVERLOADED", 200)
    assert await small.writer.run_once() == 3
    assert [accepted(outcome).position for outcome in await within(asyncio.gather(*waiting))] == [8, 9, 10]
    assert await shop.keys() == [("acme", "a"), ("acme", "b"), ("acme", "c")]
    accepted((await small.batch(sale(1, key="d")))[0])


async def test_a_queue_that_was_emptied_takes_as_much_again(shop: Shop) -> None:
    small = shop.with_limits(queue_commands_max=3)
    for number in range(3):
        group = [sale(1, key=f"group-{number}-{place}") for place in range(3)]
        (told,) = await small.settle(small.writer.execute_together(group, by=CLERK))
        assert isinstance(told, list)
        assert [accepted(outcome).replayed for outcome in told] == [False] * 3


async def test_a_command_that_waited_too_long_is_dropped_and_not_applied(shop: Shop) -> None:
    late = shop.with_limits(queue_deadline_seconds=0.0, queue_commands_max=1)
    before = await shop.store.dump()
    (told,) = await late.settle(late.writer.execute(sale(1, key="a"), by=CLERK), count=0)
    assert isinstance(told, Unavailable)
    assert (told.code, told.retry_after_ms) == ("UNAVAILABLE", 200)
    assert await shop.store.dump() == before
    # Its place in the queue is free again.
    (told,) = await late.settle(late.writer.execute(sale(1, key="a"), by=CLERK), count=0)
    assert isinstance(told, Unavailable)
    assert not isinstance(told, Overloaded)


async def test_a_caller_that_left_before_its_batch_moves_nothing(shop: Shop) -> None:
    leaving, staying = await queued(*(shop.writer.execute(sale(1, key=key), by=CLERK) for key in ("a", "b")))
    leaving.cancel()
    await asyncio.wait({leaving})
    assert await shop.writer.run_once() == 1
    accepted(await within(staying))
    assert await shop.keys() == [("acme", "b")]


async def test_a_batch_holds_a_limited_number_of_rows(shop: Shop) -> None:
    small = shop.with_limits(batch_rows_max=5)
    calls = [
        small.writer.execute(adjust(change(EAST, -1), change(CENTRAL, 1), key=f"order-{number}"), by=CLERK)
        for number in range(5)
    ]
    waiting = await queued(*calls)
    assert [await small.writer.run_once() for _ in range(4)] == [2, 2, 1, 0]
    assert [accepted(outcome).position for outcome in await within(asyncio.gather(*waiting))] == [8, 9, 10, 11, 12]


async def test_a_group_beyond_the_limit_is_a_batch_of_its_own(shop: Shop) -> None:
    small = shop.with_limits(batch_rows_max=3)
    group = [sale(1, key=f"group-{number}") for number in range(5)]
    waiting = await queued(
        small.writer.execute_together([sale(1, key="a")], by=CLERK),
        small.writer.execute_together(group, by=CLERK),
        small.writer.execute_together([sale(1, key="b")], by=CLERK),
    )
    assert [await small.writer.run_once() for _ in range(4)] == [1, 1, 1, 0]
    answers = await within(asyncio.gather(*waiting))
    assert [[accepted(outcome).position for outcome in outcomes] for outcomes in answers] == [
        [8],
        [9, 10, 11, 12, 13],
        [14],
    ]


async def test_changes_of_the_catalogue_and_of_stock_share_no_batch_and_keep_their_order(shop: Shop) -> None:
    commands: list[Command] = [
        sale(1, key="a"),
        ItemUpsert(sku="CUP", fields={}),
        activate(EAST, key="b", sku="CUP"),
        sale(1, key="c"),
    ]
    waiting = await queued(*(shop.writer.execute(command, by=CLERK) for command in commands))
    assert [await shop.writer.run_once() for _ in range(4)] == [1, 1, 2, 0]
    assert [accepted(outcome).position for outcome in await within(asyncio.gather(*waiting))] == [8, 9, 10, 11]


async def test_an_item_can_be_stocked_right_after_it_was_made(shop: Shop) -> None:
    async with running(shop.writer) as ledger:
        await within(
            asyncio.gather(
                ledger.execute(ItemUpsert(sku="CUP", fields={}), by=CLERK),
                ledger.execute(set_to(count(EAST, 4), key="a", sku="CUP"), by=CLERK),
            )
        )
    assert (await shop.levels())["CUP", EAST] == (4, 1)


async def test_the_statements_of_a_batch_do_not_grow_with_its_commands(shop: Shop) -> None:
    def pair(number: int) -> list[Command]:
        return [
            adjust(change(EAST, 2), change(CENTRAL, 1), key=f"adjust-{number}", source_channel="web"),
            set_to(count(EAST, 50 + number), key=f"set-{number}", sku=OTHER_SKU),
        ]

    async with shop.store.statements(shop.database) as of_two:
        for outcome in await shop.batch(*pair(0)):
            accepted(outcome)
    async with shop.store.statements(shop.database) as of_many:
        for outcome in await shop.batch(*(one for number in range(1, 33) for one in pair(number))):
            accepted(outcome)
    assert [text.split()[0] for text in of_two] == [text.split()[0] for text in of_many]
    assert len(of_many) == (8 if shop.store.takes_steps_whole else 17)


async def test_each_kind_of_command_costs_a_bounded_number_of_statements(shop: Shop) -> None:
    async with shop.store.statements(shop.database) as seen:
        for outcome in await shop.batch(
            *(sale(1, key=f"sale-{number % 4}") for number in range(8)),
            *(sale(99, key=f"too-much-{number}") for number in range(8)),
            *(activate(CENTRAL, key=f"begin-{number}", sku=OTHER_SKU) for number in range(8)),
            *(move(part_move(EAST, 1, target=InventoryBucket.DAMAGED), key=f"move-{number}") for number in range(2)),
            *(sale(1, key=f"dry-{number}", dry_run=True) for number in range(8)),
        ):
            assert outcome is not None
    # One of them looks whether reservations that have lapsed hold what the refused ones lack.
    assert len(seen) == (9 if shop.store.takes_steps_whole else 17)


async def test_a_batch_that_keeps_nothing_commits_nothing(shop: Shop) -> None:
    async with shop.store.statements(shop.database) as seen:
        await shop.batch(sale(99, key="a"), sale(1, key="b", dry_run=True))
    assert [text for text in seen if not text.lstrip().startswith("SELECT")] == [
        shop.store.begin_writing,
        "ROLLBACK",
    ]


async def test_levels_are_locked_before_keys_are_looked_up_and_positions_are_taken_last(shop: Shop) -> None:
    async with shop.store.statements(shop.database) as seen:
        await shop.accept(sale(1, key="a"))

    text = "\n".join(seen)
    order = [
        shop.store.begin_writing,
        "SELECT stock_levels.item_id",
        "idempotency_keys.fingerprint",
        "INSERT INTO movements",
        "INSERT INTO idempotency_keys",
        "UPDATE feed_head",
        "INSERT INTO events",
    ]
    assert [text.count(part) for part in order] == [1] * len(order)
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "INSERT INTO events" in seen[-2]
    assert seen[-1] == "COMMIT"


async def test_a_commit_wakes_the_feed_and_only_a_commit_does(shop: Shop) -> None:
    commits: list[int] = []
    woken = shop.with_limits(on_commit=lambda: commits.append(len(commits)))
    await woken.batch(sale(1, key="a"), sale(1, key="b"))
    assert commits == [0]
    await woken.batch(sale(99, key="c"), sale(1, key="a"), sale(1, key="d", dry_run=True))
    assert commits == [0]
    await woken.batch(sale(1, key="e"))
    assert commits == [0, 1]

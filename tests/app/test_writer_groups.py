"""Bulk; the one rule: commands sent together are kept together or not at all, each one's answer in its place."""

from dataclasses import replace

from app.ledger_requests import Outcome
from domain.catalogue import ItemUpsert
from domain.decider import Command
from domain.ports import Overloaded
from domain.rejections import RejectionCode
from tests.app.shop import (
    OPENING_HEAD,
    OTHER_SKU,
    Refusal,
    Shop,
    accepted,
    activate,
    adjust,
    queued,
    refusals,
    sale,
    set_to,
    within,
)
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, change, count, moved

BULK_REFUSED: list[Refusal] = [(RejectionCode.BULK_REFUSED, "")]
TOO_LITTLE: list[Refusal] = [(RejectionCode.INSUFFICIENT_STOCK, "adjustments.0.delta")]
MISMATCH: list[Refusal] = [(RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH, "idempotencyKey")]


async def together(shop: Shop, *commands: Command) -> list[Outcome]:
    """Run commands as one group, in a batch of its own."""
    (outcomes,) = await shop.settle(shop.writer.execute_together(commands, by=CLERK))
    assert not isinstance(outcomes, BaseException), outcomes
    return outcomes


async def each(shop: Shop, *commands: Command, count: int) -> list[Outcome]:
    """Run independent commands, of which `count` come into the batch."""
    (outcomes,) = await shop.settle(shop.writer.execute_each(commands, by=CLERK), count=count)
    assert not isinstance(outcomes, BaseException), outcomes
    return outcomes


async def test_a_group_is_kept_whole_and_answered_in_order(shop: Shop) -> None:
    outcomes = await together(shop, sale(6, key="a"), sale(2, key="b", sku=OTHER_SKU), sale(4, key="c"))
    receipts = [accepted(outcome) for outcome in outcomes]
    assert [one.position for one in receipts] == [OPENING_HEAD + 1, OPENING_HEAD + 2, OPENING_HEAD + 3]
    assert [one.adjustment.movements for one in receipts if one.adjustment is not None] == [
        (moved(EAST, -6, 4),),
        (moved(EAST, -2, 18),),
        (moved(EAST, -4, 0),),
    ]
    assert await shop.levels() == {(SKU, EAST): (0, 3), (SKU, CENTRAL): (5, 1), (OTHER_SKU, EAST): (18, 2)}


async def test_one_refused_command_refuses_its_group_without_a_trace(shop: Shop) -> None:
    before = await shop.store.dump()
    outcomes = await together(shop, sale(6, key="a"), sale(5, key="b"), sale(1, key="c", sku="NOWHERE"))
    assert [refusals(outcome) for outcome in outcomes] == [
        BULK_REFUSED,
        TOO_LITTLE,
        [(RejectionCode.ITEM_NOT_FOUND, "sku")],
    ]
    assert await shop.store.dump() == before


async def test_a_refused_group_fails_no_neighbour(shop: Shop) -> None:
    levels_before = await shop.count_of("stock_levels")
    begins = set_to(count(CENTRAL, 3), key="b", sku=OTHER_SKU)
    first, group, last = await shop.settle(
        shop.writer.execute_together([sale(1, key="a")], by=CLERK),
        shop.writer.execute_together([sale(9, key="g1"), begins, sale(1, key="g2")], by=CLERK),
        shop.writer.execute_together([sale(9, key="c")], by=CLERK),
    )
    assert not isinstance(first, BaseException)
    assert not isinstance(group, BaseException)
    assert not isinstance(last, BaseException)
    assert accepted(first[0]).position == OPENING_HEAD + 1
    assert [refusals(outcome) for outcome in group] == [BULK_REFUSED, BULK_REFUSED, TOO_LITTLE]
    assert accepted(last[0]).position == OPENING_HEAD + 2
    assert await shop.levels() == {(SKU, EAST): (0, 3), (SKU, CENTRAL): (5, 1), (OTHER_SKU, EAST): (20, 1)}
    assert await shop.count_of("stock_levels") == levels_before
    assert await shop.keys() == [("acme", "a"), ("acme", "c")]


async def test_a_malformed_command_refuses_its_group(shop: Shop) -> None:
    malformed = [(RejectionCode.INVALID_INPUT, "idempotencyKey")]
    outcomes = await together(shop, sale(1, key="a"), sale(1, key=" b"))
    assert [refusals(outcome) for outcome in outcomes] == [BULK_REFUSED, malformed]
    assert await shop.on_hand() == 10

    (task,) = await queued(shop.writer.execute_together([sale(1, key=" a"), sale(1, key=" b")], by=CLERK))
    assert [refusals(outcome) for outcome in await within(task)] == [malformed, malformed]
    assert await shop.writer.run_once() == 0


async def test_beside_a_malformed_command_a_replay_is_still_answered(shop: Shop) -> None:
    await shop.accept(sale(6, key="a"))
    first, second = await together(shop, sale(6, key="a"), sale(1, key=" b"))
    assert accepted(first).replayed
    assert refusals(second) == [(RejectionCode.INVALID_INPUT, "idempotencyKey")]
    assert await shop.on_hand() == 4


async def test_a_key_twice_in_a_group_moves_stock_once(shop: Shop) -> None:
    outcomes = await together(shop, sale(6, key="a"), sale(6, key="a"), sale(4, key="b"))
    first, second, third = (accepted(outcome) for outcome in outcomes)
    assert [one.replayed for one in (first, second, third)] == [False, True, False]
    assert first.adjustment == second.adjustment
    assert first.position == second.position == OPENING_HEAD + 1
    assert await shop.on_hand() == 0


async def test_a_key_for_two_changes_in_a_group_refuses_it(shop: Shop) -> None:
    before = await shop.store.dump()
    outcomes = await together(shop, sale(6, key="a"), sale(4, key="a"))
    assert [refusals(outcome) for outcome in outcomes] == [BULK_REFUSED, MISMATCH]
    assert await shop.store.dump() == before


async def test_a_key_twice_in_a_refused_group_replays_nothing(shop: Shop) -> None:
    before = await shop.store.dump()
    outcomes = await together(shop, sale(6, key="a"), sale(6, key="a"), sale(5, key="b"))
    assert [refusals(outcome) for outcome in outcomes] == [BULK_REFUSED, BULK_REFUSED, TOO_LITTLE]
    assert await shop.store.dump() == before


async def test_a_replay_in_a_group_is_answered_beside_what_is_new(shop: Shop) -> None:
    first = await shop.accept(sale(6, key="a"))
    again, new = (accepted(one) for one in await together(shop, sale(6, key="a"), sale(4, key="b")))
    assert (again.replayed, again.adjustment, again.position) == (True, first.adjustment, first.position)
    assert (new.replayed, new.position) == (False, OPENING_HEAD + 2)
    assert await shop.on_hand() == 0


async def test_a_replay_in_a_refused_group_keeps_its_answer(shop: Shop) -> None:
    first = await shop.accept(sale(6, key="a"))
    before = await shop.store.dump()
    again, fits, too_much = await together(shop, sale(6, key="a"), sale(4, key="b"), sale(1, key="c"))
    assert accepted(again) == replace(first, replayed=True, events=())
    assert refusals(fits) == BULK_REFUSED
    assert refusals(too_much) == TOO_LITTLE
    assert await shop.store.dump() == before


async def test_a_group_repeated_whole_has_the_same_answers(shop: Shop) -> None:
    commands: list[Command] = [
        sale(2, key="a"),
        adjust(change(CENTRAL, 4), key="b"),
        activate(CENTRAL, key="c", sku=OTHER_SKU),
    ]
    first = [accepted(outcome) for outcome in await together(shop, *commands)]
    before = await shop.store.dump()
    again = [accepted(outcome) for outcome in await together(shop, *commands)]
    assert [one.adjustment for one in again] == [one.adjustment for one in first]
    assert [one.replayed for one in again] == [True, True, True]
    assert await shop.store.dump() == before


async def test_a_group_takes_positions_beside_its_neighbours(shop: Shop) -> None:
    found = await shop.settle(
        shop.writer.execute_together([sale(1, key="a")], by=CLERK),
        shop.writer.execute_together([sale(1, key="b"), sale(1, key="c")], by=CLERK),
        shop.writer.execute_together([sale(1, key="d")], by=CLERK),
    )
    positions = [accepted(one).position for outcomes in found if isinstance(outcomes, list) for one in outcomes]
    assert positions == [OPENING_HEAD + 1, OPENING_HEAD + 2, OPENING_HEAD + 3, OPENING_HEAD + 4]


async def test_a_group_of_dry_runs_is_decided_as_the_group_would_be(shop: Shop) -> None:
    before = await shop.store.dump()
    rehearsed = await together(shop, *(sale(6, key=key, dry_run=True) for key in ("a", "b")))
    for_good = await together(shop, *(sale(6, key=key) for key in ("a", "b")))
    assert [refusals(one) for one in rehearsed] == [refusals(one) for one in for_good] == [BULK_REFUSED, TOO_LITTLE]
    assert await shop.store.dump() == before


async def test_a_group_of_dry_runs_shows_in_no_neighbour(shop: Shop) -> None:
    rehearsal = [sale(6, key="a", dry_run=True), sale(4, key="b", dry_run=True)]
    dry, real = await shop.settle(
        shop.writer.execute_together(rehearsal, by=CLERK),
        shop.writer.execute_together([sale(10, key="c")], by=CLERK),
    )
    assert isinstance(dry, list)
    assert isinstance(real, list)
    assert [one.adjustment.movements for one in map(accepted, dry) if one.adjustment is not None] == [
        (moved(EAST, -6, 4),),
        (moved(EAST, -4, 0),),
    ]
    assert accepted(real[0]).adjustment is not None
    assert await shop.on_hand() == 0
    assert await shop.keys() == [("acme", "c")]


async def test_changes_of_the_catalogue_can_be_a_group(shop: Shop) -> None:
    outcomes = await together(shop, *(ItemUpsert(sku=f"CUP-{number}", fields={}) for number in range(3)))
    assert [accepted(outcome).position for outcome in outcomes] == [8, 9, 10]
    assert [item is not None for item in await shop.reads.items(["CUP-0", "CUP-1", "CUP-2"])] == [True] * 3


async def test_independent_commands_do_not_fail_each_other(shop: Shop) -> None:
    outcomes = await each(
        shop,
        sale(6, key="a"),
        sale(1, key=""),
        sale(5, key="b"),
        sale(1, key="c", sku="NOWHERE"),
        sale(4, key="d"),
        sale(6, key="a"),
        count=5,
    )
    assert [accepted(outcomes[place]).replayed for place in (0, 4, 5)] == [False, False, True]
    assert [refusals(outcomes[place]) for place in (1, 2, 3)] == [
        [(RejectionCode.INVALID_INPUT, "idempotencyKey")],
        TOO_LITTLE,
        [(RejectionCode.ITEM_NOT_FOUND, "sku")],
    ]
    assert await shop.on_hand() == 0
    assert await shop.keys() == [("acme", "a"), ("acme", "d")]


async def test_nothing_sent_is_nothing_answered(shop: Shop) -> None:
    assert await shop.writer.execute_each([], by=CLERK) == []
    assert await shop.writer.execute_together([], by=CLERK) == []
    assert await shop.writer.run_once() == 0


async def test_bulk_that_does_not_fit_the_queue_is_refused_whole(shop: Shop) -> None:
    small = shop.with_limits(queue_commands_max=2)
    commands = [sale(1, key=key) for key in ("a", "b", "c")]
    for call in (small.writer.execute_each(commands, by=CLERK), small.writer.execute_together(commands, by=CLERK)):
        (told,) = await small.settle(call, count=0)
        assert isinstance(told, Overloaded)
    assert await shop.keys() == []
    await each(small, *commands[:2], count=2)
    assert await shop.keys() == [("acme", "a"), ("acme", "b")]

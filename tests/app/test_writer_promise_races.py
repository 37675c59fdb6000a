"""Writers that want the same units and documents at once; the one rule: each is decided once, and all adds up."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from app import ledger_documents
from app.audit import audit_ledger
from app.ledger_documents import Found
from app.ledger_requests import Outcome
from app.ledger_writer import TIMES_PUT_BACK_MAX, LedgerWriter
from domain.decider import Command
from domain.ports import Receipt, Unavailable
from domain.principals import SYSTEM_PRINCIPAL, Principal
from domain.rejections import Refused
from tests.app.promised import (
    ORDER,
    again,
    allocate,
    cancel,
    commit,
    expire,
    held,
    holds,
    id_of,
    lapse,
    line,
    release,
    reserve,
    ship,
)
from tests.app.shop import OTHER_SKU, Shop, accepted, open_shop, running, within
from tests.domain.given import CENTRAL, CLERK, EAST, SKU

RACES = 40
BUYERS = 30
CLAIMS = 150


@asynccontextmanager
async def two_writers(shop: Shop) -> AsyncIterator[Sequence[LedgerWriter]]:
    """Let two gateways' writers work on one store."""
    async with open_shop(shop.store) as other, running(shop.writer) as here, running(other.writer) as there:
        yield here, there


async def at_once(
    writers: Sequence[LedgerWriter], commands: Sequence[Command], *, by: Principal = CLERK
) -> list[Outcome]:
    """Send commands to the writers in turn, all at once."""
    return await within(
        asyncio.gather(
            *(writers[place % len(writers)].execute(command, by=by) for place, command in enumerate(commands))
        )
    )


async def prove_that_all_adds_up(shop: Shop) -> None:
    """Recompute everything from the ledger and from the documents."""
    report = await audit_ledger(shop.database)
    assert [(one.rule, one.examples) for one in report.findings if one.count] == []


def codes(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Count what callers were told."""
    return Counter(one.rejections[0].code.value if isinstance(one, Refused) else "accepted" for one in outcomes)


async def test_commit_release_and_expiry_resolve_a_reservation_once(shop: Shop) -> None:
    """Given a reservation and three who resolve it over two writers, then one is first, and says what it did."""
    async with two_writers(shop) as writers:
        for number in range(RACES):
            reservation = id_of(accepted((await at_once(writers[:1], [reserve(line(2), key=f"r{number}")]))[0]))
            if number % 2:
                await lapse(shop, reservation)
            order = f"order-{number}"
            told = await at_once(
                writers[:: 1 if number % 4 < 2 else -1],
                [
                    commit(reservation, key=f"c{number}", order=order),
                    release(reservation, key=f"l{number}"),
                    expire(reservation),
                    commit(reservation, key=f"d{number}", order=order),
                ],
                by=SYSTEM_PRINCIPAL,
            )
            ((state,),) = await shop.store.rows("SELECT state FROM reservations WHERE id = ?", reservation)
            resolved = [one for one in told if isinstance(one, Receipt) and one.events]
            assert len(resolved) == 1
            assert type(resolved[0].events[0]).__name__ == f"Reservation{state.title()}"
            assert state == "EXPIRED" if number % 2 else state in {"COMMITTED", "RELEASED"}
            if state == "COMMITTED":
                await at_once(writers, [cancel(key=f"x{number}", order=order)])
    assert await held(shop) == (10, 0, 0)
    await prove_that_all_adds_up(shop)


async def test_the_last_unit_has_one_winner(shop: Shop) -> None:
    """Given one unit left and many buyers over two writers, then one of them has it."""
    async with two_writers(shop) as writers:
        await at_once(writers, [reserve(line(9), key="most")])
        told = await at_once(writers, [reserve(line(1), key=f"buyer-{number}") for number in range(BUYERS)])
    assert codes(told) == {"accepted": 1, "INSUFFICIENT_STOCK": BUYERS - 1}
    assert await held(shop) == (10, 10, 0)
    await prove_that_all_adds_up(shop)


async def test_one_key_over_two_writers_reserves_once(shop: Shop) -> None:
    claim = reserve(line(1), key="k")
    async with two_writers(shop) as writers:
        told = await at_once(writers, [again(claim) for _ in range(BUYERS)])
    receipts = [accepted(one) for one in told]
    assert sum(not one.replayed for one in receipts) == 1
    assert len({one.document_id for one in receipts}) == 1
    assert await held(shop) == (10, 1, 0)


async def test_two_writers_give_one_order_its_lines_from_different_places(shop: Shop) -> None:
    """Given claims for one order that have no level in common, then each adds its line, and none is lost."""
    async with two_writers(shop) as writers:
        for number in range(RACES // 4):
            order = f"order-{number}"
            told = await at_once(
                writers,
                [
                    allocate(line(1, id_="east"), key=f"a{number}", order=order),
                    allocate(line(1, location=CENTRAL, id_="central"), key=f"b{number}", order=order),
                    allocate(line(1, sku=OTHER_SKU, id_="other"), key=f"c{number}", order=order),
                    allocate(line(1, id_="east"), key=f"d{number}", order=order),
                ],
            )
            assert codes(told) == {"accepted": 3, "ORDER_LINE_EXISTS": 1}
            (allocation,) = await shop.reads.allocations_of([("", order)])
            assert allocation is not None
            assert (sorted(one.id for one in allocation.lines), allocation.version) == (["central", "east", "other"], 3)
            await at_once(writers, [cancel(key=f"x{number}", order=order)])
    await prove_that_all_adds_up(shop)


async def test_claims_of_many_lines_in_any_order_neither_block_each_other_nor_lose_units(shop: Shop) -> None:
    """Given random claims, commits, releases and shipments over two writers, then all are answered and all adds up."""
    chance = random.Random(7)
    places = [(SKU, EAST), (SKU, CENTRAL), (OTHER_SKU, EAST)]
    async with two_writers(shop) as writers:

        async def one(number: int) -> str:
            writer = writers[number % 2]
            chosen = chance.sample(places, k=chance.randint(1, len(places)))
            lines = [
                line(chance.randint(1, 2), sku=sku, location=chance.choice([place, None]), id_=str(at))
                for at, (sku, place) in enumerate(chosen)
            ]
            made = await writer.execute(reserve(*lines, key=f"r{number}", allow_partial=bool(number % 3)), by=CLERK)
            if isinstance(made, Refused):
                return made.rejections[0].code.value
            order = f"order-{number % 10}-{number}"
            kind = number % 4
            reservation = id_of(made)
            if kind:
                taken = await writers[kind % 2].execute(commit(reservation, key=f"c{number}", order=order), by=CLERK)
                accepted(taken)
            if kind == 0:
                accepted(await writer.execute(release(reservation, key=f"l{number}"), by=CLERK))
            elif kind == 1:
                accepted(await writer.execute(ship(key=f"s{number}", order=order), by=CLERK))
            elif kind == 2:
                accepted(await writer.execute(cancel(key=f"x{number}", order=order), by=CLERK))
            return "accepted"

        told = Counter(await asyncio.wait_for(asyncio.gather(*map(one, range(CLAIMS))), timeout=60))
    assert set(told) == {"accepted", "INSUFFICIENT_STOCK"}
    await prove_that_all_adds_up(shop)


def blind(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the look for documents' levels find nothing for so many batches: all of it happened a moment later."""
    take_found = ledger_documents.take_found
    looks: list[int] = []

    def find_nothing(found: Any, state: Any, **ids: Any) -> Found:
        looks.append(len(looks))
        return Found() if len(looks) <= times else take_found(found, state, **ids)

    monkeypatch.setattr(ledger_documents, "take_found", find_nothing)
    return looks


async def test_what_changed_before_it_was_locked_is_left_to_the_next_batch(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given documents that hold units on levels that nobody has locked, then only their commands wait."""
    reservation = id_of(await shop.accept(reserve(line(2), key="r")))
    await shop.accept(allocate(line(1), key="a"))
    looks = blind(monkeypatch, times=2)
    commands: list[Command] = [
        release(reservation, key="l"),
        ship(key="s"),
        reserve(line(1, sku=OTHER_SKU), key="other"),
    ]
    tasks = [asyncio.create_task(shop.writer.execute(command, by=CLERK)) for command in commands]
    await asyncio.sleep(0)
    assert [await shop.writer.run_once() for _ in range(3)] == [3, 2, 2]
    outcomes = [accepted(one) for one in await within(asyncio.gather(*tasks))]
    assert len(looks) == 3
    assert outcomes[2].position < outcomes[0].position < outcomes[1].position
    assert await held(shop) == (9, 0, 0)
    await prove_that_all_adds_up(shop)


async def test_a_command_is_left_to_the_next_batch_only_so_often(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    reservation = id_of(await shop.accept(reserve(line(2), key="r")))
    before = await shop.store.dump()
    looks = blind(monkeypatch, times=1000)
    async with running(shop.writer) as ledger:
        with pytest.raises(Unavailable):
            await within(ledger.execute(release(reservation, key="l"), by=CLERK))
    assert len(looks) == TIMES_PUT_BACK_MAX + 1
    assert await shop.store.dump() == before


@pytest.mark.parametrize("is_new", [False, True])
async def test_an_order_that_another_writer_changed_meanwhile_is_decided_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """Given an order that changed, or came, behind a batch's back, then nothing of the batch is kept, and all again."""
    await shop.accept(allocate(line(1), key="a"))
    take_loaded = ledger_documents.take_loaded
    looks: list[int] = []

    def see_an_older_one(loaded: Any, state: Any, found: Found, **known: Any) -> None:
        take_loaded(loaded, state, found, **known)
        looks.append(len(looks))
        if len(looks) == 1:
            ((key, order),) = state.allocations.items()
            if is_new:
                del state.allocations[key], found.versions[order.id]
            else:
                found.versions[order.id] = 0
                state.allocations[key] = replace(order, version=0)

    monkeypatch.setattr(ledger_documents, "take_loaded", see_an_older_one)
    commands: list[Command] = [allocate(line(2, id_="2"), key="b"), reserve(line(1), key="r")]
    tasks = [asyncio.create_task(shop.writer.execute(command, by=CLERK)) for command in commands]
    await asyncio.sleep(0)
    before = await shop.store.dump()
    assert await shop.writer.run_once() == 2
    assert await shop.store.dump() == before
    assert await shop.writer.run_once() == 2
    for outcome in await within(asyncio.gather(*tasks)):
        accepted(outcome)
    (allocation,) = await shop.reads.allocations_of([("", ORDER)])
    assert allocation is not None
    assert ([one.id for one in allocation.lines], allocation.version) == (["1", "2"], 2)
    assert await held(shop) == (10, 1, 3)
    await prove_that_all_adds_up(shop)


async def test_a_group_with_a_claim_that_lapsed_reservations_help_is_tried_whole(shop: Shop) -> None:
    """Given two claims that go together, of which one lacks what lapsed reservations hold, then both are kept."""
    await lapse(shop, id_of(await shop.accept(reserve(line(8), key="r"))))
    together = [reserve(line(1), key="a"), reserve(line(9), key="b")]
    asking = asyncio.create_task(shop.writer.execute_together(together, by=CLERK))
    await asyncio.sleep(0)
    assert [await shop.writer.run_once() for _ in range(2)] == [1, 1]
    for outcome in await within(asking):
        accepted(outcome)
    assert await held(shop) == (10, 10, 0)
    assert sum(one[-1] for one in await holds(shop)) == 10
    await prove_that_all_adds_up(shop)

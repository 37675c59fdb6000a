"""Documents through the writer; the one rule: counters, holds and documents say the same after every batch."""

import asyncio

import pytest

from domain.allocation_commands import AllocationState
from domain.catalogue import LocationUpsert
from domain.claims import LineQuantity
from domain.decider import Command
from domain.principals import SYSTEM_PRINCIPAL
from domain.rejections import RejectionCode
from domain.reservation_commands import LineCommit, LineMove
from tests.app.promised import (
    ORDER,
    again,
    allocate,
    cancel,
    commit,
    expire,
    extend,
    held,
    holds,
    id_of,
    lapse,
    line,
    move_to,
    release,
    reserve,
    ship,
)
from tests.app.shop import OPENING_HEAD, OTHER_SKU, Shop, accepted, adjust, refusals, sale
from tests.domain import given
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB


async def test_units_are_reserved_committed_and_shipped(shop: Shop) -> None:
    """Given 10 units, when 3 are reserved, committed and shipped, then every counter follows."""
    reservation = id_of(await shop.accept(reserve(line(3), key="r", channel=WEB)))
    assert await held(shop) == (10, 3, 0)
    assert await holds(shop) == [(reservation, SKU, EAST, "RESERVATION", 3)]
    assert id_of(await shop.accept(commit(reservation, key="c"))) == reservation
    assert await held(shop) == (10, 0, 3)
    ((allocation, *what),) = await holds(shop)
    assert what == [SKU, EAST, "ALLOCATION", 3]
    shipped = await shop.accept(ship(key="s", channel=WEB))
    assert await shop.store.rows("SELECT id FROM shipments") == [(id_of(shipped),)]
    assert await held(shop) == (7, 0, 0)
    assert await holds(shop) == []
    assert await shop.store.rows("SELECT state, order_id FROM reservations") == [("COMMITTED", ORDER)]
    assert await shop.store.rows("SELECT id, state, version FROM allocations") == [
        (allocation, AllocationState.SHIPPED, 2)
    ]
    assert await shop.positions() == list(range(1, shipped.position + 1))


async def test_postings_stand_at_the_position_of_their_event(shop: Shop) -> None:
    """Given a claim of two items and a sale in one batch, then every cause knows its own place in the log."""
    claimed, sold = await shop.batch(reserve(line(1), line(2, sku=OTHER_SKU, id_="2"), key="r"), sale(1, key="s"))
    assert accepted(claimed).position == OPENING_HEAD + 3
    assert accepted(sold).position == OPENING_HEAD + 4
    assert await shop.store.rows("SELECT position, cause FROM postings ORDER BY position") == [
        (OPENING_HEAD + 2, "RESERVATION_CREATED"),
        (OPENING_HEAD + 3, "RESERVATION_CREATED"),
    ]
    types = await shop.store.rows("SELECT type FROM events WHERE position > 7 ORDER BY position")
    assert types == [("ReservationCreated",), ("StockPosted",), ("StockPosted",), ("InventoryAdjusted",)]


async def test_every_change_of_a_reservation_keeps_counters_holds_and_documents_alike(shop: Shop) -> None:
    """Given a reservation, when it is extended, moved, released in part and committed in part, then all agree."""
    reservation = id_of(await shop.accept(reserve(line(4), key="r")))
    await shop.accept(extend(reservation, key="e", ttl_seconds=60))
    await shop.accept(move_to(reservation, LineMove(line="1", to_location=CENTRAL, quantity=2), key="m"))
    assert (await held(shop), await held(shop, CENTRAL)) == ((10, 2, 0), (5, 2, 0))
    await shop.accept(release(reservation, LineQuantity(line="1", quantity=1), key="l"))
    assert (await held(shop), await held(shop, CENTRAL)) == ((10, 2, 0), (5, 1, 0))
    await shop.accept(commit(reservation, LineCommit(line="1", quantity=2, order_line="a"), key="c"))
    assert [one[1:] for one in await holds(shop)] == [(SKU, EAST, "ALLOCATION", 2)]
    await shop.accept(allocate(line(3, location=CENTRAL, id_="b"), key="a"))
    assert (await held(shop), await held(shop, CENTRAL)) == ((10, 0, 2), (5, 0, 3))
    await shop.accept(cancel(LineQuantity(line="b", quantity=1), key="x"))
    await shop.accept(ship(key="s"))
    assert (await held(shop), await held(shop, CENTRAL)) == ((8, 0, 0), (3, 0, 0))
    assert await holds(shop) == []
    ((version,),) = await shop.store.rows("SELECT version FROM allocations")
    assert version == 4


async def test_a_repeated_key_has_the_document_from_the_first_time(shop: Shop) -> None:
    """Given commands that were kept, when each is sent again, then its document is named and nothing happens."""
    create = reserve(line(3), key="r")
    reservation = id_of(await shop.accept(create))
    take, order = commit(reservation, key="c"), allocate(line(1, id_="2"), key="a")
    await shop.accept(take)
    allocation = id_of(await shop.accept(order))
    give = cancel(LineQuantity(line="2"), key="x")
    await shop.accept(give)
    left = ship(key="s")
    shipment = id_of(await shop.accept(left))
    before = await shop.store.dump()
    repeated: list[Command] = [again(create), again(take), again(order), again(give), again(left)]
    told = [accepted(one) for one in await shop.batch(*repeated)]
    assert [one.document_id for one in told] == [reservation, reservation, allocation, allocation, shipment]
    assert all(one.replayed and not one.events for one in told)
    assert await shop.store.dump() == before
    assert await shop.refuse(reserve(line(2), key="r")) == [
        (RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH, "idempotencyKey")
    ]


async def test_one_batch_resolves_a_reservation_once(shop: Shop) -> None:
    """Given a commit, a release and a commit in one batch, then the first counts and the others are told so."""
    reservation = id_of(await shop.accept(reserve(line(3), key="r")))
    first, second, third = await shop.batch(
        commit(reservation, key="a"), release(reservation, key="b"), commit(reservation, key="c", order="order-2")
    )
    assert id_of(accepted(first)) == reservation
    assert refusals(second) == [(RejectionCode.RESERVATION_ALREADY_COMMITTED, "reservationId")]
    assert refusals(third) == [(RejectionCode.RESERVATION_ALREADY_COMMITTED, "reservationId")]
    assert await held(shop) == (10, 0, 3)


async def test_a_refused_claim_and_a_dry_run_leave_nothing_behind(shop: Shop) -> None:
    assert await shop.refuse(reserve(line(11), key="r")) == [(RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity")]
    before = await shop.store.dump()
    receipt = await shop.accept(reserve(line(3), key=None, dry_run=True))
    assert (receipt.position, len(receipt.events)) == (OPENING_HEAD, 2)
    assert await shop.store.dump() == before


async def test_a_claim_through_a_channel_is_sourced_where_the_channel_is_served(shop: Shop) -> None:
    """Given EAST, which serves the channel, and CENTRAL, which does not, then only EAST serves the claim."""
    assert await shop.refuse(reserve(line(11, location=None), key="r", channel=WEB)) == [
        (RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity")
    ]
    await shop.accept(reserve(line(12, location=None), key="any"))
    assert (await held(shop), await held(shop, CENTRAL)) == ((10, 7, 0), (5, 5, 0))
    await shop.accept(LocationUpsert(code=CENTRAL, fields={}, channels=frozenset({WEB})))
    await shop.accept(reserve(line(3, location=None), key="r", channel=WEB))
    assert (await held(shop), await held(shop, CENTRAL)) == ((10, 10, 0), (5, 5, 0))


@pytest.mark.parametrize("is_adjustment", [False, True])
async def test_what_lapsed_reservations_hold_is_given_to_who_lacks_it(shop: Shop, is_adjustment: bool) -> None:
    """Given 10 units of which lapsed reservations hold 9, when 4 are claimed or sold, then they expire first."""
    ids = [id_of(await shop.accept(reserve(line(3), key=f"r{number}"))) for number in range(3)]
    await lapse(shop, *ids)
    wanted = sale(4, key="s") if is_adjustment else reserve(line(4), key="s")
    asking = asyncio.create_task(shop.writer.execute(wanted, by=CLERK))
    await asyncio.sleep(0)
    assert await shop.writer.run_once() == 1
    assert not asking.done()
    assert await shop.writer.run_once() == 1
    receipt = accepted(await asking)
    assert await held(shop) == ((6, 0, 0) if is_adjustment else (10, 4, 0))
    assert await shop.store.rows(
        "SELECT DISTINCT state FROM reservations WHERE id != ?", receipt.document_id or ""
    ) == [("EXPIRED",)]
    names = [type(event).__name__ for event in receipt.events]
    assert names[:6] == ["ReservationExpired", "StockPosted"] * 3
    if receipt.adjustment is not None:
        assert receipt.adjustment.position == OPENING_HEAD + 6 + 7
        ((position,),) = await shop.store.rows("SELECT position FROM adjustments WHERE idempotency_key = 's'")
        assert position == receipt.adjustment.position


async def test_who_is_short_for_another_reason_is_refused_at_once(shop: Shop) -> None:
    """Given a lapsed reservation elsewhere, then a claim that it does not help waits for no second batch."""
    elsewhere = id_of(await shop.accept(reserve(line(5, location=CENTRAL), key="r")))
    await lapse(shop, elsewhere)
    await shop.refuse(sale(11, key="s"))
    assert await held(shop, CENTRAL) == (5, 5, 0)


async def test_a_claim_that_stays_short_is_refused_and_nothing_expires(shop: Shop) -> None:
    """Given that all lapsed reservations are not enough, then the claim is refused after its second try."""
    await lapse(shop, id_of(await shop.accept(reserve(line(3), key="r"))))
    before = await shop.store.dump()
    asking = asyncio.create_task(shop.writer.execute(reserve(line(11), key="s"), by=CLERK))
    await asyncio.sleep(0)
    for _ in range(2):
        assert await shop.writer.run_once() == 1
    assert refusals(await asking) == [(RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity")]
    assert await shop.store.dump() == before


async def test_a_dry_run_is_told_what_it_would_get_from_lapsed_reservations(shop: Shop) -> None:
    await lapse(shop, id_of(await shop.accept(reserve(line(8), key="r"))))
    before = await shop.store.dump()
    asking = asyncio.create_task(shop.writer.execute(sale(4, key=None, dry_run=True), by=CLERK))
    await asyncio.sleep(0)
    for _ in range(2):
        assert await shop.writer.run_once() == 1
    assert len(accepted(await asking).events) == 3
    assert await shop.store.dump() == before


async def test_a_lapsed_reservation_expires_once(shop: Shop) -> None:
    """Given a reservation that lapsed, when it is swept twice and committed, then it expires once."""
    one, other = [id_of(await shop.accept(reserve(line(2), key=key))) for key in "ab"]
    await lapse(shop, one)
    first, second, third, untouched = await shop.batch(
        expire(one), expire(one), commit(one, key="c"), expire(other), by=SYSTEM_PRINCIPAL
    )
    assert len(accepted(first).events) == 2
    assert accepted(second).events == accepted(untouched).events == ()
    assert refusals(third) == [(RejectionCode.RESERVATION_EXPIRED, "reservationId")]
    assert await held(shop) == (10, 2, 0)
    assert await holds(shop) == [(other, SKU, EAST, "RESERVATION", 2)]


async def test_the_statements_of_a_batch_do_not_grow_with_its_documents(shop: Shop) -> None:
    """Given few and many claims, commits and shipments in one batch, then both take as many statements."""
    await shop.accept(adjust(given.change(EAST, 1000), key="in"))
    costs: dict[str, list[int]] = {}
    for count in (2, 40):
        async with shop.store.statements(shop.database) as seen:
            made = await shop.batch(*(reserve(line(1, location=None), key=f"r-{count}-{n}") for n in range(count)))
        costs.setdefault("reserve", []).append(len(seen))
        ids = [id_of(accepted(one)) for one in made]
        async with shop.store.statements(shop.database) as seen:
            await shop.batch(*(commit(one, key=f"c-{one}", order=one) for one in ids))
        costs.setdefault("commit", []).append(len(seen))
        async with shop.store.statements(shop.database) as seen:
            await shop.batch(*(ship(key=f"s-{one}", order=one) for one in ids))
        costs.setdefault("ship", []).append(len(seen))
    assert (await held(shop), await held(shop, CENTRAL)) == ((1010 - 37, 0, 0), (0, 0, 0))
    steps = {"reserve": 6, "commit": 7, "ship": 7}
    calls = {"reserve": 23, "commit": 24, "ship": 24}
    assert costs == {name: [cost] * 2 for name, cost in (steps if shop.store.takes_steps_whole else calls).items()}

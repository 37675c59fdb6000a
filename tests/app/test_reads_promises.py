"""What is read of documents; the one rule: they are shown as they are now, whatever became of them."""

from app.storage.times import EPOCH
from domain.allocation_commands import AllocationState
from domain.filters import ReservationFilter
from domain.levels import InventoryBucket
from domain.postings import PostingCause
from domain.principals import SYSTEM_PRINCIPAL
from domain.records import Channel, Location
from domain.reservation_commands import ReservationCreated, ReservationState
from tests.app.promised import ORDER, allocate, commit, expire, id_of, lapse, line, release, reserve, ship
from tests.app.shop import OTHER_SKU, Shop, all_pages, sale
from tests.domain.given import CENTRAL, EAST, SKU, WEB

PAGE = 2


async def found(shop: Shop, limit: int = PAGE, **wanted: object) -> list[str]:
    """Return the ids of all reservations that a filter shows, page by page."""
    which = ReservationFilter(**wanted)  # type: ignore[arg-type]  # the tests name its fields

    async def page(before: str | None) -> list[str]:
        return [one.id for one in await shop.reads.reservation_page(which, before=before, limit=limit)]

    return await all_pages(page)


async def test_a_reservation_is_read_as_it_was_made(shop: Shop) -> None:
    receipt = await shop.accept(reserve(line(3), line(2, sku=OTHER_SKU, id_="2"), key="r", reference="cart “7”"))
    made = receipt.events[0]
    assert isinstance(made, ReservationCreated)
    assert await shop.reads.reservations([id_of(receipt), "nope", "\x00", id_of(receipt)]) == [
        made.reservation,
        None,
        None,
        made.reservation,
    ]


async def test_reservations_are_listed_newest_first_by_what_they_are(shop: Shop) -> None:
    """Given five reservations of different kinds, then each filter shows its own, a page at a time."""
    plain = id_of(await shop.accept(reserve(line(1), key="1", reference="cart-1")))
    sold = id_of(await shop.accept(reserve(line(1), key="2", reference="cart-2", channel=WEB)))
    other = id_of(await shop.accept(reserve(line(1, sku=OTHER_SKU), key="3", reference="cart-2")))
    central = id_of(await shop.accept(reserve(line(1, location=CENTRAL), line(1, id_="2"), key="4")))
    over = id_of(await shop.accept(reserve(line(1, location=CENTRAL), key="5")))
    await shop.accept(release(over, key="6"))
    for limit in (1, 2, 100):
        assert await found(shop, limit) == [over, central, other, sold, plain]
    assert await found(shop, external_reference="cart-2") == [other, sold]
    assert await found(shop, sku=SKU) == [central, sold, plain]
    assert await found(shop, channel=WEB) == [sold]
    assert await found(shop, state=ReservationState.RELEASED) == [over]
    assert await found(shop, state=ReservationState.ACTIVE, sku=OTHER_SKU) == [other]
    assert await found(shop, channels=frozenset({WEB, "till"})) == [sold]
    assert await found(shop, channels=frozenset()) == []
    assert await found(shop, locations=frozenset({EAST})) == [other, sold, plain]
    assert await found(shop, locations=frozenset({EAST, CENTRAL})) == [over, central, other, sold, plain]
    assert await found(shop, locations=frozenset({CENTRAL})) == [over]
    assert await found(shop, locations=frozenset(), state=ReservationState.ACTIVE) == []
    assert await found(shop, external_reference="\x00") == await found(shop, sku="\ud800") == []


async def test_an_order_is_read_with_its_shipments(shop: Shop) -> None:
    """Given an order of a channel that shipped twice, and one of no channel, then each is found by its key."""
    reservation = id_of(await shop.accept(reserve(line(2), key="r", channel=WEB)))
    await shop.accept(commit(reservation, key="c"))
    first = id_of(await shop.accept(ship(key="s1", channel=WEB)))
    allocation = id_of(await shop.accept(allocate(line(1, id_="2"), key="a", channel=WEB)))
    second = id_of(await shop.accept(ship(key="s2", channel=WEB)))
    plain = id_of(await shop.accept(allocate(line(1), key="p")))
    keys = [(WEB, ORDER), ("", "order-9"), ("", ORDER), ("\x00", ORDER)]
    order, nothing, other, nonsense = await shop.reads.allocations_of(keys)
    assert (nothing, nonsense) == (None, None)
    assert order is not None
    assert (order.id, order.state, [one.shipped for one in order.lines]) == (
        allocation,
        AllocationState.SHIPPED,
        [2, 1],
    )
    assert other is not None
    assert (other.id, other.channel) == (plain, None)
    assert await shop.reads.allocations([plain, "nope", allocation]) == [other, None, order]
    of_web, of_none, unknown = await shop.reads.shipments_of([(WEB, ORDER), ("", ORDER), ("\x00", ORDER)])
    assert [one.id for one in of_web] == [first, second]
    assert of_none == unknown == ()
    assert await shop.reads.shipments([second, "nope", first]) == [of_web[1], None, of_web[0]]


async def test_lapsed_reservations_are_told_until_they_expire(shop: Shop) -> None:
    ids = [id_of(await shop.accept(reserve(line(1), key=f"r{number}"))) for number in range(4)]
    assert await shop.reads.lapsed_reservations(limit=10) == []
    await lapse(shop, *ids[:3])
    assert await shop.reads.lapsed_reservations(limit=2) == ids[:2]
    await shop.accept(expire(ids[0]), by=SYSTEM_PRINCIPAL)
    assert await shop.reads.lapsed_reservations(limit=10) == ids[1:3]


async def test_the_ledger_names_the_cause_of_each_row(shop: Shop) -> None:
    """Given a reservation that was committed, shipped and a sale, then rows name the adjustment or the document."""
    reservation = id_of(await shop.accept(reserve(line(2), key="r")))
    await shop.accept(commit(reservation, key="c"))
    await shop.accept(ship(key="s"))
    sold = await shop.accept(sale(1, key="sold"))
    assert sold.adjustment is not None
    rows = await shop.reads.movement_page(sku=SKU, locations=[EAST], before=None, limit=6)
    (allocation,) = await shop.reads.allocations_of([("", ORDER)])
    assert allocation is not None
    assert [(one.bucket, one.delta, one.cause, one.document_id, one.adjustment_id) for one in rows] == [
        (InventoryBucket.ON_HAND, -1, None, None, sold.adjustment.id),
        (InventoryBucket.ON_HAND, -2, PostingCause.SHIPMENT_CONFIRMED, allocation.id, None),
        (InventoryBucket.ALLOCATED, -2, PostingCause.SHIPMENT_CONFIRMED, allocation.id, None),
        (InventoryBucket.ALLOCATED, 2, PostingCause.RESERVATION_COMMITTED, reservation, None),
        (InventoryBucket.RESERVED, -2, PostingCause.RESERVATION_COMMITTED, reservation, None),
        (InventoryBucket.RESERVED, 2, PostingCause.RESERVATION_CREATED, reservation, None),
    ]
    assert [one.reason is None for one in rows] == [False, True, True, True, True, True]


async def test_channels_and_locations_of_an_older_program_have_the_defaults(shop: Shop) -> None:
    """Given rows that say nothing of sourcing and reservations, then they are read as new ones are made."""
    await shop.store.change("INSERT INTO channels (code, created_at, updated_at) VALUES ('old', 0, 0)")
    await shop.store.change(
        "INSERT INTO locations (code, kind, created_at, updated_at) VALUES ('OLD', 'WAREHOUSE', 0, 0)"
    )
    assert await shop.reads.channels(["old"]) == [Channel(code="old", created_at=EPOCH, updated_at=EPOCH)]
    assert await shop.reads.locations(["OLD"]) == [Location(code="OLD", created_at=EPOCH, updated_at=EPOCH)]

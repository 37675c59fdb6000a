"""What is read of stock conflicts, on both databases: the newest promises are at risk, as far as the level lacks."""

from domain.conflicts import PromiseAtRisk, PromiseKind, StockConflict
from domain.filters import ConflictFilter
from tests.app.promised import allocate, id_of, line, release, reserve
from tests.app.shop import Shop, all_pages, set_to
from tests.domain.given import CENTRAL, EAST, SKU, count

LEVEL = (SKU, EAST)


async def listed(shop: Shop, limit: int = 10, **wanted: object) -> list[StockConflict]:
    """Return all conflicts that a filter shows, page by page."""
    which, places = ConflictFilter(**wanted), dict[str, StockConflict]()  # type: ignore[arg-type]  # the tests name its fields

    async def page(before: str | None) -> list[str]:
        last = None if before is None else places[before]
        place = None if last is None else (round(last.opened_at.timestamp() * 1_000_000), last.id)
        rows = await shop.reads.conflict_page(which, before=place, limit=limit)
        places.update((one.id, one) for one in rows)
        return [one.id for one in rows]

    return [places[one] for one in await all_pages(page)]


async def test_the_newest_promises_are_at_risk_first(shop: Shop) -> None:
    """Given promises of nine units, when four are counted, then the five newest of them are at risk."""
    oldest = id_of(await shop.accept(reserve(line(3), key="1")))
    middle = id_of(await shop.accept(allocate(line(3), key="2")))
    newest = id_of(await shop.accept(reserve(line(3), key="3")))
    await shop.accept(set_to(count(EAST, 4), key="count"))
    (risk, none) = await shop.reads.promises_at_risk([LEVEL, (SKU, CENTRAL)])
    assert none == ()
    assert risk == (
        PromiseAtRisk(kind=PromiseKind.RESERVATION, document_id=newest, quantity=3),
        PromiseAtRisk(kind=PromiseKind.ALLOCATION, document_id=middle, quantity=2),
    )
    (conflict,) = await listed(shop)
    assert (conflict.key, conflict.unbacked, conflict.closed_at) == (LEVEL, 5, None)
    assert await shop.reads.conflicts([conflict.id, "nope", "\x00"]) == [conflict, None, None]
    await shop.accept(release(oldest, key="4"))
    (risk,) = await shop.reads.promises_at_risk([LEVEL])
    assert risk == (PromiseAtRisk(kind=PromiseKind.RESERVATION, document_id=newest, quantity=2),)
    await shop.accept(set_to(count(EAST, 6), key="found"))
    assert await shop.reads.promises_at_risk([LEVEL, LEVEL]) == [(), ()]
    (closed,) = await listed(shop)
    assert closed.closed_at is not None


async def test_conflicts_are_listed_newest_first_by_what_they_are(shop: Shop) -> None:
    """Given three conflicts at two locations, of which one is closed, then each filter shows its own, page by page."""
    await shop.accept(reserve(line(2), line(2, location=CENTRAL, id_="2"), key="r"))
    for key, at, quantity in (("1", EAST, 0), ("2", EAST, 5), ("3", CENTRAL, 1), ("4", EAST, 1)):
        await shop.accept(set_to(count(at, quantity), key=key))
    found = await listed(shop)
    assert [(one.location, one.closed_at is None) for one in found] == [(EAST, True), (CENTRAL, True), (EAST, False)]
    for limit in (1, 2):
        assert await listed(shop, limit) == found
    assert await listed(shop, is_open=True) == found[:2]
    assert await listed(shop, is_open=False) == found[2:]
    assert await listed(shop, locations=frozenset({CENTRAL})) == [found[1]]
    assert await listed(shop, locations=frozenset()) == []
    assert await listed(shop, sku=SKU, is_open=True, locations=frozenset({EAST})) == [found[0]]
    assert await listed(shop, sku="nope") == await listed(shop, sku="\x00") == []

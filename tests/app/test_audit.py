"""The audit; the one rule: what does not add up is counted exactly, and told by its first cases."""

import pytest

from app import audit
from app.audit import audit_ledger
from app.ids import new_id
from domain.allocation_commands import ShipmentConfirm, ShipmentLine
from domain.principals import SYSTEM_PRINCIPAL
from tests.app.promised import ORDER, commit, expire, held, id_of, lapse, line, reserve
from tests.app.shop import OPENING_HEAD, Shop, sale
from tests.domain.given import EAST, SKU

SUMS = "every counter is the sum of its movements"
LEVELS = "every movement belongs to a level"
BALANCES = "every movement's balance is the sum up to it"
CAUSES = "every movement belongs to an adjustment or a posting"
POSTINGS = "every posting belongs to a document"
KEYS = "every adjustment is kept under its key"
KEPT = "every key stands for an adjustment that exists"
DOCUMENTS = "every key stands for a document that exists"
PROMISES = "RESERVED and ALLOCATED are the sum of what is held"
HOLDS = "what is held is what active reservations and open orders say"
PARTS = "what bundles are found by is what they are made of"
POSITIONS = "positions are dense up to the head"


async def found(shop: Shop) -> dict[str, tuple[int, list[str]]]:
    """Return what the audit finds: how many differences of each rule, and the first cases."""
    report = await audit_ledger(shop.database)
    assert report.difference_count == sum(one.count for one in report.findings)
    return {one.rule: (one.count, list(one.examples)) for one in report.findings if one.count}


async def test_nothing_differs_in_a_shop_that_only_the_gateway_changed(shop: Shop) -> None:
    """Given what every shop begins with and sales, then all is counted and nothing differs."""
    for number in range(3):
        await shop.accept(sale(1, key=f"k-{number}"))
    report = await audit_ledger(shop.database)
    assert [one.rule for one in report.findings] == [
        SUMS,
        LEVELS,
        BALANCES,
        CAUSES,
        POSTINGS,
        KEYS,
        KEPT,
        DOCUMENTS,
        PROMISES,
        HOLDS,
        PARTS,
        POSITIONS,
    ]
    assert report.difference_count == 0
    assert (report.levels, report.movements, report.adjustments, report.keys) == (3, 6, 5, 5)
    assert report.events == OPENING_HEAD + 3


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("UPDATE stock_levels SET on_hand = on_hand + 1 WHERE item_id = 1 AND location_id = 1", [SUMS]),
        ("DELETE FROM stock_levels WHERE item_id = 1 AND location_id = 1", [LEVELS]),
        ("UPDATE movements SET balance_after = 4 WHERE item_id = 1 AND location_id = 1", [BALANCES]),
        ("DELETE FROM adjustments WHERE idempotency_key = 'opening-2'", [CAUSES, KEPT]),
        ("DELETE FROM idempotency_keys WHERE key = 'opening-2'", [KEYS]),
        ("DELETE FROM events WHERE position = 3", [POSITIONS]),
        ("INSERT INTO bundle_parts VALUES (1, 2, 1, TRUE)", [PARTS]),
        ("UPDATE feed_head SET position = 8", [POSITIONS]),
    ],
)
async def test_each_rule_is_looked_at(shop: Shop, change: str, rules: list[str]) -> None:
    """Given a row that another program changed, then the rules that it breaks are told, once each."""
    await shop.store.change(change)
    assert {rule: count for rule, (count, _) in (await found(shop)).items()} == dict.fromkeys(rules, 1)


async def promise_everything(shop: Shop) -> tuple[str, str, str]:
    """Reserve, commit, ship a part, and let one reservation lapse.

    Returns the ids of a reservation, which holds 2 units at EAST, of the order's allocation, which holds 3 of 4, and of
    the shipment.
    """
    over = id_of(await shop.accept(reserve(line(4), key="over")))
    await shop.accept(commit(over, key="commit"))
    shipped = ShipmentConfirm(
        command_id=new_id(), idempotency_key="ship", order_id=ORDER, lines=(ShipmentLine(line="1", quantity=1),)
    )
    shipment = id_of(await shop.accept(shipped))
    lapsed = id_of(await shop.accept(reserve(line(1), key="lapsed")))
    await lapse(shop, lapsed)
    await shop.accept(expire(lapsed), by=SYSTEM_PRINCIPAL)
    active = id_of(await shop.accept(reserve(line(2), key="active")))
    (allocation,) = await shop.reads.allocations_of([("", ORDER)])
    assert allocation is not None
    return active, allocation.id, shipment


async def test_nothing_differs_where_documents_came_and_went(shop: Shop) -> None:
    await promise_everything(shop)
    assert await held(shop) == (9, 2, 3)
    assert await found(shop) == {}


@pytest.mark.parametrize(
    ("change", "named", "expected"),
    [
        ("DELETE FROM postings WHERE document_id = ?", 0, {CAUSES: 1}),
        ("DELETE FROM reservations WHERE id = ?", 0, {POSTINGS: 1, DOCUMENTS: 1, HOLDS: 1}),
        ("DELETE FROM allocations WHERE id = ?", 1, {POSTINGS: 1, HOLDS: 1}),
        ("DELETE FROM shipments WHERE id = ?", 2, {DOCUMENTS: 1}),
        ("DELETE FROM holds WHERE document_id = ?", 0, {PROMISES: 1, HOLDS: 1}),
        ("UPDATE holds SET quantity = 4 WHERE document_id = ?", 1, {PROMISES: 1, HOLDS: 1}),
        ("UPDATE holds SET location_id = 2 WHERE document_id = ?", 0, {PROMISES: 2, HOLDS: 2}),
        ("UPDATE holds SET kind = 'ALLOCATION' WHERE document_id = ?", 0, {PROMISES: 1, HOLDS: 2}),
        ("UPDATE reservations SET state = 'RELEASED' WHERE id = ?", 0, {HOLDS: 1}),
        ("UPDATE reservations SET state = 'ACTIVE' WHERE state = 'EXPIRED'", None, {HOLDS: 1}),
        ("UPDATE stock_levels SET reserved = 1 WHERE item_id = 1 AND location_id = 1", None, {SUMS: 1, PROMISES: 1}),
        ("UPDATE stock_levels SET allocated = 4 WHERE item_id = 1 AND location_id = 1", None, {SUMS: 1, PROMISES: 1}),
    ],
)
async def test_damage_to_documents_is_found(
    shop: Shop, change: str, named: int | None, expected: dict[str, int]
) -> None:
    """Given documents that another program changed, then the rules that this breaks are told, with their counts."""
    ids = await promise_everything(shop)
    await shop.store.change(change, *(() if named is None else (ids[named],)))
    assert {rule: count for rule, (count, _) in (await found(shop)).items()} == expected


async def test_a_hold_that_is_unlike_its_document_is_named(shop: Shop) -> None:
    active, *_ = await promise_everything(shop)
    await shop.store.change("UPDATE holds SET quantity = 3 WHERE document_id = ?", active)
    assert await found(shop) == {
        PROMISES: (1, [f"{SKU} {EAST}"]),
        HOLDS: (1, [f"{active} RESERVATION {SKU} {EAST}"]),
    }


async def test_the_first_cases_are_named(shop: Shop) -> None:
    """Given a level that differs, then it is named by SKU and location."""
    await shop.store.change("UPDATE stock_levels SET damaged = 1 WHERE item_id = 1 AND location_id = 1")
    assert await found(shop) == {SUMS: (1, [f"{SKU} {EAST}"])}


async def test_many_differences_are_counted_and_a_few_brought(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more differences than are shown, then their number is exact all the same."""
    monkeypatch.setattr(audit, "FINDINGS_SHOWN_MAX", 2)
    for number in range(5):
        await shop.accept(sale(1, key=f"k-{number}"))
    await shop.store.change("DELETE FROM idempotency_keys WHERE key LIKE 'k-%'")
    count, examples = (await found(shop))[KEYS]
    assert (count, len(examples)) == (5, 2)

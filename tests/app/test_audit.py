"""The audit; the one rule: what does not add up is counted exactly, and told by its first cases."""

import pytest

from app import audit
from app.audit import audit_ledger
from tests.app.shop import OPENING_HEAD, Shop, sale
from tests.domain.given import EAST, SKU

SUMS = "every counter is the sum of its movements"
LEVELS = "every movement belongs to a level"
BALANCES = "every movement's balance is the sum up to it"
ADJUSTMENTS = "every movement belongs to an adjustment"
KEYS = "every adjustment is kept under its key"
KEPT = "every key stands for an adjustment that exists"
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
    assert [one.rule for one in report.findings] == [SUMS, LEVELS, BALANCES, ADJUSTMENTS, KEYS, KEPT, POSITIONS]
    assert report.difference_count == 0
    assert (report.levels, report.movements, report.adjustments, report.keys) == (3, 6, 5, 5)
    assert report.events == OPENING_HEAD + 3


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("UPDATE stock_levels SET on_hand = on_hand + 1 WHERE item_id = 1 AND location_id = 1", [SUMS]),
        ("DELETE FROM stock_levels WHERE item_id = 1 AND location_id = 1", [LEVELS]),
        ("UPDATE movements SET balance_after = 4 WHERE item_id = 1 AND location_id = 1", [BALANCES]),
        ("DELETE FROM adjustments WHERE idempotency_key = 'opening-2'", [ADJUSTMENTS, KEPT]),
        ("DELETE FROM idempotency_keys WHERE key = 'opening-2'", [KEYS]),
        ("DELETE FROM events WHERE position = 3", [POSITIONS]),
        ("UPDATE feed_head SET position = 8", [POSITIONS]),
    ],
)
async def test_each_rule_is_looked_at(shop: Shop, change: str, rules: list[str]) -> None:
    """Given a row that another program changed, then the rules that it breaks are told, once each."""
    await shop.store.change(change)
    assert {rule: count for rule, (count, _) in (await found(shop)).items()} == dict.fromkeys(rules, 1)


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

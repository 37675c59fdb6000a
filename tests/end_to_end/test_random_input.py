"""Random input: any JSON in place of variables; the one rule: never a failure, and stock is what the ledger sums to."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.end_to_end.gateway import Gateway
from tests.faults.ledger import read_sqlite

EXAMPLES: Final = 200
ODD_ONE: Final = 13
PLACES: Final = [*["EAST", "WEST"] * 8, "nowhere"]
SKUS: Final = [*["A", "B"] * 8, "nothing"]
DOCUMENTS: Final = {
    "inventoryAdjust": """
        mutation m($input: InventoryAdjustmentInput!) { inventoryAdjust(input: $input) {
          replayed position adjustment { id movements { delta balanceAfter location { code } } }
          inventoryItem { totalAvailableQuantity } levels { onHand } userErrors { code field message }
        } }
    """,
    "inventorySet": """
        mutation m($input: InventorySetInput!) { inventorySet(input: $input) {
          replayed position adjustment { id movements { delta } } levels { onHand } userErrors { code field message }
        } }
    """,
    "availability": """
        query q($skus: [String!]!, $channelId: ID, $locationIds: [ID!]) {
          availability(skus: $skus, channelId: $channelId, locationIds: $locationIds) {
            sku availableQuantity status levels { onHand } nodes { availableQuantity }
          }
        }
    """,
}
SETUP: Final = """
mutation {
  east: locationUpsert(input: {code: "EAST"}) { userErrors { code } }
  west: locationUpsert(input: {code: "WEST"}) { userErrors { code } }
  a: itemUpsert(input: {sku: "A"}) { userErrors { code } }
  b: itemUpsert(input: {sku: "B"}) { userErrors { code } }
  web: channelUpsert(input: {code: "web"}) { userErrors { code } }
  more: inventorySet(input: {sku: "B", idempotencyKey: "more", quantities: [
    {locationId: "EAST", quantity: 500, changeFromQuantity: null}
    {locationId: "WEST", quantity: 500, changeFromQuantity: null}
  ]}) { userErrors { code } }
  stock: inventorySet(input: {sku: "A", idempotencyKey: "opening", quantities: [
    {locationId: "EAST", quantity: 50, changeFromQuantity: null}
    {locationId: "WEST", quantity: 50, changeFromQuantity: null}
  ]}) { userErrors { code } }
}
"""

texts = st.text(max_size=20) | st.sampled_from(["", "\0", "\ud800", "x" * 300, "EAST", "A", "é", "e\u0301", "null"])
numbers = st.integers(-20, 20) | st.integers(-(2**40), 2**40) | st.sampled_from([2**31, 10**9 + 1, -(10**9) - 1])
scalars = st.none() | st.booleans() | numbers | st.floats(allow_nan=False, allow_infinity=False) | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what is good, but for one time in thirty."""
    return st.integers(1, 30).flatmap(lambda chance: anything if chance == ODD_ONE else good)


def objects(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {name: mostly(value) for name, value in required.items()},
        optional={name: mostly(value) for name, value in optional.items()},
    )


buckets = st.sampled_from([*["ON_HAND"] * 8, "DAMAGED", "QUARANTINED", "SAFETY_STOCK", "RESERVED", "nothing"])
details: Final[dict[str, st.SearchStrategy[Any]]] = {
    "dryRun": st.booleans(),
    "onShortage": st.sampled_from(["REJECT", "RECORD_CONFLICT"]),
    "reason": st.sampled_from(["SALE", "RETURN", "OTHER"]),
    "correlationId": mostly(st.text("ab-é", max_size=20)),
    "referenceDocumentUri": mostly(st.text("ab-é", max_size=20)),
    "occurredAt": st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    "sourceChannelId": st.sampled_from([*["web"] * 8, "nothing"]),
}
keys = st.integers(0, 40).map(lambda number: f"key-{number}")
deltas = objects(
    {"locationId": st.sampled_from(PLACES), "delta": st.integers(-30, 30)}, bucket=buckets, changeFromQuantity=st.none()
)
quantities = objects(
    {"locationId": st.sampled_from(PLACES), "quantity": st.integers(-1, 99), "changeFromQuantity": st.none()},
    bucket=buckets,
)
adjustments = objects(
    {"sku": st.sampled_from(SKUS), "adjustments": st.lists(deltas, min_size=1, max_size=4), "idempotencyKey": keys},
    **details,
)
counts = objects(
    {"sku": st.sampled_from(SKUS), "quantities": st.lists(quantities, min_size=1, max_size=4), "idempotencyKey": keys},
    **details,
)
skus = st.lists(mostly(st.sampled_from(SKUS)), max_size=5)
requests = st.one_of(
    st.tuples(st.just("inventoryAdjust"), objects({"input": adjustments})),
    st.tuples(st.just("inventorySet"), objects({"input": counts})),
    st.tuples(
        st.just("availability"),
        objects({"skus": skus}, channelId=texts, locationIds=st.lists(texts, max_size=4)),
    ),
    st.tuples(st.sampled_from(sorted(DOCUMENTS)), anything),
)


@pytest.fixture(scope="module")
def caller(gateway: Gateway) -> Iterator[tuple[Gateway, httpx.Client, Counter[str]]]:
    """The gateway, a caller, and what came of the calls."""
    seen: Counter[str] = Counter()
    with httpx.Client(trust_env=False, timeout=20.0) as client:
        answer = client.post(gateway.url, json={"query": SETUP}).json()
        assert [one["userErrors"] for one in answer["data"].values()] == [[]] * len(answer["data"])
        yield gateway, client, seen


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(request=requests)
def test_no_input_makes_the_gateway_fail(
    caller: tuple[Gateway, httpx.Client, Counter[str]], request: tuple[str, Any]
) -> None:
    gateway, client, seen = caller
    name, variables = request
    body = json.dumps({"query": DOCUMENTS[name], "variables": variables})
    response = client.post(gateway.url, content=body, headers={"content-type": "application/json"})
    assert response.status_code < 500, response.text
    answer = response.json()
    errors = [error["extensions"]["code"] for error in answer.get("errors", ())]
    assert "INTERNAL_ERROR" not in errors, answer
    payload = (answer.get("data") or {}).get(name)
    refused = payload["userErrors"] if isinstance(payload, dict) else []
    seen[f"{name}: {'error' if errors else 'refused' if refused else 'accepted'}"] += 1


def test_stock_is_what_the_ledger_sums_to(caller: tuple[Gateway, httpx.Client, Counter[str]]) -> None:
    gateway, _, seen = caller
    print(dict(seen))
    for name in ("inventoryAdjust", "inventorySet"):
        assert {f"{name}: accepted", f"{name}: refused", f"{name}: error"} <= set(seen)
    ledger = read_sqlite(gateway.file)
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in ledger.rows:
        sums[row.counter] += row.delta
        assert row.balance_after == sums[row.counter]
    stored = {counter: balance for counter, balance in ledger.balances.items() if balance}
    assert stored == {counter: balance for counter, balance in sums.items() if balance}
    assert len({group.key for group in ledger.groups}) == len(ledger.groups)

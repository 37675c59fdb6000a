"""The workloads send what they say: the field's own operation, one key each, the same for the same seed."""

import json
from collections.abc import Sequence
from typing import Any

from graphql import parse

from app.bench import documents
from app.bench.cores import BusyShares
from app.bench.plans import LoadFigures, LoadPlan, Workload
from app.bench.workloads import CHANNELS, LOCATIONS, make_requests, setup_stages

OPERATION = """
mutation adjustMultiChannelInventory($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) {
    inventoryItem { id sku totalAvailableQuantity }
    syncStatus { channelId confirmedAt idempotencyKey }
    userErrors { field message }
  }
}
"""


def plan(workload: Workload, *, skus: int = 50) -> LoadPlan:
    """Return a small plan."""
    return LoadPlan(workload=workload, port=8000, skus=skus, requests_max=300)


def variables(encoded: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the variables of encoded requests."""
    return [json.loads(request.partition(b"\r\n\r\n")[2])["variables"] for request in encoded]


def test_the_adjustment_is_the_operation_of_the_contract_word_for_word() -> None:
    assert documents.ADJUST.split() == OPERATION.split()


def test_every_document_parses() -> None:
    texts = [text for name, text in vars(documents).items() if name.isupper()]
    assert len([parse(text) for text in texts]) == 9


def test_spread_adjustments_have_a_key_each_two_locations_and_many_skus() -> None:
    inputs = [value["input"] for value in variables(make_requests(plan(Workload.ADJUST_SPREAD)).encoded)]
    assert len({one["idempotencyKey"] for one in inputs}) == 300
    places = [tuple(entry["locationId"] for entry in one["adjustments"]) for one in inputs]
    assert set(places) == {LOCATIONS[:2]}
    assert len({one["sku"] for one in inputs}) == 50


def test_hot_adjustments_are_all_on_one_sku() -> None:
    inputs = [value["input"] for value in variables(make_requests(plan(Workload.ADJUST_HOT)).encoded)]
    assert {one["sku"] for one in inputs} == {"BENCH-000000"}


def test_reads_ask_for_five_different_skus() -> None:
    asked = variables(make_requests(plan(Workload.READ)).encoded)
    assert {len(set(one["skus"])) for one in asked} == {5}


def test_the_same_seed_makes_the_same_requests() -> None:
    first, second = (make_requests(plan(Workload.READ)) for _ in range(2))
    assert first == second


def test_a_reservation_is_committed_by_the_id_that_it_was_answered() -> None:
    requests = make_requests(plan(Workload.RESERVE_SPREAD))
    reservation = b"0123456789abcdef" * 2
    answer = b'{"data":{"reservationCreate":{"reservation":{"reservationId":"%b"},"userErrors":[]}}}' % reservation
    (commit,) = variables([requests.second_after(answer) or b""])
    assert commit["input"]["reservationId"] == reservation.decode()
    assert commit["input"]["orderId"].endswith("order-00000000")
    assert requests.second_after(b'{"data":{"reservationCommit":{"userErrors":[]}}}') is None


def test_hot_reservations_are_all_on_one_sku() -> None:
    inputs = [value["input"] for value in variables(make_requests(plan(Workload.RESERVE_HOT)).encoded)]
    assert {line["sku"] for one in inputs for line in one["lines"]} == {"BENCH-000000"}


def test_a_read_with_an_unknown_sku_in_it_is_not_answered() -> None:
    asked = make_requests(plan(Workload.READ))
    whole = b'{"data":{"availability":[{"channelId":null,"levels":[{"onHand":1}]}]}}'
    assert asked.are_answered_by(b"200", whole)
    assert not asked.are_answered_by(b"200", whole.replace(b"]}}", b",null]}}"))
    assert not asked.are_answered_by(b"200", whole.replace(b'ty":[', b'ty":[null,'))


def test_the_set_up_names_every_item_once_and_stocks_it_everywhere() -> None:
    stages = [variables(stage.encoded) for stage in setup_stages(8000, skus=250)]
    channels, locations, items, listings, stock = stages
    skus = [item["sku"] for value in items for item in value["inputs"]]
    assert (len(skus), len(set(skus))) == (250, 250)
    assert [value["input"]["code"] for value in channels] == list(CHANNELS)
    assert [value["input"]["code"] for value in locations] == list(LOCATIONS)
    assert sum(len(value["inputs"]) for value in listings) == 500
    assert [value["input"]["sku"] for value in stock] == skus


def test_a_bulk_answer_with_one_refused_entry_is_a_failure() -> None:
    stage = setup_stages(8000, skus=1)[2]
    good = b'{"data":{"itemUpsertBulk":{"results":[{"userErrors":[]}],"userErrors":[]}}}'
    assert stage.are_answered_by(b"200", good)
    assert not stage.are_answered_by(b"200", good.replace(b"[]", b'[{"message":"no"}]', 1))


def test_plans_and_figures_survive_the_way_between_processes() -> None:
    told = plan(Workload.ADJUST_HOT)
    assert LoadPlan.from_json(told.to_json()) == told
    figures = LoadFigures(
        workload="read",
        connections=1,
        requests=1,
        seconds=1.0,
        rate_per_second=1.0,
        latency_milliseconds={"p50": 1.0},
        failures=1,
        failure_examples=["why"],
        busy_shares=BusyShares(generator=0.5, server=None, others=0.25),
    )
    assert LoadFigures.from_json(figures.to_json()) == figures

"""The demo's plan: exact figures of the real file, and each rule by itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from app.demo.opening import opening_quantity, units_needed
from app.demo.orders import OrderedItem, OrderLine, read_order_lines
from app.demo.places import (
    AMAZON,
    CENTRAL,
    CHANNELS,
    CHANNELS_SERVED,
    EAST,
    LOCATIONS,
    LONDON,
    STORE,
    WEB,
    ZALANDO,
    Route,
    route_of,
)
from app.demo.plan import NON_STOCK_CODES, DemoPlan, items_of, plan_demo, stock_change_of
from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.catalogue import ItemUpsert
from domain.decider import malformed
from domain.levels import LevelKey
from domain.listings import ListingUpsert
from domain.records import LocationKind
from domain.stock_commands import InventoryAdjust, InventorySet, LevelDelta, LevelQuantity

ORDERED_AT = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def plan_of(lines: Sequence[OrderLine]) -> DemoPlan:
    numbers = count()
    return plan_demo(lines, new_id=lambda: f"{next(numbers):032x}")


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return plan_of(read_order_lines())


def line(*, invoice: str = "536365", sku: str = "71053", quantity: int = 6, description: str = "LANTERN") -> OrderLine:
    return OrderLine(
        invoice=invoice,
        stock_code=sku,
        description=description,
        quantity=quantity,
        invoiced_at=ORDERED_AT,
        customer=17850,
        country="United Kingdom",
    )


def ordered(
    *, invoice: str = "536365", quantity: int = 6, customer: int | None = 17850, country: str = "United Kingdom"
) -> OrderedItem:
    return OrderedItem(
        invoice=invoice, sku="71053", quantity=quantity, invoiced_at=ORDERED_AT, customer=customer, country=country
    )


def balances_of(plan: DemoPlan) -> tuple[dict[LevelKey, int], Counter[LevelKey]]:
    """Return the balance of each level after the week, and how often it fell below zero."""
    balances = {(one.sku, level.location): level.quantity for one in plan.openings for level in one.quantities}
    falls: Counter[LevelKey] = Counter()
    for order in plan.orders:
        (entry,) = order.adjustments
        key = (order.sku, entry.location)
        falls[key] += balances[key] >= 0 > balances[key] + entry.delta
        balances[key] += entry.delta
    return balances, falls


def test_six_codes_that_are_not_stock_are_left_out_and_counted(plan: DemoPlan) -> None:
    assert plan.lines_read == 10_000
    assert plan.lines_left_out == {"POST": 18, "M": 10, "DOT": 6, "D": 2, "C2": 1, "BANK CHARGES": 1}
    assert not NON_STOCK_CODES & {item.sku for item in plan.items}


def test_every_stock_code_is_an_item_and_27_pairs_differ_by_case_only(plan: DemoPlan) -> None:
    skus = [item.sku for item in plan.items]
    assert len(skus) == len(set(skus)) == 2010, "2,009 stock codes, and the item for business customers"
    assert Counter(Counter(sku.lower() for sku in skus).values()) == {1: 1956, 2: 27}
    assert sum(item.fields["name"] is None for item in plan.items) == 14
    assert sum(item.fields.get("product_code") is not None for item in plan.items) == 423


def test_orders_have_exact_reasons_and_channels(plan: DemoPlan) -> None:
    assert Counter(order.reason for order in plan.orders) == {"SALE": 9490, "RETURN": 97, "SHRINKAGE": 30}
    places = Counter((order.source_channel, order.adjustments[0].location) for order in plan.orders)
    assert places == {
        (WEB, CENTRAL): 3129,
        (STORE, LONDON): 2241,
        (WEB, EAST): 2083,
        (AMAZON, EAST): 1597,
        (ZALANDO, CENTRAL): 537,
        (None, CENTRAL): 30,
    }
    assert plan.zero_sums == 0, "no pair of the week cancels itself out"


def test_units_that_leave_and_come_back_are_those_of_the_lines(plan: DemoPlan) -> None:
    units: Counter[AdjustmentReason] = Counter()
    for order in plan.orders:
        units[order.reason] += order.adjustments[0].delta
    stocked = [one for one in read_order_lines() if one.stock_code not in NON_STOCK_CODES]
    assert units == {
        "SALE": -sum(one.quantity for one in stocked if one.quantity > 0),
        "RETURN": -sum(one.quantity for one in stocked if one.invoice.startswith("C")),
        "SHRINKAGE": sum(one.quantity for one in stocked if one.quantity < 0 and not one.invoice.startswith("C")),
    }
    assert units == {"SALE": -90_389, "RETURN": 10_815, "SHRINKAGE": -1_398}


def test_orders_are_in_order_of_time_and_invoice(plan: DemoPlan) -> None:
    keys = [order.idempotency_key for order in plan.orders]
    assert len(keys) == len(set(keys)) == 9617
    times = [(order.occurred_at, order.reference_document_uri) for order in plan.orders]
    assert times == sorted(times, key=lambda one: (one[0] or ORDERED_AT, one[1] or ""))


def test_opening_stock_covers_the_week_but_for_a_handful_of_levels(plan: DemoPlan) -> None:
    assert len(plan.openings) == 2010
    balances, falls = balances_of(plan)
    assert Counter(location for _, location in balances) == {CENTRAL: 2010, EAST: 1304, LONDON: 1205}
    assert sum(falls.values()) == len(+falls) == 6, "six levels, each once"
    assert sum(balance < 0 for balance in balances.values()) == 6
    assert sum(balance == 0 for balance in balances.values()) == 288
    assert sum(0 < balance <= 5 for balance in balances.values()) == 455
    assert min(balances.values()) == -7


def test_web_shop_lists_everything_and_other_channels_what_they_sold(plan: DemoPlan) -> None:
    listed = {(listing.sku, listing.channel) for listing in plan.listings}
    assert Counter(channel for _, channel in listed) == {WEB: 2010, STORE: 1206, AMAZON: 872, ZALANDO: 385}
    assert len(plan.listings) == len(listed) == 4473
    assert {(order.sku, order.source_channel) for order in plan.orders if order.source_channel} <= listed
    assert all(listing.external_key == listing.sku for listing in plan.listings)


def test_business_item_is_stocked_in_both_warehouses_and_listed_everywhere(plan: DemoPlan) -> None:
    (opening,) = [one for one in plan.openings if one.sku == "B2B-SERV-001X"]
    assert opening.quantities == (
        LevelQuantity(location="WH-EU-CENTRAL", quantity=500),
        LevelQuantity(location="WH-US-EAST", quantity=500),
    )
    assert {listing.channel for listing in plan.listings if listing.sku == "B2B-SERV-001X"} == {
        channel.code for channel in CHANNELS
    }


def test_places_are_two_warehouses_and_a_store_that_serve_four_channels() -> None:
    assert [channel.code for channel in CHANNELS] == ["web", "store", "amazon", "zalando"]
    assert {place.code: place.fields["kind"] for place in LOCATIONS} == {
        "WH-US-EAST": LocationKind.WAREHOUSE,
        "WH-EU-CENTRAL": LocationKind.WAREHOUSE,
        "STORE-LONDON": LocationKind.STORE,
    }


def test_every_order_leaves_from_a_location_that_serves_its_channel(plan: DemoPlan) -> None:
    served = {(channel, location) for location, channels in CHANNELS_SERVED.items() for channel in channels}
    used = {(order.source_channel, order.adjustments[0].location) for order in plan.orders if order.source_channel}
    assert used <= served


def test_every_command_is_well_formed(plan: DemoPlan) -> None:
    assert [malformed(command) for stage in plan.stages for command in stage.commands if malformed(command)] == []


def test_same_lines_give_the_same_plan(plan: DemoPlan) -> None:
    assert plan_of(read_order_lines()) == plan


def test_one_line_becomes_an_item_its_stock_its_listing_and_its_order() -> None:
    plan = plan_of([line()])
    assert plan.items == (
        ItemUpsert(sku="71053", fields={"name": "LANTERN", "product_code": None}),
        ItemUpsert(sku="B2B-SERV-001X", fields={"name": "Business server 001X"}),
    )
    assert plan.listings[0] == ListingUpsert(sku="71053", channel="web", external_key="71053")
    assert plan.openings[0] == InventorySet(
        command_id=f"{0:032x}",
        sku="71053",
        idempotency_key="opening:71053",
        reason=AdjustmentReason.RECEIPT,
        reference_document_uri="urn:online-retail:opening-stock",
        occurred_at=datetime(2010, 12, 1, tzinfo=UTC),
        quantities=(
            LevelQuantity(location="WH-EU-CENTRAL", quantity=12),
            LevelQuantity(location="WH-US-EAST", quantity=36),
        ),
    )
    assert plan.orders == (
        InventoryAdjust(
            command_id=f"{2:032x}",
            sku="71053",
            idempotency_key="536365:71053",
            reason=AdjustmentReason.SALE,
            source_channel="web",
            reference_document_uri="urn:online-retail:invoice:536365",
            occurred_at=ORDERED_AT,
            on_shortage=ShortagePolicy.RECORD_CONFLICT,
            adjustments=(LevelDelta(location="WH-US-EAST", delta=-6),),
        ),
    )


def test_lines_that_cancel_each_other_out_are_skipped_and_counted() -> None:
    plan = plan_of([line(quantity=6), line(quantity=-6), line(sku="22752")])
    assert plan.zero_sums == 1
    assert [order.idempotency_key for order in plan.orders] == ["536365:22752"]
    assert {item.sku for item in plan.items} == {"71053", "22752", "B2B-SERV-001X"}


@pytest.mark.parametrize(
    ("descriptions", "name"),
    [
        (["", "", "RED"], "RED"),
        (["RED", "BLUE", "BLUE"], "BLUE"),
        (["RED", "BLUE"], "BLUE"),
        (["BLUE", "AZUR"], "AZUR"),
        (["", ""], None),
    ],
    ids=["empty ones do not count", "the most frequent", "then the longest", "then the first by alphabet", "none"],
)
def test_name_is_the_most_frequent_description(descriptions: list[str], name: str | None) -> None:
    (item,) = items_of(line(description=description) for description in descriptions)
    assert item.fields["name"] == name


@pytest.mark.parametrize(("sku", "product_code"), [("84029E", "84029"), ("15056bl", "15056"), ("71053", None)])
def test_letters_behind_a_number_name_a_variant(sku: str, product_code: str | None) -> None:
    (item,) = items_of([line(sku=sku)])
    assert item.fields["product_code"] == product_code


@pytest.mark.parametrize(
    ("order", "reason", "delta", "channel"),
    [
        (ordered(quantity=6), AdjustmentReason.SALE, -6, WEB),
        (ordered(invoice="C536379", quantity=-6), AdjustmentReason.RETURN, 6, WEB),
        (ordered(quantity=-6), AdjustmentReason.SHRINKAGE, -6, None),
    ],
    ids=["sold", "come back", "written off"],
)
def test_reason_follows_from_the_invoice_and_the_sign(
    order: OrderedItem, reason: AdjustmentReason, delta: int, channel: str | None
) -> None:
    change = stock_change_of(order)
    assert (change.reason, change.delta, change.channel) == (reason, delta, channel)


def test_write_off_is_counted_in_the_main_warehouse() -> None:
    assert stock_change_of(ordered(quantity=-6, customer=None)).location == CENTRAL


@pytest.mark.parametrize(
    ("customer", "country", "route"),
    [
        (None, "United Kingdom", Route(channel=STORE, location=LONDON)),
        (None, "EIRE", Route(channel=STORE, location=LONDON)),
        (17848, "United Kingdom", Route(channel=WEB, location=CENTRAL)),
        (17849, "United Kingdom", Route(channel=WEB, location=CENTRAL)),
        (17850, "United Kingdom", Route(channel=WEB, location=EAST)),
        (17851, "United Kingdom", Route(channel=AMAZON, location=EAST)),
        (12662, "Germany", Route(channel=ZALANDO, location=CENTRAL)),
        (12431, "Australia", Route(channel=AMAZON, location=EAST)),
    ],
)
def test_customer_decides_channel_and_location(customer: int | None, country: str, route: Route) -> None:
    bought = ordered(customer=customer, country=country)
    assert route_of(bought) == route
    assert route_of(replace(bought, invoice="C536379", quantity=-6)) == route


@pytest.mark.parametrize(
    ("deltas", "units"), [([], 0), ([-3, -4], 7), ([-3, 5, -4], 3), ([5, -4], 0), ([2, -9, 3, -1], 7)]
)
def test_units_needed_are_the_deepest_point_of_the_week(deltas: list[int], units: int) -> None:
    assert units_needed(deltas) == units


@pytest.mark.parametrize(
    ("key", "quantity"),
    [
        (("22524", CENTRAL), 75),
        (("21207", CENTRAL), 100),
        (("20728", EAST), 102),
        (("71053", CENTRAL), 198),
    ],
    ids=["too little", "just enough", "hardly more", "plenty"],
)
def test_opening_quantity_is_drawn_from_the_levels_name(key: LevelKey, quantity: int) -> None:
    assert opening_quantity(key, [-60, -40]) == quantity

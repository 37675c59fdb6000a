"""availabilityExplain: every term is the sum of its parts, the root is the answer, and one term is marked."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.availability import Exposure, channel_availability, shown_availability
from domain.compositions import Component
from domain.explanations import Term, TermName, explain
from domain.levels import InventoryBucket, StockLevel, new_level

AT = datetime(2026, 1, 1, tzinfo=UTC)


def level(location: str = "EAST", **counters: int) -> StockLevel:
    balances = {InventoryBucket(name.upper()): units for name, units in counters.items()}
    return new_level(sku="MUG", location=location, at=AT, version=0).with_balances(balances, at=AT, version=1)


def terms(term: Term) -> Iterator[Term]:
    yield term
    for part in term.parts:
        yield from terms(part)


def marked(term: Term) -> tuple[TermName, str | None]:
    (one,) = (each for each in terms(term) if each.is_limiting)
    return one.name, one.location


@pytest.mark.parametrize(
    ("levels", "exposure", "quantity", "limiting"),
    [
        pytest.param([], Exposure(), 0, (TermName.CHANNEL_AVAILABILITY, None), id="nothing is stocked"),
        pytest.param([level(on_hand=5)], Exposure(), 5, (TermName.CHANNEL_AVAILABILITY, None), id="nothing limits"),
        pytest.param([level(on_hand=5, reserved=2)], Exposure(), 3, (TermName.RESERVED, "EAST"), id="reserved"),
        pytest.param(
            [level(on_hand=5, reserved=2, damaged=3), level("WEST", on_hand=9, allocated=1)],
            Exposure(),
            8,
            (TermName.DAMAGED, "EAST"),
            id="the largest of many",
        ),
        pytest.param([level(on_hand=5)], Exposure(buffer=2), 3, (TermName.BUFFER, None), id="buffer"),
        pytest.param(
            [level(on_hand=5)], Exposure(pools_of_others=9), 0, (TermName.POOLS_OF_OTHER_CHANNELS, None), id="pools"
        ),
        pytest.param(
            [level(on_hand=5, reserved=1)],
            Exposure(minimum=5),
            0,
            (TermName.BELOW_MINIMUM_EXPOSURE, None),
            id="too few to show",
        ),
        pytest.param(
            [level(on_hand=50, reserved=30)],
            Exposure(maximum=10),
            10,
            (TermName.ABOVE_MAXIMUM_EXPOSURE, None),
            id="more than is shown",
        ),
        pytest.param(
            [level(on_hand=-3), level("WEST", on_hand=2)],
            Exposure(),
            2,
            (TermName.ON_HAND, "EAST"),
            id="a location in the red takes nothing from another",
        ),
    ],
)
def test_the_limiting_term_is_named(
    levels: list[StockLevel], exposure: Exposure, quantity: int, limiting: tuple[TermName, str | None]
) -> None:
    term = explain(levels, exposure)
    assert term.quantity == quantity
    assert marked(term) == limiting


units = st.integers(0, 50)
levels_drawn = st.lists(
    st.builds(
        level,
        st.sampled_from(["EAST", "WEST"]),
        on_hand=st.integers(-20, 50),
        reserved=units,
        allocated=units,
        quarantined=units,
        damaged=units,
        safety_stock=units,
    ),
    max_size=4,
)
exposures = st.builds(
    Exposure, buffer=units, minimum=units, maximum=st.none() | st.integers(0, 50), pools_of_others=units
)


@given(levels_drawn, exposures)
def test_every_term_is_the_sum_of_its_parts_and_the_root_is_the_answer(
    levels: list[StockLevel], exposure: Exposure
) -> None:
    root = explain(levels, exposure)
    assert root.quantity == channel_availability((one.available for one in levels), exposure)
    assert all(term.quantity == sum(part.quantity for part in term.parts) for term in terms(root) if term.parts)
    assert sum(term.is_limiting for term in terms(root)) == 1


parts_drawn = st.lists(
    st.builds(Component, sku=st.sampled_from(["MUG", "LID", "BOX"]), quantity=st.integers(1, 5)),
    min_size=1,
    unique_by=lambda part: part.sku,
)
levels_of_parts = st.dictionaries(
    st.tuples(st.sampled_from(["MUG", "LID", "BOX"]), st.sampled_from(["EAST", "WEST", "FAR"])), st.integers(-20, 50)
)
pools_drawn = st.dictionaries(st.sampled_from(["MUG", "LID", "BOX"]), st.integers(1, 60))


@given(parts_drawn, levels_of_parts, pools_drawn, exposures)
def test_the_terms_of_a_bundle_sum_to_its_answer(
    parts: list[Component], on_hand: dict[tuple[str, str], int], pools: dict[str, int], exposure: Exposure
) -> None:
    """Given parts at some locations, then each location makes whole bundles, and pools take no more than there are."""
    skus = {part.sku for part in parts}
    levels = [replace(level(code, on_hand=units), sku=sku) for (sku, code), units in on_hand.items() if sku in skus]
    pools_of_parts = {sku: units for sku, units in pools.items() if sku in skus}
    root = explain(levels, exposure, parts=parts, pools_of_parts=pools_of_parts)
    assert root.quantity == shown_availability(levels, exposure, parts=parts, pools_of_parts=pools_of_parts)
    assert root.quantity == sum(part.quantity for part in root.parts)
    assert sum(term.is_limiting for term in terms(root)) == 1
    places = {term.location: term.quantity for term in root.parts if term.name is TermName.LOCATION}
    assert places == {
        code: min(max(0, on_hand.get((part.sku, code), 0)) // part.quantity for part in parts)
        for code in {one.location for one in levels}
    }
    assert all(term.parts == () for term in root.parts)


def test_pools_of_parts_are_taken_off_as_bundles() -> None:
    """Given 10 mugs and 9 lids, of which others hold 4 lids, then 5 of 9 bundles are left."""
    levels = [level(on_hand=10), replace(level(on_hand=9), sku="LID")]
    parts = [Component(sku="MUG", quantity=1), Component(sku="LID", quantity=1)]
    root = explain(levels, Exposure(), parts=parts, pools_of_parts={"LID": 4})
    assert (root.quantity, marked(root)) == (5, (TermName.POOLS_OF_OTHER_CHANNELS, None))
    assert [(term.name, term.quantity, term.location) for term in root.parts] == [
        (TermName.LOCATION, 9, "EAST"),
        (TermName.POOLS_OF_OTHER_CHANNELS, -4, None),
    ]

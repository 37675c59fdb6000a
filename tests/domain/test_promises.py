"""Holds and lines: taking and merging units; the one rule: no unit is lost or made, and no hold is empty."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as some

from domain.levels import LevelKey
from domain.promises import Hold, Line, SourcingReason, held_where, merged_holds, taken_from, units_by_level
from tests.domain.given import CENTRAL, EAST, SKU
from tests.domain.promised import hold, line

HOLDS = some.lists(
    some.builds(
        Hold,
        sku=some.sampled_from(["CUP", "MUG"]),
        location=some.sampled_from(["E", "W", "N"]),
        quantity=some.integers(1, 9),
        reason=some.sampled_from(SourcingReason),
    ),
    max_size=5,
)


def summed(holds: Iterable[Hold]) -> Counter[LevelKey]:
    """Return the units on each level."""
    units: Counter[LevelKey] = Counter()
    for one in holds:
        units[one.key] += one.quantity
    return units


@pytest.mark.parametrize(
    ("quantity", "taken", "kept"),
    [
        (0, (), (hold(3, CENTRAL), hold(2, EAST))),
        (1, (hold(1, EAST),), (hold(3, CENTRAL), hold(1, EAST))),
        (2, (hold(2, EAST),), (hold(3, CENTRAL),)),
        (4, (hold(2, CENTRAL), hold(2, EAST)), (hold(1, CENTRAL),)),
        (5, (hold(3, CENTRAL), hold(2, EAST)), ()),
        (99, (hold(3, CENTRAL), hold(2, EAST)), ()),
    ],
)
def test_the_last_hold_is_taken_first(quantity: int, taken: tuple[Hold, ...], kept: tuple[Hold, ...]) -> None:
    before = line(hold(3, CENTRAL), hold(2, EAST), asked=9)
    assert taken_from(before, quantity) == (taken, line(*kept, asked=9))


def test_units_are_taken_where_they_may_be() -> None:
    before = line(hold(3, CENTRAL), hold(2, EAST))
    taken, kept = taken_from(before, 4, lies=lambda place: place == CENTRAL)
    assert (taken, kept.holds) == ((hold(3, CENTRAL),), (hold(2, EAST),))
    assert held_where(before, lambda place: place == CENTRAL) == 3


def test_merged_holds_keep_the_first_reason() -> None:
    holds = (hold(1, reason=SourcingReason.NAMED), hold(2, CENTRAL), hold(4, reason=SourcingReason.MOVED))
    assert merged_holds(holds) == (hold(5, reason=SourcingReason.NAMED), hold(2, CENTRAL))


def test_the_units_of_lines_are_summed_by_level() -> None:
    lines = [line(hold(1), hold(2, CENTRAL)), line(hold(4), id="2")]
    assert units_by_level(lines) == {(SKU, EAST): 5, (SKU, CENTRAL): 2}


@drawn(holds=HOLDS, quantity=some.integers(0, 50), places=some.sets(some.sampled_from(["E", "W", "N"])))
def test_what_is_taken_and_what_is_kept_are_all_there_was(holds: list[Hold], quantity: int, places: set[str]) -> None:
    before = Line(id="1", sku="CUP", quantity=50, holds=tuple(holds))
    taken, kept = taken_from(before, quantity, lies=places.__contains__)
    assert summed(taken) + summed(kept.holds) == summed(holds)
    assert sum(one.quantity for one in taken) == min(quantity, held_where(before, places.__contains__))
    assert {one.location for one in taken} <= places
    assert all(one.quantity >= 1 for one in (*taken, *kept.holds))
    assert kept.quantity == 50


@drawn(holds=HOLDS)
def test_merging_loses_nothing(holds: list[Hold]) -> None:
    merged = merged_holds(holds)
    assert summed(merged) == summed(holds)
    assert len({one.key for one in merged}) == len(merged)
    assert units_by_level([Line(id="1", sku="CUP", quantity=1, holds=merged)]) == summed(holds)

"""Sourcing: which locations each strategy chooses, and what holds for all; the one rule: nothing is given twice."""

from random import Random

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as some

from domain.levels import LevelKey
from domain.promises import Hold, SourcingReason, SourcingStrategy
from domain.records import Location
from domain.sourcing import NOWHERE, Destination, Supply, Wanted, distance, source
from tests.domain.given import location

PRIORITY = SourcingStrategy.PRIORITY
MOST_STOCK = SourcingStrategy.MOST_STOCK
FEWEST_SPLITS = SourcingStrategy.FEWEST_SPLITS
NEAREST_REGION = SourcingStrategy.NEAREST_REGION
EXPLICIT = SourcingStrategy.EXPLICIT
CHOOSING = [one for one in SourcingStrategy if one is not EXPLICIT]
MAP = {
    one.code: one
    for one in (
        location("BERLIN", priority=10, country_code="DE", region="east"),
        location("BONN", priority=10, country_code="DE", region="west"),
        location("PARIS", priority=5, country_code="FR", region="west"),
        location("ROME", priority=20, country_code="IT"),
    )
}
Chosen = list[tuple[str, int]]


def supply(left: dict[LevelKey, int], **of_items: int) -> Supply:
    """Return what may be given, by level and by item."""
    return Supply(locations=MAP, left=dict(left), left_of_item=of_items)


def cups(**stock: int) -> dict[LevelKey, int]:
    """Return what there is of one item at each location."""
    return {("CUP", code): units for code, units in stock.items()}


def chosen(holds: tuple[Hold, ...]) -> Chosen:
    """Return the locations that were chosen, in their order, and how much each gives."""
    return [(one.location, one.quantity) for one in holds]


def wanted(quantity: int, sku: str = "CUP", at: str | None = None) -> Wanted:
    """Return a line to serve."""
    return Wanted(sku=sku, quantity=quantity, location=at)


STOCK = cups(BERLIN=3, BONN=5, PARIS=1, ROME=9)


@pytest.mark.parametrize(
    ("strategy", "quantity", "expected"),
    [
        (PRIORITY, 1, [("PARIS", 1)]),
        (PRIORITY, 5, [("PARIS", 1), ("BERLIN", 3), ("BONN", 1)]),
        (PRIORITY, 99, [("PARIS", 1), ("BERLIN", 3), ("BONN", 5), ("ROME", 9)]),
        (MOST_STOCK, 9, [("ROME", 9)]),
        (MOST_STOCK, 15, [("ROME", 9), ("BONN", 5), ("BERLIN", 1)]),
        (FEWEST_SPLITS, 1, [("PARIS", 1)]),
        (FEWEST_SPLITS, 3, [("BERLIN", 3)]),
        (FEWEST_SPLITS, 4, [("BONN", 4)]),
        (FEWEST_SPLITS, 6, [("ROME", 6)]),
        (FEWEST_SPLITS, 12, [("ROME", 9), ("BERLIN", 3)]),
        (FEWEST_SPLITS, 99, [("ROME", 9), ("BONN", 5), ("BERLIN", 3), ("PARIS", 1)]),
        (EXPLICIT, 1, []),
    ],
)
def test_a_strategy_chooses(strategy: SourcingStrategy, quantity: int, expected: Chosen) -> None:
    (holds,) = source([wanted(quantity)], supply(STOCK), strategy=strategy)
    assert chosen(holds) == expected
    assert {one.reason.value for one in holds} <= {strategy.value}


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        (Destination(region="west"), [("PARIS", 1), ("BONN", 5), ("BERLIN", 3), ("ROME", 9)]),
        (Destination(country_code="DE"), [("BERLIN", 3), ("BONN", 5), ("PARIS", 1), ("ROME", 9)]),
        (
            Destination(country_code="DE", region="west"),
            [("PARIS", 1), ("BONN", 5), ("BERLIN", 3), ("ROME", 9)],
        ),
        (Destination(country_code="IT", region="east"), [("BERLIN", 3), ("ROME", 9), ("PARIS", 1), ("BONN", 5)]),
        (Destination(country_code="US", region="south"), [("PARIS", 1), ("BERLIN", 3), ("BONN", 5), ("ROME", 9)]),
        (NOWHERE, [("PARIS", 1), ("BERLIN", 3), ("BONN", 5), ("ROME", 9)]),
    ],
)
def test_the_nearest_come_first(destination: Destination, expected: Chosen) -> None:
    (holds,) = source([wanted(99)], supply(STOCK), strategy=NEAREST_REGION, destination=destination)
    assert chosen(holds) == expected


@pytest.mark.parametrize(
    ("code", "destination", "expected"),
    [
        ("BONN", Destination(country_code="DE", region="west"), 0),
        ("BONN", Destination(country_code="FR", region="west"), 0),
        ("BONN", Destination(country_code="DE", region="east"), 1),
        ("BONN", Destination(country_code="DE"), 1),
        ("BONN", Destination(country_code="FR"), 2),
        ("BONN", NOWHERE, 2),
        ("ROME", Destination(region=None), 2),
    ],
)
def test_how_far_it_is(code: str, destination: Destination, expected: int) -> None:
    assert distance(MAP[code], destination) == expected


@pytest.mark.parametrize("strategy", [PRIORITY, MOST_STOCK, FEWEST_SPLITS, NEAREST_REGION])
def test_where_a_strategy_sees_no_difference_priority_decides_and_then_the_code(strategy: SourcingStrategy) -> None:
    alike = {f"L{place}": location(f"L{place}", priority=7 if place < 2 else 3) for place in (0, 3, 1, 2)}
    one = Supply(locations=alike, left={("CUP", code): 4 for code in alike})
    (holds,) = source([wanted(16)], one, strategy=strategy)
    assert chosen(holds) == [("L2", 4), ("L3", 4), ("L0", 4), ("L1", 4)]


def test_several_lines_are_sent_from_one_place_if_one_has_all() -> None:
    left = {("CUP", "PARIS"): 9, ("MUG", "BERLIN"): 9, ("CUP", "ROME"): 2, ("MUG", "ROME"): 1}
    holds = source([wanted(2), wanted(1, "MUG")], supply(left), strategy=FEWEST_SPLITS)
    assert [chosen(one) for one in holds] == [[("ROME", 2)], [("ROME", 1)]]


def test_lines_of_one_item_share_what_there_is() -> None:
    left = cups(PARIS=4, ROME=3)
    for strategy in CHOOSING:
        holds = source([wanted(3), wanted(3), wanted(3)], supply(left), strategy=strategy)
        assert [sum(one.quantity for one in line) for line in holds] == [3, 3, 1]


def test_a_named_line_comes_first_though_it_stands_last() -> None:
    holds = source([wanted(2), wanted(1, at="PARIS")], supply(cups(PARIS=1, ROME=9)), strategy=PRIORITY)
    assert [chosen(one) for one in holds] == [[("ROME", 2)], [("PARIS", 1)]]
    assert holds[1][0].reason is SourcingReason.NAMED


def test_what_other_channels_hold_back_of_an_item_is_left() -> None:
    for strategy in CHOOSING:
        one = supply(STOCK, CUP=4)
        holds = source([wanted(3), wanted(3), wanted(3, at="ROME")], one, strategy=strategy)
        assert [sum(hold.quantity for hold in line) for line in holds] == [1, 0, 3]
        assert one.left_of_item == {"CUP": 0}


@pytest.mark.parametrize("left", [0, -5])
def test_what_is_not_there_is_not_given(left: int) -> None:
    for strategy in SourcingStrategy:
        assert source([wanted(1)], supply(cups(ROME=left)), strategy=strategy) == [()]
        assert source([wanted(1)], supply(cups(ROME=9), CUP=left), strategy=strategy) == [()]
        assert source([wanted(1, at="ROME")], supply(cups(ROME=left)), strategy=strategy) == [()]
        assert source([wanted(1, at="ROME")], supply({}), strategy=strategy) == [()]


class CountingLevels(dict[LevelKey, int]):
    """Levels that count how often they are looked at."""

    looked = 0

    def get(self, key: LevelKey, default: int = 0, /) -> int:  # type: ignore[override] # sourcing gives a number
        self.looked += 1
        return super().get(key, default)


@pytest.mark.parametrize("strategy", CHOOSING)
def test_the_largest_claim_looks_at_each_level_a_few_times(strategy: SourcingStrategy) -> None:
    """Given 250 lines, each of 200 locations that have little, when they are sourced, then the writer is not held up.

    Looking at each level for each location that is chosen would be 10 million looks.
    """
    many = {f"L{place}": location(f"L{place}") for place in range(200)}
    left = CountingLevels(
        ((f"S{sku}", code), 1 + (sku * 7 + place) % 3) for sku in range(250) for place, code in enumerate(many)
    )
    one = Supply(locations=many, left=left)
    holds = source([wanted(300, f"S{sku}") for sku in range(250)], one, strategy=strategy)
    assert {sum(hold.quantity for hold in line) for line in holds} == {300}
    assert left.looked <= 4 * len(left)


CODES = some.sampled_from(sorted(MAP))
SKUS = some.sampled_from(["CUP", "MUG", "JUG"])
LEFT = some.dictionaries(some.tuples(SKUS, CODES), some.integers(-3, 12), max_size=12)
LEFT_OF_ITEMS = some.dictionaries(SKUS, some.integers(-3, 20))
LINES = some.lists(
    some.builds(Wanted, sku=SKUS, quantity=some.integers(1, 15), location=some.none() | some.none() | CODES),
    min_size=1,
    max_size=6,
)
DESTINATIONS = some.builds(
    Destination,
    country_code=some.sampled_from([None, "DE", "FR", "IT", "US"]),
    region=some.sampled_from([None, "east", "west", "north"]),
)


@drawn(lines=LINES, left=LEFT, of_items=LEFT_OF_ITEMS, strategy=some.sampled_from(SourcingStrategy), to=DESTINATIONS)
def test_never_more_is_given_than_there_is_or_was_wanted(
    lines: list[Wanted],
    left: dict[LevelKey, int],
    of_items: dict[str, int],
    strategy: SourcingStrategy,
    to: Destination,
) -> None:
    one = supply(left, **of_items)
    found = source(lines, one, strategy=strategy, destination=to)
    assert len(found) == len(lines)
    given_of: dict[LevelKey, int] = {}
    for line, holds in zip(lines, found, strict=True):
        assert sum(hold.quantity for hold in holds) <= line.quantity
        assert len({hold.location for hold in holds}) == len(holds)
        for hold in holds:
            assert hold.quantity >= 1
            assert hold.sku == line.sku
            assert line.location in {None, hold.location}
            assert hold.reason.value == ("NAMED" if line.location else strategy.value)
            given_of[hold.key] = given_of.get(hold.key, 0) + hold.quantity
    for key, units in given_of.items():
        assert units <= left[key]
    for sku, most in of_items.items():
        assert sum(units for key, units in given_of.items() if key[0] == sku) <= max(0, most)
    assert one.left == {key: units - given_of.get(key, 0) for key, units in left.items()}


@drawn(lines=LINES, left=LEFT, of_items=LEFT_OF_ITEMS, strategy=some.sampled_from(CHOOSING), to=DESTINATIONS)
def test_a_line_is_short_only_where_nothing_is_left_for_it(
    lines: list[Wanted],
    left: dict[LevelKey, int],
    of_items: dict[str, int],
    strategy: SourcingStrategy,
    to: Destination,
) -> None:
    one = supply(left, **of_items)
    for line, holds in zip(lines, source(lines, one, strategy=strategy, destination=to), strict=True):
        if sum(hold.quantity for hold in holds) < line.quantity:
            places = MAP if line.location is None else [line.location]
            assert all(one.at((line.sku, code)) == 0 for code in places)


@drawn(lines=LINES, left=LEFT, of_items=LEFT_OF_ITEMS, strategy=some.sampled_from(SourcingStrategy))
def test_a_named_line_gets_what_it_would_get_among_named_lines_alone(
    lines: list[Wanted], left: dict[LevelKey, int], of_items: dict[str, int], strategy: SourcingStrategy
) -> None:
    named = [line for line in lines if line.location is not None]
    alone = source(named, supply(left, **of_items), strategy=strategy)
    found = source(lines, supply(left, **of_items), strategy=strategy)
    assert [holds for line, holds in zip(lines, found, strict=True) if line.location is not None] == alone


@drawn(
    lines=LINES,
    left=LEFT,
    of_items=LEFT_OF_ITEMS,
    strategy=some.sampled_from(SourcingStrategy),
    to=DESTINATIONS,
    order=some.randoms(use_true_random=False),
)
def test_the_choice_does_not_depend_on_the_order_in_which_levels_were_loaded(
    lines: list[Wanted],
    left: dict[LevelKey, int],
    of_items: dict[str, int],
    strategy: SourcingStrategy,
    to: Destination,
    order: Random,
) -> None:
    keys = list(left)
    order.shuffle(keys)
    shuffled = {key: left[key] for key in keys}
    other = dict(reversed(list(MAP.items())))
    first = source(lines, supply(left, **of_items), strategy=strategy, destination=to)
    again = Supply(locations=other, left=shuffled, left_of_item=dict(of_items))
    assert source(lines, again, strategy=strategy, destination=to) == first


@drawn(lines=LINES, left=LEFT)
def test_one_location_that_has_everything_is_always_found(lines: list[Wanted], left: dict[LevelKey, int]) -> None:
    free = [Wanted(sku=line.sku, quantity=line.quantity) for line in lines]
    needed: dict[str, int] = {}
    for line in free:
        needed[line.sku] = needed.get(line.sku, 0) + line.quantity
    able = [code for code in MAP if all(left.get((sku, code), 0) >= units for sku, units in needed.items())]
    found = source(free, supply(left), strategy=FEWEST_SPLITS)
    if able:
        best: Location = min((MAP[code] for code in able), key=lambda one: (one.priority, one.code))
        assert [chosen(holds) for holds in found] == [[(best.code, line.quantity)] for line in free]

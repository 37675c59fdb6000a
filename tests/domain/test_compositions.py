"""What bundles come to, against naive versions; the one rule: never more bundles than the components allow."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as some

from domain.availability import available_by_location, bundles_beside_pools, limiting_part
from domain.compositions import Component, Composition, bundles_in, composed
from domain.levels import LevelKey, StockLevel
from domain.promises import Hold, SourcingStrategy
from domain.sourcing import Supply, Wanted, source
from tests.domain.bundled import CUP, LID, PARTS, made_of, part
from tests.domain.given import level, location

LEAVES = ("CUP", "LID", "MUG", "JUG")
BUNDLES = ("B0", "B1", "B2", "B3")
PLACES = ("EAST", "NORTH", "WEST")
MAP = {code: location(code, priority=place) for place, code in enumerate(PLACES)}
CHOOSING = [one for one in SourcingStrategy if one is not SourcingStrategy.EXPLICIT]
Recipe = dict[str, int]


def recipes(among: Sequence[str]) -> some.SearchStrategy[Recipe]:
    """Return what a bundle may be made of."""
    return some.dictionaries(some.sampled_from(among), some.integers(1, 4), min_size=1, max_size=4)


NESTED = some.tuples(*(recipes((*LEAVES, *BUNDLES[:place])) for place in range(len(BUNDLES)))).map(
    lambda drawn_ones: dict(zip(BUNDLES, drawn_ones, strict=True))
)
PLAIN = some.fixed_dictionaries({"B0": recipes(LEAVES), "B1": recipes(LEAVES)})
STOCK = some.dictionaries(some.tuples(some.sampled_from(LEAVES), some.sampled_from(PLACES)), some.integers(-3, 15))
POOLS = some.dictionaries(some.sampled_from(LEAVES), some.integers(0, 12))


def parts_of(recipe: Recipe) -> tuple[Component, ...]:
    """Return a recipe as components."""
    return tuple(part(sku, units) for sku, units in recipe.items())


def levels_of(stock: Mapping[LevelKey, int]) -> list[StockLevel]:
    """Return levels at which so much is available."""
    return [level(place, sku=sku, on_hand=units) for (sku, place), units in stock.items()]


def leaves_counted(sku: str, book: Mapping[str, Recipe]) -> Counter[str]:
    """Take a bundle apart, unit by unit, until nothing can be."""
    if sku not in book:
        return Counter({sku: 1})
    total: Counter[str] = Counter()
    for inner, units in book[sku].items():
        for _ in range(units):
            total += leaves_counted(inner, book)
    return total


def bundles_within(sku: str, book: Mapping[str, Recipe]) -> set[str]:
    """Return all bundles on the way down."""
    found: set[str] = set()
    for inner in book[sku]:
        if inner in book:
            found |= {inner} | bundles_within(inner, book)
    return found


def made_one_by_one(stock: Mapping[str, int], recipe: Recipe) -> int:
    """Make bundles of what there is until a component is short."""
    left = {sku: stock.get(sku, 0) for sku in recipe}
    made = 0
    while all(left[sku] >= units for sku, units in recipe.items()):
        left = {sku: left[sku] - units for sku, units in recipe.items()}
        made += 1
    return made


def at_places(stock: Mapping[LevelKey, int], recipe: Recipe) -> dict[str, int]:
    """Make bundles at every location that has a level."""
    places = {place for _, place in stock}
    return {at: made_one_by_one({sku: n for (sku, place), n in stock.items() if place == at}, recipe) for at in places}


@drawn(book=NESTED)
def test_a_composition_comes_to_what_counting_comes_to(book: dict[str, Recipe]) -> None:
    known: dict[str, Composition] = {}
    for sku, recipe in book.items():
        known[sku] = composed(parts_of(recipe), known)
        assert known[sku].components == parts_of(recipe)
        assert {one.sku: one.quantity for one in known[sku].leaves} == leaves_counted(sku, book)
        assert len({one.sku for one in known[sku].leaves}) == len(known[sku].leaves)
        assert set(known[sku].nested) == bundles_within(sku, book)
        assert len(set(known[sku].nested)) == len(known[sku].nested)


def test_leaves_stand_in_the_order_in_which_they_are_first_needed() -> None:
    inner = {"KIT": made_of(*PARTS)}
    found = composed((part("MUG"), part("KIT", 2), part(LID), part(CUP)), inner)
    assert found.leaves == (part("MUG"), part(CUP, 5), part(LID, 3))


@drawn(recipe=recipes(LEAVES), stock=some.dictionaries(some.sampled_from(LEAVES), some.integers(-3, 20)))
def test_as_many_are_made_as_one_by_one(recipe: Recipe, stock: dict[str, int]) -> None:
    assert bundles_in(stock, parts_of(recipe)) == made_one_by_one(stock, recipe)


def test_nothing_is_made_of_nothing() -> None:
    assert bundles_in({CUP: 9}, ()) == 0


@drawn(recipe=recipes(LEAVES), stock=STOCK)
def test_what_is_available_at_a_location_is_made_there(recipe: Recipe, stock: dict[LevelKey, int]) -> None:
    assert available_by_location(levels_of(stock), parts_of(recipe)) == at_places(stock, recipe)


def test_what_is_no_bundle_is_available_where_it_lies() -> None:
    levels = [level("EAST", on_hand=9, reserved=4), level("WEST", on_hand=1, allocated=3)]
    assert available_by_location(levels) == {"EAST": 5, "WEST": -2}
    assert available_by_location([]) == {}
    assert limiting_part(levels, ()) is None


@drawn(recipe=recipes(LEAVES), stock=STOCK, pools=POOLS)
def test_pools_of_the_parts_leave_what_lies_beside_them(
    recipe: Recipe, stock: dict[LevelKey, int], pools: dict[str, int]
) -> None:
    heap: Counter[str] = Counter()
    for (sku, _), units in stock.items():
        heap[sku] += max(0, units)
    left = {sku: heap[sku] - pools.get(sku, 0) for sku in LEAVES}
    assert bundles_beside_pools(levels_of(stock), parts_of(recipe), pools) == made_one_by_one(left, recipe)


@drawn(recipe=recipes(LEAVES), stock=STOCK)
def test_the_limiting_part_is_the_first_of_which_the_fewest_are_made(
    recipe: Recipe, stock: dict[LevelKey, int]
) -> None:
    alone = {
        sku: sum(made_one_by_one({sku: stock.get((sku, place), 0)}, {sku: units}) for place in PLACES)
        for sku, units in recipe.items()
    }
    fewest = next(sku for sku in recipe if alone[sku] == min(alone.values()))
    assert limiting_part(levels_of(stock), parts_of(recipe)) == part(fewest, recipe[fewest])


def supply_of(book: Mapping[str, Recipe], stock: Mapping[LevelKey, int], pools: Mapping[str, int]) -> Supply:
    """Return what a channel may have of a stock beside others' pools."""
    heap = {sku: sum(max(0, n) for (one, _), n in stock.items() if one == sku) for sku in LEAVES}
    return Supply(
        locations=MAP,
        left=dict(stock),
        left_of_item={sku: heap[sku] - units for sku, units in pools.items()},
        parts={sku: parts_of(recipe) for sku, recipe in book.items()},
    )


def taken_by(holds: Sequence[Hold]) -> Counter[LevelKey]:
    """Return what holds take of each level, written out once more."""
    taken: Counter[LevelKey] = Counter()
    for one in holds:
        for sku, units in [(one.sku, 1)] if not one.parts else [(p.sku, p.quantity) for p in one.parts]:
            taken[sku, one.location] += units * one.quantity
    return taken


LINES = some.lists(
    some.builds(
        Wanted,
        sku=some.sampled_from([*LEAVES[:2], "B0", "B0", "B1"]),
        quantity=some.integers(1, 8),
        location=some.none() | some.none() | some.sampled_from(PLACES),
    ),
    min_size=1,
    max_size=5,
)


@drawn(book=PLAIN, stock=STOCK, pools=POOLS, lines=LINES, strategy=some.sampled_from(SourcingStrategy))
def test_lines_together_take_no_more_than_the_components_allow(
    book: dict[str, Recipe],
    stock: dict[LevelKey, int],
    pools: dict[str, int],
    lines: list[Wanted],
    strategy: SourcingStrategy,
) -> None:
    supply = supply_of(book, stock, pools)
    most = dict(supply.left_of_item)
    found = source(lines, supply, strategy=strategy)
    taken = taken_by([one for holds in found for one in holds])
    assert all(units <= stock[key] for key, units in taken.items())
    assert supply.left == {key: units - taken[key] for key, units in stock.items()}
    for sku, units in most.items():
        assert sum(n for (one, _), n in taken.items() if one == sku) <= max(0, units)
    for line, holds in zip(lines, found, strict=True):
        assert sum(one.quantity for one in holds) <= line.quantity
        assert all(one.sku == line.sku and line.location in {None, one.location} for one in holds)
        assert all(one.parts == parts_of(book.get(line.sku, {})) for one in holds)
        if sum(one.quantity for one in holds) < line.quantity and strategy in CHOOSING:
            # It is short only where nothing is left for it.
            places = PLACES if line.location is None else [line.location]
            assert all(supply.at((line.sku, place)) == 0 for place in places)


@pytest.mark.parametrize("strategy", CHOOSING)
@drawn(recipe=recipes(LEAVES), stock=STOCK, pools=POOLS)
def test_as_many_can_be_claimed_as_are_available(
    strategy: SourcingStrategy, recipe: Recipe, stock: dict[LevelKey, int], pools: dict[str, int]
) -> None:
    parts = parts_of(recipe)
    there = sum(available_by_location(levels_of(stock), parts).values())
    shown = min(there, bundles_beside_pools(levels_of(stock), parts, pools))
    whole = {sku: pools.get(sku, 0) for sku in LEAVES}
    (holds,) = source([Wanted(sku="B0", quantity=999)], supply_of({"B0": recipe}, stock, whole), strategy=strategy)
    assert sum(one.quantity for one in holds) == shown


@drawn(book=PLAIN, stock=STOCK, lines=LINES)
def test_one_location_that_has_all_bundles_is_always_found(
    book: dict[str, Recipe], stock: dict[LevelKey, int], lines: list[Wanted]
) -> None:
    free = [Wanted(sku=line.sku, quantity=line.quantity) for line in lines]
    needed: Counter[str] = Counter()
    for line in free:
        for sku, units in book.get(line.sku, {line.sku: 1}).items():
            needed[sku] += units * line.quantity
    able = [place for place in PLACES if all(stock.get((sku, place), 0) >= units for sku, units in needed.items())]
    found = source(free, supply_of(book, stock, {}), strategy=SourcingStrategy.FEWEST_SPLITS)
    if able:
        assert [[(one.location, one.quantity) for one in holds] for holds in found] == [
            [(able[0], line.quantity)] for line in free
        ]


class CountedLevels(dict[LevelKey, int]):
    """Levels that count how often they are looked at."""

    looked = 0

    def __getitem__(self, key: LevelKey) -> int:
        self.looked += 1
        return super().__getitem__(key)

    def items(self) -> Any:
        """Return all of them, each of which is looked at; the type of the view has no public name."""
        self.looked += len(self)
        return super().items()


@pytest.mark.parametrize("strategy", CHOOSING)
def test_the_largest_claim_of_bundles_looks_at_each_level_a_few_times(strategy: SourcingStrategy) -> None:
    many = {f"L{place}": location(f"L{place}") for place in range(50)}
    stock = {(f"S{sku}", code): 2 + (sku * 7 + place) % 3 for sku in range(100) for place, code in enumerate(many)}
    left = CountedLevels(stock)
    recipes_of = {f"B{sku}": (part(f"S{sku}"), part(f"S{(sku + 1) % 100}")) for sku in range(100)}
    supply = Supply(locations=many, left=left, parts=recipes_of)
    found = source([Wanted(sku=sku, quantity=40) for sku in recipes_of], supply, strategy=strategy)
    assert {sum(one.quantity for one in holds) for holds in found} == {40}
    assert left.looked <= 8 * len(stock)

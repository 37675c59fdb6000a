"""Sourcing: which locations serve the lines of a claim, and why each was chosen.

The rule: no line is given what another line was given, what is not available, or what another channel's pool holds.
Choosing is deterministic: where a strategy sees no difference, priority decides, and then the location's code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from domain.compositions import Component, bundles_in
from domain.levels import LevelKey
from domain.promises import Hold, SourcingReason, SourcingStrategy
from domain.records import Location

Rank = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the goods go, as far as the caller says: ISO 3166 country, and a region in the retailer's own terms."""

    country_code: str | None = None
    region: str | None = None


NOWHERE = Destination()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A line to serve: so many base units of an item, from `location` only if that is given."""

    sku: str
    quantity: int
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What may still be given: units by level, and by item where other channels' pools hold some of them back.

    Its numbers fall as lines are served.
    """

    locations: Mapping[str, Location]
    left: dict[LevelKey, int]
    left_of_item: dict[str, int] = field(default_factory=dict)
    parts: Mapping[str, tuple[Component, ...]] = field(default_factory=dict)
    _codes: dict[str, list[str]] = field(init=False, default_factory=dict)
    _skus: dict[str, list[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """List the locations of each item, and the items at each location, once: there may be 200 of 250 lines."""
        for sku, code in self.left:
            self._codes.setdefault(sku, []).append(code)
            self._skus.setdefault(code, []).append(sku)

    def at(self, key: LevelKey) -> int:
        """Return how many units of an item may be given at a location; of a bundle as many as all its parts make."""
        sku, location = key
        parts = self.parts.get(sku)
        if parts is None:
            here = self.left.get(key, 0)
        else:
            here = bundles_in({part.sku: self.at((part.sku, location)) for part in parts}, parts)
        return max(0, min(here, self.left_of_item.get(sku, here)))

    def take(self, key: LevelKey, quantity: int) -> None:
        """Give units away."""
        sku, location = key
        parts = self.parts.get(sku)
        if parts is None:
            self.left[key] -= quantity
        for part in parts or ():
            self.take((part.sku, location), quantity * part.quantity)
        if sku in self.left_of_item:
            self.left_of_item[sku] -= quantity

    def places_of(self, sku: str) -> list[str]:
        """Return the locations that have units of an item to give."""
        parts = self.parts.get(sku)
        if parts is not None:
            return [code for code in self.places_of(parts[0].sku) if self.at((sku, code)) > 0]
        return [code for code in self._codes.get(sku, ()) if self.left[sku, code] > 0]

    def of_item(self, sku: str) -> int:
        """Return how many units of an item may be given in all; no bundle's."""
        anywhere = sum(self.left[sku, code] for code in self.places_of(sku))
        return max(0, min(anywhere, self.left_of_item.get(sku, anywhere)))

    def only(self, location: str) -> "Supply":
        """Return a copy of what one location may give, to try on."""
        return Supply(
            locations=self.locations,
            left={(sku, location): self.left[sku, location] for sku in self._skus.get(location, ())},
            left_of_item=dict(self.left_of_item),
            parts=self.parts,
        )


def source(
    lines: Sequence[Wanted], supply: Supply, *, strategy: SourcingStrategy, destination: Destination = NOWHERE
) -> list[tuple[Hold, ...]]:
    """Return the holds of each line, in the order of the lines; fewer units than wanted where there are fewer.

    Lines that name their location come first, so that no strategy takes from under them. `supply` is used up.
    """
    chosen: list[tuple[Hold, ...]] = [()] * len(lines)
    for place, line in enumerate(lines):
        if line.location is not None:
            chosen[place] = _take((line.sku, line.location), line.quantity, SourcingReason.NAMED, supply)
    free = [place for place, line in enumerate(lines) if line.location is None]
    if strategy is SourcingStrategy.FEWEST_SPLITS:
        for place, holds in _with_few_splits({place: lines[place] for place in free}, supply).items():
            chosen[place] = holds
        return chosen
    if strategy is SourcingStrategy.EXPLICIT:
        return chosen
    for place in free:
        chosen[place] = _in_order(lines[place], supply, strategy=strategy, destination=destination)
    return chosen


def _take(key: LevelKey, quantity: int, reason: SourcingReason, supply: Supply) -> tuple[Hold, ...]:
    units = min(quantity, supply.at(key))
    if units <= 0:
        return ()
    supply.take(key, units)
    sku, location = key
    parts = supply.parts.get(sku, ())
    return (Hold(sku=sku, location=location, quantity=units, reason=reason, parts=parts),)


def _in_order(
    line: Wanted, supply: Supply, *, strategy: SourcingStrategy, destination: Destination
) -> tuple[Hold, ...]:
    rank = _ranking(line.sku, supply, strategy=strategy, destination=destination)
    holds: list[Hold] = []
    missing = line.quantity
    for location in sorted(supply.places_of(line.sku), key=rank):
        if not missing:
            break
        for hold in _take((line.sku, location), missing, SourcingReason(strategy.value), supply):
            holds.append(hold)
            missing -= hold.quantity
    return tuple(holds)


def _ranking(
    sku: str, supply: Supply, *, strategy: SourcingStrategy, destination: Destination
) -> Callable[[str], Rank]:
    def rank(code: str) -> Rank:
        location = supply.locations[code]
        first: int = 0
        if strategy is SourcingStrategy.MOST_STOCK:
            first = -supply.at((sku, code))
        elif strategy is SourcingStrategy.NEAREST_REGION:
            first = distance(location, destination)
        return (first, location.priority, code)

    return rank


def distance(location: Location, destination: Destination) -> int:
    """Return how far a location is: 0 the same region, 1 the same country, 2 anywhere else."""
    if destination.region is not None and location.region == destination.region:
        return 0
    if destination.country_code is not None and location.country_code == destination.country_code:
        return 1
    return 2


def _with_few_splits(lines: Mapping[int, Wanted], supply: Supply) -> dict[int, tuple[Hold, ...]]:
    """Serve lines from as few locations as a greedy choice finds: each time the one that can give the most units.

    One location that has everything is always found, because none can give more.
    """
    missing = {place: line.quantity for place, line in lines.items()}
    holds: dict[int, list[Hold]] = {place: [] for place in lines}
    codes = {code for line in lines.values() for code in supply.places_of(line.sku)}
    queue = [(-_units(code, lines, missing, supply), supply.locations[code].priority, code) for code in codes]
    heapify(queue)
    while queue and any(missing.values()):
        # What a location can give only falls, so that whoever leads with a fresh figure leads indeed. Of bundles that
        # have parts in common with other lines it may rise: such a location may come late, but never for nothing.
        less, priority, best = heappop(queue)
        units = _units(best, lines, missing, supply)
        if units and units < -less:
            heappush(queue, (-units, priority, best))
        elif units:
            for place, line in lines.items():
                for hold in _take((line.sku, best), missing[place], SourcingReason.FEWEST_SPLITS, supply):
                    holds[place].append(hold)
                    missing[place] -= hold.quantity
    return {place: tuple(of_line) for place, of_line in holds.items()}


def _units(code: str, lines: Mapping[int, Wanted], missing: Mapping[int, int], supply: Supply) -> int:
    """Return how many of the missing units a location can give."""
    if supply.parts:
        # Bundles may have parts in common with other lines, so that only trying tells.
        trial = supply.only(code)
        total = 0
        for place, line in lines.items():
            units = min(missing[place], trial.at((line.sku, code))) if missing[place] else 0
            if units:
                trial.take((line.sku, code), units)
                total += units
        return total
    wanted: dict[str, int] = {}
    for place, line in lines.items():
        wanted[line.sku] = wanted.get(line.sku, 0) + missing[place]
    return sum(min(units, supply.at((sku, code))) for sku, units in wanted.items())

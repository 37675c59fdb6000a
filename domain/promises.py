"""What documents hold: units of an item at a location, by line; the one rule: a hold never names less than one unit.

A line is what the caller asked for; its holds are the stock that stands behind it. They differ where a line is
served from several locations, and where it is short.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from domain.compositions import Component
from domain.levels import LevelKey


class SourcingReason(StrEnum):
    """Why a location serves a line."""

    NAMED = "NAMED"
    PRIORITY = "PRIORITY"
    MOST_STOCK = "MOST_STOCK"
    FEWEST_SPLITS = "FEWEST_SPLITS"
    NEAREST_REGION = "NEAREST_REGION"
    MOVED = "MOVED"


class SourcingStrategy(StrEnum):
    """How locations are chosen for lines that name none."""

    PRIORITY = "PRIORITY"
    MOST_STOCK = "MOST_STOCK"
    FEWEST_SPLITS = "FEWEST_SPLITS"
    NEAREST_REGION = "NEAREST_REGION"
    EXPLICIT = "EXPLICIT"


class FulfilmentKind(StrEnum):
    """How the customer gets the goods."""

    SHIPPING = "SHIPPING"
    PICKUP = "PICKUP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Units of an item at a location, and why they lie there; of a bundle, with the parts that it had on that day."""

    sku: str
    location: str
    quantity: int
    reason: SourcingReason = SourcingReason.NAMED
    parts: tuple[Component, ...] = ()

    @property
    def key(self) -> LevelKey:
        """What tells it from the other holds of its line."""
        return (self.sku, self.location)

    def units(self) -> Iterator[tuple[LevelKey, int]]:
        """Yield the levels that the units lie on, each with how many base units lie there."""
        if not self.parts:
            yield self.key, self.quantity
        for part in self.parts:
            yield (part.sku, self.location), self.quantity * part.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a document: `quantity` is what was asked for, in base units, `holds` what stands behind it."""

    id: str
    sku: str
    quantity: int
    holds: tuple[Hold, ...]

    @property
    def held(self) -> int:
        """How many units stand behind the line."""
        return sum(hold.quantity for hold in self.holds)


AnyLine = TypeVar("AnyLine", bound=Line)


def anywhere(_: str) -> bool:
    """Take units wherever they lie."""
    return True


def taken_from(
    line: AnyLine, quantity: int, *, lies: Callable[[str], bool] = anywhere
) -> tuple[tuple[Hold, ...], AnyLine]:
    """Return holds of so many units, and the line without them; the last hold is taken first.

    Takes fewer where there are fewer. `lies` says of a location whether it may be taken from.
    """
    taken: list[Hold] = []
    kept: list[Hold] = []
    for hold in reversed(line.holds):
        units = min(quantity, hold.quantity) if lies(hold.location) else 0
        quantity -= units
        if units:
            taken.append(replace(hold, quantity=units))
        if units < hold.quantity:
            kept.append(replace(hold, quantity=hold.quantity - units))
    return tuple(reversed(taken)), replace(line, holds=tuple(reversed(kept)))


def held_where(line: Line, lies: Callable[[str], bool]) -> int:
    """Return how many units stand behind the line at some locations."""
    return sum(hold.quantity for hold in line.holds if lies(hold.location))


def merged_holds(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """Return one hold a level, in the order in which the levels first come."""
    merged: dict[LevelKey, Hold] = {}
    for hold in holds:
        first = merged.get(hold.key)
        merged[hold.key] = hold if first is None else replace(first, quantity=first.quantity + hold.quantity)
    return tuple(merged.values())


def units_by_level(lines: Iterable[Line]) -> dict[LevelKey, int]:
    """Return how many base units the lines hold on each level."""
    units: dict[LevelKey, int] = {}
    for line in lines:
        for hold in line.holds:
            for key, held in hold.units():
                units[key] = units.get(key, 0) + held
    return units

"""Why a channel shows the number that it shows; the one rule: a term is the sum of its parts, down to the counters.

The arithmetic is that of `domain.availability`; a property test holds the one to the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.availability import (
    NO_POOLS,
    Exposure,
    available_by_location,
    bundles_beside_pools,
    shown_availability,
)
from domain.compositions import Component
from domain.levels import StockLevel


class TermName(StrEnum):
    """What a term of the arithmetic stands for."""

    CHANNEL_AVAILABILITY = "CHANNEL_AVAILABILITY"
    LOCATION = "LOCATION"
    ON_HAND = "ON_HAND"
    RESERVED = "RESERVED"
    ALLOCATED = "ALLOCATED"
    QUARANTINED = "QUARANTINED"
    DAMAGED = "DAMAGED"
    SAFETY_STOCK = "SAFETY_STOCK"
    POOLS_OF_OTHER_CHANNELS = "POOLS_OF_OTHER_CHANNELS"
    BUFFER = "BUFFER"
    NEVER_BELOW_ZERO = "NEVER_BELOW_ZERO"
    BELOW_MINIMUM_EXPOSURE = "BELOW_MINIMUM_EXPOSURE"
    ABOVE_MAXIMUM_EXPOSURE = "ABOVE_MAXIMUM_EXPOSURE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term: by how many base units it moves the answer (negative takes away), and the parts that sum to it.

    `location` is the code of the location that the term is about. `is_limiting` marks the one term that, of all that
    take away, keeps the answer where it is.
    """

    name: TermName
    quantity: int
    location: str | None = None
    parts: tuple["Term", ...] = ()
    is_limiting: bool = False


PARTS_OF_A_LEVEL = (
    (TermName.RESERVED, "reserved"),
    (TermName.ALLOCATED, "allocated"),
    (TermName.QUARANTINED, "quarantined"),
    (TermName.DAMAGED, "damaged"),
    (TermName.SAFETY_STOCK, "safety_stock"),
)
CLAMPS = frozenset({TermName.BELOW_MINIMUM_EXPOSURE, TermName.ABOVE_MAXIMUM_EXPOSURE})


def explain(
    levels: Iterable[StockLevel],
    exposure: Exposure,
    *,
    parts: Sequence[Component] = (),
    pools_of_parts: Mapping[str, int] = NO_POOLS,
) -> Term:
    """Return the arithmetic of what a channel may show, from the levels at the locations that serve it.

    Of a bundle, given its parts and their levels, a location's term is what can be made there, and has no parts: a
    least is no sum. What other channels' pools of the parts take away counts with their pools of the bundle.
    """
    counted = list(levels)
    places = tuple(_bundles_at_locations(counted, parts) if parts else map(_location, counted))
    backed = sum(place.quantity for place in places)
    pooled = exposure.pools_of_others
    if pools_of_parts:
        pooled += max(0, backed - bundles_beside_pools(counted, parts, pools_of_parts))
    sellable = backed - pooled - exposure.buffer
    shown = shown_availability(counted, exposure, parts=parts, pools_of_parts=pools_of_parts)
    clamps = (
        _term(TermName.POOLS_OF_OTHER_CHANNELS, -pooled),
        _term(TermName.BUFFER, -exposure.buffer),
        _term(TermName.NEVER_BELOW_ZERO, max(0, -sellable)),
        _term(TermName.BELOW_MINIMUM_EXPOSURE, -sellable if 0 < sellable < exposure.minimum else 0),
        _term(TermName.ABOVE_MAXIMUM_EXPOSURE, _beyond(sellable, exposure)),
    )
    terms = (*places, *(one for one in clamps if one.quantity))
    return _marked(Term(name=TermName.CHANNEL_AVAILABILITY, quantity=shown, parts=terms))


def _beyond(sellable: int, exposure: Exposure) -> int:
    """Return how far what may be sold lies above the most that is shown, as what is taken away."""
    if exposure.maximum is None or sellable <= 0 or sellable < exposure.minimum:
        return 0
    return min(0, exposure.maximum - sellable)


def _bundles_at_locations(levels: Iterable[StockLevel], parts: Sequence[Component]) -> Iterable[Term]:
    made = available_by_location(levels, parts)
    return (_term(TermName.LOCATION, quantity, location) for location, quantity in sorted(made.items()))


def _location(level: StockLevel) -> Term:
    parts = [_term(TermName.ON_HAND, level.on_hand, level.location)]
    parts += [_term(name, -getattr(level, counter), level.location) for name, counter in PARTS_OF_A_LEVEL]
    parts.append(_term(TermName.NEVER_BELOW_ZERO, max(0, -level.available), level.location))
    kept = tuple(part for part in parts if part.quantity or part.name is TermName.ON_HAND)
    return Term(name=TermName.LOCATION, quantity=max(0, level.available), location=level.location, parts=kept)


def _term(name: TermName, quantity: int, location: str | None = None) -> Term:
    return Term(name=name, quantity=quantity, location=location)


def _marked(root: Term) -> Term:
    """Mark the limiting term: the least or the most to show where it binds, or what takes most away, or the root."""
    leaves = [leaf for part in root.parts for leaf in (part.parts or (part,))]
    clamped = [leaf for leaf in leaves if leaf.name in CLAMPS]
    taking = clamped or [leaf for leaf in leaves if leaf.quantity < 0]
    if not taking:
        return replace(root, is_limiting=True)
    return _with_mark(root, min(taking, key=lambda leaf: leaf.quantity))


def _with_mark(term: Term, marked: Term) -> Term:
    if term is marked:
        return replace(term, is_limiting=True)
    return replace(term, parts=_parts_with_mark(term.parts, marked)) if term.parts else term


def _parts_with_mark(parts: Sequence[Term], marked: Term) -> tuple[Term, ...]:
    return tuple(_with_mark(part, marked) for part in parts)

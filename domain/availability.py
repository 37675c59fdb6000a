"""What may be sold: the one arithmetic that every answer about availability goes through.

The rule: a channel never shows more than the locations that serve it can back, less what is pre-allocated to
other channels and the channel's own buffer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.compositions import Component, bundles_in
from domain.levels import StockLevel


class AvailabilityStatus(StrEnum):
    """What a storefront may tell its shopper."""

    IN_STOCK = "IN_STOCK"
    LOW_STOCK = "LOW_STOCK"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    BACKORDER = "BACKORDER"
    PREORDER = "PREORDER"
    COMING_SOON = "COMING_SOON"
    DISCONTINUED = "DISCONTINUED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a listing does to the number that its channel shows, in base units; the default changes nothing."""

    buffer: int = 0
    minimum: int = 0
    maximum: int | None = None
    pools_of_others: int = 0


PLAIN_EXPOSURE = Exposure()
NO_POOLS: Mapping[str, int] = {}


def total_available(available_per_location: Iterable[int]) -> int:
    """Return Σ max(0, available): a location in the red never takes from another's stock."""
    return sum(available for available in available_per_location if available > 0)


def channel_availability(available_per_location: Iterable[int], exposure: Exposure = PLAIN_EXPOSURE) -> int:
    """Return what a channel may show, from the `available` of the locations that serve it; never below 0.

    Σ max(0, available) − open pools of other channels − buffer; below the minimum exposure it is 0, above the
    maximum exposure it is the maximum.
    """
    sellable = total_available(available_per_location) - exposure.pools_of_others - exposure.buffer
    if sellable <= 0 or sellable < exposure.minimum:
        return 0
    return sellable if exposure.maximum is None else min(sellable, exposure.maximum)


def shown_availability(
    levels: Iterable[StockLevel],
    exposure: Exposure = PLAIN_EXPOSURE,
    *,
    parts: Sequence[Component] = (),
    pools_of_parts: Mapping[str, int] = NO_POOLS,
) -> int:
    """Return what a channel may show of an item or a bundle, from the levels at the locations that serve it.

    Of a bundle, given its parts and their levels: what can be made at each location, and no more than other channels'
    pools of the parts leave; then what the channel does to the bundle itself.
    """
    counted = list(levels)
    places = available_by_location(counted, parts).values() if parts else (level.available for level in counted)
    backed = total_available(places)
    if pools_of_parts:
        backed = min(backed, bundles_beside_pools(counted, parts, pools_of_parts))
    return channel_availability((backed,), exposure)


def node_availability(available: int, *, channel_quantity: int) -> int:
    """Return what one location may promise: what it has, and never more than the channel as a whole may show."""
    return max(0, min(available, channel_quantity))


def availability_status(quantity: int, *, is_backorderable: bool) -> AvailabilityStatus:
    """Return the status that goes with a quantity."""
    if quantity > 0:
        return AvailabilityStatus.IN_STOCK
    return AvailabilityStatus.BACKORDER if is_backorderable else AvailabilityStatus.OUT_OF_STOCK


def available_by_location(levels: Iterable[StockLevel], parts: Sequence[Component] = ()) -> dict[str, int]:
    """Return what is available of an item at each location; of a bundle, given its parts and their levels, as many as
    can be made there.
    """
    if not parts:
        return {level.location: level.available for level in levels}
    by_location: dict[str, dict[str, int]] = {}
    for level in levels:
        by_location.setdefault(level.location, {})[level.sku] = level.available
    return {location: bundles_in(available, parts) for location, available in by_location.items()}


def bundles_beside_pools(
    levels: Iterable[StockLevel], parts: Sequence[Component], pools_of_others: Mapping[str, int]
) -> int:
    """Return how many bundles other channels' pools of the parts leave, wherever the parts lie."""
    left: dict[str, int] = {part.sku: -pools_of_others.get(part.sku, 0) for part in parts}
    for level in levels:
        left[level.sku] = left.get(level.sku, 0) + max(0, level.available)
    return bundles_in(left, parts)


def limiting_part(levels: Iterable[StockLevel], parts: Sequence[Component]) -> Component | None:
    """Return the part that keeps the number of bundles where it is: the one of which the fewest can be made.

    Counted location by location, as bundles are made; the first of several alike. None for what is no bundle.
    """
    made: dict[str, int] = {part.sku: 0 for part in parts}
    units = {part.sku: part.quantity for part in parts}
    for level in levels:
        if level.sku in made:
            made[level.sku] += max(0, level.available) // units[level.sku]
    return min(parts, key=lambda part: made[part.sku], default=None)

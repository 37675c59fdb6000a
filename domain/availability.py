"""What may be sold: the one arithmetic that every answer about availability goes through.

The rule: a channel never shows more than the locations that serve it can back, less what is pre-allocated to
other channels and the channel's own buffer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


def node_availability(available: int, *, channel_quantity: int) -> int:
    """Return what one location may promise: what it has, and never more than the channel as a whole may show."""
    return max(0, min(available, channel_quantity))


def availability_status(quantity: int, *, is_backorderable: bool) -> AvailabilityStatus:
    """Return the status that goes with a quantity."""
    if quantity > 0:
        return AvailabilityStatus.IN_STOCK
    return AvailabilityStatus.BACKORDER if is_backorderable else AvailabilityStatus.OUT_OF_STOCK

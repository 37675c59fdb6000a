"""What lists may be narrowed by; the one rule: a field of None does not matter."""

from dataclasses import dataclass

from domain.reservation_commands import ReservationState


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items a list shows; None means that the field does not matter."""

    skus: tuple[str, ...] | None = None
    sku_starts_with: str | None = None
    name_contains: str | None = None
    product_code: str | None = None
    stocked_at: str | None = None
    is_archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFilter:
    """Which reservations a list shows; None means that the field does not matter.

    `channels` and `locations` are what the caller may see. A reservation shows if its channel is among `channels`, and
    every location that it holds units at, or held them at last, among `locations`. `sku` is an item that it holds units
    of now.
    """

    external_reference: str | None = None
    sku: str | None = None
    channel: str | None = None
    state: ReservationState | None = None
    channels: frozenset[str] | None = None
    locations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFilter:
    """Which stock conflicts a list shows; None means that the field does not matter. `locations` are codes."""

    sku: str | None = None
    locations: frozenset[str] | None = None
    is_open: bool | None = None

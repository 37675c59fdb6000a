"""Orders' stock: the allocation, its shipments, their commands and events, as values.

The rule: an order has one allocation, under the retailer's own order id, which is unique within its channel.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.claims import Claim, DocumentCommand, LineQuantity
from domain.promises import FulfilmentKind, Line

OrderKey = tuple[str, str]
"""(channel code, order id); an empty channel stands for orders of none"""


class AllocationState(StrEnum):
    """Where an order's stock is in its life."""

    OPEN = "OPEN"
    SHIPPED = "SHIPPED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationLine(Line):
    """An order's line: `holds` is what has still to ship; `shipped` and `cancelled` are base units."""

    shipped: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The stock that is committed to an order until it ships. `version` grows with each event."""

    id: str
    order_id: str
    account: str
    channel: str | None
    fulfilment: FulfilmentKind
    lines: tuple[AllocationLine, ...]
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def key(self) -> OrderKey:
        """What tells this order from all others."""
        return order_key(self.channel, self.order_id)

    @property
    def state(self) -> AllocationState:
        """OPEN while anything has still to ship, then SHIPPED if anything did."""
        if any(line.holds for line in self.lines):
            return AllocationState.OPEN
        return AllocationState.SHIPPED if any(line.shipped for line in self.lines) else AllocationState.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What left for the customer in one go: the lines hold what each location gave."""

    id: str
    order_id: str
    channel: str | None
    external_id: str | None
    lines: tuple[Line, ...]
    shipped_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentLine(LineQuantity):
    """Units of an order's line that left; a location of None stands for wherever they lie."""

    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationCreate(Claim):
    """Commit stock to an order that nothing was reserved for."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationCancel(DocumentCommand):
    """Give back what an order has not shipped, all of it or that of some lines."""

    order_id: str
    channel: str | None = None
    lines: tuple[LineQuantity, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentConfirm(DocumentCommand):
    """Goods left: on hand and allocated fall together. A fact, but never of more than is allocated."""

    order_id: str
    channel: str | None = None
    external_id: str | None = None
    lines: tuple[ShipmentLine, ...] | None = None
    shipped_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationCreated:
    """Stock is committed to an order."""

    allocation: Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationLinesAdded:
    """More stock is committed to the order."""

    allocation: Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationCancelled:
    """Stock that was committed to an order was given back."""

    allocation: Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentConfirmed:
    """Goods left; `allocation` is the order's stock afterwards."""

    shipment: Shipment
    allocation: Allocation


AllocationCommands = AllocationCreate | AllocationCancel | ShipmentConfirm
AllocationEvent = AllocationCreated | AllocationLinesAdded | AllocationCancelled | ShipmentConfirmed


def order_key(channel: str | None, order_id: str) -> OrderKey:
    """Return the key of an order."""
    return (channel or "", order_id)

"""Stock levels: the counters of one item at one location; the one rule: available is derived, never stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

BALANCE_MAX = 10_000_000
"""The largest balance of a counter, in base units: with 200 levels an item, every sum fits GraphQL's Int."""
LEVELS_PER_ITEM_MAX = 200

LevelKey = tuple[str, str]
"""(sku, location code)"""


class InventoryBucket(StrEnum):
    """A counter of a stock level."""

    ON_HAND = "ON_HAND"
    RESERVED = "RESERVED"
    ALLOCATED = "ALLOCATED"
    QUARANTINED = "QUARANTINED"
    DAMAGED = "DAMAGED"
    SAFETY_STOCK = "SAFETY_STOCK"
    INCOMING = "INCOMING"
    IN_TRANSIT = "IN_TRANSIT"
    BACKORDERED = "BACKORDERED"


COUNTER_NAMES: dict[InventoryBucket, str] = {bucket: bucket.value.lower() for bucket in InventoryBucket}
ADJUSTABLE_BUCKETS = frozenset(
    {
        InventoryBucket.ON_HAND,
        InventoryBucket.QUARANTINED,
        InventoryBucket.DAMAGED,
        InventoryBucket.SAFETY_STOCK,
    }
)
"""The counters that adjustments, counts and moves may change; the others move with their documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """The counters of one item at one location, in base units, at one version.

    `on_hand` is the physical total; reserved, allocated, quarantined, damaged and safety stock are parts of it that
    may not be sold; incoming, in transit and backordered stand outside it. `version` grows by one with each command
    that changes the level. `conflict_id` names the open stock conflict, if there is one.
    """

    sku: str
    location: str
    on_hand: int = 0
    reserved: int = 0
    allocated: int = 0
    quarantined: int = 0
    damaged: int = 0
    safety_stock: int = 0
    incoming: int = 0
    in_transit: int = 0
    backordered: int = 0
    version: int
    updated_at: datetime
    conflict_id: str | None = None

    @property
    def key(self) -> LevelKey:
        """What tells this level from all others: the SKU and the location's code."""
        return (self.sku, self.location)

    @property
    def available(self) -> int:
        """What may be sold from here (ATS), in base units; negative when more is promised than there is."""
        return self.on_hand - self.reserved - self.allocated - self.quarantined - self.damaged - self.safety_stock

    @property
    def unbacked(self) -> int:
        """How many promised units lack physical stock; 0 when every promise is backed."""
        backing = self.on_hand - self.quarantined - self.damaged
        return max(0, self.reserved + self.allocated - backing)

    def balance(self, bucket: InventoryBucket) -> int:
        """Return the balance of one counter, in base units."""
        balance: int = getattr(self, COUNTER_NAMES[bucket])
        return balance

    def with_balances(
        self, balances: Mapping[InventoryBucket, int], *, at: datetime, version: int, conflict_id: str | None = None
    ) -> "StockLevel":
        """Return the level with these counters at their new balances, as of `at`."""
        # Written out: every adjustment of every level comes through here, and this takes half the time of a loop.
        after = balances.get
        return StockLevel(
            sku=self.sku,
            location=self.location,
            on_hand=after(InventoryBucket.ON_HAND, self.on_hand),
            reserved=after(InventoryBucket.RESERVED, self.reserved),
            allocated=after(InventoryBucket.ALLOCATED, self.allocated),
            quarantined=after(InventoryBucket.QUARANTINED, self.quarantined),
            damaged=after(InventoryBucket.DAMAGED, self.damaged),
            safety_stock=after(InventoryBucket.SAFETY_STOCK, self.safety_stock),
            incoming=after(InventoryBucket.INCOMING, self.incoming),
            in_transit=after(InventoryBucket.IN_TRANSIT, self.in_transit),
            backordered=after(InventoryBucket.BACKORDERED, self.backordered),
            version=version,
            updated_at=at,
            conflict_id=conflict_id,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left and nothing is promised here."""
        return not any(getattr(self, name) for name in COUNTER_NAMES.values())


def new_level(*, sku: str, location: str, at: datetime, version: int) -> StockLevel:
    """Return the level with which an item begins to be stocked at a location: all counters at zero."""
    return StockLevel(sku=sku, location=location, version=version, updated_at=at)

"""What a command is decided on: the loaded part of the truth, and the selectors that say which part that is.

The rule: a `State` is a private working set. Only `evolve` changes it, so that each command of a batch sees what
the ones before it did; `scratch` gives a copy on which a whole group can be tried and thrown away.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.account_records import Account, ApiKey
from domain.allocation_commands import Allocation, OrderKey
from domain.levels import LevelKey, StockLevel, new_level
from domain.principals import Scope
from domain.records import Channel, Item, Listing, Location
from domain.reservation_commands import Reservation

ROWS_A_DOCUMENT = 4
"""How many levels a document has, about: a batch is bounded before they are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """What a command touches: codes to resolve, levels to lock, and what else has to be read under the locks.

    API keys are read together with the accounts that own them, and documents with the levels that they hold and their
    channel; `locations` of a command that moves a reservation with the channels that they serve.
    `orders` are order ids, whatever their channel. `new_places` are levels at a location of all that a reservation
    holds: (reservation, location). `sourced` are all levels of an item that serve a channel: (SKU, channel or None).
    `claimed` are all items of a claim likewise: of those that are bundles, the leaves are sourced, and seen at each
    location at which `levels` names the bundle. `bundle_uses` are items of which it matters how many bundles they are
    components of.
    """

    skus: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    levels: frozenset[LevelKey] = frozenset()
    activated_levels: frozenset[LevelKey] = frozenset()
    level_counts_of_items: frozenset[str] = frozenset()
    level_counts_of_locations: frozenset[str] = frozenset()
    listings: frozenset[tuple[str, str]] = frozenset()
    accounts: frozenset[str] = frozenset()
    api_keys: frozenset[str] = frozenset()
    reservations: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    new_places: frozenset[tuple[str, str]] = frozenset()
    sourced: frozenset[tuple[str, str | None]] = frozenset()
    claimed: frozenset[tuple[str, str | None]] = frozenset()
    bundle_uses: frozenset[str] = frozenset()

    @property
    def row_count(self) -> int:
        """How many rows the command counts for in a batch: its levels, listings and documents, at least one."""
        return max(1, len(self.levels) + len(self.listings) + ROWS_A_DOCUMENT * self.document_count)

    @property
    def document_count(self) -> int:
        """How many documents, and items to be sourced, bring levels of their own."""
        return len(self.reservations) + len(self.orders) + len(self.sourced)


@dataclass(slots=True, kw_only=True)
class State:
    """Items, locations, channels and listings by code, active levels by key, and what goes with them: the channels that
    each location serves, the versions of ended levels, how many levels there are, reservations and orders that the
    commands name or that have lapsed, the pools of items by SKU and channel, the locations with a level of an item
    that serve a channel, by SKU and channel (None: all of them), and how many bundles have an item as a component.
    """

    items: dict[str, Item] = field(default_factory=dict)
    locations: dict[str, Location] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    channels_served: dict[str, frozenset[str]] = field(default_factory=dict)
    levels: dict[LevelKey, StockLevel] = field(default_factory=dict)
    ended_versions: dict[LevelKey, int] = field(default_factory=dict)
    level_counts_by_item: dict[str, int] = field(default_factory=dict)
    level_counts_by_location: dict[str, int] = field(default_factory=dict)
    listings: dict[tuple[str, str], Listing] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    allocations: dict[OrderKey, Allocation] = field(default_factory=dict)
    pools: dict[str, dict[str, int]] = field(default_factory=dict)
    places_served: dict[tuple[str, str | None], frozenset[str]] = field(default_factory=dict)
    bundle_uses: dict[str, int] = field(default_factory=dict)

    def seen_within(self, scope: Scope) -> "State":
        """Return the state as somebody with this scope may see it; what lies outside is missing.

        The view shares everything else with this state: decide on it, but evolve the state itself.
        """
        return replace(
            self,
            locations={code: one for code, one in self.locations.items() if scope.sees_location(code)},
            channels={code: one for code, one in self.channels.items() if scope.sees_channel(code)},
        )

    def scratch(self) -> "State":
        """Return a copy that can evolve without touching this one (the values themselves never change)."""
        return State(
            items=dict(self.items),
            locations=dict(self.locations),
            channels=dict(self.channels),
            channels_served=dict(self.channels_served),
            levels=dict(self.levels),
            ended_versions=dict(self.ended_versions),
            level_counts_by_item=dict(self.level_counts_by_item),
            level_counts_by_location=dict(self.level_counts_by_location),
            listings=dict(self.listings),
            accounts=dict(self.accounts),
            api_keys=dict(self.api_keys),
            reservations=dict(self.reservations),
            allocations=dict(self.allocations),
            pools=self.pools,
            places_served=self.places_served,
            bundle_uses=dict(self.bundle_uses),
        )

    def pools_of_others(self, sku: str, channel: str) -> int:
        """Return how many units of an item are pre-allocated to other channels."""
        return sum(units for code, units in self.pools.get(sku, {}).items() if code != channel)

    def put_item(self, item: Item) -> None:
        """Keep `item`; what it is made of now, and no longer, counts for its components."""
        before = self.items.get(item.sku)
        for known, by in ((before, -1), (item, 1)):
            composition = None if known is None else known.composition
            for component in () if composition is None else composition.components:
                self.bundle_uses[component.sku] = self.bundle_uses.get(component.sku, 0) + by
        self.items[item.sku] = item

    def put_level(self, level: StockLevel) -> None:
        """Keep `level`; one that was not active begins, and counts for its item and location."""
        if level.key not in self.levels:
            self.ended_versions.pop(level.key, None)
            self._count(level.key, by=1)
        self.levels[level.key] = level

    def end_level(self, level: StockLevel) -> None:
        """Take `level` out of the active ones; its version is kept for the day it begins again."""
        del self.levels[level.key]
        self.ended_versions[level.key] = level.version
        self._count(level.key, by=-1)

    def _count(self, key: LevelKey, *, by: int) -> None:
        sku, location = key
        self.level_counts_by_item[sku] = self.level_counts_by_item.get(sku, 0) + by
        self.level_counts_by_location[location] = self.level_counts_by_location.get(location, 0) + by


def level_before(state: State, key: LevelKey, *, at: datetime) -> StockLevel:
    """Return the level, or the empty one with which it would begin, one version below its first."""
    level = state.levels.get(key)
    if level is not None:
        return level
    return new_level(sku=key[0], location=key[1], at=at, version=state.ended_versions.get(key, 0))

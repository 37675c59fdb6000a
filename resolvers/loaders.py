"""Loaders: reads that happen in the same turn of the event loop, from any request, share one statement.

The rule: a loader never remembers. A WebSocket lives for days, and a remembered answer would be stale stock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

from strawberry.dataloader import DataLoader

from domain.account_records import ApiKey
from domain.adjustments import Adjustment
from domain.allocation_commands import Allocation, OrderKey, Shipment
from domain.conflicts import PromiseAtRisk, StockConflict
from domain.levels import LevelKey
from domain.ports import ANY, NEWEST, PositionNotReached, Reads, StockSnapshot
from domain.records import Channel, Item, Listing, Location
from domain.reservation_commands import Reservation

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Key_contra = TypeVar("Key_contra", contravariant=True)
Value_co = TypeVar("Value_co", covariant=True)

KEYS_PER_STATEMENT_MAX = 5000


class SharedLoader(DataLoader[Key, Value]):
    """A loader for many callers, of which any may go away at any moment.

    Strawberry cancels a batch whose callers have all gone; if that happens before it has begun, the next callers join
    it and wait for ever. So a caller that is cancelled leaves its key in the batch.
    """

    def load(self, key: Key) -> "asyncio.Future[Value]":
        """Return what will be loaded for the key."""
        return asyncio.shield(super().load(key))


Asked: TypeAlias = tuple[Key, int]
"""(key, the position that the answer must have reached)"""
Found: TypeAlias = Mapping[tuple[Key, int], Value | BaseException]


class LoadAtLeast(Protocol[Key_contra, Value_co]):
    """Reads values by key, in their order, that have reached a position."""

    async def __call__(self, keys: Sequence[Key_contra], /, *, at_least: int) -> Sequence[Value_co]:
        """Return the values. Raises PositionNotReached."""
        ...


class FreshLoader(Generic[Key, Value]):
    """A loader whose callers say which position their answers must have reached.

    Without a replica that is one statement a turn for all of them. With one, those who take any answer, those who name
    a position and those who want the newest have a statement each, so that nobody is answered from the primary for
    another's sake. Whoever names a position that there is not yet is refused alone.
    """

    def __init__(self, load: LoadAtLeast[Key, Value], *, has_replica: bool) -> None:
        self._load = load
        self._has_replica = has_replica
        self._loader: SharedLoader[Asked[Key], Value] = SharedLoader(
            load_fn=self._load_batch, cache=False, max_batch_size=KEYS_PER_STATEMENT_MAX
        )

    def load(self, key: Key, *, at_least: int = NEWEST) -> "asyncio.Future[Value]":
        """Return what will be loaded for the key. Raises PositionNotReached."""
        return self._loader.load((key, at_least))

    def load_many(self, keys: Iterable[Key], *, at_least: int = NEWEST) -> "asyncio.Future[list[Value]]":
        """Return what will be loaded for the keys, in their order."""
        return asyncio.gather(*(self.load(key, at_least=at_least) for key in keys))

    async def _load_batch(self, asked: Sequence[Asked[Key]]) -> list[Value | BaseException]:
        each = list(dict.fromkeys(asked))
        found = await (self._load_apart(each) if self._has_replica else self._load_group(each))
        return [found[one] for one in asked]

    async def _load_apart(self, asked: Sequence[Asked[Key]]) -> Found[Key, Value]:
        anything = [one for one in asked if one[1] == ANY]
        newest = [one for one in asked if one[1] == NEWEST]
        reaching = [one for one in asked if ANY < one[1] < NEWEST]
        loading = [self._load_group(group) for group in (anything, reaching, newest) if group]
        # A task of its own costs more than what it would run beside here, which is nothing at most times.
        parts = [await loading[0]] if len(loading) == 1 else await asyncio.gather(*loading)
        return {one: value for part in parts for one, value in part.items()}

    async def _load_group(self, asked: Sequence[Asked[Key]]) -> Found[Key, Value]:
        try:
            return await self._load_together(asked)
        except PositionNotReached as error:
            others = [one for one in asked if not error.head < one[1] < NEWEST]
            answered = await self._load_group(others) if others else {}
            return {one: answered.get(one, error) for one in asked}
        except Exception as error:  # noqa: BLE001  # it fails this group's callers, and no others
            return dict.fromkeys(asked, error)

    async def _load_together(self, asked: Sequence[Asked[Key]]) -> Found[Key, Value]:
        keys = list(dict.fromkeys(key for key, _ in asked))
        at_least = max((position for _, position in asked if position < NEWEST), default=NEWEST)
        found = dict(zip(keys, await self._load(keys, at_least=at_least), strict=True))
        return {one: found[one[0]] for one in asked}


class Loaders:
    """One loader for each thing that is read by key; made once a process."""

    def __init__(self, reads: Reads) -> None:
        fresh = reads.has_replica
        self.snapshots: FreshLoader[tuple[str, str | None], StockSnapshot] = FreshLoader(
            reads.snapshots, has_replica=fresh
        )
        self.items: FreshLoader[str, Item | None] = FreshLoader(reads.items, has_replica=fresh)
        self.locations: FreshLoader[str, Location | None] = FreshLoader(reads.locations, has_replica=fresh)
        self.channels: FreshLoader[str, Channel | None] = FreshLoader(reads.channels, has_replica=fresh)
        self.channels_served: FreshLoader[str, tuple[Channel, ...]] = FreshLoader(
            reads.channels_served, has_replica=fresh
        )
        self.listings: FreshLoader[str, tuple[Listing, ...]] = FreshLoader(reads.listings, has_replica=fresh)
        self.reservations: FreshLoader[str, Reservation | None] = FreshLoader(reads.reservations, has_replica=fresh)
        self.allocations: FreshLoader[str, Allocation | None] = FreshLoader(reads.allocations, has_replica=fresh)
        self.allocations_of_orders: FreshLoader[OrderKey, Allocation | None] = FreshLoader(
            reads.allocations_of, has_replica=fresh
        )
        self.promises_at_risk: FreshLoader[LevelKey, tuple[PromiseAtRisk, ...]] = FreshLoader(
            reads.promises_at_risk, has_replica=fresh
        )
        self.conflicts: FreshLoader[str, StockConflict | None] = FreshLoader(reads.conflicts, has_replica=fresh)
        # What the ledger names is read where the ledger was written: a row must never be ahead of what it names.
        self.locations_ever_used: DataLoader[str, Location | None] = loader_of(reads.locations_ever_used)
        self.adjustments: DataLoader[str, Adjustment | None] = loader_of(reads.adjustments)
        self.shipments: DataLoader[str, Shipment | None] = loader_of(reads.shipments)
        self.shipments_of_orders: DataLoader[OrderKey, tuple[Shipment, ...]] = loader_of(reads.shipments_of)
        self.api_keys_of: DataLoader[str, tuple[ApiKey, ...]] = loader_of(reads.api_keys_of)
        self.bundles_of: DataLoader[str, tuple[str, ...]] = loader_of(reads.bundles_of)
        self.has_bundles: DataLoader[None, bool] = loader_of(one_for_all(reads.has_bundles))
        self.newest_position: DataLoader[None, int] = loader_of(one_for_all(reads.position))


def loader_of(
    load: Callable[[Sequence[Key]], Awaitable[Sequence[Value]]], *, keys_max: int = KEYS_PER_STATEMENT_MAX
) -> DataLoader[Key, Value]:
    """Return a loader of what `load` reads, which is asked for each key once, and for `keys_max` at a time."""

    async def load_each_once(keys: list[Key]) -> list[Value]:
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, await load(distinct), strict=True))
        return [found[key] for key in keys]

    return SharedLoader(load_fn=load_each_once, cache=False, max_batch_size=keys_max)


def one_for_all(load: Callable[[], Awaitable[Value]]) -> Callable[[Sequence[None]], Awaitable[Sequence[Value]]]:
    """Return what loads one thing for everybody who asks at once."""

    async def load_once(keys: Sequence[None]) -> list[Value]:
        return [await load()] * len(keys)

    return load_once

"""Loaders: reads that happen in the same turn of the event loop, from any request, share one statement.

The rule: a loader never remembers. A WebSocket lives for days, and a remembered answer would be stale stock.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from strawberry.dataloader import DataLoader

from domain.account_records import ApiKey
from domain.adjustments import Adjustment
from domain.ports import Reads, StockSnapshot
from domain.records import Channel, Item, Listing, Location

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

KEYS_PER_STATEMENT_MAX = 5000


class SharedLoader(DataLoader[Key, Value]):
    """A loader for many callers, of which any may go away at any moment.

    Strawberry cancels a batch whose callers have all gone; if that happens before it has begun, the next callers join
    it and wait for ever. So a caller that is cancelled leaves its key in the batch.
    """

    def load(self, key: Key) -> "asyncio.Future[Value]":
        """Return what will be loaded for the key."""
        return asyncio.shield(super().load(key))


class Loaders:
    """One loader for each thing that is read by key; made once a process."""

    def __init__(self, reads: Reads) -> None:
        self.snapshots: DataLoader[tuple[str, str | None], StockSnapshot] = loader_of(reads.snapshots)
        self.items: DataLoader[str, Item | None] = loader_of(reads.items)
        self.locations: DataLoader[str, Location | None] = loader_of(reads.locations)
        self.locations_ever_used: DataLoader[str, Location | None] = loader_of(reads.locations_ever_used)
        self.channels: DataLoader[str, Channel | None] = loader_of(reads.channels)
        self.channels_served: DataLoader[str, tuple[Channel, ...]] = loader_of(reads.channels_served)
        self.listings: DataLoader[str, tuple[Listing, ...]] = loader_of(reads.listings)
        self.api_keys_of: DataLoader[str, tuple[ApiKey, ...]] = loader_of(reads.api_keys_of)
        self.adjustments: DataLoader[str, Adjustment | None] = loader_of(reads.adjustments)
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

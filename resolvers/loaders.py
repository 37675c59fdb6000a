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
        self.snapshots: DataLoader[tuple[str, str | None], StockSnapshot] = _loader(reads.snapshots)
        self.items: DataLoader[str, Item | None] = _loader(reads.items)
        self.locations: DataLoader[str, Location | None] = _loader(reads.locations)
        self.locations_ever_used: DataLoader[str, Location | None] = _loader(reads.locations_ever_used)
        self.channels: DataLoader[str, Channel | None] = _loader(reads.channels)
        self.channels_served: DataLoader[str, tuple[Channel, ...]] = _loader(reads.channels_served)
        self.listings: DataLoader[str, tuple[Listing, ...]] = _loader(reads.listings)
        self.api_keys_of: DataLoader[str, tuple[ApiKey, ...]] = _loader(reads.api_keys_of)
        self.adjustments: DataLoader[str, Adjustment | None] = _loader(reads.adjustments)
        self.newest_position: DataLoader[None, int] = _loader(_one_for_all(reads.position))


def _loader(load: Callable[[Sequence[Key]], Awaitable[Sequence[Value]]]) -> DataLoader[Key, Value]:
    async def load_each_once(keys: list[Key]) -> list[Value]:
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, await load(distinct), strict=True))
        return [found[key] for key in keys]

    return SharedLoader(load_fn=load_each_once, cache=False, max_batch_size=KEYS_PER_STATEMENT_MAX)


def _one_for_all(load: Callable[[], Awaitable[Value]]) -> Callable[[Sequence[None]], Awaitable[Sequence[Value]]]:
    async def load_once(keys: Sequence[None]) -> list[Value]:
        return [await load()] * len(keys)

    return load_once

"""Records what clients see of stock levels: each adjustment and read with the moments of its call and its answer.

The rule: a moment before the call is taken before the request leaves, and one after the answer when it has come, all
on one monotonic clock; so no operation seems shorter than it was.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.faults.caller import NotAnsweredError
from tests.faults.clients import LEVELS, Delivery, Load, levels_in
from tests.faults.journal import Operation as Mutation
from tests.faults.linearizability import NEVER, Adjusted, Happening, LevelName, Operation, Read, Refused, Unknown

SHARE_OF_READS: Final = 0.5
REFUSED_FOR_WANT_OF_STOCK: Final = ("INSUFFICIENT_STOCK",)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Clients that change one level at a time, and read; small quantities, so that refusals are frequent."""

    load: Load
    clients: int
    chance: random.Random
    delta_max: int = 8
    skus_max: int = 2
    operations: list[Operation] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Run all clients until `stopping` is set and their last requests are answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(f"client {number}"))

    @property
    def _skus(self) -> Sequence[str]:
        return self.load.mix.skus[: self.skus_max]

    @property
    def opening(self) -> dict[LevelName, int]:
        """What every level held before."""
        mix = self.load.mix
        return {(sku, place): mix.opening for sku in mix.skus for place in mix.locations}

    async def _client(self, name: str) -> None:
        while not self.stopping.is_set():
            if self.chance.random() < SHARE_OF_READS:
                await self._read(name)
            else:
                await self._adjust(name)

    async def _read(self, name: str) -> None:
        sku = self.chance.choice(self._skus)
        called_at = time.monotonic()
        try:
            data = await self.load.caller.ask(LEVELS, {"skus": [sku]})
        except NotAnsweredError:
            return  # nobody has seen anything
        answered_at = time.monotonic()
        self.operations.extend(
            _operation(level, name, (called_at, answered_at), Read(on_hand))
            for level, on_hand in levels_in(data).items()
        )

    async def _adjust(self, name: str) -> None:
        level = (self.chance.choice(self._skus), self.chance.choice(self.load.mix.locations))
        delta = self.chance.choice([-1, 1]) * self.chance.randint(1, self.delta_max)
        request = self.load.request(Mutation.ADJUST, level[0], {level[1]: delta})
        self.operations.extend(seen_of(await self.load.deliver(request), level=level, client=name, delta=delta))


def seen_of(delivery: Delivery, *, level: LevelName, client: str, delta: int) -> Iterator[Operation]:
    """Yield what a client knows of an adjustment that it sent, under one key, until it was answered.

    An accepted one took effect once, at any moment since it was first sent. A refused one did not at that moment; but
    an earlier attempt that was not answered may still be on its way, and take effect yet.
    """
    if not delivery.codes:
        (movement,) = delivery.payload["adjustment"]["movements"]
        assert movement["delta"] == delta
        moments = (delivery.first_sent_at, delivery.answered_at)
        yield _operation(level, client, moments, Adjusted(delta, movement["balanceAfter"]))
        return
    assert delivery.codes == REFUSED_FOR_WANT_OF_STOCK, delivery.payload
    yield _operation(level, client, (delivery.last_sent_at, delivery.answered_at), Refused(delta))
    if delivery.first_sent_at < delivery.last_sent_at:
        yield _operation(level, client, (delivery.first_sent_at, NEVER), Unknown(delta))


def _operation(level: LevelName, client: str, moments: tuple[float, float], what: Happening) -> Operation:
    return Operation(level=level, client=client, called_at=moments[0], answered_at=moments[1], what=what)

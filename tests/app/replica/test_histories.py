"""Recorded histories of writes and reads while the replica lags at random: no answer is older than the bound.

The judge knows nothing of how reads are routed. A read is judged by when it began, a write by when it was acknowledged,
both by one clock; and it is shown that the judge bites.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import pytest
import strawberry

from app import read_replica
from tests.app.postgres_store import PostgresStore
from tests.app.replica.floor import STALENESS_MS, Floor, floor_on
from tests.servers.standby import StandbyServer

HISTORY_SECONDS: Final = 5.0
READERS: Final = 6
STILL_SECONDS: Final = (0.05, 0.3, 2.0)
"""How long the replica stands still, again and again: hardly, within the bound, and far beyond it."""
SEED: Final = 20260


@dataclass(slots=True)
class History:
    """What was written and read: (acknowledged at, position), and (began at, position answered, position named)."""

    writes: list[tuple[float, int]] = field(default_factory=list)
    reads: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The newest position that was acknowledged so far."""
        return self.writes[-1][1] if self.writes else 0

    def too_old(self) -> list[tuple[float, int, int]]:
        """Return the reads that lack a write acknowledged the bound before they began, or the position named."""
        return [
            (began_at, answered, named)
            for began_at, answered, named in self.reads
            if answered < max(named, self._acknowledged(before=began_at - STALENESS_MS / 1000))
        ]

    def behind(self) -> int:
        """Return how many reads lacked a write that was acknowledged before they began at all."""
        return sum(answered < self._acknowledged(before=began_at) for began_at, answered, _ in self.reads)

    def _acknowledged(self, *, before: float) -> int:
        return max((position for at, position in self.writes if at < before), default=0)


async def recorded(floor: Floor, *, seconds: float) -> History:
    """Let one write and many read while the replica stands still now and then; return what was seen."""
    history = History()
    ends_at = time.monotonic() + seconds

    async def each(work: Callable[[int], Awaitable[None]]) -> None:
        number = 0
        while time.monotonic() < ends_at:
            await work(number)
            number += 1

    async def write(number: int) -> None:
        _, position = await floor.sell(f"sale {number}")
        history.writes.append((time.monotonic(), int(position)))
        await asyncio.sleep(0.005)

    async def read(number: int) -> None:
        named, began_at = history.newest if number % 3 == 0 else 0, time.monotonic()
        answered = await floor.position_seen(at=str(named) if named else None)
        history.reads.append((began_at, answered, named))

    async with asyncio.TaskGroup() as group:
        hindrance = group.create_task(asyncio.to_thread(hinder, floor.standby, ends_at))
        group.create_task(each(write))
        for _ in range(READERS):
            group.create_task(each(read))
    assert await hindrance >= len(STILL_SECONDS) - 1
    return history


def hinder(standby: StandbyServer, ends_at: float) -> int:
    """Let the standby stand still for a while, again and again; return how often it did."""
    chance, times = random.Random(SEED), 0
    while time.monotonic() < ends_at:
        standby.pause()
        time.sleep(min(STILL_SECONDS[times % len(STILL_SECONDS)], max(0.0, ends_at - time.monotonic())))
        standby.resume()
        time.sleep(chance.uniform(0.05, 0.4))
        times += 1
    return times


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that was left is looked at again soon, so that much happens in a short history."""
    monkeypatch.setattr(read_replica, "PAUSE_SECONDS", 0.1)


@pytest.mark.usefixtures("patient")
async def test_no_answer_is_older_than_the_bound_or_than_the_position_named(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema
) -> None:
    """Given a replica that lags at random, then answers are older than the primary's, but never too old."""
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        history = await recorded(floor, seconds=HISTORY_SECONDS)
    print(f"{len(history.writes)} writes, {len(history.reads)} reads, of which {history.behind()} lagged")
    assert history.too_old() == []
    assert history.behind() > 0


@pytest.mark.usefixtures("patient")
async def test_answers_that_nobody_vouches_for_are_noticed(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a gateway that takes every answer of the replica to be new enough, then the judge finds answers too old."""
    monkeypatch.setattr(read_replica.PrimaryPositions, "vouched", lambda *_: 0)
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        history = await recorded(floor, seconds=HISTORY_SECONDS)
    assert history.too_old() != []
    assert [one for one in history.too_old() if one[1] < one[2]] == []


@pytest.mark.usefixtures("patient")
async def test_answers_below_the_position_named_are_noticed(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a gateway that takes no notice of positions, then the judge finds that they were not reached."""
    monkeypatch.setattr("resolvers.freshness.position_from", lambda *_, **__: 0)
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        history = await recorded(floor, seconds=HISTORY_SECONDS / 2)
    assert [one for one in history.too_old() if one[1] < one[2]] != []

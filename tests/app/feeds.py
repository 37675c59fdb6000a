"""Feeds for tests; the one rule: a feed works only where a test lets it, by itself or a page at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

from app.event_feed import EventFeed
from app.event_retention import EventRetention
from app.storage.database import Database
from domain.catalogue import ItemUpsert
from domain.ports import RecordedEvent
from tests.app.shop import WAIT_SECONDS_MAX, Shop, accepted, within

Run = tuple[RecordedEvent, ...]
NEVER_SECONDS = 3600.0
POLL_SECONDS = 0.02
TURNS_TO_TELL = 5
"""So many turns of the loop bring news from the feed to a follower that waits."""


class FeedLimits(TypedDict, total=False):
    """The feed's limits; those left out are wide, but for a short poll."""

    events_kept: int
    page_events: int
    poll_seconds: float
    read_deadline_seconds: float


def feed_on(database: Database, **limits: Unpack[FeedLimits]) -> EventFeed:
    """Return a feed that nobody runs yet."""
    return EventFeed(
        database,
        events_kept=limits.get("events_kept", 1000),
        page_events=limits.get("page_events", 100),
        poll_seconds=limits.get("poll_seconds", POLL_SECONDS),
        read_deadline_seconds=limits.get("read_deadline_seconds", WAIT_SECONDS_MAX),
    )


@asynccontextmanager
async def running_feed(feed: EventFeed) -> AsyncIterator[EventFeed]:
    """Let the feed work by itself; stop it at the end."""
    work = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        feed.stop()
        await within(work)


async def positions(stream: AsyncIterator[Run], *, to: int) -> list[int]:
    """Return the positions of what comes, up to the position `to`."""
    found: list[int] = []
    while not found or found[-1] < to:
        found += [recorded.position for recorded in await within(anext(stream))]
    return found


async def live(feed: EventFeed, shop: Shop) -> tuple[AsyncIterator[Run], int]:
    """Return a follower that is live, and the last position that it was given: the newest that the feed has read.

    Nobody else runs the feed meanwhile.
    """
    stream = feed.follow(None)
    first = asyncio.ensure_future(anext(stream))
    last = 0
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not first.done():
            last = await append(shop, 1)
            await feed.run_once()
            for _ in range(TURNS_TO_TELL):
                await asyncio.sleep(0)
        position = first.result()[-1].position
        while position < last:
            position = (await anext(stream))[-1].position
    return stream, position


async def append(shop: Shop, count: int) -> int:
    """Append so many events and return the position of the last."""
    begin = await shop.reads.position()
    names = range(begin, begin + count)
    outcomes = await shop.batch(*(ItemUpsert(sku=f"NEW-{number:04d}", fields={}) for number in names))
    return accepted(outcomes[-1]).position


async def forget(shop: Shop, *, to: int) -> int:
    """Let the events up to the position `to` grow old and be forgotten; return how many there were."""
    await shop.store.change(f"UPDATE events SET recorded_at = 0 WHERE position <= {to}")
    retention = EventRetention(shop.database, keep_for=timedelta(days=365), clock=lambda: datetime.now(UTC))
    return await retention.run_once()


class HandsOver(logging.Handler):
    """Calls a function with each record's text."""

    def __init__(self, to: Callable[[str], None]) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record over."""
        self._to(record.getMessage())


@contextmanager
def hearing(logger: str, to: Callable[[str], None]) -> Iterator[None]:
    """Call a function with whatever a logger says."""
    handler = HandsOver(to)
    logging.getLogger(logger).addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger(logger).removeHandler(handler)

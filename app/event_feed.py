"""The event feed: follows the log for all subscribers of this process.

The rule: the log is the truth and a wake-up is a hint. A lost hint costs one poll, never an event. Each subscriber
pulls from a window of recent events at its own pace; one that was live and falls out of the window is told so with
its last position, never silently skipped.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import TypeVar

from app.storage import events
from app.storage.database import Database, TransientError
from app.storage.statements import Script, run
from domain.catalogue import LocationArchived, LocationUpserted
from domain.ports import PositionExpired, RecordedEvent, SubscriberTooSlow, Unavailable
from domain.text import is_code

logger = logging.getLogger("stockgate.feed")

Result = TypeVar("Result")
RETRY_AFTER_MS = 1000


class EventFeed:
    """Implements the port `Feed`: one reader of the log, any number of subscribers."""

    def __init__(
        self,
        database: Database,
        *,
        events_kept: int,
        page_events: int,
        poll_seconds: float,
        read_deadline_seconds: float,
    ) -> None:
        self._database = database
        self._window: deque[RecordedEvent] = deque(maxlen=events_kept)
        self._page_events = page_events
        self._poll_seconds = poll_seconds
        self._read_deadline_seconds = read_deadline_seconds
        self._head = 0
        self._followers = 0
        self._hint = asyncio.Event()
        self._news = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Say that there may be new events."""
        self._hint.set()

    async def run(self) -> None:
        """Follow the log until `stop`; an unreachable database is tried again at the next poll."""
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), timeout=self._poll_seconds)
            self._hint.clear()
            try:
                while await self.run_once() == self._page_events:
                    pass
            except Unavailable as error:
                logger.warning("the event log cannot be read now: %r", error.__cause__)

    async def run_once(self) -> int:
        """Read one page of new events, hand it on, and return how many there were."""
        if not self._followers:
            return 0
        page = await self._page(self._head)
        # While the page was read, the last follower may have left and a new one begun elsewhere.
        if page and page[0].position == self._head + 1:
            self._window.extend(page)
            self._head = page[-1].position
            self._announce()
        return len(page)

    def stop(self) -> None:
        """End `run` and every subscription."""
        self._stopping = True
        self._hint.set()
        self._announce()

    async def follow(self, after: int | None) -> AsyncIterator[tuple[RecordedEvent, ...]]:
        """Yield every event after the position (None: from now on), in order, a run at a time, for ever."""
        position = await self._join(after)
        try:
            is_live = False
            while not self._stopping:
                news = self._news
                if position >= self._head:
                    is_live = True
                    await news.wait()
                    continue
                batch = self._window_after(position)
                if not batch:
                    if is_live:
                        raise SubscriberTooSlow(position)
                    batch = await self._kept_page(position)
                position = batch[-1].position
                yield batch
        finally:
            self._followers -= 1

    async def skus_changed_since(
        self, position: int, *, among: Sequence[str] | None, after: str | None, limit: int
    ) -> list[str]:
        """Return SKUs with an event after the position, in order, a page at a time. Raises PositionExpired."""
        await self._check_kept(position)
        rows = await self._read(
            lambda: run(
                events.skus_changed(is_narrowed=among is not None),
                after=position,
                beyond=after or "",
                limit=limit,
                among=[sku for sku in among or () if is_code(sku)],
            )
        )
        return [row[0] for row in rows]

    async def places_changed_since(self, position: int) -> list[str]:
        """Return the codes of locations with an event after the position. Raises PositionExpired."""
        await self._check_kept(position)
        rows = await self._read(lambda: run(events.place_events_after, after=position))
        changed = (recorded.event for recorded in events.recorded_events(rows))
        return sorted({e.location.code for e in changed if isinstance(e, LocationUpserted | LocationArchived)})

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _window_after(self, position: int) -> tuple[RecordedEvent, ...]:
        """Return what the window holds after the position; nothing when it begins later than that."""
        if not self._window or self._window[0].position > position + 1:
            return ()
        # Positions are dense, so the place in the window is plain arithmetic.
        first = position + 1 - self._window[0].position
        return tuple(islice(self._window, first, first + self._page_events))

    async def _join(self, after: int | None) -> int:
        """Count one follower more and return the position after which it begins. Raises PositionExpired."""
        if after is not None:
            await self._check_kept(after)
        head = await self._log_head()
        if not self._followers:
            # Nobody listened, so nothing was read: the feed goes on from here.
            self._window.clear()
            self._head = head
        self._followers += 1
        return head if after is None else after

    async def _check_kept(self, position: int) -> None:
        oldest, head = (await self._read(lambda: run(events.kept_range)))[0]
        first_kept = head + 1 if oldest is None else oldest
        if position < first_kept - 1 or position > head:
            raise PositionExpired

    async def _log_head(self) -> int:
        rows = await self._read(lambda: run(events.kept_range))
        head: int = rows[0][1]
        return head

    async def _page(self, after: int) -> tuple[RecordedEvent, ...]:
        return events.recorded_events(
            await self._read(lambda: run(events.events_after, after=after, limit=self._page_events))
        )

    async def _kept_page(self, after: int) -> tuple[RecordedEvent, ...]:
        page = await self._page(after)
        if not page or page[0].position != after + 1:
            raise PositionExpired
        return page

    async def _read(self, script: Callable[[], Script[Result]]) -> Result:
        try:
            async with asyncio.timeout(self._read_deadline_seconds):
                return await self._database.read(script, is_single_statement=True)
        except (TransientError, TimeoutError) as error:
            raise Unavailable("The event log cannot be read now.", retry_after_ms=RETRY_AFTER_MS) from error

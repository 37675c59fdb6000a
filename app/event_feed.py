"""The event feed: follows the log for all subscribers of this process.

The rule: the log is the truth and a wake-up is a hint. A lost hint costs one poll, never an event. Each subscriber
pulls from a window of recent events at its own pace; one that was live and falls out of the window is told so with
its last position, never silently skipped.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import islice
from typing import TypeVar

from app.storage import events
from app.storage.database import Database, TransientError
from app.storage.statements import Script, run
from domain.ports import ChangedSince, PositionExpired, RecordedEvent, Stopping, SubscriberTooSlow, Unavailable

logger = logging.getLogger("stockgate.feed")

Result = TypeVar("Result")
RETRY_AFTER_MS = 1000
STRETCH_POSITIONS = 20_000


class News:
    """What all followers wait for together: that something happened, or that nothing more will."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.failure: Unavailable | None = None


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
        self._news = News()
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
            except Exception:  # whatever it was, followers must not wait for events that never come
                logger.exception("the event log cannot be understood; its followers are told to come again")
                self._end_followers(Unavailable("The event log cannot be read now.", retry_after_ms=RETRY_AFTER_MS))

    async def run_once(self) -> int:
        """Read one page of new events, hand it on, and return how many there were."""
        if not self._followers:
            return 0
        head = self._head
        page = await self._page(head)
        # While the page was read, the last follower may have left and a new one begun elsewhere.
        if not page or self._head != head:
            return 0
        if page[0].position != head + 1:
            # What lies between is no longer kept; who has not seen it falls out of the window and is told so.
            self._window.clear()
        self._window.extend(page)
        self._head = page[-1].position
        self._announce()
        return len(page)

    def stop(self) -> None:
        """End `run` and every subscription."""
        self._stopping = True
        self._hint.set()
        self._end_followers(_stopping())

    async def follow(self, after: int | None) -> AsyncIterator[tuple[RecordedEvent, ...]]:
        """Yield every event after the position (None: from now on), in order, a run at a time, for ever."""
        position = await self._join(after)
        news = self._news
        try:
            is_live = False
            while True:
                if self._stopping or news.failure is not None:
                    raise news.failure or _stopping()
                news = self._news
                if position >= self._head:
                    is_live = True
                    await news.happened.wait()
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

    async def changes_after(self, position: int) -> AsyncIterator[ChangedSince]:
        """Yield what changed after the position up to now, a stretch of the log at a time. Raises PositionExpired."""
        head = await self._log_head_if_kept(position)
        while position < head:
            end = min(position + STRETCH_POSITIONS, head)
            rows = await self._read(partial(run, events.subjects_between, after=position, upto=end))
            # Events are only ever forgotten from the front: what is kept after the read was kept while it ran.
            await self._log_head_if_kept(position)
            yield events.changed_since(rows, end=end)
            position = end

    def _announce(self) -> None:
        self._news.happened.set()
        self._news = News()

    def _end_followers(self, failure: Unavailable) -> None:
        self._news.failure = failure
        self._announce()

    def _window_after(self, position: int) -> tuple[RecordedEvent, ...]:
        """Return what the window holds after the position; nothing when it begins later than that."""
        if not self._window or self._window[0].position > position + 1:
            return ()
        # Positions are dense, so the place in the window is plain arithmetic.
        first = position + 1 - self._window[0].position
        return tuple(islice(self._window, first, first + self._page_events))

    async def _join(self, after: int | None) -> int:
        """Count one follower more and return the position after which it begins. Raises PositionExpired."""
        head = (await self._kept_range())[1] if after is None else await self._log_head_if_kept(after)
        if not self._followers:
            # Nobody listened, so nothing was read: the feed goes on from here.
            self._window.clear()
            self._head = head
        self._followers += 1
        # What was committed since the head was read may have hinted at nobody.
        self._hint.set()
        return head if after is None else after

    async def _log_head_if_kept(self, position: int) -> int:
        """Return the newest position. Raises PositionExpired when events after `position` are no longer kept."""
        first_kept, head = await self._kept_range()
        if position < first_kept - 1 or position > head:
            raise PositionExpired
        return head

    async def _kept_range(self) -> tuple[int, int]:
        """Return the oldest position that is kept (of an empty log: the next one), and the newest."""
        oldest, head = (await self._read(lambda: run(events.kept_range)))[0]
        return (head + 1 if oldest is None else oldest, head)

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


def _stopping() -> Stopping:
    return Stopping("The gateway is stopping; resume after your last position.", retry_after_ms=RETRY_AFTER_MS)

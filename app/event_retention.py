"""Retention: forgets events that nobody may replay any more; the ledger itself is kept for ever."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from app.storage import events
from app.storage.database import Database, TransientError
from app.storage.leases import LeaseLost
from app.storage.statements import run
from app.storage.times import to_microseconds

logger = logging.getLogger("stockgate.retention")

EVENTS_PER_RUN = 1000
PAUSE_SECONDS = 60.0


class EventRetention:
    """Deletes old events, a bounded number at a time, so that the writer never waits long for it."""

    def __init__(self, database: Database, *, keep_for: timedelta, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keep_for = keep_for
        self._clock = clock
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Look for old events now and then, until `stop`. Raises LeaseLost when another process does that now."""
        while not self._stopping.is_set():
            try:
                is_behind = await self.run_once() == EVENTS_PER_RUN
            except TransientError as error:
                logger.warning("old events cannot be deleted now: %s", error)
                is_behind = False
            except LeaseLost:
                raise
            except Exception:  # keeping old events a little longer harms nobody; a dead worker does
                logger.exception("old events cannot be deleted")
                is_behind = False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=0.1 if is_behind else PAUSE_SECONDS)

    async def run_once(self) -> int:
        """Delete at most EVENTS_PER_RUN old events, and return how many there were."""
        before = to_microseconds(self._clock() - self._keep_for)
        script = partial(run, events.forget_events, before=before, limit=EVENTS_PER_RUN)
        return len(await self._database.write(script, keeps=bool))

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

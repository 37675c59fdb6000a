"""A read replica: asked first for what may lag a little, and believed only as far as positions vouch for its answers.

The rule: an answer is given only if it holds all that was acknowledged `staleness_seconds_max` before it was asked for.
No clock of a server is trusted with that. A worker asks the primary for the log's head every so often; an answer of the
replica says which position it has reached, and that must be no less than what the primary had reached at some moment
within the bound. Whatever cannot be vouched for is left to the primary, so that the replica fails nobody.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from app.settings import Settings
from app.storage import reads
from app.storage.database import Database
from app.storage.opening import described, open_database, open_replica
from app.storage.statements import Rows, Script, run

logger = logging.getLogger("stockgate.replica")

Placed: TypeAlias = Callable[[], Script[tuple[int, Rows]]]
"""Makes a script of one step, which returns a position that its answer has reached, and the answer's rows."""

SAMPLES_PER_BOUND: Final = 4
"""How often within the bound the primary is asked where it stands; the rest of the bound is left for the lag."""
WATCH_SECONDS_MAX: Final = 1.0
"""How long the watch waits at the most: for an answer, and between two looks."""
PAUSE_SECONDS: Final = 1.0
"""How long a replica that was left is not asked at all."""
MS: Final = 1000.0


class PrimaryPositions:
    """What the primary is known to have reached, and since when at the latest."""

    def __init__(self, *, staleness_seconds_max: float) -> None:
        self._staleness_seconds_max = staleness_seconds_max
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, *, asked_at: float, position: int) -> None:
        """Remember that the primary, asked at a moment, had reached a position."""
        self._samples.append((asked_at, position))

    def vouched(self, at: float) -> int | None:
        """Return the position that an answer, asked for at a moment, must have reached; None when nobody can tell.

        Of all samples within the bound the oldest will do. Moments are to be asked for in their order.
        """
        while self._samples and self._samples[0][0] < at - self._staleness_seconds_max:
            self._samples.popleft()
        return self._samples[0][1] if self._samples else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaLimits:
    """How stale an answer may be, and how long one may take, so that the primary can still be asked; in seconds."""

    staleness_seconds_max: float
    deadline_seconds: float

    @property
    def watch_deadline_seconds(self) -> float:
        """How long the watch waits for an answer: a later one would be of no use."""
        return min(self.staleness_seconds_max, WATCH_SECONDS_MAX)

    @property
    def watch_pause_seconds(self) -> float:
        """How long the watch rests between two looks."""
        return min(self.staleness_seconds_max / SAMPLES_PER_BOUND, WATCH_SECONDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSessions:
    """The sessions that a replica needs: those of the readers, and two that wait behind no reader."""

    readers: Database
    watch: Database
    primary_watch: Database

    async def close(self) -> None:
        """Close them all."""
        await asyncio.gather(self.readers.close(), self.watch.close(), self.primary_watch.close())


class ReadReplica:
    """One replica of the primary: in use, or left for now. `name` is what the log calls it."""

    def __init__(self, sessions: ReplicaSessions, limits: ReplicaLimits, *, name: str) -> None:
        self._sessions = sessions
        self._limits = limits
        self._name = name
        self._primary = PrimaryPositions(staleness_seconds_max=limits.staleness_seconds_max)
        self._is_used: bool | None = None  # before the first look
        self._left_at = 0.0
        self._paused_until = 0.0
        self._in_flight: set[asyncio.Timeout] = set()
        self._stopping = asyncio.Event()
        self.answered = 0
        """How many reads it has answered since it is in use."""
        self.passed_on = 0
        """How many reads went on to the primary since it is in use, or since it was left."""

    @property
    def is_used(self) -> bool:
        """Whether reads go to the replica first."""
        return self._is_used is True

    async def read(self, placed: Placed, *, at_least: int) -> Rows | None:
        """Return what the replica answers; None when the primary has to be asked. Never raises but when cancelled."""
        vouched = self._primary.vouched(_now()) if self._is_used else None
        rows = None if vouched is None else await self._ask(placed, vouched=vouched, at_least=at_least)
        if rows is None:
            self.passed_on += 1
        else:
            self.answered += 1
        return rows

    async def run(self) -> None:
        """Watch the primary and the replica, several times within the bound, until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.run_once()
            except Exception:  # without samples nothing is vouched for, and the primary answers all
                logger.exception("the read replica %s cannot be watched", self._name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=self._limits.watch_pause_seconds)

    async def run_once(self) -> bool:
        """Ask the primary where it stands, then the replica unless it was just left; return whether it is in use."""
        asked_at, seconds = _now(), self._limits.watch_deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                position = await _head_of(self._sessions.primary_watch)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told once, and tried again
            if self._primary.vouched(_now()) is None:
                self._leave(f"the primary does not say where it stands: {_why(error, seconds)}")
            return self.is_used
        self._primary.add(asked_at=asked_at, position=position)
        if _now() >= self._paused_until:
            await self._look()
        return self.is_used

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def _ask(self, placed: Placed, *, vouched: int, at_least: int) -> Rows | None:
        try:
            async with asyncio.timeout(self._limits.deadline_seconds) as deadline:
                self._in_flight.add(deadline)
                try:
                    position, rows = await self._sessions.readers.read(placed, is_single_statement=True)
                finally:
                    self._in_flight.discard(deadline)
        except Exception as error:  # noqa: BLE001  # whatever it is, the primary is asked the same, and may answer
            self._leave(_why(error, self._limits.deadline_seconds))
            return None
        if position < vouched:
            self._leave(_behind(position, vouched))
        return rows if position >= max(vouched, at_least) else None

    async def _look(self) -> None:
        """Find out whether the replica can be used now."""
        seconds = self._limits.watch_deadline_seconds
        vouched = self._primary.vouched(_now())
        if vouched is None:
            return
        try:
            async with asyncio.timeout(seconds):
                problem = await self._problem(vouched)
        except Exception as error:  # noqa: BLE001  # whatever it is, reads go to the primary
            problem = _why(error, seconds)
        if problem is not None:
            self._leave(problem)
        elif _now() >= self._paused_until:  # no reader has left it meanwhile
            self._use()

    async def _problem(self, vouched: int) -> str | None:
        """Return why the replica cannot be used, in a few words."""
        if not self.is_used and not await self._is_copy():
            return "it is no replica of the primary, but another database"
        position = await _head_of(self._sessions.watch)
        return _behind(position, vouched) if position < vouched else None

    async def _is_copy(self) -> bool:
        identity = partial(run, reads.cluster_identity)
        primary = await self._sessions.primary_watch.read(identity, is_single_statement=True)
        own = await self._sessions.watch.read(identity, is_single_statement=True)
        return tuple(primary[0]) == tuple(own[0])

    def _use(self) -> None:
        if self._is_used is None:
            logger.info("the read replica %s is used", self._name)
        elif not self._is_used:
            logger.warning(
                "the read replica %s is used again after %.1f s, in which the primary was asked for %d reads",
                self._name,
                _now() - self._left_at,
                self.passed_on,
            )
        else:
            return
        self._is_used = True
        self.answered = self.passed_on = 0

    def _leave(self, reason: str) -> None:
        self._paused_until = _now() + PAUSE_SECONDS
        if self._is_used is False:
            return
        logger.warning(
            "the read replica %s is not used for now: %s (it had answered %d reads; the primary was asked for %d)",
            self._name,
            reason,
            self.answered,
            self.passed_on,
        )
        self._is_used = False
        self._left_at = _now()
        self.answered = self.passed_on = 0
        for deadline in self._in_flight:
            if not deadline.expired():
                # Who still waits for the replica asks the primary now.
                deadline.reschedule(_now())


@contextlib.asynccontextmanager
async def read_replica(settings: Settings) -> AsyncIterator[ReadReplica | None]:
    """Return the replica that the settings name, if any, not yet watched by anybody; close its sessions at the end."""
    if settings.read_database_url is None:
        yield None
        return
    limits = ReplicaLimits(
        staleness_seconds_max=settings.read_staleness_ms_max / MS, deadline_seconds=settings.read_deadline_ms / MS / 2
    )
    sessions = ReplicaSessions(
        readers=await open_replica(settings, read_connections=settings.read_connections),
        watch=await open_replica(settings, read_connections=1),
        primary_watch=await open_database(settings, read_connections=1),
    )
    try:
        yield ReadReplica(sessions, limits, name=settings.read_database_name)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.shutdown_deadline_ms / MS):
                await sessions.close()


async def _head_of(database: Database) -> int:
    rows = await database.read(partial(run, reads.head_position), is_single_statement=True)
    head: int = rows[0][0]
    return head


def _why(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"it does not answer within {seconds:g} s"
    return described(error)


def _behind(position: int, vouched: int) -> str:
    return f"it lacks {vouched - position} of the events that it should have by now"


def _now() -> float:
    return asyncio.get_running_loop().time()

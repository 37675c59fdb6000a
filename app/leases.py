"""Background work that is done in one process at a time, under a lease that is kept in the database.

The rule: two processes never work at once. The one that holds the lease stops by its own clock before the lease can
have run out, and every transaction of its work proves that the lease is still held, so that a process which was paused
changes nothing beside its successor.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from app.storage import leases
from app.storage.database import Database, TransientError
from app.storage.leases import Lease, LeaseLost
from app.storage.statements import Script

logger = logging.getLogger("stockgate.leases")

Result = TypeVar("Result")
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """How long a lease runs, how often it is renewed, and how often the others look whether it is free, in seconds.

    `margin_seconds` before the lease runs out its holder has stopped: more than two clocks drift apart meanwhile.
    """

    lease_seconds: float = 6.0
    renewal_seconds: float = 2.0
    margin_seconds: float = 1.0
    look_seconds: float = 1.0

    def end_of(self, began: float) -> float:
        """Return until when a lease may be relied on that was asked for at `began`, by the same clock."""
        return began + self.lease_seconds - self.margin_seconds


class Worker(Protocol):
    """Work without an end."""

    async def run(self) -> None:
        """Work until `stop`. Raises LeaseLost once it finds that its lease is another's."""
        ...

    def stop(self) -> None:
        """End `run` when what is begun is done."""
        ...


class FencedDatabase:
    """The database of work under a lease: what it writes is kept only while the lease is held."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease

    async def write(self, script: Callable[[], Script[Result]], *, keeps: Callable[[Result], bool]) -> Result:
        """Run a script in one write transaction. Raises LeaseLost when the lease is no longer ours."""
        return await self._database.write(partial(leases.fenced, self._lease, script), keeps=keeps)

    async def read(self, script: Callable[[], Script[Result]], *, is_single_statement: bool = False) -> Result:
        """Run a script of reads on one snapshot."""
        return await self._database.read(script, is_single_statement=is_single_statement)

    async def close(self) -> None:
        """Leave the database open: it is not this work's alone."""


class LeasedWorker:
    """Does some work whenever this process holds the lease of that name.

    `work` makes the worker anew for each holding, on a database whose every write is fenced by the lease.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str,
        work: Callable[[Database], Worker],
        holder: str | None = None,
        times: LeaseTimes | None = None,
    ) -> None:
        self._database = database
        self._name = name
        self._work = work
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}"
        self._times = times or LeaseTimes()
        self._stopping = asyncio.Event()
        self._told = ""

    async def run(self) -> None:
        """Work while the lease is ours and look for it while it is not, until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.run_once()
                self._told = ""
            except (TimeoutError, TransientError) as error:
                self._tell(logging.WARNING, error)
            except Exception as error:  # noqa: BLE001  # this process must not drop out of those that may do the work
                self._tell(logging.ERROR, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=self._times.look_seconds)

    async def run_once(self) -> bool:
        """Take the lease if it is free, and work until it is lost or `stop`; return whether it was free.

        Raises TimeoutError and TransientError.
        """
        async with asyncio.timeout(self._times.renewal_seconds):
            look = partial(leases.holder_now, self._name)
            if await self._database.read(look, is_single_statement=True) is not None:
                return False
            began = asyncio.get_running_loop().time()
            microseconds = int(self._times.lease_seconds * MICROSECONDS)
            take = partial(leases.take, self._name, holder=self._holder, microseconds=microseconds)
            lease = await self._database.write(take, keeps=lambda taken: taken is not None)
        if lease is None:
            return False
        holding = Holding(self._database, lease, self._times, until=self._times.end_of(began))
        await holding.use(self._work, self._stopping)
        return True

    def stop(self) -> None:
        """End the work and `run`, and give the lease back."""
        self._stopping.set()

    def _tell(self, level: int, error: Exception) -> None:
        """Log why the lease is not ours, once as long as it stays the same reason."""
        if repr(error) != self._told:
            self._told = repr(error)
            trace = error if level >= logging.ERROR else None
            logger.log(level, "whether %s is to run here cannot be told now: %r", self._name, error, exc_info=trace)


class Holding:
    """One term of a lease. Until `until`, by the event loop's clock, it is ours whatever becomes of the database."""

    def __init__(self, database: Database, lease: Lease, times: LeaseTimes, *, until: float) -> None:
        self._database = database
        self._lease = lease
        self._times = times
        self._until = until

    async def use(self, make: Callable[[Database], Worker], stopping: asyncio.Event) -> None:
        """Work, renewing the lease, until it is lost, or something says stop; then give it back."""
        logger.info("%s runs in this process from now on (term %d)", self._lease.name, self._lease.term)
        worker = make(FencedDatabase(self._database, self._lease))
        working = asyncio.create_task(worker.run(), name=self._lease.name)
        keeping = asyncio.create_task(self._keep())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((working, keeping, stop), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
            else:
                worker.stop()
                await asyncio.wait((working,), timeout=self._seconds_left)
        finally:
            for task in (working, keeping, stop):
                task.cancel()
            await asyncio.wait((working, keeping, stop), timeout=self._times.margin_seconds)
        self._tell_how_it_ended(working)
        if working.done():
            await self._give_back()

    async def _keep(self) -> None:
        """Renew the lease, until it is another's or can no longer be relied on."""
        while self._seconds_left > 0:
            await asyncio.sleep(min(self._times.renewal_seconds, self._seconds_left))
            if not await self._renew():
                return

    async def _renew(self) -> bool:
        """Let the lease run on, if the database can do that now; return False when it is another's."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._until):
                is_kept = await self._database.write(partial(leases.renew, self._lease), keeps=bool)
        except (TimeoutError, TransientError) as error:
            logger.warning("the lease of %s cannot be renewed now: %r", self._lease.name, error)
            return True
        self._until = self._times.end_of(began)
        return is_kept

    async def _give_back(self) -> None:
        """Let another process take the lease at once, if the database can be told in time."""
        with contextlib.suppress(TimeoutError, TransientError):
            async with asyncio.timeout(self._times.margin_seconds):
                await self._database.write(partial(leases.give_back, self._lease), keeps=bool)

    def _tell_how_it_ended(self, working: "asyncio.Task[None]") -> None:
        name = self._lease.name
        if not working.done():
            logger.error("%s does not end; its lease is left to run out", name)
        elif working.cancelled() or isinstance(working.exception(), LeaseLost):
            logger.warning("%s was cut short in this process: its lease is lost, or its end did not come in time", name)
        elif working.exception() is not None:
            logger.error("%s has failed", name, exc_info=working.exception())
        else:
            logger.info("%s no longer runs in this process", name)

    @property
    def _seconds_left(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

"""The parent of several serving processes: it keeps their number, and replaces them one after the other when told to.

The rule: while it lives, the port is open, and while it is not told to stop, there are workers behind the port. uvicorn
has a supervisor of its own; it starts a dead worker again at once however often it dies, does not end with its parent's
death, waits without a limit for one that does not stop, and cannot be stopped while it replaces workers. So this one is
ours.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, Self

from app.acceptor import NOT_TAKING, ConnectionCounts
from app.worker_process import Assignment, Word, WorkerProcess

logger = logging.getLogger("stockgate.supervisor")

STAGES_OF_A_STOP: Final = 4
"""A worker that stops finishes its requests, its workers (in two steps) and its database, each within the deadline."""
SLACK_SECONDS: Final = 2.0
KILLED: Final = 1
"""The exit code when a worker had to be killed, because it did not stop in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long is waited for what, in seconds."""

    patience: float = 1.0
    """Until a worker whose gateway is not open yet takes requests all the same, where no other worker answers."""
    ready: float = 60.0
    """The same where another one does; and for one that is to replace another."""
    stop: float = 22.0
    """For one that was asked to end."""
    silence: float = 30.0
    """Until one of which nothing is heard is taken for stuck."""
    watch: float = 1.0
    """Between two looks for such."""
    stable: float = 10.0
    """What is no short life."""
    pause: float = 0.25
    """Before one is started again after a short life; it doubles with each."""
    pause_max: float = 10.0
    """The longest pause."""

    @classmethod
    def stopping_within(cls, deadline_seconds: float) -> Self:
        """Return the times for workers that have the deadline for each stage of their stop."""
        return cls(stop=STAGES_OF_A_STOP * deadline_seconds + SLACK_SECONDS)

    def pause_after(self, short_lives: int) -> float:
        """Return the pause after so many short lives in a row."""
        return 0.0 if short_lives == 0 else float(min(self.pause_max, self.pause * 2 ** min(short_lives - 1, 32)))


class Ready(Protocol):
    """What is told once that every worker answers requests."""

    def __call__(self, *, is_open: bool) -> None:
        """Take note of whether callers need no key."""
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """The place of one worker; whoever has the turn may put another one into it."""

    worker: WorkerProcess | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Supervisor:
    """Keeps `count` workers on the listening socket."""

    def __init__(
        self, listener: socket.socket, *, count: int, environment: Mapping[str, str], times: Times, on_ready: Ready
    ) -> None:
        self._listener = listener
        self._environment = environment
        self._times = times
        self._on_ready = on_ready
        self._slots = [Slot() for _ in range(count)]
        self._workers: set[WorkerProcess] = set()
        # One worker more than there are places, for one that is to replace another.
        self._counts = ConnectionCounts.for_processes(count + 1)
        self._cells = list(range(count + 1))
        self._has_been_ready = False
        self._stopping = asyncio.Event()
        self._restart_wanted = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Keep the workers until a signal says stop, end them, and return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._restart_wanted.set)
        work = (*(self._keep(slot) for slot in self._slots), self._restart_on_demand(), self._watch())
        tasks = [asyncio.create_task(one) for one in work]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.wait((stopping, *tasks))
            await self._end_all()
            self._counts.close()
        for task in done:
            task.result()
        return self._exit_code

    async def _keep(self, slot: Slot) -> None:
        """Start the slot's worker again whenever it dies."""
        short_lives = 0
        while True:
            async with slot.turn:
                if slot.worker is None or slot.worker.has_ended:
                    slot.worker = await self._started()
            worker = slot.worker
            await asyncio.wait((worker.ended,))
            if slot.worker is not worker:
                short_lives = 0
                continue
            if not self._has_been_ready and (worker.exit_code or 0) > 0:
                # It has said why. Another one would end in the same way.
                self._exit_code = worker.exit_code or 0
                self._stopping.set()
            short_lives = 0 if worker.lived_seconds >= self._times.stable else short_lives + 1
            pause = self._times.pause_after(short_lives)
            logger.error("worker %d ended (%s); another starts in %g s", worker.pid, worker.how_it_ended, pause)
            await asyncio.sleep(pause)

    async def _restart_on_demand(self) -> None:
        """Replace all workers, one after the other, as often as that is wanted."""
        while True:
            await self._restart_wanted.wait()
            self._restart_wanted.clear()
            logger.info("all workers are restarted, one after the other")
            for slot in self._slots:
                async with slot.turn:
                    if not await self._replace(slot):
                        logger.error("the restart is given up; those that were to be replaced go on")
                        break
            else:
                logger.info("all workers have been restarted")

    async def _replace(self, slot: Slot) -> bool:
        """Put a new worker into the slot, and end the old one once the new one answers; return whether it does."""
        new = await self._started()
        if not await new.becomes_ready(within_seconds=self._times.ready):
            logger.error("the new worker %d does not come to answer requests", new.pid)
            await self._end(new)
            return False
        old, slot.worker = slot.worker, new
        if old is not None:
            await self._end(old)
        return True

    async def _watch(self) -> None:
        """Kill workers that are stuck; they are started again like others that die."""
        while True:
            await asyncio.sleep(self._times.watch)
            for worker in self._workers:
                if worker.silent_seconds > self._times.silence and not worker.has_ended:
                    logger.error("worker %d is stuck, and is killed", worker.pid)
                    worker.signal(signal.SIGKILL)

    async def _started(self) -> WorkerProcess:
        """Start a worker, trying again when the system has no room for it."""
        failures = 0
        while True:
            cell = self._cells.pop()
            try:
                worker = await WorkerProcess.start(
                    partial(self._assignment, cell), environment=self._environment, on_word=self._hear
                )
            except OSError as error:
                self._cells.append(cell)
                failures += 1
                logger.error("no worker can be started now: %s", error)
                await asyncio.sleep(self._times.pause_after(failures))
            else:
                self._workers.add(worker)
                worker.ended.add_done_callback(partial(self._forget, worker, cell))
                logger.info("worker %d has started", worker.pid)
                return worker

    def _assignment(self, cell: int, line: int) -> Assignment:
        # While others answer requests, one that cannot do so yet leaves them to these.
        patience = self._times.ready if any(one.is_ready for one in self._workers) else self._times.patience
        return Assignment(
            listener=self._listener.fileno(),
            line=line,
            counts=self._counts.file,
            cell=cell,
            patience_seconds=patience,
        )

    def _forget(self, worker: WorkerProcess, cell: int, _: "asyncio.Task[int]") -> None:
        self._workers.discard(worker)
        # A worker that was killed did not say that it takes no more.
        self._counts.tell(cell, NOT_TAKING)
        self._cells.append(cell)

    def _hear(self, word: Word) -> None:
        if not self._has_been_ready and all(one.worker is not None and one.worker.is_ready for one in self._slots):
            self._has_been_ready = True
            # By itself, so that whatever becomes of it ends nothing here.
            ready = partial(self._on_ready, is_open=word is Word.READY_AND_OPEN)
            asyncio.get_running_loop().call_soon(ready)

    def _stop(self, number: signal.Signals) -> None:
        if self._stopping.is_set() and number == signal.SIGINT:
            # Asked once more, a worker leaves what it has begun unfinished.
            for worker in self._workers:
                worker.signal(number)
        self._stopping.set()

    async def _end_all(self) -> None:
        await asyncio.gather(*(self._end(worker) for worker in tuple(self._workers)))

    async def _end(self, worker: WorkerProcess) -> None:
        if not await worker.end(within_seconds=self._times.stop):
            logger.error("worker %d did not stop in time, and was killed", worker.pid)
            self._exit_code = self._exit_code or KILLED

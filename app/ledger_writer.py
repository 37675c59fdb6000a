"""The ledger's writer: takes what waits, commits it in one transaction, and answers every caller.

The rule: a caller is answered within its deadlines, and told of success only after the commit is durable. One bad
command never fails its neighbours: a batch that fails for good is tried again in halves, down to the one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.ledger_batch import BatchResult, commit_batch
from app.ledger_requests import AccountKey, Group, Outcome, Request, refused_request
from app.storage.database import Database, TransientError
from domain.decider import Command, KeyedCommands, malformed, touches
from domain.fingerprints import fingerprint
from domain.permissions import forbidden
from domain.ports import InfrastructureError, Overloaded, Unavailable
from domain.principals import Principal
from domain.rejections import Refused

logger = logging.getLogger("stockgate.ledger")

ATTEMPTS_MAX = 3
ATTEMPT_PAUSE_SECONDS = 0.05
GATHERING_TICKS_MAX = 20
RETRY_AFTER_MS = 200
TIMES_PUT_BACK_MAX = 10
"""So often a command is left to the next batch because others change what it is about; each time it waits for them."""
COMMANDS_AT_A_STRETCH_MAX = 25
"""So many commands of one caller are checked before others, and the batch in the database, have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLimits:
    """How much may wait, and how long."""

    batch_rows_max: int
    queue_commands_max: int
    queue_deadline_seconds: float
    commit_deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A group in the queue: who waits for it, until when (in the event loop's time), and how often it was put back."""

    group: Group
    answer: "asyncio.Future[list[Outcome]]"
    deadline: float
    times_put_back: int = 0

    @property
    def is_about_stock(self) -> bool:
        """Whether the group's commands move stock; a batch holds either such commands or changes of the catalogue."""
        return self.group.requests[0].moves_stock


class LedgerWriter:
    """Implements the port `Ledger` on a database."""

    def __init__(
        self, database: Database, limits: WriterLimits, *, on_commit: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._limits = limits
        self._on_commit = on_commit
        self._queue: deque[Waiting] = deque()
        self._queued_commands = 0
        self._arrived = asyncio.Event()
        self._stopping = False
        self._stuck: asyncio.Task[BatchResult] | None = None

    async def execute(self, command: Command, *, by: Principal) -> Outcome:
        """Decide and keep one command. Raises Overloaded or Unavailable."""
        return (await self.execute_together([command], by=by))[0]

    async def execute_each(self, commands: Sequence[Command], *, by: Principal) -> list[Outcome]:
        """Decide and keep independent commands, answered in their order."""
        checked: list[Request | Refused] = []
        for command in commands:
            checked.append(_checked(command, by=by))
            if len(checked) % COMMANDS_AT_A_STRETCH_MAX == 0:
                await asyncio.sleep(0)
        answers = self._enqueue([Group(requests=(one,)) for one in checked if isinstance(one, Request)])
        answered: list[Outcome] = []
        for told in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(told, BaseException):
                raise told
            answered += told
        answers_left = iter(answered)
        return [one if isinstance(one, Refused) else next(answers_left) for one in checked]

    async def execute_together(self, commands: Sequence[Command], *, by: Principal) -> list[Outcome]:
        """Keep all commands or none, answered in their order."""
        checked = [_checked(command, by=by) for command in commands]
        refused = [one for one in checked if isinstance(one, Refused)]
        if len(refused) == len(checked):
            return list(refused)
        # What is malformed goes along, so that the group is refused, and its replays are answered, in one place.
        requests = tuple(
            one if isinstance(one, Request) else refused_request(command, by=by, refused=one)
            for command, one in zip(commands, checked, strict=True)
        )
        return await self._enqueue([Group(requests=requests)])[0]

    async def run(self) -> None:
        """Commit batch after batch until `stop`; what is queued by then is still done."""
        while not (self._stopping and not self._queue):
            await self._arrived.wait()
            self._arrived.clear()
            await self._gather()
            while self._queue:
                await self.run_once()

    async def run_once(self) -> int:
        """Commit one batch of what waits; return how many groups were in it."""
        if not await self._is_free():
            self._drop_late()
            return 0
        batch = self._take()
        if batch:
            await self._commit(batch)
        return len(batch)

    def stop(self) -> None:
        """Take no more commands; `run` ends when the queue is empty."""
        self._stopping = True
        self._arrived.set()

    def _enqueue(self, groups: Sequence[Group]) -> list["asyncio.Future[list[Outcome]]"]:
        loop = asyncio.get_running_loop()
        commands = sum(len(group.requests) for group in groups)
        if self._stopping:
            raise Unavailable("The gateway is stopping; send the request again.", retry_after_ms=RETRY_AFTER_MS)
        if self._queued_commands + commands > self._limits.queue_commands_max:
            raise Overloaded("Too many commands are waiting; send the request again.", retry_after_ms=RETRY_AFTER_MS)
        deadline = loop.time() + self._limits.queue_deadline_seconds
        waiting = [Waiting(group, loop.create_future(), deadline) for group in groups]
        self._queue.extend(waiting)
        self._queued_commands += commands
        self._arrived.set()
        return [one.answer for one in waiting]

    async def _gather(self) -> None:
        # While the event loop still brings in commands, the batch grows; alone, a command waits for one turn only.
        for _ in range(GATHERING_TICKS_MAX):
            waiting = len(self._queue)
            await asyncio.sleep(0)
            if len(self._queue) == waiting:
                return

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        rows = 0
        now = asyncio.get_running_loop().time()
        while self._queue:
            first = self._queue[0]
            is_late = first.deadline < now
            fits = rows + first.group.row_count <= self._limits.batch_rows_max
            if batch and not is_late and not (fits and first.is_about_stock == batch[0].is_about_stock):
                break
            self._pop()
            if is_late:
                _fail(first, _dropped())
            elif not first.answer.done():
                batch.append(first)
                rows += first.group.row_count
        return batch

    def _pop(self) -> Waiting:
        first = self._queue.popleft()
        self._queued_commands -= len(first.group.requests)
        return first

    def _drop_late(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._queue and self._queue[0].deadline < now:
            _fail(self._pop(), _dropped())

    async def _is_free(self) -> bool:
        """Return whether the last batch has left the database; wait for it a little if it has not."""
        if self._stuck is not None:
            await asyncio.wait({self._stuck}, timeout=ATTEMPT_PAUSE_SECONDS)
            if not self._stuck.done():
                return False
            self._stuck = None
        return True

    def _left_late(self, task: "asyncio.Task[BatchResult]") -> None:
        """Take note of what became of a batch after its callers were told that nobody knows."""
        if task.cancelled():
            return
        if task.exception() is None:
            self._on_commit()
        else:
            logger.warning("a batch failed after its deadline: %s", task.exception())

    async def _commit(self, batch: Sequence[Waiting]) -> None:
        try:
            result = await self._attempt([waiting.group for waiting in batch])
        except InfrastructureError as error:
            for waiting in batch:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001  # one bad command must not fail its neighbours, whatever it raised
            await self._commit_in_halves(batch, error)
        else:
            if result.has_writes:
                self._on_commit()
            self._answer(batch, result)

    def _answer(self, batch: Sequence[Waiting], result: BatchResult) -> None:
        """Answer the groups of a batch, and put those that are to be tried again in front of all others."""
        again: list[Waiting] = []
        for place, (waiting, outcomes) in enumerate(zip(batch, result.outcomes, strict=True)):
            if waiting.answer.done():
                continue
            if place in result.short:
                again.append(replace(waiting, group=waiting.group.looking_for_lapsed()))
            elif place not in result.uncovered:
                waiting.answer.set_result(outcomes)
            elif waiting.times_put_back < TIMES_PUT_BACK_MAX:
                again.append(replace(waiting, times_put_back=waiting.times_put_back + 1))
            else:
                _fail(waiting, _unsettled())
        self._queue.extendleft(reversed(again))
        self._queued_commands += sum(len(waiting.group.requests) for waiting in again)

    async def _commit_in_halves(self, batch: Sequence[Waiting], error: Exception) -> None:
        if len(batch) == 1:
            logger.error("a command could not be committed", exc_info=error)
            _fail(batch[0], error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            if await self._is_free():
                await self._commit(half)
            else:
                for waiting in half:
                    _fail(waiting, _unanswered())

    async def _attempt(self, groups: Sequence[Group]) -> BatchResult:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.commit_deadline_seconds
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._until(deadline, groups)
            except TransientError as error:
                logger.warning("attempt %d of %d to commit a batch failed: %s", attempt, ATTEMPTS_MAX, error)
            if loop.time() >= deadline:
                break
            await asyncio.sleep(ATTEMPT_PAUSE_SECONDS * attempt)
        raise Unavailable("The database cannot keep changes now; send the request again.", retry_after_ms=1000)

    async def _until(self, deadline: float, groups: Sequence[Group]) -> BatchResult:
        script = partial(commit_batch, groups)
        task = asyncio.ensure_future(self._database.write(script, keeps=lambda result: result.has_writes))
        await asyncio.wait({task}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if task.done():
            return task.result()
        self._stuck = task
        task.add_done_callback(self._left_late)
        raise _unanswered()


def _checked(command: Command, *, by: Principal) -> Request | Refused:
    refused = malformed(command) or forbidden(command, by=by)
    if refused is not None:
        return refused
    key: AccountKey | None = None
    if isinstance(command, KeyedCommands) and command.idempotency_key is not None and not command.dry_run:
        key = (by.account, command.idempotency_key)
    return Request(
        command=command,
        by=by,
        selectors=touches(command),
        key=key,
        fingerprint=fingerprint(command) if key is not None and isinstance(command, KeyedCommands) else None,
    )


def _fail(waiting: Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _dropped() -> Unavailable:
    return Unavailable("The command waited too long and was dropped; send it again.", retry_after_ms=RETRY_AFTER_MS)


def _unsettled() -> Unavailable:
    return Unavailable(
        "What the command is about kept changing meanwhile; send it again with the same key.",
        retry_after_ms=RETRY_AFTER_MS,
    )


def _unanswered() -> Unavailable:
    return Unavailable(
        "The database did not answer in time; send the request again with the same key.", retry_after_ms=1000
    )

"""A worker process as its supervisor sees it, and the words that the two exchange.

The rule: each end of the line tells the other that it lives. A worker says so every second; when the line ends, the one
at its other end is gone.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import Enum
from typing import Final, Self

SAYS_SECONDS: Final = 1.0
"""How often a worker that serves says that it is alive."""
HEARD_BYTES_MAX: Final = 1024
# Without -P the directory that one stands in would come first among the places that modules are found in.
COMMAND: Final = (sys.executable, "-P", "-m", "app.worker")


class Word(Enum):
    """What a worker says, each in one byte."""

    READY_AND_OPEN = b"o"
    """It answers requests, and callers need no key."""
    READY = b"r"
    """It answers requests."""
    ALIVE = b"."


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a worker is given: open files, its cell among the counts of connections, and how long it is patient.

    `listener` is the socket that all workers share, `line` what it tells its parent on, `counts` the memory of the
    counts. For `patience_seconds` it leaves the port to the others while its gateway is not open.
    """

    listener: int
    line: int
    counts: int
    cell: int
    patience_seconds: float

    @property
    def files(self) -> tuple[int, ...]:
        """The files that it inherits."""
        return (self.listener, self.line, self.counts)

    def as_arguments(self) -> list[str]:
        """Return it as the arguments of a command."""
        return [str(value) for value in astuple(self)]

    @classmethod
    def of_arguments(cls, arguments: Sequence[str]) -> Self:
        """Return what these arguments say."""
        listener, line, counts, cell = map(int, arguments[:4])
        return cls(listener=listener, line=line, counts=counts, cell=cell, patience_seconds=float(arguments[4]))


WORDS: Final = {word.value[0]: word for word in Word}


class WorkerProcess:
    """One worker: its process, and the line on which it says how it is."""

    def __init__(
        self, process: asyncio.subprocess.Process, line: socket.socket, *, on_word: Callable[[Word], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._on_word = on_word
        self._started_at = loop.time()
        self._heard_at: float | None = None
        self._ready = asyncio.Event()
        self._hearing = loop.create_task(self._hear(line))
        self.ended = loop.create_task(process.wait())

    @classmethod
    async def start(
        cls,
        give: Callable[[int], Assignment],
        *,
        environment: Mapping[str, str],
        on_word: Callable[[Word], None],
    ) -> Self:
        """Start a worker. `give` says what it is given besides its end of the line.

        Raises OSError when the system has no room for it.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        given = give(theirs.fileno())
        try:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *given.as_arguments(),
                pass_fds=given.files,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                # A group of its own: what a terminal sends to all at once, as Ctrl-C does, is for the supervisor.
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours, on_word=on_word)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self.ended.done()

    @property
    def is_ready(self) -> bool:
        """Whether it answers requests."""
        return self._ready.is_set() and not self.has_ended

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it lives."""
        return self._process.returncode

    @property
    def how_it_ended(self) -> str:
        """Its end in words."""
        code = self.exit_code or 0
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    @property
    def lived_seconds(self) -> float:
        """How long it has lived."""
        return asyncio.get_running_loop().time() - self._started_at

    @property
    def silent_seconds(self) -> float:
        """For how long nothing has been heard of it; before its first word that is not held against it."""
        return 0.0 if self._heard_at is None else asyncio.get_running_loop().time() - self._heard_at

    async def becomes_ready(self, *, within_seconds: float) -> bool:
        """Wait until it answers requests; return False when it ends before, or does not come to that in time."""
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((ready, self.ended), timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        return self.is_ready

    async def end(self, *, within_seconds: float) -> bool:
        """Ask it to end, and kill it when it does not in time; return whether it ended by itself."""
        self.signal(signal.SIGTERM)
        await asyncio.wait((self.ended,), timeout=within_seconds)
        is_ended = self.has_ended
        self.signal(signal.SIGKILL)
        await self.ended
        await self._hearing
        return is_ended

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.exit_code is None:
            self._process.send_signal(number)

    async def _hear(self, line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with line:
            while said := await _heard(loop, line):
                self._heard_at = loop.time()
                for word in map(WORDS.get, said):
                    # A worker of a later version may say what is not known here; at least it is alive.
                    if word in (Word.READY, Word.READY_AND_OPEN):
                        self._ready.set()
                        self._on_word(word)


async def _heard(loop: asyncio.AbstractEventLoop, line: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(line, HEARD_BYTES_MAX)
    except OSError:
        return b""

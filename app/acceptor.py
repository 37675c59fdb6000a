"""Takes connections from a socket that several processes listen on, each its share.

The system wakes whoever it likes: of three processes one was seen to get none of 64 connections, and twelve streams all
landed in one of two. The rule: a process that holds clearly more connections than another steps back for a moment, and
takes what is still there afterwards; so none waits for one that is busy, stuck or gone.
"""

import asyncio
import errno
import logging
import mmap
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Final, Self

logger = logging.getLogger("stockgate.acceptor")

CELL_BYTES: Final = 8
NOT_TAKING: Final = -1
TAKEN_AT_ONCE_MAX: Final = 16
STEP_BACK_SECONDS: Final = 0.001
SHARE_SLACK: Final = 16
"""A sixteenth more than another, and one, is not clearly more."""
OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
OUT_OF_FILES_SECONDS: Final = 1.0


class ConnectionCounts:
    """How many connections each process holds, in memory that all of them share: one cell for each."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._memory = mmap.mmap(file, 0)
        self._cells = memoryview(self._memory).cast("q")

    @classmethod
    def for_processes(cls, count: int) -> Self:
        """Make counts for so many processes; none of them takes connections yet."""
        with tempfile.TemporaryFile() as file:
            file.truncate(count * CELL_BYTES)
            counts = cls(os.dup(file.fileno()))
        for cell in range(count):
            counts.tell(cell, NOT_TAKING)
        return counts

    def tell(self, cell: int, count: int) -> None:
        """Note how many connections the process of this cell holds."""
        self._cells[cell] = count

    def has_clearly_more(self, cell: int) -> bool:
        """Return whether the process of this cell holds clearly more connections than another one that takes some."""
        mine = self._cells[cell]
        others = [count for at, count in enumerate(self._cells) if at != cell and count != NOT_TAKING]
        return bool(others) and mine > min(others) + 1 + mine // SHARE_SLACK

    def close(self) -> None:
        """Let go of the memory."""
        self._cells.release()
        self._memory.close()
        os.close(self.file)


class Share:
    """One process's cell among the counts."""

    def __init__(self, counts: ConnectionCounts, cell: int) -> None:
        self._counts = counts
        self._cell = cell

    def tell(self, count: int) -> None:
        """Note how many connections this process holds."""
        self._counts.tell(self._cell, count)

    def leave(self) -> None:
        """Note that this process takes none any more."""
        self._counts.tell(self._cell, NOT_TAKING)

    @property
    def is_clearly_more(self) -> bool:
        """Whether it holds clearly more than another process."""
        return self._counts.has_clearly_more(self._cell)


class Acceptor:
    """Makes connections of the event loop's out of those that wait at the listening socket."""

    def __init__(
        self,
        listener: socket.socket,
        share: Share,
        *,
        protocol: Callable[[], asyncio.Protocol],
        held: Callable[[], int],
    ) -> None:
        self._listener = listener
        self._share = share
        self._protocol = protocol
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._taking: set[asyncio.Task[None]] = set()
        self._stepping_back: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take connections from now on."""
        self._listener.settimeout(0)
        self.tell()
        self._loop.add_reader(self._listener, self._offered)

    def tell(self) -> None:
        """Tell the other processes how many connections this one holds."""
        self._share.tell(self._held() + len(self._taking))

    async def end(self) -> None:
        """Take no more; return when those that were taken are known to their protocols."""
        self._loop.remove_reader(self._listener)
        if self._stepping_back is not None:
            self._stepping_back.cancel()
        self._share.leave()
        self._listener.close()
        if self._taking:
            await asyncio.wait(self._taking)

    def _offered(self) -> None:
        for _ in range(TAKEN_AT_ONCE_MAX):
            self.tell()
            if self._share.is_clearly_more:
                self._step_back(STEP_BACK_SECONDS)
                return
            if not self._take():
                return

    def _step_back(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._stepping_back = self._loop.call_later(seconds, self._come_back)

    def _come_back(self) -> None:
        self._stepping_back = None
        self._take()
        if self._stepping_back is None:
            self._loop.add_reader(self._listener, self._offered)

    def _take(self) -> bool:
        """Take one connection; return False when there is none left."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in OUT_OF_FILES:
                raise
            logger.error("no connection can be taken now: %s", error)
            self._step_back(OUT_OF_FILES_SECONDS)
            return False
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._connect(connection))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        return True

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            logger.warning("a connection was lost as it was taken: %s", error)
            connection.close()

"""A TCP proxy that does to connections what networks do: delay, silence, refusal, and a cut at a chosen moment.

The rule: it runs in a thread of its own, so that a busy test neither slows nor stops it; a fault takes hold of the
connections that are open as well as of new ones.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tests.servers.wire_text import Lines, WireReader

HOST: Final = "127.0.0.1"
PIECE_BYTES: Final = 65_536
SLOW_STEP_SECONDS: Final = 0.02
ORDER_SECONDS_MAX: Final = 10.0
FINISH_SECONDS_MAX: Final = 10.0
TORN_AFTER_BYTES: Final = 3
RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)

Result = TypeVar("Result")


class Direction(Enum):
    """Which way bytes go."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


class Then(Enum):
    """What a trap does once what it waits for has reached the server."""

    CUT = auto()
    """Cut the client off at once: the server may still be at it when the client comes again."""
    CUT_ANSWERED = auto()
    """Wait for the server's answer, keep it back and cut the client off: the server is done with it for sure."""
    HOLD = auto()
    """Become a black hole, for every connection."""
    HOLD_IN_NEXT = auto()
    """Become a black hole a few bytes into what this connection says next: the server is left with half a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How bytes travel: each piece so much later, and at most so many bytes a second (None: as fast as they can)."""

    latency_seconds: float = 0.0
    bytes_per_second: int | None = None


AT_ONCE: Final = Pace()


@dataclass(slots=True, kw_only=True)
class Trap:
    """Waits for something to be said, on any connection, and springs once."""

    is_it: Callable[[str], bool]
    then: Then
    sprung: threading.Event = field(default_factory=threading.Event)

    async def springs(self, *, seconds_max: float) -> None:
        """Wait until it has sprung, without stopping the caller's other tasks. Raises TimeoutError."""
        if not await asyncio.to_thread(self.sprung.wait, seconds_max):
            raise TimeoutError(f"nothing of the kind was said within {seconds_max} s")


class _Cut(Exception):
    """This connection ends here."""


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection and the one that the proxy made for it."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    reader: WireReader
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    is_mute: bool = False
    torn_by: Trap | None = None
    allowances: dict[Direction, int] = field(default_factory=dict)

    def drop_client(self) -> None:
        """Reset the client's connection: it learns that it is gone, and nothing else."""
        _, writer = self.client
        endpoint: socket.socket | None = writer.get_extra_info("socket")
        if endpoint is not None:
            with contextlib.suppress(OSError):  # gone already
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        writer.transport.abort()


class FaultProxy:
    """A proxy before one server, `target` (host, port); it lets everything pass until it is told otherwise."""

    def __init__(self, target: tuple[str, int], *, reader: Callable[[], WireReader] = Lines) -> None:
        self.target = target
        self.port = 0
        self.cuts = 0
        self._reader = reader
        self._pace = AT_ONCE
        self._allowance: tuple[Direction, int] | None = None
        self._trap: Trap | None = None
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._is_open = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._order(self._listen())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._order(self._refuse())
        finally:
            self._end()

    def pass_on(self) -> None:
        """Heal: what was held goes on its way, new connections are taken, no cut is due any more."""
        self._order(self._heal())

    def slow(self, *, latency_seconds: float = 0.0, bytes_per_second: int | None = None) -> None:
        """Let each piece wait, and so many bytes a second pass."""
        self._order(self._set_pace(Pace(latency_seconds=latency_seconds, bytes_per_second=bytes_per_second)))

    def go_down(self) -> None:
        """Cut every connection and refuse new ones."""
        self._order(self._refuse())

    def hold(self) -> None:
        """Be a black hole: connections are taken and kept, nothing is passed on, not even that one has ended."""
        self._order(self._hold())

    def cut_after(self, count: int, direction: Direction) -> None:
        """Cut every connection, open or new, when so many more of its bytes have gone in this direction."""
        self._order(self._set_allowance(direction, count))

    def arm(self, is_it: Callable[[str], bool], then: Then) -> Trap:
        """Set a trap for what a client says; one that was set before is gone."""
        trap = Trap(is_it=is_it, then=then)
        self._order(self._set_trap(trap))
        return trap

    # Everything below runs in the proxy's own thread, but for these three.

    def _order(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(ORDER_SECONDS_MAX)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ORDER_SECONDS_MAX)
        self._loop.close()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._take, HOST, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        self._is_open.set()

    async def _heal(self) -> None:
        self._pace, self._trap, self._allowance = AT_ONCE, None, None
        for link in self._links.values():
            link.allowances.clear()
        if self._listener is None:
            await self._listen()
        self._is_open.set()

    async def _set_pace(self, pace: Pace) -> None:
        self._pace = pace

    async def _set_trap(self, trap: Trap) -> None:
        self._trap = trap

    async def _set_allowance(self, direction: Direction, count: int) -> None:
        self._allowance = (direction, count)
        for link in self._links.values():
            link.allowances = {direction: count}

    async def _hold(self) -> None:
        self._is_open.clear()

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link((reader, writer), self._reader())
        if self._allowance is not None:
            link.allowances = dict([self._allowance])
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = link
        try:
            await self._serve(link)
        except asyncio.CancelledError:
            self._drop_both(link)  # the proxy went down; the task ends quietly, because nobody asks how
        except OSError:
            self._drop_both(link)
        finally:
            del self._links[task]

    async def _serve(self, link: _Link) -> None:
        await self._is_open.wait()
        link.server = await asyncio.open_connection(*self.target)
        is_cut = False
        try:
            try:
                async with asyncio.TaskGroup() as group:
                    for direction in Direction:
                        group.create_task(self._pump(link, direction))
            except* _Cut:
                is_cut = True
            except* OSError:
                self._drop_both(link)
            if is_cut:
                self.cuts += 1
                link.drop_client()
                await self._let_finish(link)
        finally:
            for _, writer in (link.client, link.server):
                writer.close()

    async def _pump(self, link: _Link, direction: Direction) -> None:
        assert link.server is not None
        is_outward = direction is Direction.TO_SERVER
        source, sink = (link.client[0], link.server[1]) if is_outward else (link.server[0], link.client[1])
        while piece := await source.read(PIECE_BYTES):
            await self._is_open.wait()
            if is_outward:
                said = link.reader.feed(piece)
                await self._deliver(link, direction, piece, sink)
                await self._spring(link, said)
            elif link.is_mute:
                raise _Cut
            else:
                await self._deliver(link, direction, piece, sink)
        await self._is_open.wait()
        if sink.can_write_eof():
            sink.write_eof()

    async def _deliver(self, link: _Link, direction: Direction, piece: bytes, sink: asyncio.StreamWriter) -> None:
        for part, seconds in _paced(piece, self._pace):
            await asyncio.sleep(seconds)
            await self._is_open.wait()
            is_torn = direction is Direction.TO_SERVER and link.torn_by is not None
            rest = await self._tear(link, part, sink) if is_torn else part
            allowed = link.allowances.get(direction)
            sink.write(rest[:allowed])
            await sink.drain()
            if allowed is not None:
                link.allowances[direction] = allowed - len(rest)
                if allowed <= len(rest):
                    raise _Cut

    async def _spring(self, link: _Link, said: list[str]) -> None:
        trap = self._trap
        if trap is None or not any(map(trap.is_it, said)):
            return
        self._trap = None
        match trap.then:
            case Then.CUT:
                link.is_mute = True
                trap.sprung.set()
                raise _Cut
            case Then.CUT_ANSWERED:
                link.is_mute = True
            case Then.HOLD:
                self._is_open.clear()
            case Then.HOLD_IN_NEXT:
                link.torn_by = trap
                return
        trap.sprung.set()

    async def _tear(self, link: _Link, part: bytes, sink: asyncio.StreamWriter) -> bytes:
        """Let the beginning of a part pass, hold everything, and return the rest once the way is open again."""
        assert link.torn_by is not None
        sink.write(part[:TORN_AFTER_BYTES])
        await sink.drain()
        self._is_open.clear()
        link.torn_by.sprung.set()
        link.torn_by = None
        await self._is_open.wait()
        return part[TORN_AFTER_BYTES:]

    async def _let_finish(self, link: _Link) -> None:
        """Let the server read what it was sent, and end in its own time: nothing of that reaches the client."""
        assert link.server is not None
        reader, writer = link.server
        with contextlib.suppress(OSError, TimeoutError):
            writer.write_eof()
            async with asyncio.timeout(FINISH_SECONDS_MAX):
                while await reader.read(PIECE_BYTES):
                    pass

    def _drop_both(self, link: _Link) -> None:
        link.drop_client()
        if link.server is not None:
            link.server[1].transport.abort()


def _paced(piece: bytes, pace: Pace) -> Iterator[tuple[bytes, float]]:
    """Yield the parts of a piece, each with the seconds to wait before it."""
    if pace.bytes_per_second is None:
        yield piece, pace.latency_seconds
        return
    size = max(1, int(pace.bytes_per_second * SLOW_STEP_SECONDS))
    for start in range(0, len(piece), size):
        part = piece[start : start + size]
        yield part, len(part) / pace.bytes_per_second + (pace.latency_seconds if start == 0 else 0.0)

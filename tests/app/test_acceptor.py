"""Who takes which connection; the one rule: each process takes its share, and nobody waits for one that takes none.

Two acceptors run in one event loop here, each on a descriptor of its own of one listening socket, as in two processes.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from app import acceptor
from app.acceptor import NOT_TAKING, Acceptor, ConnectionCounts, Share

TAKEN_SECONDS_MAX = 5.0
MANY = 40


@pytest.fixture
def counts() -> Iterator[ConnectionCounts]:
    """Counts of three processes, none of which takes connections yet."""
    made = ConnectionCounts.for_processes(3)
    yield made
    made.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.mark.parametrize(
    ("cells", "is_more"),
    [
        ((0, 0, 0), False),
        ((1, 0, 0), False),
        ((2, 0, 5), True),
        ((2, 1, 1), False),
        ((33, 30, 90), False),
        ((34, 30, 90), True),
        ((9, NOT_TAKING, NOT_TAKING), False),
        ((9, NOT_TAKING, 8), False),
        ((9, NOT_TAKING, 3), True),
        ((3, 9, 9), False),
    ],
)
def test_what_is_clearly_more(counts: ConnectionCounts, cells: tuple[int, ...], is_more: bool) -> None:
    for cell, count in enumerate(cells):
        counts.tell(cell, count)
    assert counts.has_clearly_more(0) is is_more


def test_counts_are_seen_through_every_descriptor(counts: ConnectionCounts) -> None:
    other = ConnectionCounts(os.dup(counts.file))
    other.tell(1, 3)
    counts.tell(0, 7)
    assert other.has_clearly_more(0)
    assert counts.has_clearly_more(0)
    other.close()


@dataclass(slots=True, kw_only=True)
class Place:
    """One process: its acceptor, and the connections that it holds."""

    acceptor: Acceptor | None = None
    held: set["Held"] = field(default_factory=set)

    def protocol(self) -> asyncio.Protocol:
        """Return what is made for each connection."""
        return Held(self)


class Held(asyncio.Protocol):
    """One connection of a place, which is greeted."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._place.held.add(self)
        transport.write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of it."""
        self._place.held.discard(self)


@asynccontextmanager
async def taking(listener: socket.socket, counts: ConnectionCounts, cell: int) -> AsyncIterator[Place]:
    """A place that takes connections; its own are dropped at the end."""
    place = Place()
    place.acceptor = Acceptor(listener, Share(counts, cell), protocol=place.protocol, held=lambda: len(place.held))
    place.acceptor.begin()
    try:
        yield place
    finally:
        await place.acceptor.end()
        for held in place.held:
            held.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connections(listener: socket.socket, count: int) -> AsyncIterator[None]:
    """Connect so many times, one after the other, and wait to be greeted each time."""
    address = listener.getsockname()
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(TAKEN_SECONDS_MAX):
            for _ in range(count):
                reader, writer = await asyncio.open_connection(*address)
                stack.callback(writer.close)
                assert await reader.readexactly(5) == b"hello"
        yield


async def test_each_takes_its_share(listener: socket.socket, counts: ConnectionCounts) -> None:
    async with (
        taking(listener.dup(), counts, 0) as one,
        taking(listener.dup(), counts, 1) as other,
        connections(listener, MANY),
    ):
        assert len(one.held) + len(other.held) == MANY
        assert abs(len(one.held) - len(other.held)) <= 4


async def test_one_that_comes_later_takes_what_the_others_have_more(
    listener: socket.socket, counts: ConnectionCounts
) -> None:
    """Given a process that was restarted, then it takes nearly all of the next connections, as it holds less."""
    async with taking(listener.dup(), counts, 0) as one, connections(listener, 10):
        assert len(one.held) == 10
        async with taking(listener.dup(), counts, 1) as other, connections(listener, 8):
            # Both are told of each connection, so that now and then the one that holds more is the faster of them.
            assert len(one.held) + len(other.held) == 18
            assert len(other.held) >= 6


async def test_one_that_is_stuck_keeps_nobody_waiting(listener: socket.socket, counts: ConnectionCounts) -> None:
    """Given a process that holds less and takes nothing, then the other one takes all."""
    counts.tell(1, 0)
    async with taking(listener.dup(), counts, 0) as one, connections(listener, MANY):
        assert len(one.held) == MANY


async def test_one_that_has_ended_is_not_waited_for(listener: socket.socket, counts: ConnectionCounts) -> None:
    async with taking(listener.dup(), counts, 0) as one:
        async with taking(listener.dup(), counts, 1):
            pass
        async with connections(listener, MANY):
            assert len(one.held) == MANY
    assert list(counts._cells) == [NOT_TAKING] * 3


async def test_what_is_taken_is_known_at_the_end(listener: socket.socket, counts: ConnectionCounts) -> None:
    """Given connections that have been taken in this very moment, then the end waits until their protocols know."""
    place = Place()
    acceptor = Acceptor(listener.dup(), Share(counts, 0), protocol=place.protocol, held=lambda: len(place.held))
    with socket.create_connection(listener.getsockname()):
        acceptor.begin()
        acceptor._offered()
        assert not place.held
        await acceptor.end()
        (held,) = place.held
        held.transport.abort()
        await asyncio.sleep(0)


class Exhausted(socket.socket):
    """A listening socket that the system has no file for, for a while."""

    refusals = 2

    def accept(self) -> tuple[socket.socket, object]:
        """Fail as the system does, and then no more."""
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_files_it_waits_and_goes_on(
    listener: socket.socket,
    counts: ConnectionCounts,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(acceptor, "OUT_OF_FILES_SECONDS", 0.05)
    exhausted = Exhausted(fileno=listener.dup().detach())
    async with taking(exhausted, counts, 0) as one, connections(listener, 3):
        assert len(one.held) == 3
    messages = [one.message for one in caplog.records if one.levelno == logging.ERROR]
    assert messages == ["no connection can be taken now: [Errno 24] Too many open files"] * 2

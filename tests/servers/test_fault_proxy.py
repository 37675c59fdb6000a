"""The fault proxy does to a plain echo server's clients what it is told to, at the byte at which it is told to."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.servers.fault_proxy import Direction, FaultProxy, Then
from tests.servers.wire_text import Lines, PostgresStatements

SECONDS_MAX: Final = 5.0
SILENCE_SECONDS: Final = 0.15


@dataclass(slots=True)
class Echo:
    """A server that sends every line back; `received` is all that it got, `ended` how many clients left."""

    port: int = 0
    received: bytes = b""
    ended: int = 0
    taken: int = 0
    clients: set[asyncio.StreamWriter] = field(default_factory=set)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        self.taken += 1
        self.clients.add(writer)
        with suppress(OSError):
            while line := await reader.read(1024):
                self.received += line
                writer.write(line)
                await writer.drain()
        self.ended += 1
        writer.close()


@asynccontextmanager
async def echo_behind_proxy() -> AsyncIterator[tuple[Echo, FaultProxy]]:
    """Serve while the block runs."""
    echo = Echo()
    server = await asyncio.start_server(echo.take, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(4 * SECONDS_MAX):
            with FaultProxy(("127.0.0.1", echo.port)) as proxy:
                yield echo, proxy
    finally:
        server.close()
        for client in echo.clients:
            client.close()


class Caller:
    """One client of the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, text: bytes) -> None:
        """Send bytes."""
        self.writer.write(text)
        await self.writer.drain()

    async def hears(self, count: int) -> bytes:
        """Return the next bytes."""
        async with asyncio.timeout(SECONDS_MAX):
            return await self.reader.readexactly(count)

    async def is_silent(self) -> bool:
        """Whether nothing comes for a while, not even an end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS):
                await self.reader.read(1)
                return False
        return True

    async def is_cut(self) -> bool:
        """Whether the connection was reset, with nothing more to read."""
        async with asyncio.timeout(SECONDS_MAX):
            try:
                await self.reader.read(1)
            except ConnectionResetError:
                return True
        return False


@asynccontextmanager
async def calling(proxy: FaultProxy) -> AsyncIterator[Caller]:
    """Connect to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def until_ended(echo: Echo) -> None:
    """Wait until the server has seen a client leave."""
    async with asyncio.timeout(SECONDS_MAX):
        while not echo.ended:
            await asyncio.sleep(0.005)


async def test_everything_passes_at_first_and_an_end_is_passed_on() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as caller:
        await caller.say(b"x" * 200_000)
        assert await caller.hears(200_000) == b"x" * 200_000
        caller.writer.write_eof()
        assert await caller.reader.read() == b""
        assert (echo.ended, proxy.cuts) == (1, 0)


async def test_latency_is_added_to_each_way() -> None:
    async with echo_behind_proxy() as (_, proxy), calling(proxy) as caller:
        proxy.slow(latency_seconds=0.1)
        began = time.monotonic()
        await caller.say(b"hello\n")
        assert await caller.hears(6) == b"hello\n"
        assert 0.2 <= time.monotonic() - began < SECONDS_MAX


async def test_bytes_pass_at_the_stated_rate() -> None:
    async with echo_behind_proxy() as (_, proxy), calling(proxy) as caller:
        proxy.slow(bytes_per_second=10_000)
        began = time.monotonic()
        await caller.say(b"y" * 2000)
        assert await caller.hears(2000) == b"y" * 2000
        assert 0.2 <= time.monotonic() - began < SECONDS_MAX
        proxy.pass_on()
        await caller.say(b"z" * 200_000)
        assert await caller.hears(200_000) == b"z" * 200_000


async def test_down_cuts_and_refuses_until_it_is_up_again_on_the_same_port() -> None:
    async with echo_behind_proxy() as (_, proxy):
        port = proxy.port
        async with calling(proxy) as caller:
            await caller.say(b"1")
            assert await caller.hears(1) == b"1"
            proxy.go_down()
            assert await caller.is_cut()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        proxy.pass_on()
        async with calling(proxy) as caller:
            await caller.say(b"2")
            assert await caller.hears(1) == b"2"
        assert proxy.port == port


async def test_a_black_hole_takes_connections_and_passes_nothing_on_until_it_heals() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as early:
        await early.say(b"1")
        assert await early.hears(1) == b"1"
        proxy.hold()
        async with calling(proxy) as late:
            await early.say(b"2")
            await late.say(b"3")
            assert await early.is_silent()
            assert await late.is_silent()
            assert (echo.received, echo.taken) == (b"1", 1)
            proxy.pass_on()
            assert await early.hears(1) == b"2"
            assert await late.hears(1) == b"3"


async def test_a_black_hole_does_not_say_that_a_side_has_left() -> None:
    async with echo_behind_proxy() as (echo, proxy):
        async with calling(proxy) as caller:
            await caller.say(b"1")
            assert await caller.hears(1) == b"1"
            proxy.hold()
        await asyncio.sleep(SILENCE_SECONDS)
        assert echo.ended == 0
        proxy.pass_on()
        await until_ended(echo)
        assert echo.ended == 1


@pytest.mark.parametrize(("direction", "heard"), [(Direction.TO_CLIENT, b"abcd"), (Direction.TO_SERVER, b"abcd")])
async def test_a_cut_after_some_bytes_lets_exactly_those_pass(direction: Direction, heard: bytes) -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as caller:
        await caller.say(b"before")
        assert await caller.hears(6) == b"before"
        proxy.cut_after(4, direction)
        await caller.say(b"abcdefgh")
        if direction is Direction.TO_CLIENT:
            with suppress(ConnectionResetError):  # what was on its way is lost with the reset, as anywhere
                assert await caller.hears(4) == heard
        assert await caller.is_cut()
        await until_ended(echo)
        assert echo.received == b"before" + (heard if direction is Direction.TO_SERVER else b"abcdefgh")
        assert proxy.cuts == 1


async def test_a_trap_cuts_when_its_words_have_reached_the_server() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as other, calling(proxy) as caller:
        trap = proxy.arm(lambda line: line == "COMMIT", Then.CUT)
        await caller.say(b"BEGIN\nCOM")
        assert await caller.hears(9) == b"BEGIN\nCOM"
        await caller.say(b"MIT\n")
        await trap.springs(seconds_max=SECONDS_MAX)
        assert await caller.is_cut()
        await until_ended(echo)
        assert echo.received == b"BEGIN\nCOMMIT\n"
        await other.say(b"COMMIT\n")
        assert await other.hears(7) == b"COMMIT\n"
        assert proxy.cuts == 1


async def test_a_trap_can_wait_for_the_answer_and_keep_it_back() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as caller:
        proxy.arm(lambda line: line == "COMMIT", Then.CUT_ANSWERED)
        await caller.say(b"COMMIT\n")
        assert await caller.is_cut()
        await until_ended(echo)
        assert (echo.received, proxy.cuts) == (b"COMMIT\n", 1)


async def test_a_trap_can_make_a_black_hole_behind_its_words() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as caller, calling(proxy) as other:
        trap = proxy.arm(lambda line: "FOR UPDATE" in line, Then.HOLD)
        await caller.say(b"SELECT FOR UPDATE\n")
        await trap.springs(seconds_max=SECONDS_MAX)
        await other.say(b"later")
        assert await other.is_silent()
        assert echo.received == b"SELECT FOR UPDATE\n"
        proxy.pass_on()
        assert await other.hears(5) == b"later"


async def test_a_trap_can_make_a_black_hole_within_what_is_said_next() -> None:
    async with echo_behind_proxy() as (echo, proxy), calling(proxy) as caller:
        trap = proxy.arm(lambda line: line == "LOCK", Then.HOLD_IN_NEXT)
        await caller.say(b"LOCK\n")
        assert await caller.hears(5) == b"LOCK\n"
        await caller.say(b"UPDATE\n")
        await trap.springs(seconds_max=SECONDS_MAX)
        assert await caller.is_silent()
        assert echo.received == b"LOCK\nUPD"
        proxy.pass_on()
        assert await caller.hears(7) == b"UPDATE\n"


async def test_a_trap_that_does_not_spring_says_so() -> None:
    async with echo_behind_proxy() as (_, proxy):
        trap = proxy.arm(lambda _: True, Then.CUT)
        with pytest.raises(TimeoutError):
            await trap.springs(seconds_max=0.01)


def test_lines_are_read_across_pieces() -> None:
    lines = Lines()
    assert [lines.feed(piece) for piece in (b"a\r\nb", b"c\n\n", b"d")] == [["a"], ["bc", ""], []]


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message of PostgreSQL's protocol."""
    return kind + (len(body) + 4).to_bytes(4) + body


STARTUP: Final = message(b"", (196608).to_bytes(4) + b"user\0me\0\0")
SSL_REQUEST: Final = message(b"", (80877103).to_bytes(4))
SAID: Final = (
    STARTUP
    + message(b"Q", b"BEGIN;\0")
    + message(b"P", b"s1\0SELECT 1 FOR UPDATE\0\0\0")
    + message(b"B", b"\0s1\0\0\0\0\0\0\0")
    + message(b"E", b"\0\0\0\0\0")
    + message(b"S", b"")
    + message(b"B", b"p\0s1\0\0\0\0\0\0\0")
    + message(b"E", b"p\0\0\0\0\0")
    + message(b"Q", b"COMMIT;\0")
)


@pytest.mark.parametrize("size", [1, 3, 7, len(SAID)])
@pytest.mark.parametrize("prelude", [b"", SSL_REQUEST])
def test_statements_are_read_in_whatever_pieces_they_come(size: int, prelude: bytes) -> None:
    reader, sent = PostgresStatements(), prelude + SAID
    said = [text for start in range(0, len(sent), size) for text in reader.feed(sent[start : start + size])]
    assert said == [
        "BEGIN;",
        "PREPARE SELECT 1 FOR UPDATE",
        "SELECT 1 FOR UPDATE",
        "SELECT 1 FOR UPDATE",
        "COMMIT;",
    ]


def test_another_protocol_is_not_taken_for_statements() -> None:
    with pytest.raises(ValueError, match="not PostgreSQL"):
        PostgresStatements().feed(b"GET / HTTP/1.1\r\n")

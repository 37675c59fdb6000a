"""Subscribers that stop reading while others read on; the one rule: they cost next to nothing, and know their place."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed

from tests.end_to_end.client import Client
from tests.end_to_end.event_stream import StreamCut
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import Shop, open_shop
from tests.end_to_end.streams import Stream, StreamComplete, StreamFailed, follow
from tests.end_to_end.web_socket import open_socket
from tests.faults.counts import count

EVENTS: Final = count("EVENTS", ci=4000)
EVENTS_A_SECOND_MIN: Final = 100
SECONDS_MAX_BESIDES: Final = 120
BULK: Final = 250
BULKS_AT_ONCE: Final = 4
HEALTHY_BEHIND_MAX: Final = 2000
"""The gateway keeps 4096 events: who is further behind than that is too slow, and here nobody is meant to be."""
PROBE_PAUSE_SECONDS: Final = 0.005
ITEMS: Final = 20
SEND_DEADLINE_SECONDS: Final = 2.0
LINGER_SECONDS: Final = 3600.0
BUFFER_BYTES: Final = 4096
MEGABYTE: Final = 1_000_000
RSS_GROWTH_BYTES_MAX: Final = 20 * MEGABYTE
TRY_AGAIN_LATER: Final = 1013
POLL_SECONDS: Final = 0.1
TRANSPORTS: Final = ("websocket", "sse")

STALLED_AT_ONCE: Final = 2 * TRANSPORTS
ROUNDS: Final = 3
LONG_BULK: Final = 25
LONG_BULKS: Final = 14
"""4 MB in all: more than the buffers of a connection hold, the system's own included."""
ROUND_GROWTH_BYTES_MAX: Final = 8 * MEGABYTE
SHORT_SECONDS: Final = 0.5
SOON_SECONDS: Final = 20.0

LEVEL: Final = """
id sku location { id code name } onHand reserved allocated quarantined damaged safetyStock incoming inTransit
backordered available version updatedAt hasOpenConflict
"""
MOVEMENT: Final = "sku locationCode bucket delta balanceAfter reason recordedAt location { id code }"
EVERYTHING: Final = f"""
subscription everything($after: String) {{
  stockChanged(after: $after) {{
    position occurredAt sku reason sourceChannelId correlationId levels {{ {LEVEL} }}
    adjustment {{
      id idempotencyKey sku reason sourceChannelId referenceDocumentUri correlationId occurredAt recordedAt recordedBy
      position movements {{ {MOVEMENT} }}
    }}
  }}
}}
"""
POSITIONS: Final = "subscription positions($after: String) { stockChanged(after: $after) { position } }"
ADJUST_BULK: Final = """
mutation bulk($inputs: [InventoryAdjustmentInput!]!) {
  inventoryAdjustBulk(inputs: $inputs) { userErrors { code } results { userErrors { code } } }
}
"""
AVAILABLE: Final = "query available($skus: [String!]!) { availability(skus: $skus) { sku availableQuantity } }"

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the machine does not tell of memory")


@dataclass(slots=True, kw_only=True)
class Load:
    """What goes on in a phase: a writer, a subscriber that reads all, and a client that asks all the time."""

    gateway: Gateway
    shop: Shop
    before: int
    events: int
    received: list[int] = field(default_factory=list)
    probe_ms: list[float] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    begun: int = 0
    seconds: float = 0.0

    @property
    def positions(self) -> list[int]:
        """The positions that the phase makes."""
        return list(range(self.before + 1, self.before + self.events + 1))

    @property
    def is_read(self) -> bool:
        """Whether the healthy subscriber has got everything."""
        return len(self.received) >= self.events

    async def run(self) -> None:
        """Make the events, and end when the healthy subscriber has got the last."""
        began = time.perf_counter()
        async with (
            follow(self.gateway, EVERYTHING, {"after": str(self.before)}, transport="websocket") as healthy,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._read(healthy))
            group.create_task(self._probe())
            group.create_task(self._watch_memory())
            for _ in range(BULKS_AT_ONCE):
                group.create_task(self._write())
        self.seconds = time.perf_counter() - began
        # What it settles at is what the next phase is held against.
        self.rss_bytes.append(rss_bytes(self.gateway))

    def line(self, name: str) -> str:
        """Say how the phase went."""
        percentiles = statistics.quantiles(self.probe_ms, n=100, method="inclusive")
        return (
            f"{name}: {self.events:,} events in {self.seconds:.1f} s, {len(self.probe_ms):,} probes, "
            f"p50 {percentiles[49]:.1f} ms, p95 {percentiles[94]:.1f} ms, max {max(self.probe_ms):.1f} ms; RSS "
            f"{self.rss_bytes[0] / MEGABYTE:.1f} MB at first, {max(self.rss_bytes) / MEGABYTE:.1f} MB at most, "
            f"{self.rss_bytes[-1] / MEGABYTE:.1f} MB at last"
        )

    async def _write(self) -> None:
        while self.begun < self.events:
            if self.begun - len(self.received) >= HEALTHY_BEHIND_MAX:
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
                continue
            size = min(BULK, self.events - self.begun)
            self.begun += size
            await adjust_bulk(self.shop, size)

    async def _read(self, healthy: Stream) -> None:
        while not self.is_read:
            self.received.append(int((await healthy.next())["position"]))

    async def _probe(self) -> None:
        async with Client(self.gateway.url) as client:
            while not self.is_read:
                asked = time.perf_counter()
                await client.ask(AVAILABLE, skus=list(self.shop.skus[:5]))
                self.probe_ms.append((time.perf_counter() - asked) * 1000)
                await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async def _watch_memory(self) -> None:
        while not self.is_read:
            self.rss_bytes.append(rss_bytes(self.gateway))
            await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a stalled subscriber found when it read at last."""

    received: list[int]
    code: str
    position: int
    is_closed_as_told: bool


async def adjust_bulk(shop: Shop, size: int, **more: object) -> None:
    """Make adjustments of one entry each, in one request."""
    inputs = [
        {
            "sku": shop.skus[number % len(shop.skus)],
            "adjustments": [{"locationId": shop.east, "delta": 1}],
            "idempotencyKey": shop.key(),
            **more,
        }
        for number in range(size)
    ]
    payload = (await shop.client.ask(ADJUST_BULK, inputs=inputs))["inventoryAdjustBulk"]
    errors = [error for one in (payload, *payload["results"]) for error in one["userErrors"]]
    assert (errors, len(payload["results"])) == ([], size)


async def read_to_the_end(stream: Stream) -> Ending:
    """Read what was left unread, the failure behind it, and how the stream ends after that."""
    received: list[int] = []
    while True:
        try:
            received.append(int((await stream.next())["position"]))
        except StreamFailed as failure:
            is_closed = await _is_closed_as_told(stream)
            return Ending(received=received, code=failure.code, position=failure.position, is_closed_as_told=is_closed)


async def _is_closed_as_told(stream: Stream) -> bool:
    try:
        await stream.next()
    except StreamComplete:
        return True
    except ConnectionClosed as closed:
        return closed.rcvd is not None and closed.rcvd.code == TRY_AGAIN_LATER
    return False


async def rest_after(gateway: Gateway, ending: Ending, *, last: int, transport: str) -> list[int]:
    """Resume after the position that was told, up to the last one."""
    async with follow(gateway, POSITIONS, {"after": str(ending.position)}, transport=transport) as stream:
        return [int((await stream.next())["position"]) for _ in range(ending.position, last)]


@asynccontextmanager
async def running_gateway(file: Path, *, deadline_seconds: float, linger_seconds: float) -> AsyncIterator[Gateway]:
    """Run a gateway with the default feed; it ends well, and its log tells of no failure."""
    deadlines = {
        "STOCKGATE_SEND_DEADLINE_MS": f"{deadline_seconds * 1000:.0f}",
        "STOCKGATE_LINGER_MS": f"{linger_seconds * 1000:.0f}",
        # A reader that stalls answers no ping either; on a slow machine it would be closed for that first.
        "STOCKGATE_KEEP_ALIVE_MS": "120000",
    }
    with Gateway(file=file, settings=deadlines) as gateway:
        await asyncio.to_thread(gateway.begin)
        yield gateway
        assert await gateway.end() == 0
        assert gateway.failures() == [], gateway.log_end()


@asynccontextmanager
async def stalled_streams(
    gateway: Gateway, document: str, after: int, transports: Sequence[str]
) -> AsyncIterator[list[Stream]]:
    """Subscribe, and read nothing."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                follow(gateway, document, {"after": str(after)}, transport=transport, receive_buffer_bytes=BUFFER_BYTES)
            )
            for transport in transports
        ]


def rss_bytes(gateway: Gateway) -> int:
    """Return how much memory the gateway holds; 0 where the machine does not say."""
    status = Path(f"/proc/{gateway.pid}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def sockets_held(gateway: Gateway) -> int:
    """Return how many sockets the gateway has open."""
    targets = []
    for one in Path(f"/proc/{gateway.pid}/fd").iterdir():
        try:
            targets.append(str(one.readlink()))
        except FileNotFoundError:  # closed since the directory was read
            continue
    return sum(target.startswith("socket:") for target in targets)


async def becomes(is_so: Callable[[], bool], *, seconds_max: float) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds_max):
        while not is_so():
            await asyncio.sleep(POLL_SECONDS)


async def test_stalled_readers_cost_little_and_are_closed_with_their_position(tmp_path: Path) -> None:
    """Given a WebSocket and an event stream that stall through many events, then they cost little and miss nothing.

    When they read at last, each has every event up to the position that it is told, and resumes without a gap.
    Meanwhile a healthy subscriber missed nothing either.
    """
    async with (
        asyncio.timeout(SECONDS_MAX_BESIDES + EVENTS / EVENTS_A_SECOND_MIN),
        running_gateway(
            tmp_path / "ledger.sqlite3", deadline_seconds=SEND_DEADLINE_SECONDS, linger_seconds=LINGER_SECONDS
        ) as gateway,
        Client(gateway.url) as client,
    ):
        shop = await open_shop(gateway, client, items=ITEMS)
        begin, _ = await shop.snapshot()
        calm = Load(gateway=gateway, shop=shop, before=begin, events=EVENTS // 2)
        await calm.run()
        load = Load(gateway=gateway, shop=shop, before=calm.positions[-1], events=EVENTS)
        async with stalled_streams(gateway, EVERYTHING, load.before, TRANSPORTS) as stalled:
            await load.run()
            await asyncio.sleep(SEND_DEADLINE_SECONDS + SHORT_SECONDS)
            load.rss_bytes.append(rss_bytes(gateway))
            endings = [await read_to_the_end(stream) for stream in stalled]
        print(f"\n{calm.line('without stalled readers')}\n{load.line('with two stalled readers')}")
        growth = max(load.rss_bytes) - calm.rss_bytes[-1]
        print(f"growth {growth / MEGABYTE:.1f} MB; read before the end: {[len(one.received) for one in endings]}")
        last = load.positions[-1]
        rests = await asyncio.gather(
            *(
                rest_after(gateway, ending, last=last, transport=transport)
                for ending, transport in zip(endings, TRANSPORTS, strict=True)
            )
        )
    assert calm.received == calm.positions
    assert load.received == load.positions
    for ending, rest in zip(endings, rests, strict=True):
        assert ending.code == "SUBSCRIBER_TOO_SLOW"
        assert ending.is_closed_as_told
        assert ending.position == ending.received[-1]
        assert 0 < len(ending.received) < EVENTS
        assert ending.received + rest == load.positions
    assert growth < RSS_GROWTH_BYTES_MAX


@needs_proc
async def test_who_never_reads_again_is_given_up(tmp_path: Path) -> None:
    """Given many clients that never read again, when their time is over, then nothing of them is left."""
    long = {"correlationId": "\N{PACKAGE}" * 500, "referenceDocumentUri": "\N{PACKAGE}" * 2000}
    async with (
        asyncio.timeout(SECONDS_MAX_BESIDES),
        running_gateway(
            tmp_path / "ledger.sqlite3", deadline_seconds=SHORT_SECONDS, linger_seconds=SHORT_SECONDS
        ) as gateway,
        Client(gateway.url) as client,
    ):
        shop = await open_shop(gateway, client, items=1)
        before, _ = await shop.snapshot()
        for _ in range(LONG_BULKS):
            await adjust_bulk(shop, LONG_BULK, **long)
        held = sockets_held(gateway)
        after_rounds = []
        for number in range(ROUNDS):
            async with stalled_streams(gateway, EVERYTHING, before, STALLED_AT_ONCE) as stalled:
                assert sockets_held(gateway) == held + len(STALLED_AT_ONCE)
                await becomes(lambda: sockets_held(gateway) == held, seconds_max=SOON_SECONDS)
                if number == 0:
                    for stream in stalled[: len(TRANSPORTS)]:
                        assert await ends_in_its_middle(stream)
                for stream in stalled:
                    stream.cut()
            after_rounds.append(rss_bytes(gateway))
        print(f"\nRSS after each round: {[f'{rss / MEGABYTE:.1f} MB' for rss in after_rounds]}")
        assert after_rounds[-1] - after_rounds[0] < ROUND_GROWTH_BYTES_MAX


async def test_who_answers_no_ping_is_closed_with_a_code_at_which_clients_come_again(tmp_path: Path) -> None:
    """Given a subscriber that reads nothing though nothing happens, when it reads at last, then it finds 1013."""
    settings = {"STOCKGATE_SEND_DEADLINE_MS": "300", "STOCKGATE_KEEP_ALIVE_MS": "200"}
    with Gateway(file=tmp_path / "ledger.sqlite3", settings=settings) as gateway:
        await asyncio.to_thread(gateway.begin)
        async with open_socket(gateway) as socket:
            await socket.subscribe("only", POSITIONS)
            socket.connection.transport.pause_reading()
            await asyncio.sleep(1.0)
            socket.connection.transport.resume_reading()
            assert await socket.closed() == TRY_AGAIN_LATER
        assert await gateway.end() == 0
        assert gateway.failures() == [], gateway.log_end()


async def ends_in_its_middle(stream: Stream) -> bool:
    """Read what was on its way still; return whether the connection then ends without any last word."""
    try:
        while True:
            await stream.next()
    except ConnectionClosed as closed:
        return closed.rcvd is None
    except (StreamCut, ConnectionError):
        return True
    except StreamFailed:
        return False

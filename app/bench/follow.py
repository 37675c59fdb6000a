"""How long a change on one gateway takes to reach a subscriber of another: from its answer to its event.

The rule: both ends are measured by one clock, in this process, and every change is waited for before the next is made.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from app.bench.documents import ADJUST
from app.bench.plans import latency_percentiles
from app.bench.workloads import LOCATIONS, sku_name

HOST: Final = "127.0.0.1"
EVENT_SECONDS_MAX: Final = 10.0
PAUSE_SECONDS_MAX: Final = 0.15
"""Changes come at random moments, so that none keeps step with a poll."""
STOCK_CHANGED: Final = "subscription { stockChanged { position sku } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowFigures:
    """How long changes took to arrive, in milliseconds after their answer; negative where the event was first."""

    name: str
    changes: int
    latency_milliseconds: dict[str, float]


async def follow(*, name: str, watched_port: int, changed_port: int, token: str | None, changes: int) -> FollowFigures:
    """Make changes at one gateway and measure when a subscriber of the other is told of each."""
    waits: list[float] = []
    async with _events(watched_port, token) as events:
        for number in range(changes):
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS_MAX))
            await _adjust(changed_port, token, key=f"follow-{name}-{number}")
            answered_at = perf_counter()
            async with asyncio.timeout(EVENT_SECONDS_MAX):
                told_at = await anext(events)
            waits.append(max(0.0, told_at - answered_at))
    return FollowFigures(name=name, changes=changes, latency_milliseconds=latency_percentiles(waits))


@asynccontextmanager
async def _events(port: int, token: str | None) -> AsyncIterator[AsyncIterator[float]]:
    """Subscribe over an event stream; yield the moments in which events come."""
    reader, writer = await asyncio.open_connection(HOST, port)
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def read() -> None:
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                arrived.put_nowait(perf_counter())

    async def each() -> AsyncIterator[float]:
        while True:
            yield await arrived.get()

    writer.write(_request({"query": STOCK_CHANGED}, token, accept="text/event-stream"))
    async with asyncio.timeout(EVENT_SECONDS_MAX):
        while (await reader.readline()).strip():
            pass  # the head of the answer
    reading = asyncio.create_task(read())
    # The stream says nothing until something happens, so the subscription is given a moment to begin.
    await asyncio.sleep(1.0)
    try:
        yield each()
    finally:
        reading.cancel()
        writer.close()


async def _adjust(port: int, token: str | None, *, key: str) -> None:
    change = {
        "sku": sku_name(0),
        "idempotencyKey": key,
        "adjustments": [{"locationId": LOCATIONS[0], "delta": 1}],
    }
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(_request({"query": ADJUST, "variables": {"input": change}}, token, accept="application/json"))
        async with asyncio.timeout(EVENT_SECONDS_MAX):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
    finally:
        writer.close()
    if answer.get("errors") or answer["data"]["inventoryAdjust"]["userErrors"]:
        raise RuntimeError(f"the change was refused: {answer}")


def _request(body: dict[str, Any], token: str | None, *, accept: str) -> bytes:
    encoded = json.dumps(body).encode()
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
        f"{authorization}content-length: {len(encoded)}\r\n\r\n"
    )
    return head.encode() + encoded

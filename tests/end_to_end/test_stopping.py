"""SIGTERM: streams are ended, what has begun is finished; the one rule: what was acknowledged is there afterwards."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from app.bench.server_process import clean_environment, stockgate_command
from app.server import ACCEPTED_SECONDS
from app.settings import SQLITE_PREFIX
from tests.end_to_end.client import Answer, Client, codes
from tests.end_to_end.event_stream import open_event_stream
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.shop import Shop, open_shop
from tests.end_to_end.streams import STOCK_CHANGED
from tests.end_to_end.web_socket import open_socket
from tests.faults.ledger import read_sqlite

STOPPED_SECONDS_MAX: Final = 5.0
AUDIT_SECONDS_MAX: Final = 60.0
CLIENTS: Final = 12
ACKNOWLEDGED_BEFORE: Final = 60
DELIVERIES_MAX: Final = 10_000
LOADED_SECONDS_MAX: Final = 20.0
TOLD_SECONDS: Final = 3 * ACCEPTED_SECONDS
"""By then a gateway that has closed its port has told its connections, too, and waits for what is on its way."""
GOING_AWAY: Final = (1001, 1012)
REQUEST: Final = (
    b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n"
    b'{"query": "{ __typename }"}'
)
HANDSHAKE: Final = (
    b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
ADJUST: Final = """
mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { adjustment { id movements { delta balanceAfter } } userErrors { code } }
}
"""


async def stopped(gateway: Gateway) -> tuple[int, float]:
    """Ask the gateway to stop; return its exit code and how many seconds that took."""
    began = time.monotonic()
    code = await gateway.end()
    return code, time.monotonic() - began


async def test_streams_end_when_the_gateway_stops(gateways: Gateways) -> None:
    with gateways.new("stopping").begin() as gateway:
        async with (
            Client(gateway.url) as client,
            open_socket(gateway) as following,
            open_socket(gateway) as idle,
        ):
            shop = await open_shop(gateway, client)
            before, _ = await shop.snapshot()
            variables = {"skus": [shop.skus[0]], "after": str(before)}
            await following.subscribe("a", STOCK_CHANGED, variables)
            async with open_event_stream(gateway, STOCK_CHANGED, variables) as events:
                sold = await shop.sell(shop.skus[0])
                assert (await following.receive())["payload"]["data"]["stockChanged"]["position"] == str(sold)
                assert (await events.next()).payload["data"]["stockChanged"]["position"] == str(sold)
                code, seconds = await stopped(gateway)
                last = await events.next()
                assert (last.name, codes(last.payload)) == ("next", ["GATEWAY_STOPPING"])
                assert (await events.next()).name == "complete"
                await events.ended()
            with pytest.raises(ConnectionClosed):
                # A `complete` would tell the client that all is done; it is to come back.
                await following.receive()
            assert await following.closed() in GOING_AWAY
            assert await idle.closed() in GOING_AWAY
        assert (code, seconds < STOPPED_SECONDS_MAX) == (0, True)
        assert gateway.failures() == [], gateway.log()


@pytest.mark.parametrize("has_asked_before", [False, True])
async def test_a_request_on_its_way_when_the_stop_comes_is_answered(gateways: Gateways, has_asked_before: bool) -> None:
    """Given a connection that is open when the gateway is told to stop, then a request that comes now is answered, and
    the answer says that it is the last.
    """
    with gateways.new(f"on-its-way-{has_asked_before}").begin() as gateway:
        async with connected(gateway) as (reader, writer):
            if has_asked_before:
                assert b"connection: close" not in await asked(reader, writer)
            stopping = asyncio.create_task(gateway.end())
            await closes(gateway)
            answer = await asked(reader, writer)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nconnection: close\r\n" in answer
            assert await reader.read() == b""
        assert await stopping == 0


async def test_a_socket_is_not_begun_when_the_stop_has_come(gateways: Gateways) -> None:
    """Given a handshake that comes after the order to stop, then it is refused, so that the client tries another."""
    with gateways.new("late-socket").begin() as gateway:
        async with connected(gateway) as (reader, writer):
            stopping = asyncio.create_task(gateway.end())
            await closes(gateway)
            writer.write(HANDSHAKE)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert codes(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["UNAVAILABLE"]
        assert await stopping == 0


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def closes(gateway: Gateway) -> None:
    """Wait until the port takes no connections any more, and every connection has been told of the stop."""
    async with asyncio.timeout(STOPPED_SECONDS_MAX):
        with suppress(ConnectionRefusedError):
            while True:
                async with connected(gateway):
                    await asyncio.sleep(0.005)
    await asyncio.sleep(TOLD_SECONDS)


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a request, and return the head of its answer, its body taken off."""
    writer.write(REQUEST)
    async with asyncio.timeout(STOPPED_SECONDS_MAX):
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [line for line in head.split(b"\r\n") if line.startswith(b"content-length: ")]
        await reader.readexactly(int(length.rpartition(b" ")[2]))
    return head


@dataclass(slots=True, kw_only=True)
class Load:
    """Clients that sell until the gateway is gone; `acknowledged` is what they were told, by key."""

    shop: Shop
    sent: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, Answer] = field(default_factory=dict)
    turned_away: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Run all clients until none is answered any more."""
        await asyncio.gather(*(self._deliver_on(number) for number in range(CLIENTS)))

    async def reaches(self, count: int) -> None:
        """Wait until so many deliveries have been acknowledged."""
        async with asyncio.timeout(LOADED_SECONDS_MAX):
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.005)

    async def deliver(self, client: Client, key: str) -> Answer | None:
        """Bring one unit each to two places under a key; return the adjustment, or None when turned away."""
        sku = self.sent.setdefault(key, self.shop.skus[len(self.sent) % len(self.shop.skus)])
        entries = [{"locationId": place, "delta": 1} for place in (self.shop.east, self.shop.west)]
        response = await client.post(ADJUST, {"input": {"sku": sku, "adjustments": entries, "idempotencyKey": key}})
        answer = response.json()
        if "errors" in answer:
            self.turned_away += codes(answer)
            return None
        payload = answer["data"]["inventoryAdjust"]
        assert payload["userErrors"] == []
        adjustment: Answer = payload["adjustment"]
        return adjustment

    async def _deliver_on(self, number: int) -> None:
        async with Client(self.shop.gateway.url) as client:
            with suppress(httpx.TransportError):
                for delivery in range(DELIVERIES_MAX):
                    key = f"load-{number}-{delivery}"
                    adjustment = await self.deliver(client, key)
                    if adjustment is not None:
                        self.acknowledged[key] = adjustment


async def test_a_stop_under_load_loses_nothing_that_was_acknowledged(gateways: Gateways) -> None:
    with gateways.new("loaded").begin() as gateway:
        async with Client(gateway.url) as client:
            load = Load(shop=await open_shop(gateway, client))
        running = asyncio.create_task(load.run())
        await load.reaches(ACKNOWLEDGED_BEFORE)
        code, seconds = await stopped(gateway)
        await running
        assert (code, seconds < STOPPED_SECONDS_MAX) == (0, True)
        assert set(load.turned_away) <= {"UNAVAILABLE", "OVERLOADED"}
        kept = [group.key for group in read_sqlite(gateway.file).groups if group.key.startswith("load-")]
        assert len(kept) == len(set(kept))
        assert set(load.acknowledged) <= set(kept) <= set(load.sent)
        async with Client(gateway.begin().url) as client:
            for key, adjustment in load.acknowledged.items():
                assert await load.deliver(client, key) == adjustment
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()
    audited = audit(gateway)
    assert audited.returncode == 0, audited.stdout


def audit(gateway: Gateway) -> "subprocess.CompletedProcess[str]":
    """Run the product's own audit."""
    return subprocess.run(
        stockgate_command("audit"),
        env=clean_environment({"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{gateway.file}"}),
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS_MAX,
        check=False,
    )

"""A gateway that is started before its database; the one rule: it answers at once, and whoever asks is told to wait."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from app.bench.postgres_server import QUICK, PostgresServer
from app.bench.server_process import ServerError
from app.settings import POSTGRES_PREFIX
from tests.end_to_end.client import JSON, Client
from tests.end_to_end.gateway import READY_SECONDS_MAX, Gateway
from tests.end_to_end.web_socket import open_raw_socket
from tests.end_to_end.workers import WORKERS, becomes, gateway_of, said, workers_of

STOPPED_SECONDS_MAX: Final = 3.0
STARTED_SECONDS_MAX: Final = 30.0
TRY_AGAIN_LATER: Final = 1013
BODY: Final = '{"query": "{ __typename }"}'
NOT_OPEN: Final = {
    "errors": [
        {
            "message": "The gateway has started and waits for its database; send the request again.",
            "extensions": {"code": "UNAVAILABLE", "retryAfterMs": 1000},
        }
    ]
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresServer]:
    """A server that has never started."""
    server = PostgresServer(settings=QUICK)
    try:
        server.create()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def database(cluster: PostgresServer) -> Iterator[PostgresServer]:
    """A server that does not run."""
    yield cluster
    cluster.stop()


@asynccontextmanager
async def waiting(directory: Path, database_url: str, **settings: str) -> AsyncIterator[Gateway]:
    """A gateway that waits for its database, and answers."""
    workers = int(settings.pop("WORKERS", "1"))
    with gateway_of(directory, database_url, workers=workers, **settings) as gateway:
        starting = asyncio.create_task(asyncio.to_thread(gateway.start, deadline_seconds=READY_SECONDS_MAX * 2))
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(STARTED_SECONDS_MAX):
            while not await is_alive(http, gateway):
                await asyncio.sleep(0.02)
        try:
            yield gateway
        finally:
            gateway.kill()
            with suppress(ServerError):
                await starting


async def is_alive(http: httpx.AsyncClient, gateway: Gateway) -> bool:
    """Return whether the port answers."""
    with suppress(httpx.TransportError):
        return (await http.get(f"http://{gateway.host}/healthz")).text == "alive\n"
    return False


@pytest.mark.parametrize("workers", ["1", str(WORKERS)])
async def test_it_answers_before_its_database_is_up_and_serves_once_it_is(
    tmp_path: Path, database: PostgresServer, workers: str
) -> None:
    async with waiting(tmp_path, database.url(), WORKERS=workers) as gateway, Client(gateway.url) as client:
        await _is_not_ready(gateway, client)
        await _requests_are_told_to_wait(client)
        await _sockets_are_told_to_wait(gateway)
        assert "waiting for the database postgresql://127.0.0.1" in gateway.log()
        await becomes(lambda: len(said(gateway, "the gateway is not open yet")) == int(workers))
        assert "Stockgate serves" not in gateway.log()
        await asyncio.to_thread(database.start)
        await becomes(lambda: "Stop with Ctrl-C" in gateway.log())
        assert await client.ask("{ __typename }") == {"__typename": "Query"}
        assert gateway.log().count("Stockgate serves") == 1
        assert gateway.log().count("There are no keys") == 1
        # From now on it is known that callers need no key.
        foreign = await client.send(BODY, JSON | {"host": "shop.example"})
        assert foreign.status_code == 421
        assert await gateway.end() == 0
        assert workers_of(gateway) == []
        assert gateway.failures() == [], gateway.log()


async def _is_not_ready(gateway: Gateway, client: Client) -> None:
    ready = await client.http.get(f"http://{gateway.host}/readyz", headers={"host": "10.0.0.1:8000"})
    assert (ready.status_code, ready.text) == (503, "the database is waited for\n")
    alive = await client.http.get(f"http://{gateway.host}/healthz", headers={"host": "10.0.0.1:8000"})
    assert (alive.status_code, alive.text) == (200, "alive\n")


async def _requests_are_told_to_wait(client: Client) -> None:
    for accept in ("*/*", "application/graphql-response+json", "text/event-stream"):
        response = await client.send(BODY, JSON | {"accept": accept})
        assert response.status_code == 503
        assert response.json() == NOT_OPEN
        told = {name: response.headers[name] for name in ("retry-after", "content-type", "cache-control")}
        assert list(told.values()) == ["1", "application/json; charset=utf-8", "no-store"]
    # What is wrong with a request is wrong before and after.
    assert (await client.http.put(client.url, content=BODY, headers=JSON)).status_code == 405
    assert (await client.send(BODY, JSON | {"origin": "https://evil.example"})).status_code == 403


async def _sockets_are_told_to_wait(gateway: Gateway) -> None:
    async with open_raw_socket(gateway) as turned_away:
        with pytest.raises(ConnectionClosed):
            await turned_away.receive()
        assert await turned_away.closed() == TRY_AGAIN_LATER


@pytest.mark.parametrize("workers", ["1", str(WORKERS)])
async def test_it_stops_at_once_while_it_waits(tmp_path: Path, database: PostgresServer, workers: str) -> None:
    async with waiting(tmp_path, database.url(), WORKERS=workers) as gateway:
        await _stops_at_once(gateway)


async def test_it_answers_and_stops_while_its_database_says_nothing(tmp_path: Path) -> None:
    """Given a database that takes connections and never answers, then the same holds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{POSTGRES_PREFIX}nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        async with waiting(tmp_path, url) as gateway, Client(gateway.url) as client:
            await _is_not_ready(gateway, client)
            await _requests_are_told_to_wait(client)
            await _stops_at_once(gateway)


async def _stops_at_once(gateway: Gateway) -> None:
    began = time.monotonic()
    assert await gateway.end() == 0
    assert time.monotonic() - began < STOPPED_SECONDS_MAX
    assert workers_of(gateway) == []
    assert gateway.failures() == [], gateway.log()


@pytest.mark.parametrize("workers", ["1", str(WORKERS)])
async def test_it_is_not_opened_to_others_without_keys(tmp_path: Path, database: PostgresServer, workers: str) -> None:
    """Given an address that others reach, and a database that turns out to hold no key, then the gateway ends."""
    async with waiting(tmp_path, database.url(), WORKERS=workers, HOST="0.0.0.0") as gateway:
        await asyncio.to_thread(database.start)
        await becomes(lambda: not gateway.is_running())
        assert gateway.exit_code() == 2
        assert workers_of(gateway) == []
        words = " ".join(gateway.log().split())
        assert "0.0.0.0 is not a loopback address" in words
        assert "stockgate keys create --account NAME --role ADMIN" in words
        assert "Traceback" not in words

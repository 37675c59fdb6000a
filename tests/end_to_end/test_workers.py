"""Several processes on one port; the one rule: while the parent lives, whoever connects is answered."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed

from app.supervisor import Times
from tests.end_to_end.client import Client, codes
from tests.end_to_end.event_stream import open_event_stream
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import open_shop
from tests.end_to_end.streams import STOCK_CHANGED
from tests.end_to_end.web_socket import open_socket
from tests.end_to_end.workers import (
    WORKERS,
    becomes,
    calling,
    gateway_of,
    is_alive,
    lines_of,
    new_database,
    said,
    started,
    workers_of,
)
from tests.servers.postgres_server import TestServer

GONE_SECONDS_MAX: Final = 10.0
REQUESTS_BETWEEN: Final = 200
STREAMS: Final = 6
STREAMS_MORE_MAX: Final = 4
"""How many more one of two workers may hold than the other, of twice STREAMS."""
KILLS: Final = 3
CALLERS: Final = 6
RESTARTS: Final = int(os.environ.get("STOCKGATE_FAULTS_RESTARTS", "1"))
SERVICE_RESTART: Final = 1012


@pytest.fixture
async def gateway(tmp_path: Path, postgres_server: TestServer) -> AsyncIterator[Gateway]:
    """A gateway of two workers, all ready, of the test's own."""
    with gateway_of(tmp_path, await new_database(postgres_server)).begin() as running:
        await greets(running)
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, postgres_server: TestServer) -> Iterator[Gateway]:
    """A gateway of two workers, whose parent no test ends."""
    database_url = asyncio.run(new_database(postgres_server))
    with gateway_of(tmp_path_factory.mktemp("lasting"), database_url).begin() as running:
        asyncio.run(greets(running))
        yield running
        assert asyncio.run(stopped(running)) == 0
        assert running.log().count("Stockgate serves") == 1


async def greets(gateway: Gateway) -> None:
    """Wait until all workers are ready."""
    await becomes(lambda: "Stop with Ctrl-C" in gateway.log())


async def stopped(gateway: Gateway) -> int:
    """Stop it, prove that all its processes are gone, and return its exit code."""
    code = await gateway.end()
    assert workers_of(gateway) == []
    return code


async def test_all_answer_and_say_who_they_are(lasting: Gateway) -> None:
    """Given requests on connections of their own, then both workers take some, and each line names its process."""
    async with calling(lasting, anew=8, on=0) as callers:
        workers = set(workers_of(lasting))
        assert len(workers) == WORKERS
        await becomes(lambda: {line["pid"] for line in lines_of(lasting) if line["event"] == "request"} == workers)
    assert (callers.refused, callers.lost, callers.wrong) == (0, [], [])
    assert {line["pid"] for line in said(lasting, "has started")} == {lasting.pid}
    assert lasting.log().count("Stockgate serves") == 1
    assert lasting.log().count("There are no keys") == 1
    assert lasting.failures() == [], lasting.log()


async def test_a_rolling_restart_under_load_fails_no_request(lasting: Gateway) -> None:
    """Given SIGHUP while callers of both kinds ask, then every worker is another one, and every request is answered."""
    async with calling(lasting) as callers:
        await callers.answers(REQUESTS_BETWEEN)
        for number in range(RESTARTS):
            before = workers_of(lasting)
            os.kill(lasting.pid, signal.SIGHUP)
            await becomes(lambda: len(said(lasting, "all workers have been restarted")) == number + 1)  # noqa: B023  # awaited here
            after = workers_of(lasting)
            assert (len(after), set(after) & set(before)) == (WORKERS, set())
        await callers.answers(REQUESTS_BETWEEN)
    print(f"\n{callers.answered:,} requests answered through {RESTARTS} restarts of {WORKERS} workers")
    assert (callers.refused, callers.lost, callers.wrong) == (0, [], [])
    assert lasting.failures() == [], lasting.log()


async def test_a_worker_that_dies_again_and_again_is_waited_with_longer_and_longer(lasting: Gateway) -> None:
    known = len(said(lasting, "ended (SIGKILL)"))
    for _ in range(4):
        await kill(lasting, started(lasting)[-1])
    said_then = [line["event"].rpartition("starts in ")[2] for line in said(lasting, "ended (SIGKILL)")[known:]]
    # The first may have lived for long, or have been one of several that other tests killed.
    _, first, *others = (float(one.removesuffix(" s")) for one in said_then)
    assert others == [min(Times().pause_max, 2 * first), min(Times().pause_max, 4 * first)]


async def test_the_port_stays_open_when_workers_are_killed(lasting: Gateway) -> None:
    """Given kill -9 of one worker after the other, then nobody is refused, and what is lost is what it had begun."""
    known, ended = len(started(lasting)), len(said(lasting, "ended (SIGKILL)"))
    async with calling(lasting, anew=CALLERS, on=0) as callers:
        for _ in range(KILLS):
            await callers.answers(REQUESTS_BETWEEN)
            await kill(lasting, workers_of(lasting)[0])
        await callers.answers(REQUESTS_BETWEEN)
    assert callers.refused == 0
    assert callers.wrong == []
    # A killed process takes along what it has read and not answered: one request of each caller at most.
    assert len(callers.lost) <= KILLS * CALLERS
    assert len(said(lasting, "ended (SIGKILL)")) == ended + KILLS
    assert len(started(lasting)) == known + KILLS


async def kill(gateway: Gateway, pid: int) -> None:
    """Kill a worker, and wait until another one is there."""
    known = len(started(gateway))
    os.kill(pid, signal.SIGKILL)
    await becomes(lambda: len(started(gateway)) > known)


async def test_a_stop_ends_the_streams_of_every_worker(gateway: Gateway) -> None:
    async with Client(gateway.url) as client:
        shop = await open_shop(gateway, client)
        before, _ = await shop.snapshot()
        variables = {"skus": [shop.skus[0]], "after": str(before)}
        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS):
                group.create_task(_socket_ends(gateway, variables))
                group.create_task(_stream_ends(gateway, variables))
            await becomes(lambda: len(said(gateway, "subscription started")) == 2 * STREAMS)
            held = Counter(line["pid"] for line in said(gateway, "subscription started"))
            assert set(held) == set(workers_of(gateway))
            assert max(held.values()) - min(held.values()) <= STREAMS_MORE_MAX
            began = time.monotonic()
            assert await stopped(gateway) == 0
            assert time.monotonic() - began < GONE_SECONDS_MAX
    assert gateway.failures() == [], gateway.log()


async def _socket_ends(gateway: Gateway, variables: Mapping[str, object]) -> None:
    async with open_socket(gateway) as following:
        await following.subscribe("a", STOCK_CHANGED, variables)
        with pytest.raises(ConnectionClosed):
            await following.receive()
        assert await following.closed() == SERVICE_RESTART


async def _stream_ends(gateway: Gateway, variables: Mapping[str, object]) -> None:
    async with open_event_stream(gateway, STOCK_CHANGED, variables) as events:
        assert codes((await events.next()).payload) == ["GATEWAY_STOPPING"]
        assert (await events.next()).name == "complete"


async def test_a_stop_in_the_midst_of_a_restart_ends_all(gateway: Gateway) -> None:
    os.kill(gateway.pid, signal.SIGHUP)
    await becomes(lambda: len(started(gateway)) > WORKERS)
    os.kill(gateway.pid, signal.SIGINT)
    await becomes(lambda: not gateway.is_running(), seconds_max=GONE_SECONDS_MAX)
    assert (gateway.exit_code(), workers_of(gateway)) == (0, [])


async def test_workers_do_not_outlive_their_parent(gateway: Gateway) -> None:
    """Given kill -9 of the parent, then its workers are gone soon, their streams ended, and the port is free."""
    workers = workers_of(gateway)
    async with open_socket(gateway) as following:
        began = time.monotonic()
        gateway.kill()
        await becomes(lambda: not any(map(is_alive, workers)), seconds_max=GONE_SECONDS_MAX)
        assert time.monotonic() - began < GONE_SECONDS_MAX
        assert await following.closed() == SERVICE_RESTART
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", gateway.port))
        other.listen()
    assert len(said(gateway, "the parent process is gone")) == WORKERS


@pytest.mark.parametrize("workers", [1, WORKERS])
async def test_a_database_that_is_not_there_ends_the_start(
    tmp_path: Path, postgres_server: TestServer, workers: int
) -> None:
    """Given a server that says no, then the start fails in a sentence, and leaves no process."""
    gateway = gateway_of(tmp_path, postgres_server.url("no_such_database"), workers=workers)
    with gateway:
        with pytest.raises(RuntimeError, match="ended before it was ready"):
            await asyncio.to_thread(gateway.begin)
        assert gateway.exit_code() == 2
        assert "cannot use the database" in gateway.log()
        assert "no_such_database" in gateway.log()
        assert "set STOCKGATE_DATABASE_URL" in gateway.log()
        assert "Traceback" not in gateway.log()
        assert workers_of(gateway) == []

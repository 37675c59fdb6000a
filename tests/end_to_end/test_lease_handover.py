"""Who forgets old events, among processes that are paused, killed and stopped; the one rule: it is one, or none yet."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from app.leases import LeaseTimes
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.workers import becomes, gateway_of, new_database, said, workers_of
from tests.servers.postgres_server import DRIVER_PREFIX, TestServer

TIMES: Final = LeaseTimes()
SLACK_SECONDS: Final = 5.0
"""What a process on a busy machine may need beyond what it waits for."""


@pytest.fixture
async def database_url(postgres_server: TestServer) -> str:
    """A database of the test's own."""
    return await new_database(postgres_server)


@pytest.fixture
async def gateway(tmp_path: Path, database_url: str) -> AsyncIterator[Gateway]:
    """A gateway of two workers."""
    with gateway_of(tmp_path, database_url).begin() as running:
        yield running


def holders(gateway: Gateway) -> list[tuple[int, str]]:
    """Return each term: the pid of its holder, and the term's number in words."""
    return [(line["pid"], line["event"].partition("(")[2]) for line in said(gateway, "retention runs in this process")]


async def lease(database_url: str) -> tuple[int, int]:
    """Return the last term, and when it ends; 0 when it was given back."""
    connection = await asyncpg.connect(database_url.replace(DRIVER_PREFIX, "postgresql://"))
    try:
        row = await connection.fetchrow("SELECT term, expires_at FROM leases WHERE name = 'retention'")
    finally:
        await connection.close()
    assert row is not None
    return row["term"], row["expires_at"]


async def test_one_process_at_a_time_does_it(gateway: Gateway, database_url: str) -> None:
    await becomes(lambda: len(holders(gateway)) == 1)
    first = holders(gateway)[0][0]
    (second,) = set(workers_of(gateway)) - {first}

    # Given a holder that is paused, then the other goes on, and when the first wakes up it finds that out.
    os.kill(first, signal.SIGSTOP)
    paused = time.monotonic()
    await becomes(lambda: len(holders(gateway)) == 2)
    assert time.monotonic() - paused < TIMES.lease_seconds + TIMES.look_seconds + SLACK_SECONDS
    os.kill(first, signal.SIGCONT)
    await becomes(lambda: bool(said(gateway, "was cut short in this process")))
    assert [line["pid"] for line in said(gateway, "was cut short in this process")] == [first]

    # Given a holder that is killed, then another goes on within seconds.
    os.kill(second, signal.SIGKILL)
    killed = time.monotonic()
    await becomes(lambda: len(holders(gateway)) == 3)
    assert time.monotonic() - killed < TIMES.lease_seconds + TIMES.look_seconds + SLACK_SECONDS
    assert [term for _, term in holders(gateway)] == ["term 1)", "term 2)", "term 3)"]
    assert [pid for pid, _ in holders(gateway)][:2] == [first, second]

    # Given a holder that is told to stop, then it gives the lease back.
    await becomes(lambda: len(workers_of(gateway)) == 2)
    os.kill(holders(gateway)[2][0], signal.SIGTERM)
    stopped = time.monotonic()
    await becomes(lambda: len(holders(gateway)) == 4)
    assert time.monotonic() - stopped < TIMES.look_seconds + SLACK_SECONDS
    await asyncio.to_thread(gateway.stop, deadline_seconds=20.0)
    assert await lease(database_url) == (4, 0)

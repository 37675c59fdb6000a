"""A supervisor's workers that do not do as they should; the one rule: those that do are left alone.

The workers share a SQLite file here, which `stockgate serve` refuses: it needs no server, and its writers wait for each
other all the same.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.settings import SQLITE_PREFIX
from tests.end_to_end.client import Client
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.workers import WORKERS, becomes, gateway_of, is_alive, said, started, workers_of

PROGRAM = Path(__file__).with_name("impatient.py")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of two workers on one file."""
    made = gateway_of(tmp_path, f"{SQLITE_PREFIX}{tmp_path / 'shared.sqlite3'}")
    made._command = [sys.executable, str(PROGRAM)]
    made._environment["STOCKGATE_PORT"] = str(made.port)
    with made.begin() as running:
        yield running


async def answers(gateway: Gateway) -> bool:
    """Return whether a request is answered."""
    async with Client(gateway.url) as client:
        return await client.ask("{ __typename }") == {"__typename": "Query"}


async def test_a_worker_that_is_stuck_is_replaced(gateway: Gateway) -> None:
    """Given a worker that is stopped as a debugger stops it, then it is killed, and another one takes its place."""
    await becomes(lambda: "open: True" in gateway.log())
    stuck, other = workers_of(gateway)
    os.kill(stuck, signal.SIGSTOP)
    await becomes(lambda: len(started(gateway)) == WORKERS + 1 and not is_alive(stuck))
    assert [line["event"] for line in said(gateway, "is stuck")] == [f"worker {stuck} is stuck, and is killed"]
    assert other in workers_of(gateway)
    assert await answers(gateway)
    assert await gateway.end() == 0
    assert workers_of(gateway) == []


async def test_a_worker_that_does_not_stop_is_killed(gateway: Gateway) -> None:
    await becomes(lambda: "open: True" in gateway.log())
    stuck = workers_of(gateway)[0]
    os.kill(stuck, signal.SIGSTOP)
    assert await gateway.end() == 1
    assert workers_of(gateway) == []
    (line,) = said(gateway, "did not stop in time")
    assert line["event"] == f"worker {stuck} did not stop in time, and was killed"


async def test_a_restart_whose_new_worker_cannot_start_leaves_the_old_ones(tmp_path: Path, gateway: Gateway) -> None:
    """Given a database that a new worker cannot open, then the restart is given up, and all go on; later it does."""
    await becomes(lambda: "open: True" in gateway.log())
    before = workers_of(gateway)
    with closing(sqlite3.connect(tmp_path / "shared.sqlite3", isolation_level=None)) as other:
        ((revision,),) = other.execute("SELECT version_num FROM alembic_version").fetchall()
        other.execute("UPDATE alembic_version SET version_num = 'of a later version'")
        os.kill(gateway.pid, signal.SIGHUP)
        await becomes(lambda: bool(said(gateway, "the restart is given up")))
        other.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    assert workers_of(gateway) == before
    assert await answers(gateway)
    os.kill(gateway.pid, signal.SIGHUP)
    await becomes(lambda: bool(said(gateway, "all workers have been restarted")))
    assert (len(workers_of(gateway)), set(workers_of(gateway)) & set(before)) == (WORKERS, set())
    assert await answers(gateway)
    assert await gateway.end() == 0

"""A replica that is killed, stopped, or refuses; the one rule: no question fails that the primary could answer."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest
import strawberry

from app.bench.postgres_server import PostgresServer
from app.storage.postgres_database import PostgresDatabase
from tests.app.postgres_store import PostgresStore, _server_pids
from tests.app.replica.floor import (
    HOW_MANY,
    READ_DEADLINE_MS,
    STALENESS_MS,
    Floor,
    floor_on,
    lines_about_the_replica,
    listen,
)
from tests.resolvers.desk import MUG
from tests.servers.standby import StandbyServer, statements_of

READERS: Final = 8
ONE_ITEM: Final = f'{{ inventoryItem(sku: "{MUG}") {{ sku totalAvailableQuantity }} }}'
ANSWER: Final = {"inventoryItem": {"sku": MUG, "totalAvailableQuantity": 14}}


@asynccontextmanager
async def under_load(floor: Floor) -> AsyncIterator[list[float]]:
    """Let many ask all the time, none of whom may be refused; yield how long each question took, in seconds."""
    took: list[float] = []
    is_over = asyncio.Event()

    async def ask() -> None:
        while not is_over.is_set():
            began_at = time.monotonic()
            assert await floor.desk.ask(ONE_ITEM) == ANSWER
            took.append(time.monotonic() - began_at)

    async with asyncio.TaskGroup() as group:
        for _ in range(READERS):
            group.create_task(ask())
        yield took
        is_over.set()


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Stop processes, as a network does that has gone away: what they are sent is taken, and never answered."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def all_processes(server: PostgresServer) -> list[int]:
    """Return the pids of a server's processes."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    return [server.pid, *map(int, children)]


async def test_a_killed_replica_fails_nobody_and_comes_back_by_itself(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given readers at work, when the replica is killed and started again, then all are answered, later by it again."""
    listen(caplog)
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        async with under_load(floor) as took:
            await asyncio.to_thread(standby.kill)
            await floor.until_used(is_used=False)
            asked = len(took)
            await asyncio.sleep(1.0)
            assert len(took) > asked
            await asyncio.to_thread(standby.start)
            await floor.until_used()
            sent = statements_of(standby, "FROM items")
            await asyncio.sleep(0.3)
            assert statements_of(standby, "FROM items") > sent
    assert max(took) < READ_DEADLINE_MS / 1000
    assert [level for level, _ in lines_about_the_replica(caplog)] == ["INFO", "WARNING", "WARNING"]


async def test_a_replica_that_no_longer_answers_holds_nobody_up_for_long(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema
) -> None:
    """Given readers at work, when the replica is black-holed, then they are answered before its own deadline ends."""
    async with floor_on(store, standby, schema, read_deadline_ms=20_000) as floor:
        await floor.until_used()
        async with under_load(floor) as took:
            with stopped(all_processes(standby)):
                await floor.until_used(is_used=False)
                await asyncio.sleep(1.5)
            await floor.until_used()
    assert max(took) < 5.0


async def test_a_slow_answer_of_the_replica_is_asked_of_the_primary_in_time(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a replica that lives but does not answer a reader, then the primary does, within the deadline."""
    listen(caplog)
    async with floor_on(store, standby, schema, read_deadline_ms=3000, read_connections=1) as floor:
        await floor.until_used()
        await floor.until_answered(ONE_ITEM)
        readers = floor.replica._sessions.readers
        assert isinstance(readers, PostgresDatabase)
        with stopped(_server_pids(readers._reading)):
            assert await floor.desk.ask(ONE_ITEM) == ANSWER
        assert "is not used for now: it does not answer within 1.5 s (" in lines_about_the_replica(caplog)[1][1]


async def test_what_the_replica_refuses_the_primary_answers(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a replica whose user may see the log's head only, then every question is answered, and the log says why."""
    listen(caplog)
    name = f"reader_of_{store.name}"
    await store.change(f"CREATE ROLE {name} LOGIN")
    await store.change(f"GRANT SELECT ON feed_head TO {name}")
    standby.catch_up()
    url = standby.url(store.name).replace("postgres@", f"{name}@")
    async with floor_on(store, standby, schema, read_database_url=url) as floor:
        await floor.until_used()
        assert await floor.desk.ask(ONE_ITEM) == ANSWER
    assert "is not used for now: permission denied for table items (" in lines_about_the_replica(caplog)[1][1]


async def test_a_replica_that_is_not_up_yet_is_used_once_it_is(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a replica that is down when the gateway starts, then it serves, and uses the replica once that is up."""
    listen(caplog)
    standby.kill()
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used(is_used=False)
        assert await floor.desk.ask(ONE_ITEM) == ANSWER
        await asyncio.to_thread(standby.start)
        await floor.until_used()
        await floor.until_answered(ONE_ITEM)
    assert [level for level, _ in lines_about_the_replica(caplog)] == ["WARNING", "WARNING"]


async def test_without_its_primary_nothing_is_vouched_for(
    store: PostgresStore, standby: StandbyServer, primary: PostgresServer, schema: strawberry.Schema
) -> None:
    """Given a replica in use, when the primary is killed, then questions are UNAVAILABLE; later all is as before."""
    async with floor_on(store, standby, schema) as floor:
        await floor.until_used()
        await asyncio.to_thread(primary.kill)
        try:
            await asyncio.sleep(1.2 * STALENESS_MS / 1000)
            assert await floor.desk.problems(HOW_MANY) == [("UNAVAILABLE", ("availability",))]
        finally:
            await asyncio.to_thread(primary.start)
        await floor.until_used()
        await floor.until_answered(ONE_ITEM)

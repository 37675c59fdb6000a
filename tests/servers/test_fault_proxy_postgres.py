"""The fault proxy before a real PostgreSQL: a trap springs at the statement it waits for, by either protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.servers.fault_proxy import FaultProxy, Then
from tests.servers.postgres_server import TestServer
from tests.servers.wire_text import PostgresStatements

SECONDS_MAX: Final = 5.0
LOST: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)
TABLE: Final = "fault_proxy_test"


@asynccontextmanager
async def table_behind_proxy(server: TestServer) -> AsyncIterator[tuple[FaultProxy, Any]]:
    """Yield a proxy before the server, and a connection past it; there is a table with one row."""
    direct = await asyncpg.connect(server.dsn("postgres"))
    try:
        await direct.execute(f"CREATE TABLE {TABLE} AS SELECT 1 AS number")
        parts = urlsplit(server.base_url)
        target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        with FaultProxy(target, reader=PostgresStatements) as proxy:
            yield proxy, direct
    finally:
        await direct.execute(f"DROP TABLE IF EXISTS {TABLE}")
        await direct.close()


async def connect_through(proxy: FaultProxy, server: TestServer) -> Any:
    """Connect to the server by way of the proxy."""
    parts = urlsplit(server.dsn("postgres"))
    return await asyncpg.connect(
        host="127.0.0.1", port=proxy.port, user=parts.username, password=parts.password, database="postgres"
    )


async def becomes(connection: Any, number: int) -> None:
    """Wait until another session has committed a number."""
    async with asyncio.timeout(SECONDS_MAX):
        while await connection.fetchval(f"SELECT number FROM {TABLE}") != number:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("then", [Then.CUT, Then.CUT_ANSWERED])
@pytest.mark.parametrize("is_prepared", [False, True], ids=["simple", "prepared"])
async def test_what_was_cut_off_behind_its_commit_is_committed(
    postgres_server: TestServer, then: Then, is_prepared: bool
) -> None:
    async with table_behind_proxy(postgres_server) as (proxy, direct):
        connection = await connect_through(proxy, postgres_server)
        commit = await connection.prepare("COMMIT") if is_prepared else None
        proxy.arm(lambda sql: sql.upper().startswith("COMMIT"), then)
        await connection.execute("BEGIN")
        await connection.execute(f"UPDATE {TABLE} SET number = 2")
        with pytest.raises(LOST):
            await (commit.fetch() if commit is not None else connection.execute("COMMIT;"))
        await becomes(direct, 2)
        assert proxy.cuts == 1


async def test_a_session_behind_a_black_hole_keeps_its_locks_until_the_server_ends_it(
    postgres_server: TestServer,
) -> None:
    async with table_behind_proxy(postgres_server) as (proxy, direct):
        connection = await connect_through(proxy, postgres_server)
        await connection.execute("SET idle_in_transaction_session_timeout = '500ms'")
        trap = proxy.arm(lambda sql: sql.startswith("SELECT") and "FOR UPDATE" in sql, Then.HOLD)
        await connection.execute("BEGIN")
        waiting = asyncio.create_task(connection.fetch(f"SELECT number FROM {TABLE} FOR UPDATE"))
        await trap.springs(seconds_max=SECONDS_MAX)
        await asyncio.sleep(0.1)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await direct.fetch(f"SELECT number FROM {TABLE} FOR UPDATE NOWAIT")
        assert not waiting.done()
        async with asyncio.timeout(SECONDS_MAX):
            await direct.fetch(f"SELECT number FROM {TABLE} FOR UPDATE")
        proxy.go_down()
        with pytest.raises(LOST):
            await waiting

"""What the tests of leases do as two gateways on one store; the one rule: each step is one transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from app.storage import events, leases
from app.storage.database import Database
from app.storage.leases import Lease
from app.storage.statements import run
from tests.app.databases import Store
from tests.app.shop import within

NAME: Final = "sweeping"
LONG: Final = 30_000_000
"""Microseconds: longer than any test takes."""
WAIT_SECONDS_MAX: Final = 10.0


@asynccontextmanager
async def connected(store: Store) -> AsyncIterator[Database]:
    database = await store.open()
    try:
        yield database
    finally:
        await within(database.close())


async def take(database: Database, holder: str, *, microseconds: int = LONG) -> Lease | None:
    """Ask for the lease."""
    script = partial(leases.take, NAME, holder=holder, microseconds=microseconds)
    return await database.write(script, keeps=lambda taken: taken is not None)


async def taken(database: Database, holder: str, *, microseconds: int = LONG) -> Lease:
    """Take the lease, and prove that it was free."""
    lease = await take(database, holder, microseconds=microseconds)
    assert lease is not None
    return lease


async def holder(database: Database) -> str | None:
    """Return who holds the lease."""
    return await database.read(partial(leases.holder_now, NAME))


async def renew(database: Database, lease: Lease) -> bool:
    return await database.write(partial(leases.renew, lease), keeps=bool)


async def give_back(database: Database, lease: Lease) -> bool:
    return await database.write(partial(leases.give_back, lease), keeps=bool)


async def advance_head(database: Database) -> int:
    """Write something that can be seen afterwards."""
    rows = await database.write(partial(run, events.advance_head, taken=1), keeps=bool)
    position: int = rows[0][0]
    return position


async def head(store: Store) -> int:
    ((position,),) = await store.rows("SELECT position FROM feed_head")
    assert isinstance(position, int)
    return position


async def microseconds_left(database: Database) -> int:
    """Return how long the lease still runs."""
    ((_, left),) = await database.read(partial(run, leases.time_left, name=NAME))
    assert isinstance(left, int)
    return left


async def becomes(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not is_so():
            await asyncio.sleep(0.01)

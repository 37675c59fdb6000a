"""The sweeper of reservations; the one rule: what lapsed is back within a second, whatever became of the database."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app import reservation_expiry
from app.ids import new_id
from app.reservation_expiry import ReservationExpiry
from domain.principals import SYSTEM_PRINCIPAL
from tests.app.databases import Databases, Store
from tests.app.promised import commit, expire, held, holds, id_of, lapse, line, reserve
from tests.app.shop import Shop, accepted, open_shop, running, within
from tests.domain.given import CLERK

WAIT_SECONDS_MAX = 10.0


def sweeper(shop: Shop) -> ReservationExpiry:
    return ReservationExpiry(shop.reads, shop.writer, new_id=new_id)


@asynccontextmanager
async def sweeping(shop: Shop) -> AsyncIterator[None]:
    """Let the sweeper and the writer work by themselves."""
    async with running(shop.writer):
        expiry = sweeper(shop)
        work = asyncio.create_task(expiry.run())
        try:
            yield
        finally:
            expiry.stop()
            await within(work)


async def reserve_some(shop: Shop, count: int) -> list[str]:
    """Hold a unit each for some reservations."""
    return [id_of(accepted(one)) for one in await shop.batch(*(reserve(line(1), key=f"r{n}") for n in range(count)))]


async def becomes_free(shop: Shop) -> None:
    """Wait until nothing is reserved."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while (await held(shop))[1]:
            await asyncio.sleep(0.02)


async def test_a_sweep_takes_at_most_so_many_and_the_oldest_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservation_expiry, "RESERVATIONS_PER_RUN", 2)
    ids = await reserve_some(shop, 4)
    for one in ids[:3]:
        await lapse(shop, one)
    async with running(shop.writer):
        found = [await within(sweeper(shop).run_once()) for _ in range(3)]
    assert found == [2, 1, 0]
    assert [one[0] for one in await holds(shop)] == [ids[3]]
    assert await held(shop) == (10, 1, 0)
    causes = await shop.store.rows("SELECT account_id, recorded_by FROM postings WHERE cause = 'RESERVATION_EXPIRED'")
    assert causes == [("stockgate", "stockgate")] * 3


async def test_a_reservation_expires_by_itself_within_a_second(shop: Shop) -> None:
    """Given a reservation of a second, then its units are back a second after that at the latest."""
    async with sweeping(shop):
        claim = reserve(line(3), key="r", ttl_seconds=1)
        receipt = accepted(await within(shop.writer.execute(claim, by=CLERK)))
        assert await held(shop) == (10, 3, 0)
        await becomes_free(shop)
    (reservation,) = await shop.reads.reservations([id_of(receipt)])
    assert reservation is not None
    late = reservation.updated_at - reservation.expires_at
    assert 0 <= late.total_seconds() <= 1.0


async def test_the_sweeper_goes_on_when_the_database_is_back(
    databases: Databases, stocked: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a database that does not answer for a while, then the sweeper says so and goes on afterwards."""
    async with open_shop(databases.copy_of(stocked), lock_timeout_ms=100) as shop:
        await lapse(shop, *await reserve_some(shop, 3))
        async with shop.store.locked() as lock:
            with caplog.at_level(logging.WARNING, logger="stockgate.expiry"):
                async with sweeping(shop.with_limits(commit_deadline_seconds=0.5)):
                    async with asyncio.timeout(WAIT_SECONDS_MAX):
                        while "cannot expire now" not in caplog.text:
                            await asyncio.sleep(0.02)
                    assert await held(shop) == (10, 3, 0)
                    lock.release()
                    await becomes_free(shop)


async def test_commit_and_sweep_of_one_reservation_resolve_it_once(shop: Shop) -> None:
    """Given a reservation that lapses while it is committed, then one of both is first, and the other does nothing."""
    ids = await reserve_some(shop, 10)
    for one in ids:
        await lapse(shop, one)
    async with sweeping(shop):
        told = await asyncio.gather(
            *(shop.writer.execute(commit(one, key=f"c-{one}", order=one), by=SYSTEM_PRINCIPAL) for one in ids),
            *(shop.writer.execute(expire(one), by=SYSTEM_PRINCIPAL) for one in ids),
        )
        await becomes_free(shop)
    assert len(told) == 20
    assert await held(shop) == (10, 0, 0)
    assert await shop.count_of("allocations") == 0

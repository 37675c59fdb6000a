"""SIGTERM under load, one of two gateways after the other: nothing acknowledged fails, and each is gone in 5 s."""

import asyncio
import statistics
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from websockets.exceptions import ConnectionClosed

from tests.end_to_end.web_socket import Socket, open_socket
from tests.faults.counts import SEED, count
from tests.faults.gateway_process import GatewayProcess
from tests.faults.stores import PostgresStore
from tests.faults.subscribers import FOLLOW
from tests.faults.trial import open_trial

ROLLING_RESTARTS: Final = count("ROLLING_RESTARTS", ci=1)
UNDER_LOAD_SECONDS: Final = 0.3
STOPPED_SECONDS_MAX: Final = 5.0
SECONDS_MAX_PER_RESTART: Final = 40
SECONDS_MAX_BESIDES: Final = 120
GOING_AWAY: Final = {1001, 1012}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a gateway ended."""

    exit_code: int
    seconds: float
    close_codes: tuple[int, ...]


async def test_rolling_restarts_lose_nothing_that_was_acknowledged(
    tmp_path: Path, postgres_store: PostgresStore
) -> None:
    stops = []
    async with (
        asyncio.timeout(SECONDS_MAX_BESIDES + ROLLING_RESTARTS * SECONDS_MAX_PER_RESTART),
        open_trial(tmp_path, postgres_store, seed=SEED, gateways=2) as trial,
    ):
        async with trial.under_load() as pause:
            for _ in range(ROLLING_RESTARTS):
                for gateway in trial.gateways:
                    await pause(UNDER_LOAD_SECONDS)
                    stops.append(await stopped_with_sockets(gateway))
                    await gateway.start_ready()
            await pause(UNDER_LOAD_SECONDS)
        aftermath = await trial.finish()
    codes = Counter(code for stop in stops for code in stop.close_codes)
    took = [stop.seconds for stop in stops]
    print(f"\n{ROLLING_RESTARTS} rolling restarts of two gateways; sockets closed with {dict(codes)}")
    print(f"drained in {statistics.median(took):.2f} s at the median, {max(took):.2f} s at worst")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert {stop.exit_code for stop in stops} == {0}
    assert codes.keys() <= GOING_AWAY
    assert max(took) <= STOPPED_SECONDS_MAX


async def stopped_with_sockets(gateway: GatewayProcess) -> Stop:
    """Stop a gateway that has an idle socket and one that follows every change."""
    async with AsyncExitStack() as stack:
        idle, following = [await stack.enter_async_context(open_socket(gateway)) for _ in range(2)]
        await following.subscribe("only", FOLLOW)
        reading = asyncio.create_task(_closed_while_reading(following))
        began = time.monotonic()
        exit_code = await gateway.stop_gently()
        seconds = time.monotonic() - began
        return Stop(exit_code=exit_code, seconds=seconds, close_codes=(await idle.closed(), await reading))


async def _closed_while_reading(opened: Socket) -> int:
    # Its messages are taken as they come: what a client leaves unread would hold the close frame up behind it.
    with suppress(ConnectionClosed):
        async for _ in opened.connection:
            pass
    return await opened.closed()

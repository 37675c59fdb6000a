"""Subscribers that come again: after every cut they resume behind their last position, at whichever gateway.

The rule: what a subscriber received is kept exactly as it came; nothing is sorted, nothing is told apart.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.end_to_end.web_socket import Reachable, Socket, open_socket
from tests.faults.stores import Store

COME_AGAIN_SECONDS: Final = 0.05
COMING_AGAIN_CODES: Final = frozenset({"UNAVAILABLE", "GATEWAY_STOPPING"})
FOLLOW: Final = """
subscription follow($after: String) { stockChanged(after: $after) { position adjustment { idempotencyKey } } }
"""

Received = tuple[int, str]
"""(position, idempotency key)"""


@dataclass(slots=True, kw_only=True)
class Subscriber:
    """Follows every change behind `position`; `endings` counts how its connections ended."""

    gateways: Sequence[Reachable]
    chance: random.Random
    position: int
    received: list[Received] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    socket: Socket | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow(self.chance.choice(self.gateways))
            except ConnectionClosed as closed:
                self.endings[str(closed.rcvd.code if closed.rcvd else "cut")] += 1
            except (OSError, WebSocketException) as error:
                self.endings[type(error).__name__] += 1
            finally:
                self.socket = None
            await asyncio.sleep(COME_AGAIN_SECONDS)

    def drop(self) -> None:
        """Cut the present connection, if there is one, as a network does."""
        if self.socket is not None:
            self.socket.cut()

    async def reaches(self, position: int) -> None:
        """Wait until everything up to a position has come."""
        while self.position < position:
            await asyncio.sleep(COME_AGAIN_SECONDS)

    async def _follow(self, gateway: Reachable) -> None:
        async with open_socket(gateway) as opened:
            await opened.subscribe("only", FOLLOW, {"after": str(self.position)})
            self.socket = opened
            self.connections += 1
            while True:
                message = await opened.receive()
                if message["type"] == "error":
                    (error,) = message["payload"]
                    assert error["extensions"]["code"] in COMING_AGAIN_CODES, error
                    self.endings[error["extensions"]["code"]] += 1
                    return
                assert message["type"] == "next", message
                change = message["payload"]["data"]["stockChanged"]
                self.position = int(change["position"])
                self.received.append((self.position, change["adjustment"]["idempotencyKey"]))


@asynccontextmanager
async def following(places: Sequence[Sequence[Reachable]], *, after: int, seed: int) -> AsyncIterator[list[Subscriber]]:
    """Follow every change behind a position while the block runs; `places` is where each subscriber may go."""
    subscribers = [
        Subscriber(gateways=gateways, chance=random.Random(seed + number), position=after)
        for number, gateways in enumerate(places)
    ]
    tasks = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
    try:
        yield subscribers
        assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def logged(store: Store, *, after: int) -> list[Received]:
    """Return what the log holds behind a position."""
    ledger = await store.read()
    keys = {group.position: group.key for group in ledger.groups}
    return [(position, keys[position]) for position in ledger.positions if position > after]

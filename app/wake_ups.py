"""Wake-ups between gateways: who has committed says so on a channel, and the others' feeds look at once.

The rule: a hint is a hint. It says who sent it, so that its sender passes over it, and nothing that anybody believes;
a lost one costs the wait until the feed's next poll, never an event.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from app.redis_client import ANSWER_SECONDS_MAX, UNREACHABLE, Outages, one_attempt, work_until

logger = logging.getLogger("stockgate.wake_ups")

HINT_PAUSE_SECONDS: Final = 0.01
"""How soon one hint may follow another: commits in between share the second."""
SILENCE_SECONDS_MAX: Final = 2.0
"""How long nothing is heard before Redis is asked whether it still lives, and how long it may take to say so."""


def channel_of(prefix: str) -> str:
    """Return the channel that gateways of one group talk on."""
    return f"{prefix}:wake-ups"


class WakeUpSender:
    """Tells the other gateways of commits: one hint at a time, however many commits there were."""

    def __init__(self, redis: Redis, *, channel: str, sender: str) -> None:
        self._redis = redis
        self._channel = channel
        self._sender = sender
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()
        self.outages = Outages(logger, meanwhile="other gateways see this one's commits by polling")

    def send(self) -> None:
        """Have a hint sent soon; never waits and never fails."""
        self._due.set()

    async def run(self) -> None:
        """Send what is due until `stop`; a hint that cannot be sent is lost."""
        await work_until(self._stopping, self._work())

    async def run_once(self) -> int:
        """Send one hint and return how many gateways it was passed on to."""
        async with one_attempt():
            return int(await self._redis.publish(self._channel, self._sender))

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def _work(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            pause = HINT_PAUSE_SECONDS
            try:
                await self.run_once()
                self.outages.answered()
            except UNREACHABLE as error:
                pause = self.outages.failed(error)
            except Exception as error:  # commits go on without hints; a dead worker would take the gateway down
                logger.exception("a hint cannot be sent")
                pause = self.outages.failed(error)
            await asyncio.sleep(pause)


class WakeUpReceiver:
    """Calls `wake` when another gateway has committed, and whenever hints may have been lost."""

    def __init__(self, redis: Redis, *, channel: str, receiver: str, wake: Callable[[], None]) -> None:
        self._redis = redis
        self._channel = channel
        self._own = receiver.encode()
        self._wake = wake
        self._heard: PubSub | None = None
        self._is_asked = False
        self._stopping = asyncio.Event()
        self.outages = Outages(logger, meanwhile="other gateways' commits are seen by polling")

    async def run(self) -> None:
        """Listen until `stop`; a broken connection is made anew."""
        try:
            await work_until(self._stopping, self._work())
        finally:
            await self._hang_up()

    async def run_once(self) -> int:
        """Wait for one message, connecting if need be; return 1 for another gateway's hint, 0 for anything else."""
        heard = self._heard or await self._begin()
        message = await heard.get_message(timeout=SILENCE_SECONDS_MAX)
        if message is None:
            await self._ask(heard)
            return 0
        self._is_asked = False
        if message["type"] == "subscribe":
            # Whatever was hinted at before now was hinted at nobody.
            self.outages.answered()
            self._wake()
        is_hint = message["type"] == "message" and message["data"] != self._own
        if is_hint:
            self._wake()
        return int(is_hint)

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def _work(self) -> None:
        while True:
            try:
                await self.run_once()
            except UNREACHABLE as error:
                await self._pause(self.outages.failed(error))
            except Exception as error:  # the feed still polls; a dead worker would take the gateway down
                logger.exception("hints cannot be received")
                await self._pause(self.outages.failed(error))

    async def _begin(self) -> PubSub:
        self._heard = self._redis.pubsub()
        self._is_asked = False
        async with one_attempt():
            await self._heard.subscribe(self._channel)
        return self._heard

    async def _ask(self, heard: PubSub) -> None:
        """Ask whether anybody is there. Raises TimeoutError when that was asked before and nothing came since."""
        if self._is_asked:
            raise TimeoutError("it has fallen silent")
        async with one_attempt():
            await heard.ping()
        self._is_asked = True

    async def _pause(self, seconds: float) -> None:
        await self._hang_up()
        await asyncio.sleep(seconds)

    async def _hang_up(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            with contextlib.suppress(*UNREACHABLE):
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await heard.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

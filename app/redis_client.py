"""The way to Redis, and what its users have in common; the rule: nobody who waits for an answer waits for Redis.

It is asked by workers only. Each attempt has a deadline and each failure a pause, and what is not done by then is
given up: nothing that Redis holds is the truth.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.exceptions import RedisError

ANSWER_SECONDS_MAX: Final = 1.0
ATTEMPT_SECONDS_MAX: Final = 2.0
"""How long one attempt may take in all: to connect, to log in, and to be answered."""
CONNECTIONS_MAX: Final = 8
PAUSES: Final = EqualJitterBackoff(base=0.25, cap=2.0)
FAILURES_THAT_LENGTHEN_PAUSES: Final = 8
RESP_VERSION: Final = 2
"""The protocol that every server of this kind speaks, without a greeting of its own."""

UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What is raised when Redis cannot be reached, does not answer in time, or refuses."""


def connect(url: str) -> Redis:
    """Return a client. It connects when it is first asked something, and never tries again by itself."""
    return Redis.from_url(
        url,
        protocol=RESP_VERSION,
        socket_connect_timeout=ANSWER_SECONDS_MAX,
        socket_timeout=ANSWER_SECONDS_MAX,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        max_connections=CONNECTIONS_MAX,
        driver_info=None,
    )


async def close(redis: Redis) -> None:
    """Close the client's connections, or give up: a process that ends closes them too."""
    with contextlib.suppress(*UNREACHABLE):
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await redis.aclose()


def one_attempt() -> asyncio.Timeout:
    """Limit how long what is done inside may take. Raises TimeoutError."""
    return asyncio.timeout(ATTEMPT_SECONDS_MAX)


async def work_until(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work until the event is set; what it waits for at that moment is given up."""
    tasks = (asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


class Outages:
    """Whether Redis answers one of its users, told once when it stops doing so and once when it does again."""

    def __init__(self, logger: logging.Logger, *, meanwhile: str) -> None:
        self._logger = logger
        self._meanwhile = meanwhile
        self._failures = 0
        self._began_at = 0.0
        self.failures_in_all = 0

    def failed(self, error: BaseException) -> float:
        """Take note of a failed attempt; return for how many seconds not to try again."""
        if not self._failures:
            self._began_at = asyncio.get_running_loop().time()
            self._logger.warning("Redis does not answer (%s); %s until it does", _in_words(error), self._meanwhile)
        self._failures += 1
        self.failures_in_all += 1
        pause: float = PAUSES.compute(min(self._failures, FAILURES_THAT_LENGTHEN_PAUSES))
        return pause

    def answered(self) -> None:
        """Take note of an answer."""
        if self._failures:
            lasted = asyncio.get_running_loop().time() - self._began_at
            self._logger.warning("Redis answers again after %.1f s and %d failed attempts", lasted, self._failures)
            self._failures = 0


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

"""A client of many gateways that are one: it asks any of them, and tells an answer from none.

The rule: only what a gateway may say to a good request is let through; anything else fails the test at once.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

ANSWER_SECONDS_MAX: Final = 20.0
"""More than the gateway allows itself (5 s in its queue and 10 s in the database): it is to answer first."""
ANSWERED_SECONDS_MAX: Final = 60.0
ASK_AGAIN_SECONDS: Final = 0.1
RETRYABLE_CODES: Final = frozenset({"OVERLOADED", "UNAVAILABLE", "THROTTLED"})
RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
ANSWERED_STATUSES: Final = frozenset({200, *RETRYABLE_STATUSES})

Data = dict[str, Any]


class UnexpectedAnswerError(AssertionError):
    """The gateway answered what it may not answer to a valid request."""


class NotAnsweredError(Exception):
    """The gateway did not answer, or said that it cannot now; the request may be sent again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True, kw_only=True)
class Caller:
    """Sends requests, each to a gateway drawn by chance; `turned_away` counts why there was no answer."""

    session: aiohttp.ClientSession
    urls: Sequence[str]
    chance: random.Random
    token: str | None = None
    seconds_max: float = ANSWER_SECONDS_MAX
    turned_away: Counter[str] = field(default_factory=Counter)
    longest_wait_seconds: float = 0.0

    async def ask(self, query: str, variables: Data, *, url: str | None = None) -> Data:
        """Return the data of an answer. Raises NotAnsweredError, or UnexpectedAnswerError."""
        sent_at = time.monotonic()
        try:
            return await self._post(url or self.chance.choice(self.urls), {"query": query, "variables": variables})
        except NotAnsweredError as error:
            self.turned_away[error.why] += 1
            raise
        finally:
            self.longest_wait_seconds = max(self.longest_wait_seconds, time.monotonic() - sent_at)

    async def answer(self, query: str, variables: Data, *, url: str | None = None) -> Data:
        """Return the data of an answer, however often that must be asked for."""
        async with asyncio.timeout(ANSWERED_SECONDS_MAX):
            while True:
                try:
                    return await self.ask(query, variables, url=url)
                except NotAnsweredError:
                    await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def _post(self, url: str, body: Data) -> Data:
        timeout = aiohttp.ClientTimeout(total=self.seconds_max)
        headers = {} if self.token is None else {"authorization": f"Bearer {self.token}"}
        try:
            async with self.session.post(url, json=body, timeout=timeout, headers=headers) as response:
                if response.status not in ANSWERED_STATUSES:
                    raise UnexpectedAnswerError(f"{response.status}: {await response.text()}")
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise NotAnsweredError(type(error).__name__) from error
        return data_of(answer, status=response.status)


def data_of(answer: Data, *, status: int) -> Data:
    """Return the data of a whole answer. Raises NotAnsweredError for one that says: later."""
    errors = [error.get("extensions", {}) for error in answer.get("errors", [])]
    codes = {error.get("code") for error in errors}
    if errors and codes <= RETRYABLE_CODES:
        if not all(isinstance(error.get("retryAfterMs"), int) and error["retryAfterMs"] > 0 for error in errors):
            raise UnexpectedAnswerError(f"it does not say when to come again: {answer}")
        raise NotAnsweredError(" ".join(sorted(codes)))
    if errors or status in RETRYABLE_STATUSES or not isinstance(answer.get("data"), dict):
        raise UnexpectedAnswerError(f"{status}: {answer}")
    data: Data = answer["data"]
    return data

"""What lets callers into a shop, for the tests of authentication; the one rule: the time of day is the test's own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from app.authentication import Authenticator, Unauthenticated
from app.reads import DatabaseReads
from domain.account_records import Account, ApiKey
from domain.principals import Principal, Role
from tests.app.shop import Answer, Shop, within

ERP = Principal(account="erp", name="erp/nightly", role=Role.BACKOFFICE)
FLOOD = 500
SHORT_DEADLINE_SECONDS = 0.2


@dataclass(slots=True, kw_only=True)
class Clock:
    """The time of day, as the test says."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """Return it."""
        return self.time


class SlowReads(DatabaseReads):
    """Reads whose answers are on their way for as long as the test says."""

    arrives: asyncio.Event | None = None

    async def credentials(self, key_ids: Sequence[str]) -> list[tuple[ApiKey, Account] | None]:
        """Read now, answer later."""
        return await self._later(await super().credentials(key_ids))

    async def has_api_keys(self) -> bool:
        """Read now, answer later."""
        return await self._later(await super().has_api_keys())

    async def _later(self, answer: Answer) -> Answer:
        if self.arrives is not None:
            await self.arrives.wait()
        return answer


def gate(
    shop: Shop, *, clock: Clock | None = None, reads: DatabaseReads | None = None, keys: bool = True
) -> Authenticator:
    """Return what lets callers into the shop; `keys`: it knows that there are keys."""
    return Authenticator(reads or shop.reads, tokens=None, now=(clock or Clock()).now, has_api_keys=keys)


async def refusal(authenticator: Authenticator, header: str | None) -> str:
    """Prove that the header is not let in, and return the words."""
    with pytest.raises(Unauthenticated) as raised:
        await within(authenticator.principal(header))
    return str(raised.value)

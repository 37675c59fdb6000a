"""A gateway on a primary with a standby, and what can be seen of where its reads go."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import strawberry

from app.bootstrap import open_gateway
from app.read_replica import ReadReplica
from app.reads import DatabaseReads
from app.settings import Settings
from tests.app.postgres_store import PostgresStore
from tests.resolvers.desk import EAST, MUG, Desk, delta
from tests.servers.standby import StandbyServer

STALENESS_MS: Final = 600
WAIT_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.01
READ_DEADLINE_MS: Final = 4000
HOW_MANY: Final = f'{{ availability(skus: ["{MUG}"]) {{ availableQuantity position }} }}'
HOW_MANY_AT: Final = (
    f'query q($at: String) {{ availability(skus: ["{MUG}"], minPosition: $at) {{ availableQuantity position }} }}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A desk at a gateway with a replica."""

    desk: Desk
    standby: StandbyServer
    store: PostgresStore

    @property
    def replica(self) -> ReadReplica:
        """The gateway's view of the standby."""
        reads = self.desk.gateway.services.reads
        assert isinstance(reads, DatabaseReads)
        assert reads._replica is not None
        return reads._replica

    async def sell(self, key: str) -> tuple[int, str]:
        """Sell a mug at EAST; return what is left there by the payload, and the payload's position."""
        payload = await self.desk.adjust(
            "position levels { onHand } userErrors { code }",
            sku=MUG,
            adjustments=[delta(EAST, -1)],
            idempotencyKey=key,
            onShortage="RECORD_CONFLICT",
        )
        assert payload["userErrors"] == []
        return payload["levels"][0]["onHand"], payload["position"]

    async def position_seen(self, **variables: object) -> int:
        """Return the position of an answer."""
        data = await self.desk.ask(HOW_MANY_AT, **variables)
        return int(data["availability"][0]["position"])

    async def until_answered(self, document: str = HOW_MANY) -> None:
        """Ask until the replica answers: on a busy machine it may be too late to vouch for one answer or the other."""
        answered = self.replica.answered
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.replica.answered <= answered:
                await self.desk.ask(document)

    async def until_used(self, *, is_used: bool = True) -> None:
        """Wait until reads go to the replica, or no longer do."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while self.replica.is_used is not is_used:
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def floor_on(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, **settings: Any
) -> AsyncIterator[Floor]:
    """Open a gateway on both servers."""
    given = {
        "database_url": store.url,
        "read_database_url": standby.url(store.name),
        "read_staleness_ms_max": STALENESS_MS,
        "read_deadline_ms": READ_DEADLINE_MS,
        **settings,
    }
    async with open_gateway(Settings(**given)) as gateway:
        yield Floor(desk=Desk(gateway=gateway, schema=schema), standby=standby, store=store)


def lines_about_the_replica(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return (level, line) of what the log says of the replica."""
    return [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "stockgate.replica"]


def listen(caplog: pytest.LogCaptureFixture) -> None:
    """Let all that is said of the replica be caught."""
    caplog.set_level(logging.INFO, logger="stockgate.replica")

"""A gateway in this process, asked through its schema; the one rule: answers are plain data, as over the wire."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import strawberry

from app.bootstrap import Gateway, open_gateway
from app.settings import SQLITE_PREFIX, Settings
from domain.principals import LOCAL_PRINCIPAL, Principal, Role
from resolvers.context import RequestContext

ANSWER_SECONDS_MAX = 10.0
POINTS_MAX = 200_000
CORRELATION_ID = "0123456789abcdef"
EAST, WEST, FAR = "EAST", "WEST", "FAR"
WEB, TILL = "web", "till"
MUG, CUP, JAR = "MUG-01", "CUP-01", "JAR-01"

Answer = dict[str, Any]
Problem = tuple[str, tuple[str | int, ...]]
"""(code, response path) of an error."""
Refusal = tuple[str, str]
"""(code, field path, joined by dots) of a userErrors entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One caller at one gateway."""

    gateway: Gateway
    schema: strawberry.Schema
    principal: Principal = LOCAL_PRINCIPAL

    def of(self, account: str) -> "Desk":
        """Return the desk of another account at the same gateway."""
        return replace(self, principal=Principal(account=account, name=f"{account}'s clerk", role=Role.ADMIN))

    async def execute(self, document: str, variables: Mapping[str, object] | None = None) -> Any:
        """Return Strawberry's result, whatever it is."""
        context = RequestContext(
            services=self.gateway.services, principal=self.principal, correlation_id=CORRELATION_ID
        )
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await self.schema.execute(document, variable_values=dict(variables or {}), context_value=context)

    async def ask(self, document: str, **variables: object) -> Answer:
        """Return the data of a request without errors."""
        result = await self.execute(document, variables)
        assert not result.errors, result.errors
        data: Answer = result.data
        return data

    async def problems(self, document: str, **variables: object) -> list[Problem]:
        """Return the errors of a request that has no data."""
        result = await self.execute(document, variables)
        assert not result.data or not any(result.data.values()), result.data
        return [((one.extensions or {}).get("code", "no code"), tuple(one.path or ())) for one in result.errors or ()]

    async def change(self, mutation: str, kind: str, selection: str, input: Mapping[str, object]) -> Answer:
        """Run a mutation of one input and return its payload."""
        document = f"mutation change($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} }} }}"
        payload: Answer = (await self.ask(document, input=dict(input)))[mutation]
        return payload

    async def adjust(self, selection: str, **fields: object) -> Answer:
        """Run inventoryAdjust and return its payload."""
        return await self.change("inventoryAdjust", "InventoryAdjustmentInput", selection, fields)

    async def count(self, selection: str, **fields: object) -> Answer:
        """Run inventorySet and return its payload."""
        return await self.change("inventorySet", "InventorySetInput", selection, fields)

    async def move(self, selection: str, **fields: object) -> Answer:
        """Run inventoryMove and return its payload."""
        return await self.change("inventoryMove", "InventoryMoveInput", selection, fields)

    async def accepted(self, mutation: str, kind: str, input: Mapping[str, object]) -> None:
        """Run a mutation that must be accepted."""
        payload = await self.change(mutation, kind, "userErrors { field message code }", input)
        assert payload["userErrors"] == [], payload

    async def refused(self, mutation: str, kind: str, input: Mapping[str, object]) -> list[Refusal]:
        """Run a mutation that must be refused, prove that nothing changed, and return the reasons."""
        before = await self.position(), await self.levels()
        payload = await self.change(mutation, kind, "userErrors { field message code }", input)
        assert (await self.position(), await self.levels()) == before
        assert payload["userErrors"], payload
        return refusals(payload)

    async def position(self) -> str:
        """Return the newest position."""
        return str(await self.gateway.services.reads.position())

    async def levels(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return on hand and version of every active level."""
        document = "{ inventoryItems(first: 250) { nodes { sku levels { onHand version location { code } } } } }"
        items = (await self.ask(document))["inventoryItems"]["nodes"]
        return {
            (item["sku"], level["location"]["code"]): (level["onHand"], level["version"])
            for item in items
            for level in item["levels"]
        }


def refusals(payload: Answer) -> list[Refusal]:
    """Return the reasons that a payload gives."""
    return [(one["code"], ".".join(one["field"] or ())) for one in payload["userErrors"]]


def delta(location: str, amount: int, **more: object) -> dict[str, object]:
    """Return one entry of inventoryAdjust."""
    return {"locationId": location, "delta": amount, **more}


def counted(location: str, quantity: int, **more: object) -> dict[str, object]:
    """Return one entry of inventorySet that replaces whatever balance there is."""
    return {"locationId": location, "quantity": quantity, "changeFromQuantity": None, **more}


@asynccontextmanager
async def open_desk(path: Path, schema: strawberry.Schema, *, cost_points_max: int = POINTS_MAX) -> AsyncIterator[Desk]:
    """Open a gateway on a migrated file."""
    settings = Settings(database_url=f"{SQLITE_PREFIX}{path}", cost_points_max=cost_points_max)
    async with open_gateway(settings) as gateway:
        yield Desk(gateway=gateway, schema=schema)


def complete(path: Path) -> Path:
    """Bring what is still in the write-ahead log into the file, so that a copy of the file has it all."""
    with closing(sqlite3.connect(path)) as connection:
        # Connections that close at the same moment may each leave this to the other.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


async def stock_up(desk: Desk) -> None:
    """Bring in the small shop: MUG (10 EAST, 4 WEST) and CUP (7 EAST) but no JAR; EAST serves both channels, WEST till.

    MUG is listed on both channels. FAR serves nobody and stocks nothing.
    """
    for code in (WEB, TILL):
        await desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": code})
    for code, serves in ((EAST, [WEB, TILL]), (WEST, [TILL]), (FAR, [])):
        await desk.accepted("locationUpsert", "LocationUpsertInput", {"code": code, "channelIds": serves})
    for sku, name in ((MUG, "Red mug"), (CUP, "Tea cup"), (JAR, "Jam jar")):
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": sku, "name": name, "productCode": sku[:3]})
    await desk.ask(
        "mutation($inputs: [ListingUpsertInput!]!) { listingUpsertBulk(inputs: $inputs) { userErrors { code } } }",
        inputs=[{"sku": MUG, "channelId": WEB, "externalKey": "B00MUG"}, {"sku": MUG, "channelId": TILL}],
    )
    for sku, quantities in ((MUG, [counted(EAST, 10), counted(WEST, 4)]), (CUP, [counted(EAST, 7)])):
        payload = await desk.count("replayed userErrors { code }", sku=sku, quantities=quantities, idempotencyKey=sku)
        assert payload == {"replayed": False, "userErrors": []}

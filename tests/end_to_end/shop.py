"""A small shop of a test's own on a gateway that many tests share; the one rule: no other test uses its names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from tests.end_to_end.client import Answer, Client
from tests.end_to_end.gateway import Gateway

OPENING: Final = 100
SHOPS: Final = count(1)
CATALOGUE: Final = """
mutation catalogue(
  $web: String!, $till: String!, $east: String!, $west: String!, $both: [ID!]!, $one: [ID!]!,
  $items: [ItemUpsertInput!]!, $listings: [ListingUpsertInput!]!
) {
  web: channelUpsert(input: {code: $web}) { userErrors { code } }
  till: channelUpsert(input: {code: $till}) { userErrors { code } }
  east: locationUpsert(input: {code: $east, channelIds: $both}) { userErrors { code } }
  west: locationUpsert(input: {code: $west, channelIds: $one}) { userErrors { code } }
  items: itemUpsertBulk(inputs: $items) { userErrors { code } results { userErrors { code } } }
  listings: listingUpsertBulk(inputs: $listings) { userErrors { code } results { userErrors { code } } }
}
"""
LEVELS: Final = """
query levels($skus: [String!]!, $channelId: ID) {
  availability(skus: $skus, channelId: $channelId) {
    sku position availableQuantity levels { location { code } onHand version }
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Items with OPENING units each at EAST (serves web and till) and at WEST (serves the till only)."""

    gateway: Gateway
    client: Client
    skus: Sequence[str]
    east: str
    west: str
    web: str
    till: str
    keys: "count[int]" = field(default_factory=lambda: count(1))

    def key(self) -> str:
        """Return an idempotency key that nobody has used."""
        return f"{self.east}-{next(self.keys)}"

    async def adjust(self, sku: str, *deltas: tuple[str, int], selection: str = "position", **more: object) -> Answer:
        """Change an item's stock at one or many locations."""
        entries = [{"locationId": location, "delta": delta} for location, delta in deltas]
        input = {"sku": sku, "adjustments": entries, "idempotencyKey": self.key(), **more}
        return await self.client.accepted("inventoryAdjust", "InventoryAdjustmentInput", selection, input)

    async def sell(self, sku: str, units: int = 1, location: str | None = None) -> int:
        """Take units from one location (EAST unless said otherwise) and return the position of that."""
        payload = await self.adjust(sku, (location or self.east, -units))
        return int(payload["position"])

    async def snapshot(self, channel: str | None = None) -> tuple[int, dict[str, int]]:
        """Return the position of a snapshot, and what may be sold of each item in it."""
        found = (await self.client.ask(LEVELS, skus=list(self.skus), channelId=channel))["availability"]
        (position,) = {int(one["position"]) for one in found}
        return position, {one["sku"]: one["availableQuantity"] for one in found}

    async def on_hand(self) -> dict[tuple[str, str], int]:
        """Return what is on hand, by SKU and location."""
        found = (await self.client.ask(LEVELS, skus=list(self.skus)))["availability"]
        return {(one["sku"], level["location"]["code"]): level["onHand"] for one in found for level in one["levels"]}


async def open_shop(gateway: Gateway, client: Client, *, items: int = 3) -> Shop:
    """Create a shop on a gateway that serves."""
    name = f"S{next(SHOPS):03d}"
    shop = Shop(
        gateway=gateway,
        client=client,
        skus=[f"{name}-item-{number}" for number in range(items)],
        east=f"{name}-EAST",
        west=f"{name}-WEST",
        web=f"{name}-web",
        till=f"{name}-till",
    )
    data = await client.ask(
        CATALOGUE,
        web=shop.web,
        till=shop.till,
        east=shop.east,
        west=shop.west,
        both=[shop.web, shop.till],
        one=[shop.till],
        items=[{"sku": sku} for sku in shop.skus],
        listings=[{"sku": sku, "channelId": channel} for sku in shop.skus for channel in (shop.web, shop.till)],
    )
    assert list(_errors(data)) == [], data
    for sku in shop.skus:
        quantities = [
            {"locationId": location, "quantity": OPENING, "changeFromQuantity": None}
            for location in (shop.east, shop.west)
        ]
        input = {"sku": sku, "quantities": quantities, "idempotencyKey": shop.key()}
        await client.accepted("inventorySet", "InventorySetInput", "replayed", input)
    return shop


def _errors(data: dict[str, Any]) -> list[Answer]:
    payloads = [payload for one in data.values() for payload in (one, *one.get("results", ()))]
    return [error for payload in payloads for error in payload["userErrors"]]

"""The load of the fault tests: clients that send each request again, under its key, until it is answered.

The rule: what is sent and what is answered goes to the journal first; clients never decide what is right.
"""

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.faults.journal import Journal, Operation, Request

ANSWER_SECONDS_MAX: Final = 10.0
# Longer and longer pauses: clients that hammer a starting gateway would only measure themselves.
RETRY_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2)
DELIVERY_SECONDS_MAX: Final = 60.0
RETRYABLE_CODES: Final = frozenset({"OVERLOADED", "UNAVAILABLE", "THROTTLED"})
RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
ANSWERED_STATUSES: Final = frozenset({200, 429, 502, 503, 504})
OPENING_QUANTITY: Final = 60
DELTA_MAX: Final = 25

_PAYLOAD: Final = """\
    adjustment {
      id idempotencyKey position reason occurredAt recordedAt
      movements { location { code } bucket delta balanceAfter }
    }
    replayed
    userErrors { field message code }
"""
ADJUST: Final = f"""\
mutation adjust($input: InventoryAdjustmentInput!) {{
  inventoryAdjust(input: $input) {{
{_PAYLOAD}  }}
}}
"""
SET: Final = f"""\
mutation count($input: InventorySetInput!) {{
  inventorySet(input: $input) {{
{_PAYLOAD}  }}
}}
"""
ITEM_UPSERT_BULK: Final = """\
mutation items($inputs: [ItemUpsertInput!]!) {
  itemUpsertBulk(inputs: $inputs, errorPolicy: REJECT_EVERYTHING) {
    results { userErrors { field message code } }
    userErrors { field message code }
  }
}
"""
LOCATION_UPSERT: Final = """\
mutation location($input: LocationUpsertInput!) {
  locationUpsert(input: $input) { userErrors { field message code } }
}
"""
LEVELS: Final = """\
query levels($skus: [String!]!) {
  availability(skus: $skus) { sku levels { location { code } onHand } }
}
"""


class UnexpectedAnswerError(AssertionError):
    """The gateway answered what it may not answer to a valid request."""


class NotAnsweredError(Exception):
    """The gateway did not answer, or said that it cannot now; the request may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What the load is made of. Shares are of all requests; the rest are adjustments sent once."""

    skus: Sequence[str]
    locations: Sequence[str]
    clients: int = 12
    share_of_counts: float = 0.1
    share_of_twins: float = 0.15
    share_of_repeats: float = 0.1


@dataclass(slots=True, kw_only=True)
class Load:
    """A running load: its clients stop after their present request once `stopping` is set."""

    session: aiohttp.ClientSession
    url: str
    journal: Journal
    mix: Mix
    chance: random.Random
    name: str = "load"
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: list[Request] = field(default_factory=list)
    made: int = 0

    async def prepare(self) -> None:
        """Create the catalogue and give every item its opening stock at every location."""
        for code in self.mix.locations:
            await self._created(LOCATION_UPSERT, {"input": {"code": code, "name": code}})
        items = [{"sku": sku, "name": sku} for sku in self.mix.skus]
        await self._created(ITEM_UPSERT_BULK, {"inputs": items})
        for sku in self.mix.skus:
            await self.deliver(self._request(Operation.SET, sku, dict.fromkeys(self.mix.locations, OPENING_QUANTITY)))

    async def run(self) -> None:
        """Run all clients until `stopping` is set and their last requests are answered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.mix.clients):
                group.create_task(self._client())

    async def ask_again(self) -> int:
        """Send every accepted request once more, whoever sent it first; return how many those were."""
        waiting = list({request.key: request for request in self.accepted}.values())
        asked = len(waiting)

        async def worker() -> None:
            while waiting:
                await self.deliver(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(self.mix.clients):
                group.create_task(worker())
        return asked

    async def on_hand(self) -> dict[tuple[str, str], int]:
        """Return what the gateway says is on hand, by SKU and location."""
        data = await self._post(LEVELS, {"skus": list(self.mix.skus)})
        return {
            (item["sku"], level["location"]["code"]): level["onHand"]
            for item in data["availability"]
            for level in item["levels"]
        }

    async def deliver(self, request: Request) -> None:
        """Send one request until it is answered, each attempt journalled."""
        pauses = itertools.chain(RETRY_PAUSES_SECONDS, itertools.repeat(RETRY_PAUSES_SECONDS[-1]))
        async with asyncio.timeout(DELIVERY_SECONDS_MAX):
            while not await self._attempt(request):
                await asyncio.sleep(next(pauses) * self.chance.uniform(0.5, 1.0))

    async def _client(self) -> None:
        while not self.stopping.is_set():
            if self.accepted and self.chance.random() < self.mix.share_of_repeats:
                await self.deliver(self.chance.choice(self.accepted))
                continue
            request = self._random_request()
            twins = 2 if self.chance.random() < self.mix.share_of_twins else 1
            await asyncio.gather(*(self.deliver(request) for _ in range(twins)))

    async def _attempt(self, request: Request) -> bool:
        number = self.journal.sent(request)
        query = ADJUST if request.operation is Operation.ADJUST else SET
        try:
            data = await self._post(query, {"input": graphql_input(request)})
        except NotAnsweredError:
            return False
        payload = data[request.operation.value]
        if payload["userErrors"]:
            self.journal.refused(number, codes=tuple(error["code"] for error in payload["userErrors"]))
        else:
            self.journal.accepted(number, adjustment=payload["adjustment"], replayed=payload["replayed"])
            self.accepted.append(request)
        return True

    async def _created(self, query: str, variables: dict[str, Any]) -> None:
        data = await self._post(query, variables)
        for payload in data.values():
            if payload["userErrors"] or any(result["userErrors"] for result in payload.get("results", ())):
                raise UnexpectedAnswerError(payload)

    async def _post(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
        body = {"query": query, "variables": variables}
        try:
            async with self.session.post(self.url, json=body, timeout=timeout) as response:
                if response.status not in ANSWERED_STATUSES:
                    raise UnexpectedAnswerError(f"{response.status}: {await response.text()}")
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise NotAnsweredError(repr(error)) from error
        return _data_of(answer, status=response.status)

    def _random_request(self) -> Request:
        chance = self.chance
        places = chance.sample(list(self.mix.locations), 2)
        sku = chance.choice(self.mix.skus)
        if chance.random() < self.mix.share_of_counts:
            return self._request(Operation.SET, sku, {place: chance.randint(0, 200) for place in places})
        deltas = [delta for delta in range(-DELTA_MAX, DELTA_MAX + 1) if delta]
        return self._request(Operation.ADJUST, sku, {place: chance.choice(deltas) for place in places})

    def _request(self, operation: Operation, sku: str, amounts: dict[str, int]) -> Request:
        self.made += 1
        return Request(key=f"{self.name}-{self.made:07d}", operation=operation, sku=sku, amounts=amounts)


def graphql_input(request: Request) -> dict[str, Any]:
    """Return the GraphQL input of a request."""
    if request.operation is Operation.ADJUST:
        entries = [{"locationId": place, "delta": amount} for place, amount in request.amounts.items()]
        return {"sku": request.sku, "adjustments": entries, "idempotencyKey": request.key}
    entries = [
        {"locationId": place, "quantity": amount, "changeFromQuantity": None}
        for place, amount in request.amounts.items()
    ]
    return {"sku": request.sku, "quantities": entries, "idempotencyKey": request.key}


def _data_of(answer: dict[str, Any], *, status: int) -> dict[str, Any]:
    errors = answer.get("errors", [])
    codes = {error.get("extensions", {}).get("code") for error in errors}
    if errors and codes <= RETRYABLE_CODES:
        raise NotAnsweredError(f"{status}: {codes}")
    if errors or status in RETRYABLE_STATUSES or not isinstance(answer.get("data"), dict):
        raise UnexpectedAnswerError(f"{status}: {answer}")
    data: dict[str, Any] = answer["data"]
    return data

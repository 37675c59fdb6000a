"""The load of the fault tests: clients that send each request again, under its key, until it is answered.

The rule: what is sent and what is answered goes to the journal first; clients never decide what is right.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.caller import Caller, Data, NotAnsweredError, UnexpectedAnswerError
from tests.faults.journal import OWN_ACCOUNT, Journal, Operation, Request

# Longer and longer pauses: clients that hammer a starting gateway would only measure themselves.
RETRY_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2)
DELIVERY_SECONDS_MAX: Final = 90.0
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
SKUS_READ_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What the load is made of. Shares are of all requests; the rest are adjustments sent once.

    An adjustment or count names `places[0]` to `places[1]` locations. Clients pause between two requests where what is
    under test needs the processors more than they do.
    """

    skus: Sequence[str]
    locations: Sequence[str]
    clients: int = 12
    share_of_counts: float = 0.1
    share_of_twins: float = 0.15
    share_of_repeats: float = 0.1
    places: tuple[int, int] = (2, 2)
    opening: int = OPENING_QUANTITY
    pause_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a request, and when (the machine's monotonic clock, seconds).

    `last_sent_at` is when the attempt left that was answered; attempts before it were not.
    """

    first_sent_at: float
    last_sent_at: float
    answered_at: float
    payload: Data

    @property
    def codes(self) -> tuple[str, ...]:
        """Why it was refused; nothing where it was accepted."""
        return tuple(error["code"] for error in self.payload["userErrors"])


@dataclass(slots=True, kw_only=True)
class Load:
    """A running load: its clients stop after their present request once `stopping` is set."""

    caller: Caller
    journal: Journal
    mix: Mix
    chance: random.Random
    name: str = "load"
    account: str = OWN_ACCOUNT
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: list[Request] = field(default_factory=list)
    made: int = 0

    async def prepare(self) -> None:
        """Create the catalogue and give every item its opening stock at every location."""
        for code in self.mix.locations:
            await self._created(LOCATION_UPSERT, {"input": {"code": code, "name": code}})
        items = [{"sku": sku, "name": sku} for sku in self.mix.skus]
        await self._created(ITEM_UPSERT_BULK, {"inputs": items})
        opening = dict.fromkeys(self.mix.locations, self.mix.opening)
        await self.deliver_all([self.request(Operation.SET, sku, opening) for sku in self.mix.skus])

    async def run(self) -> None:
        """Run all clients until `stopping` is set and their last requests are answered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.mix.clients):
                group.create_task(self._client())

    async def ask_again(self) -> int:
        """Send every accepted request once more, whoever sent it first; return how many those were."""
        waiting = list({request.key: request for request in self.accepted}.values())
        await self.deliver_all(waiting)
        return len(waiting)

    async def deliver_all(self, requests: Sequence[Request], *, at_once: int | None = None) -> list[Delivery]:
        """Deliver requests in their order, so many at a time; return what became of them, in the order of answers."""
        waiting, delivered = iter(requests), list[Delivery]()

        async def worker() -> None:
            for request in waiting:
                delivered.append(await self.deliver(request))

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once or self.mix.clients):
                group.create_task(worker())
        return delivered

    async def on_hand(self) -> dict[tuple[str, str], int]:
        """Return what a gateway says is on hand, by SKU and location."""
        found = {}
        for start in range(0, len(self.mix.skus), SKUS_READ_MAX):
            data = await self.caller.answer(LEVELS, {"skus": list(self.mix.skus[start : start + SKUS_READ_MAX])})
            found.update(levels_in(data))
        return found

    async def deliver(self, request: Request, *, url: str | None = None) -> Delivery:
        """Send one request until it is answered, each attempt journalled; to one gateway only if `url` names it."""
        pauses = itertools.chain(RETRY_PAUSES_SECONDS, itertools.repeat(RETRY_PAUSES_SECONDS[-1]))
        first_sent_at = last_sent_at = time.monotonic()
        async with asyncio.timeout(DELIVERY_SECONDS_MAX):
            while (payload := await self._attempt(request, url=url)) is None:
                await asyncio.sleep(next(pauses) * self.chance.uniform(0.5, 1.0))
                last_sent_at = time.monotonic()
        return Delivery(
            first_sent_at=first_sent_at, last_sent_at=last_sent_at, answered_at=time.monotonic(), payload=payload
        )

    def request(self, operation: Operation, sku: str, amounts: dict[str, int]) -> Request:
        """Return a request under a key of its own."""
        self.made += 1
        key = f"{self.name}-{self.made:07d}"
        return Request(key=key, operation=operation, sku=sku, amounts=amounts, account=self.account)

    def random_request(self) -> Request:
        """Return a request as the mix has them."""
        chance = self.chance
        places = chance.sample(list(self.mix.locations), chance.randint(*self.mix.places))
        sku = chance.choice(self.mix.skus)
        if chance.random() < self.mix.share_of_counts:
            return self.request(Operation.SET, sku, {place: chance.randint(0, 200) for place in places})
        deltas = [delta for delta in range(-DELTA_MAX, DELTA_MAX + 1) if delta]
        return self.request(Operation.ADJUST, sku, {place: chance.choice(deltas) for place in places})

    async def _client(self) -> None:
        while not self.stopping.is_set():
            await asyncio.sleep(self.mix.pause_seconds * 2 * self.chance.random())
            if self.accepted and self.chance.random() < self.mix.share_of_repeats:
                await self.deliver(self.chance.choice(self.accepted))
                continue
            request = self.random_request()
            twins = 2 if self.chance.random() < self.mix.share_of_twins else 1
            await asyncio.gather(*(self.deliver(request) for _ in range(twins)))

    async def _attempt(self, request: Request, *, url: str | None) -> Data | None:
        number = self.journal.sent(request)
        query = ADJUST if request.operation is Operation.ADJUST else SET
        try:
            data = await self.caller.ask(query, {"input": graphql_input(request)}, url=url)
        except NotAnsweredError:
            return None
        payload: Data = data[request.operation.value]
        if payload["userErrors"]:
            self.journal.refused(number, codes=tuple(error["code"] for error in payload["userErrors"]))
        else:
            self.journal.accepted(number, adjustment=payload["adjustment"], replayed=payload["replayed"])
            self.accepted.append(request)
        return payload

    async def _created(self, query: str, variables: Data) -> None:
        data = await self.caller.answer(query, variables)
        for payload in data.values():
            if payload["userErrors"] or any(result["userErrors"] for result in payload.get("results", ())):
                raise UnexpectedAnswerError(payload)


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


def levels_in(data: Data) -> dict[tuple[str, str], int]:
    """Return what is on hand by SKU and location, of an answer to LEVELS."""
    return {
        (item["sku"], level["location"]["code"]): level["onHand"]
        for item in data["availability"]
        for level in item["levels"]
    }

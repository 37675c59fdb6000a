"""Reservations at once, over two processes: one holder of the last unit, one end of each hold, no unit lost or doubled.

The rule: what is counted at the end is read past those who raced: the levels, the reservations, and the audit.
"""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.faults.clients import Mix
from tests.faults.counts import SEED, count
from tests.faults.journal import Operation
from tests.faults.stores import PostgresStore, new_postgres_store
from tests.faults.trial import Trial, open_trial
from tests.servers.postgres_server import TestServer

BUYERS: Final = 50
BUYER_ROUNDS: Final = count("HOLDER_ROUNDS", ci=10)
ENDINGS: Final = count("ENDINGS", ci=60)
ENDINGS_AT_ONCE: Final = 20
RESERVATIONS: Final = count("RESERVATIONS", ci=400)
AT_ONCE: Final = 32
SECONDS_MAX: Final = 900
LIFE_SECONDS: Final = 1
SWEPT_SECONDS_MAX: Final = 20.0
EAST: Final = "EAST"
OPENING: Final = 5_000
CROWDED: Final = Mix(
    skus=tuple(f"HOLD-{number}" for number in range(6)), locations=(EAST, "WEST", "SOUTH"), opening=OPENING
)
SHORT: Final = ("INSUFFICIENT_STOCK",)
OVER: Final = {"RESERVATION_EXPIRED", "RESERVATION_ALREADY_COMMITTED", "RESERVATION_ALREADY_RELEASED"}
END_OF: Final = {"reservationCommit": "COMMITTED", "reservationRelease": "RELEASED"}
_PAYLOAD: Final = "reservation { reservationId state } replayed userErrors { field message code }"
MUTATIONS: Final = {
    name: f"mutation one($input: {kind}!) {{ {name}(input: $input) {{ {_PAYLOAD} }} }}"
    for name, kind in (
        ("reservationCreate", "ReservationCreateInput"),
        ("reservationCommit", "ReservationCommitInput"),
        ("reservationRelease", "ReservationReleaseInput"),
    )
}
STATE: Final = "query state($id: ID!) { reservation(id: $id) { state } }"
LEVELS: Final = """
query levels($skus: [String!]!) { availability(skus: $skus) { sku levels { onHand reserved allocated available } } }
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True, kw_only=True)
class Checkouts:
    """Sends reservations' commands to all gateways in turn."""

    trial: Trial
    urls: "itertools.cycle[str]" = field(init=False)

    def __post_init__(self) -> None:
        self.urls = itertools.cycle(gateway.url for gateway in self.trial.gateways)

    async def send(self, name: str, **values: Any) -> dict[str, Any]:
        """Return the payload of one command under a key of its own."""
        variables = {"input": {"idempotencyKey": uuid.uuid4().hex, **values}}
        data = await self.trial.load.caller.answer(MUTATIONS[name], variables, url=next(self.urls))
        payload: dict[str, Any] = data[name]
        return payload

    async def reserve(self, *lines: tuple[str, int], **values: Any) -> dict[str, Any]:
        """Return the payload of a reservation of so many units of each SKU."""
        asked = [{"sku": sku, "quantity": quantity} for sku, quantity in lines]
        return await self.send("reservationCreate", lines=asked, **values)

    async def state_of(self, reservation: str) -> str:
        """Return where a reservation is in its life."""
        data = await self.trial.load.caller.answer(STATE, {"id": reservation}, url=next(self.urls))
        return str(data["reservation"]["state"])

    async def totals(self, skus: Sequence[str] = CROWDED.skus) -> Counter[str]:
        """Return the counters of items, over all locations."""
        data = await self.trial.load.caller.answer(LEVELS, {"skus": list(skus)})
        found = Counter[str]()
        for level in itertools.chain.from_iterable(item["levels"] for item in data["availability"]):
            found.update(level)
            assert min(level.values()) >= 0, data
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def checkouts(durable_postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Checkouts]:
    """Two gateways on one database."""
    directory = tmp_path_factory.mktemp("reservations")
    async with (
        new_postgres_store(durable_postgres) as store,
        open_trial(directory, store, seed=SEED, mix=CROWDED, gateways=2) as trial,
    ):
        yield Checkouts(trial=trial)


async def test_the_last_unit_has_one_holder(checkouts: Checkouts) -> None:
    """Given one unit and fifty checkouts at once over both gateways, then one holds it, round after round."""
    load = checkouts.trial.load
    for number in range(BUYER_ROUNDS):
        sku = CROWDED.skus[number % len(CROWDED.skus)]
        await load.deliver(load.request(Operation.SET, sku, {EAST: 1, "WEST": 0, "SOUTH": 0}))
        payloads = await asyncio.gather(*(checkouts.reserve((sku, 1)) for _ in range(BUYERS)))
        assert Counter(codes_of(one) for one in payloads) == {(): 1, SHORT: BUYERS - 1}
        assert (await checkouts.totals([sku]))["reserved"] == 1
        (winner,) = [one["reservation"]["reservationId"] for one in payloads if one["reservation"]]
        await checkouts.send("reservationRelease", reservationId=winner)
        opening = dict.fromkeys(CROWDED.locations, OPENING)
        await load.deliver(load.request(Operation.SET, sku, opening))
    print(f"\n{checkouts.trial.mode}; seed {SEED}: {BUYER_ROUNDS} rounds of {BUYERS} checkouts, one holder each")


async def test_a_hold_ends_once(checkouts: Checkouts) -> None:
    """Given holds whose time runs out while they are committed and released at once, then each ends in one way."""
    before = await checkouts.totals()
    ends = Counter[str]()
    async with asyncio.timeout(SECONDS_MAX):
        for _ in range(max(1, ENDINGS // ENDINGS_AT_ONCE)):
            ends.update(await asyncio.gather(*(end_of_one(checkouts) for _ in range(ENDINGS_AT_ONCE))))
    after = await checkouts.totals()
    print(f"\n{checkouts.trial.mode}; seed {SEED}: {sum(ends.values()):,} holds ended: {dict(ends)}")
    assert after["onHand"] == before["onHand"]
    assert after["reserved"] == before["reserved"]
    assert after["allocated"] - before["allocated"] == ends["COMMITTED"]


async def end_of_one(checkouts: Checkouts) -> str:
    """Reserve a unit, then commit and release it when its time runs out; return how that ended."""
    chance = checkouts.trial.load.chance
    made = await checkouts.reserve((chance.choice(CROWDED.skus), 1), ttlSeconds=LIFE_SECONDS)
    if codes_of(made) == SHORT:
        return "SHORT"
    reservation = made["reservation"]["reservationId"]
    await asyncio.sleep(LIFE_SECONDS * chance.choice((0.0, chance.uniform(0.9, 1.1))))
    names = ["reservationCommit", "reservationRelease", "reservationCommit", "reservationRelease"]
    more = {"reservationCommit": {"orderId": f"order-{reservation}"}, "reservationRelease": {}}
    answers = await asyncio.gather(*(checkouts.send(name, reservationId=reservation, **more[name]) for name in names))
    won = [name for name, answer in zip(names, answers, strict=True) if not answer["userErrors"]]
    assert {code for answer in answers for code in codes_of(answer)} <= OVER
    state = await settled(checkouts, reservation)
    assert [END_OF[name] for name in won] == ([] if state == "EXPIRED" else [state])
    return state


async def settled(checkouts: Checkouts, reservation: str) -> str:
    """Return how a reservation ended, once that is recorded."""
    async with asyncio.timeout(SWEPT_SECONDS_MAX):
        while (state := await checkouts.state_of(reservation)) == "ACTIVE":
            await asyncio.sleep(0.05)
    return state


async def test_reservations_of_many_lines_meet_no_deadlock(checkouts: Checkouts) -> None:
    """Given reservations of 2 to 4 items in random order, 32 at once, then each is answered, and no unit is lost."""
    store = checkouts.trial.store
    assert isinstance(store, PostgresStore)
    chance = checkouts.trial.load.chance
    before = await checkouts.totals()
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    deadlocks_before = await store.ask(deadlocks)
    ends = Counter[str]()
    numbers = iter(range(RESERVATIONS))

    async def shop() -> None:
        for _ in numbers:
            lines = [(sku, chance.randint(1, 2)) for sku in chance.sample(CROWDED.skus, chance.randint(2, 4))]
            made = await checkouts.reserve(*lines)
            assert codes_of(made) in ((), SHORT * len(codes_of(made))), made
            if made["reservation"] is None:
                ends["short"] += 1
                continue
            reservation = made["reservation"]["reservationId"]
            name = chance.choice(("reservationRelease", "reservationRelease", "reservationCommit"))
            more = {"orderId": f"order-{reservation}"} if name == "reservationCommit" else {}
            ended = await checkouts.send(name, reservationId=reservation, **more)
            assert codes_of(ended) == ()
            ends[name] += 1
            if more:
                ends["units"] += sum(quantity for _, quantity in lines)

    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*(shop() for _ in range(AT_ONCE)))
    after = await checkouts.totals()
    print(f"\n{checkouts.trial.mode}; seed {SEED}: {RESERVATIONS:,} reservations, {AT_ONCE} at once: {dict(ends)}")
    assert after["onHand"] == before["onHand"]
    assert after["reserved"] == before["reserved"]
    assert after["allocated"] - before["allocated"] == ends["units"]
    assert await store.ask(deadlocks) == deadlocks_before


async def test_after_all_races_the_ledger_is_whole(checkouts: Checkouts) -> None:
    for gateway in checkouts.trial.gateways:
        await gateway.stop_gently()
    audited = await checkouts.trial.gateways[0].audit()
    assert audited.exit_code == 0, audited.output


def codes_of(payload: dict[str, Any]) -> tuple[str, ...]:
    """Return why a command was refused; nothing where it was accepted."""
    return tuple(error["code"] for error in payload["userErrors"])

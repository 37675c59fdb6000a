"""Many at once, over two processes: one winner of the last unit, one effect of a key, no deadlock that a client sees.

The rule: all races run on the same two gateways, and the last test holds what they left against what was answered.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio

from tests.faults.caller import Caller, Data
from tests.faults.clients import LEVELS, Load, Mix, levels_in
from tests.faults.counts import SEED, count
from tests.faults.journal import Operation
from tests.faults.races import SECONDS_MAX, all_at_once, race_two_changes_under_one_key
from tests.faults.stores import PostgresStore, new_postgres_store
from tests.faults.trial import Trial, open_trial
from tests.servers.postgres_server import TestServer

BUYERS: Final = 50
ROUNDS: Final = count("BUYER_ROUNDS", ci=10)
TWINS: Final = 100
TWIN_ROUNDS: Final = count("TWIN_ROUNDS", ci=3)
ADJUSTMENTS: Final = count("ADJUSTMENTS", ci=1500)
AT_ONCE: Final = 32
STATISTICS_SECONDS: Final = 1.5
"""How late a session may tell the server's statistics of what it has seen."""
EAST: Final = "EAST"
# Few items at many locations: most of what runs at once wants some of the same levels, each in an order of its own.
CROWDED: Final = Mix(
    skus=tuple(f"RACE-{number}" for number in range(6)), locations=(EAST, "WEST", "SOUTH", "NORTH"), places=(2, 4)
)
SOLD_OUT: Final = ("INSUFFICIENT_STOCK",)
ACCOUNT_CREATE: Final = """
mutation account($input: AccountCreateInput!) { accountCreate(input: $input) { userErrors { code message } } }
"""
KEY_CREATE: Final = """
mutation key($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { token userErrors { code message } } }
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(durable_postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trial]:
    """Two gateways on one database."""
    directory = tmp_path_factory.mktemp("races")
    async with (
        new_postgres_store(durable_postgres) as store,
        open_trial(directory, store, seed=SEED, mix=CROWDED, gateways=2) as trial,
    ):
        yield trial


async def test_the_last_unit_has_one_buyer(pair: Trial) -> None:
    """Given one unit and fifty buyers at once over both gateways, then one gets it, round after round."""
    load = pair.load
    winners = Counter[str]()
    for number in range(ROUNDS):
        sku = CROWDED.skus[number % len(CROWDED.skus)]
        await load.deliver(load.request(Operation.SET, sku, {EAST: 1}))
        sales = [load.request(Operation.ADJUST, sku, {EAST: -1}) for _ in range(BUYERS)]
        deliveries = await all_at_once(load, sales, pair)
        assert Counter(delivery.codes for delivery in deliveries) == {(): 1, SOLD_OUT: BUYERS - 1}
        winners["A" if [one.codes for one in deliveries].index(()) % 2 == 0 else "B"] += 1
        for gateway in pair.gateways:
            left = levels_in(await load.caller.answer(LEVELS, {"skus": [sku]}, url=gateway.url))
            assert left[sku, EAST] == 0
    print(
        f"\n{pair.mode}; seed {SEED}: {ROUNDS} rounds of {BUYERS} buyers, one winner each, by gateway {dict(winners)}"
    )


async def test_a_key_that_comes_a_hundred_times_at_once_counts_once(pair: Trial) -> None:
    load = pair.load
    for number in range(TWIN_ROUNDS):
        sku = CROWDED.skus[number % len(CROWDED.skus)]
        request = load.request(Operation.ADJUST, sku, {EAST: 5, "WEST": 3})
        deliveries = await all_at_once(load, [request] * TWINS, pair)
        first = deliveries[0].payload["adjustment"]
        assert all(delivery.payload["adjustment"] == first for delivery in deliveries)
        assert Counter(delivery.payload["replayed"] for delivery in deliveries) == {False: 1, True: TWINS - 1}


async def test_of_two_changes_under_one_key_at_once_one_counts(pair: Trial) -> None:
    """Given two changes that have no level in common, under one key at once, then one is kept and the other refused."""
    for number in range(TWIN_ROUNDS):
        await race_two_changes_under_one_key(pair, number=number, times=TWINS)


async def test_changes_of_many_levels_in_any_order_meet_no_deadlock(pair: Trial) -> None:
    """Given changes of two to four locations in random order, 32 at once over both, then each is answered at once."""
    load, store = pair.load, pair.store
    assert isinstance(store, PostgresStore)
    before = await deadlocks_of(store)
    turned_away = load.caller.turned_away.copy()
    requests = [load.random_request() for _ in range(ADJUSTMENTS)]
    async with asyncio.timeout(SECONDS_MAX):
        deliveries = await load.deliver_all(requests, at_once=AT_ONCE)
    refused = [delivery.codes for delivery in deliveries if delivery.codes]
    print(f"\n{pair.mode}; seed {SEED}: {len(deliveries):,} changes, {AT_ONCE} at once, {len(refused)} refused")
    assert set(itertools.chain(*refused)) <= set(SOLD_OUT)
    assert len(deliveries) == ADJUSTMENTS
    assert load.caller.turned_away == turned_away
    assert await deadlocks_of(store) == before


async def deadlocks_of(store: PostgresStore) -> int:
    """Return how many deadlocks the database has broken since it was made."""
    await asyncio.sleep(STATISTICS_SECONDS)
    return int(await store.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


async def test_accounts_do_not_know_each_other_s_keys(pair: Trial) -> None:
    """Given two accounts that use the same key at once, then each has its own effect and its own answer."""
    own, other = await as_two_accounts(pair)
    for number in range(TWIN_ROUNDS):
        mug, cup = (CROWDED.skus[(number + offset) % len(CROWDED.skus)] for offset in range(2))
        one = own.request(Operation.ADJUST, mug, {EAST: 5})
        theirs = replace(one, sku=cup, amounts={EAST: 7}, account=other.account)
        answers = await asyncio.gather(
            all_at_once(own, [one] * (TWINS // 2), pair), all_at_once(other, [theirs] * (TWINS // 2), pair)
        )
        for deliveries in answers:
            assert Counter(delivery.codes for delivery in deliveries) == {(): TWINS // 2}
            assert Counter(delivery.payload["replayed"] for delivery in deliveries) == {False: 1, True: TWINS // 2 - 1}
        adjustments = [deliveries[0].payload["adjustment"] for deliveries in answers]
        assert adjustments[0]["idempotencyKey"] == adjustments[1]["idempotencyKey"]
        assert adjustments[0]["id"] != adjustments[1]["id"]


async def as_two_accounts(pair: Trial) -> tuple[Load, Load]:
    """Give the load's own account a key, and return it with a load of another account.

    The first key is an administrator's; from then on nobody is let in without one.
    """
    caller = pair.load.caller
    tokens: dict[str, str] = {}
    for account, role in (("ops", "ADMIN"), (pair.load.account, "BACKOFFICE"), ("shop", "BACKOFFICE")):
        await _accepted(caller, ACCOUNT_CREATE, {"code": account, "role": role})
        tokens[account] = (await _accepted(caller, KEY_CREATE, {"accountId": account}))["token"]
        caller.token = caller.token or tokens[account]
    caller.token = tokens[pair.load.account]
    stranger = replace(caller, token=tokens["shop"], turned_away=Counter())
    return pair.load, replace(pair.load, caller=stranger, account="shop", name="shop", accepted=[])


async def _accepted(caller: Caller, mutation: str, input: Data) -> Data:
    (payload,) = (await caller.ask(mutation, {"input": input})).values()
    assert payload["userErrors"] == []
    return dict(payload)


async def test_after_all_races_the_ledger_is_whole(pair: Trial) -> None:
    aftermath = await pair.finish()
    print("\n" + "\n".join(aftermath.lines()))
    aftermath.assert_whole()

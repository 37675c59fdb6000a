"""Loaders that all requests share; the one rule: a caller that goes away takes nothing from the others."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.ports import ANY, NEWEST, PositionNotReached
from resolvers.loaders import FreshLoader, SharedLoader
from tests.resolvers.desk import MUG, Desk

WAIT_SECONDS_MAX = 5.0
TURNS = 6


def doubling(seen: list[list[int]]) -> SharedLoader[int, int]:
    async def load(keys: Sequence[int]) -> list[int]:
        seen.append(list(keys))
        await asyncio.sleep(0)
        return [key * 2 for key in keys]

    return SharedLoader(load_fn=load, cache=False)


async def loaded(loader: SharedLoader[int, int], key: int) -> int:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        return await loader.load(key)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_caller_that_goes_away_at_any_moment_leaves_the_loader_working(turns: int) -> None:
    loader = doubling([])
    leaving = asyncio.create_task(loaded(loader, 1))
    for _ in range(turns):
        await asyncio.sleep(0)
    leaving.cancel()
    staying = asyncio.create_task(loaded(loader, 2))
    assert await staying == 4
    assert await asyncio.gather(*(loaded(loader, key) for key in (3, 4))) == [6, 8]
    await asyncio.gather(leaving, return_exceptions=True)


@pytest.mark.parametrize("turns", range(TURNS))
async def test_callers_of_one_batch_do_not_share_their_end(turns: int) -> None:
    loader = doubling([])
    leaving = asyncio.create_task(loaded(loader, 1))
    staying = asyncio.create_task(loaded(loader, 2))
    for _ in range(turns):
        await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 4
    await asyncio.gather(leaving, return_exceptions=True)


async def test_callers_of_one_turn_share_a_batch() -> None:
    seen: list[list[int]] = []
    loader = doubling(seen)
    assert await asyncio.gather(*(loaded(loader, key) for key in (1, 2, 1))) == [2, 4, 2]
    assert seen == [[1, 2, 1]]


async def test_a_failed_batch_fails_its_callers_and_nobody_else() -> None:
    async def load(keys: Sequence[int]) -> list[int]:
        if 13 in keys:
            raise LookupError("unlucky")
        return list(keys)

    loader = SharedLoader(load_fn=load, cache=False)
    found = await asyncio.gather(*(loaded(loader, key) for key in (1, 13)), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError, LookupError]
    assert await loaded(loader, 1) == 1


@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_request_that_is_dropped_at_any_moment_leaves_the_others_their_answers(desk: Desk, turns: int) -> None:
    document = "query q($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"
    dropped = asyncio.create_task(desk.ask(document, skus=[MUG]))
    for _ in range(turns):
        await asyncio.sleep(0)
    dropped.cancel()
    assert await desk.ask(document, skus=[MUG]) == {"availability": [{"availableQuantity": 14}]}
    await asyncio.gather(dropped, return_exceptions=True)


class Copies:
    """A truth and a copy of it that lags: what is read is the position at which it was."""

    def __init__(self, *, head: int) -> None:
        self.head = head
        self.seen: list[tuple[tuple[str, ...], int]] = []

    async def load(self, keys: Sequence[str], /, *, at_least: int) -> list[str]:
        self.seen.append((tuple(keys), at_least))
        await asyncio.sleep(0)
        if "broken" in keys:
            raise LookupError("broken")
        if self.head < at_least < NEWEST:
            raise PositionNotReached(head=self.head)
        return [f"{key} at {at_least}" for key in keys]


async def outcomes(copies: Copies, *asked: tuple[str, int], has_replica: bool) -> list[object]:
    """Return what each (key, least position) of one turn comes to; for a failure its type."""
    loader = FreshLoader(copies.load, has_replica=has_replica)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        calls = (loader.load(key, at_least=at_least) for key, at_least in asked)
        found = await asyncio.gather(*calls, return_exceptions=True)
    return [type(one) if isinstance(one, BaseException) else one for one in found]


async def test_without_a_replica_all_of_a_turn_is_read_at_once() -> None:
    copies = Copies(head=9)
    asked = [("a", ANY), ("b", 5), ("a", NEWEST), ("a", 9)]
    assert await outcomes(copies, *asked, has_replica=False) == ["a at 9", "b at 9", "a at 9", "a at 9"]
    assert copies.seen == [(("a", "b"), 9)]


async def test_with_a_replica_nobody_is_read_elsewhere_for_another_s_sake() -> None:
    copies = Copies(head=9)
    asked = [("a", ANY), ("b", 5), ("a", NEWEST), ("a", 9), ("b", ANY), ("c", NEWEST)]
    found = await outcomes(copies, *asked, has_replica=True)
    assert found == ["a at 0", "b at 9", f"a at {NEWEST}", "a at 9", "b at 0", f"c at {NEWEST}"]
    assert copies.seen == [(("a", "b"), ANY), (("b", "a"), 9), (("a", "c"), NEWEST)]


@pytest.mark.parametrize("has_replica", [True, False])
async def test_who_asks_for_what_is_not_there_yet_is_refused_alone(has_replica: bool) -> None:
    copies = Copies(head=9)
    asked = [("a", 9), ("a", 10), ("b", 2**62), ("b", ANY), ("c", NEWEST)]
    found = await outcomes(copies, *asked, has_replica=has_replica)
    assert [one is PositionNotReached for one in found] == [False, True, True, False, False]
    assert found[0] == "a at 9"


async def test_with_a_replica_a_failure_in_one_place_is_none_in_the_other() -> None:
    found = await outcomes(Copies(head=9), ("a", ANY), ("broken", NEWEST), ("b", 3), has_replica=True)
    assert found == ["a at 0", LookupError, "b at 3"]

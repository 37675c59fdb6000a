"""Loaders that all requests share; the one rule: a caller that goes away takes nothing from the others."""

import asyncio
from collections.abc import Sequence

import pytest

from resolvers.loaders import SharedLoader
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

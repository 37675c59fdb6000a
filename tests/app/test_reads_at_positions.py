"""Reads that name the position that they must have reached, on every database; without a replica all are the newest."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.reads import DatabaseReads
from domain.filters import ItemFilter
from domain.ports import ANY, NEWEST, PositionNotReached
from tests.app.shop import OPENING_HEAD, Shop, sale
from tests.domain.given import EAST, SKU, WEB

Read = Callable[..., Awaitable[Any]]

READS: dict[str, Callable[[DatabaseReads, int], Awaitable[Any]]] = {
    "snapshots": lambda reads, at: reads.snapshots([(SKU, WEB)], at_least=at),
    "items": lambda reads, at: reads.items([SKU], at_least=at),
    "item_page": lambda reads, at: reads.item_page(ItemFilter(), after=None, limit=9, at_least=at),
    "item_page of some": lambda reads, at: reads.item_page(
        ItemFilter(skus=(SKU,), stocked_at=EAST), after=None, limit=9, at_least=at
    ),
    "locations": lambda reads, at: reads.locations([EAST], at_least=at),
    "location_page": lambda reads, at: reads.location_page(after=None, limit=9, at_least=at),
    "channels": lambda reads, at: reads.channels([WEB], at_least=at),
    "channel_page": lambda reads, at: reads.channel_page(after=None, limit=9, at_least=at),
    "channels_served": lambda reads, at: reads.channels_served([EAST], at_least=at),
    "listings": lambda reads, at: reads.listings([SKU], at_least=at),
    "movement_page": lambda reads, at: reads.movement_page(sku=None, locations=None, before=None, limit=9, at_least=at),
}


def without_the_clock(answer: Any) -> str:
    """Return an answer as text, but for the moment in which it was read."""
    return ", ".join(repr(one) for one in answer).partition("as_of=")[0]


@pytest.mark.parametrize("name", READS)
async def test_a_position_that_there_is_changes_nothing_in_the_answer(shop: Shop, name: str) -> None:
    """Given the head of the log or less, then the answer is the same as without a position."""
    newest = without_the_clock(await READS[name](shop.reads, NEWEST))
    assert newest
    for position in (ANY, 1, OPENING_HEAD):
        assert without_the_clock(await READS[name](shop.reads, position)) == newest


@pytest.mark.parametrize("name", READS)
async def test_a_position_beyond_the_head_is_refused_with_the_head(shop: Shop, name: str) -> None:
    """Given a position that there is not yet, then nothing is answered; once it is reached, it is."""
    with pytest.raises(PositionNotReached) as refused:
        await READS[name](shop.reads, OPENING_HEAD + 1)
    assert refused.value.head == OPENING_HEAD
    await shop.accept(sale(key="next"))
    assert await READS[name](shop.reads, OPENING_HEAD + 1)


async def test_the_order_of_a_page_is_the_same_at_a_position(shop: Shop) -> None:
    """Given ledger rows, then those that are read at a position come newest first as well."""
    for number in range(5):
        await shop.accept(sale(key=f"sale {number}"))
    page = await shop.reads.movement_page(sku=SKU, locations=[EAST], before=None, limit=4)
    assert [row.balance_after for row in page] == [5, 6, 7, 8]
    assert await shop.reads.movement_page(sku=SKU, locations=[EAST], before=None, limit=4, at_least=1) == page

"""Subscriptions that cannot be; the one rule: over both transports the client is told the same code."""

from collections.abc import Sequence

import pytest

from tests.end_to_end.client import Answer
from tests.end_to_end.shop import Shop
from tests.end_to_end.streams import (
    AVAILABILITY_CHANGED,
    STOCK_CHANGED,
    StreamFailed,
    follow,
    over_each_transport,
)

BAD_POSITIONS: Sequence[tuple[str, str]] = [
    *((text, "INVALID_INPUT") for text in ("", "x", "-1", "1.5", " 1", "1 ", "0x1", "٣", "9" * 19, "9" * 5000, "a\0b")),
    (str(2**63 - 1), "POSITION_EXPIRED"),
]


@over_each_transport
@pytest.mark.parametrize("document", [STOCK_CHANGED, AVAILABILITY_CHANGED])
async def test_what_is_no_position_is_refused(shop: Shop, transport: str, document: str) -> None:
    for after, code in BAD_POSITIONS:
        async with follow(shop.gateway, document, {"after": after}, transport=transport) as stream:
            with pytest.raises(StreamFailed) as failed:
                await stream.next()
        assert failed.value.code == code, after


@over_each_transport
async def test_what_cannot_be_followed_is_refused(shop: Shop, transport: str) -> None:
    cases: list[tuple[str, Answer, str]] = [
        (STOCK_CHANGED, {"skus": []}, "INVALID_INPUT"),
        (STOCK_CHANGED, {"skus": ["x"] * 251}, "INVALID_INPUT"),
        (AVAILABILITY_CHANGED, {"skus": []}, "INVALID_INPUT"),
        (AVAILABILITY_CHANGED, {"channelId": "nope"}, "CHANNEL_NOT_FOUND"),
        (AVAILABILITY_CHANGED, {"channelId": "a\0b"}, "CHANNEL_NOT_FOUND"),
    ]
    for document, variables, code in cases:
        async with follow(shop.gateway, document, variables, transport=transport) as stream:
            with pytest.raises(StreamFailed) as failed:
                await stream.next()
        assert failed.value.code == code, variables

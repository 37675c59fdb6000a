"""Requests that race each other over two gateways; the rule: all leave at the same moment, in turn to each gateway."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.faults.clients import Delivery, Load
from tests.faults.journal import Operation, Request
from tests.faults.trial import Trial

SECONDS_MAX: Final = 300
MISMATCH: Final = ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH",)
ACCEPTED: Final[tuple[str, ...]] = ()


async def all_at_once(load: Load, requests: Sequence[Request], trial: Trial) -> list[Delivery]:
    """Deliver requests at the same time, each to another gateway than its neighbours; return their answers in order."""
    urls = itertools.cycle(gateway.url for gateway in trial.gateways)
    async with asyncio.timeout(SECONDS_MAX):
        return await asyncio.gather(
            *(load.deliver(request, url=url) for request, url in zip(requests, urls, strict=False))
        )


async def race_two_changes_under_one_key(trial: Trial, *, number: int, times: int) -> None:
    """Send two changes that have no level in common under one key; fail unless one is kept and the other refused."""
    load, skus = trial.load, trial.load.mix.skus
    mug, cup = (skus[(number + offset) % len(skus)] for offset in range(2))
    before = await load.on_hand()
    one = load.request(Operation.ADJUST, mug, {load.mix.locations[0]: 5})
    other = replace(one, sku=cup, amounts={load.mix.locations[1]: 7})
    # Each gateway gets both, the first the one and the second the other of them first.
    order = (one, other, other, one)
    deliveries = await all_at_once(load, order * (times // len(order)), trial)
    answers = {request.sku: Counter[tuple[str, ...]]() for request in (one, other)}
    for request, delivery in zip(itertools.cycle(order), deliveries, strict=False):
        answers[request.sku][delivery.codes] += 1
    assert sum(answers.values(), Counter()) == {ACCEPTED: times // 2, MISMATCH: times // 2}, answers
    assert all(len(codes) == 1 for codes in answers.values()), answers
    kept = one if ACCEPTED in answers[mug] else other
    assert await load.on_hand() == {
        level: quantity + (kept.amounts.get(level[1], 0) if level[0] == kept.sku else 0)
        for level, quantity in before.items()
    }

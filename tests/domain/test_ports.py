"""Receipts, and the errors of the outside; the one rule: whether a retry makes sense shows in the type."""

from dataclasses import replace

import pytest

from domain.adjustments import AdjustmentReason
from domain.ports import InfrastructureError, Overloaded, PositionNotReached, Receipt, SubscriberTooSlow, Unavailable
from tests.domain.given import EAST, NOW, adjusted, level, moved


@pytest.mark.parametrize(("error", "code"), [(Overloaded, "OVERLOADED"), (Unavailable, "UNAVAILABLE")])
def test_infrastructure_errors_say_when_to_come_back(error: type[InfrastructureError], code: str) -> None:
    raised = error("The queue is full.", retry_after_ms=250)
    assert (raised.code, raised.retry_after_ms, str(raised)) == (code, 250, "The queue is full.")
    assert isinstance(raised, InfrastructureError)


def test_a_slow_subscriber_is_told_its_position() -> None:
    assert SubscriberTooSlow(41).position == 41


def test_who_asks_for_a_position_to_come_is_told_the_newest() -> None:
    assert PositionNotReached(head=41).head == 41


def test_an_adjustment_keeps_everything_at_its_place() -> None:
    event = adjusted(level(on_hand=1), movements=(moved(EAST, 1, 1),), reason=AdjustmentReason.SALE)
    assert event.adjustment.placed(7) == replace(event.adjustment, position=7)


def test_a_receipt_shows_the_levels_that_changed() -> None:
    changed = level(on_hand=1, version=2, at=NOW)
    event = adjusted(changed, movements=(moved(EAST, 1, 1),), reason=AdjustmentReason.SALE)
    assert Receipt(position=7, replayed=False, events=(event,)).levels == (changed,)
    assert Receipt(position=7, replayed=True, adjustment=event.adjustment).levels == ()

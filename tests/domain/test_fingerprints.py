"""Fingerprints: what makes two requests the same; the one rule: what is stored for ever never changes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.fingerprints import fingerprint
from domain.levels import InventoryBucket
from domain.stock_commands import LevelDelta, StockCommands
from tests.domain.given import (
    CENTRAL,
    EAST,
    WEB,
    Details,
    activate,
    adjust,
    change,
    count,
    deactivate,
    move,
    part_move,
    set_to,
)

DAMAGED = InventoryBucket.DAMAGED
QUARANTINED = InventoryBucket.QUARANTINED
PLAIN: list[StockCommands] = [
    adjust(change(EAST, -5), change(CENTRAL, -2)),
    set_to(count(EAST, 5), count(CENTRAL, 2)),
    move(part_move(EAST, 5, target=DAMAGED), part_move(CENTRAL, 2, source=DAMAGED)),
    activate(EAST),
    deactivate(EAST),
]
EACH_PLAIN = pytest.mark.parametrize("command", PLAIN, ids=lambda command: type(command).__name__)


@pytest.mark.parametrize(
    ("command", "known"),
    [
        (PLAIN[0], "1:ab556898c8a0bce9908769ad8d7a6765"),
        (PLAIN[1], "1:0ba73c5ddca93367e973047166211412"),
        (PLAIN[2], "1:7808e1bce9523665281118b8f99fe0e8"),
        (PLAIN[3], "1:ab92f9185b8beee756cba83920ceae22"),
        (PLAIN[4], "1:b322272dfbbcaee2b701f60c293f3512"),
        (
            adjust(
                change(EAST, -5, DAMAGED, seen=0),
                reason=AdjustmentReason.SALE,
                source_channel=WEB,
                on_shortage=ShortagePolicy.RECORD_CONFLICT,
            ),
            "1:4dd812638400653993bd266cfc54e1d1",
        ),
    ],
)
def test_version_1_stays_as_it_was_stored(command: StockCommands, known: str) -> None:
    assert fingerprint(command) == known


@EACH_PLAIN
@pytest.mark.parametrize(
    "notes",
    [
        Details(idempotency_key="another"),
        Details(command_id="0b6f1c2e-5d3a-4a77-9e10-2f4c6a8b0d1e"),
        Details(correlation_id="trace-2"),
        Details(reference_document_uri="https://erp.example/9"),
        Details(occurred_at=datetime(2026, 1, 1, tzinfo=UTC)),
        Details(dry_run=True),
    ],
)
def test_notes_do_not_matter(command: StockCommands, notes: Details) -> None:
    assert fingerprint(replace(command, **notes)) == fingerprint(command)


@EACH_PLAIN
@pytest.mark.parametrize(
    "field",
    [
        Details(sku="b2b-serv-001x"),
        Details(reason=AdjustmentReason.SALE),
        Details(source_channel=WEB),
    ],
)
def test_what_is_changed_and_why_does_matter(command: StockCommands, field: Details) -> None:
    assert fingerprint(replace(command, **field)) != fingerprint(command)


@EACH_PLAIN
def test_the_shortage_policy_does_matter(command: StockCommands) -> None:
    policies = [fingerprint(replace(command, on_shortage=policy)) for policy in ShortagePolicy]
    assert len(set(policies)) == 2
    assert fingerprint(command) in policies


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(adjust(change(EAST, 5)), adjust(change(EAST, 6)), id="delta"),
        pytest.param(adjust(change(EAST, 5)), adjust(change(EAST, -5)), id="sign"),
        pytest.param(adjust(change(EAST, 5)), adjust(change(CENTRAL, 5)), id="location"),
        pytest.param(adjust(change(EAST, 5)), adjust(change(EAST, 5, DAMAGED)), id="bucket"),
        pytest.param(adjust(change(EAST, 5)), adjust(change(EAST, 5, seen=0)), id="seen or not"),
        pytest.param(adjust(change(EAST, 5, seen=1)), adjust(change(EAST, 5, seen=0)), id="quantity seen"),
        pytest.param(adjust(change(EAST, 5)), adjust(change(EAST, 5), change(CENTRAL, 5)), id="one more location"),
        pytest.param(
            adjust(change(EAST, 5), change(CENTRAL, 2)),
            adjust(change(EAST, 2), change(CENTRAL, 5)),
            id="which got what",
        ),
        pytest.param(set_to(count(EAST, 5)), set_to(count(EAST, 6)), id="count"),
        pytest.param(set_to(count(EAST, 5)), set_to(count(EAST, 5, DAMAGED)), id="counted bucket"),
        pytest.param(set_to(count(EAST, 5)), set_to(count(EAST, 5, seen=0)), id="count, seen or not"),
        pytest.param(set_to(count(EAST, 5)), adjust(change(EAST, 5)), id="count or change"),
        pytest.param(move(part_move(EAST, 5, target=DAMAGED)), move(part_move(EAST, 4, target=DAMAGED)), id="moved"),
        pytest.param(
            move(part_move(EAST, 5, target=DAMAGED)), move(part_move(EAST, 5, source=DAMAGED)), id="which way"
        ),
        pytest.param(
            move(part_move(EAST, 5, target=DAMAGED)),
            move(part_move(EAST, 5, source=QUARANTINED, target=DAMAGED)),
            id="from where",
        ),
        pytest.param(move(part_move(EAST, 5, target=DAMAGED)), adjust(change(EAST, 5, DAMAGED)), id="move or change"),
        pytest.param(activate(EAST), activate(CENTRAL), id="activated location"),
        pytest.param(activate(EAST), deactivate(EAST), id="begin or end"),
    ],
)
def test_every_other_stock_moving_field_matters(one: StockCommands, other: StockCommands) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("stated", "left_out"),
    [
        (Details(reason=AdjustmentReason.CORRECTION), adjust(change(EAST, 5))),
        (Details(on_shortage=ShortagePolicy.REJECT), adjust(change(EAST, 5))),
        (Details(source_channel=None), adjust(change(EAST, 5))),
        (Details(reason=AdjustmentReason.CYCLE_COUNT), set_to(count(EAST, 5))),
        (Details(on_shortage=ShortagePolicy.RECORD_CONFLICT), set_to(count(EAST, 5))),
        (Details(on_shortage=ShortagePolicy.REJECT), move(part_move(EAST, 5, target=DAMAGED))),
    ],
)
def test_a_stated_default_is_as_good_as_one_left_out(stated: Details, left_out: StockCommands) -> None:
    assert fingerprint(replace(left_out, **stated)) == fingerprint(left_out)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (set_to(count(EAST, 5), count(EAST, 5, seen=1)), set_to(count(EAST, 5, seen=1))),
        (set_to(count(EAST, 5), count(CENTRAL, 1)), set_to(count(CENTRAL, 1), count(EAST, 5))),
        (
            move(part_move(EAST, 2, target=DAMAGED), part_move(EAST, 3, target=DAMAGED)),
            move(part_move(EAST, 5, target=DAMAGED)),
        ),
        (
            move(part_move(EAST, 5, source=QUARANTINED, target=DAMAGED)),
            move(part_move(EAST, 5, source=QUARANTINED), part_move(EAST, 5, target=DAMAGED)),
        ),
    ],
)
def test_counts_and_moves_are_merged_and_sorted(one: StockCommands, other: StockCommands) -> None:
    assert fingerprint(one) == fingerprint(other)


CHANGES = some.lists(
    some.builds(
        change,
        some.sampled_from([EAST, CENTRAL, 'q"uote', "ü"]),
        some.integers(min_value=-30, max_value=30),
        some.sampled_from([InventoryBucket.ON_HAND, DAMAGED]),
        seen=some.just(7) | some.none(),
    ),
    min_size=1,
    max_size=8,
)
Meaning = dict[tuple[str, InventoryBucket], tuple[int, bool]]


def meaning(changes: list[LevelDelta]) -> Meaning:
    """Return what the entries come to: each counter's sum, and whether a quantity seen was stated."""
    result: Meaning = {}
    for one in changes:
        total, is_seen = result.get((one.location, one.bucket), (0, False))
        result[one.location, one.bucket] = (total + one.delta, is_seen or one.change_from is not None)
    return result


@for_all(CHANGES, some.data())
def test_the_order_of_entries_does_not_matter(changes: list[LevelDelta], data: some.DataObject) -> None:
    shuffled = data.draw(some.permutations(changes))
    assert fingerprint(adjust(*changes)) == fingerprint(adjust(*shuffled))


@for_all(CHANGES, some.integers(min_value=-9, max_value=9))
def test_splitting_entries_does_not_matter(changes: list[LevelDelta], part: int) -> None:
    split = [replace(one, delta=one.delta - part) for one in changes]
    split += [replace(one, delta=part) for one in changes]
    assert fingerprint(adjust(*changes)) == fingerprint(adjust(*split))


@for_all(CHANGES, CHANGES)
def test_two_requests_are_the_same_only_if_they_come_to_the_same(
    changes: list[LevelDelta], others: list[LevelDelta]
) -> None:
    assume(meaning(changes) != meaning(others))
    assert fingerprint(adjust(*changes)) != fingerprint(adjust(*others))

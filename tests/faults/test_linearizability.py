"""The checker accepts every history that one stock level can have, and bites at stale reads and lost updates."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Final

import pytest

from tests.faults.linearizability import (
    NEVER,
    Adjusted,
    GaveUp,
    Happening,
    Operation,
    Read,
    Refused,
    Unknown,
    balance_after,
    check,
    check_all,
)

LEVEL: Final = ("MUG", "EAST")
OPENING: Final = 10


def during(called_at: float, answered_at: float, what: Happening, level: tuple[str, str] = LEVEL) -> Operation:
    """Return an operation that took from one moment to another."""
    return Operation(level=level, client="any", called_at=called_at, answered_at=answered_at, what=what)


LINEARIZABLE: Final[dict[str, list[Operation]]] = {
    "nothing but the opening": [during(0, 1, Read(10))],
    "one after the other": [during(0, 1, Adjusted(-3, 7)), during(2, 3, Read(7)), during(4, 5, Refused(-8))],
    "a read beside a change sees the old balance": [during(0, 9, Adjusted(-3, 7)), during(1, 2, Read(10))],
    "a read beside a change sees the new balance": [during(0, 9, Adjusted(-3, 7)), during(1, 2, Read(7))],
    "reads beside a change turn once": [
        during(0, 9, Adjusted(-3, 7)),
        during(1, 2, Read(10)),
        during(3, 4, Read(7)),
        during(5, 6, Read(7)),
    ],
    "two changes at once, in the order that their balances tell": [
        during(0, 9, Adjusted(-3, 2)),
        during(1, 8, Adjusted(-5, 5)),
    ],
    "a refusal beside the change that made room": [during(0, 9, Adjusted(+5, 15)), during(1, 8, Refused(-12))],
    "answers that touch": [during(0, 1, Adjusted(1, 11)), during(1, 2, Read(10)), during(2, 3, Read(11))],
    "an unknown change that took effect": [during(0, NEVER, Unknown(-4)), during(5, 6, Read(6))],
    "an unknown change that took effect late": [
        during(0, NEVER, Unknown(-4)),
        during(5, 6, Read(10)),
        during(7, 8, Read(6)),
    ],
    "an unknown change that never took effect": [during(0, NEVER, Unknown(-4)), during(5, 6, Read(10))],
    "an unknown change that could not take effect": [during(0, NEVER, Unknown(-40)), during(5, 6, Read(10))],
    "one of two unknown changes": [
        during(0, NEVER, Unknown(-4)),
        during(0, NEVER, Unknown(+4)),
        during(5, 6, Adjusted(1, 15)),
    ],
    "refused, though an earlier attempt still came through": [
        during(0, NEVER, Unknown(-4)),
        during(1, 9, Adjusted(-8, 2)),
        during(2, 8, Refused(-4)),
        during(10, 11, Adjusted(+9, 11)),
        during(12, 13, Read(7)),
    ],
}
NOT_LINEARIZABLE: Final[dict[str, list[Operation]]] = {
    "a stale read": [during(0, 1, Adjusted(-3, 7)), during(2, 3, Read(10))],
    "a read of what never was": [during(0, 1, Read(9))],
    "reads that turn back": [during(0, 9, Adjusted(-3, 7)), during(1, 2, Read(7)), during(3, 4, Read(10))],
    "a lost update": [during(0, 9, Adjusted(-3, 7)), during(1, 8, Adjusted(-5, 5))],
    "an update that was lost afterwards": [
        during(0, 1, Adjusted(-3, 7)),
        during(2, 3, Adjusted(-1, 9)),
    ],
    "a change that was done twice": [during(0, 1, Adjusted(-3, 7)), during(2, 3, Read(4))],
    "the last unit sold twice": [during(0, 9, Adjusted(-10, 0)), during(1, 8, Adjusted(-10, 0))],
    "below zero": [during(0, 1, Adjusted(-11, -1))],
    "refused though there was enough": [during(0, 1, Refused(-10))],
    "refused for room that a later change took": [during(0, 1, Refused(-8)), during(2, 3, Adjusted(-5, 5))],
    "an unknown change that took effect before it was asked for": [
        during(0, 1, Read(6)),
        during(2, NEVER, Unknown(-4)),
    ],
    "an unknown change that took effect twice": [during(0, NEVER, Unknown(-4)), during(5, 6, Read(2))],
    "an unknown change that was undone": [
        during(0, NEVER, Unknown(-4)),
        during(5, 6, Read(6)),
        during(7, 8, Read(10)),
    ],
}


@pytest.mark.parametrize("history", LINEARIZABLE.values(), ids=LINEARIZABLE.keys())
def test_a_history_that_can_be_explained_is_accepted(history: list[Operation]) -> None:
    verdict = check(history, opening=OPENING)
    assert verdict.is_linearizable, verdict.lines()
    assert verdict.unexplained == []


@pytest.mark.parametrize("history", NOT_LINEARIZABLE.values(), ids=NOT_LINEARIZABLE.keys())
def test_a_history_that_cannot_be_explained_is_refused(history: list[Operation]) -> None:
    verdict = check(history, opening=OPENING)
    assert not verdict.is_linearizable
    assert verdict.unexplained
    assert "NOT linearizable" in verdict.lines()[0]


def test_each_level_is_judged_by_itself() -> None:
    west = ("MUG", "WEST")
    history = [during(0, 1, Adjusted(-3, 7)), during(2, 3, Read(5), west), during(4, 5, Read(10))]
    verdicts = check_all(history, opening={LEVEL: OPENING, west: 5})
    assert [(one.level, one.is_linearizable) for one in verdicts] == [(LEVEL, False), (west, True)]


def made_up_history(chance: random.Random, *, length: int, at_once: int, share_unknown: float) -> list[Operation]:
    """Return what so many clients at once could have seen of a level that is right: each acts at one moment."""
    balance, operations = OPENING, []
    for moment in range(length):
        delta = chance.choice([one for one in range(-6, 7) if one])
        called_at = moment - chance.uniform(0, at_once)
        answered_at = moment + chance.uniform(0, at_once)
        fits = balance + delta >= 0
        if chance.random() < 0.4:
            what: Happening = Read(balance)
        elif chance.random() < share_unknown:
            what, answered_at = Unknown(delta), NEVER
            balance += delta if fits and chance.random() < 0.5 else 0
        elif fits:
            balance += delta
            what = Adjusted(delta, balance)
        else:
            what = Refused(delta)
        operations.append(during(called_at, answered_at, what))
    return operations


@pytest.mark.parametrize("seed", range(12))
def test_what_a_right_level_does_is_accepted(seed: int) -> None:
    history = made_up_history(random.Random(seed), length=400, at_once=8, share_unknown=0.02)
    assert check(history, opening=OPENING).is_linearizable


@pytest.mark.parametrize("seed", range(12))
def test_a_seeded_stale_read_is_caught(seed: int) -> None:
    """Given a right history, when one read is answered from before the last change that was answered, it is caught."""
    chance = random.Random(seed)
    history = made_up_history(chance, length=200, at_once=4, share_unknown=0)
    verdict = check(history, opening=OPENING)
    balances = [OPENING]
    for one in verdict.order:
        balances.append(balance_after(one.what, balances[-1]) or 0)
    end = max(one.answered_at for one in history)
    stale = chance.choice([balance for balance in balances if balance != balances[-1]])
    assert check([*history, during(end + 1, end + 2, Read(balances[-1]))], opening=OPENING).is_linearizable
    assert not check([*history, during(end + 1, end + 2, Read(stale))], opening=OPENING).is_linearizable


@pytest.mark.parametrize("seed", range(12))
def test_a_seeded_lost_update_is_caught(seed: int) -> None:
    """Given a right history, when one accepted change leaves no trace in the balances after it, it is caught."""
    chance = random.Random(seed)
    order = list(check(made_up_history(chance, length=200, at_once=4, share_unknown=0), opening=OPENING).order)
    lost = chance.choice([at for at, one in enumerate(order[:-20]) if isinstance(one.what, Adjusted)])
    delta = order[lost].what.delta  # type: ignore[union-attr]  # only changes were chosen from
    broken = [one if at <= lost else without(one, delta) for at, one in enumerate(order)]
    assert not check(broken, opening=OPENING).is_linearizable


def without(one: Operation, delta: int) -> Operation:
    """Return the operation as a level answers it that has lost a change."""
    what = one.what
    if isinstance(what, Read):
        what = Read(what.on_hand - delta)
    elif isinstance(what, Adjusted):
        what = Adjusted(what.delta, what.balance_after - delta)
    return during(one.called_at, one.answered_at, what)


def any_history(chance: random.Random) -> list[Operation]:
    """Return five operations that know little of each other: one in ten of such histories can be explained."""
    operations = []
    for _ in range(5):
        called_at = chance.randrange(6)
        delta, balance = chance.choice([-2, -1, 1]), chance.randrange(4)
        choices: list[Happening] = [Read(balance), Adjusted(delta, balance), Refused(delta), Unknown(delta)]
        what = chance.choice(choices)
        answered_at = NEVER if isinstance(what, Unknown) else called_at + chance.randrange(1, 6)
        operations.append(during(called_at, answered_at, what))
    return operations


def is_explained_by_trying_everything(history: list[Operation], *, opening: int) -> bool:
    """Say by trying every order of every choice of the unknown operations what the search should find."""
    unknown = [one for one in history if isinstance(one.what, Unknown)]
    known = [one for one in history if one not in unknown]
    happened = [[*known, *some] for count in range(len(unknown) + 1) for some in combinations(unknown, count)]
    return any(fits(order, opening) for chosen in happened for order in permutations(chosen))


def fits(order: Sequence[Operation], opening: int) -> bool:
    """Whether an order keeps to the clock, and each balance follows from the one before."""
    balance = opening
    for at, one in enumerate(order):
        after = balance_after(one.what, balance)
        if after is None or any(later.answered_at < one.called_at for later in order[at:]):
            return False
        balance = after
    return True


def test_the_search_finds_what_trying_everything_finds() -> None:
    chance, found = random.Random(1), Counter[bool]()
    for _ in range(3000):
        history = any_history(chance)
        expected = is_explained_by_trying_everything(history, opening=1)
        assert check(history, opening=1).is_linearizable is expected, history
        found[expected] += 1
    assert min(found.values()) > 200, found


def test_the_search_gives_up_instead_of_going_on_for_ever() -> None:
    """Given forty changes of which nobody knows, and a read that none of their sums explains, it gives up in time."""
    history = [during(0, NEVER, Unknown(2**at)) for at in range(40)]
    began = time.monotonic()
    with pytest.raises(GaveUp):
        check([*history, during(1, 2, Read(5))], opening=OPENING, steps_max=200_000)
    assert time.monotonic() - began < 30


def test_many_changes_at_once_are_judged_in_few_steps() -> None:
    """Given a hundred sales that overlap each other, then their balances leave one order, which is found at once."""
    history = [during(0, 100, Adjusted(-1, 99 - at)) for at in range(100)]
    verdict = check(history, opening=100)
    assert verdict.is_linearizable
    assert verdict.steps < 100_000

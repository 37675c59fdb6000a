"""Linearizability: whether recorded operations on one stock level could have happened one at a time, each at some
moment between its call and its answer.

The rule: the search follows Wing and Gong (1993) and remembers the states that it has seen, as Lowe (2017) does; it
ends with an answer or says that it gave up, it never guesses. An operation whose outcome nobody knows may have taken
effect at any moment after its call, or never.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STEPS_MAX: Final = 5_000_000
SHOWN_MAX: Final = 8
NEVER: Final = math.inf

LevelName = tuple[str, str]
"""(sku, location code)"""


@dataclass(frozen=True, slots=True)
class Read:
    """What was on hand when it was asked for."""

    on_hand: int


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A change that was accepted, and the balance that it left."""

    delta: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was refused because the balance would have become negative."""

    delta: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A change that was never answered."""

    delta: int


Happening = Read | Adjusted | Refused | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call on one level: when it left and when its answer came (NEVER for Unknown), in seconds of one clock."""

    level: LevelName
    client: str
    called_at: float
    answered_at: float
    what: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the search found for one level. `order` is an order that explains the history, or the longest one found."""

    level: LevelName
    is_linearizable: bool
    steps: int
    order: Sequence[Operation]
    unexplained: Sequence[Operation]

    def lines(self) -> list[str]:
        """Tell people how far the history can be explained, and what then cannot."""
        if self.is_linearizable:
            return [f"{self.level}: linearizable, {len(self.order)} operations, {self.steps} steps"]
        return [
            f"{self.level}: NOT linearizable; {len(self.order)} operations can be explained, the last of them:",
            *(f"  {one}" for one in self.order[-SHOWN_MAX:]),
            "and then none of these fits:",
            *(f"  {one}" for one in self.unexplained[:SHOWN_MAX]),
        ]


class GaveUp(Exception):
    """The history needs more steps than allowed: nothing is known about it."""


def check_all(
    history: Iterable[Operation], *, opening: Mapping[LevelName, int], steps_max: int = STEPS_MAX
) -> list[Verdict]:
    """Judge each level by itself, which judges the whole (Herlihy and Wing 1990: linearizability is local)."""
    by_level: dict[LevelName, list[Operation]] = defaultdict(list)
    for operation in history:
        by_level[operation.level].append(operation)
    return [check(one, opening=opening[level], steps_max=steps_max) for level, one in sorted(by_level.items())]


def check(history: Sequence[Operation], *, opening: int, steps_max: int = STEPS_MAX) -> Verdict:
    """Judge the history of one level that held `opening` units before it. Raises GaveUp."""
    # What nobody knows of stands behind the rest: it may be left over for ever, and would be stepped over each time.
    ordered = sorted(history, key=lambda one: (isinstance(one.what, Unknown), one.called_at))
    return _Search(ordered, steps_max=steps_max).run(opening)


def balance_after(what: Happening, balance: int) -> int | None:
    """Return the balance after something happened at this balance; None if it cannot have happened there."""
    match what:
        case Read(on_hand=on_hand):
            return balance if on_hand == balance else None
        case Adjusted(delta=delta, balance_after=after):
            return after if balance + delta == after and after >= 0 else None
        case Refused(delta=delta):
            return balance if balance + delta < 0 else None
        case Unknown(delta=delta):
            return balance + delta if balance + delta >= 0 else None


@dataclass(frozen=True, slots=True)
class _State:
    """Where a search stands: what has happened (a bit an operation, and in which order), and the balance then."""

    done: int
    balance: int
    order: tuple[int, ...]

    def then(self, at: int, balance: int) -> "_State":
        """Return the state after one operation more."""
        return _State(self.done | 1 << at, balance, (*self.order, at))


class _Search:
    """Tries orders, depth first; the history comes in the order of calls, what is unknown behind the rest."""

    def __init__(self, history: Sequence[Operation], *, steps_max: int) -> None:
        self._history = history
        self._steps_max = steps_max
        self._steps = 0
        self._seen: set[tuple[int, int]] = set()
        self._known_count = sum(not isinstance(one.what, Unknown) for one in history)

    def run(self, opening: int) -> Verdict:
        """Search until an order is found, or none is left."""
        state = longest = self._settled(_State(0, opening, ()))
        stack = [self._next_states(state)]
        while stack and not self._explains_all(longest):
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                continue
            state = self._settled(found)
            if len(state.order) > len(longest.order) or self._explains_all(state):
                longest = state
            if (state.done, state.balance) not in self._seen:
                self._seen.add((state.done, state.balance))
                stack.append(self._next_states(state))
        return self._verdict(longest)

    def _explains_all(self, state: _State) -> bool:
        return _lowest_zero(state.done) >= self._known_count

    def _settled(self, state: _State) -> _State:
        """Let everything happen that fits and changes nothing: no order is lost by having it now."""
        while True:
            before = state
            for at in self._open(state.done):
                what = self._history[at].what
                if isinstance(what, Read | Refused) and balance_after(what, state.balance) is not None:
                    state = state.then(at, state.balance)
            if state is before:
                return state

    def _next_states(self, state: _State) -> Iterator[_State]:
        """Yield what may come next; what nobody knows of comes last, because little of it is ever needed."""
        for at in self._open(state.done):
            balance = balance_after(self._history[at].what, state.balance)
            if balance is not None:
                yield state.then(at, balance)

    def _open(self, done: int) -> list[int]:
        """Return what may happen next: all that was called before any other that is left was answered."""
        found: list[int] = []
        first_answer = NEVER
        for part in (range(_lowest_zero(done), self._known_count), range(self._known_count, len(self._history))):
            for at in part:
                operation = self._history[at]
                self._steps += 1
                if operation.called_at > first_answer:
                    break
                if not done >> at & 1:
                    found.append(at)
                    first_answer = min(first_answer, operation.answered_at)
        if self._steps > self._steps_max:
            raise GaveUp(f"{len(self._history)} operations took more than {self._steps_max} steps")
        return found

    def _verdict(self, state: _State) -> Verdict:
        left = [
            one
            for at, one in enumerate(self._history)
            if not state.done >> at & 1 and not isinstance(one.what, Unknown)
        ]
        return Verdict(
            level=self._history[0].level,
            is_linearizable=not left,
            steps=self._steps,
            order=[self._history[at] for at in state.order],
            unexplained=left,
        )


def _lowest_zero(bits: int) -> int:
    return (~bits & (bits + 1)).bit_length() - 1

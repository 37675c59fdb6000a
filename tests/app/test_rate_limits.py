"""Points that callers may spend; the one rule: time is what the test says it is."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from app.rate_limits import NANO, LeakyBuckets
from domain.ports import PointsLeft
from domain.principals import Principal, Role

POINTS_MAX = 100
POINTS_PER_SECOND = 50
MS = 1_000_000


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 0

    def __call__(self) -> int:
        return self.now

    def pass_ms(self, milliseconds: int) -> None:
        self.now += milliseconds * MS


def caller(name: str) -> Principal:
    return Principal(account="shop", name=name, role=Role.STOREFRONT)


ONE, OTHER, THIRD = caller("one"), caller("other"), caller("third")


def buckets(clock: Clock, *, buckets_max: int = 10) -> LeakyBuckets:
    return LeakyBuckets(
        points_max=POINTS_MAX, points_per_second=POINTS_PER_SECOND, clock=clock, buckets_max=buckets_max
    )


def left(points: int, *, is_granted: bool = True, retry_after_ms: int | None = None) -> PointsLeft:
    return PointsLeft(
        points=points,
        points_max=POINTS_MAX,
        points_per_second=POINTS_PER_SECOND,
        is_granted=is_granted,
        retry_after_ms=retry_after_ms,
    )


async def test_points_are_taken_and_come_back_with_time() -> None:
    """Given a full bucket, when it is emptied, then it refills at its rate and never beyond its size."""
    clock = Clock()
    limits = buckets(clock)
    assert await limits.take(ONE, 70) == left(30)
    assert await limits.take(ONE, 30) == left(0)
    clock.pass_ms(500)
    assert await limits.take(ONE, 0) == left(25)
    clock.pass_ms(60_000)
    assert await limits.take(ONE, 0) == left(100)


async def test_who_asks_too_early_is_told_when_to_come_back() -> None:
    """Given too few points, then nothing is taken, and they are there exactly when it was said, not a moment before."""
    clock = Clock()
    limits = buckets(clock)
    await limits.take(ONE, 90)
    assert await limits.take(ONE, 41) == left(10, is_granted=False, retry_after_ms=620)
    clock.pass_ms(619)
    assert await limits.take(ONE, 41) == left(40, is_granted=False, retry_after_ms=1)
    clock.pass_ms(1)
    assert await limits.take(ONE, 41) == left(0)


async def test_more_than_a_bucket_holds_is_never_granted() -> None:
    """Given a request for more than there can ever be, then there is no time to come back at."""
    clock = Clock()
    limits = buckets(clock)
    assert await limits.take(ONE, POINTS_MAX + 1) == left(100, is_granted=False)
    assert await limits.take(ONE, POINTS_MAX) == left(0)


async def test_what_was_not_spent_is_given_back() -> None:
    """Given points given back, then they can be taken again; a bucket never holds more than its size."""
    clock = Clock()
    limits = buckets(clock)
    await limits.take(ONE, 100)
    assert await limits.give_back(ONE, 60) == left(60)
    clock.pass_ms(500)
    assert await limits.give_back(ONE, 40) == left(100)


async def test_what_was_spent_beyond_the_estimate_is_owed() -> None:
    """Given more spent than taken, then nothing is left, and the next request waits until the debt is paid."""
    clock = Clock()
    limits = buckets(clock)
    await limits.take(ONE, 90)
    assert await limits.give_back(ONE, -30) == left(0)
    assert await limits.take(ONE, 10) == left(0, is_granted=False, retry_after_ms=600)


async def test_callers_do_not_share() -> None:
    """Given two callers of one account, when one has spent all, then the other has all of its own."""
    limits = buckets(Clock())
    await limits.take(ONE, 100)
    assert await limits.take(OTHER, 1) == left(99)


async def test_buckets_are_bounded_and_none_forgets_what_is_owed() -> None:
    """Given as many buckets as are kept, then a newcomer replaces one that is full again, else shares one."""
    clock = Clock()
    limits = buckets(clock, buckets_max=2)
    await limits.take(ONE, 50)
    await limits.take(OTHER, 50)
    assert await limits.take(THIRD, 80) == left(20)
    assert await limits.take(caller("fourth"), 80) == left(20, is_granted=False, retry_after_ms=1200)
    assert await limits.take(ONE, 60) == left(50, is_granted=False, retry_after_ms=200)
    clock.pass_ms(2000)
    assert await limits.take(THIRD, 100) == left(0)
    assert len(limits._buckets) <= 3


@given(
    st.lists(
        st.tuples(st.integers(0, 2_000_000_000), st.sampled_from(["take", "give"]), st.integers(0, 120)), max_size=60
    )
)
async def test_never_more_is_granted_than_the_bucket_and_its_refill(steps: list[tuple[int, str, int]]) -> None:
    """Given any requests at any times, then what was granted and kept fits the bucket and what flowed into it."""
    clock = Clock()
    limits = buckets(clock)
    kept = 0
    for passed, kind, points in steps:
        clock.now += passed
        if kind == "take":
            kept += points if (await limits.take(ONE, points)).is_granted else 0
        else:
            back = min(points, kept)
            kept -= back
            await limits.give_back(ONE, back)
        assert kept * NANO <= POINTS_MAX * NANO + clock.now * POINTS_PER_SECOND

"""Points that callers may spend, in this process; the rule: nobody is ever granted more than a bucket and its refill.

Each principal has a leaky bucket, reckoned in whole nano-points, so that nothing is lost or won by rounding. A library
would do if one gave points back afterwards and told the level in the same call; those that we looked at do not.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from domain.ports import PointsLeft
from domain.principals import Principal

BUCKETS_MAX = 10_000
NANO = 1_000_000_000
NANOSECONDS_A_MILLISECOND = 1_000_000

Key = tuple[str, str]
SHARED: Key = ("", "")
"""The bucket of those who come when there are too many others, none of whom has all its points again."""


def key_of(principal: Principal) -> Key:
    """Return the name of the caller's bucket."""
    return (principal.account, principal.name)


@dataclass(slots=True, kw_only=True)
class _Bucket:
    nano_points: int
    seen_at: int


class LeakyBuckets:
    """The port `RateLimits` for one process. `clock` tells nanoseconds that never run backwards."""

    def __init__(
        self,
        *,
        points_max: int,
        points_per_second: int,
        clock: Callable[[], int] = time.monotonic_ns,
        buckets_max: int = BUCKETS_MAX,
    ) -> None:
        self._points_max = points_max
        self._points_per_second = points_per_second
        self._full = points_max * NANO
        self._clock = clock
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()

    async def take(self, principal: Principal, points: int) -> PointsLeft:
        """Take points, all or none."""
        bucket = self._bucket(principal)
        missing = points * NANO - bucket.nano_points
        if missing <= 0:
            bucket.nano_points = -missing
            return self._left(bucket, is_granted=True)
        if points > self._points_max:
            return self._left(bucket, is_granted=False)
        wait = -(-missing // (self._points_per_second * NANOSECONDS_A_MILLISECOND))
        return self._left(bucket, is_granted=False, retry_after_ms=wait)

    async def give_back(self, principal: Principal, points: int) -> PointsLeft:
        """Give points back; fewer than none takes what was spent beyond what had been taken."""
        bucket = self._bucket(principal)
        bucket.nano_points = min(self._full, bucket.nano_points + points * NANO)
        return self._left(bucket, is_granted=True)

    def set_level(self, key: Key, nano_points: int) -> None:
        """Say what is in a bucket now, below zero too; it is nobody's who shares one."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.nano_points = min(self._full, nano_points)
            bucket.seen_at = self._clock()

    def _bucket(self, principal: Principal) -> _Bucket:
        """Return the caller's bucket with what has flowed into it by now."""
        key = key_of(principal)
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            return self._new_bucket(key, now)
        self._buckets.move_to_end(key)
        self._refill(bucket, now)
        return bucket

    def _new_bucket(self, key: Key, now: int) -> _Bucket:
        if len(self._buckets) >= self._buckets_max:
            oldest, bucket = next(iter(self._buckets.items()))
            self._refill(bucket, now)
            if bucket.nano_points < self._full:
                key = SHARED
            else:
                del self._buckets[oldest]
        found = self._buckets.setdefault(key, _Bucket(nano_points=self._full, seen_at=now))
        self._refill(found, now)
        return found

    def _refill(self, bucket: _Bucket, now: int) -> None:
        passed = now - bucket.seen_at
        bucket.nano_points = min(self._full, bucket.nano_points + passed * self._points_per_second)
        bucket.seen_at = now

    def _left(self, bucket: _Bucket, *, is_granted: bool, retry_after_ms: int | None = None) -> PointsLeft:
        return PointsLeft(
            points=max(0, bucket.nano_points // NANO),
            points_max=self._points_max,
            points_per_second=self._points_per_second,
            is_granted=is_granted,
            retry_after_ms=retry_after_ms,
        )

"""Points that callers may spend, over many processes; the rule: a process grants at once, by what it last heard.

What it granted it tells Redis a moment later, and hears what all processes have left of each bucket. So no request
waits for Redis, and what several processes grant in that moment beyond a bucket is owed: Redis keeps the debt, every
process hears of it, and nobody is granted anything until it has flowed back. While Redis does not answer, each process
goes by its own buckets, as without Redis.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from redis.asyncio import Redis

from app.rate_limits import NANO, Key, LeakyBuckets, key_of
from app.redis_client import UNREACHABLE, Outages, one_attempt, work_until
from domain.ports import PointsLeft
from domain.principals import Principal

logger = logging.getLogger("stockgate.rate_limits")

TELLING_PAUSE_SECONDS: Final = 0.02
"""How long spending is gathered before it is told."""
BUCKETS_TOLD_AT_ONCE_MAX: Final = 250
BUCKETS_UNTOLD_MAX: Final = 10_000
"""What is spent of more buckets than these between two tellings is not told."""

MICRO: Final = 1_000_000
NANO_A_MICRO: Final = NANO // MICRO
# Lua reckons in doubles: whole numbers up to 2^53. In micro-points and microseconds a rate of points a second is that
# many micro-points a microsecond, so whatever is below a full bucket stays a whole number, and exact. What is not
# below it is cut to it, exact or not. A bucket that is full again has nothing to say, and its key expires.
SPEND: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = {}
for i, key in ipairs(KEYS) do
    local level, seen = string.match(redis.call('GET', key) or '', '^(-?%d+) (%d+)$')
    level, seen = tonumber(level) or full, tonumber(seen) or now
    level = math.min(full, level + math.max(0, now - seen) * rate)
    level = math.max(-2^53, math.min(full, level - tonumber(ARGV[i + 2])))
    if level < full then
        local ms = math.ceil((full - level) / (rate * 1000)) + 1
        redis.call('SET', key, string.format('%.0f %.0f', level, now), 'PX', string.format('%.0f', ms))
    else
        redis.call('DEL', key)
    end
    left[i] = string.format('%.0f', level)
end
return left
"""
"""KEYS: buckets. ARGV: what a full one holds, how fast it fills, then what was spent of each. Returns what is left."""


class RedisBuckets:
    """Leaky buckets in Redis, by Redis's clock, reckoned like `LeakyBuckets`."""

    def __init__(self, redis: Redis, *, prefix: str, points_max: int, points_per_second: int) -> None:
        self._spend = redis.register_script(SPEND)
        self._prefix = prefix
        self._full = points_max * MICRO
        self._rate = points_per_second

    async def spend(self, spent: Mapping[Key, int]) -> dict[Key, int]:
        """Take so many points from each bucket, granted or not; return how many nano-points are left, below zero too.

        Fewer than none are given back. Raises what `UNREACHABLE` holds; whether anything was taken is then unknown.
        """
        async with one_attempt():
            left = await self._spend(
                keys=[self.key(bucket) for bucket in spent],
                args=[self._full, self._rate, *(points * MICRO for points in spent.values())],
            )
        return {bucket: int(level) * NANO_A_MICRO for bucket, level in zip(spent, left, strict=True)}

    def key(self, bucket: Key) -> str:
        """Return the key that the bucket is kept under, no two under one."""
        return ":".join((self._prefix, "points", *(quote(part, safe="") for part in bucket)))


class SharedBuckets:
    """The port `RateLimits` for many processes: grants by the buckets of this one, and squares them with Redis."""

    def __init__(self, own: LeakyBuckets, shared: RedisBuckets) -> None:
        self._own = own
        self._shared = shared
        self._untold: dict[Key, int] = {}
        self._is_untold = asyncio.Event()
        self._stopping = asyncio.Event()
        self.outages = Outages(logger, meanwhile="each process counts its callers' points for itself")

    async def take(self, principal: Principal, points: int) -> PointsLeft:
        """Take points, all or none."""
        left = await self._own.take(principal, points)
        # A caller that was refused is told of as well: what others gave back may let it in next time.
        self._note(principal, points if left.is_granted else 0)
        return left

    async def give_back(self, principal: Principal, points: int) -> PointsLeft:
        """Give points back; fewer than none takes what was spent beyond what had been taken."""
        self._note(principal, -points)
        return await self._own.give_back(principal, points)

    async def run(self) -> None:
        """Tell Redis what was spent until `stop`."""
        await work_until(self._stopping, self._work())

    async def run_once(self) -> int:
        """Tell what was spent of some buckets, take over what is left of them, and return how many there were."""
        told = {bucket: self._untold.pop(bucket) for bucket in list(self._untold)[:BUCKETS_TOLD_AT_ONCE_MAX]}
        for bucket, level in (await self._shared.spend(told)).items() if told else ():
            # What has been spent here since then is not in the level yet.
            self._own.set_level(bucket, level - self._untold.get(bucket, 0) * NANO)
        return len(told)

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    def _note(self, principal: Principal, points: int) -> None:
        bucket = key_of(principal)
        untold = self._untold.get(bucket)
        if untold is None and len(self._untold) >= BUCKETS_UNTOLD_MAX:
            return
        self._untold[bucket] = (untold or 0) + points
        self._is_untold.set()

    async def _work(self) -> None:
        while True:
            await self._is_untold.wait()
            self._is_untold.clear()
            await asyncio.sleep(TELLING_PAUSE_SECONDS)
            try:
                while await self.run_once() == BUCKETS_TOLD_AT_ONCE_MAX:
                    pass
                self.outages.answered()
            except UNREACHABLE as error:
                await self._pause(self.outages.failed(error))
            except Exception as error:  # callers are limited without Redis too; a dead worker would end the gateway
                logger.exception("spending cannot be told")
                await self._pause(self.outages.failed(error))

    async def _pause(self, seconds: float) -> None:
        # What could not be told is forgotten, in the callers' favour: it may be long paid when Redis is back.
        self._untold.clear()
        await asyncio.sleep(seconds)

"""What gateways on one database share through Redis, put together; the rule: each of them can do without.

Without a Redis nothing of it is loaded: feeds poll, and each process counts its callers' points for itself.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from app.rate_limits import LeakyBuckets
from app.settings import Settings
from domain.ports import RateLimits

SENDER_BYTES = 8


class Worker(Protocol):
    """Something that works in the background until it is told to stop."""

    async def run(self) -> None:
        """Work until `stop`."""
        ...

    def stop(self) -> None:
        """End `run`."""
        ...


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What the gateway is made of that knows of others. `workers` are run; `close` is awaited when they have ended."""

    rate_limits: RateLimits
    on_commit: Callable[[], None]
    workers: dict[str, Worker]
    close: Callable[[], Awaitable[None]] = _nothing


def share(settings: Settings, *, wake_feed: Callable[[], None]) -> Sharing:
    """Return what the settings ask for. Nothing is connected to yet: a Redis that is away stops no gateway."""
    own = LeakyBuckets(points_max=settings.cost_points_max, points_per_second=settings.cost_points_per_second)
    if settings.redis_url is None:
        return Sharing(rate_limits=own, on_commit=wake_feed, workers={})
    return _share_through_redis(settings, settings.redis_url.get_secret_value(), own, wake_feed)


def _share_through_redis(settings: Settings, url: str, own: LeakyBuckets, wake_feed: Callable[[], None]) -> Sharing:
    # A gateway that goes by itself loads no client: a tenth of a second, and 6 MB.
    from app.redis_client import close, connect  # noqa: PLC0415  # as said above
    from app.shared_rate_limits import RedisBuckets, SharedBuckets  # noqa: PLC0415  # as said above
    from app.wake_ups import WakeUpReceiver, WakeUpSender, channel_of  # noqa: PLC0415  # as said above

    redis = connect(url)
    channel = channel_of(settings.redis_prefix)
    gateway = secrets.token_hex(SENDER_BYTES)
    sender = WakeUpSender(redis, channel=channel, sender=gateway)
    receiver = WakeUpReceiver(redis, channel=channel, receiver=gateway, wake=wake_feed)
    limits = SharedBuckets(
        own,
        RedisBuckets(
            redis,
            prefix=settings.redis_prefix,
            points_max=settings.cost_points_max,
            points_per_second=settings.cost_points_per_second,
        ),
    )

    def on_commit() -> None:
        wake_feed()
        sender.send()

    return Sharing(
        rate_limits=limits,
        on_commit=on_commit,
        workers={"wake-up sender": sender, "wake-up receiver": receiver, "rate limits": limits},
        close=lambda: close(redis),
    )

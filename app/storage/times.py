"""Times as the tables keep them: whole microseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MICROSECOND = timedelta(microseconds=1)
TIMES_REMEMBERED_MAX: Final = 256
"""A batch is decided at one time, which stands in every one of its rows."""


@lru_cache(TIMES_REMEMBERED_MAX)
def to_microseconds(time: datetime) -> int:
    """Return the time as the tables keep it; exact, also far from 1970."""
    return (time - EPOCH) // ONE_MICROSECOND


def to_microseconds_or_none(time: datetime | None) -> int | None:
    """Return the time as the tables keep it."""
    return None if time is None else to_microseconds(time)


def from_microseconds(microseconds: int) -> datetime:
    """Return the time that a table keeps."""
    return EPOCH + timedelta(microseconds=microseconds)


def from_microseconds_or_none(microseconds: int | None) -> datetime | None:
    """Return the time that a table keeps."""
    return None if microseconds is None else from_microseconds(microseconds)

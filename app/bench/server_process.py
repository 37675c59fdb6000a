"""A server in a process of its own: started, waited for, stopped or killed, always by its pid."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app.bench.cores import pin

READY_POLL_SECONDS: Final = 0.01
READY_ANSWER_SECONDS_MAX: Final = 1.0
KILL_SECONDS_MAX: Final = 10.0
LOG_LINES_SHOWN: Final = 20
SETTING_PREFIX: Final = "STOCKGATE_"


class ServerError(RuntimeError):
    """The server did not start, or did not stop when it was asked to."""


def free_port() -> int:
    """A port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stockgate_command(*arguments: str) -> list[str]:
    """The command line of the `stockgate` that is installed beside the running Python."""
    return [str(Path(sys.executable).parent / "stockgate"), *arguments]


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The machine's environment with exactly these settings of the product and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIX)}
    return {**kept, **settings}


class ServerProcess:
    """One server on one loopback port; it can be started again after it was stopped or killed."""

    def __init__(
        self,
        *,
        command: Sequence[str],
        port: int,
        log_path: Path,
        settings: Mapping[str, str] | None = None,
        core: int | None = None,
    ) -> None:
        self.port = port
        self.log_path = log_path
        self._command = list(command)
        self._environment = clean_environment(settings or {})
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The pid of the running server."""
        return self._running().pid

    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, deadline_seconds: float) -> float:
        """Start the server and wait until it is ready; answers how many seconds that took."""
        if self.is_running():
            raise ServerError("the server is already running")
        started_at = time.perf_counter()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        pin(self._process.pid, self._core)
        while not self._answers_ready():
            if not self.is_running():
                raise ServerError(f"the server ended before it was ready\n{self.log_end()}")
            if time.perf_counter() - started_at > deadline_seconds:
                self.kill()
                raise ServerError(f"not ready within {deadline_seconds} s\n{self.log_end()}")
            time.sleep(READY_POLL_SECONDS)
        return time.perf_counter() - started_at

    def stop(self, *, deadline_seconds: float) -> int:
        """Ask the server to end (SIGTERM); answers its exit code. One that does not end in time is killed."""
        process = self._running()
        process.terminate()
        try:
            return process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"not stopped within {deadline_seconds} s\n{self.log_end()}") from None

    def kill(self) -> None:
        """End the server at once (SIGKILL) and wait until it is gone; one that has ended is left alone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(KILL_SECONDS_MAX)

    def log_end(self) -> str:
        """The last lines that the server wrote."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process

    def _answers_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_ANSWER_SECONDS_MAX)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

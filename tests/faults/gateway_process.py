"""One gateway under test: started, killed and started again by its pid, always on the same database and port."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench.cores import process_busy_seconds
from app.bench.server_process import ServerProcess, clean_environment, free_port, stockgate_command
from tests.end_to_end.gateway import connected
from tests.faults import mutants

# A server that was told to stop by a signal may end by that signal, once it has finished its work.
STOPPED_EXIT_CODES: Final = (0, -signal.SIGTERM)
READY_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 30.0
AUDIT_SECONDS_MAX: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """What `stockgate audit` said."""

    exit_code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: the time until ready, and the processor time in it (0 where the machine does not say).

    Where the second is far less than the first, the gateway waited its turn on a busy machine.
    """

    ready_seconds: float
    busy_seconds: float


class GatewayProcess(ServerProcess):
    """A gateway on one database; its log is kept in `directory` over all its lives."""

    def __init__(
        self,
        *,
        directory: Path,
        database_url: str,
        name: str = "A",
        settings: Mapping[str, str] | None = None,
        mutant: str | None = None,
    ) -> None:
        port = free_port()
        arguments = ("serve", "--port", str(port))
        self.name = name
        self.settings = {"STOCKGATE_DATABASE_URL": database_url, **(settings or {})}
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}/graphql"
        super().__init__(
            command=mutants.command(mutant, *arguments) if mutant else stockgate_command(*arguments),
            port=port,
            log_path=directory / f"gateway-{name}.log",
            settings=self.settings,
        )

    async def start_ready(self) -> Start:
        """Start and wait until ready, without stopping the load; return what that took."""
        ready_seconds = await asyncio.to_thread(self.start, deadline_seconds=READY_SECONDS_MAX)
        return Start(ready_seconds=ready_seconds, busy_seconds=process_busy_seconds(self.pid) or 0.0)

    async def kill_now(self) -> None:
        """Kill at this moment (SIGKILL, by pid), then wait until the process is gone."""
        os.kill(self.pid, signal.SIGKILL)
        await asyncio.to_thread(self.kill)

    async def connect(self, *, receive_buffer_bytes: int | None = None) -> socket.socket:
        """Return a plain connection to it."""
        return await connected(self.port, receive_buffer_bytes=receive_buffer_bytes)

    async def stop_gently(self) -> int:
        """Ask it to stop and return its exit code."""
        return await asyncio.to_thread(self.stop, deadline_seconds=STOP_SECONDS_MAX)

    async def audit(self) -> AuditRun:
        """Run the product's own audit on the same database."""
        done = await asyncio.to_thread(
            subprocess.run,
            stockgate_command("audit"),
            env=clean_environment(self.settings | {"COLUMNS": "200"}),
            capture_output=True,
            text=True,
            timeout=AUDIT_SECONDS_MAX,
            check=False,
        )
        return AuditRun(exit_code=done.returncode, output=(done.stdout + done.stderr).strip())

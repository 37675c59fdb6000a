"""A gateway as its users run it: a process of its own on a file of its own; the one rule: every wait has a deadline."""

import asyncio
import shutil
import socket
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.bench.server_process import ServerProcess, free_port, stockgate_command
from app.settings import SQLITE_PREFIX
from app.storage.tables import metadata

READY_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 20.0
OTHER_PROGRAM_SECONDS_MAX: Final = 5.0
FEW_EVENTS_KEPT: Final = 50
"""What the gateway in production keeps for its subscribers in these tests."""
FAILURES: Final = ("Traceback", "ERROR", "CRITICAL")
HARMLESS: Final = "ASGI callable returned without completing handshake"
"""What uvicorn says of every handshake that is refused with another status than 403."""

Dump = dict[str, list[tuple[Any, ...]]]
"""Every row of every table."""


class Gateway(ServerProcess):
    """A gateway on one file and one port; it can be stopped and started again."""

    def __init__(self, *, file: Path, settings: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.file = file
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}/graphql"
        super().__init__(
            command=stockgate_command("serve", "--port", str(port)),
            port=port,
            log_path=file.with_suffix(".log"),
            settings={"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{file}", **(settings or {})},
        )

    def begin(self) -> "Gateway":
        """Start and wait until it is ready."""
        self.start(deadline_seconds=READY_SECONDS_MAX)
        return self

    async def end(self) -> int:
        """Ask it to stop, without stopping the test's own tasks; return its exit code."""
        return await asyncio.to_thread(self.stop, deadline_seconds=STOP_SECONDS_MAX)

    def exit_code(self) -> int | None:
        """Return its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def log(self) -> str:
        """Return all that it wrote."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def failures(self) -> list[str]:
        """Return the lines of its log that tell of a failure."""
        lines = self.log().splitlines()
        return [line for line in lines if HARMLESS not in line and any(word in line for word in FAILURES)]

    async def connect(self, *, receive_buffer_bytes: int | None = None) -> socket.socket:
        """Return a plain connection; a small buffer soon holds up a sender that nobody reads."""
        return await connected(self.port, receive_buffer_bytes=receive_buffer_bytes)

    def dump(self) -> Dump:
        """Return all that is kept, read past the gateway."""
        with closing(sqlite3.connect(self.file, timeout=OTHER_PROGRAM_SECONDS_MAX)) as connection:
            names = [table.name for table in metadata.sorted_tables if table.name != "leases"]
            return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}

    def change(self, sql: str, *parameters: object) -> int:
        """Change something as another program would; return how many rows that were."""
        with closing(sqlite3.connect(self.file, timeout=OTHER_PROGRAM_SECONDS_MAX)) as connection, connection:
            return connection.execute(sql, parameters).rowcount


async def connected(port: int, *, receive_buffer_bytes: int | None = None) -> socket.socket:
    """Connect to a port of this machine, with a receive buffer of its own size if need be."""
    endpoint = socket.socket()
    endpoint.settimeout(0)
    try:
        if receive_buffer_bytes is not None:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        await asyncio.get_running_loop().sock_connect(endpoint, ("127.0.0.1", port))
    except BaseException:
        endpoint.close()
        raise
    return endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateways:
    """Makes gateways, each on a copy of a migrated file that holds nothing."""

    directory: Path
    template: Path

    def new(self, name: str, **settings: str) -> Gateway:
        """Return a gateway that has not begun, with `STOCKGATE_` settings of its own."""
        file = Path(shutil.copyfile(self.template, self.directory / f"{name}.sqlite3"))
        return Gateway(file=file, settings={f"STOCKGATE_{key}": value for key, value in settings.items()})

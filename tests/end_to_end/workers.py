"""Gateways of several processes, and callers that ask without a pause; the one rule: every request is accounted for."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from tests.end_to_end.gateway import Gateway
from tests.servers.postgres_server import TestServer

WORKERS: Final = 2
BECOMES_SECONDS_MAX: Final = 40.0
ANSWER_SECONDS_MAX: Final = 20.0
LOOK_SECONDS: Final = 0.05
DATABASES: Final = count(1)
STARTED: Final = re.compile(r"worker (\d+) has started")
BODY: Final = b'{"query": "{ locations { nodes { code } } }"}'
REQUEST: Final = b"\r\n".join(
    [
        b"POST /graphql HTTP/1.1",
        b"host: 127.0.0.1",
        b"content-type: application/json",
        b"connection: close",
        b"content-length: %d" % len(BODY),
        b"",
        BODY,
    ]
)


async def new_database(server: TestServer) -> str:
    """Make a database that holds nothing, and return the setting that names it."""
    name = f"workers_{os.getpid()}_{next(DATABASES)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return server.url(name)


def gateway_of(directory: Path, database_url: str, *, workers: int = WORKERS, **settings: str) -> Gateway:
    """Return a gateway that has not begun, which logs JSON."""
    given = {"DATABASE_URL": database_url, "WORKERS": str(workers), "LOG_FORMAT": "json", **settings}
    named = {f"STOCKGATE_{name}": value for name, value in given.items()}
    return Gateway(file=directory / f"gateway-{next(DATABASES)}.sqlite3", settings=named)


def lines_of(gateway: Gateway) -> list[dict[str, Any]]:
    """Return the lines of its log, but for the greeting."""
    return [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]


def said(gateway: Gateway, words: str) -> list[dict[str, Any]]:
    """Return the lines whose event holds these words."""
    lines = (line for line in gateway.log().splitlines() if words in line and line.startswith("{"))
    return [line for line in map(json.loads, lines) if words in line["event"]]


def started(gateway: Gateway) -> list[int]:
    """Return the pids of all workers that there have ever been, in order."""
    return [int(pid) for pid in STARTED.findall(gateway.log())]


def workers_of(gateway: Gateway) -> list[int]:
    """Return the pids of the workers that live."""
    return [pid for pid in started(gateway) if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody asked about does not."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    try:
        return stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def becomes(is_so: Callable[[], bool], *, seconds_max: float = BECOMES_SECONDS_MAX) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds_max):
        while not is_so():
            await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True, kw_only=True)
class Callers:
    """Callers of one gateway, and what became of their requests."""

    gateway: Gateway
    answered: int = 0
    refused: int = 0
    """Nobody listened."""
    lost: list[str] = field(default_factory=list)
    """The connection ended without an answer."""
    wrong: list[str] = field(default_factory=list)
    """Another answer than was due."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def call_anew(self) -> None:
        """Ask on a connection of its own each time."""
        while not self.stopping.is_set():
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    self._count(await self._answer())
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, TimeoutError) as error:
                self.lost.append(repr(error))

    async def call_on(self) -> None:
        """Ask again and again on connections that are kept."""
        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client:
            while not self.stopping.is_set():
                try:
                    response = await client.post(self.gateway.url, content=BODY, headers=headers)
                    self._count(f"HTTP/1.1 {response.status_code} \r\n\r\n{response.text}")
                except httpx.ConnectError:
                    self.refused += 1
                except httpx.HTTPError as error:
                    self.lost.append(repr(error))

    async def answers(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        due = self.answered + more
        await becomes(lambda: self.answered >= due)

    async def _answer(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        try:
            writer.write(REQUEST)
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        return answer

    def _count(self, answer: str) -> None:
        if answer.startswith("HTTP/1.1 200 ") and '"data"' in answer:
            self.answered += 1
        elif answer.partition("\r\n\r\n")[2]:
            self.wrong.append(answer)
        else:
            self.lost.append(f"cut off after {len(answer)} characters")


@asynccontextmanager
async def calling(gateway: Gateway, *, anew: int = 3, on: int = 3) -> AsyncIterator[Callers]:
    """Let callers of both kinds ask, until the end."""
    callers = Callers(gateway=gateway)
    kinds = [*[callers.call_anew] * anew, *[callers.call_on] * on]
    tasks = [asyncio.create_task(call()) for call in kinds]
    try:
        yield callers
    finally:
        callers.stopping.set()
        async with asyncio.timeout(BECOMES_SECONDS_MAX):
            await asyncio.gather(*tasks)

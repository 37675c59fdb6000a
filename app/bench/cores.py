"""Processor cores: who runs where, and what else ran there; a machine that does not say answers None, never 0."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, Self

STAT_PATH: Final = Path("/proc/stat")
# Of the columns behind a core's name: user, nice, system, irq, softirq and steal; not idle and waiting for disks.
BUSY_COLUMNS: Final = (0, 1, 2, 5, 6, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Processor seconds used up to a moment: by this process, by the server, and by anybody on the server's core."""

    at: float
    generator_seconds: float
    server_seconds: float | None
    core_seconds: float | None

    @classmethod
    def now(cls, *, server_pid: int | None, server_core: int | None) -> Self:
        """Read all clocks."""
        return cls(
            at=perf_counter(),
            generator_seconds=process_time(),
            server_seconds=process_busy_seconds(server_pid),
            core_seconds=core_busy_seconds(server_core),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyShares:
    """Shares of one core between two moments; `others` is other work on the server's core."""

    generator: float = 0.0
    server: float | None = None
    others: float | None = None


def shares_between(begin: Usage, end: Usage) -> BusyShares:
    """Who used how much of a core from one moment to the other."""
    seconds = max(end.at - begin.at, 1e-9)
    server = _difference(begin.server_seconds, end.server_seconds)
    core = _difference(begin.core_seconds, end.core_seconds)
    return BusyShares(
        generator=round((end.generator_seconds - begin.generator_seconds) / seconds, 3),
        server=None if server is None else round(server / seconds, 3),
        others=None if server is None or core is None else round(max(0.0, core - server) / seconds, 3),
    )


def pin(pid: int, core: int | None) -> None:
    """Keep a process on one core, where the machine can do that; None leaves it free."""
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(pid, {core})


def cores_apart() -> tuple[int, int] | tuple[None, None]:
    """One core for the server and another for the generator; nothing where there are not two."""
    if sys.platform != "linux":
        return (None, None)
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def core_busy_seconds(core: int | None) -> float | None:
    """How long a core has worked for anybody since the machine started."""
    if core is None or not STAT_PATH.exists():
        return None
    for line in STAT_PATH.read_text(encoding="ascii").splitlines():
        name, *columns = line.split()
        if name == f"cpu{core}":
            return sum(int(columns[at]) for at in BUSY_COLUMNS) / os.sysconf("SC_CLK_TCK")
    return None


def process_busy_seconds(pid: int | None) -> float | None:
    """How long a process and those that it started have worked since they started, all their threads together."""
    if pid is None:
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    user, system = text.rpartition(")")[2].split()[11:13]
    own = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return own + sum(process_busy_seconds(int(child)) or 0.0 for child in children)


def _difference(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin

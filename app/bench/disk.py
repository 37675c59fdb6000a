"""The disk under the bench: a durable rate says nothing without the price of one confirmed append."""

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

APPEND_BYTES: Final = 4096
APPENDS: Final = 200
MOUNTS_PATH: Final = Path("/proc/mounts")
VOLATILE_FILE_SYSTEMS: Final = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system under a directory ("unknown" where the machine does not say) and its fsync time."""

    file_system: str
    fsync_milliseconds_p50: float

    @property
    def keeps_nothing(self) -> bool:
        """Whether the file system lives in memory, where a durable write costs nothing."""
        return self.file_system in VOLATILE_FILE_SYSTEMS


def probe(directory: Path) -> Disk:
    """Append to a file in `directory` some times, each confirmed by fsync, and answer the median time."""
    seconds = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(APPENDS):
            started_at = time.perf_counter()
            file.write(b"\0" * APPEND_BYTES)
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - started_at)
    milliseconds = round(statistics.median(seconds) * 1000, 3)
    return Disk(file_system=_file_system(directory), fsync_milliseconds_p50=milliseconds)


def _file_system(directory: Path) -> str:
    if not MOUNTS_PATH.exists():
        return "unknown"
    mounts = [line.split()[1:3] for line in MOUNTS_PATH.read_text(encoding="utf-8").splitlines()]
    holding = [(mount, kind) for mount, kind in mounts if directory.resolve().is_relative_to(mount)]
    # The longest mount point is the innermost one; of equal ones the last mounted lies on top.
    return max(enumerate(holding), key=lambda at: (len(at[1][0]), at[0]))[1][1] if holding else "unknown"

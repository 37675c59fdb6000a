"""The disk under PostgreSQL is full, or fails to sync: clients are told to come again, nothing acknowledged is lost.

Both need a machine that lets them: the right to mount a file system, and strace. Where that is missing they say so.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from app.bench.postgres_server import DURABLE, UNPRIVILEGED_USER, PostgresServer
from tests.faults.counts import READY_SECONDS_MAX, SEED, count
from tests.faults.stores import PostgresStore
from tests.faults.trial import Pause, Trial, open_trial

DISK_BYTES: Final = 48 * 1024 * 1024
PIECE_BYTES: Final = 64 * 1024
SYNC_FAILURES: Final = count("SYNC_FAILURES", ci=1)
UNDER_LOAD_SECONDS: Final = 0.6
FULL_SECONDS: Final = 1.5
NOTICED_SECONDS_MAX: Final = 20.0
SYSTEM_SECONDS_MAX: Final = 20.0
SECONDS_MAX: Final = 180
SECONDS_MAX_PER_FAILURE: Final = 40
SAID_MEANWHILE: Final = {"UNAVAILABLE", "OVERLOADED"}
SESSIONS: Final = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'stockgate'"


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """Yield the directory of a file system that is soon full; the server's own user owns it."""
    place = Path(tempfile.mkdtemp(prefix="stockgate-disk-"))
    owner = f"uid={UNPRIVILEGED_USER}," if os.geteuid() == 0 else ""
    options = f"{owner}mode=0700,size={DISK_BYTES}"
    try:
        if os.geteuid() != 0 or system("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)):
            pytest.skip("this machine does not let us mount a small file system")
        yield place
    finally:
        if place.is_mount():
            assert system("umount", str(place)) == 0
        place.rmdir()


def system(*command: str) -> int:
    """Run a program of the system; return its exit code."""
    if shutil.which(command[0]) is None:
        return 127
    return subprocess.run(command, check=False, capture_output=True, timeout=SYSTEM_SECONDS_MAX).returncode


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return the file that takes it all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PIECE_BYTES))
    return ballast


async def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with small_disk() as disk, PostgresServer(settings=DURABLE) as server:
        server.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        server.execute("CREATE DATABASE small TABLESPACE small")
        store = PostgresStore(url=server.url("small"), name="PostgreSQL on a small disk")
        async with asyncio.timeout(SECONDS_MAX), open_trial(tmp_path, store, seed=SEED, gateways=2) as trial:
            async with trial.under_load() as pause:
                await pause(UNDER_LOAD_SECONDS)
                ballast = fill(disk)
                await is_noticed(trial, pause)
                await pause(FULL_SECONDS)
                ballast.unlink()
                recovered = await trial.seconds_until_all_work()
                await pause(UNDER_LOAD_SECONDS)
            aftermath = await trial.finish()
    print(f"\nthe disk was full for {FULL_SECONDS} s; both gateways kept changes again after {recovered:.2f} s")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert set(aftermath.turned_away) <= SAID_MEANWHILE
    assert recovered <= READY_SECONDS_MAX


async def is_noticed(trial: Trial, pause: Pause) -> None:
    """Wait until clients have been told to come again."""
    async with asyncio.timeout(NOTICED_SECONDS_MAX):
        while not trial.load.caller.turned_away:
            await pause(0.05)


async def test_a_log_that_cannot_be_synced_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Given sessions whose fdatasync fails, then the server stops at once and recovers, and so do the gateways."""
    if system("strace", "-qq", "-o", os.devnull, "true"):
        pytest.skip("there is no strace here, or it may not trace")
    with PostgresServer(settings=DURABLE) as server:
        store = PostgresStore(url=server.url(), name="PostgreSQL whose disk fails")
        async with (
            asyncio.timeout(SECONDS_MAX + SYNC_FAILURES * SECONDS_MAX_PER_FAILURE),
            open_trial(tmp_path, store, seed=SEED, gateways=2) as trial,
        ):
            recovered = []
            async with trial.under_load() as pause:
                for _ in range(SYNC_FAILURES):
                    await pause(UNDER_LOAD_SECONDS)
                    await let_syncs_fail(server)
                    recovered.append(await trial.seconds_until_all_work())
                await pause(UNDER_LOAD_SECONDS)
            aftermath = await trial.finish()
            panics = [line for line in server.log_lines() if "PANIC" in line]
    print(f"\n{len(panics)} times the log could not be synced; working again after {max(recovered):.2f} s at worst")
    print("\n".join(aftermath.lines()))
    aftermath.assert_whole()
    assert len(panics) >= SYNC_FAILURES
    assert set(aftermath.turned_away) <= SAID_MEANWHILE


async def let_syncs_fail(server: PostgresServer) -> None:
    """Answer EIO to every fdatasync of the gateways' sessions, until none of them is left."""
    pids = (await asyncio.to_thread(server.execute, SESSIONS)).split()
    inject = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
    tracing = await asyncio.create_subprocess_exec(
        "strace", "-qq", "-o", os.devnull, *inject, *(word for pid in pids for word in ("-p", pid))
    )
    try:
        async with asyncio.timeout(NOTICED_SECONDS_MAX):
            await tracing.wait()
    finally:
        if tracing.returncode is None:
            tracing.terminate()
            await tracing.wait()

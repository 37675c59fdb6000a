"""What the same database does without a gateway: pgbench, from C, with one transaction an adjustment.

The rule: its transaction does what an adjustment at two locations has to, and no more: look the key up, lock two rows,
change both, add two ledger rows, keep the key. It validates nothing, computes no answer and speaks no HTTP.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench.plans import Workload
from app.bench.postgres_server import PostgresServer
from app.bench.server_process import ServerError

DATABASE: Final = "pgbench"
CLIENTS: Final = 32
THREADS: Final = 2
TABLES: Final = """\
CREATE TABLE stock (
    item bigint, location bigint, on_hand integer NOT NULL, version bigint NOT NULL, PRIMARY KEY (item, location)
) WITH (fillfactor = 50);
CREATE TABLE ledger (
    id bigserial PRIMARY KEY, item bigint NOT NULL, location bigint NOT NULL, delta integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE keys (account text, key text, adjustment text NOT NULL, PRIMARY KEY (account, key));
INSERT INTO stock
    SELECT item, location, 10000000, 1 FROM generate_series(1, {skus}) item, generate_series(1, 3) location;
"""
ANALYZE: Final = "VACUUM ANALYZE"
TRANSACTION: Final = """\
\\set item {item}
\\set key random(1, 9000000000000000)
BEGIN;
SELECT adjustment FROM keys WHERE account = 'bench' AND key = 'order-' || :client_id || '-' || :key;
SELECT on_hand FROM stock WHERE item = :item AND location IN (1, 2) ORDER BY location FOR UPDATE;
UPDATE stock SET on_hand = on_hand - 1, version = version + 1 WHERE item = :item AND location = 1;
UPDATE stock SET on_hand = on_hand + 1, version = version + 1 WHERE item = :item AND location = 2;
INSERT INTO ledger (item, location, delta) VALUES (:item, 1, -1);
INSERT INTO ledger (item, location, delta) VALUES (:item, 2, 1);
INSERT INTO keys VALUES ('bench', 'order-' || :client_id || '-' || :key, 'adjustment');
END;
"""
CHOICES: Final[Mapping[str, str]] = {
    Workload.ADJUST_SPREAD.value: "random(1, {skus})",
    Workload.ADJUST_ZIPF.value: "random_zipfian(1, {skus}, 1.001)",
    Workload.ADJUST_HOT.value: "1",
}
"""How each workload chooses the item of a transaction."""
RATE: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
LATENCY: Final = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PgbenchFigures:
    """What pgbench reached: transactions a second, and the mean latency of one."""

    workload: str
    clients: int
    rate_per_second: float
    latency_milliseconds_mean: float


def prepare(server: PostgresServer, *, skus: int) -> None:
    """Make pgbench's own database beside the gateway's."""
    server.execute(f"CREATE DATABASE {DATABASE}")
    server.execute(TABLES.format(skus=skus), database=DATABASE)
    server.execute(ANALYZE, database=DATABASE)


def run(server: PostgresServer, *, workload: str, skus: int, seconds: float) -> PgbenchFigures:
    """Run the transaction for some time over so many SKUs. Raises ServerError when it fails."""
    with tempfile.NamedTemporaryFile("w", prefix="stockgate-pgbench-", suffix=".sql") as file:
        Path(file.name).chmod(0o644)
        file.write(TRANSACTION.format(item=CHOICES[workload].format(skus=skus)))
        file.flush()
        said = server.pgbench(
            *("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS), "-T", str(max(1, round(seconds)))),
            *("-f", file.name, DATABASE),
            seconds_max=seconds + 60,
        )
    rate, latency = RATE.search(said), LATENCY.search(said)
    if rate is None or latency is None:
        raise ServerError(f"pgbench said something else:\n{said}")
    return PgbenchFigures(
        workload=workload,
        clients=CLIENTS,
        rate_per_second=round(float(rate[1]), 1),
        latency_milliseconds_mean=float(latency[1]),
    )

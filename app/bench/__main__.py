"""The command line of `scripts/bench`: exits with 1 when a request failed or the ledger does not add up."""

from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.bench import report as reports
from app.bench.databases import DatabaseKind
from app.bench.growth import bench_growth
from app.bench.plans import PERCENTILES
from app.bench.runs import (
    BenchError,
    BenchOptions,
    BenchReport,
    bench_adjust,
    bench_echo,
    bench_follow,
    bench_read,
    bench_reserve,
)
from app.bench.server_process import ServerError

Seconds = Annotated[float, typer.Option(min=0.5, max=3600, help="How long each workload is measured.")]
Connections = Annotated[int, typer.Option(min=1, max=10_000, help="Each has one request in flight.")]
Skus = Annotated[int, typer.Option(min=1, max=100_000, help="How many SKUs the load is spread over.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Also write the whole report to this file.")]
Key = Annotated[bool, typer.Option(help="Whether every request is sent with an API key.")]
Database = Annotated[DatabaseKind, typer.Option(help="What the gateway keeps its truth in; a server is brought along.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes of the gateway; on PostgreSQL only.")]
Directory = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Where the ledger's file is made.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure a gateway over HTTP.")


@app.command()
def echo(seconds: Seconds = 10, connections: Connections = 64, json: JsonFile = None) -> None:
    """How fast the load generator is by itself, against a route that echoes."""
    _run(bench_echo, BenchOptions(seconds=seconds, connections=connections, skus=1), json)


def _gateway_command(name: str, bench: Callable[[BenchOptions], BenchReport], *, says: str) -> None:
    """Add a command that measures workloads of one gateway; all of them take the same options."""

    @app.command(name=name, help=says)
    def run(
        seconds: Seconds = 10,
        connections: Connections = 64,
        skus: Skus = 1000,
        json: JsonFile = None,
        directory: Directory = None,
        key: Key = True,  # Typer makes --key and --no-key of it
        database: Database = DatabaseKind.SQLITE,
        workers: Workers = 1,
    ) -> None:
        options = BenchOptions(
            seconds=seconds,
            connections=connections,
            skus=skus,
            directory=directory,
            uses_key=key,
            database=database,
            workers=workers,
        )
        _run(bench, options, json)


_gateway_command(
    "adjust",
    bench_adjust,
    says="Durable two-location adjustments, idempotent: over all SKUs, then on one; the audit, and pgbench beside it.",
)
_gateway_command(
    "reserve",
    bench_reserve,
    says="Reservations on a channel, each committed to an order at once: over all SKUs, then on one; then the audit.",
)
_gateway_command(
    "read",
    bench_read,
    says="Availability of 5 random SKUs at 3 locations, with all fields; then the audit.",
)


@app.command(name="follow")
def follow_changes(
    changes: Annotated[int, typer.Option(min=1, max=10_000, help="How many changes are waited for.")] = 200,
    directory: Directory = None,
    key: Key = True,  # Typer makes --key and --no-key of it
) -> None:
    """How soon a subscriber of one gateway is told what another changed, on PostgreSQL with and without Redis."""
    options = BenchOptions(seconds=1, connections=1, skus=10, directory=directory, uses_key=key)
    console = Console()
    table = Table("", "changes", *(f"{name}, ms" for name in (*PERCENTILES, "max")))
    for one in bench_follow(options, changes=changes):
        table.add_row(one.name, f"{one.changes:,}", *(f"{value:.1f}" for value in one.latency_milliseconds.values()))
    console.print(table)


@app.command()
def grow(
    seconds: Seconds = 10,
    connections: Connections = 64,
    skus: Annotated[
        int, typer.Option(min=1000, max=10_000_000, help="How many SKUs are loaded, at 3 locations.")
    ] = 1000,
    json: JsonFile = None,
    directory: Directory = None,
) -> None:
    """Load many SKUs from files into PostgreSQL, then read and adjust among them, with pgbench beside it."""
    console = Console()
    options = BenchOptions(seconds=seconds, connections=connections, skus=skus, directory=directory)
    grown = bench_growth(options, say=console.print)
    table = Table("", "requests per second", "p50, ms", "p99, ms", "pgbench per second")
    beside = {one.workload: f"{one.rate_per_second:,.0f}" for one in grown.pgbench}
    for run in grown.figures:
        shown = (f"{run.rate_per_second:,.0f}", *(f"{run.latency_milliseconds[name]:.1f}" for name in ("p50", "p99")))
        table.add_row(run.workload, *shown, beside.get(run.workload, ""))
    console.print(table)
    console.print(
        f"{grown.skus:,} SKUs; database {grown.database_megabytes:,.0f} MB, gateway {grown.gateway_megabytes:,.0f} MB; "
        f"audit {grown.audit_seconds:,.0f} s, exit code {grown.audit_exit_code}"
    )
    if json is not None:
        json.write_text(dumps(asdict(grown), indent=2) + "\n", encoding="utf-8")
    if grown.audit_exit_code or any(run.failures for run in grown.figures):
        raise typer.Exit(code=1)


def _run(bench: Callable[[BenchOptions], BenchReport], options: BenchOptions, json_path: Path | None) -> None:
    console = Console()
    try:
        report = bench(options)
    except (BenchError, ServerError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(code=1) from None
    reports.show(report, console)
    if json_path is not None:
        json_path.write_text(reports.to_json(report), encoding="utf-8")
    if not report.is_good:
        raise typer.Exit(code=1)


if __name__ == "__main__":
    app()

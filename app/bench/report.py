"""What a bench found, as a table for people and as JSON for machines; nothing that failed is left out."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.bench.plans import PERCENTILES, LoadFigures, Workload
from app.bench.runs import ECHO_RATE_MIN, BenchReport

GENERATOR_BUSY_SHARE_MAX: Final = 0.9
OTHER_WORK_SHARE_MAX: Final = 0.1
SPREAD_AND_HOT: Final = (
    (Workload.ADJUST_SPREAD, Workload.ADJUST_HOT),
    (Workload.RESERVE_SPREAD, Workload.RESERVE_HOT),
)


def to_json(report: BenchReport) -> str:
    """The whole report as JSON text."""
    values = dataclasses.asdict(report)
    values["is_good"] = report.is_good
    values["hot_to_spread"] = hot_to_spread(report.figures)
    values["hot_to_spread_cost"] = hot_to_spread_cost(report.figures)
    values["ratios_to_pgbench"] = ratios_to_pgbench(report)
    for run, shown in zip(report.figures, values["figures"], strict=True):
        shown["server_milliseconds_per_request"] = run.server_milliseconds_per_request
    return json.dumps(values, indent=2) + "\n"


def hot_to_spread(figures: Sequence[LoadFigures]) -> float | None:
    """The rate on one SKU as a share of the rate over all SKUs; None when either was not measured."""
    return _ratio({run.workload: run.rate_per_second for run in figures})


def hot_to_spread_cost(figures: Sequence[LoadFigures]) -> float | None:
    """The same in processor time: what a request on one SKU costs the server, by what one over all SKUs costs."""
    return _ratio({run.workload: run.server_milliseconds_per_request for run in figures})


def _ratio(measured: Mapping[str, float | None]) -> float | None:
    for spread_workload, hot_workload in SPREAD_AND_HOT:
        spread, hot = measured.get(spread_workload.value), measured.get(hot_workload.value)
        if hot is not None and spread:
            return round(hot / spread, 3)
    return None


def ratios_to_pgbench(report: BenchReport) -> dict[str, float]:
    """The gateway's rate by pgbench's, for each workload that both ran."""
    reached = {run.workload: run.rate_per_second for run in report.figures}
    return {
        one.workload: round(reached[one.workload] / one.rate_per_second, 3)
        for one in report.pgbench
        if one.workload in reached and one.rate_per_second
    }


def show(report: BenchReport, console: Console) -> None:
    """Print the table and, below it, all that is needed to judge it."""
    console.print(_table(report))
    for line in _notes(report):
        console.print(line, highlight=False, soft_wrap=True)
    for run in report.figures:
        for example in run.failure_examples:
            console.print(f"{run.workload} failed: {example}", style="red", markup=False, soft_wrap=True)


def _table(report: BenchReport) -> Table:
    table = Table(title=f"bench {report.name} · {report.figures[0].connections} connections, closed loop")
    table.add_column("")
    columns = [_column(run) for run in report.figures]
    for run in report.figures:
        table.add_column(run.workload, justify="right")
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _column(run: LoadFigures) -> dict[str, str]:
    latencies = {f"{name}, ms": f"{run.latency_milliseconds[name]:.2f}" for name in (*PERCENTILES, "max")}
    return {
        "requests": f"{run.requests:,}",
        "seconds": f"{run.seconds:.2f}",
        "requests per second": f"[bold]{run.rate_per_second:,.0f}[/]",
        **_cycles(run),
        **latencies,
        "failures": f"[bold red]{run.failures:,}[/]" if run.failures else "0",
        "server, processor ms a request": _known(run.server_milliseconds_per_request, ".3f"),
        "server, share of its core": _known(run.busy_shares.server, ".0%"),
        "other work on that core": _known(run.busy_shares.others, ".0%"),
        "generator, share of its core": _known(run.busy_shares.generator, ".0%"),
    }


def _cycles(run: LoadFigures) -> dict[str, str]:
    """Return how many whole cycles there were, where one takes several requests."""
    requests = Workload(run.workload).requests_a_cycle if run.workload in set(Workload) else 1
    return {} if requests == 1 else {"cycles per second": f"[bold]{run.rate_per_second / requests:,.0f}[/]"}


def _known(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)


def _notes(report: BenchReport) -> list[str]:
    notes = []
    ratio = hot_to_spread(report.figures)
    if ratio is not None:
        cost = _known(hot_to_spread_cost(report.figures), ".0%")
        notes.append(f"one hot SKU: {ratio:.0%} of the rate over spread SKUs, {cost} of the processor time a request")
    for one in report.pgbench:
        reached = ratios_to_pgbench(report).get(one.workload)
        notes.append(
            f"pgbench, {one.workload}: {one.rate_per_second:,.0f} a second with {one.clients} clients "
            f"({one.latency_milliseconds_mean:.1f} ms each); the gateway reached {_known(reached, '.2f')} of it"
        )
    if report.disk is not None:
        kind, price = report.disk.file_system, report.disk.fsync_milliseconds_p50
        notes.append(f"disk: {kind}, one confirmed append takes {price:.2f} ms at the median")
        if report.disk.keeps_nothing:
            notes.append("[bold red]this file system is in memory: nothing is durable, use --directory[/]")
    if not report.cores_are_apart:
        notes.append("[yellow]server and generator could not be kept on separate cores[/]")
    notes += _run_notes(report)
    if report.audit_exit_code is not None:
        colour, verdict = ("bold red", "FAILED") if report.audit_exit_code else ("green", "passed")
        # The summary is the audit's last line; a failure is shown whole.
        shown = report.audit_output if report.audit_exit_code else report.audit_output.rpartition("\n")[2]
        notes.append(f"stockgate audit: [{colour}]{verdict}[/] {escape(shown)}")
    return notes


def _run_notes(report: BenchReport) -> list[str]:
    notes = []
    for run in report.figures:
        if run.ran_out_of_requests:
            notes.append(f"[yellow]{run.workload}: all encoded requests were sent before the time was up[/]")
        if run.busy_shares.generator > GENERATOR_BUSY_SHARE_MAX and run.workload != Workload.ECHO.value:
            notes.append(f"[yellow]{run.workload}: the generator was busy, the server may be faster[/]")
        if (run.busy_shares.others or 0.0) > OTHER_WORK_SHARE_MAX:
            notes.append(
                f"[yellow]{run.workload}: other work took part of the server's core; run it on a quiet machine[/]"
            )
        if run.workload == Workload.ECHO.value:
            reached = run.rate_per_second >= ECHO_RATE_MIN
            colour, word = ("green", "above") if reached else ("bold red", "BELOW")
            notes.append(f"the generator's own ceiling is [{colour}]{word} {ECHO_RATE_MIN:,}/s[/]")
    return notes

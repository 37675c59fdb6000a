"""The report says what was measured; what failed is never left out and never passes."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from app.bench.cores import BusyShares
from app.bench.disk import Disk, probe
from app.bench.plans import LoadFigures, Workload
from app.bench.report import hot_to_spread, show, to_json
from app.bench.runs import BenchOptions, BenchReport, bench_echo

LATENCY = {"p50": 1.0, "p90": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0}


def figures(workload: Workload, rate_per_second: float, *, others: float = 0.01) -> LoadFigures:
    """Return the figures of one second without failures."""
    return LoadFigures(
        workload=workload.value,
        connections=64,
        requests=int(rate_per_second),
        seconds=1.0,
        rate_per_second=rate_per_second,
        latency_milliseconds=LATENCY,
        failures=0,
        busy_shares=BusyShares(generator=0.1, server=0.9, others=others),
    )


GOOD = BenchReport(
    name="adjust",
    figures=[figures(Workload.ADJUST_SPREAD, 1200.0), figures(Workload.ADJUST_HOT, 1080.0)],
    audit_exit_code=0,
    audit_output="0 differences",
    disk=Disk(file_system="ext4", fsync_milliseconds_p50=0.25),
    cores_are_apart=True,
)
FAILED = [replace(GOOD.figures[0], failures=2, failure_examples=["status 500: masked"]), GOOD.figures[1]]


def printed(report: BenchReport) -> str:
    """Return what people see."""
    console = Console(file=io.StringIO(), width=100)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_good_report_passes_and_shows_rates_ratio_disk_and_audit() -> None:
    assert GOOD.is_good
    text = printed(GOOD)
    assert "1,200" in text
    assert "one hot SKU: 90% of the rate over spread SKUs, 111% of the processor time a request" in text
    assert "disk: ext4, one confirmed append takes 0.25 ms at the median" in text
    assert "stockgate audit: passed 0 differences" in text


BAD = {
    "a failed request": (replace(GOOD, figures=FAILED), "adjust, spread failed: status 500: masked"),
    "a failed audit": (
        replace(GOOD, audit_exit_code=1, audit_output="1 difference"),
        "stockgate audit: FAILED 1 difference",
    ),
    "a slow generator": (replace(GOOD, figures=[figures(Workload.ECHO, 14_999.0)]), "BELOW 15,000/s"),
    "nothing answered": (replace(GOOD, figures=[figures(Workload.READ, 0.0)]), "requests"),
}


@pytest.mark.parametrize(("report", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_failed_is_shown_and_does_not_pass(report: BenchReport, sentence: str) -> None:
    assert not report.is_good
    assert sentence in printed(report)


def test_a_file_system_in_memory_is_called_out() -> None:
    in_memory = replace(GOOD, disk=Disk(file_system="tmpfs", fsync_milliseconds_p50=0.0))
    assert "this file system is in memory: nothing is durable" in printed(in_memory)


def test_other_work_on_the_servers_core_is_called_out() -> None:
    shared = replace(GOOD, figures=[figures(Workload.READ, 800.0, others=0.3)])
    assert "read: other work took part of the server's core" in printed(shared)
    assert "other work took" not in printed(GOOD)


def test_the_json_has_the_verdict_and_the_ratio() -> None:
    values = json.loads(to_json(GOOD))
    assert (values["is_good"], values["hot_to_spread"], values["figures"][0]["requests"]) == (True, 0.9, 1200)
    assert hot_to_spread([figures(Workload.READ, 1.0)]) is None


def test_the_disk_is_measured_where_the_ledger_will_lie(tmp_path: Path) -> None:
    found = probe(tmp_path)
    assert found.file_system
    assert found.fsync_milliseconds_p50 >= 0
    assert not list(tmp_path.iterdir())


def test_the_echo_bench_runs_from_end_to_end() -> None:
    report = bench_echo(BenchOptions(seconds=0.5, connections=8, skus=1))
    assert (report.name, report.failures) == ("echo", 0)
    assert [run.workload for run in report.figures] == ["echo"]

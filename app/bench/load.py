"""The load generator, a process of its own: a plan on standard input, figures on standard output.

It keeps one rule: everything is encoded before the clock starts, and every answer is checked.
"""

import asyncio
import gc
import sys
from array import array
from time import perf_counter
from typing import Final

import uvloop

from app.bench.connections import LoadConnection
from app.bench.cores import BusyShares, Usage, pin, shares_between
from app.bench.plans import LoadFigures, LoadPlan, latency_percentiles
from app.bench.workloads import Requests, make_requests

CONNECT_SECONDS_MAX: Final = 10.0
DRAIN_SECONDS_MAX: Final = 15.0
ABANDON_SECONDS_MAX: Final = 5.0
FAILURE_EXAMPLES_MAX: Final = 5
FAILURE_EXAMPLE_CHARACTERS_MAX: Final = 500


class UsageWatch:
    """Reads the processor clocks when the measured time begins and when it ends."""

    def __init__(self, *, server_pid: int | None = None, server_core: int | None = None) -> None:
        self._server_pid = server_pid
        self._server_core = server_core
        self._begin: Usage | None = None
        self._end: Usage | None = None

    def start(self, *, begin_seconds: float, end_seconds: float) -> None:
        """Plan both readings, in seconds from now."""
        loop = asyncio.get_running_loop()
        loop.call_later(begin_seconds, self._read_begin)
        loop.call_later(end_seconds, self._read_end)

    def shares(self) -> BusyShares:
        """What was used; up to now, if the run ended before its time."""
        if self._begin is None:
            return BusyShares()
        return shares_between(self._begin, self._end or self._now())

    def _read_begin(self) -> None:
        self._begin = self._now()

    def _read_end(self) -> None:
        self._end = self._now()

    def _now(self) -> Usage:
        return Usage.now(server_pid=self._server_pid, server_core=self._server_core)


class LoadRun:
    """The state that all connections of one run share: the requests still to send and what was measured."""

    def __init__(self, requests: Requests, *, warm_up_seconds: float, measured_seconds: float) -> None:
        self._requests = requests
        self._sent = 0
        self._open = 0
        self._warm_up_seconds = warm_up_seconds
        self._measured_seconds = measured_seconds
        self._measured_from = self._measured_until = 0.0
        self._last_answer_at = 0.0
        self._latencies = array("d")
        self._answered_in_time = 0
        self._failures = 0
        self._failure_examples: list[str] = []
        self._ran_out = False
        self.finished = asyncio.Event()

    def start(self, connections: list[LoadConnection]) -> None:
        """Start the clock and let every connection send."""
        self._open = len(connections)
        self._measured_from = perf_counter() + self._warm_up_seconds
        self._measured_until = self._measured_from + self._measured_seconds
        for connection in connections:
            connection.send_next()

    def next_request(self, now: float) -> bytes | None:
        """The next request in order; None after the measured time or when none is left."""
        if now >= self._measured_until:
            return None
        number = self._sent
        if number >= len(self._requests.encoded):
            if not self._requests.repeated:
                self._ran_out = True
                return None
            number = self._sent = 0
        self._sent += 1
        return self._requests.encoded[number]

    def answered(self, *, sent_at: float, now: float, status: bytes, body: bytes) -> bytes | None:
        """Check one answer and, after the warm-up, keep its latency; return what its connection sends next.

        None leaves that to `next_request`.

        A request that was sent in time and answered late keeps its latency too, so that a stall at the end
        is seen in the percentiles; only the rate leaves it out.
        """
        if not self._requests.are_answered_by(status, body):
            self._fail(f"status {status.decode('ascii', 'replace')}: {body.decode('utf-8', 'replace')}")
        if now >= self._measured_from:
            self._latencies.append(now - sent_at)
            if now <= self._measured_until:
                self._answered_in_time += 1
                self._last_answer_at = now
        return self._requests.second_after(body) if now < self._measured_until else None

    def broke(self, reason: str) -> None:
        """Count a request that will never be answered."""
        self._fail(reason)

    def closed(self) -> None:
        """Count a connection that is gone; the last one ends the run."""
        self._open -= 1
        if self._open == 0:
            self.finished.set()

    def figures(self, *, workload: str, connections: int, busy_shares: BusyShares) -> LoadFigures:
        """What was measured."""
        seconds = self._measured_seconds
        if self._last_answer_at and (self._ran_out or self._failures):
            seconds = max(self._last_answer_at - self._measured_from, 1e-9)
        return LoadFigures(
            workload=workload,
            connections=connections,
            requests=self._answered_in_time,
            seconds=round(seconds, 3),
            rate_per_second=round(self._answered_in_time / seconds, 1),
            latency_milliseconds=latency_percentiles(self._latencies),
            failures=self._failures,
            failure_examples=self._failure_examples,
            ran_out_of_requests=self._ran_out,
            busy_shares=busy_shares,
        )

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if len(self._failure_examples) < FAILURE_EXAMPLES_MAX:
            self._failure_examples.append(reason[:FAILURE_EXAMPLE_CHARACTERS_MAX])


async def run_load(
    requests: Requests,
    *,
    port: int,
    connections: int,
    warm_up_seconds: float,
    measured_seconds: float,
    workload: str,
    drain_seconds: float = DRAIN_SECONDS_MAX,
    watch: UsageWatch | None = None,
) -> LoadFigures:
    """Send `requests` in a closed loop, one in flight on each connection, and return the figures.

    What is not answered `drain_seconds` after the measured time counts as failed.
    """
    run = LoadRun(requests, warm_up_seconds=warm_up_seconds, measured_seconds=measured_seconds)
    opened = await _connect(run, port=port, connections=connections)
    watch = watch or UsageWatch()
    watch.start(begin_seconds=warm_up_seconds, end_seconds=warm_up_seconds + measured_seconds)
    run.start(opened)
    try:
        async with asyncio.timeout(warm_up_seconds + measured_seconds + drain_seconds):
            await run.finished.wait()
    except TimeoutError:
        for connection in opened:
            connection.abandon()
        async with asyncio.timeout(ABANDON_SECONDS_MAX):
            await run.finished.wait()
    return run.figures(workload=workload, connections=connections, busy_shares=watch.shares())


async def run_plan(plan: LoadPlan) -> LoadFigures:
    """Make a plan's requests, then run them."""
    requests = make_requests(plan)
    # A collection in the middle of the run would be charged to the server's latency.
    gc.collect()
    gc.freeze()
    gc.disable()
    return await run_load(
        requests,
        port=plan.port,
        connections=plan.connections,
        warm_up_seconds=plan.warm_up_seconds,
        measured_seconds=plan.measured_seconds,
        workload=plan.workload.value,
        watch=UsageWatch(server_pid=plan.server_pid, server_core=plan.server_core),
    )


async def _connect(run: LoadRun, *, port: int, connections: int) -> list[LoadConnection]:
    loop = asyncio.get_running_loop()
    opened = []
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: LoadConnection(run), "127.0.0.1", port)
            opened.append(connection)
    return opened


def main() -> None:
    """Read a plan, run it, print the figures."""
    plan = LoadPlan.from_json(sys.stdin.read())
    pin(0, plan.core)
    print(uvloop.run(run_plan(plan)).to_json())


if __name__ == "__main__":
    main()

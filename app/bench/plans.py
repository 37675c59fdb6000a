"""What one run of the generator is told and what it answers; both travel between processes as JSON."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from app.bench.cores import BusyShares

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


class Workload(StrEnum):
    """The kinds of requests that the generator can make."""

    ECHO = "echo"
    ADJUST_SPREAD = "adjust, spread"
    ADJUST_ZIPF = "adjust, Zipf"
    ADJUST_HOT = "adjust, hot"
    READ = "read"
    RESERVE_SPREAD = "reserve and commit, spread"
    RESERVE_HOT = "reserve and commit, hot"

    @property
    def requests_a_cycle(self) -> int:
        """How many requests make up one of what is counted: a reservation takes one, and its commit another."""
        return 2 if self in (Workload.RESERVE_SPREAD, Workload.RESERVE_HOT) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One closed-loop run: each connection sends its next request when the last one is answered."""

    workload: Workload
    port: int
    connections: int = 64
    warm_up_seconds: float = 2.0
    measured_seconds: float = 10.0
    token: str | None = None
    skus: int = 1000
    requests_max: int = 200_000
    seed: int = 1
    key_prefix: str = "bench"
    core: int | None = None
    server_pid: int | None = None
    server_core: int | None = None

    def to_json(self) -> str:
        """The plan as one JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values | {"workload": Workload(values["workload"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """What one run measured. `requests` were answered within `seconds`; a failure anywhere is counted."""

    workload: str
    connections: int
    requests: int
    seconds: float
    rate_per_second: float
    latency_milliseconds: dict[str, float]
    failures: int
    failure_examples: list[str] = field(default_factory=list)
    ran_out_of_requests: bool = False
    busy_shares: BusyShares = field(default_factory=BusyShares)

    @property
    def server_milliseconds_per_request(self) -> float | None:
        """What one request cost the server in processor time; unlike the rate it hardly depends on other work."""
        if self.busy_shares.server is None or not self.requests:
            return None
        return round(self.busy_shares.server * self.seconds * 1000 / self.requests, 3)

    def to_json(self) -> str:
        """The figures as one JSON text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The figures that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values | {"busy_shares": BusyShares(**values["busy_shares"])})


def latency_percentiles(latencies_seconds: Sequence[float]) -> dict[str, float]:
    """Nearest-rank percentiles and the maximum, in milliseconds; all 0 when nothing was answered."""
    ordered = sorted(latencies_seconds) or [0.0]
    last = len(ordered) - 1
    picked = {name: ordered[min(last, int(share * len(ordered)))] for name, share in PERCENTILES.items()}
    return {name: round(value * 1000, 3) for name, value in (picked | {"max": ordered[last]}).items()}

"""One request made to hurt, while another client goes on asking; the one rule: it is refused, and hurts nobody.

How long refusals take is the machine's affair as well: it is told in a table, and held against nothing.
"""

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Final

import pytest

from app.bench.server_process import clean_environment, stockgate_command
from app.settings import SQLITE_PREFIX
from tests.end_to_end.gateway import Gateway
from tests.faults.attacks import PATH, Attack, Outcome, Target, as_body, request
from tests.faults.counts import count
from tests.faults.hostile_requests import all_attacks
from tests.faults.steady_client import Question, SteadyClient, Waited

REPEATS: Final = count("ATTACK_REPEATS", ci=1)
AFTERMATH_SECONDS: Final = 0.02
"""For so long after a refusal the other client's delays still count as its doing."""
CALM_SECONDS: Final = 1.0
COMMAND_SECONDS_MAX: Final = 30.0
NS_PER_MS: Final = 1e6
WANTED_MS: Final = 50.0
PARTS: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99, "worst": 1.0}
SMALL_QUESTION: Final = '{ availability(skus: ["a", "b"]) { sku availableQuantity } }'
SMALL_ANSWER: Final = '{"data":{"availability":[null,null]}'
LINE: Final = "{:36} {:10} {:36} {:>9} {:>8} {:>7} {:>7} {:>7}"
HEAD: Final = ("attack", "transport", "refusal", "median ms", "worst ms", "busy", "waited", "other's")
LEGEND: Final = (
    "busy: how long the gateway worked in the worst case; waited: how long it waited for a processor in the worst "
    "case; other's: the other client's longest wait meanwhile; all in ms"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How long the gateway's event loop has run on a processor, and waited for one; zeros where nobody says."""

    ran_ms: float
    waited_ms: float

    @classmethod
    def of(cls, gateway: Gateway) -> "Turns":
        """Read the figures of the thread that the event loop runs in."""
        file = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/schedstat")
        ran, waited, _ = file.read_text(encoding="ascii").split() if file.exists() else ("0", "0", "0")
        return cls(ran_ms=int(ran) / NS_PER_MS, waited_ms=int(waited) / NS_PER_MS)

    def since(self, earlier: "Turns") -> "Turns":
        """Return what came in between."""
        return Turns(ran_ms=self.ran_ms - earlier.ran_ms, waited_ms=self.waited_ms - earlier.waited_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attack that was launched, and how busy the gateway was with it."""

    outcome: Outcome
    turns: Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attack's runs, and what the other client waited for meanwhile."""

    attack: Attack
    runs: Sequence[Run]
    waits: Sequence[Waited]

    @property
    def took_ms(self) -> list[float]:
        """How long each refusal took."""
        return [one.outcome.took_ms for one in self.runs]

    def surprise(self) -> str:
        """Say how it ended otherwise than it should; nothing when it did not."""
        others = {one.outcome.refusal for one in self.runs} - {self.attack.refusal}
        return f"{self.attack.name}, {self.attack.transport}: {self.attack.refusal}, not {others}" if others else ""

    def line(self) -> str:
        """Tell of it."""
        figures = (
            statistics.median(self.took_ms),
            max(self.took_ms),
            max(one.turns.ran_ms for one in self.runs),
            max(one.turns.waited_ms for one in self.runs),
            max((one.ms for one in self.waits), default=0.0),
        )
        shown = (f"{one:.1f}" for one in figures)
        return LINE.format(self.attack.name[:36], self.attack.transport, self.attack.refusal, *shown)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with keys. It ends well, and its log tells of no failure."""
    with Gateway(file=tmp_path_factory.mktemp("hostile") / "ledger.sqlite3") as attacked:
        attacked.begin()
        yield attacked
        assert attacked.stop(deadline_seconds=20.0) == 0
        assert attacked.failures() == [], attacked.log_end()


def key_of(file: Path, account: str) -> str:
    """Create an account and return the token of its first key."""
    command = stockgate_command("keys", "create", "--account", account, "--role", "BACKOFFICE")
    environment = clean_environment({"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{file}"})
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=True
    )
    return done.stdout.strip()


def small_question(gateway: Gateway) -> Question:
    """Return what the other client asks, as itself."""
    body = as_body(request(SMALL_QUESTION)).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {gateway.host}\r\nAuthorization: Bearer {key_of(gateway.file, 'steady')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Question(port=gateway.port, message=head + body, body_start=SMALL_ANSWER)


def launch_all(attacks: Sequence[Attack], gateway: Gateway, target: Target) -> list[list[Run]]:
    """Launch every attack REPEATS times, one after the other, and return each one's runs."""
    runs: list[list[Run]] = [[] for _ in attacks]
    serial_numbers = counting()
    for _ in range(REPEATS):
        for attack, found in zip(attacks, runs, strict=True):
            before = Turns.of(gateway)
            outcome = attack.launch(target, next(serial_numbers))
            found.append(Run(outcome=outcome, turns=Turns.of(gateway).since(before)))
            time.sleep(AFTERMATH_SECONDS)
    return runs


def waits_during(runs: Sequence[Run], waits: Sequence[Waited]) -> list[Waited]:
    """Return the waits that fall into any of the attacks, or into what comes of it."""
    spans = [(one.outcome.began, one.outcome.ended + AFTERMATH_SECONDS) for one in runs]
    return [one for one in waits if any(one.asked < ended and one.answered > began for began, ended in spans)]


def table(rows: Sequence[Row], calm: Sequence[Waited]) -> str:
    """Tell of every attack, the slowest refusals first."""
    slowest_first = sorted(rows, key=lambda row: -max(row.took_ms))
    return "\n".join(
        [
            f"\n{len(rows)} attacks, {REPEATS} times each",
            f"refusals: {spread([one for row in rows for one in row.took_ms])}",
            f"the gateway's work: {spread([one.turns.ran_ms for row in rows for one in row.runs])}",
            f"the other client meanwhile: {spread([one.ms for row in rows for one in row.waits])}",
            f"the other client undisturbed: {spread([one.ms for one in calm])}",
            LEGEND,
            LINE.format(*HEAD),
            *(row.line() for row in slowest_first),
        ]
    )


def spread(times_ms: Sequence[float]) -> str:
    """Say how times are spread, and how many of them are beyond what is wanted."""
    ordered = sorted(times_ms)
    if not ordered:
        return "none"
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] for name, part in PARTS.items()}
    beyond = sum(one > WANTED_MS for one in ordered)
    told = ", ".join(f"{name} {ms:.1f} ms" for name, ms in at.items())
    return f"{told}; {beyond} of {len(ordered)} beyond {WANTED_MS:.0f} ms"


def test_each_attack_is_refused_for_what_it_is_and_others_are_answered(gateway: Gateway) -> None:
    """Given a client that asks all the time, when attacks come, then each is refused, and each answer was right."""
    target = Target(port=gateway.port, token=key_of(gateway.file, "attacker"))
    attacks = all_attacks()
    with SteadyClient(small_question(gateway)) as other:
        time.sleep(CALM_SECONDS)
        began = time.monotonic()
        runs = launch_all(attacks, gateway, target)
    waits = other.findings.waits
    rows = [
        Row(attack=attack, runs=found, waits=waits_during(found, waits))
        for attack, found in zip(attacks, runs, strict=True)
    ]
    print(table(rows, [one for one in waits if one.answered < began]))
    assert [row.surprise() for row in rows if row.surprise()] == []
    assert other.findings.wrong is None
    assert len(waits) > len(attacks) * REPEATS

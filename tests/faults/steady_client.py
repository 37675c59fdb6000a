"""A second client, in a process of its own: it asks one small question all the time, and notes how long each takes.

The rule: it does nothing else, so that what it waits for is the gateway. `python -m tests.faults.steady_client` is told
in one line of JSON on standard input what to ask, and ends with that input; then it writes what it found.
"""

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PAUSE_SECONDS: Final = 0.002
ANSWER_SECONDS_MAX: Final = 20.0
END_SECONDS_MAX: Final = 60.0
ANSWERS_MAX: Final = 1_000_000
READ_BYTES: Final = 65_536
ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: a whole HTTP request, and what its answer must begin with."""

    port: int
    message: str
    body_start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """One answer: when it was asked for and when it had come, on the machine's monotonic clock."""

    asked: float
    answered: float

    @property
    def ms(self) -> float:
        """How long it took."""
        return (self.answered - self.asked) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All answers, and the first that was not right."""

    waits: list[Waited]
    wrong: str | None


class SteadyClient:
    """The running client; `findings` is there when it has ended."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.findings = Findings(waits=[], wrong="it has not ended")

    def __enter__(self) -> Self:
        """Start asking."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.steady_client"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(self._question)) + "\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop asking, and take what was found."""
        try:
            output, _ = self._process.communicate(timeout=END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        found = json.loads(output)
        waits = [Waited(asked=asked, answered=answered) for asked, answered in found["waits"]]
        self.findings = Findings(waits=waits, wrong=found["wrong"])


def main() -> None:
    """Ask until standard input ends, then tell."""
    question = Question(**json.loads(sys.stdin.readline()))
    waits: list[tuple[float, float]] = []
    wrong: str | None = None
    message, expected = question.message.encode("latin-1"), question.body_start.encode()
    with socket.create_connection(("127.0.0.1", question.port), timeout=ANSWER_SECONDS_MAX) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while wrong is None and len(waits) < ANSWERS_MAX and not _is_told_to_end():
            asked = time.monotonic()
            connection.sendall(message)
            answer = _answer(connection)
            waits.append((asked, time.monotonic()))
            head, _, body = answer.partition(b"\r\n\r\n")
            if not (head.startswith(b"HTTP/1.1 200 ") and body.startswith(expected)):
                wrong = answer.decode(errors="replace")
    sys.stdout.write(json.dumps({"waits": waits, "wrong": wrong}))


def _answer(connection: socket.socket) -> bytes:
    """Return one whole answer, as long as its header says; less than that when the gateway hangs up."""
    answer = b""
    while True:
        part = connection.recv(READ_BYTES)
        answer += part
        head, blank_line, body = answer.partition(b"\r\n\r\n")
        if not part or (blank_line and len(body) >= _length(head)):
            return answer


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


def _is_told_to_end() -> bool:
    """Wait a little; whether standard input has ended meanwhile."""
    return bool(select.select([sys.stdin], [], [], PAUSE_SECONDS)[0])


if __name__ == "__main__":
    main()

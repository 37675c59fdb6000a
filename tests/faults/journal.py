"""The journal of a load: what was sent and what was answered, on disk before the sender goes on.

The rule: a line is written before its request leaves and after its answer has come, so that the journal never
knows less than the clients do.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

OWN_ACCOUNT: Final = "local"
"""Whose the requests are that come without a credential."""


class Operation(StrEnum):
    """The mutations of the load."""

    ADJUST = "inventoryAdjust"
    SET = "inventorySet"


class Outcome(StrEnum):
    """How an attempt ended, as far as its client could see."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One change of stock under one key of an account; `amounts` are deltas or counts by location, in base units."""

    key: str
    operation: Operation
    sku: str
    amounts: dict[str, int]
    account: str = OWN_ACCOUNT

    @property
    def full_key(self) -> str:
        """The key with its account, as the ledger tells it."""
        return self.key if self.account == OWN_ACCOUNT else f"{self.account}:{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time that a request was sent, and what came of it.

    `adjustment` is the answer's adjustment as it came, `replayed` what the answer said; None unless accepted.
    """

    number: int
    request: Request
    outcome: Outcome = Outcome.UNANSWERED
    adjustment: dict[str, Any] | None = None
    replayed: bool | None = None
    codes: tuple[str, ...] = ()


class Journal:
    """An append-only file of attempts; each line reaches the operating system before the call returns."""

    def __init__(self, path: Path, *, first_number: int = 1) -> None:
        self._file = path.open("ab", buffering=0)
        self._numbers = itertools.count(first_number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def sent(self, request: Request) -> int:
        """Record that a request is about to leave; return the number of this attempt."""
        number = next(self._numbers)
        self._append({"number": number, "sent": dataclasses.asdict(request)})
        return number

    def accepted(self, number: int, *, adjustment: dict[str, Any], replayed: bool) -> None:
        """Record that an attempt was acknowledged."""
        answer = {"adjustment": adjustment, "replayed": replayed}
        self._append({"number": number, "outcome": Outcome.ACCEPTED, **answer})

    def refused(self, number: int, *, codes: tuple[str, ...]) -> None:
        """Record that an attempt was refused with these codes."""
        self._append({"number": number, "outcome": Outcome.REFUSED, "codes": codes})

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")


def read_attempts(path: Path) -> list[Attempt]:
    """Return every attempt of a journal, in the order in which they were sent."""
    attempts: dict[int, Attempt] = {}
    for line in _lines(path):
        number = line["number"]
        if "sent" in line:
            sent = line["sent"]
            request = Request(**sent | {"operation": Operation(sent["operation"])})
            attempts[number] = Attempt(number=number, request=request)
        else:
            attempts[number] = dataclasses.replace(
                attempts[number],
                outcome=Outcome(line["outcome"]),
                adjustment=line.get("adjustment"),
                replayed=line.get("replayed"),
                codes=tuple(line.get("codes", ())),
            )
    return list(attempts.values())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            # Only the last line can lack its end: its writer was ended in the middle of it.
            if line.endswith(b"\n"):
                yield json.loads(line)

"""What the writer takes in: requests, in groups that are kept whole or not at all; the rule: all of it is a value."""

from dataclasses import dataclass, replace

from domain.decider import Command, KeyedCommands
from domain.ports import Receipt
from domain.principals import Principal
from domain.rejections import Refused
from domain.state import Selectors

Outcome = Receipt | Refused
AccountKey = tuple[str, str]
"""(account, idempotency key)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command on its way into the ledger: who sends it, what it touches, and what its key stands for.

    `looks_for_lapsed`: it was short once, and reservations that have lapsed may give it what it lacks.
    """

    command: Command
    by: Principal
    selectors: Selectors
    key: AccountKey | None
    fingerprint: str | None
    refused: Refused | None = None
    looks_for_lapsed: bool = False

    @property
    def moves_stock(self) -> bool:
        """Whether the command moves stock; all others change the catalogue or accounts."""
        return isinstance(self.command, KeyedCommands)

    @property
    def is_dry_run(self) -> bool:
        """Whether the command is only to be computed."""
        return isinstance(self.command, KeyedCommands) and self.command.dry_run


def refused_request(command: Command, *, by: Principal, refused: Refused) -> Request:
    """Return a request that is refused already, on its way with the rest of its group."""
    return Request(command=command, by=by, selectors=Selectors(), key=None, fingerprint=None, refused=refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests that are kept together or not at all; most groups hold one."""

    requests: tuple[Request, ...]

    @property
    def row_count(self) -> int:
        """How many rows the group counts for in a batch."""
        return sum(request.selectors.row_count for request in self.requests)

    def looking_for_lapsed(self) -> "Group":
        """Return the group as it is tried once more after it was short."""
        return Group(requests=tuple(replace(request, looks_for_lapsed=True) for request in self.requests))

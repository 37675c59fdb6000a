"""What the writer takes in: requests, in groups that are kept whole or not at all; the rule: all of it is a value."""

from dataclasses import dataclass

from domain.decider import Command
from domain.ports import Receipt
from domain.principals import Principal
from domain.rejections import Refused
from domain.state import Selectors
from domain.stock_commands import StockCommand

Outcome = Receipt | Refused
AccountKey = tuple[str, str]
"""(account, idempotency key)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command on its way into the ledger: who sends it, what it touches, and what its key stands for."""

    command: Command
    by: Principal
    selectors: Selectors
    key: AccountKey | None
    fingerprint: str | None
    refused: Refused | None = None

    @property
    def is_dry_run(self) -> bool:
        """Whether the command is only to be computed."""
        return isinstance(self.command, StockCommand) and self.command.dry_run


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

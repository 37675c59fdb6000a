"""What commands on documents have in common, as values; the one rule: a refused claim holds nothing."""

from dataclasses import dataclass

from domain.promises import FulfilmentKind, SourcingStrategy
from domain.sourcing import NOWHERE, Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedLine:
    """A line that is asked for: `location` None leaves the choice to the strategy."""

    id: str
    sku: str
    quantity: int
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuantity:
    """So many units of a document's line; None stands for all of them."""

    line: str
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentCommand:
    """What every command on a document says. `command_id` becomes the id of what it creates."""

    command_id: str
    idempotency_key: str | None
    correlation_id: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(DocumentCommand):
    """What is asked of sourcing; `strategy` None takes the channel's."""

    lines: tuple[RequestedLine, ...]
    channel: str | None = None
    strategy: SourcingStrategy | None = None
    destination: Destination = NOWHERE
    fulfilment: FulfilmentKind = FulfilmentKind.SHIPPING
    allow_partial: bool = False

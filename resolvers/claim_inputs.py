"""What the inputs of commands on documents have in common: keys, lines, destinations, and which channel is meant."""

from collections.abc import Sequence
from typing import TypedDict

import strawberry

from domain.claims import LineQuantity, RequestedLine
from domain.promises import FulfilmentKind as DomainFulfilment
from domain.promises import SourcingStrategy as DomainStrategy
from domain.rejections import Refused, Rejection, refuse
from domain.sourcing import NOWHERE, Destination
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import FulfilmentKind, RejectionCode, SourcingStrategy
from resolvers.inputs import compiled_input
from resolvers.places import EitherId
from resolvers.stock_inputs import CORRELATION, DRY_RUN, KEY
from resolvers.visibility import scope_of

CHANNEL = "The order's channel (global id or code); left out, the one that your key is for, or none."
LINE = "Which line, by its id."
QUANTITY = "How many units, in base units; left out, all of them."
LINES_OR_ALL = "Which lines, 1 to 250; left out, all of them."


@compiled_input(description="What all commands on documents have in common.")
class DocumentInput:
    """Under which key, and what the audit trail keeps."""

    idempotency_key: str = strawberry.field(description=KEY)
    correlation_id: str | None = strawberry.field(default=None, description=CORRELATION)
    dry_run: bool = strawberry.field(default=False, description=DRY_RUN)


@compiled_input(description="Where goods go, as far as NEAREST_REGION needs to know.")
class DestinationInput:
    """A destination."""

    country_code: str | None = strawberry.field(
        default=None, description="The country: two capital letters (ISO 3166-1 alpha-2)."
    )
    region: str | None = strawberry.field(
        default=None, description="The region, in your own terms, as locations name it."
    )


@compiled_input(description="What all claims on stock have in common.")
class ClaimInput(DocumentInput):
    """For which channel, from where, and whether part will do."""

    channel_id: EitherId | None = strawberry.field(
        default=None,
        description="The channel that sells (global id or code): only locations that serve it are chosen, and nothing "
        "that is pre-allocated to others. Left out, the one that your key is for, or none.",
    )
    allow_partial: bool = strawberry.field(
        default=False, description="true takes what there is where it is less; otherwise it is all lines or nothing."
    )
    strategy: SourcingStrategy | None = strawberry.field(
        default=None, description="How locations are chosen; left out, as the channel says."
    )
    destination: DestinationInput | None = strawberry.field(default=None, description="Where the goods go.")
    fulfilment: FulfilmentKind = strawberry.field(
        default=FulfilmentKind.SHIPPING, description="How the customer gets the goods."
    )


@compiled_input(description="Units that are asked for.")
class RequestedLineInput:
    """One line of a claim."""

    line_id: str | None = strawberry.field(
        default=None,
        description="Your own id of the line, unique within the request; left out, its place, counted from 1.",
    )
    sku: str = strawberry.field(description="Which item.")
    quantity: int = strawberry.field(description="How many units, in base units; 1 to 10,000,000.")
    location_id: EitherId | None = strawberry.field(
        default=None, description="From this location only (global id or code); left out, the strategy chooses."
    )


@compiled_input(description="Units of a document's line.")
class LineQuantityInput:
    """One line, or a part of it."""

    line_id: str = strawberry.field(description=LINE)
    quantity: int | None = strawberry.field(default=None, description=QUANTITY)


class Basics(TypedDict):
    """What all commands on documents hold alike."""

    command_id: str
    idempotency_key: str
    correlation_id: str | None
    dry_run: bool


class ClaimDetails(TypedDict):
    """What all claims hold alike, beside the basics."""

    lines: tuple[RequestedLine, ...]
    strategy: DomainStrategy | None
    destination: Destination
    fulfilment: DomainFulfilment
    allow_partial: bool


def basics(wanted: DocumentInput, info: Info) -> Basics:
    """Return what the command of any document says; its id is new."""
    return Basics(
        command_id=info.context.services.new_id(),
        idempotency_key=wanted.idempotency_key,
        correlation_id=wanted.correlation_id,
        dry_run=wanted.dry_run,
    )


def claim_details(wanted: ClaimInput, lines: Sequence[RequestedLineInput]) -> ClaimDetails:
    """Return what the command of any claim says."""
    to = wanted.destination
    return ClaimDetails(
        lines=tuple(_requested(one, place) for place, one in enumerate(lines, start=1)),
        strategy=wanted.strategy,
        destination=NOWHERE if to is None else Destination(country_code=to.country_code, region=to.region),
        fulfilment=wanted.fulfilment,
        allow_partial=wanted.allow_partial,
    )


def line_quantities(lines: Sequence[LineQuantityInput] | None) -> tuple[LineQuantity, ...] | None:
    """Return the lines that are named; None stands for all."""
    return None if lines is None else tuple(LineQuantity(line=one.line_id, quantity=one.quantity) for one in lines)


def location_or_none(either: str | None) -> str | None:
    """Return the code of the location that is named, if one is."""
    return None if either is None else node_ids.code_from(either, type_name=node_ids.LOCATION)


def channel_meant(info: Info, either: str | None) -> str | Refused | None:
    """Return the code of the channel that a change is for.

    Who sees one channel only, and names none, means that one; who sees several has to say which.
    """
    seen = scope_of(info).channels
    if either is not None:
        return node_ids.code_from(either, type_name=node_ids.CHANNEL)
    if seen is None or len(seen) == 1:
        return None if seen is None else next(iter(seen))
    return refuse(
        Rejection(
            code=RejectionCode.INVALID_INPUT,
            message="Your key does not see all channels; say which one with channelId.",
            field=("channelId",),
        )
    )


def _requested(line: RequestedLineInput, place: int) -> RequestedLine:
    return RequestedLine(
        id=str(place) if line.line_id is None else line.line_id,
        sku=line.sku,
        quantity=line.quantity,
        location=location_or_none(line.location_id),
    )

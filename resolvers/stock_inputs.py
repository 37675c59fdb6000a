"""Inputs of the mutations that move stock, and the commands that they become."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

import strawberry
from strawberry import UNSET

from domain.rejections import Refused, Rejection, refuse
from domain.stock_commands import (
    InventoryActivate,
    InventoryAdjust,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    LevelDelta,
    LevelMove,
    LevelQuantity,
)
from resolvers import node_ids
from resolvers.enums import AdjustmentReason, InventoryBucket, MovablePart, RejectionCode, ShortagePolicy
from resolvers.inputs import compiled_input
from resolvers.places import EitherId

KEY = (
    "Your name for this change, 1 to 255 printable characters: sent again with the same input it is answered again, "
    "never applied again. One name space for all mutations of your account; kept for ever."
)
SOURCE_CHANNEL = "The channel that caused the change (global id or code)."
DOCUMENT = "The document behind the change, as an address; kept in the audit trail."
CORRELATION = "Your own trace id; kept in the audit trail and the events."
OCCURRED = "When it happened in the world; left out, it happened now. A time without an offset is UTC."
DRY_RUN = "true computes and answers everything, and keeps nothing."
PARTS: dict[MovablePart, InventoryBucket | None] = {
    MovablePart.AVAILABLE: None,
    MovablePart.QUARANTINED: InventoryBucket.QUARANTINED,
    MovablePart.DAMAGED: InventoryBucket.DAMAGED,
    MovablePart.SAFETY_STOCK: InventoryBucket.SAFETY_STOCK,
}


@compiled_input(description="What adjustments, counts and moves have in common.")
class StockChangeInput:
    """Which item, under which key, and what the audit trail keeps."""

    sku: str = strawberry.field(description="Which item.")
    idempotency_key: str = strawberry.field(description=KEY)
    source_channel_id: EitherId | None = strawberry.field(default=None, description=SOURCE_CHANNEL)
    reference_document_uri: str | None = strawberry.field(default=None, description=DOCUMENT)
    correlation_id: str | None = strawberry.field(default=None, description=CORRELATION)
    occurred_at: datetime | None = strawberry.field(default=None, description=OCCURRED)
    dry_run: bool = strawberry.field(default=False, description=DRY_RUN)


@compiled_input(description="A change of one counter at one location.")
class LocationAdjustmentInput:
    """One entry of an adjustment."""

    location_id: EitherId = strawberry.field(description="Where, by global id or your own code.")
    delta: int = strawberry.field(
        description="By how much, in base units; negative takes away. Entries of one counter are summed first."
    )
    bucket: InventoryBucket = strawberry.field(
        default=InventoryBucket.ON_HAND,
        description="Which counter: ON_HAND, QUARANTINED, DAMAGED or SAFETY_STOCK. Each entry changes its own only.",
    )
    change_from_quantity: int | None = strawberry.field(
        default=None, description="The balance that you saw; if it is another by now, the change is refused."
    )


@compiled_input(description="An adjustment of one item at one or many locations; all of it is applied, or nothing.")
class InventoryAdjustmentInput(StockChangeInput):
    """One adjustment."""

    adjustments: list[LocationAdjustmentInput] = strawberry.field(description="What changes where, 1 to 250 entries.")
    reason: AdjustmentReason | None = strawberry.field(default=None, description="Why; left out, it is a CORRECTION.")
    on_shortage: ShortagePolicy = strawberry.field(
        default=ShortagePolicy.REJECT, description="What to do when there is not enough: refuse, or record a fact."
    )


@compiled_input(description="A count of one counter at one location.")
class LocationQuantityInput:
    """One entry of a count."""

    location_id: EitherId = strawberry.field(description="Where, by global id or your own code.")
    quantity: int = strawberry.field(description="How many there are, in base units; 0 to 10,000,000.")
    bucket: InventoryBucket = strawberry.field(
        default=InventoryBucket.ON_HAND,
        description="Which counter: ON_HAND, QUARANTINED, DAMAGED or SAFETY_STOCK.",
    )
    change_from_quantity: int | None = strawberry.field(
        default=UNSET,
        description="The balance that the count replaces; if it is another by now, the count is refused. It must be "
        "stated: null skips the check.",
    )


@compiled_input(description="A count of one item at one or many locations; all of it is recorded, or nothing.")
class InventorySetInput(StockChangeInput):
    """One count."""

    quantities: list[LocationQuantityInput] = strawberry.field(description="What was counted, 1 to 250 entries.")
    reason: AdjustmentReason | None = strawberry.field(default=None, description="Why; left out, it is a CYCLE_COUNT.")
    on_shortage: ShortagePolicy = strawberry.field(
        default=ShortagePolicy.RECORD_CONFLICT,
        description="What to do when promises lose their stock: a count is a fact, and recorded unless said otherwise.",
    )


@compiled_input(description="A move of units between two parts of on-hand stock at one location.")
class LocationMoveInput:
    """One entry of a move."""

    location_id: EitherId = strawberry.field(description="Where, by global id or your own code.")
    quantity: int = strawberry.field(description="How many, in base units; at least 1.")
    from_part: MovablePart = strawberry.field(description="The part that they leave.")
    to_part: MovablePart = strawberry.field(description="The part that they join.")


@compiled_input(description="Moves of one item's units between parts of on hand; all of them are made, or none.")
class InventoryMoveInput(StockChangeInput):
    """One request of moves."""

    moves: list[LocationMoveInput] = strawberry.field(description="What moves where, 1 to 250 entries.")
    reason: AdjustmentReason | None = strawberry.field(default=None, description="Why; left out, it is a CORRECTION.")
    on_shortage: ShortagePolicy = strawberry.field(
        default=ShortagePolicy.REJECT, description="What to do when there is not enough: refuse, or record a fact."
    )


@compiled_input(description="The level to begin.")
class InventoryActivateInput:
    """One activation."""

    sku: str = strawberry.field(description="Which item.")
    location_id: EitherId = strawberry.field(description="Where, by global id or your own code.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Optional, because nothing moves: a level that has begun stays as it is. " + KEY
    )


@compiled_input(description="The level to end.")
class InventoryDeactivateInput:
    """One deactivation."""

    sku: str = strawberry.field(description="Which item.")
    location_id: EitherId = strawberry.field(description="Where, by global id or your own code.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Optional, because nothing moves; with it a repeated request succeeds again. " + KEY
    )


def adjust_command(wanted: InventoryAdjustmentInput, *, command_id: str) -> InventoryAdjust:
    """Return the command that the input asks for."""
    return InventoryAdjust(
        adjustments=tuple(
            LevelDelta(
                location=_location(one.location_id),
                delta=one.delta,
                bucket=one.bucket,
                change_from=one.change_from_quantity,
            )
            for one in wanted.adjustments
        ),
        reason=wanted.reason or AdjustmentReason.CORRECTION,
        on_shortage=wanted.on_shortage,
        **_details(wanted, command_id),
    )


def set_command(wanted: InventorySetInput, *, command_id: str) -> InventorySet | Refused:
    """Return the command that the input asks for; changeFromQuantity must have been stated."""
    unstated = _unstated(wanted.quantities)
    if unstated is not None:
        return unstated
    return InventorySet(
        quantities=tuple(
            LevelQuantity(
                location=_location(one.location_id),
                quantity=one.quantity,
                bucket=one.bucket,
                change_from=one.change_from_quantity,
            )
            for one in wanted.quantities
        ),
        reason=wanted.reason or AdjustmentReason.CYCLE_COUNT,
        on_shortage=wanted.on_shortage,
        **_details(wanted, command_id),
    )


def move_command(wanted: InventoryMoveInput, *, command_id: str) -> InventoryMove:
    """Return the command that the input asks for."""
    return InventoryMove(
        moves=tuple(
            LevelMove(
                location=_location(one.location_id),
                quantity=one.quantity,
                from_bucket=PARTS[one.from_part],
                to_bucket=PARTS[one.to_part],
            )
            for one in wanted.moves
        ),
        reason=wanted.reason or AdjustmentReason.CORRECTION,
        on_shortage=wanted.on_shortage,
        **_details(wanted, command_id),
    )


def activate_command(wanted: InventoryActivateInput, *, command_id: str) -> InventoryActivate:
    """Return the command that the input asks for."""
    return InventoryActivate(
        command_id=command_id,
        sku=wanted.sku,
        idempotency_key=wanted.idempotency_key,
        location=_location(wanted.location_id),
    )


def deactivate_command(wanted: InventoryDeactivateInput, *, command_id: str) -> InventoryDeactivate:
    """Return the command that the input asks for."""
    return InventoryDeactivate(
        command_id=command_id,
        sku=wanted.sku,
        idempotency_key=wanted.idempotency_key,
        location=_location(wanted.location_id),
    )


class Details(TypedDict):
    """What the commands of all three inputs hold alike."""

    command_id: str
    sku: str
    idempotency_key: str
    source_channel: str | None
    reference_document_uri: str | None
    correlation_id: str | None
    occurred_at: datetime | None
    dry_run: bool


def _details(wanted: StockChangeInput, command_id: str) -> Details:
    return Details(
        command_id=command_id,
        sku=wanted.sku,
        idempotency_key=wanted.idempotency_key,
        source_channel=_channel(wanted.source_channel_id),
        reference_document_uri=wanted.reference_document_uri,
        correlation_id=wanted.correlation_id,
        occurred_at=in_utc(wanted.occurred_at),
        dry_run=wanted.dry_run,
    )


def _unstated(quantities: Sequence[LocationQuantityInput]) -> Refused | None:
    missing = [
        Rejection(
            code=RejectionCode.INVALID_INPUT,
            message="State changeFromQuantity: the balance that the count replaces, or null to skip the check.",
            field=("quantities", str(index), "changeFromQuantity"),
        )
        for index, one in enumerate(quantities)
        if one.change_from_quantity is UNSET
    ]
    return refuse(*missing) if missing else None


def _location(either: str) -> str:
    return node_ids.code_from(either, type_name=node_ids.LOCATION)


def _channel(either: str | None) -> str | None:
    return None if either is None else node_ids.code_from(either, type_name=node_ids.CHANNEL)


def in_utc(time: datetime | None) -> datetime | None:
    """Return the time in UTC; one without an offset is taken to be UTC already."""
    if time is None or time.tzinfo is None:
        return None if time is None else time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        # Within a day of the calendar's ends an offset leads out of it; the clock time is kept as it was written.
        return time.replace(tzinfo=UTC)

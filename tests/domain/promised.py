"""Words for what is promised: builders of lines, documents, their commands and postings, for given, when and then.

The rule: what a test does not say is as plain as can be: one line, no channel, shipping, made EARLIER by CLERK.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack
from uuid import UUID, uuid5

from domain.adjustments import Movement
from domain.allocation_commands import (
    Allocation,
    AllocationCancel,
    AllocationCreate,
    AllocationLine,
    Shipment,
    ShipmentConfirm,
    ShipmentLine,
)
from domain.claims import LineQuantity, RequestedLine
from domain.compositions import Component
from domain.levels import InventoryBucket, StockLevel
from domain.postings import Posting, PostingCause, StockPosted
from domain.promises import FulfilmentKind, Hold, Line, SourcingReason, SourcingStrategy
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    Reservation,
    ReservationCommit,
    ReservationCreate,
    ReservationExpire,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
    ReservationState,
)
from domain.sourcing import Destination
from tests.domain.given import COMMAND_ID, EARLIER, EAST, KEY, NOW, SKU

RESERVATION = "r-1"
ALLOCATION = "a-1"
ORDER = "SO-7"
SOON = NOW + timedelta(minutes=10)
QUARTER = NOW + timedelta(minutes=15)

ON_HAND = InventoryBucket.ON_HAND
RESERVED = InventoryBucket.RESERVED
ALLOCATED = InventoryBucket.ALLOCATED


class ClaimDetails(TypedDict, total=False):
    """What a claim says beside its lines."""

    command_id: str
    idempotency_key: str | None
    correlation_id: str | None
    dry_run: bool
    channel: str | None
    strategy: SourcingStrategy | None
    destination: Destination
    fulfilment: FulfilmentKind
    allow_partial: bool


class ReserveDetails(ClaimDetails, total=False):
    """What reservationCreate says beside that."""

    external_reference: str | None
    ttl_seconds: int | None


class AllocateDetails(ClaimDetails, total=False):
    """What allocationCreate says beside that."""

    order_id: str


class ChangeDetails(TypedDict, total=False):
    """What a command on a reservation says beside what it changes."""

    command_id: str
    idempotency_key: str | None
    correlation_id: str | None
    dry_run: bool
    reservation: str


class CommitDetails(ChangeDetails, total=False):
    """What reservationCommit says beside its lines."""

    order_id: str


class OrderDetails(TypedDict, total=False):
    """What a command on an order's stock says beside its lines."""

    command_id: str
    idempotency_key: str | None
    correlation_id: str | None
    dry_run: bool
    order_id: str
    channel: str | None


class ShipDetails(OrderDetails, total=False):
    """What shipmentConfirm says beside that."""

    external_id: str | None
    shipped_at: datetime | None


class ReservationDetails(TypedDict, total=False):
    """What a reservation says beside its lines."""

    id: str
    account: str
    channel: str | None
    external_reference: str | None
    fulfilment: FulfilmentKind
    state: ReservationState
    created_at: datetime
    expires_at: datetime
    updated_at: datetime
    version: int
    order_id: str | None


class AllocationDetails(TypedDict, total=False):
    """What an allocation says beside its lines."""

    id: str
    order_id: str
    account: str
    channel: str | None
    fulfilment: FulfilmentKind
    created_at: datetime
    updated_at: datetime
    version: int


class ShipmentDetails(TypedDict, total=False):
    """What a shipment says beside its lines."""

    channel: str | None
    external_id: str | None
    shipped_at: datetime


class PostingDetails(TypedDict, total=False):
    """What a posting says beside its movements; `command_id` is not its own."""

    sku: str
    document_id: str
    account: str
    idempotency_key: str | None
    source_channel: str | None
    correlation_id: str | None
    recorded_at: datetime
    recorded_by: str


def hold(
    quantity: int,
    location: str = EAST,
    *,
    sku: str = SKU,
    reason: SourcingReason = SourcingReason.PRIORITY,
    parts: tuple[Component, ...] = (),
) -> Hold:
    """Return units of an item at a location, of a bundle with its parts."""
    return Hold(sku=sku, location=location, quantity=quantity, reason=reason, parts=parts)


def line(*holds: Hold, id: str = "1", sku: str = SKU, asked: int | None = None) -> Line:
    """Return a line that is held in full unless more was asked for."""
    return Line(id=id, sku=sku, quantity=sum(one.quantity for one in holds) if asked is None else asked, holds=holds)


def order_line(
    *holds: Hold, id: str = "1", sku: str = SKU, asked: int | None = None, shipped: int = 0, cancelled: int = 0
) -> AllocationLine:
    """Return an order's line, of which these holds have still to ship."""
    quantity = sum(one.quantity for one in holds) + shipped + cancelled if asked is None else asked
    return AllocationLine(id=id, sku=sku, quantity=quantity, holds=holds, shipped=shipped, cancelled=cancelled)


def reservation(*lines: Line, **details: Unpack[ReservationDetails]) -> Reservation:
    """Return an active reservation that lives for ten minutes more."""
    plain = Reservation(
        id=RESERVATION,
        account="acme",
        channel=None,
        external_reference=None,
        fulfilment=FulfilmentKind.SHIPPING,
        state=ReservationState.ACTIVE,
        lines=lines,
        created_at=EARLIER,
        expires_at=SOON,
        updated_at=EARLIER,
        version=1,
    )
    return replace(plain, **details)


def allocation(*lines: AllocationLine, **details: Unpack[AllocationDetails]) -> Allocation:
    """Return the stock of ORDER."""
    plain = Allocation(
        id=ALLOCATION,
        order_id=ORDER,
        account="acme",
        channel=None,
        fulfilment=FulfilmentKind.SHIPPING,
        lines=lines,
        created_at=EARLIER,
        updated_at=EARLIER,
        version=1,
    )
    return replace(plain, **details)


def shipment(*lines: Line, **details: Unpack[ShipmentDetails]) -> Shipment:
    """Return what left by a command NOW."""
    plain = Shipment(
        id=COMMAND_ID,
        order_id=ORDER,
        channel=None,
        external_id=None,
        lines=lines,
        shipped_at=NOW,
        recorded_at=NOW,
    )
    return replace(plain, **details)


def posted(
    cause: PostingCause,
    *levels: StockLevel,
    movements: tuple[Movement, ...],
    command_id: str = COMMAND_ID,
    **details: Unpack[PostingDetails],
) -> StockPosted:
    """Return what a document did to SKU by a command of CLERK NOW."""
    is_of_order = cause in {PostingCause.ALLOCATION_CANCELLED, PostingCause.SHIPMENT_CONFIRMED}
    is_new = cause in {PostingCause.RESERVATION_CREATED, PostingCause.ALLOCATION_CREATED}
    document_id = details.get("document_id", COMMAND_ID if is_new else ALLOCATION if is_of_order else RESERVATION)
    plain = Posting(
        id=uuid5(UUID(command_id), f"{document_id}/{details.get('sku', SKU)}").hex,
        sku=SKU,
        cause=cause,
        document_id=document_id,
        account="acme",
        idempotency_key=KEY,
        movements=movements,
        source_channel=None,
        correlation_id=None,
        recorded_at=NOW,
        recorded_by="clerk",
    )
    return StockPosted(posting=replace(plain, **details), levels=levels)


def want(quantity: int, *, id: str = "1", sku: str = SKU, at: str | None = None) -> RequestedLine:
    """Return a line of a claim."""
    return RequestedLine(id=id, sku=sku, quantity=quantity, location=at)


def reserve(*lines: RequestedLine, **details: Unpack[ReserveDetails]) -> ReservationCreate:
    """Return a reservationCreate."""
    return replace(ReservationCreate(command_id=COMMAND_ID, idempotency_key=KEY, lines=lines), **details)


def extend(ttl_seconds: int | None = None, **details: Unpack[ChangeDetails]) -> ReservationExtend:
    """Return a reservationExtend of RESERVATION."""
    plain = ReservationExtend(
        command_id=COMMAND_ID, idempotency_key=KEY, reservation=RESERVATION, ttl_seconds=ttl_seconds
    )
    return replace(plain, **details)


def release(*lines: LineQuantity, **details: Unpack[ChangeDetails]) -> ReservationRelease:
    """Return a reservationRelease of RESERVATION, of all of it without lines."""
    plain = ReservationRelease(command_id=COMMAND_ID, idempotency_key=KEY, reservation=RESERVATION, lines=lines or None)
    return replace(plain, **details)


def relocate(*moves: LineMove, **details: Unpack[ChangeDetails]) -> ReservationMove:
    """Return a reservationMove of RESERVATION."""
    plain = ReservationMove(command_id=COMMAND_ID, idempotency_key=KEY, reservation=RESERVATION, moves=moves)
    return replace(plain, **details)


def commit(*lines: LineCommit, **details: Unpack[CommitDetails]) -> ReservationCommit:
    """Return a reservationCommit of RESERVATION to ORDER, of all of it without lines."""
    plain = ReservationCommit(
        command_id=COMMAND_ID,
        idempotency_key=KEY,
        reservation=RESERVATION,
        order_id=ORDER,
        lines=lines or None,
    )
    return replace(plain, **details)


def expire(code: str = RESERVATION) -> ReservationExpire:
    """Return what the sweeper sends."""
    return ReservationExpire(command_id=COMMAND_ID, idempotency_key=None, reservation=code)


def allocate(*lines: RequestedLine, **details: Unpack[AllocateDetails]) -> AllocationCreate:
    """Return an allocationCreate for ORDER."""
    plain = AllocationCreate(command_id=COMMAND_ID, idempotency_key=KEY, lines=lines, order_id=ORDER)
    return replace(plain, **details)


def cancel(*lines: LineQuantity, **details: Unpack[OrderDetails]) -> AllocationCancel:
    """Return an allocationCancel of ORDER, of all of it without lines."""
    plain = AllocationCancel(command_id=COMMAND_ID, idempotency_key=KEY, order_id=ORDER, lines=lines or None)
    return replace(plain, **details)


def ship(*lines: ShipmentLine, **details: Unpack[ShipDetails]) -> ShipmentConfirm:
    """Return a shipmentConfirm of ORDER, of all of it without lines."""
    plain = ShipmentConfirm(command_id=COMMAND_ID, idempotency_key=KEY, order_id=ORDER, lines=lines or None)
    return replace(plain, **details)

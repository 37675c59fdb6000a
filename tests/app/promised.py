"""Commands on documents, as the tests of the writer send them; the one rule: each has an id of its own."""

from dataclasses import replace
from typing import TypedDict, TypeVar, Unpack

import orjson

from app.ids import new_id
from domain.allocation_commands import AllocationCancel, AllocationCreate, ShipmentConfirm
from domain.claims import DocumentCommand, LineQuantity, RequestedLine
from domain.ports import Receipt
from domain.promises import SourcingStrategy
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    ReservationCommit,
    ReservationCreate,
    ReservationExpire,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
)
from tests.app.shop import Shop
from tests.domain.given import EAST, SKU

ORDER = "order-1"


class ClaimDetails(TypedDict, total=False):
    """What a claim says beside its lines."""

    channel: str | None
    strategy: SourcingStrategy | None
    allow_partial: bool
    dry_run: bool
    correlation_id: str | None


def line(quantity: int = 1, *, sku: str = SKU, location: str | None = EAST, id_: str = "1") -> RequestedLine:
    """Ask for so many of SKU at EAST."""
    return RequestedLine(id=id_, sku=sku, quantity=quantity, location=location)


def reserve(
    *lines: RequestedLine,
    key: str | None,
    ttl_seconds: int | None = None,
    reference: str | None = None,
    **details: Unpack[ClaimDetails],
) -> ReservationCreate:
    """Return a reservationCreate."""
    return ReservationCreate(
        command_id=new_id(),
        idempotency_key=key,
        lines=lines or (line(),),
        ttl_seconds=ttl_seconds,
        external_reference=reference,
        **details,
    )


def extend(reservation: str, *, key: str, ttl_seconds: int | None = None) -> ReservationExtend:
    """Return a reservationExtend."""
    return ReservationExtend(command_id=new_id(), idempotency_key=key, reservation=reservation, ttl_seconds=ttl_seconds)


def release(reservation: str, *lines: LineQuantity, key: str) -> ReservationRelease:
    """Return a reservationRelease of everything, or of these lines."""
    return ReservationRelease(command_id=new_id(), idempotency_key=key, reservation=reservation, lines=lines or None)


def move_to(reservation: str, *moves: LineMove, key: str) -> ReservationMove:
    """Return a reservationMove."""
    return ReservationMove(command_id=new_id(), idempotency_key=key, reservation=reservation, moves=moves)


def commit(reservation: str, *lines: LineCommit, key: str, order: str = ORDER) -> ReservationCommit:
    """Return a reservationCommit of everything, or of these lines."""
    return ReservationCommit(
        command_id=new_id(), idempotency_key=key, reservation=reservation, order_id=order, lines=lines or None
    )


def expire(reservation: str) -> ReservationExpire:
    """Return what the sweeper sends."""
    return ReservationExpire(command_id=new_id(), idempotency_key=None, reservation=reservation)


def allocate(
    *lines: RequestedLine, key: str | None, order: str = ORDER, **details: Unpack[ClaimDetails]
) -> AllocationCreate:
    """Return an allocationCreate."""
    return AllocationCreate(
        command_id=new_id(), idempotency_key=key, lines=lines or (line(),), order_id=order, **details
    )


def cancel(*lines: LineQuantity, key: str, order: str = ORDER, channel: str | None = None) -> AllocationCancel:
    """Return an allocationCancel of everything, or of these lines."""
    return AllocationCancel(
        command_id=new_id(), idempotency_key=key, order_id=order, channel=channel, lines=lines or None
    )


def ship(*, key: str, order: str = ORDER, channel: str | None = None) -> ShipmentConfirm:
    """Return a shipmentConfirm of everything that is open."""
    return ShipmentConfirm(command_id=new_id(), idempotency_key=key, order_id=order, channel=channel)


Document = TypeVar("Document", bound=DocumentCommand)


def again(command: Document) -> Document:
    """Return the same command as a caller sends it again."""
    return replace(command, command_id=new_id())


def id_of(receipt: Receipt) -> str:
    """Return the document that a receipt is about."""
    assert receipt.document_id is not None
    return receipt.document_id


async def held(shop: Shop, location: str = EAST, *, sku: str = SKU) -> tuple[int, int, int]:
    """Return on hand, reserved and allocated of a level."""
    level = await shop.level(location, sku=sku)
    return level.on_hand, level.reserved, level.allocated


async def holds(shop: Shop) -> list[tuple[str, str, str, str, int]]:
    """Return all that is held, as (document, SKU, location, kind, units)."""
    rows = await shop.store.rows(
        "SELECT h.document_id, i.sku, l.code, h.kind, h.quantity FROM holds h JOIN items i ON i.id = h.item_id "
        "JOIN locations l ON l.id = h.location_id ORDER BY h.document_id, i.sku, l.code"
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


async def lapse(shop: Shop, *reservations: str) -> None:
    """Let the time of reservations be over since they were made."""
    for one in reservations:
        ((data, created_at),) = await shop.store.rows("SELECT data, created_at FROM reservations WHERE id = ?", one)
        reservation = orjson.loads(data)
        reservation["expires_at"] = reservation["created_at"]
        await shop.store.change(
            "UPDATE reservations SET data = ?, expires_at = ? WHERE id = ?",
            orjson.dumps(reservation).decode(),
            created_at,
            one,
        )

"""Fingerprints: what an idempotency key stands for; the one rule: two requests that would move the same stock for
the same reason have one fingerprint, however their entries are ordered, repeated or noted upon.

Left out on purpose: correlation id, document address, times of occurrence and of shipping, dry run and waiting times.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from domain.adjustments import AdjustmentReason, CounterKey, Entry, ShortagePolicy, merge_entries
from domain.allocation_commands import (
    AllocationCancel,
    AllocationCommands,
    AllocationCreate,
    ShipmentConfirm,
    ShipmentLine,
)
from domain.claims import Claim, LineQuantity
from domain.promises import FulfilmentKind
from domain.reservation_commands import (
    LineCommit,
    ReservationCommands,
    ReservationCommit,
    ReservationCreate,
    ReservationExpire,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
)
from domain.stock_commands import (
    InventoryActivate,
    InventoryAdjust,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    StockCommands,
)

VERSION = "1"
CANONICAL = json.JSONEncoder(separators=(",", ":"))
COMMAND_NAMES: dict[type[StockCommands | ReservationCommands | AllocationCommands], str] = {
    InventoryAdjust: "inventoryAdjust",
    InventorySet: "inventorySet",
    InventoryMove: "inventoryMove",
    InventoryActivate: "inventoryActivate",
    InventoryDeactivate: "inventoryDeactivate",
    ReservationCreate: "reservationCreate",
    ReservationExtend: "reservationExtend",
    ReservationRelease: "reservationRelease",
    ReservationMove: "reservationMove",
    ReservationCommit: "reservationCommit",
    ReservationExpire: "reservationExpire",
    AllocationCreate: "allocationCreate",
    AllocationCancel: "allocationCancel",
    ShipmentConfirm: "shipmentConfirm",
}
DEFAULT_REASONS: dict[type[StockCommands], AdjustmentReason] = {InventorySet: AdjustmentReason.CYCLE_COUNT}
DEFAULT_SHORTAGE_POLICIES: dict[type[StockCommands], ShortagePolicy] = {InventorySet: ShortagePolicy.RECORD_CONFLICT}


def fingerprint(command: StockCommands | ReservationCommands | AllocationCommands) -> str:
    """Return the versioned fingerprint of what the command would do: `1:` and 32 hexadecimal digits."""
    canonical = _of_stock(command) if isinstance(command, StockCommands) else list(_of_document(command))
    digest = hashlib.sha256(CANONICAL.encode(canonical).encode()).hexdigest()
    return f"{VERSION}:{digest[:32]}"


def _of_stock(command: StockCommands) -> list[object]:
    kind = type(command)
    canonical: list[object] = [COMMAND_NAMES[kind], command.sku, _places(command)]
    if command.reason is not DEFAULT_REASONS.get(kind, AdjustmentReason.CORRECTION):
        canonical.append(("reason", command.reason.value))
    if command.source_channel is not None:
        canonical.append(("sourceChannel", command.source_channel))
    if command.on_shortage is not DEFAULT_SHORTAGE_POLICIES.get(kind, ShortagePolicy.REJECT):
        canonical.append(("onShortage", command.on_shortage.value))
    return canonical


def _of_document(command: ReservationCommands | AllocationCommands) -> Iterator[object]:
    """Yield the command's name, and each field that is not at its default behind the field's name."""
    yield COMMAND_NAMES[type(command)]
    for name, value in _fields(command):
        if value is not None and value is not False:
            yield (name, value)


def _fields(command: ReservationCommands | AllocationCommands) -> Iterator[tuple[str, object]]:
    match command:
        case ReservationCreate():
            yield from _fields_of_claim(command)
            yield ("externalReference", command.external_reference)
            yield ("ttlSeconds", command.ttl_seconds)
        case ReservationExtend(reservation=reservation, ttl_seconds=seconds):
            yield from (("reservationId", reservation), ("ttlSeconds", seconds))
        case ReservationRelease(reservation=reservation, lines=lines):
            yield from (("reservationId", reservation), ("lines", _lines(lines)))
        case ReservationMove(reservation=reservation, moves=moves):
            yield ("reservationId", reservation)
            yield ("moves", _ordered((one.line, one.to_location, one.from_location, one.quantity) for one in moves))
        case ReservationCommit(reservation=reservation, order_id=order_id, lines=lines):
            yield from (("reservationId", reservation), ("orderId", order_id), ("lines", _lines(lines)))
        case ReservationExpire(reservation=reservation):
            yield ("reservationId", reservation)
        case AllocationCreate():
            yield from _fields_of_claim(command)
            yield ("orderId", command.order_id)
        case AllocationCancel(channel=channel, order_id=order_id, lines=lines):
            yield from (("channelId", channel), ("orderId", order_id), ("lines", _lines(lines)))
        case ShipmentConfirm(channel=channel, order_id=order_id, lines=lines):
            yield from (("channelId", channel), ("orderId", order_id), ("lines", _lines(lines)))
            yield ("shipmentId", command.external_id)
        case _:
            assert_never(command)


def _fields_of_claim(command: Claim) -> Iterator[tuple[str, object]]:
    yield ("lines", _ordered((one.id, one.sku, one.quantity, one.location) for one in command.lines))
    yield ("channelId", command.channel)
    yield ("strategy", command.strategy)
    yield ("countryCode", command.destination.country_code)
    yield ("region", command.destination.region)
    yield ("fulfilment", None if command.fulfilment is FulfilmentKind.SHIPPING else command.fulfilment)
    yield ("allowPartial", command.allow_partial)


def _lines(lines: Sequence[LineQuantity] | None) -> object:
    """Return lines of a document in order; None stands for all of them."""
    if lines is None:
        return None
    return _ordered((one.line, one.quantity, _particular(one)) for one in lines)


def _particular(line: LineQuantity) -> str | None:
    """Return what a line of a commit, or of a shipment, says beside its quantity."""
    if isinstance(line, LineCommit):
        return None if line.order_line == line.line else line.order_line
    return line.location if isinstance(line, ShipmentLine) else None


def _ordered(lines: Iterable[tuple[str | int | None, ...]]) -> list[tuple[str | int | None, ...]]:
    """Return lines in the order of their ids, which differ."""
    return sorted(lines, key=lambda line: str(line[0]))


def _places(command: StockCommands) -> object:
    if isinstance(command, InventoryActivate | InventoryDeactivate):
        return command.location
    return [_canonical_entry(key, entry) for key, entry in sorted(merge_entries(command.entries).items())]


def _canonical_entry(key: CounterKey, entry: Entry) -> tuple[object, ...]:
    location, bucket = key
    amount = entry.delta if entry.quantity is None else entry.quantity
    return (
        (location, bucket.value, amount)
        if entry.change_from is None
        else (
            location,
            bucket.value,
            amount,
            entry.change_from,
        )
    )

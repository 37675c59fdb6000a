"""Fingerprints: what an idempotency key stands for; the one rule: two requests that would move the same stock for
the same reason have one fingerprint, however their entries are ordered, repeated or noted upon.

Left out on purpose: correlation id, document address, time of occurrence, dry run and waiting times.
"""

import hashlib
import json

from domain.adjustments import AdjustmentReason, CounterKey, Entry, ShortagePolicy, merge_entries
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
COMMAND_NAMES: dict[type[StockCommands], str] = {
    InventoryAdjust: "inventoryAdjust",
    InventorySet: "inventorySet",
    InventoryMove: "inventoryMove",
    InventoryActivate: "inventoryActivate",
    InventoryDeactivate: "inventoryDeactivate",
}
DEFAULT_REASONS: dict[type[StockCommands], AdjustmentReason] = {InventorySet: AdjustmentReason.CYCLE_COUNT}
DEFAULT_SHORTAGE_POLICIES: dict[type[StockCommands], ShortagePolicy] = {InventorySet: ShortagePolicy.RECORD_CONFLICT}


def fingerprint(command: StockCommands) -> str:
    """Return the versioned fingerprint of what the command would do: `1:` and 32 hexadecimal digits."""
    kind = type(command)
    canonical: list[object] = [COMMAND_NAMES[kind], command.sku, _places(command)]
    if command.reason is not DEFAULT_REASONS.get(kind, AdjustmentReason.CORRECTION):
        canonical.append(("reason", command.reason.value))
    if command.source_channel is not None:
        canonical.append(("sourceChannel", command.source_channel))
    if command.on_shortage is not DEFAULT_SHORTAGE_POLICIES.get(kind, ShortagePolicy.REJECT):
        canonical.append(("onShortage", command.on_shortage.value))
    digest = hashlib.sha256(CANONICAL.encode(canonical).encode()).hexdigest()
    return f"{VERSION}:{digest[:32]}"


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

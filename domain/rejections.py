"""Refusals as values: one closed list of codes in order of precedence; the first that applies is the answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

FieldPath = tuple[str, ...]
"""Where in the command the reason lies, in the contract's own field names: `("adjustments", "1", "delta")`."""


class RejectionCode(StrEnum):
    """Why a command was refused. The order is the precedence: earlier codes win over later ones."""

    INVALID_INPUT = "INVALID_INPUT"
    FORBIDDEN = "FORBIDDEN"
    IDEMPOTENCY_KEY_PARAMETER_MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    ITEM_NOT_FOUND = "ITEM_NOT_FOUND"
    LOCATION_NOT_FOUND = "LOCATION_NOT_FOUND"
    CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
    BUCKET_OWNED_BY_DOCUMENT = "BUCKET_OWNED_BY_DOCUMENT"
    ITEM_NOT_STOCKED_AT_LOCATION = "ITEM_NOT_STOCKED_AT_LOCATION"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    CHANGE_FROM_QUANTITY_STALE = "CHANGE_FROM_QUANTITY_STALE"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    LEVEL_LIMIT_REACHED = "LEVEL_LIMIT_REACHED"
    LEVEL_NOT_EMPTY = "LEVEL_NOT_EMPTY"
    STILL_STOCKED = "STILL_STOCKED"
    BULK_REFUSED = "BULK_REFUSED"


MEANINGS: dict[RejectionCode, str] = {
    RejectionCode.INVALID_INPUT: "The input is malformed: empty, too long, unprintable, too many or contradictory "
    "entries. Correct the named field; the same input will never be accepted.",
    RejectionCode.FORBIDDEN: "The caller's role may not run this operation. Use a key that may.",
    RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH: "This idempotency key was used before for a different change. "
    "Send a new key for a new change, or the original input to have its answer again.",
    RejectionCode.ITEM_NOT_FOUND: "No such item, or none that the caller may see. Check the SKU (it is "
    "case-sensitive) or create the item with itemUpsert.",
    RejectionCode.LOCATION_NOT_FOUND: "No such location, or none that the caller may see. Check the code or id, or "
    "create the location with locationUpsert.",
    RejectionCode.CHANNEL_NOT_FOUND: "No such channel, or none that the caller may see. Check the code or id, or "
    "create the channel with channelUpsert.",
    RejectionCode.BUCKET_OWNED_BY_DOCUMENT: "This counter moves only with its documents (reservations, allocations, "
    "transfers, receipts, backorders). Change the document instead.",
    RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION: "The item has no stock level at this location. Begin one with "
    "inventoryActivate or inventorySet.",
    RejectionCode.INVALID_QUANTITY: "A quantity is zero after merging, out of range, or would push a counter beyond "
    "10,000,000. Correct the quantity.",
    RejectionCode.CHANGE_FROM_QUANTITY_STALE: "The counter is no longer at changeFromQuantity. Read it again, decide "
    "again, and send a new request.",
    RejectionCode.INSUFFICIENT_STOCK: "There is not enough to take. Take at most quantityAvailable; what has happened "
    "to stock on hand is recorded with onShortage RECORD_CONFLICT.",
    RejectionCode.LEVEL_LIMIT_REACHED: "The item is stocked at as many locations as one item may be (200). "
    "Deactivate a level that is no longer used.",
    RejectionCode.LEVEL_NOT_EMPTY: "The stock level still holds or promises units. Bring every counter to zero first.",
    RejectionCode.STILL_STOCKED: "Stock levels still exist here. End them with inventoryDeactivate first.",
    RejectionCode.BULK_REFUSED: "This entry is valid, but another entry of the same all-or-nothing request was "
    "refused, so nothing was applied. Correct the entries with other codes and send the request again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One reason why a command was refused: its code, a sentence that says what to do, and where it lies."""

    code: RejectionCode
    message: str
    field: FieldPath = ()
    quantity_available: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused command: every place to which the first applicable code applies. It leaves no trace.

    `position` is the place in the order of events at which it was decided; None where no state was looked at.
    """

    rejections: tuple[Rejection, ...]
    position: int | None = None


def refuse(*rejections: Rejection) -> Refused:
    """Return the refusal for these reasons."""
    return Refused(rejections=rejections)


def first_refused(checks: Iterable[Iterator[Rejection]]) -> Refused | None:
    """Run checks in order of precedence; the first that finds anything ends it, with all that it found."""
    for check in checks:
        found = tuple(check)
        if found:
            return Refused(rejections=found)
    return None

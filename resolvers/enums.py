"""The domain's enums as GraphQL enums, each value described for a stranger.

The rule: GraphQL types take their enums from here, so that none is used before it has its descriptions.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import TypeVar

import strawberry

from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.allocation_commands import AllocationState
from domain.availability import AvailabilityStatus
from domain.levels import InventoryBucket
from domain.permissions import Permission
from domain.postings import PostingCause
from domain.principals import Role
from domain.promises import FulfilmentKind, SourcingReason, SourcingStrategy
from domain.records import LocationKind
from domain.rejections import MEANINGS, RejectionCode
from domain.reservation_commands import ReservationState

Kind = TypeVar("Kind", bound=Enum)


def described_enum(kind: type[Kind], *, name: str, description: str, values: Mapping[Kind, str]) -> type[Kind]:
    """Register `kind` with Strawberry under `name`, with a description for each of its values."""
    registered = strawberry.enum(kind, name=name, description=description)
    definition = registered.__strawberry_definition__  # type: ignore[attr-defined]  # set by strawberry.enum
    described = {kind[member.name].name: text for member, text in values.items()}
    for value in definition.values:
        value.description = described[value.name]
    return registered


class ErrorPolicy(StrEnum):
    """What a bulk mutation does when an entry is refused."""

    REJECT_EVERYTHING = "REJECT_EVERYTHING"
    REJECT_FAILED_ROWS = "REJECT_FAILED_ROWS"


class MovablePart(StrEnum):
    """A part of on-hand stock between which units can be moved."""

    AVAILABLE = "AVAILABLE"
    QUARANTINED = "QUARANTINED"
    DAMAGED = "DAMAGED"
    SAFETY_STOCK = "SAFETY_STOCK"


class ReservationChangeKind(StrEnum):
    """What happened to a reservation."""

    CREATED = "CREATED"
    EXTENDED = "EXTENDED"
    RELEASED = "RELEASED"
    MOVED = "MOVED"
    COMMITTED = "COMMITTED"
    EXPIRED = "EXPIRED"


class SyncState(StrEnum):
    """How far a channel is told of an item's number."""

    PENDING = "PENDING"
    IN_FLIGHT = "IN_FLIGHT"
    ACCEPTED = "ACCEPTED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"
    SUSPENDED = "SUSPENDED"


described_enum(
    InventoryBucket,
    name="InventoryBucket",
    description="A counter of a stock level, in base units.",
    values={
        InventoryBucket.ON_HAND: "All units that are physically there. The parts below are within it.",
        InventoryBucket.RESERVED: "Part of on hand: held for checkouts, until they expire. Moves with reservations.",
        InventoryBucket.ALLOCATED: "Part of on hand: committed to orders that have not shipped. Moves with orders.",
        InventoryBucket.QUARANTINED: "Part of on hand: set aside for inspection; not for sale.",
        InventoryBucket.DAMAGED: "Part of on hand: cannot be sold as new.",
        InventoryBucket.SAFETY_STOCK: "Part of on hand: kept back on purpose; not for sale.",
        InventoryBucket.INCOMING: "Outside on hand: ordered from suppliers, not yet here. Moves with receipts.",
        InventoryBucket.IN_TRANSIT: "Outside on hand: on its way between two locations. Moves with transfers.",
        InventoryBucket.BACKORDERED: "Outside on hand: sold, waiting for stock to come in. Moves with backorders.",
    },
)
described_enum(
    AdjustmentReason,
    name="AdjustmentReason",
    description="Why stock changed; kept in the audit trail.",
    values={
        AdjustmentReason.CORRECTION: "The record was wrong and is put right.",
        AdjustmentReason.CYCLE_COUNT: "Somebody counted.",
        AdjustmentReason.RECEIPT: "Goods came in.",
        AdjustmentReason.SALE: "Goods were sold outside of reservations and orders, for example at a till.",
        AdjustmentReason.RETURN: "A customer brought goods back.",
        AdjustmentReason.DAMAGE: "Goods were found damaged.",
        AdjustmentReason.SHRINKAGE: "Goods are missing: theft, loss, write-off.",
        AdjustmentReason.PROMOTION: "Goods were given away or set aside for a promotion.",
        AdjustmentReason.TRANSFER_CORRECTION: "A transfer arrived with another number than was sent.",
        AdjustmentReason.RESTOCK: "Goods went back to the shelf.",
        AdjustmentReason.OTHER: "None of the other reasons; say more in referenceDocumentUri.",
    },
)
described_enum(
    ShortagePolicy,
    name="ShortagePolicy",
    description="What to do with a change that there is not enough stock for.",
    values={
        ShortagePolicy.REJECT: "Refuse it with INSUFFICIENT_STOCK: for claims, which may be refused.",
        ShortagePolicy.RECORD_CONFLICT: "Record it: for facts, which have happened. If promises to customers are left "
        "without stock behind them, a stock conflict is opened.",
    },
)
described_enum(
    AvailabilityStatus,
    name="AvailabilityStatus",
    description="What a storefront may tell its shopper.",
    values={
        AvailabilityStatus.IN_STOCK: "Can be sold now.",
        AvailabilityStatus.LOW_STOCK: "Can be sold now, but little is left.",
        AvailabilityStatus.OUT_OF_STOCK: "Cannot be sold now.",
        AvailabilityStatus.BACKORDER: "Nothing is left, but it may be sold and is delivered when stock comes in.",
        AvailabilityStatus.PREORDER: "Not released yet, but it may be sold against its release.",
        AvailabilityStatus.COMING_SOON: "Announced; cannot be sold yet.",
        AvailabilityStatus.DISCONTINUED: "No longer sold.",
    },
)
described_enum(
    LocationKind,
    name="LocationKind",
    description="What kind of place a location is.",
    values={
        LocationKind.WAREHOUSE: "A warehouse of your own.",
        LocationKind.STORE: "A shop that customers walk into.",
        LocationKind.THIRD_PARTY: "Somebody else's warehouse that ships for you (3PL, a marketplace's fulfilment).",
        LocationKind.SUPPLIER: "A supplier's stock that ships straight to customers.",
    },
)
described_enum(
    SourcingStrategy,
    name="SourcingStrategy",
    description="How locations are chosen for lines that name none. Where a strategy sees no difference, priority "
    "decides, and then the location's code.",
    values={
        SourcingStrategy.PRIORITY: "The location with the lowest priority number first.",
        SourcingStrategy.MOST_STOCK: "The location with the most units first.",
        SourcingStrategy.FEWEST_SPLITS: "As few locations as possible over all lines of the request.",
        SourcingStrategy.NEAREST_REGION: "The destination's region first, then its country, then all others.",
        SourcingStrategy.EXPLICIT: "None is chosen: each line names its location.",
    },
)
described_enum(
    SourcingReason,
    name="SourcingReason",
    description="Why a location serves a line.",
    values={
        SourcingReason.NAMED: "The request named it.",
        SourcingReason.PRIORITY: "Its priority number was the lowest of those that had units.",
        SourcingReason.MOST_STOCK: "It had the most units.",
        SourcingReason.FEWEST_SPLITS: "With it, the request is served from the fewest locations.",
        SourcingReason.NEAREST_REGION: "It was nearest to the destination of those that had units.",
        SourcingReason.MOVED: "The units were moved here.",
    },
)
described_enum(
    FulfilmentKind,
    name="FulfilmentKind",
    description="How the customer gets the goods.",
    values={
        FulfilmentKind.SHIPPING: "They are sent.",
        FulfilmentKind.PICKUP: "They are picked up: each line names the location.",
    },
)
described_enum(
    ReservationState,
    name="ReservationState",
    description="Where a reservation is in its life.",
    values={
        ReservationState.ACTIVE: "It holds units. When `expiresAt` has passed it is of no use any more, and holds them "
        "for a moment still, until its end is recorded.",
        ReservationState.COMMITTED: "It became the allocation of an order.",
        ReservationState.RELEASED: "Its units were given back.",
        ReservationState.EXPIRED: "Its time was over, and its units were given back.",
    },
)
described_enum(
    ReservationChangeKind,
    name="ReservationChangeKind",
    description="What happened to a reservation.",
    values={
        ReservationChangeKind.CREATED: "Units are held.",
        ReservationChangeKind.EXTENDED: "It lives until another time.",
        ReservationChangeKind.RELEASED: "Units were given back; it goes on while it holds any.",
        ReservationChangeKind.MOVED: "Units are held at other locations.",
        ReservationChangeKind.COMMITTED: "It became the allocation of an order.",
        ReservationChangeKind.EXPIRED: "Its time was over, and its units were given back.",
    },
)
described_enum(
    AllocationState,
    name="AllocationState",
    description="Where an order's stock is in its life.",
    values={
        AllocationState.OPEN: "Units have still to ship.",
        AllocationState.SHIPPED: "Nothing has still to ship, and something did.",
        AllocationState.CANCELLED: "All of it was given back.",
    },
)
described_enum(
    PostingCause,
    name="PostingCause",
    description="What happened to the document that moved stock.",
    values={
        PostingCause.RESERVATION_CREATED: "A reservation holds units.",
        PostingCause.RESERVATION_RELEASED: "A reservation gave units back.",
        PostingCause.RESERVATION_MOVED: "A reservation holds its units at other locations.",
        PostingCause.RESERVATION_COMMITTED: "A reservation became an order's allocation.",
        PostingCause.RESERVATION_EXPIRED: "A reservation's time was over.",
        PostingCause.ALLOCATION_CREATED: "Units were committed to an order without a reservation.",
        PostingCause.ALLOCATION_CANCELLED: "Units that were committed to an order were given back.",
        PostingCause.SHIPMENT_CONFIRMED: "An order's units left: on hand and allocated fell together.",
    },
)
described_enum(
    RejectionCode,
    name="UserErrorCode",
    description="Why a command was refused. When several apply, the one listed first is answered.",
    values=MEANINGS,
)
described_enum(
    ErrorPolicy,
    name="ErrorPolicy",
    description="What a bulk mutation does when an entry is refused.",
    values={
        ErrorPolicy.REJECT_EVERYTHING: "All or nothing: if one entry is refused, none is applied.",
        ErrorPolicy.REJECT_FAILED_ROWS: "Each entry for itself: those that can be applied are.",
    },
)
described_enum(
    MovablePart,
    name="MovablePart",
    description="A part of on-hand stock between which units can be moved; on hand itself stays.",
    values={
        MovablePart.AVAILABLE: "In none of the other parts: may be sold.",
        MovablePart.QUARANTINED: "Set aside for inspection.",
        MovablePart.DAMAGED: "Cannot be sold as new.",
        MovablePart.SAFETY_STOCK: "Kept back on purpose.",
    },
)
described_enum(
    SyncState,
    name="SyncState",
    description="How far a channel has been told of an item's number.",
    values={
        SyncState.PENDING: "The number changed and waits to be sent.",
        SyncState.IN_FLIGHT: "The number is being sent.",
        SyncState.ACCEPTED: "The channel took the number but has not applied it yet.",
        SyncState.CONFIRMED: "The channel shows the number.",
        SyncState.RETRYING: "Sending failed and is tried again.",
        SyncState.FAILED: "Sending failed for good; see lastError.",
        SyncState.SUSPENDED: "Nothing is sent: the channel has no connector, or it is switched off.",
    },
)

described_enum(
    Role,
    name="Role",
    description="What kind of caller an account is. What it may see is narrowed further by its channels and locations.",
    values={
        Role.STOREFRONT: "A key that ships in a web page or an app: availability, what items are called, and the "
        "checkout's own reservations.",
        Role.BACKOFFICE: "ERP, WMS, POS, OMS: everything about stock and catalogue.",
        Role.DASHBOARD: "Screens that watch: everything about stock, nothing that changes it.",
        Role.CHANNEL: "A marketplace or shop system: reserves and allocates for its orders, reports its sales and "
        "returns, maintains its listings.",
        Role.PARTNER: "Somebody else's warehouse: sees, moves and ships the stock at its locations.",
        Role.ADMIN: "All of it, accounts and keys included.",
    },
)
described_enum(
    Permission,
    name="Permission",
    description="What a role may be granted.",
    values={
        Permission.READ_AVAILABILITY: "Ask and follow what may be sold.",
        Permission.READ_CATALOGUE: "Read items, locations and channels.",
        Permission.READ_STOCK: "Read stock levels and the ledger, and follow changes of stock.",
        Permission.READ_ADJUSTMENTS: "Read adjustments of one's own account.",
        Permission.READ_LISTINGS: "Read listings and what channels were told.",
        Permission.ADJUST_STOCK: "Change counters by deltas.",
        Permission.COUNT_STOCK: "Record counts, move units between parts, begin and end stock levels.",
        Permission.RESERVE_STOCK: "Make reservations, change them, and commit them to orders.",
        Permission.READ_PROMISES: "Read reservations, allocations and shipments.",
        Permission.ALLOCATE_STOCK: "Allocate stock to orders, and cancel it.",
        Permission.SHIP_STOCK: "Confirm shipments.",
        Permission.EXPIRE_RESERVATIONS: "End reservations that have lapsed; the gateway does so by itself.",
        Permission.CHANGE_CATALOGUE: "Change items, locations and channels.",
        Permission.CHANGE_LISTINGS: "Change listings.",
        Permission.MANAGE_ACCOUNTS: "Manage accounts and keys, and read every account's adjustments.",
        Permission.INTROSPECT: "Ask for the schema in production.",
    },
)

__all__ = [
    "AdjustmentReason",
    "AllocationState",
    "AvailabilityStatus",
    "ErrorPolicy",
    "FulfilmentKind",
    "InventoryBucket",
    "LocationKind",
    "MovablePart",
    "Permission",
    "PostingCause",
    "RejectionCode",
    "ReservationChangeKind",
    "ReservationState",
    "Role",
    "ShortagePolicy",
    "SourcingReason",
    "SourcingStrategy",
    "SyncState",
]

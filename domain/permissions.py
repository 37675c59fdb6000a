"""What each role may do; the one rule: a permission is asked for by name, and this is the only place that grants it.

What a role may see of a channel or location is no permission but a scope: `domain.principals.Scope`.
"""

from enum import StrEnum
from typing import assert_never

from domain.accounts import (
    AccountArchive,
    AccountCreate,
    AccountUpdate,
    ApiKeyCreate,
    ApiKeyRevoke,
    ApiKeyRotate,
)
from domain.allocation_commands import AllocationCancel, AllocationCreate, ShipmentConfirm
from domain.bundles import BundleDissolve, BundleUpsert
from domain.catalogue import (
    ChannelArchive,
    ChannelUpsert,
    ItemArchive,
    ItemUpsert,
    LocationArchive,
    LocationUpsert,
)
from domain.claims import Claim
from domain.decider import Command
from domain.listings import ListingUpsert
from domain.principals import EVERYTHING, Principal, Role
from domain.rejections import Refused, Rejection, RejectionCode, refuse
from domain.reservation_commands import (
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
)


class Permission(StrEnum):
    """What may be granted to a role."""

    READ_AVAILABILITY = "READ_AVAILABILITY"
    READ_CATALOGUE = "READ_CATALOGUE"
    READ_STOCK = "READ_STOCK"
    READ_ADJUSTMENTS = "READ_ADJUSTMENTS"
    READ_LISTINGS = "READ_LISTINGS"
    ADJUST_STOCK = "ADJUST_STOCK"
    COUNT_STOCK = "COUNT_STOCK"
    RESERVE_STOCK = "RESERVE_STOCK"
    READ_PROMISES = "READ_PROMISES"
    ALLOCATE_STOCK = "ALLOCATE_STOCK"
    SHIP_STOCK = "SHIP_STOCK"
    EXPIRE_RESERVATIONS = "EXPIRE_RESERVATIONS"
    CHANGE_CATALOGUE = "CHANGE_CATALOGUE"
    CHANGE_LISTINGS = "CHANGE_LISTINGS"
    MANAGE_ACCOUNTS = "MANAGE_ACCOUNTS"
    INTROSPECT = "INTROSPECT"


_READERS = frozenset({Permission.READ_AVAILABILITY, Permission.READ_CATALOGUE})

GRANTS: dict[Role, frozenset[Permission]] = {
    # A key that ships in a web page: what may be sold, what the items are called, and the checkout's own reservation.
    Role.STOREFRONT: _READERS | {Permission.RESERVE_STOCK},
    # Screens that watch: everything about stock, nothing that moves it.
    Role.DASHBOARD: _READERS
    | {
        Permission.READ_STOCK,
        Permission.READ_ADJUSTMENTS,
        Permission.READ_LISTINGS,
        Permission.READ_PROMISES,
        Permission.INTROSPECT,
    },
    # A marketplace's or shop system's own key: reserves for its orders, reports its sales and returns, maintains its
    # listings.
    Role.CHANNEL: _READERS
    | {
        Permission.RESERVE_STOCK,
        Permission.READ_PROMISES,
        Permission.ALLOCATE_STOCK,
        Permission.READ_ADJUSTMENTS,
        Permission.READ_LISTINGS,
        Permission.ADJUST_STOCK,
        Permission.CHANGE_LISTINGS,
        Permission.INTROSPECT,
    },
    # Somebody else's warehouse, usually scoped to its locations: sees and moves what lies there.
    Role.PARTNER: _READERS
    | {
        Permission.READ_STOCK,
        Permission.READ_ADJUSTMENTS,
        Permission.ADJUST_STOCK,
        Permission.COUNT_STOCK,
        Permission.READ_PROMISES,
        Permission.SHIP_STOCK,
        Permission.INTROSPECT,
    },
    # ERP, WMS, POS, OMS: everything about stock and catalogue.
    Role.BACKOFFICE: frozenset(Permission) - {Permission.MANAGE_ACCOUNTS},
    Role.ADMIN: frozenset(Permission),
}


def may(principal: Principal, permission: Permission) -> bool:
    """Return whether the principal's role has the permission; who sees only a part of the stock manages no accounts."""
    if permission is Permission.MANAGE_ACCOUNTS and principal.scope != EVERYTHING:
        return False
    return permission in GRANTS[principal.role]


def needed_for(command: Command) -> Permission:
    """Return the permission that a command needs."""
    match command:
        case InventoryAdjust():
            return Permission.ADJUST_STOCK
        case InventorySet() | InventoryMove() | InventoryActivate() | InventoryDeactivate():
            return Permission.COUNT_STOCK
        case ReservationCreate() | ReservationExtend() | ReservationRelease() | ReservationMove() | ReservationCommit():
            return Permission.RESERVE_STOCK
        case ReservationExpire():
            return Permission.EXPIRE_RESERVATIONS
        case AllocationCreate() | AllocationCancel():
            return Permission.ALLOCATE_STOCK
        case ShipmentConfirm():
            return Permission.SHIP_STOCK
        case BundleUpsert() | BundleDissolve():
            return Permission.CHANGE_CATALOGUE
        case ItemUpsert() | ItemArchive() | LocationUpsert() | LocationArchive() | ChannelUpsert() | ChannelArchive():
            return Permission.CHANGE_CATALOGUE
        case ListingUpsert():
            return Permission.CHANGE_LISTINGS
        case AccountCreate() | AccountUpdate() | AccountArchive() | ApiKeyCreate() | ApiKeyRotate() | ApiKeyRevoke():
            return Permission.MANAGE_ACCOUNTS
        case _:
            assert_never(command)


def forbidden(command: Command, *, by: Principal) -> Refused | None:
    """FORBIDDEN: the caller's role may not run this operation."""
    permission = needed_for(command)
    if refused := without_permission(permission, by=by):
        return refused
    if not may(by, permission):
        return refuse(
            Rejection(
                code=RejectionCode.FORBIDDEN,
                message="A key that sees only some channels or locations may not manage accounts; use one that sees "
                "all.",
            )
        )
    if isinstance(command, LocationUpsert) and command.channels is not None and by.scope.channels is not None:
        return refuse(
            Rejection(
                code=RejectionCode.FORBIDDEN,
                message="A key that is scoped to channels may not say which channels a location serves; leave "
                "channelIds out, or use a key that sees all channels.",
                field=("channelIds",),
            )
        )
    if isinstance(command, Claim) and command.channel is None and by.scope.channels is not None:
        # Stock of no channel is held back by no pool, and the document would be out of its holder's own sight.
        return refuse(
            Rejection(
                code=RejectionCode.FORBIDDEN,
                message="A key that is scoped to channels has to say which one it claims stock for; send channelId.",
                field=("channelId",),
            )
        )
    if isinstance(command, ItemArchive | BundleUpsert) and by.scope.locations is not None:
        # Whether the item is stocked where the caller does not see decides on it, and must not be told.
        what = "archive items" if isinstance(command, ItemArchive) else "make items bundles"
        return refuse(
            Rejection(
                code=RejectionCode.FORBIDDEN,
                message=f"A key that sees only some locations may not {what}; use one that sees all.",
            )
        )
    return None


def without_permission(permission: Permission, *, by: Principal) -> Refused | None:
    """FORBIDDEN: the caller's role is not granted the permission."""
    if permission in GRANTS[by.role]:
        return None
    return refuse(
        Rejection(
            code=RejectionCode.FORBIDDEN,
            message=f"The role {by.role} may not do this (it needs {permission}); use a key whose role may.",
        )
    )

"""Which permission each field of the schema needs: the whole table, in one place.

The rule: a field that does not stand here fails the tests. Ways into the data (questions, changes, subscriptions, and
the few fields that lead from what everybody sees to what not everybody sees) name a permission; all other fields show
what their parent was allowed to bring. What a role is granted is `domain.permissions.GRANTS`.
"""

from collections.abc import Iterable, Mapping

from graphql import GraphQLError
from strawberry.types import ExecutionContext

from domain.file_columns import FileKind
from domain.permissions import GRANTS, Permission, may
from domain.principals import Principal, Role
from resolvers import node_ids
from resolvers.error_codes import ErrorCode
from resolvers.execution import KnownDocument

QUERIES: Mapping[str, Permission | None] = {
    "availability": Permission.READ_AVAILABILITY,
    "availabilityExplain": Permission.READ_STOCK,
    "inventoryItem": Permission.READ_CATALOGUE,
    "inventoryItems": Permission.READ_CATALOGUE,
    "location": Permission.READ_CATALOGUE,
    "locations": Permission.READ_CATALOGUE,
    "channel": Permission.READ_CATALOGUE,
    "channels": Permission.READ_CATALOGUE,
    "adjustment": Permission.READ_ADJUSTMENTS,
    "movements": Permission.READ_STOCK,
    "conflicts": Permission.READ_STOCK,
    "reservation": Permission.RESERVE_STOCK,
    "reservations": Permission.READ_PROMISES,
    "allocation": Permission.READ_PROMISES,
    "account": Permission.MANAGE_ACCOUNTS,
    "accounts": Permission.MANAGE_ACCOUNTS,
    "node": None,  # each kind of node has its own, below
    "viewer": None,
    "_entities": Permission.READ_CATALOGUE,
    "_service": Permission.INTROSPECT,
}
"""Refused with FORBIDDEN, before anything is run, for roles without the permission; None is for everybody."""

MUTATIONS: Mapping[str, Permission | None] = {
    "inventoryAdjust": Permission.ADJUST_STOCK,
    "inventoryAdjustBulk": Permission.ADJUST_STOCK,
    "inventorySet": Permission.COUNT_STOCK,
    "inventoryMove": Permission.COUNT_STOCK,
    "inventoryActivate": Permission.COUNT_STOCK,
    "inventoryDeactivate": Permission.COUNT_STOCK,
    "reservationCreate": Permission.RESERVE_STOCK,
    "reservationExtend": Permission.RESERVE_STOCK,
    "reservationRelease": Permission.RESERVE_STOCK,
    "reservationMove": Permission.RESERVE_STOCK,
    "reservationCommit": Permission.RESERVE_STOCK,
    "allocationCreate": Permission.ALLOCATE_STOCK,
    "allocationCancel": Permission.ALLOCATE_STOCK,
    "shipmentConfirm": Permission.SHIP_STOCK,
    "itemUpsert": Permission.CHANGE_CATALOGUE,
    "itemUpsertBulk": Permission.CHANGE_CATALOGUE,
    "itemArchive": Permission.CHANGE_CATALOGUE,
    "bundleUpsert": Permission.CHANGE_CATALOGUE,
    "bundleDissolve": Permission.CHANGE_CATALOGUE,
    "locationUpsert": Permission.CHANGE_CATALOGUE,
    "locationArchive": Permission.CHANGE_CATALOGUE,
    "channelUpsert": Permission.CHANGE_CATALOGUE,
    "channelArchive": Permission.CHANGE_CATALOGUE,
    "listingUpsertBulk": Permission.CHANGE_LISTINGS,
    "accountCreate": Permission.MANAGE_ACCOUNTS,
    "accountUpdate": Permission.MANAGE_ACCOUNTS,
    "accountArchive": Permission.MANAGE_ACCOUNTS,
    "apiKeyCreate": Permission.MANAGE_ACCOUNTS,
    "apiKeyRotate": Permission.MANAGE_ACCOUNTS,
    "apiKeyRevoke": Permission.MANAGE_ACCOUNTS,
    "rowsImport": None,  # each kind of row has its own, below
}
"""Refused by the ledger with a FORBIDDEN among the userErrors; `domain.permissions.needed_for` is what it goes by."""

ROWS: Mapping[FileKind, Permission] = {
    FileKind.ITEMS: Permission.CHANGE_CATALOGUE,
    FileKind.LOCATIONS: Permission.CHANGE_CATALOGUE,
    FileKind.LISTINGS: Permission.CHANGE_LISTINGS,
    FileKind.LEVELS: Permission.COUNT_STOCK,
}
"""Refused with a FORBIDDEN among the userErrors, before any row is read; the ledger refuses such rows too."""

SUBSCRIPTIONS: Mapping[str, Permission] = {
    "stockChanged": Permission.READ_STOCK,
    "availabilityChanged": Permission.READ_AVAILABILITY,
    "conflictChanged": Permission.READ_STOCK,
    "reservationChanged": Permission.RESERVE_STOCK,
}
"""Refused like questions. Who lacks READ_PROMISES follows reservations by their ids only."""

EMPTIED: Mapping[str, Permission] = {
    "Availability.levels": Permission.READ_STOCK,
    "InventoryItem.levels": Permission.READ_STOCK,
    "InventoryItem.syncStatus": Permission.READ_LISTINGS,
    "InventoryAdjustPayload.levels": Permission.READ_STOCK,
    "InventoryAdjustPayload.syncStatus": Permission.READ_LISTINGS,
    "InventorySetPayload.levels": Permission.READ_STOCK,
    "InventorySetPayload.syncStatus": Permission.READ_LISTINGS,
    "InventoryMovePayload.levels": Permission.READ_STOCK,
    "InventoryMovePayload.syncStatus": Permission.READ_LISTINGS,
    "InventoryActivatePayload.syncStatus": Permission.READ_LISTINGS,
    "InventoryDeactivatePayload.syncStatus": Permission.READ_LISTINGS,
    "ReservationCreatePayload.levels": Permission.READ_STOCK,
    "ReservationReleasePayload.levels": Permission.READ_STOCK,
    "ReservationMovePayload.levels": Permission.READ_STOCK,
    "ReservationCommitPayload.levels": Permission.READ_STOCK,
    "AllocationCreatePayload.levels": Permission.READ_STOCK,
    "AllocationCancelPayload.levels": Permission.READ_STOCK,
    "ShipmentConfirmPayload.levels": Permission.READ_STOCK,
}
"""Lists that are answered empty without the permission, so that one document serves callers of every role."""

NULLED: Mapping[str, Permission] = {
    "Availability.limitingComponent": Permission.READ_STOCK,
    "Reservation.allocation": Permission.READ_PROMISES,
    "ReservationCommitPayload.allocation": Permission.READ_PROMISES,
}
"""Answered with null without the permission, for the same reason: an order may hold more than the caller's own, and
what there is of a component is more than what a channel shows.
"""

NODES: Mapping[str, Permission] = {
    node_ids.ITEM: Permission.READ_CATALOGUE,
    node_ids.LOCATION: Permission.READ_CATALOGUE,
    node_ids.CHANNEL: Permission.READ_CATALOGUE,
    node_ids.LEVEL: Permission.READ_STOCK,
    node_ids.ADJUSTMENT: Permission.READ_ADJUSTMENTS,
    node_ids.LISTING: Permission.READ_LISTINGS,
    node_ids.ACCOUNT: Permission.MANAGE_ACCOUNTS,
    node_ids.API_KEY: Permission.MANAGE_ACCOUNTS,
    node_ids.CONFLICT: Permission.READ_STOCK,
    node_ids.RESERVATION: Permission.READ_PROMISES,
    node_ids.ALLOCATION: Permission.READ_PROMISES,
    node_ids.SHIPMENT: Permission.READ_PROMISES,
}
"""`node` answers null for what the role may not see, as for what is not there."""

SHOWN_WITH_THEIR_PARENT: Mapping[str, str] = {
    "Account": "id code name role channelIds locationIds createdAt updatedAt apiKeys",
    "AccountConnection": "edges nodes pageInfo",
    "AccountEdge": "node cursor",
    "AccountPayload": "account userErrors",
    "Allocation": "id orderId channelId channel fulfilment state lines shipments createdAt updatedAt version",
    "AllocationCancelPayload": "replayed userErrors position allocation",
    "AllocationCreatePayload": "replayed userErrors position allocation",
    "AllocationLine": "lineId sku item quantity openQuantity shippedQuantity cancelledQuantity holds",
    "ApiKey": "id keyId accountId name channelIds locationIds createdAt createdBy expiresAt revokedAt replacedBy",
    "ApiKeyPayload": "apiKey token userErrors",
    "Availability": "sku channelId availableQuantity status asOf position nodes",
    "AvailabilityChange": "position sku channelId availableQuantity previousQuantity status",
    "AvailabilityExplanation": "sku channelId availableQuantity status position term",
    "AvailabilityTerm": "name quantity locationId isLimiting parts",
    "BundleComponent": "sku quantity item",
    "Channel": "id code name sourcing reservationTtlSeconds reservationTtlSecondsMax createdAt updatedAt",
    "ChannelConnection": "edges nodes pageInfo",
    "ChannelEdge": "node cursor",
    "ChannelPayload": "position channel userErrors",
    "ChannelSyncStatus": "channelId sku state desiredQuantity confirmedQuantity confirmedAt idempotencyKey lagSeconds "
    "attempts lastError nextAttemptAt",
    "Hold": "sku locationCode quantity reason parts location",
    "ConflictChange": "position occurredAt change conflict",
    "InventoryActivatePayload": "replayed userErrors inventoryItem position",
    "InventoryAdjustBulkPayload": "results position userErrors",
    "InventoryAdjustPayload": "replayed userErrors inventoryItem position adjustment",
    "InventoryAdjustment": "id idempotencyKey sku reason movements sourceChannelId referenceDocumentUri correlationId "
    "occurredAt recordedAt recordedBy position",
    "InventoryDeactivatePayload": "replayed userErrors inventoryItem position",
    "InventoryItem": "id sku name productCode attributes identifiers isBackorderable isBundle components "
    "createdAt updatedAt archivedAt totalAvailableQuantity position",
    "InventoryItemConnection": "edges nodes pageInfo",
    "InventoryItemEdge": "node cursor",
    "InventoryMovePayload": "replayed userErrors inventoryItem position adjustment",
    "InventorySetPayload": "replayed userErrors inventoryItem position adjustment",
    "ItemAttribute": "name value",
    "ItemIdentifier": "scheme value",
    "ItemPayload": "position inventoryItem userErrors",
    "ItemUpsertBulkPayload": "position results userErrors",
    "LimitingComponent": "sku availableQuantity",
    "Listing": "id sku channelId externalKey updatedAt",
    "ListingUpsertBulkPayload": "position results userErrors",
    "ListingUpsertResult": "listing userErrors",
    "Location": "id code name kind countryCode region priority createdAt updatedAt channels",
    "LocationConnection": "edges nodes pageInfo",
    "LocationEdge": "node cursor",
    "LocationPayload": "position location userErrors",
    "Node": "id",
    "NodeAvailability": "location availableQuantity status",
    "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
    "ProductVariant": "sku availability inventoryItem",
    "Reservation": "id reservationId state channelId channel externalReference fulfilment lines createdAt expiresAt "
    "updatedAt version orderId",
    "ReservationChange": "position occurredAt reservation change",
    "ReservationCommitPayload": "replayed userErrors position reservation",
    "ReservationConnection": "edges nodes pageInfo",
    "ReservationCreatePayload": "replayed userErrors position reservation",
    "ReservationEdge": "node cursor",
    "ReservationExtendPayload": "replayed userErrors position reservation",
    "ReservationLine": "lineId sku item quantity heldQuantity holds",
    "ReservationMovePayload": "replayed userErrors position reservation",
    "ReservationReleasePayload": "replayed userErrors position reservation",
    "RowImportCounts": "applied unchanged replayed refused",
    "RowImportResult": "row status userErrors",
    "RowsImportPayload": "results counts run position errorFile userErrors",
    "Shipment": "id shipmentId orderId channelId lines shippedAt recordedAt",
    "ShipmentConfirmPayload": "replayed userErrors position allocation shipment",
    "ShipmentLine": "lineId sku item quantity holds",
    "StockChange": "position occurredAt sku adjustment reason cause documentId sourceChannelId correlationId levels",
    "PromiseAtRisk": "quantity reservation allocation",
    "StockConflict": "id sku locationCode unbackedAtOpening isOpen openedAt closedAt location level atRisk",
    "StockConflictConnection": "edges nodes pageInfo",
    "StockConflictEdge": "node cursor",
    "StockLevel": "id sku location onHand reserved allocated quarantined damaged safetyStock incoming inTransit "
    "backordered available version updatedAt hasOpenConflict",
    "StockMovement": "sku locationCode bucket delta balanceAfter reason cause documentId recordedAt location "
    "adjustment",
    "StockMovementConnection": "edges nodes pageInfo",
    "StockMovementEdge": "node cursor",
    "UserError": "field message code quantityAvailable",
    "_Service": "sdl",
    "Viewer": "accountId name role permissions channelIds locationIds",
}

INTROSPECTION = frozenset({"Query.__schema", "Query.__type"})


def placed_fields() -> dict[str, Permission | None]:
    """Return every placed field of the schema, as `Type.field`, with the permission that it needs."""
    placed: dict[str, Permission | None] = {}
    for root, fields in (("Query", QUERIES), ("Mutation", MUTATIONS), ("Subscription", SUBSCRIPTIONS)):
        placed.update((f"{root}.{name}", needed) for name, needed in fields.items())
    placed.update({**EMPTIED, **NULLED})
    for type_name, names in SHOWN_WITH_THEIR_PARENT.items():
        placed.update((f"{type_name}.{name}", None) for name in names.split())
    return placed


def forbidden_fields(role: Role, *, shows_schema: bool) -> frozenset[str]:
    """Return the fields with which a document is refused for the role; `shows_schema` lets everybody introspect."""
    refused = {
        f"{root}.{name}"
        for root, fields in (("Query", QUERIES), ("Subscription", SUBSCRIPTIONS))
        for name, needed in fields.items()
        if needed is not None and needed not in GRANTS[role]
    }
    may_introspect = shows_schema or Permission.INTROSPECT in GRANTS[role]
    return frozenset(refused if may_introspect else refused | INTROSPECTION)


def may_see_node(principal: Principal, type_name: str) -> bool:
    """Return whether the caller's role may see nodes of this type at all."""
    return may(principal, NODES[type_name])


class PermissionGate:
    """Refuses documents that name a field which the caller's role may not ask for.

    Changes pass: the ledger refuses them, among the payload's userErrors.
    """

    def __init__(self, *, shows_schema: bool) -> None:
        self._forbidden = {role: forbidden_fields(role, shows_schema=shows_schema) for role in Role}

    def __call__(self, known: KnownDocument, context: ExecutionContext) -> list[GraphQLError]:
        """Return why the operation that is asked for is refused, as a gate on the road of every operation."""
        named = known.coordinates(context.schema._schema, context._provided_operation_name)
        return self.refusals(named, context.context.principal)

    def refusals(self, named: Iterable[str], principal: Principal) -> list[GraphQLError]:
        """Return an error for each field, given as `Type.field`, that is out of bounds."""
        found = self._forbidden[principal.role].intersection(named)
        return [
            GraphQLError(
                f"The role {principal.role} may not ask for {field}; use a key whose role may.",
                extensions={"code": ErrorCode.FORBIDDEN},
            )
            for field in sorted(found)
        ]

"""For every type of the schema, the ways on which a caller may come to its objects.

The one rule: a type without a road fails the matrix, and so does a field that stays null for everybody, unless it is
named here with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLSchema, get_named_type, is_composite_type

from tests.permissions.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """An entry, and the fields that lead on from its answer."""

    entry: str
    path: tuple[str, ...] = ()

    def selection(self, inner: str) -> str:
        """Return the selection that ends in `inner`."""
        for name in reversed(self.path):
            inner = f"{name} {{ {inner} }}"
        return inner


def road(entry: str, path: str = "") -> Road:
    """Return a road; `path` is joined by dots."""
    return Road(entry=entry, path=tuple(path.split(".")) if path else ())


ROADS: Final[Mapping[str, tuple[Road, ...]]] = {
    "Account": (road("account"), road("accounts", "nodes"), road("node of Account")),
    "AccountConnection": (road("accounts"),),
    "AccountEdge": (road("accounts", "edges"),),
    "AccountPayload": (road("accountUpdate"), road("accountCreate")),
    "Allocation": (
        road("allocation"),
        road("allocation of an order"),
        road("node of Allocation"),
        road("reservations", "nodes.allocation"),
        road("reservationCommit", "allocation"),
        road("shipmentConfirm", "allocation"),
    ),
    "AllocationCancelPayload": (road("allocationCancel"),),
    "AllocationCreatePayload": (road("allocationCreate"),),
    "AllocationLine": (road("allocation", "lines"), road("allocationCreate", "allocation.lines")),
    "ApiKey": (road("account", "apiKeys"), road("node of ApiKey")),
    "ApiKeyPayload": (road("apiKeyCreate"),),
    "Availability": (
        road("availability"),
        road("entities of variants", "availability"),
        road("availability of a bundle"),
    ),
    "AvailabilityChange": (road("availabilityChanged"),),
    "AvailabilityExplanation": (road("availabilityExplain"),),
    "AvailabilityTerm": (road("availabilityExplain", "term"), road("availabilityExplain", "term.parts")),
    "BundleComponent": (road("inventoryItem of a bundle", "components"),),
    "Channel": (road("channel"), road("location", "channels"), road("node of Channel")),
    "ChannelConnection": (road("channels"),),
    "ChannelEdge": (road("channels", "edges"),),
    "ChannelPayload": (road("channelUpsert"),),
    "ChannelSyncStatus": (road("inventoryItem", "syncStatus"), road("inventoryAdjust", "syncStatus")),
    "ConflictChange": (road("conflictChanged"), road("conflictChanged of all")),
    "Hold": (
        road("reservation", "lines.holds"),
        road("reservations", "nodes.lines.holds"),
        road("allocation", "lines.holds"),
        road("allocation", "shipments.lines.holds"),
        road("reservation of a bundle", "lines.holds"),
    ),
    "InventoryActivatePayload": (road("inventoryActivate"),),
    "InventoryAdjustBulkPayload": (road("inventoryAdjustBulk"),),
    "InventoryAdjustPayload": (road("inventoryAdjust"), road("inventoryAdjustBulk", "results")),
    "InventoryAdjustment": (
        road("adjustment"),
        road("adjustment by key"),
        road("node of InventoryAdjustment"),
        road("movements", "nodes.adjustment"),
        road("stockChanged", "adjustment"),
        road("inventoryAdjust", "adjustment"),
    ),
    "InventoryDeactivatePayload": (road("inventoryDeactivate"),),
    "InventoryItem": (
        road("inventoryItem"),
        road("node of InventoryItem"),
        road("entities of items"),
        road("inventoryItem of a bundle"),
    ),
    "InventoryItemConnection": (road("inventoryItems"),),
    "InventoryItemEdge": (road("inventoryItems", "edges"),),
    "InventoryMovePayload": (road("inventoryMove"),),
    "InventorySetPayload": (road("inventorySet"),),
    "ItemAttribute": (road("inventoryItem", "attributes"),),
    "ItemIdentifier": (road("inventoryItem", "identifiers"),),
    "ItemPayload": (road("itemUpsert"), road("itemUpsertBulk", "results")),
    "ItemUpsertBulkPayload": (road("itemUpsertBulk"),),
    "LimitingComponent": (road("availability of a bundle", "limitingComponent"),),
    "Listing": (road("node of Listing"), road("listingUpsertBulk", "results.listing")),
    "ListingUpsertBulkPayload": (road("listingUpsertBulk"),),
    "ListingUpsertResult": (road("listingUpsertBulk", "results"),),
    "Location": (road("location"), road("availability", "nodes.location"), road("node of Location")),
    "LocationConnection": (road("locations"),),
    "LocationEdge": (road("locations", "edges"),),
    "LocationPayload": (road("locationUpsert"),),
    "Node": (road("node of Location"),),
    "NodeAvailability": (road("availability", "nodes"),),
    "PageInfo": (road("locations", "pageInfo"),),
    "PromiseAtRisk": (road("conflicts", "nodes.atRisk"),),
    "ProductVariant": (road("entities of variants"),),
    "Reservation": (
        road("reservation"),
        road("reservations", "nodes"),
        road("node of Reservation"),
        road("reservationCommit", "reservation"),
        road("reservationChanged", "reservation"),
    ),
    "ReservationChange": (road("reservationChanged"),),
    "ReservationCommitPayload": (road("reservationCommit"),),
    "ReservationConnection": (road("reservations"),),
    "ReservationCreatePayload": (road("reservationCreate"),),
    "ReservationEdge": (road("reservations", "edges"),),
    "ReservationExtendPayload": (road("reservationExtend"),),
    "ReservationLine": (road("reservation", "lines"), road("reservations", "nodes.lines")),
    "ReservationMovePayload": (road("reservationMove"),),
    "ReservationReleasePayload": (road("reservationRelease"),),
    "RowImportCounts": (road("rowsImport of LEVELS", "counts"),),
    "RowImportResult": (road("rowsImport of LEVELS", "results"), road("rowsImport of LISTINGS", "results")),
    "RowsImportPayload": (road("rowsImport of LEVELS"), road("rowsImport of LISTINGS")),
    "Shipment": (road("allocation", "shipments"), road("node of Shipment"), road("shipmentConfirm", "shipment")),
    "ShipmentConfirmPayload": (road("shipmentConfirm"),),
    "ShipmentLine": (road("allocation", "shipments.lines"),),
    "StockConflict": (road("conflicts", "nodes"), road("node of StockConflict")),
    "StockConflictConnection": (road("conflicts"),),
    "StockConflictEdge": (road("conflicts", "edges"),),
    "StockChange": (road("stockChanged"), road("stockChanged of documents")),
    "StockLevel": (
        road("inventoryItem", "levels"),
        road("availability", "levels"),
        road("node of StockLevel"),
        road("inventoryAdjust", "levels"),
        road("stockChanged", "levels"),
    ),
    "StockMovement": (road("movements", "nodes"), road("adjustment", "movements")),
    "StockMovementConnection": (road("movements"),),
    "StockMovementEdge": (road("movements", "edges"),),
    "UserError": (road("malformed itemArchive", "userErrors"),),
    "Viewer": (road("viewer"),),
    "_Service": (road("_service"),),
}

NULL_FOR_EVERYBODY: Final = frozenset(
    {
        # No connector tells channels their numbers yet.
        "ChannelSyncStatus.desiredQuantity",
        "ChannelSyncStatus.confirmedQuantity",
        "ChannelSyncStatus.confirmedAt",
        "ChannelSyncStatus.idempotencyKey",
        "ChannelSyncStatus.lagSeconds",
        "ChannelSyncStatus.lastError",
        "ChannelSyncStatus.nextAttemptAt",
        # The key that is looked at is in use, and so is the item.
        "ApiKey.replacedBy",
        "ApiKey.revokedAt",
        "InventoryItem.archivedAt",
        # Both conflicts are open.
        "StockConflict.closedAt",
        # The subscriber has been told nothing before.
        "AvailabilityChange.previousQuantity",
        # The refusal that is looked at is not of this kind.
        "UserError.quantityAvailable",
        # Channels may read the movements of adjustments only, which no document moved.
        "StockMovement.cause",
        "StockMovement.documentId",
        # Who is looked at sees everything.
        "Viewer.channelIds",
        "Viewer.locationIds",
    }
)


def selected(schema: GraphQLSchema, coordinate: str) -> str:
    """Return the selection of one field."""
    type_name, _, name = coordinate.partition(".")
    named = get_named_type(schema.type_map[type_name].fields[name].type)  # type: ignore[attr-defined]  # it has fields
    return f"{name} {{ __typename }}" if is_composite_type(named) else name


def everything_of(schema: GraphQLSchema, entry: Entry) -> str:
    """Return all that can be selected of the entry's answer, each type once on every way down."""
    root = schema.type_map[entry.root]
    answered: Any = get_named_type(root.fields[entry.field_name].type)  # type: ignore[attr-defined]  # it has fields
    type_name = entry.on or answered.name
    return _everything(schema, type_name, above=(), arguments=entry.own)


def _everything(
    schema: GraphQLSchema, type_name: str, *, above: tuple[str, ...], arguments: Mapping[str, object]
) -> str:
    parts = ["__typename"]
    for name, field in schema.type_map[type_name].fields.items():  # type: ignore[attr-defined]  # it has fields
        given = ", ".join(f"{one}: ${one}" for one in field.args if one in arguments)
        called = f"{name}({given})" if given and type_name not in ("Query", "Mutation", "Subscription") else name
        named = get_named_type(field.type)
        if not is_composite_type(named):
            parts.append(called)
        elif named.name not in above:
            inner = _everything(schema, named.name, above=(*above, type_name), arguments=arguments)
            parts.append(f"{called} {{ {inner} }}")
    return " ".join(parts)

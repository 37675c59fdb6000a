"""Every GraphQL text the bench sends; the adjustment is the field's own operation, word for word."""

from typing import Final

ADJUST: Final = """\
mutation adjustMultiChannelInventory($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) {
    inventoryItem { id sku totalAvailableQuantity }
    syncStatus { channelId confirmedAt idempotencyKey }
    userErrors { field message }
  }
}
"""

AVAILABILITY: Final = """\
query availability($skus: [String!]!) {
  availability(skus: $skus) {
    sku channelId availableQuantity status asOf position
    nodes { location { id code name } availableQuantity status }
    levels {
      id location { id code }
      onHand reserved allocated quarantined damaged safetyStock incoming inTransit backordered
      available version updatedAt
    }
  }
}
"""

ITEM_UPSERT_BULK: Final = """\
mutation items($inputs: [ItemUpsertInput!]!) {
  itemUpsertBulk(inputs: $inputs) {
    results { userErrors { field message code } }
    userErrors { field message code }
  }
}
"""

LOCATION_UPSERT: Final = """\
mutation location($input: LocationUpsertInput!) {
  locationUpsert(input: $input) { userErrors { field message code } }
}
"""

CHANNEL_UPSERT: Final = """\
mutation channel($input: ChannelUpsertInput!) {
  channelUpsert(input: $input) { userErrors { field message code } }
}
"""

LISTING_UPSERT_BULK: Final = """\
mutation listings($inputs: [ListingUpsertInput!]!) {
  listingUpsertBulk(inputs: $inputs) {
    results { userErrors { field message code } }
    userErrors { field message code }
  }
}
"""

INVENTORY_SET: Final = """\
mutation opening($input: InventorySetInput!) {
  inventorySet(input: $input) { userErrors { field message code } }
}
"""

RESERVE: Final = """\
mutation reserve($input: ReservationCreateInput!) {
  reservationCreate(input: $input) {
    reservation { reservationId expiresAt }
    userErrors { field message }
  }
}
"""

COMMIT: Final = """\
mutation commit($input: ReservationCommitInput!) {
  reservationCommit(input: $input) {
    reservation { state orderId }
    userErrors { field message }
  }
}
"""

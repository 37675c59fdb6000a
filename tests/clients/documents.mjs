// The operations that every client runs.
export const AVAILABLE = 'query available($skus: [String!]!) { availability(skus: $skus) { sku availableQuantity } }';
export const ADJUST = `mutation adjust($input: InventoryAdjustmentInput!) {
  inventoryAdjust(input: $input) { replayed position userErrors { code } }
}`;
export const CHANGED = `subscription changed($skus: [String!], $after: String) {
  stockChanged(skus: $skus, after: $after) { position sku levels { onHand } }
}`;
export const BROKEN = '{ availability(skus: []) { sku } noSuchField }';

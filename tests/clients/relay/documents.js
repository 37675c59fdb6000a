// What relay-compiler compiles; the same operations as story.mjs, named as Relay wants them.
import { graphql } from 'relay-runtime';

graphql`
  query documentsAvailableQuery($skus: [String!]!) { availability(skus: $skus) { sku availableQuantity } }
`;
graphql`
  mutation documentsAdjustMutation($input: InventoryAdjustmentInput!) {
    inventoryAdjust(input: $input) { replayed position userErrors { code } }
  }
`;
graphql`
  subscription documentsChangedSubscription($skus: [String!], $after: String) {
    stockChanged(skus: $skus, after: $after) { position sku levels { onHand } }
  }
`;

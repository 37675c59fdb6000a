"""The ways in that lead to what went wrong, and why a number is what it is: conflicts and explanations.

The one rule: both conflicts are of one item that nothing else is done to.
"""

from typing import Final

from resolvers import node_ids
from tests.permissions.entries import CHANNEL, ITEM, LOCATION, Entry, Probe, query
from tests.permissions.ground import MUG, OWN_DC, OWN_WEB, Ground
from tests.permissions.promises import RISK

CONFLICT: Final = node_ids.CONFLICT


def conflict_entries(ground: Ground) -> list[Entry]:
    """Return every question and subscription about conflicts, and the explanation of a number."""
    changed = "Subscription.conflictChanged"
    return [
        query(
            "availabilityExplain",
            "$sku: String!, $channelId: ID",
            {"sku": MUG, "channelId": OWN_WEB},
            ("sku", ITEM),
            ("channelId", CHANNEL),
        ),
        Entry(
            name="conflicts",
            field="Query.conflicts",
            declared="$first: Int!, $filter: StockConflictFilter",
            arguments="first: $first, filter: $filter",
            own={"first": 2, "filter": {"sku": RISK, "locationId": OWN_DC}},
            probes=(
                Probe(coordinate="StockConflictFilter.sku", place="filter.sku", kind=ITEM),
                Probe(coordinate="StockConflictFilter.locationId", place="filter.locationId", kind=LOCATION),
            ),
        ),
        query(
            f"node of {CONFLICT}",
            "$id: ID!",
            {"id": node_ids.conflict_id(ground.promises.own_conflict)},
            ("id", CONFLICT),
            field="node",
            on=CONFLICT,
        ),
        Entry(
            name="conflictChanged",
            field=changed,
            declared="$skus: [String!], $locationIds: [ID!], $after: String",
            arguments="skus: $skus, locationIds: $locationIds, after: $after",
            own={"skus": [RISK], "locationIds": [OWN_DC], "after": ground.promises.before},
            probes=(
                Probe(coordinate=f"{changed}(skus:)", place="skus.0", kind=ITEM),
                Probe(coordinate=f"{changed}(locationIds:)", place="locationIds.0", kind=LOCATION),
            ),
        ),
        Entry(
            name="conflictChanged of all",
            field=changed,
            declared="$after: String",
            arguments="after: $after",
            own={"after": ground.promises.before},
        ),
    ]

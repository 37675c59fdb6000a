"""Ways into the data: a root field with arguments that ask for what is the caller's own, and which of these
arguments take a name of something.

The one rule: every argument and input field of the schema that takes an id, code or SKU is probed here, or named in
PROBED_ELSEWHERE with the reason.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from domain.text import encode_node_id
from resolvers import node_ids
from tests.permissions.ground import (
    MUG,
    OWN_DC,
    OWN_DESK,
    OWN_SALE,
    OWN_WEB,
    Ground,
    fresh,
)
from tests.permissions.promises import PAIR
from tests.resolvers.desk import Desk

ITEM, LOCATION, CHANNEL = node_ids.ITEM, node_ids.LOCATION, node_ids.CHANNEL
ACCOUNT, API_KEY, ADJUSTMENT = node_ids.ACCOUNT, node_ids.API_KEY, node_ids.ADJUSTMENT
FRESH: Final = "a name that nobody has used"
Values = dict[str, Any]
Prepare = Callable[[Desk], Awaitable[Values]]
"""Makes what a change consumes, and returns the input that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An argument or input field that names something: where it stands in the variables, and what it names."""

    coordinate: str
    place: str
    kind: str
    template: str = "{}"
    """What is put in that place, around the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A root field, with the variables that ask for what is the caller's own."""

    name: str
    field: str
    declared: str = ""
    arguments: str = ""
    own: Values = dataclasses.field(default_factory=dict)
    on: str = ""
    """For abstract answers: the type that is looked at."""
    probes: tuple[Probe, ...] = ()
    prepare: Prepare | None = None

    @property
    def root(self) -> str:
        """Query, Mutation or Subscription."""
        return self.field.partition(".")[0]

    @property
    def field_name(self) -> str:
        """The root field."""
        return self.field.partition(".")[2]

    def document(self, selection: str) -> str:
        """Return the operation that selects this of the answer."""
        inner = f"... on {self.on} {{ {selection} }}" if self.on else selection
        declared = f"({self.declared})" if self.declared else ""
        arguments = f"({self.arguments})" if self.arguments else ""
        return f"{self.root.lower()} run{declared} {{ {self.field_name}{arguments} {{ {inner} }} }}"


def refreshed(value: Any) -> Any:
    """Return the variables with a new name wherever one is asked for."""
    if isinstance(value, dict):
        return {key: refreshed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [refreshed(one) for one in value]
    return fresh("fresh") if value == FRESH else value


def questions(ground: Ground) -> list[Entry]:
    """Return every query and subscription."""
    return [*_questions(ground), *_nodes(ground), *_subscriptions(ground)]


def query(name: str, declared: str, own: Values, *probes: tuple[str, str], **more: Any) -> Entry:
    """Return the entry of a question; each probe is (variable with its place, kind)."""
    field_name = more.pop("field", name)
    names = [one.split(":")[0].strip(" $") for one in declared.split(",") if ":" in one]
    return Entry(
        name=name,
        field=f"Query.{field_name}",
        declared=declared,
        arguments=more.pop("arguments", ", ".join(f"{one}: ${one}" for one in names)),
        own=own,
        probes=tuple(
            Probe(coordinate=f"Query.{field_name}({place.partition('.')[0]}:)", place=place, kind=kind)
            for place, kind in probes
        ),
        **more,
    )


def _questions(ground: Ground) -> list[Entry]:
    page = "$first: Int!"
    return [
        query(
            "availability",
            "$skus: [String!]!, $channelId: ID, $locationIds: [ID!], $minPosition: String",
            {"skus": [MUG], "channelId": OWN_WEB, "locationIds": [OWN_DC], "minPosition": ground.before_sales},
            ("skus.0", ITEM),
            ("channelId", CHANNEL),
            ("locationIds.0", LOCATION),
        ),
        query(
            "availability everywhere",
            "$skus: [String!]!, $channelId: ID",
            {"skus": [MUG], "channelId": OWN_WEB},
            field="availability",
        ),
        query(
            "availability of a bundle",
            "$skus: [String!]!, $channelId: ID",
            {"skus": [PAIR], "channelId": OWN_WEB},
            field="availability",
        ),
        query("inventoryItem of a bundle", "$sku: String!", {"sku": PAIR}, field="inventoryItem"),
        query(
            "inventoryItem",
            "$sku: String!, $minPosition: String",
            {"sku": MUG, "minPosition": ground.before_sales},
            ("sku", ITEM),
        ),
        query("inventoryItem by id", "$id: ID!", {"id": node_ids.item_id(MUG)}, ("id", ITEM), field="inventoryItem"),
        _items_filtered(),
        query("location", "$id: ID!", {"id": OWN_DC}, ("id", LOCATION)),
        query("locations", page, {"first": 250}),
        query("channel", "$id: ID!", {"id": OWN_WEB}, ("id", CHANNEL)),
        query("channels", page, {"first": 250}),
        query("adjustment", "$id: ID!", {"id": ground.own_sale}, ("id", ADJUSTMENT)),
        query(
            "adjustment by key",
            "$idempotencyKey: String!, $accountId: ID",
            {"idempotencyKey": OWN_SALE, "accountId": OWN_DESK},
            ("idempotencyKey", "idempotencyKey"),
            ("accountId", ACCOUNT),
            field="adjustment",
        ),
        query(
            "movements",
            "$sku: String, $locationId: ID, $minPosition: String",
            {"sku": MUG, "locationId": OWN_DC, "minPosition": ground.before_sales},
            ("sku", ITEM),
            ("locationId", LOCATION),
        ),
        query("movements of all", page, {"first": 250}, field="movements"),
        query("account", "$id: ID!", {"id": OWN_DESK}, ("id", ACCOUNT)),
        query("accounts", page, {"first": 250}),
        query("viewer", "", {}),
        query("_service", "", {}),
        *_entities(),
    ]


def _items_filtered() -> Entry:
    return Entry(
        name="inventoryItems",
        field="Query.inventoryItems",
        declared="$filter: InventoryItemFilter",
        arguments="filter: $filter",
        own={"filter": {"skus": [MUG], "stockedAt": OWN_DC}},
        probes=(
            Probe(coordinate="InventoryItemFilter.skus", place="filter.skus.0", kind=ITEM),
            Probe(coordinate="InventoryItemFilter.stockedAt", place="filter.stockedAt", kind=LOCATION),
        ),
    )


def _entities() -> list[Entry]:
    declared = "$representations: [_Any!]!"
    variant = "$representations: [_Any!]!, $channelId: ID, $locationIds: [ID!]"
    of_variant = {"representations": [{"__typename": "ProductVariant", "sku": MUG}]}
    of_item = {"representations": [{"__typename": "InventoryItem", "sku": MUG}]}
    place = "representations.0.sku"
    return [
        query("entities of items", declared, of_item, (place, ITEM), field="_entities", on="InventoryItem"),
        query("entities of variants", declared, of_variant, (place, ITEM), field="_entities", on="ProductVariant"),
        Entry(
            name="availability of variants",
            field="Query._entities",
            declared=variant,
            arguments="representations: $representations",
            own={**of_variant, "channelId": OWN_WEB, "locationIds": [OWN_DC]},
            on="ProductVariant",
            probes=(
                Probe(coordinate="ProductVariant.availability(channelId:)", place="channelId", kind=CHANNEL),
                Probe(coordinate="ProductVariant.availability(locationIds:)", place="locationIds.0", kind=LOCATION),
            ),
        ),
    ]


def _nodes(ground: Ground) -> list[Entry]:
    pair = node_ids.pair_key(MUG, OWN_DC), node_ids.pair_key(MUG, OWN_WEB)
    own = {
        ITEM: node_ids.item_id(MUG),
        LOCATION: node_ids.location_id(OWN_DC),
        CHANNEL: node_ids.channel_id(OWN_WEB),
        node_ids.LEVEL: encode_node_id(node_ids.LEVEL, pair[0]),
        node_ids.LISTING: encode_node_id(node_ids.LISTING, pair[1]),
        ADJUSTMENT: ground.own_sale,
        ACCOUNT: node_ids.account_id(OWN_DESK),
        API_KEY: node_ids.api_key_id(ground.own_key),
    }
    return [
        query(f"node of {kind}", "$id: ID!", {"id": id}, ("id", kind), field="node", on=kind)
        for kind, id in own.items()
    ]


def _subscriptions(ground: Ground) -> list[Entry]:
    stock: Values = {"skus": [MUG], "locationIds": [OWN_DC], "after": ground.before_sales}
    sold: Values = {"skus": [MUG], "channelId": OWN_WEB, "after": ground.before_sales}
    changed, available = "Subscription.stockChanged", "Subscription.availabilityChanged"
    return [
        Entry(
            name="stockChanged",
            field=changed,
            declared="$skus: [String!], $locationIds: [ID!], $after: String",
            arguments="skus: $skus, locationIds: $locationIds, after: $after",
            own=stock,
            probes=(
                Probe(coordinate=f"{changed}(skus:)", place="skus.0", kind=ITEM),
                Probe(coordinate=f"{changed}(locationIds:)", place="locationIds.0", kind=LOCATION),
            ),
        ),
        Entry(
            name="stockChanged of all",
            field=changed,
            declared="$after: String",
            arguments="after: $after",
            own={"after": "0"},
        ),
        Entry(
            name="availabilityChanged",
            field=available,
            declared="$skus: [String!], $channelId: ID, $after: String",
            arguments="skus: $skus, channelId: $channelId, after: $after",
            own=sold,
            probes=(
                Probe(coordinate=f"{available}(skus:)", place="skus.0", kind=ITEM),
                Probe(coordinate=f"{available}(channelId:)", place="channelId", kind=CHANNEL),
            ),
        ),
    ]

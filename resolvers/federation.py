"""The gateway as an Apollo Federation 2 subgraph: entities by SKU, for a router that joins it with other services.

The rule: what federation adds is added here alone, to the schema that is served; the contract that clients read
(schema.graphql) knows nothing of it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, NewType, cast

import strawberry
from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    DocumentNode,
    GraphQLError,
    InterfaceTypeDefinitionNode,
    NameNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    parse,
    print_ast,
)
from strawberry.schema.config import StrawberryConfig

from resolvers.availability import Availability, ChannelArgument, LocationsArgument, load_availability
from resolvers.catalogue import InventoryItem, load_item
from resolvers.context import Info
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require

REPRESENTATIONS_MAX = 250
SUBGRAPH_LINK = """\
extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
"""
DIRECTIVES = {
    "InventoryItem": '@key(fields: "sku")',
    "ProductVariant": '@key(fields: "sku")',
    "PageInfo": "@shareable",
}
SHARED_TYPES = {
    "Query": frozenset[str](),
    "Mutation": frozenset[str](),
    "Subscription": frozenset[str](),
    "DateTime": frozenset[str](),
    "Node": frozenset({"id"}),
    "PageInfo": frozenset({"hasNextPage", "hasPreviousPage", "startCursor", "endCursor"}),
    "ProductVariant": frozenset({"sku"}),
}
"""Types that other services define too, and which of their fields. They go without a description: two that differ make
composition complain."""

Representation = NewType("Representation", object)
"""What the router knows of an entity: its type, and the fields of its key."""


@strawberry.type(description="A product's variant, as the service that owns products knows it; here it has stock.")
class ProductVariant:
    """Somebody else's entity, to which the gateway adds what may be sold."""

    sku: str = strawberry.field(description="The variant's SKU, which is the item's.")

    @strawberry.field(description="What may be sold of the variant; null when no such item is stocked.")
    async def availability(
        self,
        info: Info,
        channel_id: ChannelArgument = None,
        location_ids: LocationsArgument = None,
        min_position: MinPosition = None,
    ) -> Availability | None:
        """Load availability; all variants of a request share one statement."""
        require(info, min_position)
        return (await load_availability(info, [self.sku], channel_id, location_ids))[0]

    @strawberry.field(description="The item of the variant's SKU; null when there is none in use.")
    async def inventory_item(self, info: Info, min_position: MinPosition = None) -> InventoryItem | None:
        """Load the item."""
        require(info, min_position)
        return await load_item(info, self.sku)


@strawberry.type(name="_Service", description="What a router asks of a subgraph about itself.")
class Service:
    """The subgraph's own description."""

    sdl: str = strawberry.field(description="The subgraph's schema, with its keys.")


Entity = Annotated[
    InventoryItem | ProductVariant,
    strawberry.union(name="_Entity", description="What a router may fetch by its key."),
]
RepresentationsArgument = Annotated[
    list[Representation],
    strawberry.argument(description='Entities by type and key, at most 250: {"__typename": …, "sku": …}.'),
]


@strawberry.type
class FederationQueries:
    """What a router asks. Strawberry's own field changes the representations, has no bound and hides what is wrong."""

    @strawberry.field(name="_service", description="For routers: this subgraph's own schema.")
    def service(self, info: Info) -> Service:
        """Return the subgraph's SDL."""
        return Service(sdl=info.schema.subgraph_sdl)  # type: ignore[attr-defined]  # ours, in resolvers.schema

    @strawberry.field(
        name="_entities",
        description="For routers: entities by their keys, in the order of the representations. An item that there is "
        "not, or that you may not see, is null; a variant is another service's, so its fields are null instead.",
    )
    async def entities(self, info: Info, representations: RepresentationsArgument) -> list[Entity | None]:
        """Return entities, all of them read at once."""
        if len(representations) > REPRESENTATIONS_MAX:
            raise bad_input(f"`representations` names {len(representations)} entities; name at most 250.")
        entities = await asyncio.gather(*(_entity(info, one) for one in representations))
        return cast(list[Entity | None], entities)  # an error in a list is the error of its entry


def federation_config() -> StrawberryConfig:
    """Return the configuration under which `Representation` is the scalar that federation asks for."""
    scalar = strawberry.scalar(
        name="_Any",
        description="An entity's type and key, as JSON.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    )
    return StrawberryConfig(scalar_map={Representation: scalar})


def subgraph_sdl(served: str) -> str:
    """Return what a router composes: the served schema without the router's own fields, and with the keys."""
    document = parse(served, no_location=True)
    kept = tuple(_as_composed(one) for one in document.definitions if not _name_of(one).startswith("_"))
    return f"{SUBGRAPH_LINK}\n{print_ast(DocumentNode(definitions=kept))}\n"


async def _entity(info: Info, representation: object) -> InventoryItem | ProductVariant | GraphQLError | None:
    if not isinstance(representation, Mapping):
        return bad_input('A representation is an object; send {"__typename": …, "sku": …}.')
    sku = representation.get("sku")
    kind = representation.get("__typename")
    if kind not in (InventoryItem.__name__, ProductVariant.__name__):
        return bad_input("`__typename` of a representation is InventoryItem or ProductVariant.")
    if not isinstance(sku, str):
        return bad_input("`sku` of a representation is a text.")
    return ProductVariant(sku=sku) if kind == ProductVariant.__name__ else await load_item(info, sku)


def _name_of(definition: DefinitionNode) -> str:
    name: NameNode | None = getattr(definition, "name", None)  # the definition of the schema itself has none
    return "" if name is None else name.value


def _as_composed(definition: DefinitionNode) -> DefinitionNode:
    name = _name_of(definition)
    shared = SHARED_TYPES.get(name)
    if shared is not None and isinstance(definition, TypeDefinitionNode):
        definition = replace(definition, description=None)
    if not isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return definition
    fields = tuple(
        replace(field, description=None) if field.name.value in (shared or ()) else field
        for field in definition.fields or ()
        if not field.name.value.startswith("_")
    )
    return replace(definition, fields=fields, directives=(*(definition.directives or ()), *_directives(name)))


def _directives(name: str) -> tuple[ConstDirectiveNode, ...]:
    if name not in DIRECTIVES:
        return ()
    (holder,) = parse(f"type Holder {DIRECTIVES[name]}", no_location=True).definitions
    return tuple(getattr(holder, "directives", None) or ())

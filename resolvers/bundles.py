"""Mutations of bundles: say what an item is made of, and take that back; sent again, they change nothing."""

from typing import Annotated

import strawberry

from domain.bundles import BundleDissolve, BundleUpsert
from domain.compositions import Component
from resolvers.catalogue_changes import ItemPayload, execute_one, item_payload
from resolvers.context import Info
from resolvers.inputs import compiled_input


@compiled_input(description="So many units of an item in one unit of a bundle.")
class BundleComponentInput:
    """A component."""

    sku: str = strawberry.field(description="The component's SKU: an item in use, or another bundle.")
    quantity: int = strawberry.field(
        description="How many units of it one bundle takes, in base units: 1 to 1,000,000."
    )


@compiled_input(description="What an item is made of from now on; replaces what it was made of.")
class BundleUpsertInput:
    """One bundle."""

    sku: str = strawberry.field(description="The item that is the bundle: one in use that is stocked nowhere.")
    components: list[BundleComponentInput] = strawberry.field(
        description="What it is made of: 1 to 50 items, each named once."
    )


@compiled_input(description="The bundle that is to be an ordinary item again.")
class BundleDissolveInput:
    """One bundle."""

    sku: str = strawberry.field(description="Which bundle.")


@strawberry.type
class BundleMutations:
    """Changes of bundles. What is promised of a bundle keeps the components of its day."""

    @strawberry.mutation(
        description="Make an item a bundle of other items, or of others than before. It has no stock of its own: what "
        "may be sold of it is what its components make, and promises take the components."
    )
    async def bundle_upsert(
        self,
        info: Info,
        input: Annotated[BundleUpsertInput, strawberry.argument(description="The bundle.")],
    ) -> ItemPayload | None:
        """Upsert one bundle."""
        components = tuple(Component(sku=one.sku, quantity=one.quantity) for one in input.components)
        command = BundleUpsert(sku=input.sku, components=components)
        return await item_payload(info, input.sku, await execute_one(info, command))

    @strawberry.mutation(
        description="Make a bundle an ordinary item again, which may be stocked. What is promised of it stays promised."
    )
    async def bundle_dissolve(
        self,
        info: Info,
        input: Annotated[BundleDissolveInput, strawberry.argument(description="The bundle.")],
    ) -> ItemPayload | None:
        """Dissolve one bundle."""
        return await item_payload(info, input.sku, await execute_one(info, BundleDissolve(sku=input.sku)))

"""Items as GraphQL types, and the questions about them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import strawberry

from domain import records
from domain.availability import available_by_location, total_available
from domain.compositions import Component
from domain.filters import ItemFilter
from domain.permissions import Permission
from domain.ports import LevelAtLocation, StockSnapshot
from resolvers import node_ids
from resolvers.context import Info
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require, required_position
from resolvers.inputs import compiled_input
from resolvers.listings import ChannelSyncStatus, load_sync_status
from resolvers.pagination import PAGE_SIZE_MAX, After, Connection, First, checked_page_size, key_from_cursor, page_of
from resolvers.places import EitherId, Node
from resolvers.stock import StockLevel, present_level
from resolvers.visibility import is_allowed, scope_of


@strawberry.type(description="A property that tells a variant from its siblings.")
class ItemAttribute:
    """An attribute."""

    name: str = strawberry.field(description="Which property, such as `size`.")
    value: str = strawberry.field(description="Its value, such as `XL`.")


@strawberry.type(description="A code that others use for the item.")
class ItemIdentifier:
    """An identifier."""

    scheme: str = strawberry.field(description="Whose code it is, such as `GTIN` or `ASIN`.")
    value: str = strawberry.field(description="The code itself.")


@strawberry.type(description="So many units of an item in one unit of a bundle.")
class BundleComponent:
    """A component."""

    sku: str = strawberry.field(description="The component's SKU.")
    quantity: int = strawberry.field(description="How many units of it one bundle takes, in base units.")

    @strawberry.field(description="The component as it is now; null when it is no longer in use.")
    async def item(self, info: Info) -> "InventoryItem | None":
        """Load the item."""
        return await load_item(info, self.sku)


@strawberry.type(description="What is stocked, at variant level: one SKU. A bundle is made of others.")
class InventoryItem(Node):
    """An item."""

    sku: str = strawberry.field(description="Your own code for the item; compared exactly, case matters.")
    name: str | None = strawberry.field(description="The item's name for people.")
    product_code: str | None = strawberry.field(description="The product that this item is a variant of.")
    attributes: list[ItemAttribute] = strawberry.field(description="What tells it from its sibling variants.")
    identifiers: list[ItemIdentifier] = strawberry.field(description="Codes that others use for it.")
    is_backorderable: bool = strawberry.field(description="Whether it may be sold while nothing is left.")
    is_bundle: bool = strawberry.field(
        description="Whether it is made of other items; then it has no stock of its own."
    )
    components: list[BundleComponent] = strawberry.field(
        description="What one unit of a bundle is made of, as bundleUpsert said it; empty for other items."
    )
    created_at: datetime = strawberry.field(description="When the item was created.")
    updated_at: datetime = strawberry.field(description="When the item's own data last changed (not its stock).")
    archived_at: datetime | None = strawberry.field(description="When it left the catalogue; null while it is in use.")

    @strawberry.field(
        description="What may be sold over all locations, in base units: the sum of what is available at each, where "
        "a location in the red counts as 0. No channel's rules apply. Only locations that you may see are counted. "
        "Of a bundle: what its components make at each location."
    )
    async def total_available_quantity(self, info: Info) -> int:
        """Sum up what is available."""
        snapshot = await self._snapshot(info)
        levels = (one.level for one in self._visible(info, snapshot.levels))
        return total_available(available_by_location(levels, snapshot.parts).values())

    async def _snapshot(self, info: Info) -> StockSnapshot:
        loader = info.context.services.loaders.snapshots
        return await loader.load((self.sku, None), at_least=required_position(info))

    def _visible(self, info: Info, levels: Iterable[LevelAtLocation]) -> list[LevelAtLocation]:
        seen = scope_of(info)
        return [one for one in levels if seen.sees_location(one.location.code)]

    @strawberry.field(
        description="The place in the order of all events at which the item's levels and total are true; subscribe "
        "after it to miss nothing."
    )
    async def position(self, info: Info) -> str:
        """Return the position of the snapshot that the levels come from."""
        return str((await self._snapshot(info)).position)

    @strawberry.field(
        description="The item's stock levels, one a location that stocks it, in order of their codes; empty for "
        "bundles, and for callers who may not see details."
    )
    async def levels(self, info: Info) -> list[StockLevel]:
        """Load the item's levels."""
        snapshot = await self._snapshot(info)
        if not is_allowed(info, Permission.READ_STOCK):
            return []
        return [present_level(one.level, one.location) for one in self._visible(info, snapshot.own_levels)]

    @strawberry.field(description="What each channel that lists the item was told of its number.")
    async def sync_status(self, info: Info) -> list[ChannelSyncStatus]:
        """Load the item's sync status."""
        return await load_sync_status(info, self.sku)


@compiled_input(description="Which items to list; fields that are left out or null do not narrow the list.")
class InventoryItemFilter:
    """A filter of items."""

    skus: list[str] | None = strawberry.field(default=None, description="Only these SKUs, at most 250.")
    sku_starts_with: str | None = strawberry.field(default=None, description="Only SKUs that begin like this.")
    name_contains: str | None = strawberry.field(
        default=None,
        description="Only items whose name holds this text; the case of the letters a to z does not matter.",
    )
    product_code: str | None = strawberry.field(default=None, description="Only variants of this product.")
    stocked_at: EitherId | None = strawberry.field(
        default=None, description="Only items with a stock level at this location (global id or code)."
    )
    archived: bool | None = strawberry.field(
        default=False, description="true lists the archived items instead of those in use."
    )


def present_components(components: Iterable[Component]) -> list[BundleComponent]:
    """Return what a bundle is made of, as clients see it."""
    return [BundleComponent(sku=one.sku, quantity=one.quantity) for one in components]


def present_item(item: records.Item) -> InventoryItem:
    """Return the item as clients see it."""
    return InventoryItem(
        id=strawberry.ID(node_ids.item_id(item.sku)),
        sku=item.sku,
        name=item.name,
        product_code=item.product_code,
        attributes=[ItemAttribute(name=one.name, value=one.value) for one in item.attributes],
        identifiers=[ItemIdentifier(scheme=one.scheme, value=one.value) for one in item.identifiers],
        is_backorderable=item.is_backorderable,
        is_bundle=item.composition is not None,
        components=[] if item.composition is None else present_components(item.composition.components),
        created_at=item.created_at,
        updated_at=item.updated_at,
        archived_at=item.archived_at,
    )


async def load_item(info: Info, sku: str) -> InventoryItem | None:
    """Return the item with this SKU; None when there is none in use."""
    found = await info.context.services.loaders.items.load(sku, at_least=required_position(info))
    return None if found is None else present_item(found)


@strawberry.type
class ItemQueries:
    """Questions about items."""

    @strawberry.field(description="One item, by its global id or its SKU; null when there is none in use.")
    async def inventory_item(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The item's global id.")] = None,
        sku: Annotated[str | None, strawberry.argument(description="The item's SKU.")] = None,
        min_position: MinPosition = None,
    ) -> InventoryItem | None:
        """Return an item; exactly one of the arguments says which."""
        if (id is None) == (sku is None):
            raise bad_input("Give either `id` or `sku`.")
        require(info, min_position)
        return await load_item(info, sku or node_ids.code_from(id or "", type_name=node_ids.ITEM))

    @strawberry.field(description="Items in order of their SKUs.")
    async def inventory_items(
        self,
        info: Info,
        first: First = 50,
        after: After = None,
        filter: Annotated[
            InventoryItemFilter | None, strawberry.argument(description="Which items; null lists all in use.")
        ] = None,
        min_position: MinPosition = None,
    ) -> Connection[InventoryItem]:
        """Return a page of items."""
        require(info, min_position)
        size = checked_page_size(first)
        wanted, begin = _domain_filter(filter or InventoryItemFilter()), key_from_cursor(after)
        if wanted.stocked_at is not None and not scope_of(info).sees_location(wanted.stocked_at):
            return page_of([], first=size, after=after, present=present_item, key=lambda one: one.sku)
        rows = await info.context.services.reads.item_page(
            wanted, after=begin, limit=size + 1, at_least=required_position(info)
        )
        return page_of(rows, first=size, after=after, present=present_item, key=lambda one: one.sku)


def _domain_filter(wanted: InventoryItemFilter) -> ItemFilter:
    if wanted.skus is not None and len(wanted.skus) > PAGE_SIZE_MAX:
        raise bad_input(f"`filter.skus` names {len(wanted.skus)} SKUs; name at most {PAGE_SIZE_MAX}.")
    return ItemFilter(
        skus=None if wanted.skus is None else tuple(wanted.skus),
        sku_starts_with=wanted.sku_starts_with,
        name_contains=wanted.name_contains,
        product_code=wanted.product_code,
        stocked_at=None
        if wanted.stocked_at is None
        else node_ids.code_from(wanted.stocked_at, type_name=node_ids.LOCATION),
        is_archived=bool(wanted.archived),
    )

"""Stock levels, movements and adjustments as GraphQL types, and the questions about the ledger."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import strawberry

from domain import adjustments
from domain.levels import StockLevel as DomainLevel
from domain.permissions import Permission
from domain.ports import LedgerRow
from domain.postings import PostingCause as DomainCause
from domain.principals import EVERYTHING, Principal
from domain.records import Location as DomainLocation
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import AdjustmentReason, InventoryBucket, PostingCause
from resolvers.errors import bad_input
from resolvers.freshness import MinPosition, require, required_position
from resolvers.pagination import After, Connection, First, checked_page_size, key_from_cursor, page_of, whole_number
from resolvers.places import EitherId, Location, Node, present_location
from resolvers.visibility import is_allowed, scope_of, visible_locations

SOMEBODY_ELSE = "another account"


@strawberry.type(description="The counters of one item at one location, in base units.")
class StockLevel(Node):
    """A stock level."""

    sku: str = strawberry.field(description="The item's SKU.")
    location: Location = strawberry.field(description="The location that the level is at.")
    on_hand: int = strawberry.field(description="All units that are physically there, in base units.")
    reserved: int = strawberry.field(description="Part of on hand: held for checkouts.")
    allocated: int = strawberry.field(description="Part of on hand: committed to orders that have not shipped.")
    quarantined: int = strawberry.field(description="Part of on hand: set aside for inspection.")
    damaged: int = strawberry.field(description="Part of on hand: cannot be sold as new.")
    safety_stock: int = strawberry.field(description="Part of on hand: kept back on purpose.")
    incoming: int = strawberry.field(description="Ordered from suppliers, not yet here.")
    in_transit: int = strawberry.field(description="On its way here from another location.")
    backordered: int = strawberry.field(description="Sold, waiting for stock to come in.")
    available: int = strawberry.field(
        description="What may be sold: on hand less reserved, allocated, quarantined, damaged and safety stock. "
        "Negative when more is promised than there is."
    )
    version: int = strawberry.field(description="Grows by one with each command that changes the level.")
    updated_at: datetime = strawberry.field(description="When the level last changed.")
    has_open_conflict: bool = strawberry.field(
        description="Whether a recorded fact left promises here without stock behind them."
    )


@strawberry.type(description="One row of the ledger: a counter moved. Rows are only ever added.")
class StockMovement:
    """A movement."""

    sku: str = strawberry.field(description="The item's SKU.")
    location_code: str = strawberry.field(description="The location's code.")
    bucket: InventoryBucket = strawberry.field(description="The counter that moved.")
    delta: int = strawberry.field(description="By how much, in base units; negative when units left the counter.")
    balance_after: int = strawberry.field(description="Where the counter stood afterwards.")
    reason: AdjustmentReason | None = strawberry.field(
        description="Why it moved; null when a document (a reservation, an order) moved it."
    )
    cause: PostingCause | None = strawberry.field(
        description="What happened to the document that moved it; null when an adjustment did."
    )
    document_id: strawberry.ID | None = strawberry.field(
        description="The global id of that document; `node` answers it to those who may see it."
    )
    recorded_at: datetime = strawberry.field(description="When it was recorded.")
    adjustment_id: strawberry.Private[str | None]

    @strawberry.field(description="The location where the counter moved.")
    async def location(self, info: Info) -> Location:
        """Load the location."""
        return await location_of_record(info, self.location_code)

    @strawberry.field(
        description="The adjustment that the movement belongs to, with all that moved with it; null when a document "
        "moved it."
    )
    async def adjustment(self, info: Info) -> "InventoryAdjustment | None":
        """Load the adjustment."""
        if self.adjustment_id is None:
            return None
        found = await info.context.services.loaders.adjustments.load(self.adjustment_id)
        if found is None:
            raise LookupError(f"movement without its adjustment {self.adjustment_id}")
        return present_adjustment(found, info.context.principal)


@strawberry.type(description="The movements of one command, with why, by whom and when.")
class InventoryAdjustment(Node):
    """An adjustment."""

    idempotency_key: str = strawberry.field(
        description="The key under which it was requested; empty when another account did and you see some places only."
    )
    sku: str = strawberry.field(description="The item's SKU.")
    reason: AdjustmentReason = strawberry.field(description="Why stock changed.")
    movements: list[StockMovement] = strawberry.field(
        description="What moved, one entry a counter and location; empty for a count that confirmed the record."
    )
    source_channel_id: strawberry.ID | None = strawberry.field(description="The code of the channel that caused it.")
    reference_document_uri: str | None = strawberry.field(description="The document behind it, as given.")
    correlation_id: str | None = strawberry.field(description="The caller's own trace id, as given.")
    occurred_at: datetime = strawberry.field(description="When it happened in the world, as given; else recordedAt.")
    recorded_at: datetime = strawberry.field(description="When it was recorded.")
    recorded_by: str = strawberry.field(
        description="Who recorded it; `another account` when you see some places only, and it was another."
    )
    position: str | None = strawberry.field(
        description="Its place in the order of all events; null for a dry run, which has none."
    )


def present_level(level: DomainLevel, location: DomainLocation) -> StockLevel:
    """Return the level as clients see it."""
    return StockLevel(
        id=strawberry.ID(node_ids.level_id(level.sku, level.location)),
        sku=level.sku,
        location=present_location(location),
        on_hand=level.on_hand,
        reserved=level.reserved,
        allocated=level.allocated,
        quarantined=level.quarantined,
        damaged=level.damaged,
        safety_stock=level.safety_stock,
        incoming=level.incoming,
        in_transit=level.in_transit,
        backordered=level.backordered,
        available=level.available,
        version=level.version,
        updated_at=level.updated_at,
        has_open_conflict=level.conflict_id is not None,
    )


def present_adjustment(adjustment: adjustments.Adjustment, caller: Principal) -> InventoryAdjustment:
    """Return the adjustment as the caller sees it: without what moved at places that it does not see.

    A caller that sees some places only is not told either by whom, and under which names, others changed stock there.
    """
    scope, channel = caller.scope, adjustment.source_channel
    is_told_all = scope == EVERYTHING or adjustment.account == caller.account
    return InventoryAdjustment(
        id=strawberry.ID(node_ids.adjustment_id(adjustment.id)),
        idempotency_key=adjustment.idempotency_key if is_told_all else "",
        sku=adjustment.sku,
        reason=adjustment.reason,
        movements=[
            StockMovement(
                sku=adjustment.sku,
                location_code=movement.location,
                bucket=movement.bucket,
                delta=movement.delta,
                balance_after=movement.balance_after,
                reason=adjustment.reason,
                cause=None,
                document_id=None,
                recorded_at=adjustment.recorded_at,
                adjustment_id=adjustment.id,
            )
            for movement in adjustment.movements
            if scope.sees_location(movement.location)
        ],
        source_channel_id=strawberry.ID(channel) if channel is not None and scope.sees_channel(channel) else None,
        reference_document_uri=adjustment.reference_document_uri if is_told_all else None,
        correlation_id=adjustment.correlation_id if is_told_all else None,
        occurred_at=adjustment.occurred_at,
        recorded_at=adjustment.recorded_at,
        recorded_by=adjustment.recorded_by if is_told_all else SOMEBODY_ELSE,
        position=None if adjustment.position is None else str(adjustment.position),
    )


def present_if_visible(adjustment: adjustments.Adjustment, caller: Principal) -> InventoryAdjustment | None:
    """Return the adjustment, or None when all that it moved lies where the caller does not see."""
    seen = caller.scope
    is_elsewhere = adjustment.movements and not any(seen.sees_location(one.location) for one in adjustment.movements)
    return None if is_elsewhere else present_adjustment(adjustment, caller)


def present_ledger_row(row: LedgerRow) -> StockMovement:
    """Return the ledger row as clients see it."""
    return StockMovement(
        sku=row.sku,
        location_code=row.location,
        bucket=row.bucket,
        delta=row.delta,
        balance_after=row.balance_after,
        reason=row.reason,
        cause=row.cause,
        document_id=present_document_id(row.cause, row.document_id),
        recorded_at=row.recorded_at,
        adjustment_id=row.adjustment_id,
    )


def present_document_id(cause: DomainCause | None, document: str | None) -> strawberry.ID | None:
    """Return the global id of the document behind a posting."""
    return None if cause is None or document is None else strawberry.ID(node_ids.document_id(cause, document))


async def present_levels(info: Info, levels: Iterable[DomainLevel]) -> list[StockLevel]:
    """Return the levels that the caller may see, with their locations loaded."""
    if not is_allowed(info, Permission.READ_STOCK):
        return []
    wanted = [level for level in levels if scope_of(info).sees_location(level.location)]
    places = await info.context.services.loaders.locations_ever_used.load_many([level.location for level in wanted])
    return [present_level(level, place) for level, place in zip(wanted, places, strict=True) if place is not None]


async def load_adjustment(info: Info, key: str) -> InventoryAdjustment | None:
    """Return an adjustment of the caller's account, or to administrators of any; others are as good as missing."""
    found = await info.context.services.loaders.adjustments.load(key)
    is_own = found is not None and found.account == info.context.principal.account
    if found is None or not (is_own or is_allowed(info, Permission.MANAGE_ACCOUNTS)):
        return None
    return present_if_visible(found, info.context.principal)


async def load_level(info: Info, key: str) -> StockLevel | None:
    """Return the level behind the key of its global id."""
    parts = node_ids.pair_from(key)
    if parts is None or not scope_of(info).sees_location(parts[1]):
        return None
    snapshot = await info.context.services.loaders.snapshots.load((parts[0], None), at_least=required_position(info))
    found = next((one for one in snapshot.levels if one.location.code == parts[1]), None)
    return None if found is None else present_level(found.level, found.location)


@strawberry.type
class LedgerQueries:
    """Questions about the ledger."""

    @strawberry.field(
        description="One adjustment of your own account, by its id or its idempotency key. Administrators may name "
        "another account's."
    )
    async def adjustment(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The adjustment's global id.")] = None,
        idempotency_key: Annotated[
            str | None, strawberry.argument(description="The key under which it was requested.")
        ] = None,
        account_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="With `idempotencyKey`: whose key it is (global id or code)."),
        ] = None,
    ) -> InventoryAdjustment | None:
        """Return an adjustment; exactly one of the arguments says which."""
        if (id is None) == (idempotency_key is None):
            raise bad_input("Give either `id` or `idempotencyKey`.")
        if id is not None:
            return await load_adjustment(info, node_ids.code_from(id, type_name=node_ids.ADJUSTMENT))
        own = info.context.principal.account
        account = own if account_id is None else node_ids.code_from(account_id, type_name=node_ids.ACCOUNT)
        if account != own and not is_allowed(info, Permission.MANAGE_ACCOUNTS):
            return None
        found = await info.context.services.reads.adjustment_by_key(idempotency_key or "", account=account)
        return None if found is None else present_if_visible(found, info.context.principal)

    @strawberry.field(
        description="The ledger, newest rows first: every movement there ever was, or those of one item or location."
    )
    async def movements(
        self,
        info: Info,
        sku: Annotated[str | None, strawberry.argument(description="Only this item's movements.")] = None,
        location_id: Annotated[
            EitherId | None, strawberry.argument(description="Only movements here (global id or code).")
        ] = None,
        first: First = 50,
        after: After = None,
        min_position: MinPosition = None,
    ) -> Connection[StockMovement]:
        """Return a page of the ledger."""
        require(info, min_position)
        size = checked_page_size(first)
        cursor = key_from_cursor(after)
        before = None if cursor is None else whole_number(cursor)
        if cursor is not None and before is None:
            raise bad_input("`after` is not a cursor of this list.")
        code = None if location_id is None else node_ids.code_from(location_id, type_name=node_ids.LOCATION)
        places = visible_locations(info, None if code is None else frozenset({code}))
        rows = await info.context.services.reads.movement_page(
            sku=sku,
            locations=None if places is None else sorted(places),
            before=before,
            limit=size + 1,
            at_least=required_position(info),
        )
        return page_of(rows, first=size, after=after, present=present_ledger_row, key=lambda row: str(row.row_id))


async def location_of_record(info: Info, code: str) -> Location:
    """Return a location that a record names, archived or not."""
    found = await info.context.services.loaders.locations_ever_used.load(code)
    if found is None:
        raise LookupError(f"a record names the location {code}, which was never there")
    return present_location(found)

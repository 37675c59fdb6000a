"""Mutations that move stock: parse, make one call, present."""

from collections.abc import Sequence
from typing import Annotated, TypeVar, cast

import strawberry

from domain.levels import StockLevel as DomainLevel
from domain.ports import Receipt
from domain.principals import Principal
from domain.rejections import FieldPath, Refused
from domain.stock_commands import InventoryAdjust, StockCommands
from resolvers.catalogue import InventoryItem, load_item
from resolvers.catalogue_changes import BulkPolicy, bulk_refusal, execute_bulk
from resolvers.context import Info
from resolvers.enums import ErrorPolicy, RejectionCode
from resolvers.errors import UserError, user_errors
from resolvers.listings import ChannelSyncStatus, load_sync_status
from resolvers.receipts import executed, placed
from resolvers.stock import InventoryAdjustment, StockLevel, present_if_visible, present_levels
from resolvers.stock_inputs import (
    InventoryActivateInput,
    InventoryAdjustmentInput,
    InventoryDeactivateInput,
    InventoryMoveInput,
    InventorySetInput,
    activate_command,
    adjust_command,
    deactivate_command,
    move_command,
    set_command,
)


@strawberry.type(description="What became of a request that concerns one item's stock.")
class StockPayload:
    """What all payloads of stock mutations hold."""

    sku: strawberry.Private[str]
    idempotency_key: strawberry.Private[str | None]
    known_position: strawberry.Private[int]
    replayed: bool = strawberry.field(
        description="Whether the key had been used for this very change before: then nothing was applied now."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Why the request was refused, and then nothing was applied; empty when it was accepted."
    )

    @strawberry.field(description="The item as it is now; null when there is none.")
    async def inventory_item(self, info: Info) -> InventoryItem | None:
        """Load the item, unless the caller was turned away at the door."""
        return None if self.is_forbidden else await load_item(info, self.sku)

    @property
    def is_forbidden(self) -> bool:
        """Whether the caller's role may not do this: then the payload tells nothing of the item."""
        return any(one.code is RejectionCode.FORBIDDEN for one in self.user_errors)

    @strawberry.field(
        description="The place of the change in the order of all events (for a refusal: where it was decided); "
        "subscribe after it to see what comes later."
    )
    def position(self) -> str:
        """Return the position."""
        return str(self.known_position)

    @strawberry.field(description="What each channel that lists the item was told; empty when the item is unknown.")
    async def sync_status(self, info: Info) -> list[ChannelSyncStatus]:
        """Load the item's sync status as of this change."""
        if self.is_forbidden:
            return []
        return await load_sync_status(info, self.sku, idempotency_key=self.idempotency_key)


@strawberry.type(description="What became of a request that moves one item's stock.")
class AdjustingPayload(StockPayload):
    """What the payloads of adjustments, counts and moves hold."""

    adjustment: InventoryAdjustment | None = strawberry.field(
        description="What moved; for a repeated key what moved the first time; null when the request was refused."
    )
    changed_levels: strawberry.Private[tuple[DomainLevel, ...]]

    @strawberry.field(
        description="The levels as this change left them (for a dry run: would leave them); empty for a repeated key."
    )
    async def levels(self, info: Info) -> list[StockLevel]:
        """Present the levels with their locations."""
        return await present_levels(info, self.changed_levels)


@strawberry.type(description="What became of an adjustment.")
class InventoryAdjustPayload(AdjustingPayload):
    """The result of inventoryAdjust."""


@strawberry.type(description="What became of a count.")
class InventorySetPayload(AdjustingPayload):
    """The result of inventorySet."""


@strawberry.type(description="What became of a move.")
class InventoryMovePayload(AdjustingPayload):
    """The result of inventoryMove."""


@strawberry.type(description="What became of the beginning of a level.")
class InventoryActivatePayload(StockPayload):
    """The result of inventoryActivate."""


@strawberry.type(description="What became of the end of a level.")
class InventoryDeactivatePayload(StockPayload):
    """The result of inventoryDeactivate."""


@strawberry.type(description="What became of many adjustments.")
class InventoryAdjustBulkPayload:
    """The result of inventoryAdjustBulk."""

    results: list[InventoryAdjustPayload] = strawberry.field(
        description="One result an input, in the order of the inputs; empty when the whole request was refused."
    )
    position: str = strawberry.field(
        description="The newest place of the results in the order of all events; subscribe after it to see what comes "
        "later."
    )
    user_errors: list[UserError] = strawberry.field(description="Why the request as a whole was refused.")


@strawberry.type
class StockMutations:
    """Mutations that move stock."""

    @strawberry.mutation(
        description="Change an item's counters at one or many locations by deltas: sales, returns, corrections. May be "
        "repeated without harm under the same key."
    )
    async def inventory_adjust(
        self,
        info: Info,
        input: Annotated[InventoryAdjustmentInput, strawberry.argument(description="The adjustment.")],
    ) -> InventoryAdjustPayload | None:
        """Adjust one item."""
        command = adjust_command(input, command_id=info.context.services.new_id())
        return _adjusting_payload(
            InventoryAdjustPayload, command, await executed(info, command), by=info.context.principal, prefix=("input",)
        )

    @strawberry.mutation(
        description="Many adjustments in one request, each under its own key; at most 250 entries over all inputs."
    )
    async def inventory_adjust_bulk(
        self,
        info: Info,
        inputs: Annotated[list[InventoryAdjustmentInput], strawberry.argument(description="The adjustments.")],
        error_policy: BulkPolicy = ErrorPolicy.REJECT_FAILED_ROWS,
    ) -> InventoryAdjustBulkPayload | None:
        """Adjust many items."""
        refused = bulk_refusal(sum(max(1, len(one.adjustments)) for one in inputs))
        if refused is not None:
            (outcome,) = await placed(info, [refused])
            errors = user_errors(refused, prefix=())
            return InventoryAdjustBulkPayload(results=[], position=str(outcome.position), user_errors=errors)
        commands = [adjust_command(one, command_id=info.context.services.new_id()) for one in inputs]
        outcomes = await placed(info, await execute_bulk(info, commands, error_policy))
        newest = max(one.position or 0 for one in outcomes)
        return InventoryAdjustBulkPayload(
            results=_bulk_results(commands, outcomes, info.context.principal), position=str(newest), user_errors=[]
        )

    @strawberry.mutation(
        description="Record counts of an item at one or many locations: the counters become what was counted. Begins "
        "levels that are not stocked yet. May be repeated without harm under the same key."
    )
    async def inventory_set(
        self,
        info: Info,
        input: Annotated[InventorySetInput, strawberry.argument(description="The count.")],
    ) -> InventorySetPayload | None:
        """Count one item."""
        command = set_command(input, command_id=info.context.services.new_id())
        if isinstance(command, Refused):
            (refused,) = await placed(info, [command])
            return _refused_payload(InventorySetPayload, input.sku, input.idempotency_key, cast(Refused, refused))
        return _adjusting_payload(
            InventorySetPayload, command, await executed(info, command), by=info.context.principal, prefix=("input",)
        )

    @strawberry.mutation(
        description="Move an item's units between available, quarantined, damaged and safety stock; on hand stays. May "
        "be repeated without harm under the same key."
    )
    async def inventory_move(
        self,
        info: Info,
        input: Annotated[InventoryMoveInput, strawberry.argument(description="The moves.")],
    ) -> InventoryMovePayload | None:
        """Move one item's units."""
        command = move_command(input, command_id=info.context.services.new_id())
        return _adjusting_payload(
            InventoryMovePayload, command, await executed(info, command), by=info.context.principal, prefix=("input",)
        )

    @strawberry.mutation(description="Begin to stock an item at a location, with all counters at zero.")
    async def inventory_activate(
        self,
        info: Info,
        input: Annotated[InventoryActivateInput, strawberry.argument(description="The level.")],
    ) -> InventoryActivatePayload | None:
        """Begin one level."""
        command = activate_command(input, command_id=info.context.services.new_id())
        return _level_payload(InventoryActivatePayload, command, await executed(info, command))

    @strawberry.mutation(description="End a stock level on which nothing is left and nothing is promised.")
    async def inventory_deactivate(
        self,
        info: Info,
        input: Annotated[InventoryDeactivateInput, strawberry.argument(description="The level.")],
    ) -> InventoryDeactivatePayload | None:
        """End one level."""
        command = deactivate_command(input, command_id=info.context.services.new_id())
        return _level_payload(InventoryDeactivatePayload, command, await executed(info, command))


Adjusting = TypeVar("Adjusting", InventoryAdjustPayload, InventorySetPayload, InventoryMovePayload)
LevelPayload = TypeVar("LevelPayload", InventoryActivatePayload, InventoryDeactivatePayload)


def _adjusting_payload(
    kind: type[Adjusting], command: StockCommands, outcome: Receipt | Refused, *, by: Principal, prefix: FieldPath
) -> Adjusting:
    if isinstance(outcome, Refused):
        return _refused_payload(kind, command.sku, command.idempotency_key, outcome, prefix)
    return kind(
        sku=command.sku,
        idempotency_key=command.idempotency_key,
        known_position=outcome.position,
        replayed=outcome.replayed,
        user_errors=[],
        adjustment=None if outcome.adjustment is None else present_if_visible(outcome.adjustment, by),
        changed_levels=outcome.levels,
    )


def _refused_payload(
    kind: type[Adjusting], sku: str, key: str | None, refused: Refused, prefix: FieldPath = ("input",)
) -> Adjusting:
    return kind(
        sku=sku,
        idempotency_key=key,
        known_position=refused.position or 0,
        replayed=False,
        user_errors=user_errors(refused, prefix=prefix),
        adjustment=None,
        changed_levels=(),
    )


def _level_payload(kind: type[LevelPayload], command: StockCommands, outcome: Receipt | Refused) -> LevelPayload:
    if isinstance(outcome, Refused):
        replayed, errors = False, user_errors(outcome)
    else:
        replayed, errors = outcome.replayed, []
    return kind(
        sku=command.sku,
        idempotency_key=command.idempotency_key,
        known_position=outcome.position or 0,
        replayed=replayed,
        user_errors=errors,
    )


def _bulk_results(
    commands: Sequence[InventoryAdjust], outcomes: Sequence[Receipt | Refused], by: Principal
) -> list[InventoryAdjustPayload]:
    return [
        _adjusting_payload(InventoryAdjustPayload, command, outcome, by=by, prefix=("inputs", str(index)))
        for index, (command, outcome) in enumerate(zip(commands, outcomes, strict=True))
    ]

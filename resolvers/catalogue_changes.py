"""Mutations of the catalogue: items, locations, channels, listings; fields that are left out stay as they are."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, TypeVar

import strawberry

from domain.catalogue import (
    ChannelArchive,
    ItemArchive,
    LocationArchive,
)
from domain.decider import Command
from domain.listings import ListingUpsert
from domain.ports import Receipt
from domain.rejections import FieldPath, Refused, Rejection, refuse
from resolvers import node_ids
from resolvers.catalogue import InventoryItem, load_item
from resolvers.catalogue_inputs import (
    ChannelArchiveInput,
    ChannelUpsertInput,
    ItemArchiveInput,
    ItemUpsertInput,
    LocationArchiveInput,
    LocationUpsertInput,
    channel_upsert_command,
    item_upsert_command,
    listing_upsert_command,
    location_upsert_command,
)
from resolvers.context import Info
from resolvers.enums import ErrorPolicy, RejectionCode
from resolvers.errors import UserError, user_errors
from resolvers.freshness import CataloguePayload, newest_of
from resolvers.listings import (
    ListingUpsertBulkPayload,
    ListingUpsertInput,
    ListingUpsertResult,
    load_listing,
)
from resolvers.places import Channel, Location, load_channel, load_location

ENTRIES_PER_BULK_MAX = 250
Outcome = Receipt | Refused


@strawberry.type(description="What became of a change of an item.")
class ItemPayload(CataloguePayload):
    """The result of one item."""

    inventory_item: InventoryItem | None = strawberry.field(
        description="The item as it is now; null when it was refused or archived."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


@strawberry.type(description="What became of a bulk change of items.")
class ItemUpsertBulkPayload(CataloguePayload):
    """The results of all items."""

    results: list[ItemPayload] = strawberry.field(description="One result an entry, in the order of the input.")
    user_errors: list[UserError] = strawberry.field(description="Why the request as a whole was refused.")


@strawberry.type(description="What became of a change of a location.")
class LocationPayload(CataloguePayload):
    """The result of one location."""

    location: Location | None = strawberry.field(
        description="The location as it is now; null when it was refused or archived."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


@strawberry.type(description="What became of a change of a channel.")
class ChannelPayload(CataloguePayload):
    """The result of one channel."""

    channel: Channel | None = strawberry.field(
        description="The channel as it is now; null when it was refused or archived."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


BulkPolicy = Annotated[ErrorPolicy, strawberry.argument(description="What to do when an entry is refused.")]


@strawberry.type
class CatalogueMutations:
    """Changes of the catalogue. Each may be sent again without harm: what is so already stays so."""

    @strawberry.mutation(description="Create an item or change it; an archived item comes back.")
    async def item_upsert(
        self,
        info: Info,
        input: Annotated[ItemUpsertInput, strawberry.argument(description="The item.")],
    ) -> ItemPayload | None:
        """Upsert one item."""
        return await _item_payload(info, input.sku, await _execute(info, item_upsert_command(input)), ("input",))

    @strawberry.mutation(description="Create or change up to 250 items.")
    async def item_upsert_bulk(
        self,
        info: Info,
        inputs: Annotated[list[ItemUpsertInput], strawberry.argument(description="The items, at most 250.")],
        error_policy: BulkPolicy = ErrorPolicy.REJECT_FAILED_ROWS,
    ) -> ItemUpsertBulkPayload | None:
        """Upsert many items."""
        refused = bulk_refusal(len(inputs))
        if refused is not None:
            return ItemUpsertBulkPayload(known_position=None, results=[], user_errors=user_errors(refused, prefix=()))
        outcomes = await execute_bulk(info, [item_upsert_command(one) for one in inputs], error_policy)
        results = await asyncio.gather(
            *(
                _item_payload(info, one.sku, outcome, ("inputs", str(index)))
                for index, (one, outcome) in enumerate(zip(inputs, outcomes, strict=True))
            )
        )
        return ItemUpsertBulkPayload(known_position=newest_of(outcomes), results=results, user_errors=[])

    @strawberry.mutation(description="Take an item that is stocked nowhere out of the catalogue.")
    async def item_archive(
        self,
        info: Info,
        input: Annotated[ItemArchiveInput, strawberry.argument(description="The item.")],
    ) -> ItemPayload | None:
        """Archive one item."""
        outcome = await _execute(info, ItemArchive(sku=input.sku))
        return await _item_payload(info, input.sku, outcome, ("input",))

    @strawberry.mutation(description="Create a location or change it; an archived location comes back.")
    async def location_upsert(
        self,
        info: Info,
        input: Annotated[LocationUpsertInput, strawberry.argument(description="The location.")],
    ) -> LocationPayload | None:
        """Upsert one location."""
        outcome = await _execute(info, location_upsert_command(input))
        return await _location_payload(info, input.code, outcome)

    @strawberry.mutation(description="Take a location that stocks nothing out of use.")
    async def location_archive(
        self,
        info: Info,
        input: Annotated[LocationArchiveInput, strawberry.argument(description="The location.")],
    ) -> LocationPayload | None:
        """Archive one location."""
        code = node_ids.code_from(input.location_id, type_name=node_ids.LOCATION)
        return await _location_payload(info, code, await _execute(info, LocationArchive(code=code)))

    @strawberry.mutation(description="Create a channel or change it; an archived channel comes back.")
    async def channel_upsert(
        self,
        info: Info,
        input: Annotated[ChannelUpsertInput, strawberry.argument(description="The channel.")],
    ) -> ChannelPayload | None:
        """Upsert one channel."""
        outcome = await _execute(info, channel_upsert_command(input))
        return await _channel_payload(info, input.code, outcome)

    @strawberry.mutation(description="Take a channel out of use; its listings no longer count.")
    async def channel_archive(
        self,
        info: Info,
        input: Annotated[ChannelArchiveInput, strawberry.argument(description="The channel.")],
    ) -> ChannelPayload | None:
        """Archive one channel."""
        code = node_ids.code_from(input.channel_id, type_name=node_ids.CHANNEL)
        return await _channel_payload(info, code, await _execute(info, ChannelArchive(code=code)))

    @strawberry.mutation(description="List up to 250 items on channels, or change the channels' own keys for them.")
    async def listing_upsert_bulk(
        self,
        info: Info,
        inputs: Annotated[list[ListingUpsertInput], strawberry.argument(description="The listings, at most 250.")],
        error_policy: BulkPolicy = ErrorPolicy.REJECT_FAILED_ROWS,
    ) -> ListingUpsertBulkPayload | None:
        """Upsert many listings."""
        refused = bulk_refusal(len(inputs))
        if refused is not None:
            return ListingUpsertBulkPayload(
                known_position=None, results=[], user_errors=user_errors(refused, prefix=())
            )
        commands = [listing_upsert_command(one) for one in inputs]
        outcomes = await execute_bulk(info, commands, error_policy)
        results = await asyncio.gather(
            *(
                _listing_result(info, command, outcome, ("inputs", str(index)))
                for index, (command, outcome) in enumerate(zip(commands, outcomes, strict=True))
            )
        )
        return ListingUpsertBulkPayload(known_position=newest_of(outcomes), results=results, user_errors=[])


def bulk_refusal(entries: int) -> Refused | None:
    """Return why a bulk request of so many entries is refused as a whole, if it is."""
    if 1 <= entries <= ENTRIES_PER_BULK_MAX:
        return None
    message = f"There are {entries} entries over all inputs; send 1 to {ENTRIES_PER_BULK_MAX} a request."
    return refuse(Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("inputs",)))


CommandType = TypeVar("CommandType", bound=Command)


async def execute_bulk(info: Info, commands: Sequence[CommandType], policy: ErrorPolicy) -> list[Outcome]:
    """Run the commands of a bulk mutation under its error policy."""
    ledger, by = info.context.services.ledger, info.context.principal
    if policy is ErrorPolicy.REJECT_EVERYTHING:
        return await ledger.execute_together(commands, by=by)
    return await ledger.execute_each(commands, by=by)


async def _execute(info: Info, command: Command) -> Outcome:
    return await info.context.services.ledger.execute(command, by=info.context.principal)


async def _item_payload(info: Info, sku: str, outcome: Outcome, prefix: FieldPath) -> ItemPayload:
    if isinstance(outcome, Refused):
        errors = user_errors(outcome, prefix=prefix)
        return ItemPayload(known_position=outcome.position, inventory_item=None, user_errors=errors)
    item = await load_item(info, sku)
    return ItemPayload(known_position=outcome.position, inventory_item=item, user_errors=[])


async def _location_payload(info: Info, code: str, outcome: Outcome) -> LocationPayload:
    if isinstance(outcome, Refused):
        return LocationPayload(known_position=outcome.position, location=None, user_errors=user_errors(outcome))
    location = await load_location(info, code)
    return LocationPayload(known_position=outcome.position, location=location, user_errors=[])


async def _channel_payload(info: Info, code: str, outcome: Outcome) -> ChannelPayload:
    if isinstance(outcome, Refused):
        return ChannelPayload(known_position=outcome.position, channel=None, user_errors=user_errors(outcome))
    channel = await load_channel(info, code)
    return ChannelPayload(known_position=outcome.position, channel=channel, user_errors=[])


async def _listing_result(
    info: Info, command: ListingUpsert, outcome: Outcome, prefix: FieldPath
) -> ListingUpsertResult:
    if isinstance(outcome, Refused):
        return ListingUpsertResult(listing=None, user_errors=user_errors(outcome, prefix=prefix))
    key = node_ids.pair_key(command.sku, command.channel)
    return ListingUpsertResult(listing=await load_listing(info, key), user_errors=[])

"""Rows of a file on their way into the ledger, through the ports; the command line and the mutation share it.

The rule: what a row says is checked and decided where every other command is; nothing here refuses by rules of its
own. A dry run of the catalogue decides on what is there now, by the same rules, each row as if it were the only one.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from domain import decider
from domain.catalogue import ItemUpsert, LocationUpsert
from domain.csv_records import CsvRecord
from domain.file_columns import Table
from domain.file_rows import row_from
from domain.files import (
    FileCommand,
    ImportRun,
    RowCommand,
    RowResult,
    RowStatus,
    column_of,
    completed,
)
from domain.listings import ListingUpsert
from domain.permissions import forbidden
from domain.ports import Reads, Receipt
from domain.principals import Principal
from domain.records import Item, Listing
from domain.rejections import Refused, Rejection, RejectionCode, refuse
from domain.state import State
from domain.stock_commands import InventorySet
from resolvers.context import Services

KEYS_READ_AT_ONCE_MAX = 100
ROWS_AT_A_STRETCH_MAX = 25
"""So many rows are read before others have their turn: requests, and the batch that is being committed."""
Outcome = Receipt | Refused


async def import_rows(
    services: Services, batch: Collection[CsvRecord], *, table: Table, run: ImportRun, by: Principal
) -> list[RowResult]:
    """Take rows, no two about the same, to the ledger; return what became of each. Raises Overloaded, Unavailable."""
    read: list[RowCommand | Refused] = []
    for record in batch:
        read.append(row_from(table, record, run=run, new_id=services.new_id))
        if len(read) % ROWS_AT_A_STRETCH_MAX == 0:
            await asyncio.sleep(0)
    commands = await _completed(services.reads, [row for row in read if isinstance(row, RowCommand)], by=by)
    outcomes = iter(await _outcomes(services, commands, run=run, by=by))
    following = iter(commands)
    return [
        RowResult(record=record, status=RowStatus.REFUSED, rejections=row.rejections)
        if isinstance(row, Refused)
        else _result(record, next(following), next(outcomes), table=table, run=run)
        for record, row in zip(batch, read, strict=True)
    ]


async def _completed(reads: Reads, rows: Sequence[RowCommand], *, by: Principal) -> list[FileCommand]:
    """Return the rows' commands, with what they leave as it is read where a command has to state it."""
    merging = [row.command.sku for row in rows if isinstance(row.command, ItemUpsert) and row.merges_item]
    items = await _items(reads, merging)
    listings = await _listings(reads, [_listing_key(row.command) for row in rows if row.keeps_external_key])
    serving: dict[str, frozenset[str]] = {}
    if by.scope.channels is None:  # others may not learn which channels a location serves
        commands = [row.command for row in rows]
        codes = [one.code for one in commands if isinstance(one, LocationUpsert) and one.channels is not None]
        serving = await _serving(reads, codes)
    return [
        completed(
            row,
            item=items.get(row.command.sku) if isinstance(row.command, ItemUpsert) else None,
            listing=listings.get(_listing_key(row.command)),
            serves=serving.get(row.command.code) if isinstance(row.command, LocationUpsert) else None,
        )
        for row in rows
    ]


async def _outcomes(
    services: Services, commands: Sequence[FileCommand], *, run: ImportRun, by: Principal
) -> list[Outcome]:
    if not run.is_dry_run:
        return await services.ledger.execute_each(commands, by=by)
    counts = [command for command in commands if isinstance(command, InventorySet)]
    if counts:
        return await _rehearsed_counts(services, counts, by=by)
    return await _rehearsed(services.reads, commands, by=by)


async def _rehearsed_counts(services: Services, counts: Sequence[InventorySet], *, by: Principal) -> list[Outcome]:
    """Let the ledger compute counts; a dry run looks no key up there, so that is done before."""
    known: dict[str, Outcome] = {}
    for start in range(0, len(counts), KEYS_READ_AT_ONCE_MAX):
        part = counts[start : start + KEYS_READ_AT_ONCE_MAX]
        keys = [command.idempotency_key or "" for command in part]
        found = await asyncio.gather(*(services.reads.adjustment_by_key(key, account=by.account) for key in keys))
        for key, command, adjustment in zip(keys, part, found, strict=True):
            if adjustment is not None and forbidden(command, by=by) is None:
                replay = Receipt(position=adjustment.position or 0, replayed=True, adjustment=adjustment)
                known[key] = replay if adjustment.reason is command.reason else refuse(_mismatch())
    new = [command for command in counts if command.idempotency_key not in known]
    computed = iter(await services.ledger.execute_each(new, by=by))
    return [known.get(command.idempotency_key or "") or next(computed) for command in counts]


async def _rehearsed(reads: Reads, commands: Sequence[FileCommand], *, by: Principal) -> list[Outcome]:
    """Decide on a state that is read for the purpose and thrown away."""
    state = await _state(reads, commands)
    position = await reads.position()
    at = datetime.now(UTC)
    outcomes: list[Outcome] = []
    for command in commands:
        refused = decider.malformed(command) or forbidden(command, by=by)
        decided = refused or decider.decide(command, state, by=by, at=at)
        if isinstance(decided, Refused):
            outcomes.append(decided)
        else:
            outcomes.append(Receipt(position=position, replayed=False, events=decided))
    return outcomes


async def _state(reads: Reads, commands: Sequence[FileCommand]) -> State:
    touched = [decider.touches(command) for command in commands]
    skus = sorted({sku for one in touched for sku in one.skus})
    places = sorted({code for one in touched for code in one.locations})
    channels = sorted({code for one in touched for code in one.channels})
    listed = [_listing_key(command) for command in commands if isinstance(command, ListingUpsert)]
    return State(
        items=await _items(reads, skus),
        locations={one.code: one for one in await reads.locations(places) if one is not None} if places else {},
        channels={one.code: one for one in await reads.channels(channels) if one is not None} if channels else {},
        channels_served=await _serving(reads, places),
        listings=await _listings(reads, listed),
    )


async def _items(reads: Reads, skus: Sequence[str]) -> dict[str, Item]:
    return {item.sku: item for item in await reads.items(skus) if item is not None} if skus else {}


async def _serving(reads: Reads, codes: Sequence[str]) -> dict[str, frozenset[str]]:
    served = await reads.channels_served(codes) if codes else []
    return {code: frozenset(one.code for one in serves) for code, serves in zip(codes, served, strict=True)}


async def _listings(reads: Reads, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Listing]:
    found = await reads.listings(sorted({sku for sku, _ in keys})) if keys else []
    return {(one.sku, one.channel): one for listings in found for one in listings}


def _listing_key(command: FileCommand) -> tuple[str, str]:
    return (command.sku, command.channel) if isinstance(command, ListingUpsert) else ("", "")


def _result(record: CsvRecord, command: FileCommand, outcome: Outcome, *, table: Table, run: ImportRun) -> RowResult:
    if isinstance(outcome, Refused):
        rejections = tuple(_told(one, command, table=table, run=run) for one in outcome.rejections)
        return RowResult(record=record, status=RowStatus.REFUSED, rejections=rejections)
    if outcome.replayed:
        status = RowStatus.REPLAYED
    else:
        changed = outcome.levels if isinstance(command, InventorySet) else outcome.events
        status = RowStatus.APPLIED if changed else RowStatus.UNCHANGED
    return RowResult(record=record, status=status, position=outcome.position)


def _told(rejection: Rejection, command: FileCommand, *, table: Table, run: ImportRun) -> Rejection:
    message = rejection.message
    if rejection.code is RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH:
        message = (
            f"The row was imported by run {run.name} for another reason than {run.reason}; name another run to record "
            "it anew, or give the same reason."
        )
    return Rejection(
        code=rejection.code,
        message=message,
        field=column_of(table, command, rejection.field),
        quantity_available=rejection.quantity_available,
    )


def _mismatch() -> Rejection:
    return Rejection(code=RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH, message="", field=("idempotencyKey",))

"""Stock: adjust, count, move, activate and deactivate; what each command may do and what happens when it does.

The rule: a claim may be refused, a fact must be recorded; both leave counters that the ledger sums to.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from domain import stock_checks as checks
from domain.adjustments import Adjustment, CounterChange, Entry, LevelChange, merge_entries
from domain.conflicts import ConflictEvent, StockConflictClosed, StockConflictOpened, settle_conflict
from domain.levels import LevelKey, StockLevel
from domain.principals import Principal
from domain.rejections import Refused, Rejection, first_refused
from domain.state import Selectors, State, level_before
from domain.stock_commands import (
    AdjustingCommand,
    InventoryActivate,
    InventoryAdjust,
    InventoryAdjusted,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    LevelActivated,
    LevelDeactivated,
    StockCommands,
    StockEvent,
)


def malformed(command: StockCommands) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    yield from checks.details_well_formed(command)
    if isinstance(command, InventoryAdjust | InventorySet | InventoryMove):
        yield from checks.entries_well_formed(command)


def touches(command: StockCommands) -> Selectors:
    """Return what the command needs to see."""
    sku = command.sku
    if isinstance(command, InventoryActivate | InventoryDeactivate):
        locations = frozenset({command.location})
    else:
        locations = frozenset(entry.location for entry in command.entries)
    skus = frozenset({sku})
    levels: frozenset[LevelKey] = frozenset((sku, location) for location in locations)
    activates = isinstance(command, InventoryActivate | InventorySet)
    return Selectors(
        skus=skus,
        locations=locations,
        channels=frozenset() if command.source_channel is None else frozenset({command.source_channel}),
        levels=levels,
        activated_levels=levels if activates else frozenset(),
        level_counts_of_items=skus if activates else frozenset(),
    )


def decide(command: StockCommands, state: State, *, by: Principal, at: datetime) -> tuple[StockEvent, ...] | Refused:
    """Return what happens, or why it may not."""
    match command:
        case InventoryAdjust() | InventorySet() | InventoryMove():
            return decide_adjusting(command, state, by=by, at=at)
        case InventoryActivate():
            return decide_activate(command, state, at=at)
        case InventoryDeactivate():
            return decide_deactivate(command, state, at=at)
        case _:
            assert_never(command)


def evolve(state: State, event: StockEvent) -> State:
    """Return the state after the event."""
    match event:
        case InventoryAdjusted(levels=levels):
            for level in levels:
                state.put_level(level)
        case LevelDeactivated(level=level):
            state.end_level(level)
        case LevelActivated(level=level) | StockConflictOpened(level=level) | StockConflictClosed(level=level):
            state.put_level(level)
        case _:
            assert_never(event)
    return state


def decide_adjusting(
    command: AdjustingCommand, state: State, *, by: Principal, at: datetime
) -> tuple[StockEvent, ...] | Refused:
    """Adjust, count or move: entries are merged first, so every check sees their sum."""
    entries = command.entries
    changes = _level_changes(command.sku, entries, state, at=at)
    return first_refused(
        (
            checks.item_exists(command, state),
            checks.locations_exist(entries, state),
            checks.source_channel_exists(command, state),
            checks.item_is_no_bundle(command, state),
            checks.buckets_are_adjustable(entries),
            checks.levels_exist(command, entries, state),
            checks.quantities_are_valid(command, entries, changes),
            checks.quantities_seen_are_current(changes),
            checks.stock_suffices(command, changes),
            checks.levels_are_not_too_many(command, state),
        )
    ) or _adjusted(command, changes, by=by, at=at)


def decide_activate(command: InventoryActivate, state: State, *, at: datetime) -> tuple[StockEvent, ...] | Refused:
    """Begin a level; one that has begun already stays as it is."""
    refused = first_refused(
        (
            checks.item_exists(command, state),
            checks.location_exists(command, state),
            checks.source_channel_exists(command, state),
            checks.item_is_no_bundle(command, state),
            checks.levels_are_not_too_many(command, state),
        )
    )
    if refused or (command.sku, command.location) in state.levels:
        return refused or ()
    before = level_before(state, (command.sku, command.location), at=at)
    return (LevelActivated(level=replace(before, version=before.version + 1)),)


def decide_deactivate(command: InventoryDeactivate, state: State, *, at: datetime) -> tuple[StockEvent, ...] | Refused:
    """End a level on which nothing is left and nothing is promised."""
    refused = first_refused(
        (
            checks.item_exists(command, state),
            checks.location_exists(command, state),
            checks.source_channel_exists(command, state),
            checks.item_is_no_bundle(command, state),
            checks.level_exists(command, state),
            checks.level_is_empty(command, state),
        )
    )
    if refused:
        return refused
    level = state.levels[command.sku, command.location]
    return (LevelDeactivated(level=replace(level, version=level.version + 1, updated_at=at)),)


def _level_changes(sku: str, entries: tuple[Entry, ...], state: State, *, at: datetime) -> tuple[LevelChange, ...]:
    merged = merge_entries(entries)
    by_location: dict[str, list[CounterChange]] = {}
    befores: dict[str, StockLevel] = {}
    for entry in merged.values():
        if entry.location not in befores:
            befores[entry.location] = level_before(state, (sku, entry.location), at=at)
        balance = befores[entry.location].balance(entry.bucket)
        after = entry.quantity if entry.quantity is not None else balance + (entry.delta or 0)
        change = CounterChange(entry=entry, before=balance, after=after)
        by_location.setdefault(entry.location, []).append(change)
    return tuple(
        LevelChange(
            before=befores[location],
            is_new=(sku, location) not in state.levels,
            counters=tuple(counters),
        )
        for location, counters in by_location.items()
    )


def _adjusted(
    command: AdjustingCommand, changes: tuple[LevelChange, ...], *, by: Principal, at: datetime
) -> tuple[StockEvent, ...]:
    levels: list[StockLevel] = []
    conflicts: list[ConflictEvent] = []
    for change in changes:
        if change.is_real:
            level, conflict = settle_conflict(change.level_after(at=at), cause=command.command_id)
            levels.append(level)
            if conflict is not None:
                conflicts.append(conflict)
    adjustment = Adjustment(
        id=command.command_id,
        account=by.account,
        idempotency_key=command.idempotency_key or "",
        sku=command.sku,
        reason=command.reason,
        movements=tuple(movement for change in changes for movement in change.movements()),
        source_channel=command.source_channel,
        reference_document_uri=command.reference_document_uri,
        correlation_id=command.correlation_id,
        occurred_at=command.occurred_at or at,
        recorded_at=at,
        recorded_by=by.name,
    )
    return (InventoryAdjusted(adjustment=adjustment, levels=tuple(levels)), *conflicts)

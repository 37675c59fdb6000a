"""One write transaction as a script: load, lock, look keys up, decide in memory, write, take positions.

The rule (and the order is the point): the catalogue's lock comes first, where it is needed; levels are locked *before*
keys are looked up, so a writer that waited for the lock sees what the holder kept; positions are taken last, so that
they are dense and in the order of the commits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.ledger_requests import AccountKey, Group, Outcome, Request
from app.storage import accounts, catalogue, events, ledger, stock
from app.storage.statements import Script, run, run_if_any
from app.storage.times import from_microseconds
from domain import decider
from domain.accounts import AccountEvent
from domain.adjustments import Adjustment
from domain.catalogue import (
    ChannelArchived,
    ChannelUpserted,
    ItemArchived,
    ItemUpserted,
    LocationArchived,
    LocationUpserted,
)
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import LevelKey, StockLevel
from domain.listings import ListingUpserted
from domain.ports import Receipt
from domain.rejections import Refused, Rejection, RejectionCode, refuse
from domain.state import Selectors, State
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated, StockCommands


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a key stands for; `adjustment` is what a replay answers, None where nothing was adjusted."""

    fingerprint: str
    adjustment_id: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that was accepted in this batch, with its events; `slot` is its place among all outcomes."""

    slot: int
    request: Request
    events: tuple[Event, ...]


@dataclass(slots=True, kw_only=True)
class Working:
    """The batch in memory: the loaded truth, the ids behind its codes, the keys, and what is kept so far."""

    at: datetime
    at_microseconds: int
    head: int
    state: State
    item_ids: dict[str, int]
    location_ids: dict[str, int]
    known_keys: dict[AccountKey, KnownKey] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    replayed: dict[int, KnownKey] = field(default_factory=dict)

    def scratch(self) -> "Working":
        """Return a copy on which a group can be tried."""
        return replace(
            self,
            state=self.state.scratch(),
            known_keys=dict(self.known_keys),
            kept=list(self.kept),
            replayed=dict(self.replayed),
        )

    def level_ids(self, key: LevelKey) -> tuple[int, int]:
        """Return (item id, location id) of a level."""
        return (self.item_ids[key[0]], self.location_ids[key[1]])

    @property
    def position(self) -> int:
        """The head of the log as the next command of the batch sees it."""
        return self.head + sum(len(kept.events) for kept in self.kept)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcomes of each group, in order; `has_writes` says whether there is anything to commit."""

    outcomes: list[list[Outcome]]
    has_writes: bool


def commit_batch(groups: Sequence[Group]) -> Script[BatchResult]:
    """Decide every group in turn and write what is accepted."""
    requests = [request for group in groups for request in group.requests]
    working = yield from _load(requests)
    outcomes: list[Outcome | None] = []
    for group in groups:
        working = _decide_group(group, working, outcomes)
    adjustments = {} if not working.kept else (yield from _write(working, outcomes))
    yield from _answer_replays(working, outcomes, adjustments)
    return BatchResult(outcomes=_by_group(groups, outcomes), has_writes=bool(working.kept))


def _load(requests: Sequence[Request]) -> Script[Working]:
    yield from _lock_catalogue(requests)
    selectors = [request.selectors for request in requests]
    skus = sorted({sku for one in selectors for sku in one.skus})
    location_codes = sorted({code for one in selectors for code in one.locations})
    item_rows = yield from run_if_any(catalogue.items_by_sku, skus=skus)
    location_rows = yield from run_if_any(catalogue.locations_by_code, codes=location_codes)
    state = State(
        items={row[1]: catalogue.item_from(row) for row in item_rows},
        locations={row[1]: catalogue.location_from(row) for row in location_rows},
    )
    yield from _load_channels(state, selectors)
    clock = yield from run(events.clock_and_head)
    working = Working(
        at=from_microseconds(clock[0][0]),
        at_microseconds=clock[0][0],
        head=clock[0][1],
        state=state,
        item_ids={row[1]: row[0] for row in item_rows},
        location_ids={row[1]: row[0] for row in location_rows},
    )
    yield from _lock_levels(working, selectors)
    yield from _load_under_locks(working, requests)
    return working


def _lock_catalogue(requests: Sequence[Request]) -> Script[None]:
    """Wait for other processes: what is not there yet, or is to go, has no row that could be locked.

    Changes of the catalogue, of accounts and of keys are made one at a time, and while one is made no level begins.
    """
    if not all(isinstance(request.command, StockCommands) for request in requests):
        yield from run(catalogue.lock_catalogue_alone)
    elif any(request.selectors.activated_levels for request in requests):
        yield from run(catalogue.lock_catalogue_shared)


def _load_channels(state: State, selectors: Iterable[Selectors]) -> Script[None]:
    codes = sorted({code for one in selectors for code in one.channels})
    rows = yield from run_if_any(catalogue.channels_by_code, codes=codes)
    state.channels.update((row[1], catalogue.channel_from(row)) for row in rows)
    served_by = sorted({code for one in selectors if not one.levels for code in one.locations})
    served = yield from run_if_any(catalogue.channel_codes_by_location, codes=served_by)
    for location, channel in served:
        state.channels_served[location] = state.channels_served.get(location, frozenset()) | {channel}


def _lock_levels(working: Working, selectors: Sequence[Selectors]) -> Script[None]:
    begin = _known_ids(working, (key for one in selectors for key in one.activated_levels))
    empty = [stock.empty_level_row(ids, at_microseconds=working.at_microseconds) for ids in sorted(begin)]
    yield from run_if_any(stock.begin_levels, rows=empty)
    wanted = _known_ids(working, (key for one in selectors for key in one.levels))
    rows = yield from run_if_any(stock.levels_for_update, keys=sorted(wanted))
    for item_id, location_id, is_active, *columns in rows:
        sku, location = wanted[item_id, location_id]
        level = stock.level_from(columns, sku=sku, location=location)
        if is_active:
            working.state.levels[level.key] = level
        else:
            working.state.ended_versions[level.key] = level.version


def _known_ids(working: Working, keys: Iterable[LevelKey]) -> dict[tuple[int, int], LevelKey]:
    return {
        working.level_ids(key): key
        for key in set(keys)
        if key[0] in working.item_ids and key[1] in working.location_ids
    }


def _load_under_locks(working: Working, requests: Sequence[Request]) -> Script[None]:
    selectors = [request.selectors for request in requests]
    counted_items = sorted({sku for one in selectors for sku in one.level_counts_of_items})
    for sku, count in (yield from run_if_any(stock.level_counts_by_sku, skus=counted_items)):
        working.state.level_counts_by_item[sku] = count
    counted_locations = sorted({code for one in selectors for code in one.level_counts_of_locations})
    for code, count in (yield from run_if_any(stock.level_counts_by_location, codes=counted_locations)):
        working.state.level_counts_by_location[code] = count
    listed = sorted({key for one in selectors for key in one.listings})
    for row in (yield from run_if_any(catalogue.listings_by_key, keys=listed)):
        working.state.listings[row[0], row[1]] = catalogue.listing_from(row)
    api_keys = yield from accounts.load_api_keys({key_id for one in selectors for key_id in one.api_keys})
    working.state.api_keys.update((one.id, one) for one in api_keys)
    codes = {code for one in selectors for code in one.accounts} | {one.account for one in api_keys}
    working.state.accounts.update((one.code, one) for one in (yield from accounts.load_accounts(codes)))
    keys = sorted({request.key for request in requests if request.key is not None})
    for account, key, fingerprint, adjustment_id in (yield from run_if_any(ledger.keys_used, keys=keys)):
        working.known_keys[account, key] = KnownKey(fingerprint, adjustment_id)


def _decide_group(group: Group, working: Working, outcomes: list[Outcome | None]) -> Working:
    if len(group.requests) == 1:
        outcomes.append(_decide_one(group.requests[0], working, slot=len(outcomes)))
        return working
    trial = working.scratch()
    is_rehearsal = all(request.is_dry_run for request in group.requests)
    found: list[Outcome | None] = []
    for request in group.requests:
        outcome = _decide_one(request, trial, slot=len(outcomes) + len(found))
        found.append(outcome)
        if is_rehearsal and isinstance(outcome, Receipt):
            _evolve(trial.state, outcome.events)
    if not any(isinstance(outcome, Refused) for outcome in found):
        outcomes.extend(found)
        return working if is_rehearsal else trial
    # What had its answer before still has it; everything else of the group is refused.
    for outcome, request in zip(found, group.requests, strict=True):
        is_replay = request.key in working.known_keys and not isinstance(outcome, Refused)
        if is_replay and request.key is not None:
            working.replayed[len(outcomes)] = working.known_keys[request.key]
        outcomes.append(outcome if is_replay or isinstance(outcome, Refused) else BULK_REFUSED)
    return working


def _decide_one(request: Request, working: Working, *, slot: int) -> Outcome | None:
    """Return the outcome, or None when it is known only once positions are taken or a replay is loaded."""
    if request.refused is not None:
        return request.refused
    known = None if request.key is None else working.known_keys.get(request.key)
    if known is not None:
        if known.fingerprint != request.fingerprint:
            return KEY_MISMATCH
        working.replayed[slot] = known
        return None
    decided = decider.decide(request.command, working.state, by=request.by, at=working.at)
    if isinstance(decided, Refused):
        return replace(decided, position=working.position)
    if request.is_dry_run or (not decided and request.key is None):
        return Receipt(position=working.position, replayed=False, events=decided, adjustment=_adjustment_of(decided))
    _evolve(working.state, decided)
    working.kept.append(Kept(slot, request, decided))
    if request.key is not None and request.fingerprint is not None:
        adjustment = _adjustment_of(decided)
        working.known_keys[request.key] = KnownKey(request.fingerprint, adjustment.id if adjustment else None)
    return None


def _evolve(state: State, decided: Iterable[Event]) -> None:
    for event in decided:
        decider.evolve(state, event)


def _write(working: Working, outcomes: list[Outcome | None]) -> Script[dict[str, Adjustment]]:
    log = [event for kept in working.kept for event in kept.events]
    yield from _write_catalogue(log)
    yield from accounts.write_changed(event for event in log if isinstance(event, AccountEvent))
    yield from _write_levels(working, log)
    yield from ledger.write_movements(
        (event.adjustment, working.item_ids[event.adjustment.sku], working.location_ids)
        for event in log
        if isinstance(event, InventoryAdjusted)
    )
    yield from _write_keys(working)
    return (yield from _write_log(working, log, outcomes))


def _write_log(working: Working, log: Sequence[Event], outcomes: list[Outcome | None]) -> Script[dict[str, Adjustment]]:
    position = working.head
    if log:
        head = yield from run(events.advance_head, count=len(log))
        position = head[0][0] - len(log)
    placed: list[tuple[int, Event]] = []
    adjustments: dict[str, Adjustment] = {}
    for kept in working.kept:
        adjustment = _adjustment_of(kept.events)
        if adjustment is not None:
            adjustment = adjustments[adjustment.id] = replace(adjustment, position=position + 1)
        placed.extend((position + offset, event) for offset, event in enumerate(kept.events, start=1))
        position += len(kept.events)
        outcomes[kept.slot] = Receipt(position=position, replayed=False, events=kept.events, adjustment=adjustment)
    if placed:
        yield from ledger.write_adjustments(
            (adjustment, working.item_ids[adjustment.sku]) for adjustment in adjustments.values()
        )
        yield from events.append(placed, recorded_at_microseconds=working.at_microseconds)
    return adjustments


def _write_catalogue(log: Sequence[Event]) -> Script[None]:
    yield from catalogue.write_items(
        {e.item.sku: e.item for e in log if isinstance(e, ItemUpserted | ItemArchived)}.values()
    )
    yield from catalogue.write_channels(
        {e.channel.code: e.channel for e in log if isinstance(e, ChannelUpserted | ChannelArchived)}.values()
    )
    yield from catalogue.write_locations(
        {e.location.code: e.location for e in log if isinstance(e, LocationUpserted | LocationArchived)}.values()
    )
    yield from catalogue.write_channels_served(
        {e.location.code: e.channels for e in log if isinstance(e, LocationUpserted)}
    )
    yield from catalogue.write_listings(
        {(e.listing.sku, e.listing.channel): e.listing for e in log if isinstance(e, ListingUpserted)}.values()
    )


def _write_levels(working: Working, log: Sequence[Event]) -> Script[None]:
    changed: dict[LevelKey, tuple[StockLevel, bool]] = {}
    for event in log:
        if isinstance(event, InventoryAdjusted):
            changed.update((level.key, (level, True)) for level in event.levels)
        elif isinstance(event, LevelActivated | LevelDeactivated):
            changed[event.level.key] = (event.level, isinstance(event, LevelActivated))
    yield from stock.write_levels(
        (working.level_ids(key), level, is_active) for key, (level, is_active) in changed.items()
    )
    # What was to begin and was refused, or was only a dry run, leaves no trace; the row is not visible to anyone yet.
    never_begun = [working.level_ids(key) for key, version in working.state.ended_versions.items() if version == 0]
    yield from run_if_any(stock.forget_levels, keys=sorted(never_begun))
    yield from stock.write_conflicts(
        [(working.level_ids(e.level.key), e) for e in log if isinstance(e, StockConflictOpened)],
        [e for e in log if isinstance(e, StockConflictClosed)],
    )


def _write_keys(working: Working) -> Script[None]:
    rows = [
        (*kept.request.key, known.fingerprint, known.adjustment_id, working.at_microseconds)
        for kept in working.kept
        if kept.request.key is not None
        for known in (working.known_keys[kept.request.key],)
    ]
    yield from run_if_any(ledger.add_keys, rows=sorted(rows))


def _answer_replays(working: Working, outcomes: list[Outcome | None], new: dict[str, Adjustment]) -> Script[None]:
    ids = {known.adjustment_id for known in working.replayed.values() if known.adjustment_id is not None}
    stored = yield from ledger.load_adjustments(sorted(ids - new.keys()))
    for slot, known in working.replayed.items():
        adjustment = None if known.adjustment_id is None else (new | stored)[known.adjustment_id]
        position = adjustment.position if adjustment is not None and adjustment.position else working.position
        outcomes[slot] = Receipt(position=position, replayed=True, adjustment=adjustment)


def _adjustment_of(decided: Sequence[Event]) -> Adjustment | None:
    return decided[0].adjustment if decided and isinstance(decided[0], InventoryAdjusted) else None


def _by_group(groups: Sequence[Group], outcomes: Sequence[Outcome | None]) -> list[list[Outcome]]:
    answers = iter(outcomes)
    by_group: list[list[Outcome]] = []
    for group in groups:
        answered = [outcome for _, outcome in zip(group.requests, answers, strict=False) if outcome is not None]
        if len(answered) != len(group.requests):
            raise AssertionError("a request was left without an outcome")
        by_group.append(answered)
    return by_group


KEY_MISMATCH = refuse(
    Rejection(
        code=RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH,
        message="This idempotency key was used for a different change; send a new key for a new change, or the "
        "original input to have its answer again.",
        field=("idempotencyKey",),
    )
)
BULK_REFUSED = refuse(
    Rejection(
        code=RejectionCode.BULK_REFUSED,
        message="Nothing was applied, because another entry of this all-or-nothing request was refused; correct the "
        "entries with other codes and send the request again.",
    )
)

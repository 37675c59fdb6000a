"""One write transaction as a script: load under locks, decide in memory, write, take positions.

The rule: positions are taken in the last step before the commit, so that they are dense and in the order of the
commits, and nothing else is waited for while they are held.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.ledger_requests import Group, Outcome, Request
from app.ledger_working import Kept, KnownKey, Working, adjustment_of, load
from app.storage import accounts, catalogue, events, ledger, stock
from app.storage.statements import Call, Script, call_if_any, run_if_any, run_together
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
from domain.state import State
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcomes of each group, in order; `has_writes` says whether there is anything to commit."""

    outcomes: list[list[Outcome]]
    has_writes: bool


def commit_batch(groups: Sequence[Group]) -> Script[BatchResult]:
    """Decide every group in turn and write what is accepted."""
    requests = [request for group in groups for request in group.requests]
    working = yield from load(requests)
    outcomes: list[Outcome | None] = []
    for group in groups:
        working = _decide_group(group, working, outcomes)
    adjustments = {} if not working.kept else (yield from _write(working, outcomes))
    yield from _answer_replays(working, outcomes, adjustments)
    return BatchResult(outcomes=_by_group(groups, outcomes), has_writes=bool(working.kept))


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
        return Receipt(position=working.position, replayed=False, events=decided, adjustment=adjustment_of(decided))
    _evolve(working.state, decided)
    working.keep(Kept(slot, request, decided))
    if request.key is not None and request.fingerprint is not None:
        adjustment = adjustment_of(decided)
        working.known_keys[request.key] = KnownKey(request.fingerprint, adjustment.id if adjustment else None)
    return None


def _evolve(state: State, decided: Iterable[Event]) -> None:
    for event in decided:
        decider.evolve(state, event)


def _write(working: Working, outcomes: list[Outcome | None]) -> Script[dict[str, Adjustment]]:
    log = [event for kept in working.kept for event in kept.events]
    yield from _write_catalogue(log)
    yield from accounts.write_changed(event for event in log if isinstance(event, AccountEvent))
    yield from _write_begun_and_conflicts(working, log)
    # Positions are taken in the last step before the commit: until then no other process waits for them.
    *_, head, _, _ = yield from run_together(
        _call_to_put_levels(working, log),
        _call_to_add_movements(working, log),
        _call_to_add_keys(working),
        *_calls_to_append(working, log),
    )
    return _place(working, outcomes, first=(head[0][0] if head else working.head) - len(log))


def _calls_to_append(working: Working, log: Sequence[Event]) -> tuple[Call | None, Call | None, Call | None]:
    """Return the calls that take positions, keep the adjustments there, and append the events."""
    advance, append = events.calls_to_append(log, recorded_at_microseconds=working.at_microseconds)
    # An adjustment's position is that of its event; what stands behind it in the log is how far that is from the head.
    placed = (
        (event.adjustment, working.item_ids[event.adjustment.sku], len(log) - place)
        for place, event in enumerate(log, start=1)
        if isinstance(event, InventoryAdjusted)
    )
    return advance, ledger.call_to_add_adjustments(placed), append


def _place(working: Working, outcomes: list[Outcome | None], *, first: int) -> dict[str, Adjustment]:
    """Answer what was kept, now that the position before the first event is known; return the adjustments by id."""
    position = first
    adjustments: dict[str, Adjustment] = {}
    for kept in working.kept:
        adjustment = adjustment_of(kept.events)
        if adjustment is not None:
            adjustment = adjustments[adjustment.id] = adjustment.placed(position + 1)
        position += len(kept.events)
        outcomes[kept.slot] = Receipt(position=position, replayed=False, events=kept.events, adjustment=adjustment)
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


def _call_to_put_levels(working: Working, log: Sequence[Event]) -> Call | None:
    changed: dict[LevelKey, tuple[StockLevel, bool]] = {}
    for event in log:
        if isinstance(event, InventoryAdjusted):
            changed.update((level.key, (level, True)) for level in event.levels)
        elif isinstance(event, LevelActivated | LevelDeactivated):
            changed[event.level.key] = (event.level, isinstance(event, LevelActivated))
    return stock.call_to_put_levels(
        (working.level_ids(key), level, is_active) for key, (level, is_active) in changed.items()
    )


def _write_begun_and_conflicts(working: Working, log: Sequence[Event]) -> Script[None]:
    # What was to begin and was refused, or was only a dry run, leaves no trace; the row is not visible to anyone yet.
    never_begun = [working.level_ids(key) for key, version in working.state.ended_versions.items() if version == 0]
    yield from run_if_any(stock.forget_levels, keys=sorted(never_begun))
    yield from stock.write_conflicts(
        [(working.level_ids(e.level.key), e) for e in log if isinstance(e, StockConflictOpened)],
        [e for e in log if isinstance(e, StockConflictClosed)],
    )


def _call_to_add_movements(working: Working, log: Sequence[Event]) -> Call | None:
    return ledger.call_to_add_movements(
        (event.adjustment, working.item_ids[event.adjustment.sku], working.location_ids)
        for event in log
        if isinstance(event, InventoryAdjusted)
    )


def _call_to_add_keys(working: Working) -> Call | None:
    rows = [
        (*kept.request.key, known.fingerprint, known.adjustment_id, working.at_microseconds)
        for kept in working.kept
        if kept.request.key is not None
        for known in (working.known_keys[kept.request.key],)
    ]
    return call_if_any(ledger.add_keys, rows=sorted(rows))


def _answer_replays(working: Working, outcomes: list[Outcome | None], new: dict[str, Adjustment]) -> Script[None]:
    ids = {known.adjustment_id for known in working.replayed.values() if known.adjustment_id is not None}
    stored = yield from ledger.load_adjustments(sorted(ids - new.keys()))
    adjustments = new | stored
    for slot, known in working.replayed.items():
        adjustment = None if known.adjustment_id is None else adjustments[known.adjustment_id]
        position = adjustment.position if adjustment is not None and adjustment.position else working.position
        outcomes[slot] = Receipt(position=position, replayed=True, adjustment=adjustment)


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

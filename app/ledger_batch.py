"""One write transaction as a script: load under locks, decide in memory, write, take positions.

The rule: commands are decided one after the other, each on what those before it left; one that cannot be decided on
what is locked is left to another batch, and changes nothing in this one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from app import ledger_documents as documents
from app.ledger_requests import Group, Outcome, Request
from app.ledger_rows import write
from app.ledger_working import Kept, KnownKey, Working, adjustment_of, document_of, load
from app.storage import ledger
from app.storage.statements import Script
from domain import decider
from domain.adjustments import Adjustment
from domain.decider import Event
from domain.ports import Receipt
from domain.rejections import Refused, Rejection, RejectionCode, refuse
from domain.state import State


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcomes of each group, in order; `has_writes` says whether there is anything to commit.

    Some groups have to be tried again, by their place in the batch, and have no outcomes yet: `uncovered` ones because
    what they are about changed before it was locked, `short` ones because reservations that have lapsed hold what they
    lack.
    """

    outcomes: list[list[Outcome]]
    has_writes: bool
    uncovered: frozenset[int] = frozenset()
    short: frozenset[int] = frozenset()


def commit_batch(groups: Sequence[Group]) -> Script[BatchResult]:
    """Decide every group in turn and write what is accepted."""
    requests = [request for group in groups for request in group.requests]
    working = yield from load(requests)
    uncovered = _uncovered(groups, working)
    outcomes: list[Outcome | None] = []
    for place, group in enumerate(groups):
        if place in uncovered:
            outcomes.extend([None] * len(group.requests))
        else:
            working = _decide_group(group, working, outcomes)
    short = yield from _short_for_lapsed(groups, working, outcomes)
    adjustments = {} if not working.kept else (yield from write(working, outcomes))
    if adjustments is None:
        nothing: list[list[Outcome]] = [[] for _ in groups]
        return BatchResult(outcomes=nothing, has_writes=False, uncovered=frozenset(range(len(groups))))
    yield from _answer_replays(working, outcomes, adjustments)
    return BatchResult(
        outcomes=_by_group(groups, outcomes, left_out=uncovered | short),
        has_writes=bool(working.kept),
        uncovered=uncovered,
        short=short,
    )


def _uncovered(groups: Sequence[Group], working: Working) -> frozenset[int]:
    """Return the places of groups with a document that holds more than is locked."""
    if working.found.covers_everything:
        return frozenset()
    return frozenset(
        place
        for place, group in enumerate(groups)
        if not all(working.found.covers(request.selectors) for request in group.requests)
    )


def _short_for_lapsed(
    groups: Sequence[Group], working: Working, outcomes: Sequence[Outcome | None]
) -> Script[frozenset[int]]:
    """Return the places of groups that were refused for want of stock which reservations hold that have lapsed.

    One that looked for them already is not looked at again.
    """
    answers = iter(outcomes)
    wanted: dict[int, set[tuple[int, int]]] = {}
    for place, group in enumerate(groups):
        for request, outcome in zip(group.requests, islice(answers, len(group.requests)), strict=True):
            if isinstance(outcome, Refused) and decider.is_short(outcome) and not request.looks_for_lapsed:
                wanted.setdefault(place, set()).update(working.ids_of_levels(request))
    rows = yield from documents.lapsed_on(set().union(*wanted.values()))
    lapsed = {(item_id, location_id) for _, _, item_id, _, location_id in rows}
    return frozenset(place for place, levels in wanted.items() if not lapsed.isdisjoint(levels))


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
        return Receipt(
            position=working.position,
            replayed=False,
            events=decided,
            adjustment=adjustment_of(decided),
            document_id=document_of(request.command, decided),
        )
    _evolve(working.state, decided)
    document_id = document_of(request.command, decided)
    working.keep(Kept(slot, request, decided, document_id))
    if request.key is not None and request.fingerprint is not None:
        adjustment = adjustment_of(decided)
        working.known_keys[request.key] = KnownKey(
            request.fingerprint, adjustment.id if adjustment else None, document_id
        )
    return None


def _evolve(state: State, decided: Iterable[Event]) -> None:
    for event in decided:
        decider.evolve(state, event)


def _answer_replays(working: Working, outcomes: list[Outcome | None], new: dict[str, Adjustment]) -> Script[None]:
    ids = {known.adjustment_id for known in working.replayed.values() if known.adjustment_id is not None}
    stored = yield from ledger.load_adjustments(sorted(ids - new.keys()))
    adjustments = new | stored
    for slot, known in working.replayed.items():
        adjustment = None if known.adjustment_id is None else adjustments[known.adjustment_id]
        position = adjustment.position if adjustment is not None and adjustment.position else working.position
        outcomes[slot] = Receipt(position=position, replayed=True, adjustment=adjustment, document_id=known.document_id)


def _by_group(
    groups: Sequence[Group], outcomes: Sequence[Outcome | None], *, left_out: frozenset[int]
) -> list[list[Outcome]]:
    by_group: list[list[Outcome]] = []
    start = 0
    for place, group in enumerate(groups):
        end = start + len(group.requests)
        answered = [outcome for outcome in outcomes[start:end] if outcome is not None and place not in left_out]
        if len(answered) != len(group.requests) and place not in left_out:
            raise AssertionError("a request was left without an outcome")
        by_group.append(answered)
        start = end
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

"""The auditor: holds what a database contains against what clients were told.

The rule: it shares no code with the product, reads only finished files, and reports every difference.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tests.faults.journal import Attempt, Operation, Outcome, Request
from tests.faults.ledger import CounterKey, Group, Ledger, LedgerRow

PARTS: Final = ("RESERVED", "ALLOCATED", "QUARANTINED", "DAMAGED", "SAFETY_STOCK")


class Rule(StrEnum):
    """What must hold, whatever happened to the gateway."""

    LEVEL_IS_LEDGER_SUM = "every counter is the sum of its ledger"
    BALANCES_FOLLOW = "every movement's balance follows from the one before"
    NOTHING_NEGATIVE = "no counter and no available quantity is negative"
    ACKNOWLEDGED_ONCE = "an acknowledged key has exactly one ledger group"
    OTHERS_AT_MOST_ONCE = "any other key has one ledger group or none"
    REFUSED_WITHOUT_TRACE = "a key that was only ever refused has no ledger group"
    EXECUTED_ONCE = "a key's answer is new at most once; all others are replays"
    ANSWERS_IDENTICAL = "a key's adjustment is identical each time it is answered"
    EFFECT_AS_REQUESTED = "a ledger group does what its request said"
    ANSWER_IN_LEDGER = "an answered adjustment stands in the ledger as it was answered"
    NOTHING_UNKNOWN = "every ledger group belongs to a request, every movement to a group, every group to a key"
    POSITIONS_DENSE = "event positions are 1, 2, 3 … up to the head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule does not hold."""

    rule: Rule
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was found, and how much was looked at. Keys are told apart by what their clients know of them."""

    findings: tuple[Finding, ...]
    keys_acknowledged: int
    keys_refused: int
    keys_unanswered: int
    attempts: int
    attempts_unanswered: int
    replays: int
    groups: int
    movements: int
    levels: int
    events: int


def audit(ledger: Ledger, attempts: Sequence[Attempt]) -> AuditReport:
    """Apply every rule and count what was looked at."""
    by_key: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_key[attempt.request.full_key].append(attempt)
    findings = (*_ledger_findings(ledger), *_key_findings(ledger, by_key), *_position_findings(ledger))
    outcomes = Counter(_standing(tried) for tried in by_key.values())
    return AuditReport(
        findings=findings,
        keys_acknowledged=outcomes[Outcome.ACCEPTED],
        keys_refused=outcomes[Outcome.REFUSED],
        keys_unanswered=outcomes[Outcome.UNANSWERED],
        attempts=len(attempts),
        attempts_unanswered=sum(attempt.outcome is Outcome.UNANSWERED for attempt in attempts),
        replays=sum(attempt.replayed is True for attempt in attempts),
        groups=len(ledger.groups),
        movements=len(ledger.rows),
        levels=len({(sku, code) for sku, code, _ in ledger.balances}),
        events=len(ledger.positions),
    )


def _standing(tried: Iterable[Attempt]) -> Outcome:
    """Return the most that clients were told of a key: accepted; else refused; else nothing."""
    outcomes = {attempt.outcome for attempt in tried}
    order = (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNANSWERED)
    return next(outcome for outcome in order if outcome in outcomes)


def _ledger_findings(ledger: Ledger) -> Iterator[Finding]:
    running: dict[CounterKey, int] = defaultdict(int)
    for row in ledger.rows:
        running[row.counter] += row.delta
        if running[row.counter] != row.balance_after:
            detail = f"{row.balance_after} is written, {running[row.counter]} follows"
            yield Finding(rule=Rule.BALANCES_FOLLOW, subject=f"{row.adjustment_id} {row.counter}", detail=detail)
        if row.balance_after < 0:
            yield Finding(rule=Rule.NOTHING_NEGATIVE, subject=str(row.counter), detail=str(row.balance_after))
    for counter in sorted(running.keys() | ledger.balances.keys(), key=str):
        level, total = ledger.balances.get(counter), running.get(counter, 0)
        if level != total:
            detail = f"the level says {level}, its ledger sums to {total}"
            yield Finding(rule=Rule.LEVEL_IS_LEDGER_SUM, subject=str(counter), detail=detail)
    yield from _negative_levels(ledger.balances)


def _negative_levels(balances: Mapping[CounterKey, int]) -> Iterator[Finding]:
    for (sku, code, counter), balance in balances.items():
        if balance < 0:
            yield Finding(rule=Rule.NOTHING_NEGATIVE, subject=f"{sku} at {code}", detail=f"{counter} is {balance}")
        if counter == "ON_HAND":
            available = balance - sum(balances.get((sku, code, part), 0) for part in PARTS)
            if available < 0:
                detail = f"available is {available}"
                yield Finding(rule=Rule.NOTHING_NEGATIVE, subject=f"{sku} at {code}", detail=detail)


def _key_findings(ledger: Ledger, by_key: Mapping[str, Sequence[Attempt]]) -> Iterator[Finding]:
    groups: dict[str, list[Group]] = defaultdict(list)
    for group in ledger.groups:
        groups[group.key].append(group)
    rows: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in ledger.rows:
        rows[row.adjustment_id].append(row)
    yield from _unknown(ledger, by_key, rows)
    for key, tried in by_key.items():
        yield from _group_count(key, tried, count=len(groups[key]))
        yield from _answers(key, tried)
        for group in groups[key]:
            yield from _effect(_request_of(tried), rows[group.adjustment_id])
        kept = {str(group.position): rows[group.adjustment_id] for group in groups[key]}
        for answer in (attempt.adjustment for attempt in tried if attempt.adjustment is not None):
            yield from _answer_in_ledger(key, answer, kept)


def _unknown(
    ledger: Ledger, by_key: Mapping[str, object], rows: Mapping[str, Sequence[LedgerRow]]
) -> Iterator[Finding]:
    known_groups = {group.adjustment_id for group in ledger.groups}
    for name in sorted(rows.keys() - known_groups):
        yield Finding(rule=Rule.NOTHING_UNKNOWN, subject=name, detail="movements without an adjustment")
    group_keys, stored_keys = {group.key for group in ledger.groups}, set(ledger.stored_keys)
    for key in sorted(group_keys - by_key.keys()):
        yield Finding(rule=Rule.NOTHING_UNKNOWN, subject=key, detail="a ledger group that nobody asked for")
    for key in sorted(group_keys ^ stored_keys):
        yield Finding(rule=Rule.NOTHING_UNKNOWN, subject=key, detail="the stored key and its group do not match")


def _group_count(key: str, tried: Sequence[Attempt], *, count: int) -> Iterator[Finding]:
    detail = f"{count} ledger groups"
    outcomes = {attempt.outcome for attempt in tried}
    if Outcome.ACCEPTED in outcomes:
        if count != 1:
            yield Finding(rule=Rule.ACKNOWLEDGED_ONCE, subject=key, detail=detail)
    elif outcomes == {Outcome.REFUSED} and count:
        yield Finding(rule=Rule.REFUSED_WITHOUT_TRACE, subject=key, detail=detail)
    elif count > 1:
        yield Finding(rule=Rule.OTHERS_AT_MOST_ONCE, subject=key, detail=detail)


def _answers(key: str, tried: Sequence[Attempt]) -> Iterator[Finding]:
    accepted = [attempt for attempt in tried if attempt.outcome is Outcome.ACCEPTED]
    fresh = sum(attempt.replayed is False for attempt in accepted)
    if fresh > 1:
        yield Finding(rule=Rule.EXECUTED_ONCE, subject=key, detail=f"{fresh} answers say replayed: false")
    for attempt in accepted:
        if attempt.adjustment != accepted[0].adjustment:
            detail = f"{attempt.adjustment} is not {accepted[0].adjustment}"
            yield Finding(rule=Rule.ANSWERS_IDENTICAL, subject=key, detail=detail)


def _request_of(tried: Sequence[Attempt]) -> Request:
    """Return what a key stands for: of several requests under one key, the one that was accepted."""
    accepted = (attempt.request for attempt in tried if attempt.outcome is Outcome.ACCEPTED)
    return next(accepted, tried[0].request)


def _effect(request: Request, rows: Sequence[LedgerRow]) -> Iterator[Finding]:
    wanted = {(request.sku, place, "ON_HAND"): amount for place, amount in request.amounts.items()}
    if request.operation is Operation.ADJUST:
        matches = dict(_summed(rows)) == wanted
    else:
        # A count that confirms the balance leaves no movement, so fewer rows than counts are right.
        matches = all(wanted.get(row.counter) == row.balance_after for row in rows)
    if not matches:
        detail = f"asked for {request.amounts}, the ledger has {[(row.counter, row.delta) for row in rows]}"
        yield Finding(rule=Rule.EFFECT_AS_REQUESTED, subject=request.key, detail=detail)


def _summed(rows: Sequence[LedgerRow]) -> Counter[CounterKey]:
    total: Counter[CounterKey] = Counter()
    for row in rows:
        total[row.counter] += row.delta
    return total


def _answer_in_ledger(
    key: str, answer: Mapping[str, Any], kept_by_position: Mapping[str, Sequence[LedgerRow]]
) -> Iterator[Finding]:
    rows = kept_by_position.get(answer["position"], ())
    told = sorted(
        (movement["location"]["code"], movement["bucket"], movement["delta"], movement["balanceAfter"])
        for movement in answer["movements"]
    )
    kept = sorted((*row.counter[1:], row.delta, row.balance_after) for row in rows)
    if told != kept or answer["idempotencyKey"] != key.rpartition(":")[2]:
        detail = f"answered {told} for {answer['idempotencyKey']}, the ledger has {kept}"
        yield Finding(rule=Rule.ANSWER_IN_LEDGER, subject=key, detail=detail)


def _position_findings(ledger: Ledger) -> Iterator[Finding]:
    expected = list(range(1, ledger.head + 1))
    if list(ledger.positions) != expected:
        missing = sorted(set(expected) - set(ledger.positions))
        beyond = sorted(set(ledger.positions) - set(expected))
        detail = f"missing {missing[:10]}, beyond the head or doubled {beyond[:10]}, head {ledger.head}"
        yield Finding(rule=Rule.POSITIONS_DENSE, subject="events", detail=detail)
    for position, count in Counter(group.position for group in ledger.groups).items():
        if count > 1 or not 1 <= position <= ledger.head:
            detail = f"{count} ledger groups stand there, the head is {ledger.head}"
            yield Finding(rule=Rule.POSITIONS_DENSE, subject=f"position {position}", detail=detail)

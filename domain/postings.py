"""Postings: what a command on a document (a reservation, an order) did to one item's counters.

The rule: documents move counters by postings and nothing else does, so that RESERVED and ALLOCATED always sum up
documents; a posting is to a document what an adjustment is to a reason.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.adjustments import Movement
from domain.claims import DocumentCommand
from domain.conflicts import ConflictEvent, settle_conflict
from domain.levels import InventoryBucket, LevelKey, StockLevel
from domain.principals import Principal
from domain.promises import Hold
from domain.state import State


class PostingCause(StrEnum):
    """What happened to the document."""

    RESERVATION_CREATED = "RESERVATION_CREATED"
    RESERVATION_RELEASED = "RESERVATION_RELEASED"
    RESERVATION_MOVED = "RESERVATION_MOVED"
    RESERVATION_COMMITTED = "RESERVATION_COMMITTED"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    ALLOCATION_CREATED = "ALLOCATION_CREATED"
    ALLOCATION_CANCELLED = "ALLOCATION_CANCELLED"
    SHIPMENT_CONFIRMED = "SHIPMENT_CONFIRMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """The movements of one item that one command on the document `document_id` caused."""

    id: str
    sku: str
    cause: PostingCause
    document_id: str
    account: str
    idempotency_key: str | None
    movements: tuple[Movement, ...]
    source_channel: str | None
    correlation_id: str | None
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockPosted:
    """A document moved counters of one item; `levels` are those changed, as of now."""

    posting: Posting
    levels: tuple[StockLevel, ...]


PostingEvent = StockPosted | ConflictEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDelta:
    """Change one counter of one level by `delta` base units."""

    sku: str
    location: str
    bucket: InventoryBucket
    delta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What all postings of one command have in common. `command_id` is 32 hexadecimal digits."""

    command_id: str
    cause: PostingCause
    document_id: str
    by: Principal
    at: datetime
    idempotency_key: str | None = None
    source_channel: str | None = None
    correlation_id: str | None = None


class Document(Protocol):
    """What a posting names: a reservation or an order's allocation."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def channel(self) -> str | None:
        """The code of its channel."""
        ...


def occasion_of(
    command: DocumentCommand, document: Document, cause: PostingCause, *, by: Principal, at: datetime
) -> Occasion:
    """Return what all postings of a command on a document have in common."""
    return Occasion(
        command_id=command.command_id,
        cause=cause,
        document_id=document.id,
        by=by,
        at=at,
        idempotency_key=command.idempotency_key,
        source_channel=document.channel,
        correlation_id=command.correlation_id,
    )


def deltas_of(
    holds: Iterable[Hold], *, reserved: int = 0, allocated: int = 0, on_hand: int = 0
) -> Iterator[CounterDelta]:
    """Yield what becomes of the counters where units lie, for each unit that is held: +1, -1, or 0 for nothing."""
    signs = (
        (InventoryBucket.RESERVED, reserved),
        (InventoryBucket.ALLOCATED, allocated),
        (InventoryBucket.ON_HAND, on_hand),
    )
    for (sku, location), units in (each for hold in holds for each in hold.units()):
        for bucket, sign in signs:
            if sign:
                yield CounterDelta(sku=sku, location=location, bucket=bucket, delta=sign * units)


def posted(deltas: Iterable[CounterDelta], state: State, occasion: Occasion) -> tuple[PostingEvent, ...]:
    """Return one posting an item, and the conflicts that open or close with them; deltas are merged first.

    Every level that is named is there: whoever promises units has looked for them.
    """
    merged: dict[LevelKey, dict[InventoryBucket, int]] = {}
    for one in deltas:
        of_level = merged.setdefault((one.sku, one.location), {})
        of_level[one.bucket] = of_level.get(one.bucket, 0) + one.delta
    movements: dict[str, list[Movement]] = {}
    levels: dict[str, list[StockLevel]] = {}
    conflicts: list[ConflictEvent] = []
    for (sku, location), changes in merged.items():
        real = {bucket: delta for bucket, delta in changes.items() if delta}
        if not real:
            continue
        level, conflict = _level_after(state.levels[sku, location], real, occasion)
        levels.setdefault(sku, []).append(level)
        if conflict is not None:
            conflicts.append(conflict)
        movements.setdefault(sku, []).extend(
            Movement(location=location, bucket=bucket, delta=delta, balance_after=level.balance(bucket))
            for bucket, delta in real.items()
        )
    postings = tuple(
        StockPosted(
            posting=_posting(sku, tuple(movements[sku]), occasion),
            levels=tuple(levels[sku]),
        )
        for sku in movements
    )
    return (*postings, *conflicts)


def _level_after(
    before: StockLevel, changes: dict[InventoryBucket, int], occasion: Occasion
) -> tuple[StockLevel, ConflictEvent | None]:
    balances = {bucket: before.balance(bucket) + delta for bucket, delta in changes.items()}
    after = before.with_balances(balances, at=occasion.at, version=before.version + 1, conflict_id=before.conflict_id)
    return settle_conflict(after, cause=_posting_id(before.sku, occasion))


def _posting(sku: str, movements: tuple[Movement, ...], occasion: Occasion) -> Posting:
    return Posting(
        id=_posting_id(sku, occasion),
        sku=sku,
        cause=occasion.cause,
        document_id=occasion.document_id,
        account=occasion.by.account,
        idempotency_key=occasion.idempotency_key,
        movements=movements,
        source_channel=occasion.source_channel,
        correlation_id=occasion.correlation_id,
        recorded_at=occasion.at,
        recorded_by=occasion.by.name,
    )


def _posting_id(sku: str, occasion: Occasion) -> str:
    """One id an item and occasion: a command may expire one reservation and make another."""
    return uuid.uuid5(uuid.UUID(occasion.command_id), f"{occasion.document_id}/{sku}").hex

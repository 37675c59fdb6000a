"""Adjustments: the movements of one command, and the arithmetic that turns entries into them.

The rule: entries of one command are merged per location and counter before anything is decided, so that no order
or repetition of entries can oversell what their sum would not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.levels import InventoryBucket, StockLevel
from domain.rejections import FieldPath

DELTA_MAX = 1_000_000_000
ENTRIES_PER_COMMAND_MAX = 250


class AdjustmentReason(StrEnum):
    """Why stock changed."""

    CORRECTION = "CORRECTION"
    CYCLE_COUNT = "CYCLE_COUNT"
    RECEIPT = "RECEIPT"
    SALE = "SALE"
    RETURN = "RETURN"
    DAMAGE = "DAMAGE"
    SHRINKAGE = "SHRINKAGE"
    PROMOTION = "PROMOTION"
    TRANSFER_CORRECTION = "TRANSFER_CORRECTION"
    RESTOCK = "RESTOCK"
    OTHER = "OTHER"


class ShortagePolicy(StrEnum):
    """What to do with a change that there is not enough stock for."""

    REJECT = "REJECT"
    RECORD_CONFLICT = "RECORD_CONFLICT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One row of the ledger: a counter of the adjusted item at `location` moved by `delta` to `balance_after`."""

    location: str
    bucket: InventoryBucket
    delta: int
    balance_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """The movements of one command, with why, by whom and when: what the audit trail shows and a retry gets again.

    `position` is the place of its event in the total order; None until it is committed (and for a dry run).
    """

    id: str
    account: str
    idempotency_key: str
    sku: str
    reason: AdjustmentReason
    movements: tuple[Movement, ...]
    source_channel: str | None
    reference_document_uri: str | None
    correlation_id: str | None
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: str
    position: int | None = None

    def placed(self, position: int) -> "Adjustment":
        """Return the adjustment at the place that its event was given."""
        return Adjustment(
            id=self.id,
            account=self.account,
            idempotency_key=self.idempotency_key,
            sku=self.sku,
            reason=self.reason,
            movements=self.movements,
            source_channel=self.source_channel,
            reference_document_uri=self.reference_document_uri,
            correlation_id=self.correlation_id,
            occurred_at=self.occurred_at,
            recorded_at=self.recorded_at,
            recorded_by=self.recorded_by,
            position=position,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a command says of one counter at one location, in base units.

    `delta` is a change; `quantity` an absolute count; one of them is None. `change_from` is the balance that the
    caller saw. `field` is where the entry stands in the input, `amount_field` and `bucket_field` the number and the
    counter within it.
    """

    location: str
    bucket: InventoryBucket
    delta: int | None = None
    quantity: int | None = None
    change_from: int | None = None
    field: FieldPath
    amount_field: str
    bucket_field: str = "bucket"

    @property
    def amount_path(self) -> FieldPath:
        """Where the number of this entry stands in the input."""
        return (*self.field, self.amount_field)


AVAILABLE_EFFECTS: dict[InventoryBucket, int] = {
    InventoryBucket.ON_HAND: 1,
    InventoryBucket.RESERVED: -1,
    InventoryBucket.ALLOCATED: -1,
    InventoryBucket.QUARANTINED: -1,
    InventoryBucket.DAMAGED: -1,
    InventoryBucket.SAFETY_STOCK: -1,
}
"""How one more unit in a counter changes what is available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterChange:
    """What one merged entry does to its counter, in base units."""

    entry: Entry
    before: int
    after: int

    @property
    def effect_on_available(self) -> int:
        """By how much the change moves what is available."""
        return (self.after - self.before) * AVAILABLE_EFFECTS.get(self.entry.bucket, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """What a command does to one level; `is_new` says that the level begins with it."""

    before: StockLevel
    is_new: bool
    counters: tuple[CounterChange, ...]

    @property
    def is_real(self) -> bool:
        """Whether the level begins or a counter moves; a count that confirms the balance changes nothing."""
        return self.is_new or any(counter.after != counter.before for counter in self.counters)

    @property
    def available_after(self) -> int:
        """What is available once every counter has moved."""
        return self.before.available + sum(counter.effect_on_available for counter in self.counters)

    def level_after(self, *, at: datetime) -> StockLevel:
        """Return the level as the command leaves it."""
        balances = {counter.entry.bucket: counter.after for counter in self.counters}
        before = self.before
        return before.with_balances(balances, at=at, version=before.version + 1, conflict_id=before.conflict_id)

    def movements(self) -> Iterator[Movement]:
        """Yield the rows that the ledger gains."""
        for counter in self.counters:
            if counter.after != counter.before:
                yield Movement(
                    location=self.before.location,
                    bucket=counter.entry.bucket,
                    delta=counter.after - counter.before,
                    balance_after=counter.after,
                )


CounterKey = tuple[str, InventoryBucket]
"""(location code, counter)"""


def merge_entries(entries: Iterable[Entry]) -> dict[CounterKey, Entry]:
    """Return one entry per location and counter: deltas summed, the first stated count and balance kept.

    The merged entry points at the first entry that it came from.
    """
    merged: dict[CounterKey, Entry] = {}
    for entry in entries:
        key = (entry.location, entry.bucket)
        first = merged.get(key)
        merged[key] = entry if first is None else _merge(first, entry)
    return merged


def disagreeing_entries(entries: Iterable[Entry]) -> Iterator[tuple[Entry, str]]:
    """Yield entries that contradict an earlier one of the same counter, with the field that they differ in."""
    stated: dict[tuple[CounterKey, str], int] = {}
    for entry in entries:
        for name, value in (("changeFromQuantity", entry.change_from), ("quantity", entry.quantity)):
            if value is not None and stated.setdefault(((entry.location, entry.bucket), name), value) != value:
                yield entry, name


def _merge(first: Entry, second: Entry) -> Entry:
    delta = None if first.delta is None or second.delta is None else first.delta + second.delta
    return Entry(
        location=first.location,
        bucket=first.bucket,
        delta=delta,
        quantity=first.quantity,
        change_from=first.change_from if first.change_from is not None else second.change_from,
        field=first.field,
        amount_field=first.amount_field,
        bucket_field=first.bucket_field,
    )

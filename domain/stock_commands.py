"""The commands and events of stock, as values; the one rule: a command says everything that its decision needs,
except the state, who asks and when.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from domain.adjustments import Adjustment, AdjustmentReason, Entry, ShortagePolicy
from domain.conflicts import ConflictEvent
from domain.levels import InventoryBucket, StockLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDelta:
    """Change one counter at one location by `delta` base units; `change_from` is the balance the caller saw."""

    location: str
    delta: int
    bucket: InventoryBucket = InventoryBucket.ON_HAND
    change_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelQuantity:
    """Bring one counter at one location to `quantity` base units; `change_from` None skips the comparison."""

    location: str
    quantity: int
    bucket: InventoryBucket = InventoryBucket.ON_HAND
    change_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMove:
    """Move `quantity` base units between parts of on hand; a bucket of None is what is available."""

    location: str
    quantity: int
    from_bucket: InventoryBucket | None
    to_bucket: InventoryBucket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCommand:
    """What every command on stock says: which item, under which key, why, and what to do about a shortage.

    `command_id` becomes the id of the adjustment. `idempotency_key` None is allowed only where nothing moves.
    """

    command_id: str
    sku: str
    idempotency_key: str | None
    reason: AdjustmentReason = AdjustmentReason.CORRECTION
    source_channel: str | None = None
    reference_document_uri: str | None = None
    correlation_id: str | None = None
    occurred_at: datetime | None = None
    on_shortage: ShortagePolicy = ShortagePolicy.REJECT
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryAdjust(StockCommand):
    """Change counters by deltas, at one or many locations, all or nothing.

    `entries` is what it says of each counter, each with its place in the input.
    """

    adjustments: tuple[LevelDelta, ...]
    entries: tuple[Entry, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        entries = tuple(
            Entry(
                location=one.location,
                bucket=one.bucket,
                delta=one.delta,
                change_from=one.change_from,
                field=("adjustments", str(index)),
                amount_field="delta",
            )
            for index, one in enumerate(self.adjustments)
        )
        object.__setattr__(self, "entries", entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventorySet(StockCommand):
    """Bring counters to absolute quantities (a count is a fact); begins levels that are not stocked yet.

    `entries` is what it says of each counter, each with its place in the input.
    """

    reason: AdjustmentReason = AdjustmentReason.CYCLE_COUNT
    on_shortage: ShortagePolicy = ShortagePolicy.RECORD_CONFLICT
    quantities: tuple[LevelQuantity, ...]
    entries: tuple[Entry, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        entries = tuple(
            Entry(
                location=one.location,
                bucket=one.bucket,
                quantity=one.quantity,
                change_from=one.change_from,
                field=("quantities", str(index)),
                amount_field="quantity",
            )
            for index, one in enumerate(self.quantities)
        )
        object.__setattr__(self, "entries", entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryMove(StockCommand):
    """Move units between available, quarantined, damaged and safety stock; on hand stays.

    `entries` is what it says of each counter, each with its place in the input.
    """

    moves: tuple[LevelMove, ...]
    entries: tuple[Entry, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(_entries_of_moves(self.moves)))


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryActivate(StockCommand):
    """Begin to stock the item at a location, with all counters at zero."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryDeactivate(StockCommand):
    """End an empty stock level."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryAdjusted:
    """Counters moved (or were confirmed by a count that changed nothing); `levels` are those changed, as of now."""

    adjustment: Adjustment
    levels: tuple[StockLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelActivated:
    """The item is now stocked at the level's location."""

    level: StockLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDeactivated:
    """The item is no longer stocked at the level's location."""

    level: StockLevel


AdjustingCommand = InventoryAdjust | InventorySet | InventoryMove
StockCommands = AdjustingCommand | InventoryActivate | InventoryDeactivate
StockEvent = InventoryAdjusted | LevelActivated | LevelDeactivated | ConflictEvent


def _entries_of_moves(moves: Iterable[LevelMove]) -> Iterator[Entry]:
    for index, move in enumerate(moves):
        parts = ((move.from_bucket, -1, "fromBucket"), (move.to_bucket, 1, "toBucket"))
        for bucket, sign, bucket_field in parts:
            if bucket is not None:
                yield Entry(
                    location=move.location,
                    bucket=bucket,
                    delta=sign * move.quantity,
                    field=("moves", str(index)),
                    amount_field="quantity",
                    bucket_field=bucket_field,
                )

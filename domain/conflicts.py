"""Stock conflicts: a level on which a recorded fact left promises unbacked.

The rule: one open conflict per level at the most. It opens when on hand less quarantined and damaged stock falls
below what is reserved and allocated, and closes by itself when the promises are backed again. Safety stock and
backorders never open one.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.levels import LevelKey, StockLevel


class PromiseKind(StrEnum):
    """What kind of document promises units."""

    RESERVATION = "RESERVATION"
    ALLOCATION = "ALLOCATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockConflict:
    """A conflict as it is kept: `unbacked` is how many units promises lacked when it opened."""

    id: str
    sku: str
    location: str
    unbacked: int
    opened_at: datetime
    closed_at: datetime | None

    @property
    def key(self) -> LevelKey:
        """The level that it is about."""
        return (self.sku, self.location)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseAtRisk:
    """A document of whose units on a level `quantity` lack physical stock now."""

    kind: PromiseKind
    document_id: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockConflictOpened:
    """Promises at this level lack `unbacked` units; `conflict_id` names the conflict from here on."""

    conflict_id: str
    level: StockLevel
    unbacked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockConflictClosed:
    """Every promise at this level is backed again."""

    conflict_id: str
    level: StockLevel


ConflictEvent = StockConflictOpened | StockConflictClosed


def settle_conflict(level: StockLevel, *, cause: str) -> tuple[StockLevel, ConflictEvent | None]:
    """Open or close the conflict that goes with the level's new counters; `cause` is the id of the adjustment."""
    unbacked = level.unbacked
    if unbacked and level.conflict_id is None:
        conflict_id = uuid.uuid5(uuid.UUID(cause), level.location).hex
        opened = replace(level, conflict_id=conflict_id)
        return opened, StockConflictOpened(conflict_id=conflict_id, level=opened, unbacked=unbacked)
    if level.conflict_id is not None and not unbacked:
        closed = replace(level, conflict_id=None)
        return closed, StockConflictClosed(conflict_id=level.conflict_id, level=closed)
    return level, None

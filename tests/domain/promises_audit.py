"""An auditor of what is promised: it follows the log and compares; the one rule: it trusts the events, not the decider.

It is told each event before the state follows it, and works out for itself what the state has to be.
"""

from collections import Counter
from collections.abc import Iterable

from domain.adjustments import Adjustment
from domain.allocation_commands import AllocationEvent, ShipmentConfirmed
from domain.catalogue import ItemUpserted
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import COUNTER_NAMES, InventoryBucket, LevelKey, StockLevel
from domain.postings import Posting, PostingCause, StockPosted
from domain.promises import Hold, Line
from domain.reservation_commands import ReservationEvent, ReservationState
from domain.state import State
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated
from tests.domain.promises_model import leaves_counted

ON_HAND, RESERVED, ALLOCATED = InventoryBucket.ON_HAND, InventoryBucket.RESERVED, InventoryBucket.ALLOCATED


class Auditor:
    """What the log sums to: the ledger, open conflicts, all ids that were given, and what each order was promised."""

    def __init__(self) -> None:
        self.ledger: Counter[tuple[LevelKey, InventoryBucket]] = Counter()
        self.open_conflicts: dict[LevelKey, str] = {}
        self.ids: set[str] = set()
        self.promised: dict[tuple[str, str, str], int] = {}

    def record(self, one: Event, state: State) -> None:
        """Add an event to what is known, before the state follows it."""
        if isinstance(one, InventoryAdjusted):
            self._count(one.adjustment, one.levels, state)
        elif isinstance(one, StockPosted):
            self._count(one.posting, one.levels, state)
            self._is_balanced(one)
        elif isinstance(one, StockConflictOpened):
            assert self.open_conflicts.setdefault(one.level.key, one.conflict_id) == one.conflict_id
            self._is_new(one.conflict_id)
        elif isinstance(one, StockConflictClosed):
            assert self.open_conflicts.pop(one.level.key) == one.conflict_id
        elif isinstance(one, LevelActivated | LevelDeactivated):
            assert one.level.version == version_of(one.level.key, state) + 1
        elif isinstance(one, ItemUpserted):
            assert one.item.composition != state.items[one.item.sku].composition
        elif isinstance(one, ReservationEvent):
            known = state.reservations.get(one.reservation.id)
            assert known is None or known.state is ReservationState.ACTIVE
            assert one.reservation.version == (1 if known is None else known.version + 1)
        else:
            assert isinstance(one, AllocationEvent)
            self._follow(one, state)
        if isinstance(one, StockConflictOpened | StockConflictClosed):
            assert state.levels[one.level.key] == one.level

    def _follow(self, one: AllocationEvent, state: State) -> None:
        """Note what an order was promised, once, and that shipments say what left."""
        known = state.allocations.get(one.allocation.key)
        lines = {} if known is None else {line.id: line for line in known.lines}
        assert one.allocation.version == (1 if known is None else known.version + 1)
        for line in one.allocation.lines:
            if line.id not in lines:
                self.promised[*one.allocation.key, line.id] = line.held
                assert line.held >= 1
        if isinstance(one, ShipmentConfirmed):
            before = sum(line.shipped for line in lines.values())
            after = sum(line.shipped for line in one.allocation.lines)
            assert sum(hold.quantity for line in one.shipment.lines for hold in line.holds) == after - before
            self._is_new(one.shipment.id)

    def _count(self, moved: Adjustment | Posting, levels: tuple[StockLevel, ...], state: State) -> None:
        self._is_new(moved.id)
        after = {level.location: level for level in levels}
        assert len(after) == len(levels)
        for level in levels:
            assert level.version == version_of(level.key, state) + 1
        for movement in moved.movements:
            assert movement.balance_after == after[movement.location].balance(movement.bucket)
            self.ledger[(moved.sku, movement.location), movement.bucket] += movement.delta

    def _is_balanced(self, one: StockPosted) -> None:
        """On hand moves with shipments only, together with what was allocated; a hold that moves is moved whole."""
        moved = Counter[InventoryBucket]()
        for movement in one.posting.movements:
            moved[movement.bucket] += movement.delta
        cause = one.posting.cause
        assert moved[ON_HAND] == (moved[ALLOCATED] if cause is PostingCause.SHIPMENT_CONFIRMED else 0)
        assert cause is not PostingCause.RESERVATION_MOVED or moved[RESERVED] == 0
        assert cause is not PostingCause.RESERVATION_COMMITTED or 0 <= moved[ALLOCATED] <= -moved[RESERVED]

    def _is_new(self, id: str) -> None:
        assert id not in self.ids
        self.ids.add(id)

    def counters_are_sums(self, state: State) -> None:
        """Every counter is the sum of its movements."""
        balances = {
            (key, bucket): known.balance(bucket) for key, known in state.levels.items() for bucket in COUNTER_NAMES
        }
        assert {one: units for one, units in balances.items() if units} == {
            one: units for one, units in self.ledger.items() if units
        }

    def promises_are_held(self, state: State) -> None:
        """RESERVED is what active reservations hold, ALLOCATED what orders have open."""
        active = [one for one in state.reservations.values() if one.state is ReservationState.ACTIVE]
        reserved = units_of(line for one in active for line in one.lines)
        allocated = units_of(line for one in state.allocations.values() for line in one.lines)
        assert {key: one.reserved for key, one in state.levels.items() if one.reserved} == reserved
        assert {key: one.allocated for key, one in state.levels.items() if one.allocated} == allocated
        assert all(any(line.holds for line in one.lines) for one in active)

    def parts_are_not_negative(self, state: State) -> None:
        """Only on hand may be negative."""
        for known in state.levels.values():
            assert min(known.balance(bucket) for bucket in COUNTER_NAMES if bucket is not ON_HAND) >= 0

    def orders_are_whole(self, state: State) -> None:
        """Of what an order was promised all is open, shipped or cancelled."""
        assert self.promised == {
            (*order, line.id): line.held + line.shipped + line.cancelled
            for order, one in state.allocations.items()
            for line in one.lines
        }

    def bundles_are_their_leaves(self, state: State) -> None:
        """A bundle comes to items that are none and have the stock that it has not; who is part of it is counted."""
        book = {sku: one.composition for sku, one in state.items.items() if one.composition is not None}
        said = {sku: {part.sku: part.quantity for part in made.components} for sku, made in book.items()}
        for sku, made in book.items():
            assert {part.sku: part.quantity for part in made.leaves} == leaves_counted(sku, said)
            assert not said.keys() & {part.sku for part in made.leaves}
            assert sku not in made.nested
        assert not said.keys() & {sku for sku, _ in state.levels}
        uses = Counter(sku for recipe in said.values() for sku in recipe)
        assert {sku: units for sku, units in state.bundle_uses.items() if units} == uses

    def conflicts_are_of_unbacked_promises(self, state: State) -> None:
        """A conflict is open exactly where a promise is unbacked."""
        unbacked = {
            key
            for key, one in state.levels.items()
            if one.on_hand - one.quarantined - one.damaged < one.reserved + one.allocated
        }
        assert self.open_conflicts.keys() == unbacked
        named = {key: one.conflict_id for key, one in state.levels.items() if one.conflict_id is not None}
        assert named == self.open_conflicts


def sellable(level: StockLevel) -> int:
    """Return what may be sold of a level, written out once more."""
    parts = level.reserved + level.allocated + level.quarantined + level.damaged + level.safety_stock
    return level.on_hand - parts


def units_of(lines: Iterable[Line]) -> Counter[LevelKey]:
    """Return the units that lines hold on each level, bundles by their parts."""
    units: Counter[LevelKey] = Counter()
    for line in lines:
        for hold in line.holds:
            for sku, units_a_unit in unit_of(hold).items():
                units[sku, hold.location] += units_a_unit * hold.quantity
    return units


def unit_of(hold: Hold) -> dict[str, int]:
    """Return what one unit of a hold takes: of a bundle the parts of its day."""
    return {part.sku: part.quantity for part in hold.parts} or {hold.sku: 1}


def version_of(key: LevelKey, state: State) -> int:
    """Return the version that a level is at, or was at when it ended."""
    known = state.levels.get(key)
    return state.ended_versions.get(key, 0) if known is None else known.version

"""Given, when, then: the sentence that every table test of the domain is made of, and builders for its words.

The rule: ids and times are fixed, answers are compared whole, a decision never changes the state, and it
rests on nothing that `touches` did not ask for.
"""

import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypedDict, Unpack, assert_never

from domain.account_records import Account, ApiKey
from domain.adjustments import Adjustment, AdjustmentReason, Movement, ShortagePolicy
from domain.allocation_commands import Allocation
from domain.decider import Command, Event, decide, evolve, malformed, touches
from domain.levels import InventoryBucket, LevelKey, StockLevel
from domain.principals import Principal, Role
from domain.promises import SourcingStrategy
from domain.records import PRIORITY_DEFAULT, Channel, Item, Listing, Location
from domain.rejections import Refused, RejectionCode
from domain.reservation_commands import Reservation
from domain.state import State
from domain.stock_commands import (
    InventoryActivate,
    InventoryAdjust,
    InventoryAdjusted,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    LevelDelta,
    LevelMove,
    LevelQuantity,
)
from tests.domain.loaded import relate, visible_part

EARLIER = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CLERK = Principal(account="acme", name="clerk", role=Role.BACKOFFICE)
COMMAND_ID = "7d2f0a54-9c1b-4e36-8f60-0b5a3c1d2e4f"
KEY = "order_77921_sync_04"
SKU = "B2B-SERV-001X"
EAST = "WH-US-EAST"
CENTRAL = "WH-EU-CENTRAL"
WEB = "web"


class Counters(TypedDict, total=False):
    """The counters of a level; those left out are zero."""

    on_hand: int
    reserved: int
    allocated: int
    quarantined: int
    damaged: int
    safety_stock: int
    incoming: int
    in_transit: int
    backordered: int


class ChannelPolicy(TypedDict, total=False):
    """How a channel sells; what is left out is at its default."""

    sourcing: SourcingStrategy
    reservation_ttl_seconds: int
    reservation_ttl_seconds_max: int


class Details(TypedDict, total=False):
    """What a command on stock says beside its entries; what is left out is at its default."""

    sku: str
    command_id: str
    idempotency_key: str | None
    reason: AdjustmentReason
    source_channel: str | None
    reference_document_uri: str | None
    correlation_id: str | None
    occurred_at: datetime | None
    on_shortage: ShortagePolicy
    dry_run: bool


class Recorded(TypedDict, total=False):
    """What an adjustment keeps of its command; what is left out is what a plain command leads to."""

    id: str
    idempotency_key: str
    sku: str
    reason: AdjustmentReason
    source_channel: str | None
    reference_document_uri: str | None
    correlation_id: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The channels that a location serves."""

    location: str
    channels: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLevel:
    """A level that was deactivated at this version."""

    key: LevelKey
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsElsewhere:
    """So many levels of the item at locations that the test does not name."""

    sku: str
    count: int


Fact = (
    Item
    | Location
    | Channel
    | Listing
    | StockLevel
    | Served
    | EndedLevel
    | LevelsElsewhere
    | Account
    | ApiKey
    | Reservation
    | Allocation
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was decided, on which state; `before` is a deep copy of it from before the decision."""

    state: State
    before: State
    answer: tuple[Event, ...] | Refused

    def then(self, *events: Event) -> State:
        """Prove that exactly these events follow, and return the state after them."""
        assert self.answer == events
        assert self.state == self.before
        for event in events:
            assert evolve(self.state, event) is self.state
        return self.state

    def then_refused(
        self,
        code: RejectionCode,
        *fields: str,
        quantity_available: int | None = None,
        message: str | None = None,
    ) -> None:
        """Prove that the command is refused with this code at exactly these places; nothing has changed."""
        assert isinstance(self.answer, Refused), self.answer
        found = [(one.code, ".".join(one.field), one.quantity_available) for one in self.answer.rejections]
        assert found == [(code, field, quantity_available) for field in fields]
        if message is not None:
            assert [one.message for one in self.answer.rejections] == [message] * len(fields)
        assert self.state == self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A state that a command can come to."""

    state: State

    def when(self, command: Command, *, by: Principal = CLERK, at: datetime = NOW) -> Outcome:
        """Decide the command as the writer does: its form first, then what it needs to see."""
        before = copy.deepcopy(self.state)
        refused = malformed(command)
        if refused is not None:
            return Outcome(state=self.state, before=before, answer=refused)
        answer = decide(command, self.state, by=by, at=at)
        loaded = visible_part(before, touches(command), lapsed_at=at)
        assert decide(command, loaded, by=by, at=at) == answer
        return Outcome(state=self.state, before=before, answer=answer)

    def after(self, command: Command, *, by: Principal = CLERK, at: datetime = EARLIER) -> "Scenario":
        """Accept the command as part of what is given."""
        answer = self.when(command, by=by, at=at).answer
        assert not isinstance(answer, Refused), answer
        for event in answer:
            evolve(self.state, event)
        relate(self.state)
        return self


def given(*facts: Fact) -> Scenario:
    """Return the state in which these facts hold."""
    state = State()
    for fact in facts:
        _put(state, fact)
    relate(state)
    return Scenario(state=state)


def item(sku: str = SKU, *, archived_at: datetime | None = None) -> Item:
    """Return an item that has been there for a while."""
    return Item(sku=sku, created_at=EARLIER, updated_at=EARLIER, archived_at=archived_at)


def location(
    code: str = EAST,
    *,
    archived_at: datetime | None = None,
    priority: int = PRIORITY_DEFAULT,
    region: str | None = None,
    country_code: str | None = None,
) -> Location:
    """Return a location that has been there for a while."""
    return Location(
        code=code,
        created_at=EARLIER,
        updated_at=EARLIER,
        archived_at=archived_at,
        priority=priority,
        region=region,
        country_code=country_code,
    )


def channel(code: str = WEB, *, archived_at: datetime | None = None, **policy: Unpack[ChannelPolicy]) -> Channel:
    """Return a channel that has been there for a while."""
    return Channel(code=code, created_at=EARLIER, updated_at=EARLIER, archived_at=archived_at, **policy)


def level(
    location_code: str = EAST,
    *,
    sku: str = SKU,
    version: int = 1,
    at: datetime = EARLIER,
    conflict_id: str | None = None,
    **counters: Unpack[Counters],
) -> StockLevel:
    """Return a stock level with these counters."""
    plain = StockLevel(sku=sku, location=location_code, version=version, updated_at=at, conflict_id=conflict_id)
    return replace(plain, **counters)


def change(
    location_code: str,
    delta: int,
    bucket: InventoryBucket = InventoryBucket.ON_HAND,
    *,
    seen: int | None = None,
) -> LevelDelta:
    """Return an entry of inventoryAdjust."""
    return LevelDelta(location=location_code, delta=delta, bucket=bucket, change_from=seen)


def count(
    location_code: str,
    quantity: int,
    bucket: InventoryBucket = InventoryBucket.ON_HAND,
    *,
    seen: int | None = None,
) -> LevelQuantity:
    """Return an entry of inventorySet."""
    return LevelQuantity(location=location_code, quantity=quantity, bucket=bucket, change_from=seen)


def part_move(
    location_code: str,
    quantity: int,
    *,
    source: InventoryBucket | None = None,
    target: InventoryBucket | None = None,
) -> LevelMove:
    """Return an entry of inventoryMove; None is what is available."""
    return LevelMove(location=location_code, quantity=quantity, from_bucket=source, to_bucket=target)


def adjust(*adjustments: LevelDelta, **details: Unpack[Details]) -> InventoryAdjust:
    """Return an inventoryAdjust of SKU."""
    plain = InventoryAdjust(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, adjustments=adjustments)
    return replace(plain, **details)


def set_to(*quantities: LevelQuantity, **details: Unpack[Details]) -> InventorySet:
    """Return an inventorySet of SKU."""
    plain = InventorySet(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, quantities=quantities)
    return replace(plain, **details)


def move(*moves: LevelMove, **details: Unpack[Details]) -> InventoryMove:
    """Return an inventoryMove of SKU."""
    plain = InventoryMove(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, moves=moves)
    return replace(plain, **details)


def activate(location_code: str = EAST, **details: Unpack[Details]) -> InventoryActivate:
    """Return an inventoryActivate of SKU."""
    plain = InventoryActivate(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, location=location_code)
    return replace(plain, **details)


def deactivate(location_code: str = EAST, **details: Unpack[Details]) -> InventoryDeactivate:
    """Return an inventoryDeactivate of SKU."""
    plain = InventoryDeactivate(command_id=COMMAND_ID, sku=SKU, idempotency_key=KEY, location=location_code)
    return replace(plain, **details)


def moved(
    location_code: str,
    delta: int,
    balance_after: int,
    bucket: InventoryBucket = InventoryBucket.ON_HAND,
) -> Movement:
    """Return a row of the ledger."""
    return Movement(location=location_code, bucket=bucket, delta=delta, balance_after=balance_after)


def adjusted(*levels: StockLevel, movements: tuple[Movement, ...], **recorded: Unpack[Recorded]) -> InventoryAdjusted:
    """Return the event of a command by CLERK at NOW that left these levels and these ledger rows."""
    plain = Adjustment(
        id=COMMAND_ID,
        account="acme",
        idempotency_key=KEY,
        sku=SKU,
        reason=AdjustmentReason.CORRECTION,
        movements=movements,
        source_channel=None,
        reference_document_uri=None,
        correlation_id=None,
        occurred_at=NOW,
        recorded_at=NOW,
        recorded_by="clerk",
    )
    return InventoryAdjusted(adjustment=replace(plain, **recorded), levels=levels)


def _put(state: State, fact: Fact) -> None:
    match fact:
        case Item():
            state.items[fact.sku] = fact
        case Location():
            state.locations[fact.code] = fact
        case Channel():
            state.channels[fact.code] = fact
        case Listing():
            state.listings[fact.sku, fact.channel] = fact
        case StockLevel():
            state.put_level(fact)
        case Account():
            state.accounts[fact.code] = fact
        case ApiKey():
            state.api_keys[fact.id] = fact
        case Reservation() | Allocation():
            _put_document(state, fact)
        case Served():
            state.channels_served[fact.location] = fact.channels
        case EndedLevel():
            state.ended_versions[fact.key] = fact.version
        case LevelsElsewhere():
            known = state.level_counts_by_item.get(fact.sku, 0)
            state.level_counts_by_item[fact.sku] = known + fact.count
        case _:
            assert_never(fact)


def _put_document(state: State, fact: Reservation | Allocation) -> None:
    if isinstance(fact, Reservation):
        state.reservations[fact.id] = fact
    else:
        state.allocations[fact.key] = fact

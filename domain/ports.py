"""What the resolvers need from the outside, and what the outside may raise; the one rule: refusals of the domain are
values, refusals of the infrastructure are these exceptions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from domain.account_records import Account, ApiKey
from domain.adjustments import Adjustment, AdjustmentReason
from domain.allocation_commands import Allocation, OrderKey, Shipment
from domain.availability import Exposure
from domain.compositions import Component
from domain.conflicts import PromiseAtRisk, StockConflict
from domain.decider import Command, Event
from domain.filters import ConflictFilter, ItemFilter, ReservationFilter
from domain.levels import InventoryBucket, LevelKey, StockLevel
from domain.postings import PostingCause
from domain.principals import Principal
from domain.records import Channel, Item, Listing, Location
from domain.rejections import Refused
from domain.reservation_commands import Reservation

ANY: Final = 0
"""The least position of an answer that may be as old as answers may be at the most."""
NEWEST: Final = 2**63
"""The least position of an answer that is to come from where the truth is kept; beyond all that can be named."""


class InfrastructureError(Exception):
    """The gateway could not answer now; nothing was half-done. Base of all that is worth a retry."""

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Overloaded(InfrastructureError):
    """The queue is full; the command was not taken."""

    code = "OVERLOADED"


class Unavailable(InfrastructureError):
    """The database did not answer in time; whether a command was kept shows when it is sent again."""


class Stopping(Unavailable):
    """The gateway is going down; whoever follows it comes again after its last position."""

    code = "GATEWAY_STOPPING"


class PositionExpired(Exception):
    """The events after this position are no longer kept; a new snapshot is needed."""


class PositionNotReached(Exception):
    """Nothing has happened yet at the position that an answer was to have reached; `head` is the newest there is."""

    def __init__(self, *, head: int) -> None:
        super().__init__(head)
        self.head = head


class SubscriberTooSlow(Exception):
    """The subscriber fell further behind than is kept for it; `position` is the last that it was given."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsLeft:
    """What a caller may still spend. `retry_after_ms` is None for what was granted, and for what never can be."""

    points: int
    points_max: int
    points_per_second: int
    is_granted: bool
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an accepted command led to. `adjustment` is set for commands that adjust, `replayed` for repeated keys.

    `document_id` is the document that a command on documents made or changed: a reservation (also for its commit), an
    allocation or a shipment; a repeated key has it from the first time, for whoever wants to load it as it is now.

    `position` is the place of the command's last event; for a dry run, and where nothing changed, the head of the log
    on which it was decided.
    """

    position: int
    replayed: bool
    events: tuple[Event, ...] = ()
    adjustment: Adjustment | None = None
    document_id: str | None = None

    @property
    def levels(self) -> tuple[StockLevel, ...]:
        """The levels that the command changed, as it left them, each once; empty for a replay."""
        return tuple({level.key: level for event in self.events for level in getattr(event, "levels", ())}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event of the log at its position."""

    position: int
    recorded_at: datetime
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelAtLocation:
    """A stock level with its location, and whether the location serves the channel that was asked for."""

    level: StockLevel
    location: Location
    serves_channel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StockSnapshot:
    """All that availability of one SKU (on one channel) is computed from, as of one position.

    `is_known` is False for an unknown or archived SKU, `channel_is_known` for an unknown or archived channel (True when
    none was asked for); `exposure` is what the listing on that channel does to the number. Of a bundle, `parts` are its
    leaves, `levels` are theirs, and `pools_of_parts` is how many units of each are pre-allocated to other channels.
    """

    position: int
    as_of: datetime
    sku: str
    is_known: bool
    is_backorderable: bool
    channel_is_known: bool
    exposure: Exposure
    levels: tuple[LevelAtLocation, ...]
    parts: tuple[Component, ...] = ()
    pools_of_parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def own_levels(self) -> tuple[LevelAtLocation, ...]:
        """The levels of the item itself, of which a bundle has none."""
        return () if self.parts else self.levels


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """A movement as the audit trail lists it, newest first; `row_id` orders the rows and is the cursor.

    It belongs to an adjustment with its reason, or to a document with its cause.
    """

    row_id: int
    sku: str
    location: str
    bucket: InventoryBucket
    delta: int
    balance_after: int
    reason: AdjustmentReason | None
    adjustment_id: str | None
    recorded_at: datetime
    cause: PostingCause | None = None
    document_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSince:
    """What a stretch of the log is about, up to and with the position `end`: items by SKU, locations by code."""

    end: int
    skus: tuple[str, ...]
    locations: tuple[str, ...]


class Ledger(Protocol):
    """Takes commands; each is decided and kept, or refused, in one total order."""

    async def execute(self, command: Command, *, by: Principal) -> Receipt | Refused:
        """Decide and keep one command. Raises Overloaded or Unavailable."""
        ...

    async def execute_each(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Decide and keep independent commands, answered in their order."""
        ...

    async def execute_together(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Keep all commands or none, answered in their order."""
        ...


class Reads(Protocol):
    """Answers questions from one consistent snapshot each. All raise Unavailable when the database does not answer.

    `at_least` is the position that an answer has to have reached. One that is asked for less than NEWEST may come from
    a copy of the database that lags a little; one that names a position that there is not yet raises
    PositionNotReached.
    """

    @property
    def has_replica(self) -> bool:
        """Whether there is such a copy; without one, ANY and NEWEST come to the same."""
        ...

    async def snapshots(self, keys: Sequence[tuple[str, str | None]], *, at_least: int = NEWEST) -> list[StockSnapshot]:
        """Return what availability is computed from, for each (SKU, channel code), in one statement.

        Bundles among them cost one statement more, whose answers may be of a later position.
        """
        ...

    async def bundles_of(self, skus: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the bundles that take each of the items from stock, in order of their SKUs."""
        ...

    async def has_bundles(self) -> bool:
        """Return whether there is a bundle now."""
        ...

    async def items(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[Item | None]:
        """Return items by SKU; None for unknown and archived ones."""
        ...

    async def item_page(
        self, wanted: ItemFilter, *, after: str | None, limit: int, at_least: int = NEWEST
    ) -> list[Item]:
        """Return items in order of their SKUs, after the given one."""
        ...

    async def locations(self, codes: Sequence[str], *, at_least: int = NEWEST) -> list[Location | None]:
        """Return locations by code; None for unknown and archived ones."""
        ...

    async def locations_ever_used(self, codes: Sequence[str]) -> list[Location | None]:
        """Return locations by code, archived ones too: the ledger names them for ever. None for unknown ones."""
        ...

    async def location_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Location]:
        """Return locations in order of their codes, after the given one."""
        ...

    async def channels(self, codes: Sequence[str], *, at_least: int = NEWEST) -> list[Channel | None]:
        """Return channels by code; None for unknown and archived ones."""
        ...

    async def channel_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Channel]:
        """Return channels in order of their codes, after the given one."""
        ...

    async def channels_served(
        self, location_codes: Sequence[str], *, at_least: int = NEWEST
    ) -> list[tuple[Channel, ...]]:
        """Return the channels that each location serves, in order of their codes."""
        ...

    async def listings(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[tuple[Listing, ...]]:
        """Return each item's listings on channels in use, in order of channel codes."""
        ...

    async def adjustments(self, ids: Sequence[str]) -> list[Adjustment | None]:
        """Return adjustments by id, whoever made them."""
        ...

    async def adjustment_by_key(self, idempotency_key: str, *, account: str) -> Adjustment | None:
        """Return the adjustment that an account made under a key."""
        ...

    async def movement_page(
        self,
        *,
        sku: str | None,
        locations: Sequence[str] | None,
        before: int | None,
        limit: int,
        at_least: int = NEWEST,
    ) -> list[LedgerRow]:
        """Return ledger rows, newest first, older than the row `before`; None stands for all locations."""
        ...

    async def reservations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Reservation | None]:
        """Return reservations by id, whatever became of them; None for unknown ones."""
        ...

    async def reservation_page(
        self, wanted: ReservationFilter, *, before: str | None, limit: int, at_least: int = NEWEST
    ) -> list[Reservation]:
        """Return reservations, newest first (by id, which grows with time), older than the id `before`."""
        ...

    async def allocations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Allocation | None]:
        """Return allocations by id; None for unknown ones."""
        ...

    async def allocations_of(self, keys: Sequence[OrderKey], *, at_least: int = NEWEST) -> list[Allocation | None]:
        """Return the allocation of each order; None for orders that have none."""
        ...

    async def shipments(self, ids: Sequence[str]) -> list[Shipment | None]:
        """Return shipments by id; None for unknown ones."""
        ...

    async def shipments_of(self, keys: Sequence[OrderKey]) -> list[tuple[Shipment, ...]]:
        """Return the shipments of each order, in the order in which they were confirmed."""
        ...

    async def conflicts(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[StockConflict | None]:
        """Return stock conflicts by id, closed ones too; None for unknown ones."""
        ...

    async def conflict_page(
        self, wanted: ConflictFilter, *, before: tuple[int, str] | None, limit: int, at_least: int = NEWEST
    ) -> list[StockConflict]:
        """Return stock conflicts, newest first, older than the one that opened at (microseconds, id)."""
        ...

    async def promises_at_risk(
        self, keys: Sequence[LevelKey], *, at_least: int = NEWEST
    ) -> list[tuple[PromiseAtRisk, ...]]:
        """Return, for each level, whose units lack physical stock now: the newest promises first."""
        ...

    async def lapsed_reservations(self, *, limit: int) -> list[str]:
        """Return ids of reservations whose time is over and that nothing has resolved, the oldest first."""
        ...

    async def position(self) -> int:
        """Return the position of the newest event."""
        ...

    async def accounts(self, codes: Sequence[str]) -> list[Account | None]:
        """Return accounts by code; None for unknown and archived ones."""
        ...

    async def account_page(self, *, after: str | None, limit: int) -> list[Account]:
        """Return accounts in use in order of their codes, after the given one."""
        ...

    async def api_keys(self, ids: Sequence[str]) -> list[ApiKey | None]:
        """Return API keys by id, whatever became of them; None for unknown ones."""
        ...

    async def api_keys_of(self, codes: Sequence[str]) -> list[tuple[ApiKey, ...]]:
        """Return all keys of each account, in the order in which they were made."""
        ...

    async def credentials(self, key_ids: Sequence[str]) -> list[tuple[ApiKey, Account] | None]:
        """Return keys with their accounts, archived ones too; None for unknown keys."""
        ...

    async def has_api_keys(self) -> bool:
        """Return whether there has ever been a key."""
        ...

    async def skus_stocked_at(self, location: str, *, after: str | None, limit: int) -> list[str]:
        """Return SKUs with a level at the location, in order, after the given one."""
        ...


class Feed(Protocol):
    """The log of events, followed live."""

    def follow(self, after: int | None) -> AsyncIterator[tuple[RecordedEvent, ...]]:
        """Yield every event after the position (None: from now on), in order, a run at a time, for ever.

        Raises PositionExpired when they are no longer kept, SubscriberTooSlow when the caller falls too far behind.
        """
        ...

    def changes_after(self, position: int) -> AsyncIterator[ChangedSince]:
        """Yield what changed after the position up to now, a stretch of the log at a time. Raises PositionExpired."""
        ...


class RateLimits(Protocol):
    """The points that each caller may spend on operations; they come back with time."""

    async def take(self, principal: Principal, points: int) -> PointsLeft:
        """Take points, all or none."""
        ...

    async def give_back(self, principal: Principal, points: int) -> PointsLeft:
        """Give points back; fewer than none takes what was spent beyond what had been taken."""
        ...

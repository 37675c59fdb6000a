"""A batch in memory, and how it is loaded; the rule: first what waits for others, then what was found under the locks.

The catalogue's lock comes first, where it is needed. Levels are locked *before* keys are looked up, so a writer that
waited for a lock sees what its holder kept. The clock is read under the locks: it decides what holds now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from app import ledger_documents as documents
from app.ledger_documents import Found, Ids, sorted_codes
from app.ledger_requests import AccountKey, Request
from app.storage import accounts, bundles, catalogue, events, ledger, stock
from app.storage.statements import Call, Rows, Script, call_if_any, run, run_if_any, run_together
from app.storage.times import from_microseconds
from domain.adjustments import Adjustment
from domain.allocation_commands import AllocationCancel, AllocationCreate, AllocationEvent, ShipmentConfirm
from domain.claims import DocumentCommand
from domain.decider import Command, Event
from domain.levels import LevelKey
from domain.reservation_commands import (
    ReservationCommit,
    ReservationCreate,
    ReservationExpire,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
)
from domain.state import Selectors, State
from domain.stock_commands import InventoryAdjusted


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a key stands for: the adjustment or the document that a replay answers; None where there was none."""

    fingerprint: str
    adjustment_id: str | None
    document_id: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that was accepted in this batch, with its events and the document that they are about.

    `slot` is its place among all outcomes.
    """

    slot: int
    request: Request
    events: tuple[Event, ...]
    document_id: str | None


@dataclass(slots=True, kw_only=True)
class Working:
    """The batch in memory: the loaded truth, the ids behind its codes, the keys, and what is kept so far.

    `bundles_before` are the loaded items that were bundles when the batch began.
    """

    at: datetime
    at_microseconds: int
    head: int
    state: State
    item_ids: Ids
    location_ids: Ids
    found: Found
    bundles_before: frozenset[str]
    known_keys: dict[AccountKey, KnownKey] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    kept_events: int = 0
    replayed: dict[int, KnownKey] = field(default_factory=dict)

    def scratch(self) -> "Working":
        """Return a copy on which a group can be tried."""
        return replace(
            self,
            state=self.state.scratch(),
            known_keys=dict(self.known_keys),
            kept=list(self.kept),
            replayed=dict(self.replayed),
        )

    def level_ids(self, key: LevelKey) -> tuple[int, int]:
        """Return (item id, location id) of a level."""
        return (self.item_ids[key[0]], self.location_ids[key[1]])

    def ids_of_levels(self, request: Request) -> set[tuple[int, int]]:
        """Return the ids of all levels that a request touches, as far as their items and locations are there."""
        return {
            self.level_ids((sku, code))
            for sku, code in self.found.levels_of(request.selectors)
            if sku in self.item_ids and code in self.location_ids
        }

    @property
    def position(self) -> int:
        """The head of the log as the next command of the batch sees it."""
        return self.head + self.kept_events

    def keep(self, kept: Kept) -> None:
        """Take a request that was accepted."""
        self.kept.append(kept)
        self.kept_events += len(kept.events)


def adjustment_of(decided: Sequence[Event]) -> Adjustment | None:
    """Return the adjustment that a command came to; None where nothing was adjusted."""
    return next((event.adjustment for event in decided if isinstance(event, InventoryAdjusted)), None)


def document_of(command: Command, decided: Sequence[Event]) -> str | None:
    """Return the document that a command made or changed; None for commands that are not on documents."""
    match command:
        case ReservationCreate() | ShipmentConfirm():
            return command.command_id
        case AllocationCreate() | AllocationCancel():
            return next((event.allocation.id for event in decided if isinstance(event, AllocationEvent)), None)
        case ReservationExtend() | ReservationRelease() | ReservationMove() | ReservationCommit() | ReservationExpire():
            return command.reservation
        case _:
            return None


def load(requests: Sequence[Request]) -> Script[Working]:
    """Wait for what others hold, and load all that the requests touch."""
    yield from _lock_catalogue(requests)
    selectors = [request.selectors for request in requests]
    state = State()
    item_ids, location_ids, found = yield from _load_catalogue(state, selectors)
    found.has_documents = any(isinstance(request.command, DocumentCommand) for request in requests)
    if any(request.looks_for_lapsed for request in requests):
        yield from documents.find_lapsed(requests, found, item_ids=item_ids, location_ids=location_ids)
    locked = yield from _lock_levels(state, selectors, found, item_ids=item_ids, location_ids=location_ids)
    working = yield from _load_under_locks(
        state, requests, found, locked=locked, item_ids=item_ids, location_ids=location_ids
    )
    yield from _load_accounts(working.state, selectors)
    return working


def _lock_catalogue(requests: Sequence[Request]) -> Script[None]:
    """Wait for other processes: what is not there yet, or is to go, has no row that could be locked.

    Changes of the catalogue, of accounts and of keys are made one at a time, and while one is made no level begins.
    """
    if not all(request.moves_stock for request in requests):
        yield from run(catalogue.lock_catalogue_alone)
    elif any(request.selectors.activated_levels for request in requests):
        yield from run(catalogue.lock_catalogue_shared)


def _load_catalogue(state: State, selectors: Sequence[Selectors]) -> Script[tuple[Ids, Ids, Found]]:
    """Load items, locations and channels, and find where documents hold units.

    Returns the ids of items by SKU, and of locations by code.
    """
    items, locations, channels, served, *of_documents = yield from run_together(
        call_if_any(catalogue.items_by_sku, skus=sorted_codes(one.skus for one in selectors)),
        call_if_any(catalogue.locations_by_code, codes=sorted_codes(one.locations for one in selectors)),
        call_if_any(catalogue.channels_by_code, codes=sorted_codes(one.channels for one in selectors)),
        call_if_any(
            catalogue.channel_codes_by_location,
            codes=sorted_codes(one.locations for one in selectors if not (one.levels or one.sourced)),
        ),
        *documents.calls_to_find(selectors),
    )
    state.items.update((row[1], catalogue.item_from(row)) for row in items)
    state.locations.update((row[1], catalogue.location_from(row)) for row in locations)
    state.channels.update((row[1], catalogue.channel_from(row)) for row in channels)
    for location, channel in served:
        state.channels_served[location] = state.channels_served.get(location, frozenset()) | {channel}
    item_ids, location_ids = {row[1]: row[0] for row in items}, {row[1]: row[0] for row in locations}
    found = documents.take_found(of_documents, state, item_ids=item_ids, location_ids=location_ids)
    yield from documents.find_parts(selectors, state, found, item_ids=item_ids, location_ids=location_ids)
    return item_ids, location_ids, found


def _lock_levels(
    state: State, selectors: Sequence[Selectors], found: Found, *, item_ids: Ids, location_ids: Ids
) -> Script[set[LevelKey]]:
    """Begin, lock and load levels; return those that are locked, or not there."""

    def known(keys: Iterable[LevelKey]) -> dict[tuple[int, int], LevelKey]:
        return {
            (item_ids[sku], location_ids[code]): (sku, code)
            for sku, code in set(keys)
            if sku in item_ids and code in location_ids
        }

    begin = known(key for one in selectors for key in one.activated_levels)
    yield from run_if_any(stock.begin_levels, keys=sorted(begin))
    wanted = known(chain(*map(found.levels_of, selectors), *found.lapsed.values()))
    rows = yield from run_if_any(stock.levels_for_update, keys=sorted(wanted))
    for item_id, location_id, is_active, *columns in rows:
        key = wanted[item_id, location_id]
        if is_active:
            state.levels[key] = stock.level_from(columns, sku=key[0], location=key[1])
        else:
            state.ended_versions[key] = columns[stock.VERSION_PLACE]
    return set(wanted.values())


def _load_under_locks(
    state: State,
    requests: Sequence[Request],
    found: Found,
    *,
    locked: set[LevelKey],
    item_ids: Ids,
    location_ids: Ids,
) -> Script[Working]:
    selectors = [request.selectors for request in requests]
    keys = sorted({request.key for request in requests if request.key is not None})
    clock, known, of_items, of_locations, uses, listed, api_keys, *of_documents = yield from run_together(
        Call(events.clock_and_head, {}),
        call_if_any(ledger.keys_used, keys=keys),
        call_if_any(stock.level_counts_by_sku, skus=sorted_codes(one.level_counts_of_items for one in selectors)),
        call_if_any(
            stock.level_counts_by_location, codes=sorted_codes(one.level_counts_of_locations for one in selectors)
        ),
        call_if_any(bundles.bundle_uses_by_sku, skus=sorted_codes(one.bundle_uses for one in selectors)),
        call_if_any(catalogue.listings_by_key, keys=sorted({key for one in selectors for key in one.listings})),
        call_if_any(accounts.api_keys_by_id, ids=sorted_codes(one.api_keys for one in selectors)),
        *documents.calls_to_load(selectors, found),
    )
    state.level_counts_by_item.update(_pairs(of_items))
    state.level_counts_by_location.update(_pairs(of_locations))
    state.bundle_uses.update(_pairs(uses))
    state.listings.update(((row[0], row[1]), catalogue.listing_from(row)) for row in listed)
    state.api_keys.update((row[0], accounts.api_key_from(row)) for row in api_keys)
    documents.take_loaded(of_documents, state, found, selectors=selectors, locked=locked)
    ((at_microseconds, head),) = clock
    return Working(
        at=from_microseconds(at_microseconds),
        at_microseconds=at_microseconds,
        head=head,
        state=state,
        item_ids=item_ids,
        location_ids=location_ids,
        found=found,
        bundles_before=frozenset(sku for sku, item in state.items.items() if item.composition is not None),
        known_keys={(row[0], row[1]): KnownKey(*row[2:]) for row in known},
    )


def _load_accounts(state: State, selectors: Sequence[Selectors]) -> Script[None]:
    codes = {code for one in selectors for code in one.accounts} | {one.account for one in state.api_keys.values()}
    state.accounts.update((one.code, one) for one in (yield from accounts.load_accounts(codes)))


def _pairs(rows: Rows) -> Iterable[tuple[str, int]]:
    return ((row[0], row[1]) for row in rows)

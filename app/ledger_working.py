"""A batch in memory, and how it is loaded; the rule: first what waits for others, then what was found under the locks.

The catalogue's lock comes first, where it is needed. Levels are locked *before* keys are looked up, so a writer that
waited for a lock sees what its holder kept. The clock is read under the locks: it decides what holds now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.ledger_requests import AccountKey, Request
from app.storage import accounts, catalogue, events, ledger, stock
from app.storage.statements import Call, Rows, Script, call_if_any, run, run_if_any, run_together
from app.storage.times import from_microseconds
from domain.adjustments import Adjustment
from domain.decider import Event
from domain.levels import LevelKey
from domain.state import Selectors, State
from domain.stock_commands import InventoryAdjusted, StockCommands


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a key stands for; `adjustment` is what a replay answers, None where nothing was adjusted."""

    fingerprint: str
    adjustment_id: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that was accepted in this batch, with its events; `slot` is its place among all outcomes."""

    slot: int
    request: Request
    events: tuple[Event, ...]


@dataclass(slots=True, kw_only=True)
class Working:
    """The batch in memory: the loaded truth, the ids behind its codes, the keys, and what is kept so far."""

    at: datetime
    at_microseconds: int
    head: int
    state: State
    item_ids: dict[str, int]
    location_ids: dict[str, int]
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
    return decided[0].adjustment if decided and isinstance(decided[0], InventoryAdjusted) else None


def load(requests: Sequence[Request]) -> Script[Working]:
    """Wait for what others hold, and load all that the requests touch."""
    yield from _lock_catalogue(requests)
    selectors = [request.selectors for request in requests]
    state = State()
    item_ids, location_ids = yield from _load_catalogue(state, selectors)
    yield from _lock_levels(state, selectors, item_ids=item_ids, location_ids=location_ids)
    working = yield from _load_under_locks(state, requests, item_ids=item_ids, location_ids=location_ids)
    yield from _load_accounts(working.state, selectors)
    return working


def _lock_catalogue(requests: Sequence[Request]) -> Script[None]:
    """Wait for other processes: what is not there yet, or is to go, has no row that could be locked.

    Changes of the catalogue, of accounts and of keys are made one at a time, and while one is made no level begins.
    """
    if not all(isinstance(request.command, StockCommands) for request in requests):
        yield from run(catalogue.lock_catalogue_alone)
    elif any(request.selectors.activated_levels for request in requests):
        yield from run(catalogue.lock_catalogue_shared)


def _load_catalogue(state: State, selectors: Sequence[Selectors]) -> Script[tuple[dict[str, int], dict[str, int]]]:
    """Load items, locations and channels; return the ids of the items by SKU, and of the locations by code."""
    items, locations, channels, served = yield from run_together(
        call_if_any(catalogue.items_by_sku, skus=_sorted(one.skus for one in selectors)),
        call_if_any(catalogue.locations_by_code, codes=_sorted(one.locations for one in selectors)),
        call_if_any(catalogue.channels_by_code, codes=_sorted(one.channels for one in selectors)),
        call_if_any(
            catalogue.channel_codes_by_location,
            codes=_sorted(one.locations for one in selectors if not one.levels),
        ),
    )
    state.items.update((row[1], catalogue.item_from(row)) for row in items)
    state.locations.update((row[1], catalogue.location_from(row)) for row in locations)
    state.channels.update((row[1], catalogue.channel_from(row)) for row in channels)
    for location, channel in served:
        state.channels_served[location] = state.channels_served.get(location, frozenset()) | {channel}
    return {row[1]: row[0] for row in items}, {row[1]: row[0] for row in locations}


def _lock_levels(
    state: State, selectors: Sequence[Selectors], *, item_ids: dict[str, int], location_ids: dict[str, int]
) -> Script[None]:
    def known(keys: Iterable[LevelKey]) -> dict[tuple[int, int], LevelKey]:
        return {
            (item_ids[sku], location_ids[code]): (sku, code)
            for sku, code in set(keys)
            if sku in item_ids and code in location_ids
        }

    begin = known(key for one in selectors for key in one.activated_levels)
    yield from run_if_any(stock.begin_levels, keys=sorted(begin))
    wanted = known(key for one in selectors for key in one.levels)
    rows = yield from run_if_any(stock.levels_for_update, keys=sorted(wanted))
    for item_id, location_id, is_active, *columns in rows:
        key = wanted[item_id, location_id]
        if is_active:
            state.levels[key] = stock.level_from(columns, sku=key[0], location=key[1])
        else:
            state.ended_versions[key] = columns[stock.VERSION_PLACE]


def _load_under_locks(
    state: State, requests: Sequence[Request], *, item_ids: dict[str, int], location_ids: dict[str, int]
) -> Script[Working]:
    selectors = [request.selectors for request in requests]
    keys = sorted({request.key for request in requests if request.key is not None})
    clock, known, of_items, of_locations, listed, api_keys = yield from run_together(
        Call(events.clock_and_head, {}),
        call_if_any(ledger.keys_used, keys=keys),
        call_if_any(stock.level_counts_by_sku, skus=_sorted(one.level_counts_of_items for one in selectors)),
        call_if_any(stock.level_counts_by_location, codes=_sorted(one.level_counts_of_locations for one in selectors)),
        call_if_any(catalogue.listings_by_key, keys=sorted({key for one in selectors for key in one.listings})),
        call_if_any(accounts.api_keys_by_id, ids=_sorted(one.api_keys for one in selectors)),
    )
    state.level_counts_by_item.update(_pairs(of_items))
    state.level_counts_by_location.update(_pairs(of_locations))
    state.listings.update(((row[0], row[1]), catalogue.listing_from(row)) for row in listed)
    state.api_keys.update((row[0], accounts.api_key_from(row)) for row in api_keys)
    ((at_microseconds, head),) = clock
    return Working(
        at=from_microseconds(at_microseconds),
        at_microseconds=at_microseconds,
        head=head,
        state=state,
        item_ids=item_ids,
        location_ids=location_ids,
        known_keys={(row[0], row[1]): KnownKey(row[2], row[3]) for row in known},
    )


def _load_accounts(state: State, selectors: Sequence[Selectors]) -> Script[None]:
    codes = {code for one in selectors for code in one.accounts} | {one.account for one in state.api_keys.values()}
    state.accounts.update((one.code, one) for one in (yield from accounts.load_accounts(codes)))


def _sorted(sets: Iterable[Iterable[str]]) -> list[str]:
    return sorted({one for part in sets for one in part})


def _pairs(rows: Rows) -> Iterable[tuple[str, int]]:
    return ((row[0], row[1]) for row in rows)

"""The documents of a batch: where they hold units, found before anything is locked, and what they are, read under the
locks.

The rule: a document is decided on only if every level that it holds units on is locked. Where it holds some is found
unlocked, so it may have changed until the locks are there; then it is left to the next batch.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from app.ledger_requests import Request
from app.storage import catalogue, promises
from app.storage.record_codec import decode_record
from app.storage.statements import Call, Rows, Script, run
from domain.allocation_commands import Allocation
from domain.levels import LevelKey
from domain.promises import units_by_level
from domain.reservation_commands import Reservation
from domain.state import Selectors, State

LAPSED_PER_BATCH_MAX: Final = 200
"""So many reservations that have lapsed a batch looks at; the sweeper sees to the rest."""
Ids = dict[str, int]
"""Row ids by SKU or by location code."""


@dataclass(slots=True, kw_only=True)
class Found:
    """Where documents hold units and items are stocked, as it was before anything was locked.

    `has_documents` says whether the batch may change any. `held` is what the documents held when they were read
    under the locks, by document id, and `versions` at which version orders' allocations were. Uncovered are the
    reservations and orders that hold more than is locked. `bundles` are the claimed items that are bundles, with the
    SKUs of what they take from stock.
    """

    of_reservations: dict[str, set[LevelKey]] = field(default_factory=dict)
    of_orders: dict[str, set[LevelKey]] = field(default_factory=dict)
    sourced: dict[tuple[str, str | None], set[LevelKey]] = field(default_factory=dict)
    bundles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lapsed: dict[str, set[LevelKey]] = field(default_factory=dict)
    has_documents: bool = False
    held: dict[str, Mapping[LevelKey, int]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    uncovered_reservations: set[str] = field(default_factory=set)
    uncovered_orders: set[str] = field(default_factory=set)

    def levels_of(self, selectors: Selectors) -> Set[LevelKey]:
        """Return all levels that a command touches: those that it names, and those that its documents bring."""
        if not (selectors.document_count or self.bundles):
            return selectors.levels
        levels = set(selectors.levels)
        for reservation in selectors.reservations:
            levels |= self.of_reservations.get(reservation, set())
        for order in selectors.orders:
            levels |= self.of_orders.get(order, set())
        for key in self.sourced_by(selectors):
            levels |= self.sourced.get(key, set())
        for reservation, place in selectors.new_places:
            levels |= {(sku, place) for sku, _ in self.of_reservations.get(reservation, set())}
        return levels

    def sourced_by(self, selectors: Selectors) -> Set[tuple[str, str | None]]:
        """Return all (SKU, channel) whose levels a command may take from: of a claimed bundle those of its parts."""
        if not self.bundles:
            return selectors.sourced
        return selectors.sourced | {
            (part, channel) for sku, channel in selectors.claimed for part in self.bundles.get(sku, ())
        }

    @property
    def covers_everything(self) -> bool:
        """Return whether all that documents hold is locked."""
        return not (self.uncovered_reservations or self.uncovered_orders)

    def covers(self, selectors: Selectors) -> bool:
        """Return whether all that the command's documents hold is locked."""
        return self.uncovered_reservations.isdisjoint(selectors.reservations) and self.uncovered_orders.isdisjoint(
            selectors.orders
        )


def has_documents(selectors: Iterable[Selectors]) -> bool:
    """Return whether any command brings documents, or items that are to be sourced."""
    return any(one.document_count for one in selectors)


def calls_to_find(selectors: Sequence[Selectors]) -> tuple[Call, ...]:
    """Return the calls that find the levels of documents; none where there are no documents."""
    if not has_documents(selectors):
        return ()
    ids = sorted_codes(one.reservations for one in selectors)
    keys = {key for one in selectors for key in one.sourced}
    return (
        Call(promises.levels_of_reservations, {"ids": ids}),
        Call(promises.channels_of_reservations, {"ids": ids}),
        Call(promises.levels_of_orders, {"ids": sorted_codes(one.orders for one in selectors)}),
        Call(promises.levels_sourced, {"keys": _sorted_keys(keys)}),
    )


def take_found(found: Sequence[Rows], state: State, *, item_ids: Ids, location_ids: Ids) -> Found:
    """Return what the calls of `calls_to_find` found; channels, locations and ids go where all are kept."""
    if not found:
        return Found()
    of_reservations, channels, of_orders, sourced = found
    state.channels.update((row[1], catalogue.channel_from(row)) for row in channels)
    return Found(
        of_reservations=_held(of_reservations, item_ids=item_ids, location_ids=location_ids),
        of_orders=_held(of_orders, item_ids=item_ids, location_ids=location_ids),
        sourced=_sourced(sourced, state, item_ids=item_ids, location_ids=location_ids),
    )


def find_parts(
    selectors: Sequence[Selectors], state: State, found: Found, *, item_ids: Ids, location_ids: Ids
) -> Script[None]:
    """Find the levels of what claimed bundles are made of; asks nothing where no bundle is claimed."""
    claimed = {sku for one in selectors for sku, _ in one.claimed if sku in state.items}
    compositions = {sku: state.items[sku].composition for sku in claimed}
    found.bundles = {
        sku: tuple(leaf.sku for leaf in made_of.leaves) for sku, made_of in compositions.items() if made_of is not None
    }
    if not found.bundles:
        return
    keys = {key for one in selectors for key in found.sourced_by(one) - one.sourced}
    rows = yield from run(promises.levels_sourced, keys=_sorted_keys(keys))
    found.sourced |= _sourced(rows, state, item_ids=item_ids, location_ids=location_ids)


def find_lapsed(requests: Sequence[Request], found: Found, *, item_ids: Ids, location_ids: Ids) -> Script[None]:
    """Find the reservations that have lapsed and hold what requests lacked when they were tried before."""
    wanted = {
        (item_ids[sku], location_ids[code])
        for request in requests
        if request.looks_for_lapsed
        for sku, code in found.levels_of(request.selectors)
        if sku in item_ids and code in location_ids
    }
    rows = yield from lapsed_on(wanted)
    found.lapsed = _held(rows, item_ids=item_ids, location_ids=location_ids)


def lapsed_on(levels: Iterable[tuple[int, int]]) -> Script[Rows]:
    """Return where the reservations hold units that have lapsed and hold some on these levels (item, location id)."""
    keys = sorted(levels)
    return (yield from run(promises.lapsed_on_levels, keys=keys, limit=LAPSED_PER_BATCH_MAX)) if keys else []


def calls_to_load(selectors: Sequence[Selectors], found: Found) -> tuple[Call, ...]:
    """Return the calls that read the documents, and what else claims are decided on; none without documents."""
    if not (found.lapsed or found.bundles or has_documents(selectors)):
        return ()
    named = {one for part in selectors for one in part.reservations}
    pooled = {sku for one in selectors for sku, channel in found.sourced_by(one) if channel is not None}
    return (
        Call(promises.reservations_by_id, {"ids": sorted(named | found.lapsed.keys())}),
        Call(promises.allocations_by_order, {"ids": sorted_codes(one.orders for one in selectors)}),
        Call(promises.pools_by_sku, {"skus": sorted(pooled)}),
    )


def take_loaded(
    loaded: Sequence[Rows], state: State, found: Found, *, selectors: Sequence[Selectors], locked: set[LevelKey]
) -> None:
    """Keep what the calls of `calls_to_load` read; documents that hold more than is locked are left out."""
    if not loaded:
        return
    reservations, allocations, pools = loaded
    found.has_documents = True
    for (data,) in reservations:
        reservation = decode_record(Reservation, data)
        found.held[reservation.id] = units_by_level(reservation.holding)
        if found.held[reservation.id].keys() <= locked:
            state.reservations[reservation.id] = reservation
        else:
            found.uncovered_reservations.add(reservation.id)
    for (data,) in allocations:
        allocation = decode_record(Allocation, data)
        found.held[allocation.id] = units_by_level(allocation.lines)
        found.versions[allocation.id] = allocation.version
        state.allocations[allocation.key] = allocation
        if not found.held[allocation.id].keys() <= locked:
            found.uncovered_orders.add(allocation.order_id)
    for sku, channel, units in pools:
        state.pools.setdefault(sku, {})[channel] = units
    for key in {key for one in selectors for key in found.sourced_by(one)}:
        state.places_served[key] = frozenset(code for _, code in found.sourced.get(key, ()))


def sorted_codes(sets: Iterable[Iterable[str]]) -> list[str]:
    """Return all texts of some sets, each once."""
    return sorted({one for part in sets for one in part})


def _sorted_keys(keys: Iterable[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    return sorted(keys, key=lambda key: (key[0], key[1] or ""))


def _sourced(
    rows: Rows, state: State, *, item_ids: Ids, location_ids: Ids
) -> dict[tuple[str, str | None], set[LevelKey]]:
    levels: dict[tuple[str, str | None], set[LevelKey]] = {}
    for sku, channel, item_id, *columns in rows:
        location = catalogue.location_from(columns)
        item_ids[sku], location_ids[location.code] = item_id, columns[0]
        state.locations[location.code] = location
        levels.setdefault((sku, channel), set()).add((sku, location.code))
    return levels


def _held(rows: Rows, *, item_ids: Ids, location_ids: Ids) -> dict[str, set[LevelKey]]:
    levels: dict[str, set[LevelKey]] = {}
    for document, sku, item_id, code, location_id in rows:
        item_ids[sku], location_ids[code] = item_id, location_id
        levels.setdefault(document, set()).add((sku, code))
    return levels

"""What a batch writes; the one rule: positions are taken in the last step before the commit.

So they are dense and in the order of the commits, and nothing else is waited for while they are held.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.ledger_requests import Outcome
from app.ledger_working import Working
from app.storage import accounts, bundles, catalogue, events, ledger, postings, promises, stock
from app.storage.ledger import Cause
from app.storage.statements import Call, Script, call_if_any, run_if_any, run_together
from domain.accounts import AccountEvent
from domain.adjustments import Adjustment
from domain.allocation_commands import Allocation, AllocationEvent, ShipmentConfirmed
from domain.catalogue import (
    ChannelArchived,
    ChannelUpserted,
    ItemArchived,
    ItemUpserted,
    LocationArchived,
    LocationUpserted,
)
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import LevelKey, StockLevel
from domain.listings import ListingUpserted
from domain.ports import Receipt
from domain.postings import StockPosted
from domain.promises import units_by_level
from domain.reservation_commands import Reservation, ReservationEvent
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated


def write(working: Working, outcomes: list[Outcome | None]) -> Script[dict[str, Adjustment] | None]:
    """Write what is kept and answer it; return the adjustments by id.

    None if another writer changed an order meanwhile: then nothing of it is to be kept.
    """
    log = [event for kept in working.kept for event in kept.events]
    yield from _write_catalogue(log, working.bundles_before)
    yield from accounts.write_changed(event for event in log if isinstance(event, AccountEvent))
    if working.found.has_documents and not (yield from _write_allocations(working, log)):
        return None
    yield from _write_begun_and_conflicts(working, log)
    # Positions are taken in the last step before the commit: until then no other process waits for them.
    *_, head, _, _, _ = yield from run_together(
        _call_to_put_levels(working, log),
        _call_to_add_movements(working, log),
        _call_to_add_keys(working),
        *(_calls_to_put_documents(working, log) if working.found.has_documents else ()),
        *_calls_to_append(working, log),
    )
    return _place(working, outcomes, first=(head[0][0] if head else working.head) - len(log))


def _calls_to_append(
    working: Working, log: Sequence[Event]
) -> tuple[Call | None, Call | None, Call | None, Call | None]:
    """Return the calls that take positions, keep adjustments and postings there, and append the events."""
    advance, append = events.calls_to_append(log, recorded_at_microseconds=working.at_microseconds)
    # A cause's position is that of its event; what stands behind it in the log is how far that is from the head.
    behind = range(len(log) - 1, -1, -1)
    adjusted = (
        (event.adjustment, working.item_ids[event.adjustment.sku], back)
        for back, event in zip(behind, log, strict=True)
        if isinstance(event, InventoryAdjusted)
    )
    posted = (
        (event.posting, working.item_ids[event.posting.sku], back)
        for back, event in zip(behind, log, strict=True)
        if isinstance(event, StockPosted)
    )
    add_postings = postings.call_to_add_postings(posted) if working.found.has_documents else None
    return advance, ledger.call_to_add_adjustments(adjusted), add_postings, append


def _place(working: Working, outcomes: list[Outcome | None], *, first: int) -> dict[str, Adjustment]:
    """Answer what was kept, now that the position before the first event is known; return the adjustments by id."""
    position = first
    adjustments: dict[str, Adjustment] = {}
    for kept in working.kept:
        adjustment = None
        for place, event in enumerate(kept.events, start=1):
            if isinstance(event, InventoryAdjusted):
                adjustment = adjustments[event.adjustment.id] = event.adjustment.placed(position + place)
        position += len(kept.events)
        outcomes[kept.slot] = Receipt(
            position=position,
            replayed=False,
            events=kept.events,
            adjustment=adjustment,
            document_id=kept.document_id,
        )
    return adjustments


def _write_catalogue(log: Sequence[Event], bundles_before: frozenset[str]) -> Script[None]:
    items = {e.item.sku: e.item for e in log if isinstance(e, ItemUpserted | ItemArchived)}
    yield from catalogue.write_items(items.values())
    yield from bundles.write_parts(
        {sku: one.composition for sku, one in items.items() if one.composition is not None or sku in bundles_before}
    )
    yield from catalogue.write_channels(
        {e.channel.code: e.channel for e in log if isinstance(e, ChannelUpserted | ChannelArchived)}.values()
    )
    yield from catalogue.write_locations(
        {e.location.code: e.location for e in log if isinstance(e, LocationUpserted | LocationArchived)}.values()
    )
    yield from catalogue.write_channels_served(
        {e.location.code: e.channels for e in log if isinstance(e, LocationUpserted)}
    )
    yield from catalogue.write_listings(
        {(e.listing.sku, e.listing.channel): e.listing for e in log if isinstance(e, ListingUpserted)}.values()
    )


def _write_allocations(working: Working, log: Sequence[Event]) -> Script[bool]:
    """Keep orders' allocations as they are now; return whether all were still as they had been found.

    Levels do not guard them: an order has one allocation, whatever its lines hold. Whoever changes the same order is
    waited for, which must not happen once positions are taken.
    """
    changed = {e.allocation.id: e.allocation for e in log if isinstance(e, AllocationEvent)}
    if not changed:
        return True
    versions = working.found.versions
    known = sorted(changed.keys() & versions.keys())
    new = sorted((one for id_, one in changed.items() if id_ not in versions), key=lambda one: one.key)
    added, kept = yield from run_together(
        promises.call_to_add_allocations(new),
        promises.call_to_change_allocations((changed[id_], versions[id_]) for id_ in known),
    )
    return len(added) == len(new) and len(kept) == len(known)


def _calls_to_put_documents(working: Working, log: Sequence[Event]) -> tuple[Call, ...]:
    """Return the calls that keep reservations, shipments, and what documents hold.

    All of them whatever there is to keep, so that there are few kinds of steps to prepare.
    """
    reservations = {e.reservation.id: e.reservation for e in log if isinstance(e, ReservationEvent)}
    allocations = {e.allocation.id: e.allocation for e in log if isinstance(e, AllocationEvent)}
    held: list[tuple[str, int, int, str, int]] = []
    gone: list[tuple[str, int, int]] = []
    for document, kind, now in _held_now(reservations.values(), allocations.values()):
        before = working.found.held.get(document, {})
        held += [
            (document, *working.level_ids(key), kind, units) for key, units in now.items() if units != before.get(key)
        ]
        gone += [(document, *working.level_ids(key)) for key in before.keys() - now.keys()]
    return (
        promises.call_to_put_reservations(reservations.values()),
        promises.call_to_add_shipments(e.shipment for e in log if isinstance(e, ShipmentConfirmed)),
        Call(promises.put_holds, {"rows": sorted(held)}),
        Call(promises.forget_holds, {"keys": sorted(gone)}),
    )


def _held_now(
    reservations: Iterable[Reservation], allocations: Iterable[Allocation]
) -> Iterator[tuple[str, str, Mapping[LevelKey, int]]]:
    for reservation in reservations:
        yield reservation.id, promises.RESERVATION, units_by_level(reservation.holding)
    for allocation in allocations:
        yield allocation.id, promises.ALLOCATION, units_by_level(allocation.lines)


def _call_to_put_levels(working: Working, log: Sequence[Event]) -> Call | None:
    changed: dict[LevelKey, tuple[StockLevel, bool]] = {}
    for event in log:
        if isinstance(event, InventoryAdjusted | StockPosted):
            changed.update((level.key, (level, True)) for level in event.levels)
        elif isinstance(event, LevelActivated | LevelDeactivated):
            changed[event.level.key] = (event.level, isinstance(event, LevelActivated))
    return stock.call_to_put_levels(
        (working.level_ids(key), level, is_active) for key, (level, is_active) in changed.items()
    )


def _write_begun_and_conflicts(working: Working, log: Sequence[Event]) -> Script[None]:
    # What was to begin and was refused, or was only a dry run, leaves no trace; the row is not visible to anyone yet.
    never_begun = [working.level_ids(key) for key, version in working.state.ended_versions.items() if version == 0]
    yield from run_if_any(stock.forget_levels, keys=sorted(never_begun))
    yield from stock.write_conflicts(
        [(working.level_ids(e.level.key), e) for e in log if isinstance(e, StockConflictOpened)],
        [e for e in log if isinstance(e, StockConflictClosed)],
    )


def _call_to_add_movements(working: Working, log: Sequence[Event]) -> Call | None:
    return ledger.call_to_add_movements(
        (cause, working.item_ids[cause.sku], working.location_ids) for cause in _causes(log)
    )


def _causes(log: Sequence[Event]) -> Iterator[Cause]:
    """Yield what moved stock, in the order of the log."""
    for event in log:
        if isinstance(event, InventoryAdjusted):
            yield event.adjustment
        elif isinstance(event, StockPosted):
            yield event.posting


def _call_to_add_keys(working: Working) -> Call | None:
    rows = [
        (*kept.request.key, known.fingerprint, known.adjustment_id, working.at_microseconds, known.document_id)
        for kept in working.kept
        if kept.request.key is not None
        for known in (working.known_keys[kept.request.key],)
    ]
    return call_if_any(ledger.add_keys, rows=sorted(rows))

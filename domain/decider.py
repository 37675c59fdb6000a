"""The decider: `touches`, `decide`, `evolve` over all nouns; the one rule: it is pure, so that the same command on
the same state at the same time always decides the same.
"""

from datetime import datetime
from uuid import UUID, uuid5

from domain import accounts, allocations, bundles, catalogue, listings, reservations, stock
from domain.accounts import AccountCommand, AccountEvent
from domain.allocation_commands import AllocationCommands, AllocationEvent
from domain.bundles import BundleCommand
from domain.catalogue import CatalogueCommand, CatalogueEvent
from domain.listings import ListingUpsert, ListingUpserted
from domain.postings import StockPosted
from domain.principals import EVERYTHING, Principal
from domain.promises import units_by_level
from domain.records import leaves_of
from domain.rejections import Refused, RejectionCode
from domain.reservation_commands import Reservation, ReservationCommands, ReservationEvent
from domain.state import Selectors, State
from domain.stock_commands import StockCommands, StockEvent

DocumentCommands = ReservationCommands | AllocationCommands
KeyedCommands = StockCommands | DocumentCommands
"""The commands that move stock: each under an idempotency key, many in one batch."""
Command = CatalogueCommand | BundleCommand | ListingUpsert | KeyedCommands | AccountCommand
Event = CatalogueEvent | ListingUpserted | StockEvent | StockPosted | ReservationEvent | AllocationEvent | AccountEvent


def malformed(command: Command) -> Refused | None:
    """Return what is wrong with the command whatever the state is: INVALID_INPUT comes before all else."""
    if isinstance(command, StockCommands):
        found = tuple(stock.malformed(command))
    elif isinstance(command, ReservationCommands):
        found = tuple(reservations.malformed(command))
    elif isinstance(command, AllocationCommands):
        found = tuple(allocations.malformed(command))
    elif isinstance(command, BundleCommand):
        found = tuple(bundles.malformed(command))
    elif isinstance(command, ListingUpsert):
        found = tuple(listings.malformed(command))
    elif isinstance(command, AccountCommand):
        found = tuple(accounts.malformed(command))
    else:
        found = tuple(catalogue.malformed(command))
    return Refused(rejections=found) if found else None


def touches(command: Command) -> Selectors:
    """Return what the command needs to see before it can be decided."""
    if isinstance(command, StockCommands):
        return stock.touches(command)
    if isinstance(command, ReservationCommands):
        return reservations.touches(command)
    if isinstance(command, AllocationCommands):
        return allocations.touches(command)
    if isinstance(command, BundleCommand):
        return bundles.touches(command)
    if isinstance(command, ListingUpsert):
        return listings.touches(command)
    if isinstance(command, AccountCommand):
        return accounts.touches(command)
    return catalogue.touches(command)


def decide(command: Command, state: State, *, by: Principal, at: datetime) -> tuple[Event, ...] | Refused:
    """Return the events that the command leads to, or why it is refused; nothing changes either way.

    A claim that would fail is tried once more without the reservations that have lapsed, and then ends those first.
    """
    decided = _decide(command, state, by=by, at=at)
    if not is_short(decided) or not isinstance(command, KeyedCommands):
        return decided
    all_lapsed = _in_the_way(command, state, at=at)
    if not all_lapsed:
        return decided
    trial = state.scratch()
    ended: list[Event] = []
    for place, lapsed in enumerate(all_lapsed):
        command_id = uuid5(UUID(command.command_id), str(place)).hex
        for event in reservations.expired(lapsed, trial, command_id=command_id, at=at):
            evolve(trial, event)
            ended.append(event)
    again = _decide(command, trial, by=by, at=at)
    return decided if isinstance(again, Refused) else (*ended, *again)


def _in_the_way(command: KeyedCommands, state: State, *, at: datetime) -> list[Reservation]:
    """Return the reservations that have lapsed and hold units of the command's items, or of what those are made of,
    so that ending them may help.

    Those that hold units on a level that is not loaded are left: another command of the batch named them.
    """
    seen = touches(command)
    named = [state.reservations[one] for one in seen.reservations if one in state.reservations]
    skus = {part.sku for sku in seen.skus & state.items.keys() for part in leaves_of(state.items[sku])}
    skus |= {sku for one in named for sku, _ in units_by_level(one.lines)}
    return [
        one
        for one in state.reservations.values()
        if one.has_lapsed(at)
        for held in (units_by_level(one.lines),)
        if held.keys() <= state.levels.keys() and not skus.isdisjoint(sku for sku, _ in held)
    ]


def is_short(decided: tuple[Event, ...] | Refused) -> bool:
    """Whether a command was refused for want of stock, which reservations that have lapsed may still hold."""
    return isinstance(decided, Refused) and decided.rejections[0].code is RejectionCode.INSUFFICIENT_STOCK


def _decide(command: Command, state: State, *, by: Principal, at: datetime) -> tuple[Event, ...] | Refused:
    seen = state if by.scope == EVERYTHING else state.seen_within(by.scope)
    if isinstance(command, StockCommands):
        return stock.decide(command, seen, by=by, at=at)
    if isinstance(command, ReservationCommands):
        return reservations.decide(command, seen, by=by, at=at)
    if isinstance(command, AllocationCommands):
        return allocations.decide(command, seen, by=by, at=at)
    if isinstance(command, BundleCommand):
        return bundles.decide(command, seen, at=at)
    if isinstance(command, ListingUpsert):
        return listings.decide(command, seen, at=at)
    if isinstance(command, AccountCommand):
        return accounts.decide(command, seen, by=by, at=at)
    return catalogue.outside(command, by.scope) or catalogue.decide(command, seen, at=at)


def evolve(state: State, event: Event) -> State:
    """Return the state after the event (the same working set, changed in place)."""
    if isinstance(event, StockEvent):
        return stock.evolve(state, event)
    if isinstance(event, StockPosted):
        for level in event.levels:
            state.put_level(level)
        return state
    if isinstance(event, ReservationEvent):
        return reservations.evolve(state, event)
    if isinstance(event, AllocationEvent):
        return allocations.evolve(state, event)
    if isinstance(event, ListingUpserted):
        return listings.evolve(state, event)
    if isinstance(event, AccountEvent):
        return accounts.evolve(state, event)
    return catalogue.evolve(state, event)

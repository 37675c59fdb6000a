"""The decider: `touches`, `decide`, `evolve` over all nouns; the one rule: it is pure, so that the same command on
the same state at the same time always decides the same.
"""

from datetime import datetime

from domain import accounts, catalogue, listings, stock
from domain.accounts import AccountCommand, AccountEvent
from domain.catalogue import CatalogueCommand, CatalogueEvent
from domain.listings import ListingUpsert, ListingUpserted
from domain.principals import EVERYTHING, Principal
from domain.rejections import Refused
from domain.state import Selectors, State
from domain.stock_commands import StockCommands, StockEvent

Command = CatalogueCommand | ListingUpsert | StockCommands | AccountCommand
Event = CatalogueEvent | ListingUpserted | StockEvent | AccountEvent


def malformed(command: Command) -> Refused | None:
    """Return what is wrong with the command whatever the state is: INVALID_INPUT comes before all else."""
    if isinstance(command, StockCommands):
        found = tuple(stock.malformed(command))
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
    if isinstance(command, ListingUpsert):
        return listings.touches(command)
    if isinstance(command, AccountCommand):
        return accounts.touches(command)
    return catalogue.touches(command)


def decide(command: Command, state: State, *, by: Principal, at: datetime) -> tuple[Event, ...] | Refused:
    """Return the events that the command leads to, or why it is refused; nothing changes either way."""
    seen = state if by.scope == EVERYTHING else state.seen_within(by.scope)
    if isinstance(command, StockCommands):
        return stock.decide(command, seen, by=by, at=at)
    if isinstance(command, ListingUpsert):
        return listings.decide(command, seen, at=at)
    if isinstance(command, AccountCommand):
        return accounts.decide(command, seen, by=by, at=at)
    return catalogue.outside(command, by.scope) or catalogue.decide(command, seen, at=at)


def evolve(state: State, event: Event) -> State:
    """Return the state after the event (the same working set, changed in place)."""
    if isinstance(event, StockEvent):
        return stock.evolve(state, event)
    if isinstance(event, ListingUpserted):
        return listings.evolve(state, event)
    if isinstance(event, AccountEvent):
        return accounts.evolve(state, event)
    return catalogue.evolve(state, event)

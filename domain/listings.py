"""Listings: an item on a channel, under the channel's own key; the one rule: a listing never holds stock."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from domain.records import Listing, active, channel_not_found, item_not_found
from domain.rejections import Refused, Rejection, first_refused
from domain.state import Selectors, State
from domain.text import code_problems, free_text_problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingUpsert:
    """List the item on the channel, or change the channel's own key for it."""

    sku: str
    channel: str
    external_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingUpserted:
    """The listing is now this."""

    listing: Listing


def malformed(command: ListingUpsert) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    yield from code_problems(command.sku, field=("sku",), what="The SKU")
    yield from code_problems(command.channel, field=("channelId",), what="The channel")
    yield from free_text_problems(command.external_key, field=("externalKey",), what="The external key")


def touches(command: ListingUpsert) -> Selectors:
    """Return what the command needs to see."""
    return Selectors(
        skus=frozenset({command.sku}),
        channels=frozenset({command.channel}),
        listings=frozenset({(command.sku, command.channel)}),
    )


def decide(command: ListingUpsert, state: State, *, at: datetime) -> tuple[ListingUpserted, ...] | Refused:
    """List an item that exists on a channel that exists."""
    if refused := first_refused((_item_exists(command, state), _channel_exists(command, state))):
        return refused
    known = state.listings.get((command.sku, command.channel))
    if known is None:
        listing = Listing(sku=command.sku, channel=command.channel, external_key=command.external_key, updated_at=at)
        return (ListingUpserted(listing=listing),)
    if known.external_key == command.external_key:
        return ()
    return (ListingUpserted(listing=replace(known, external_key=command.external_key, updated_at=at)),)


def evolve(state: State, event: ListingUpserted) -> State:
    """Return the state after the event."""
    state.listings[event.listing.sku, event.listing.channel] = event.listing
    return state


def _item_exists(command: ListingUpsert, state: State) -> Iterator[Rejection]:
    if active(state.items.get(command.sku)) is None:
        yield item_not_found(command.sku)


def _channel_exists(command: ListingUpsert, state: State) -> Iterator[Rejection]:
    if active(state.channels.get(command.channel)) is None:
        yield channel_not_found(command.channel, field=("channelId",))

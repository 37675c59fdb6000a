"""Claims: what a line asks for, checked and sourced; the one rule: what is promised was available, to this channel.

A claim is checked against what is available and against other channels' pools, not against buffers, caps or masks:
those are about what is shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from domain.adjustments import ENTRIES_PER_COMMAND_MAX
from domain.claims import Claim, DocumentCommand
from domain.levels import BALANCE_MAX, LevelKey
from domain.promises import FulfilmentKind, Line, SourcingStrategy
from domain.records import active, channel_not_found, item_not_found, location_not_found
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, first_refused
from domain.sourcing import Supply, Wanted, source
from domain.state import Selectors, State
from domain.text import (
    IDEMPOTENCY_KEY_LENGTH_MAX,
    code_problems,
    country_code_problems,
    exact_text_problems,
    free_text_problems,
)


def document_well_formed(command: DocumentCommand) -> Iterator[Rejection]:
    """INVALID_INPUT: the key and the notes of a command on a document."""
    if command.idempotency_key is not None:
        yield from exact_text_problems(
            command.idempotency_key,
            field=("idempotencyKey",),
            what="The idempotency key",
            length_max=IDEMPOTENCY_KEY_LENGTH_MAX,
        )
    elif not command.dry_run:
        yield invalid("There is no idempotency key; what moves stock needs one.", field=("idempotencyKey",))
    if command.correlation_id is not None:
        yield from free_text_problems(command.correlation_id, field=("correlationId",), what="The correlation id")


def claim_well_formed(command: Claim) -> Iterator[Rejection]:
    """INVALID_INPUT: the lines of a claim, and where they go."""
    yield from document_well_formed(command)
    if command.channel is not None:
        yield from code_problems(command.channel, field=("channelId",), what="The channel")
    yield from _destination_well_formed(command)
    if not 1 <= len(command.lines) <= ENTRIES_PER_COMMAND_MAX:
        message = f"There are {len(command.lines)} lines; send 1 to {ENTRIES_PER_COMMAND_MAX} a request."
        yield invalid(message, field=("lines",))
        return
    for place, line in enumerate(command.lines):
        at = ("lines", str(place))
        yield from code_problems(line.sku, field=(*at, "sku"), what="The SKU")
        yield from code_problems(line.id, field=(*at, "lineId"), what="The line's id")
        if line.location is not None:
            yield from code_problems(line.location, field=(*at, "locationId"), what="The location")
        elif command.fulfilment is FulfilmentKind.PICKUP or command.strategy is SourcingStrategy.EXPLICIT:
            yield _names_no_location(at)
    yield from ids_differ(((("lines", str(place), "lineId"), line.id) for place, line in enumerate(command.lines)))


def ids_differ(ids: Iterable[tuple[FieldPath, str]]) -> Iterator[Rejection]:
    """INVALID_INPUT: two lines of one id."""
    seen: set[str] = set()
    for field, one in ids:
        if one in seen:
            yield invalid(f"There are two lines {one!r}; give each an id of its own.", field=field)
        seen.add(one)


def quantity_is_valid(quantity: int | None, *, field: FieldPath) -> Iterator[Rejection]:
    """INVALID_QUANTITY: so many units of a line; None stands for all of them."""
    if quantity is not None and not 1 <= quantity <= BALANCE_MAX:
        yield Rejection(
            code=RejectionCode.INVALID_QUANTITY,
            message=f"The quantity is {quantity}; send 1 to {BALANCE_MAX:,} base units.",
            field=field,
        )


def touches_claim(command: Claim) -> Selectors:
    """Return what a claim needs to see: where it may be served, and what else the channel's stock is promised to."""
    named: frozenset[LevelKey] = frozenset((line.sku, line.location) for line in command.lines if line.location)
    # Pools are about all of a channel's stock, so that with a channel all of it is looked at.
    sourced = {line.sku for line in command.lines if line.location is None or command.channel is not None}
    return Selectors(
        skus=frozenset(line.sku for line in command.lines),
        locations=frozenset(location for _, location in named),
        channels=frozenset() if command.channel is None else frozenset({command.channel}),
        levels=named,
        sourced=frozenset((sku, command.channel) for sku in sourced),
    )


def sourced_lines(command: Claim, state: State) -> tuple[Line, ...] | Refused:
    """Return the lines with the holds that serve them, or why they cannot be served; those that are empty are kept."""
    refused = first_refused(
        (
            _locations_are_named(command, state),
            _items_exist(command, state),
            _locations_exist(command, state),
            _channel_exists(command, state),
            _levels_exist(command, state),
            _locations_serve(command, state),
            chain.from_iterable(
                quantity_is_valid(line.quantity, field=("lines", str(place), "quantity"))
                for place, line in enumerate(command.lines)
            ),
        )
    )
    if refused:
        return refused
    wanted = [Wanted(sku=line.sku, quantity=line.quantity, location=line.location) for line in command.lines]
    found = source(
        wanted, _supply(command, state), strategy=strategy_of(command, state), destination=command.destination
    )
    lines = tuple(
        Line(id=line.id, sku=line.sku, quantity=line.quantity, holds=holds)
        for line, holds in zip(command.lines, found, strict=True)
    )
    return first_refused((_stock_suffices(command, lines),)) or lines


def strategy_of(command: Claim, state: State) -> SourcingStrategy:
    """Return how locations are chosen: as the command says, or else as the channel does."""
    channel = None if command.channel is None else state.channels.get(command.channel)
    return command.strategy or (SourcingStrategy.PRIORITY if channel is None else channel.sourcing)


def invalid(message: str, *, field: FieldPath) -> Rejection:
    """Return a refusal of something that can never be right."""
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)


def _destination_well_formed(command: Claim) -> Iterator[Rejection]:
    yield from country_code_problems(command.destination.country_code, field=("destination", "countryCode"))
    if command.destination.region is not None:
        yield from code_problems(command.destination.region, field=("destination", "region"), what="The region")


def _names_no_location(at: FieldPath) -> Rejection:
    message = "The line names no location; a pick-up, and the strategy EXPLICIT, need one on every line."
    return invalid(message, field=(*at, "locationId"))


def _locations_are_named(command: Claim, state: State) -> Iterator[Rejection]:
    if strategy_of(command, state) is SourcingStrategy.EXPLICIT:
        for place, line in enumerate(command.lines):
            if line.location is None:
                yield _names_no_location(("lines", str(place)))


def _items_exist(command: Claim, state: State) -> Iterator[Rejection]:
    for place, line in enumerate(command.lines):
        if active(state.items.get(line.sku)) is None:
            yield item_not_found(line.sku, field=("lines", str(place), "sku"))


def _locations_exist(command: Claim, state: State) -> Iterator[Rejection]:
    for place, line in enumerate(command.lines):
        if line.location is not None and active(state.locations.get(line.location)) is None:
            yield location_not_found(line.location, field=("lines", str(place), "locationId"))


def _channel_exists(command: Claim, state: State) -> Iterator[Rejection]:
    if command.channel is not None and active(state.channels.get(command.channel)) is None:
        yield channel_not_found(command.channel, field=("channelId",))


def _levels_exist(command: Claim, state: State) -> Iterator[Rejection]:
    for place, line in enumerate(command.lines):
        if line.location is not None and (line.sku, line.location) not in state.levels:
            yield not_stocked(line.sku, line.location, field=("lines", str(place), "locationId"))


def not_stocked(sku: str, location: str, *, field: FieldPath) -> Rejection:
    """Return the refusal of a level that there is not."""
    return Rejection(
        code=RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
        message=f"{sku} is not stocked at {location}; name another location, or begin the level with "
        "inventoryActivate.",
        field=field,
    )


def _locations_serve(command: Claim, state: State) -> Iterator[Rejection]:
    if command.channel is None:
        return
    for place, line in enumerate(command.lines):
        serving = state.places_served.get((line.sku, command.channel), frozenset())
        if line.location is not None and line.location not in serving:
            yield Rejection(
                code=RejectionCode.LOCATION_NOT_SERVING_CHANNEL,
                message=f"{line.location} does not serve the channel {command.channel}; name a location that does, "
                "or let it serve the channel with locationUpsert.",
                field=("lines", str(place), "locationId"),
            )


def _supply(command: Claim, state: State) -> Supply:
    """Return what may be given: of each level what is available, of each item what other channels leave."""
    left: dict[LevelKey, int] = {}
    left_of_item: dict[str, int] = {}
    for sku in {line.sku for line in command.lines}:
        places = state.places_served.get((sku, command.channel), frozenset())
        seen = {code for code in places if active(state.locations.get(code)) is not None}
        levels = {code: state.levels[sku, code].available for code in places if (sku, code) in state.levels}
        left |= {(sku, code): available for code, available in levels.items() if code in seen and available > 0}
        if command.channel is not None:
            of_others = state.pools_of_others(sku, command.channel)
            left_of_item[sku] = sum(max(0, available) for available in levels.values()) - of_others
    for line in command.lines:
        if line.location is not None:
            left.setdefault((line.sku, line.location), state.levels[line.sku, line.location].available)
    return Supply(locations=state.locations, left=left, left_of_item=left_of_item)


def _stock_suffices(command: Claim, lines: Sequence[Line]) -> Iterator[Rejection]:
    if command.allow_partial and any(line.holds for line in lines):
        return
    for place, line in enumerate(lines):
        if line.held < line.quantity:
            yield Rejection(
                code=RejectionCode.INSUFFICIENT_STOCK,
                message=f"{line.held} of {line.quantity} units of {line.sku} can be had; ask for at most that many, or "
                "send allowPartial.",
                field=("lines", str(place), "quantity"),
                quantity_available=line.held,
            )

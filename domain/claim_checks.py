"""Claims: what a line asks for, checked and sourced; the one rule: what is promised was available, to this channel.

A claim is checked against what is available and against other channels' pools, not against buffers, caps or masks:
those are about what is shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from domain.adjustments import ENTRIES_PER_COMMAND_MAX
from domain.availability import available_by_location
from domain.claims import Claim, DocumentCommand
from domain.compositions import Component, bundles_in
from domain.levels import BALANCE_MAX, LevelKey
from domain.promises import FulfilmentKind, Line, SourcingStrategy
from domain.records import active, channel_not_found, item_not_found, leaves_of, location_not_found
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, first_refused
from domain.sourcing import Supply, Wanted, source
from domain.state import Selectors, State
from domain.text import (
    code_problems,
    correlation_problems,
    country_code_problems,
    key_problems,
)


def document_well_formed(command: DocumentCommand) -> Iterator[Rejection]:
    """INVALID_INPUT: the key and the notes of a command on a document."""
    yield from key_problems(command.idempotency_key)
    if command.idempotency_key is None and not command.dry_run:
        yield invalid("There is no idempotency key; what moves stock needs one.", field=("idempotencyKey",))
    yield from correlation_problems(command.correlation_id)


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
        claimed=frozenset((line.sku, command.channel) for line in command.lines),
    )


def names_are_known(command: Claim, state: State) -> Iterator[Iterator[Rejection]]:
    """INVALID_INPUT where the channel's own strategy needs locations, then what is not found."""
    yield _locations_are_named(command, state)
    yield _items_exist(command, state)
    yield _locations_exist(command, state)
    yield _channel_exists(command, state)


def places_may_serve(command: Claim, state: State) -> Iterator[Iterator[Rejection]]:
    """ITEM_NOT_STOCKED_AT_LOCATION, then LOCATION_NOT_SERVING_CHANNEL."""
    yield _levels_exist(command, state)
    yield _locations_serve(command, state)


def quantities_are_valid(command: Claim) -> Iterator[Rejection]:
    """INVALID_QUANTITY, for each line."""
    for place, line in enumerate(command.lines):
        yield from quantity_is_valid(line.quantity, field=("lines", str(place), "quantity"))


def sourced_lines(command: Claim, state: State) -> tuple[Line, ...] | Refused:
    """Return the lines with the holds that serve them, or INSUFFICIENT_STOCK; lines that are empty are kept.

    All other checks come before: what the lines name is there.
    """
    wanted = [Wanted(sku=line.sku, quantity=line.quantity, location=line.location) for line in command.lines]
    supply = _supply(command, state)
    found = source(wanted, supply, strategy=strategy_of(command, state), destination=command.destination)
    lines = tuple(
        Line(id=line.id, sku=line.sku, quantity=line.quantity, holds=holds)
        for line, holds in zip(command.lines, found, strict=True)
    )
    return first_refused((_stock_suffices(command, lines, supply),)) or lines


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
        if line.location is not None:
            yield from (
                not_stocked(part.sku, line.location, field=("lines", str(place), "locationId"))
                for part in leaves_of(state.items[line.sku])
                if (part.sku, line.location) not in state.levels
            )


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
        if line.location is not None and not all(
            line.location in state.places_served.get((part.sku, command.channel), frozenset())
            for part in leaves_of(state.items[line.sku])
        ):
            yield not_serving(line.location, command.channel, field=("lines", str(place), "locationId"))


def not_serving(location: str, channel: str, *, field: FieldPath) -> Rejection:
    """Return the refusal of a location whose stock is not sold on the channel."""
    return Rejection(
        code=RejectionCode.LOCATION_NOT_SERVING_CHANNEL,
        message=f"{location} does not serve the channel {channel}; name a location that does, or let it serve the "
        "channel with locationUpsert.",
        field=field,
    )


def _supply(command: Claim, state: State) -> Supply:
    """Return what may be given: of each level what is available, of each item what other channels leave."""
    left: dict[LevelKey, int] = {}
    left_of_item: dict[str, int] = {}
    leaves = {line.sku: leaves_of(state.items[line.sku]) for line in command.lines}
    for sku in {part.sku for parts in leaves.values() for part in parts}:
        places = state.places_served.get((sku, command.channel), frozenset())
        seen = {code for code in places if active(state.locations.get(code)) is not None}
        levels = {code: state.levels[sku, code].available for code in places if (sku, code) in state.levels}
        left |= {(sku, code): available for code, available in levels.items() if code in seen and available > 0}
        if command.channel is not None:
            of_others = state.pools_of_others(sku, command.channel)
            left_of_item[sku] = sum(max(0, available) for available in levels.values()) - of_others
    for line in command.lines:
        if line.location is not None:
            for part in leaves[line.sku]:
                left.setdefault((part.sku, line.location), state.levels[part.sku, line.location].available)
    bundles = {sku: parts for sku, parts in leaves.items() if state.items[sku].composition is not None}
    if command.channel is not None:
        left_of_item |= {
            sku: _left_of_bundle(parts, command.channel, left_of_item, state)
            - state.pools_of_others(sku, command.channel)
            for sku, parts in bundles.items()
        }
    return Supply(locations=state.locations, left=left, left_of_item=left_of_item, parts=bundles)


def _left_of_bundle(parts: Sequence[Component], channel: str, left_of_item: Mapping[str, int], state: State) -> int:
    """Return how many bundles a channel's locations make, as far as other channels' pools of the parts leave them."""
    levels = [
        state.levels[part.sku, code]
        for part in parts
        for code in state.places_served.get((part.sku, channel), ())
        if (part.sku, code) in state.levels
    ]
    return min(sum(available_by_location(levels, parts).values()), bundles_in(left_of_item, parts))


def _stock_suffices(command: Claim, lines: Sequence[Line], supply: Supply) -> Iterator[Rejection]:
    if command.allow_partial and any(line.holds for line in lines):
        return
    remedy = (
        "try again when there is more" if command.allow_partial else "ask for at most that many, or send allowPartial"
    )
    for place, line in enumerate(lines):
        if line.held < line.quantity:
            why = _short_part(line, command.lines[place].location, supply)
            yield Rejection(
                code=RejectionCode.INSUFFICIENT_STOCK,
                message=f"{line.held} of {line.quantity} units of {line.sku} can be had{why}; {remedy}.",
                field=("lines", str(place), "quantity"),
                quantity_available=line.held,
            )


def _short_part(line: Line, location: str | None, supply: Supply) -> str:
    """Say which component of a bundle is short, given what is left once all lines have been served.

    Where the line names a location, its own components are what counts. Nothing is said where components would do and
    pools of the bundle itself are in the way.
    """
    parts = supply.parts.get(line.sku)
    if parts is None:
        return ""
    left = {
        part.sku: supply.of_item(part.sku) if location is None else supply.at((part.sku, location)) for part in parts
    }
    short = min(parts, key=lambda part: left[part.sku] // part.quantity)
    if left[short.sku] < short.quantity:
        where = "left" if location is None else f"left at {location}"
        return f", because its component {short.sku} is short ({left[short.sku]} {where}, {short.quantity} a unit)"
    places = supply.places_of(short.sku) if location is None else [location]
    if any(all(supply.at((part.sku, code)) >= part.quantity for part in parts) for code in places):
        return ""
    return ", because no location has all of its components"

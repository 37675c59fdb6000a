"""Why a command on stock may be refused: one check a code, in the order of precedence in which `stock` runs them.

The rule: a check yields every place to which its code applies, so that a caller can mend all of them at once.
"""

from collections.abc import Iterable, Iterator, Sequence

from domain.adjustments import (
    DELTA_MAX,
    ENTRIES_PER_COMMAND_MAX,
    CounterChange,
    Entry,
    LevelChange,
    ShortagePolicy,
    disagreeing_entries,
)
from domain.levels import ADJUSTABLE_BUCKETS, BALANCE_MAX, LEVELS_PER_ITEM_MAX, InventoryBucket
from domain.records import active, channel_not_found, item_not_found, location_not_found
from domain.rejections import FieldPath, Rejection, RejectionCode
from domain.state import State
from domain.stock_commands import (
    AdjustingCommand,
    InventoryActivate,
    InventoryDeactivate,
    InventoryMove,
    InventorySet,
    StockCommand,
    StockCommands,
)
from domain.text import (
    URI_LENGTH_MAX,
    code_problems,
    correlation_problems,
    free_text_problems,
    key_problems,
)

ENTRY_FIELDS = {InventorySet: "quantities", InventoryMove: "moves"}


def details_well_formed(command: StockCommands) -> Iterator[Rejection]:
    """INVALID_INPUT: the key and the notes that go with a command."""
    yield from code_problems(command.sku, field=("sku",), what="The SKU")
    if command.source_channel is not None:
        yield from code_problems(command.source_channel, field=("sourceChannelId",), what="The channel")
    if isinstance(command, InventoryActivate | InventoryDeactivate):
        yield from code_problems(command.location, field=("locationId",), what="The location")
    yield from key_problems(command.idempotency_key)
    yield from correlation_problems(command.correlation_id)
    if command.reference_document_uri is not None:
        yield from free_text_problems(
            command.reference_document_uri,
            field=("referenceDocumentUri",),
            what="The document's address",
            length_max=URI_LENGTH_MAX,
        )


def entries_well_formed(command: AdjustingCommand) -> Iterator[Rejection]:
    """INVALID_INPUT: the key, how many entries there are, and whether they contradict each other."""
    if command.idempotency_key is None and not command.dry_run:
        yield _invalid("There is no idempotency key; what moves stock needs one.", field=("idempotencyKey",))
    entries = command.entries
    name = ENTRY_FIELDS.get(type(command), "adjustments")
    count = len(command.moves) if isinstance(command, InventoryMove) else len(entries)
    if not 1 <= count <= ENTRIES_PER_COMMAND_MAX:
        message = f"There are {count} {name}; send 1 to {ENTRIES_PER_COMMAND_MAX} a request."
        yield _invalid(message, field=(name,))
        return
    for entry in _one_per_input_entry(entries):
        yield from code_problems(entry.location, field=(*entry.field, "locationId"), what="The location")
    for entry, differing_field in disagreeing_entries(entries):
        message = f"Two entries of one counter state different values of {differing_field}; state it once."
        yield _invalid(message, field=(*entry.field, differing_field))
    if isinstance(command, InventoryMove):
        yield from _moves_go_between_parts(command)


def item_exists(command: StockCommand, state: State) -> Iterator[Rejection]:
    """ITEM_NOT_FOUND."""
    if active(state.items.get(command.sku)) is None:
        yield item_not_found(command.sku)


def item_is_no_bundle(command: StockCommand, state: State) -> Iterator[Rejection]:
    """NON_MUTABLE_BUNDLE."""
    if state.items[command.sku].composition is not None:
        yield Rejection(
            code=RejectionCode.NON_MUTABLE_BUNDLE,
            message=f"{command.sku} is a bundle and has no stock of its own; change the stock of its components.",
            field=("sku",),
        )


def locations_exist(entries: Sequence[Entry], state: State) -> Iterator[Rejection]:
    """LOCATION_NOT_FOUND, for each entry that names an unknown one."""
    for entry in _one_per_input_entry(entries):
        if active(state.locations.get(entry.location)) is None:
            yield location_not_found(entry.location, field=(*entry.field, "locationId"))


def location_exists(command: InventoryActivate | InventoryDeactivate, state: State) -> Iterator[Rejection]:
    """LOCATION_NOT_FOUND, for a command on one level."""
    if active(state.locations.get(command.location)) is None:
        yield location_not_found(command.location, field=("locationId",))


def source_channel_exists(command: StockCommand, state: State) -> Iterator[Rejection]:
    """CHANNEL_NOT_FOUND."""
    code = command.source_channel
    if code is not None and active(state.channels.get(code)) is None:
        yield channel_not_found(code, field=("sourceChannelId",))


def buckets_are_adjustable(entries: Iterable[Entry]) -> Iterator[Rejection]:
    """BUCKET_OWNED_BY_DOCUMENT."""
    for entry in entries:
        if entry.bucket not in ADJUSTABLE_BUCKETS:
            message = f"{entry.bucket} moves only with its documents; change the document that promised the units."
            yield Rejection(
                code=RejectionCode.BUCKET_OWNED_BY_DOCUMENT,
                message=message,
                field=(*entry.field, entry.bucket_field),
            )


def levels_exist(command: AdjustingCommand, entries: Sequence[Entry], state: State) -> Iterator[Rejection]:
    """ITEM_NOT_STOCKED_AT_LOCATION; a count begins the level instead."""
    if isinstance(command, InventorySet):
        return
    for entry in _one_per_input_entry(entries):
        if (command.sku, entry.location) not in state.levels:
            yield _not_stocked(command.sku, entry.location, field=(*entry.field, "locationId"))


def level_exists(command: InventoryDeactivate, state: State) -> Iterator[Rejection]:
    """ITEM_NOT_STOCKED_AT_LOCATION, for a command on one level."""
    if (command.sku, command.location) not in state.levels:
        yield _not_stocked(command.sku, command.location, field=("locationId",))


def quantities_are_valid(
    command: AdjustingCommand, entries: Sequence[Entry], changes: Iterable[LevelChange]
) -> Iterator[Rejection]:
    """INVALID_QUANTITY: each number by itself, then each merged change, then the balance that it would lead to."""
    out_of_range = tuple(_quantities_out_of_range(command, entries))
    if out_of_range:
        yield from out_of_range
        return
    for change in changes:
        for counter in change.counters:
            yield from _invalid_change(counter)


def quantities_seen_are_current(changes: Iterable[LevelChange]) -> Iterator[Rejection]:
    """CHANGE_FROM_QUANTITY_STALE."""
    for change in changes:
        for counter in change.counters:
            seen = counter.entry.change_from
            if seen is not None and seen != counter.before:
                entry = counter.entry
                yield Rejection(
                    code=RejectionCode.CHANGE_FROM_QUANTITY_STALE,
                    message=f"{entry.bucket} at {entry.location} is {counter.before}, not {seen}; read it again, "
                    "decide again, and send a new request.",
                    field=(*entry.field, "changeFromQuantity"),
                )


def stock_suffices(command: AdjustingCommand, changes: Iterable[LevelChange]) -> Iterator[Rejection]:
    """INSUFFICIENT_STOCK: a claim needs stock; a fact is recorded, but no part of on hand is ever negative."""
    is_claim = command.on_shortage is ShortagePolicy.REJECT
    for change in changes:
        short = tuple(_counters_falling_below_zero(change, include_on_hand=is_claim))
        if short:
            yield from short
        elif is_claim and change.available_after < min(0, change.before.available):
            taking = next(counter for counter in change.counters if counter.effect_on_available < 0)
            yield _too_little_available(taking.entry, change)


def levels_are_not_too_many(command: StockCommands, state: State) -> Iterator[Rejection]:
    """LEVEL_LIMIT_REACHED."""
    if isinstance(command, InventoryActivate):
        wanted = {(command.sku, command.location)}
    elif isinstance(command, InventorySet):
        wanted = {(command.sku, one.location) for one in command.quantities}
    else:
        return
    # Counted one by one: a set less a dictionary's keys walks all of the dictionary, which holds the whole batch.
    missing = sum(key not in state.levels for key in wanted)
    if missing and state.level_counts_by_item.get(command.sku, 0) + missing > LEVELS_PER_ITEM_MAX:
        message = (
            f"{command.sku} would be stocked at more than {LEVELS_PER_ITEM_MAX} locations; deactivate levels that "
            "are no longer used."
        )
        yield Rejection(code=RejectionCode.LEVEL_LIMIT_REACHED, message=message, field=("sku",))


def level_is_empty(command: InventoryDeactivate, state: State) -> Iterator[Rejection]:
    """LEVEL_NOT_EMPTY."""
    if not state.levels[command.sku, command.location].is_empty:
        yield Rejection(
            code=RejectionCode.LEVEL_NOT_EMPTY,
            message=f"{command.sku} at {command.location} still holds or promises units; bring every counter to "
            "zero first (inventorySet), then deactivate.",
            field=("locationId",),
        )


def _invalid(message: str, *, field: FieldPath) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)


def _moves_go_between_parts(command: InventoryMove) -> Iterator[Rejection]:
    for index, move in enumerate(command.moves):
        field = ("moves", str(index))
        if move.from_bucket is move.to_bucket:
            yield _invalid("The move ends where it begins; name two different parts.", field=field)
        for name, bucket in (("fromBucket", move.from_bucket), ("toBucket", move.to_bucket)):
            if bucket is InventoryBucket.ON_HAND:
                message = "On hand is the whole; name a part of it, or change on hand with inventoryAdjust."
                yield _invalid(message, field=(*field, name))


def _one_per_input_entry(entries: Sequence[Entry]) -> Sequence[Entry]:
    # What comes from one entry of the input (the two sides of a move) stands side by side.
    before: Sequence[Entry | None] = (None, *entries)
    return [one for last, one in zip(before, entries, strict=False) if last is None or last.field != one.field]


def _not_stocked(sku: str, location: str, *, field: FieldPath) -> Rejection:
    return Rejection(
        code=RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
        message=f"{sku} is not stocked at {location}; begin with inventoryActivate or inventorySet.",
        field=field,
    )


def _quantities_out_of_range(command: AdjustingCommand, entries: Sequence[Entry]) -> Iterator[Rejection]:
    for entry in _one_per_input_entry(entries):
        if entry.quantity is not None and not 0 <= entry.quantity <= BALANCE_MAX:
            yield _invalid_quantity(entry, f"A count is between 0 and {BALANCE_MAX:,}.")
        elif entry.delta is not None and abs(entry.delta) > DELTA_MAX:
            yield _invalid_quantity(entry, f"A change is at most {DELTA_MAX:,} either way.")
    if isinstance(command, InventoryMove):
        for index, move in enumerate(command.moves):
            if move.quantity < 1:
                message = "A move takes at least 1 unit; swap the two parts to move the other way."
                yield Rejection(
                    code=RejectionCode.INVALID_QUANTITY, message=message, field=("moves", str(index), "quantity")
                )


def _invalid_change(counter: CounterChange) -> Iterator[Rejection]:
    if counter.entry.delta == 0:
        yield _invalid_quantity(counter.entry, "The change is zero (entries of one counter are summed); leave it out.")
    elif abs(counter.after) > BALANCE_MAX:
        yield _invalid_quantity(
            counter.entry,
            f"{counter.entry.bucket} at {counter.entry.location} would be {counter.after:,}; a balance is at most "
            f"{BALANCE_MAX:,} either way.",
        )


def _invalid_quantity(entry: Entry, message: str) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_QUANTITY, message=message, field=entry.amount_path)


def _counters_falling_below_zero(change: LevelChange, *, include_on_hand: bool) -> Iterator[Rejection]:
    for counter in change.counters:
        if counter.after < min(0, counter.before):
            if counter.entry.bucket is not InventoryBucket.ON_HAND:
                yield _part_too_small(counter, change)
            elif include_on_hand:
                yield _too_little_available(counter.entry, change)


def _part_too_small(counter: CounterChange, change: LevelChange) -> Rejection:
    left, sku = max(0, counter.before), change.before.sku
    part = counter.entry.bucket.replace("_", " ").lower()
    message = f"Only {left} of {sku} {_is(left)} {part} at {counter.entry.location}; take less."
    return _insufficient(counter.entry, left=left, message=message)


def _too_little_available(entry: Entry, change: LevelChange) -> Rejection:
    left, sku = max(0, change.before.available), change.before.sku
    message = (
        f"Only {left} of {sku} {_is(left)} available at {entry.location}; take less, or record a fact with onShortage "
        "RECORD_CONFLICT."
    )
    return _insufficient(entry, left=left, message=message)


def _insufficient(entry: Entry, *, left: int, message: str) -> Rejection:
    return Rejection(
        code=RejectionCode.INSUFFICIENT_STOCK, message=message, field=entry.amount_path, quantity_available=left
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"

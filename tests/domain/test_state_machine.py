"""The decider against the plain model, over random histories; the one rule: after every step both agree in full.

STOCKGATE_MODEL_EXAMPLES sets how many histories of 50 steps are tried; without it a few, always the same, are.
"""

import os
from collections import Counter
from itertools import product
from typing import assert_never
from uuid import UUID

from hypothesis import event, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.adjustments import ShortagePolicy
from domain.availability import total_available
from domain.catalogue import ItemArchive, ItemUpsert, LocationArchive, LocationUpsert
from domain.conflicts import StockConflictClosed, StockConflictOpened, settle_conflict
from domain.decider import Command, Event, decide, evolve, malformed, touches
from domain.levels import COUNTER_NAMES, InventoryBucket, LevelKey
from domain.rejections import Refused
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated, StockCommands
from tests.domain.given import (
    CLERK,
    NOW,
    Details,
    LevelsElsewhere,
    activate,
    adjust,
    change,
    channel,
    count,
    deactivate,
    given,
    item,
    location,
    move,
    part_move,
    set_to,
)
from tests.domain.loaded import visible_part
from tests.domain.model import Kind, PlainStock, Row, Wish

EXAMPLES = int(os.environ.get("STOCKGATE_MODEL_EXAMPLES", "60"))
STEPS_PER_EXAMPLE = 50
ITEMS = ("A", "a", "FULL")
LOCATIONS = ("E", "W", "N")
LEVELS_ELSEWHERE = 198
BUCKETS: dict[str | None, InventoryBucket] = {name: bucket for bucket, name in COUNTER_NAMES.items()}

OWN = ("on_hand", "quarantined", "damaged", "safety_stock")
DOCUMENTS = ("reserved", "allocated", "incoming", "backordered")
LIMITS = (10_000_000, 9_999_990, 10_000_001, 1_000_000_000, 1_000_000_001)
Parts = tuple[str | None, str | None]
"""The counter that an entry names, and the one that a move takes from."""
Said = tuple[str, Parts, int, str | None]
"""An entry as it is drawn: location, parts, amount, and whether the balance that was seen is right."""


def entries_of(
    places: some.SearchStrategy[str],
    parts: some.SearchStrategy[Parts],
    amounts: some.SearchStrategy[int],
    seen: some.SearchStrategy[str | None],
) -> some.SearchStrategy[list[Said]]:
    """Return lists of up to three entries with these columns."""
    return some.lists(some.tuples(places, parts, amounts, seen), min_size=1, max_size=3)


# What makes sense, so that histories go somewhere …
KNOWN_SKUS = some.sampled_from(ITEMS)
KNOWN_PLACES = some.sampled_from(LOCATIONS)
OWN_COUNTERS = some.sampled_from([(name, None) for name in (*["on_hand"] * 4, *OWN)])
MOVABLE = (None, "quarantined", "damaged", "safety_stock")
TWO_PARTS = some.sampled_from([pair for pair in product(MOVABLE, (None, *MOVABLE)) if pair[0] != pair[1]])
RIGHTLY_SEEN = some.sampled_from([None, "right"])
UNSEEN: some.SearchStrategy[str | None] = some.none()
# … and what does not, so that every refusal is met.
SKUS = some.sampled_from([*ITEMS * 4, "UNKNOWN", ""])
PLACES = some.sampled_from([*LOCATIONS * 8, "NOWHERE", " E"])
COUNTERS = some.sampled_from([(name, None) for name in (*OWN * 4, "reserved", "incoming")])
PARTS = some.sampled_from([*product(MOVABLE, MOVABLE), (None, "allocated"), ("damaged", "on_hand")])
AMOUNTS = some.integers(min_value=-9, max_value=14) | some.sampled_from([*LIMITS, *(-one for one in LIMITS)])
SEEN = some.sampled_from([None, None, "right", "wrong"])
KEYS = some.sampled_from([*["key"] * 16, None, "", "k" * 256])
CHANNELS = some.sampled_from([*[None, "web"] * 6, "shop", ""])


def command_of(wish: Wish, *, command_id: str) -> StockCommands:
    """Return the wish as a command of the domain."""
    details = Details(
        command_id=command_id,
        sku=wish.sku,
        idempotency_key=wish.key,
        source_channel=wish.channel,
        on_shortage=ShortagePolicy.RECORD_CONFLICT if wish.is_fact else ShortagePolicy.REJECT,
    )
    rows = wish.rows
    match wish.kind:
        case "adjust":
            deltas = [change(row.location, row.amount, BUCKETS[row.counter], seen=row.seen) for row in rows]
            return adjust(*deltas, **details)
        case "set":
            counts = [count(row.location, row.amount, BUCKETS[row.counter], seen=row.seen) for row in rows]
            return set_to(*counts, **details)
        case "move":
            moves = [
                part_move(
                    row.location,
                    row.amount,
                    source=BUCKETS.get(row.source),
                    target=BUCKETS.get(row.counter),
                )
                for row in rows
            ]
            return move(*moves, **details)
        case "activate":
            return activate(rows[0].location, **details)
        case "deactivate":
            return deactivate(rows[0].location, **details)
        case _:
            assert_never(wish.kind)


class DeciderAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        full = LevelsElsewhere(sku="FULL", count=LEVELS_ELSEWHERE)
        self.state = given(*map(item, ITEMS), *map(location, LOCATIONS), channel("web"), full).state
        self.model = PlainStock(items=set(ITEMS), locations=set(LOCATIONS), channels={"web"})
        self.model.levels_elsewhere["FULL"] = LEVELS_ELSEWHERE
        self.ledger: Counter[tuple[LevelKey, str]] = Counter()
        self.open_conflicts: dict[LevelKey, str] = {}
        self.commands_sent = 0

    @initialize(quantities=some.lists(some.integers(min_value=0, max_value=30), min_size=9, max_size=9))
    def opens(self, quantities: list[int]) -> None:
        for index, quantity in enumerate(quantities):
            if quantity:
                key = (ITEMS[index % 3], LOCATIONS[index // 3])
                self._say("set", key[0], [(key[1], ("on_hand", None), quantity, None)])
                self._move_document(key, "reserved", quantity // 4)
                self._move_document(key, "allocated", quantity // 5)

    @rule(
        sku=KNOWN_SKUS,
        said=entries_of(KNOWN_PLACES, OWN_COUNTERS, some.integers(-4, 14).filter(bool), RIGHTLY_SEEN),
        is_fact=some.booleans(),
    )
    def adjusts(self, sku: str, said: list[Said], *, is_fact: bool) -> None:
        self._say("adjust", sku, said, is_fact=is_fact)

    @rule(
        sku=KNOWN_SKUS,
        said=entries_of(KNOWN_PLACES, OWN_COUNTERS, some.integers(0, 30), RIGHTLY_SEEN),
        is_fact=some.booleans(),
    )
    def counts(self, sku: str, said: list[Said], *, is_fact: bool) -> None:
        self._say("set", sku, said, is_fact=is_fact)

    @rule(
        sku=KNOWN_SKUS,
        said=entries_of(KNOWN_PLACES, TWO_PARTS, some.integers(1, 5), UNSEEN),
        is_fact=some.booleans(),
    )
    def moves(self, sku: str, said: list[Said], *, is_fact: bool) -> None:
        self._say("move", sku, said, is_fact=is_fact)

    @rule(sku=KNOWN_SKUS, place=KNOWN_PLACES, quantity=some.integers(1, 12), is_fact=some.booleans())
    def sells(self, sku: str, place: str, quantity: int, *, is_fact: bool) -> None:
        self._say("adjust", sku, [(place, ("on_hand", None), -quantity, None)], is_fact=is_fact)

    @rule(sku=KNOWN_SKUS, place=KNOWN_PLACES, is_end=some.sampled_from([False, False, True]))
    def begins_or_ends(self, sku: str, place: str, *, is_end: bool) -> None:
        if is_end:
            for name in DOCUMENTS:
                self._move_document((sku, place), name, -self.model.balance((sku, place), name))
            self._say("set", sku, [(place, (name, None), 0, None) for name in OWN], is_fact=True)
        self._say("deactivate" if is_end else "activate", sku, [(place, (None, None), 0, None)])

    @rule(
        kind=some.sampled_from(["adjust", "set"]),
        sku=SKUS,
        said=entries_of(PLACES, COUNTERS, AMOUNTS, SEEN),
        key=KEYS,
        code=CHANNELS,
        is_fact=some.booleans(),
    )
    def says_anything(
        self, kind: Kind, sku: str, said: list[Said], key: str | None, code: str | None, *, is_fact: bool
    ) -> None:
        self._say(kind, sku, said, key=key, code=code, is_fact=is_fact)

    @rule(
        sku=SKUS,
        said=entries_of(PLACES, PARTS, AMOUNTS, UNSEEN),
        key=KEYS,
        code=CHANNELS,
        is_fact=some.booleans(),
    )
    def moves_anything(self, sku: str, said: list[Said], key: str | None, code: str | None, *, is_fact: bool) -> None:
        self._say("move", sku, said, key=key, code=code, is_fact=is_fact)

    @rule(kind=some.sampled_from(["activate", "deactivate"]), sku=SKUS, place=PLACES, key=KEYS, code=CHANNELS)
    def begins_or_ends_anything(self, kind: Kind, sku: str, place: str, key: str | None, code: str | None) -> None:
        self._say(kind, sku, [(place, (None, None), 0, None)], key=key, code=code)

    @rule(
        sku=KNOWN_SKUS,
        place=KNOWN_PLACES,
        name=some.sampled_from(DOCUMENTS),
        quantity=some.integers(min_value=1, max_value=9),
        is_kept=some.booleans(),
    )
    def documents_move(self, sku: str, place: str, name: str, quantity: int, *, is_kept: bool) -> None:
        """Promise what is available, or give a promise back: counters that no command here may touch."""
        key = (sku, place)
        room = quantity if name in {"incoming", "backordered"} else min(quantity, max(0, self.model.available(key)))
        self._move_document(key, name, room if is_kept else -self.model.balance(key, name))

    @rule(sku=SKUS)
    def archives_an_item(self, sku: str) -> None:
        stocked = any(known == sku for known, _ in self.model.counters) or sku in self.model.levels_elsewhere
        missing = "ITEM_NOT_FOUND" if sku else "INVALID_INPUT"
        refused = missing if sku not in self.model.items else "STILL_STOCKED" if stocked else None
        self._decide(ItemArchive(sku=sku), expected=refused)
        self.model.items -= set() if refused else {sku}

    @rule(code=PLACES)
    def archives_a_location(self, code: str) -> None:
        stocked = any(known == code for _, known in self.model.counters)
        missing = "INVALID_INPUT" if code != code.strip() else "LOCATION_NOT_FOUND"
        refused = missing if code not in self.model.locations else "STILL_STOCKED" if stocked else None
        self._decide(LocationArchive(code=code), expected=refused)
        self.model.locations -= set() if refused else {code}

    @rule()
    def brings_everything_back(self) -> None:
        for sku in ITEMS:
            self._decide(ItemUpsert(sku=sku, fields={}), expected=None)
        for code in LOCATIONS:
            self._decide(LocationUpsert(code=code, fields={}), expected=None)
        self.model.items |= set(ITEMS)
        self.model.locations |= set(LOCATIONS)

    @invariant()
    def counters_agree(self) -> None:
        balances = {
            key: {name: known.balance(bucket) for bucket, name in COUNTER_NAMES.items()}
            for key, known in self.state.levels.items()
        }
        assert balances == self.model.counters
        for sku in ITEMS:
            keys = [key for key in self.model.counters if key[0] == sku]
            available = {key: self.state.levels[key].available for key in keys}
            assert available == {key: self.model.available(key) for key in keys}
            assert total_available(available.values()) == sum(max(0, self.model.available(key)) for key in keys)

    @invariant()
    def versions_and_conflicts_agree(self) -> None:
        versions = {key: known.version for key, known in self.state.levels.items()}
        assert versions | self.state.ended_versions == self.model.versions
        assert not versions.keys() & self.state.ended_versions.keys()
        conflicts = {key: known.conflict_id for key, known in self.state.levels.items() if known.conflict_id}
        assert conflicts == self.open_conflicts
        assert conflicts.keys() == self.model.open_conflicts

    @invariant()
    def counters_are_the_sums_of_their_movements(self) -> None:
        sums = {entry: total for entry, total in self.ledger.items() if total}
        assert sums == {
            (key, name): balance
            for key, counters in self.model.counters.items()
            for name, balance in counters.items()
            if balance
        }

    def _say(
        self,
        kind: Kind,
        sku: str,
        said: list[Said],
        *,
        key: str | None = "key",
        code: str | None = None,
        is_fact: bool = False,
    ) -> None:
        rows = tuple(self._row(sku, place, parts, amount, seen=seen) for place, parts, amount, seen in said)
        self._send(Wish(kind=kind, sku=sku, rows=rows, key=key, channel=code, is_fact=is_fact))

    def _row(self, sku: str, place: str, parts: Parts, amount: int, *, seen: str | None) -> Row:
        counter, source = parts
        balance = self.model.balance((sku, place), str(counter))
        stated = {None: None, "right": balance, "wrong": balance + 1}[seen]
        return Row(location=place, counter=counter, source=source, amount=amount, seen=stated)

    def _move_document(self, key: LevelKey, name: str, delta: int) -> None:
        if delta == 0 or key not in self.state.levels:
            return
        known = self.state.levels[key]
        after = {BUCKETS[name]: known.balance(BUCKETS[name]) + delta}
        changed = known.with_balances(after, at=NOW, version=known.version + 1, conflict_id=known.conflict_id)
        settled, conflict = settle_conflict(changed, cause=self._next_id())
        self.state.put_level(settled)
        self.ledger[key, name] += delta
        self.model.document_moves(key, name, delta)
        if conflict is not None:
            self._record(conflict)

    def _next_id(self) -> str:
        self.commands_sent += 1
        return str(UUID(int=self.commands_sent))

    def _send(self, wish: Wish) -> None:
        expected = self.model.refusal(wish)
        event(f"{wish.kind}: {expected or 'accepted'}")
        command = command_of(wish, command_id=self._next_id())
        stocked_before = set(self.state.levels)
        events = self._decide(command, expected=expected)
        if expected is None:
            changed = {key for one in events for key in self._record(one)}
            assert changed == (self.model.apply(wish) if events else set())
            assert changed <= touches(command).levels
            assert set(self.state.levels) - stocked_before <= touches(command).activated_levels

    def _decide(self, command: Command, *, expected: str | None) -> tuple[Event, ...]:
        before = self.state.scratch()
        answer = malformed(command) or decide(command, self.state, by=CLERK, at=NOW)
        assert self.state == before
        if isinstance(answer, Refused):
            assert {one.code.value for one in answer.rejections} == {expected}
            return ()
        assert expected is None
        assert decide(command, visible_part(before, touches(command)), by=CLERK, at=NOW) == answer
        for one in answer:
            evolve(self.state, one)
        return answer

    def _record(self, one: Event) -> list[LevelKey]:
        """Add an event to the ledger and return the levels that it changed."""
        if isinstance(one, InventoryAdjusted):
            levels = {known.location: known for known in one.levels}
            for movement in one.adjustment.movements:
                assert movement.balance_after == levels[movement.location].balance(movement.bucket)
                key = (one.adjustment.sku, movement.location)
                self.ledger[key, COUNTER_NAMES[movement.bucket]] += movement.delta
            return [known.key for known in one.levels]
        assert isinstance(one, LevelActivated | LevelDeactivated | StockConflictOpened | StockConflictClosed)
        event(type(one).__name__)
        if isinstance(one, StockConflictOpened):
            assert one.conflict_id not in self.open_conflicts.values()
            assert self.open_conflicts.setdefault(one.level.key, one.conflict_id) == one.conflict_id
        elif isinstance(one, StockConflictClosed):
            assert self.open_conflicts.pop(one.level.key) == one.conflict_id
        return [one.level.key]


DeciderAgainstModel.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS_PER_EXAMPLE, deadline=None
)
TestDeciderAgainstModel = DeciderAgainstModel.TestCase

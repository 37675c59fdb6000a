"""All commands that move stock together, over random histories; the one rule: what is promised is never lost or made.

STOCKGATE_MODEL_EXAMPLES sets how many histories of 50 steps are tried; without it a few, always the same, are.
"""

import os
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import event, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.adjustments import ShortagePolicy
from domain.allocation_commands import ShipmentLine
from domain.bundles import BundleCommand
from domain.claims import LineQuantity
from domain.decider import Event, KeyedCommands, decide, evolve, malformed, touches
from domain.levels import InventoryBucket
from domain.postings import PostingCause, StockPosted
from domain.promises import FulfilmentKind, Line, SourcingStrategy
from domain.records import Listing
from domain.rejections import Refused
from domain.reservation_commands import LineCommit, LineMove, ReservationExpire, ReservationExpired
from domain.sourcing import Destination
from tests.domain.bundled import dissolve, part, upsert
from tests.domain.given import (
    CLERK,
    EARLIER,
    NOW,
    Served,
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
from tests.domain.loaded import relate, visible_part
from tests.domain.promised import (
    allocate,
    cancel,
    commit,
    expire,
    extend,
    release,
    relocate,
    reserve,
    ship,
    want,
)
from tests.domain.promises_audit import Auditor, sellable, unit_of
from tests.domain.promises_model import UNSURE, Asked, PlainLine, PlainPromises, PlainReservation, Portion

EXAMPLES = int(os.environ.get("STOCKGATE_MODEL_EXAMPLES", "60"))
STEPS_PER_EXAMPLE = 50
ITEMS = ("A", "B")
SERVED = {"web": {"E", "W"}, "till": {"W", "N"}}
BUNDLE_SKUS = ("K", "X")
POOLS = {"A": {"till": 3, "web": 2}, "K": {"till": 1}}
TTL_MAX = {None: 86_400, "web": 600, "till": 86_400}
MAP = (
    location("E", priority=1, country_code="US"),
    location("W", priority=2, country_code="DE", region="west"),
    location("N", priority=2, country_code="DE"),
)
CHANNELS = (channel("web", reservation_ttl_seconds=60, reservation_ttl_seconds_max=600), channel("till"))
ON_HAND, RESERVED, ALLOCATED = InventoryBucket.ON_HAND, InventoryBucket.RESERVED, InventoryBucket.ALLOCATED
ANYTHING = "anything"
EARLIER_THAN_TTL = {"ITEM_NOT_STOCKED_AT_LOCATION", "LOCATION_NOT_SERVING_CHANNEL"}
OF_CLAIMS = {PostingCause.RESERVATION_CREATED, PostingCause.ALLOCATION_CREATED}
OWN = (ON_HAND, InventoryBucket.QUARANTINED, InventoryBucket.DAMAGED, InventoryBucket.SAFETY_STOCK)

SKUS = some.sampled_from([*ITEMS * 3, *BUNDLE_SKUS])
RECIPES = some.dictionaries(some.sampled_from(ITEMS + BUNDLE_SKUS), some.integers(1, 3), min_size=1, max_size=3)
PLACES = some.sampled_from(["E", "W", "N"])
ON = some.sampled_from([None, "web", "web", "till"])
ORDERS = some.sampled_from(["SO-1", "SO-2"])
WHICH = some.sampled_from([1, 2, 3, 4, 5, 0])
QUANTITIES = some.none() | some.integers(1, 6)
WHERE = some.sampled_from([None] * 6 + ["E", "W", "N"])
ASKED = some.lists(some.tuples(SKUS, some.integers(1, 7), WHERE), min_size=1, max_size=3) | some.lists(
    some.tuples(some.just("K"), some.integers(1, 5), WHERE), min_size=1, max_size=1
)
LINES = some.sampled_from(["1", "1", "2", "3"])
PORTIONS = some.none() | some.lists(
    some.tuples(LINES, QUANTITIES), min_size=1, max_size=2, unique_by=lambda one: one[0]
)
STRATEGIES = some.sampled_from([None, *(one for one in SourcingStrategy if one is not SourcingStrategy.EXPLICIT)])
TTLS = some.sampled_from([None, None, None, 1, 30, 600, 601])
RECENT = some.sampled_from([1, 1, 2, 2, 3, -1, -2, 0])
"""Which reservation is meant, counted from the newest: of those that are active, below 0 of all, 0 of none."""


class AllCommandsTogether(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        served = [Served(location=one.code, channels=frozenset(self._channels_of(one.code))) for one in MAP]
        listings = [
            Listing(sku=sku, channel=code, pool=units, updated_at=EARLIER)
            for sku, pools in POOLS.items()
            for code, units in pools.items()
        ]
        self.state = given(*map(item, ITEMS + BUNDLE_SKUS), *MAP, *CHANNELS, *served, *listings).state
        self.now = NOW
        self.audit = Auditor()
        self.commands_sent = 0

    @initialize(quantities=some.lists(some.integers(0, 20), min_size=6, max_size=6))
    def opens(self, quantities: list[int]) -> None:
        for place, quantity in enumerate(quantities):
            if quantity:
                self._send(set_to(count("EWN"[place // 2], quantity), sku=ITEMS[place % 2]))
        self._send(upsert(part("A", 2), part("B"), sku="K"), expected=None)
        for code in ("web", "till", None):
            self._send(reserve(want(2, sku="A"), want(1, id="2", sku="B"), channel=code, allow_partial=True))

    @rule(seconds=some.sampled_from([1, 1, 29, 30, 60, 900, 3600, -3600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(sku=some.sampled_from(BUNDLE_SKUS), recipe=RECIPES)
    def makes_a_bundle(self, sku: str, recipe: dict[str, int]) -> None:
        parts = (part(one, units) for one, units in recipe.items())
        self._send(upsert(*parts, sku=sku), expected=self._model().bundle(sku, recipe))

    @rule(sku=some.sampled_from(BUNDLE_SKUS))
    def dissolves(self, sku: str) -> None:
        self._send(dissolve(sku), expected=self._model().dissolve(sku))

    @rule(sku=SKUS, place=PLACES, delta=some.integers(-8, 10), bucket=some.sampled_from(OWN), is_fact=some.booleans())
    def adjusts(self, sku: str, place: str, delta: int, bucket: InventoryBucket, *, is_fact: bool) -> None:
        policy = ShortagePolicy.RECORD_CONFLICT if is_fact else ShortagePolicy.REJECT
        self._send(adjust(change(place, delta, bucket), sku=sku, on_shortage=policy), expected=self._of_stock(sku))

    @rule(sku=SKUS, place=PLACES, quantity=some.integers(0, 12), bucket=some.sampled_from(OWN))
    def counts(self, sku: str, place: str, quantity: int, bucket: InventoryBucket) -> None:
        self._send(set_to(count(place, quantity, bucket), sku=sku), expected=self._of_stock(sku))

    @rule(sku=SKUS, place=PLACES, quantity=some.integers(1, 4), parts=some.permutations([None, *OWN[1:]]))
    def moves(self, sku: str, place: str, quantity: int, parts: list[InventoryBucket | None]) -> None:
        command = move(part_move(place, quantity, source=parts[0], target=parts[1]), sku=sku)
        self._send(command, expected=self._of_stock(sku))

    @rule(sku=SKUS, place=PLACES, is_end=some.sampled_from([False, False, True]))
    def begins_or_ends(self, sku: str, place: str, *, is_end: bool) -> None:
        command = deactivate(place, sku=sku) if is_end else activate(place, sku=sku)
        self._send(command, expected=self._of_stock(sku))

    @rule(asked=ASKED, code=ON, strategy=STRATEGIES, is_partial=some.booleans(), ttl=TTLS)
    def reserves(
        self,
        asked: list[Asked],
        code: str | None,
        strategy: SourcingStrategy | None,
        *,
        is_partial: bool,
        ttl: int | None,
    ) -> None:
        lines = [want(units, id=str(place + 1), sku=sku, at=at) for place, (sku, units, at) in enumerate(asked)]
        command = reserve(
            *lines,
            channel=code,
            strategy=strategy,
            allow_partial=is_partial,
            ttl_seconds=ttl,
            destination=Destination(country_code="DE", region="west"),
        )
        model = self._model()
        claim = model.claim(asked, code, is_partial=is_partial)
        too_long = model.ttl(ttl, code)
        expected = claim if too_long is None or claim in EARLIER_THAN_TTL else too_long
        self._send(command, expected=expected, claimed={sku for sku, _, _ in asked}, on=code)

    @rule(asked=ASKED, code=ON, order=ORDERS, is_partial=some.booleans(), first=some.integers(1, 9))
    def allocates(self, asked: list[Asked], code: str | None, order: str, *, is_partial: bool, first: int) -> None:
        lines = [want(units, id=str(place + first), sku=sku, at=at) for place, (sku, units, at) in enumerate(asked)]
        model = self._model()
        taken = model.orders.get((code, order), {}).keys() & {one.id for one in lines}
        expected = "ORDER_LINE_EXISTS" if taken else model.claim(asked, code, is_partial=is_partial)
        command = allocate(*lines, channel=code, order_id=order, allow_partial=is_partial)
        self._send(command, expected=expected, claimed={sku for sku, _, _ in asked}, on=code)

    @rule(sku=SKUS, place=PLACES, code=ON)
    def reserves_a_pick_up(self, sku: str, place: str, code: str | None) -> None:
        command = reserve(want(1, sku=sku, at=place), channel=code, fulfilment=FulfilmentKind.PICKUP)
        expected = self._model().claim([(sku, 1, place)], code, is_partial=False)
        self._send(command, expected=expected, claimed={sku}, on=code)

    @precondition(lambda self: self.state.reservations)
    @rule(which=RECENT, ttl=TTLS)
    def extends(self, which: int, ttl: int | None) -> None:
        code = self._recent(which)
        model = self._model()
        known = model.reservations.get(code)
        expected = model.change(code) or model.ttl(ttl, None if known is None else known.channel)
        self._send(extend(ttl, reservation=code), expected=expected)

    @precondition(lambda self: self.state.reservations)
    @rule(which=RECENT, portions=PORTIONS)
    def releases(self, which: int, portions: list[Portion] | None) -> None:
        code = self._recent(which)
        lines = [LineQuantity(line=line, quantity=units) for line, units in portions or ()]
        self._send(release(*lines, reservation=code), expected=self._refusal_of(code, portions))

    @precondition(lambda self: self.state.reservations)
    @rule(which=RECENT, line=LINES, source=some.none() | PLACES, place=PLACES, quantity=QUANTITIES)
    def moves_holds(self, which: int, line: str, source: str | None, place: str, quantity: int | None) -> None:
        code = self._recent(which)
        expected = self._model().move(code, line, source, place, quantity)
        there = LineMove(line=line, to_location=place, from_location=source, quantity=quantity)
        self._send(relocate(there, reservation=code), expected="INVALID_INPUT" if source == place else expected)

    @precondition(lambda self: self.state.reservations)
    @rule(which=RECENT, portions=PORTIONS, order=ORDERS, prefix=some.sampled_from(["", "x", "y", "z"]))
    def commits(self, which: int, portions: list[Portion] | None, order: str, prefix: str) -> None:
        code = self._recent(which)
        model = self._model()
        expected = self._refusal_of(code, portions)
        if expected in {None, "EXCEEDS_RESERVED_QUANTITY"}:
            known = model.reservations[code]
            named = (
                [line for line, one in known.lines.items() if one.places]
                if portions is None
                else [prefix + line for line, _ in portions]
            )
            if model.orders.get((known.channel, order), {}).keys() & set(named):
                expected = "ORDER_LINE_EXISTS"
        lines = [LineCommit(line=line, quantity=units, order_line=prefix + line) for line, units in portions or ()]
        self._send(commit(*lines, reservation=code, order_id=order), expected=expected)

    @precondition(lambda self: self.state.reservations)
    @rule()
    def sweeps(self) -> None:
        for code, one in list(self.state.reservations.items()):
            if one.has_lapsed(self.now):
                self._send(expire(code))

    @precondition(lambda self: self.state.reservations)
    @rule(which=RECENT)
    def sweeps_one_late(self, which: int) -> None:
        self._send(expire(self._recent(which)))

    @precondition(lambda self: self.state.allocations)
    @rule(which=WHICH, portions=PORTIONS)
    def cancels(self, which: int, portions: list[Portion] | None) -> None:
        code, order = self._order(which)
        lines = [LineQuantity(line=line, quantity=units) for line, units in portions or ()]
        expected = self._model().order((code, order), portions)
        self._send(cancel(*lines, order_id=order, channel=code), expected=expected)

    @precondition(lambda self: self.state.allocations)
    @rule(which=WHICH, portions=PORTIONS)
    def ships(self, which: int, portions: list[Portion] | None) -> None:
        code, order = self._order(which)
        lines = [ShipmentLine(line=line, quantity=units) for line, units in portions or ()]
        expected = self._model().order((code, order), portions)
        self._send(ship(*lines, order_id=order, channel=code), expected=expected)

    @invariant()
    def every_counter_is_the_sum_of_its_movements(self) -> None:
        self.audit.counters_are_sums(self.state)

    @invariant()
    def promises_are_what_documents_hold(self) -> None:
        self.audit.promises_are_held(self.state)

    @invariant()
    def nothing_is_negative_that_may_not_be(self) -> None:
        self.audit.parts_are_not_negative(self.state)

    @invariant()
    def no_unit_of_an_order_is_lost_or_made(self) -> None:
        self.audit.orders_are_whole(self.state)

    @invariant()
    def bundles_are_what_their_components_come_to(self) -> None:
        self.audit.bundles_are_their_leaves(self.state)

    @invariant()
    def a_conflict_is_open_exactly_where_a_promise_is_unbacked(self) -> None:
        self.audit.conflicts_are_of_unbacked_promises(self.state)

    @staticmethod
    def _channels_of(place: str) -> set[str]:
        return {code for code, places in SERVED.items() if place in places}

    def _order(self, which: int) -> tuple[str | None, str]:
        """Return an order that stock is allocated to, or for 0 one that there is not."""
        keys = list(self.state.allocations)
        code, order = keys[which % len(keys)] if which else ("web", "SO-0")
        return code or None, order

    def _recent(self, which: int) -> str:
        known = self.state.reservations.values()
        codes = [one.id for one in known if which < 0 or one.is_active]
        return codes[-abs(which)] if 1 <= abs(which) <= len(codes) else "unknown"

    def _refusal_of(self, code: str, portions: list[Portion] | None) -> str | None:
        model = self._model()
        return model.change(code) or (
            None
            if portions is None
            else model.portions(model.reservations[code].lines, portions, code="EXCEEDS_RESERVED_QUANTITY")
        )

    def _book(self) -> dict[str, dict[str, int]]:
        made = {sku: one.composition.components for sku, one in self.state.items.items() if one.composition}
        return {sku: {one.sku: one.quantity for one in components} for sku, components in made.items()}

    def _of_stock(self, sku: str) -> str:
        return ANYTHING if self.state.items[sku].composition is None else "NON_MUTABLE_BUNDLE"

    def _model(self) -> PlainPromises:
        return PlainPromises(
            served=SERVED,
            pools=POOLS,
            ttl_max=TTL_MAX,
            book=self._book(),
            available={key: sellable(one) for key, one in self.state.levels.items()},
            reservations={
                code: PlainReservation(
                    channel=one.channel,
                    state=one.state.value,
                    expires_at=one.expires_at,
                    lines={line.id: plain_line(line) for line in one.lines},
                )
                for code, one in self.state.reservations.items()
            },
            orders={
                (code or None, order): {line.id: plain_line(line) for line in one.lines}
                for (code, order), one in self.state.allocations.items()
            },
            now=self.now,
        )

    def _send(
        self,
        command: KeyedCommands | BundleCommand,
        *,
        expected: str | None = ANYTHING,
        claimed: frozenset[str] | set[str] = frozenset(),
        on: str | None = None,
    ) -> None:
        self.commands_sent += 1
        if not isinstance(command, BundleCommand):
            command = replace(command, command_id=str(UUID(int=self.commands_sent)))
        relate(self.state)
        before = self.state.scratch()
        answer: tuple[Event, ...] | Refused | None = malformed(command)
        if answer is None:
            answer = decide(command, self.state, by=CLERK, at=self.now)
            loaded = visible_part(before, touches(command), lapsed_at=self.now)
            assert decide(command, loaded, by=CLERK, at=self.now) == answer
        assert self.state == before
        code = answer.rejections[0].code.value if isinstance(answer, Refused) else None
        event(f"{type(command).__name__}: {code or 'accepted'}")
        assert expected in {ANYTHING, code} or (expected == UNSURE and code in {None, "INSUFFICIENT_STOCK"})
        if isinstance(answer, Refused):
            return
        if isinstance(answer[0] if answer else None, ReservationExpired) and not isinstance(command, ReservationExpire):
            event(f"{type(command).__name__}: ended what had lapsed")
        for one in answer:
            event(type(one).__name__)
            self.audit.record(one, self.state)
            evolve(self.state, one)
            if claimed and isinstance(one, StockPosted) and one.posting.cause in OF_CLAIMS:
                self._is_covered(one, on=on)

    def _is_covered(self, one: StockPosted, *, on: str | None) -> None:
        """What was claimed was available, and to this channel."""
        assert all(sellable(level) >= 0 for level in one.levels)
        sku = one.posting.sku
        if on is not None:
            assert {level.location for level in one.levels} <= SERVED[on]
            places = [level for key, level in self.state.levels.items() if key[0] == sku and key[1] in SERVED[on]]
            left = sum(max(0, sellable(level)) for level in places)
            assert left >= sum(units for code, units in POOLS.get(sku, {}).items() if code != on)


def plain_line(line: Line) -> PlainLine:
    """Return a line as the model knows it."""
    places: dict[str, int] = {}
    for hold in line.holds:
        places[hold.location] = places.get(hold.location, 0) + hold.quantity
    return PlainLine(places=places, unit=unit_of(line.holds[0]) if line.holds else {})


AllCommandsTogether.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS_PER_EXAMPLE, deadline=None
)
TestAllCommandsTogether = AllCommandsTogether.TestCase

"""What a command on promises must come to, in plain sums over what is there; the one rule: no code of the domain's.

Where units are taken from is the domain's choice, so that the model is told the documents; whether there is enough,
who was first and what is too much it works out for itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

Key = tuple[str, str]
"""(sku, location)"""
Portion = tuple[str, int | None]
"""A line and how many units of it; None stands for all."""
Asked = tuple[str, int, str | None]
"""A line of a claim: sku, quantity, location."""
Book = Mapping[str, Mapping[str, int]]
"""What each bundle is made of, as it was said."""
UNSURE = "accepted or INSUFFICIENT_STOCK"
"""Whether lines that compete for components can all be served depends on where the others are served from."""
ENDED = {
    "COMMITTED": "RESERVATION_ALREADY_COMMITTED",
    "RELEASED": "RESERVATION_ALREADY_RELEASED",
    "EXPIRED": "RESERVATION_EXPIRED",
}


def leaves_counted(sku: str, book: Book) -> Counter[str]:
    """Take a bundle apart until nothing can be."""
    if sku not in book:
        return Counter({sku: 1})
    total: Counter[str] = Counter()
    for inner, units in book[sku].items():
        for leaf, more in leaves_counted(inner, book).items():
            total[leaf] += units * more
    return total


@dataclass(kw_only=True)
class PlainLine:
    """A line: how many units of it are held where, and what one of them takes from stock."""

    places: dict[str, int]
    unit: Mapping[str, int]

    def total(self) -> int:
        """Return how many units are held."""
        return sum(self.places.values())

    def held(self) -> Counter[Key]:
        """Return what they take of each level."""
        return Counter(
            {(sku, place): units * n for place, n in self.places.items() for sku, units in self.unit.items()}
        )


@dataclass(kw_only=True)
class PlainReservation:
    """A reservation: its state, when it lapses, and what each line holds where."""

    channel: str | None
    state: str
    expires_at: datetime
    lines: dict[str, PlainLine]

    def held(self) -> Counter[Key]:
        """Return what it holds on each level while it is active."""
        held: Counter[Key] = Counter()
        for line in self.lines.values() if self.state == "ACTIVE" else ():
            held += line.held()
        return held


@dataclass(kw_only=True)
class PlainPromises:
    """What is available where, whom it serves, what is pre-allocated, what is made of what, and what is promised."""

    served: dict[str, set[str]]
    pools: dict[str, dict[str, int]]
    ttl_max: dict[str | None, int]
    now: datetime
    book: Book = field(default_factory=dict)
    available: dict[Key, int] = field(default_factory=dict)
    reservations: dict[str, PlainReservation] = field(default_factory=dict)
    orders: dict[tuple[str | None, str], dict[str, PlainLine]] = field(default_factory=dict)

    def bundle(self, sku: str, recipe: Mapping[str, int]) -> str | None:
        """Return why an item cannot be made of others, if it is so."""
        if list(self.book.get(sku, {}).items()) == list(recipe.items()):
            return None
        if any(sku in self._within(one) for one in recipe):
            return "BUNDLE_CYCLE"
        return self.dissolve(sku, or_not=True) or (
            "STILL_STOCKED" if any(one == sku for one, _ in self.available) else None
        )

    def dissolve(self, sku: str, *, or_not: bool = False) -> str | None:
        """Return why an item cannot become another, if it is so; what is no bundle stays none."""
        is_used = any(sku in recipe for recipe in self.book.values())
        return "BUNDLE_IN_USE" if is_used and (or_not or sku in self.book) else None

    def _within(self, sku: str) -> set[str]:
        return {sku}.union(*(self._within(one) for one in self.book.get(sku, {})))

    def claim(self, asked: list[Asked], channel: str | None, *, is_partial: bool) -> str | None:
        """Return why a claim is refused, if it is."""
        needed = [(leaf, place) for sku, _, place in asked for leaf in leaves_counted(sku, self.book)]
        for leaf, place in needed:
            if place is not None and (leaf, place) not in self.available:
                return "ITEM_NOT_STOCKED_AT_LOCATION"
        for _, _, place in asked:
            if place is not None and channel is not None and place not in self.served[channel]:
                return "LOCATION_NOT_SERVING_CHANNEL"
        freed = dict(self.available)
        for units in self._lapsed({leaf for leaf, _ in needed}):
            for key, quantity in units.items():
                freed[key] += quantity
        answers = [self._is_short(asked, channel, one, is_partial=is_partial) for one in (self.available, freed)]
        return "INSUFFICIENT_STOCK" if all(answers) else None if False in answers else UNSURE

    def ttl(self, seconds: int | None, channel: str | None) -> str | None:
        """Return why a lifetime is refused, if it is."""
        return None if seconds is None or 1 <= seconds <= self.ttl_max[channel] else "TTL_OUT_OF_RANGE"

    def change(self, code: str) -> str | None:
        """Return why nothing on a reservation can be changed, if it is so."""
        known = self.reservations.get(code)
        if known is None:
            return "RESERVATION_NOT_FOUND"
        if known.state == "ACTIVE":
            return "RESERVATION_EXPIRED" if known.expires_at <= self.now else None
        return ENDED[known.state]

    def portions(self, lines: dict[str, PlainLine], wanted: Iterable[Portion], *, code: str) -> str | None:
        """Return why units of a document's lines cannot be taken, if it is so."""
        wanted = list(wanted)
        if any(line not in lines for line, _ in wanted):
            return "LINE_NOT_FOUND"
        too_much = any((quantity or 1) > lines[line].total() for line, quantity in wanted)
        return code if too_much else None

    def move(self, code: str, line: str, source: str | None, target: str, quantity: int | None) -> str | None:
        """Return why units of a line cannot be moved, if it is so."""
        if refused := self.change(code):
            return refused
        known = self.reservations[code]
        if line not in known.lines:
            return "LINE_NOT_FOUND"
        held = known.lines[line]
        if held.places and any((sku, target) not in self.available for sku in held.unit):
            return "ITEM_NOT_STOCKED_AT_LOCATION"
        if known.channel is not None and target not in self.served[known.channel]:
            return "LOCATION_NOT_SERVING_CHANNEL"
        there = sum(n for place, n in held.places.items() if place != target and source in {None, place})
        if (quantity or 1) > there:
            return "EXCEEDS_RESERVED_QUANTITY"
        moving = there if quantity is None else quantity
        freed = Counter[Key]()
        for units in self._lapsed({sku for sku, _ in known.held()}):
            freed += units
        is_room = any(
            all(moving * n <= max(0, self.available[sku, target] + more[sku, target]) for sku, n in held.unit.items())
            for more in (Counter[Key](), freed)
        )
        return None if is_room else "INSUFFICIENT_STOCK"

    def order(self, key: tuple[str | None, str], wanted: list[Portion] | None) -> str | None:
        """Return why units of an order cannot be cancelled or shipped, if it is so."""
        if key not in self.orders:
            return "ORDER_NOT_FOUND"
        lines = self.orders[key]
        if wanted is None:
            return None if any(holds.total() for holds in lines.values()) else "EXCEEDS_ALLOCATED_QUANTITY"
        return self.portions(lines, wanted, code="EXCEEDS_ALLOCATED_QUANTITY")

    def _lapsed(self, skus: set[str]) -> list[Counter[Key]]:
        return [
            one.held()
            for one in self.reservations.values()
            if one.expires_at <= self.now and skus & {sku for sku, _ in one.held()}
        ]

    def _is_short(
        self, asked: list[Asked], channel: str | None, available: dict[Key, int], *, is_partial: bool
    ) -> bool | None:
        alone = [self._obtainable(sku, place, channel, available) for sku, _, place in asked]
        if is_partial:
            return not any(units > 0 for units in alone)
        if any(most < quantity for most, (_, quantity, _) in zip(alone, asked, strict=True)):
            return True
        named, wanted = Counter[Key](), Counter[str]()
        for sku, quantity, place in asked:
            for leaf, units in leaves_counted(sku, self.book).items():
                wanted[leaf] += units * quantity
                if place is not None:
                    named[leaf, place] += units * quantity
        if any(units > available[key] for key, units in named.items()) or any(
            units > self._obtainable(leaf, None, channel, available) for leaf, units in wanted.items()
        ):
            return True
        is_plain = len(asked) == 1 or not any(sku in self.book for sku, _, _ in asked)
        return False if is_plain else None

    def _obtainable(self, sku: str, place: str | None, channel: str | None, available: dict[Key, int]) -> int:
        """Return how many units a line can have that is alone."""
        unit = leaves_counted(sku, self.book)
        places = {code for _, code in available} if channel is None else self.served[channel]
        here = {
            code: min(max(0, available.get((leaf, code), 0)) // units for leaf, units in unit.items())
            for code in places
        }
        in_all = sum(here.values())
        if channel is not None:
            beside = (
                sum(max(0, available.get((leaf, code), 0)) for code in places) - self._of_others(leaf, channel)
                for leaf in unit
            )
            in_all = min(in_all, *(left // units for left, units in zip(beside, unit.values(), strict=True)))
            in_all -= self._of_others(sku, channel) if sku in self.book else 0
        return in_all if place is None else min(in_all, here[place])

    def _of_others(self, sku: str, channel: str) -> int:
        return sum(units for code, units in self.pools.get(sku, {}).items() if code != channel)

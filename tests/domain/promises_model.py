"""What a command on promises must come to, in plain sums over what is there; the one rule: no code of the domain's.

Where units are taken from is the domain's choice, so that the model is told the documents; whether there is enough,
who was first and what is too much it works out for itself.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

Key = tuple[str, str]
"""(sku, location)"""
Portion = tuple[str, int | None]
"""A line and how many units of it; None stands for all."""
Asked = tuple[str, int, str | None]
"""A line of a claim: sku, quantity, location."""
ENDED = {
    "COMMITTED": "RESERVATION_ALREADY_COMMITTED",
    "RELEASED": "RESERVATION_ALREADY_RELEASED",
    "EXPIRED": "RESERVATION_EXPIRED",
}


@dataclass(kw_only=True)
class PlainReservation:
    """A reservation: its state, when it lapses, and what each line holds where."""

    channel: str | None
    state: str
    expires_at: datetime
    lines: dict[str, Counter[Key]]

    def held(self) -> Counter[Key]:
        """Return what it holds on each level while it is active."""
        return sum(self.lines.values(), Counter()) if self.state == "ACTIVE" else Counter()


@dataclass(kw_only=True)
class PlainPromises:
    """What is available where, whom it serves, what is pre-allocated, and what is promised."""

    served: dict[str, set[str]]
    pools: dict[str, dict[str, int]]
    ttl_max: dict[str | None, int]
    now: datetime
    available: dict[Key, int] = field(default_factory=dict)
    reservations: dict[str, PlainReservation] = field(default_factory=dict)
    orders: dict[tuple[str | None, str], dict[str, Counter[Key]]] = field(default_factory=dict)

    def claim(self, asked: list[Asked], channel: str | None, *, is_partial: bool) -> str | None:
        """Return why a claim is refused, if it is."""
        for sku, _, place in asked:
            if place is not None and (sku, place) not in self.available:
                return "ITEM_NOT_STOCKED_AT_LOCATION"
        for _, _, place in asked:
            if place is not None and channel is not None and place not in self.served[channel]:
                return "LOCATION_NOT_SERVING_CHANNEL"
        freed = dict(self.available)
        for units in self._lapsed({sku for sku, _, _ in asked}):
            for key, quantity in units.items():
                freed[key] += quantity
        answers = [self._is_short(asked, channel, one, is_partial=is_partial) for one in (self.available, freed)]
        return "INSUFFICIENT_STOCK" if all(answers) else None

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

    def portions(self, lines: dict[str, Counter[Key]], wanted: Iterable[Portion], *, code: str) -> str | None:
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
        holds = known.lines[line]
        if any((sku, target) not in self.available for sku, _ in holds):
            return "ITEM_NOT_STOCKED_AT_LOCATION"
        if known.channel is not None and target not in self.served[known.channel]:
            return "LOCATION_NOT_SERVING_CHANNEL"
        there = Counter({key: units for key, units in holds.items() if key[1] != target and source in {None, key[1]}})
        if (quantity or 1) > there.total():
            return "EXCEEDS_RESERVED_QUANTITY"
        moving = there.total() if quantity is None else quantity
        freed = Counter[Key]()
        for units in self._lapsed({sku for sku, _ in known.held()}):
            freed += units
        key = (next(iter(there))[0], target)
        is_room = moving <= max(0, self.available[key]) or moving <= max(0, self.available[key] + freed[key])
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
    ) -> bool:
        named, wanted = Counter[Key](), Counter[str]()
        for sku, quantity, place in asked:
            wanted[sku] += quantity
            if place is not None:
                named[sku, place] += quantity
        most = {sku: self._obtainable(sku, channel, available) for sku in wanted}
        if is_partial:
            return not any(most[sku] > 0 and (place is None or available[sku, place] > 0) for sku, _, place in asked)
        return any(units > available[key] for key, units in named.items()) or any(
            units > most[sku] for sku, units in wanted.items()
        )

    def _obtainable(self, sku: str, channel: str | None, available: dict[Key, int]) -> int:
        places = {place for one, place in available if one == sku}
        if channel is None:
            return sum(max(0, available[sku, place]) for place in places)
        there = sum(max(0, available[sku, place]) for place in places & self.served[channel])
        return there - sum(units for code, units in self.pools.get(sku, {}).items() if code != channel)


def taken(lines: dict[str, Counter[Key]], portions: list[Portion] | None) -> dict[str, int]:
    """Return how many units of each line are meant; of lines that hold some, all of them, if no line is named."""
    if portions is None:
        return {line: holds.total() for line, holds in lines.items() if holds}
    return {line: lines[line].total() if quantity is None else quantity for line, quantity in portions}


def left(lines: dict[str, Counter[Key]], portions: list[Portion] | None) -> dict[str, int]:
    """Return how many units of each line are left when these are taken."""
    gone = taken(lines, portions)
    return {line: holds.total() - gone.get(line, 0) for line, holds in lines.items()}


def units_at(holds: Counter[Key], place: str) -> int:
    """Return how many units of a line lie at a location."""
    return sum(units for (_, where), units in holds.items() if where == place)

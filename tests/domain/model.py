"""A plain model of stock: dicts and sums, written from the documented rules alone.

The rule: it shares no code with the domain, so that the two can only agree by both being right.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

OWN_COUNTERS = {"on_hand", "quarantined", "damaged", "safety_stock"}
ALL_COUNTERS = (*sorted(OWN_COUNTERS), "reserved", "allocated", "incoming", "in_transit", "backordered")
Key = tuple[str, str]
Kind = Literal["adjust", "set", "move", "activate", "deactivate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry of a wish; a move goes from `source` to `counter`, and None is what is available."""

    location: str
    counter: str | None = "on_hand"
    source: str | None = None
    amount: int = 0
    seen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command in plain words: adjust, set, move, activate or deactivate."""

    kind: Kind
    sku: str
    rows: tuple[Row, ...]
    key: str | None = "key"
    channel: str | None = None
    is_fact: bool = False


class PlainStock:
    """What is stocked where; `levels_elsewhere` are those at locations that no wish names."""

    def __init__(self, *, items: set[str], locations: set[str], channels: set[str]) -> None:
        self.items, self.locations, self.channels = items, locations, channels
        self.counters: dict[Key, dict[str, int]] = {}
        self.versions: dict[Key, int] = {}
        self.open_conflicts: set[Key] = set()
        self.levels_elsewhere: dict[str, int] = {}

    def refusal(self, wish: Wish) -> str | None:
        """Return the code with which the wish is refused, or None."""
        places = {row.location for row in wish.rows}
        stocked = {place for place in places if (wish.sku, place) in self.counters}
        if is_malformed(wish):
            return "INVALID_INPUT"
        if wish.sku not in self.items:
            return "ITEM_NOT_FOUND"
        if places - self.locations:
            return "LOCATION_NOT_FOUND"
        if wish.channel is not None and wish.channel not in self.channels:
            return "CHANNEL_NOT_FOUND"
        if wish.kind not in {"activate", "deactivate"} and (code := self._refusal_of_amounts(wish, stocked)):
            return code
        if wish.kind == "deactivate" and not stocked:
            return "ITEM_NOT_STOCKED_AT_LOCATION"
        if wish.kind in {"activate", "set"} and self._is_full(wish.sku, len(places - stocked)):
            return "LEVEL_LIMIT_REACHED"
        if wish.kind == "deactivate" and any(self.counters[wish.sku, wish.rows[0].location].values()):
            return "LEVEL_NOT_EMPTY"
        return None

    def apply(self, wish: Wish) -> set[Key]:
        """Do what is wished for and return the levels that changed."""
        changes = {} if wish.kind in {"activate", "deactivate"} else self.changes(wish)
        changed = {(wish.sku, place) for (place, _), change in changes.items() if change}
        if wish.kind in {"activate", "set"}:
            changed |= {(wish.sku, row.location) for row in wish.rows} - self.counters.keys()
        if wish.kind == "deactivate":
            changed = {(wish.sku, wish.rows[0].location)}
            del self.counters[wish.sku, wish.rows[0].location]
        for key in changed:
            self.versions[key] = self.versions.get(key, 0) + 1
            if wish.kind != "deactivate":
                self.counters.setdefault(key, dict.fromkeys(ALL_COUNTERS, 0))
        for (place, counter), change in changes.items():
            if change:
                self.counters[wish.sku, place][counter] += change
        self._settle(changed)
        return changed

    def document_moves(self, key: Key, counter: str, change: int) -> None:
        """Move a counter that belongs to documents."""
        self.counters[key][counter] += change
        self.versions[key] += 1
        self._settle({key})

    def balance(self, key: Key, counter: str) -> int:
        """Return a balance; zero where nothing is stocked."""
        return self.counters.get(key, {}).get(counter, 0)

    def changes(self, wish: Wish) -> dict[tuple[str, str], int]:
        """Return by how much each counter at each location would change."""
        changes: Counter[tuple[str, str]] = Counter()
        for row in wish.rows:
            if wish.kind == "set" and row.counter is not None:
                balance = self.balance((wish.sku, row.location), row.counter)
                changes[row.location, row.counter] = row.amount - balance
            elif row.counter is not None:
                changes[row.location, row.counter] += row.amount
            if row.source is not None:
                changes[row.location, row.source] -= row.amount
        return dict(changes)

    def _refusal_of_amounts(self, wish: Wish, stocked: set[str]) -> str | None:
        if {counter for row in wish.rows for counter in (row.counter, row.source)} - OWN_COUNTERS - {None}:
            return "BUCKET_OWNED_BY_DOCUMENT"
        if wish.kind != "set" and {row.location for row in wish.rows} - stocked:
            return "ITEM_NOT_STOCKED_AT_LOCATION"
        if self._has_a_bad_amount(wish):
            return "INVALID_QUANTITY"
        for row in wish.rows:
            balance = self.balance((wish.sku, row.location), str(row.counter))
            if row.seen is not None and row.seen != balance:
                return "CHANGE_FROM_QUANTITY_STALE"
        return "INSUFFICIENT_STOCK" if self._is_short(wish) else None

    def _has_a_bad_amount(self, wish: Wish) -> bool:
        lowest, highest = {
            "set": (0, 10_000_000),
            "adjust": (-1_000_000_000, 1_000_000_000),
            "move": (1, 1_000_000_000),
        }[wish.kind]
        changes = self.changes(wish)
        return (
            any(not lowest <= row.amount <= highest for row in wish.rows)
            or (wish.kind != "set" and 0 in changes.values())
            or any(
                abs(self.balance((wish.sku, place), counter) + change) > 10_000_000
                for (place, counter), change in changes.items()
            )
        )

    def _is_short(self, wish: Wish) -> bool:
        effects: Counter[str] = Counter()
        for (place, counter), change in self.changes(wish).items():
            after = self.balance((wish.sku, place), counter) + change
            effects[place] += change if counter == "on_hand" else -change
            if after < 0 and change < 0 and not (wish.is_fact and counter == "on_hand"):
                return True
        return not wish.is_fact and any(
            effect < 0 and self.available((wish.sku, place)) + effect < 0 for place, effect in effects.items()
        )

    def available(self, key: Key) -> int:
        """Return what is available: on hand less its parts."""
        parts = ("reserved", "allocated", "quarantined", "damaged", "safety_stock")
        return self.balance(key, "on_hand") - sum(self.balance(key, part) for part in parts)

    def _is_full(self, sku: str, begun: int) -> bool:
        levels = self.levels_elsewhere.get(sku, 0) + sum(1 for known, _ in self.counters if known == sku)
        return begun > 0 and levels + begun > 200

    def _settle(self, changed: set[Key]) -> None:
        for key in changed:
            promised = self.balance(key, "reserved") + self.balance(key, "allocated")
            backing = self.balance(key, "on_hand") - self.balance(key, "quarantined")
            if backing - self.balance(key, "damaged") < promised:
                self.open_conflicts.add(key)
            else:
                self.open_conflicts.discard(key)


def is_malformed(wish: Wish) -> bool:
    """Return whether the wish makes no sense whatever is stocked."""
    moves_stock = wish.kind in {"adjust", "set", "move"}
    names = [wish.sku, *(row.location for row in wish.rows), *([] if wish.channel is None else [wish.channel])]
    if any(name != name.strip() or not 1 <= len(name) <= 255 for name in names):
        return True
    if (wish.key is None and moves_stock) or (wish.key is not None and not 1 <= len(wish.key) <= 255):
        return True
    if not 1 <= len(wish.rows) <= 250:
        return True
    if wish.kind == "move":
        return any("on_hand" in {row.source, row.counter} or row.source == row.counter for row in wish.rows)
    seen = {(row.location, row.counter, row.seen) for row in wish.rows if row.seen is not None}
    counted = {(row.location, row.counter, row.amount) for row in wish.rows if wish.kind == "set"}
    return any(len({one[:2] for one in said}) < len(said) for said in (seen, counted))

"""Words for bundles: builders of components, compositions and their commands, for given, when and then.

The rule: a composition is written out here, never composed by the domain's own code.
"""

from dataclasses import replace
from datetime import datetime

from domain.bundles import BundleDissolve, BundleUpsert
from domain.compositions import Component, Composition
from domain.levels import StockLevel
from domain.promises import Hold, SourcingReason
from domain.records import Item
from domain.reservation_commands import ReservationCreated
from tests.domain.given import CENTRAL, EAST, WEB, Fact, Outcome, Served, channel, item, level, location
from tests.domain.promised import hold

KIT = "KIT"
CUP = "CUP"
LID = "LID"
TILL = "till"


def part(sku: str, quantity: int = 1) -> Component:
    """Return so many units of an item in one of a bundle."""
    return Component(sku=sku, quantity=quantity)


PARTS = (part(CUP, 2), part(LID))
"""What a bundle is made of if nothing is said."""


def made_of(
    *components: Component, leaves: tuple[Component, ...] | None = None, nested: tuple[str, ...] = ()
) -> Composition:
    """Return what a bundle is made of; without a word about leaves its components are no bundles."""
    return Composition(components=components, leaves=components if leaves is None else leaves, nested=nested)


def bundle(composition: Composition | None = None, *, sku: str = KIT, at: datetime | None = None) -> Item:
    """Return a bundle, of two cups and a lid if nothing is said; `at` is when it became this."""
    plain = item(sku)
    known = replace(plain, composition=composition or made_of(*PARTS))
    return known if at is None else replace(known, updated_at=at)


def upsert(*components: Component, sku: str = KIT) -> BundleUpsert:
    """Return a bundleUpsert."""
    return BundleUpsert(sku=sku, components=components)


def dissolve(sku: str = KIT) -> BundleDissolve:
    """Return a bundleDissolve."""
    return BundleDissolve(sku=sku)


SHOP: tuple[Fact, ...] = (bundle(), item(CUP), item(LID), location(EAST), location(CENTRAL), location("WEST"))
ON_WEB: tuple[Fact, ...] = (
    *SHOP,
    channel(),
    channel(TILL),
    Served(location=EAST, channels=frozenset({WEB})),
    Served(location=CENTRAL, channels=frozenset({WEB, TILL})),
)


def stock(place: str, cups: int, lids: int) -> tuple[StockLevel, StockLevel]:
    """Return what there is of both components at a location."""
    return level(place, sku=CUP, on_hand=cups), level(place, sku=LID, on_hand=lids)


def kits(
    quantity: int,
    place: str = EAST,
    *,
    reason: SourcingReason = SourcingReason.PRIORITY,
    parts: tuple[Component, ...] = PARTS,
) -> Hold:
    """Return bundles that are held, with their parts."""
    return hold(quantity, place, sku=KIT, reason=reason, parts=parts)


def held(outcome: Outcome) -> dict[str, tuple[Hold, ...]]:
    """Return what each line of the reservation that was made holds."""
    assert isinstance(outcome.answer, tuple), outcome.answer
    first = outcome.answer[0]
    assert isinstance(first, ReservationCreated)
    return {one.id: one.holds for one in first.reservation.lines}

"""Words for bundles: builders of components, compositions and their commands, for given, when and then.

The rule: a composition is written out here, never composed by the domain's own code.
"""

from dataclasses import replace
from datetime import datetime

from domain.bundles import BundleDissolve, BundleUpsert
from domain.compositions import Component, Composition
from domain.records import Item
from tests.domain.given import item

KIT = "KIT"
CUP = "CUP"
LID = "LID"


def part(sku: str, quantity: int = 1) -> Component:
    """Return so many units of an item in one of a bundle."""
    return Component(sku=sku, quantity=quantity)


def made_of(
    *components: Component, leaves: tuple[Component, ...] | None = None, nested: tuple[str, ...] = ()
) -> Composition:
    """Return what a bundle is made of; without a word about leaves its components are no bundles."""
    return Composition(components=components, leaves=components if leaves is None else leaves, nested=nested)


def bundle(composition: Composition | None = None, *, sku: str = KIT, at: datetime | None = None) -> Item:
    """Return a bundle, of two cups and a lid if nothing is said; `at` is when it became this."""
    plain = item(sku)
    known = replace(plain, composition=composition or made_of(part(CUP, 2), part(LID)))
    return known if at is None else replace(known, updated_at=at)


def upsert(*components: Component, sku: str = KIT) -> BundleUpsert:
    """Return a bundleUpsert."""
    return BundleUpsert(sku=sku, components=components)


def dissolve(sku: str = KIT) -> BundleDissolve:
    """Return a bundleDissolve."""
    return BundleDissolve(sku=sku)

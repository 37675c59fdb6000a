"""What bundles and kits are made of; the one rule: stock is kept of components only, and a bundle is their arithmetic.

A bundle may be part of another. `leaves` is what one unit of it takes from stock in the end: components that are no
bundles themselves, each once, with the sum of all that is needed of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

COMPONENTS_MAX = 50
"""How many components a bundle may name."""
LEAVES_MAX = 100
"""How many different items a bundle may be made of in the end."""
QUANTITY_MAX = 1_000_000
"""How many base units of an item one bundle may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """So many base units of an item, in one unit of a bundle."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What a bundle is made of: as it was said, as it comes to in stock, and which bundles are within it."""

    components: tuple[Component, ...]
    leaves: tuple[Component, ...]
    nested: tuple[str, ...] = ()


def composed(components: Iterable[Component], inner: Mapping[str, Composition]) -> Composition:
    """Return the composition of components, of which `inner` are bundles themselves."""
    said = tuple(components)
    leaves: dict[str, int] = {}
    nested: dict[str, None] = {}
    for one in said:
        within = inner.get(one.sku)
        for leaf in (one,) if within is None else within.leaves:
            units = one.quantity if within is None else one.quantity * leaf.quantity
            leaves[leaf.sku] = leaves.get(leaf.sku, 0) + units
        if within is not None:
            nested |= dict.fromkeys((one.sku, *within.nested))
    return Composition(
        components=said,
        leaves=tuple(Component(sku=sku, quantity=quantity) for sku, quantity in leaves.items()),
        nested=tuple(nested),
    )


def bundles_in(available: Mapping[str, int], parts: Iterable[Component]) -> int:
    """Return how many bundles can be made of what is available of each part; one that is not there makes none."""
    return min((max(0, available.get(part.sku, 0)) // part.quantity for part in parts), default=0)

"""Bundles and kits: say what an item is made of, and take that back.

The rule: what is made of others has no stock of its own, and what others are made of stays as it is: to change a
bundle within a bundle, the outer one is taken apart first, so that no bundle ever contains itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from domain.catalogue import ItemUpserted, in_use
from domain.compositions import COMPONENTS_MAX, LEAVES_MAX, QUANTITY_MAX, Component, Composition, composed
from domain.records import active, item_not_found
from domain.rejections import Refused, Rejection, RejectionCode, first_refused
from domain.state import Selectors, State
from domain.text import code_problems


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleUpsert:
    """Make an item a bundle of these components, or of these instead of those before."""

    sku: str
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDissolve:
    """Make a bundle an ordinary item again; what is promised of it stays promised."""

    sku: str


BundleCommand = BundleUpsert | BundleDissolve


def malformed(command: BundleCommand) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    yield from code_problems(command.sku, field=("sku",), what="The SKU")
    if isinstance(command, BundleDissolve):
        return
    if not 1 <= len(command.components) <= COMPONENTS_MAX:
        message = f"There are {len(command.components)} components; name 1 to {COMPONENTS_MAX}."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("components",))
    seen: set[str] = set()
    for place, one in enumerate(command.components):
        at = ("components", str(place), "sku")
        yield from code_problems(one.sku, field=at, what="The component's SKU")
        if one.sku in seen:
            message = f"{one.sku} is named twice; name it once, with the sum."
            yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=at)
        seen.add(one.sku)


def touches(command: BundleCommand) -> Selectors:
    """Return what the command needs to see."""
    bundle = frozenset({command.sku})
    if isinstance(command, BundleDissolve):
        return Selectors(skus=bundle, bundle_uses=bundle)
    parts = frozenset(one.sku for one in command.components)
    return Selectors(skus=bundle | parts, level_counts_of_items=bundle, bundle_uses=bundle)


def decide(command: BundleCommand, state: State, *, at: datetime) -> tuple[ItemUpserted, ...] | Refused:
    """Return what happens, or why it may not."""
    match command:
        case BundleUpsert():
            return decide_upsert(command, state, at=at)
        case BundleDissolve():
            return decide_dissolve(command, state, at=at)
        case _:
            assert_never(command)


def decide_upsert(command: BundleUpsert, state: State, *, at: datetime) -> tuple[ItemUpserted, ...] | Refused:
    """Make it a bundle; what it is already changes nothing."""
    composition = _composition(command, state)
    if refused := first_refused(
        (_leaves_are_not_too_many(composition), _item_exists(command, state), _components_exist(command, state))
    ):
        return refused
    item = state.items[command.sku]
    if item.composition is not None and item.composition.components == composition.components:
        return ()
    if refused := first_refused(
        (
            _contains_not_itself(command, state),
            in_use(command.sku, state),
            _quantities_are_valid(command),
            _sums_are_valid(composition),
            _has_no_stock(command.sku, state),
        )
    ):
        return refused
    return (ItemUpserted(item=replace(item, composition=composition, updated_at=at)),)


def decide_dissolve(command: BundleDissolve, state: State, *, at: datetime) -> tuple[ItemUpserted, ...] | Refused:
    """Make it an ordinary item; one that is none already stays as it is."""
    if refused := first_refused((_item_exists(command, state),)):
        return refused
    item = state.items[command.sku]
    if item.composition is None:
        return ()
    if refused := first_refused((in_use(command.sku, state),)):
        return refused
    return (ItemUpserted(item=replace(item, composition=None, updated_at=at)),)


def _item_exists(command: BundleCommand, state: State) -> Iterator[Rejection]:
    if active(state.items.get(command.sku)) is None:
        yield item_not_found(command.sku)


def _components_exist(command: BundleUpsert, state: State) -> Iterator[Rejection]:
    for place, one in enumerate(command.components):
        if active(state.items.get(one.sku)) is None:
            yield item_not_found(one.sku, field=("components", str(place), "sku"))


def _composition(command: BundleUpsert, state: State) -> Composition:
    """Return what it would be made of; what is not known counts as it is named."""
    parts = (active(state.items.get(one.sku)) for one in command.components)
    inner = {item.sku: item.composition for item in parts if item is not None and item.composition is not None}
    return composed(command.components, inner)


def _contains_not_itself(command: BundleUpsert, state: State) -> Iterator[Rejection]:
    for place, one in enumerate(command.components):
        within = state.items[one.sku].composition
        contained = () if within is None else (*within.nested, *(leaf.sku for leaf in within.leaves))
        if command.sku in {one.sku, *contained}:
            yield Rejection(
                code=RejectionCode.BUNDLE_CYCLE,
                message=f"{one.sku} is, or contains, {command.sku} itself; leave it out.",
                field=("components", str(place), "sku"),
            )


def _has_no_stock(sku: str, state: State) -> Iterator[Rejection]:
    if state.level_counts_by_item.get(sku, 0):
        yield Rejection(
            code=RejectionCode.STILL_STOCKED,
            message=f"{sku} has stock levels of its own, and a bundle has none; end them with inventoryDeactivate "
            "first.",
            field=("sku",),
        )


def _leaves_are_not_too_many(composition: Composition) -> Iterator[Rejection]:
    if len(composition.leaves) > LEAVES_MAX:
        message = f"It would be made of {len(composition.leaves)} items in the end; at most {LEAVES_MAX} are possible."
        yield Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=("components",))


def _quantities_are_valid(command: BundleUpsert) -> Iterator[Rejection]:
    for place, one in enumerate(command.components):
        if not 1 <= one.quantity <= QUANTITY_MAX:
            yield Rejection(
                code=RejectionCode.INVALID_QUANTITY,
                message=f"The quantity is {one.quantity}; send 1 to {QUANTITY_MAX:,} base units.",
                field=("components", str(place), "quantity"),
            )


def _sums_are_valid(composition: Composition) -> Iterator[Rejection]:
    """INVALID_QUANTITY: what components within components come to."""
    for leaf in composition.leaves:
        if leaf.quantity > QUANTITY_MAX:
            yield Rejection(
                code=RejectionCode.INVALID_QUANTITY,
                message=f"It would take {leaf.quantity:,} units of {leaf.sku}; at most {QUANTITY_MAX:,} are possible.",
                field=("components",),
            )

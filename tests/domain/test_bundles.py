"""bundleUpsert and bundleDissolve: what may be made of what; the one rule: a bundle never contains itself."""

from dataclasses import replace

import pytest

from domain.bundles import BundleDissolve, BundleUpsert
from domain.catalogue import ItemArchive, ItemArchived, ItemUpsert, ItemUpserted
from domain.compositions import Component
from domain.decider import Command
from domain.levels import InventoryBucket
from domain.records import Item
from domain.rejections import RejectionCode
from tests.domain.bundled import CUP, KIT, LID, bundle, dissolve, made_of, part, upsert
from tests.domain.given import (
    EARLIER,
    EAST,
    NOW,
    LevelsElsewhere,
    activate,
    adjust,
    change,
    count,
    deactivate,
    given,
    item,
    level,
    location,
    move,
    part_move,
    set_to,
)

SHELF = (item(KIT), item(CUP), item(LID))
BOX = "BOX"
INNER = bundle()
BOXED = made_of(part(KIT, 3), part(CUP), leaves=(part(CUP, 7), part(LID, 3)), nested=(KIT,))


class TestUpsert:
    def test_an_item_becomes_a_bundle(self) -> None:
        made = bundle(at=NOW)
        state = given(*SHELF).when(upsert(part(CUP, 2), part(LID))).then(ItemUpserted(item=made))
        assert state.items[KIT] == made
        assert state.bundle_uses == {CUP: 1, LID: 1}

    @pytest.mark.parametrize(
        "components", [(part(CUP, 3), part(LID)), (part(LID), part(CUP, 2)), (part(CUP, 2),), (part(CUP, 2), part(KIT))]
    )
    def test_it_becomes_another_bundle(self, components: tuple[Component, ...]) -> None:
        known = bundle(sku=BOX)
        shelf = (item(KIT), item(CUP), item(LID), known)
        state = (
            given(*shelf)
            .when(upsert(*components, sku=BOX))
            .then(ItemUpserted(item=replace(known, composition=made_of(*components), updated_at=NOW)))
        )
        used = dict.fromkeys([CUP, LID], 0) | {one.sku: 1 for one in components}
        assert state.bundle_uses == used

    def test_what_it_is_already_changes_nothing(self) -> None:
        outer = bundle(made_of(part(KIT)), sku=BOX)
        given(bundle(), item(CUP), item(LID), outer).when(upsert(part(CUP, 2), part(LID))).then()

    def test_all_else_about_the_item_stays(self) -> None:
        known = replace(item(KIT), name="Tea for two", is_backorderable=True)
        composition = made_of(part(CUP))
        given(known, item(CUP)).when(upsert(part(CUP))).then(
            ItemUpserted(item=replace(known, composition=composition, updated_at=NOW))
        )
        given(replace(known, composition=composition), item(CUP)).when(
            ItemUpsert(sku=KIT, fields={"name": "Tea"})
        ).then(ItemUpserted(item=replace(known, name="Tea", composition=composition, updated_at=NOW)))

    def test_a_bundle_in_a_bundle_comes_to_its_leaves(self) -> None:
        given(INNER, item(BOX), item(CUP), item(LID)).when(upsert(part(KIT, 3), part(CUP), sku=BOX)).then(
            ItemUpserted(item=bundle(BOXED, sku=BOX, at=NOW))
        )

    def test_two_deep_all_bundles_within_are_named_once(self) -> None:
        facts = (INNER, bundle(BOXED, sku=BOX), item("PALLET"), item(CUP), item(LID))
        made = made_of(
            part(BOX, 2),
            part(KIT),
            leaves=(part(CUP, 16), part(LID, 7)),
            nested=(BOX, KIT),
        )
        given(*facts).when(upsert(part(BOX, 2), part(KIT), sku="PALLET")).then(
            ItemUpserted(item=bundle(made, sku="PALLET", at=NOW))
        )

    @pytest.mark.parametrize(
        ("facts", "command", "at"),
        [
            (SHELF, upsert(part(CUP), part(KIT)), "1"),
            ((item(KIT), bundle(made_of(part(KIT)), sku=BOX)), upsert(part(BOX)), "0"),
            ((bundle(), bundle(BOXED, sku=BOX), item(CUP)), upsert(part(CUP), part(BOX)), "1"),
            ((bundle(), bundle(BOXED, sku=BOX), item(CUP)), upsert(part(BOX), sku=CUP), "0"),
        ],
        ids=["itself", "the bundle that it is in", "a bundle through another", "a leaf through two"],
    )
    def test_it_never_contains_itself(self, facts: tuple[Item, ...], command: BundleUpsert, at: str) -> None:
        named = command.components[int(at)].sku
        given(*facts).when(command).then_refused(
            RejectionCode.BUNDLE_CYCLE,
            f"components.{at}.sku",
            message=f"{named} is, or contains, {command.sku} itself; leave it out.",
        )

    def test_every_component_that_would_make_a_circle_is_named(self) -> None:
        given(item(KIT), bundle(made_of(part(KIT)), sku=BOX)).when(upsert(part(KIT), part(BOX))).then_refused(
            RejectionCode.BUNDLE_CYCLE, "components.0.sku", "components.1.sku"
        )

    @pytest.mark.parametrize("known", [item(KIT), bundle(made_of(part(LID)))])
    @pytest.mark.parametrize(("uses", "bundles"), [(1, "a bundle"), (2, "2 bundles")])
    def test_what_is_part_of_a_bundle_stays_as_it_is(self, known: Item, uses: int, bundles: str) -> None:
        outer = [bundle(made_of(part(KIT), leaves=(part(LID),)), sku=f"BOX{place}") for place in range(uses)]
        given(known, item(CUP), *outer).when(upsert(part(CUP))).then_refused(
            RejectionCode.BUNDLE_IN_USE,
            "sku",
            message=f"{KIT} is a component of {bundles}; take it out there first, with bundleUpsert or bundleDissolve.",
        )

    def test_what_has_levels_of_its_own_has_to_end_them(self) -> None:
        given(*SHELF, LevelsElsewhere(sku=KIT, count=1)).when(upsert(part(CUP))).then_refused(
            RejectionCode.STILL_STOCKED,
            "sku",
            message=f"{KIT} has stock levels of its own, and a bundle has none; end them with inventoryDeactivate "
            "first.",
        )

    @pytest.mark.parametrize("quantity", [0, -1, 1_000_001])
    def test_a_quantity_that_makes_no_sense(self, quantity: int) -> None:
        given(*SHELF).when(upsert(part(CUP), part(LID, quantity))).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "components.1.quantity",
            message=f"The quantity is {quantity}; send 1 to 1,000,000 base units.",
        )

    def test_the_largest_quantity(self) -> None:
        made = bundle(made_of(part(CUP, 1_000_000)), at=NOW)
        given(*SHELF).when(upsert(part(CUP, 1_000_000))).then(ItemUpserted(item=made))

    def test_what_components_within_components_come_to_is_bounded_as_well(self) -> None:
        inner = bundle(made_of(part(CUP, 1_000), part(LID)), sku=BOX)
        given(*SHELF, inner).when(upsert(part(BOX, 1_000), part(CUP))).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "components",
            message="It would take 1,000,001 units of CUP; at most 1,000,000 are possible.",
        )

    @pytest.mark.parametrize("more", [0, 1])
    def test_a_hundred_different_items_in_the_end(self, more: int) -> None:
        first, second = (tuple(part(f"{box}{place}") for place in range(50)) for box in "AB")
        boxes = (bundle(made_of(*first), sku="A"), bundle(made_of(*second), sku="B"))
        outcome = given(*SHELF, *boxes).when(upsert(part("A"), part("B"), *[part(CUP)] * more))
        if more:
            outcome.then_refused(
                RejectionCode.INVALID_INPUT,
                "components",
                message="It would be made of 101 items in the end; at most 100 are possible.",
            )
        else:
            made = made_of(part("A"), part("B"), leaves=(*first, *second), nested=("A", "B"))
            outcome.then(ItemUpserted(item=bundle(made, at=NOW)))

    def test_components_that_are_not_there(self) -> None:
        given(item(KIT), item(CUP), item("OLD", archived_at=EARLIER)).when(
            upsert(part("UNKNOWN"), part(CUP), part("OLD"))
        ).then_refused(RejectionCode.ITEM_NOT_FOUND, "components.0.sku", "components.2.sku")

    def test_a_bundle_that_was_archived_is_no_component(self) -> None:
        given(item(KIT), replace(bundle(sku=BOX), archived_at=EARLIER)).when(upsert(part(BOX))).then_refused(
            RejectionCode.ITEM_NOT_FOUND, "components.0.sku"
        )


class TestDissolve:
    def test_a_bundle_becomes_an_item(self) -> None:
        plain = replace(item(KIT), updated_at=NOW)
        state = given(bundle(), item(CUP), item(LID)).when(dissolve()).then(ItemUpserted(item=plain))
        assert state.bundle_uses == {CUP: 0, LID: 0}

    def test_an_item_stays_one(self) -> None:
        given(item(KIT)).when(dissolve()).then()
        given(item(CUP), bundle()).when(dissolve(CUP)).then()

    def test_a_bundle_in_a_bundle_is_taken_out_first(self) -> None:
        shelf = (bundle(), item(CUP), item(LID), bundle(BOXED, sku=BOX))
        given(*shelf).when(dissolve()).then_refused(RejectionCode.BUNDLE_IN_USE, "sku")
        given(*shelf).after(dissolve(BOX)).when(dissolve()).then(ItemUpserted(item=replace(item(KIT), updated_at=NOW)))

    def test_it_may_be_stocked_then(self) -> None:
        given(bundle(), item(CUP), item(LID), location()).after(dissolve()).after(set_to(count(EAST, 5), sku=KIT)).when(
            upsert(part(CUP))
        ).then_refused(RejectionCode.STILL_STOCKED, "sku")


@pytest.mark.parametrize("command", [upsert(part(CUP)), dissolve()])
@pytest.mark.parametrize("known", [(), (replace(bundle(), archived_at=EARLIER),)])
def test_an_unknown_or_archived_bundle(command: Command, known: tuple[Item, ...]) -> None:
    given(item(CUP), *known).when(command).then_refused(RejectionCode.ITEM_NOT_FOUND, "sku")


@pytest.mark.parametrize(
    ("command", "field", "message"),
    [
        (dissolve(" "), "sku", "The SKU begins or ends with a blank; remove it."),
        (upsert(part(CUP), sku=" "), "sku", "The SKU begins or ends with a blank; remove it."),
        (upsert(), "components", "There are 0 components; name 1 to 50."),
        (
            upsert(*(part(f"S{place}") for place in range(51))),
            "components",
            "There are 51 components; name 1 to 50.",
        ),
        (
            upsert(part(CUP), part(" ")),
            "components.1.sku",
            "The component's SKU begins or ends with a blank; remove it.",
        ),
        (
            upsert(part(CUP), part(LID), part(CUP, 2)),
            "components.2.sku",
            "CUP is named twice; name it once, with the sum.",
        ),
    ],
)
def test_what_is_malformed(command: BundleUpsert | BundleDissolve, field: str, message: str) -> None:
    given(*SHELF).when(command).then_refused(RejectionCode.INVALID_INPUT, field, message=message)


class TestArchive:
    def test_a_component_is_taken_out_first(self) -> None:
        shelf = (bundle(), item(CUP), item(LID))
        given(*shelf).when(ItemArchive(sku=CUP)).then_refused(
            RejectionCode.BUNDLE_IN_USE,
            "sku",
            message="CUP is a component of a bundle; take it out there first, with bundleUpsert or bundleDissolve.",
        )
        given(*shelf).after(upsert(part(LID))).when(ItemArchive(sku=CUP)).then(
            ItemArchived(item=replace(item(CUP), archived_at=NOW, updated_at=NOW))
        )

    def test_a_bundle_is_none_any_more(self) -> None:
        shelf = (bundle(), item(CUP), item(LID))
        gone = replace(item(KIT), archived_at=NOW, updated_at=NOW)
        state = given(*shelf).when(ItemArchive(sku=KIT)).then(ItemArchived(item=gone))
        assert state.bundle_uses == {CUP: 0, LID: 0}
        given(*shelf).after(ItemArchive(sku=KIT)).when(ItemUpsert(sku=KIT, fields={})).then(
            ItemUpserted(item=replace(item(KIT), updated_at=NOW))
        )

    def test_its_components_may_change_and_go_then(self) -> None:
        shelf = given(bundle(), item(CUP), item(LID)).after(ItemArchive(sku=KIT))
        shelf.after(upsert(part(LID), sku=CUP)).after(dissolve(CUP))
        shelf.when(ItemArchive(sku=CUP)).then(ItemArchived(item=replace(item(CUP), archived_at=NOW, updated_at=NOW)))


@pytest.mark.parametrize(
    "command",
    [
        adjust(change(EAST, 1), sku=KIT),
        set_to(count(EAST, 1), sku=KIT),
        move(part_move(EAST, 1, target=InventoryBucket.DAMAGED), sku=KIT),
        activate(EAST, sku=KIT),
        deactivate(EAST, sku=KIT),
    ],
)
def test_no_stock_is_kept_of_a_bundle(command: Command) -> None:
    given(bundle(), location(), level(sku=CUP)).when(command).then_refused(
        RejectionCode.NON_MUTABLE_BUNDLE,
        "sku",
        message="KIT is a bundle and has no stock of its own; change the stock of its components.",
    )


def test_what_a_batch_has_used_so_far_counts() -> None:
    """Given one working set, when it becomes a bundle's component, then a later command of the same batch sees that."""
    state = given(*SHELF, item(BOX)).when(upsert(part(CUP))).then(ItemUpserted(item=bundle(made_of(part(CUP)), at=NOW)))
    trial = state.scratch()
    assert trial.bundle_uses == {CUP: 1}
    trial.put_item(item(KIT))
    assert (trial.bundle_uses, state.bundle_uses) == ({CUP: 0}, {CUP: 1})

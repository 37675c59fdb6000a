"""What each command asks to see; the one rule: all that it needs, and nothing that would be locked for nothing."""

import pytest

from domain.bundles import BundleDissolve, BundleUpsert
from domain.catalogue import ChannelArchive, ChannelUpsert, ItemArchive, ItemUpsert, LocationArchive, LocationUpsert
from domain.compositions import Component
from domain.decider import Command, touches
from domain.levels import InventoryBucket
from domain.listings import ListingUpsert
from domain.reservation_commands import LineMove
from domain.state import Selectors
from tests.domain.given import (
    CENTRAL,
    EAST,
    SKU,
    WEB,
    activate,
    adjust,
    change,
    count,
    deactivate,
    move,
    part_move,
    set_to,
)
from tests.domain.promised import (
    ORDER,
    RESERVATION,
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

DAMAGED = InventoryBucket.DAMAGED
ITEM = frozenset({SKU})
EAST_ONLY = frozenset({EAST})
BOTH = frozenset({EAST, CENTRAL})
WEB_ONLY = frozenset({WEB})
EAST_LEVEL = frozenset({(SKU, EAST)})
BOTH_LEVELS = frozenset({(SKU, EAST), (SKU, CENTRAL)})


@pytest.mark.parametrize(
    ("command", "selectors"),
    [
        (
            adjust(change(EAST, 1), change(CENTRAL, 1), change(EAST, 1, DAMAGED)),
            Selectors(skus=ITEM, locations=BOTH, levels=BOTH_LEVELS),
        ),
        (
            adjust(change(EAST, 1), source_channel=WEB),
            Selectors(skus=ITEM, locations=EAST_ONLY, channels=WEB_ONLY, levels=EAST_LEVEL),
        ),
        (
            move(part_move(EAST, 1, target=DAMAGED), part_move(CENTRAL, 1, source=DAMAGED)),
            Selectors(skus=ITEM, locations=BOTH, levels=BOTH_LEVELS),
        ),
        (deactivate(EAST), Selectors(skus=ITEM, locations=EAST_ONLY, levels=EAST_LEVEL)),
    ],
)
def test_what_begins_no_level_only_locks(command: Command, selectors: Selectors) -> None:
    assert touches(command) == selectors


@pytest.mark.parametrize(
    ("command", "selectors"),
    [
        (
            set_to(count(EAST, 1), count(CENTRAL, 1), count(EAST, 1, DAMAGED)),
            Selectors(
                skus=ITEM,
                locations=BOTH,
                levels=BOTH_LEVELS,
                activated_levels=BOTH_LEVELS,
                level_counts_of_items=ITEM,
            ),
        ),
        (
            activate(EAST, source_channel=WEB),
            Selectors(
                skus=ITEM,
                locations=EAST_ONLY,
                channels=WEB_ONLY,
                levels=EAST_LEVEL,
                activated_levels=EAST_LEVEL,
                level_counts_of_items=ITEM,
            ),
        ),
    ],
)
def test_what_begins_levels_names_them_and_counts_the_others(command: Command, selectors: Selectors) -> None:
    assert touches(command) == selectors


@pytest.mark.parametrize(
    ("command", "selectors"),
    [
        (ItemUpsert(sku=SKU, fields={}), Selectors(skus=ITEM)),
        (ItemArchive(sku=SKU), Selectors(skus=ITEM, level_counts_of_items=ITEM, bundle_uses=ITEM)),
        (
            BundleUpsert(sku=SKU, components=(Component(sku="CUP", quantity=2), Component(sku="LID", quantity=1))),
            Selectors(skus=frozenset({SKU, "CUP", "LID"}), level_counts_of_items=ITEM, bundle_uses=ITEM),
        ),
        (BundleDissolve(sku=SKU), Selectors(skus=ITEM, bundle_uses=ITEM)),
        (LocationUpsert(code=EAST, fields={}), Selectors(locations=EAST_ONLY)),
        (
            LocationUpsert(code=EAST, fields={}, channels=WEB_ONLY),
            Selectors(locations=EAST_ONLY, channels=WEB_ONLY),
        ),
        (LocationArchive(code=EAST), Selectors(locations=EAST_ONLY, level_counts_of_locations=EAST_ONLY)),
        (ChannelUpsert(code=WEB, fields={}), Selectors(channels=WEB_ONLY)),
        (ChannelArchive(code=WEB), Selectors(channels=WEB_ONLY)),
        (
            ListingUpsert(sku=SKU, channel=WEB, external_key=None),
            Selectors(skus=ITEM, channels=WEB_ONLY, listings=frozenset({(SKU, WEB)})),
        ),
    ],
)
def test_the_catalogue_locks_no_level(command: Command, selectors: Selectors) -> None:
    assert touches(command) == selectors


RES = frozenset({RESERVATION})
ORDERS = frozenset({ORDER})


@pytest.mark.parametrize(
    ("command", "selectors"),
    [
        (
            reserve(want(1), want(1, id="2", sku="CUP", at=EAST)),
            Selectors(
                skus=frozenset({SKU, "CUP"}),
                locations=EAST_ONLY,
                levels=frozenset({("CUP", EAST)}),
                sourced=frozenset({(SKU, None)}),
                claimed=frozenset({(SKU, None), ("CUP", None)}),
            ),
        ),
        (
            # Pools are about all of a channel's stock, so that with a channel all of it is looked at.
            reserve(want(1), want(1, id="2", sku="CUP", at=EAST), channel=WEB),
            Selectors(
                skus=frozenset({SKU, "CUP"}),
                locations=EAST_ONLY,
                channels=WEB_ONLY,
                levels=frozenset({("CUP", EAST)}),
                sourced=frozenset({(SKU, WEB), ("CUP", WEB)}),
                claimed=frozenset({(SKU, WEB), ("CUP", WEB)}),
            ),
        ),
        (
            allocate(want(1, at=EAST)),
            Selectors(
                skus=ITEM,
                locations=EAST_ONLY,
                levels=EAST_LEVEL,
                orders=ORDERS,
                claimed=frozenset({(SKU, None)}),
            ),
        ),
        (extend(), Selectors(reservations=RES)),
        (release(), Selectors(reservations=RES)),
        (expire(), Selectors(reservations=RES)),
        (commit(), Selectors(reservations=RES, orders=ORDERS)),
        (
            relocate(LineMove(line="1", to_location=EAST), LineMove(line="2", to_location=EAST, from_location=CENTRAL)),
            Selectors(reservations=RES, locations=EAST_ONLY, new_places=frozenset({(RESERVATION, EAST)})),
        ),
        (cancel(channel=WEB), Selectors(orders=ORDERS)),
        (ship(), Selectors(orders=ORDERS)),
    ],
)
def test_documents_bring_what_they_hold(command: Command, selectors: Selectors) -> None:
    assert touches(command) == selectors

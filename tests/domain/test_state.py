"""The working set of a batch; the one rule: what is tried on a scratch copy never shows in the original."""

import copy

import pytest

from domain.allocation_commands import AllocationCancelled
from domain.catalogue import ChannelArchived, ItemArchived, LocationUpserted
from domain.decider import evolve
from domain.listings import ListingUpserted
from domain.records import Listing
from domain.reservation_commands import ReservationExpired, ReservationState
from domain.state import Selectors
from domain.stock_commands import LevelActivated, LevelDeactivated
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    EndedLevel,
    Served,
    channel,
    given,
    item,
    level,
    location,
)
from tests.domain.promised import ORDER, RESERVATION, allocation, reservation

POOLS = {WEB: 1, "till": 4, "fair": 3}
LISTING = Listing(sku=SKU, channel=WEB, updated_at=EARLIER)


def test_a_scratch_copy_evolves_alone() -> None:
    state = given(
        item(),
        location(EAST),
        channel(),
        LISTING,
        Served(location=EAST, channels=frozenset({WEB})),
        level(EAST),
        EndedLevel(key=(SKU, CENTRAL), version=3),
        reservation(),
        allocation(),
    ).state
    before = copy.deepcopy(state)
    trial = state.scratch()
    assert trial == state
    for event in (
        ItemArchived(item=item(archived_at=NOW)),
        LocationUpserted(location=location(CENTRAL), channels=frozenset()),
        LocationUpserted(location=location(EAST), channels=frozenset()),
        ChannelArchived(channel=channel(archived_at=NOW)),
        ListingUpserted(listing=Listing(sku=SKU, channel=WEB, buffer=1, updated_at=NOW)),
        LevelActivated(level=level(CENTRAL, version=4)),
        LevelDeactivated(level=level(EAST, version=2)),
        ReservationExpired(reservation=reservation(state=ReservationState.EXPIRED)),
        AllocationCancelled(allocation=allocation(version=2)),
    ):
        evolve(trial, event)
    assert state == before
    assert trial.levels == {(SKU, CENTRAL): level(CENTRAL, version=4)}
    assert trial.ended_versions == {(SKU, EAST): 2}
    assert trial.channels_served == {EAST: frozenset(), CENTRAL: frozenset()}
    assert trial.level_counts_by_item == {SKU: 1}
    assert trial.level_counts_by_location == {EAST: 0, CENTRAL: 1}
    assert trial.reservations == {RESERVATION: reservation(state=ReservationState.EXPIRED)}
    assert trial.allocations == {("", ORDER): allocation(version=2)}


def test_pools_of_others_are_those_of_all_other_channels() -> None:
    pools = [Listing(sku=SKU, channel=code, pool=units, updated_at=EARLIER) for code, units in POOLS.items()]
    state = given(*pools).state
    assert {code: state.pools_of_others(SKU, code) for code in (*POOLS, "shop")} == {
        WEB: 7,
        "till": 4,
        "fair": 5,
        "shop": 8,
    }
    assert state.pools_of_others("CUP", WEB) == 0


@pytest.mark.parametrize(
    ("selectors", "rows"),
    [
        (Selectors(), 1),
        (Selectors(skus=frozenset({"a", "b"}), locations=frozenset({EAST, CENTRAL})), 1),
        (Selectors(levels=frozenset({(SKU, EAST)})), 1),
        (Selectors(levels=frozenset({(SKU, EAST), (SKU, CENTRAL)})), 2),
        (Selectors(levels=frozenset({(SKU, EAST)}), listings=frozenset({(SKU, WEB), (SKU, "tills")})), 3),
        (Selectors(reservations=frozenset({"r-1"}), orders=frozenset({"SO-7"})), 8),
        (Selectors(levels=frozenset({(SKU, EAST)}), sourced=frozenset({(SKU, None)})), 5),
    ],
)
def test_a_command_counts_for_the_rows_that_it_locks(selectors: Selectors, rows: int) -> None:
    assert selectors.row_count == rows

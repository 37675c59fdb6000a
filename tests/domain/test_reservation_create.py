"""reservationCreate: what it holds, where and for how long; the one rule: all lines, unless part will do."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.levels import StockLevel
from domain.postings import PostingCause
from domain.promises import FulfilmentKind, Hold, SourcingReason, SourcingStrategy
from domain.records import Listing
from domain.reservation_commands import ReservationCreated
from domain.sourcing import Destination
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Fact,
    Served,
    channel,
    given,
    item,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    QUARTER,
    RESERVED,
    hold,
    line,
    posted,
    reservation,
    reserve,
    want,
)

CREATED = PostingCause.RESERVATION_CREATED
NAMED = SourcingReason.NAMED
SHOP = (item(), location(EAST), location(CENTRAL))
ON_WEB = (
    *SHOP,
    channel(),
    Served(location=EAST, channels=frozenset({WEB})),
    Served(location=CENTRAL, channels=frozenset({WEB})),
)
NEW = reservation(id=COMMAND_ID, created_at=NOW, updated_at=NOW, expires_at=QUARTER)


def test_units_are_held_for_a_quarter_of_an_hour() -> None:
    after = level(on_hand=10, reserved=3, version=2, at=NOW)
    made = replace(NEW, lines=(line(hold(3)),))
    state = (
        given(*SHOP, level(on_hand=10))
        .when(reserve(want(3)))
        .then(ReservationCreated(reservation=made), posted(CREATED, after, movements=(moved(EAST, 3, 3, RESERVED),)))
    )
    assert state.levels == {(SKU, EAST): after}
    assert state.reservations == {COMMAND_ID: made}


def test_the_last_unit_can_be_held() -> None:
    after = level(on_hand=5, allocated=1, damaged=1, safety_stock=2, reserved=1, version=2, at=NOW)
    given(*SHOP, level(on_hand=5, allocated=1, damaged=1, safety_stock=2)).when(reserve(want(1))).then(
        ReservationCreated(reservation=replace(NEW, lines=(line(hold(1)),))),
        posted(CREATED, after, movements=(moved(EAST, 1, 1, RESERVED),)),
    )


def test_a_line_can_be_served_from_several_locations() -> None:
    holds = (hold(4, CENTRAL), hold(3, EAST))
    given(*SHOP, level(EAST, on_hand=9), level(CENTRAL, on_hand=4)).when(reserve(want(7))).then(
        ReservationCreated(reservation=replace(NEW, lines=(line(*holds),))),
        posted(
            CREATED,
            level(CENTRAL, on_hand=4, reserved=4, version=2, at=NOW),
            level(EAST, on_hand=9, reserved=3, version=2, at=NOW),
            movements=(moved(CENTRAL, 4, 4, RESERVED), moved(EAST, 3, 3, RESERVED)),
        ),
    )


def test_lines_of_one_level_are_one_movement() -> None:
    lines = (line(hold(2), id="a"), line(hold(3, reason=NAMED), id="b"))
    given(*SHOP, level(on_hand=10, version=6)).when(reserve(want(2, id="a"), want(3, id="b", at=EAST))).then(
        ReservationCreated(reservation=replace(NEW, lines=lines)),
        posted(
            CREATED,
            level(on_hand=10, reserved=5, version=7, at=NOW),
            movements=(moved(EAST, 5, 5, RESERVED),),
        ),
    )


def test_each_item_has_a_posting_of_its_own() -> None:
    lines = (line(hold(2), id="a"), line(hold(1, sku="CUP"), id="b", sku="CUP"))
    given(*SHOP, item("CUP"), level(on_hand=2), level(sku="CUP", on_hand=1)).when(
        reserve(want(2, id="a"), want(1, id="b", sku="CUP"))
    ).then(
        ReservationCreated(reservation=replace(NEW, lines=lines)),
        posted(CREATED, level(on_hand=2, reserved=2, version=2, at=NOW), movements=(moved(EAST, 2, 2, RESERVED),)),
        posted(
            CREATED,
            level(sku="CUP", on_hand=1, reserved=1, version=2, at=NOW),
            movements=(moved(EAST, 1, 1, RESERVED),),
            sku="CUP",
        ),
    )


def test_a_named_line_is_served_before_a_strategy_takes_from_under_it() -> None:
    lines = (line(hold(3, CENTRAL), id="a"), line(hold(4, EAST, reason=NAMED), id="b"))
    given(*SHOP, level(EAST, on_hand=4), level(CENTRAL, on_hand=4)).when(
        reserve(want(3, id="a"), want(4, id="b", at=EAST))
    ).then(
        ReservationCreated(reservation=replace(NEW, lines=lines)),
        posted(
            CREATED,
            level(CENTRAL, on_hand=4, reserved=3, version=2, at=NOW),
            level(EAST, on_hand=4, reserved=4, version=2, at=NOW),
            movements=(moved(CENTRAL, 3, 3, RESERVED), moved(EAST, 4, 4, RESERVED)),
        ),
    )


def test_part_will_do_when_the_caller_says_so() -> None:
    lines = (line(hold(2), id="a", asked=5), line(id="b", sku="CUP", asked=1))
    given(*SHOP, item("CUP"), level(on_hand=2)).when(
        reserve(want(5, id="a"), want(1, id="b", sku="CUP"), allow_partial=True)
    ).then(
        ReservationCreated(reservation=replace(NEW, lines=lines)),
        posted(CREATED, level(on_hand=2, reserved=2, version=2, at=NOW), movements=(moved(EAST, 2, 2, RESERVED),)),
    )


def test_everything_that_was_said_is_kept() -> None:
    made = replace(
        NEW,
        lines=(line(hold(1)),),
        channel=WEB,
        external_reference="cart 9 / Zoë",
        expires_at=NOW + timedelta(seconds=60),
    )
    command = reserve(want(1), channel=WEB, external_reference="cart 9 / Zoë", ttl_seconds=60, correlation_id="trace-1")
    given(*ON_WEB, level(on_hand=1)).when(command).then(
        ReservationCreated(reservation=made),
        posted(
            CREATED,
            level(on_hand=1, reserved=1, version=2, at=NOW),
            movements=(moved(EAST, 1, 1, RESERVED),),
            source_channel=WEB,
            correlation_id="trace-1",
        ),
    )


def test_a_dry_run_is_decided_alike_and_needs_no_key() -> None:
    given(*SHOP, level(on_hand=1)).when(reserve(want(1), idempotency_key=None, dry_run=True)).then(
        ReservationCreated(reservation=replace(NEW, lines=(line(hold(1)),))),
        posted(
            CREATED,
            level(on_hand=1, reserved=1, version=2, at=NOW),
            movements=(moved(EAST, 1, 1, RESERVED),),
            idempotency_key=None,
        ),
    )


def test_a_pick_up_is_held_at_its_store() -> None:
    made = replace(NEW, lines=(line(hold(1, CENTRAL, reason=NAMED)),), fulfilment=FulfilmentKind.PICKUP, channel=WEB)
    command = reserve(want(1, at=CENTRAL), fulfilment=FulfilmentKind.PICKUP, channel=WEB)
    given(*ON_WEB, level(EAST, on_hand=9), level(CENTRAL, on_hand=1)).when(command).then(
        ReservationCreated(reservation=made),
        posted(
            CREATED,
            level(CENTRAL, on_hand=1, reserved=1, version=2, at=NOW),
            movements=(moved(CENTRAL, 1, 1, RESERVED),),
            source_channel=WEB,
        ),
    )


LANDS = (
    item(),
    location("SLOW", priority=300, region="south", country_code="DE"),
    location("FULL", priority=200, country_code="FR"),
    location("FIRST", priority=1, country_code="IT"),
)
STOCK = (level("SLOW", on_hand=6), level("FULL", on_hand=9), level("FIRST", on_hand=2))


@pytest.mark.parametrize(
    ("strategy", "quantity", "held"),
    [
        (None, 3, (hold(2, "FIRST"), hold(1, "FULL"))),
        (SourcingStrategy.PRIORITY, 1, (hold(1, "FIRST"),)),
        (SourcingStrategy.MOST_STOCK, 3, (hold(3, "FULL", reason=SourcingReason.MOST_STOCK),)),
        (SourcingStrategy.FEWEST_SPLITS, 7, (hold(7, "FULL", reason=SourcingReason.FEWEST_SPLITS),)),
        (
            SourcingStrategy.NEAREST_REGION,
            7,
            (
                hold(6, "SLOW", reason=SourcingReason.NEAREST_REGION),
                hold(1, "FIRST", reason=SourcingReason.NEAREST_REGION),
            ),
        ),
    ],
)
def test_locations_are_chosen_as_the_command_says(
    strategy: SourcingStrategy | None, quantity: int, held: tuple[Hold, ...]
) -> None:
    command = reserve(want(quantity), strategy=strategy, destination=Destination(country_code="DE"))
    outcome = given(*LANDS, *STOCK).when(command)
    made = replace(NEW, lines=(line(*held),))
    assert isinstance(outcome.answer, tuple)
    assert outcome.answer[0] == ReservationCreated(reservation=made)


def test_without_a_word_locations_are_chosen_as_the_channel_does() -> None:
    web = channel(sourcing=SourcingStrategy.MOST_STOCK)
    served = [Served(location=code, channels=frozenset({WEB})) for code in ("SLOW", "FULL", "FIRST")]
    outcome = given(*LANDS, *STOCK, web, *served).when(reserve(want(1), channel=WEB))
    made = replace(NEW, lines=(line(hold(1, "FULL", reason=SourcingReason.MOST_STOCK)),), channel=WEB)
    assert isinstance(outcome.answer, tuple)
    assert outcome.answer[0] == ReservationCreated(reservation=made)


def test_an_explicit_claim_is_held_where_it_says() -> None:
    command = reserve(want(1, at=EAST), strategy=SourcingStrategy.EXPLICIT)
    given(*SHOP, level(EAST, on_hand=1), level(CENTRAL, on_hand=9)).when(command).then(
        ReservationCreated(reservation=replace(NEW, lines=(line(hold(1, reason=NAMED)),))),
        posted(CREATED, level(on_hand=1, reserved=1, version=2, at=NOW), movements=(moved(EAST, 1, 1, RESERVED),)),
    )


class TestLifetime:
    @pytest.mark.parametrize(
        ("asked", "seconds"), [(None, 120), (1, 1), (600, 600)], ids=["the channel's default", "the least", "the most"]
    )
    def test_the_channel_says_how_long(self, asked: int | None, seconds: int) -> None:
        web = channel(reservation_ttl_seconds=120, reservation_ttl_seconds_max=600)
        outcome = given(*ON_WEB, web, level(on_hand=1)).when(reserve(want(1), channel=WEB, ttl_seconds=asked))
        made = replace(NEW, lines=(line(hold(1)),), channel=WEB, expires_at=NOW + timedelta(seconds=seconds))
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[0] == ReservationCreated(reservation=made)

    def test_of_no_channel_it_lives_a_day_at_the_most(self) -> None:
        outcome = given(*SHOP, level(on_hand=1)).when(reserve(want(1), ttl_seconds=86_400))
        made = replace(NEW, lines=(line(hold(1)),), expires_at=NOW + timedelta(days=1))
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[0] == ReservationCreated(reservation=made)


class TestPools:
    """What is pre-allocated to other channels is not claimed through this one, wherever it lies."""

    def pooled(self, *, till: int, web: int = 0) -> tuple[Fact, ...]:
        return (
            *ON_WEB,
            channel("till"),
            Listing(sku=SKU, channel="till", pool=till, updated_at=EARLIER),
            Listing(sku=SKU, channel=WEB, pool=web, updated_at=EARLIER),
        )

    @pytest.mark.parametrize(
        ("stock", "held"),
        [
            ((level(EAST, on_hand=5), level(CENTRAL, on_hand=3)), (hold(3, CENTRAL), hold(1, EAST))),
            ((level(EAST, on_hand=8),), (hold(4, EAST),)),
            # What is in the red at one location is not made good by another.
            ((level(EAST, on_hand=8), level(CENTRAL, reserved=3)), (hold(4, EAST),)),
        ],
    )
    def test_a_channel_may_have_what_the_pools_of_others_leave(
        self, stock: tuple[StockLevel, ...], held: tuple[Hold, ...]
    ) -> None:
        outcome = given(*self.pooled(till=4, web=9), *stock).when(reserve(want(4), channel=WEB))
        assert isinstance(outcome.answer, tuple)
        assert outcome.answer[0] == ReservationCreated(reservation=replace(NEW, lines=(line(*held),), channel=WEB))

    def test_a_channel_may_have_its_own_pool(self) -> None:
        outcome = given(*self.pooled(till=0, web=8), level(on_hand=8)).when(reserve(want(8), channel=WEB))
        assert isinstance(outcome.answer, tuple)

    def test_buffers_and_caps_are_about_what_is_shown(self) -> None:
        listing = Listing(sku=SKU, channel=WEB, buffer=9, maximum_exposure=0, minimum_exposure=99, updated_at=EARLIER)
        outcome = given(*ON_WEB, listing, level(on_hand=8)).when(reserve(want(8), channel=WEB))
        assert isinstance(outcome.answer, tuple)

    def test_a_claim_of_no_channel_looks_at_no_pool(self) -> None:
        outcome = given(*self.pooled(till=8), level(on_hand=8)).when(reserve(want(8)))
        assert isinstance(outcome.answer, tuple)

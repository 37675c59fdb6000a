"""Claims of bundles: where they are made of what; the one rule: all components of one bundle come from one location."""

from dataclasses import replace

import pytest

from domain.allocation_commands import AllocationCreated
from domain.postings import PostingCause
from domain.promises import FulfilmentKind, SourcingReason, SourcingStrategy
from domain.rejections import RejectionCode
from domain.reservation_commands import ReservationCreated
from domain.sourcing import Destination
from tests.domain.bundled import CUP, KIT, LID, ON_WEB, SHOP, TILL, bundle, held, kits, made_of, part, stock
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EAST,
    NOW,
    WEB,
    Fact,
    given,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    ALLOCATED,
    QUARTER,
    RESERVED,
    allocate,
    allocation,
    hold,
    line,
    order_line,
    posted,
    reservation,
    reserve,
    want,
)

CREATED = PostingCause.RESERVATION_CREATED
NAMED = SourcingReason.NAMED
NEW = reservation(id=COMMAND_ID, created_at=NOW, updated_at=NOW, expires_at=QUARTER)
INSUFFICIENT_STOCK = RejectionCode.INSUFFICIENT_STOCK


def test_its_components_are_reserved_together() -> None:
    made = replace(NEW, lines=(line(kits(3), sku=KIT),))
    cups, lids = stock(EAST, 7, 3)
    after = (replace(cups, reserved=6, version=2, updated_at=NOW), replace(lids, reserved=3, version=2, updated_at=NOW))
    state = (
        given(*SHOP, cups, lids)
        .when(reserve(want(3, sku=KIT)))
        .then(
            ReservationCreated(reservation=made),
            posted(CREATED, after[0], movements=(moved(EAST, 6, 6, RESERVED),), sku=CUP),
            posted(CREATED, after[1], movements=(moved(EAST, 3, 3, RESERVED),), sku=LID),
        )
    )
    assert state.reservations == {COMMAND_ID: made}
    assert state.levels == {one.key: one for one in after}


def test_its_components_are_allocated_together() -> None:
    made = allocation(order_line(kits(1), sku=KIT), id=COMMAND_ID, created_at=NOW, updated_at=NOW)
    cups, lids = stock(EAST, 2, 1)
    cause = PostingCause.ALLOCATION_CREATED
    given(*SHOP, cups, lids).when(allocate(want(1, sku=KIT))).then(
        AllocationCreated(allocation=made),
        posted(
            cause,
            replace(cups, allocated=2, version=2, updated_at=NOW),
            movements=(moved(EAST, 2, 2, ALLOCATED),),
            sku=CUP,
        ),
        posted(
            cause,
            replace(lids, allocated=1, version=2, updated_at=NOW),
            movements=(moved(EAST, 1, 1, ALLOCATED),),
            sku=LID,
        ),
    )


def test_a_bundle_of_bundles_takes_leaves_only() -> None:
    leaves = (part(CUP, 5), part(LID, 2))
    box = bundle(made_of(part(KIT, 2), part(CUP), leaves=leaves, nested=(KIT,)), sku="BOX")
    outcome = given(*SHOP, box, *stock(EAST, 10, 4)).when(reserve(want(2, sku="BOX")))
    assert held(outcome) == {"1": (hold(2, sku="BOX", parts=leaves),)}
    outcome = given(*SHOP, box, *stock(EAST, 10, 3)).when(reserve(want(2, sku="BOX")))
    outcome.then_refused(INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=1)


LANDS: tuple[Fact, ...] = (
    bundle(),
    location("SLOW", priority=300, region="south", country_code="DE"),
    location("FULL", priority=200, country_code="FR"),
    location("FIRST", priority=1, country_code="IT"),
    location("HALF", priority=1, country_code="DE"),
    # Most cups are where there is no lid.
    *stock("SLOW", 9, 4),
    *stock("FULL", 10, 9),
    *stock("FIRST", 5, 9),
    level("HALF", sku=CUP, on_hand=99),
)


@pytest.mark.parametrize(
    ("strategy", "quantity", "chosen"),
    [
        (SourcingStrategy.PRIORITY, 3, [("FIRST", 2), ("FULL", 1)]),
        (SourcingStrategy.MOST_STOCK, 6, [("FULL", 5), ("SLOW", 1)]),
        (SourcingStrategy.FEWEST_SPLITS, 4, [("FULL", 4)]),
        (SourcingStrategy.FEWEST_SPLITS, 11, [("FULL", 5), ("SLOW", 4), ("FIRST", 2)]),
        (SourcingStrategy.NEAREST_REGION, 7, [("SLOW", 4), ("FIRST", 2), ("FULL", 1)]),
    ],
)
def test_each_strategy_chooses_among_locations_that_have_all_components(
    strategy: SourcingStrategy, quantity: int, chosen: list[tuple[str, int]]
) -> None:
    command = reserve(want(quantity, sku=KIT), strategy=strategy, destination=Destination(country_code="DE"))
    holds = held(given(*LANDS).when(command))["1"]
    assert list(holds) == [kits(units, place, reason=SourcingReason(strategy.value)) for place, units in chosen]
    most = given(*LANDS).when(replace(command, lines=(want(12, sku=KIT),)))
    most.then_refused(INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=11)


@pytest.mark.parametrize("strategy", [None, SourcingStrategy.EXPLICIT, SourcingStrategy.FEWEST_SPLITS])
@pytest.mark.parametrize("code", [None, WEB])
@pytest.mark.parametrize("fulfilment", FulfilmentKind)
def test_a_line_may_name_where_its_bundles_are_made(
    strategy: SourcingStrategy | None, code: str | None, fulfilment: FulfilmentKind
) -> None:
    shelf = given(*ON_WEB, *stock(EAST, 9, 9), *stock(CENTRAL, 4, 2))
    command = reserve(want(2, sku=KIT, at=CENTRAL), channel=code, strategy=strategy, fulfilment=fulfilment)
    assert held(shelf.when(command)) == {"1": (kits(2, CENTRAL, reason=NAMED),)}
    shelf.when(replace(command, lines=(want(3, sku=KIT, at=CENTRAL),))).then_refused(
        INSUFFICIENT_STOCK,
        "lines.0.quantity",
        quantity_available=2,
        message="2 of 3 units of KIT can be had, because its component CUP is short (0 left at WH-EU-CENTRAL, 2 a "
        "unit); ask for at most that many, or send allowPartial.",
    )


def test_a_channel_is_served_from_its_own_locations() -> None:
    shelf = given(*ON_WEB, *stock(EAST, 9, 9), *stock(CENTRAL, 2, 2), *stock("WEST", 9, 9))
    assert held(shelf.when(reserve(want(5, sku=KIT), channel=WEB))) == {"1": (kits(1, CENTRAL), kits(4, EAST))}
    assert held(shelf.when(reserve(want(1, sku=KIT), channel=TILL))) == {"1": (kits(1, CENTRAL),)}
    shelf.when(reserve(want(2, sku=KIT), channel=TILL)).then_refused(
        INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=1
    )
    shelf.when(reserve(want(1, sku=KIT, at="WEST"), channel=WEB)).then_refused(
        RejectionCode.LOCATION_NOT_SERVING_CHANNEL, "lines.0.locationId"
    )


@pytest.mark.parametrize("code", [None, WEB])
def test_a_named_location_stocks_all_components(code: str | None) -> None:
    shelf = given(*ON_WEB, level(EAST, sku=CUP, on_hand=9), *stock(CENTRAL, 9, 9))
    shelf.when(reserve(want(1, sku=KIT, at=EAST), channel=code)).then_refused(
        RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION,
        "lines.0.locationId",
        message="LID is not stocked at WH-US-EAST; name another location, or begin the level with inventoryActivate.",
    )
    shelf.when(reserve(want(1, sku=KIT, at="WEST"), channel=code)).then_refused(
        RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "lines.0.locationId", "lines.0.locationId"
    )


def test_part_of_the_bundles_will_do_when_the_caller_says_so() -> None:
    shelf = given(*SHOP, *stock(EAST, 5, 9))
    assert held(shelf.when(reserve(want(9, sku=KIT), allow_partial=True))) == {"1": (kits(2),)}
    nothing = given(*SHOP, *stock(EAST, 1, 9)).when(reserve(want(9, sku=KIT), allow_partial=True))
    nothing.then_refused(
        INSUFFICIENT_STOCK,
        "lines.0.quantity",
        quantity_available=0,
        message="0 of 9 units of KIT can be had, because its component CUP is short (1 left, 2 a unit); try again when "
        "there is more.",
    )


class TestLinesThatShareAComponent:
    """What two lines need of one component is checked on the sum, whichever stands first."""

    @pytest.mark.parametrize(("cups", "is_enough"), [(7, True), (6, False)])
    @pytest.mark.parametrize("is_turned", [False, True])
    @pytest.mark.parametrize("strategy", [one for one in SourcingStrategy if one is not SourcingStrategy.EXPLICIT])
    @pytest.mark.parametrize("code", [None, WEB])
    def test_a_bundle_and_its_component(
        self, cups: int, *, is_enough: bool, is_turned: bool, strategy: SourcingStrategy, code: str | None
    ) -> None:
        lines = [want(2, id="kits", sku=KIT), want(3, id="cups", sku=CUP)]
        command = reserve(*(lines[::-1] if is_turned else lines), strategy=strategy, channel=code)
        outcome = given(*ON_WEB, *stock(EAST, cups, 9)).when(command)
        if is_enough:
            reason = SourcingReason(strategy.value)
            assert held(outcome) == {"kits": (kits(2, reason=reason),), "cups": (hold(3, sku=CUP, reason=reason),)}
        else:
            # Who stands last goes short: three cups of which two are left, or two kits of three cups.
            outcome.then_refused(INSUFFICIENT_STOCK, "lines.1.quantity", quantity_available=1 if is_turned else 2)

    @pytest.mark.parametrize(("cups", "is_enough"), [(5, True), (4, False)])
    def test_two_bundles(self, cups: int, *, is_enough: bool) -> None:
        pair = bundle(made_of(part(CUP, 3)), sku="TRIO")
        lines = (want(1, id="kit", sku=KIT), want(1, id="trio", sku="TRIO"))
        outcome = given(*SHOP, pair, *stock(EAST, cups, 9)).when(reserve(*lines))
        if is_enough:
            assert held(outcome) == {"kit": (kits(1),), "trio": (hold(1, sku="TRIO", parts=(part(CUP, 3),)),)}
        else:
            outcome.then_refused(
                INSUFFICIENT_STOCK,
                "lines.1.quantity",
                quantity_available=0,
                message="0 of 1 units of TRIO can be had, because its component CUP is short (2 left, 3 a unit); ask "
                "for at most that many, or send allowPartial.",
            )

    def test_a_line_that_names_its_location_is_served_first(self) -> None:
        shelf = given(*SHOP, *stock(EAST, 4, 2), *stock(CENTRAL, 2, 1))
        lines = (want(1, id="any", sku=KIT), want(2, id="east", sku=KIT, at=EAST))
        assert held(shelf.when(reserve(*lines))) == {"any": (kits(1, CENTRAL),), "east": (kits(2, reason=NAMED),)}
        lines = (want(1, id="any", sku=KIT), want(1, id="cup", sku=CUP, at=CENTRAL))
        assert held(shelf.when(reserve(*lines)))["any"] == (kits(1),)

    def test_one_level_moves_once(self) -> None:
        cups, lids = stock(EAST, 9, 9)
        outcome = given(*SHOP, cups, lids).when(reserve(want(2, id="a", sku=KIT), want(3, id="b", sku=CUP)))
        lines = (line(kits(2), id="a", sku=KIT), line(hold(3, sku=CUP), id="b", sku=CUP))
        outcome.then(
            ReservationCreated(reservation=replace(NEW, lines=lines)),
            posted(
                CREATED,
                replace(cups, reserved=7, version=2, updated_at=NOW),
                movements=(moved(EAST, 7, 7, RESERVED),),
                sku=CUP,
            ),
            posted(
                CREATED,
                replace(lids, reserved=2, version=2, updated_at=NOW),
                movements=(moved(EAST, 2, 2, RESERVED),),
                sku=LID,
            ),
        )

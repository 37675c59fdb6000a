"""Bundles of which there are too few: what pools hold back, what is said, and what has lapsed; the one rule: who goes
short is told which component is missing.
"""

import pytest

from domain.decider import Command
from domain.promises import SourcingStrategy
from domain.records import Listing
from domain.rejections import RejectionCode
from domain.reservation_commands import ReservationExpired, ReservationState
from tests.domain.bundled import CUP, KIT, LID, ON_WEB, TILL, held, kits, part, stock
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EARLIER,
    EAST,
    NOW,
    WEB,
    Fact,
    Outcome,
    given,
    item,
    level,
)
from tests.domain.promised import (
    allocate,
    hold,
    line,
    reservation,
    reserve,
    want,
)

INSUFFICIENT_STOCK = RejectionCode.INSUFFICIENT_STOCK


class TestPools:
    """What other channels' pools hold of a component, or of the bundle itself, is not claimed through this one."""

    def shelf(self, *pools: tuple[str, str, int]) -> tuple[Fact, ...]:
        """Return six kits in two places, and pools: (SKU, channel, units)."""
        listings = [Listing(sku=sku, channel=code, pool=units, updated_at=EARLIER) for sku, code, units in pools]
        return (*ON_WEB, *stock(EAST, 8, 4), *stock(CENTRAL, 4, 2), *listings)

    @pytest.mark.parametrize(
        ("pools", "most"),
        [
            ([], 6),
            ([(CUP, TILL, 1)], 5),
            ([(CUP, TILL, 2)], 5),
            ([(CUP, TILL, 3), (LID, TILL, 1)], 4),
            ([(CUP, WEB, 9), (LID, WEB, 9), (KIT, WEB, 9)], 6),
            ([(KIT, TILL, 2)], 4),
            # Pools of the components hold back more bundles than are there beside the pool of the bundle.
            ([(KIT, TILL, 2), (LID, TILL, 3)], 1),
            ([(KIT, TILL, 2), (CUP, TILL, 1)], 3),
            ([(KIT, TILL, 7)], 0),
            ([(LID, TILL, 6)], 0),
        ],
    )
    @pytest.mark.parametrize("strategy", [one for one in SourcingStrategy if one is not SourcingStrategy.EXPLICIT])
    def test_a_channel_may_have_what_they_leave(
        self, pools: list[tuple[str, str, int]], most: int, strategy: SourcingStrategy
    ) -> None:
        facts = self.shelf(*pools)
        given(*facts).when(reserve(want(most + 1, sku=KIT), channel=WEB, strategy=strategy)).then_refused(
            INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=most
        )
        if most:
            found = held(given(*facts).when(reserve(want(most, sku=KIT), channel=WEB, strategy=strategy)))
            assert sum(one.quantity for one in found["1"]) == most

    def test_a_claim_of_no_channel_looks_at_no_pool(self) -> None:
        outcome = given(*self.shelf((CUP, TILL, 9), (KIT, TILL, 9))).when(reserve(want(6, sku=KIT)))
        assert held(outcome) == {"1": (kits(2, CENTRAL), kits(4))}

    def test_a_pool_of_the_bundle_is_not_one_of_its_components(self) -> None:
        outcome = given(*self.shelf((KIT, TILL, 6))).when(reserve(want(12, sku=CUP), channel=WEB))
        assert held(outcome) == {"1": (hold(4, CENTRAL, sku=CUP), hold(8, sku=CUP))}

    def test_a_location_in_the_red_takes_nothing_from_another(self) -> None:
        facts = (*ON_WEB, *stock(EAST, 8, 4), *stock(CENTRAL, -9, 9))
        assert held(given(*facts).when(reserve(want(4, sku=KIT), channel=WEB))) == {"1": (kits(4),)}


@pytest.mark.parametrize(
    ("facts", "command", "why"),
    [
        (stock(EAST, 9, 0), reserve(want(1, sku=KIT)), "its component LID is short (0 left, 1 a unit)"),
        (stock(EAST, 1, 0), reserve(want(1, sku=KIT)), "its component CUP is short (1 left, 2 a unit)"),
        ((), reserve(want(1, sku=KIT)), "its component CUP is short (0 left, 2 a unit)"),
        (
            (*stock(EAST, 9, 0), *stock(CENTRAL, 0, 9)),
            reserve(want(1, sku=KIT)),
            "no location has all of its components",
        ),
        (
            (*stock(EAST, 1, 9), *stock(CENTRAL, 1, 9)),
            reserve(want(1, sku=KIT)),
            "no location has all of its components",
        ),
        (
            (*stock(EAST, 9, 0), *stock(CENTRAL, 9, 9)),
            reserve(want(1, sku=KIT, at=EAST)),
            "its component LID is short (0 left at WH-US-EAST, 1 a unit)",
        ),
        (
            (*stock(EAST, 9, 9), *stock(CENTRAL, 9, 9), Listing(sku=CUP, channel=TILL, pool=17, updated_at=EARLIER)),
            reserve(want(1, sku=KIT), channel=WEB),
            "its component CUP is short (1 left, 2 a unit)",
        ),
        (
            (*stock(EAST, 9, 9), Listing(sku=CUP, channel=TILL, pool=8, updated_at=EARLIER)),
            reserve(want(1, sku=KIT, at=EAST), channel=WEB),
            "its component CUP is short (1 left at WH-US-EAST, 2 a unit)",
        ),
        # Its components would do; it is the bundle itself that others hold.
        (
            (*stock(EAST, 9, 9), Listing(sku=KIT, channel=TILL, pool=9, updated_at=EARLIER)),
            reserve(want(1, sku=KIT), channel=WEB),
            None,
        ),
        (
            (*stock(EAST, 9, 9), Listing(sku=KIT, channel=TILL, pool=9, updated_at=EARLIER)),
            reserve(want(1, sku=KIT, at=EAST), channel=WEB),
            None,
        ),
    ],
)
@pytest.mark.parametrize("is_order", [False, True])
def test_who_goes_short_is_told_which_component_is_missing(
    facts: tuple[Fact, ...], command: Command, why: str | None, *, is_order: bool
) -> None:
    assert isinstance(command, type(reserve()))
    claim = allocate(*command.lines, channel=command.channel) if is_order else command
    because = "" if why is None else f", because {why}"
    given(*ON_WEB, *facts).when(claim).then_refused(
        INSUFFICIENT_STOCK,
        "lines.0.quantity",
        quantity_available=0,
        message=f"0 of 1 units of KIT can be had{because}; ask for at most that many, or send allowPartial.",
    )


class TestLapsed:
    """What lapsed reservations hold of the components comes back when a bundle needs it, and the other way round."""

    LATE = NOW.replace(hour=9, minute=0)

    @pytest.mark.parametrize("code", [None, WEB])
    def test_a_component_that_was_reserved_alone(self, code: str | None) -> None:
        old = reservation(line(hold(3, sku=CUP), sku=CUP), id="old", expires_at=self.LATE)
        facts = (level(EAST, sku=CUP, on_hand=4, reserved=3), level(EAST, sku=LID, on_hand=9), old)
        self.is_made_after(given(*ON_WEB, *facts).when(reserve(want(2, sku=KIT), channel=code)))

    @pytest.mark.parametrize("at", [None, EAST])
    def test_a_bundle_that_was_made_of_it_then(self, at: str | None) -> None:
        old = reservation(line(kits(1, parts=(part(CUP, 3),)), sku=KIT), id="old", expires_at=self.LATE)
        facts = (level(EAST, sku=CUP, on_hand=4, reserved=3), level(EAST, sku=LID, on_hand=9), old)
        self.is_made_after(given(*ON_WEB, *facts).when(reserve(want(2, sku=KIT, at=at))))
        self.is_made_after(given(*ON_WEB, *facts).when(reserve(want(2, sku=CUP))))

    def test_what_holds_other_items_is_left(self) -> None:
        old = reservation(line(hold(3, sku="MUG"), sku="MUG"), id="old", expires_at=self.LATE)
        facts = (item("MUG"), level(EAST, sku="MUG", on_hand=3, reserved=3), *stock(EAST, 1, 9), old)
        given(*ON_WEB, *facts).when(reserve(want(1, sku=KIT))).then_refused(
            INSUFFICIENT_STOCK, "lines.0.quantity", quantity_available=0
        )

    def is_made_after(self, outcome: Outcome) -> None:
        """What has lapsed ends first, and gives all of it back."""
        assert isinstance(outcome.answer, tuple), outcome.answer
        ended, *_ = outcome.answer
        assert isinstance(ended, ReservationExpired)
        assert (ended.reservation.id, ended.reservation.state) == ("old", ReservationState.EXPIRED)
        state = outcome.then(*outcome.answer)
        made = state.reservations[COMMAND_ID]
        units = sum(2 * one.quantity if one.parts else one.quantity for each in made.lines for one in each.holds)
        assert state.levels[CUP, EAST].reserved == units

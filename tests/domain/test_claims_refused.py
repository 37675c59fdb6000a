"""Why a claim is refused, a reservation's and an order's alike; the one rule: every wrong place is named at once."""

from typing import Protocol, Unpack

import pytest

from domain.allocation_commands import AllocationCreate
from domain.claims import RequestedLine
from domain.levels import StockLevel
from domain.principals import Principal, Role, Scope
from domain.promises import FulfilmentKind, SourcingStrategy
from domain.records import Listing
from domain.rejections import RejectionCode
from domain.reservation_commands import ReservationCreate
from domain.sourcing import Destination
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    SKU,
    WEB,
    Served,
    channel,
    given,
    item,
    level,
    location,
)
from tests.domain.promised import ClaimDetails, allocate, reserve, want

SHORT = RejectionCode.INSUFFICIENT_STOCK
INVALID = RejectionCode.INVALID_INPUT
SHOP = (item(), item("CUP"), location(EAST), location(CENTRAL), channel())
ON_WEB = (*SHOP, Served(location=EAST, channels=frozenset({WEB})))
PICKUP = FulfilmentKind.PICKUP
EXPLICIT = SourcingStrategy.EXPLICIT


class Claiming(Protocol):
    def __call__(
        self, *lines: RequestedLine, **details: Unpack[ClaimDetails]
    ) -> ReservationCreate | AllocationCreate: ...


either = pytest.mark.parametrize("claim", [reserve, allocate])


def seller(*, channels: set[str] | None = None, locations: set[str] | None = None) -> Principal:
    """Return somebody who sees these places only."""
    scope = Scope(
        channels=None if channels is None else frozenset(channels),
        locations=None if locations is None else frozenset(locations),
    )
    return Principal(account="acme", name="clerk", role=Role.BACKOFFICE, scope=scope)


@either
class TestMalformed:
    @pytest.mark.parametrize("quantity", [0, 251])
    def test_too_few_or_too_many_lines(self, claim: Claiming, quantity: int) -> None:
        lines = [want(1, id=str(place)) for place in range(quantity)]
        given(*SHOP, level(on_hand=999)).when(claim(*lines)).then_refused(
            INVALID, "lines", message=f"There are {quantity} lines; send 1 to 250 a request."
        )

    def test_250_lines_are_one_claim(self, claim: Claiming) -> None:
        lines = [want(1, id=str(place)) for place in range(250)]
        assert isinstance(given(*SHOP, level(on_hand=250)).when(claim(*lines)).answer, tuple)

    def test_two_lines_of_one_id(self, claim: Claiming) -> None:
        given(*SHOP, level(on_hand=9)).when(claim(want(1), want(1, id="2"), want(1), want(1))).then_refused(
            INVALID,
            "lines.2.lineId",
            "lines.3.lineId",
            message="There are two lines '1'; give each an id of its own.",
        )

    def test_every_code_of_a_line(self, claim: Claiming) -> None:
        given(*SHOP).when(claim(want(1, sku=" "), want(1, id=""), want(1, id="3", at="E\n"))).then_refused(
            INVALID, "lines.0.sku", "lines.1.lineId", "lines.2.locationId"
        )

    @pytest.mark.parametrize(
        ("details", "fields"),
        [
            (ClaimDetails(idempotency_key=None), ["idempotencyKey"]),
            (ClaimDetails(idempotency_key="k" * 256), ["idempotencyKey"]),
            (ClaimDetails(idempotency_key="", dry_run=True), ["idempotencyKey"]),
            (ClaimDetails(correlation_id="\x00"), ["correlationId"]),
            (ClaimDetails(channel=" web"), ["channelId"]),
            (ClaimDetails(destination=Destination(country_code="de")), ["destination.countryCode"]),
            (ClaimDetails(destination=Destination(country_code="DEU")), ["destination.countryCode"]),
            (ClaimDetails(destination=Destination(region="")), ["destination.region"]),
            (
                ClaimDetails(channel="", destination=Destination(country_code="ß", region=" ")),
                ["channelId", "destination.countryCode", "destination.region"],
            ),
        ],
    )
    def test_what_goes_with_the_lines(self, claim: Claiming, details: ClaimDetails, fields: list[str]) -> None:
        given(*SHOP, level(on_hand=9)).when(claim(want(1), **details)).then_refused(INVALID, *fields)

    @pytest.mark.parametrize("details", [ClaimDetails(fulfilment=PICKUP), ClaimDetails(strategy=EXPLICIT)])
    def test_a_line_that_has_to_name_its_location(self, claim: Claiming, details: ClaimDetails) -> None:
        command = claim(want(1), want(1, id="2", at=EAST), want(1, id="3"), **details)
        given(*SHOP, level(on_hand=9)).when(command).then_refused(
            INVALID,
            "lines.0.locationId",
            "lines.2.locationId",
            message="The line names no location; a pick-up, and the strategy EXPLICIT, need one on every line.",
        )

    def test_a_line_that_has_to_name_its_location_because_the_channel_says_so(self, claim: Claiming) -> None:
        web = channel(sourcing=EXPLICIT)
        scenario = given(*ON_WEB, web, level(on_hand=9))
        scenario.when(claim(want(1), want(1, id="2", at=EAST), channel=WEB)).then_refused(INVALID, "lines.0.locationId")
        own = claim(want(1), channel=WEB, strategy=SourcingStrategy.PRIORITY)
        assert isinstance(scenario.when(own).answer, tuple)


@either
class TestUnknown:
    def test_an_item(self, claim: Claiming) -> None:
        old = item("OLD", archived_at=EARLIER)
        command = claim(want(1), want(1, id="2", sku="b2b-serv-001x"), want(1, id="3", sku="OLD"))
        given(*SHOP, old, level(on_hand=9)).when(command).then_refused(
            RejectionCode.ITEM_NOT_FOUND, "lines.1.sku", "lines.2.sku"
        )

    def test_a_location(self, claim: Claiming) -> None:
        old = location("OLD", archived_at=EARLIER)
        command = claim(want(1), want(1, id="2", at="NOWHERE"), want(1, id="3", at="OLD"))
        given(*SHOP, old, level(on_hand=9)).when(command).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "lines.1.locationId", "lines.2.locationId"
        )

    @pytest.mark.parametrize("code", ["shop", "OLD"])
    def test_a_channel(self, claim: Claiming, code: str) -> None:
        old = channel("OLD", archived_at=EARLIER)
        given(*SHOP, old, level(on_hand=9)).when(claim(want(1), channel=code)).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "channelId"
        )

    def test_a_level(self, claim: Claiming) -> None:
        command = claim(want(1, at=EAST), want(1, id="2", at=CENTRAL), want(1, id="3", sku="CUP", at=EAST))
        given(*SHOP, level(on_hand=9)).when(command).then_refused(
            RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "lines.1.locationId", "lines.2.locationId"
        )

    def test_a_location_that_serves_the_channel(self, claim: Claiming) -> None:
        command = claim(want(1, at=EAST), want(1, id="2", at=CENTRAL), channel=WEB)
        given(*ON_WEB, level(EAST, on_hand=9), level(CENTRAL, on_hand=9)).when(command).then_refused(
            RejectionCode.LOCATION_NOT_SERVING_CHANNEL,
            "lines.1.locationId",
            message=f"{CENTRAL} does not serve the channel web; name a location that does, or let it serve the channel "
            "with locationUpsert.",
        )

    @pytest.mark.parametrize("quantity", [0, -1, 10_000_001])
    def test_a_quantity(self, claim: Claiming, quantity: int) -> None:
        given(*SHOP, level(on_hand=9)).when(claim(want(1), want(quantity, id="2"))).then_refused(
            RejectionCode.INVALID_QUANTITY,
            "lines.1.quantity",
            message=f"The quantity is {quantity}; send 1 to 10,000,000 base units.",
        )


@either
class TestShort:
    def test_a_line_is_told_what_it_could_have(self, claim: Claiming) -> None:
        given(*SHOP, level(EAST, on_hand=3), level(CENTRAL, on_hand=4)).when(claim(want(8))).then_refused(
            SHORT,
            "lines.0.quantity",
            quantity_available=7,
            message=f"7 of 8 units of {SKU} can be had; ask for at most that many, or send allowPartial.",
        )

    @pytest.mark.parametrize(
        "known",
        [
            level(on_hand=9, reserved=9),
            level(on_hand=9, allocated=10),
            level(on_hand=-4),
            level(on_hand=9, safety_stock=9),
            level(on_hand=9, quarantined=4, damaged=5),
            level(on_hand=0, incoming=9, in_transit=9, backordered=9),
        ],
    )
    def test_what_is_not_available_cannot_be_had(self, claim: Claiming, known: StockLevel) -> None:
        for line in (want(1), want(1, at=EAST)):
            given(*SHOP, known).when(claim(line)).then_refused(SHORT, "lines.0.quantity", quantity_available=0)

    def test_all_lines_or_none(self, claim: Claiming) -> None:
        given(*SHOP, level(on_hand=9), level(sku="CUP", on_hand=1)).when(
            claim(want(9), want(2, id="2", sku="CUP"))
        ).then_refused(SHORT, "lines.1.quantity", quantity_available=1)

    def test_lines_of_one_item_are_checked_on_the_sum(self, claim: Claiming) -> None:
        given(*SHOP, level(on_hand=9)).when(claim(want(5), want(3, id="2"), want(4, id="3"))).then_refused(
            SHORT, "lines.2.quantity", quantity_available=1
        )

    @pytest.mark.parametrize("strategy", [one for one in SourcingStrategy if one is not EXPLICIT])
    def test_and_so_they_are_whatever_chooses(self, claim: Claiming, strategy: SourcingStrategy) -> None:
        stock = (level(EAST, on_hand=5), level(CENTRAL, on_hand=4))
        command = claim(want(5), want(5, id="2", at=CENTRAL), want(1, id="3"), strategy=strategy)
        answer = given(*SHOP, *stock).when(command).answer
        assert not isinstance(answer, tuple)
        found = {".".join(one.field): one.quantity_available for one in answer.rejections}
        assert found == {"lines.1.quantity": 4, "lines.2.quantity": 0}

    def test_a_named_line_has_its_location_alone(self, claim: Claiming) -> None:
        given(*SHOP, level(EAST, on_hand=3), level(CENTRAL, on_hand=9)).when(claim(want(4, at=EAST))).then_refused(
            SHORT, "lines.0.quantity", quantity_available=3
        )

    def test_part_of_nothing_is_nothing(self, claim: Claiming) -> None:
        command = claim(want(2), want(1, id="2", sku="CUP"), allow_partial=True)
        answer = given(*SHOP, level(on_hand=0)).when(command).answer
        assert not isinstance(answer, tuple)
        assert [one.message for one in answer.rejections] == [
            f"0 of 2 units of {SKU} can be had; try again when there is more.",
            "0 of 1 units of CUP can be had; try again when there is more.",
        ]

    @pytest.mark.parametrize("line", [want(4), want(4, at=EAST)], ids=["sourced", "named"])
    def test_the_pools_of_other_channels_are_left(self, claim: Claiming, line: RequestedLine) -> None:
        pools = (
            Listing(sku=SKU, channel="till", pool=4, updated_at=EARLIER),
            Listing(sku=SKU, channel="fair", pool=1, updated_at=EARLIER),
        )
        given(*ON_WEB, *pools, channel("till"), level(EAST, on_hand=8), level(CENTRAL, on_hand=9)).when(
            claim(line, channel=WEB)
        ).then_refused(SHORT, "lines.0.quantity", quantity_available=3)

    def test_pools_beyond_the_stock_leave_nothing(self, claim: Claiming) -> None:
        pool = Listing(sku=SKU, channel="till", pool=99, updated_at=EARLIER)
        given(*ON_WEB, pool, level(on_hand=8)).when(claim(want(1), channel=WEB)).then_refused(
            SHORT, "lines.0.quantity", quantity_available=0
        )

    def test_what_lies_where_the_channel_is_not_served_cannot_be_had(self, claim: Claiming) -> None:
        given(*ON_WEB, level(EAST, on_hand=2), level(CENTRAL, on_hand=9)).when(
            claim(want(3), channel=WEB)
        ).then_refused(SHORT, "lines.0.quantity", quantity_available=2)


@either
class TestScope:
    """What a caller does not see is to it as good as missing."""

    def test_a_foreign_location_is_not_chosen(self, claim: Claiming) -> None:
        given(*SHOP, level(EAST, on_hand=2), level(CENTRAL, on_hand=9)).when(
            claim(want(3)), by=seller(locations={EAST})
        ).then_refused(SHORT, "lines.0.quantity", quantity_available=2)

    def test_a_foreign_location_is_refused_like_a_missing_one(self, claim: Claiming) -> None:
        command = claim(want(3, at=CENTRAL))
        foreign = given(*SHOP, level(CENTRAL, on_hand=9)).when(command, by=seller(locations={EAST}))
        foreign.then_refused(RejectionCode.LOCATION_NOT_FOUND, "lines.0.locationId")
        missing = given(item(), location(EAST)).when(command)
        assert foreign.answer == missing.answer

    def test_a_foreign_channel_is_refused_like_a_missing_one(self, claim: Claiming) -> None:
        command = claim(want(3), channel=WEB)
        foreign = given(*ON_WEB, level(on_hand=9)).when(command, by=seller(channels={"till"}))
        foreign.then_refused(RejectionCode.CHANNEL_NOT_FOUND, "channelId")
        missing = given(item(), location(EAST), level(on_hand=9)).when(command)
        assert foreign.answer == missing.answer

    def test_the_strategy_of_a_foreign_channel_is_not_told(self, claim: Claiming) -> None:
        web = channel(sourcing=EXPLICIT)
        given(*ON_WEB, web, level(on_hand=9)).when(
            claim(want(3), channel=WEB), by=seller(channels={"till"})
        ).then_refused(RejectionCode.CHANNEL_NOT_FOUND, "channelId")

    def test_pools_rest_on_what_is_not_seen_too(self, claim: Claiming) -> None:
        """Given a pool that stock elsewhere backs, when a scoped caller claims, then its own stock is not cut."""
        both = Served(location=CENTRAL, channels=frozenset({WEB}))
        pool = Listing(sku=SKU, channel="till", pool=9, updated_at=EARLIER)
        facts = (*ON_WEB, both, pool, level(EAST, on_hand=2), level(CENTRAL, on_hand=9))
        command = claim(want(2), channel=WEB)
        assert isinstance(given(*facts).when(command, by=seller(locations={EAST})).answer, tuple)

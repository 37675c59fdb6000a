"""allocationCreate, allocationCancel, shipmentConfirm; the one rule: what ships was allocated."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.allocation_commands import (
    Allocation,
    AllocationCancelled,
    AllocationCreated,
    AllocationLine,
    AllocationLinesAdded,
    AllocationState,
    ShipmentConfirmed,
    ShipmentLine,
)
from domain.claims import LineQuantity
from domain.conflicts import StockConflictClosed
from domain.decider import Command
from domain.postings import PostingCause
from domain.principals import Principal, Role, Scope
from domain.promises import FulfilmentKind, SourcingReason
from domain.rejections import RejectionCode
from tests.domain.given import (
    CENTRAL,
    COMMAND_ID,
    EAST,
    NOW,
    SKU,
    WEB,
    Served,
    channel,
    given,
    item,
    level,
    location,
    moved,
)
from tests.domain.promised import (
    ALLOCATED,
    ALLOCATION,
    ON_HAND,
    ORDER,
    allocate,
    allocation,
    cancel,
    hold,
    line,
    order_line,
    posted,
    ship,
    shipment,
    want,
)

CREATED = PostingCause.ALLOCATION_CREATED
CANCELLED = PostingCause.ALLOCATION_CANCELLED
SHIPPED = PostingCause.SHIPMENT_CONFIRMED
EXCEEDS = RejectionCode.EXCEEDS_ALLOCATED_QUANTITY
INVALID = RejectionCode.INVALID_INPUT
SHOP = (item(), item("CUP"), location(EAST), location(CENTRAL), channel())
NEW = allocation(id=COMMAND_ID, created_at=NOW, updated_at=NOW)
LINES = (order_line(hold(3, CENTRAL), hold(4, EAST), id="a"), order_line(hold(2, EAST), id="b"))
OPEN = (*SHOP, level(EAST, on_hand=9, allocated=6), level(CENTRAL, on_hand=5, allocated=3), allocation(*LINES))


def changed(*lines: AllocationLine) -> Allocation:
    """Return the order's stock after one command NOW."""
    return allocation(*lines, updated_at=NOW, version=2)


class TestCreate:
    def test_stock_is_committed_without_a_hold(self) -> None:
        made = replace(NEW, lines=(order_line(hold(3)),))
        state = (
            given(*SHOP, level(on_hand=10))
            .when(allocate(want(3)))
            .then(
                AllocationCreated(allocation=made),
                posted(
                    CREATED,
                    level(on_hand=10, allocated=3, version=2, at=NOW),
                    movements=(moved(EAST, 3, 3, ALLOCATED),),
                ),
            )
        )
        assert state.allocations == {("", ORDER): made}

    def test_lines_that_get_nothing_are_left_out(self) -> None:
        made = replace(NEW, lines=(order_line(hold(2), id="a", asked=5),))
        given(*SHOP, level(on_hand=2)).when(
            allocate(want(5, id="a"), want(1, id="b", sku="CUP"), allow_partial=True)
        ).then(
            AllocationCreated(allocation=made),
            posted(
                CREATED, level(on_hand=2, allocated=2, version=2, at=NOW), movements=(moved(EAST, 2, 2, ALLOCATED),)
            ),
        )

    def test_an_order_that_has_stock_gets_more(self) -> None:
        """Given an order that has shipped, when more is allocated to it, then its stock is open again."""
        known = allocation(order_line(id="1", shipped=1))
        more = changed(*known.lines, order_line(hold(1), id="2"))
        given(*SHOP, level(on_hand=1), known).when(allocate(want(1, id="2"))).then(
            AllocationLinesAdded(allocation=more),
            posted(
                CREATED,
                level(on_hand=1, allocated=1, version=2, at=NOW),
                movements=(moved(EAST, 1, 1, ALLOCATED),),
                document_id=ALLOCATION,
            ),
        )
        assert (known.state, more.state) == (AllocationState.SHIPPED, AllocationState.OPEN)

    def test_a_pick_up_on_a_channel(self) -> None:
        made = replace(
            NEW,
            lines=(order_line(hold(1, reason=SourcingReason.NAMED)),),
            channel=WEB,
            fulfilment=FulfilmentKind.PICKUP,
        )
        command = allocate(want(1, at=EAST), channel=WEB, fulfilment=FulfilmentKind.PICKUP, correlation_id="t")
        given(*SHOP, Served(location=EAST, channels=frozenset({WEB})), level(on_hand=1)).when(command).then(
            AllocationCreated(allocation=made),
            posted(
                CREATED,
                level(on_hand=1, allocated=1, version=2, at=NOW),
                movements=(moved(EAST, 1, 1, ALLOCATED),),
                source_channel=WEB,
                correlation_id="t",
            ),
        )

    def test_a_line_of_an_order_is_allocated_once(self) -> None:
        known = allocation(order_line(id="1", cancelled=1))
        given(*SHOP, level(on_hand=9), known).when(allocate(want(1, id="2"), want(1))).then_refused(
            RejectionCode.ORDER_LINE_EXISTS,
            "lines.1.lineId",
            message="Order SO-7 has a line '1' already; give more units another line id.",
        )

    @pytest.mark.parametrize("order_id", ["", " SO-7", "x" * 256])
    def test_an_order_has_an_id(self, order_id: str) -> None:
        given(*SHOP, level(on_hand=9)).when(allocate(want(1), order_id=order_id)).then_refused(INVALID, "orderId")


class TestCancel:
    def test_all_that_is_open_is_given_back(self) -> None:
        after = changed(order_line(id="a", cancelled=7), order_line(id="b", cancelled=2))
        given(*OPEN).when(cancel()).then(
            AllocationCancelled(allocation=after),
            posted(
                CANCELLED,
                level(CENTRAL, on_hand=5, version=2, at=NOW),
                level(EAST, on_hand=9, version=2, at=NOW),
                movements=(moved(CENTRAL, -3, 0, ALLOCATED), moved(EAST, -6, 0, ALLOCATED)),
            ),
        )
        assert after.state is AllocationState.CANCELLED

    def test_units_of_a_line_are_given_back_where_they_were_wanted_least(self) -> None:
        after = changed(order_line(hold(2, CENTRAL), id="a", cancelled=5), LINES[1])
        given(*OPEN).when(cancel(LineQuantity(line="a", quantity=5))).then(
            AllocationCancelled(allocation=after),
            posted(
                CANCELLED,
                level(CENTRAL, on_hand=5, allocated=2, version=2, at=NOW),
                level(EAST, on_hand=9, allocated=2, version=2, at=NOW),
                movements=(moved(CENTRAL, -1, 2, ALLOCATED), moved(EAST, -4, 2, ALLOCATED)),
            ),
        )

    def test_promises_that_are_backed_again_close_the_conflict(self) -> None:
        short = level(on_hand=1, allocated=3, conflict_id="c-1")
        backed = level(on_hand=1, version=2, at=NOW)
        known = allocation(order_line(hold(3), shipped=1))
        given(*SHOP, short, known).when(cancel()).then(
            AllocationCancelled(allocation=changed(order_line(shipped=1, cancelled=3))),
            posted(CANCELLED, backed, movements=(moved(EAST, -3, 0, ALLOCATED),)),
            StockConflictClosed(conflict_id="c-1", level=backed),
        )


class TestShip:
    def test_on_hand_and_allocated_fall_together(self) -> None:
        after = changed(order_line(id="a", shipped=7), order_line(id="b", shipped=2))
        left = shipment(line(*LINES[0].holds, id="a"), line(*LINES[1].holds, id="b"))
        given(*OPEN).when(ship()).then(
            ShipmentConfirmed(shipment=left, allocation=after),
            posted(
                SHIPPED,
                level(CENTRAL, on_hand=2, version=2, at=NOW),
                level(EAST, on_hand=3, version=2, at=NOW),
                movements=(
                    moved(CENTRAL, -3, 0, ALLOCATED),
                    moved(CENTRAL, -3, 2, ON_HAND),
                    moved(EAST, -6, 0, ALLOCATED),
                    moved(EAST, -6, 3, ON_HAND),
                ),
            ),
        )
        assert after.state is AllocationState.SHIPPED

    def test_one_location_ships_what_lies_there(self) -> None:
        after = changed(order_line(hold(3, CENTRAL), hold(1, EAST), id="a", shipped=3), LINES[1])
        given(*OPEN).when(ship(ShipmentLine(line="a", quantity=3, location=EAST))).then(
            ShipmentConfirmed(shipment=shipment(line(hold(3, EAST), id="a")), allocation=after),
            posted(
                SHIPPED,
                level(EAST, on_hand=6, allocated=3, version=2, at=NOW),
                movements=(moved(EAST, -3, 3, ALLOCATED), moved(EAST, -3, 6, ON_HAND)),
            ),
        )

    def test_several_shipments_and_a_cancellation_make_up_an_order(self) -> None:
        scenario = given(*OPEN)
        scenario.after(ship(ShipmentLine(line="a", location=CENTRAL)))
        scenario.after(ship(ShipmentLine(line="b"), ShipmentLine(line="a", quantity=1)))
        scenario.after(cancel(LineQuantity(line="a", quantity=1)))
        scenario.after(ship())
        after = scenario.state.allocations["", ORDER]
        assert after.lines == (order_line(id="a", shipped=6, cancelled=1), order_line(id="b", shipped=2))
        assert (after.version, after.state) == (5, AllocationState.SHIPPED)
        assert {key: (one.on_hand, one.allocated) for key, one in scenario.state.levels.items()} == {
            (SKU, EAST): (4, 0),
            (SKU, CENTRAL): (2, 0),
        }

    def test_what_left_is_a_fact_though_the_stock_never_was_there(self) -> None:
        short = level(on_hand=-2, allocated=3, conflict_id="c-1")
        given(*SHOP, short, allocation(order_line(hold(3)))).when(ship(ShipmentLine(line="1", quantity=2))).then(
            ShipmentConfirmed(shipment=shipment(line(hold(2))), allocation=changed(order_line(hold(1), shipped=2))),
            posted(
                SHIPPED,
                level(on_hand=-4, allocated=1, version=2, at=NOW, conflict_id="c-1"),
                movements=(moved(EAST, -2, 1, ALLOCATED), moved(EAST, -2, -4, ON_HAND)),
            ),
        )

    def test_everything_that_was_said_is_kept(self) -> None:
        left_at = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
        known = allocation(order_line(hold(1)), channel=WEB)
        command = ship(channel=WEB, external_id="DHL 1", shipped_at=left_at, correlation_id="t")
        given(*SHOP, level(on_hand=1, allocated=1), known).when(command).then(
            ShipmentConfirmed(
                shipment=shipment(line(hold(1)), channel=WEB, external_id="DHL 1", shipped_at=left_at),
                allocation=replace(known, lines=(order_line(shipped=1),), updated_at=NOW, version=2),
            ),
            posted(
                SHIPPED,
                level(version=2, at=NOW),
                movements=(moved(EAST, -1, 0, ALLOCATED), moved(EAST, -1, 0, ON_HAND)),
                source_channel=WEB,
                correlation_id="t",
            ),
        )

    def test_malformed(self) -> None:
        lines = (ShipmentLine(line="a", location=""), ShipmentLine(line=" "))
        given(*OPEN).when(ship(*lines, order_id="", channel="", external_id="", idempotency_key=None)).then_refused(
            INVALID, "idempotencyKey", "channelId", "lines.1.lineId", "orderId", "shipmentId", "lines.0.locationId"
        )

    def test_more_than_is_allocated_there(self) -> None:
        answer = (
            given(*OPEN)
            .when(ship(ShipmentLine(line="a", quantity=5, location=EAST), ShipmentLine(line="b", location=CENTRAL)))
            .answer
        )
        assert not isinstance(answer, tuple)
        assert [(".".join(one.field), one.quantity_available, one.message) for one in answer.rejections] == [
            ("lines.0.quantity", 4, f"4 units of line 'a' are open at {EAST}; name at most that many."),
            ("lines.1.quantity", 0, f"0 units of line 'b' are open at {CENTRAL}; name at most that many."),
        ]

    @pytest.mark.parametrize(
        ("command", "field"), [(ship(), "orderId"), (ship(ShipmentLine(line="1", quantity=5)), "lines")]
    )
    def test_a_balance_has_a_lower_bound(self, command: Command, field: str) -> None:
        known = (level(on_hand=-9_999_996, allocated=5, conflict_id="c-1"), allocation(order_line(hold(5))))
        given(*SHOP, *known).when(command).then_refused(
            RejectionCode.INVALID_QUANTITY,
            field,
            message=f"ON_HAND of {SKU} at {EAST} would be -10,000,001; a balance is at most 10,000,000 either way. "
            "Count the stock with inventorySet first.",
        )
        assert isinstance(given(*SHOP, *known).when(ship(ShipmentLine(line="1", quantity=4))).answer, tuple)


ALL_OF_IT: dict[str, Command] = {"cancel": cancel(), "ship": ship()}
OF_CHANNEL: dict[str, Command] = {"cancel": cancel(channel=WEB), "ship": ship(channel=WEB)}


def of_line(one: str, quantity: int | None = None) -> list[Command]:
    """Return both commands for one line."""
    return [cancel(LineQuantity(line=one, quantity=quantity)), ship(ShipmentLine(line=one, quantity=quantity))]


class TestRefusedAlike:
    """What cancelling and shipping refuse alike."""

    @pytest.mark.parametrize("command", OF_CHANNEL.values(), ids=OF_CHANNEL)
    def test_an_order_that_there_is_not(self, command: Command) -> None:
        given(*OPEN).when(command).then_refused(
            RejectionCode.ORDER_NOT_FOUND,
            "orderId",
            message="No stock is allocated to an order 'SO-7' of the channel web; check the id and the channel.",
        )

    @pytest.mark.parametrize("command", ALL_OF_IT.values(), ids=ALL_OF_IT)
    def test_an_order_of_another_channel(self, command: Command) -> None:
        given(*SHOP, level(on_hand=1, allocated=1), allocation(order_line(hold(1)), channel=WEB)).when(
            command
        ).then_refused(
            RejectionCode.ORDER_NOT_FOUND,
            "orderId",
            message="No stock is allocated to an order 'SO-7' of no channel; check the id and the channel.",
        )

    @pytest.mark.parametrize("commands", [ALL_OF_IT, OF_CHANNEL], ids=["no channel", "a channel"])
    @pytest.mark.parametrize("name", ["cancel", "ship"])
    def test_an_order_that_is_not_seen(self, commands: dict[str, Command], name: str) -> None:
        code = None if commands is ALL_OF_IT else WEB
        known = allocation(*LINES, channel=code)
        hidden = [Scope(channels=frozenset({"till"})), Scope(locations=frozenset({EAST}))]
        for scope in hidden:
            narrow = Principal(account="acme", name="clerk", role=Role.BACKOFFICE, scope=scope)
            foreign = given(*OPEN, known).when(commands[name], by=narrow)
            foreign.then_refused(RejectionCode.ORDER_NOT_FOUND, "orderId")
            assert foreign.answer == given(*SHOP).when(commands[name]).answer

    @pytest.mark.parametrize("command", of_line("z"), ids=["cancel", "ship"])
    def test_a_line_that_it_does_not_have(self, command: Command) -> None:
        given(*OPEN).when(command).then_refused(RejectionCode.LINE_NOT_FOUND, "lines.0.lineId")

    @pytest.mark.parametrize("quantity", [0, -1, 10_000_001])
    @pytest.mark.parametrize("place", [0, 1], ids=["cancel", "ship"])
    def test_a_quantity(self, place: int, quantity: int) -> None:
        given(*OPEN).when(of_line("a", quantity)[place]).then_refused(
            RejectionCode.INVALID_QUANTITY, "lines.0.quantity"
        )

    @pytest.mark.parametrize("command", of_line("a", 8), ids=["cancel", "ship"])
    def test_more_than_is_open(self, command: Command) -> None:
        given(*OPEN).when(command).then_refused(
            EXCEEDS,
            "lines.0.quantity",
            quantity_available=7,
            message="7 units of line 'a' are open; name at most that many.",
        )

    @pytest.mark.parametrize("command", of_line("a"), ids=["cancel", "ship"])
    def test_a_line_of_which_nothing_is_open(self, command: Command) -> None:
        known = allocation(order_line(id="a", shipped=7), LINES[1])
        given(*OPEN, known).when(command).then_refused(EXCEEDS, "lines.0.quantity", quantity_available=0)

    @pytest.mark.parametrize("name", ["cancel", "ship"])
    def test_an_order_of_which_nothing_is_open(self, name: str) -> None:
        known = allocation(order_line(id="a", shipped=7), order_line(id="b", cancelled=2))
        given(*SHOP, known).when(ALL_OF_IT[name]).then_refused(
            EXCEEDS,
            "orderId",
            quantity_available=0,
            message=f"Nothing of order SO-7 is open any more; there is nothing to {name}.",
        )

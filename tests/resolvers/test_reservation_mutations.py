"""Mutations of reservations: what is held, where, and what gives it back; a repeated key shows what is now."""

import asyncio
from datetime import datetime, timedelta

import pytest

from domain.principals import Role
from resolvers.node_ids import location_id, reservation_id
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, refusals
from tests.resolvers.promised import counters, done, held, input_kind, line, reserved, seated, sees, sent

QUARTER_OF_AN_HOUR = timedelta(seconds=900)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_reservation_is_answered_with_all_that_it_holds(desk: Desk) -> None:
    """Given stock, when two items are reserved, then the answer says what is held, where, why, and for how long."""
    before = int(await desk.position())
    payload = await done(
        desk,
        "reservationCreate",
        lines=[line(MUG, 3), line(CUP, 2, location_id(EAST), lineId="saucer")],
        channelId=TILL,
        externalReference="cart-7",
        correlationId="trace-1",
    )
    made = payload["reservation"]
    key, now = made["reservationId"], made["createdAt"]
    assert made == {
        "id": reservation_id(key),
        "reservationId": key,
        "state": "ACTIVE",
        "channelId": TILL,
        "channel": {"code": TILL},
        "externalReference": "cart-7",
        "fulfilment": "SHIPPING",
        "createdAt": now,
        "expiresAt": (at(now) + QUARTER_OF_AN_HOUR).isoformat(),
        "updatedAt": now,
        "version": 1,
        "orderId": None,
        "lines": [
            {
                "lineId": lineid,
                "sku": sku,
                "quantity": units,
                "heldQuantity": units,
                "item": {"name": name},
                "holds": [
                    {"sku": sku, "locationCode": EAST, "quantity": units, "reason": why, "location": {"code": EAST}}
                ],
            }
            for lineid, sku, units, name, why in (
                ("1", MUG, 3, "Red mug", "PRIORITY"),
                ("saucer", CUP, 2, "Tea cup", "NAMED"),
            )
        ],
    }
    assert (payload["replayed"], payload["position"]) == (False, str(before + 3))
    assert counters(payload) == [(MUG, EAST, 10, 3, 0, 7), (CUP, EAST, 7, 2, 0, 5)]
    assert payload["position"] == await desk.position()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [("1", EAST, 10, "PRIORITY"), ("1", WEST, 2, "PRIORITY")]),
        ({"strategy": None, "destination": None}, [("1", EAST, 10, "PRIORITY"), ("1", WEST, 2, "PRIORITY")]),
        ({"strategy": "MOST_STOCK"}, [("1", EAST, 10, "MOST_STOCK"), ("1", WEST, 2, "MOST_STOCK")]),
        ({"strategy": "FEWEST_SPLITS"}, [("1", EAST, 10, "FEWEST_SPLITS"), ("1", WEST, 2, "FEWEST_SPLITS")]),
        (
            {"strategy": "NEAREST_REGION", "destination": {"region": "west"}},
            [("1", WEST, 4, "NEAREST_REGION"), ("1", EAST, 8, "NEAREST_REGION")],
        ),
        (
            {"strategy": "NEAREST_REGION", "destination": {"countryCode": "US", "region": "nowhere"}},
            [("1", WEST, 4, "NEAREST_REGION"), ("1", EAST, 8, "NEAREST_REGION")],
        ),
    ],
)
async def test_locations_are_chosen_as_the_request_says(
    desk: Desk, fields: Answer, expected: list[tuple[object, ...]]
) -> None:
    """Given two locations, when a line is too large for one, then the strategy chooses, and says why."""
    west = {"code": WEST, "region": "west", "countryCode": "US"}
    await desk.accepted("locationUpsert", "LocationUpsertInput", west)
    payload = await done(desk, "reservationCreate", lines=[line(MUG, 12)], channelId=TILL, **fields)
    assert held(payload["reservation"]) == expected


async def test_a_channel_and_a_location_say_how_locations_are_chosen(desk: Desk) -> None:
    """Given a location of higher priority, then it serves first; given a channel's strategy, then it is used."""
    await desk.accepted("locationUpsert", "LocationUpsertInput", {"code": WEST, "priority": 1})
    payload = await done(desk, "reservationCreate", lines=[line(MUG, 1)], channelId=TILL)
    assert held(payload["reservation"]) == [("1", WEST, 1, "PRIORITY")]
    await desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": TILL, "sourcing": "MOST_STOCK"})
    payload = await done(desk, "reservationCreate", lines=[line(MUG, 1)], channelId=TILL)
    assert held(payload["reservation"]) == [("1", EAST, 1, "MOST_STOCK")]


async def test_part_will_do_where_it_is_said(desk: Desk) -> None:
    """Given 7 cups, when 9 are wanted and part will do, then 7 are held, and the line says that 9 were wanted."""
    payload = await done(desk, "reservationCreate", lines=[line(CUP, 9)], channelId=WEB, allowPartial=True)
    (only,) = payload["reservation"]["lines"]
    assert (only["quantity"], only["heldQuantity"]) == (9, 7)
    assert counters(payload) == [(CUP, EAST, 7, 7, 0, 0)]


async def test_a_repeated_key_shows_the_reservation_as_it_is_now(desk: Desk) -> None:
    """Given a reservation that was extended, when its key is sent again, then nothing moves, and it shows."""
    fields: Answer = {"lines": [line(MUG, 3)], "channelId": WEB, "idempotencyKey": "cart-7"}
    first = await done(desk, "reservationCreate", **fields)
    await done(desk, "reservationExtend", reservationId=first["reservation"]["id"], ttlSeconds=60)
    head = await desk.position()
    again = await done(desk, "reservationCreate", **fields, correlationId="retry")
    assert (again["replayed"], again["position"], again["levels"]) == (True, head, [])
    assert (again["reservation"]["version"], await desk.position()) == (2, head)
    assert again["reservation"]["reservationId"] == first["reservation"]["reservationId"]
    other = await sent(desk, "reservationCreate", **{**fields, "lines": [line(MUG, 2)]})
    assert refusals(other) == [("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "input.idempotencyKey")]


@pytest.mark.parametrize("by_global_id", [True, False])
async def test_a_reservation_is_extended_from_now_on(desk: Desk, by_global_id: bool) -> None:
    """Given a reservation, when it is extended, then it lives for the interval from now, or for the channel's."""
    key = await reserved(desk, line(MUG, 1), channelId=WEB)
    id = reservation_id(key) if by_global_id else key
    requests: list[tuple[Answer, int]] = [({"ttlSeconds": 60}, 60), ({}, 900), ({"ttlSeconds": None}, 900)]
    for version, (fields, seconds) in enumerate(requests, start=2):
        payload = await done(desk, "reservationExtend", reservationId=id, **fields)
        made = payload["reservation"]
        assert at(made["expiresAt"]) - at(made["updatedAt"]) == timedelta(seconds=seconds)
        assert made["version"] == version


async def test_a_channel_says_how_long_reservations_live(desk: Desk) -> None:
    """Given a channel's own times, then they are its reservations' default and limit."""
    policy = {"code": WEB, "reservationTtlSeconds": 30, "reservationTtlSecondsMax": 40}
    await desk.accepted("channelUpsert", "ChannelUpsertInput", policy)
    made = (await done(desk, "reservationCreate", lines=[line(MUG, 1)], channelId=WEB))["reservation"]
    assert at(made["expiresAt"]) - at(made["createdAt"]) == timedelta(seconds=30)
    for mutation, fields in (
        ("reservationCreate", {"lines": [line(MUG, 1)], "channelId": WEB, "idempotencyKey": "a"}),
        ("reservationExtend", {"reservationId": made["id"], "idempotencyKey": "b"}),
    ):
        for seconds in (41, 0, -1):
            refused = await desk.refused(mutation, input_kind(mutation), {**fields, "ttlSeconds": seconds})
            assert refused == [("TTL_OUT_OF_RANGE", "input.ttlSeconds")]


async def test_units_are_given_back_line_by_line(desk: Desk) -> None:
    """Given two lines, when parts of them are released, then the rest is held on; with the last unit it is over."""
    key = await reserved(desk, line(MUG, 3), line(CUP, 2), channelId=WEB)
    part = await done(desk, "reservationRelease", reservationId=key, lines=[{"lineId": "1", "quantity": 2}])
    assert (part["reservation"]["state"], counters(part)) == ("ACTIVE", [(MUG, EAST, 10, 1, 0, 9)])
    line_left = await done(desk, "reservationRelease", reservationId=key, lines=[{"lineId": "2", "quantity": None}])
    assert (line_left["reservation"]["state"], counters(line_left)) == ("ACTIVE", [(CUP, EAST, 7, 0, 0, 7)])
    whole = await done(desk, "reservationRelease", reservationId=key, lines=None)
    assert (whole["reservation"]["state"], counters(whole)) == ("RELEASED", [(MUG, EAST, 10, 0, 0, 10)])
    assert held(whole["reservation"]) == [("1", EAST, 1, "PRIORITY")]


async def test_units_are_held_elsewhere(desk: Desk) -> None:
    """Given units at one location, when they are moved, then they are held at the other, and it says so."""
    key = await reserved(desk, line(MUG, 3), channelId=TILL)
    move = {"lineId": "1", "toLocationId": location_id(WEST), "fromLocationId": EAST, "quantity": 2}
    payload = await done(desk, "reservationMove", reservationId=key, moves=[move])
    assert held(payload["reservation"]) == [("1", EAST, 1, "PRIORITY"), ("1", WEST, 2, "MOVED")]
    assert sorted(counters(payload)) == [(MUG, EAST, 10, 1, 0, 9), (MUG, WEST, 4, 2, 0, 2)]
    rest = {"lineId": "1", "toLocationId": WEST, "fromLocationId": None, "quantity": None}
    payload = await done(desk, "reservationMove", reservationId=key, moves=[rest])
    assert held(payload["reservation"]) == [("1", WEST, 3, "MOVED")]
    refused = await sent(desk, "reservationMove", reservationId=key, moves=[{"lineId": "1", "toLocationId": FAR}])
    assert refusals(refused) == [("ITEM_NOT_STOCKED_AT_LOCATION", "input.moves.0.toLocationId")]


async def test_a_commit_allocates_what_the_order_takes_and_gives_the_rest_back(desk: Desk) -> None:
    """Given two lines, when an order takes a part of one, then that is allocated, and all else is available again."""
    key = await reserved(desk, line(MUG, 3), line(CUP, 2), channelId=WEB)
    before = int(await desk.position())
    taken = [{"lineId": "1", "quantity": 2, "orderLineId": "mug"}]
    payload = await done(desk, "reservationCommit", reservationId=key, orderId="order-1", lines=taken)
    made, order = payload["reservation"], payload["allocation"]
    assert (made["state"], made["orderId"], made["version"]) == ("COMMITTED", "order-1", 2)
    assert (order["orderId"], order["channelId"], order["state"], order["version"]) == ("order-1", WEB, "OPEN", 1)
    assert held(order) == [("mug", EAST, 2, "PRIORITY")]
    assert sorted(counters(payload)) == [(CUP, EAST, 7, 0, 0, 7), (MUG, EAST, 10, 0, 2, 8)]
    assert payload["position"] == str(before + 4)


async def test_a_repeated_commit_shows_reservation_and_order_as_they_are_now(desk: Desk) -> None:
    """Given a commit, when its key is sent again after the order shipped, then the order is shown as shipped."""
    key = await reserved(desk, line(MUG, 3), channelId=WEB)
    fields = {"reservationId": key, "orderId": "order-1", "idempotencyKey": "commit"}
    first = await done(desk, "reservationCommit", **fields)
    await done(desk, "shipmentConfirm", orderId="order-1", channelId=WEB)
    again = await done(desk, "reservationCommit", **fields)
    assert (again["replayed"], again["position"], again["levels"]) == (True, await desk.position(), [])
    assert (again["reservation"], again["allocation"]["state"]) == (first["reservation"], "SHIPPED")


async def test_who_comes_second_is_told_what_came_first(desk: Desk) -> None:
    """Given reservations that are over, when they are changed, then the answer names what ended them."""
    committed = await reserved(desk, line(MUG, 1), channelId=WEB)
    await done(desk, "reservationCommit", reservationId=committed, orderId="order-1")
    released = await reserved(desk, line(MUG, 1), channelId=WEB)
    await done(desk, "reservationRelease", reservationId=released)
    lapsed = await reserved(desk, line(MUG, 1), channelId=WEB, ttlSeconds=1)
    await asyncio.sleep(1.05)
    changes: dict[str, Answer] = {
        "reservationExtend": {},
        "reservationRelease": {},
        "reservationMove": {"moves": [{"lineId": "1", "toLocationId": WEST}]},
        "reservationCommit": {"orderId": "order-2"},
    }
    for key, code in (
        (committed, "RESERVATION_ALREADY_COMMITTED"),
        (released, "RESERVATION_ALREADY_RELEASED"),
        (lapsed, "RESERVATION_EXPIRED"),
        ("0" * 32, "RESERVATION_NOT_FOUND"),
    ):
        for mutation, more in changes.items():
            payload = await sent(desk, mutation, reservationId=key, **more)
            assert refusals(payload) == [(code, "input.reservationId")], (mutation, code)
            assert (payload["reservation"], payload["replayed"]) == (None, False)
            if code == "RESERVATION_ALREADY_COMMITTED":
                assert "order-1" in payload["userErrors"][0]["message"]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"lines": []}, "INVALID_INPUT", "lines"),
        ({"lines": [line(MUG, 1, lineId="")]}, "INVALID_INPUT", "lines.0.lineId"),
        ({"lines": [line(MUG, 1, lineId="2"), line(CUP, 1)]}, "INVALID_INPUT", "lines.1.lineId"),
        ({"lines": [line("", 1)]}, "INVALID_INPUT", "lines.0.sku"),
        ({"lines": [line(MUG, 1)], "idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
        ({"lines": [line(MUG, 1)], "fulfilment": "PICKUP"}, "INVALID_INPUT", "lines.0.locationId"),
        ({"lines": [line(MUG, 1)], "strategy": "EXPLICIT"}, "INVALID_INPUT", "lines.0.locationId"),
        ({"lines": [line(MUG, 1)], "externalReference": "\0"}, "INVALID_INPUT", "externalReference"),
        ({"lines": [line(MUG, 1)], "correlationId": "\0"}, "INVALID_INPUT", "correlationId"),
        (
            {"lines": [line(MUG, 1)], "destination": {"countryCode": "1A"}},
            "INVALID_INPUT",
            "destination.countryCode",
        ),
        ({"lines": [line(MUG, 1)], "destination": {"region": ""}}, "INVALID_INPUT", "destination.region"),
        ({"lines": [line("nope", 1)]}, "ITEM_NOT_FOUND", "lines.0.sku"),
        ({"lines": [line(MUG, 1, "nope")]}, "LOCATION_NOT_FOUND", "lines.0.locationId"),
        ({"lines": [line(MUG, 1)], "channelId": "nope"}, "CHANNEL_NOT_FOUND", "channelId"),
        ({"lines": [line(CUP, 1, WEST)], "channelId": TILL}, "ITEM_NOT_STOCKED_AT_LOCATION", "lines.0.locationId"),
        ({"lines": [line(MUG, 1, WEST)]}, "LOCATION_NOT_SERVING_CHANNEL", "lines.0.locationId"),
        ({"lines": [line(MUG, 0)]}, "INVALID_QUANTITY", "lines.0.quantity"),
        ({"lines": [line(MUG, 10_000_001)]}, "INVALID_QUANTITY", "lines.0.quantity"),
        ({"lines": [line(CUP, 1), line(MUG, 11)]}, "INSUFFICIENT_STOCK", "lines.1.quantity"),
        ({"lines": [line(JAR, 1)], "allowPartial": True}, "INSUFFICIENT_STOCK", "lines.0.quantity"),
    ],
)
async def test_what_cannot_be_held_is_refused(desk: Desk, fields: Answer, code: str, field: str) -> None:
    """Given a request that cannot be served, then it is refused where it is wrong, and holds nothing."""
    request = {"channelId": WEB, "idempotencyKey": "cart", **fields}
    refused = await desk.refused("reservationCreate", "ReservationCreateInput", request)
    assert refused == [(code, f"input.{field}")]
    assert await desk.ask("{ reservations { nodes { id } } }") == {"reservations": {"nodes": []}}


@pytest.mark.parametrize(
    ("mutation", "fields", "code", "field"),
    [
        ("reservationRelease", {"lines": []}, "INVALID_INPUT", "lines"),
        ("reservationRelease", {"lines": [{"lineId": "9"}]}, "LINE_NOT_FOUND", "lines.0.lineId"),
        (
            "reservationRelease",
            {"lines": [{"lineId": "1", "quantity": 4}]},
            "EXCEEDS_RESERVED_QUANTITY",
            "lines.0.quantity",
        ),
        ("reservationRelease", {"lines": [{"lineId": "1", "quantity": 0}]}, "INVALID_QUANTITY", "lines.0.quantity"),
        ("reservationMove", {"moves": []}, "INVALID_INPUT", "moves"),
        (
            "reservationMove",
            {"moves": [{"lineId": "1", "toLocationId": "nope"}]},
            "LOCATION_NOT_FOUND",
            "moves.0.toLocationId",
        ),
        (
            "reservationMove",
            {"moves": [{"lineId": "1", "toLocationId": WEST}]},
            "LOCATION_NOT_SERVING_CHANNEL",
            "moves.0.toLocationId",
        ),
        (
            "reservationMove",
            {"moves": [{"lineId": "1", "toLocationId": EAST, "fromLocationId": FAR}]},
            "EXCEEDS_RESERVED_QUANTITY",
            "moves.0.quantity",
        ),
        ("reservationCommit", {"orderId": ""}, "INVALID_INPUT", "orderId"),
        (
            "reservationCommit",
            {"orderId": "order-1", "lines": [{"lineId": "1", "orderLineId": "taken"}]},
            "ORDER_LINE_EXISTS",
            "lines.0.orderLineId",
        ),
    ],
)
async def test_a_change_that_cannot_be_made_is_refused(
    desk: Desk, mutation: str, fields: Answer, code: str, field: str
) -> None:
    """Given a reservation, when a change of it is wrong, then it is refused where it is, and nothing changes."""
    key = await reserved(desk, line(MUG, 3), channelId=WEB)
    lines = [line(CUP, 1, lineId="taken")]
    await done(desk, "allocationCreate", orderId="order-1", channelId=WEB, lines=lines)
    request = {"reservationId": key, "idempotencyKey": "change", **fields}
    assert await desk.refused(mutation, input_kind(mutation), request) == [(code, f"input.{field}")]


async def test_a_key_of_one_channel_need_not_name_it(desk: Desk) -> None:
    """Given keys that see some channels, then the only one is meant, and of several one has to be named."""
    shop = seated(desk, Role.STOREFRONT, sees(channels={WEB}))
    made = (await done(shop, "reservationCreate", lines=[line(MUG, 1)]))["reservation"]
    assert (made["channelId"], held(made)) == (WEB, [("1", EAST, 1, "PRIORITY")])
    both = seated(desk, Role.BACKOFFICE, sees(channels={WEB, TILL}))
    payload = await sent(both, "reservationCreate", lines=[line(MUG, 1)])
    assert refusals(payload) == [("INVALID_INPUT", "input.channelId")]
    assert payload["position"] == await desk.position()
    assert (await done(desk, "reservationCreate", lines=[line(MUG, 1)]))["reservation"]["channelId"] is None


async def test_a_storefront_is_shown_its_reservation_and_no_more(desk: Desk) -> None:
    """Given a storefront's key, then it sees what it holds, but no levels, and of the order its id only."""
    shop = seated(desk, Role.STOREFRONT, sees(channels={WEB}))
    payload = await done(shop, "reservationCreate", lines=[line(MUG, 2)])
    assert (payload["levels"], len(payload["reservation"]["lines"])) == ([], 1)
    key = payload["reservation"]["reservationId"]
    payload = await done(shop, "reservationCommit", reservationId=key, orderId="order-1")
    assert (payload["reservation"]["orderId"], payload["allocation"], payload["levels"]) == ("order-1", None, [])
    asked = await shop.ask("query q($id: ID!) { reservation(id: $id) { orderId allocation { id } } }", id=key)
    assert asked == {"reservation": {"orderId": "order-1", "allocation": None}}


async def test_another_channels_reservation_is_as_good_as_missing(desk: Desk) -> None:
    """Given a reservation of one channel, when another channel's key changes it, then there is none."""
    key = await reserved(desk, line(MUG, 2), channelId=TILL)
    shop = seated(desk, Role.STOREFRONT, sees(channels={WEB}))
    payload = await sent(shop, "reservationRelease", reservationId=key)
    assert refusals(payload) == [("RESERVATION_NOT_FOUND", "input.reservationId")]


async def test_a_role_that_may_not_reserve_is_turned_away(desk: Desk) -> None:
    """Given a dashboard's key, then it holds nothing, and is told nothing."""
    screen = seated(desk, Role.DASHBOARD)
    payload = await sent(screen, "reservationCreate", lines=[line(MUG, 2)], channelId=WEB)
    assert refusals(payload) == [("FORBIDDEN", "input")]
    assert (payload["reservation"], payload["levels"]) == (None, [])

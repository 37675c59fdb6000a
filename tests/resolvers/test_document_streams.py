"""What subscribers are told of documents: each event once, in order; availability as soon as units are held."""

import asyncio

from domain.principals import Role
from resolvers.node_ids import reservation_id
from tests.resolvers.desk import CUP, EAST, MUG, TILL, WEB, WEST, Desk
from tests.resolvers.promised import ANSWER_SECONDS_MAX, done, following, line, reserved, seated, sees, told

RESERVATIONS = """subscription ($ids: [ID!], $externalReference: String, $after: String) {
  reservationChanged(ids: $ids, externalReference: $externalReference, after: $after) {
    position occurredAt change reservation { reservationId state version updatedAt orderId }
  }
}"""
STOCK = """subscription ($after: String) {
  stockChanged(after: $after) {
    position sku reason cause documentId sourceChannelId correlationId adjustment { id }
    levels { location { code } reserved allocated }
  }
}"""
AVAILABLE = """subscription ($after: String) {
  availabilityChanged(skus: ["MUG-01"], channelId: "web", after: $after) { availableQuantity previousQuantity }
}"""


async def test_everything_that_happens_to_reservations_is_told_in_order(desk: Desk) -> None:
    """Given changes of reservations, when they are followed from before, then each is told once, as it left them."""
    before = await desk.position()
    key = await reserved(desk, line(MUG, 3), channelId=TILL)
    await done(desk, "reservationExtend", reservationId=key, ttlSeconds=60)
    move = {"lineId": "1", "toLocationId": WEST, "quantity": 1}
    await done(desk, "reservationMove", reservationId=key, moves=[move])
    await done(desk, "reservationRelease", reservationId=key, lines=[{"lineId": "1", "quantity": 1}])
    await done(desk, "reservationCommit", reservationId=key, orderId="order-1")
    async with following(desk, RESERVATIONS, after=before) as stream:
        changes = [await told(stream) for _ in range(5)]
        assert [(one["change"], one["reservation"]["version"]) for one in changes] == [
            ("CREATED", 1),
            ("EXTENDED", 2),
            ("MOVED", 3),
            ("RELEASED", 4),
            ("COMMITTED", 5),
        ]
        assert {one["reservation"]["reservationId"] for one in changes} == {key}
        assert [one["occurredAt"] for one in changes] == [one["reservation"]["updatedAt"] for one in changes]
        assert (changes[-1]["reservation"]["state"], changes[-1]["reservation"]["orderId"]) == ("COMMITTED", "order-1")
    async with following(desk, RESERVATIONS, after=changes[3]["position"]) as stream:
        assert await told(stream) == changes[4]
        other = await reserved(desk, line(MUG, 1), channelId=WEB)
        assert (await told(stream))["reservation"]["reservationId"] == other


async def test_a_reservation_that_ran_out_is_told(desk: Desk) -> None:
    """Given a reservation that has lapsed, when a claim needs its units, then its end is told before the claim."""
    before = await desk.position()
    lapsing = await reserved(desk, line(CUP, 7), channelId=WEB, ttlSeconds=1)
    await asyncio.sleep(1.05)
    await reserved(desk, line(CUP, 1), channelId=WEB)
    async with following(desk, RESERVATIONS, ids=[lapsing], after=before) as stream:
        assert [(await told(stream))["change"] for _ in range(2)] == ["CREATED", "EXPIRED"]


async def test_only_what_is_asked_for_is_told(desk: Desk) -> None:
    """Given several reservations, when some are followed, by id or reference, then the others are not told."""
    before = await desk.position()
    await reserved(desk, line(MUG, 1), channelId=WEB, externalReference="cart-1")
    wanted = await reserved(desk, line(MUG, 1), channelId=WEB, externalReference="cart-2")
    for arguments in (
        {"ids": [wanted]},
        {"ids": [reservation_id(wanted)]},
        {"externalReference": "cart-2"},
        {"ids": [wanted], "externalReference": "cart-2"},
    ):
        async with following(desk, RESERVATIONS, after=before, **arguments) as stream:
            assert (await told(stream))["reservation"]["reservationId"] == wanted, arguments


async def test_what_is_not_seen_is_not_told(desk: Desk) -> None:
    """Given keys that see a part, then they are told of that part only, whatever ids they give."""
    before = await desk.position()
    till = await reserved(desk, line(MUG, 1), channelId=TILL)
    web = await reserved(desk, line(MUG, 1), channelId=WEB)
    west = await reserved(desk, line(MUG, 1, WEST), channelId=TILL)
    for role, scope, expected in (
        (Role.STOREFRONT, sees(channels={WEB}), web),
        (Role.BACKOFFICE, sees(locations={WEST}), west),
    ):
        clerk = seated(desk, role, scope)
        async with following(clerk, RESERVATIONS, ids=[till, web, west], after=before) as stream:
            assert (await told(stream))["reservation"]["reservationId"] == expected


async def test_a_storefront_follows_reservations_by_their_ids(desk: Desk) -> None:
    """Given a role that may not read promises, when it names no ids, then it is refused; too many are a bad input."""
    shop = seated(desk, Role.STOREFRONT, sees(channels={WEB}))
    for arguments, code in (({}, "FORBIDDEN"), ({"ids": []}, "INVALID_INPUT"), ({"ids": ["x"] * 251}, "INVALID_INPUT")):
        async with following(shop, RESERVATIONS, **arguments) as stream, asyncio.timeout(ANSWER_SECONDS_MAX):
            result = await anext(stream)
        assert [error.extensions["code"] for error in result.errors] == [code]


async def test_stock_that_documents_move_is_told(desk: Desk) -> None:
    """Given a reservation of two items that becomes an order's, then each posting is told, with its document."""
    before = await desk.position()
    payload = await done(
        desk, "reservationCreate", lines=[line(MUG, 2), line(CUP, 1)], channelId=WEB, correlationId="trace-1"
    )
    made = payload["reservation"]
    await done(desk, "reservationCommit", reservationId=made["id"], orderId="order-1", lines=[{"lineId": "1"}])
    async with following(desk, STOCK, after=before) as stream:
        changes = [await told(stream) for _ in range(4)]
    assert [(one["sku"], one["cause"], one["documentId"]) for one in changes] == [
        (MUG, "RESERVATION_CREATED", made["id"]),
        (CUP, "RESERVATION_CREATED", made["id"]),
        (MUG, "RESERVATION_COMMITTED", made["id"]),
        (CUP, "RESERVATION_COMMITTED", made["id"]),
    ]
    assert changes[0]["levels"] == [{"location": {"code": EAST}, "reserved": 2, "allocated": 0}]
    assert changes[2]["levels"] == [{"location": {"code": EAST}, "reserved": 0, "allocated": 2}]
    assert all((one["reason"], one["adjustment"], one["sourceChannelId"]) == (None, None, WEB) for one in changes)
    assert [one["correlationId"] for one in changes] == ["trace-1", "trace-1", None, None]


async def test_anothers_notes_are_not_told_to_who_sees_a_part(desk: Desk) -> None:
    """Given a posting of another account, then who sees some places only is told neither its notes nor its channel."""
    before = await desk.position()
    await reserved(desk, line(MUG, 2, WEST), channelId=TILL, correlationId="trace-1")
    partner = seated(desk, Role.PARTNER, sees(locations={WEST}, channels={WEB}), account="partner")
    async with following(partner, STOCK, after=before) as stream:
        change = await told(stream)
    assert (change["cause"], change["sourceChannelId"], change["correlationId"]) == ("RESERVATION_CREATED", None, None)


async def test_availability_falls_and_rises_with_reservations(desk: Desk) -> None:
    """Given a storefront that follows an item, then it is told when units are held and when they are free again."""
    before = await desk.position()
    async with following(desk, AVAILABLE, after=before) as stream:
        key = await reserved(desk, line(MUG, 3), channelId=WEB)
        assert await told(stream) == {"availableQuantity": 7, "previousQuantity": None}
        await done(desk, "reservationRelease", reservationId=key)
        assert await told(stream) == {"availableQuantity": 10, "previousQuantity": 7}
    key = await reserved(desk, line(MUG, 3), channelId=WEB)
    async with following(desk, AVAILABLE, after=before) as stream:
        assert await told(stream) == {"availableQuantity": 7, "previousQuantity": None}

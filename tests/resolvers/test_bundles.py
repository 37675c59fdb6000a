"""Bundles through the schema: what may be sold of them, what promises take, and who hears of it."""

from dataclasses import replace
from typing import Any

from domain.principals import Principal, Role, Scope
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, TILL, WEB, WEST, Answer, Desk, counted, delta, refusals
from tests.resolvers.promised import done, line, sent
from tests.resolvers.test_availability_explain import ASK as EXPLAIN
from tests.resolvers.test_availability_explain import term
from tests.resolvers.test_availability_stream import following, told
from tests.resolvers.test_statement_counts import statements

KIT, CRATE = "KIT-01", "CRATE-01"
UPSERT = """mutation ($sku: String!, $components: [BundleComponentInput!]!) {
  bundleUpsert(input: {sku: $sku, components: $components}) {
    position inventoryItem { sku isBundle components { sku quantity item { name } } levels { onHand } }
    userErrors { field message code }
  }
}"""
DISSOLVE = """mutation ($sku: String!) {
  bundleDissolve(input: {sku: $sku}) {
    position inventoryItem { sku isBundle components { sku } } userErrors { field message code }
  }
}"""
AVAILABILITY = """query ($skus: [String!]!, $channel: ID, $locations: [ID!]) {
  availability(skus: $skus, channelId: $channel, locationIds: $locations) {
    sku availableQuantity status position limitingComponent { sku availableQuantity }
    nodes { location { code } availableQuantity status } levels { sku location { code } available }
  }
}"""


def component(sku: str, quantity: int) -> Answer:
    """Return a component as it is sent."""
    return {"sku": sku, "quantity": quantity}


async def upserted(desk: Desk, sku: str, *components: Answer) -> Answer:
    """Send a bundleUpsert and return its payload."""
    payload: Answer = (await desk.ask(UPSERT, sku=sku, components=list(components)))["bundleUpsert"]
    return payload


async def with_kit(desk: Desk) -> None:
    """Given a kit of 2 mugs and a cup: 10 mugs and 7 cups at EAST make 5, 4 mugs at WEST make none."""
    await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": KIT, "name": "Tea for two"})
    payload = await upserted(desk, KIT, component(MUG, 2), component(CUP, 1))
    assert payload["userErrors"] == []


async def available(desk: Desk, sku: str = KIT, **variables: object) -> Answer:
    """Return what may be sold of one item."""
    ((answer),) = (await desk.ask(AVAILABILITY, skus=[sku], **variables))["availability"]
    found: Answer = answer
    return found


def seated(desk: Desk, role: Role, scope: Scope | None = None) -> Desk:
    """Return the desk of a caller of this role."""
    principal = Principal(account="acme", name="acme", role=role)
    return replace(desk, principal=principal if scope is None else replace(principal, scope=scope))


class TestMutations:
    async def test_an_item_is_made_a_bundle(self, desk: Desk) -> None:
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": KIT})
        payload = await upserted(desk, KIT, component(MUG, 2), component(CUP, 1))
        assert payload == {
            "position": await desk.position(),
            "inventoryItem": {
                "sku": KIT,
                "isBundle": True,
                "components": [
                    {"sku": MUG, "quantity": 2, "item": {"name": "Red mug"}},
                    {"sku": CUP, "quantity": 1, "item": {"name": "Tea cup"}},
                ],
                "levels": [],
            },
            "userErrors": [],
        }
        again = await upserted(desk, KIT, component(MUG, 2), component(CUP, 1))
        assert again == payload

    async def test_a_bundle_is_dissolved(self, desk: Desk) -> None:
        await with_kit(desk)
        payload = (await desk.ask(DISSOLVE, sku=KIT))["bundleDissolve"]
        assert payload["inventoryItem"] == {"sku": KIT, "isBundle": False, "components": []}
        stocked = await desk.count(
            "userErrors { code }", sku=KIT, quantities=[counted(EAST, 3)], idempotencyKey="kits of their own"
        )
        assert stocked["userErrors"] == []
        assert (await available(desk))["availableQuantity"] == 3

    async def test_refusals_say_where(self, desk: Desk) -> None:
        await with_kit(desk)
        before = await desk.position()
        for sku, components, expected in (
            (KIT, [component("NONE", 1)], [("ITEM_NOT_FOUND", "input.components.0.sku")]),
            (KIT, [component(MUG, 0)], [("INVALID_QUANTITY", "input.components.0.quantity")]),
            (KIT, [component(MUG, 1), component(KIT, 1)], [("BUNDLE_CYCLE", "input.components.1.sku")]),
            (KIT, [], [("INVALID_INPUT", "input.components")]),
            (MUG, [component(JAR, 1)], [("BUNDLE_IN_USE", "input.sku")]),
        ):
            payload = await upserted(desk, sku, *components)
            assert (payload["inventoryItem"], refusals(payload)) == (None, expected)
        payload = (await desk.ask(DISSOLVE, sku="NONE"))["bundleDissolve"]
        assert (payload["inventoryItem"], refusals(payload)) == (None, [("ITEM_NOT_FOUND", "input.sku")])
        payload = await desk.adjust(
            "userErrors { field message code }", sku=KIT, adjustments=[delta(EAST, 1)], idempotencyKey="no"
        )
        assert refusals(payload) == [("NON_MUTABLE_BUNDLE", "input.sku")]
        assert await desk.position() == before

    async def test_only_who_may_change_the_catalogue_makes_bundles(self, desk: Desk) -> None:
        partner = seated(desk, Role.PARTNER)
        assert refusals(await upserted(partner, JAR, component(MUG, 1))) == [("FORBIDDEN", "input")]
        assert refusals((await partner.ask(DISSOLVE, sku=JAR))["bundleDissolve"]) == [("FORBIDDEN", "input")]


class TestAvailability:
    async def test_it_is_what_the_components_make_where_they_lie(self, desk: Desk) -> None:
        await with_kit(desk)
        answers = [await available(desk, channel=channel) for channel in (None, WEB, TILL)]
        assert [(one["availableQuantity"], one["status"]) for one in answers] == [(5, "IN_STOCK")] * 3
        answer = answers[-1]
        nodes = [(one["location"]["code"], one["availableQuantity"]) for one in answer["nodes"]]
        assert nodes == [(EAST, 5), (WEST, 0)]
        assert [(one["sku"], one["location"]["code"], one["available"]) for one in answer["levels"]] == [
            (CUP, EAST, 7),
            (MUG, EAST, 10),
            (MUG, WEST, 4),
        ]
        assert answer["limitingComponent"] == {"sku": CUP, "availableQuantity": 7}
        assert (await available(desk, locations=[EAST]))["limitingComponent"] == {"sku": MUG, "availableQuantity": 10}
        nothing = await available(desk, locations=[WEST])
        assert (nothing["availableQuantity"], nothing["status"]) == (0, "OUT_OF_STOCK")
        assert nothing["limitingComponent"] == {"sku": CUP, "availableQuantity": 0}

    async def test_a_bundle_of_bundles_is_what_its_leaves_make(self, desk: Desk) -> None:
        await with_kit(desk)
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": CRATE})
        assert (await upserted(desk, CRATE, component(KIT, 2), component(CUP, 1)))["userErrors"] == []
        answer = await available(desk, CRATE)
        assert (answer["availableQuantity"], answer["limitingComponent"]) == (2, {"sku": CUP, "availableQuantity": 7})

    async def test_ordinary_items_have_no_components(self, desk: Desk) -> None:
        await with_kit(desk)
        answer = await available(desk, MUG)
        assert (answer["availableQuantity"], answer["limitingComponent"]) == (14, None)
        document = "query ($sku: String!) { inventoryItem(sku: $sku) { isBundle components { sku } } }"
        assert (await desk.ask(document, sku=MUG))["inventoryItem"] == {"isBundle": False, "components": []}

    async def test_the_item_sums_up_what_can_be_made(self, desk: Desk) -> None:
        await with_kit(desk)
        document = """query ($sku: String!) {
          inventoryItem(sku: $sku) { totalAvailableQuantity position levels { onHand } }
        }"""
        item = (await desk.ask(document, sku=KIT))["inventoryItem"]
        assert item == {"totalAvailableQuantity": 5, "position": await desk.position(), "levels": []}

    async def test_who_sees_no_stock_is_not_told_what_is_short(self, desk: Desk) -> None:
        await with_kit(desk)
        answer = await available(seated(desk, Role.STOREFRONT))
        assert (answer["availableQuantity"], answer["limitingComponent"], answer["levels"]) == (5, None, [])

    async def test_who_sees_some_locations_counts_what_lies_there(self, desk: Desk) -> None:
        await with_kit(desk)
        partner = seated(desk, Role.PARTNER, Scope(locations=frozenset({WEST})))
        answer = await available(partner)
        assert (answer["availableQuantity"], [one["location"]["code"] for one in answer["nodes"]]) == (0, [WEST])


class TestExplanations:
    async def test_locations_are_what_can_be_made_there(self, desk: Desk) -> None:
        await with_kit(desk)
        explained = (await desk.ask(EXPLAIN, sku=KIT, channelId=TILL))["availabilityExplain"]
        places = (term("LOCATION", 5, at=EAST), term("LOCATION", 0, at=WEST))
        assert explained["term"] == term("CHANNEL_AVAILABILITY", 5, *places, limits=True)
        assert explained["availableQuantity"] == 5


class TestPromises:
    async def test_holds_show_the_parts_of_their_day(self, desk: Desk) -> None:
        await with_kit(desk)
        made = await done(desk, "reservationCreate", lines=[line(KIT, 2)], channelId=WEB)
        assert {one["sku"]: one["reserved"] for one in made["levels"]} == {CUP: 2, MUG: 4}
        await upserted(desk, KIT, component(CUP, 1))
        document = """query ($id: ID!) {
          reservation(id: $id) {
            lines { sku holds { sku quantity locationCode parts { sku quantity item { name } } } }
          }
        }"""
        found = (await desk.ask(document, id=made["reservation"]["reservationId"]))["reservation"]
        parts = [
            {"sku": MUG, "quantity": 2, "item": {"name": "Red mug"}},
            {"sku": CUP, "quantity": 1, "item": {"name": "Tea cup"}},
        ]
        hold = {"sku": KIT, "quantity": 2, "locationCode": EAST, "parts": parts}
        assert found["lines"] == [{"sku": KIT, "holds": [hold]}]
        assert (await available(desk))["availableQuantity"] == 5
        assert (await available(desk, MUG, channel=WEB))["availableQuantity"] == 6

    async def test_who_is_late_is_told_which_component_is_short(self, desk: Desk) -> None:
        await with_kit(desk)
        await done(desk, "reservationCreate", lines=[line(MUG, 9, EAST)])
        payload = await sent(desk, "reservationCreate", lines=[line(KIT, 1)], channelId=WEB)
        assert refusals(payload) == [("INSUFFICIENT_STOCK", "input.lines.0.quantity")]
        assert f"its component {MUG} is short (1 left, 2 a unit)" in payload["userErrors"][0]["message"]


class TestStream:
    async def test_a_bundle_is_told_when_a_component_changes(self, desk: Desk) -> None:
        await with_kit(desk)
        async with following(desk, skus=[KIT], channel=WEB, after=await desk.position()) as stream:
            await desk.adjust("replayed", sku=CUP, adjustments=[delta(EAST, -5)], idempotencyKey="cups sold")
            change = await told(stream)
            assert (change["sku"], change["availableQuantity"]) == (KIT, 2)
            assert change["position"] == await desk.position()
            # The last mugs that no kit needs are no news of the kit.
            await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey="a mug sold")
            await done(desk, "reservationCreate", lines=[line(KIT, 1)], channelId=WEB)
            change = await told(stream)
            assert (change["availableQuantity"], change["previousQuantity"]) == (1, 2)

    async def test_it_is_told_beside_its_component_to_who_follows_all(self, desk: Desk) -> None:
        await with_kit(desk)
        async with following(desk, after=await desk.position()) as stream:
            await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, -9)], idempotencyKey="mugs sold")
            changes = [await told(stream), await told(stream)]
        assert [(one["sku"], one["availableQuantity"]) for one in changes] == [(MUG, 5), (KIT, 0)]
        assert (changes[1]["position"], changes[1]["status"]) == (await desk.position(), "OUT_OF_STOCK")

    async def test_a_bundle_that_is_made_later_is_told_too(self, desk: Desk) -> None:
        """Given a subscriber from a time without bundles, when one is made and a component sold, then both are told."""
        await desk.accepted("itemUpsert", "ItemUpsertInput", {"sku": KIT})
        async with following(desk, skus=[KIT], after=await desk.position()) as stream:
            await upserted(desk, KIT, component(CUP, 1))
            assert (await told(stream))["availableQuantity"] == 7
            await desk.adjust("replayed", sku=CUP, adjustments=[delta(EAST, -1)], idempotencyKey="a cup sold")
            assert (await told(stream))["availableQuantity"] == 6
            await desk.ask(DISSOLVE, sku=KIT)
            assert (await told(stream))["availableQuantity"] == 0

    async def test_who_was_away_is_told_what_components_changed(self, desk: Desk) -> None:
        await with_kit(desk)
        before = await desk.position()
        await desk.adjust("replayed", sku=CUP, adjustments=[delta(EAST, -6)], idempotencyKey="cups sold")
        async with following(desk, skus=[KIT], after=before) as stream:
            change = await told(stream)
            assert (change["sku"], change["availableQuantity"]) == (KIT, 1)

    async def test_a_location_that_serves_no_more_takes_bundles_away(self, desk: Desk) -> None:
        await with_kit(desk)
        async with following(desk, channel=WEB, after=await desk.position()) as stream:
            await desk.accepted("locationUpsert", "LocationUpsertInput", {"code": EAST, "channelIds": [TILL]})
            changes: list[Any] = [await told(stream) for _ in range(3)]
        assert {one["sku"]: one["availableQuantity"] for one in changes} == {MUG: 0, CUP: 0, KIT: 0}

    async def test_a_new_place_makes_more(self, desk: Desk) -> None:
        await with_kit(desk)
        async with following(desk, skus=[KIT], after=await desk.position()) as stream:
            for sku, quantity in ((MUG, 6), (CUP, 2)):
                await desk.count(
                    "replayed", sku=sku, quantities=[counted(FAR, quantity)], idempotencyKey=f"{sku} at the far place"
                )
            change = await told(stream)
            while change["availableQuantity"] == 5:
                change = await told(stream)
            assert change["availableQuantity"] == 7

    async def test_without_bundles_one_question_is_asked_once(self, desk: Desk) -> None:
        async with statements(desk) as seen, following(desk, skus=[MUG], after=await desk.position()) as stream:
            for number in range(3):
                await desk.adjust("replayed", sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey=f"sold {number}")
                await told(stream)
        assert sum("bundle_parts" in text for text in seen) == 2  # one before and one behind what is caught up with

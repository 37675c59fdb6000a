"""Which reads go to the replica; the one rule: lists and availability, and nothing that shows what was just done."""

import asyncio

import pytest
import strawberry

from app.bench.postgres_server import QUICK, PostgresServer
from app.bootstrap import open_gateway
from app.read_replica import PAUSE_SECONDS
from app.settings import Settings
from app.storage.migrate import migrate_postgres
from domain.ports import ANY
from tests.app.postgres_store import PostgresStore
from tests.app.replica.floor import Floor, floor_on, lines_about_the_replica, listen
from tests.resolvers.desk import CUP, EAST, JAR, MUG, TILL, WEB, Desk, delta
from tests.servers.standby import StandbyServer, statements_of

LEVELS, ITEMS, LOCATIONS, CHANNELS = "stock_levels", "FROM items", "FROM locations", "FROM channels"
LEDGER = "ORDER BY movements.id DESC"
EVERYTHING_OF_AN_ITEM = """
  id sku name productCode attributes { name value } identifiers { scheme value } isBackorderable createdAt updatedAt
  archivedAt totalAvailableQuantity levels { id onHand available version updatedAt location { code channels { code } } }
  syncStatus { channelId state }
"""
QUESTIONS = {
    "availability": f"""{{ availability(skus: ["{MUG}", "nope"], channelId: "{WEB}") {{
      sku channelId availableQuantity status position
      nodes {{ location {{ code channels {{ code }} }} availableQuantity status }} levels {{ onHand }} }} }}""",
    "item": f'{{ inventoryItem(sku: "{MUG}") {{ {EVERYTHING_OF_AN_ITEM} }} }}',
    "items": f"{{ inventoryItems {{ edges {{ cursor }} nodes {{ {EVERYTHING_OF_AN_ITEM} }} }} }}",
    "items in part": f"""{{ inventoryItems(first: 1, filter: {{skus: ["{MUG}"], nameContains: "mug", productCode: "MUG",
      stockedAt: "{EAST}", skuStartsWith: "M"}}) {{ nodes {{ sku name }} pageInfo {{ hasNextPage endCursor }} }} }}""",
    "location": f'{{ location(id: "{EAST}") {{ id code name kind countryCode createdAt channels {{ code name }} }} }}',
    "locations": "{ locations { nodes { id code name kind updatedAt channels { code name } } } }",
    "channel": f'{{ channel(id: "{WEB}") {{ id code name createdAt updatedAt }} }}',
    "channels": "{ channels { nodes { id code name createdAt updatedAt } } }",
    "movements": """{ movements { nodes { sku locationCode bucket delta balanceAfter reason recordedAt
      location { code } adjustment { idempotencyKey } } } }""",
    "movements of an item": f'{{ movements(sku: "{MUG}", locationId: "{EAST}") {{ nodes {{ delta balanceAfter }} }} }}',
}
SENT = {
    "availability": LEVELS,
    "item": ITEMS,
    "items": ITEMS,
    "items in part": ITEMS,
    "location": LOCATIONS,
    "locations": LOCATIONS,
    "channel": CHANNELS,
    "channels": CHANNELS,
    "movements": LEDGER,
    "movements of an item": LEDGER,
}
"""What a statement behind the question holds."""


async def test_questions_are_answered_by_the_replica_as_the_primary_would(
    floor: Floor, primary: PostgresServer, schema: strawberry.Schema
) -> None:
    """Given a replica in use, then each question is read there and not on the primary, and the answer is the same."""
    async with open_gateway(Settings(database_url=floor.store.url)) as alone:
        expected = {name: await Desk(gateway=alone, schema=schema).ask(QUESTIONS[name]) for name in QUESTIONS}
    for name, question in QUESTIONS.items():
        there, here = statements_of(floor.standby, SENT[name]), statements_of(primary, SENT[name])
        assert await floor.desk.ask(question) == expected[name], name
        assert statements_of(floor.standby, SENT[name]) > there, name
        assert statements_of(primary, SENT[name]) == here, name
    assert floor.replica.passed_on == 0


async def test_an_answer_of_the_replica_is_one_statement(floor: Floor) -> None:
    """Given a replica in use, then a page is one statement there, and so is the availability of all items of a turn."""
    page, some = "{ channels { nodes { code } } }", '{{ availability(skus: ["{}"]) {{ availableQuantity }} }}'
    await floor.desk.ask(page)  # which opens the session
    sent = statements_of(floor.standby, "")
    await floor.desk.ask(page)
    assert statements_of(floor.standby, "") - sent == 1
    await asyncio.gather(*(floor.desk.ask(some.format(sku)) for sku in (MUG, CUP, JAR, MUG)))
    assert statements_of(floor.standby, "") - sent == 2


async def test_what_was_just_done_is_never_read_from_the_replica(floor: Floor) -> None:
    """Given a replica in use, when stock and catalogue are changed, then what the payloads show is the primary's."""
    sold = await floor.desk.adjust(
        "position inventoryItem { sku levels { onHand } totalAvailableQuantity syncStatus { channelId } } "
        "levels { location { code channels { code } } } adjustment { movements { location { code } } }",
        sku=MUG,
        adjustments=[delta(EAST, -1)],
        idempotencyKey="sale",
    )
    await floor.desk.accepted("channelUpsert", "ChannelUpsertInput", {"code": TILL, "name": "Tills"})
    assert sold["inventoryItem"]["totalAvailableQuantity"] == 13
    assert (floor.replica.answered, floor.replica.passed_on) == (0, 0)


async def test_lookups_of_writes_and_accounts_are_never_read_from_the_replica(floor: Floor) -> None:
    """Given a replica in use, then adjustments, accounts, keys and events are asked of the primary alone."""
    adjustment = await floor.desk.ask(f'{{ adjustment(idempotencyKey: "{MUG}") {{ id sku }} }}')
    await floor.desk.ask("query q($id: ID!) { node(id: $id) { id } }", id=adjustment["adjustment"]["id"])
    await floor.desk.ask("{ accounts { nodes { code apiKeys { id } } } viewer { accountId } }")
    assert (floor.replica.answered, floor.replica.passed_on) == (0, 0)
    tables = ("idempotency_keys", "accounts", "api_keys", "events")
    assert [one for one in tables if statements_of(floor.standby, one)] == []


async def test_the_command_line_and_files_ask_the_primary(floor: Floor) -> None:
    """Given a replica in use, then whoever does not say that an answer may lag is answered by the primary."""
    reads = floor.desk.gateway.services.reads
    assert [one is not None for one in await reads.items([MUG])] == [True]
    assert floor.replica.answered == 0
    assert [one is not None for one in await reads.items([MUG], at_least=ANY)] == [True]
    assert floor.replica.answered == 1


async def test_another_database_is_never_used(
    store: PostgresStore, standby: StandbyServer, schema: strawberry.Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a read URL that names another database, then nothing is read there, and the log says why, once."""
    listen(caplog)
    with PostgresServer(settings=QUICK) as other:
        other.execute(f"CREATE DATABASE {store.name}")
        await migrate_postgres(other.url(store.name))
        for url in (other.url(store.name), standby.url("postgres")):
            caplog.clear()
            async with floor_on(store, standby, schema, read_database_url=url) as floor:
                await floor.until_used(is_used=False)
                await asyncio.sleep(1.2 * PAUSE_SECONDS)
                assert await floor.position_seen() > 0
                assert (floor.replica.is_used, floor.replica.answered) == (False, 0)
            name = url.replace("+asyncpg", "").replace("postgres@", "")
            assert lines_about_the_replica(caplog) == [
                (
                    "WARNING",
                    f"the read replica {name} is not used for now: it is no replica of the primary, but another "
                    "database (it had answered 0 reads; the primary was asked for 0)",
                )
            ]

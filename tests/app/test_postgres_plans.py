"""How PostgreSQL finds rows for a writer; the one rule: by their keys, whatever the tables' sizes were at planning."""

import asyncio
import re
from typing import Final

import asyncpg
import pytest

from app.storage import accounts, bundles, catalogue, events, ledger, postings, promises, stock
from app.storage.postgres import PostgresDialect
from app.storage.postgres_database import PostgresOptions
from app.storage.statements import Statement
from tests.app.postgres_store import PostgresDatabases, PostgresStore
from tests.servers.postgres_server import TestServer

WRITERS: Final[tuple[tuple[Statement, ...], ...]] = (
    (
        catalogue.items_by_sku,
        catalogue.locations_by_code,
        catalogue.channels_by_code,
        catalogue.channel_codes_by_location,
    ),
    (
        promises.levels_of_reservations,
        promises.channels_of_reservations,
        promises.levels_of_orders,
        promises.levels_sourced,
    ),
    (promises.lapsed_on_levels,),
    (promises.reservations_by_id, promises.allocations_by_order, promises.pools_by_sku),
    (promises.add_allocations, promises.change_allocations),
    (
        promises.put_reservations,
        promises.add_shipments,
        promises.put_holds,
        promises.forget_holds,
        events.advance_head,
        postings.add_postings,
    ),
    (stock.begin_levels,),
    (stock.levels_for_update,),
    (
        events.clock_and_head,
        ledger.keys_used,
        stock.level_counts_by_sku,
        stock.level_counts_by_location,
        bundles.bundle_uses_by_sku,
        catalogue.listings_by_key,
        accounts.api_keys_by_id,
    ),
    (accounts.accounts_by_code,),
    (
        stock.put_levels,
        ledger.add_movements,
        ledger.add_keys,
        events.advance_head,
        ledger.add_adjustments,
        events.append_events,
    ),
    (stock.forget_levels,),
    (stock.close_conflicts,),
    (stock.open_conflicts,),
    (catalogue.put_items,),
    (bundles.forget_parts,),
    (bundles.put_parts,),
    (catalogue.put_listings,),
    (catalogue.forget_channels_served,),
    (catalogue.put_channels_served,),
    (ledger.adjustments_by_id, ledger.movements_by_adjustment),
)
SMALL: Final = frozenset(
    {"feed_head", "locations", "channels", "location_channels", "accounts", "api_keys", "conflicts"}
)
"""Tables that may be read whole while they are as small as here."""
ITEMS: Final = 3000
GROWTH: Final = (
    "INSERT INTO channels (code, created_at, updated_at) SELECT 'C-' || n, 0, 0 FROM generate_series(1, 3) n",
    "INSERT INTO locations (code, kind, created_at, updated_at) "
    "SELECT 'L-' || n, 'WAREHOUSE', 0, 0 FROM generate_series(1, 3) n",
    "INSERT INTO items (sku, attributes, identifiers, is_backorderable, created_at, updated_at) "
    f"SELECT 'G-' || n, '[]', '[]', false, 0, 0 FROM generate_series(1, {ITEMS}) n",
    "INSERT INTO listings (item_id, channel_id, buffer, minimum_exposure, pool, updated_at) "
    "SELECT i.id, c.id, 0, 0, 0, 0 FROM items i, channels c",
    "INSERT INTO stock_levels SELECT i.id, l.id, 0, 0, 0, 0, 0, 0, 0, 0, 0, true, 1, null, 0 FROM items i, locations l",
    "INSERT INTO movements (adjustment_id, item_id, location_id, bucket, delta, balance_after, recorded_at) "
    "SELECT 'a' || s.item_id, s.item_id, s.location_id, 'ON_HAND', 1, 1, 0 FROM stock_levels s",
    "INSERT INTO adjustments SELECT 'a' || i.id, 0, 'acme', 'g' || i.id, i.id, 'OTHER', null, null, null, 0, 0, '' "
    "FROM items i",
    "INSERT INTO reservations SELECT 'r' || i.id, 'acme', 'C-1', null, 'ACTIVE', null, '{}', 0, i.id, 0, 1 "
    "FROM items i",
    "INSERT INTO allocations SELECT 'o' || i.id, '', 'o' || i.id, 'acme', 'OPEN', '{}', 0, 0, 1 FROM items i",
    "INSERT INTO holds SELECT 'r' || s.item_id, s.item_id, s.location_id, 'RESERVATION', 1 FROM stock_levels s",
    "INSERT INTO holds SELECT 'o' || s.item_id, s.item_id, s.location_id, 'ALLOCATION', 1 FROM stock_levels s",
    "INSERT INTO idempotency_keys SELECT 'acme', 'g' || i.id, '', 'a' || i.id, 0 FROM items i",
)
SCAN: Final = re.compile(r"(?P<kind>Seq|Index|Index Only|Bitmap Heap) Scan(?: using \S+)? on (?P<table>\w+)")


@pytest.fixture(scope="module")
def grown(postgres_server: TestServer) -> PostgresStore:
    """A database that holds some thousand rows of everything, which nobody has counted yet."""
    store = PostgresDatabases(postgres_server).new_store()
    assert isinstance(store, PostgresStore)

    async def grow() -> None:
        for statement in GROWTH:
            await store.change(statement)

    asyncio.run(grow())
    return store


@pytest.mark.parametrize("step", WRITERS, ids=lambda step: "+".join(one.name for one in step))
async def test_a_writer_finds_rows_by_their_keys(grown: PostgresStore, step: tuple[Statement, ...]) -> None:
    options = PostgresOptions(lock_timeout_ms=2000, read_deadline_ms=5000, read_connections=1)
    settings = options.writing.server_settings()
    connection = await asyncpg.connect(grown.server.dsn(grown.name), server_settings=settings)
    try:
        compiled = PostgresDialect().compile(*step)
        await connection.execute(f"PREPARE step AS {compiled.text}")
        nothing = ", ".join(["NULL"] * len(compiled.names))
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE step({nothing})")
    finally:
        await connection.close()
    assert list(_scans_without_key([row[0] for row in rows])) == []


def _scans_without_key(plan: list[str]) -> list[str]:
    """Return the lines of a plan that go through a whole table."""
    found = []
    for number, line in enumerate(plan):
        scan = SCAN.search(line)
        if scan is None or scan["table"] in SMALL:
            continue
        depth = len(line) - len(line.lstrip(" ->"))
        details = []
        for below in plan[number + 1 :]:
            if len(below) - len(below.lstrip(" ->")) <= depth or "->" in below[: depth + 4]:
                break
            details.append(below)
        if scan["kind"] == "Seq" or not any("Cond:" in one for one in details):
            found.append(line.strip())
    return found


def test_a_scan_of_a_whole_table_is_noticed() -> None:
    assert _scans_without_key(["Seq Scan on items", "  Filter: (x)"]) == ["Seq Scan on items"]
    assert _scans_without_key(["Index Scan using a on items", "  Filter: (x)"]) == ["Index Scan using a on items"]
    assert _scans_without_key(["Index Scan using a on items", "  Index Cond: (x)"]) == []

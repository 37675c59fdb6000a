"""How PostgreSQL finds rows for a writer; the one rule: by their keys, whatever the tables' sizes were at planning."""

import re
from typing import Final

import asyncpg
import pytest

from app.storage import accounts, catalogue, events, ledger, stock
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
    (stock.begin_levels,),
    (stock.levels_for_update,),
    (
        events.clock_and_head,
        ledger.keys_used,
        stock.level_counts_by_sku,
        stock.level_counts_by_location,
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
    (catalogue.put_listings,),
    (catalogue.forget_channels_served,),
    (catalogue.put_channels_served,),
    (ledger.adjustments_by_id, ledger.movements_by_adjustment),
)
SMALL: Final = frozenset({"feed_head"})
"""Tables of one row."""
SCAN: Final = re.compile(r"(?P<kind>Seq|Index|Index Only|Bitmap Heap) Scan(?: using \S+)? on (?P<table>\w+)")


@pytest.fixture(scope="module")
def empty(postgres_server: TestServer) -> PostgresStore:
    """A database that holds nothing, as it is when a new gateway plans its statements."""
    store = PostgresDatabases(postgres_server).new_store()
    assert isinstance(store, PostgresStore)
    return store


@pytest.mark.parametrize("step", WRITERS, ids=lambda step: "+".join(one.name for one in step))
async def test_a_writer_finds_rows_by_their_keys(empty: PostgresStore, step: tuple[Statement, ...]) -> None:
    options = PostgresOptions(lock_timeout_ms=2000, read_deadline_ms=5000, read_connections=1)
    settings = options.writing.server_settings()
    connection = await asyncpg.connect(empty.server.dsn(empty.name), server_settings=settings)
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

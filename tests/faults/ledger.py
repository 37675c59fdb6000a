"""What a gateway's database holds, read past the gateway; the rule: orphans are kept, not joined away."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

READ_SECONDS_MAX: Final = 60.0
COUNTERS: Final = (
    "ON_HAND",
    "RESERVED",
    "ALLOCATED",
    "QUARANTINED",
    "DAMAGED",
    "SAFETY_STOCK",
    "INCOMING",
    "IN_TRANSIT",
    "BACKORDERED",
)
# Each account has its own name space of keys; what callers sent who need no key belongs to the account `local`.
FULL_KEY: Final = "CASE account_id WHEN 'local' THEN {key} ELSE account_id || ':' || {key} END"
QUERIES: Final = {
    "keys": f"SELECT {FULL_KEY.format(key='key')} FROM idempotency_keys",
    "groups": f"""
        SELECT id, {FULL_KEY.format(key="idempotency_key")}, position FROM adjustments ORDER BY position, id
        """,
    "rows": """
        SELECT m.adjustment_id, i.sku, l.code, m.bucket, m.delta, m.balance_after
        FROM movements m LEFT JOIN items i ON i.id = m.item_id LEFT JOIN locations l ON l.id = m.location_id
        ORDER BY m.id
        """,
    "levels": f"""
        SELECT i.sku, l.code, {", ".join(f"s.{counter.lower()}" for counter in COUNTERS)}
        FROM stock_levels s LEFT JOIN items i ON i.id = s.item_id LEFT JOIN locations l ON l.id = s.location_id
        """,
    "positions": "SELECT position FROM events ORDER BY position",
    "head": "SELECT position FROM feed_head",
}
"""The same on every database."""

CounterKey = tuple[str, str, str]
"""(sku, location code, counter)"""
Found = Mapping[str, Sequence[tuple[Any, ...]]]
"""The rows of each query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The ledger group of one command: its adjustment's row."""

    adjustment_id: str
    key: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One movement, in base units."""

    adjustment_id: str
    counter: CounterKey
    delta: int
    balance_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that the auditor judges. `rows` are in the order in which they were written."""

    stored_keys: Sequence[str]
    groups: Sequence[Group]
    rows: Sequence[LedgerRow]
    balances: Mapping[CounterKey, int]
    positions: Sequence[int]
    head: int

    @property
    def on_hand(self) -> dict[tuple[str, str], int]:
        """What is on hand, by SKU and location."""
        return {(sku, code): balance for (sku, code, name), balance in self.balances.items() if name == "ON_HAND"}


def read_sqlite(path: Path) -> Ledger:
    """Read a SQLite database on one snapshot; a gateway may be running on it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        return _ledger({name: connection.execute(sql).fetchall() for name, sql in QUERIES.items()})


async def read_postgres(url: str) -> Ledger:
    """Read a PostgreSQL database on one snapshot; gateways may be running on it."""
    connection = await asyncpg.connect(url, timeout=READ_SECONDS_MAX, command_timeout=READ_SECONDS_MAX)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return _ledger({name: [tuple(row) for row in await connection.fetch(sql)] for name, sql in QUERIES.items()})
    finally:
        await connection.close()


def _ledger(found: Found) -> Ledger:
    return Ledger(
        stored_keys=[key for (key,) in found["keys"]],
        groups=[Group(adjustment_id=name, key=key, position=position) for name, key, position in found["groups"]],
        rows=[
            LedgerRow(adjustment_id=name, counter=(sku, code, bucket), delta=delta, balance_after=balance)
            for name, sku, code, bucket, delta, balance in found["rows"]
        ],
        balances={
            (sku, code, counter): balance
            for sku, code, *balances in found["levels"]
            for counter, balance in zip(COUNTERS, balances, strict=True)
        },
        positions=[at for (at,) in found["positions"]],
        head=found["head"][0][0],
    )

"""What a gateway's database holds, read past the gateway; the rule: orphans are kept, not joined away."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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

CounterKey = tuple[str, str, str]
"""(sku, location code, counter)"""


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


def read_sqlite(path: Path) -> Ledger:
    """Read a SQLite database on one snapshot; a gateway may be running on it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        return Ledger(
            stored_keys=[key for (key,) in connection.execute("SELECT key FROM idempotency_keys")],
            groups=_groups(connection),
            rows=_rows(connection),
            balances=_balances(connection),
            positions=[at for (at,) in connection.execute("SELECT position FROM events ORDER BY position")],
            head=connection.execute("SELECT position FROM feed_head").fetchone()[0],
        )


def _groups(connection: sqlite3.Connection) -> list[Group]:
    found = connection.execute("SELECT id, idempotency_key, position FROM adjustments ORDER BY position, id")
    return [Group(adjustment_id=name, key=key, position=position) for name, key, position in found]


def _rows(connection: sqlite3.Connection) -> list[LedgerRow]:
    found = connection.execute(
        """
        SELECT m.adjustment_id, i.sku, l.code, m.bucket, m.delta, m.balance_after
        FROM movements m LEFT JOIN items i ON i.id = m.item_id LEFT JOIN locations l ON l.id = m.location_id
        ORDER BY m.id
        """
    )
    return [
        LedgerRow(adjustment_id=name, counter=(sku, code, bucket), delta=delta, balance_after=balance)
        for name, sku, code, bucket, delta, balance in found
    ]


def _balances(connection: sqlite3.Connection) -> dict[CounterKey, int]:
    columns = ", ".join(f"s.{counter.lower()}" for counter in COUNTERS)
    found = connection.execute(
        f"SELECT i.sku, l.code, {columns} FROM stock_levels s "
        "LEFT JOIN items i ON i.id = s.item_id LEFT JOIN locations l ON l.id = s.location_id"
    )
    return {
        (sku, code, counter): balance
        for sku, code, *balances in found
        for counter, balance in zip(COUNTERS, balances, strict=True)
    }

"""The auditor bites: each damage done to a ledger file, past all fences, is reported; a whole file passes."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from app.storage.tables import metadata
from tests.faults.auditor import AuditReport, Rule, audit
from tests.faults.journal import Attempt, Journal, Operation, Outcome, Request, read_attempts
from tests.faults.ledger import read_sqlite

FIRST = Request(key="key-1", operation=Operation.ADJUST, sku="MUG", amounts={"EAST": 7, "WEST": 9})
SECOND = Request(key="key-2", operation=Operation.ADJUST, sku="MUG", amounts={"EAST": -2, "WEST": -3})
UNANSWERED = Request(key="key-3", operation=Operation.ADJUST, sku="MUG", amounts={"EAST": 1, "WEST": 1})
REFUSED = Request(key="key-4", operation=Operation.ADJUST, sku="MUG", amounts={"EAST": -99, "WEST": -1})
COUNT = Request(key="key-5", operation=Operation.SET, sku="MUG", amounts={"EAST": 50, "WEST": 6})

WHOLE = """
INSERT INTO items (id, sku, attributes, identifiers, is_backorderable, created_at, updated_at)
    VALUES (1, 'MUG', '[]', '[]', 0, 0, 0);
INSERT INTO locations (id, code, kind, created_at, updated_at)
    VALUES (1, 'EAST', 'WAREHOUSE', 0, 0), (2, 'WEST', 'WAREHOUSE', 0, 0);
INSERT INTO stock_levels
    VALUES (1, 1, 50, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, NULL, 0),
           (1, 2, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, NULL, 0);
INSERT INTO adjustments
    (id, position, account_id, idempotency_key, item_id, reason, occurred_at, recorded_at, recorded_by)
    VALUES ('a1', 1, 'local', 'key-1', 1, 'RECEIPT', 0, 0, 'me'),
           ('a2', 2, 'local', 'key-2', 1, 'SALE', 0, 0, 'me'),
           ('a5', 3, 'local', 'key-5', 1, 'CYCLE_COUNT', 0, 0, 'me');
INSERT INTO movements (adjustment_id, item_id, location_id, bucket, delta, balance_after, recorded_at)
    VALUES ('a1', 1, 1, 'ON_HAND', 7, 7, 0), ('a1', 1, 2, 'ON_HAND', 9, 9, 0),
           ('a2', 1, 1, 'ON_HAND', -2, 5, 0), ('a2', 1, 2, 'ON_HAND', -3, 6, 0),
           ('a5', 1, 1, 'ON_HAND', 45, 50, 0);
INSERT INTO idempotency_keys (account_id, key, fingerprint, adjustment_id, recorded_at)
    VALUES ('local', 'key-1', 'f', 'a1', 0), ('local', 'key-2', 'f', 'a2', 0), ('local', 'key-5', 'f', 'a5', 0);
INSERT INTO events (position, type, schema_version, data, recorded_at)
    VALUES (1, 'Adjusted', 1, '{}', 0), (2, 'Adjusted', 1, '{}', 0), (3, 'Adjusted', 1, '{}', 0);
INSERT INTO feed_head (id, position) VALUES (1, 3);
"""


def answer(position: str, key: str, *movements: tuple[str, int, int]) -> dict[str, object]:
    """Return an adjustment as the gateway answers it."""
    told = [
        {"location": {"code": code}, "bucket": "ON_HAND", "delta": delta, "balanceAfter": balance}
        for code, delta, balance in movements
    ]
    return {"position": position, "idempotencyKey": key, "movements": told}


FIRST_ANSWER = answer("1", "key-1", ("EAST", 7, 7), ("WEST", 9, 9))
SECOND_ANSWER = answer("2", "key-2", ("EAST", -2, 5), ("WEST", -3, 6))
COUNT_ANSWER = answer("3", "key-5", ("EAST", 45, 50))


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    """Make a small whole ledger with the product's own tables."""
    path = tmp_path / "ledger.sqlite3"
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    execute(path, WHOLE)
    return path


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    """Make the journal of the clients that wrote that ledger: the second key was sent twice at once."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.accepted(journal.sent(FIRST), adjustment=FIRST_ANSWER, replayed=False)
        twins = journal.sent(SECOND), journal.sent(SECOND)
        journal.sent(UNANSWERED)
        journal.accepted(twins[1], adjustment=SECOND_ANSWER, replayed=True)
        journal.accepted(twins[0], adjustment=SECOND_ANSWER, replayed=False)
        journal.refused(journal.sent(REFUSED), codes=("INSUFFICIENT_STOCK",))
        journal.accepted(journal.sent(COUNT), adjustment=COUNT_ANSWER, replayed=False)
    return path


def execute(path: Path, script: str) -> None:
    """Run SQL on the ledger's file, past every fence."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def judged(ledger_path: Path, journal_path: Path) -> AuditReport:
    """Audit the two files."""
    return audit(read_sqlite(ledger_path), read_attempts(journal_path))


def test_a_whole_ledger_has_no_findings_and_everything_is_counted(ledger_path: Path, journal_path: Path) -> None:
    report = judged(ledger_path, journal_path)
    assert report == AuditReport(
        findings=(),
        keys_acknowledged=3,
        keys_refused=1,
        keys_unanswered=1,
        attempts=6,
        attempts_unanswered=1,
        replays=1,
        groups=3,
        movements=5,
        levels=2,
        events=3,
    )


def test_a_journal_cut_off_by_the_end_of_its_writer_is_still_read(journal_path: Path) -> None:
    whole = read_attempts(journal_path)
    with journal_path.open("ab") as file:
        file.write(json.dumps({"number": 9}).encode()[:-3])
    assert read_attempts(journal_path) == whole


def test_attempts_come_back_as_they_were_written(journal_path: Path) -> None:
    first, *_, count = read_attempts(journal_path)
    assert first == Attempt(number=1, request=FIRST, outcome=Outcome.ACCEPTED, adjustment=FIRST_ANSWER, replayed=False)
    assert count == Attempt(number=6, request=COUNT, outcome=Outcome.ACCEPTED, adjustment=COUNT_ANSWER, replayed=False)


SQL_DAMAGES = {
    "a doubled ledger group": (
        "INSERT INTO adjustments"
        " SELECT 'a9', 4, account_id, idempotency_key, item_id, reason, NULL, NULL, NULL, 0, 0, 'me'"
        " FROM adjustments WHERE id = 'a2';"
        "INSERT INTO movements"
        " (adjustment_id, item_id, location_id, bucket, delta, balance_after, recorded_at)"
        " VALUES ('a9', 1, 1, 'ON_HAND', -2, 48, 0), ('a9', 1, 2, 'ON_HAND', -3, 3, 0);"
        "UPDATE stock_levels SET on_hand = on_hand - 1 - location_id;"
        "INSERT INTO events VALUES (4, 'Adjusted', 1, NULL, '{}', 0); UPDATE feed_head SET position = 4;",
        {Rule.ACKNOWLEDGED_ONCE},
    ),
    "a lost acknowledged key, with all its traces": (
        "DELETE FROM adjustments WHERE id = 'a5'; DELETE FROM movements WHERE adjustment_id = 'a5';"
        "DELETE FROM idempotency_keys WHERE key = 'key-5'; DELETE FROM events WHERE position = 3;"
        "UPDATE feed_head SET position = 2; UPDATE stock_levels SET on_hand = 5 WHERE location_id = 1;",
        {Rule.ACKNOWLEDGED_ONCE, Rule.ANSWER_IN_LEDGER},
    ),
    "a level that differs from its ledger": (
        "UPDATE stock_levels SET on_hand = 51 WHERE location_id = 1;",
        {Rule.LEVEL_IS_LEDGER_SUM},
    ),
    "a level that is gone": ("DELETE FROM stock_levels WHERE location_id = 2;", {Rule.LEVEL_IS_LEDGER_SUM}),
    "a counter that no ledger explains": (
        "UPDATE stock_levels SET reserved = 1 WHERE location_id = 1;",
        {Rule.LEVEL_IS_LEDGER_SUM},
    ),
    "a gap in positions": ("DELETE FROM events WHERE position = 2;", {Rule.POSITIONS_DENSE}),
    "a head behind its events": ("UPDATE feed_head SET position = 2;", {Rule.POSITIONS_DENSE}),
    "a movement whose balance does not follow": (
        "UPDATE movements SET balance_after = 6 WHERE adjustment_id = 'a2' AND location_id = 1;",
        {Rule.BALANCES_FOLLOW, Rule.ANSWER_IN_LEDGER},
    ),
    "half a group": (
        "DELETE FROM movements WHERE adjustment_id = 'a2' AND location_id = 2;"
        "UPDATE stock_levels SET on_hand = 9 WHERE location_id = 2;",
        {Rule.EFFECT_AS_REQUESTED, Rule.ANSWER_IN_LEDGER},
    ),
    "movements without their adjustment": (
        "INSERT INTO movements"
        " (adjustment_id, item_id, location_id, bucket, delta, balance_after, recorded_at)"
        " VALUES ('a9', 1, 1, 'ON_HAND', 1, 51, 0);"
        "UPDATE stock_levels SET on_hand = 51 WHERE location_id = 1;",
        {Rule.NOTHING_UNKNOWN},
    ),
    "a key that was not stored with its group": (
        "DELETE FROM idempotency_keys WHERE key = 'key-2';",
        {Rule.NOTHING_UNKNOWN},
    ),
    "stock below zero": (
        "UPDATE movements SET delta = -8, balance_after = -1 WHERE adjustment_id = 'a2' AND location_id = 1;"
        "UPDATE movements SET delta = 51 WHERE adjustment_id = 'a5';",
        {Rule.NOTHING_NEGATIVE, Rule.EFFECT_AS_REQUESTED, Rule.ANSWER_IN_LEDGER},
    ),
}


@pytest.mark.parametrize(("script", "broken"), SQL_DAMAGES.values(), ids=SQL_DAMAGES.keys())
def test_damage_to_the_ledger_is_reported(
    ledger_path: Path, journal_path: Path, script: str, broken: set[Rule]
) -> None:
    execute(ledger_path, script)
    assert {finding.rule for finding in judged(ledger_path, journal_path).findings} == broken


def other_answer(journal: Journal) -> None:
    """Answer the first key once more, with another adjustment."""
    journal.accepted(journal.sent(FIRST), adjustment=FIRST_ANSWER | {"position": "2"}, replayed=True)


def executed_again(journal: Journal) -> None:
    """Answer the first key once more, as if it were new."""
    journal.accepted(journal.sent(FIRST), adjustment=FIRST_ANSWER, replayed=False)


def acknowledged_for_nothing(journal: Journal) -> None:
    """Acknowledge a key that the ledger never saw."""
    lost = Request(key="key-6", operation=Operation.ADJUST, sku="MUG", amounts={"EAST": 1})
    journal.accepted(journal.sent(lost), adjustment=answer("4", "key-6", ("EAST", 1, 51)), replayed=False)


JOURNAL_DAMAGES = {
    "another answer to the same key": (other_answer, {Rule.ANSWERS_IDENTICAL, Rule.ANSWER_IN_LEDGER}),
    "two answers that both claim to be the first": (executed_again, {Rule.EXECUTED_ONCE}),
    "an acknowledged key that is nowhere": (
        acknowledged_for_nothing,
        {Rule.ACKNOWLEDGED_ONCE, Rule.ANSWER_IN_LEDGER},
    ),
}


@pytest.mark.parametrize(("damage", "broken"), JOURNAL_DAMAGES.values(), ids=JOURNAL_DAMAGES.keys())
def test_answers_that_do_not_fit_are_reported(
    ledger_path: Path, journal_path: Path, damage: Callable[[Journal], None], broken: set[Rule]
) -> None:
    with Journal(journal_path, first_number=100) as journal:
        damage(journal)
    assert {finding.rule for finding in judged(ledger_path, journal_path).findings} == broken


def test_a_refused_key_with_an_effect_and_a_doubled_unanswered_key_are_reported(
    ledger_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.jsonl"
    with Journal(path) as journal:
        journal.refused(journal.sent(FIRST), codes=("INSUFFICIENT_STOCK",))
        journal.sent(SECOND)
        journal.accepted(journal.sent(COUNT), adjustment=COUNT_ANSWER, replayed=False)
    execute(ledger_path, SQL_DAMAGES["a doubled ledger group"][0])
    findings = {(finding.rule, finding.subject) for finding in judged(ledger_path, path).findings}
    assert findings == {(Rule.REFUSED_WITHOUT_TRACE, "key-1"), (Rule.OTHERS_AT_MOST_ONCE, "key-2")}

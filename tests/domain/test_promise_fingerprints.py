"""Fingerprints of commands on documents; the one rule: what is stored for ever never changes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.allocation_commands import AllocationCancel, AllocationCreate, ShipmentConfirm, ShipmentLine
from domain.claims import DocumentCommand, LineQuantity, RequestedLine
from domain.fingerprints import fingerprint
from domain.promises import FulfilmentKind, SourcingStrategy
from domain.reservation_commands import (
    LineCommit,
    LineMove,
    ReservationCommit,
    ReservationCreate,
    ReservationExpire,
    ReservationExtend,
    ReservationMove,
    ReservationRelease,
)
from domain.sourcing import Destination
from tests.domain.given import CENTRAL, COMMAND_ID, EAST, KEY, SKU, WEB

HEAD: dict[str, Any] = {"command_id": COMMAND_ID, "idempotency_key": KEY}
ASKED = (
    RequestedLine(id="1", sku=SKU, quantity=2),
    RequestedLine(id="2", sku=SKU, quantity=1, location=EAST),
)
SOME = (LineQuantity(line="1", quantity=1), LineQuantity(line="2"))
CREATE = ReservationCreate(**HEAD, lines=ASKED)
EXTEND = ReservationExtend(**HEAD, reservation="r")
RELEASE = ReservationRelease(**HEAD, reservation="r", lines=SOME)
MOVE = ReservationMove(
    **HEAD, reservation="r", moves=(LineMove(line="1", to_location=EAST), LineMove(line="2", to_location=CENTRAL))
)
COMMIT = ReservationCommit(**HEAD, reservation="r", order_id="o", lines=(LineCommit(line="1"), LineCommit(line="2")))
EXPIRE = ReservationExpire(**HEAD, reservation="r")
ALLOCATE = AllocationCreate(**HEAD, lines=ASKED, order_id="o")
CANCEL = AllocationCancel(**HEAD, order_id="o", lines=SOME)
SHIP = ShipmentConfirm(**HEAD, order_id="o", lines=(ShipmentLine(line="1", quantity=1), ShipmentLine(line="2")))
PLAIN: list[Any] = [CREATE, EXTEND, RELEASE, MOVE, COMMIT, EXPIRE, ALLOCATE, CANCEL, SHIP]
NAMES = [type(command).__name__ for command in PLAIN]
KNOWN = [
    "1:14b12c11c9992012fdd8b84b45adb1af",
    "1:a7a824220e4bfd34ab78286dc27a0c63",
    "1:25bb2574f31d28467a8d8c44dad1cf7e",
    "1:bcd0b876820267ea42c455bf0f3b67fe",
    "1:7d742b4157d20ad6cb39b2cea4b448f6",
    "1:53be43bafd8bfdfd2b0db0db6aaa3f02",
    "1:4006eee37ade72b91c9e9545d63bbc08",
    "1:f9da3e4e01bad5d5fb620a142bb82ed9",
    "1:56a881b2a60937f29ac28c46f96caf56",
]


@pytest.mark.parametrize(("command", "known"), list(zip(PLAIN, KNOWN, strict=True)), ids=NAMES)
def test_version_1_stays_as_it_was_stored(command: Any, known: str) -> None:
    assert fingerprint(command) == known


@pytest.mark.parametrize("command", PLAIN, ids=NAMES)
def test_ids_and_notes_do_not_matter(command: Any) -> None:
    noted = replace(command, command_id="0" * 32, idempotency_key="other", correlation_id="trace", dry_run=True)
    assert fingerprint(noted) == fingerprint(command)


def test_when_goods_left_does_not_matter() -> None:
    assert fingerprint(replace(SHIP, shipped_at=datetime(2026, 1, 1, tzinfo=UTC))) == fingerprint(SHIP)


@pytest.mark.parametrize(
    "command", [CREATE, RELEASE, COMMIT, ALLOCATE, CANCEL, SHIP], ids=lambda one: type(one).__name__
)
def test_the_order_of_lines_does_not_matter(command: Any) -> None:
    assert fingerprint(replace(command, lines=command.lines[::-1])) == fingerprint(command)


def test_the_order_of_moves_does_not_matter() -> None:
    assert fingerprint(replace(MOVE, moves=MOVE.moves[::-1])) == fingerprint(MOVE)


def test_an_order_line_of_the_same_id_is_as_good_as_none() -> None:
    named = replace(COMMIT, lines=(LineCommit(line="1", order_line="1"), LineCommit(line="2")))
    assert fingerprint(named) == fingerprint(COMMIT)


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        *((claim, {"channel": WEB}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"strategy": SourcingStrategy.PRIORITY}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"destination": Destination(country_code="DE")}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"destination": Destination(region="DE")}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"fulfilment": FulfilmentKind.PICKUP}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"allow_partial": True}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"lines": ASKED[:1]}) for claim in (CREATE, ALLOCATE)),
        *((claim, {"lines": (ASKED[0], replace(ASKED[1], location=CENTRAL))}) for claim in (CREATE, ALLOCATE)),
        (CREATE, {"external_reference": "cart"}),
        (CREATE, {"ttl_seconds": 60}),
        (ALLOCATE, {"order_id": "p"}),
        (EXTEND, {"ttl_seconds": 60}),
        *((change, {"reservation": "s"}) for change in (EXTEND, RELEASE, MOVE, COMMIT, EXPIRE)),
        *((change, {"lines": None}) for change in (RELEASE, COMMIT, CANCEL, SHIP)),
        (RELEASE, {"lines": (LineQuantity(line="1", quantity=2), SOME[1])}),
        (MOVE, {"moves": (replace(MOVE.moves[0], quantity=1), MOVE.moves[1])}),
        (MOVE, {"moves": (replace(MOVE.moves[0], from_location=CENTRAL), MOVE.moves[1])}),
        (MOVE, {"moves": (replace(MOVE.moves[0], to_location=CENTRAL), MOVE.moves[1])}),
        (COMMIT, {"order_id": "p"}),
        (COMMIT, {"lines": (LineCommit(line="1", order_line="a"), LineCommit(line="2"))}),
        *((change, {"order_id": "p"}) for change in (CANCEL, SHIP)),
        *((change, {"channel": WEB}) for change in (CANCEL, SHIP)),
        (SHIP, {"external_id": "DHL-1"}),
        (SHIP, {"lines": (ShipmentLine(line="1", quantity=1, location=EAST), ShipmentLine(line="2"))}),
    ],
)
def test_what_is_asked_for_does_matter(command: Any, fields: dict[str, object]) -> None:
    changed: DocumentCommand = replace(command, **fields)
    assert fingerprint(changed) != fingerprint(command)  # type: ignore[arg-type]  # of the same kind


def test_every_command_has_a_name_of_its_own() -> None:
    assert len({fingerprint(command) for command in PLAIN}) == len(PLAIN)
    assert fingerprint(replace(RELEASE, lines=None)) != fingerprint(EXPIRE)

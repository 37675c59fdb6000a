"""What is foreign cannot be told from what is missing, nor from what is archived: byte for byte, for every role.

The one rule: whoever asks sees one channel and one location, and gives a name in one place at a time.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

import pytest

from domain.principals import EVERYTHING, Principal, Role, Scope
from domain.text import encode_node_id
from resolvers import node_ids
from tests.permissions.entries import Entry, Probe
from tests.permissions.ground import (
    ELSEWHERE_SALE,
    FOREIGN_DC,
    FOREIGN_WEB,
    MUG,
    NO_WEB,
    ONE_OF_EACH,
    OPENING,
    OTHER_DESK,
    OTHER_SALE,
    OWN_DC,
    OWN_WEB,
    WITH_CLOSED,
    Variants,
    caller,
    seated,
    variants,
)
from tests.permissions.promises import PROMISED_AT_OWN_DC
from tests.permissions.report import AS_MISSING, Report
from tests.permissions.roads import everything_of
from tests.permissions.runs import SILENCE_SECONDS, Matrix, placed, without
from tests.resolvers.desk import delta

FOREIGN: Final = "FOREIGN"
IN_CSV: Final = "RowsImportInput.csv"
COMES_BACK = frozenset({"LocationUpsertInput.code", "ChannelUpsertInput.code", f"{IN_CSV}: Location of LOCATIONS"})
"""An upsert of the caller's own archived location or channel brings it back, and so differs from a missing one, which
lies in nobody's scope."""

BY_EITHER = (node_ids.LOCATION, node_ids.CHANNEL, node_ids.ACCOUNT, node_ids.API_KEY, node_ids.RESERVATION)
"""What is named by its global id or its own, alike."""


def spellings(probe: Probe, code: str) -> list[str]:
    """Return the ways in which a caller may name a thing where it is probed."""
    if probe.kind in BY_EITHER:
        by_id = encode_node_id(probe.kind, code)
        if probe.coordinate == "Query.node(id:)":
            return [by_id]
        # What is created is given a code, and so are rows of a file: a global id would be a code like any other.
        is_code = probe.coordinate in COMES_BACK or probe.coordinate.startswith(IN_CSV)
        return [code] if is_code else [code, by_id]
    is_id = probe.coordinate.endswith("(id:)")
    return [encode_node_id(probe.kind, code)] if is_id else [code]


async def told(matrix: Matrix, entry: Entry, probe: Probe, code: str, given: str, by: Principal) -> str:
    """Return what the caller is answered who gives this name, without the name itself."""
    values = placed(entry.own, probe, given)
    answer = await matrix.answer(entry, everything_of(matrix.schema._schema, entry), values, by, waits=False)
    return without(answer, code, given)


async def compared(
    matrix: Matrix, report: Report, entry: Entry, by: Principal, among: dict[str, Variants], *, is_closed: bool
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (argument, name) of what is not answered like a missing one, with both answers."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for probe in entry.probes:
        kind = among[probe.kind]
        others = kind.closed if is_closed else kind.foreign
        if is_closed and probe.coordinate in COMES_BACK:
            continue
        for place, missing in enumerate(spellings(probe, kind.missing)):
            expected = await told(matrix, entry, probe, kind.missing, missing, by)
            for code in others:
                answer = await told(matrix, entry, probe, code, spellings(probe, code)[place], by)
                verdict = AS_MISSING if answer == expected else "TOLD APART"
                report.add_foreign(probe.coordinate, by.role, verdict, root_field=entry.field)
                if answer != expected:
                    found[probe.coordinate, code] = (answer, expected)
    return found


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("scope", "is_closed"),
    [(ONE_OF_EACH, False), (WITH_CLOSED, True), (EVERYTHING, True)],
    ids=["foreign", "closed", "unscoped"],
)
async def test_what_is_foreign_or_archived_is_answered_like_what_is_missing(
    matrix: Matrix, report: Report, role: Role, scope: Scope, is_closed: bool
) -> None:
    """Given a scoped caller, when a name is given wherever one can be, then foreign, archived and missing are alike."""
    among, by = variants(matrix.ground), caller(role, scope)
    apart: dict[tuple[str, str], tuple[str, str]] = {}
    for entry in matrix.entries.values():
        apart |= await compared(matrix, report, entry, by, among, is_closed=is_closed)
    assert apart == {}


@pytest.mark.parametrize("role", Role)
async def test_nothing_foreign_is_in_any_answer(matrix: Matrix, report: Report, role: Role) -> None:
    """Given a scoped caller, when everything is asked for that can be, of its own and of all, nothing foreign shows."""
    by = caller(role, ONE_OF_EACH)
    leaks = {}
    for entry in matrix.entries.values():
        text = await all_that_is_told(matrix, entry, by)
        if FOREIGN in text:
            leaks[entry.name] = text
        else:
            report.absent.add((entry.field, role))
    assert leaks == {}


async def all_that_is_told(matrix: Matrix, entry: Entry, by: Principal) -> str:
    """Return the text of the whole answer to an entry, of a stream that of all messages there are."""
    selection, values = everything_of(matrix.schema._schema, entry), await matrix.own_values(entry)
    if entry.root != "Subscription":
        return without(await matrix.answer(entry, selection, values, by))
    messages = await matrix.messages(entry.document(selection), values, matrix.context(by), waits=True)
    return " ".join(without(one) for one in messages)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("name", "place", "mistake"),
    [
        ("availabilityChanged", "channelId", {"after": "no position"}),
        ("availabilityChanged", "channelId", {"skus": []}),
        ("stockChanged", "locationIds.0", {"after": "no position"}),
        ("availability", "channelId", {"skus": []}),
        ("availability", "locationIds.0", {"channelId": NO_WEB}),
        ("inventoryItems", "filter.stockedAt", {"after": "no cursor"}),
        ("inventoryItems", "filter.stockedAt", {"first": 0}),
        ("movements", "locationId", {"after": "no cursor"}),
        ("reservations", "filter.channelId", {"after": "no cursor"}),
        ("reservationChanged", "ids.0", {"after": "no position"}),
    ],
)
async def test_another_mistake_does_not_tell_them_apart(
    matrix: Matrix, role: Role, name: str, place: str, mistake: dict[str, Any]
) -> None:
    """Given something else that is wrong with a question, then foreign, archived and missing are still alike."""
    entry, among = with_mistake(matrix.entries[name], mistake), variants(matrix.ground)
    (probe,) = (one for one in entry.probes if one.place == place)
    for scope, others in ((ONE_OF_EACH, among[probe.kind].foreign), (WITH_CLOSED, among[probe.kind].closed)):
        by, missing = caller(role, scope), among[probe.kind].missing
        expected = await told(matrix, entry, probe, missing, missing, by)
        assert {await told(matrix, entry, probe, code, code, by) for code in others} in ({expected}, set())


def with_mistake(entry: Entry, mistake: dict[str, Any]) -> Entry:
    """Return the entry with an argument that is wrong, declared if it was not."""
    declared, arguments = entry.declared, entry.arguments
    for name in mistake:
        if f"${name}:" not in declared:
            declared += f", ${name}: {'Int!' if name == 'first' else 'String'}"
            arguments += f", {name}: ${name}"
    return replace(entry, declared=declared, arguments=arguments, own={**entry.own, **mistake})


async def test_every_probe_tells_an_own_name_from_a_missing_one(matrix: Matrix) -> None:
    """Given an administrator of everything, when each probe is given an own name, then the answer is another one."""
    among, by = variants(matrix.ground), caller(Role.ADMIN)
    selections = {name: everything_of(matrix.schema._schema, one) for name, one in matrix.entries.items()}
    alike = []
    for entry in matrix.entries.values():
        for probe in entry.probes:
            if probe.coordinate in COMES_BACK:
                continue
            missing = among[probe.kind].missing
            own = await matrix.answer(entry, selections[entry.name], await matrix.own_values(entry), by)
            other = await told(matrix, entry, probe, missing, spellings(probe, missing)[0], by)
            if without(own) == other or "INVALID_INPUT" in other:
                alike.append((probe.coordinate, other))
    assert alike == []


async def test_the_same_questions_show_what_is_foreign_to_who_may_see_it(matrix: Matrix) -> None:
    """Given an administrator of everything, when all is asked for, then the ground's foreign things do show."""
    by = caller(Role.ADMIN)
    shown = {name for name, one in matrix.entries.items() if FOREIGN in await all_that_is_told(matrix, one, by)}
    assert shown >= {
        "availability everywhere",
        "inventoryItem",
        "locations",
        "location",
        "channels",
        "movements of all",
        "accounts",
        "stockChanged of all",
        "adjustment",
        "inventoryAdjust",
        "locationUpsert",
    }


@pytest.mark.parametrize("role", [Role.BACKOFFICE, Role.DASHBOARD, Role.PARTNER])
async def test_a_stream_falls_silent_at_foreign_locations(matrix: Matrix, role: Role) -> None:
    """Given scoped followers, when stock moves elsewhere and then here, then they are told of the second alone."""
    boss = seated(matrix.desk, caller(Role.ADMIN))
    by, start = caller(role, ONE_OF_EACH), await boss.position()
    for key, location in (("far", FOREIGN_DC), ("near", OWN_DC)):
        await boss.adjust("position", sku=MUG, adjustments=[delta(location, -1)], idempotencyKey=key)
    entry = matrix.entries["stockChanged of all"]
    document = entry.document("adjustment { idempotencyKey } levels { location { code } }")
    messages = await matrix.messages(document, {"after": start}, matrix.context(by), waits=True)
    near = {"adjustment": {"idempotencyKey": "near"}, "levels": [{"location": {"code": OWN_DC}}]}
    assert messages == [{"data": {"stockChanged": near}}]


@pytest.mark.parametrize("is_resumed", [False, True])
async def test_availability_is_not_told_anew_because_stock_moved_elsewhere(matrix: Matrix, is_resumed: bool) -> None:
    """Given a scoped follower, when stock moves elsewhere and then here, then there is one message, of its own sum."""
    boss, by = seated(matrix.desk, caller(Role.ADMIN)), caller(Role.STOREFRONT, ONE_OF_EACH)
    start = await boss.position()

    async def sell() -> None:
        # Long enough for a follower to have begun.
        await asyncio.sleep(2 * SILENCE_SECONDS)
        for key, location in (("far", FOREIGN_DC), ("near", OWN_DC)):
            await boss.adjust("position", sku=MUG, adjustments=[delta(location, -1)], idempotencyKey=key)
            # Long enough for a follower to be told of the one before the other happens.
            await asyncio.sleep(SILENCE_SECONDS / 2)

    document = matrix.entries["availabilityChanged"].document("availableQuantity previousQuantity")
    followed = {"skus": [MUG], "after": start if is_resumed else None}
    follower = matrix.messages(document, followed, matrix.context(by), waits=True)
    if is_resumed:
        await sell()
        messages = await follower
    else:
        messages, _ = await asyncio.gather(follower, sell())
    left = OPENING - 2 - PROMISED_AT_OWN_DC
    change = {"availableQuantity": left, "previousQuantity": None if is_resumed else left + 1}
    assert messages == [{"data": {"availabilityChanged": change}}]


async def test_an_administrator_reads_the_adjustments_of_every_account(matrix: Matrix) -> None:
    """Given adjustments of another account, then an administrator of everything finds them by id and by key."""
    by_id, by_key = matrix.entries["adjustment"], matrix.entries["adjustment by key"]
    values: list[tuple[Entry, dict[str, Any]]] = [
        (by_id, {"id": matrix.ground.other_sale}),
        (by_key, {"idempotencyKey": OTHER_SALE, "accountId": OTHER_DESK}),
        (by_key, {"idempotencyKey": ELSEWHERE_SALE}),
    ]
    for entry, given in values:
        answer = await matrix.answer(entry, "sku", given, caller(Role.ADMIN))
        assert answer == {"data": {"adjustment": {"sku": MUG}}}
        assert await matrix.answer(entry, "sku", given, caller(Role.ADMIN, ONE_OF_EACH)) == {
            "data": {"adjustment": None}
        }


async def test_a_caller_of_one_channel_means_that_one(matrix: Matrix) -> None:
    """Given callers who name no channel, then one channel is meant; of several it has to be said which."""
    entry = matrix.entries["availability everywhere"]
    values: dict[str, Any] = {"skus": [MUG]}
    answer = await matrix.answer(entry, "channelId", values, caller(Role.STOREFRONT, ONE_OF_EACH))
    assert answer == {"data": {"availability": [{"channelId": OWN_WEB}]}}
    two = Scope(channels=frozenset({OWN_WEB, FOREIGN_WEB}))
    answer = await matrix.answer(entry, "channelId", values, caller(Role.STOREFRONT, two))
    assert answer["data"] == {"availability": None}
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["INVALID_INPUT"]


async def test_a_leak_is_noticed(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a scope that lets every location through, when the matrix is run, then foreign ones are told apart."""
    monkeypatch.setattr(Scope, "sees_location", lambda *_: True)
    by, among = caller(Role.DASHBOARD, ONE_OF_EACH), variants(matrix.ground)
    entry = matrix.entries["location"]
    apart = await compared(matrix, Report(), entry, by, among, is_closed=False)
    assert set(apart) == {("Query.location(id:)", FOREIGN_DC)}
    assert FOREIGN in await all_that_is_told(matrix, matrix.entries["inventoryItem"], by)

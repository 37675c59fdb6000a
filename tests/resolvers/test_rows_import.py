"""`rowsImport`: CSV through the schema; the one rule: it says and does what the command line says and does."""

from dataclasses import replace

import pytest

from domain.files import digest_of
from domain.principals import Principal, Role, Scope
from tests.resolvers.desk import CUP, EAST, FAR, JAR, MUG, WEB, Answer, Desk, refusals

IMPORT = """
mutation rows($input: RowsImportInput!) {
  rowsImport(input: $input) {
    results { row status userErrors { field message code } }
    counts { applied unchanged replayed refused }
    run position errorFile
    userErrors { field message code }
  }
}
"""
LEVELS = f"sku,location,on_hand\n{MUG},{EAST},12\n{MUG},{FAR},0\n{CUP},{EAST},7\n"


async def run(desk: Desk, kind: str, csv: str, **more: object) -> Answer:
    payload: Answer = (await desk.ask(IMPORT, input={"kind": kind, "csv": csv, **more}))["rowsImport"]
    return payload


def statuses(payload: Answer) -> list[tuple[int, str]]:
    assert payload["userErrors"] == []
    return [(one["row"], one["status"]) for one in payload["results"]]


def by(desk: Desk, role: Role, scope: Scope) -> Desk:
    return replace(desk, principal=Principal(account="other", name="other", role=role, scope=scope))


async def test_counts_are_recorded_once_a_run(desk: Desk) -> None:
    """Given counts that change, begin and confirm a level, when they are sent again, then nothing is recorded."""
    first = await run(desk, "LEVELS", LEVELS)
    assert statuses(first) == [(2, "APPLIED"), (3, "APPLIED"), (4, "UNCHANGED")]
    assert first["counts"] == {"applied": 2, "unchanged": 1, "replayed": 0, "refused": 0}
    assert first["run"] == digest_of(LEVELS.encode())
    assert (first["position"], first["errorFile"]) == (await desk.position(), None)
    assert {key: level[0] for key, level in (await desk.levels()).items() if key[1] != "WEST"} == {
        (MUG, EAST): 12,
        (MUG, FAR): 0,
        (CUP, EAST): 7,
    }
    again = await run(desk, "LEVELS", LEVELS)
    assert statuses(again) == [(2, "REPLAYED"), (3, "REPLAYED"), (4, "REPLAYED")]
    assert again["position"] == first["position"] == await desk.position()
    anew = await run(desk, "LEVELS", LEVELS, run="monday", reason="RECEIPT")
    assert (anew["run"], statuses(anew)) == ("monday", [(2, "UNCHANGED"), (3, "UNCHANGED"), (4, "UNCHANGED")])


async def test_refused_rows_come_back_as_a_file_that_can_be_sent_again(desk: Desk) -> None:
    """Given one bad row of three, then the others are kept, and its error file, mended, is taken."""
    payload = await run(desk, "ITEMS", f"sku;name\n{JAR};Jar\n;x\nNEW;\n")
    assert statuses(payload) == [(2, "APPLIED"), (3, "REFUSED"), (4, "APPLIED")]
    (error,) = payload["results"][1]["userErrors"]
    assert error == {
        "field": ["input", "csv", "3", "sku"],
        "code": "INVALID_INPUT",
        "message": "The sku is empty; it says what the row is about.",
    }
    assert payload["errorFile"] == (
        "sku;name;error_row;error_code;error_column;error_message;error_check\r\n"
        ';x;3;INVALID_INPUT;sku;"The sku is empty; it says what the row is about.";c1449765e9fae\r\n'
    )
    assert payload["run"] is None
    mended = await run(desk, "ITEMS", payload["errorFile"].replace("\r\n;x", f"\r\n{CUP};x"))
    assert statuses(mended) == [(2, "APPLIED")]


@pytest.mark.parametrize(
    ("kind", "csv", "found"),
    [
        ("ITEMS", f"sku,name\n{MUG},Red mug\n{CUP},New\n", [(2, "UNCHANGED"), (3, "APPLIED")]),
        (
            "LOCATIONS",
            f"code,channels\n{EAST},web|till\n{FAR},web\nX,no\n",
            [(2, "UNCHANGED"), (3, "APPLIED"), (4, "REFUSED")],
        ),
        (
            "LISTINGS",
            f"sku,channel\n{MUG},{WEB}\n{JAR},{WEB}\n{JAR},no\n",
            [(2, "UNCHANGED"), (3, "APPLIED"), (4, "REFUSED")],
        ),
        (
            "LEVELS",
            f"sku,location,on_hand\n{MUG},{EAST},10\n{JAR},{EAST},1\nno,{EAST},1\n",
            [(2, "UNCHANGED"), (3, "APPLIED"), (4, "REFUSED")],
        ),
    ],
)
async def test_dry_run_answers_the_same_and_keeps_nothing(
    desk: Desk, kind: str, csv: str, found: list[tuple[int, str]]
) -> None:
    before = await desk.position(), await desk.levels()
    tried = await run(desk, kind, csv, dryRun=True)
    assert statuses(tried) == found
    assert (await desk.position(), await desk.levels()) == before
    done = await run(desk, kind, csv)
    assert (done["results"], done["errorFile"]) == (tried["results"], tried["errorFile"])


@pytest.mark.parametrize(
    ("csv", "more", "found"),
    [
        ("", {}, ("INVALID_INPUT", "input.csv")),
        ("sku\n", {}, ("INVALID_INPUT", "input.csv")),
        ("sku\n" + "A\n" * 251, {}, ("INVALID_INPUT", "input.csv")),
        ("sku,titel\nA,x\n", {}, ("INVALID_INPUT", "input.csv.titel")),
        ("sku\nA\n", {"run": ""}, ("INVALID_INPUT", "input.run")),
        ("sku\nA\n", {"run": "x" * 201}, ("INVALID_INPUT", "input.run")),
    ],
)
async def test_file_is_refused_as_a_whole(desk: Desk, csv: str, more: dict[str, str], found: tuple[str, str]) -> None:
    """Given a text that is no file of its kind, then nothing of it is imported."""
    before = await desk.position()
    payload = await run(desk, "ITEMS", csv, **more)
    assert (refusals(payload), payload["results"], payload["errorFile"]) == ([found], [], None)
    assert payload["position"] == before == await desk.position()


async def test_lines_are_bounded(desk: Desk) -> None:
    """Given more lines than are read, empty ones too, then the text is refused; one fewer is taken."""
    taken = await run(desk, "ITEMS", "sku\nN-1\n" + "\n" * 9_998)
    assert statuses(taken) == [(2, "APPLIED")]
    refused = await run(desk, "ITEMS", "sku\nN-1\n" + "\n" * 9_999)
    assert [(one["code"], one["message"]) for one in refused["userErrors"]] == [
        ("INVALID_INPUT", "There are more than 10,000 lines; send fewer, or use `stockgate import`.")
    ]


async def test_formulas_among_refused_rows_are_guarded_and_come_back(desk: Desk) -> None:
    """Given a refused row with a formula in it, then the error file holds its text, and mended it is that again."""
    payload = await run(desk, "ITEMS", f"sku,name,is_backorderable\n{JAR},=1+1,perhaps\n")
    assert statuses(payload) == [(2, "REFUSED")]
    assert f"{JAR},'=1+1,perhaps," in payload["errorFile"]
    mended = await run(desk, "ITEMS", payload["errorFile"].replace("perhaps,", "true,", 1))
    assert statuses(mended) == [(2, "APPLIED")]
    found = await desk.ask("query($sku: String!) { inventoryItem(sku: $sku) { name } }", sku=JAR)
    assert found == {"inventoryItem": {"name": "=1+1"}}


async def test_two_hundred_and_fifty_rows_are_taken(desk: Desk) -> None:
    payload = await run(desk, "ITEMS", "sku\n" + "".join(f"N-{number}\n" for number in range(250)))
    assert payload["counts"] == {"applied": 250, "unchanged": 0, "replayed": 0, "refused": 0}


@pytest.mark.parametrize("is_dry_run", [False, True])
@pytest.mark.parametrize(
    ("kind", "csv"),
    [
        ("ITEMS", f"sku,name,attribute:size\n{MUG},x,L\n"),
        ("LOCATIONS", f"code,channels\n{EAST},web|till\n"),
        ("LISTINGS", f"sku,channel\n{MUG},{WEB}\n"),
        ("LEVELS", f"sku,location,on_hand\n{MUG},{EAST},10\n"),
    ],
)
async def test_role_that_may_not_is_told_so_and_nothing_else(desk: Desk, kind: str, csv: str, is_dry_run: bool) -> None:
    """Given a storefront's key, then the request is forbidden before its text is read."""
    storefront = by(desk, Role.STOREFRONT, Scope())
    before = await desk.position(), await desk.levels()
    for text in (csv, "no such column\n", ""):
        payload = await run(storefront, kind, text, dryRun=is_dry_run)
        assert [one["code"] for one in payload["userErrors"]] == ["FORBIDDEN"]
        assert (payload["results"], payload["errorFile"], payload["run"]) == ([], None, None)
    assert (await desk.position(), await desk.levels()) == before


@pytest.mark.parametrize("is_dry_run", [False, True])
async def test_foreign_and_missing_are_answered_alike(desk: Desk, is_dry_run: bool) -> None:
    """Given a key for one channel and location, then what lies outside is as good as missing."""
    scoped = by(desk, Role.BACKOFFICE, Scope(channels=frozenset({WEB}), locations=frozenset({FAR})))
    rows = f"sku,location,on_hand\n{MUG},{FAR},1\n{MUG},{EAST},1\n{MUG},none,1\n"
    found = {
        "LEVELS": await run(scoped, "LEVELS", rows, dryRun=is_dry_run),
        "LISTINGS": await run(
            scoped, "LISTINGS", f"sku,channel\n{MUG},{WEB}\n{MUG},till\n{MUG},none\n", dryRun=is_dry_run
        ),
        "LOCATIONS": await run(
            scoped, "LOCATIONS", f"code,channels\n{EAST},\n{EAST},web|till\n{FAR},web\n", dryRun=is_dry_run
        ),
    }
    codes = {
        kind: [[one["code"] for one in row["userErrors"]] for row in payload["results"]]
        for kind, payload in found.items()
    }
    assert codes == {
        "LEVELS": [[], ["LOCATION_NOT_FOUND"], ["LOCATION_NOT_FOUND"]],
        "LISTINGS": [[], ["CHANNEL_NOT_FOUND"], ["CHANNEL_NOT_FOUND"]],
        "LOCATIONS": [["LOCATION_NOT_FOUND"], ["FORBIDDEN"], ["FORBIDDEN"]],
    }
    messages = [row["userErrors"][0]["message"] for row in found["LEVELS"]["results"][1:]]
    assert messages[0].replace(EAST, "none") == messages[1]


async def test_one_account_does_not_replay_anothers_run(desk: Desk) -> None:
    """Given two accounts that send the same file, then each has a run of its own."""
    await run(desk, "LEVELS", LEVELS)
    other = desk.of("acme")
    assert statuses(await run(other, "LEVELS", LEVELS, dryRun=True))[0] == (2, "UNCHANGED")
    assert statuses(await run(other, "LEVELS", LEVELS))[0] == (2, "UNCHANGED")
    assert statuses(await run(other, "LEVELS", LEVELS))[0] == (2, "REPLAYED")


async def test_run_is_null_when_nothing_was_imported(desk: Desk) -> None:
    """Given counts that are tried, or all refused, then there is no run under which they were recorded."""
    assert (await run(desk, "LEVELS", LEVELS, run="monday", dryRun=True))["run"] is None
    assert (await run(desk, "LEVELS", f"sku,location,on_hand\n{MUG},{EAST},x\n", run="monday"))["run"] is None
    assert (await run(desk, "LEVELS", LEVELS, run="monday"))["run"] == "monday"
    assert (await run(desk, "LEVELS", LEVELS, run="monday"))["run"] == "monday"

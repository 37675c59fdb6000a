"""`stockgate keys` beside a running gateway; the one rule: what the command line does, the gateway follows in seconds,
and a token is printed once, alone, on standard output.
"""

import asyncio
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from app.bench.server_process import clean_environment, stockgate_command
from app.cli_keys import print_keys
from app.settings import SQLITE_PREFIX
from tests.end_to_end.client import Client, codes
from tests.end_to_end.gateway import Gateway, Gateways

COMMAND_SECONDS_MAX = 30.0
FOLLOWS_SECONDS_MAX = 2.0
POLL_SECONDS = 0.05
TOKEN = re.compile(r"sgk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
VIEWER = "{ viewer { accountId name role channelIds } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str
    words: str
    """What it said to the user, in one line."""


async def keys(file: Path, *arguments: str) -> Ended:
    """Run `stockgate keys` on a database, in a window that is wide enough for its tables."""
    process = await asyncio.create_subprocess_exec(
        *stockgate_command("keys", *arguments),
        env=clean_environment({"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{file}", "COLUMNS": "200"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            output, words = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    said = " ".join(words.decode().split())
    assert "Traceback" not in said
    return Ended(code=process.returncode or 0, output=output.decode(), words=said)


async def made(file: Path, *arguments: str) -> str:
    """Run a command that makes a key, prove that it prints its token and nothing else, and return that."""
    ended = await keys(file, *arguments)
    assert ended.code == 0, ended
    assert ended.words == "This is the only time that the token is shown; keep it where secrets are kept."
    assert TOKEN.fullmatch(ended.output.rstrip("\n")), ended
    return ended.output.rstrip("\n")


async def asked(client: Client, token: str | None) -> httpx.Response:
    """Ask the gateway who the holder of a token is."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return await client.http.post(client.url, json={"query": VIEWER}, headers=headers)


async def follows(client: Client, token: str | None, status: int) -> httpx.Response:
    """Prove that the gateway soon answers the holder of a token with this status, and return the answer."""
    begin = time.monotonic()
    answer = await asked(client, token)
    while answer.status_code != status:
        assert time.monotonic() - begin < FOLLOWS_SECONDS_MAX, answer.text
        await asyncio.sleep(POLL_SECONDS)
        answer = await asked(client, token)
    return answer


def key_id_of(token: str) -> str:
    """Return the public part of a token."""
    match = TOKEN.fullmatch(token)
    assert match is not None
    return match[1]


@pytest.fixture
def open_gateway(gateways: Gateways, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A gateway of the test's own, without keys."""
    with gateways.new(f"keys-{request.node.name}").begin() as gateway:
        yield gateway
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()


async def test_the_first_key_closes_a_running_gateway(open_gateway: Gateway) -> None:
    """Given an open gateway, when the first key is made beside it, then from then on only its holder is answered."""
    async with Client(open_gateway.url) as client:
        assert (await client.ask(VIEWER))["viewer"]["accountId"] == "local"
        token = await made(open_gateway.file, "create", "--account", "office", "--role", "admin", "--name", "chief")
        refused = await follows(client, None, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert codes(refused.json()) == ["UNAUTHENTICATED"]
        for wrong in ("x", token[:-1], token.upper()):
            assert (await asked(client, wrong)).status_code == 401
        answer = await asked(client, token)
        assert answer.status_code == 200
        assert answer.json()["data"]["viewer"] == {
            "accountId": "office",
            "name": "office/chief",
            "role": "ADMIN",
            "channelIds": None,
        }
    secret = token.split("_", 2)[2].encode()
    kept = [path for path in open_gateway.file.parent.glob(f"{open_gateway.file.stem}.*") if path.is_file()]
    assert {path.suffix for path in kept} >= {".sqlite3", ".log"}
    assert [path.name for path in kept if secret in path.read_bytes()] == []


async def test_rotated_and_revoked_keys_end_in_a_running_gateway(open_gateway: Gateway) -> None:
    """Given two keys, when one is rotated without overlap and one revoked, then both are out within seconds."""
    file = open_gateway.file
    first = await made(file, "create", "--account", "office", "--role", "ADMIN")
    second = await made(file, "create", "--account", "office", "--days", "1")
    async with Client(open_gateway.url) as client:
        await follows(client, None, 401)
        for token in (first, second):
            assert (await asked(client, token)).status_code == 200
        third = await made(file, "rotate", key_id_of(first))
        assert (await asked(client, first)).status_code == (await asked(client, third)).status_code == 200
        fourth = await made(file, "rotate", key_id_of(third), "--overlap-hours", "0")
        await follows(client, third, 401)
        revoked = await keys(file, "revoke", key_id_of(second))
        assert (revoked.code, revoked.output) == (0, "")
        assert revoked.words == f"The key {key_id_of(second)} opens nothing any more."
        await follows(client, second, 401)
        for token in (first, fourth):
            assert (await asked(client, token)).status_code == 200
    listed = (await keys(file, "list")).output
    for token, state in ((first, "replaced, until"), (second, "revoked"), (third, "expired"), (fourth, "works")):
        row = listed[listed.index(key_id_of(token)) :].split(" office ")[0]
        assert state in row, listed
        assert token.split("_", 2)[2] not in listed


async def test_list_that_a_program_reads_is_not_cut(gateways: Gateways) -> None:
    """Given a name wider than any window, when a program reads the list, then each key is one whole line."""
    file = gateways.new("keys-long").file
    token = await made(file, "create", "--account", "a" * 60, "--role", "partner", "--name", "n" * 300)
    lines = [line for line in (await keys(file, "list")).output.splitlines() if key_id_of(token) in line]
    assert len(lines) == 1
    assert "a" * 60 in lines[0]
    assert "n" * 300 in lines[0]
    assert "works" in lines[0]


async def test_greeting_of_a_gateway_with_keys_shows_where_the_token_goes(gateways: Gateways) -> None:
    """Given a key, when the gateway starts, then the command to try it with sends a token."""
    one = gateways.new("keys-greeting")
    await made(one.file, "create", "--account", "office", "--role", "admin")
    with one.begin():
        assert f'curl -s {one.url} -H "authorization: Bearer $TOKEN" -H' in one.log()


@pytest.mark.parametrize(("width", "has_created"), [(40, False), (120, True)])
def test_narrow_terminal_leaves_out_when_a_key_was_made(width: int, has_created: bool) -> None:
    """Given a terminal, when the table does not fit, then `created` is left out, and the key is whole."""
    output = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    key = "0123456789abcdef"
    print_keys(output, [("a", "ADMIN", key, "till", "everything", "2026-01-31", "works")])
    assert isinstance(output.file, io.StringIO)
    shown = output.file.getvalue()
    assert (("created" in shown), ("2026-01-31" in shown), (key in shown)) == (has_created, has_created, True)


async def test_names_that_look_like_markup_are_shown_as_they_are(gateways: Gateways) -> None:
    """Given a name in brackets, when keys are listed, then it stands there, letter by letter."""
    file = gateways.new("keys-markup").file
    await made(file, "create", "--account", "[/shop]", "--role", "channel", "--name", "[red]till[/]")
    listed = await keys(file, "list")
    assert listed.code == 0
    assert "[/shop]" in listed.output
    assert "[red]till[/]" in listed.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "--account", "new"], "there is no account new; say with --role what a new one may do"),
        (["create", "--account", "[/x]"], "there is no account [/x]; say with --role what a new one may do"),
        (
            ["create", "--account", "office", "--role", "partner"],
            "the account office has the role ADMIN; leave --role out, or use another account",
        ),
        (["create", "--account", "office", "--channel", "shop"], "There is no channel 'shop'; check the code or"),
        (["create", "--account", "new", "--role", "admin", "--channel", "shop"], "✗ There is no channel 'shop'; check"),
        (["create", "--account", "office", "--location", "X"], "There is no location 'X'; check the code or create"),
        (["create", "--account", "office", "--name", "x" * 501], "The name has 501 characters; shorten it to"),
        (["create", "--account", "office", "--days", "0"], "Invalid value for '--days'"),
        (["create", "--account", "new", "--role", "king"], "Invalid value for '--role'"),
        (["rotate", "0" * 16], f"There is no API key '{'0' * 16}' that is in use; `stockgate keys list` shows"),
        (["revoke", "0" * 16], f"There is no API key '{'0' * 16}' that is in use; `stockgate keys list` shows"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_sentence(office: Path, arguments: list[str], words: str) -> None:
    """Given one account, when a command cannot be run, then it ends with 2, says why, and changes nothing."""
    before = Gateway(file=office).dump()
    ended = await keys(office, *arguments)
    assert (ended.code, ended.output) == (2, "")
    assert words in ended.words
    assert Gateway(file=office).dump() == before


@pytest.fixture(scope="module")
def office(gateways: Gateways) -> Path:
    """A database with one account and its key, that nobody serves."""
    file = gateways.new("keys-office").file
    asyncio.run(made(file, "create", "--account", "office", "--role", "admin"))
    return file

"""A sample of the matrix as strangers meet it: over HTTP and server-sent events, each role with a key of its own."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import strawberry

from domain.permissions import GRANTS, Permission
from domain.principals import Role
from tests.end_to_end.gateway import Gateway
from tests.permissions.ground import (
    FOREIGN_DC,
    FOREIGN_WEB,
    NO_DC,
    NO_WEB,
    OWN_DC,
    OWN_WEB,
    Ground,
    caller,
    seated,
)
from tests.permissions.runs import FORBIDDEN
from tests.resolvers.desk import complete, open_desk

ANSWER_SECONDS_MAX: Final = 20.0
ASKED: Final[Mapping[str, Permission | None]] = {
    "{ viewer { role } }": None,
    '{ availability(skus: ["MUG-01"]) { availableQuantity } }': Permission.READ_AVAILABILITY,
    "{ locations { nodes { code } } }": Permission.READ_CATALOGUE,
    "{ movements { nodes { locationCode } } }": Permission.READ_STOCK,
    '{ adjustment(idempotencyKey: "none") { id } }': Permission.READ_ADJUSTMENTS,
    "{ accounts { nodes { code } } }": Permission.MANAGE_ACCOUNTS,
    "{ _service { sdl } }": Permission.INTROSPECT,
}
NAMED: Final = (
    ("query($id: ID!) { location(id: $id) { code } }", FOREIGN_DC, NO_DC),
    ("query($id: ID!) { channel(id: $id) { code } }", FOREIGN_WEB, NO_WEB),
    ('query($id: ID!) { availability(skus: ["MUG-01"], channelId: $id) { sku } }', FOREIGN_WEB, NO_WEB),
    ("query($id: ID!) { movements(locationId: $id) { nodes { delta } pageInfo { endCursor } } }", FOREIGN_DC, NO_DC),
    (
        'mutation($id: ID!) { inventoryAdjust(input: {sku: "MUG-01", idempotencyKey: "k", '
        "adjustments: [{locationId: $id, delta: -1}]}) "
        "{ replayed position adjustment { id } userErrors { field code message } } }",
        FOREIGN_DC,
        NO_DC,
    ),
    ('subscription($id: ID!) { availabilityChanged(skus: ["MUG-01"], channelId: $id) { sku } }', FOREIGN_WEB, NO_WEB),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A gateway process, and a key for each role: one that sees everything, and one of one channel and location."""

    gateway: Gateway
    keys: Mapping[Role, str]
    scoped_keys: Mapping[Role, str]

    def post(self, document: str, *, key: str, accept: str = "application/json", **variables: object) -> httpx.Response:
        """Send a request with a key."""
        return httpx.post(
            self.gateway.url,
            json={"query": document, "variables": variables},
            headers={"authorization": f"Bearer {key}", "accept": accept},
            timeout=ANSWER_SECONDS_MAX,
            trust_env=False,
        )


@pytest.fixture(scope="module")
def served(
    laid: tuple[Path, Ground], schema: strawberry.Schema, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A gateway process on a copy of the ground."""
    path = Path(shutil.copyfile(laid[0], tmp_path_factory.mktemp("served") / "gateway.sqlite3"))

    async def keys(scope: Mapping[str, list[str]], prefix: str) -> dict[Role, str]:
        async with open_desk(path, schema) as desk:
            boss, found = seated(desk, caller(Role.ADMIN)), {}
            for role in Role:
                account = f"{prefix}-{role.lower()}"
                await boss.accepted(
                    "accountCreate", "AccountCreateInput", {"code": account, "role": role.value, **scope}
                )
                payload = await boss.change("apiKeyCreate", "ApiKeyCreateInput", "token", {"accountId": account})
                found[role] = str(payload["token"])
            return found

    everything = asyncio.run(keys({}, "whole"))
    scoped = asyncio.run(keys({"channelIds": [OWN_WEB], "locationIds": [OWN_DC]}, "part"))
    complete(path)
    with Gateway(file=path).begin() as gateway:
        yield Served(gateway=gateway, keys=everything, scoped_keys=scoped)


@pytest.mark.parametrize("role", Role)
def test_a_key_opens_what_its_role_may_ask_for(served: Served, role: Role) -> None:
    """Given a key, when questions are sent, then those beyond its role are refused with 403, and no others."""
    answered = {one: served.post(one, key=served.keys[role]) for one in ASKED}
    refused = {one for one, response in answered.items() if response.status_code == httpx.codes.FORBIDDEN}
    assert refused == {one for one, needed in ASKED.items() if needed is not None and needed not in GRANTS[role]}
    for one, response in answered.items():
        codes = [error["extensions"]["code"] for error in response.json().get("errors", ())]
        assert codes == ([FORBIDDEN] if one in refused else [])
    assert answered["{ viewer { role } }"].json()["data"] == {"viewer": {"role": role.value}}


@pytest.mark.parametrize("role", Role)
def test_foreign_and_missing_are_alike_over_the_wire(served: Served, role: Role) -> None:
    """Given a key of one channel and location, when foreign and missing names are sent, then the answers are alike."""
    for document, foreign, missing in NAMED:
        accept = "text/event-stream" if document.startswith("subscription") else "application/json"
        key = served.scoped_keys[role]
        pair = [(served.post(document, key=key, accept=accept, id=one), one) for one in (foreign, missing)]
        (status, answer), (other_status, other) = [(one.status_code, plain(one, given)) for one, given in pair]
        assert (status, answer) == (other_status, other)


@pytest.mark.parametrize("role", Role)
def test_nothing_foreign_comes_over_the_wire(served: Served, role: Role) -> None:
    """Given a key of one channel and location, when lists are asked for, then nothing foreign is in them."""
    lists = (
        "{ locations { nodes { code name channels { code } } } channels { nodes { code name } } }",
        "{ inventoryItems { nodes { totalAvailableQuantity levels { location { code } } syncStatus { channelId } } } }",
        "{ movements { nodes { locationCode adjustment { sourceChannelId movements { locationCode } } } } }",
        "{ viewer { channelIds locationIds } }",
    )
    told = [served.post(one, key=served.scoped_keys[role]).text for one in lists]
    assert [one for one in told if "FOREIGN" in one] == []
    assert OWN_DC in told[0]
    assert OWN_WEB in told[0]


def plain(response: httpx.Response, given: str) -> str:
    """Return the answer's text without the name that was given, and without what the request cost."""
    if response.headers["content-type"].startswith("text/event-stream"):
        return response.text.replace(given, "<it>")
    answer: dict[str, Any] = response.json()
    answer.pop("extensions", None)
    return json.dumps(answer).replace(given, "<it>")

"""JavaScript clients of others against a running gateway; the one rule: each does as its own manual says, unchanged.

Each transport is driven by two at the least: HTTP by Apollo Client, urql, Relay and graphql-http, WebSocket by
graphql-ws, Apollo Client, urql and Relay, event streams by graphql-sse and urql.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.node import HERE, SCRIPT_SECONDS_MAX, install_clients, told_by
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.shop import OPENING, Shop

STORIES: Final = {
    "graphql-ws": {},
    "graphql-sse": {},
    "urql over HTTP and WebSocket": {"transport": "websocket"},
    "urql over HTTP and events": {"transport": "sse"},
    "apollo by POST": {"method": "POST"},
    "apollo by GET": {"method": "GET"},
    "apollo by hash": {"method": "hash"},
    "relay": {},
}
AUDITS: Final = 61


@pytest.fixture(scope="module", autouse=True)
def clients() -> None:
    """The clients, installed."""
    install_clients()


async def told(script: str, shop: Shop, **given: object) -> Any:
    """Run a script on a shop of its own and return what it tells."""
    before, _ = await shop.snapshot()
    facts = {"sku": shop.skus[0], "location": shop.east, "key": shop.key(), "after": str(before), **given}
    return await told_by("node", f"{script}.mjs", shop.gateway.url, json.dumps(facts))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """What relay-compiler makes of Relay's documents and the printed schema."""
    directory = tmp_path_factory.mktemp("relay")
    (directory / "artifacts").mkdir()
    for original in (HERE / "relay" / "documents.js", project / "schema.graphql"):
        shutil.copy(original, directory)
    config = {
        "src": ".",
        "schema": "schema.graphql",
        "language": "javascript",
        "artifactDirectory": "artifacts",
        "customScalarTypes": {"DateTime": "string"},
    }
    (directory / "relay.config.json").write_text(json.dumps(config), encoding="utf-8")
    compiler = HERE / "node_modules" / "relay-compiler" / "cli.js"
    compiled = subprocess.run(
        ["node", str(compiler), "relay.config.json"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS_MAX,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return directory / "artifacts"


def without_type_names(answer: Any) -> Any:
    """Return an answer without what caching clients ask for beside it."""
    if isinstance(answer, list):
        return [without_type_names(one) for one in answer]
    if isinstance(answer, dict):
        return {name: without_type_names(value) for name, value in answer.items() if name != "__typename"}
    return answer


@pytest.mark.parametrize("story", STORIES)
async def test_it_asks_changes_retries_and_follows(story: str, shop: Shop, artifacts: Path) -> None:
    """Given a client, when it asks, sells one unit twice under one key and follows, then the unit is sold once."""
    answer = await told(story.split(maxsplit=1)[0], shop, **STORIES[story], artifacts=str(artifacts))
    assert answer["before"] == 2 * OPENING
    assert answer["replayed"] == [False, True]
    assert answer["isSamePosition"] is True
    assert int(answer["changed"].pop("position")) > 0
    assert without_type_names(answer["changed"]) == {
        "sku": shop.skus[0],
        "levels": [{"onHand": OPENING - 1}],
        "isFirst": True,
    }
    if story != "relay":
        # Relay's compiler refuses such a document before it is ever sent.
        assert set(answer["codes"]) == {"GRAPHQL_VALIDATION_FAILED"}
    assert (await shop.on_hand())[shop.skus[0], shop.east] == OPENING - 1


async def test_graphql_http_asks_changes_and_retries(shop: Shop) -> None:
    """Given the reference client of GraphQL over HTTP, when it retries a change, then it is told of the first one."""
    assert await told("graphql-http", shop) == {
        "before": 2 * OPENING,
        "replayed": [False, True],
        "codes": ["GRAPHQL_VALIDATION_FAILED"],
    }


async def test_every_audit_of_the_specification_passes(gateway: Gateway) -> None:
    """Given graphql-http's audits of the GraphQL-over-HTTP specification, when all are run, then none complains."""
    assert await told_by("node", "graphql-http.mjs", gateway.url) == {"passed": AUDITS, "failed": []}


async def test_generated_types_compile(tmp_path: Path, project: Path) -> None:
    """Given graphql-codegen on the printed schema, when TypeScript checks what it makes, then it has no complaint."""
    command = ("node", "codegen.mjs", str(project / "schema.graphql"), str(tmp_path))
    assert await told_by(*command) == {"problems": []}


def test_the_lock_holds_no_address() -> None:
    """Given the lock, then each package is pinned by its hash, and nothing says where it is fetched from."""
    text = (HERE / "package-lock.json").read_text(encoding="utf-8")
    packages = [one for name, one in json.loads(text)["packages"].items() if name]
    assert "://" not in text
    assert [one for one in packages if not one.get("integrity", "").startswith("sha512-")] == []

"""The subgraph as a router's build composes it; the rule: the composer is Apollo's own, and has nothing to say."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from resolvers.schema import build_schema

HERE: Final = Path(__file__).parent
INSTALL_SECONDS_MAX: Final = 180
COMPOSE_SECONDS_MAX: Final = 60
NODE_IS_REQUIRED: Final = os.environ.get("STOCKGATE_TEST_NODE") == "required"


@pytest.fixture(scope="module")
def composer() -> Path:
    """Apollo's composer, installed from the lock once for as long as the lock is the same."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        reason = "node and npm are needed to run Apollo's composition, and are not on this machine"
        if NODE_IS_REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    installed, lock = HERE / "node_modules" / ".installed-lock.json", HERE / "package-lock.json"
    if not installed.exists() or installed.read_text() != lock.read_text():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run(command, cwd=HERE, check=True, timeout=INSTALL_SECONDS_MAX)
        installed.write_text(lock.read_text())
    return HERE / "compose.mjs"


def composed(composer: Path, **subgraphs: Path) -> dict[str, Any]:
    """Return what composing these subgraphs comes to."""
    arguments = [f"{name}={file}" for name, file in subgraphs.items()]
    command = ["node", str(composer), *arguments]
    shown = subprocess.run(command, cwd=HERE, check=True, capture_output=True, timeout=COMPOSE_SECONDS_MAX)
    answer: dict[str, Any] = json.loads(shown.stdout)
    return answer


@pytest.fixture
def subgraph(tmp_path: Path) -> Path:
    """The gateway's own subgraph, in a file."""
    file = tmp_path / "stockgate.graphql"
    file.write_text(build_schema().subgraph_sdl, encoding="utf-8")
    return file


def test_it_composes_without_a_hint(composer: Path, subgraph: Path) -> None:
    """Given a service that owns products, when both are composed, then variants gain stock and nothing is remarked."""
    answer = composed(composer, products=HERE / "products.graphql", stockgate=subgraph)
    assert (answer["errors"], answer["hints"]) == ([], [])
    assert answer["fields"] == [
        "sku: String!",
        "name: String!",
        "priceInCents: Int!",
        "product: Product!",
        "availability: Availability",
        "inventoryItem: InventoryItem",
    ]


def test_it_composes_alone(composer: Path, subgraph: Path) -> None:
    """Given no other service, when it is composed alone, then nothing is remarked either."""
    answer = composed(composer, stockgate=subgraph)
    assert (answer["errors"], answer["hints"]) == ([], [])


def test_a_conflict_would_be_found(composer: Path, subgraph: Path, tmp_path: Path) -> None:
    """Given a service whose page info is not shareable, when both are composed, then the composer objects."""
    other = tmp_path / "products.graphql"
    other.write_text((HERE / "products.graphql").read_text().replace("type PageInfo @shareable", "type PageInfo"))
    assert len(composed(composer, products=other, stockgate=subgraph)["errors"]) == 4

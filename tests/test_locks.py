"""The locks: they pin what pyproject.toml names, by hash, and hold no address.

The one rule: the development lock contains the other one, so that a single .venv serves both.
"""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVE_LOCK = "requirements.txt"
DEVELOPMENT_LOCK = "requirements-dev.txt"
ADDRESS = re.compile(r"://|\bfile:|--(?:extra-)?index-url|--find-links|\s@\s|^\s*-[ef]\b", re.MULTILINE)


def pins_of(lock: str) -> dict[str, str]:
    """Return each pinned package and its version."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize("lock", [SERVE_LOCK, DEVELOPMENT_LOCK])
def test_lock_pins_every_package_by_hash(lock: str) -> None:
    blocks = re.split(r"^(?=\w)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    packages = [block for block in blocks if re.match(r"\w", block)]
    assert len(packages) == len(pins_of(lock)) > 0
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("lock", [SERVE_LOCK, DEVELOPMENT_LOCK])
def test_lock_holds_no_address(lock: str) -> None:
    assert ADDRESS.findall((ROOT / lock).read_text()) == []


def test_locks_pin_what_pyproject_names() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = pyproject["dependency-groups"]
    served = names_of(pyproject["project"]["dependencies"] + groups["build"])
    assert served - pins_of(SERVE_LOCK).keys() == set()
    assert names_of(groups["dev"]) - pins_of(DEVELOPMENT_LOCK).keys() == set()


def test_development_lock_contains_the_other() -> None:
    assert pins_of(SERVE_LOCK).items() - pins_of(DEVELOPMENT_LOCK).items() == set()


@pytest.mark.parametrize(
    "text",
    ["--index-url somewhere\n", "name @ https://somewhere/name.whl\n", "-e ./name\n", "file:name.whl\n"],
)
def test_address_is_found(text: str) -> None:
    assert ADDRESS.search(text)

"""The README is the manual: everything a user may set, call or be told is in it, and what it shows is true."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import app
from app.settings import Settings
from domain.rejections import RejectionCode
from resolvers.schema import build_schema

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
SCHEMA = build_schema()._schema


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_stands_in_the_table_with_its_default(name: str) -> None:
    """Given a setting, then its variable, default and meaning are a row of the README."""
    field = Settings.model_fields[name]
    assert f"| `STOCKGATE_{name.upper()}` | `{field.default}` | {field.description} |" in README


def test_each_command_is_described() -> None:
    """Given the command line, then every command stands in the README."""
    root = get_command(app)
    commands = [f"stockgate {name}" for name in root.commands if name != "demo"]  # type: ignore[attr-defined]  # a group has them
    missing = [command for command in [*commands, "stockgate demo load"] if f"`{command}" not in README]
    assert missing == []


@pytest.mark.parametrize("code", RejectionCode)
def test_each_code_says_what_to_do(code: RejectionCode) -> None:
    """Given a code of userErrors, then the README says what to do about it."""
    assert f"`{code}`" in README


def test_codes_stand_in_their_order_of_precedence() -> None:
    """Given the README's table of codes, then it is in the order in which they win over each other."""
    table = README.split("| Code | What to do |")[1].split("\n\n")[0]
    assert re.findall(r"`([A-Z_]+)`", table.replace("`quantityAvailable`", "")) == [
        code.value for code in RejectionCode
    ]


@pytest.mark.parametrize("root", ["query_type", "mutation_type", "subscription_type"])
def test_each_field_of_change_and_follow_is_named(root: str) -> None:
    """Given the schema, then the README names every mutation and subscription, and the first query."""
    fields = getattr(SCHEMA, root).fields
    named = {"availability"} if root == "query_type" else set(fields)
    assert [name for name in sorted(named) if name not in README] == []


def test_links_and_paths_exist() -> None:
    """Given the README, then each file that it points to is there."""
    linked = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(
        r"`((?:scripts|app|domain|resolvers|tests)/[\w./-]+)`", README
    )
    assert [path for path in linked if not (PROJECT / path).exists()] == []


def test_examples_are_json() -> None:
    """Given the answers shown, then each is one JSON document."""
    for block in re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL):
        assert "data" in json.loads(block)

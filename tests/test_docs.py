"""The README and docs/ are the manual: all a user may set, call or be told is there, and what they show is true."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import app
from app.settings import Settings
from domain.rejections import RejectionCode
from resolvers.error_codes import ErrorCode
from resolvers.schema import build_schema

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ERRORS = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
SCHEMA = build_schema()._schema
README_LINES_MAX = 510
"""A stranger's first five minutes; what is for later stands in docs/."""


def each_page() -> pytest.MarkDecorator:
    """Run a test on the README and on each page of docs/."""
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_stands_in_the_table_with_its_default(name: str) -> None:
    """Given a setting, then its variable, default and meaning are a row of the README."""
    field = Settings.model_fields[name]
    assert f"| `STOCKGATE_{name.upper()}` | `{field.default}` | {field.description} |" in README


@each_page()
def test_each_variable_that_is_named_is_a_setting(page: Path) -> None:
    """Given a page, then what it tells to set can be set; `STOCKGATE_MATRIX_REPORT` is for the tests."""
    named = set(re.findall(r"STOCKGATE_([A-Z_]*[A-Z])", page.read_text(encoding="utf-8")))
    assert named - {name.upper() for name in Settings.model_fields} - {"MATRIX_REPORT"} == set()


def test_each_command_is_described() -> None:
    """Given the command line, then every command stands in the README."""
    root = get_command(app)
    commands = [f"stockgate {name}" for name in root.commands if name != "demo"]  # type: ignore[attr-defined]  # a group has them
    missing = [command for command in [*commands, "stockgate demo load"] if f"`{command}" not in README]
    assert missing == []


@pytest.mark.parametrize("code", [*RejectionCode, *ErrorCode], ids=lambda code: f"{type(code).__name__}.{code}")
def test_each_code_says_what_to_do(code: RejectionCode | ErrorCode) -> None:
    """Given a code of userErrors or errors, then the reference says what to do about it."""
    sections = [after.split("\n### ")[0] for after in ERRORS.split(f"\n### {code}\n")[1:]]
    assert len(sections) == (code in list(RejectionCode)) + (code in list(ErrorCode))
    assert all(re.search(r"^\| What to do \| .+ \|$", section, flags=re.MULTILINE) for section in sections)


def test_codes_stand_in_their_order_of_precedence() -> None:
    """Given the reference and the README's table, then codes are in the order in which they win over each other."""
    order = [code.value for code in RejectionCode]
    told = re.findall(r"^### (.*)$", ERRORS, flags=re.MULTILINE)
    assert told[: len(order)] == order
    table = README.split("| Code | What to do |")[1].split("\n\n")[0]
    first_column = " ".join(line.split(" | ")[0] for line in table.splitlines())
    met_most = re.findall(r"`([A-Z_]+)`", first_column)
    assert met_most == [code for code in order if code in met_most]


@pytest.mark.parametrize("root", ["query_type", "mutation_type", "subscription_type"])
def test_each_field_of_change_and_follow_is_named(root: str) -> None:
    """Given the schema, then the README names every mutation and subscription, and the first query."""
    fields = getattr(SCHEMA, root).fields
    named = {"availability"} if root == "query_type" else set(fields)
    assert [name for name in sorted(named) if name not in README] == []


@each_page()
def test_links_and_paths_exist(page: Path) -> None:
    """Given a page, then each file and heading that it points to is there."""
    text = page.read_text(encoding="utf-8")
    linked = [link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", text)]
    targets = [((page.parent / path if path else page).resolve(), heading) for path, _, heading in linked]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [heading for target, heading in targets if heading and heading not in headings_of(target)] == []
    paths = re.findall(r"`((?:scripts|app|domain|resolvers|tests|docs)/[\w./-]+)`", text)
    assert [path for path in paths if not (PROJECT / path).exists()] == []


def test_each_page_is_found_from_the_readme() -> None:
    """Given a page of docs/, then the README links to it."""
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in README] == []


@each_page()
def test_examples_are_json(page: Path) -> None:
    """Given the answers shown, then each is one JSON document."""
    for block in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        assert "data" in json.loads(block)


def test_the_readme_stays_short() -> None:
    """Given the README, then it is not longer than a stranger reads."""
    assert len(README.splitlines()) <= README_LINES_MAX


def headings_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual viewers make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

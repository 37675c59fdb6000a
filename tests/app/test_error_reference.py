"""docs/errors.md and `stockgate errors`; the one rule: what is printed is what the enums say."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli_errors, graphql_http
from app.cli import app
from app.error_reference import REFERENCE_FILE, is_current, printed_reference, status, write_reference
from domain.rejections import RejectionCode
from resolvers.error_codes import ErrorCode

PROJECT = Path(__file__).resolve().parent.parent.parent
FORBIDDEN_OF_A_REQUEST = """\
### FORBIDDEN

| | |
|---|---|
| Where | `errors` |
| HTTP status | 403 |
| Means | The caller's role may not ask for this. |
| Comes when | The operation, or a field in it, is for other roles. |
| What to do | Leave it out, or use credentials that may. |
| Send it again? | With credentials that may. |
"""


def test_the_page_is_what_the_code_says() -> None:
    """Given docs/errors.md, then it is printed from today's enums."""
    assert (PROJECT / REFERENCE_FILE).read_text(encoding="utf-8") == printed_reference()


def test_the_page_has_a_section_for_every_code_in_order() -> None:
    """Given the page, then its sections are the codes of userErrors and then those of errors."""
    assert re.findall(r"^### (.*)$", printed_reference(), flags=re.MULTILINE) == [*RejectionCode, *ErrorCode]


def test_the_readme_links_to_it() -> None:
    """Given the README, then the reference is found from it."""
    assert f"]({REFERENCE_FILE})" in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_a_code_is_explained_wherever_it_is_told() -> None:
    """Given a code of both lists, when it is asked for in any case, then both sections are printed."""
    result = CliRunner().invoke(app, ["errors", "forbidden"])
    assert result.exit_code == 0
    assert result.stdout.count("### FORBIDDEN") == 2
    assert FORBIDDEN_OF_A_REQUEST in result.stdout


def test_an_unknown_code_is_refused() -> None:
    """Given no such code, then the command says how to list them and exits with 2."""
    result = CliRunner().invoke(app, ["errors", "NO_SUCH_CODE"])
    assert (result.exit_code, result.stdout) == (2, "")


def test_all_are_printed() -> None:
    """Given no code, then the whole page is printed."""
    assert CliRunner().invoke(app, ["errors"]).stdout == printed_reference() + "\n"


def test_the_check_notices_a_stale_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a missing or a changed page, then the check fails until it is written anew."""
    monkeypatch.setattr(cli_errors, "PROJECT", tmp_path)
    assert CliRunner().invoke(app, ["errors", "--check"]).exit_code == 1
    assert CliRunner().invoke(app, ["errors", "--write"]).exit_code == 0
    assert CliRunner().invoke(app, ["errors", "--check"]).exit_code == 0
    (tmp_path / REFERENCE_FILE).write_text("stale", encoding="utf-8")
    assert not is_current(tmp_path)
    write_reference(tmp_path)
    assert is_current(tmp_path)


def test_the_statuses_are_those_that_are_answered() -> None:
    """Given the statuses with which requests are refused, then the page tells the same."""
    answered = {**graphql_http.STATUSES, **graphql_http.STATUSES_TO_CLIENTS_OF_TODAY}
    told = {code: status(ErrorCode(code)) for code in answered}
    assert [code for code, one in answered.items() if str(one.value) not in told[code]] == []

"""The codes of `errors`: each is a member of one enum, and explained; the one rule: no literal escapes the scan."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain import ports, rejections
from domain.ports import InfrastructureError
from domain.rejections import Explanation, RejectionCode
from resolvers import error_codes
from resolvers.error_codes import ErrorCode

ROOT = Path(__file__).resolve().parent.parent.parent
CODES = {*ErrorCode, *RejectionCode}
EXPLAINED: list[tuple[ErrorCode | RejectionCode, Explanation]] = [
    *error_codes.EXPLANATIONS.items(),
    *rejections.EXPLANATIONS.items(),
]


def literals_of(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value.isupper():
            yield inner.value


def code_literals(tree: ast.Module) -> Iterator[str]:
    """Yield each literal that is given as a code: `code=…`, `{"code": …}` or `code = …`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from literals_of(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from literals_of(value)
        elif isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "code" for one in node.targets
        ):
            yield from literals_of(node.value)


def test_every_code_is_explained_in_the_enums_order() -> None:
    """Given the two enums, then each code has its explanation, in the same order, and nothing else has one."""
    assert list(error_codes.EXPLANATIONS) == list(ErrorCode)
    assert list(rejections.EXPLANATIONS) == list(RejectionCode)


@pytest.mark.parametrize(("code", "told"), EXPLAINED, ids=[f"{type(code).__name__}.{code}" for code, _ in EXPLAINED])
def test_an_explanation_is_whole_sentences(code: ErrorCode | RejectionCode, told: Explanation) -> None:
    """Given an explanation, then each part begins like a sentence, ends like one, and fits into a table."""
    for part in (told.meaning, told.cause, told.remedy, told.retry):
        assert part[0].isupper(), code
        assert part.endswith((".", "}")), code
        assert "|" not in part, code
        assert "\n" not in part, code
    assert len({told.meaning, told.cause, told.remedy}) == 3


def test_codes_in_the_source_are_members() -> None:
    """Given app, resolvers and the ports, then every literal that is used as a code is one of the enums'."""
    files = [*ROOT.glob("app/**/*.py"), *ROOT.glob("resolvers/**/*.py"), ROOT / "domain/ports.py"]
    used = {one for file in files for one in code_literals(ast.parse(file.read_text(encoding="utf-8")))}
    assert sorted(used - CODES) == []
    assert {"OVERLOADED", "UNAVAILABLE"} <= used


@pytest.mark.parametrize("source", ['f(code="A_B")', '{"code": "A_B" if x else y}', 'code = "A_B"'])
def test_a_literal_is_found(source: str) -> None:
    """Given each way to write a code, then the scan sees it."""
    assert list(code_literals(ast.parse(source))) == ["A_B"]


def test_refusals_of_the_infrastructure_have_codes() -> None:
    """Given every exception of the ports that is worth a retry, then its code is a member."""
    kinds = [one for one in vars(ports).values() if isinstance(one, type) and issubclass(one, InfrastructureError)]
    assert len(kinds) >= 4
    assert [one for one in kinds if one.code not in set(ErrorCode)] == []

"""The house rules as a test: sizes, docstrings, a pure domain and clean text.

The one rule: each rule is a pure function from a file's text to what offends it, and is shown to bite.
"""

import ast
import io
import os
import re
import statistics
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "domain", "resolvers")
MIGRATIONS = "app/storage/migrations/"
"""Generated once and never edited: its sizes are not ours to choose."""

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 10
FUNCTION_LINES_90TH_PERCENTILE_MAX = 30
FUNCTIONS_TO_MEASURE_MIN = 20
"""Fewer functions than this have no distribution worth a rule."""
GIT_SECONDS_MAX = 20

MUTABLE_DATACLASSES = frozenset(
    {
        "domain/state.py:State",  # a batch evolves it in place, command after command
        "domain/sourcing.py:Supply",  # lines use it up, one after the other
    }
)
"""Dataclasses of the domain that are not frozen, slotted and keyword-only, each with its reason."""

PURE_IMPORTS = frozenset(
    {"abc", "base64", "binascii", "bisect", "collections", "copy", "dataclasses", "datetime", "decimal"}
    | {"array"}  # numbers in memory without an object for each
    | {"csv", "difflib"}  # text to cells and back, and the nearest of some names: both on texts in memory
    | {"domain", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math"}
    | {"operator", "re", "statistics", "string", "types", "typing", "unicodedata", "uuid"}
)
"""All that the domain may import. None of it knows the time, chance or the outside world, but for these:"""
IMPURE_NAMES = frozenset(
    {"date.today", "datetime.now", "datetime.today", "datetime.utcnow"} | {"uuid.getnode", "uuid.uuid1", "uuid.uuid4"}
)
IMPURE_CALLS = frozenset({"breakpoint", "eval", "exec", "input", "open", "print"})

# One letter in brackets, so that this file keeps its own rules.
LEFTOVER_MARKER = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~*})-])/(?:r[o]ot|t[m]p|w[o]rk|h[o]me/\w+|U[s]ers/\w+)\b|\b[A-Z]:\\U[s]ers")
REGISTRY_HOST = re.compile(r"p[y]pi\.org|python[h]osted\.org|registry\.n[p]mjs|c[r]ates\.io")
SILENCER = re.compile(r"#\s*(type:\s*ignore|(?:ruff:\s*)?noqa|pragma:\s*no cover|fmt:\s*(?:off|skip))", re.IGNORECASE)
RULE_CODES = re.compile(r"\[[\w\s,-]*\]|:\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+\b)*")
REASON = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}")
"""A reason has two words at least."""

Offence = str
PythonRule = Callable[[str, ast.Module, str], Iterator[Offence]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def project_files() -> tuple[str, ...]:
    """Return every file that is or could be committed, relative to the project."""
    # A checkout that another user owns is listed too, as in a container.
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, timeout=GIT_SECONDS_MAX)
    return tuple(sorted(name for name in listing.stdout.decode().split("\0") if (ROOT / name).is_file()))


@cache
def text_of(name: str) -> str | None:
    """Return the file's text, or None if it is not text."""
    content = (ROOT / name).read_bytes()
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text file's name and text."""
    for name in project_files():
        text = text_of(name)
        if text is not None:
            yield name, text


def sources() -> Iterator[tuple[str, str]]:
    """Yield each Python file's name and text, migrations left out."""
    return ((n, t) for n, t in texts() if n.endswith(".py") and not n.startswith(MIGRATIONS))


def functions_of(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Return the function's lines from `def` to its end, docstring included, decorators not."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def dotted(node: ast.expr) -> str:
    """Return the last two parts of `a.b.c`, as in `b.c`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value).rpartition('.')[2]}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def comments_of(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


# The rules for Python files.


def too_long(name: str, tree: ast.Module, text: str) -> Iterator[Offence]:
    length = len(text.splitlines())
    if length > FILE_LINES_MAX:
        yield f"{name} has {length} lines, more than {FILE_LINES_MAX}"
    for function in functions_of(tree):
        if lines_of(function) > FUNCTION_LINES_MAX:
            place = f"{name}:{function.lineno} {function.name}"
            yield f"{place} has {lines_of(function)} lines, more than {FUNCTION_LINES_MAX}"


def undocumented(name: str, tree: ast.Module, _text: str) -> Iterator[Offence]:
    if not ast.get_docstring(tree) and not (name.endswith("__init__.py") and not tree.body):
        yield f"{name} has no docstring that says what it is and which rule it keeps"


def silenced_without_reason(name: str, _tree: ast.Module, text: str) -> Iterator[Offence]:
    for line, comment in comments_of(text):
        found = SILENCER.search(comment)
        if found is None:
            continue
        rest = comment[found.end() :]
        codes = RULE_CODES.match(rest)
        names_rules = codes is not None or not re.search("ignore|noqa", found[1])
        if not names_rules or not REASON.search(rest[codes.end() :] if codes else rest):
            yield f"{name}:{line} silences a tool without naming the rule and a reason: {comment}"


def printing(name: str, tree: ast.Module, _text: str) -> Iterator[Offence]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{name}:{node.lineno} prints"


def impure(name: str, tree: ast.Module, _text: str) -> Iterator[Offence]:
    for node in ast.walk(tree):
        for used in impurities_of(node):
            yield f"{name}:{getattr(node, 'lineno', 0)} is not pure: {used}"


def impurities_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if alias.name.split(".")[0] not in PURE_IMPORTS)
        case ast.ImportFrom(module=module, names=names):
            if not module or module.split(".")[0] not in PURE_IMPORTS:
                yield module or "a relative import"
            imported = (f"{module}.{alias.name}" for alias in names)
            yield from (used for used in imported if used in IMPURE_NAMES)
        case ast.Attribute() if dotted(node) in IMPURE_NAMES:
            yield dotted(node)
        case ast.Call(func=called) if dotted(called) in IMPURE_CALLS:
            yield dotted(called)
        case _:
            pass


def mutable_dataclasses(name: str, tree: ast.Module, _text: str) -> Iterator[Offence]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or f"{name}:{node.name}" in MUTABLE_DATACLASSES:
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if dotted(call.func if call else decorator).rpartition(".")[2] == "dataclass":
                stated = {k.arg for k in call.keywords if ast.unparse(k.value) == "True"} if call else set()
                if missing := {"frozen", "slots", "kw_only"} - stated:
                    yield f"{name}:{node.lineno} dataclass {node.name} lacks {', '.join(sorted(missing))}"


EVERYWHERE = ("",)
PYTHON_RULES: dict[PythonRule, tuple[str, ...]] = {
    too_long: EVERYWHERE,
    undocumented: EVERYWHERE,
    silenced_without_reason: EVERYWHERE,
    printing: ("domain/", "resolvers/"),
    impure: ("domain/",),
    mutable_dataclasses: ("domain/",),
}
"""Each rule and the folders it holds in."""


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_python_files_keep_the_rule(rule: PythonRule) -> None:
    offences = [
        offence
        for name, text in sources()
        if name.startswith(PYTHON_RULES[rule])
        for offence in rule(name, ast.parse(text, name), text)
    ]
    assert not offences, "\n".join(offences)


def test_functions_stay_small(capsys: pytest.CaptureFixture[str]) -> None:
    lengths = {
        package: sorted(
            lines_of(function)
            for name, text in sources()
            if name.startswith(f"{package}/")
            for function in functions_of(ast.parse(text, name))
        )
        for package in PACKAGES
    }
    everything = sorted(length for package in PACKAGES for length in lengths[package])
    with capsys.disabled():
        for title, measured in {**lengths, "all three": everything}.items():
            print(f"\n{title}: {figures_of(measured)}", end="")
        print()
    if len(everything) >= FUNCTIONS_TO_MEASURE_MIN:
        assert statistics.median(everything) <= FUNCTION_LINES_MEDIAN_MAX
        assert percentile_90(everything) <= FUNCTION_LINES_90TH_PERCENTILE_MAX


def figures_of(lengths: list[int]) -> str:
    if not lengths:
        return "no functions"
    median, large, longest = statistics.median(lengths), percentile_90(lengths), lengths[-1]
    return f"{len(lengths)} functions of {median:g} lines at the median, {large} at 90 %, {longest} at most"


def percentile_90(lengths: list[int]) -> int:
    """Return the length that nine of ten functions do not exceed; the lengths come sorted."""
    return lengths[(len(lengths) * 9 + 9) // 10 - 1]


# The rules for every text file.

TEXT_RULES = {
    "a leftover marker": LEFTOVER_MARKER,
    "a machine's path": MACHINE_PATH,
    "a registry": REGISTRY_HOST,
}


@pytest.mark.parametrize("what", TEXT_RULES)
def test_no_text_file_holds(what: str) -> None:
    offences = [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1} holds {what}: {found[0]}"
        for name, text in texts()
        for found in TEXT_RULES[what].finditer(text)
    ]
    assert not offences, "\n".join(offences)


def test_scripts_can_be_run() -> None:
    scripts = [name for name, text in texts() if name.startswith(("scripts/", ".ci/")) and text.startswith("#!")]
    assert "scripts/serve" in scripts
    for name in scripts:
        assert os.access(ROOT / name, os.X_OK), f"{name} is not executable"
        assert len((text_of(name) or "").splitlines()) <= FILE_LINES_MAX, f"{name} is too long"


# Each rule bites.


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (too_long, "\n" * (FILE_LINES_MAX + 1)),
        (too_long, "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
        (undocumented, "x = 1\n"),
        (silenced_without_reason, "x = 1  # type: ignore[misc]\n"),
        (silenced_without_reason, "x = 1  # type: ignore  # the library is untyped\n"),
        (silenced_without_reason, "x = 1  # noqa: S101\n"),
        (silenced_without_reason, "x = 1  # noqa: S101, E501\n"),
        (silenced_without_reason, "x = 1  # noqa  # because it must\n"),
        (silenced_without_reason, "x = 1  # pragma: no cover\n"),
        (printing, "print('x')\n"),
        (impure, "import random\n"),
        (impure, "from os.path import join\n"),
        (impure, "from uuid import uuid4\n"),
        (impure, "import datetime\nx = datetime.datetime.now()\n"),
        (impure, "x = open('y')\n"),
        (mutable_dataclasses, "@dataclass\nclass A: ...\n"),
        (
            mutable_dataclasses,
            "@dataclasses.dataclass(frozen=True, slots=False, kw_only=True)\nclass A: ...\n",
        ),
    ],
)
def test_rule_finds_one_offence(rule: PythonRule, text: str) -> None:
    assert len(list(rule("x.py", ast.parse(text), text))) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (too_long, "\n" * FILE_LINES_MAX),
        (undocumented, '"""What it is."""\n'),
        (silenced_without_reason, "x = 1  # type: ignore[misc]  # the library is untyped\n"),
        (silenced_without_reason, "x = 1  # noqa: S101, E501  # the text is quoted\n"),
        (silenced_without_reason, "x = '# noqa'\n"),
        (impure, "from datetime import datetime\nx = clock.now()\n"),
        (mutable_dataclasses, "@dataclass(frozen=True, slots=True, kw_only=True)\nclass A: ...\n"),
    ],
)
def test_rule_lets_good_code_pass(rule: PythonRule, text: str) -> None:
    assert list(rule("x.py", ast.parse(text), text)) == []


@pytest.mark.parametrize(
    ("pattern", "halves"),
    [
        (LEFTOVER_MARKER, ("# TO", "DO: later")),
        (MACHINE_PATH, ("cd /wo", "rk/main")),
        (MACHINE_PATH, ("sqlite:////tm", "p/x.sqlite3")),
        (MACHINE_PATH, ('"/ho', 'me/ann"')),
        (REGISTRY_HOST, ("https://py", "pi.org/simple")),
    ],
)
def test_pattern_finds(pattern: re.Pattern[str], halves: tuple[str, str]) -> None:
    assert pattern.search("".join(halves))


@pytest.mark.parametrize(
    "text", ["resolvers/root.py", "the tmp_path fixture", "app/work/units.py", "/graphql", "/homes"]
)
def test_machine_path_lets_other_paths_pass(text: str) -> None:
    assert MACHINE_PATH.search(text) is None

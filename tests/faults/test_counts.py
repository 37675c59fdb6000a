"""The table in README.md says how often each fault is tried; the tests and scripts/faults do as it says."""

import re
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
TABLE_ROW: Final = re.compile(r"\| `(?P<name>[A-Z_]+)` \| (?P<ci>\d+) \| (?P<full>\d+) \|$", re.MULTILINE)
COUNT: Final = re.compile(r"""(?:count|seconds)\("(?P<name>[A-Z_]+)", ci=(?P<ci>[^)]+)\)""")
FULL: Final = re.compile(r"\b(?P<name>[a-z-]+)=(?P<full>\d+)\b")
OTHERS: Final = {"SEED", "READY_SECONDS_MAX"}
"""What is no count of a fault."""


def documented() -> dict[str, tuple[int, int]]:
    """Return (CI, full) by name, as the table has them."""
    rows = TABLE_ROW.finditer((HERE / "README.md").read_text(encoding="utf-8"))
    return {row["name"]: (int(row["ci"]), int(row["full"])) for row in rows}


def test_tests_try_each_fault_in_ci_as_often_as_the_table_says() -> None:
    found = {}
    for path in HERE.glob("test_*.py"):
        for one in COUNT.finditer(path.read_text(encoding="utf-8")):
            found[one["name"]] = one["ci"]
    symbolic = {name for name, ci in found.items() if not ci.isdigit()}
    assert symbolic == {"MUTANTS"}  # those that are required, which test_mutants.py lists
    told = {name: str(ci) for name, (ci, _) in documented().items()}
    assert {name: told[name] if name in symbolic else ci for name, ci in found.items()} == told


def test_the_script_tries_each_fault_as_often_as_the_table_says() -> None:
    script = (ROOT / "scripts" / "faults").read_text(encoding="utf-8")
    counts = script[script.index("counts=(") : script.index(")\n")]
    found = {one["name"].upper().replace("-", "_"): int(one["full"]) for one in FULL.finditer(counts)}
    told = {name: full for name, (_, full) in documented().items()}
    assert {name: full for name, full in found.items() if name not in OTHERS} == told

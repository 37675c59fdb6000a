"""schema.graphql: printed from the code, and compared with what was promised in the last commit.

The rule: a change that breaks clients needs a line in the changelog that names it.
"""

import subprocess
from pathlib import Path

from graphql import build_schema as build_core_schema
from graphql.utilities import find_breaking_changes

from resolvers.schema import build_schema

SCHEMA_FILE = "schema.graphql"
CHANGELOG_FILE = "CHANGELOG.md"
GIT_DEADLINE_SECONDS = 10


def printed_schema() -> str:
    """Return the schema as the file holds it."""
    return build_schema(is_federated=False).as_str() + "\n"


def write_schema_file(project: Path) -> None:
    """Write schema.graphql."""
    (project / SCHEMA_FILE).write_text(printed_schema(), encoding="utf-8")


def problems_with_schema_file(project: Path) -> list[str]:
    """Return what is wrong with schema.graphql: it differs from the code, or breaks clients without saying so."""
    file = project / SCHEMA_FILE
    current = printed_schema()
    problems = []
    if not file.exists() or file.read_text(encoding="utf-8") != current:
        problems.append(f"{SCHEMA_FILE} is not what the code says; run `stockgate schema --write`")
    promised = committed(project, SCHEMA_FILE)
    if promised is not None:
        changelog = (project / CHANGELOG_FILE).read_text(encoding="utf-8")
        problems += unannounced_breaking_changes(promised, current, changelog)
    return problems


def unannounced_breaking_changes(promised: str, current: str, changelog: str) -> list[str]:
    """Return the breaking changes between two schemas that the changelog does not name (in their own words)."""
    changes = find_breaking_changes(build_core_schema(promised), build_core_schema(current))
    return [
        f"breaks clients: {change.description} Name it in {CHANGELOG_FILE}, in these words, if it is meant."
        for change in changes
        if change.description.rstrip(".") not in changelog
    ]


def committed(project: Path, name: str) -> str | None:
    """Return a file as the last commit holds it; None where there is no commit, no git, or no such file."""
    try:
        shown = subprocess.run(  # noqa: S603  # fixed words, no shell
            ["git", "show", f"HEAD:./{name}"],  # noqa: S607  # the git of the developer
            cwd=project,
            capture_output=True,
            check=False,
            timeout=GIT_DEADLINE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown.stdout.decode() if shown.returncode == 0 else None

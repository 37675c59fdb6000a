"""What the matrix shares: the ground, laid once and copied; the one rule: each test has a gateway of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import strawberry

from app.storage.migrate import migrate_sqlite
from resolvers.document_limits import DocumentLimits
from resolvers.schema import build_schema

pytest.register_assert_rewrite("tests.resolvers.desk", "tests.permissions.runs", "tests.permissions.ground")

from tests.permissions.changes import changes  # noqa: E402  # after the registration
from tests.permissions.conflict_entries import conflict_entries  # noqa: E402  # as above
from tests.permissions.document_entries import document_entries  # noqa: E402  # as above
from tests.permissions.entries import Entry, questions  # noqa: E402  # as above
from tests.permissions.ground import Ground, lay_ground  # noqa: E402  # as above
from tests.permissions.report import Report  # noqa: E402  # as above
from tests.permissions.roads import ROADS  # noqa: E402  # as above
from tests.permissions.runs import Matrix  # noqa: E402  # as above
from tests.resolvers.desk import complete, open_desk  # noqa: E402  # as above

GENEROUS = DocumentLimits(tokens_max=50_000, characters_max=500_000, depth_max=50)
"""For documents that select everything there is."""
POINTS_MAX = 100_000_000
"""What such documents may cost, one after the other."""


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    """The schema as it is served, with room for large documents."""
    return build_schema(limits=GENEROUS)


@pytest.fixture(scope="session")
def laid(tmp_path_factory: pytest.TempPathFactory, schema: strawberry.Schema) -> tuple[Path, Ground]:
    """A file with the ground laid, and what it made."""
    path = tmp_path_factory.mktemp("matrix") / "ground.sqlite3"
    migrate_sqlite(path)

    async def lay() -> Ground:
        async with open_desk(path, schema) as desk:
            return await lay_ground(desk)

    ground = asyncio.run(lay())
    return complete(path), ground


@pytest.fixture(scope="session")
def all_entries(laid: tuple[Path, Ground]) -> dict[str, Entry]:
    """Every way in, by its name."""
    found = [*questions(laid[1]), *changes(laid[1]), *document_entries(laid[1]), *conflict_entries(laid[1])]
    named = {one.name: one for one in found}
    assert len(named) == len(found)
    return named


@pytest.fixture
async def matrix(
    laid: tuple[Path, Ground], schema: strawberry.Schema, all_entries: dict[str, Entry], tmp_path: Path
) -> AsyncIterator[Matrix]:
    """A gateway on a copy of the ground."""
    path = Path(shutil.copyfile(laid[0], tmp_path / "gateway.sqlite3"))
    async with open_desk(path, schema, cost_points_max=POINTS_MAX) as desk:
        yield Matrix(desk=desk, ground=laid[1], entries=all_entries)


@pytest.fixture(scope="session")
def report(all_entries: dict[str, Entry]) -> Iterator[Report]:
    """What the session ran; written and counted at its end."""
    ways = {kind: {all_entries[one.entry].field for one in roads} for kind, roads in ROADS.items()}
    report = Report(ways_to=ways)
    yield report
    report.write()
    print("", *report.counts(), sep="\n")

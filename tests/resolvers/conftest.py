"""What the tests through the schema share; the one rule: each test has a gateway and a file of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import strawberry

from app.storage.migrate import migrate_sqlite
from resolvers.schema import build_schema

pytest.register_assert_rewrite("tests.resolvers.desk")

from tests.resolvers.desk import Desk, complete, open_desk, stock_up  # noqa: E402  # after the registration


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    """The schema, built once."""
    return build_schema()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them."""
    path = tmp_path_factory.mktemp("templates") / "empty.sqlite3"
    migrate_sqlite(path)
    return path


@pytest.fixture(scope="session")
def stocked_file(empty_file: Path, schema: strawberry.Schema) -> Path:
    """A file with the small shop; a copy takes a tenth of the time of stocking up."""
    path = empty_file.with_name("stocked.sqlite3")
    shutil.copyfile(empty_file, path)

    async def stock() -> None:
        async with open_desk(path, schema) as desk:
            await stock_up(desk)

    asyncio.run(stock())
    return complete(path)


@pytest.fixture
async def empty_desk(empty_file: Path, schema: strawberry.Schema, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway that holds nothing."""
    path = Path(shutil.copyfile(empty_file, tmp_path / "gateway.sqlite3"))
    async with open_desk(path, schema) as desk:
        yield desk


@pytest.fixture
async def desk(stocked_file: Path, schema: strawberry.Schema, tmp_path: Path) -> AsyncIterator[Desk]:
    """A gateway with the small shop."""
    path = Path(shutil.copyfile(stocked_file, tmp_path / "gateway.sqlite3"))
    async with open_desk(path, schema) as desk:
        yield desk

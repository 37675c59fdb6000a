"""kill -9 of an import, on each database; the one rule: run again, it goes on, and every row is recorded once."""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest

from tests.app.databases import SqliteDatabases, Store
from tests.app.postgres_store import PostgresDatabases
from tests.end_to_end.test_files_command_line import COMMAND_SECONDS_MAX, Shell

ROWS: Final = 5000
KILLED_AFTER: Final = (1, 2500)
"""How many rows are kept at the least when the next kill comes."""
POLL_SECONDS: Final = 0.02
TABLES: Final = ("adjustments", "movements", "stock_levels", "idempotency_keys")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return SqliteDatabases(tmp_path).new_store()
    return PostgresDatabases(request.getfixturevalue("postgres_server")).new_store()


async def kept(store: Store, table: str = "adjustments") -> int:
    """Return how many rows a table has."""
    ((count,),) = await store.rows(f"SELECT count(*) FROM {table}")
    return int(count)


async def kill_import(shell: Shell, store: Store, *, after: int) -> None:
    """Begin the import of the counts, and kill it once so many rows are kept."""
    async with shell.begun("import", "levels", "counts.csv") as process, asyncio.timeout(COMMAND_SECONDS_MAX):
        while await kept(store) < after:
            assert process.returncode is None
            await asyncio.sleep(POLL_SECONDS)
        process.kill()
        assert await process.wait() == -9


def rows_told(words: str, status: str) -> int:
    """Return the number beside a status in the report."""
    found = re.search(rf"{status} │ ([\d,]+) │", words)
    return int(found[1].replace(",", "")) if found else 0


async def test_import_that_is_killed_again_and_again_records_each_row_once(store: Store, tmp_path: Path) -> None:
    """Given counts whose import is killed twice, when it is run again, then it does what is left of them."""
    shell = Shell(directory=tmp_path, url=store.url)
    shell.write("locations.csv", "code\nEAST\n")
    shell.write("items.csv", "sku\n" + "".join(f"N-{number:05}\n" for number in range(ROWS)))
    counts = "".join(f"N-{number:05},EAST,{number % 97 + 1}\n" for number in range(ROWS))
    shell.write("counts.csv", f"sku,location,on_hand\n{counts}")
    for kind in ("locations", "items"):
        assert (await shell.run("import", kind, f"{kind}.csv")).code == 0
    for after in KILLED_AFTER:
        await kill_import(shell, store, after=after)
    done = await kept(store)
    assert KILLED_AFTER[-1] <= done < ROWS
    told = await shell.run("import", "levels", "counts.csv")
    assert told.code == 0, told.words
    # A batch that was on its way when its sender died may still have been committed, or not.
    assert rows_told(told.words, "applied") + rows_told(told.words, "replayed") == ROWS
    assert rows_told(told.words, "replayed") >= done
    again = await shell.run("import", "levels", "counts.csv")
    assert f"{ROWS:,} rows were already imported by run" in again.words
    assert [await kept(store, table) for table in TABLES] == [ROWS] * len(TABLES)
    levels = await store.rows("SELECT sku, on_hand FROM stock_levels JOIN items ON items.id = item_id")
    assert dict(levels) == {f"N-{number:05}": number % 97 + 1 for number in range(ROWS)}
    assert (await shell.run("audit")).code == 0

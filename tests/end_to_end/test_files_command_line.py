"""`stockgate import` and `stockgate export` as users run them; the one rule: exit codes and sentences, no traceback."""

import asyncio
import contextlib
import sqlite3
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.bench.server_process import clean_environment, stockgate_command
from app.settings import SQLITE_PREFIX
from app.storage.migrate import migrate_sqlite
from tests.end_to_end.client import Client
from tests.end_to_end.gateway import Gateways

COMMAND_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command left behind: its exit code, its data, and what it said, in one line."""

    code: int
    output: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands on one database, from one directory."""

    directory: Path
    url: str

    @property
    def database(self) -> Path:
        """The file, where the database is one."""
        return Path(self.url.removeprefix(SQLITE_PREFIX))

    @asynccontextmanager
    async def begun(self, *arguments: str) -> AsyncIterator[Process]:
        """Start a command; what is left of it at the end is killed."""
        process = await asyncio.create_subprocess_exec(
            *stockgate_command(*arguments),
            env=clean_environment({"STOCKGATE_DATABASE_URL": self.url, "COLUMNS": "200"}),
            cwd=self.directory,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def run(self, *arguments: str) -> Told:
        """Run a command to its end."""
        async with self.begun(*arguments) as process, asyncio.timeout(COMMAND_SECONDS_MAX):
            output, errors = await process.communicate()
        words = " ".join(errors.decode().split())
        assert "Traceback" not in words, errors.decode()
        assert process.returncode is not None
        return Told(code=process.returncode, output=output.decode(), words=words)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.directory / name).write_text(text)

    def read(self, name: str) -> str:
        """Return a file's text."""
        return (self.directory / name).read_bytes().decode()

    def files(self) -> list[str]:
        """Return the names of all CSV files and their parts."""
        return sorted(path.name for path in self.directory.glob("*.csv*"))

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        with closing(sqlite3.connect(self.database, timeout=5)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A directory with an empty database in it, and a file of each kind that needs nothing but the ones before."""
    shell = Shell(directory=tmp_path, url=f"{SQLITE_PREFIX}{tmp_path / 'stock.sqlite3'}")
    migrate_sqlite(shell.database)
    shell.write("locations.csv", "code,name\nEAST,East\n")
    shell.write("items.csv", "sku\tname\r\nM-1\tMug\r\nM-2\tCup\r\n")
    shell.write("levels.csv", "sku;location;on_hand\nM-1;EAST;5\nM-2;EAST;1,5\nM-3;EAST;1\n")
    return shell


async def test_import_mend_import_again_and_export(shell: Shell) -> None:
    """Given three files, then good rows come in, bad ones are told and mended, and exports hold what was imported."""
    assert (await shell.run("import", "locations", "locations.csv")).code == 0
    tried = await shell.run("import", "items", "items.csv", "--dry-run")
    assert (tried.code, shell.count("items")) == (0, 0)
    assert "Nothing was kept." in tried.words
    told = await shell.run("import", "items", "items.csv")
    assert (told.code, told.output) == (0, "")
    assert "applied │ 2 │ created or changed" in told.words
    again = await shell.run("import", "items", "items.csv")
    assert "unchanged │ 2 │ were so already" in again.words
    assert again.words.endswith("Nothing changed.")

    refused = await shell.run("import", "levels", "levels.csv", "--reason", "receipt")
    assert refused.code == 1
    assert "✗ row 3, on_hand: INVALID_INPUT: No whole number: '1,5'" in refused.words
    assert "✗ row 4, sku: ITEM_NOT_FOUND: There is no item with SKU 'M-3'" in refused.words
    assert "The refused rows are in levels.errors.csv" in refused.words
    shell.write("levels.errors.csv", shell.read("levels.errors.csv").replace("1,5", "15").replace("M-3", "M-1"))
    in_the_way = await shell.run("import", "levels", "levels.csv", "--reason", "receipt")
    assert (in_the_way.code, in_the_way.words) == (
        2,
        "✗ levels.errors.csv is there already, and may hold rows that you have mended; import it first, move it away, "
        "or name another file with --errors.",
    )
    shell.write("copy.csv", shell.read("levels.errors.csv"))
    mended = await shell.run("import", "levels", "levels.errors.csv", "--run", "mended")
    assert mended.code == 0
    replayed = await shell.run("import", "levels", "copy.csv", "--run", "mended")
    assert "2 rows were already imported by run mended; name another --run to record this count" in replayed.words

    levels = "sku,location,on_hand,quarantined,damaged,safety_stock\r\nM-1,EAST,1,0,0,0\r\nM-2,EAST,15,0,0,0\r\n"
    assert (await shell.run("export", "levels")).output == levels
    assert (await shell.run("export", "levels", "-")).output == levels
    exported = await shell.run("export", "levels", "out.csv")
    assert (exported.output, exported.words, shell.read("out.csv")) == ("", "2 levels exported", levels)
    assert (await shell.run("audit")).code == 0
    assert shell.files() == ["copy.csv", "items.csv", "levels.csv", "locations.csv", "out.csv"]


async def test_dry_run_tells_and_writes_no_file(shell: Shell) -> None:
    """Given rows of which one is refused and one there twice, then both are told, and no file is made."""
    shell.write("items.csv", "sku,name\nA,x\n,y\nA,z\n")
    tried = await shell.run("import", "items", "items.csv", "--dry-run")
    assert tried.code == 1
    assert "! row 4: sku A also stands in row 2; the later row counts" in tried.words
    assert tried.words.endswith("Nothing was kept. Import without --dry-run to have the refused rows in a file.")
    assert shell.files() == ["items.csv", "levels.csv", "locations.csv"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "items", "items.csv"],
        ["export", "items"],
        ["keys", "list"],
        ["keys", "create", "--account", "a", "--role", "admin"],
        ["documents", "list"],
        ["audit"],
    ],
)
async def test_no_database_is_made_by_a_slip(shell: Shell, arguments: list[str]) -> None:
    """Given a path at which there is no database, then a command says so, and none is there afterwards."""
    shell.database.unlink()
    told = await shell.run(*arguments)
    assert (told.code, told.output, told.words) == (
        2,
        "",
        f"✗ there is no database at {shell.database}; run this where the gateway runs, set STOCKGATE_DATABASE_URL, "
        "or make one with stockgate migrate.",
    )
    assert not shell.database.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["items", "none.csv"], "none.csv"),
        (["items", "levels.csv"], "header, location: INVALID_INPUT: There is no column 'location'"),
        (["items", "items.csv", "--run", "x"], "--run and --reason are for levels"),
        (["levels", "levels.csv", "--run", "x" * 201], "The name of the run has 201 characters"),
        (["levels", "levels.csv", "--errors", "levels.csv"], "--errors names the file that is imported"),
        (
            ["levels", "levels.csv", "--errors", "none/errors.csv"],
            "cannot import levels.csv: No such file or directory",
        ),
        (["things", "items.csv"], "things"),
    ],
)
async def test_what_cannot_be_imported_is_said_in_a_sentence(shell: Shell, arguments: list[str], words: str) -> None:
    """Given a wrong command line or file, then the exit code is 2 and nothing is imported."""
    told = await shell.run("import", *arguments)
    assert (told.code, words in told.words) == (2, True), told.words
    assert shell.files() == ["items.csv", "levels.csv", "locations.csv"]


async def test_export_to_nowhere_is_said_in_a_sentence(shell: Shell) -> None:
    told = await shell.run("export", "items", "none/items.csv")
    assert (told.code, told.words) == (2, "✗ cannot write none/items.csv: No such file or directory.")


async def test_reader_that_has_enough_ends_an_export_quietly(shell: Shell) -> None:
    """Given whoever reads the export goes away, then it ends without a word."""
    shell.write("many.csv", "sku\n" + "".join(f"N-{number:05}-{'x' * 200}\n" for number in range(2000)))
    await shell.run("import", "items", "many.csv")
    async with shell.begun("export", "items") as process, asyncio.timeout(COMMAND_SECONDS_MAX):
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # there is no public way to close a pipe's end
        assert await process.stderr.read() == b""
        assert await process.wait() == 0


async def test_import_beside_a_running_gateway(shell: Shell, gateways: Gateways) -> None:
    """Given a gateway on the same file, when rows are imported, then it answers with them at once."""
    with gateways.new("beside-an-import").begin() as gateway:
        beside = Shell(directory=shell.directory, url=f"{SQLITE_PREFIX}{gateway.file}")
        assert (await beside.run("import", "locations", "locations.csv")).code == 0
        assert (await beside.run("import", "items", "items.csv")).code == 0
        assert (await beside.run("import", "levels", "levels.csv")).code == 1
        async with Client(gateway.url) as client:
            answer = await client.ask('{ availability(skus: ["M-1"]) { availableQuantity } }')
        assert answer["availability"] == [{"availableQuantity": 5}]
        assert await gateway.end() == 0
        assert gateway.failures() == []

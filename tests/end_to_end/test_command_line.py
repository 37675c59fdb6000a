"""`stockgate serve` that cannot; the one rule: exit code 2 and a sentence that says what to do, never a traceback."""

import asyncio
import socket
from pathlib import Path

import pytest

from app.bench.server_process import clean_environment, stockgate_command
from app.settings import SQLITE_PREFIX

REFUSED_SECONDS_MAX = 20.0
REPLICA_ADVICE = "write postgresql+asyncpg://user:password@host/name, or leave it unset"


async def refused(file: Path, *arguments: str, **settings: str) -> str:
    """Run `stockgate serve`, prove that it refuses and that it made no file, and return its words in one line."""
    environment = {"STOCKGATE_DATABASE_URL": f"{SQLITE_PREFIX}{file}"}
    environment |= {f"STOCKGATE_{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *stockgate_command("serve", *arguments),
        env=clean_environment(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(REFUSED_SECONDS_MAX):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 2, output
    words = " ".join(output.decode().split())
    assert "Traceback" not in words
    return words


@pytest.mark.parametrize(
    ("arguments", "variables", "host"),
    [
        (["--host", "0.0.0.0"], {}, "0.0.0.0"),
        ([], {"HOST": "0.0.0.0"}, "0.0.0.0"),
        (["--host", "::"], {}, "::"),
        (["--host", "192.168.0.1"], {"HOST": "127.0.0.1"}, "192.168.0.1"),
        (["--host", "shop.example"], {}, "shop.example"),
        (["--host", ""], {}, ""),
    ],
)
async def test_an_address_that_others_reach_is_refused(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], host: str
) -> None:
    file = tmp_path / "none.sqlite3"
    words = await refused(file, *arguments, **variables)
    assert f"{host} is not a loopback address" in words
    assert "use 127.0.0.1" in words
    assert not file.exists()


async def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = await refused(tmp_path / "none.sqlite3", "--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port}" in words
    assert "choose another --port" in words
    assert not (tmp_path / "none.sqlite3").exists()


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("ENVIRONMENT", "staging", "write development or production"),
        ("TRUSTED_DOCUMENTS", "some", "write off, storefront or all"),
        ("PORT", "many", "write a whole number"),
        ("PORT", "65536", "write at most 65535"),
        ("BATCH_ROWS_MAX", "0", "write at least 1"),
        ("WORKERS", "0", "write at least 1"),
        ("LOG_REQUESTS", "some", "write true or false"),
        (
            "DATABASE_URL",
            "mysql://127.0.0.1/x",
            "write sqlite+aiosqlite:///path/to/file.sqlite3 or postgresql+asyncpg://user:password@host/name",
        ),
        ("READ_DATABASE_URL", "postgresql://127.0.0.1/x", REPLICA_ADVICE),
        ("READ_DATABASE_URL", "sqlite+aiosqlite:///copy.sqlite3", REPLICA_ADVICE),
        ("READ_DATABASE_URL", "postgresql+asyncpg://", REPLICA_ADVICE),
        ("READ_STALENESS_MS_MAX", "99", "write at least 100"),
        (
            "DATABASE_URL",
            "postgresql+asyncpg://stock:secret@127.0.0.1:many/stock",
            "write sqlite+aiosqlite:///path/to/file.sqlite3 or postgresql+asyncpg://user:password@host/name",
        ),
        ("ALLOWED_ORIGINS", "*", "write each origin; `*` would let every web site in"),
    ],
)
async def test_an_unknown_value_of_a_setting_is_refused_by_its_name(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    words = await refused(tmp_path / "none.sqlite3", **{name: value})
    assert words == f"✗ STOCKGATE_{name}: {advice}."


async def test_a_replica_beside_a_file_is_refused(tmp_path: Path) -> None:
    words = await refused(tmp_path / "none.sqlite3", READ_DATABASE_URL="postgresql+asyncpg://user:secret@127.0.0.1/x")
    assert words == (
        "✗ settings: STOCKGATE_READ_DATABASE_URL names a replica of PostgreSQL, and SQLite has none; unset it."
    )


async def test_an_unknown_setting_is_told(tmp_path: Path) -> None:
    """Given variables that are no settings, then each is told with what may be meant, but for those of the tests."""
    words = await refused(tmp_path / "none.sqlite3", TYPO="1", PROT="1", XYZZY="1", TEST_X="1", ENVIRONMENT="x")
    assert words == (
        "! STOCKGATE_PROT is no setting; did you mean STOCKGATE_PORT? "
        "! STOCKGATE_TYPO is no setting; did you mean STOCKGATE_PORT? "
        "! STOCKGATE_XYZZY is no setting; the README lists them all. "
        "✗ STOCKGATE_ENVIRONMENT: write development or production."
    )


@pytest.mark.parametrize(
    ("arguments", "variables"), [(["--workers", "2"], {}), ([], {"WORKERS": "2"}), (["--workers", "2", "--demo"], {})]
)
async def test_a_file_is_not_shared(tmp_path: Path, arguments: list[str], variables: dict[str, str]) -> None:
    words = await refused(tmp_path / "none.sqlite3", *arguments, **variables)
    assert words == (
        "✗ a SQLite file is served by one process, and 2 were asked for; set STOCKGATE_DATABASE_URL to "
        "postgresql+asyncpg://user:password@host/name, or leave --workers and STOCKGATE_WORKERS out."
    )
    assert not (tmp_path / "none.sqlite3").exists()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, and they are to stay\n" * 50)
    before = file.read_bytes()
    for arguments in (["--port", "0"], ["--port", "0", "--demo"]):
        words = await refused(file, *arguments)
        assert f"cannot use the database {file}" in words
        assert "set STOCKGATE_DATABASE_URL" in words
        assert file.read_bytes() == before

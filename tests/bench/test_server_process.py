"""A server process is started, waited for, stopped and killed by its pid; whatever fails says why."""

import sys
from pathlib import Path

import pytest

from app.bench.server_process import ServerError, ServerProcess, clean_environment, free_port

SILENT = "import time; print('sleeping', flush=True); time.sleep(60)"


def echo_server(log_path: Path) -> ServerProcess:
    """Return the echo server, not yet started."""
    port = free_port()
    return ServerProcess(command=[sys.executable, "-m", "app.bench.echo", str(port)], port=port, log_path=log_path)


def broken_server(log_path: Path, program: str) -> ServerProcess:
    """Return a Python program that is not a server."""
    return ServerProcess(command=[sys.executable, "-c", program], port=free_port(), log_path=log_path)


def test_a_server_starts_stops_and_starts_again_on_its_port(tmp_path: Path) -> None:
    with echo_server(tmp_path / "log") as server:
        for _ in range(2):
            server.start(deadline_seconds=10)
            assert server.is_running()
            assert server.stop(deadline_seconds=10) == 0
            assert not server.is_running()


def test_a_killed_server_starts_again_and_none_is_left_behind(tmp_path: Path) -> None:
    with echo_server(tmp_path / "log") as server:
        server.start(deadline_seconds=10)
        server.kill()
        assert not server.is_running()
        server.start(deadline_seconds=10)
    assert not server.is_running()


def test_a_running_server_is_not_started_twice(tmp_path: Path) -> None:
    with echo_server(tmp_path / "log") as server:
        server.start(deadline_seconds=10)
        with pytest.raises(ServerError, match=r"^the server is already running$"):
            server.start(deadline_seconds=10)


def test_a_server_that_ends_at_once_says_its_last_words(tmp_path: Path) -> None:
    server = broken_server(tmp_path / "log", "raise SystemExit('no such setting')")
    with pytest.raises(ServerError, match=r"^the server ended before it was ready\nno such setting$"):
        server.start(deadline_seconds=10)


def test_a_server_that_is_never_ready_is_killed_at_the_deadline(tmp_path: Path) -> None:
    with broken_server(tmp_path / "log", SILENT) as server:
        with pytest.raises(ServerError, match=r"^not ready within 0.5 s\nsleeping$"):
            server.start(deadline_seconds=0.5)
        assert not server.is_running()


def test_settings_of_the_product_do_not_leak_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKGATE_REDIS_URL", "redis://elsewhere")
    kept = clean_environment({"STOCKGATE_PORT": "1"})
    assert {name: value for name, value in kept.items() if name.startswith("STOCKGATE_")} == {"STOCKGATE_PORT": "1"}

"""Real servers for every test that wants one; the one rule: each starts once, when it is first asked for.

The summary tells which were used, so that nobody takes a run without one for a run with it.
"""

from collections.abc import Iterator

import pytest

from tests.servers.postgres_server import TestServer, running_server

SERVERS_USED = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no server used."""
    config.stash[SERVERS_USED] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which servers the tests ran on."""
    used = {"SQLite": "files of its own", "PostgreSQL": "not used", **config.stash[SERVERS_USED]}
    terminalreporter.write_sep("-", "servers used")
    for name, what in used.items():
        terminalreporter.write_line(f"{name}: {what}")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[TestServer]:
    """A real PostgreSQL."""
    with running_server() as server:
        request.config.stash[SERVERS_USED]["PostgreSQL"] = server.version
        yield server

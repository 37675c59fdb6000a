"""What the end-to-end tests share: one gateway process for all that need no other; the one rule: it never fails."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.storage.migrate import migrate_sqlite

pytest.register_assert_rewrite("tests.end_to_end.client", "tests.end_to_end.shop", "tests.end_to_end.streams")

from tests.end_to_end.client import Client  # noqa: E402  # after the registration
from tests.end_to_end.gateway import FEW_EVENTS_KEPT, Gateway, Gateways  # noqa: E402  # as above
from tests.end_to_end.shop import Shop, open_shop  # noqa: E402  # as above

KEEP_ALIVE_MS = "300"
PATIENT_MS = "60000"
"""How long a subscriber may leave a message unread: longer than a test on a busy machine takes to write them all."""


@pytest.fixture(scope="session")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Gateways:
    """What makes gateways."""
    directory = tmp_path_factory.mktemp("gateways")
    template = directory / "template.sqlite3"
    migrate_sqlite(template)
    return Gateways(directory=directory, template=template)


@pytest.fixture(scope="session")
def gateway(gateways: Gateways) -> Iterator[Gateway]:
    """The gateway that tests share. It ends well, and its log tells of no failure."""
    with gateways.new("shared", KEEP_ALIVE_MS=KEEP_ALIVE_MS).begin() as shared:
        yield shared
        assert shared.stop(deadline_seconds=20.0) == 0
        assert shared.failures() == [], shared.log()


@pytest.fixture(scope="session")
def production(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway in production that keeps few events for its subscribers."""
    few = {"FEED_EVENTS_KEPT": str(FEW_EVENTS_KEPT), "SEND_DEADLINE_MS": PATIENT_MS}
    with gateways.new("production", ENVIRONMENT="production", **few).begin() as other:
        yield other
        assert other.stop(deadline_seconds=20.0) == 0
        assert other.failures() == [], other.log()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    """A caller of the shared gateway."""
    async with Client(gateway.url) as client:
        yield client


@pytest.fixture
async def shop(gateway: Gateway, client: Client) -> Shop:
    """A shop of the test's own on the shared gateway."""
    return await open_shop(gateway, client)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's own directory."""
    return Path(__file__).resolve().parent.parent.parent

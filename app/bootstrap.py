"""THE composition root: makes a gateway out of its settings; web, workers, CLI and tests all begin here."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.authentication import Authenticator, new_credential
from app.event_feed import EventFeed
from app.event_retention import EventRetention
from app.ids import new_id
from app.leases import LeasedWorker
from app.ledger_writer import LedgerWriter, WriterLimits
from app.read_replica import ReadReplica, read_replica
from app.reads import DatabaseReads
from app.reservation_expiry import ReservationExpiry
from app.settings import Settings
from app.sharing import Worker, share
from app.storage.database import Database
from app.storage.opening import migrate_once_it_is_up, open_database
from app.trusted_documents import BelievedDocuments
from resolvers.context import Services
from resolvers.document_limits import DocumentLimits
from resolvers.loaders import Loaders
from resolvers.request_log import Observe

if TYPE_CHECKING:  # made only where an identity provider is named
    from app.identity_tokens import IdentityTokens

logger = logging.getLogger("stockgate")

MS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway: its ports, and the workers behind them."""

    settings: Settings
    services: Services
    authenticator: Authenticator
    database: Database
    writer: LedgerWriter
    feed: EventFeed
    workers: tuple["asyncio.Task[None]", ...]

    @property
    def is_working(self) -> bool:
        """Whether every worker is alive."""
        return not any(worker.done() for worker in self.workers)


@contextlib.asynccontextmanager
async def open_gateway(
    settings: Settings, *, observe: Observe | None = None, does_housekeeping: bool = False
) -> AsyncIterator[Gateway]:
    """Open the database, bring its tables up to date, start the workers; stop them in order at the end.

    A server that is not up yet is waited for. `observe` is told of every operation. `does_housekeeping`: this process
    is one of those of which one, in turn, does what must be done in one place at a time. Those that serve are; commands
    that come and go are not. Raises UnusableDatabase.
    """
    await migrate_once_it_is_up(settings)
    database = await open_database(settings)
    try:
        async with (
            read_replica(settings) as replica,
            _workers_on(settings, database, observe, replica=replica, does_housekeeping=does_housekeeping) as gateway,
        ):
            yield gateway
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.shutdown_deadline_ms / MS):
                await database.close()


@contextlib.asynccontextmanager
async def _workers_on(
    settings: Settings,
    database: Database,
    observe: Observe | None,
    *,
    replica: ReadReplica | None,
    does_housekeeping: bool,
) -> AsyncIterator[Gateway]:
    feed = _feed(settings, database)
    sharing = share(settings, wake_feed=feed.wake)
    writer = LedgerWriter(database, _limits(settings), on_commit=sharing.on_commit)
    running: dict[str, Worker] = {"writer": writer, "feed": feed, **sharing.workers}
    if does_housekeeping:
        running["retention"] = LeasedWorker(database, name="retention", work=partial(_retention, settings))
        running["expiry"] = LeasedWorker(database, name="expiry", work=partial(_expiry, settings, writer))
    if replica is not None:
        running["replica"] = replica
    reads = DatabaseReads(database, deadline_seconds=settings.read_deadline_ms / MS, replica=replica)
    workers = tuple(asyncio.create_task(one.run(), name=name) for name, one in running.items())
    for worker in workers:
        worker.add_done_callback(_log_if_failed)
    authenticator = Authenticator(
        reads, tokens=_identity_tokens(settings), now=_now, has_api_keys=await reads.has_api_keys()
    )
    services = Services(
        ledger=writer,
        reads=reads,
        feed=feed,
        loaders=Loaders(reads),
        rate_limits=sharing.rate_limits,
        new_id=new_id,
        new_credential=new_credential,
        on_accounts_changed=authenticator.forget,
        observe=observe,
        trusted_documents=BelievedDocuments(reads.document_texts),
    )
    gateway = Gateway(
        settings=settings,
        services=services,
        authenticator=authenticator,
        database=database,
        writer=writer,
        feed=feed,
        workers=workers,
    )
    try:
        yield gateway
    finally:
        for one in running.values():
            one.stop()
        await _finish(workers, deadline_seconds=settings.shutdown_deadline_ms / MS)
        await sharing.close()


def _identity_tokens(settings: Settings) -> "IdentityTokens | None":
    if settings.oidc_issuer is None:
        return None
    from app.identity_tokens import IdentityProvider, IdentityTokens  # noqa: PLC0415  # cryptography takes its time to import

    return IdentityTokens(
        IdentityProvider(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience or "",
            keys_url=settings.oidc_keys_url or "",
            account_claim=settings.oidc_account_claim,
            channels_claim=settings.oidc_channels_claim,
            locations_claim=settings.oidc_locations_claim,
        )
    )


def _retention(settings: Settings, database: Database) -> EventRetention:
    return EventRetention(database, keep_for=timedelta(days=settings.event_retention_days), clock=_now)


def _expiry(settings: Settings, writer: LedgerWriter, database: Database) -> ReservationExpiry:
    reads = DatabaseReads(database, deadline_seconds=settings.read_deadline_ms / MS)
    return ReservationExpiry(reads, writer, new_id=new_id)


def _feed(settings: Settings, database: Database) -> EventFeed:
    return EventFeed(
        database,
        events_kept=settings.feed_events_kept,
        # A window of at least two pages, so that one large batch never puts a healthy subscriber out of it.
        page_events=max(1, min(settings.feed_page_events, settings.feed_events_kept // 2)),
        poll_seconds=settings.feed_poll_ms / MS,
        read_deadline_seconds=settings.read_deadline_ms / MS,
    )


def document_limits(settings: Settings) -> DocumentLimits:
    """Return what one document may hold."""
    return DocumentLimits(
        characters_max=settings.document_characters_max,
        tokens_max=settings.document_tokens_max,
        depth_max=settings.document_depth_max,
        aliases_max=settings.document_aliases_max,
        directives_max=settings.document_directives_max,
        root_fields_max=settings.document_root_fields_max,
        errors_max=settings.answered_errors_max,
    )


def _limits(settings: Settings) -> WriterLimits:
    return WriterLimits(
        batch_rows_max=settings.batch_rows_max,
        queue_commands_max=settings.queue_commands_max,
        queue_deadline_seconds=settings.queue_deadline_ms / MS,
        commit_deadline_seconds=settings.commit_deadline_ms / MS,
    )


async def _finish(workers: tuple["asyncio.Task[None]", ...], *, deadline_seconds: float) -> None:
    _, unfinished = await asyncio.wait(workers, timeout=deadline_seconds)
    for worker in unfinished:
        logger.warning("the worker %s did not stop in time", worker.get_name())
        worker.cancel()
    if unfinished:
        await asyncio.wait(unfinished, timeout=deadline_seconds)


def _log_if_failed(worker: "asyncio.Task[None]") -> None:
    if not worker.cancelled() and worker.exception() is not None:
        logger.critical("the worker %s failed", worker.get_name(), exc_info=worker.exception())


def _now() -> datetime:
    return datetime.now(UTC)

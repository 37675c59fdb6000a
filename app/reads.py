"""The reading side: implements the port `Reads` on a database; the one rule: every read has a deadline, and each
answer comes from one consistent snapshot.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from app.read_replica import Placed, ReadReplica
from app.storage import accounts, catalogue, conflict_reads, documents, ledger, promise_reads, promises, reads
from app.storage.database import Database, TransientError
from app.storage.record_codec import decode_record
from app.storage.statements import Row, Rows, Script, Statement, run
from domain.account_records import Account, ApiKey
from domain.adjustments import Adjustment
from domain.allocation_commands import Allocation, OrderKey, Shipment
from domain.conflicts import PromiseAtRisk, StockConflict
from domain.filters import ConflictFilter, ItemFilter, ReservationFilter
from domain.levels import LevelKey
from domain.ports import ANY, NEWEST, LedgerRow, PositionNotReached, StockSnapshot, Unavailable
from domain.records import Channel, Item, Listing, Location, Record, active
from domain.reservation_commands import Reservation
from domain.text import free_text_problems, is_code

Result = TypeVar("Result")
Key = TypeVar("Key")
Document = TypeVar("Document", Reservation, Allocation, Shipment)

# Behind every text that PostgreSQL and SQLite can hold, in the order of code points.
LAST_TEXT = "\U0010ffff"
# Behind every number that they can hold.
LAST_NUMBER = 2**63 - 1
FIRST_ROW_BEFORE = 2**62
# NUL and half a surrogate pair can be neither stored nor asked for; these neighbours are part of no code.
NEIGHBOURS = {0: "\x01"} | dict.fromkeys(range(0xD800, 0xE000), "\ud7ff")
RETRY_AFTER_MS = 1000
AHEAD_SECONDS_MAX: Final = 0.05
"""How long the primary is given to show what a replica has shown already."""


class DatabaseReads:
    """Answers questions from the database, each within `deadline_seconds`; those that may be, from its replica."""

    def __init__(self, database: Database, *, deadline_seconds: float, replica: ReadReplica | None = None) -> None:
        self._database = database
        self._deadline_seconds = deadline_seconds
        self._replica = replica

    @property
    def has_replica(self) -> bool:
        """Whether a replica is asked first."""
        return self._replica is not None

    async def snapshots(self, keys: Sequence[tuple[str, str | None]], *, at_least: int = NEWEST) -> list[StockSnapshot]:
        """Return what availability is computed from, for each (SKU, channel code), in one statement."""
        # A text that cannot be a code names nothing; asked for as the empty text, it finds nothing.
        asked = [(sku if is_code(sku) else "", code if code is None or is_code(code) else "") for sku, code in keys]
        plain, placed = partial(run, reads.stock_snapshots, keys=asked), partial(reads.placed_snapshots, asked)
        rows = await self._in_time(self._answer(plain, placed, at_least=at_least))
        return reads.snapshots_from(rows, list(keys))

    async def items(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[Item | None]:
        """Return items by SKU; None for unknown and archived ones."""
        return await self._records(catalogue.items_by_sku, catalogue.item_from, at_least=at_least, skus=skus)

    async def item_page(
        self, wanted: ItemFilter, *, after: str | None, limit: int, at_least: int = NEWEST
    ) -> list[Item]:
        """Return items in order of their SKUs, after the given one."""
        if not _can_match(wanted):
            return []
        prefix = _storable(wanted.sku_starts_with)
        pattern = None if wanted.name_contains is None else f"%{_escaped(wanted.name_contains)}%"
        rows = await self._rows(
            reads.item_page(wanted),
            at_least=at_least,
            lower=max(prefix, _storable(after)),
            upper=prefix + LAST_TEXT,
            after=_storable(after),
            limit=limit,
            skus=_codes(wanted.skus or ()),
            name_pattern=pattern,
            product_code=wanted.product_code,
            stocked_at=wanted.stocked_at,
        )
        return [catalogue.item_from(row) for row in rows]

    async def locations(self, codes: Sequence[str], *, at_least: int = NEWEST) -> list[Location | None]:
        """Return locations by code; None for unknown and archived ones."""
        return await self._records(catalogue.locations_by_code, catalogue.location_from, at_least=at_least, codes=codes)

    async def locations_ever_used(self, codes: Sequence[str]) -> list[Location | None]:
        """Return locations by code, archived ones too; None for unknown ones."""
        rows = await self._rows(catalogue.locations_by_code, codes=_codes(codes))
        found = {row[1]: catalogue.location_from(row) for row in rows}
        return [found.get(code) for code in codes]

    async def location_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Location]:
        """Return locations in order of their codes, after the given one."""
        rows = await self._rows(reads.location_page, at_least=at_least, after=_storable(after), limit=limit)
        return [catalogue.location_from(row) for row in rows]

    async def channels(self, codes: Sequence[str], *, at_least: int = NEWEST) -> list[Channel | None]:
        """Return channels by code; None for unknown and archived ones."""
        return await self._records(catalogue.channels_by_code, catalogue.channel_from, at_least=at_least, codes=codes)

    async def channel_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Channel]:
        """Return channels in order of their codes, after the given one."""
        rows = await self._rows(reads.channel_page, at_least=at_least, after=_storable(after), limit=limit)
        return [catalogue.channel_from(row) for row in rows]

    async def channels_served(
        self, location_codes: Sequence[str], *, at_least: int = NEWEST
    ) -> list[tuple[Channel, ...]]:
        """Return the channels that each location serves, in order of their codes."""
        rows = await self._rows(catalogue.channels_by_location, at_least=at_least, codes=_codes(location_codes))
        found = _grouped(((row[0], catalogue.channel_from(row[1:])) for row in rows), order=lambda one: one.code)
        return [found.get(code, ()) for code in location_codes]

    async def listings(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[tuple[Listing, ...]]:
        """Return each item's listings on channels in use, in order of channel codes."""
        rows = await self._rows(catalogue.listings_by_sku, at_least=at_least, skus=_codes(skus))
        found = _grouped(((row[0], catalogue.listing_from(row)) for row in rows), order=lambda one: one.channel)
        return [found.get(sku, ()) for sku in skus]

    async def adjustments(self, ids: Sequence[str]) -> list[Adjustment | None]:
        """Return adjustments by id, whoever made them."""
        found = await self._in_time(self._database.read(lambda: ledger.load_adjustments(_codes(ids))))
        return [found.get(one) for one in ids]

    async def adjustment_by_key(self, idempotency_key: str, *, account: str) -> Adjustment | None:
        """Return the adjustment that an account made under a key."""
        if not (is_code(idempotency_key) and is_code(account)):  # what a key may be is what a code may be
            return None
        return await self._in_time(
            self._database.read(lambda: ledger.load_adjustment_by_key(idempotency_key, account=account))
        )

    async def movement_page(
        self,
        *,
        sku: str | None,
        locations: Sequence[str] | None,
        before: int | None,
        limit: int,
        at_least: int = NEWEST,
    ) -> list[LedgerRow]:
        """Return ledger rows, newest first, older than the row `before`; None stands for all locations."""
        if sku is not None and not is_code(sku):
            return []
        which = reads.movement_page(of_item=sku is not None, at_locations=locations is not None)
        older_than = FIRST_ROW_BEFORE if before is None else max(0, min(before, FIRST_ROW_BEFORE))
        codes = _codes(locations or ())
        rows = await self._rows(which, at_least=at_least, sku=sku, locations=codes, before=older_than, limit=limit)
        return [reads.ledger_row_from(row) for row in rows]

    async def reservations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Reservation | None]:
        """Return reservations by id, whatever became of them; None for unknown ones."""
        rows = await self._rows(promises.reservations_by_id, at_least=at_least, ids=_codes(ids))
        found = {one.id: one for one in _decoded(Reservation, rows)}
        return [found.get(one) for one in ids]

    async def reservation_page(
        self, wanted: ReservationFilter, *, before: str | None, limit: int, at_least: int = NEWEST
    ) -> list[Reservation]:
        """Return reservations, newest first, older than the id `before`."""
        if not _can_be_reserved(wanted):
            return []
        rows = await self._rows(
            promise_reads.reservation_page(wanted),
            at_least=at_least,
            before=LAST_TEXT if before is None else _storable(before),
            limit=limit,
            reference=wanted.external_reference,
            sku=wanted.sku,
            channel=wanted.channel,
            state=wanted.state,
            channels=_codes(sorted(wanted.channels or ())),
            locations=_codes(sorted(wanted.locations or ())),
        )
        return _decoded(Reservation, rows)

    async def allocations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Allocation | None]:
        """Return allocations by id; None for unknown ones."""
        rows = await self._rows(promise_reads.allocations_by_id, at_least=at_least, ids=_codes(ids))
        found = {one.id: one for one in _decoded(Allocation, rows)}
        return [found.get(one) for one in ids]

    async def allocations_of(self, keys: Sequence[OrderKey], *, at_least: int = NEWEST) -> list[Allocation | None]:
        """Return the allocation of each order; None for orders that have none."""
        wanted = list(filter(_is_order_key, dict.fromkeys(keys)))
        rows = await self._rows(promise_reads.allocations_by_key, at_least=at_least, keys=wanted)
        found = {one.key: one for one in _decoded(Allocation, rows)}
        return [found.get(key) for key in keys]

    async def shipments(self, ids: Sequence[str]) -> list[Shipment | None]:
        """Return shipments by id; None for unknown ones."""
        rows = await self._rows(promise_reads.shipments_by_id, ids=_codes(ids))
        found = {one.id: one for one in _decoded(Shipment, rows)}
        return [found.get(one) for one in ids]

    async def shipments_of(self, keys: Sequence[OrderKey]) -> list[tuple[Shipment, ...]]:
        """Return the shipments of each order, in the order in which they were confirmed."""
        wanted = list(filter(_is_order_key, dict.fromkeys(keys)))
        found: dict[OrderKey, list[Shipment]] = {}
        for channel, order_id, data in await self._rows(promise_reads.shipments_by_order, keys=wanted):
            found.setdefault((channel, order_id), []).append(decode_record(Shipment, data))
        return [tuple(found.get(key, ())) for key in keys]

    async def conflicts(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[StockConflict | None]:
        """Return stock conflicts by id, closed ones too; None for unknown ones."""
        rows = await self._rows(conflict_reads.conflicts_by_id, at_least=at_least, ids=_codes(ids))
        found = {row[0]: conflict_reads.conflict_from(row) for row in rows}
        return [found.get(one) for one in ids]

    async def conflict_page(
        self, wanted: ConflictFilter, *, before: tuple[int, str] | None, limit: int, at_least: int = NEWEST
    ) -> list[StockConflict]:
        """Return stock conflicts, newest first, older than the one that opened at (microseconds, id)."""
        if wanted.sku is not None and not is_code(wanted.sku):
            return []
        opened_at, id_ = (LAST_NUMBER, LAST_TEXT) if before is None else (before[0], _storable(before[1]))
        rows = await self._rows(
            conflict_reads.conflict_page(wanted),
            at_least=at_least,
            opened_at=opened_at,
            id=id_,
            limit=limit,
            sku=wanted.sku,
            locations=_codes(sorted(wanted.locations or ())),
        )
        return list(map(conflict_reads.conflict_from, rows))

    async def promises_at_risk(
        self, keys: Sequence[LevelKey], *, at_least: int = NEWEST
    ) -> list[tuple[PromiseAtRisk, ...]]:
        """Return, for each level, whose units lack physical stock now, the newest promises first."""
        rows = await self._rows(conflict_reads.promises_at_risk, at_least=at_least, keys=list(dict.fromkeys(keys)))
        found: dict[LevelKey, list[PromiseAtRisk]] = {}
        for row in rows:
            found.setdefault((row[0], row[1]), []).append(conflict_reads.promise_from(row))
        return [tuple(found.get(key, ())) for key in keys]

    async def lapsed_reservations(self, *, limit: int) -> list[str]:
        """Return ids of reservations whose time is over and that nothing has resolved, the oldest first."""
        rows = await self._rows(promise_reads.lapsed_reservations, limit=limit)
        return [row[0] for row in rows]

    async def position(self) -> int:
        """Return the position of the newest event."""
        rows = await self._rows(reads.head_position)
        position: int = rows[0][0]
        return position

    async def accounts(self, codes: Sequence[str]) -> list[Account | None]:
        """Return accounts by code; None for unknown and archived ones."""
        rows = await self._rows(accounts.accounts_by_code, codes=_codes(codes))
        found = {one.code: one for one in map(accounts.account_from, rows) if one.archived_at is None}
        return [found.get(code) for code in codes]

    async def account_page(self, *, after: str | None, limit: int) -> list[Account]:
        """Return accounts in use in order of their codes, after the given one."""
        rows = await self._rows(accounts.account_page, after=_storable(after), limit=limit)
        return [accounts.account_from(row) for row in rows]

    async def api_keys(self, ids: Sequence[str]) -> list[ApiKey | None]:
        """Return API keys by id, whatever became of them; None for unknown ones."""
        rows = await self._rows(accounts.api_keys_by_id, ids=_codes(ids))
        found = {one.id: one for one in map(accounts.api_key_from, rows)}
        return [found.get(one) for one in ids]

    async def api_keys_of(self, codes: Sequence[str]) -> list[tuple[ApiKey, ...]]:
        """Return all keys of each account, in the order in which they were made."""
        rows = await self._rows(accounts.api_keys_by_account, codes=_codes(codes))
        found: dict[str, list[ApiKey]] = {}
        for key in map(accounts.api_key_from, rows):
            found.setdefault(key.account, []).append(key)
        return [tuple(found.get(code, ())) for code in codes]

    async def credentials(self, key_ids: Sequence[str]) -> list[tuple[ApiKey, Account] | None]:
        """Return keys with their accounts, archived ones too; None for unknown keys."""
        rows = await self._rows(accounts.credentials_by_key_id, ids=_codes(key_ids))
        found = {key.id: (key, account) for key, account in map(accounts.credential_from, rows)}
        return [found.get(key_id) for key_id in key_ids]

    async def has_api_keys(self) -> bool:
        """Return whether there has ever been a key."""
        rows = await self._rows(accounts.any_api_key)
        return bool(rows[0][0])

    async def skus_stocked_at(self, location: str, *, after: str | None, limit: int) -> list[str]:
        """Return SKUs with a level at the location, in order, after the given one."""
        if not is_code(location):
            return []
        rows = await self._rows(reads.skus_at_location, code=location, after=_storable(after), limit=limit)
        return [row[0] for row in rows]

    async def _records(
        self, which: Statement, record_from: Callable[[Row], Record], *, at_least: int, **named: Sequence[str]
    ) -> list[Record | None]:
        ((parameter, codes),) = named.items()
        rows = await self._rows(which, at_least=at_least, **{parameter: _codes(codes)})
        found = {row[1]: active(record_from(row)) for row in rows}
        return [found.get(code) for code in codes]

    async def document_texts(self, keys: Sequence[str]) -> list[str | None]:
        """Return trusted documents by id or digest; None for those that are not registered."""
        rows = await self._rows(documents.document_texts, keys=[key for key in dict.fromkeys(keys) if is_code(key)])
        found = {row[0]: row[1] for row in rows}
        return [found.get(key) for key in keys]

    async def _rows(self, which: Statement, *, at_least: int = NEWEST, **parameters: object) -> Rows:
        plain, placed = partial(run, which, **parameters), partial(reads.placed, which, **parameters)
        return await self._in_time(self._answer(plain, placed, at_least=at_least))

    async def _answer(self, plain: Callable[[], Script[Rows]], placed: Placed, *, at_least: int) -> Rows:
        if self._replica is not None and at_least < NEWEST:
            rows = await self._replica.read(placed, at_least=at_least)
            if rows is not None:
                return rows
        if ANY < at_least < NEWEST:
            return await self._reached(placed, at_least)
        return await self._database.read(plain, is_single_statement=True)

    async def _reached(self, placed: Placed, at_least: int) -> Rows:
        position, rows = await self._database.read(placed, is_single_statement=True)
        if position < at_least and self._replica is not None:
            # A replica may show a commit a moment before the primary does, and who saw it there names its position.
            await asyncio.sleep(AHEAD_SECONDS_MAX)
            position, rows = await self._database.read(placed, is_single_statement=True)
        if position < at_least:
            raise PositionNotReached(head=position)
        return rows

    async def _in_time(self, answer: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await answer
        except (TransientError, TimeoutError) as error:
            raise Unavailable("The database does not answer now; ask again.", retry_after_ms=RETRY_AFTER_MS) from error


def _codes(codes: Sequence[str]) -> list[str]:
    """Return the texts that can be codes, each once: no other text names anything."""
    return [code for code in dict.fromkeys(codes) if is_code(code)]


def _decoded(kind: type[Document], rows: Rows) -> list[Document]:
    """Return the documents that rows keep as JSON."""
    return [decode_record(kind, row[0]) for row in rows]


def _is_order_key(key: OrderKey) -> bool:
    """Return whether an order could have this key."""
    channel, order_id = key
    return is_code(order_id) and (not channel or is_code(channel))


def _can_be_reserved(wanted: ReservationFilter) -> bool:
    """Return whether there can be such a reservation: nothing is called what could not be stored."""
    codes = (one for one in (wanted.sku, wanted.channel) if one is not None)
    return all(map(is_code, codes)) and not any(free_text_problems(wanted.external_reference, field=(), what=""))


def _can_match(wanted: ItemFilter) -> bool:
    """Return whether there can be such an item: nothing is called what could not be stored."""
    problems = (free_text_problems(text, field=(), what="") for text in (wanted.name_contains, wanted.product_code))
    return not any(map(tuple, problems)) and (wanted.stocked_at is None or is_code(wanted.stocked_at))


def _storable(text: str | None) -> str:
    """Return a text that databases can hold and that stands in the same place among all codes."""
    return (text or "").translate(NEIGHBOURS)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _grouped(pairs: Iterable[tuple[str, Key]], *, order: Callable[[Key], str]) -> dict[str, tuple[Key, ...]]:
    groups: dict[str, list[Key]] = {}
    for name, one in pairs:
        groups.setdefault(name, []).append(one)
    return {name: tuple(sorted(members, key=order)) for name, members in groups.items()}

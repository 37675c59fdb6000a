"""Questions about promises: reservations, orders' stock, shipments and conflicts; the one rule: a document is read
whole, as it was kept.
"""

from collections.abc import Sequence
from typing import TypeVar

from app.answers import LAST_NUMBER, LAST_TEXT, Answers, storable, storable_codes
from app.storage import conflict_reads, promise_reads, promises
from app.storage.record_codec import decode_record
from app.storage.statements import Rows
from domain.allocation_commands import Allocation, OrderKey, Shipment
from domain.conflicts import PromiseAtRisk, StockConflict
from domain.filters import ConflictFilter, ReservationFilter
from domain.levels import LevelKey
from domain.ports import NEWEST
from domain.reservation_commands import Reservation
from domain.text import free_text_problems, is_code

Document = TypeVar("Document", Reservation, Allocation, Shipment)


class PromiseReads(Answers):
    """The part of the port `Reads` that is about promises."""

    async def reservations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Reservation | None]:
        """Return reservations by id, whatever became of them; None for unknown ones."""
        rows = await self._rows(promises.reservations_by_id, at_least=at_least, ids=storable_codes(ids))
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
            before=LAST_TEXT if before is None else storable(before),
            limit=limit,
            reference=wanted.external_reference,
            sku=wanted.sku,
            channel=wanted.channel,
            state=wanted.state,
            channels=storable_codes(sorted(wanted.channels or ())),
            locations=storable_codes(sorted(wanted.locations or ())),
        )
        return _decoded(Reservation, rows)

    async def allocations(self, ids: Sequence[str], *, at_least: int = NEWEST) -> list[Allocation | None]:
        """Return allocations by id; None for unknown ones."""
        rows = await self._rows(promise_reads.allocations_by_id, at_least=at_least, ids=storable_codes(ids))
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
        rows = await self._rows(promise_reads.shipments_by_id, ids=storable_codes(ids))
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
        rows = await self._rows(conflict_reads.conflicts_by_id, at_least=at_least, ids=storable_codes(ids))
        found = {row[0]: conflict_reads.conflict_from(row) for row in rows}
        return [found.get(one) for one in ids]

    async def conflict_page(
        self, wanted: ConflictFilter, *, before: tuple[int, str] | None, limit: int, at_least: int = NEWEST
    ) -> list[StockConflict]:
        """Return stock conflicts, newest first, older than the one that opened at (microseconds, id)."""
        if wanted.sku is not None and not is_code(wanted.sku):
            return []
        opened_at, id_ = (LAST_NUMBER, LAST_TEXT) if before is None else (before[0], storable(before[1]))
        rows = await self._rows(
            conflict_reads.conflict_page(wanted),
            at_least=at_least,
            opened_at=opened_at,
            id=id_,
            limit=limit,
            sku=wanted.sku,
            locations=storable_codes(sorted(wanted.locations or ())),
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

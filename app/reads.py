"""The reading side: implements the port `Reads` on a database; the one rule: every read has a deadline, and each
answer comes from one consistent snapshot.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from app.answers import LAST_TEXT, storable, storable_codes
from app.promise_reads import PromiseReads
from app.storage import accounts, bundles, catalogue, documents, ledger, reads
from app.storage.statements import Row, Rows, Statement, run
from domain.account_records import Account, ApiKey
from domain.adjustments import Adjustment
from domain.filters import ItemFilter
from domain.ports import NEWEST, LedgerRow, StockSnapshot
from domain.records import Channel, Item, Listing, Location, Record, active
from domain.text import free_text_problems, is_code

Key = TypeVar("Key")
FIRST_ROW_BEFORE = 2**62


class DatabaseReads(PromiseReads):
    """Answers all questions from the database; those about promises as `PromiseReads` does."""

    async def snapshots(self, keys: Sequence[tuple[str, str | None]], *, at_least: int = NEWEST) -> list[StockSnapshot]:
        """Return what availability is computed from, for each (SKU, channel code), in one statement.

        Bundles among them are asked for once more, with what they are made of, all of them in one statement.
        """
        # A text that cannot be a code names nothing; asked for as the empty text, it finds nothing.
        asked = [(sku if is_code(sku) else "", code if code is None or is_code(code) else "") for sku, code in keys]
        rows = await self._snapshot_rows(reads.stock_snapshots, asked, at_least=at_least)
        found = reads.snapshots_from(rows, keys)
        if places := reads.bundles_among(rows):
            of_parts = await self._snapshot_rows(
                reads.bundle_snapshots, [asked[place] for place in places], at_least=at_least
            )
            made_of = reads.snapshots_from(of_parts, [keys[place] for place in places])
            for place, snapshot in zip(places, made_of, strict=True):
                found[place] = snapshot
        return found

    async def _snapshot_rows(self, which: Statement, keys: reads.Keys, *, at_least: int) -> Rows:
        plain, placed = partial(run, which, keys=keys), partial(reads.placed_snapshots, which, keys)
        return await self._in_time(self._answer(plain, placed, at_least=at_least))

    async def bundles_of(self, skus: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the bundles that take each of the items from stock, in order of their SKUs."""
        rows = await self._rows(bundles.bundles_by_part, skus=storable_codes(skus))
        found = _grouped(((row[0], row[1]) for row in rows), order=str)
        return [found.get(sku, ()) for sku in skus]

    async def has_bundles(self) -> bool:
        """Return whether there is a bundle now."""
        rows = await self._rows(bundles.any_bundle)
        return bool(rows[0][0])

    async def items(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[Item | None]:
        """Return items by SKU; None for unknown and archived ones."""
        return await self._records(catalogue.items_by_sku, catalogue.item_from, at_least=at_least, skus=skus)

    async def item_page(
        self, wanted: ItemFilter, *, after: str | None, limit: int, at_least: int = NEWEST
    ) -> list[Item]:
        """Return items in order of their SKUs, after the given one."""
        if not _can_match(wanted):
            return []
        prefix = storable(wanted.sku_starts_with)
        pattern = None if wanted.name_contains is None else f"%{_escaped(wanted.name_contains)}%"
        rows = await self._rows(
            reads.item_page(wanted),
            at_least=at_least,
            lower=max(prefix, storable(after)),
            upper=prefix + LAST_TEXT,
            after=storable(after),
            limit=limit,
            skus=storable_codes(wanted.skus or ()),
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
        rows = await self._rows(catalogue.locations_by_code, codes=storable_codes(codes))
        found = {row[1]: catalogue.location_from(row) for row in rows}
        return [found.get(code) for code in codes]

    async def location_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Location]:
        """Return locations in order of their codes, after the given one."""
        rows = await self._rows(reads.location_page, at_least=at_least, after=storable(after), limit=limit)
        return [catalogue.location_from(row) for row in rows]

    async def channels(self, codes: Sequence[str], *, at_least: int = NEWEST) -> list[Channel | None]:
        """Return channels by code; None for unknown and archived ones."""
        return await self._records(catalogue.channels_by_code, catalogue.channel_from, at_least=at_least, codes=codes)

    async def channel_page(self, *, after: str | None, limit: int, at_least: int = NEWEST) -> list[Channel]:
        """Return channels in order of their codes, after the given one."""
        rows = await self._rows(reads.channel_page, at_least=at_least, after=storable(after), limit=limit)
        return [catalogue.channel_from(row) for row in rows]

    async def channels_served(
        self, location_codes: Sequence[str], *, at_least: int = NEWEST
    ) -> list[tuple[Channel, ...]]:
        """Return the channels that each location serves, in order of their codes."""
        rows = await self._rows(catalogue.channels_by_location, at_least=at_least, codes=storable_codes(location_codes))
        found = _grouped(((row[0], catalogue.channel_from(row[1:])) for row in rows), order=lambda one: one.code)
        return [found.get(code, ()) for code in location_codes]

    async def listings(self, skus: Sequence[str], *, at_least: int = NEWEST) -> list[tuple[Listing, ...]]:
        """Return each item's listings on channels in use, in order of channel codes."""
        rows = await self._rows(catalogue.listings_by_sku, at_least=at_least, skus=storable_codes(skus))
        found = _grouped(((row[0], catalogue.listing_from(row)) for row in rows), order=lambda one: one.channel)
        return [found.get(sku, ()) for sku in skus]

    async def adjustments(self, ids: Sequence[str]) -> list[Adjustment | None]:
        """Return adjustments by id, whoever made them."""
        found = await self._in_time(self._database.read(lambda: ledger.load_adjustments(storable_codes(ids))))
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
        rows = await self._rows(
            which,
            at_least=at_least,
            sku=sku,
            locations=storable_codes(locations or ()),
            before=older_than,
            limit=limit,
        )
        return [reads.ledger_row_from(row) for row in rows]

    async def position(self) -> int:
        """Return the position of the newest event."""
        rows = await self._rows(reads.head_position)
        position: int = rows[0][0]
        return position

    async def accounts(self, codes: Sequence[str]) -> list[Account | None]:
        """Return accounts by code; None for unknown and archived ones."""
        rows = await self._rows(accounts.accounts_by_code, codes=storable_codes(codes))
        found = {one.code: one for one in map(accounts.account_from, rows) if one.archived_at is None}
        return [found.get(code) for code in codes]

    async def account_page(self, *, after: str | None, limit: int) -> list[Account]:
        """Return accounts in use in order of their codes, after the given one."""
        rows = await self._rows(accounts.account_page, after=storable(after), limit=limit)
        return [accounts.account_from(row) for row in rows]

    async def api_keys(self, ids: Sequence[str]) -> list[ApiKey | None]:
        """Return API keys by id, whatever became of them; None for unknown ones."""
        rows = await self._rows(accounts.api_keys_by_id, ids=storable_codes(ids))
        found = {one.id: one for one in map(accounts.api_key_from, rows)}
        return [found.get(one) for one in ids]

    async def api_keys_of(self, codes: Sequence[str]) -> list[tuple[ApiKey, ...]]:
        """Return all keys of each account, in the order in which they were made."""
        rows = await self._rows(accounts.api_keys_by_account, codes=storable_codes(codes))
        found: dict[str, list[ApiKey]] = {}
        for key in map(accounts.api_key_from, rows):
            found.setdefault(key.account, []).append(key)
        return [tuple(found.get(code, ())) for code in codes]

    async def credentials(self, key_ids: Sequence[str]) -> list[tuple[ApiKey, Account] | None]:
        """Return keys with their accounts, archived ones too; None for unknown keys."""
        rows = await self._rows(accounts.credentials_by_key_id, ids=storable_codes(key_ids))
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
        rows = await self._rows(reads.skus_at_location, code=location, after=storable(after), limit=limit)
        return [row[0] for row in rows]

    async def _records(
        self, which: Statement, record_from: Callable[[Row], Record], *, at_least: int, **named: Sequence[str]
    ) -> list[Record | None]:
        ((parameter, codes),) = named.items()
        rows = await self._rows(which, at_least=at_least, **{parameter: storable_codes(codes)})
        found = {row[1]: active(record_from(row)) for row in rows}
        return [found.get(code) for code in codes]

    async def document_texts(self, keys: Sequence[str]) -> list[str | None]:
        """Return trusted documents by id or digest; None for those that are not registered."""
        rows = await self._rows(documents.document_texts, keys=[key for key in dict.fromkeys(keys) if is_code(key)])
        found = {row[0]: row[1] for row in rows}
        return [found.get(key) for key in keys]


def _can_match(wanted: ItemFilter) -> bool:
    """Return whether there can be such an item: nothing is called what could not be stored."""
    problems = (free_text_problems(text, field=(), what="") for text in (wanted.name_contains, wanted.product_code))
    return not any(map(tuple, problems)) and (wanted.stocked_at is None or is_code(wanted.stocked_at))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _grouped(pairs: Iterable[tuple[str, Key]], *, order: Callable[[Key], str]) -> dict[str, tuple[Key, ...]]:
    groups: dict[str, list[Key]] = {}
    for name, one in pairs:
        groups.setdefault(name, []).append(one)
    return {name: tuple(sorted(members, key=order)) for name, members in groups.items()}

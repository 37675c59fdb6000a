"""The latest availability of what changes: catch up from a position, then live.

The rule: a change's position is safe to resume from. Of several items that changed at once, all but the last carry the
position *before* them, so a subscriber that is cut off between two of them is told of the second again.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from graphql import GraphQLError

from domain.availability import availability_status
from domain.catalogue import ChannelArchived, ItemArchived, ItemUpserted, LocationArchived, LocationUpserted
from domain.listings import ListingUpserted
from domain.ports import ChangedSince, RecordedEvent, StockSnapshot
from domain.postings import StockPosted
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated
from resolvers.availability import available_quantity, counted_levels
from resolvers.context import Services
from resolvers.enums import AvailabilityStatus, RejectionCode

REMEMBERED_MAX = 10_000
PAGE_SKUS = 250

Told = tuple[int, AvailabilityStatus]
"""(quantity, status): what a subscriber was last told of an item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableNow:
    """What may be sold of an item now; complete up to `position`. Who did not get it resumes after `safe`."""

    position: int
    safe: int
    sku: str
    channel: str | None
    quantity: int
    previous_quantity: int | None
    status: AvailabilityStatus


class AvailabilityStream:
    """One subscriber's view: the items and the channel that it follows, and what it was last told."""

    def __init__(
        self,
        services: Services,
        *,
        channel: str | None,
        skus: frozenset[str] | None,
        locations: frozenset[str] | None = None,
    ) -> None:
        self._services = services
        self._channel = channel
        self._skus = skus
        self._locations = locations
        self._told: OrderedDict[str, Told] = OrderedDict()

    async def follow(self, after: int | None) -> AsyncIterator[AvailableNow]:
        """Yield the latest value of each item that changed after the position, then of each that changes."""
        await self._check_channel()
        position = await self._begin_now() if after is None else after
        # A stretch does not say where its items changed; who sees some locations only is told of the events themselves.
        if after is not None and self._locations is None:
            async for stretch in self._services.feed.changes_after(after):
                async for now in self._tell(self._subjects(stretch), safe=position, end=stretch.end):
                    yield now
                position = stretch.end
        async for run in self._services.feed.follow(position):
            end = run[-1].position
            async for now in self._tell(self._changed_by(run), safe=position, end=end):
                yield now
            position = end

    async def _check_channel(self) -> None:
        if self._channel is not None and await self._services.loaders.channels.load(self._channel) is None:
            raise channel_not_found(self._channel)

    async def _begin_now(self) -> int:
        """Remember what the named items stand at, and return the position at which they do."""
        if self._skus is None:
            return await self._services.reads.position()
        snapshots = await self._snapshots(sorted(self._skus))
        for snapshot in snapshots:
            self._remember(snapshot)
        return min(snapshot.position for snapshot in snapshots)

    async def _subjects(self, stretch: ChangedSince) -> AsyncIterator[str]:
        for location in stretch.locations:
            async for sku in self._skus_served_from(location):
                yield sku
        for sku in stretch.skus:
            yield sku

    async def _changed_by(self, run: Sequence[RecordedEvent]) -> AsyncIterator[str]:
        for recorded in run:
            match recorded.event:
                case InventoryAdjusted(adjustment=adjustment, levels=levels) if any(
                    self._sees(one.location) for one in levels
                ):
                    yield adjustment.sku
                case StockPosted(posting=posting, levels=levels) if any(self._sees(one.location) for one in levels):
                    yield posting.sku
                case LevelActivated(level=level) | LevelDeactivated(level=level) if self._sees(level.location):
                    yield level.sku
                case ItemUpserted(item=item) | ItemArchived(item=item):
                    yield item.sku
                case ListingUpserted(listing=listing):
                    yield listing.sku
                case LocationUpserted(location=location) | LocationArchived(location=location):
                    async for sku in self._skus_served_from(location.code):
                        yield sku
                case ChannelArchived(channel=channel) if channel.code == self._channel:
                    raise channel_not_found(self._channel)
                case _:
                    pass

    def _sees(self, location: str) -> bool:
        """Return whether the subscriber may be told that something happened there."""
        return self._locations is None or location in self._locations

    async def _skus_served_from(self, location: str) -> AsyncIterator[str]:
        """Yield what a change of the location may concern: which channels it serves matters to channels only."""
        if self._channel is None or not self._sees(location):
            return
        if self._skus is not None:
            for sku in sorted(self._skus):
                yield sku
            return
        last: str | None = None
        while page := await self._services.reads.skus_stocked_at(location, after=last, limit=PAGE_SKUS):
            for sku in page:
                yield sku
            last = page[-1]

    async def _tell(self, skus: AsyncIterator[str], *, safe: int, end: int) -> AsyncIterator[AvailableNow]:
        """Yield what changed of these items; the last one carries `end`, the others `safe`."""
        held: AvailableNow | None = None
        async for page in _pages(skus, among=self._skus):
            for snapshot in await self._snapshots(page):
                now = self._if_news(snapshot, position=safe)
                if now is not None:
                    if held is not None:
                        yield held
                    held = now
        if held is not None:
            yield replace(held, position=end)

    async def _snapshots(self, skus: Sequence[str]) -> list[StockSnapshot]:
        return await self._services.loaders.snapshots.load_many([(sku, self._channel) for sku in skus])

    def _if_news(self, snapshot: StockSnapshot, *, position: int) -> AvailableNow | None:
        told = self._told.get(snapshot.sku)
        if told == self._worth_telling(snapshot):
            return None
        quantity, status = self._remember(snapshot)
        return AvailableNow(
            position=position,
            safe=position,
            sku=snapshot.sku,
            channel=self._channel,
            quantity=quantity,
            previous_quantity=None if told is None else told[0],
            status=status,
        )

    def _worth_telling(self, snapshot: StockSnapshot) -> Told:
        quantity = available_quantity(snapshot, counted_levels(snapshot, self._locations))
        return quantity, availability_status(quantity, is_backorderable=snapshot.is_backorderable)

    def _remember(self, snapshot: StockSnapshot) -> Told:
        told = self._told[snapshot.sku] = self._worth_telling(snapshot)
        self._told.move_to_end(snapshot.sku)
        if len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)
        return told


def channel_not_found(code: str) -> GraphQLError:
    """Return the error for a channel that is not there, or not for the caller."""
    return GraphQLError(
        f"There is no channel {code!r}; check the code.", extensions={"code": RejectionCode.CHANNEL_NOT_FOUND.value}
    )


async def _pages(skus: AsyncIterator[str], *, among: frozenset[str] | None) -> AsyncIterator[list[str]]:
    """Yield the items in pages, each item once a page."""
    page: dict[str, None] = {}
    async for sku in skus:
        if among is None or sku in among:
            page[sku] = None
        if len(page) == PAGE_SKUS:
            yield list(page)
            page.clear()
    if page:
        yield list(page)

"""The event feed; the one rule: a follower gets every event behind its position once, in order, or is told why not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.catalogue import ItemUpserted
from domain.ports import PositionExpired, RecordedEvent, Stopping, SubscriberTooSlow, Unavailable
from domain.stock_commands import InventoryAdjust, InventoryAdjusted
from tests.app.databases import Store
from tests.app.feeds import NEVER_SECONDS, Run, append, feed_on, forget, hearing, live, positions, running_feed
from tests.app.shop import OPENING_HEAD, Shop, open_shop, queued, running, sale, within
from tests.domain.given import CLERK

COMMANDS = 300
BEYOND = OPENING_HEAD + 1


async def ended(stream: AsyncIterator[Run]) -> bool:
    """Return whether the stream ends instead of yielding."""
    return await within(anext(stream, None)) is None


async def leave(stream: AsyncIterator[Run]) -> None:
    """Stop following, as a subscriber does whose socket closes while it waits."""
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})


class TestReplay:
    async def test_it_holds_what_was_recorded(self, shop: Shop) -> None:
        receipt = await shop.accept(sale(3, key="a", correlation_id="trace-1"))
        assert receipt.adjustment is not None
        async with running_feed(feed_on(shop.database)) as feed:
            run = await within(anext(feed.follow(OPENING_HEAD)))
        (event,) = receipt.events
        assert isinstance(event, InventoryAdjusted)
        assert run == (
            RecordedEvent(
                position=receipt.position,
                recorded_at=receipt.adjustment.recorded_at,
                event=replace(event, adjustment=receipt.adjustment),
            ),
        )

    @pytest.mark.parametrize("after", range(OPENING_HEAD))
    async def test_it_begins_right_behind_the_position(self, shop: Shop, after: int) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            assert await positions(feed.follow(after), to=OPENING_HEAD) == list(range(after + 1, OPENING_HEAD + 1))

    async def test_it_goes_live(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            stream = feed.follow(0)
            assert await positions(stream, to=OPENING_HEAD) == list(range(1, OPENING_HEAD + 1))
            (waiting,) = await queued(positions(stream, to=OPENING_HEAD + 2))
            await append(shop, 2)
            assert await within(waiting) == [OPENING_HEAD + 1, OPENING_HEAD + 2]

    async def test_it_comes_in_pages(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database, page_events=3)) as feed:
            stream = feed.follow(0)
            runs = [[one.position for one in await within(anext(stream))] for _ in range(3)]
        assert runs == [[1, 2, 3], [4, 5, 6], [7]]

    async def test_it_may_be_longer_than_what_is_held_in_memory(self, shop: Shop) -> None:
        head = await append(shop, 40)
        async with running_feed(feed_on(shop.database, events_kept=2, page_events=3)) as feed:
            assert await positions(feed.follow(0), to=head) == list(range(1, head + 1))

    async def test_it_is_not_too_slow_while_others_are_live(self, shop: Shop) -> None:
        feed = feed_on(shop.database, events_kept=2, page_events=3)
        other, seen = await live(feed, shop)
        stream = feed.follow(0)
        found = [one.position for one in await within(anext(stream))]
        for _ in range(5):
            seen = await append(shop, 2)
            await feed.run_once()
            assert await positions(other, to=seen) == [seen - 1, seen]
        found += await positions(stream, to=seen)
        assert found == list(range(1, seen + 1))

    async def test_what_is_forgotten_on_the_way_is_told(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database, page_events=2)) as feed:
            stream = feed.follow(0)
            assert [one.position for one in await within(anext(stream))] == [1, 2]
            await forget(shop, to=4)
            with pytest.raises(PositionExpired):
                await within(anext(stream))


class TestStart:
    async def test_without_a_position_it_begins_now(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            first = asyncio.ensure_future(anext(feed.follow(None)))
            last = OPENING_HEAD
            async with asyncio.timeout(5):
                while not first.done():
                    last = await append(shop, 1)
            run = first.result()
        assert OPENING_HEAD < run[0].position <= last
        assert isinstance(run[0].event, ItemUpserted)

    async def test_a_live_follower_misses_nothing_from_its_first_event_on(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        stream, position = await live(feed, shop)
        head = await append(shop, 5)
        await feed.run_once()
        assert await positions(stream, to=head) == list(range(position + 1, head + 1))

    async def test_a_store_without_events_can_be_followed(self, store: Store) -> None:
        async with open_shop(store) as shop, running_feed(feed_on(shop.database)) as feed:
            (waiting,) = await queued(positions(feed.follow(0), to=1))
            await append(shop, 1)
            assert await within(waiting) == [1]

    @pytest.mark.parametrize("after", [-1, BEYOND, 2**70])
    async def test_a_position_that_never_was_has_expired(self, shop: Shop, after: int) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            with pytest.raises(PositionExpired):
                await within(anext(feed.follow(after)))

    async def test_a_forgotten_position_has_expired_and_its_successor_has_not(self, shop: Shop) -> None:
        assert await forget(shop, to=4) == 4
        async with running_feed(feed_on(shop.database)) as feed:
            for after in (0, 3):
                with pytest.raises(PositionExpired):
                    await within(anext(feed.follow(after)))
            assert await positions(feed.follow(4), to=OPENING_HEAD) == [5, 6, 7]

    async def test_when_everything_is_forgotten_the_head_can_be_followed(self, shop: Shop) -> None:
        assert await forget(shop, to=OPENING_HEAD) == OPENING_HEAD
        async with running_feed(feed_on(shop.database)) as feed:
            with pytest.raises(PositionExpired):
                await within(anext(feed.follow(OPENING_HEAD - 1)))
            (waiting,) = await queued(positions(feed.follow(OPENING_HEAD), to=OPENING_HEAD + 1))
            await append(shop, 1)
            assert await within(waiting) == [OPENING_HEAD + 1]


class TestManyFollowers:
    async def test_none_misses_or_repeats_an_event_while_commands_come(self, shop: Shop) -> None:
        head = OPENING_HEAD + COMMANDS
        feed = feed_on(shop.database, page_events=7, events_kept=COMMANDS)
        woken = shop.with_limits(batch_rows_max=11, on_commit=feed.wake)
        async with running_feed(feed), running(woken.writer) as ledger:
            early = await queued(*(positions(feed.follow(after), to=head) for after in range(OPENING_HEAD + 1)))
            first = [ledger.execute(one, by=CLERK) for one in _sales(0, COMMANDS // 2)]
            await within(asyncio.gather(*first))
            late = await queued(
                *(positions(feed.follow(after), to=head) for after in range(OPENING_HEAD, head, 20)[:8])
            )
            second = [ledger.execute(one, by=CLERK) for one in _sales(COMMANDS // 2, COMMANDS)]
            await within(asyncio.gather(*second))
            for after, task in enumerate(early):
                assert await within(task) == list(range(after + 1, head + 1))
            for place, task in enumerate(late):
                assert await within(task) == list(range(OPENING_HEAD + 20 * place + 1, head + 1))

    async def test_they_share_one_reading_of_the_log(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        followers = [await live(feed, shop) for _ in range(5)]
        head = await append(shop, 3)
        async with shop.store.statements(shop.database) as seen:
            assert await feed.run_once() == 3
            for stream, position in followers:
                assert await positions(stream, to=head) == list(range(position + 1, head + 1))
        assert [text.split()[0] for text in seen] == ["SELECT"]

    async def test_nobody_listens_and_nothing_is_read(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        for _ in range(2):
            async with shop.store.statements(shop.database) as seen:
                assert await feed.run_once() == 0
            assert seen == []
            await leave((await live(feed, shop))[0])

    async def test_who_comes_after_all_have_left_misses_nothing(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        stream, _ = await live(feed, shop)
        await leave(stream)
        before = await append(shop, 4)
        await feed.run_once()
        stream, position = await live(feed, shop)
        assert position > before
        head = await append(shop, 2)
        await feed.run_once()
        assert await positions(stream, to=head) == [head - 1, head]
        assert await positions(feed.follow(0), to=head) == list(range(1, head + 1))

    async def test_one_that_leaves_takes_nothing_from_others_nor_from_who_comes_later(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        leaving, _ = await live(feed, shop)
        staying, position = await live(feed, shop)
        await leave(leaving)
        head = await append(shop, 2)
        await feed.run_once()
        assert await positions(staying, to=head) == list(range(position + 1, head + 1))
        assert await positions(feed.follow(0), to=head) == list(range(1, head + 1))


class TestSlowFollowers:
    async def test_one_that_falls_out_of_the_window_is_told_its_last_position(self, shop: Shop) -> None:
        feed = feed_on(shop.database, events_kept=3)
        stream, position = await live(feed, shop)
        await append(shop, 4)
        await feed.run_once()
        with pytest.raises(SubscriberTooSlow) as told:
            await within(anext(stream))
        assert told.value.position == position
        assert await ended(stream)

    async def test_what_was_forgotten_before_the_feed_read_it_is_told_and_not_skipped(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        stream, position = await live(feed, shop)
        head = await append(shop, 4)
        await forget(shop, to=head - 2)
        assert await feed.run_once() == 2
        with pytest.raises(SubscriberTooSlow) as told:
            await within(anext(stream))
        assert told.value.position == position
        with pytest.raises(PositionExpired):
            await within(anext(feed.follow(position)))
        assert await positions(feed.follow(head - 2), to=head) == [head - 1, head]

    async def test_one_at_the_very_edge_of_the_window_is_not(self, shop: Shop) -> None:
        feed = feed_on(shop.database, events_kept=3)
        stream, position = await live(feed, shop)
        head = await append(shop, 3)
        await feed.run_once()
        assert await positions(stream, to=head) == [position + 1, position + 2, position + 3]

    async def test_its_last_position_is_where_it_can_go_on(self, shop: Shop) -> None:
        feed = feed_on(shop.database, events_kept=3, page_events=2)
        stream, position = await live(feed, shop)
        head = await append(shop, 9)
        while await feed.run_once():
            pass
        with pytest.raises(SubscriberTooSlow) as told:
            await within(anext(stream))
        resumed = feed.follow(told.value.position)
        assert await positions(resumed, to=head) == list(range(position + 1, head + 1))

    async def test_others_are_not_held_up(self, shop: Shop) -> None:
        feed = feed_on(shop.database, events_kept=3)
        slow, _ = await live(feed, shop)
        quick, _ = await live(feed, shop)
        for _ in range(4):
            position = await append(shop, 2)
            await feed.run_once()
            assert await positions(quick, to=position) == [position - 1, position]
        with pytest.raises(SubscriberTooSlow):
            await within(anext(slow))


class TestHintsAndFaults:
    async def test_a_lost_hint_costs_one_poll_at_most(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            stream = feed.follow(OPENING_HEAD)
            for _ in range(3):
                head = await append(shop, 1)
                assert await positions(stream, to=head) == [head]

    async def test_a_hint_brings_news_at_once(self, shop: Shop) -> None:
        feed = feed_on(shop.database, poll_seconds=NEVER_SECONDS)
        stream, _ = await live(feed, shop)
        async with running_feed(feed):
            for _ in range(3):
                feed.wake()  # without news it does no harm
                await asyncio.sleep(0)
                head = await append(shop, 1)
                feed.wake()
                assert await positions(stream, to=head) == [head]

    async def test_more_news_than_a_page_need_one_hint(self, shop: Shop) -> None:
        feed = feed_on(shop.database, poll_seconds=NEVER_SECONDS, page_events=3)
        stream, position = await live(feed, shop)
        head = await append(shop, 9)
        async with running_feed(feed):
            feed.wake()
            assert await positions(stream, to=head) == list(range(position + 1, head + 1))

    async def test_a_log_that_cannot_be_understood_sends_followers_away(self, shop: Shop) -> None:
        async with running_feed(feed_on(shop.database)) as feed:
            stream = feed.follow(OPENING_HEAD)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            head = await append(shop, 1)
            assert [one.position for one in await within(waiting)] == [head]
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            await shop.store.change(
                "INSERT INTO events (position, type, schema_version, sku, data, recorded_at) "
                f"SELECT position + 1, 'FromTheFuture', 1, 'A', '{{}}', {2**50} FROM feed_head"
            )
            await shop.store.change("UPDATE feed_head SET position = position + 1")
            with pytest.raises(Unavailable):
                await within(waiting)
            await shop.store.change("UPDATE events SET type = 'ItemArchived' WHERE type = 'FromTheFuture'")
            await shop.store.change(
                "UPDATE events SET data = (SELECT data FROM events WHERE type = 'ItemUpserted' LIMIT 1) "
                "WHERE type = 'ItemArchived'"
            )
            later = await append(shop, 1)
            assert await positions(feed.follow(head), to=later) == [head + 1, later]

    async def test_stop_ends_every_follower(self, shop: Shop) -> None:
        feed = feed_on(shop.database)
        async with running_feed(feed):
            streams = [feed.follow(after) for after in (0, OPENING_HEAD)]
            await positions(streams[0], to=OPENING_HEAD)
            waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
            await asyncio.sleep(0)
        told = await within(asyncio.gather(*waiting, return_exceptions=True))
        assert [type(one) for one in told] == [Stopping, Stopping]
        with pytest.raises(Unavailable):
            await within(anext(feed.follow(0)))

    async def test_it_survives_a_log_that_cannot_be_read(self, shop: Shop) -> None:
        failed = asyncio.Event()
        async with running_feed(feed_on(shop.database)) as feed:
            stream = feed.follow(0)
            await positions(stream, to=OPENING_HEAD)
            (waiting,) = await queued(positions(stream, to=OPENING_HEAD + 1))
            with hearing("stockgate.feed", lambda _: failed.set()):
                async with shop.store.unreadable():
                    await within(failed.wait())
            await append(shop, 1)
            assert await within(waiting) == [OPENING_HEAD + 1]

    async def test_it_survives_a_read_that_hangs(self, shop: Shop) -> None:
        failed = asyncio.Event()
        async with running_feed(feed_on(shop.database, read_deadline_seconds=0.5)) as feed:
            stream = feed.follow(0)
            await positions(stream, to=OPENING_HEAD)
            (waiting,) = await queued(positions(stream, to=OPENING_HEAD + 1))
            with hearing("stockgate.feed", lambda _: failed.set()):
                async with shop.store.hanging_reads(shop.database, connections=2):
                    await within(failed.wait())
            await append(shop, 1)
            assert await within(waiting) == [OPENING_HEAD + 1]

    @pytest.mark.parametrize("after", [None, 0])
    async def test_who_begins_while_the_log_cannot_be_read_is_told(self, shop: Shop, after: int | None) -> None:
        feed = feed_on(shop.database)
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await within(anext(feed.follow(after)))
        assert await positions(feed.follow(0), to=OPENING_HEAD) == list(range(1, OPENING_HEAD + 1))

    async def test_a_replay_that_cannot_go_on_is_told(self, shop: Shop) -> None:
        feed = feed_on(shop.database, page_events=2)
        stream = feed.follow(0)
        await within(anext(stream))
        async with shop.store.unreadable():
            with pytest.raises(Unavailable):
                await within(anext(stream))


def _sales(begin: int, end: int) -> list[InventoryAdjust]:
    return [sale(-1, key=f"k-{number}") for number in range(begin, end)]

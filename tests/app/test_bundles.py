"""Bundles through the writer and the reads; the one rule: only their components move, and all of it adds up."""

from app.audit import audit_ledger
from domain.availability import Exposure
from domain.bundles import BundleDissolve, BundleUpsert
from domain.catalogue import ChannelUpsert, ItemArchive, ItemUpsert
from domain.compositions import Component, Composition
from domain.decider import Command
from domain.listings import ListingUpsert
from domain.ports import Receipt
from domain.promises import SourcingStrategy
from domain.rejections import RejectionCode
from domain.reservation_commands import LineMove
from tests.app.promised import (
    allocate,
    cancel,
    commit,
    held,
    holds,
    id_of,
    lapse,
    line,
    move_to,
    release,
    reserve,
    ship,
)
from tests.app.shop import OTHER_SKU, Shop, accepted, activate, adjust, refusals, running, set_to
from tests.app.test_writer_promise_races import at_once, two_writers
from tests.domain import given
from tests.domain.given import CENTRAL, CLERK, EAST, SKU, WEB

KIT = "GIFT-KIT"
CRATE = "CRATE-OF-KITS"
ROUNDS = 20


def bundle(sku: str = KIT, **components: int) -> BundleUpsert:
    """Make a bundle of so many of SKU (`servers`), OTHER_SKU (`mugs`) and KIT (`kits`)."""
    skus = {"servers": SKU, "mugs": OTHER_SKU, "kits": KIT, "crates": CRATE}
    parts = tuple(Component(sku=skus[name], quantity=quantity) for name, quantity in components.items())
    return BundleUpsert(sku=sku, components=parts)


async def with_kit(shop: Shop) -> None:
    """Given a kit of 2 servers and 3 mugs: 10 servers and 20 mugs at EAST, and 5 servers at CENTRAL."""
    await shop.accept(ItemUpsert(sku=KIT, fields={"name": "Gift kit"}))
    await shop.accept(bundle(servers=2, mugs=3))


async def with_crate(shop: Shop) -> None:
    """Given a crate of 2 kits and a server besides."""
    await with_kit(shop)
    await shop.accept(ItemUpsert(sku=CRATE, fields={}))
    await shop.accept(bundle(CRATE, kits=2, servers=1))


async def parts(shop: Shop) -> list[tuple[str, str, int, bool]]:
    """Return what is kept of bundles: (bundle, part, quantity, whether it is named)."""
    rows = await shop.store.rows(
        "SELECT b.sku, p.sku, x.quantity, x.is_direct FROM bundle_parts x JOIN items b ON b.id = x.bundle_item_id "
        "JOIN items p ON p.id = x.part_item_id ORDER BY b.sku, p.sku"
    )
    return [(row[0], row[1], row[2], bool(row[3])) for row in rows]


async def adds_up(shop: Shop) -> bool:
    """Return whether the auditor finds nothing."""
    report = await audit_ledger(shop.database)
    assert [one for one in report.findings if one.count] == []
    return True


class TestWhatTheyAreMadeOf:
    async def test_an_item_becomes_a_bundle_and_an_item_again(self, shop: Shop) -> None:
        await with_kit(shop)
        assert await parts(shop) == [(KIT, SKU, 2, True), (KIT, OTHER_SKU, 3, True)]
        (item,) = await shop.reads.items([KIT])
        assert item is not None
        made_of = (Component(sku=SKU, quantity=2), Component(sku=OTHER_SKU, quantity=3))
        assert (item.name, item.composition) == ("Gift kit", Composition(components=made_of, leaves=made_of))
        assert await shop.reads.has_bundles()
        assert await adds_up(shop)
        await shop.accept(bundle(mugs=1))
        assert await parts(shop) == [(KIT, OTHER_SKU, 1, True)]
        await shop.accept(ItemUpsert(sku=KIT, fields={"name": "Kit"}))
        assert await parts(shop) == [(KIT, OTHER_SKU, 1, True)]
        await shop.accept(BundleDissolve(sku=KIT))
        (item,) = await shop.reads.items([KIT])
        assert item is not None
        assert (item.name, item.composition) == ("Kit", None)
        assert await parts(shop) == []
        assert not await shop.reads.has_bundles()
        assert await adds_up(shop)

    async def test_a_bundle_of_bundles_comes_to_what_it_takes_from_stock(self, shop: Shop) -> None:
        await with_crate(shop)
        assert await parts(shop) == [
            (CRATE, SKU, 5, True),
            (CRATE, KIT, 0, True),
            (CRATE, OTHER_SKU, 6, False),
            (KIT, SKU, 2, True),
            (KIT, OTHER_SKU, 3, True),
        ]
        assert await shop.reads.bundles_of([SKU, OTHER_SKU, KIT, "?"]) == [(CRATE, KIT), (CRATE, KIT), (), ()]
        assert await adds_up(shop)

    async def test_what_others_are_made_of_stays_what_it_is(self, shop: Shop) -> None:
        await with_crate(shop)
        assert await shop.refuse(bundle(servers=1)) == [(RejectionCode.BUNDLE_IN_USE, "sku")]
        assert await shop.refuse(BundleDissolve(sku=KIT)) == [(RejectionCode.BUNDLE_IN_USE, "sku")]
        assert await shop.refuse(ItemArchive(sku=KIT)) == [(RejectionCode.BUNDLE_IN_USE, "sku")]
        assert await shop.refuse(bundle(CRATE, crates=1)) == [(RejectionCode.BUNDLE_CYCLE, "components.0.sku")]
        assert await shop.refuse(bundle(SKU, mugs=1)) == [(RejectionCode.BUNDLE_IN_USE, "sku")]

    async def test_what_is_stocked_is_no_bundle(self, shop: Shop) -> None:
        assert await shop.refuse(bundle(SKU, mugs=1)) == [(RejectionCode.STILL_STOCKED, "sku")]

    async def test_a_bundle_has_no_stock_of_its_own(self, shop: Shop) -> None:
        await with_kit(shop)
        for command in (
            adjust(given.change(EAST, 1), key="a", sku=KIT),
            set_to(given.count(EAST, 1), key="s", sku=KIT),
            activate(EAST, key="l", sku=KIT),
        ):
            assert await shop.refuse(command) == [(RejectionCode.NON_MUTABLE_BUNDLE, "sku")]

    async def test_an_archived_bundle_lets_go_of_its_components(self, shop: Shop) -> None:
        await with_crate(shop)
        await shop.accept(ItemArchive(sku=CRATE))
        await shop.accept(ItemArchive(sku=KIT))
        assert await parts(shop) == []
        await shop.accept(ItemUpsert(sku=KIT, fields={}))
        (item,) = await shop.reads.items([KIT])
        assert item is not None
        assert item.composition is None

    async def test_a_batch_sees_what_its_first_commands_made(self, shop: Shop) -> None:
        """Given two items, when each is to contain the other in one batch, then the second is refused."""
        for sku in (KIT, CRATE):
            await shop.accept(ItemUpsert(sku=sku, fields={}))
        first, second, third = await shop.batch(bundle(KIT, crates=1), bundle(CRATE, kits=1), ItemArchive(sku=CRATE))
        accepted(first)
        assert refusals(second) == [(RejectionCode.BUNDLE_CYCLE, "components.0.sku")]
        assert refusals(third) == [(RejectionCode.BUNDLE_IN_USE, "sku")]
        freed, made = await shop.batch(BundleDissolve(sku=KIT), bundle(CRATE, kits=1))
        assert [accepted(one).replayed for one in (freed, made)] == [False, False]
        assert await parts(shop) == [(CRATE, KIT, 1, True)]


class TestSnapshots:
    async def test_levels_are_those_of_the_parts(self, shop: Shop) -> None:
        await with_kit(shop)
        ordinary, kit, on_channel = await shop.reads.snapshots([(SKU, None), (KIT, None), (KIT, WEB)])
        assert [(one.level.sku, one.location.code) for one in ordinary.levels] == [(SKU, CENTRAL), (SKU, EAST)]
        assert (ordinary.sku, ordinary.parts, ordinary.pools_of_parts) == (SKU, (), {})
        assert kit.parts == (Component(sku=SKU, quantity=2), Component(sku=OTHER_SKU, quantity=3))
        assert [(one.level.sku, one.location.code, one.level.on_hand) for one in kit.levels] == [
            (SKU, CENTRAL, 5),
            (SKU, EAST, 10),
            (OTHER_SKU, EAST, 20),
        ]
        assert (kit.sku, kit.is_known, kit.channel_is_known, kit.exposure) == (KIT, True, True, Exposure())
        assert {(one.location.code, one.serves_channel) for one in on_channel.levels} == {
            (EAST, True),
            (CENTRAL, False),
        }
        assert kit.position == on_channel.position == await shop.reads.position()

    async def test_a_part_without_levels_is_a_part_all_the_same(self, shop: Shop) -> None:
        await shop.accept(ItemUpsert(sku="RIBBON", fields={}))
        await shop.accept(ItemUpsert(sku=KIT, fields={}))
        made_of = (Component(sku="RIBBON", quantity=1), Component(sku=SKU, quantity=1))
        await shop.accept(BundleUpsert(sku=KIT, components=made_of))
        (kit,) = await shop.reads.snapshots([(KIT, None)])
        assert set(kit.parts) == set(made_of)
        assert {one.level.sku for one in kit.levels} == {SKU}

    async def test_other_channels_pools_of_the_parts_are_told(self, shop: Shop) -> None:
        await with_kit(shop)
        for channel, pool in ((WEB, 100), ("tills", 4), ("market", 3)):
            await shop.accept(ChannelUpsert(code=channel, fields={}))
            await shop.accept(ListingUpsert(sku=SKU, channel=channel, external_key=None))
            await shop.store.change(
                "UPDATE listings SET pool = ? WHERE channel_id IN (SELECT id FROM channels WHERE code = ?)",
                pool,
                channel,
            )
        whole, on_channel = await shop.reads.snapshots([(KIT, None), (KIT, WEB)])
        assert (whole.pools_of_parts, on_channel.pools_of_parts) == ({}, {SKU: 7})

    async def test_a_dissolved_bundle_is_read_as_an_item(self, shop: Shop) -> None:
        await with_kit(shop)
        await shop.accept(BundleDissolve(sku=KIT))
        await shop.accept(set_to(given.count(EAST, 4), key="s", sku=KIT))
        (kit,) = await shop.reads.snapshots([(KIT, None)])
        assert [(one.level.sku, one.level.on_hand) for one in kit.levels] == [(KIT, 4)]
        assert kit.parts == ()


class TestPromises:
    async def test_a_bundle_is_reserved_committed_and_shipped_by_its_components(self, shop: Shop) -> None:
        await with_kit(shop)
        reservation = id_of(await shop.accept(reserve(line(2, sku=KIT, location=None), key="r", channel=WEB)))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 4, 0), (20, 6, 0))
        assert await holds(shop) == [
            (reservation, SKU, EAST, "RESERVATION", 4),
            (reservation, OTHER_SKU, EAST, "RESERVATION", 6),
        ]
        assert await adds_up(shop)
        await shop.accept(commit(reservation, key="c"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 0, 4), (20, 0, 6))
        assert await adds_up(shop)
        await shop.accept(ship(key="s", channel=WEB))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((6, 0, 0), (14, 0, 0))
        assert await holds(shop) == []
        assert await adds_up(shop)

    async def test_a_named_location_holds_without_a_channel(self, shop: Shop) -> None:
        await with_crate(shop)
        reservation = id_of(await shop.accept(reserve(line(1, sku=CRATE), line(1, id_="2"), key="r")))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 6, 0), (20, 6, 0))
        await shop.accept(release(reservation, key="l"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 0, 0), (20, 0, 0))
        assert await adds_up(shop)

    async def test_what_is_cancelled_comes_back(self, shop: Shop) -> None:
        await with_kit(shop)
        await shop.accept(allocate(line(3, sku=KIT, location=None), key="a"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 0, 6), (20, 0, 9))
        await shop.accept(cancel(key="x"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 0, 0), (20, 0, 0))
        assert await adds_up(shop)

    async def test_a_bundle_is_moved_whole(self, shop: Shop) -> None:
        await with_kit(shop)
        await shop.accept(set_to(given.count(CENTRAL, 9), key="mugs", sku=OTHER_SKU))
        reservation = id_of(await shop.accept(reserve(line(3, sku=KIT), key="r")))
        await shop.accept(move_to(reservation, LineMove(line="1", to_location=CENTRAL, quantity=2), key="m"))
        assert (await held(shop), await held(shop, CENTRAL)) == ((10, 2, 0), (5, 4, 0))
        assert (await held(shop, sku=OTHER_SKU), await held(shop, CENTRAL, sku=OTHER_SKU)) == ((20, 3, 0), (9, 6, 0))
        assert await adds_up(shop)

    async def test_lines_that_share_a_component_are_checked_on_the_sum(self, shop: Shop) -> None:
        """Given 10 servers at EAST, then 4 kits and 2 servers may be held, and 4 kits and 3 may not."""
        await with_kit(shop)
        lines = line(4, sku=KIT, id_="kits"), line(3, id_="servers")
        assert await shop.refuse(reserve(*lines, key="r")) == [(RejectionCode.INSUFFICIENT_STOCK, "lines.1.quantity")]
        twice = line(3, sku=KIT, id_="1"), line(3, sku=KIT, id_="2")
        assert await shop.refuse(reserve(*twice, key="r")) == [(RejectionCode.INSUFFICIENT_STOCK, "lines.1.quantity")]
        await shop.accept(reserve(line(4, sku=KIT, id_="kits"), line(2, id_="servers"), key="r"))
        assert await held(shop) == (10, 10, 0)

    async def test_a_hold_keeps_the_parts_of_its_day(self, shop: Shop) -> None:
        await with_kit(shop)
        reservation = id_of(await shop.accept(reserve(line(1, sku=KIT), key="r")))
        await shop.accept(bundle(servers=1))
        await shop.accept(reserve(line(1, sku=KIT), key="r2"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 3, 0), (20, 3, 0))
        assert await adds_up(shop)
        await shop.accept(BundleDissolve(sku=KIT))
        await shop.accept(release(reservation, key="l"))
        assert (await held(shop), await held(shop, sku=OTHER_SKU)) == ((10, 1, 0), (20, 0, 0))
        assert await adds_up(shop)

    async def test_bundles_lie_where_all_components_do(self, shop: Shop) -> None:
        await with_kit(shop)
        assert await shop.refuse(reserve(line(1, sku=KIT, location=CENTRAL), key="r")) == [
            (RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION, "lines.0.locationId")
        ]
        most = SourcingStrategy.MOST_STOCK
        assert await shop.refuse(reserve(line(6, sku=KIT, location=None), key="r", strategy=most)) == [
            (RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity")
        ]
        await shop.accept(reserve(line(5, sku=KIT, location=None), key="r", strategy=most))
        assert [one[1:] for one in await holds(shop)] == [
            (SKU, EAST, "RESERVATION", 10),
            (OTHER_SKU, EAST, "RESERVATION", 15),
        ]

    async def test_lapsed_reservations_give_way_to_a_bundle(self, shop: Shop) -> None:
        """Given a lapsed reservation that holds all servers, when a kit is claimed, then it gets them."""
        await with_kit(shop)
        lapsed = id_of(await shop.accept(reserve(line(10), key="all")))
        await lapse(shop, lapsed)
        async with running(shop.writer) as ledger:
            outcome = await ledger.execute(reserve(line(1, sku=KIT), key="r"), by=CLERK)
        accepted(outcome)
        assert await held(shop) == (10, 2, 0)
        assert await adds_up(shop)


async def test_two_writers_race_for_the_last_component(shop: Shop) -> None:
    """Given one server left, when bundles and the server itself are claimed at once, then one has it."""
    await shop.accept(ItemUpsert(sku=KIT, fields={}))
    await shop.accept(bundle(servers=1, mugs=1))
    await shop.accept(set_to(given.count(EAST, 1), key="last"))
    async with two_writers(shop) as writers:
        for number in range(ROUNDS):
            claims = [
                reserve(line(1, sku=KIT, location=None), key=f"k{number}", channel=WEB),
                reserve(line(1, sku=KIT), key=f"n{number}"),
                reserve(line(1), key=f"s{number}"),
            ]
            told = await at_once(writers, claims)
            won = [outcome for outcome in told if isinstance(outcome, Receipt)]
            lost = [refusals(outcome) for outcome in told if not isinstance(outcome, Receipt)]
            assert (len(won), lost) == (1, [[(RejectionCode.INSUFFICIENT_STOCK, "lines.0.quantity")]] * 2)
            assert (await held(shop))[:2] == (1, 1)
            accepted(await writers[number % 2].execute(release(id_of(won[0]), key=f"l{number}"), by=CLERK))
    assert await adds_up(shop)


async def test_ordinary_batches_are_not_asked_about_bundles(shop: Shop) -> None:
    """Given a shop with bundles, then a claim of ordinary items runs the same steps as before."""
    before = await _statements(shop, reserve(line(1), key="r1"))
    await with_kit(shop)
    assert await _statements(shop, reserve(line(1), key="r2")) == before
    found = await _statements(shop, reserve(line(1, sku=KIT), key="r3"))
    # The look for the levels of the parts; and what documents hold, and pools, in a step that is made anyway.
    assert len(found) - len(before) == (1 if shop.store.takes_steps_whole else 4)


async def test_a_snapshot_of_a_bundle_costs_one_statement_more(shop: Shop) -> None:
    await with_crate(shop)
    for skus, count in (([SKU, OTHER_SKU], 1), ([SKU, KIT], 2), ([CRATE, SKU, KIT], 2)):
        async with shop.store.statements(shop.database) as seen:
            await shop.reads.snapshots([(sku, WEB) for sku in skus])
        assert len(seen) == count


async def _statements(shop: Shop, command: Command) -> list[str]:
    """Return the statements of a batch of one command that is accepted."""
    async with shop.store.statements(shop.database) as seen:
        await shop.accept(command)
    return [text.split()[0] for text in seen]

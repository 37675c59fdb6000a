"""Who may run what, and how far a scope reaches; the one rule: what a caller may not see is refused like what is not
there, word for word.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from domain.accounts import (
    AccountArchive,
    AccountCreate,
    AccountUpdate,
    ApiKeyCreate,
    ApiKeyRevoke,
    ApiKeyRotate,
)
from domain.allocation_commands import AllocationCreate
from domain.bundles import BundleDissolve, BundleUpsert
from domain.catalogue import (
    ChannelArchive,
    ChannelUpsert,
    ChannelUpserted,
    ItemArchive,
    ItemUpsert,
    ItemUpserted,
    LocationArchive,
    LocationUpsert,
    LocationUpserted,
)
from domain.compositions import Component
from domain.decider import Command
from domain.levels import InventoryBucket
from domain.listings import ListingUpsert, ListingUpserted
from domain.permissions import GRANTS, Permission, forbidden, may, needed_for
from domain.principals import EVERYTHING, Principal, Role, Scope
from domain.records import Item, Listing, Location
from domain.rejections import Refused, Rejection, RejectionCode
from domain.reservation_commands import LineMove, ReservationCreate
from tests.domain.given import (
    CENTRAL,
    EARLIER,
    EAST,
    NOW,
    SKU,
    WEB,
    Fact,
    Served,
    activate,
    adjust,
    adjusted,
    change,
    channel,
    count,
    deactivate,
    given,
    item,
    level,
    location,
    move,
    moved,
    part_move,
    set_to,
)
from tests.domain.promised import (
    allocate,
    cancel,
    commit,
    expire,
    extend,
    release,
    relocate,
    reserve,
    ship,
    want,
)

TILL = "till"
ADJUST, COUNT, CATALOGUE, LISTINGS, ACCOUNTS = "adjust", "count", "catalogue", "listings", "accounts"
RESERVE, ALLOCATE, SHIP, EXPIRE = "reserve", "allocate", "ship", "expire"
COMMANDS_OF: dict[str, list[Command]] = {
    ADJUST: [adjust(change(EAST, 1))],
    COUNT: [set_to(count(EAST, 1)), move(part_move(EAST, 1)), activate(), deactivate()],
    CATALOGUE: [
        ItemUpsert(sku=SKU, fields={}),
        ItemArchive(sku=SKU),
        BundleUpsert(sku=SKU, components=(Component(sku="CUP", quantity=1),)),
        BundleDissolve(sku=SKU),
        LocationUpsert(code=EAST, fields={}),
        LocationArchive(code=EAST),
        ChannelUpsert(code=WEB, fields={}),
        ChannelArchive(code=WEB),
    ],
    LISTINGS: [ListingUpsert(sku=SKU, channel=WEB, external_key=None)],
    RESERVE: [
        reserve(want(1), channel=WEB),
        extend(),
        release(),
        relocate(LineMove(line="1", to_location=EAST)),
        commit(),
    ],
    ALLOCATE: [allocate(want(1), channel=WEB), cancel()],
    SHIP: [ship()],
    EXPIRE: [expire()],
    ACCOUNTS: [
        AccountCreate(code="erp", name=None, role=Role.ADMIN, scope=EVERYTHING),
        AccountUpdate(code="erp", fields={}),
        AccountArchive(code="erp"),
        ApiKeyCreate(account="erp", key_id="new", digest="d"),
        ApiKeyRotate(old_key_id="old", key_id="new", digest="d", overlap=timedelta(0)),
        ApiKeyRevoke(key_id="old"),
    ],
}
MAY: dict[Role, set[str]] = {
    Role.STOREFRONT: {RESERVE},
    Role.DASHBOARD: set(),
    Role.CHANNEL: {ADJUST, LISTINGS, RESERVE, ALLOCATE},
    Role.PARTNER: {ADJUST, COUNT, SHIP},
    Role.BACKOFFICE: {ADJUST, COUNT, CATALOGUE, LISTINGS, RESERVE, ALLOCATE, SHIP, EXPIRE},
    Role.ADMIN: {ADJUST, COUNT, CATALOGUE, LISTINGS, RESERVE, ALLOCATE, SHIP, EXPIRE, ACCOUNTS},
}
NAMES = {
    ADJUST: "ADJUST_STOCK",
    COUNT: "COUNT_STOCK",
    CATALOGUE: "CHANGE_CATALOGUE",
    LISTINGS: "CHANGE_LISTINGS",
    RESERVE: "RESERVE_STOCK",
    ALLOCATE: "ALLOCATE_STOCK",
    SHIP: "SHIP_STOCK",
    EXPIRE: "EXPIRE_RESERVATIONS",
    ACCOUNTS: "MANAGE_ACCOUNTS",
}
READERS = "READ_AVAILABILITY READ_CATALOGUE"
READS = {
    Role.STOREFRONT: READERS,
    Role.DASHBOARD: f"{READERS} READ_STOCK READ_ADJUSTMENTS READ_LISTINGS READ_PROMISES INTROSPECT",
    Role.CHANNEL: f"{READERS} READ_ADJUSTMENTS READ_LISTINGS READ_PROMISES INTROSPECT",
    Role.PARTNER: f"{READERS} READ_STOCK READ_ADJUSTMENTS READ_PROMISES INTROSPECT",
    Role.BACKOFFICE: f"{READERS} READ_STOCK READ_ADJUSTMENTS READ_LISTINGS READ_PROMISES INTROSPECT",
    Role.ADMIN: f"{READERS} READ_STOCK READ_ADJUSTMENTS READ_LISTINGS READ_PROMISES INTROSPECT",
}


def refused_to(what: str) -> Refused:
    """Return the refusal of what rests on stock at all locations."""
    message = f"A key that sees only some locations may not {what}; use one that sees all."
    return Refused(rejections=(Rejection(code=RejectionCode.FORBIDDEN, message=message),))


NOT_FOR_SOME_LOCATIONS = {
    ItemArchive: refused_to("archive items"),
    BundleUpsert: refused_to("make items bundles"),
}


def caller(role: Role = Role.BACKOFFICE, scope: Scope = EVERYTHING) -> Principal:
    """Return somebody of this role who sees this much."""
    return Principal(account="acme", name="clerk", role=role, scope=scope)


def sees(*, locations: set[str] | None = None, channels: set[str] | None = None) -> Principal:
    """Return a back-office caller who sees these places only."""
    return caller(
        scope=Scope(
            channels=None if channels is None else frozenset(channels),
            locations=None if locations is None else frozenset(locations),
        )
    )


class TestRoles:
    def test_every_kind_of_command_stands_in_the_table(self) -> None:
        """Given the table, when it is compared with all commands there are, then none is left out."""
        kinds = {kind for union in get_args(Command) for kind in (get_args(union) or (union,))}
        assert {type(command) for commands in COMMANDS_OF.values() for command in commands} == kinds

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("group", COMMANDS_OF)
    def test_a_role_runs_its_own_commands_and_no_others(self, role: Role, group: str) -> None:
        """Given a role, when it sends each command, then it may, or is told by code and words what is missing."""
        message = f"The role {role} may not do this (it needs {NAMES[group]}); use a key whose role may."
        refusal = Refused(rejections=(Rejection(code=RejectionCode.FORBIDDEN, message=message),))
        for command in COMMANDS_OF[group]:
            assert needed_for(command) == Permission(NAMES[group])
            assert forbidden(command, by=caller(role)) == (None if group in MAY[role] else refusal)

    @pytest.mark.parametrize("role", Role)
    def test_a_role_has_exactly_these_permissions(self, role: Role) -> None:
        """Given a role, when its permissions are listed, then they are the documented ones."""
        expected = {*map(Permission, READS[role].split()), *(Permission(NAMES[group]) for group in MAY[role])}
        assert GRANTS[role] == expected
        assert {one for one in Permission if may(caller(role), one)} == expected

    @pytest.mark.parametrize(
        "scope",
        [Scope(channels=frozenset({WEB})), Scope(locations=frozenset({EAST})), Scope(channels=frozenset())],
    )
    def test_who_sees_a_part_manages_no_accounts(self, scope: Scope) -> None:
        """Given an administrator with a scope, when they manage accounts, then it is forbidden; all else is not."""
        narrow = caller(Role.ADMIN, scope)
        message = "A key that sees only some channels or locations may not manage accounts; use one that sees all."
        refusal = Refused(rejections=(Rejection(code=RejectionCode.FORBIDDEN, message=message),))
        for group, commands in COMMANDS_OF.items():
            for command in commands:
                of_some = None if scope.locations is None else NOT_FOR_SOME_LOCATIONS.get(type(command))
                assert forbidden(command, by=narrow) == (refusal if group == ACCOUNTS else of_some)
        assert {one for one in Permission if not may(narrow, one)} == {Permission.MANAGE_ACCOUNTS}

    @pytest.mark.parametrize("command", [ItemArchive(sku=SKU), BundleUpsert(sku=SKU, components=())])
    def test_who_sees_some_locations_archives_no_items_and_makes_none_bundles(self, command: Command) -> None:
        """Given a scope of locations, when an item is archived, then stock elsewhere does not decide on the answer."""
        assert forbidden(command, by=sees(locations={EAST})) == NOT_FOR_SOME_LOCATIONS[type(command)]
        assert forbidden(command, by=sees(channels={WEB})) is None
        assert forbidden(BundleDissolve(sku=SKU), by=sees(locations={EAST})) is None
        assert forbidden(LocationArchive(code=EAST), by=sees(locations={EAST})) is None

    def test_who_sees_some_channels_does_not_say_which_a_location_serves(self) -> None:
        """Given a scope of channels, when a location's channels are named, then that is forbidden there."""
        message = (
            "A key that is scoped to channels may not say which channels a location serves; leave channelIds out, or "
            "use a key that sees all channels."
        )
        rejection = Rejection(code=RejectionCode.FORBIDDEN, message=message, field=("channelIds",))
        for named in (frozenset[str](), frozenset({WEB})):
            command = LocationUpsert(code=EAST, fields={}, channels=named)
            assert forbidden(command, by=sees(channels={WEB})) == Refused(rejections=(rejection,))
            assert forbidden(command, by=sees(locations={EAST})) is None
        assert forbidden(LocationUpsert(code=EAST, fields={}), by=sees(channels={WEB})) is None

    @pytest.mark.parametrize("claim", [reserve(want(1)), allocate(want(1))], ids=["reserve", "allocate"])
    def test_who_sees_some_channels_claims_for_one_of_them(self, claim: ReservationCreate | AllocationCreate) -> None:
        """Given a scope of channels, when stock is claimed for none, then no pool would be looked at: forbidden."""
        message = "A key that is scoped to channels has to say which one it claims stock for; send channelId."
        rejection = Rejection(code=RejectionCode.FORBIDDEN, message=message, field=("channelId",))
        assert forbidden(claim, by=sees(channels={WEB})) == Refused(rejections=(rejection,))
        assert forbidden(replace(claim, channel="till"), by=sees(channels={WEB})) is None
        assert forbidden(claim, by=sees(locations={EAST})) is None
        assert forbidden(claim, by=sees()) is None


AT_A_LOCATION: dict[str, Callable[[str], Command]] = {
    "adjust": lambda code: adjust(change(EAST, 1), change(code, 1)),
    "adjust a part": lambda code: adjust(change(code, 1, InventoryBucket.DAMAGED)),
    "set": lambda code: set_to(count(EAST, 1), count(code, 1)),
    "move": lambda code: move(part_move(code, 1, target=InventoryBucket.DAMAGED)),
    "activate": activate,
    "deactivate": deactivate,
    "archive": lambda code: LocationArchive(code=code),
    "reserve": lambda code: reserve(want(1), want(1, id="2", at=code)),
    "allocate": lambda code: allocate(want(1), want(1, id="2", at=code)),
    "move a hold": lambda code: relocate(LineMove(line="1", to_location=code)),
}
ON_A_CHANNEL: dict[str, Callable[[str], Command]] = {
    "adjust": lambda code: adjust(change(EAST, 1), source_channel=code),
    "set": lambda code: set_to(count(EAST, 1), source_channel=code),
    "move": lambda code: move(part_move(EAST, 1, target=InventoryBucket.DAMAGED), source_channel=code),
    "activate": lambda code: activate(EAST, source_channel=code),
    "deactivate": lambda code: deactivate(EAST, source_channel=code),
    "list": lambda code: ListingUpsert(sku=SKU, channel=code, external_key=None),
    "archive": lambda code: ChannelArchive(code=code),
    "reserve": lambda code: reserve(want(1, at=EAST), channel=code),
    "allocate": lambda code: allocate(want(1), channel=code),
}
SHOP: tuple[Fact, ...] = (
    item(),
    location(EAST),
    channel(WEB),
    level(EAST, on_hand=9),
    Listing(sku=SKU, channel=WEB, updated_at=EARLIER),
)
FOREIGN_LOCATION: tuple[Fact, ...] = (location(CENTRAL), level(CENTRAL, on_hand=9))
FOREIGN_CHANNEL: tuple[Fact, ...] = (channel(TILL), Listing(sku=SKU, channel=TILL, updated_at=EARLIER))


class TestScopes:
    @pytest.mark.parametrize("build", AT_A_LOCATION.values(), ids=AT_A_LOCATION.keys())
    def test_a_foreign_location_is_refused_like_a_missing_one(self, build: Callable[[str], Command]) -> None:
        """Given a stocked location outside the scope, when a command names it, then the very answer for none comes."""
        foreign = given(*SHOP, *FOREIGN_LOCATION).when(build(CENTRAL), by=sees(locations={EAST}))
        missing = given(*SHOP).when(build(CENTRAL), by=sees(locations={EAST, CENTRAL}))
        (rejection,) = _rejections(foreign.answer)
        assert rejection.code is RejectionCode.LOCATION_NOT_FOUND
        foreign.then_refused(RejectionCode.LOCATION_NOT_FOUND, ".".join(rejection.field), message=rejection.message)
        assert foreign.answer == missing.answer
        assert rejection.message.count(CENTRAL) == 1

    @pytest.mark.parametrize("build", ON_A_CHANNEL.values(), ids=ON_A_CHANNEL.keys())
    def test_a_foreign_channel_is_refused_like_a_missing_one(self, build: Callable[[str], Command]) -> None:
        """Given a channel outside the scope, when a command names it, then the very answer for none comes."""
        foreign = given(*SHOP, *FOREIGN_CHANNEL).when(build(TILL), by=sees(channels={WEB}))
        missing = given(*SHOP).when(build(TILL), by=sees(channels={WEB, TILL}))
        (rejection,) = _rejections(foreign.answer)
        assert rejection.code is RejectionCode.CHANNEL_NOT_FOUND
        foreign.then_refused(RejectionCode.CHANNEL_NOT_FOUND, ".".join(rejection.field), message=rejection.message)
        assert foreign.answer == missing.answer

    @pytest.mark.parametrize("is_there", [True, False])
    def test_what_lies_outside_is_neither_created_nor_changed(self, is_there: bool) -> None:
        """Given a scope, when a place outside it is upserted, there or not, then the answer is that there is none."""
        facts = (*FOREIGN_LOCATION, *FOREIGN_CHANNEL) if is_there else ()
        narrow = sees(locations={EAST}, channels={WEB})
        given(*SHOP, *facts).when(LocationUpsert(code=CENTRAL, fields={"name": "mine"}), by=narrow).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "code"
        )
        given(*SHOP, *facts).when(ChannelUpsert(code=TILL, fields={"name": "mine"}), by=narrow).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "code"
        )

    def test_a_location_cannot_be_made_to_serve_a_channel_that_is_not_seen(self) -> None:
        """Given a scope of channels, when the decider alone is asked, then the foreign channel is missing."""
        command = LocationUpsert(code=EAST, fields={}, channels=frozenset({WEB, TILL}))
        given(*SHOP, *FOREIGN_CHANNEL).when(command, by=sees(channels={WEB})).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "channelIds"
        )

    def test_inside_the_scope_all_is_as_without_one(self) -> None:
        """Given a scope, when what it names is changed, then the same events follow as for somebody who sees all."""
        narrow = sees(locations={EAST}, channels={WEB})
        shop = (*SHOP, *FOREIGN_LOCATION, *FOREIGN_CHANNEL, Served(location=EAST, channels=frozenset({WEB, TILL})))
        outcome = given(*shop).when(adjust(change(EAST, -2), source_channel=WEB), by=narrow)
        after = level(EAST, on_hand=7, version=2, at=NOW)
        outcome.then(adjusted(after, movements=(moved(EAST, -2, 7),), source_channel=WEB))
        named = replace(location(EAST), name="East", updated_at=NOW)
        given(*shop).when(LocationUpsert(code=EAST, fields={"name": "East"}), by=narrow).then(
            LocationUpserted(location=named, channels=frozenset({WEB, TILL}))
        )
        given(*shop).when(ChannelUpsert(code=WEB, fields={"name": "Web"}), by=narrow).then(
            ChannelUpserted(channel=replace(channel(WEB), name="Web", updated_at=NOW))
        )
        given(*shop).when(ListingUpsert(sku=SKU, channel=WEB, external_key="B00"), by=narrow).then(
            ListingUpserted(listing=Listing(sku=SKU, channel=WEB, external_key="B00", updated_at=NOW))
        )

    def test_items_have_no_scope(self) -> None:
        """Given a scope of nothing, when an item is changed, then it is, because items lie nowhere by themselves."""
        nothing = sees(locations=set(), channels=set())
        renamed = Item(sku=SKU, name="Mug", created_at=EARLIER, updated_at=NOW)
        given(*SHOP).when(ItemUpsert(sku=SKU, fields={"name": "Mug"}), by=nothing).then(ItemUpserted(item=renamed))

    def test_a_place_that_is_yet_to_come_may_be_named_in_a_scope(self) -> None:
        """Given a scope that names a location to come, when its holder creates it, then it is there."""
        begun = Location(code="NEW", created_at=NOW, updated_at=NOW)
        given().when(LocationUpsert(code="NEW", fields={}), by=sees(locations={"NEW"})).then(
            LocationUpserted(location=begun, channels=frozenset())
        )


def _rejections(answer: object) -> tuple[Rejection, ...]:
    assert isinstance(answer, Refused), answer
    return answer.rejections

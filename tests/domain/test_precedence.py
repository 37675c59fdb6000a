"""The documented precedence of refusals, walked pair by pair; the one rule: the earlier code wins, alone.

Each builder makes one command wrong in as many ways as it is told, every way at a place of its own, so that any
two of them are met at once. What only the outer layers refuse (role, repeated key, bulk) is tested there.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import combinations

import pytest

from domain.accounts import AccountCreate, AccountUpdate, ApiKeyCreate, ApiKeyRevoke
from domain.adjustments import ShortagePolicy
from domain.catalogue import (
    ChannelArchive,
    LocationArchive,
    LocationUpsert,
)
from domain.levels import InventoryBucket
from domain.listings import ListingUpsert
from domain.principals import Role, Scope
from domain.records import Item
from domain.rejections import MEANINGS, Refused, RejectionCode
from tests.domain import precedence_of_bundles, precedence_of_promises
from tests.domain.bundled import bundle
from tests.domain.given import (
    EARLIER,
    EAST,
    SKU,
    WEB,
    Details,
    Fact,
    LevelsElsewhere,
    Outcome,
    activate,
    adjust,
    change,
    channel,
    count,
    deactivate,
    given,
    item,
    level,
    location,
    move,
    part_move,
    set_to,
)
from tests.domain.test_accounts import CHIEF, account
from tests.domain.test_api_keys import api_key, rotate

INVALID_INPUT = RejectionCode.INVALID_INPUT
ITEM_NOT_FOUND = RejectionCode.ITEM_NOT_FOUND
LOCATION_NOT_FOUND = RejectionCode.LOCATION_NOT_FOUND
CHANNEL_NOT_FOUND = RejectionCode.CHANNEL_NOT_FOUND
ACCOUNT_NOT_FOUND = RejectionCode.ACCOUNT_NOT_FOUND
API_KEY_NOT_FOUND = RejectionCode.API_KEY_NOT_FOUND
ACCOUNT_EXISTS = RejectionCode.ACCOUNT_EXISTS
NON_MUTABLE_BUNDLE = RejectionCode.NON_MUTABLE_BUNDLE
BUCKET_OWNED_BY_DOCUMENT = RejectionCode.BUCKET_OWNED_BY_DOCUMENT
ITEM_NOT_STOCKED_AT_LOCATION = RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION
INVALID_QUANTITY = RejectionCode.INVALID_QUANTITY
CHANGE_FROM_QUANTITY_STALE = RejectionCode.CHANGE_FROM_QUANTITY_STALE
INSUFFICIENT_STOCK = RejectionCode.INSUFFICIENT_STOCK
LEVEL_LIMIT_REACHED = RejectionCode.LEVEL_LIMIT_REACHED
LEVEL_NOT_EMPTY = RejectionCode.LEVEL_NOT_EMPTY
STILL_STOCKED = RejectionCode.STILL_STOCKED

DOCUMENTED_IN_THE_CONTRACT = [
    "INVALID_INPUT",
    "FORBIDDEN",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "ITEM_NOT_FOUND",
    "LOCATION_NOT_FOUND",
    "CHANNEL_NOT_FOUND",
    "RESERVATION_NOT_FOUND",
    "ORDER_NOT_FOUND",
    "ACCOUNT_NOT_FOUND",
    "API_KEY_NOT_FOUND",
    "ACCOUNT_EXISTS",
    "RESERVATION_EXPIRED",
    "RESERVATION_ALREADY_COMMITTED",
    "RESERVATION_ALREADY_RELEASED",
    "LINE_NOT_FOUND",
    "ORDER_LINE_EXISTS",
    "NON_MUTABLE_BUNDLE",
    "BUNDLE_CYCLE",
    "BUNDLE_IN_USE",
    "BUCKET_OWNED_BY_DOCUMENT",
    "ITEM_NOT_STOCKED_AT_LOCATION",
    "LOCATION_NOT_SERVING_CHANNEL",
    "TTL_OUT_OF_RANGE",
    "INVALID_QUANTITY",
    "CHANGE_FROM_QUANTITY_STALE",
    "EXCEEDS_RESERVED_QUANTITY",
    "EXCEEDS_ALLOCATED_QUANTITY",
    "INSUFFICIENT_STOCK",
]
OF_THE_OUTER_LAYERS = {
    RejectionCode.FORBIDDEN,
    RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH,
    RejectionCode.BULK_REFUSED,
}
QUARANTINED = InventoryBucket.QUARANTINED
DAMAGED = InventoryBucket.DAMAGED
SAFETY_STOCK = InventoryBucket.SAFETY_STOCK
RESERVED = InventoryBucket.RESERVED
Wrong = Collection[RejectionCode]
PLACES = (location(EAST), location("BARE"))


def goods(wrong: Wrong) -> Item:
    return bundle(sku=SKU) if NON_MUTABLE_BUNDLE in wrong else item()


def stocked(wrong: Wrong) -> tuple[Fact, ...]:
    return (goods(wrong), *PLACES, level(EAST, on_hand=10))


def details(wrong: Wrong) -> Details:
    return Details(
        sku="UNKNOWN" if ITEM_NOT_FOUND in wrong else SKU,
        idempotency_key="" if INVALID_INPUT in wrong else "key",
        source_channel="shop" if CHANNEL_NOT_FOUND in wrong else None,
    )


def when_adjusting(wrong: Wrong) -> Outcome:
    entries = {
        LOCATION_NOT_FOUND: change("NOWHERE", 1),
        BUCKET_OWNED_BY_DOCUMENT: change(EAST, 1, RESERVED),
        ITEM_NOT_STOCKED_AT_LOCATION: change("BARE", 1),
        INVALID_QUANTITY: change(EAST, 0, DAMAGED),
        CHANGE_FROM_QUANTITY_STALE: change(EAST, 1, QUARANTINED, seen=99),
        INSUFFICIENT_STOCK: change(EAST, -1000, SAFETY_STOCK),
    }
    chosen = [entry for code, entry in entries.items() if code in wrong]
    return given(*stocked(wrong)).when(adjust(change(EAST, 1), *chosen, **details(wrong)))


def when_setting(wrong: Wrong) -> Outcome:
    entries = {
        LOCATION_NOT_FOUND: count("NOWHERE", 1),
        BUCKET_OWNED_BY_DOCUMENT: count(EAST, 1, RESERVED),
        INVALID_QUANTITY: count(EAST, -1, DAMAGED),
        CHANGE_FROM_QUANTITY_STALE: count(EAST, 1, QUARANTINED, seen=99),
        INSUFFICIENT_STOCK: count(EAST, 1000, SAFETY_STOCK),
        LEVEL_LIMIT_REACHED: count("BARE", 1),
    }
    chosen = [entry for code, entry in entries.items() if code in wrong]
    full = (LevelsElsewhere(sku=SKU, count=199), LevelsElsewhere(sku="UNKNOWN", count=200))
    command = set_to(count(EAST, 10), *chosen, **details(wrong))
    return given(*stocked(wrong), *full).when(replace(command, on_shortage=ShortagePolicy.REJECT))


def when_moving(wrong: Wrong) -> Outcome:
    entries = {
        LOCATION_NOT_FOUND: part_move("NOWHERE", 1, target=DAMAGED),
        BUCKET_OWNED_BY_DOCUMENT: part_move(EAST, 1, source=RESERVED),
        ITEM_NOT_STOCKED_AT_LOCATION: part_move("BARE", 1, target=DAMAGED),
        INVALID_QUANTITY: part_move(EAST, 0, target=QUARANTINED),
        INSUFFICIENT_STOCK: part_move(EAST, 1000, target=SAFETY_STOCK),
    }
    chosen = [entry for code, entry in entries.items() if code in wrong]
    return given(*stocked(wrong)).when(move(part_move(EAST, 1, target=DAMAGED), *chosen, **details(wrong)))


def when_activating(wrong: Wrong) -> Outcome:
    code = "NOWHERE" if LOCATION_NOT_FOUND in wrong else "BARE"
    levels = 200 if LEVEL_LIMIT_REACHED in wrong else 0
    full = (LevelsElsewhere(sku=SKU, count=levels), LevelsElsewhere(sku="UNKNOWN", count=levels))
    return given(goods(wrong), location("BARE"), *full).when(activate(code, **details(wrong)))


def when_deactivating_what_is_not_stocked(wrong: Wrong) -> Outcome:
    code = "NOWHERE" if LOCATION_NOT_FOUND in wrong else "BARE"
    known = () if ITEM_NOT_STOCKED_AT_LOCATION in wrong else (level("BARE"),)
    return given(goods(wrong), location("BARE"), *known).when(deactivate(code, **details(wrong)))


def when_deactivating_what_is_not_empty(wrong: Wrong) -> Outcome:
    known = level(EAST, on_hand=1 if LEVEL_NOT_EMPTY in wrong else 0)
    unseen = level("NOWHERE", on_hand=1)
    code = "NOWHERE" if LOCATION_NOT_FOUND in wrong else EAST
    return given(goods(wrong), location(EAST), known, unseen).when(deactivate(code, **details(wrong)))


def when_listing(wrong: Wrong) -> Outcome:
    command = ListingUpsert(
        sku="UNKNOWN" if ITEM_NOT_FOUND in wrong else SKU,
        channel="shop" if CHANNEL_NOT_FOUND in wrong else WEB,
        external_key="\x00" if INVALID_INPUT in wrong else None,
    )
    return given(item(), channel(WEB)).when(command)


def when_naming_a_location(wrong: Wrong) -> Outcome:
    command = LocationUpsert(
        code=EAST,
        fields={"country_code": "germany" if INVALID_INPUT in wrong else "DE"},
        channels=frozenset({"shop" if CHANNEL_NOT_FOUND in wrong else WEB}),
    )
    return given(channel(WEB)).when(command)


def when_archiving_a_location(wrong: Wrong) -> Outcome:
    code = {INVALID_INPUT: " ", LOCATION_NOT_FOUND: "NOWHERE"}
    return given(location(), level(on_hand=0)).when(LocationArchive(code=_first(code, wrong, EAST)))


def when_archiving_a_channel(wrong: Wrong) -> Outcome:
    code = {INVALID_INPUT: " ", CHANNEL_NOT_FOUND: "shop"}
    return given(channel()).when(ChannelArchive(code=_first(code, wrong, WEB)))


def scope_of(wrong: Wrong) -> Scope:
    return Scope(
        channels=frozenset({"shop" if CHANNEL_NOT_FOUND in wrong else WEB}),
        locations=frozenset({"NOWHERE" if LOCATION_NOT_FOUND in wrong else EAST}),
    )


def when_creating_an_account(wrong: Wrong) -> Outcome:
    name = "\x00" if INVALID_INPUT in wrong else None
    command = AccountCreate(code="erp", name=name, role=Role.PARTNER, scope=scope_of(wrong))
    known = [account()] if ACCOUNT_EXISTS in wrong else []
    return given(location(), channel(), *known).when(command, by=CHIEF)


def when_updating_an_account(wrong: Wrong) -> Outcome:
    scope = scope_of(wrong)
    code = _first({INVALID_INPUT: "", ACCOUNT_NOT_FOUND: "unknown"}, wrong, "erp")
    command = AccountUpdate(code=code, fields={"scope_channels": scope.channels, "scope_locations": scope.locations})
    return given(location(), channel(), account()).when(command, by=CHIEF)


def when_creating_a_key(wrong: Wrong) -> Outcome:
    code = "unknown" if ACCOUNT_NOT_FOUND in wrong else "erp"
    expires_at = EARLIER if INVALID_INPUT in wrong else None
    command = ApiKeyCreate(account=code, key_id="new", digest="d", scope=scope_of(wrong), expires_at=expires_at)
    return given(location(), channel(), account()).when(command, by=CHIEF)


def when_rotating_a_key(wrong: Wrong) -> Outcome:
    command = rotate(expires_at=EARLIER if INVALID_INPUT in wrong else None)
    known = [] if API_KEY_NOT_FOUND in wrong else [api_key()]
    return given(account(), *known).when(command, by=CHIEF)


def when_revoking_a_key(wrong: Wrong) -> Outcome:
    code = _first({INVALID_INPUT: "", API_KEY_NOT_FOUND: "unknown"}, wrong, "old")
    return given(account(), api_key()).when(ApiKeyRevoke(key_id=code), by=CHIEF)


def _first(values: dict[RejectionCode, str], wrong: Wrong, default: str) -> str:
    return next((value for code, value in values.items() if code in wrong), default)


OF_STOCK = (INVALID_INPUT, ITEM_NOT_FOUND, LOCATION_NOT_FOUND, CHANNEL_NOT_FOUND, NON_MUTABLE_BUNDLE)
STEPS: list[tuple[Callable[[Wrong], Outcome], tuple[RejectionCode, ...]]] = [
    (
        when_adjusting,
        (
            INVALID_INPUT,
            ITEM_NOT_FOUND,
            LOCATION_NOT_FOUND,
            CHANNEL_NOT_FOUND,
            NON_MUTABLE_BUNDLE,
            BUCKET_OWNED_BY_DOCUMENT,
            ITEM_NOT_STOCKED_AT_LOCATION,
            INVALID_QUANTITY,
            CHANGE_FROM_QUANTITY_STALE,
            INSUFFICIENT_STOCK,
        ),
    ),
    (
        when_setting,
        (
            INVALID_INPUT,
            ITEM_NOT_FOUND,
            LOCATION_NOT_FOUND,
            CHANNEL_NOT_FOUND,
            NON_MUTABLE_BUNDLE,
            BUCKET_OWNED_BY_DOCUMENT,
            INVALID_QUANTITY,
            CHANGE_FROM_QUANTITY_STALE,
            INSUFFICIENT_STOCK,
            LEVEL_LIMIT_REACHED,
        ),
    ),
    (
        when_moving,
        (
            INVALID_INPUT,
            ITEM_NOT_FOUND,
            LOCATION_NOT_FOUND,
            CHANNEL_NOT_FOUND,
            NON_MUTABLE_BUNDLE,
            BUCKET_OWNED_BY_DOCUMENT,
            ITEM_NOT_STOCKED_AT_LOCATION,
            INVALID_QUANTITY,
            INSUFFICIENT_STOCK,
        ),
    ),
    (
        when_activating,
        (*OF_STOCK, LEVEL_LIMIT_REACHED),
    ),
    (
        when_deactivating_what_is_not_stocked,
        (*OF_STOCK, ITEM_NOT_STOCKED_AT_LOCATION),
    ),
    (
        when_deactivating_what_is_not_empty,
        (*OF_STOCK, LEVEL_NOT_EMPTY),
    ),
    (when_listing, (INVALID_INPUT, ITEM_NOT_FOUND, CHANNEL_NOT_FOUND)),
    (when_naming_a_location, (INVALID_INPUT, CHANNEL_NOT_FOUND)),
    (when_archiving_a_channel, (INVALID_INPUT, CHANNEL_NOT_FOUND)),
    (when_creating_an_account, (INVALID_INPUT, LOCATION_NOT_FOUND, CHANNEL_NOT_FOUND, ACCOUNT_EXISTS)),
    (when_updating_an_account, (INVALID_INPUT, LOCATION_NOT_FOUND, CHANNEL_NOT_FOUND, ACCOUNT_NOT_FOUND)),
    (when_creating_a_key, (INVALID_INPUT, LOCATION_NOT_FOUND, CHANNEL_NOT_FOUND, ACCOUNT_NOT_FOUND)),
    (when_rotating_a_key, (INVALID_INPUT, API_KEY_NOT_FOUND)),
    (when_revoking_a_key, (INVALID_INPUT, API_KEY_NOT_FOUND)),
    *precedence_of_promises.STEPS,
    *precedence_of_bundles.STEPS,
]
# What holds stock and what does not exist are never the same, so these are met one at a time.
APART: list[tuple[Callable[[Wrong], Outcome], tuple[RejectionCode, ...]]] = [
    (when_archiving_a_location, (INVALID_INPUT, LOCATION_NOT_FOUND, STILL_STOCKED)),
]


def codes_of(outcome: Outcome) -> set[RejectionCode]:
    """Return the codes of a refusal, which is also proven to have changed nothing."""
    assert isinstance(outcome.answer, Refused), outcome.answer
    assert outcome.state == outcome.before
    return {one.code for one in outcome.answer.rejections}


def name_of(value: object) -> str:
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize("build", [build for build, _ in STEPS], ids=name_of)
def test_with_nothing_wrong_it_is_accepted(build: Callable[[Wrong], Outcome]) -> None:
    assert isinstance(build(()).answer, tuple)


@pytest.mark.parametrize(
    ("build", "code"), [(build, code) for build, codes in STEPS + APART for code in codes], ids=name_of
)
def test_each_code_is_met_alone(build: Callable[[Wrong], Outcome], code: RejectionCode) -> None:
    assert codes_of(build({code})) == {code}


@pytest.mark.parametrize(
    ("build", "earlier", "later"),
    [(build, *pair) for build, codes in STEPS for pair in combinations(codes, 2)],
    ids=name_of,
)
def test_of_two_codes_the_earlier_wins(
    build: Callable[[Wrong], Outcome], earlier: RejectionCode, later: RejectionCode
) -> None:
    order = list(RejectionCode)
    assert order.index(earlier) < order.index(later)
    assert codes_of(build({earlier, later})) == {earlier}


@pytest.mark.parametrize(("build", "codes"), STEPS, ids=name_of)
def test_mending_the_first_shows_the_next(build: Callable[[Wrong], Outcome], codes: tuple[RejectionCode, ...]) -> None:
    answers = [codes_of(build(codes[mended:])) for mended in range(len(codes))]
    assert answers == [{code} for code in codes]


def test_the_order_is_the_documented_one() -> None:
    codes = [code.value for code in RejectionCode]
    assert codes[: len(DOCUMENTED_IN_THE_CONTRACT)] == DOCUMENTED_IN_THE_CONTRACT


def test_every_code_of_the_domain_is_met_here() -> None:
    met = {code for _, codes in STEPS + APART for code in codes}
    assert met == set(RejectionCode) - OF_THE_OUTER_LAYERS


def test_every_code_says_what_it_means_and_what_to_do() -> None:
    assert list(MEANINGS) == list(RejectionCode)
    for code, meaning in MEANINGS.items():
        sentences = [sentence for sentence in meaning.split(". ") if sentence]
        assert len(sentences) >= 2, code
        assert meaning.endswith("."), code

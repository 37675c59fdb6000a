"""Events as the log keeps them; the one rule: what was written once can be read for ever.

`golden/events_v1.jsonl` holds one event a line, as version 1 wrote them; it is never rewritten, only joined by files of
later versions, and of the kinds of events that a version gained: `account_events_v1.jsonl`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from app.storage import event_codec
from app.storage.event_codec import EVENT_TYPES, SCHEMA_VERSION, decode_event, encode_event, sku_of
from domain.account_records import Account, ApiKey
from domain.accounts import AccountChanged, ApiKeyChanged
from domain.adjustments import Adjustment, AdjustmentReason, Movement
from domain.catalogue import (
    ChannelArchived,
    ChannelUpserted,
    ItemArchived,
    ItemUpserted,
    LocationArchived,
    LocationUpserted,
)
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import InventoryBucket, StockLevel
from domain.listings import ListingUpserted
from domain.principals import Role, Scope
from domain.records import Attribute, Channel, Identifier, Item, Listing, Location, LocationKind
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated

GOLDEN = Path(__file__).parent / "golden"
CREATED = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
UPDATED = datetime(2026, 2, 1, tzinfo=UTC)
POSITION = 41

ITEM = Item(
    sku="TEE-ÆØ-注文",
    name='T-shirt "Ærø"\n💥',
    product_code="TEE",
    attributes=(Attribute(name="size", value="XL"), Attribute(name="colour", value="blå")),
    identifiers=(Identifier(scheme="GTIN", value="4006381333931"),),
    is_backorderable=True,
    created_at=CREATED,
    updated_at=UPDATED,
)
PLAIN_ITEM = Item(sku="CUP", created_at=CREATED, updated_at=CREATED)
LOCATION = Location(
    code="STORE-BER",
    name="Berlin",
    kind=LocationKind.STORE,
    country_code="DE",
    created_at=CREATED,
    updated_at=UPDATED,
)
CHANNEL = Channel(code="web", name="Web shop", created_at=CREATED, updated_at=UPDATED)
LISTING = Listing(
    sku="CUP",
    channel="web",
    external_key="B00ABC1234",
    buffer=2,
    minimum_exposure=3,
    maximum_exposure=90,
    pool=4,
    updated_at=UPDATED,
)
LEVEL = StockLevel(
    sku="CUP",
    location="STORE-BER",
    on_hand=-10_000_000,
    reserved=1,
    allocated=2,
    quarantined=3,
    damaged=4,
    safety_stock=5,
    incoming=6,
    in_transit=7,
    backordered=10_000_000,
    version=9_007_199_254_740_993,
    updated_at=UPDATED,
    conflict_id="0123456789abcdef0123456789abcdef",
)
EMPTY_LEVEL = StockLevel(sku="CUP", location="STORE-BER", version=1, updated_at=CREATED)
ADJUSTMENT = Adjustment(
    id="01942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    account="acme",
    idempotency_key="order_77921_sync_04",
    sku="CUP",
    reason=AdjustmentReason.TRANSFER_CORRECTION,
    movements=(
        Movement(location="STORE-BER", bucket=InventoryBucket.ON_HAND, delta=-5, balance_after=-10_000_000),
        Movement(location="STORE-BER", bucket=InventoryBucket.DAMAGED, delta=4, balance_after=4),
    ),
    source_channel="web",
    reference_document_uri="https://shop.example/orders/77921",
    correlation_id="trace-1",
    occurred_at=CREATED,
    recorded_at=UPDATED,
    recorded_by="Anna-Lena Öst",
)
PLAIN_ADJUSTMENT = replace(
    ADJUSTMENT,
    reason=AdjustmentReason.CYCLE_COUNT,
    movements=(),
    source_channel=None,
    reference_document_uri=None,
    correlation_id=None,
)
ACCOUNT = Account(
    code="erp-Ö",
    name="ERP",
    role=Role.BACKOFFICE,
    scope=Scope(channels=frozenset({"web", "till", "Ö"}), locations=frozenset()),
    created_at=CREATED,
    updated_at=UPDATED,
    archived_at=UPDATED,
)
API_KEY = ApiKey(
    id="0123456789abcdef",
    account="erp-Ö",
    name="nightly",
    digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    scope=Scope(locations=frozenset({"STORE-BER", "SHED"})),
    created_at=CREATED,
    created_by="local",
    expires_at=UPDATED,
    revoked_at=UPDATED,
    replaced_by="fedcba9876543210",
)
PLAIN_ACCOUNT = Account(code="till", role=Role.CHANNEL, created_at=CREATED, updated_at=CREATED)
PLAIN_API_KEY = ApiKey(
    id="fedcba9876543210", account="till", digest=API_KEY.digest, created_at=CREATED, created_by="local"
)
EVENTS: list[Event] = [
    ItemUpserted(item=ITEM),
    ItemUpserted(item=PLAIN_ITEM),
    ItemArchived(item=replace(ITEM, archived_at=UPDATED)),
    LocationUpserted(location=LOCATION, channels=frozenset({"web", "till", "Ö"})),
    LocationUpserted(location=Location(code="SHED", created_at=CREATED, updated_at=CREATED), channels=frozenset()),
    LocationArchived(location=replace(LOCATION, archived_at=UPDATED)),
    ChannelUpserted(channel=CHANNEL),
    ChannelArchived(channel=replace(CHANNEL, name=None, archived_at=UPDATED)),
    ListingUpserted(listing=LISTING),
    ListingUpserted(listing=Listing(sku="CUP", channel="web", updated_at=CREATED)),
    InventoryAdjusted(adjustment=ADJUSTMENT, levels=(LEVEL, EMPTY_LEVEL)),
    InventoryAdjusted(adjustment=PLAIN_ADJUSTMENT, levels=()),
    LevelActivated(level=EMPTY_LEVEL),
    LevelDeactivated(level=replace(EMPTY_LEVEL, version=2)),
    StockConflictOpened(conflict_id="0123456789abcdef0123456789abcdef", level=LEVEL, unbacked=10_000_010),
    StockConflictClosed(conflict_id="0123456789abcdef0123456789abcdef", level=replace(LEVEL, conflict_id=None)),
    AccountChanged(account=ACCOUNT, changed_by="office/chief"),
    AccountChanged(account=PLAIN_ACCOUNT, changed_by="local"),
    ApiKeyChanged(key=API_KEY, changed_by="office/chief"),
    ApiKeyChanged(key=PLAIN_API_KEY, changed_by="local"),
]
NAMES = [f"{place}-{type(event).__name__}" for place, event in enumerate(EVENTS)]


def as_read(event: Event, *, position: int = POSITION) -> Event:
    """Return what a reader gets: an adjustment knows the position of its event."""
    if isinstance(event, InventoryAdjusted):
        return replace(event, adjustment=replace(event.adjustment, position=position))
    return event


def golden(version: int) -> list[Mapping[str, Any]]:
    """Return the lines of a version's files."""
    files = (GOLDEN / f"{name}_v{version}.jsonl" for name in ("events", "account_events"))
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_every_event_is_known_by_its_name() -> None:
    assert set(EVENT_TYPES.values()) == {kind for union in get_args(Event) for kind in (get_args(union) or (union,))}
    assert {name for name, kind in EVENT_TYPES.items() if name != kind.__name__} == set()
    assert {type(event) for event in EVENTS} == set(EVENT_TYPES.values())


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_what_is_written_is_read_back(event: Event) -> None:
    kind, version, _, data = encode_event(event)
    assert decode_event(kind, version, data, position=POSITION) == as_read(event)


@pytest.mark.parametrize("place", range(len(EVENTS)), ids=NAMES)
def test_what_version_1_wrote_is_read_exactly(place: int) -> None:
    line = golden(1)[place]
    data = orjson.dumps(line["data"]).decode()
    assert decode_event(line["type"], 1, data, position=POSITION) == as_read(EVENTS[place])
    assert line["sku"] == sku_of(EVENTS[place])


def test_the_golden_files_hold_every_event_of_their_version() -> None:
    assert [line["type"] for line in golden(1)] == [type(event).__name__ for event in EVENTS]
    assert sorted(path.name for path in GOLDEN.glob("events_v*.jsonl")) == [
        f"events_v{version}.jsonl" for version in range(1, SCHEMA_VERSION + 1)
    ]


@pytest.mark.parametrize("place", range(len(EVENTS)), ids=NAMES)
def test_the_newest_version_is_written_as_in_its_golden_file(place: int) -> None:
    line = golden(SCHEMA_VERSION)[place]
    kind, version, sku, data = encode_event(EVENTS[place])
    assert (kind, version, sku) == (line["type"], SCHEMA_VERSION, line["sku"])
    assert orjson.loads(data) == line["data"]


@pytest.mark.parametrize("place", range(len(EVENTS)), ids=NAMES)
def test_fields_of_a_later_program_are_passed_over(place: int) -> None:
    line = golden(1)[place]
    data = orjson.dumps(_with_more_fields(line["data"])).decode()
    assert decode_event(line["type"], 1, data, position=POSITION) == as_read(EVENTS[place])


def test_a_field_that_was_added_with_a_default_may_be_missing() -> None:
    line = next(line for line in golden(1) if line["type"] == "ListingUpserted")
    listing = {name: line["data"]["listing"][name] for name in ("sku", "channel", "updated_at")}
    event = decode_event("ListingUpserted", 1, orjson.dumps({"listing": listing}).decode(), position=POSITION)
    assert event == ListingUpserted(listing=Listing(sku="CUP", channel="web", updated_at=UPDATED))


def test_an_unknown_event_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(KeyError):
        decode_event("ItemRenamed", 1, "{}", position=POSITION)


def test_an_older_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(data: dict[str, Any]) -> dict[str, Any]:
        return {"old_name": data["name"]}

    def second(data: dict[str, Any]) -> dict[str, Any]:
        return {
            "channel": {"code": data["old_name"], "created_at": CREATED.isoformat(), "updated_at": CREATED.isoformat()}
        }

    monkeypatch.setattr(event_codec, "SCHEMA_VERSION", 3)
    monkeypatch.setitem(event_codec.UPCASTS, ("ChannelUpserted", 1), first)
    monkeypatch.setitem(event_codec.UPCASTS, ("ChannelUpserted", 2), second)
    expected = ChannelUpserted(channel=Channel(code="web", created_at=CREATED, updated_at=CREATED))
    assert decode_event("ChannelUpserted", 1, '{"name": "web"}', position=POSITION) == expected
    assert decode_event("ChannelUpserted", 2, '{"old_name": "web"}', position=POSITION) == expected


def test_sets_of_codes_are_written_in_order_so_that_equal_events_are_equal_texts() -> None:
    codes = [f"channel-{number}" for number in range(50)]
    texts = {
        encode_event(LocationUpserted(location=LOCATION, channels=frozenset(order)))[3]
        for order in (codes, codes[::-1], codes[25:] + codes[:25])
    }
    assert len(texts) == 1
    texts = {
        encode_event(AccountChanged(account=replace(ACCOUNT, scope=Scope(channels=frozenset(order))), changed_by=""))[3]
        for order in (codes, codes[::-1], codes[25:] + codes[:25])
    }
    assert len(texts) == 1


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))
COUNTS = st.integers(-10_000_000, 10_000_000)
LEVELS = st.builds(
    StockLevel, sku=TEXTS, location=TEXTS, on_hand=COUNTS, version=st.integers(0, 2**63 - 1), updated_at=TIMES
)
MOVEMENTS = st.builds(
    Movement, location=TEXTS, bucket=st.sampled_from(InventoryBucket), delta=COUNTS, balance_after=COUNTS
)
ADJUSTMENTS = st.builds(
    Adjustment,
    id=TEXTS,
    account=TEXTS,
    idempotency_key=TEXTS,
    sku=TEXTS,
    reason=st.sampled_from(AdjustmentReason),
    movements=st.lists(MOVEMENTS, max_size=3).map(tuple),
    source_channel=st.none() | TEXTS,
    reference_document_uri=st.none() | TEXTS,
    correlation_id=st.none() | TEXTS,
    occurred_at=TIMES,
    recorded_at=TIMES,
    recorded_by=TEXTS,
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@for_all(
    st.builds(InventoryAdjusted, adjustment=ADJUSTMENTS, levels=st.lists(LEVELS, max_size=3).map(tuple))
    | st.builds(
        LocationUpserted,
        location=st.builds(Location, code=TEXTS, name=st.none() | TEXTS, created_at=TIMES, updated_at=TIMES),
        channels=st.frozensets(TEXTS, max_size=4),
    )
)
def test_any_adjustment_and_location_comes_back(event: Event) -> None:
    kind, version, _, data = encode_event(event)
    assert decode_event(kind, version, data, position=POSITION) == as_read(event)


@pytest.mark.parametrize("hours", [-12, 0, 5.5, 14])
def test_a_time_with_an_offset_is_the_same_moment(hours: float) -> None:
    occurred_at = datetime(2026, 2, 28, 23, 30, 0, 1, tzinfo=timezone(timedelta(hours=hours)))
    event = InventoryAdjusted(adjustment=replace(ADJUSTMENT, occurred_at=occurred_at), levels=())
    kind, version, _, data = encode_event(event)
    decoded = decode_event(kind, version, data, position=POSITION)
    assert isinstance(decoded, InventoryAdjusted)
    assert decoded.adjustment.occurred_at == occurred_at


def _with_more_fields(data: Any) -> Any:
    if isinstance(data, dict):
        return {**{name: _with_more_fields(part) for name, part in data.items()}, "of_a_later_program": {"nested": [1]}}
    return [_with_more_fields(part) for part in data] if isinstance(data, list) else data

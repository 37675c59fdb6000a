"""Events as the log keeps them; the one rule: what was written once can be read for ever.

`golden/events_v1.jsonl` holds one event a line, as version 1 wrote them; it is never rewritten, only joined by files of
later versions, and of what a version gained: kinds of events, and fields with a default. Those files are named after
what came: `account_events_v1.jsonl`, `promise_events_v1.jsonl`, `bundle_events_v1.jsonl`.
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
from domain.accounts import AccountChanged
from domain.adjustments import Adjustment, AdjustmentReason, Movement
from domain.catalogue import (
    ChannelUpserted,
    LocationUpserted,
)
from domain.decider import Event
from domain.levels import InventoryBucket, StockLevel
from domain.listings import ListingUpserted
from domain.principals import Scope
from domain.records import Channel, Listing, Location
from domain.stock_commands import InventoryAdjusted
from tests.app.event_examples import ACCOUNT, ADJUSTMENT, CREATED, EVENTS, LOCATION, UPDATED

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_NAMES = ("events", "account_events", "promise_events", "bundle_events")
POSITION = 41
NAMES = [f"{place}-{type(event).__name__}" for place, event in enumerate(EVENTS)]


def as_read(event: Event, *, position: int = POSITION) -> Event:
    """Return what a reader gets: an adjustment knows the position of its event."""
    if isinstance(event, InventoryAdjusted):
        return replace(event, adjustment=replace(event.adjustment, position=position))
    return event


def golden(version: int) -> list[Mapping[str, Any]]:
    """Return the lines of a version's files."""
    files = (GOLDEN / f"{name}_v{version}.jsonl" for name in GOLDEN_NAMES)
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
    assert _without_gained_fields(orjson.loads(data), line["data"]) == line["data"]


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


def _without_gained_fields(data: Any, golden_data: Any) -> Any:
    """Return what is written without the fields that its type gained since the golden line was; lists are alike."""
    if isinstance(data, dict) and isinstance(golden_data, dict):
        return {
            name: _without_gained_fields(part, golden_data[name]) for name, part in data.items() if name in golden_data
        }
    if isinstance(data, list) and isinstance(golden_data, list):
        return [_without_gained_fields(*pair) for pair in zip(data, golden_data, strict=True)]
    return data


def _with_more_fields(data: Any) -> Any:
    if isinstance(data, dict):
        return {**{name: _with_more_fields(part) for name, part in data.items()}, "of_a_later_program": {"nested": [1]}}
    return [_with_more_fields(part) for part in data] if isinstance(data, list) else data

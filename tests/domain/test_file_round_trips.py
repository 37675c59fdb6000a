"""Exports that are imported again; the one rule: nothing changes, whatever the records hold."""

from datetime import UTC, datetime

from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.catalogue import ItemUpsert, LocationUpsert
from domain.csv_records import line_from
from domain.decider import decide
from domain.file_columns import COLUMNS, FileKind
from domain.files import (
    FileRecord,
    RowCommand,
    cells_of,
    completed,
)
from domain.levels import StockLevel
from domain.records import Attribute, Channel, Identifier, Item, Listing, Location, LocationKind
from domain.rejections import Refused, RejectionCode
from domain.state import State
from domain.stock_commands import InventoryAdjusted
from tests.domain.given import CLERK, NOW
from tests.domain.rows import rows_of

CODES = some.text(alphabet="aZ09-=+@'|\\ ä日.{\"", min_size=1, max_size=8).filter(lambda text: text == text.strip())
FREE = some.none() | some.text(alphabet="aZ09-=+@'|\\ ä日\r\n\t,;\"()", max_size=10) | some.just("(clear)")
COUNTS = some.integers(min_value=0, max_value=10_000_000)
ITEMS = some.builds(
    Item,
    sku=CODES,
    name=FREE,
    product_code=FREE,
    attributes=some.lists(some.builds(Attribute, name=CODES, value=CODES), max_size=3).map(tuple),
    identifiers=some.lists(some.builds(Identifier, scheme=CODES, value=CODES), max_size=3).map(tuple),
    is_backorderable=some.booleans(),
    created_at=some.just(NOW),
    updated_at=some.just(NOW),
    archived_at=some.none(),
)
LOCATIONS = some.tuples(
    some.builds(
        Location,
        code=CODES,
        name=FREE,
        kind=some.sampled_from(LocationKind),
        country_code=some.sampled_from([None, "DE", "US"]),
        created_at=some.just(NOW),
        updated_at=some.just(NOW),
        archived_at=some.none(),
    ),
    some.lists(CODES, max_size=3, unique=True).map(lambda codes: tuple(sorted(codes))),
)
LISTINGS = some.builds(
    Listing, sku=CODES, channel=CODES, external_key=FREE.filter(lambda text: text != ""), updated_at=some.just(NOW)
)
LEVELS = some.builds(
    StockLevel,
    sku=CODES,
    location=CODES,
    on_hand=COUNTS,
    reserved=some.just(0),
    allocated=some.just(0),
    quarantined=COUNTS,
    damaged=COUNTS,
    safety_stock=COUNTS,
    incoming=some.just(0),
    in_transit=some.just(0),
    backordered=some.just(0),
    version=some.just(3),
    updated_at=some.just(NOW),
    conflict_id=some.none(),
)


def read_back(kind: FileKind, record: FileRecord) -> RowCommand:
    """Return the row that a record's own export reads as."""
    header = line_from([column.name for column in COLUMNS[kind]], delimiter=",")
    (row,) = rows_of(kind, header + line_from(cells_of(record), delimiter=","))
    assert isinstance(row, RowCommand), row
    return row


@for_all(ITEMS)
def test_exported_item_changes_nothing(item: Item) -> None:
    command = completed(read_back(FileKind.ITEMS, item), item=item)
    assert decide(command, State(items={item.sku: item}), by=CLERK, at=datetime.now(UTC)) == ()


@for_all(ITEMS)
def test_exported_item_brings_the_same_item_into_an_empty_catalogue(item: Item) -> None:
    """Given an export, then what it creates elsewhere is the same, an empty text and no text being one."""
    command = read_back(FileKind.ITEMS, item).command
    assert isinstance(command, ItemUpsert)
    assert command.sku == item.sku
    assert command.fields.get("name") == (item.name or None)
    assert command.fields.get("product_code") == (item.product_code or None)
    assert command.fields.get("attributes", ()) == item.attributes
    assert command.fields.get("identifiers", ()) == item.identifiers
    assert command.fields.get("is_backorderable") == item.is_backorderable


@for_all(LOCATIONS)
def test_exported_location_changes_nothing(shown: tuple[Location, tuple[str, ...]]) -> None:
    location, codes = shown
    served = frozenset(codes)
    row = read_back(FileKind.LOCATIONS, shown)
    assert isinstance(row.command, LocationUpsert)
    assert row.command.channels == (served or None)
    channels = {code: Channel(code=code, created_at=NOW, updated_at=NOW) for code in codes}
    state = State(locations={location.code: location}, channels=channels, channels_served={location.code: served})
    for command in (row.command, completed(row, serves=served)):
        assert decide(command, state, by=CLERK, at=datetime.now(UTC)) == ()


@for_all(LISTINGS)
def test_exported_listing_changes_nothing(listing: Listing) -> None:
    command = completed(read_back(FileKind.LISTINGS, listing), listing=listing)
    state = State(
        items={listing.sku: Item(sku=listing.sku, created_at=NOW, updated_at=NOW)},
        channels={listing.channel: Channel(code=listing.channel, created_at=NOW, updated_at=NOW)},
        listings={(listing.sku, listing.channel): listing},
    )
    assert decide(command, state, by=CLERK, at=datetime.now(UTC)) == ()


@for_all(LEVELS)
def test_exported_level_moves_nothing(level: StockLevel) -> None:
    """Given a level, when its export is imported, then the count is confirmed and no unit moves."""
    command = read_back(FileKind.LEVELS, level).command
    state = State(
        items={level.sku: Item(sku=level.sku, created_at=NOW, updated_at=NOW)},
        locations={level.location: Location(code=level.location, created_at=NOW, updated_at=NOW)},
        levels={level.key: level},
    )
    decided = decide(command, state, by=CLERK, at=datetime.now(UTC))
    assert not isinstance(decided, Refused)
    (event,) = decided
    assert isinstance(event, InventoryAdjusted)
    assert (event.levels, event.adjustment.movements) == ((), ())


def test_negative_count_stays_a_number_and_is_refused_when_it_comes_back() -> None:
    """Given a level in the red, then its export shows the number, and an import says that no count is negative."""
    level = StockLevel(sku="A", location="L", on_hand=-3, version=1, updated_at=NOW)
    assert cells_of(level) == ("A", "L", "-3", "0", "0", "0")
    command = read_back(FileKind.LEVELS, level).command
    state = State(
        items={"A": Item(sku="A", created_at=NOW, updated_at=NOW)},
        locations={"L": Location(code="L", created_at=NOW, updated_at=NOW)},
        levels={level.key: level},
    )
    refused = decide(command, state, by=CLERK, at=NOW)
    assert isinstance(refused, Refused)
    assert [(one.code, one.message) for one in refused.rejections] == [
        (RejectionCode.INVALID_QUANTITY, "A count is between 0 and 10,000,000.")
    ]

"""One event of each kind and more, with every field in use; the one rule: golden files hold them in this order."""

from dataclasses import replace
from datetime import UTC, datetime

from domain.account_records import Account, ApiKey
from domain.accounts import AccountChanged, ApiKeyChanged
from domain.adjustments import Adjustment, AdjustmentReason, Movement
from domain.allocation_commands import (
    Allocation,
    AllocationCancelled,
    AllocationCreated,
    AllocationLine,
    AllocationLinesAdded,
    Shipment,
    ShipmentConfirmed,
)
from domain.catalogue import (
    ChannelArchived,
    ChannelUpserted,
    ItemArchived,
    ItemUpserted,
    LocationArchived,
    LocationUpserted,
)
from domain.compositions import Component, Composition
from domain.conflicts import StockConflictClosed, StockConflictOpened
from domain.decider import Event
from domain.levels import InventoryBucket, StockLevel
from domain.listings import ListingUpserted
from domain.postings import Posting, PostingCause, StockPosted
from domain.principals import Role, Scope
from domain.promises import FulfilmentKind, Hold, Line, SourcingReason, SourcingStrategy
from domain.records import Attribute, Channel, Identifier, Item, Listing, Location, LocationKind, leaves_of
from domain.reservation_commands import (
    Reservation,
    ReservationCommitted,
    ReservationCreated,
    ReservationExpired,
    ReservationExtended,
    ReservationMoved,
    ReservationReleased,
    ReservationState,
)
from domain.stock_commands import InventoryAdjusted, LevelActivated, LevelDeactivated

CREATED = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
UPDATED = datetime(2026, 2, 1, tzinfo=UTC)

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
POSTING = Posting(
    id="11942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    sku="TEE-ÆØ-注文",
    cause=PostingCause.SHIPMENT_CONFIRMED,
    document_id="21942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    account="acme",
    idempotency_key="ship-1",
    movements=(
        Movement(location="STORE-BER", bucket=InventoryBucket.ALLOCATED, delta=-2, balance_after=0),
        Movement(location="STORE-BER", bucket=InventoryBucket.ON_HAND, delta=-2, balance_after=5),
    ),
    source_channel="web",
    correlation_id="trace-1",
    recorded_at=UPDATED,
    recorded_by="Anna-Lena Öst",
)
PLAIN_POSTING = replace(
    POSTING,
    cause=PostingCause.RESERVATION_EXPIRED,
    idempotency_key=None,
    source_channel=None,
    correlation_id=None,
    movements=(),
)
HOLD = Hold(sku="CUP", location="STORE-BER", quantity=2, reason=SourcingReason.NEAREST_REGION)
RESERVATION = Reservation(
    id="31942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    account="acme",
    channel="web",
    external_reference="cart 7 “Æ”",
    fulfilment=FulfilmentKind.PICKUP,
    state=ReservationState.ACTIVE,
    lines=(
        Line(id="1", sku="CUP", quantity=3, holds=(HOLD, replace(HOLD, location="SHED", quantity=1))),
        Line(id="2", sku="CUP", quantity=1, holds=()),
    ),
    created_at=CREATED,
    expires_at=UPDATED,
    updated_at=CREATED,
    version=1,
)
PLAIN_RESERVATION = replace(
    RESERVATION,
    channel=None,
    external_reference=None,
    fulfilment=FulfilmentKind.SHIPPING,
    lines=(Line(id="1", sku="CUP", quantity=2, holds=(replace(HOLD, reason=SourcingReason.NAMED),)),),
)
ALLOCATION = Allocation(
    id="41942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    order_id="order-77921",
    account="acme",
    channel="web",
    fulfilment=FulfilmentKind.SHIPPING,
    lines=(
        AllocationLine(id="a", sku="CUP", quantity=5, holds=(HOLD,), shipped=2, cancelled=1),
        AllocationLine(id="b", sku="CUP", quantity=1, holds=()),
    ),
    created_at=CREATED,
    updated_at=UPDATED,
    version=3,
)
SHIPMENT = Shipment(
    id="51942f0c8f7a7b3e8c1d2e3f4a5b6c7d",
    order_id="order-77921",
    channel="web",
    external_id="DHL-1",
    lines=(Line(id="a", sku="CUP", quantity=2, holds=(HOLD,)),),
    shipped_at=CREATED,
    recorded_at=UPDATED,
)
BUNDLE = replace(
    PLAIN_ITEM,
    sku="SET",
    composition=Composition(
        components=(Component(sku="PAIR", quantity=2), Component(sku="TEE-ÆØ-注文", quantity=1)),
        leaves=(Component(sku="CUP", quantity=4), Component(sku="TEE-ÆØ-注文", quantity=1)),
        nested=("PAIR",),
    ),
)
HOLD_OF_BUNDLE = Hold(sku="SET", location="SHED", quantity=3, parts=leaves_of(BUNDLE))
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
    LocationUpserted(location=replace(LOCATION, region="nord", priority=7), channels=frozenset({"web"})),
    ChannelUpserted(
        channel=replace(
            CHANNEL,
            sourcing=SourcingStrategy.FEWEST_SPLITS,
            reservation_ttl_seconds=60,
            reservation_ttl_seconds_max=3600,
        )
    ),
    StockPosted(posting=POSTING, levels=(LEVEL, EMPTY_LEVEL)),
    StockPosted(posting=PLAIN_POSTING, levels=()),
    ReservationCreated(reservation=RESERVATION),
    ReservationCreated(reservation=PLAIN_RESERVATION),
    ReservationExtended(reservation=replace(RESERVATION, version=2)),
    ReservationReleased(reservation=replace(RESERVATION, state=ReservationState.RELEASED)),
    ReservationMoved(reservation=RESERVATION),
    ReservationCommitted(
        reservation=replace(RESERVATION, state=ReservationState.COMMITTED, order_id="order-77921", version=2)
    ),
    ReservationExpired(reservation=replace(RESERVATION, state=ReservationState.EXPIRED)),
    AllocationCreated(allocation=replace(ALLOCATION, channel=None)),
    AllocationLinesAdded(allocation=ALLOCATION),
    AllocationCancelled(allocation=replace(ALLOCATION, fulfilment=FulfilmentKind.PICKUP)),
    ShipmentConfirmed(shipment=SHIPMENT, allocation=ALLOCATION),
    ShipmentConfirmed(shipment=replace(SHIPMENT, channel=None, external_id=None), allocation=ALLOCATION),
    ItemUpserted(item=BUNDLE),
    ReservationCreated(
        reservation=replace(RESERVATION, lines=(Line(id="1", sku="SET", quantity=3, holds=(HOLD_OF_BUNDLE,)),))
    ),
]

"""From order lines to commands for the ledger; the one rule: nothing but the lines (and the ids given) goes into it,
so the same lines lead to the same keys and the same stock each time.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.demo.opening import opening_quantity
from app.demo.orders import OrderedItem, OrderLine, sum_by_invoice_and_sku
from app.demo.places import CENTRAL, CHANNELS, EAST, LOCATIONS, MAIN_LOCATION, WEB, Route, route_of
from domain.adjustments import AdjustmentReason, ShortagePolicy
from domain.catalogue import ItemUpsert
from domain.catalogue_fields import ItemFields
from domain.decider import Command
from domain.levels import LevelKey
from domain.listings import ListingUpsert
from domain.stock_commands import InventoryAdjust, InventorySet, LevelDelta, LevelQuantity

NON_STOCK_CODES = frozenset({"POST", "D", "C2", "DOT", "M", "BANK CHARGES"})
"""Postage, discounts, carriage, manual entries and bank charges: on invoices, but on no shelf."""

BUSINESS_SKU = "B2B-SERV-001X"
BUSINESS_NAME = "Business server 001X"
BUSINESS_UNITS = 500
BUSINESS_LOCATIONS = (EAST, CENTRAL)

WEEK_BEGAN_AT = datetime(2010, 12, 1, tzinfo=UTC)
OPENING_KEY_PREFIX = "opening:"
OPENING_DOCUMENT_URI = "urn:online-retail:opening-stock"
INVOICE_URI_PREFIX = "urn:online-retail:invoice:"

VARIANT_CODE = re.compile(r"([0-9]{5})[A-Za-z]+")
"""The letters behind a product's number tell its designs and colours."""

NewId = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockChange:
    """What one invoice did to one item: `delta` units at one location; no channel for what was written off."""

    invoice: str
    sku: str
    location: str
    channel: str | None
    delta: int
    reason: AdjustmentReason
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Commands of one kind; a stage may only begin when the one before it is done."""

    name: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """All that the demo sends to the ledger, and what became of the lines.

    `lines_left_out` counts the lines of each code that is not stock; `zero_sums` counts the pairs of invoice and SKU
    whose lines cancel each other out.
    """

    lines_read: int
    lines_left_out: Mapping[str, int]
    zero_sums: int
    items: tuple[ItemUpsert, ...]
    listings: tuple[ListingUpsert, ...]
    openings: tuple[InventorySet, ...]
    orders: tuple[InventoryAdjust, ...]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The commands in the order in which they build on each other."""
        return (
            Stage(name="Channels", commands=CHANNELS),
            Stage(name="Locations", commands=LOCATIONS),
            Stage(name="Items", commands=self.items),
            Stage(name="Listings", commands=self.listings),
            Stage(name="Opening stock", commands=self.openings),
            Stage(name="Orders", commands=self.orders),
        )


def plan_demo(lines: Sequence[OrderLine], *, new_id: NewId) -> DemoPlan:
    """Return what the lines mean for the ledger."""
    stocked = [line for line in lines if line.stock_code not in NON_STOCK_CODES]
    ordered = sum_by_invoice_and_sku(stocked)
    changes = [stock_change_of(one) for one in ordered if one.quantity]
    items = (*items_of(stocked), ItemUpsert(sku=BUSINESS_SKU, fields={"name": BUSINESS_NAME}))
    openings = opening_quantities((item.sku for item in items), changes)
    return DemoPlan(
        lines_read=len(lines),
        lines_left_out=Counter(line.stock_code for line in lines if line.stock_code in NON_STOCK_CODES),
        zero_sums=len(ordered) - len(changes),
        items=items,
        listings=tuple(listings_of(items, changes)),
        openings=tuple(opening_commands(openings, new_id=new_id)),
        orders=tuple(adjust_command(change, new_id=new_id) for change in changes),
    )


def items_of(lines: Iterable[OrderLine]) -> tuple[ItemUpsert, ...]:
    """Return one item per stock code, in order of the codes; codes that differ by case are different items."""
    descriptions: dict[str, Counter[str]] = {}
    for line in lines:
        found = descriptions.setdefault(line.stock_code, Counter())
        if line.description:
            found[line.description] += 1
    return tuple(ItemUpsert(sku=sku, fields=_item_fields(sku, found)) for sku, found in sorted(descriptions.items()))


def stock_change_of(ordered: OrderedItem) -> StockChange:
    """Return what an ordered item did to the stock: sold, come back, or (negative, but not cancelled) written off."""
    reason = AdjustmentReason.SALE
    delta, route = -ordered.quantity, route_of(ordered)
    if ordered.is_cancellation:
        reason = AdjustmentReason.RETURN
    elif ordered.quantity < 0:
        reason, delta = AdjustmentReason.SHRINKAGE, ordered.quantity
        route = Route(channel=None, location=MAIN_LOCATION)
    return StockChange(
        invoice=ordered.invoice,
        sku=ordered.sku,
        location=route.location,
        channel=route.channel,
        delta=delta,
        reason=reason,
        occurred_at=ordered.invoiced_at,
    )


def listings_of(items: Iterable[ItemUpsert], changes: Iterable[StockChange]) -> Iterator[ListingUpsert]:
    """Yield each item's listings: on the web shop, and on every channel that sold it this week, under its SKU."""
    channels: dict[str, set[str]] = {item.sku: {WEB} for item in items}
    channels[BUSINESS_SKU].update(channel.code for channel in CHANNELS)
    for change in changes:
        if change.channel is not None:
            channels[change.sku].add(change.channel)
    for sku, codes in channels.items():
        for code in sorted(codes):
            yield ListingUpsert(sku=sku, channel=code, external_key=sku)


def opening_quantities(skus: Iterable[str], changes: Iterable[StockChange]) -> dict[LevelKey, int]:
    """Return the stock before the first order: in the main warehouse, and wherever the week's orders left from."""
    deltas: dict[LevelKey, list[int]] = {(sku, MAIN_LOCATION): [] for sku in skus}
    for change in changes:
        deltas.setdefault((change.sku, change.location), []).append(change.delta)
    quantities = {key: opening_quantity(key, deltas[key]) for key in sorted(deltas)}
    return quantities | {(BUSINESS_SKU, location): BUSINESS_UNITS for location in BUSINESS_LOCATIONS}


def opening_commands(quantities: Mapping[LevelKey, int], *, new_id: NewId) -> Iterator[InventorySet]:
    """Yield one count per item, over all its locations."""
    by_sku: dict[str, list[LevelQuantity]] = {}
    for (sku, location), quantity in quantities.items():
        by_sku.setdefault(sku, []).append(LevelQuantity(location=location, quantity=quantity))
    for sku, levels in by_sku.items():
        yield InventorySet(
            command_id=new_id(),
            sku=sku,
            idempotency_key=f"{OPENING_KEY_PREFIX}{sku}",
            reason=AdjustmentReason.RECEIPT,
            reference_document_uri=OPENING_DOCUMENT_URI,
            occurred_at=WEEK_BEGAN_AT,
            quantities=tuple(levels),
        )


def adjust_command(change: StockChange, *, new_id: NewId) -> InventoryAdjust:
    """Return the command that records a change: it is a fact, whatever the stock says."""
    return InventoryAdjust(
        command_id=new_id(),
        sku=change.sku,
        idempotency_key=f"{change.invoice}:{change.sku}",
        reason=change.reason,
        source_channel=change.channel,
        reference_document_uri=f"{INVOICE_URI_PREFIX}{change.invoice}",
        occurred_at=change.occurred_at,
        on_shortage=ShortagePolicy.RECORD_CONFLICT,
        adjustments=(LevelDelta(location=change.location, delta=change.delta),),
    )


def _item_fields(sku: str, descriptions: Mapping[str, int]) -> ItemFields:
    # Of descriptions that are as frequent, the longest says most; the alphabet settles the rest.
    names = sorted(descriptions, key=lambda name: (-descriptions[name], -len(name), name))
    variant = VARIANT_CODE.fullmatch(sku)
    return {"name": names[0] if names else None, "product_code": variant[1] if variant else None}

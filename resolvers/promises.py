"""What documents hold, as GraphQL types; the one rule: a document is shown whole, or not at all."""

from collections.abc import Sequence
from typing import Protocol

import strawberry

from domain import promises
from domain.reservation_checks import is_seen
from resolvers.catalogue import InventoryItem, load_item
from resolvers.context import Info
from resolvers.enums import SourcingReason
from resolvers.places import Location
from resolvers.stock import location_of_record


class Document(Protocol):
    """A reservation, an allocation or a shipment."""

    @property
    def channel(self) -> str | None:
        """The code of its channel."""
        ...

    @property
    def lines(self) -> Sequence[promises.Line]:
        """Its lines, with what they hold."""
        ...


@strawberry.type(description="Units of an item at a location, and why they are taken from there.")
class Hold:
    """Units behind a line."""

    sku: str = strawberry.field(description="The item's SKU.")
    location_code: str = strawberry.field(description="The location's code.")
    quantity: int = strawberry.field(description="How many units, in base units.")
    reason: SourcingReason = strawberry.field(description="Why this location was chosen.")

    @strawberry.field(description="The location.")
    async def location(self, info: Info) -> Location:
        """Load the location."""
        return await location_of_record(info, self.location_code)


@strawberry.type(description="A line of a document: what was asked for, and what stands behind it.")
class DocumentLine:
    """What the lines of all documents hold."""

    line_id: str = strawberry.field(description="The line's id, as it was given; unique within its document.")
    sku: str = strawberry.field(description="The item's SKU.")

    @strawberry.field(description="The item as it is now; null when it is no longer in use.")
    async def item(self, info: Info) -> InventoryItem | None:
        """Load the item."""
        return await load_item(info, self.sku)


def present_holds(line: promises.Line) -> list[Hold]:
    """Return what stands behind a line, as clients see it."""
    return [
        Hold(sku=hold.sku, location_code=hold.location, quantity=hold.quantity, reason=hold.reason)
        for hold in line.holds
    ]


def is_visible(info: Info, document: Document) -> bool:
    """Return whether the caller sees the document's channel, and every location that it holds units at."""
    return is_seen(document.channel, document.lines, info.context.principal)


def id_or_none(code: str | None) -> strawberry.ID | None:
    """Return a code as GraphQL's ID."""
    return None if code is None else strawberry.ID(code)

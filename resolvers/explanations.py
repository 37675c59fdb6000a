"""`availabilityExplain`: why a channel shows the number that it shows, as a tree of terms."""

from typing import Annotated

import strawberry

from domain.availability import availability_status
from domain.explanations import Term, explain
from resolvers.availability import ChannelArgument, channel_code, counted_levels
from resolvers.context import Info
from resolvers.enums import AvailabilityStatus, TermName
from resolvers.freshness import MinPosition, require, required_position
from resolvers.visibility import answered_channel, visible_locations


@strawberry.type(
    description="One term of the arithmetic behind an availability. A term with parts is their sum, and the uppermost "
    "term is the answer."
)
class AvailabilityTerm:
    """A term."""

    name: TermName = strawberry.field(description="What the term stands for.")
    quantity: int = strawberry.field(description="By how much it moves the answer, in base units; negative takes away.")
    location_id: strawberry.ID | None = strawberry.field(
        description="The code of the location that the term is about; null for what concerns the channel as a whole."
    )
    is_limiting: bool = strawberry.field(
        description="Whether this is the term that keeps the answer where it is: the least or the most to show where "
        "one of them binds, otherwise what takes most away; the uppermost term if nothing does. One term is marked."
    )
    parts: list["AvailabilityTerm"] = strawberry.field(
        description="The terms that it is the sum of: of the uppermost one the locations and what the channel takes "
        "off, of a location its counters; empty for a number of its own, and for a location of a bundle: a least is "
        "no sum."
    )


@strawberry.type(description="Why an item's availability is what it is, as of one position.")
class AvailabilityExplanation:
    """The arithmetic of one answer."""

    sku: str = strawberry.field(description="The item's SKU.")
    channel_id: strawberry.ID | None = strawberry.field(
        description="The channel's code; null when no channel was asked for."
    )
    available_quantity: int = strawberry.field(description="The answer, as `availability` gives it.")
    status: AvailabilityStatus = strawberry.field(description="What a storefront may tell its shopper.")
    position: str = strawberry.field(
        description="The place in the order of all events at which the explanation is true."
    )
    term: AvailabilityTerm = strawberry.field(description="The arithmetic; its quantity is the answer.")


@strawberry.type
class ExplanationQueries:
    """Questions about why."""

    @strawberry.field(
        description="Why `availability` says what it says: the arithmetic as a tree of named terms that sum to the "
        "answer, with the limiting one marked. Null for an unknown SKU or channel."
    )
    async def availability_explain(
        self,
        info: Info,
        sku: Annotated[str, strawberry.argument(description="The item's SKU.")],
        channel_id: ChannelArgument = None,
        min_position: MinPosition = None,
    ) -> AvailabilityExplanation | None:
        """Explain one availability."""
        require(info, min_position)
        channel = answered_channel(info, channel_code(channel_id))
        (snapshot,) = await info.context.services.loaders.snapshots.load_many(
            [(sku, channel)], at_least=required_position(info)
        )
        if not (snapshot.is_known and snapshot.channel_is_known):
            return None
        counted = counted_levels(snapshot, visible_locations(info, None))
        term = explain(
            (one.level for one in counted),
            snapshot.exposure,
            parts=snapshot.parts,
            pools_of_parts=snapshot.pools_of_parts,
        )
        return AvailabilityExplanation(
            sku=snapshot.sku,
            channel_id=None if channel is None else strawberry.ID(channel),
            available_quantity=term.quantity,
            status=availability_status(term.quantity, is_backorderable=snapshot.is_backorderable),
            position=str(snapshot.position),
            term=_presented(term),
        )


def _presented(term: Term) -> AvailabilityTerm:
    return AvailabilityTerm(
        name=term.name,
        quantity=term.quantity,
        location_id=None if term.location is None else strawberry.ID(term.location),
        is_limiting=term.is_limiting,
        parts=[_presented(part) for part in term.parts],
    )

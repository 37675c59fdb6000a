"""The schema: every noun's questions, changes and subscriptions in one place, each type reachable by `node`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import strawberry

from domain.text import decode_node_id
from resolvers import node_ids
from resolvers.account_changes import AccountMutations
from resolvers.accounts import AccountQueries, load_account, load_api_key
from resolvers.allocation_changes import AllocationMutations
from resolvers.allocations import AllocationQueries, load_allocation, load_shipment
from resolvers.availability import AvailabilityQueries
from resolvers.bundles import BundleMutations
from resolvers.catalogue import ItemQueries, load_item
from resolvers.catalogue_changes import CatalogueMutations
from resolvers.completion import compiling_executor
from resolvers.conflicts import ConflictQueries, ConflictSubscriptions, load_conflict
from resolvers.context import Info
from resolvers.cost import CostMeter
from resolvers.document_limits import DEFAULT_LIMITS, DocumentLimits
from resolvers.errors import ErrorPresentation
from resolvers.execution import CachedDocuments, DocumentCache, Gate, HidesSuggestions
from resolvers.explanations import ExplanationQueries
from resolvers.federation import FederationQueries, ProductVariant, federation_config, subgraph_sdl
from resolvers.files import FileMutations
from resolvers.freshness import MinPosition, require
from resolvers.listings import Listing, load_listing
from resolvers.permissions import PermissionGate, may_see_node
from resolvers.persisted import PersistedDocuments, Trust
from resolvers.places import Node, PlaceQueries, load_channel, load_location
from resolvers.request_log import RequestLog
from resolvers.reservation_changes import ReservationMutations
from resolvers.reservation_stream import ReservationSubscriptions
from resolvers.reservations import ReservationQueries, load_reservation
from resolvers.served_schema import Road, Schema
from resolvers.stock import LedgerQueries, load_adjustment, load_level
from resolvers.stock_changes import StockMutations
from resolvers.subscriptions import StockSubscriptions

NODE_LOADERS: dict[str, Callable[[Info, str], Awaitable[Node | None]]] = {
    node_ids.ITEM: load_item,
    node_ids.LOCATION: load_location,
    node_ids.CHANNEL: load_channel,
    node_ids.LEVEL: load_level,
    node_ids.ADJUSTMENT: load_adjustment,
    node_ids.LISTING: load_listing,
    node_ids.ACCOUNT: load_account,
    node_ids.API_KEY: load_api_key,
    node_ids.CONFLICT: load_conflict,
    node_ids.RESERVATION: load_reservation,
    node_ids.ALLOCATION: load_allocation,
    node_ids.SHIPMENT: load_shipment,
}


@strawberry.type(description="What can be asked.")
class Query(
    AvailabilityQueries,
    ExplanationQueries,
    ItemQueries,
    PlaceQueries,
    LedgerQueries,
    ReservationQueries,
    AllocationQueries,
    ConflictQueries,
    AccountQueries,
):
    """All questions."""

    @strawberry.field(description="Anything with a global id; null when there is nothing that you may see.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A global id, as it was answered.")],
        min_position: MinPosition = None,
    ) -> Node | None:
        """Return any node by its global id."""
        require(info, min_position)
        decoded = decode_node_id(id)
        if decoded is None:
            return None
        type_name, key = decoded
        if not may_see_node(info.context.principal, type_name):
            return None
        return await NODE_LOADERS[type_name](info, key)


@strawberry.type(name="Query", description="What can be asked.")
class FederatedQuery(Query, FederationQueries):
    """All questions, and those of a router that joins the gateway with other services."""


@strawberry.type(description="What can be changed. Every change of stock carries an idempotency key.")
class Mutation(
    StockMutations,
    ReservationMutations,
    AllocationMutations,
    CatalogueMutations,
    BundleMutations,
    AccountMutations,
    FileMutations,
):
    """All changes."""


@strawberry.type(description="What can be followed, over graphql-transport-ws or server-sent events.")
class Subscription(StockSubscriptions, ReservationSubscriptions, ConflictSubscriptions):
    """All subscriptions."""


def build_schema(
    *,
    is_federated: bool = True,
    limits: DocumentLimits = DEFAULT_LIMITS,
    gates: Sequence[Gate] = (),
    hides_suggestions: bool = False,
    shows_schema: bool = False,
    trust: Trust = Trust.OFF,
) -> Schema:
    """Return the schema with its cache of parsed and validated documents.

    What is served is a federation subgraph; the contract that clients read is the same without a router's own fields.
    `gates` may refuse a valid document before it is run, in their order, once it is known that the caller's role may
    ask for what it names. `shows_schema` lets every role introspect, `trust` says who is bound to registered documents.
    """
    documents = DocumentCache(limits=limits, hides_suggestions=hides_suggestions)
    meter = CostMeter()
    all_gates = (PermissionGate(shows_schema=shows_schema), *gates)
    executor: type[Any] = compiling_executor()
    if hides_suggestions:
        executor = type("QuietExecutor", (HidesSuggestions, executor), {})

    def road() -> Road:
        return (
            RequestLog(),
            ErrorPresentation(errors_max=limits.errors_max),
            CachedDocuments(documents, gates=all_gates, meter=meter),
        )

    schema = Schema(
        query=FederatedQuery if is_federated else Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Listing, ProductVariant] if is_federated else [Listing],
        config=federation_config(),
        execution_context_class=executor,
        extensions=[
            RequestLog,
            lambda: ErrorPresentation(errors_max=limits.errors_max),
            lambda: CachedDocuments(documents, gates=all_gates, meter=meter),
        ],
    )
    schema.road = road
    schema.documents = documents
    schema.persisted = PersistedDocuments(trust=trust)
    if is_federated:
        schema.print_subgraph = lambda: subgraph_sdl(schema.as_str())
    return schema

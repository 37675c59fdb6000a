"""The schema: every noun's questions, changes and subscriptions in one place, each type reachable by `node`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionContext

from domain.text import decode_node_id
from resolvers import node_ids
from resolvers.availability import AvailabilityQueries
from resolvers.catalogue import ItemQueries, load_item
from resolvers.catalogue_changes import CatalogueMutations
from resolvers.completion import compiling_executor
from resolvers.context import Info
from resolvers.errors import ErrorPresentation
from resolvers.execution import CachedDocuments, DocumentCache
from resolvers.listings import Listing, load_listing
from resolvers.places import Node, PlaceQueries, load_channel, load_location
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
}


@strawberry.type(description="What can be asked.")
class Query(AvailabilityQueries, ItemQueries, PlaceQueries, LedgerQueries):
    """All questions."""

    @strawberry.field(description="Anything with a global id; null when there is nothing that you may see.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="A global id, as it was answered.")],
    ) -> Node | None:
        """Return any node by its global id."""
        decoded = decode_node_id(id)
        if decoded is None:
            return None
        type_name, key = decoded
        return await NODE_LOADERS[type_name](info, key)


@strawberry.type(description="What can be changed. Every change of stock carries an idempotency key.")
class Mutation(StockMutations, CatalogueMutations):
    """All changes."""


@strawberry.type(description="What can be followed, over graphql-transport-ws or server-sent events.")
class Subscription(StockSubscriptions):
    """All subscriptions."""


class Schema(strawberry.Schema):
    """The schema; what goes wrong is logged where it is presented, with its correlation id."""

    documents: DocumentCache

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: most errors are the caller's own, and the others have been logged."""


def build_schema() -> Schema:
    """Return the schema with its cache of parsed and validated documents."""
    documents = DocumentCache()
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Listing],
        execution_context_class=compiling_executor(),
        extensions=[ErrorPresentation, lambda: CachedDocuments(documents)],
    )
    schema.documents = documents
    return schema

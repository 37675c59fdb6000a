"""What a resolver is given: the services of the process and who asks."""

from collections.abc import Callable
from dataclasses import dataclass

import strawberry

from domain.ports import Feed, Ledger, Reads
from domain.principals import Principal
from resolvers.loaders import Loaders


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The process's ports, made once by the composition root. `new_id` makes ids that sort by time."""

    ledger: Ledger
    reads: Reads
    feed: Feed
    loaders: Loaders
    new_id: Callable[[], str]


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One request, or one WebSocket connection with all its operations."""

    services: Services
    principal: Principal
    correlation_id: str
    connection_params: dict[str, object] | None = None


Info = strawberry.Info[RequestContext, None]

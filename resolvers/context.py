"""What a resolver is given: the services of the process and who asks."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import strawberry

from domain.account_records import Credential
from domain.ports import Feed, Ledger, RateLimits, Reads
from domain.principals import Principal
from resolvers.loaders import Loaders
from resolvers.persisted import TrustedDocuments
from resolvers.request_log import Observe


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The process's ports, made once by the composition root. `new_id` makes ids that sort by time.

    `observe` is told of every operation; None where nobody listens.
    """

    ledger: Ledger
    reads: Reads
    feed: Feed
    loaders: Loaders
    rate_limits: RateLimits
    new_id: Callable[[], str]
    new_credential: Callable[[], Credential]
    on_accounts_changed: Callable[[], None]
    observe: Observe | None = None
    trusted_documents: TrustedDocuments | None = None


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One operation, and who asks. `min_positions` are what its root fields ask to have been reached, by their names.

    A WebSocket has one that each of its operations takes a copy of.
    """

    services: Services
    principal: Principal
    correlation_id: str
    connection_params: dict[str, object] | None = None
    min_positions: dict[str | int, int] = field(default_factory=dict)

    def of_new_operation(self) -> "RequestContext":
        """Return the context of one more operation of the same caller."""
        return replace(self, min_positions={})


Info = strawberry.Info[RequestContext, None]

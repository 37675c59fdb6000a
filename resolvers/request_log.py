"""What is told of each operation, for the log; the one rule: never a credential, a document's text or a variable.

A query or mutation is told once, at its end; a subscription at its start and at its end.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from graphql import ExecutionResult, OperationDefinitionNode, OperationType
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext
from strawberry.types import ExecutionResult as StrawberryResult

from resolvers.error_codes import ErrorCode

OPERATION_NAME_CHARACTERS_MAX = 100
MS = 1000.0
OK = "ok"
CLOSED = "closed"
"""The outcome of a subscription that its subscriber ended, or that lost its connection."""


class Moment(StrEnum):
    """Which moment of an operation is told."""

    REQUEST = "request"
    SUBSCRIPTION_STARTED = "subscription started"
    SUBSCRIPTION_ENDED = "subscription ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One operation as the log tells it. `outcome` is `ok`, `closed` or an error's code; costs are in points."""

    moment: Moment
    operation: str | None
    kind: str | None
    account: str
    principal: str
    correlation_id: str
    outcome: str
    duration_ms: float = 0.0
    requested_cost: int | None = None
    actual_cost: int | None = None
    messages: int | None = None


Observe = Callable[[OperationRecord], None]
"""Takes what is told of an operation; it never raises, and never waits."""


class RequestLog(SchemaExtension):
    """Tells the process's observer of every operation. It stands first, so that it sees what the caller is answered."""

    _started = 0.0
    _messages = 0
    _is_subscription = False
    _last_code: str | None = None

    def on_operation(self) -> Iterator[None]:
        """Tell of the operation when it has ended."""
        with self.telling():
            yield

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell of the operation that runs in this context when it has ended, however it did."""
        services = getattr(self.execution_context.context, "services", None)
        if services is None or services.observe is None:
            yield
            return
        self._started = time.perf_counter()
        outcome: str = CLOSED
        try:
            yield
            outcome = self._outcome()
        except (CannotGetOperationTypeError, InvalidOperationTypeError):
            outcome = ErrorCode.BAD_REQUEST
            raise
        except Exception:
            outcome = ErrorCode.INTERNAL_ERROR
            raise
        finally:
            moment = Moment.SUBSCRIPTION_ENDED if self._is_subscription else Moment.REQUEST
            # A stream that was told why it ends is closed by its transport at once; the reason is the error.
            self._tell(services.observe, moment, self._last_code or outcome)

    def on_execute(self) -> Iterator[None]:
        """Tell that a subscription begins."""
        operation = _operation(self.execution_context) if self._started else None
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            self._is_subscription = True
            self._tell(self.execution_context.context.services.observe, Moment.SUBSCRIPTION_STARTED, OK)
        yield

    def on_stream_result(self, result: object) -> Iterator[None]:
        """Count what a subscriber is sent, and note the error that ends it."""
        try:
            yield
        finally:
            # A subscriber may close the stream while it holds this message; it has been sent all the same.
            code = first_code(result)
            if code is None or getattr(result, "data", None) is not None:
                self._messages += 1
            else:
                self._last_code = code

    def _outcome(self) -> str:
        return OK if self._is_subscription else first_code(self.execution_context.result) or OK

    def _tell(self, observe: Observe, moment: Moment, outcome: str) -> None:
        context = self.execution_context
        cost = context.extensions_results.get("cost")
        caller = context.context
        principal = caller.principal
        operation = _operation(context)
        observe(
            OperationRecord(
                moment=moment,
                operation=None if operation is None or operation.name is None else told_name(operation.name.value),
                kind=None if operation is None else operation.operation.value,
                account=principal.account,
                principal=principal.name,
                correlation_id=caller.correlation_id,
                outcome=outcome,
                duration_ms=(time.perf_counter() - self._started) * MS,
                requested_cost=_points(cost, "requestedQueryCost"),
                actual_cost=_points(cost, "actualQueryCost"),
                messages=self._messages if moment is Moment.SUBSCRIPTION_ENDED else None,
            )
        )


def first_code(result: object) -> str | None:
    """Return the code of a result's first error; None when it has none."""
    if not isinstance(result, ExecutionResult | StrawberryResult) or not result.errors:
        return None
    code = (result.errors[0].extensions or {}).get("code")
    return code if isinstance(code, str) else ErrorCode.INTERNAL_ERROR.value


def told_name(name: str) -> str:
    """Return an operation's name at the length at which it may stand in a log; it holds letters and digits only."""
    return name[:OPERATION_NAME_CHARACTERS_MAX]


def _operation(context: ExecutionContext) -> OperationDefinitionNode | None:
    """Return the operation that was asked for; None when the document, if there is one, does not hold it."""
    name = context._provided_operation_name
    for one in context.graphql_document.definitions if context.graphql_document is not None else ():
        if isinstance(one, OperationDefinitionNode) and (name is None or (one.name and one.name.value == name)):
            return one
    return None


def _points(cost: Mapping[str, object] | None, name: str) -> int | None:
    points = None if cost is None else cost.get(name)
    return points if isinstance(points, int) else None

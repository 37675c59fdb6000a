"""Errors as clients see them: refusals of the domain as values, everything else as typed, masked GraphQL errors."""

import logging
from collections.abc import Iterator

import strawberry
from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult as StrawberryResult

from domain.ports import InfrastructureError, PositionExpired, PositionNotReached, SubscriberTooSlow
from domain.rejections import FieldPath, Refused
from resolvers.enums import RejectionCode
from resolvers.error_codes import ErrorCode

logger = logging.getLogger("stockgate.graphql")

ANSWERED_ERRORS_MAX = 9


@strawberry.type(description="Why a command was refused, and what to do about it.")
class UserError:
    """One reason for a refusal."""

    field: list[str] | None = strawberry.field(
        description='Where the reason lies, as a path into the arguments: ["input", "adjustments", "1", "delta"]. '
        "Null when it lies in no single place."
    )
    message: str = strawberry.field(description="A sentence for people that says what to do.")
    code: RejectionCode = strawberry.field(description="The reason, for programs.")
    quantity_available: int | None = strawberry.field(
        default=None,
        description="For INSUFFICIENT_STOCK, EXCEEDS_RESERVED_QUANTITY and EXCEEDS_ALLOCATED_QUANTITY: how many units "
        "could have been taken, in base units.",
    )


def user_errors(refused: Refused, *, prefix: FieldPath = ("input",)) -> list[UserError]:
    """Present a refusal, with each field path seen from the mutation's arguments."""
    return [
        UserError(
            field=[*prefix, *rejection.field] if rejection.field or prefix else None,
            message=rejection.message,
            code=rejection.code,
            quantity_available=rejection.quantity_available,
        )
        for rejection in refused.rejections
    ]


def bad_input(message: str) -> GraphQLError:
    """Return the error for an argument that cannot be served, of a query or subscription."""
    return refused_request(message, code=ErrorCode.INVALID_INPUT)


def refused_request(message: str, *, code: ErrorCode, **more: object) -> GraphQLError:
    """Return the error that tells the caller why the request, or this field of it, is not answered."""
    return GraphQLError(message, extensions={"code": code.value, **more})


class ErrorPresentation(SchemaExtension):
    """Gives every error its code, and hides what only the operator may read behind a correlation id.

    Of many errors only the first are answered, and logged.
    """

    is_document_valid = False

    def __init__(self, *, errors_max: int = ANSWERED_ERRORS_MAX) -> None:
        self._errors_max = errors_max

    def on_execute(self) -> Iterator[None]:
        """Note that the document has passed: what goes wrong from here on is about its values."""
        self.is_document_valid = True
        yield

    def on_operation(self) -> Iterator[None]:
        """Present the errors of a query or mutation."""
        yield
        self.present(self.execution_context.result)

    def on_stream_result(self, result: object) -> Iterator[None]:
        """Present the errors of one message of a subscription."""
        self.present(result)
        yield

    def present(self, result: object) -> None:
        """Present the errors of a result, if it has any."""
        if not isinstance(result, ExecutionResult | StrawberryResult) or not result.errors:
            return
        code = ErrorCode.BAD_USER_INPUT if self.is_document_valid else ErrorCode.GRAPHQL_VALIDATION_FAILED
        correlation_id = getattr(self.execution_context.context, "correlation_id", None)
        result.errors = [
            presented(error, request_code=code, correlation_id=correlation_id)
            for error in result.errors[: self._errors_max]
        ]


def presented(error: GraphQLError, *, request_code: ErrorCode, correlation_id: str | None) -> GraphQLError:
    """Return the error as a client may see it; `request_code` is for errors of the document or its values."""
    cause = error.original_error
    if isinstance(cause, InfrastructureError):
        return _typed(error, str(cause), code=ErrorCode(cause.code), retryAfterMs=cause.retry_after_ms)
    if isinstance(cause, PositionExpired):
        message = "The events after this position are no longer kept; take a new snapshot and resume from its position."
        return _typed(error, message, code=ErrorCode.POSITION_EXPIRED)
    if isinstance(cause, PositionNotReached):
        message = f"There is no such position yet; the newest is {cause.head}. Name one that this gateway answered."
        return _typed(error, message, code=ErrorCode.POSITION_NOT_REACHED)
    if isinstance(cause, SubscriberTooSlow):
        message = "The subscriber fell too far behind; resume after the given position."
        return _typed(error, message, code=ErrorCode.SUBSCRIBER_TOO_SLOW, position=str(cause.position))
    if isinstance(cause, MissingQueryError | CannotGetOperationTypeError):
        return _typed(
            error,
            "There is no such operation in the request; send a document and name one of its operations.",
            code=ErrorCode.BAD_REQUEST,
        )
    if isinstance(cause, InvalidOperationTypeError):
        return _typed(
            error,
            "This kind of operation cannot be sent in this way; send mutations by POST.",
            code=ErrorCode.METHOD_NOT_ALLOWED,
        )
    if cause is None or isinstance(cause, GraphQLError):
        return _with_code(error, request_code)
    logger.error("an operation failed (correlation id %s)", correlation_id, exc_info=cause)
    message = f"The gateway failed to answer this; the operator finds the reason under {correlation_id}."
    return _typed(error, message, code=ErrorCode.INTERNAL_ERROR, correlationId=correlation_id)


def _with_code(error: GraphQLError, request_code: ErrorCode) -> GraphQLError:
    """Return an error of the request itself with its code: it is nobody's failure but the document's or its values'."""
    if error.extensions and "code" in error.extensions:
        return error
    code = ErrorCode.GRAPHQL_PARSE_FAILED if isinstance(error, GraphQLSyntaxError) else request_code
    return _typed(error, error.message, code=code)


def _typed(error: GraphQLError, message: str, *, code: ErrorCode, **more: object) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": code.value, **more},
    )

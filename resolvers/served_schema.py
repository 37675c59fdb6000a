"""The schema as it is served: the road of every operation, from its text to its answer.

The rule: queries and mutations take the same road as subscriptions do, and are answered alike on both.
"""

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any, cast

import strawberry
from graphql import DocumentNode, GraphQLError, execute
from strawberry.exceptions import MissingQueryError
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.errors import ErrorPresentation
from resolvers.execution import CachedDocuments, DocumentCache
from resolvers.persisted import PersistedDocuments
from resolvers.request_log import RequestLog

ALL_KINDS = frozenset(OperationType)
Road = tuple[RequestLog, ErrorPresentation, CachedDocuments]
"""What goes along with one operation: it tells of it, presents its errors, and finds and meters its document."""


class Schema(strawberry.Schema):
    """The schema; what goes wrong is logged where it is presented, with its correlation id."""

    documents: DocumentCache
    persisted: PersistedDocuments
    road: Callable[[], Road]
    """Makes the parts of one operation's road."""
    print_subgraph: Callable[[], str] = str
    """Prints what a federation router composes; nothing where the schema is no subgraph."""

    @cached_property
    def subgraph_sdl(self) -> str:
        """What a federation router composes. To print it takes as long as a tenth of a start."""
        return self.print_subgraph()

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: most errors are the caller's own, and the others have been logged."""

    async def execute(  # Strawberry's own parameters
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run a query or mutation: the same road as Strawberry's own, in a straight line.

        Entering and leaving the hooks of three extensions took a tenth of a request's time. `execute_by_hooks` is the
        reference, which tests compare. Raises what it raises.
        """
        context = self._create_execution_context(
            query=query,
            allowed_operation_types=allowed_operation_types or ALL_KINDS,
            variable_values=variable_values,
            context_value=context_value,
            root_value=root_value,
            operation_name=operation_name,
            operation_extensions=operation_extensions,
        )
        log, presentation, documents = road = self.road()
        for part in road:
            part.execution_context = context
        with log.telling():
            result = await self._run(context, documents, presentation)
            context.result = result
            presentation.present(result)
        result.extensions = context.extensions_results
        return result

    execute_by_hooks = strawberry.Schema.execute

    async def _run(
        self, context: ExecutionContext, documents: CachedDocuments, presentation: ErrorPresentation
    ) -> ExecutionResult:
        try:
            digest = await self.persisted.find(context)
            known = documents.find()
            if known is None:
                raise MissingQueryError
            operation = known.operation(context._provided_operation_name)
            if operation is None:
                raise CannotGetOperationTypeError(context.operation_name)
            kind = OperationType(operation.operation.value)
            if kind not in context.allowed_operations:
                raise InvalidOperationTypeError(kind)
            errors = await documents.refusals()
            if digest is not None and not errors:
                self.persisted.remember(digest, known.text)
        except GraphQLError as error:
            errors = [error]
        if errors:
            return PreExecutionError(data=None, errors=errors)
        presentation.is_document_valid = True
        data = documents.kept_answer()
        context.result = await self._executed(context) if data is None else ExecutionResult(data=data, errors=None)
        documents.keep_answer()
        await documents.settle()
        return context.result

    def _get_execute_function(self) -> Callable[..., Any]:
        """Return what executes a document on every road; of wrong variables it tells no more than is answered."""
        return partial(execute, max_coercion_errors=self.documents.limits.errors_max)

    async def _executed(self, context: ExecutionContext) -> ExecutionResult:
        try:
            done: Any = self._get_execute_function()(
                self._schema,
                cast(DocumentNode, context.graphql_document),
                root_value=context.root_value,
                variable_values=context.variables,
                operation_name=context._provided_operation_name,
                context_value=context.context,
                is_awaitable=cast(Any, optimized_is_awaitable),
                executor_class=self.execution_context_class,
                operation_extensions=context.operation_extensions,
            )
            result = await done if optimized_is_awaitable(done) else done
        except Exception as error:  # noqa: BLE001  # whatever it is, it is presented like a resolver's
            return PreExecutionError(data=None, errors=[GraphQLError(str(error), original_error=error)])
        return ExecutionResult(data=result.data, errors=result.errors)

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Prepare an operation. A refusal that an extension raises is answered like one of the parser's own."""
        try:
            digest = await self.persisted.find(context)
            refused = await super()._prepare_operation_async(context, extensions_runner)
            if digest is not None and refused is None:
                self.persisted.remember(digest, context.query or "")
            return refused
        except GraphQLError as error:
            context.pre_execution_errors = [error]
            return PreExecutionError(data=None, errors=[error])

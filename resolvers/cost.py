"""The meter: every operation is charged before it runs, and given back afterwards what it did not come to.

The rule: what an operation may cost is known before any of it is run. How it is counted stands in `cost_plan`; what a
caller may spend is kept behind the port `RateLimits`. Queries and mutations are told in `extensions.cost`; a
subscription pays once, at its start, and is told nothing, so that its messages stay what they are.
"""

from dataclasses import dataclass

from graphql import FragmentDefinitionNode, GraphQLError, GraphQLSchema, OperationDefinitionNode
from strawberry.types import ExecutionContext

from domain.ports import PointsLeft, RateLimits
from domain.principals import Principal
from resolvers.cost_arguments import POINTS_MAX
from resolvers.cost_plan import CostPlan, TooManySelections, compile_plan
from resolvers.error_codes import ErrorCode
from resolvers.errors import refused_request
from resolvers.execution import Charge, KnownDocument
from resolvers.introspection_cost import IntrospectionCosts

POINTS_MIN = 1
"""What an operation costs at the least, whatever it answers."""


class CostMeter:
    """Charges the principal of each operation on one schema."""

    def __init__(self) -> None:
        self._introspection: IntrospectionCosts | None = None

    async def charge(self, known: KnownDocument, context: ExecutionContext) -> Charge | None:
        """Take what the operation may cost from its caller's points. Raises GraphQLError when that cannot be."""
        caller = context.context
        limits: RateLimits | None = getattr(getattr(caller, "services", None), "rate_limits", None)
        name = context._provided_operation_name
        operation = known.operation(name)
        if limits is None or operation is None:
            return None
        schema = context.schema._schema
        plan = known.remember(("cost", name), lambda: self._plan(schema, known, operation))
        if plan is None:
            raise _too_costly("The operation selects more than can be counted; send several requests.")
        variables = context.variables or {}
        input_points = plan.input_points(variables)
        requested = min(POINTS_MAX, max(POINTS_MIN, input_points + plan.requested(variables)))
        left = await limits.take(caller.principal, requested)
        if not left.is_granted:
            if not plan.is_subscription:
                context.extensions_results["cost"] = _told(requested, 0, left)
            raise _refusal(requested, left)
        if plan.is_subscription:
            return None
        return CostCharge(
            plan=plan, principal=caller.principal, limits=limits, requested=requested, input_points=input_points
        )

    def _plan(self, schema: GraphQLSchema, known: KnownDocument, operation: OperationDefinitionNode) -> CostPlan | None:
        if self._introspection is None:
            self._introspection = IntrospectionCosts.of(schema)
        definitions = known.document.definitions
        fragments = {one.name.value: one for one in definitions if isinstance(one, FragmentDefinitionNode)}
        try:
            plan = compile_plan(schema, operation, fragments, self._introspection)
        except TooManySelections:
            return None
        return plan if plan.introspection_points <= self._introspection.points_max else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCharge:
    """What was taken for one operation that runs now."""

    plan: CostPlan
    principal: Principal
    limits: RateLimits
    requested: int
    input_points: int

    async def settle(self, context: ExecutionContext) -> None:
        """Give back what the answer did not come to, and tell the caller."""
        actual = min(POINTS_MAX, max(POINTS_MIN, self._came_to(context.result)))
        left = await self.limits.give_back(self.principal, self.requested - actual)
        context.extensions_results["cost"] = _told(self.requested, actual, left)

    def _came_to(self, result: object) -> int:
        """Return what was done. Without data it is unknown, and nothing if no field was begun: values were refused."""
        data = getattr(result, "data", None)
        if data is not None:
            return self.input_points + self.plan.answered(data)
        errors = getattr(result, "errors", None) or ()
        return self.requested if any(error.path for error in errors) else POINTS_MIN


def _told(requested: int, actual: int, left: PointsLeft) -> dict[str, object]:
    return {
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": left.points_max,
            "currentlyAvailable": left.points,
            "restoreRate": left.points_per_second,
        },
    }


def _refusal(requested: int, left: PointsLeft) -> GraphQLError:
    if left.retry_after_ms is None:
        return _too_costly(
            f"The operation may cost {requested} points, more than the {left.points_max} that a caller has; ask for "
            "smaller pages or fewer fields."
        )
    message = f"The operation may cost {requested} points, and {left.points} are left for now; send it again later."
    return refused_request(message, code=ErrorCode.THROTTLED, retryAfterMs=left.retry_after_ms)


def _too_costly(message: str) -> GraphQLError:
    return refused_request(message, code=ErrorCode.COST_LIMIT_EXCEEDED)

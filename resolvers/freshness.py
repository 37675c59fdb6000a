"""How new an answer has to be: `minPosition` of a question, and of all that is selected below it.

The rule: changes and subscriptions tell of what has just happened, so what they show is always read where the truth is
kept. A question may be answered by a replica that lags a little, unless it names a position.
"""

from collections.abc import Iterable
from typing import Annotated

import strawberry
from graphql import OperationType
from graphql.pyutils import Path

from domain.ports import ANY, NEWEST, Receipt
from domain.rejections import Refused
from resolvers.context import Info
from resolvers.errors import bad_input
from resolvers.pagination import whole_number

MinPosition = Annotated[
    str | None,
    strawberry.argument(
        description="Answer with nothing older than this position: with the `position` of a change's payload you see "
        "that change, with that of an earlier answer you never go back in time. Null takes what the gateway has at "
        "hand, which may lag behind the latest changes where it reads from a replica. A position that there is not "
        "yet: the error POSITION_NOT_REACHED."
    ),
]


@strawberry.type(description="What became of a change of the catalogue.")
class CataloguePayload:
    """What all payloads of changes of the catalogue hold. `known_position` is None for what was refused unseen."""

    known_position: strawberry.Private[int | None]

    @strawberry.field(
        description="A place in the order of all events at which the change is made (for a refusal: where it was "
        "decided); name it as `minPosition` to see the change, subscribe after it to see what comes later."
    )
    async def position(self, info: Info) -> str:
        """Return the position; what was refused unseen stands at the newest as of now."""
        if self.known_position is not None:
            return str(self.known_position)
        return str(await info.context.services.loaders.newest_position.load(None))


def newest_of(outcomes: Iterable[Receipt | Refused]) -> int | None:
    """Return the newest position of several outcomes; None when none has one."""
    return max((one.position for one in outcomes if one.position is not None), default=None)


def require(info: Info, min_position: str | None) -> None:
    """Have all that is read for a field, and below it, reach the position. Raises a bad input for what is none."""
    if min_position is not None:
        position = position_from(min_position, argument="minPosition")
        required, root = info.context.min_positions, _root_of(info.path)
        required[root] = max(position, required.get(root, ANY))


def required_position(info: Info) -> int:
    """Return the position that what is read for a field must have reached."""
    if info.operation.operation is not OperationType.QUERY:
        return NEWEST
    required = info.context.min_positions
    return required.get(_root_of(info.path), ANY) if required else ANY


def position_from(text: str, *, argument: str) -> int:
    """Return the position that an argument names. Raises a bad input when it names none."""
    position = whole_number(text)
    if position is None:
        raise bad_input(f"`{argument}` is not a position; give one as it was answered.")
    return position


def _root_of(path: Path) -> str | int:
    """Return the name in the answer of the root field that a field stands below."""
    while path.prev is not None:
        path = path.prev
    return path.key

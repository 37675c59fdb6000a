"""What a command led to, as resolvers present it; the one rule: every outcome stands at a position."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import strawberry

from domain.decider import KeyedCommands
from domain.levels import StockLevel as DomainLevel
from domain.ports import Receipt
from domain.rejections import Refused
from resolvers.context import Info
from resolvers.errors import UserError, user_errors
from resolvers.stock import StockLevel, present_levels

Outcome = Receipt | Refused


@strawberry.type(description="What became of a request that concerns a document.")
class DocumentPayload:
    """What all payloads of commands on documents hold."""

    known_position: strawberry.Private[int]
    replayed: bool = strawberry.field(
        description="Whether the key had been used for this very change before: then nothing was applied now, and what "
        "is shown is as it is now."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Why the request was refused, and then nothing was applied; empty when it was accepted."
    )

    @strawberry.field(
        description="The place of the change in the order of all events (for a refusal: where it was decided; for a "
        "repeated key: the newest, at which what is shown is true); subscribe after it to see what comes later."
    )
    def position(self) -> str:
        """Return the position."""
        return str(self.known_position)


@strawberry.type(description="What became of a request that moves stock by a document.")
class MovingPayload(DocumentPayload):
    """What the payloads of commands hold that move stock."""

    changed_levels: strawberry.Private[tuple[DomainLevel, ...]]

    @strawberry.field(
        description="The levels as this change left them (for a dry run: would leave them); empty for a repeated key."
    )
    async def levels(self, info: Info) -> list[StockLevel]:
        """Present the levels with their locations."""
        return await present_levels(info, self.changed_levels)


class Common(TypedDict):
    """What the payloads of all commands on documents are made of alike."""

    known_position: int
    replayed: bool
    user_errors: list[UserError]


class Moved(Common):
    """What the payloads of commands that move stock are made of alike."""

    changed_levels: tuple[DomainLevel, ...]


def common(outcome: Outcome) -> Common:
    """Return what a payload says of any outcome."""
    if isinstance(outcome, Refused):
        return Common(known_position=outcome.position or 0, replayed=False, user_errors=user_errors(outcome))
    return Common(known_position=outcome.position, replayed=outcome.replayed, user_errors=[])


def moved(outcome: Outcome) -> Moved:
    """Return what a payload says of an outcome that may have moved stock."""
    levels = () if isinstance(outcome, Refused) else outcome.levels
    return Moved(changed_levels=levels, **common(outcome))


async def executed(info: Info, command: KeyedCommands | Refused) -> Outcome:
    """Run a command, unless it was refused before, and return what it led to."""
    if isinstance(command, Refused):
        return (await placed(info, [command]))[0]
    outcome = await info.context.services.ledger.execute(command, by=info.context.principal)
    return (await placed(info, [outcome]))[0]


async def placed(info: Info, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes, each with a position: what was refused unseen stands at the newest as of now."""
    if all(one.position is not None for one in outcomes):
        return list(outcomes)
    # Read before the payload reads anything else, so that nothing it shows is older than its position.
    newest = await info.context.services.loaders.newest_position.load(None)
    return [one if one.position is not None else replace(one, position=newest) for one in outcomes]

"""Running the matrix: an entry is asked for through the schema, and what came back is told in the table's words.

The one rule: an answer is compared as the text that a client would get; only the name that the client gave itself, and
the time of the answer, are put out of it.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import strawberry

from app.permission_matrix import Cell
from domain.principals import Principal, Role
from resolvers.context import RequestContext
from resolvers.permissions import placed_fields
from tests.permissions.entries import Entry, Probe, refreshed
from tests.permissions.ground import Ground, caller, seated
from tests.permissions.roads import NULL_FOR_EVERYBODY, ROADS, selected
from tests.resolvers.desk import CORRELATION_ID, Desk

MESSAGE_SECONDS_MAX: Final = 5.0
SILENCE_SECONDS: Final = 0.1
SILENCE: Final = "nothing was sent"
MESSAGES_MAX: Final = 50
FORBIDDEN: Final = "FORBIDDEN"
TIME_OF_ANSWER = re.compile(r'"asOf": "[^"]*"')
CHECK_OF_ROW = re.compile(r"\bc[0-9a-f]{12}(?=\\r)")
"""In an error file: it is made of the other cells of its row, and so of the name that was given."""
ANSWERED_AT_LENGTH = {"userErrors"}
"""Lists that are rightly empty when all went well."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """A gateway with the ground on it, and the ways in."""

    desk: Desk
    ground: Ground
    entries: Mapping[str, Entry]

    @property
    def schema(self) -> strawberry.Schema:
        """The schema that is asked."""
        return self.desk.schema

    def context(self, by: Principal) -> RequestContext:
        """Return the context of the caller's request."""
        return RequestContext(services=self.desk.gateway.services, principal=by, correlation_id=CORRELATION_ID)

    async def own_values(self, entry: Entry) -> dict[str, Any]:
        """Return variables that ask for what is the caller's own, and can be sent once."""
        values: dict[str, Any] = refreshed(deepcopy(entry.own))
        if entry.prepare is not None:
            values["input"].update(await entry.prepare(seated(self.desk, caller(Role.ADMIN))))
        return values

    async def answer(
        self, entry: Entry, selection: str, values: Mapping[str, Any], by: Principal, *, waits: bool = True
    ) -> Answer:
        """Return what the caller is answered: of a stream the first message, or that there is none."""
        context, document = self.context(by), entry.document(selection)
        async with asyncio.timeout(MESSAGE_SECONDS_MAX):
            if entry.root == "Subscription":
                messages = await self.messages(document, values, context, messages_max=1, waits=waits)
                return messages[0] if messages else {"data": SILENCE}
            result = await self.schema.execute(document, variable_values=dict(values), context_value=context)
            return plain(result)

    async def messages(
        self,
        document: str,
        values: Mapping[str, Any],
        context: RequestContext,
        *,
        waits: bool,
        messages_max: int = MESSAGES_MAX,
    ) -> list[Answer]:
        """Return the first messages of a stream, as many as come before it falls silent."""
        stream: Any = await self.schema.subscribe(document, variable_values=dict(values), context_value=context)
        found: list[Answer] = []
        seconds = MESSAGE_SECONDS_MAX / 2 if waits else SILENCE_SECONDS
        try:
            while len(found) < messages_max:
                found.append(plain(await asyncio.wait_for(anext(stream), seconds)))
                seconds = SILENCE_SECONDS
        except (TimeoutError, StopAsyncIteration):
            return found
        finally:
            await stream.aclose()
        return found

    async def root_cell(self, entry: Entry, by: Principal) -> Cell:
        """Return whether the caller may ask for the entry's own field."""
        is_bulk = entry.field_name.endswith("Bulk")
        refusals = "userErrors { code }" + (" results { userErrors { code } }" if is_bulk else "")
        is_refused_as_a_whole = entry.root == "Mutation" and placed_fields()[entry.field] is not None
        selection = refusals if is_refused_as_a_whole else "__typename"
        answer = await self.answer(entry, selection, await self.own_values(entry), by)
        if is_refused(answer):
            return Cell.REFUSED
        assert "errors" not in answer, (entry.name, answer)
        (payload,) = answer["data"].values()
        told = codes_of(payload) if is_refused_as_a_whole else []
        assert told in ([], [FORBIDDEN]), (entry.name, answer)
        assert payload is not None, (entry.name, answer)
        return Cell.REFUSED if told else Cell.SHOWN

    async def field_cell(self, coordinate: str, by: Principal) -> Cell:
        """Return what the caller is answered for a field, on whichever road shows most of it."""
        type_name, _, name = coordinate.partition(".")
        cells = []
        for road in ROADS[type_name]:
            entry = self.entries[road.entry]
            selection = road.selection(selected(self.schema._schema, coordinate))
            answer = await self.answer(entry, selection, await self.own_values(entry), by)
            assert is_refused(answer) or "errors" not in answer, (coordinate, road, answer)
            parents = [] if is_refused(answer) else reached(answer["data"].values(), road.path)
            cells.append(_cell(coordinate, [one[name] for one in parents if name in one]))
            if cells[-1] is Cell.SHOWN:
                break
        return min(cells, key=list(Cell).index)


def _cell(coordinate: str, values: list[Any]) -> Cell:
    """Return what these values of the field say; no values at all mean that no road led there."""
    if not values:
        return Cell.REFUSED
    is_answered = coordinate in NULL_FOR_EVERYBODY or coordinate.partition(".")[2] in ANSWERED_AT_LENGTH
    if is_answered or any(one is not None and one != [] for one in values):
        return Cell.SHOWN
    return Cell.EMPTY if [] in values else Cell.NULL


def plain(result: Any) -> Answer:
    """Return a result as a client gets it."""
    answer: Answer = {"data": result.data}
    if result.errors:
        answer["errors"] = [one.formatted for one in result.errors]
    return answer


def is_refused(answer: Answer) -> bool:
    """Return whether the whole request was refused for the caller's role."""
    codes = [one.get("extensions", {}).get("code") for one in answer.get("errors", ())]
    return answer["data"] is None and codes == [FORBIDDEN]


def codes_of(payload: Any) -> list[str]:
    """Return the distinct codes of a payload's userErrors, its entries' included."""
    parts = [payload, *payload.get("results", ())]
    return sorted({error["code"] for part in parts for error in part["userErrors"]})


def reached(answers: Iterable[Any], path: tuple[str, ...]) -> list[Any]:
    """Return the objects at the end of a path; lists on it are walked through."""
    found = [one for answer in answers for one in _flat(answer)]
    for name in path:
        found = [one for parent in found for one in _flat(parent.get(name))]
    return found


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [one for part in value for one in _flat(part)]
    return [] if value is None else [value]


def placed(values: Mapping[str, Any], probe: Probe, given: str) -> dict[str, Any]:
    """Return the variables with another name at the place that is probed."""
    changed: Any = deepcopy(dict(values))
    *steps, last = [int(one) if one.isdecimal() else one for one in probe.place.split(".")]
    holder = changed
    for step in steps:
        holder = holder[step]
    holder[last] = probe.template.format(given)
    return dict(changed)


def without(answer: Answer, *given: str) -> str:
    """Return the answer's text, without the names that the caller gave, checks over them, and the time."""
    text = TIME_OF_ANSWER.sub('"asOf": "now"', json.dumps(answer, default=str, ensure_ascii=False, sort_keys=True))
    text = CHECK_OF_ROW.sub("<check>", text)
    for name in sorted(given, key=len, reverse=True):
        text = text.replace(json.dumps(name, ensure_ascii=False)[1:-1], "<it>").replace(name, "<it>")
    return text

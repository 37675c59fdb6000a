"""Relay connections with opaque keyset cursors; the one rule: a page is asked for by its size, within limits."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import strawberry

from resolvers.errors import bad_input

PAGE_SIZE_MAX = 250
CURSOR_PREFIX = "after:"
NUMBER_MAX = 2**63 - 1
DIGITS_MAX = len(str(NUMBER_MAX))

NodeType = TypeVar("NodeType")
Source = TypeVar("Source")

First = Annotated[int, strawberry.argument(description="How many to answer at most, 1 to 250.")]
After = Annotated[
    str | None, strawberry.argument(description="Continue behind this cursor (a page's endCursor); null begins.")
]


@strawberry.type(description="Where a page stands within its list.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = strawberry.field(description="Whether more follow; ask for them after endCursor.")
    has_previous_page: bool = strawberry.field(description="Whether the page began behind a cursor.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first entry; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last entry; null on an empty page.")


@strawberry.type(description="An entry of a list, with its place in it.")
class Edge(Generic[NodeType]):
    """Relay's edge."""

    node: NodeType = strawberry.field(description="The entry itself.")
    cursor: str = strawberry.field(description="The entry's place; give it as `after` to continue behind it.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[NodeType]):
    """Relay's connection."""

    edges: list[Edge[NodeType]] = strawberry.field(description="The entries with their cursors.")
    nodes: list[NodeType] = strawberry.field(description="The entries alone.")
    page_info: PageInfo = strawberry.field(description="Where the page stands within the list.")


def checked_page_size(first: int) -> int:
    """Return the page size; a size out of range is a bad input, not a smaller page."""
    if not 1 <= first <= PAGE_SIZE_MAX:
        raise bad_input(f"`first` is {first}; ask for 1 to {PAGE_SIZE_MAX}.")
    return first


def key_from_cursor(after: str | None) -> str | None:
    """Return the key behind a cursor of ours."""
    if after is None:
        return None
    try:
        decoded = base64.urlsafe_b64decode(after.encode()).decode()
    except (binascii.Error, ValueError) as error:
        raise bad_input("`after` is not a cursor; give a cursor as it was answered.") from error
    if not decoded.startswith(CURSOR_PREFIX):
        raise bad_input("`after` is not a cursor; give a cursor as it was answered.")
    return decoded.removeprefix(CURSOR_PREFIX)


def whole_number(text: str) -> int | None:
    """Return the number that the digits name; None for any other text, and for numbers that no database can hold."""
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        return None
    number = int(text)
    return number if number <= NUMBER_MAX else None


def codes_behind(seen: frozenset[str], after: str | None) -> list[str]:
    """Return the codes of a caller's scope behind the cursor, in order; a scope names few, so they are all read."""
    return sorted(code for code in seen if after is None or code > after)


def page_within(found: Sequence[Source | None], *, limit: int) -> list[Source]:
    """Return the first records that there are among those read for a caller's scope."""
    return [one for one in found if one is not None][:limit]


def page_of(
    rows: Sequence[Source],
    *,
    first: int,
    after: str | None,
    present: Callable[[Source], NodeType],
    key: Callable[[Source], str],
) -> Connection[NodeType]:
    """Present up to `first` of the rows, which were read with a limit of one more."""
    shown = rows[:first]
    edges = [Edge(node=present(row), cursor=_cursor(key(row))) for row in shown]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=len(rows) > first,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(f"{CURSOR_PREFIX}{key}".encode()).decode("ascii")

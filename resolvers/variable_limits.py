"""Limits on variables; the rule: what no command takes is refused before it is converted, entry by entry.

The largest body holds half a million entries, and to convert them holds up every other caller for as long as it takes.
Somewhat more than is ever accepted passes, so that honest mistakes are answered by those who know the argument.
"""

from typing import Any

from graphql import GraphQLError

from resolvers.error_codes import ErrorCode
from resolvers.errors import refused_request

LIST_ENTRIES_MAX = 1000
"""How long one list may be; every list of the schema ends at 250."""
ALL_ENTRIES_MAX = 5400
"""How many entries all lists of one request may have together: 250 items with 20 attributes each, and some more."""
OBJECT_MEMBERS_MAX = 100
"""How many members one object may have; no input has half as many, and each unknown one is looked at."""


def check_variables(variables: dict[str, Any]) -> None:
    """Raise GraphQLError when the variables hold more than a request may.

    Of the variables themselves only those count that the document declares, and it cannot declare many.
    """
    entries = 0
    waiting: list[Any] = list(variables.values())
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            entries += len(value)
            if len(value) > LIST_ENTRIES_MAX or entries > ALL_ENTRIES_MAX:
                raise _too_many()
            waiting += [one for one in value if type(one) is list or type(one) is dict]
        elif type(value) is dict:
            if len(value) > OBJECT_MEMBERS_MAX:
                raise _too_many_members()
            waiting += [one for one in value.values() if type(one) is list or type(one) is dict]


def _too_many() -> GraphQLError:
    message = (
        f"A list of the variables has more than {LIST_ENTRIES_MAX} entries, or all lists together have more than "
        f"{ALL_ENTRIES_MAX}; send several requests."
    )
    return refused_request(message, code=ErrorCode.BAD_USER_INPUT)


def _too_many_members() -> GraphQLError:
    message = f"An object of the variables has more than {OBJECT_MEMBERS_MAX} members; send only what the input takes."
    return refused_request(message, code=ErrorCode.BAD_USER_INPUT)

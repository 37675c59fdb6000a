"""What the caller may see; the one rule: what lies outside the caller's scope is answered like what does not exist."""

from domain.permissions import Permission, may
from domain.principals import Scope
from resolvers.context import Info
from resolvers.errors import bad_input

UNKNOWN_CHANNEL = ""
"""The code of no channel: what is asked of it is answered as for any code that names none."""


def scope_of(info: Info) -> Scope:
    """Return the caller's scope."""
    return info.context.principal.scope


def is_allowed(info: Info, permission: Permission) -> bool:
    """Return whether the caller's role has the permission."""
    return may(info.context.principal, permission)


def visible_locations(info: Info, asked: frozenset[str] | None) -> frozenset[str] | None:
    """Return which of the locations asked for count (None asks for all); None when all there are do."""
    seen = scope_of(info).locations
    if asked is None or seen is None:
        return seen if asked is None else asked
    return asked & seen


def answered_channel(info: Info, code: str | None) -> str | None:
    """Return the channel to answer for: the one asked for if it is visible, else one that is not there.

    Who sees one channel only, and names none, means that one. Raises a bad input when there are several to choose from.
    """
    seen = scope_of(info).channels
    if seen is None:
        return code
    if code is None and len(seen) > 1:
        raise bad_input("Your key sees several channels; say which one with `channelId`.")
    if code is None:
        return next(iter(seen), UNKNOWN_CHANNEL)
    return code if code in seen else UNKNOWN_CHANNEL

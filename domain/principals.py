"""Who asks: the principal behind a request, its role, what it may see, and the account that owns its keys.

The rule: what lies outside a principal's scope is, to it, as good as missing.
"""

from dataclasses import dataclass
from enum import StrEnum

LOCAL_ACCOUNT = "local"
"""Who sent what was sent before there were keys; an account of this code goes on with its idempotency keys."""


class Role(StrEnum):
    """What kind of caller an account is; `domain.permissions` says what each may do."""

    STOREFRONT = "STOREFRONT"
    BACKOFFICE = "BACKOFFICE"
    DASHBOARD = "DASHBOARD"
    CHANNEL = "CHANNEL"
    PARTNER = "PARTNER"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which channels and locations may be seen, by code; None stands for all, those to come included."""

    channels: frozenset[str] | None = None
    locations: frozenset[str] | None = None

    def sees_channel(self, code: str) -> bool:
        """Return whether the channel is visible."""
        return self.channels is None or code in self.channels

    def sees_location(self, code: str) -> bool:
        """Return whether the location is visible."""
        return self.locations is None or code in self.locations

    def narrowed(self, other: "Scope") -> "Scope":
        """Return what both scopes let through."""
        return Scope(
            channels=_both(self.channels, other.channels),
            locations=_both(self.locations, other.locations),
        )


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: `account` scopes its idempotency keys, `name` is what the audit trail shows."""

    account: str
    name: str
    role: Role
    scope: Scope = EVERYTHING


LOCAL_PRINCIPAL = Principal(account=LOCAL_ACCOUNT, name="local", role=Role.ADMIN)
"""The caller on a gateway without keys, which answers on the loopback interface only."""

SYSTEM_PRINCIPAL = Principal(account="stockgate", name="stockgate", role=Role.ADMIN)
"""The gateway itself, where it does what nobody asked for just then: it lets lapsed reservations expire."""


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other

"""The records of accounts and API keys, and the principal that a key stands for.

The rule: a secret is shown once and never kept; what is kept of a key is the digest of its secret.
"""

from dataclasses import dataclass
from datetime import datetime

from domain.principals import EVERYTHING, Principal, Role, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who owns API keys and idempotency keys; `scope` is the most that any of its keys may see."""

    code: str
    name: str | None = None
    role: Role
    scope: Scope = EVERYTHING
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of an account: its public id, and the digest of the secret that goes with it.

    `scope` narrows the account's own. `replaced_by` names the key that it was rotated to.
    """

    id: str
    account: str
    name: str | None = None
    digest: str
    scope: Scope = EVERYTHING
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: str | None = None

    def opens(self, *, at: datetime) -> bool:
        """Return whether the key still lets its holder in."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A new key: the id and digest that are kept, and the token that its holder is shown once."""

    key_id: str
    digest: str
    token: str


def principal_of(account: Account, key: ApiKey) -> Principal:
    """Return the principal that a key of an account stands for."""
    return Principal(
        account=account.code,
        name=f"{account.code}/{key.name or key.id}",
        role=account.role,
        scope=account.scope.narrowed(key.scope),
    )

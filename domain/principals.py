"""Who asks: the principal behind a request, and the account that owns its idempotency keys."""

from dataclasses import dataclass

LOCAL_ACCOUNT = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: `account` scopes its idempotency keys, `name` is what the audit trail shows."""

    account: str
    name: str


LOCAL_PRINCIPAL = Principal(account=LOCAL_ACCOUNT, name="local")
"""The caller on a gateway without keys, which answers on the loopback interface only."""

"""Accounts and keys on a store, for the tests of those who read and write them; the one rule: of a secret only the
digest comes here.
"""

from dataclasses import dataclass
from datetime import timedelta

from app.authentication import new_credential
from domain.account_records import Account, ApiKey, Credential
from domain.accounts import AccountCreate, ApiKeyCreate, ApiKeyRotate
from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope
from tests.app.shop import Shop

CHIEF = Principal(account="office", name="office/chief", role=Role.ADMIN)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a key: the token, and what is kept of it."""

    made: Credential

    @property
    def header(self) -> str:
        """What the holder sends."""
        return f"Bearer {self.made.token}"


def create_account(code: str = "erp", *, role: Role = Role.BACKOFFICE, scope: Scope = EVERYTHING) -> AccountCreate:
    """Return an accountCreate."""
    return AccountCreate(code=code, name=None, role=role, scope=scope)


def create_key(made: Credential, *, account: str = "erp", scope: Scope = EVERYTHING) -> ApiKeyCreate:
    """Return an apiKeyCreate."""
    return ApiKeyCreate(account=account, key_id=made.key_id, digest=made.digest, name="nightly", scope=scope)


def rotate_key(old: str, made: Credential, *, overlap: timedelta = HOUR) -> ApiKeyRotate:
    """Return an apiKeyRotate."""
    return ApiKeyRotate(old_key_id=old, key_id=made.key_id, digest=made.digest, overlap=overlap)


async def given_account(shop: Shop, code: str = "erp", *, role: Role = Role.BACKOFFICE) -> Account:
    """Create an account and return it as it is read."""
    await shop.accept(create_account(code, role=role), by=LOCAL_PRINCIPAL)
    (account,) = await shop.reads.accounts([code])
    assert account is not None
    return account


async def given_key(shop: Shop, *, account: str = "erp", scope: Scope = EVERYTHING) -> Holder:
    """Create a key of an account that is there."""
    made = new_credential()
    await shop.accept(create_key(made, account=account, scope=scope), by=LOCAL_PRINCIPAL)
    return Holder(made=made)


async def key_of(shop: Shop, holder: Holder) -> ApiKey:
    """Return the key as it is read."""
    (key,) = await shop.reads.api_keys([holder.made.key_id])
    assert key is not None
    return key

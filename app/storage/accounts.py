"""SQL of accounts and their API keys; the one rule: of a secret only the digest ever comes here."""

from collections.abc import Collection, Iterable
from typing import assert_never

import orjson
from sqlalchemy import BigInteger, Select, Text, bindparam, exists, select
from sqlalchemy.sql.base import Executable

from app.storage.statements import Dialect, Row, Script, run_if_any, statement
from app.storage.tables import accounts, api_keys
from app.storage.times import (
    from_microseconds,
    from_microseconds_or_none,
    to_microseconds,
    to_microseconds_or_none,
)
from domain.account_records import Account, ApiKey
from domain.accounts import AccountChanged, AccountEvent, ApiKeyChanged
from domain.principals import Role, Scope


@statement
def accounts_by_code(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Accounts whose code is among `codes`, archived ones too."""
    wanted = sql.values("codes", Text)
    return select(*accounts.c).where(accounts.c.code == wanted.c.value)


@statement
def account_page(sql: Dialect) -> Select[*tuple[object, ...]]:
    """At most `limit` accounts in use behind the code `after`, in order."""
    return (
        select(*accounts.c)
        .where(accounts.c.code > bindparam("after"), accounts.c.archived_at.is_(None))
        .order_by(accounts.c.code)
        .limit(bindparam("limit"))
    )


@statement
def api_keys_by_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Keys whose id is among `ids`, whatever became of them."""
    wanted = sql.values("ids", Text)
    return select(*api_keys.c).where(api_keys.c.id == wanted.c.value)


@statement
def api_keys_by_account(sql: Dialect) -> Select[*tuple[object, ...]]:
    """All keys of the accounts `codes`, in the order in which they were made."""
    wanted = sql.values("codes", Text)
    return (
        select(*api_keys.c)
        .where(api_keys.c.account_code == wanted.c.value)
        .order_by(api_keys.c.account_code, api_keys.c.created_at, api_keys.c.id)
    )


@statement
def credentials_by_key_id(sql: Dialect) -> Select[*tuple[object, ...]]:
    """Keys whose id is among `ids`, each with its account behind it."""
    wanted = sql.values("ids", Text)
    return (
        select(*api_keys.c, *accounts.c)
        .select_from(api_keys.join(accounts, accounts.c.code == api_keys.c.account_code))
        .where(api_keys.c.id == wanted.c.value)
    )


@statement
def any_api_key(_: Dialect) -> Select[*tuple[object, ...]]:
    """Whether there has ever been a key."""
    return select(exists(select(api_keys.c.id)))


@statement
def put_accounts(sql: Dialect) -> Executable:
    """Create or change accounts."""
    rows = sql.rows(
        "rows",
        code=Text,
        name=Text,
        role=Text,
        channels=Text,
        locations=Text,
        created_at=BigInteger,
        updated_at=BigInteger,
        archived_at=BigInteger,
    )
    return sql.insert_or_update(accounts, [c.name for c in accounts.c], rows, key=["code"])


@statement
def put_api_keys(sql: Dialect) -> Executable:
    """Create or change keys."""
    rows = sql.rows(
        "rows",
        id=Text,
        account_code=Text,
        name=Text,
        digest=Text,
        channels=Text,
        locations=Text,
        created_at=BigInteger,
        created_by=Text,
        expires_at=BigInteger,
        revoked_at=BigInteger,
        replaced_by=Text,
    )
    return sql.insert_or_update(api_keys, [c.name for c in api_keys.c], rows, key=["id"])


def load_accounts(codes: Collection[str]) -> Script[list[Account]]:
    """Read accounts by code."""
    rows = yield from run_if_any(accounts_by_code, codes=sorted(codes))
    return [account_from(row) for row in rows]


def write_changed(log: Iterable[AccountEvent]) -> Script[None]:
    """Keep accounts and keys as the last event about each leaves them."""
    changed: dict[str, Account] = {}
    keys: dict[str, ApiKey] = {}
    for event in log:
        match event:
            case AccountChanged(account=account):
                changed[account.code] = account
            case ApiKeyChanged(key=key):
                keys[key.id] = key
            case _:
                assert_never(event)
    # Accounts first: their keys refer to them.
    yield from _write_accounts(changed.values())
    yield from _write_api_keys(keys.values())


def _write_accounts(changed: Iterable[Account]) -> Script[None]:
    rows = [
        (
            account.code,
            account.name,
            account.role,
            *_scope_columns(account.scope),
            to_microseconds(account.created_at),
            to_microseconds(account.updated_at),
            to_microseconds_or_none(account.archived_at),
        )
        for account in changed
    ]
    yield from run_if_any(put_accounts, rows=rows)


def _write_api_keys(changed: Iterable[ApiKey]) -> Script[None]:
    rows = [
        (
            key.id,
            key.account,
            key.name,
            key.digest,
            *_scope_columns(key.scope),
            to_microseconds(key.created_at),
            key.created_by,
            to_microseconds_or_none(key.expires_at),
            to_microseconds_or_none(key.revoked_at),
            key.replaced_by,
        )
        for key in changed
    ]
    yield from run_if_any(put_api_keys, rows=rows)


def account_from(row: Row) -> Account:
    """Return the account that a row of its table holds."""
    code, name, role, channels, locations, created, updated, archived = row
    return Account(
        code=code,
        name=name,
        role=Role(role),
        scope=_scope_from(channels, locations),
        created_at=from_microseconds(created),
        updated_at=from_microseconds(updated),
        archived_at=from_microseconds_or_none(archived),
    )


def api_key_from(row: Row) -> ApiKey:
    """Return the key that a row of its table holds."""
    key_id, account, name, digest, channels, locations, created, created_by, expires, revoked, replaced_by = row
    return ApiKey(
        id=key_id,
        account=account,
        name=name,
        digest=digest,
        scope=_scope_from(channels, locations),
        created_at=from_microseconds(created),
        created_by=created_by,
        expires_at=from_microseconds_or_none(expires),
        revoked_at=from_microseconds_or_none(revoked),
        replaced_by=replaced_by,
    )


def credential_from(row: Row) -> tuple[ApiKey, Account]:
    """Return the key and the account of a row of `credentials_by_key_id`."""
    width = len(api_keys.c)
    return api_key_from(row[:width]), account_from(row[width:])


def _scope_columns(scope: Scope) -> tuple[str | None, str | None]:
    return _codes_column(scope.channels), _codes_column(scope.locations)


def _codes_column(codes: frozenset[str] | None) -> str | None:
    return None if codes is None else orjson.dumps(sorted(codes)).decode()


def _scope_from(channels: str | None, locations: str | None) -> Scope:
    return Scope(channels=_codes_from(channels), locations=_codes_from(locations))


def _codes_from(column: str | None) -> frozenset[str] | None:
    return None if column is None else frozenset(orjson.loads(column))

"""Accounts and API keys as GraphQL types, and the questions about them; the one rule: a secret is answered once."""

from datetime import datetime

import strawberry

from domain import account_records
from domain.permissions import Permission, may
from domain.principals import Scope
from resolvers import node_ids
from resolvers.context import Info
from resolvers.enums import Permission as PermissionEnum
from resolvers.enums import Role
from resolvers.pagination import After, Connection, First, checked_page_size, key_from_cursor, page_of
from resolvers.places import EitherId, Node
from resolvers.visibility import is_allowed

CHANNELS_SEEN = "The codes of the channels that it may see; null stands for all, those to come included."
LOCATIONS_SEEN = "The codes of the locations that it may see; null stands for all, those to come included."


@strawberry.type(description="A key that lets a program in. Its secret was shown once, when it was created.")
class ApiKey(Node):
    """An API key."""

    key_id: str = strawberry.field(description="The public part of the key, by which logs and lists name it.")
    account_id: strawberry.ID = strawberry.field(description="The code of the account that owns it.")
    name: str | None = strawberry.field(description="What it is for, as given.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(description=CHANNELS_SEEN)
    location_ids: list[strawberry.ID] | None = strawberry.field(description=LOCATIONS_SEEN)
    created_at: datetime = strawberry.field(description="When it was created.")
    created_by: str = strawberry.field(description="Who created it.")
    expires_at: datetime | None = strawberry.field(description="When it stops working; null means never.")
    revoked_at: datetime | None = strawberry.field(description="When it was taken away; null while it was not.")
    replaced_by: str | None = strawberry.field(description="The public part of the key that it was rotated to.")


@strawberry.type(description="Who owns API keys and idempotency keys: an ERP, a shop, a warehouse, a dashboard.")
class Account(Node):
    """An account."""

    code: str = strawberry.field(description="Your own code for the account, such as `erp`.")
    name: str | None = strawberry.field(description="The account's name for people.")
    role: Role = strawberry.field(description="What its keys may do.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(description=CHANNELS_SEEN)
    location_ids: list[strawberry.ID] | None = strawberry.field(description=LOCATIONS_SEEN)
    created_at: datetime = strawberry.field(description="When the account was created.")
    updated_at: datetime = strawberry.field(description="When the account last changed.")

    @strawberry.field(description="All its keys, those that no longer work too, in the order of their creation.")
    async def api_keys(self, info: Info) -> list[ApiKey]:
        """Load the account's keys."""
        found = await info.context.services.loaders.api_keys_of.load(self.code)
        return [present_api_key(key) for key in found]


@strawberry.type(description="Who you are to this gateway, and what you may do.")
class Viewer:
    """The caller."""

    account_id: strawberry.ID = strawberry.field(description="The code of your account.")
    name: str = strawberry.field(description="The name under which the audit trail keeps what you do.")
    role: Role = strawberry.field(description="Your role.")
    permissions: list[PermissionEnum] = strawberry.field(description="What you may do.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(description=CHANNELS_SEEN)
    location_ids: list[strawberry.ID] | None = strawberry.field(description=LOCATIONS_SEEN)


def present_account(account: account_records.Account) -> Account:
    """Return the account as clients see it."""
    return Account(
        id=strawberry.ID(node_ids.account_id(account.code)),
        code=account.code,
        name=account.name,
        role=account.role,
        channel_ids=codes_seen(account.scope.channels),
        location_ids=codes_seen(account.scope.locations),
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def present_api_key(key: account_records.ApiKey) -> ApiKey:
    """Return the key as clients see it: never its digest."""
    return ApiKey(
        id=strawberry.ID(node_ids.api_key_id(key.id)),
        key_id=key.id,
        account_id=strawberry.ID(key.account),
        name=key.name,
        channel_ids=codes_seen(key.scope.channels),
        location_ids=codes_seen(key.scope.locations),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        replaced_by=key.replaced_by,
    )


def codes_seen(codes: frozenset[str] | None) -> list[strawberry.ID] | None:
    """Return the codes of a scope, in order; None stands for all."""
    return None if codes is None else [strawberry.ID(code) for code in sorted(codes)]


async def load_account(info: Info, code: str) -> Account | None:
    """Return the account with this code; None when there is none in use, or for who may not manage accounts."""
    if not is_allowed(info, Permission.MANAGE_ACCOUNTS):
        return None
    (found,) = await info.context.services.reads.accounts([code])
    return None if found is None else present_account(found)


async def load_api_key(info: Info, key_id: str) -> ApiKey | None:
    """Return the key with this id; None when there is none, or for who may not manage accounts."""
    if not is_allowed(info, Permission.MANAGE_ACCOUNTS):
        return None
    (found,) = await info.context.services.reads.api_keys([key_id])
    return None if found is None else present_api_key(found)


@strawberry.type
class AccountQueries:
    """Questions about accounts."""

    @strawberry.field(description="Who you are to this gateway, and what you may do.")
    def viewer(self, info: Info) -> Viewer:
        """Return the caller."""
        principal = info.context.principal
        scope: Scope = principal.scope
        return Viewer(
            account_id=strawberry.ID(principal.account),
            name=principal.name,
            role=principal.role,
            permissions=[one for one in Permission if may(principal, one)],
            channel_ids=codes_seen(scope.channels),
            location_ids=codes_seen(scope.locations),
        )

    @strawberry.field(description="One account; null when there is none in use.")
    async def account(self, info: Info, id: EitherId) -> Account | None:
        """Return an account by global id or code."""
        return await load_account(info, node_ids.code_from(id, type_name=node_ids.ACCOUNT))

    @strawberry.field(description="All accounts in use, in order of their codes.")
    async def accounts(self, info: Info, first: First = 50, after: After = None) -> Connection[Account]:
        """Return a page of accounts."""
        size = checked_page_size(first)
        if not is_allowed(info, Permission.MANAGE_ACCOUNTS):
            return page_of([], first=size, after=after, present=present_account, key=lambda one: one.code)
        rows = await info.context.services.reads.account_page(after=key_from_cursor(after), limit=size + 1)
        return page_of(rows, first=size, after=after, present=present_account, key=lambda one: one.code)

"""Mutations of accounts and API keys; the one rule: the token of a new key is in the answer of its creation,
and nowhere else.
"""

from datetime import datetime, timedelta
from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.account_records import Credential
from domain.accounts import (
    AccountArchive,
    AccountCreate,
    AccountFields,
    AccountUpdate,
    ApiKeyCreate,
    ApiKeyRevoke,
    ApiKeyRotate,
)
from domain.decider import Command
from domain.ports import Receipt
from domain.principals import Scope
from domain.rejections import Refused
from resolvers import node_ids
from resolvers.accounts import Account, ApiKey, load_account, load_api_key
from resolvers.context import Info
from resolvers.enums import Role
from resolvers.errors import UserError, user_errors
from resolvers.inputs import compiled_input
from resolvers.places import EitherId
from resolvers.stock_inputs import in_utc

DAY_SECONDS = 86_400
CHANNELS = "The only channels that it may see (global ids or codes, at most 250); left out or null: all."
LOCATIONS = "The only locations that it may see (global ids or codes, at most 250); left out or null: all."


@compiled_input(description="An account to create.")
class AccountCreateInput:
    """One account."""

    code: str = strawberry.field(description="Your own code for it, 1 to 64 printable characters; used once, for ever.")
    role: Role = strawberry.field(description="What its keys may do.")
    name: str | None = strawberry.field(default=None, description="The account's name for people.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(default=None, description=CHANNELS)
    location_ids: list[strawberry.ID] | None = strawberry.field(default=None, description=LOCATIONS)


@compiled_input(description="A change of an account: fields that are left out stay as they are.")
class AccountUpdateInput:
    """One account."""

    account_id: EitherId = strawberry.field(description="Its global id or code.")
    name: str | None = strawberry.field(default=UNSET, description="The account's name for people; null clears it.")
    role: Role | None = strawberry.field(default=UNSET, description="What its keys may do; null leaves it as it is.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="The only channels that it may see (global ids or codes); null: all."
    )
    location_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="The only locations that it may see (global ids or codes); null: all."
    )


@compiled_input(description="The account to archive.")
class AccountArchiveInput:
    """One account."""

    account_id: EitherId = strawberry.field(description="Its global id or code. None of its keys works any more.")


@compiled_input(description="A key to create.")
class ApiKeyCreateInput:
    """One key."""

    account_id: EitherId = strawberry.field(description="Whose key it is: the account's global id or code.")
    name: str | None = strawberry.field(default=None, description="What it is for, for people and the audit trail.")
    expires_at: datetime | None = strawberry.field(default=None, description="When it stops working; null means never.")
    channel_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Narrows the account's channels further; null does not."
    )
    location_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Narrows the account's locations further; null does not."
    )


@compiled_input(description="A key to replace by a new one.")
class ApiKeyRotateInput:
    """One key."""

    api_key_id: EitherId = strawberry.field(description="The key to replace: its global id or public part.")
    overlap_seconds: int = strawberry.field(
        default=DAY_SECONDS, description="How long the old key goes on working, in seconds; at most 90 days."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When the new key stops working; null: made for as long as the old one was."
    )


@compiled_input(description="A key to take away.")
class ApiKeyRevokeInput:
    """One key."""

    api_key_id: EitherId = strawberry.field(description="Its global id or public part.")


@strawberry.type(description="What became of a change of an account.")
class AccountPayload:
    """The result of one account."""

    account: Account | None = strawberry.field(
        description="The account as it is now; null when it was refused or archived."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


@strawberry.type(description="What became of a change of a key.")
class ApiKeyPayload:
    """The result of one key."""

    api_key: ApiKey | None = strawberry.field(description="The key as it is now; null when it was refused.")
    token: str | None = strawberry.field(
        description="Of a new key: what its holder sends as `Authorization: Bearer <token>`. It is shown this once and "
        "kept nowhere; if it is lost, create another key."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was not.")


@strawberry.type
class AccountMutations:
    """Changes of accounts and keys. They count at once for new requests, and within a minute for open subscriptions."""

    @strawberry.mutation(description="Create an account. Creating the same account again changes nothing.")
    async def account_create(
        self,
        info: Info,
        input: Annotated[AccountCreateInput, strawberry.argument(description="The account.")],
    ) -> AccountPayload | None:
        """Create one account."""
        scope = _scope(input.channel_ids, input.location_ids)
        command = AccountCreate(code=input.code, name=input.name, role=input.role, scope=scope)
        return await _account_payload(info, input.code, command)

    @strawberry.mutation(description="Change an account: its name, its role, what it may see.")
    async def account_update(
        self,
        info: Info,
        input: Annotated[AccountUpdateInput, strawberry.argument(description="The change.")],
    ) -> AccountPayload | None:
        """Change one account."""
        fields: AccountFields = {}
        if input.name is not UNSET:
            fields["name"] = input.name
        if input.role is not UNSET and input.role is not None:
            fields["role"] = input.role
        if input.channel_ids is not UNSET:
            fields["scope_channels"] = _codes(input.channel_ids, node_ids.CHANNEL)
        if input.location_ids is not UNSET:
            fields["scope_locations"] = _codes(input.location_ids, node_ids.LOCATION)
        code = node_ids.code_from(input.account_id, type_name=node_ids.ACCOUNT)
        return await _account_payload(info, code, AccountUpdate(code=code, fields=fields))

    @strawberry.mutation(description="Close an account for ever: none of its keys works any more. Its ledger stays.")
    async def account_archive(
        self,
        info: Info,
        input: Annotated[AccountArchiveInput, strawberry.argument(description="The account.")],
    ) -> AccountPayload | None:
        """Archive one account."""
        code = node_ids.code_from(input.account_id, type_name=node_ids.ACCOUNT)
        return await _account_payload(info, code, AccountArchive(code=code))

    @strawberry.mutation(
        description="Give an account one more key. The first key of a gateway ends its time as an open one: from then "
        "on every caller needs a key."
    )
    async def api_key_create(
        self,
        info: Info,
        input: Annotated[ApiKeyCreateInput, strawberry.argument(description="The key.")],
    ) -> ApiKeyPayload | None:
        """Create one key."""
        made = info.context.services.new_credential()
        command = ApiKeyCreate(
            account=node_ids.code_from(input.account_id, type_name=node_ids.ACCOUNT),
            key_id=made.key_id,
            digest=made.digest,
            name=input.name,
            scope=_scope(input.channel_ids, input.location_ids),
            expires_at=in_utc(input.expires_at),
        )
        return await _api_key_payload(info, made.key_id, command, made)

    @strawberry.mutation(
        description="Replace a key by a new one that sees the same; the old one goes on working for a while, so that "
        "its holders can change over."
    )
    async def api_key_rotate(
        self,
        info: Info,
        input: Annotated[ApiKeyRotateInput, strawberry.argument(description="The key.")],
    ) -> ApiKeyPayload | None:
        """Rotate one key."""
        made = info.context.services.new_credential()
        command = ApiKeyRotate(
            old_key_id=node_ids.code_from(input.api_key_id, type_name=node_ids.API_KEY),
            key_id=made.key_id,
            digest=made.digest,
            overlap=timedelta(seconds=input.overlap_seconds),
            expires_at=in_utc(input.expires_at),
        )
        return await _api_key_payload(info, made.key_id, command, made)

    @strawberry.mutation(description="Take a key away now. Taking it away again changes nothing.")
    async def api_key_revoke(
        self,
        info: Info,
        input: Annotated[ApiKeyRevokeInput, strawberry.argument(description="The key.")],
    ) -> ApiKeyPayload | None:
        """Revoke one key."""
        key_id = node_ids.code_from(input.api_key_id, type_name=node_ids.API_KEY)
        return await _api_key_payload(info, key_id, ApiKeyRevoke(key_id=key_id), None)


async def _account_payload(info: Info, code: str, command: Command) -> AccountPayload:
    outcome = await _execute(info, command)
    if isinstance(outcome, Refused):
        return AccountPayload(account=None, user_errors=user_errors(outcome))
    return AccountPayload(account=await load_account(info, code), user_errors=[])


async def _api_key_payload(info: Info, key_id: str, command: Command, made: Credential | None) -> ApiKeyPayload:
    outcome = await _execute(info, command)
    if isinstance(outcome, Refused):
        return ApiKeyPayload(api_key=None, token=None, user_errors=user_errors(outcome))
    token = None if made is None else made.token
    return ApiKeyPayload(api_key=await load_api_key(info, key_id), token=token, user_errors=[])


async def _execute(info: Info, command: Command) -> Receipt | Refused:
    services = info.context.services
    outcome = await services.ledger.execute(command, by=info.context.principal)
    services.on_accounts_changed()
    return outcome


def _scope(channel_ids: list[strawberry.ID] | None, location_ids: list[strawberry.ID] | None) -> Scope:
    return Scope(
        channels=_codes(channel_ids, node_ids.CHANNEL),
        locations=_codes(location_ids, node_ids.LOCATION),
    )


def _codes(ids: list[strawberry.ID] | None, type_name: str) -> frozenset[str] | None:
    return None if ids is None else frozenset(node_ids.code_from(one, type_name=type_name) for one in ids)

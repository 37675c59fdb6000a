"""Accounts and their API keys: who may come in, as what, and how far they see.

The rule: a secret is shown once and never kept. What is kept of a key is the digest of its secret, and a key that was
revoked, or has expired, or whose account is archived, opens nothing any more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypedDict, assert_never

from domain.account_records import Account, ApiKey
from domain.principals import EVERYTHING, Principal, Role, Scope
from domain.records import active, channel_not_found, location_not_found
from domain.rejections import FieldPath, Refused, Rejection, RejectionCode, first_refused, refuse
from domain.state import Selectors, State
from domain.text import code_problems, free_text_problems, new_code_problems

ACCOUNT_CODE_LENGTH_MAX = 64
SCOPE_CODES_MAX = 250
OVERLAP_MAX = timedelta(days=90)


class AccountFields(TypedDict, total=False):
    """The fields of an account that a change names."""

    name: str | None
    role: Role
    scope_channels: frozenset[str] | None
    scope_locations: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreate:
    """Create an account; creating the same account again changes nothing."""

    code: str
    name: str | None
    role: Role
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate:
    """Change the named fields of an account; its keys follow at once."""

    code: str
    fields: AccountFields


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountArchive:
    """Close an account: none of its keys opens anything any more."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyCreate:
    """Give an account one more key."""

    account: str
    key_id: str
    digest: str
    name: str | None = None
    scope: Scope = EVERYTHING
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRotate:
    """Give a key a successor of the same scope; the old one goes on opening for `overlap`, and nobody is cut off."""

    old_key_id: str
    key_id: str
    digest: str
    overlap: timedelta
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRevoke:
    """Take a key away now."""

    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged:
    """The account is now this: created, changed or archived."""

    account: Account
    changed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyChanged:
    """The key is now this: created, replaced or revoked."""

    key: ApiKey
    changed_by: str


AccountCommand = AccountCreate | AccountUpdate | AccountArchive | ApiKeyCreate | ApiKeyRotate | ApiKeyRevoke
AccountEvent = AccountChanged | ApiKeyChanged


def malformed(command: AccountCommand) -> Iterator[Rejection]:
    """Yield what is wrong with the command whatever the state is."""
    match command:
        case AccountCreate():
            yield from _malformed_new_code(command.code)
            yield from free_text_problems(command.name, field=("name",), what="The name")
            yield from _malformed_scope(command.scope)
        case AccountUpdate():
            yield from code_problems(command.code, field=("accountId",), what="The account")
            yield from free_text_problems(command.fields.get("name"), field=("name",), what="The name")
            yield from _malformed_scope(_scope_changes(EVERYTHING, command.fields))
        case AccountArchive(code=code):
            yield from code_problems(code, field=("accountId",), what="The account")
        case ApiKeyCreate():
            yield from code_problems(command.account, field=("accountId",), what="The account")
            yield from free_text_problems(command.name, field=("name",), what="The name")
            yield from _malformed_scope(command.scope)
        case ApiKeyRotate():
            yield from code_problems(command.old_key_id, field=("apiKeyId",), what="The API key")
            if not timedelta(0) <= command.overlap <= OVERLAP_MAX:
                message = f"The overlap is not between 0 seconds and {OVERLAP_MAX.days} days."
                yield _invalid(message, field=("overlapSeconds",))
        case ApiKeyRevoke(key_id=key_id):
            yield from code_problems(key_id, field=("apiKeyId",), what="The API key")
        case _:
            assert_never(command)


def touches(command: AccountCommand) -> Selectors:
    """Return what the command needs to see."""
    match command:
        case AccountCreate(code=code, scope=scope):
            return _selectors(code, scope)
        case AccountUpdate(code=code, fields=fields):
            return _selectors(code, _scope_changes(EVERYTHING, fields))
        case AccountArchive(code=code):
            return Selectors(accounts=frozenset({code}))
        case ApiKeyCreate(account=account, scope=scope):
            return _selectors(account, scope)
        case ApiKeyRotate(old_key_id=key_id) | ApiKeyRevoke(key_id=key_id):
            return Selectors(api_keys=frozenset({key_id}))
        case _:
            assert_never(command)


def decide(command: AccountCommand, state: State, *, by: Principal, at: datetime) -> tuple[AccountEvent, ...] | Refused:
    """Return what happens, or why it may not."""
    match command:
        case AccountCreate():
            return decide_account_create(command, state, by=by, at=at)
        case AccountUpdate():
            return decide_account_update(command, state, by=by, at=at)
        case AccountArchive():
            return decide_account_archive(command, state, by=by, at=at)
        case ApiKeyCreate():
            return decide_api_key_create(command, state, by=by, at=at)
        case ApiKeyRotate():
            return decide_api_key_rotate(command, state, by=by, at=at)
        case ApiKeyRevoke():
            return decide_api_key_revoke(command, state, by=by, at=at)
        case _:
            assert_never(command)


def evolve(state: State, event: AccountEvent) -> State:
    """Return the state after the event."""
    match event:
        case AccountChanged(account=account):
            state.accounts[account.code] = account
        case ApiKeyChanged(key=key):
            state.api_keys[key.id] = key
        case _:
            assert_never(event)
    return state


def decide_account_create(
    command: AccountCreate, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Create the account; a code is used once, for ever, because idempotency keys hang on it."""
    if refused := first_refused(_places_exist(command.scope, state)):
        return refused
    wanted = Account(
        code=command.code, name=command.name, role=command.role, scope=command.scope, created_at=at, updated_at=at
    )
    known = state.accounts.get(command.code)
    if known is None:
        return (AccountChanged(account=wanted, changed_by=by.name),)
    if known == replace(wanted, created_at=known.created_at, updated_at=known.updated_at):
        return ()
    message = f"There is, or was, another account {command.code!r}; choose another code, or use accountUpdate."
    return refuse(Rejection(code=RejectionCode.ACCOUNT_EXISTS, message=message, field=("code",)))


def decide_account_update(
    command: AccountUpdate, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Change what differs."""
    fields = command.fields
    if refused := first_refused(_places_exist(_scope_changes(EVERYTHING, fields), state)):
        return refused
    known = _open_account(command.code, state)
    if known is None:
        return refuse(account_not_found(command.code))
    wanted = replace(
        known,
        name=fields.get("name", known.name),
        role=fields.get("role", known.role),
        scope=_scope_changes(known.scope, fields),
        updated_at=at,
    )
    if replace(wanted, updated_at=known.updated_at) == known:
        return ()
    return (AccountChanged(account=wanted, changed_by=by.name),)


def decide_account_archive(
    command: AccountArchive, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Close the account, unless it is the caller's own: nobody locks the door behind themselves by mistake."""
    known = _open_account(command.code, state)
    if known is None:
        return refuse(account_not_found(command.code))
    if known.code == by.account:
        message = "This is the account of your own key; archive it with a key of another account."
        return refuse(_invalid(message, field=("accountId",)))
    return (AccountChanged(account=replace(known, archived_at=at, updated_at=at), changed_by=by.name),)


def decide_api_key_create(
    command: ApiKeyCreate, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Give the account a key."""
    if refused := first_refused((_expires_later(command.expires_at, at), *_places_exist(command.scope, state))):
        return refused
    if _open_account(command.account, state) is None:
        return refuse(account_not_found(command.account))
    key = ApiKey(
        id=command.key_id,
        account=command.account,
        name=command.name,
        digest=command.digest,
        scope=command.scope,
        created_at=at,
        created_by=by.name,
        expires_at=command.expires_at,
    )
    return (ApiKeyChanged(key=key, changed_by=by.name),)


def decide_api_key_rotate(
    command: ApiKeyRotate, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Give the key a successor; the old one expires after the overlap, or earlier if it was to."""
    if refused := first_refused((_expires_later(command.expires_at, at),)):
        return refused
    old = state.api_keys.get(command.old_key_id)
    if old is None or not old.opens(at=at) or old.replaced_by is not None or _open_account(old.account, state) is None:
        return refuse(api_key_not_found(command.old_key_id))
    end = _later(at, command.overlap)
    successor = replace(
        old,
        id=command.key_id,
        digest=command.digest,
        created_at=at,
        created_by=by.name,
        expires_at=command.expires_at or _as_long_as(old, at),
    )
    ending = replace(
        old, expires_at=end if old.expires_at is None else min(end, old.expires_at), replaced_by=command.key_id
    )
    return (
        ApiKeyChanged(key=successor, changed_by=by.name),
        ApiKeyChanged(key=ending, changed_by=by.name),
    )


def decide_api_key_revoke(
    command: ApiKeyRevoke, state: State, *, by: Principal, at: datetime
) -> tuple[AccountEvent, ...] | Refused:
    """Take the key away; taking it away again changes nothing."""
    key = state.api_keys.get(command.key_id)
    if key is None:
        return refuse(api_key_not_found(command.key_id))
    if key.revoked_at is not None:
        return ()
    return (ApiKeyChanged(key=replace(key, revoked_at=at), changed_by=by.name),)


def _as_long_as(old: ApiKey, at: datetime) -> datetime | None:
    """Return when a key ends that begins now and is made for as long as the old one was."""
    return None if old.expires_at is None else _later(at, old.expires_at - old.created_at)


def _later(at: datetime, span: timedelta) -> datetime:
    """Return the time so much later; the last there is when there is none as late."""
    try:
        return at + span
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def account_not_found(code: str) -> Rejection:
    """Return the refusal of a code that names no open account."""
    message = f"There is no account {code!r}; check the code or create it with accountCreate."
    return Rejection(code=RejectionCode.ACCOUNT_NOT_FOUND, message=message, field=("accountId",))


def api_key_not_found(key_id: str) -> Rejection:
    """Return the refusal of an id that names no key, or none that could still be rotated."""
    message = f"There is no API key {key_id!r} that is in use; `stockgate keys list` shows those that are."
    return Rejection(code=RejectionCode.API_KEY_NOT_FOUND, message=message, field=("apiKeyId",))


def _open_account(code: str, state: State) -> Account | None:
    account = state.accounts.get(code)
    return account if account is not None and account.archived_at is None else None


def _selectors(account: str, scope: Scope) -> Selectors:
    return Selectors(
        accounts=frozenset({account}),
        channels=scope.channels or frozenset(),
        locations=scope.locations or frozenset(),
    )


def _scope_changes(known: Scope, fields: AccountFields) -> Scope:
    return Scope(
        channels=fields.get("scope_channels", known.channels),
        locations=fields.get("scope_locations", known.locations),
    )


def _places_exist(scope: Scope, state: State) -> tuple[Iterator[Rejection], Iterator[Rejection]]:
    return (
        (
            location_not_found(code, field=("locationIds",))
            for code in sorted(scope.locations or ())
            if active(state.locations.get(code)) is None
        ),
        (
            channel_not_found(code, field=("channelIds",))
            for code in sorted(scope.channels or ())
            if active(state.channels.get(code)) is None
        ),
    )


def _expires_later(expires_at: datetime | None, at: datetime) -> Iterator[Rejection]:
    if expires_at is not None and expires_at <= at:
        yield _invalid("The key would have expired already; give a time to come, or none.", field=("expiresAt",))


def _malformed_new_code(code: str) -> Iterator[Rejection]:
    yield from new_code_problems(code, field=("code",), what="The account code")
    if len(code) > ACCOUNT_CODE_LENGTH_MAX:
        yield _invalid(f"The account code is longer than {ACCOUNT_CODE_LENGTH_MAX} characters.", field=("code",))


def _malformed_scope(scope: Scope) -> Iterator[Rejection]:
    named: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("channelIds", "A channel", scope.channels or ()),
        ("locationIds", "A location", scope.locations or ()),
    )
    for field, what, codes in named:
        if len(tuple(codes)) > SCOPE_CODES_MAX:
            yield _invalid(f"A scope names at most {SCOPE_CODES_MAX} codes; send fewer.", field=(field,))
        for code in sorted(codes):
            yield from code_problems(code, field=(field,), what=what)


def _invalid(message: str, *, field: FieldPath) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)

"""Authentication: turns an `Authorization` header into a principal.

The rule: of a secret only its digest is compared, in constant time, and what was read of a key or an account is
believed for a second: whoever is revoked is out a second later, and a busy key costs one small read a second.
"""

import base64
import hashlib
import hmac
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from strawberry.dataloader import DataLoader

from domain.account_records import Account, ApiKey, Credential, principal_of
from domain.ports import Reads
from domain.principals import LOCAL_PRINCIPAL, Principal, Scope
from resolvers.loaders import loader_of, one_for_all

logger = logging.getLogger("stockgate.authentication")

KEY_PREFIX = "sgk"
KEY_ID_BYTES = 8
SECRET_BYTES = 32
TOKEN_CHARACTERS_MAX = 8192
BELIEVED_SECONDS = 1.0
REMEMBERED_MAX = 10_000
KEYS_PER_STATEMENT_MAX = 1000
DIGEST_OF_NOTHING = 64 * "0"
"""The digest of no secret, as long as any."""

NO_CREDENTIAL = "This gateway asks who you are; send `Authorization: Bearer <API key or token>`."
UNKNOWN_CREDENTIAL = "This API key or token opens nothing: it is unknown, expired or revoked."


class Unauthenticated(Exception):
    """The credential is missing, or opens nothing; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a signed token says: whose account it speaks for, as whom, within what, and until when."""

    account: str
    subject: str
    scope: Scope
    expires_at: datetime


class TokenVerifier(Protocol):
    """Checks tokens that somebody else signed."""

    async def verify(self, token: str) -> VerifiedToken:
        """Return what the token says. Raises Unauthenticated."""
        ...


@dataclass(frozen=True, slots=True)
class Remembered:
    """A principal that was let in, and until when (in the monotonic clock's seconds) nothing is read again."""

    principal: Principal
    until: float


class Authenticator:
    """Lets callers in, by the gateway's own API keys or by tokens of an identity provider.

    While there has never been a key, and no provider is configured, everybody is the local administrator: such a
    gateway answers on the loopback interface only.
    """

    def __init__(
        self, reads: Reads, *, tokens: TokenVerifier | None, now: Callable[[], datetime], has_api_keys: bool
    ) -> None:
        self._reads = reads
        self._tokens = tokens
        self._now = now
        self._has_api_keys = has_api_keys
        self._asked_at = time.monotonic()
        self._credentials: DataLoader[str, tuple[ApiKey, Account] | None] = loader_of(
            reads.credentials, keys_max=KEYS_PER_STATEMENT_MAX
        )
        self._whether_keys: DataLoader[None, bool] = loader_of(one_for_all(reads.has_api_keys))
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()
        self._forgotten_count = 0

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in as the local administrator, as far as was seen last."""
        return self._tokens is None and not self._has_api_keys

    async def principal(self, authorization: str | None) -> Principal:
        """Return who sends this header. Raises Unauthenticated, and Unavailable when that cannot be found out now."""
        if self.is_open:
            await self._look_for_keys()
            if self.is_open:
                return LOCAL_PRINCIPAL
        token = token_from(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        if known is not None and time.monotonic() < known.until:
            return known.principal
        # What is read may be as old as this moment, and older than what made us forget meanwhile.
        asked_at, forgotten_count = time.monotonic(), self._forgotten_count
        principal = await self._let_in(token)
        if forgotten_count == self._forgotten_count:
            self._remember(digest, principal, until=asked_at + BELIEVED_SECONDS)
        return principal

    async def is_current(self, authorization: str | None, principal: Principal) -> bool:
        """Return whether the header still stands for the very same principal, scope and role included.

        Raises Unavailable when that cannot be found out now.
        """
        try:
            return await self.principal(authorization) == principal
        except Unauthenticated:
            return False

    def forget(self) -> None:
        """Believe nothing that was read so far: an account or a key has just changed in this process."""
        self._remembered.clear()
        self._forgotten_count += 1
        self._asked_at = -BELIEVED_SECONDS

    async def _look_for_keys(self) -> None:
        if time.monotonic() - self._asked_at < BELIEVED_SECONDS:
            return
        asked_at, forgotten_count = time.monotonic(), self._forgotten_count
        # An answer that was overtaken by a later one cannot open the gateway again.
        self._has_api_keys = await self._whether_keys.load(None) or self._has_api_keys
        if forgotten_count == self._forgotten_count:
            self._asked_at = asked_at

    async def _let_in(self, token: str) -> Principal:
        key_id, secret = _parts_of(token)
        if key_id is not None:
            return await self._by_key(key_id, secret)
        if self._tokens is None:
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        return await self._by_token(await self._tokens.verify(token))

    async def _by_key(self, key_id: str, secret: str) -> Principal:
        found = await self._credentials.load(key_id)
        # Compared even when there is no such key, so that the time tells nothing about which ids exist.
        expected = DIGEST_OF_NOTHING if found is None else found[0].digest
        is_right = hmac.compare_digest(secret_digest(secret), expected)
        if found is None or not is_right:
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        key, account = found
        if account.archived_at is not None or not key.opens(at=self._now()):
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        return principal_of(account, key)

    async def _by_token(self, verified: VerifiedToken) -> Principal:
        (account,) = await self._reads.accounts([verified.account])
        if account is None or self._now() >= verified.expires_at:
            logger.info("a token was refused: it has expired, or there is no account %r", verified.account)
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        return Principal(
            account=account.code,
            name=f"{account.code}/{verified.subject}",
            role=account.role,
            scope=account.scope.narrowed(verified.scope),
        )

    def _remember(self, digest: bytes, principal: Principal, *, until: float) -> None:
        self._remembered[digest] = Remembered(principal, until)
        self._remembered.move_to_end(digest)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)


def new_credential() -> Credential:
    """Return a new key; its secret has 256 bits of chance, so that a plain digest of it cannot be guessed at."""
    key_id = os.urandom(KEY_ID_BYTES).hex()
    secret = base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).rstrip(b"=").decode()
    return Credential(key_id=key_id, digest=secret_digest(secret), token=f"{KEY_PREFIX}_{key_id}_{secret}")


def secret_digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_from(authorization: str | None) -> str:
    """Return the token of an Authorization header, with or without the word `Bearer`. Raises Unauthenticated."""
    words = (authorization or "").split(maxsplit=2)
    if words and words[0].lower() == "bearer":
        words = words[1:]
    if len(words) != 1 or len(words[0]) > TOKEN_CHARACTERS_MAX or not words[0].isascii():
        raise Unauthenticated(NO_CREDENTIAL)
    return words[0]


def _parts_of(token: str) -> tuple[str | None, str]:
    prefix, _, rest = token.partition("_")
    key_id, separator, secret = rest.partition("_")
    is_key = prefix == KEY_PREFIX and separator and len(key_id) == 2 * KEY_ID_BYTES
    return (key_id, secret) if is_key else (None, "")

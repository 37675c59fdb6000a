"""Bearer tokens of an identity provider (OpenID Connect): checked against its published keys, mapped to our accounts.

The rule: a token only says *which* account it speaks for, and may narrow what it sees; what the account may do is kept
here, so that nobody can grant themselves a role at the provider. Signatures and claims are PyJWT's work.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from app.authentication import UNKNOWN_CREDENTIAL, Unauthenticated, VerifiedToken
from domain.ports import Unavailable
from domain.principals import Scope

logger = logging.getLogger("stockgate.authentication")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures only: a shared secret or no signature at all is refused whatever the token's header says."""
CLOCK_SKEW_SECONDS = 30
KEYS_KEPT_SECONDS = 300
FETCH_DEADLINE_SECONDS = 5
RETRY_AFTER_MS = 1000
SUBJECT_CHARACTERS_MAX = 255

SILENT_PROVIDER = "The identity provider does not answer, so your token cannot be checked now; send the request again."


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Whose tokens are taken, for whom they must be meant, and which of their claims are ours."""

    issuer: str
    audience: str
    keys_url: str
    account_claim: str
    channels_claim: str
    locations_claim: str


class IdentityTokens:
    """Verifies the tokens of one identity provider; its keys are fetched when an unknown one is named.

    One caller at a time fetches, and after a failure nobody does for `RETRY_AFTER_MS`: tokens of nobody can hold up
    neither the provider nor those whose keys are known.
    """

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._keys = jwt.PyJWKClient(
            provider.keys_url, cache_jwk_set=True, lifespan=KEYS_KEPT_SECONDS, timeout=FETCH_DEADLINE_SECONDS
        )
        self._fetching = asyncio.Lock()
        self._silent_until = 0.0

    async def verify(self, token: str) -> VerifiedToken:
        """Return what the token says. Raises Unauthenticated, and Unavailable when the keys cannot be fetched."""
        try:
            key = await self._key_of(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
            return self._read(claims)
        # Claims that are no numbers, or too large ones, come as plain errors of Python.
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            # The caller is told nothing that helps in guessing; the operator is told the reason.
            logger.info("a token was refused: %s", error)
            raise Unauthenticated(UNKNOWN_CREDENTIAL) from error

    async def _key_of(self, token: str) -> jwt.PyJWK:
        key_id = jwt.get_unverified_header(token).get("kid")
        if key_id is None:
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        known = self._known_key(key_id)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(FETCH_DEADLINE_SECONDS), self._fetching:
                if time.monotonic() < self._silent_until:
                    raise Unavailable(SILENT_PROVIDER, retry_after_ms=RETRY_AFTER_MS)
                # The client fetches with blocking calls, now and then.
                return await asyncio.to_thread(self._keys.get_signing_key, key_id)
        # What the provider answers may be no keys, or no JSON; its connection may break while it answers.
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, ValueError, OSError) as error:
            logger.warning("the identity provider's keys cannot be had from %s: %s", self._provider.keys_url, error)
            self._silent_until = time.monotonic() + RETRY_AFTER_MS / 1000
            raise Unavailable(SILENT_PROVIDER, retry_after_ms=RETRY_AFTER_MS) from error

    def _known_key(self, key_id: str) -> jwt.PyJWK | None:
        cache = self._keys.jwk_set_cache
        published = None if cache is None else cache.get()
        keys = [] if published is None else [one for one in published.keys if one.public_key_use in (None, "sig")]
        return self._keys.match_kid(keys, key_id)

    def _read(self, claims: Mapping[str, object]) -> VerifiedToken:
        account = claims.get(self._provider.account_claim)
        if not isinstance(account, str):
            raise Unauthenticated(
                f"The token names no account of this gateway in its claim {self._provider.account_claim!r}."
            )
        expires_at = claims["exp"]
        if not isinstance(expires_at, int | float):
            raise Unauthenticated(UNKNOWN_CREDENTIAL)
        return VerifiedToken(
            account=account,
            subject=_subject(claims.get("sub")),
            scope=Scope(
                channels=_codes(claims, self._provider.channels_claim),
                locations=_codes(claims, self._provider.locations_claim),
            ),
            expires_at=datetime.fromtimestamp(expires_at, UTC),
        )


def _subject(claim: object) -> str:
    """Return the name that the audit trail keeps of the holder: what can be printed of it, and not too long."""
    text = "".join(filter(str.isprintable, claim)) if isinstance(claim, str) else ""
    return text[:SUBJECT_CHARACTERS_MAX] or "token"


def _codes(claims: Mapping[str, object], name: str) -> frozenset[str] | None:
    """Return the codes that a claim lists; a claim that is there but is no list of texts lets nothing through."""
    if name not in claims:
        return None
    claim = claims[name]
    if isinstance(claim, list) and all(isinstance(one, str) for one in claim):
        return frozenset(claim)
    logger.info("the claim %s is no list of codes, so the token sees none", name)
    return frozenset()

"""Tokens of an identity provider, checked against keys that a real server publishes; the one rule: a token lets in
only for the account that it names, and never further than that account sees.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import authentication, identity_tokens
from app.authentication import NO_CREDENTIAL, UNKNOWN_CREDENTIAL, Authenticator, Unauthenticated
from app.identity_tokens import SUBJECT_CHARACTERS_MAX, IdentityTokens
from domain.accounts import AccountArchive, AccountUpdate
from domain.ports import Unavailable
from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope
from tests.app.account_commands import given_account, given_key
from tests.app.callers import Clock, refusal
from tests.app.identity_provider import (
    ACCOUNT,
    AUDIENCE,
    CHANNELS,
    ISSUER,
    LOCATIONS,
    Key,
    Provider,
    jwk,
    new_keys,
    open_provider,
    plain_claims,
    public_pem,
    signed_by_hand,
)
from tests.app.shop import Shop, within
from tests.domain.given import CENTRAL, EAST, WEB

ANNA = Principal(account="erp", name="erp/anna", role=Role.BACKOFFICE)
HOUR_SECONDS = 3600
CALLERS = 50


@pytest.fixture(scope="session")
def keys() -> Mapping[str, Key]:
    """The provider's keys."""
    return new_keys()


@pytest.fixture
def provider(keys: Mapping[str, Key]) -> Iterator[Provider]:
    """A provider that answers."""
    with open_provider(keys) as provider:
        yield provider


@pytest.fixture
async def door(shop: Shop, provider: Provider) -> Authenticator:
    """What lets callers into a shop whose account erp speaks through the provider."""
    await given_account(shop)
    return door_of(shop, provider)


def door_of(shop: Shop, provider: Provider, *, clock: Clock | None = None) -> Authenticator:
    """Return a door that has asked the provider nothing yet."""
    tokens = IdentityTokens(provider.settings())
    return Authenticator(shop.reads, tokens=tokens, now=(clock or Clock()).now, has_api_keys=False)


def now_and(seconds: int) -> int:
    """Return a time as claims give it."""
    return int(time.time()) + seconds


class TestLetIn:
    @pytest.mark.parametrize("key_id", ["rsa", "ec"])
    async def test_a_good_token_is_its_account(self, door: Authenticator, provider: Provider, key_id: str) -> None:
        """Given published keys, when a token of either kind comes, with or without the word, then it is let in."""
        token = provider.token(key_id)
        assert await door.principal(f"Bearer {token}") == ANNA
        assert await door.principal(token) == ANNA
        assert await door.is_current(token, ANNA)
        assert not door.is_open

    async def test_the_audience_may_be_one_of_several(self, door: Authenticator, provider: Provider) -> None:
        """Given a token for several, when we are among them, then it is let in."""
        assert await door.principal(provider.token(aud=["other", AUDIENCE])) == ANNA

    async def test_clocks_may_differ_a_little(self, door: Authenticator, provider: Provider) -> None:
        """Given a provider whose clock is ahead, when its token begins in some seconds, then it is let in."""
        assert await door.principal(provider.token(nbf=now_and(10), iat=now_and(10))) == ANNA

    async def test_the_account_says_what_may_be_done(self, shop: Shop, door: Authenticator, provider: Provider) -> None:
        """Given a token that calls itself administrator, when it comes, then the account's own role counts."""
        token = provider.token(role="ADMIN", stockgate_role="ADMIN", roles=["ADMIN"], scope="admin")
        assert (await door.principal(token)).role is Role.BACKOFFICE
        await shop.accept(AccountUpdate(code="erp", fields={"role": Role.STOREFRONT}), by=LOCAL_PRINCIPAL)
        door.forget()
        assert (await door.principal(token)).role is Role.STOREFRONT

    async def test_keys_of_our_own_go_on_working(self, shop: Shop, door: Authenticator, provider: Provider) -> None:
        """Given a provider, when an API key comes, then it is let in, and the provider is not asked."""
        holder = await given_key(shop)
        assert (await door.principal(holder.header)).name == "erp/nightly"
        assert provider.asked_count == 0

    async def test_with_a_provider_no_gateway_is_open(self, door: Authenticator) -> None:
        """Given no keys but a provider, when somebody comes without a token, then they are asked for one."""
        assert await refusal(door, None) == NO_CREDENTIAL

    async def test_keys_are_fetched_once(self, door: Authenticator, provider: Provider) -> None:
        """Given many tokens at once, when they are checked, then the provider was asked once."""
        tokens = [provider.token(sub=f"anna-{number}") for number in range(CALLERS)]
        found = await within(asyncio.gather(*map(door.principal, tokens)))
        assert [one.name for one in found] == [f"erp/anna-{number}" for number in range(CALLERS)]
        assert provider.asked_count == 1

    async def test_a_new_key_of_the_provider_is_found(
        self, door: Authenticator, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given fetched keys, when the provider signs with a new one a while later, then it is fetched as well."""
        assert await door.principal(provider.token()) == ANNA
        provider.keys["next"] = provider.keys["ec"]
        client = door._tokens._keys  # type: ignore[union-attr]  # it is what this door was made with
        monkeypatch.setattr(client, "cooldown_duration", 0)
        assert await door.principal(provider.token("next")) == ANNA
        assert provider.asked_count == 2


class TestNarrowed:
    @pytest.mark.parametrize(
        ("claims", "seen"),
        [
            ({}, Scope(locations=frozenset({EAST, CENTRAL}))),
            ({LOCATIONS: [EAST, "NOWHERE"]}, Scope(locations=frozenset({EAST}))),
            ({LOCATIONS: ["NOWHERE"]}, Scope(locations=frozenset())),
            ({LOCATIONS: []}, Scope(locations=frozenset())),
            ({CHANNELS: [WEB]}, Scope(channels=frozenset({WEB}), locations=frozenset({EAST, CENTRAL}))),
            ({CHANNELS: None}, Scope(channels=frozenset(), locations=frozenset({EAST, CENTRAL}))),
            ({CHANNELS: WEB}, Scope(channels=frozenset(), locations=frozenset({EAST, CENTRAL}))),
            ({CHANNELS: [WEB, 7]}, Scope(channels=frozenset(), locations=frozenset({EAST, CENTRAL}))),
            ({CHANNELS: {WEB: True}}, Scope(channels=frozenset(), locations=frozenset({EAST, CENTRAL}))),
            ({CHANNELS: "*"}, Scope(channels=frozenset(), locations=frozenset({EAST, CENTRAL}))),
        ],
    )
    async def test_claims_narrow_the_account_and_never_widen_it(
        self, shop: Shop, door: Authenticator, provider: Provider, claims: dict[str, Any], seen: Scope
    ) -> None:
        """Given an account of two locations, when claims narrow it, then both hold; odd claims let nothing through."""
        two = AccountUpdate(code="erp", fields={"scope_locations": frozenset({EAST, CENTRAL})})
        await shop.accept(two, by=LOCAL_PRINCIPAL)
        assert (await door.principal(provider.token(**claims))).scope == seen

    @pytest.mark.parametrize(
        ("subject", "name"),
        [
            (None, "token"),
            ("", "token"),
            ("a\x00b\nc\ud800", "abc"),
            ("\x00", "token"),
            ("x" * 3000, "x" * SUBJECT_CHARACTERS_MAX),
            ("Zoë 💥", "Zoë 💥"),
        ],
    )
    async def test_the_audit_trail_keeps_what_can_be_printed_of_the_subject(
        self, door: Authenticator, provider: Provider, subject: str | None, name: str
    ) -> None:
        """Given odd subjects, when their tokens come, then their names can be stored and read."""
        left_out = "sub" if subject is None else None
        principal = await door.principal(provider.token(leave_out=left_out, sub=subject))
        assert (principal.name, principal.scope) == (f"erp/{name}", EVERYTHING)


class TestRefused:
    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "other"},
            {"aud": []},
            {"aud": None},
            {"aud": AUDIENCE.upper()},
            {"iss": "https://id.other.example"},
            {"iss": f"{ISSUER}/"},
            {"iss": [ISSUER]},
            {"exp": 0},
            {"exp": -HOUR_SECONDS},
            {"exp": None},
            {"exp": "soon"},
            {"exp": str(2**33)},
            {"exp": [2**33]},
            {"exp": 10**30},
            {"exp": float("inf")},
            {"exp": float("nan")},
            {"nbf": 2**33},
            {"iat": 2**33},
            {"nbf": "later"},
            {"sub": 7},
            {"sub": ["anna"]},
            {ACCOUNT: "unknown"},
            {ACCOUNT: "ERP"},
            {ACCOUNT: "local"},
            {ACCOUNT: ""},
            {ACCOUNT: "\x00"},
            {ACCOUNT: "\ud800"},
            {ACCOUNT: "erp' OR 1=1 --"},
        ],
        ids=lambda claims: json.dumps(claims)[:40],
    )
    async def test_claims_that_are_not_right_open_nothing(
        self, door: Authenticator, provider: Provider, claims: dict[str, Any]
    ) -> None:
        """Given a token that is signed well, when one claim is wrong or odd, then it is refused, in the same words."""
        assert await refusal(door, provider.token(**claims)) == UNKNOWN_CREDENTIAL

    @pytest.mark.parametrize("name", ["aud", "iss", "exp"])
    async def test_claims_that_are_missing_open_nothing(
        self, door: Authenticator, provider: Provider, name: str
    ) -> None:
        """Given a token that is signed well, when a claim is not there, then it is refused."""
        assert await refusal(door, provider.token(leave_out=name)) == UNKNOWN_CREDENTIAL

    @pytest.mark.parametrize("account", [None, 7, ["erp"], {"code": "erp"}, True])
    async def test_a_token_that_names_no_account_is_told_so(
        self, door: Authenticator, provider: Provider, account: Any
    ) -> None:
        """Given a token without an account, or with something else there, when it comes, then the claim is named."""
        message = "The token names no account of this gateway in its claim 'stockgate_account'."
        assert await refusal(door, provider.token(**{ACCOUNT: account})) == message
        assert await refusal(door, provider.token(leave_out=ACCOUNT)) == message

    async def test_signatures_that_prove_nothing_open_nothing(self, door: Authenticator, provider: Provider) -> None:
        """Given published keys, when a token is unsigned, or signed with what everybody has, then it is refused."""
        rsa = provider.keys["rsa"]
        public = json.dumps(jwk(rsa, "rsa")).encode()
        good = provider.token()
        header, payload, signature = good.split(".")
        other = provider.token(sub="otto").split(".")
        for forged in (
            signed_by_hand({"alg": "none", "kid": "rsa"}, plain_claims()),
            signed_by_hand({"alg": "None", "kid": "rsa", "typ": "JWT"}, plain_claims()),
            signed_by_hand({"alg": "HS256", "kid": "rsa"}, plain_claims(), secret=public_pem(rsa)),
            signed_by_hand({"alg": "HS256", "kid": "rsa"}, plain_claims(), secret=public),
            signed_by_hand({"alg": "RS256", "kid": "rsa"}, plain_claims(), secret=public_pem(rsa)),
            signed_by_hand({"alg": "HS256", "kid": "rsa"}, plain_claims(), secret=b""),
            signed_by_hand({"alg": "RS256", "kid": "ec"}, plain_claims(), secret=b"x"),
            signed_by_hand({"kid": "rsa"}, plain_claims(), secret=b"x"),
            signed_by_hand({"alg": "RS256", "kid": "rsa", "jwk": jwk(rsa, "rsa")}, plain_claims()),
            f"{header}.{payload}.",
            f"{header}.{payload}.{other[2]}",
            f"{header}.{other[1]}.{signature}",
            f"{header}.{payload}.{signature[:-4]}AAAA",
        ):
            assert await refusal(door, forged) == UNKNOWN_CREDENTIAL, forged
        assert await door.principal(good) == ANNA

    async def test_a_key_of_the_same_name_that_is_not_the_providers_opens_nothing(
        self, shop: Shop, door: Authenticator, provider: Provider
    ) -> None:
        """Given somebody else's keys under the same names, when they sign, then it is refused."""
        stranger = Provider(keys=new_keys())
        for key_id in ("rsa", "ec"):
            assert await refusal(door, stranger.token(key_id)) == UNKNOWN_CREDENTIAL

    async def test_a_published_secret_is_no_key(self, shop: Shop, provider: Provider) -> None:
        """Given a provider that publishes a shared secret, when a token is signed with it, then it is refused."""
        secret = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "oct"}
        provider.body = json.dumps({"keys": [jwk(provider.keys["rsa"], "rsa"), secret]}).encode()
        await given_account(shop)
        door = door_of(shop, provider)
        for algorithm in ("HS256", "RS256"):
            forged = signed_by_hand(
                {"alg": algorithm, "kid": "oct"}, plain_claims(), secret=b"secret-secret-secret-secret-secret"
            )
            assert await refusal(door, forged) == UNKNOWN_CREDENTIAL

    async def test_what_is_no_token_opens_nothing(self, door: Authenticator, provider: Provider) -> None:
        """Given a provider, when the token is no token, or an odd one, then it is refused without asking it."""
        good = {"alg": "RS256", "kid": "rsa"}
        for odd in (
            "x",
            "a.b",
            "a.b.c",
            "...",
            "e30.e30.e30",
            "é.é.é".encode().hex(),
            "sgk_short_x",
            signed_by_hand({"alg": "RS256"}, plain_claims()),
            signed_by_hand({"alg": "RS256", "kid": None}, plain_claims()),
            signed_by_hand({"alg": "RS256", "kid": 7}, plain_claims()),
            signed_by_hand({"alg": "RS256", "kid": ["rsa"]}, plain_claims()),
        ):
            assert await refusal(door, odd) == UNKNOWN_CREDENTIAL, odd
        assert provider.asked_count == 0
        for payload in (
            b"",
            b"[]",
            b"7",
            b"\xff",
            b"[" * 3000,
            b'{"exp":1e999}',
            b'{"exp":1,"exp":' + b"9" * 4000 + b"}",
        ):
            assert await refusal(door, signed_by_hand(good, {}, payload=payload)) == UNKNOWN_CREDENTIAL, payload

    async def test_a_closed_account_opens_nothing(self, shop: Shop, door: Authenticator, provider: Provider) -> None:
        """Given a token that was let in, when its account is closed, then it is not any more."""
        token = provider.token()
        assert await door.principal(token) == ANNA
        await shop.accept(AccountArchive(code="erp"), by=LOCAL_PRINCIPAL)
        door.forget()
        assert await refusal(door, token) == UNKNOWN_CREDENTIAL
        assert not await door.is_current(token, ANNA)

    async def test_a_token_ends_when_it_says(
        self, shop: Shop, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given a token that was let in, when its time is over, then it is not any more."""
        monkeypatch.setattr(authentication, "BELIEVED_SECONDS", 0.0)
        await given_account(shop)
        clock = Clock()
        door, token = door_of(shop, provider, clock=clock), provider.token()
        assert await door.is_current(token, ANNA)
        clock.time = datetime.now(UTC) + timedelta(seconds=HOUR_SECONDS)
        assert await refusal(door, token) == UNKNOWN_CREDENTIAL


class TestProviderInTrouble:
    async def test_unknown_keys_do_not_send_us_to_the_provider_each_time(
        self, door: Authenticator, provider: Provider
    ) -> None:
        """Given fetched keys, when tokens of many unknown keys come, then they are refused, and it was asked once."""
        assert await door.principal(provider.token()) == ANNA
        claims = plain_claims()
        flood = [
            signed_by_hand({"alg": "RS256", "kid": f"k{number}"}, claims, secret=b"x") for number in range(CALLERS)
        ]
        found = await within(asyncio.gather(*map(door.principal, flood), return_exceptions=True))
        assert [type(one) for one in found] == [Unauthenticated] * CALLERS
        assert provider.asked_count == 1

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (503, b"later"),
            (302, b""),
            (200, b"<html>later</html>"),
            (200, b""),
            (200, b"\xff\xfe"),
            (200, b"{}"),
            (200, b'{"keys": []}'),
            (200, b'{"keys": [{"kty": "RSA", "kid": "rsa"}]}'),
        ],
    )
    async def test_a_provider_that_answers_nonsense_is_told_as_unavailable(
        self, door: Authenticator, provider: Provider, status: int, body: bytes
    ) -> None:
        """Given a provider in trouble, when a token comes, then its holder is told to come again; then it is mended."""
        provider.status, provider.body = status, body
        for _ in range(3):
            with pytest.raises(Unavailable) as raised:
                await within(door.principal(provider.token()))
            assert raised.value.retry_after_ms == 1000
        assert provider.asked_count == 1
        provider.status, provider.body = 200, None
        door._tokens._silent_until = 0.0  # type: ignore[union-attr]  # a second later
        assert await door.principal(provider.token()) == ANNA

    async def test_a_provider_that_is_away_is_told_as_unavailable(self, shop: Shop, keys: Mapping[str, Key]) -> None:
        """Given a provider that has gone, when a token comes, then its holder is told to come again."""
        await given_account(shop)
        with open_provider(keys) as gone:
            token = gone.token()
        with pytest.raises(Unavailable) as raised:
            await within(door_of(shop, gone).principal(token))
        assert str(raised.value).startswith("The identity provider does not answer")

    async def test_a_provider_that_hangs_holds_up_nobody_whose_key_is_known(
        self, door: Authenticator, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given known keys, when tokens of unknown ones wait for a provider that hangs, then others are let in."""
        monkeypatch.setattr(identity_tokens, "FETCH_DEADLINE_SECONDS", 0.5)
        assert await door.principal(provider.token()) == ANNA
        client = door._tokens._keys  # type: ignore[union-attr]  # as above
        monkeypatch.setattr(client, "cooldown_duration", 0)
        provider.answers.clear()
        unknown = [
            asyncio.create_task(door.principal(signed_by_hand({"alg": "RS256", "kid": f"k{number}"}, {}, secret=b"x")))
            for number in range(CALLERS)
        ]
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        assert (await door.principal(provider.token(sub="otto"))).name == "erp/otto"
        assert time.monotonic() - begin < 0.3
        found = await within(asyncio.gather(*unknown, return_exceptions=True))
        provider.answers.set()
        assert [type(one) for one in found] == [Unavailable] * CALLERS
        assert provider.asked_count == 2

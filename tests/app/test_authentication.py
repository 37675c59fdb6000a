"""Who is let in, and as whom; the one rule: every way of not being let in looks alike."""

import hmac
import re
from datetime import timedelta

import pytest

from app.authentication import (
    NO_CREDENTIAL,
    TOKEN_CHARACTERS_MAX,
    UNKNOWN_CREDENTIAL,
    Unauthenticated,
    new_credential,
    secret_digest,
    token_from,
)
from app.reads import DatabaseReads
from domain.accounts import AccountArchive, AccountUpdate, ApiKeyRevoke
from domain.decider import Command
from domain.ports import Unavailable
from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope
from tests.app.account_commands import Holder, given_account, given_key, rotate_key
from tests.app.callers import ERP, SHORT_DEADLINE_SECONDS, Clock, gate, refusal
from tests.app.shop import Shop, within
from tests.domain.given import CENTRAL, EAST, WEB

TOKEN = "sgk_0123456789abcdef_secret"


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        [
            f"Bearer {TOKEN}",
            f"bearer {TOKEN}",
            f"BEARER {TOKEN}",
            TOKEN,
            f"Bearer  {TOKEN}",
            f"  Bearer {TOKEN} ",
            f" {TOKEN}\t",
            f"Bearer\t{TOKEN}",
        ],
    )
    def test_the_token_is_found_with_and_without_the_word(self, header: str) -> None:
        """Given a token, when it is sent as Bearer in any case, bare or between blanks, then it is found."""
        assert token_from(header) == TOKEN

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            " ",
            "Bearer",
            "bearer ",
            "Basic dXNlcjpwYXNz",
            f"Basic {TOKEN}",
            f"Bearer {TOKEN} {TOKEN}",
            f"{TOKEN} {TOKEN}",
            f"Bearer {TOKEN}é",
            "Bearer \ud800",
            "Bearer " + "x" * (TOKEN_CHARACTERS_MAX + 1),
            "x" * 1_000_000,
            "x " * 500_000,
        ],
        ids=range(14),
    )
    def test_anything_else_is_no_credential(self, header: str | None) -> None:
        """Given no token, two, another scheme, odd characters or far too many, when it is read, then it is none."""
        with pytest.raises(Unauthenticated) as raised:
            token_from(header)
        assert str(raised.value) == NO_CREDENTIAL

    def test_the_longest_token_is_one(self) -> None:
        """Given a token as long as may be, when it is read, then it is one."""
        assert token_from("Bearer " + "x" * TOKEN_CHARACTERS_MAX) == "x" * TOKEN_CHARACTERS_MAX


def test_a_new_key_names_itself_and_keeps_only_the_digest() -> None:
    """Given nothing, when two keys are made, then each shows its public part, and they have nothing in common."""
    first, second = new_credential(), new_credential()
    match = re.fullmatch(r"sgk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", first.token)
    assert match is not None
    assert (first.key_id, first.digest) == (match[1], secret_digest(match[2]))
    assert (first.key_id, first.digest) != (second.key_id, second.digest)
    assert match[2] not in first.digest


class TestKeys:
    async def test_the_holder_of_a_key_is_its_account_within_both_scopes(self, shop: Shop) -> None:
        """Given an account and a key that both have scopes, when the key is used, then both hold."""
        await given_account(shop, role=Role.PARTNER)
        holder = await given_key(shop, scope=Scope(locations=frozenset({EAST, CENTRAL})))
        narrower = AccountUpdate(
            code="erp", fields={"scope_channels": frozenset({WEB}), "scope_locations": frozenset({EAST})}
        )
        await shop.accept(narrower, by=LOCAL_PRINCIPAL)
        expected = Principal(
            account="erp",
            name="erp/nightly",
            role=Role.PARTNER,
            scope=Scope(channels=frozenset({WEB}), locations=frozenset({EAST})),
        )
        assert await gate(shop).principal(holder.header) == expected

    async def test_what_is_no_key_opens_nothing(self, shop: Shop) -> None:
        """Given two keys, when anything but a whole one is sent, then it is refused in the same words."""
        await given_account(shop)
        first, second = (await given_key(shop)).made, (await given_key(shop)).made
        _, key_id, secret = first.token.split("_", 2)
        other_secret = second.token.split("_", 2)[2]
        authenticator = gate(shop)
        for wrong in (
            f"sgk_{key_id}_{secret[:-1]}",
            f"sgk_{key_id}_{secret}x",
            f"sgk_{key_id}_{secret.swapcase()}",
            f"sgk_{key_id}_",
            f"sgk_{key_id}",
            f"sgk_{key_id}_{other_secret}",
            f"sgk_{key_id}_{first.digest}",
            f"sgk_{'0' * 16}_{secret}",
            f"sgk_{key_id.upper()}x_{secret}",
            f"SGK_{key_id}_{secret}",
            f"sgk_{'%' * 16}_{secret}",
            f"sgk_{chr(0) * 16}_{secret}",
            f"sgk__{secret}",
            "sgk_",
            key_id,
            secret,
            "Bearer x",
        ):
            assert await refusal(authenticator, wrong) == UNKNOWN_CREDENTIAL, wrong
        assert await authenticator.principal(first.token) == ERP

    @pytest.mark.usefixtures("doubtful")
    async def test_a_revoked_key_and_a_closed_account_open_nothing(self, shop: Shop) -> None:
        """Given keys, when one is revoked and then the account closed, then they end one after the other."""
        await given_account(shop)
        first, second = await given_key(shop), await given_key(shop)
        authenticator = gate(shop)
        assert await authenticator.principal(first.header) == ERP
        await shop.accept(ApiKeyRevoke(key_id=first.made.key_id), by=LOCAL_PRINCIPAL)
        assert await refusal(authenticator, first.header) == UNKNOWN_CREDENTIAL
        assert not await authenticator.is_current(first.header, ERP)
        assert await authenticator.is_current(second.header, ERP)
        await shop.accept(AccountArchive(code="erp"), by=LOCAL_PRINCIPAL)
        assert await refusal(authenticator, second.header) == UNKNOWN_CREDENTIAL

    @pytest.mark.usefixtures("doubtful")
    async def test_a_rotated_key_works_until_the_overlap_ends(self, shop: Shop) -> None:
        """Given a rotated key, when the overlap passes, then the old one ends and the new one goes on."""
        await given_account(shop)
        old, new = await given_key(shop), Holder(made=new_credential())
        await shop.accept(rotate_key(old.made.key_id, new.made, overlap=timedelta(hours=1)), by=LOCAL_PRINCIPAL)
        clock = Clock()
        authenticator = gate(shop, clock=clock)
        assert await authenticator.principal(old.header) == await authenticator.principal(new.header) == ERP
        clock.time += timedelta(minutes=59)
        assert await authenticator.principal(old.header) == ERP
        clock.time += timedelta(minutes=2)
        assert await refusal(authenticator, old.header) == UNKNOWN_CREDENTIAL
        assert await authenticator.principal(new.header) == ERP

    @pytest.mark.usefixtures("doubtful")
    @pytest.mark.parametrize(
        ("change", "after"),
        [
            (AccountUpdate(code="erp", fields={"role": Role.STOREFRONT}), (Role.STOREFRONT, EVERYTHING)),
            (
                AccountUpdate(code="erp", fields={"scope_locations": frozenset()}),
                (Role.BACKOFFICE, Scope(locations=frozenset())),
            ),
        ],
        ids=["role", "scope"],
    )
    async def test_a_changed_account_is_another_principal(
        self, shop: Shop, change: Command, after: tuple[Role, Scope]
    ) -> None:
        """Given a caller who was let in, when their account changes, then they are current no more, but another."""
        await given_account(shop)
        holder = await given_key(shop)
        authenticator = gate(shop)
        before = await authenticator.principal(holder.header)
        assert await authenticator.is_current(holder.header, before)
        await shop.accept(change, by=LOCAL_PRINCIPAL)
        assert not await authenticator.is_current(holder.header, before)
        now = await authenticator.principal(holder.header)
        assert (now.role, now.scope) == after

    async def test_an_unknown_id_takes_the_same_comparison(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Given a known and an unknown id, when a wrong secret is sent, then as much is compared, in constant time."""
        await given_account(shop)
        holder = await given_key(shop)
        compared: list[tuple[int, int]] = []
        compare_digest = hmac.compare_digest

        def noted(one: str, other: str) -> bool:
            compared.append((len(one), len(other)))
            return compare_digest(one, other)

        monkeypatch.setattr(hmac, "compare_digest", noted)
        for key_id in (holder.made.key_id, "0" * 16):
            await refusal(gate(shop), f"sgk_{key_id}_wrong")
        assert compared == [(64, 64), (64, 64)]

    async def test_a_database_that_does_not_answer_is_told_as_such(self, shop: Shop) -> None:
        """Given a key, when the database hangs, then its holder is told to come again, and not that it is wrong."""
        await given_account(shop)
        holder = await given_key(shop)
        hasty = gate(shop, reads=DatabaseReads(shop.database, deadline_seconds=SHORT_DEADLINE_SECONDS))
        async with shop.store.hanging_reads(shop.database, connections=2):
            with pytest.raises(Unavailable):
                await within(hasty.principal(holder.header))
            with pytest.raises(Unavailable):
                await within(hasty.is_current(holder.header, ERP))
        await shop.reads.position()  # sessions that were given up take a moment to be opened again
        assert await hasty.principal(holder.header) == ERP

"""For how long a caller is believed, and a gateway open; the one rule: never longer than a second past a change."""

import asyncio

import pytest

from app import authentication
from app.authentication import BELIEVED_SECONDS, NO_CREDENTIAL, TOKEN_CHARACTERS_MAX, UNKNOWN_CREDENTIAL, new_credential
from app.reads import DatabaseReads
from domain.accounts import ApiKeyRevoke
from domain.ports import Unavailable
from domain.principals import LOCAL_PRINCIPAL
from tests.app.account_commands import given_account, given_key
from tests.app.callers import ERP, FLOOD, SHORT_DEADLINE_SECONDS, SlowReads, gate, refusal
from tests.app.shop import WAIT_SECONDS_MAX, Shop, queued, within

TOKEN = "sgk_0123456789abcdef_secret"


class TestOpenGateway:
    @pytest.mark.parametrize("header", [None, "", "nonsense", f"Bearer {TOKEN}", "é"])
    async def test_without_keys_everybody_is_the_administrator(self, shop: Shop, header: str | None) -> None:
        """Given no keys, when anybody calls, then they are the local administrator, whatever they send."""
        authenticator = gate(shop, keys=False)
        assert authenticator.is_open
        assert await authenticator.principal(header) == LOCAL_PRINCIPAL
        assert await authenticator.is_current(header, LOCAL_PRINCIPAL)

    @pytest.mark.usefixtures("doubtful")
    async def test_the_first_key_of_another_process_closes_it(self, shop: Shop) -> None:
        """Given an open gateway, when another process makes the first key, then only its holder is let in, for ever."""
        authenticator = gate(shop, keys=False)
        assert await authenticator.principal(None) == LOCAL_PRINCIPAL
        await given_account(shop)
        holder = await given_key(shop)
        assert await refusal(authenticator, None) == NO_CREDENTIAL
        assert not authenticator.is_open
        assert not await authenticator.is_current(None, LOCAL_PRINCIPAL)
        assert await authenticator.principal(holder.header) == ERP
        await shop.accept(ApiKeyRevoke(key_id=holder.made.key_id), by=LOCAL_PRINCIPAL)
        assert await refusal(authenticator, None) == NO_CREDENTIAL

    async def test_that_takes_no_longer_than_is_believed(self, shop: Shop) -> None:
        """Given an open gateway that has just looked, when the first key is made, then it is closed a second later."""
        authenticator = gate(shop, keys=False)
        await given_account(shop)
        await given_key(shop)
        begin = asyncio.get_running_loop().time()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while await authenticator.is_current(None, LOCAL_PRINCIPAL):
                await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - begin < BELIEVED_SECONDS + 1

    @pytest.mark.usefixtures("trusting")
    async def test_the_first_key_of_this_process_closes_it_at_once(self, shop: Shop) -> None:
        """Given an open gateway, when it is told of a key that it made itself, then nobody else comes in from then."""
        authenticator = gate(shop, keys=False)
        await given_account(shop)
        await given_key(shop)
        assert await authenticator.principal(None) == LOCAL_PRINCIPAL
        authenticator.forget()
        for outcome in await asyncio.gather(*(refusal(authenticator, None) for _ in range(3))):
            assert outcome == NO_CREDENTIAL

    @pytest.mark.usefixtures("doubtful")
    async def test_a_database_that_does_not_answer_lets_nobody_in(self, shop: Shop) -> None:
        """Given an open gateway, when it cannot find out whether there are keys, then nobody is the administrator."""
        hasty = DatabaseReads(shop.database, deadline_seconds=SHORT_DEADLINE_SECONDS)
        authenticator = gate(shop, reads=hasty, keys=False)
        async with shop.store.hanging_reads(shop.database, connections=2):
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await within(authenticator.principal(None))
        await shop.reads.position()  # sessions that were given up take a moment to be opened again
        assert await authenticator.principal(None) == LOCAL_PRINCIPAL

    @pytest.mark.usefixtures("doubtful")
    async def test_many_callers_of_one_tick_look_for_keys_once(self, shop: Shop) -> None:
        """Given an open gateway, when many call at once, then the database is asked once."""
        authenticator = gate(shop, keys=False)
        async with shop.store.statements(shop.database) as seen:
            found = await within(asyncio.gather(*(authenticator.principal(None) for _ in range(FLOOD))))
        assert found == [LOCAL_PRINCIPAL] * FLOOD
        assert len(seen) == 1


class TestBelieved:
    @pytest.mark.usefixtures("trusting")
    async def test_a_busy_key_is_read_once(self, shop: Shop) -> None:
        """Given a key, when it is used many times, at once and after, then the database is asked once."""
        await given_account(shop)
        holder = await given_key(shop)
        authenticator = gate(shop)
        async with shop.store.statements(shop.database) as seen:
            await within(asyncio.gather(*(authenticator.principal(holder.header) for _ in range(FLOOD))))
            for spelling in (holder.header, holder.made.token, f"bearer  {holder.made.token}"):
                assert await authenticator.principal(spelling) == ERP
        assert len(seen) == 1

    async def test_a_revoked_key_is_out_a_second_later(self, shop: Shop) -> None:
        """Given a caller who was let in, when another process revokes the key, then that is believed no longer."""
        await given_account(shop)
        holder = await given_key(shop)
        authenticator = gate(shop)
        assert await authenticator.principal(holder.header) == ERP
        await shop.accept(ApiKeyRevoke(key_id=holder.made.key_id), by=LOCAL_PRINCIPAL)
        begin = asyncio.get_running_loop().time()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while await authenticator.is_current(holder.header, ERP):
                await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - begin < BELIEVED_SECONDS + 1

    @pytest.mark.usefixtures("trusting")
    async def test_forgetting_counts_at_once(self, shop: Shop) -> None:
        """Given a caller who is believed, when a change is made known, then they are looked up again."""
        await given_account(shop)
        holder = await given_key(shop)
        authenticator = gate(shop)
        assert await authenticator.principal(holder.header) == ERP
        await shop.accept(ApiKeyRevoke(key_id=holder.made.key_id), by=LOCAL_PRINCIPAL)
        assert await authenticator.principal(holder.header) == ERP
        authenticator.forget()
        assert await refusal(authenticator, holder.header) == UNKNOWN_CREDENTIAL

    @pytest.mark.usefixtures("trusting")
    async def test_what_was_read_before_forgetting_is_not_believed_after(self, shop: Shop) -> None:
        """Given an answer on its way, when the key is revoked and that made known meanwhile, then it counts once."""
        await given_account(shop)
        holder = await given_key(shop)
        reads = SlowReads(shop.database, deadline_seconds=WAIT_SECONDS_MAX)
        authenticator = gate(shop, reads=reads)
        reads.arrives = asyncio.Event()
        (asking,) = await queued(authenticator.principal(holder.header))
        await asyncio.sleep(SHORT_DEADLINE_SECONDS)
        await shop.accept(ApiKeyRevoke(key_id=holder.made.key_id), by=LOCAL_PRINCIPAL)
        authenticator.forget()
        reads.arrives.set()
        assert await within(asking) == ERP
        assert await refusal(authenticator, holder.header) == UNKNOWN_CREDENTIAL

    @pytest.mark.usefixtures("trusting")
    async def test_a_look_for_keys_that_was_overtaken_does_not_hold_the_gateway_open(self, shop: Shop) -> None:
        """Given a look for keys on its way, when the first key is made known meanwhile, then the gateway is closed."""
        await given_account(shop)
        reads = SlowReads(shop.database, deadline_seconds=WAIT_SECONDS_MAX)
        authenticator = gate(shop, reads=reads, keys=False)
        authenticator.forget()
        reads.arrives = asyncio.Event()
        (asking,) = await queued(authenticator.principal(None))
        await asyncio.sleep(SHORT_DEADLINE_SECONDS)
        await given_key(shop)
        authenticator.forget()
        reads.arrives.set()
        assert await within(asking) == LOCAL_PRINCIPAL
        assert await refusal(authenticator, None) == NO_CREDENTIAL

    @pytest.mark.usefixtures("trusting")
    async def test_no_more_callers_are_remembered_than_fit(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        """Given room for two, when three keys are used, then the oldest is looked up again, and all are let in."""
        monkeypatch.setattr(authentication, "REMEMBERED_MAX", 2)
        await given_account(shop)
        holders = [await given_key(shop) for _ in range(3)]
        authenticator = gate(shop)
        for holder in holders:
            assert await authenticator.principal(holder.header) == ERP
        assert len(authenticator._remembered) == 2
        async with shop.store.statements(shop.database) as seen:
            for holder in reversed(holders):
                assert await authenticator.principal(holder.header) == ERP
        assert len(seen) == 1

    async def test_a_flood_of_unknown_keys_is_one_statement_and_leaves_nothing(self, shop: Shop) -> None:
        """Given a key in use, when many unknown ones come with it, then all are answered by one read, none is kept."""
        await given_account(shop)
        holder = await given_key(shop)
        authenticator = gate(shop)
        flood = [new_credential().token for _ in range(FLOOD)]
        async with shop.store.statements(shop.database) as seen:
            *refused, let_in = await within(
                asyncio.gather(*map(authenticator.principal, [*flood, holder.header]), return_exceptions=True)
            )
        assert let_in == ERP
        assert [str(one) for one in refused] == [UNKNOWN_CREDENTIAL] * FLOOD
        assert len(seen) == 1
        assert len(authenticator._remembered) == 1

    async def test_what_is_no_key_at_all_does_not_reach_the_database(self, shop: Shop) -> None:
        """Given no identity provider, when tokens come that are no keys, then nothing is read."""
        authenticator = gate(shop)
        async with shop.store.statements(shop.database) as seen:
            for token in ("x", "a.b.c", "sgk_short_x", "x" * TOKEN_CHARACTERS_MAX):
                assert await refusal(authenticator, token) == UNKNOWN_CREDENTIAL
        assert seen == []

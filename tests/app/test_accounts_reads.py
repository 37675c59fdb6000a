"""Reading accounts and keys, on every database; the one rule: exact answers in the order asked, whatever the texts."""

from collections.abc import Awaitable, Callable

import pytest

from app.reads import DatabaseReads
from domain.accounts import AccountArchive, ApiKeyRevoke
from domain.principals import LOCAL_PRINCIPAL, Role
from tests.app.account_commands import create_account, given_account, given_key, key_of
from tests.app.shop import Shop, accepted, all_pages
from tests.app.test_reads_catalogue import ODD_TEXTS

CODES = ["erp", "Erp", "till-10", "till-2", "Ö", "注文", "💥"]


async def test_accounts_are_found_by_their_exact_code_in_the_order_asked(shop: Shop) -> None:
    """Given two accounts that differ in case, when they are asked for, twice and with others, then each is exact."""
    small, capital = await given_account(shop, "erp"), await given_account(shop, "Erp", role=Role.ADMIN)
    assert await shop.reads.accounts(["Erp", "none", "erp", "Erp"]) == [capital, None, small, capital]
    assert await shop.reads.accounts([]) == []


async def test_a_list_of_accounts_is_in_the_order_of_code_points_and_without_closed_ones(shop: Shop) -> None:
    """Given accounts of which one is closed, when they are paged through, then each other one comes once, in order."""
    for outcome in await shop.batch(*map(create_account, CODES), by=LOCAL_PRINCIPAL):
        accepted(outcome)
    await shop.accept(AccountArchive(code="till-2"), by=LOCAL_PRINCIPAL)
    in_order = sorted(set(CODES) - {"till-2"})

    async def ask(after: str | None) -> list[str]:
        return [one.code for one in await shop.reads.account_page(after=after, limit=2)]

    assert await all_pages(ask) == in_order
    assert await shop.reads.account_page(after=None, limit=9) == await shop.reads.accounts(in_order)


async def test_keys_are_found_whatever_became_of_them(shop: Shop) -> None:
    """Given a revoked key and one of a closed account, when they are read, then they are there, in order of making."""
    await given_account(shop)
    await given_account(shop, "closed")
    first, second = await given_key(shop), await given_key(shop)
    orphan = await given_key(shop, account="closed")
    await shop.accept(ApiKeyRevoke(key_id=first.made.key_id), by=LOCAL_PRINCIPAL)
    await shop.accept(AccountArchive(code="closed"), by=LOCAL_PRINCIPAL)
    keys = [await key_of(shop, one) for one in (first, second, orphan)]
    assert keys[0].revoked_at is not None
    assert await shop.reads.api_keys_of(["closed", "none", "erp", "erp"]) == [
        (keys[2],),
        (),
        (keys[0], keys[1]),
        (keys[0], keys[1]),
    ]
    assert await shop.reads.api_keys_of([]) == []
    assert await shop.reads.api_keys([keys[2].id, "0" * 16, keys[0].id]) == [keys[2], None, keys[0]]


async def test_credentials_come_with_the_account_behind_them(shop: Shop) -> None:
    """Given keys of two accounts, of which one is closed, when credentials are read, then both say so."""
    account = await given_account(shop)
    await given_account(shop, "closed")
    holder, orphan = await given_key(shop), await given_key(shop, account="closed")
    await shop.accept(AccountArchive(code="closed"), by=LOCAL_PRINCIPAL)
    known, unknown, closed = await shop.reads.credentials([holder.made.key_id, "0" * 16, orphan.made.key_id])
    assert known == (await key_of(shop, holder), account)
    assert unknown is None
    assert closed is not None
    assert (closed[1].code, closed[1].archived_at is None) == ("closed", False)


async def test_a_key_that_there_was_is_remembered_for_ever(shop: Shop) -> None:
    """Given no key, then one, then none that works, when it is asked whether there ever was one, then so it stays."""
    assert await shop.reads.has_api_keys() is False
    await given_account(shop)
    assert await shop.reads.has_api_keys() is False
    holder = await given_key(shop)
    assert await shop.reads.has_api_keys() is True
    await shop.accept(ApiKeyRevoke(key_id=holder.made.key_id), by=LOCAL_PRINCIPAL)
    await shop.accept(AccountArchive(code="erp"), by=LOCAL_PRINCIPAL)
    assert await shop.reads.has_api_keys() is True


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
async def test_odd_texts_name_nobody(shop: Shop, text: str) -> None:
    """Given one account with a key, when odd texts are asked for, then they name nothing and stand at their place."""
    account = await given_account(shop, "A-1")
    await given_key(shop, account="A-1")
    assert await shop.reads.accounts([text]) == [None]
    assert await shop.reads.api_keys([text]) == [None]
    assert await shop.reads.api_keys_of([text]) == [()]
    assert await shop.reads.credentials([text]) == [None]
    assert await shop.reads.account_page(after=text, limit=9) == ([account] if text < "A-1" else [])


ONE_STATEMENT: list[Callable[[DatabaseReads], Awaitable[object]]] = [
    lambda reads: reads.accounts(["a", "b"]),
    lambda reads: reads.account_page(after=None, limit=9),
    lambda reads: reads.api_keys(["a", "b"]),
    lambda reads: reads.api_keys_of(["a", "b"]),
    lambda reads: reads.credentials(["a", "b"] * 500),
    lambda reads: reads.has_api_keys(),
]


@pytest.mark.parametrize("ask", ONE_STATEMENT, ids=range(len(ONE_STATEMENT)))
async def test_a_question_is_one_statement(shop: Shop, ask: Callable[[DatabaseReads], Awaitable[object]]) -> None:
    """Given a shop, when a question is asked, then the database is asked once."""
    async with shop.store.statements(shop.database) as seen:
        await ask(shop.reads)
    assert [text.split()[0] for text in seen] == ["SELECT"]

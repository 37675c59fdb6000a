"""Accounts and keys through the writer, on every database; the one rule: they are kept in the same one order as stock,
and a refused command leaves no trace.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.authentication import new_credential
from domain.accounts import (
    AccountArchive,
    AccountChanged,
    AccountUpdate,
    ApiKeyChanged,
    ApiKeyRevoke,
)
from domain.catalogue import ChannelUpsert, LocationUpsert
from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope
from domain.rejections import RejectionCode
from tests.app.account_commands import (
    CHIEF,
    HOUR,
    create_account,
    create_key,
    given_account,
    given_key,
    key_of,
    rotate_key,
)
from tests.app.shop import OPENING_HEAD, Shop, accepted, adjust, refusals, sale, within
from tests.domain.given import CENTRAL, CLERK, EAST, WEB, change

KEY_NOT_FOUND = [(RejectionCode.API_KEY_NOT_FOUND, "apiKeyId")]
ACCOUNT_NOT_FOUND = [(RejectionCode.ACCOUNT_NOT_FOUND, "accountId")]
FORBIDDEN = [(RejectionCode.FORBIDDEN, "")]
ONE_PLACE = Scope(channels=frozenset({WEB}), locations=frozenset({EAST, CENTRAL}))


class TestKept:
    @pytest.mark.parametrize("scope", [Scope(), ONE_PLACE, Scope(channels=frozenset())])
    async def test_an_account_is_kept_with_its_event(self, shop: Shop, scope: Scope) -> None:
        """Given nothing, when an account is created, then it is read back just so, at the next position."""
        receipt = await shop.accept(create_account(scope=scope), by=CHIEF)
        (event,) = receipt.events
        assert isinstance(event, AccountChanged)
        assert (receipt.position, event.changed_by) == (OPENING_HEAD + 1, "office/chief")
        assert (event.account.code, event.account.role, event.account.scope) == ("erp", Role.BACKOFFICE, scope)
        assert await shop.reads.accounts(["erp"]) == [event.account]

    async def test_the_same_account_again_leaves_no_trace(self, shop: Shop) -> None:
        """Given an account, when it is created again, then nothing is written."""
        await shop.accept(create_account(scope=ONE_PLACE), by=CHIEF)
        before = await shop.store.dump()
        assert (await shop.accept(create_account(scope=ONE_PLACE), by=CHIEF)).events == ()
        assert await shop.store.dump() == before
        assert await shop.refuse(create_account(), by=CHIEF) == [(RejectionCode.ACCOUNT_EXISTS, "code")]

    async def test_a_changed_and_a_closed_account_are_read_as_such(self, shop: Shop) -> None:
        """Given an account, when it is changed and then closed, then readers see the change, and then none."""
        known = await given_account(shop)
        update = AccountUpdate(code="erp", fields={"name": "ERP", "role": Role.PARTNER, "scope_channels": frozenset()})
        (changed,) = (await shop.accept(update, by=CHIEF)).events
        (read,) = await shop.reads.accounts(["erp"])
        assert read is not None
        assert isinstance(changed, AccountChanged)
        expected = replace(known, name="ERP", role=Role.PARTNER, scope=Scope(channels=frozenset()))
        assert read == changed.account == replace(expected, updated_at=read.updated_at)
        await shop.accept(AccountArchive(code="erp"), by=CHIEF)
        assert await shop.reads.accounts(["erp"]) == [None]
        assert await shop.refuse(update, by=CHIEF) == ACCOUNT_NOT_FOUND
        assert await shop.refuse(create_account(), by=CHIEF) == [(RejectionCode.ACCOUNT_EXISTS, "code")]

    async def test_nobody_closes_their_own_account(self, shop: Shop) -> None:
        """Given the caller's account, when they archive it, then that is refused."""
        await given_account(shop, "office", role=Role.ADMIN)
        assert await shop.refuse(AccountArchive(code="office"), by=CHIEF) == [
            (RejectionCode.INVALID_INPUT, "accountId")
        ]

    async def test_a_key_is_kept_without_its_secret(self, shop: Shop) -> None:
        """Given an account, when a key is created, rotated and revoked, then no table ever holds a secret."""
        await given_account(shop)
        first, second = await given_key(shop, scope=ONE_PLACE), new_credential()
        key = await key_of(shop, first)
        assert (key.account, key.name, key.scope, key.created_by) == ("erp", "nightly", ONE_PLACE, "local")
        assert (key.digest, key.expires_at, key.revoked_at) == (first.made.digest, None, None)
        await shop.accept(rotate_key(key.id, second), by=CHIEF)
        await shop.accept(ApiKeyRevoke(key_id=key.id), by=CHIEF)
        kept = repr(await shop.store.dump())
        for made in (first.made, second):
            assert made.token.split("_", 2)[2] not in kept
            assert made.digest in kept

    async def test_scopes_name_places_that_are_there(self, shop: Shop) -> None:
        """Given two places, when a scope names others, then nothing is created."""
        elsewhere = Scope(channels=frozenset({WEB, "shop"}))
        not_found = [(RejectionCode.CHANNEL_NOT_FOUND, "channelIds")]
        assert await shop.refuse(create_account(scope=elsewhere), by=CHIEF) == not_found
        await given_account(shop)
        assert await shop.refuse(create_key(new_credential(), scope=elsewhere), by=CHIEF) == not_found
        nowhere = Scope(locations=frozenset({"NOWHERE"}))
        assert await shop.refuse(create_key(new_credential(), scope=nowhere), by=CHIEF) == [
            (RejectionCode.LOCATION_NOT_FOUND, "locationIds")
        ]
        assert await shop.refuse(create_key(new_credential(), account="none"), by=CHIEF) == ACCOUNT_NOT_FOUND


class TestKeys:
    async def test_a_rotated_key_ends_with_the_overlap(self, shop: Shop) -> None:
        """Given a key, when it is rotated, then it works until an hour from then, and is not rotated again."""
        await given_account(shop)
        old, made = await given_key(shop), new_credential()
        receipt = await shop.accept(rotate_key(old.made.key_id, made), by=CHIEF)
        successor, ending = receipt.events
        assert isinstance(successor, ApiKeyChanged)
        assert isinstance(ending, ApiKeyChanged)
        assert await shop.reads.api_keys([made.key_id, old.made.key_id]) == [successor.key, ending.key]
        assert ending.key.expires_at == successor.key.created_at + HOUR
        assert ending.key.replaced_by == made.key_id
        assert receipt.position == OPENING_HEAD + 4
        assert await shop.refuse(rotate_key(old.made.key_id, new_credential()), by=CHIEF) == KEY_NOT_FOUND

    async def test_a_key_that_opens_nothing_is_not_rotated(self, shop: Shop) -> None:
        """Given keys that were revoked, have expired or belong to a closed account, when rotated, then they stay."""
        await given_account(shop)
        await given_account(shop, "closed")
        revoked, expired, orphan = [await given_key(shop, account=one) for one in ("erp", "erp", "closed")]
        await shop.accept(ApiKeyRevoke(key_id=revoked.made.key_id), by=CHIEF)
        await shop.accept(rotate_key(expired.made.key_id, new_credential(), overlap=timedelta(0)), by=CHIEF)
        await shop.accept(AccountArchive(code="closed"), by=CHIEF)
        for holder in (revoked, expired, orphan):
            assert await shop.refuse(rotate_key(holder.made.key_id, new_credential()), by=CHIEF) == KEY_NOT_FOUND

    async def test_revoking_twice_keeps_the_first_moment(self, shop: Shop) -> None:
        """Given a revoked key, when it is revoked again, then nothing is written."""
        await given_account(shop)
        holder = await given_key(shop)
        revoke = ApiKeyRevoke(key_id=holder.made.key_id)
        (event,) = (await shop.accept(revoke, by=CHIEF)).events
        before = await shop.store.dump()
        assert (await shop.accept(revoke, by=CHIEF)).events == ()
        assert await shop.store.dump() == before
        assert isinstance(event, ApiKeyChanged)
        assert await key_of(shop, holder) == event.key
        assert event.key.revoked_at is not None
        assert await shop.refuse(ApiKeyRevoke(key_id="0" * 16), by=CHIEF) == KEY_NOT_FOUND


class TestBatches:
    async def test_what_a_batch_creates_is_seen_by_what_follows_in_it(self, shop: Shop) -> None:
        """Given nothing, when a channel, an account that sees it and a key come in one batch, then all are kept, in
        order.
        """
        made, scope = new_credential(), Scope(channels=frozenset({"shop"}))
        outcomes = await shop.batch(
            ChannelUpsert(code="shop", fields={}),
            create_account(scope=scope),
            create_key(made, scope=scope),
            rotate_key(made.key_id, new_credential()),
            rotate_key(made.key_id, new_credential()),
            by=LOCAL_PRINCIPAL,
        )
        assert [accepted(one).position - OPENING_HEAD for one in outcomes[:4]] == [1, 2, 3, 5]
        assert refusals(outcomes[4]) == KEY_NOT_FOUND
        assert await shop.count_of("api_keys") == 2

    async def test_of_two_rotations_in_one_batch_one_is_refused(self, shop: Shop) -> None:
        """Given a key, when two callers rotate it at once, then there is one successor."""
        await given_account(shop)
        old = (await given_key(shop)).made.key_id
        first, second = await shop.batch(rotate_key(old, new_credential()), rotate_key(old, new_credential()), by=CHIEF)
        accepted(first)
        assert refusals(second) == KEY_NOT_FOUND
        assert await shop.count_of("api_keys") == 2

    async def test_a_key_of_an_account_that_the_batch_closes_is_refused(self, shop: Shop) -> None:
        """Given an account, when it is closed in the batch that changes its keys, then it comes too late for them."""
        await given_account(shop)
        old = (await given_key(shop)).made.key_id
        closed, created, rotated = await shop.batch(
            AccountArchive(code="erp"),
            create_key(new_credential()),
            rotate_key(old, new_credential()),
            by=CHIEF,
        )
        accepted(closed)
        assert refusals(created) == ACCOUNT_NOT_FOUND
        assert refusals(rotated) == KEY_NOT_FOUND
        assert await shop.count_of("api_keys") == 1

    async def test_all_or_nothing_holds_for_accounts_too(self, shop: Shop) -> None:
        """Given no such channel, when an account and its key are created together, then neither is."""
        before = await shop.store.dump()
        elsewhere = Scope(channels=frozenset({"shop"}))
        call = shop.writer.execute_together(
            [create_account(), create_key(new_credential(), scope=elsewhere)], by=LOCAL_PRINCIPAL
        )
        ((account, key),) = await shop.settle(call)  # type: ignore[misc]  # nothing was raised
        assert refusals(account) == [(RejectionCode.BULK_REFUSED, "")]
        assert refusals(key) == [(RejectionCode.CHANNEL_NOT_FOUND, "channelIds")]
        assert await shop.store.dump() == before


def of(role: Role, *, scope: Scope = EVERYTHING, account: str = "acme") -> Principal:
    """Return a caller of CLERK's account."""
    return Principal(account=account, name=f"{account}/{role}", role=role, scope=scope)


NOTHING_SEEN = Scope(channels=frozenset(), locations=frozenset())


class TestPrecedence:
    async def test_a_malformed_command_is_refused_before_the_role_is_looked_at(self, shop: Shop) -> None:
        """Given a role that may not, when its command is malformed too, then the input is refused; else the role."""
        storefront = of(Role.STOREFRONT)
        assert await shop.refuse(sale(1, key=""), by=storefront) == [(RejectionCode.INVALID_INPUT, "idempotencyKey")]
        assert await shop.refuse(sale(1, key="a"), by=storefront) == FORBIDDEN
        assert await shop.refuse(create_account(" "), by=storefront) == [(RejectionCode.INVALID_INPUT, "code")]
        assert await shop.refuse(create_account(), by=CLERK) == FORBIDDEN

    async def test_a_role_is_refused_before_a_replay_is_answered(self, shop: Shop) -> None:
        """Given a key in use, when a role that may not sends it, or another change, then the role is refused."""
        await shop.accept(sale(1, key="a"))
        for quantity in (1, 2):
            assert await shop.refuse(sale(quantity, key="a"), by=of(Role.DASHBOARD)) == FORBIDDEN

    async def test_another_key_of_the_account_is_given_the_replay_whatever_it_sees(self, shop: Shop) -> None:
        """Given a change, when a key of the same account that sees nothing repeats it, then it has the answer."""
        first = await shop.accept(sale(1, key="a"))
        before = await shop.store.dump()
        again = await shop.accept(sale(1, key="a"), by=of(Role.PARTNER, scope=NOTHING_SEEN))
        assert (again.replayed, again.adjustment) == (True, first.adjustment)
        assert await shop.store.dump() == before

    async def test_a_mismatch_is_told_before_what_is_not_seen(self, shop: Shop) -> None:
        """Given a key in use, when it comes with another change at a place that is not seen, then it is a mismatch."""
        await shop.accept(sale(1, key="a"))
        narrow = of(Role.PARTNER, scope=NOTHING_SEEN)
        assert await shop.refuse(sale(2, key="a"), by=narrow) == [
            (RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH, "idempotencyKey")
        ]
        assert await shop.refuse(sale(2, key="b"), by=narrow) == [
            (RejectionCode.LOCATION_NOT_FOUND, "adjustments.0.locationId")
        ]

    async def test_another_account_has_keys_of_its_own(self, shop: Shop) -> None:
        """Given a change, when another account sends the same key, then it is a change of its own."""
        await shop.accept(sale(1, key="a"))
        other = await shop.accept(sale(1, key="a"), by=of(Role.PARTNER, account="globex"))
        assert not other.replayed
        assert await shop.on_hand() == 8

    async def test_scopes_of_one_batch_do_not_mix(self, shop: Shop) -> None:
        """Given callers of different scopes, when they share a batch, then each is answered by their own."""
        command = adjust(change(EAST, -1), change(CENTRAL, -1), key="both")
        east = of(Role.PARTNER, scope=Scope(locations=frozenset({EAST})), account="east")
        narrow, wide, again = await shop.settle(
            shop.writer.execute(command, by=east),
            shop.writer.execute(command, by=CLERK),
            shop.writer.execute(sale(1, key="mine"), by=east),
        )
        assert refusals(narrow) == [(RejectionCode.LOCATION_NOT_FOUND, "adjustments.1.locationId")]
        accepted(wide)
        accepted(again)
        assert (await shop.on_hand(), await shop.on_hand(CENTRAL)) == (8, 4)

    async def test_a_forbidden_command_is_answered_without_the_database(self, shop: Shop) -> None:
        """Given a writer that does not run, when a role that may not asks, then it is answered at once."""
        outcome = await within(shop.writer.execute(LocationUpsert(code="NEW", fields={}), by=of(Role.CHANNEL)))
        assert refusals(outcome) == FORBIDDEN

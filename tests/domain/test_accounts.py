"""Accounts: created once, changed by field, closed for ever; the one rule: a refused command changes nothing."""

from dataclasses import replace
from datetime import datetime

import pytest

from domain.account_records import Account
from domain.accounts import (
    ACCOUNT_CODE_LENGTH_MAX,
    SCOPE_CODES_MAX,
    AccountArchive,
    AccountChanged,
    AccountCommand,
    AccountCreate,
    AccountFields,
    AccountUpdate,
    ApiKeyCreate,
    ApiKeyRevoke,
)
from domain.principals import EVERYTHING, LOCAL_PRINCIPAL, Principal, Role, Scope
from domain.rejections import RejectionCode
from domain.text import encode_node_id
from tests.domain.given import EARLIER, EAST, NOW, WEB, Fact, channel, given, location

INVALID_INPUT = RejectionCode.INVALID_INPUT
CHIEF = Principal(account="office", name="office/chief", role=Role.ADMIN)
EVERY_PLACE = (location(), channel())
ONE_PLACE = Scope(channels=frozenset({WEB}), locations=frozenset({EAST}))
UNKNOWN_PLACES = Scope(channels=frozenset({"shop", "bazaar"}), locations=frozenset({"NOWHERE"}))


def account(
    code: str = "erp", *, role: Role = Role.BACKOFFICE, scope: Scope = EVERYTHING, archived_at: datetime | None = None
) -> Account:
    """Return an account that has been there for a while."""
    return Account(
        code=code,
        name="The ERP",
        role=role,
        scope=scope,
        created_at=EARLIER,
        updated_at=EARLIER,
        archived_at=archived_at,
    )


def create(code: str = "erp", *, name: str | None = "The ERP", scope: Scope = EVERYTHING) -> AccountCreate:
    """Return the command that creates the account above."""
    return AccountCreate(code=code, name=name, role=Role.BACKOFFICE, scope=scope)


class TestCreate:
    @pytest.mark.parametrize("scope", [EVERYTHING, ONE_PLACE, Scope(channels=frozenset())])
    def test_it_begins_as_it_is_told(self, scope: Scope) -> None:
        """Given the places of its scope, when it is created, then it is there from now on."""
        outcome = given(*EVERY_PLACE).when(create(scope=scope), by=CHIEF)
        begun = replace(account(scope=scope), created_at=NOW, updated_at=NOW)
        state = outcome.then(AccountChanged(account=begun, changed_by="office/chief"))
        assert state.accounts == {"erp": begun}

    def test_the_same_again_changes_nothing(self) -> None:
        """Given the account, when it is created just so again, then nothing happens and nothing is refused."""
        given(account(scope=ONE_PLACE), *EVERY_PLACE).when(create(scope=ONE_PLACE), by=CHIEF).then()

    @pytest.mark.parametrize(
        "known",
        [
            account(role=Role.STOREFRONT),
            account(scope=ONE_PLACE),
            replace(account(), name=None),
            account(archived_at=EARLIER),
        ],
        ids=["role", "scope", "name", "archived"],
    )
    def test_another_account_of_the_code_is_in_the_way(self, known: Account) -> None:
        """Given another account, closed or not, when its code is used again, then that is refused."""
        message = "There is, or was, another account 'erp'; choose another code, or use accountUpdate."
        outcome = given(known).when(create(), by=CHIEF)
        outcome.then_refused(RejectionCode.ACCOUNT_EXISTS, "code", message=message)

    def test_every_place_of_its_scope_must_be_there(self) -> None:
        """Given no such places, when a scope names them, then locations are refused first, then each channel."""
        given(account()).when(create(scope=UNKNOWN_PLACES), by=CHIEF).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "locationIds"
        )
        given(location("NOWHERE")).when(create(scope=UNKNOWN_PLACES), by=CHIEF).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "channelIds", "channelIds"
        )

    def test_an_archived_place_is_as_good_as_missing(self) -> None:
        """Given archived places, when a scope names them, then they are not found."""
        gone = (location(archived_at=EARLIER), channel(archived_at=EARLIER))
        given(*gone).when(create(scope=ONE_PLACE), by=CHIEF).then_refused(
            RejectionCode.LOCATION_NOT_FOUND, "locationIds"
        )

    @pytest.mark.parametrize(
        ("code", "problems"),
        [
            ("", 1),
            (" erp", 1),
            ("e\x00rp", 1),
            ("x" * (ACCOUNT_CODE_LENGTH_MAX + 1), 1),
            ("x" * 256, 2),
            (encode_node_id("Account", "erp"), 1),
        ],
    )
    def test_a_code_that_cannot_be_is_refused(self, code: str, problems: int) -> None:
        """Given nothing, when the code is malformed, too long, or an id, then it is refused."""
        given().when(create(code), by=CHIEF).then_refused(INVALID_INPUT, *["code"] * problems)

    def test_the_longest_code_and_an_id_of_another_program_are_codes(self) -> None:
        """Given nothing, when the code is as long as may be, or looks like an id of others, then it is taken."""
        for code in ("x" * ACCOUNT_CODE_LENGTH_MAX, encode_node_id("Shop", "erp"), "LOCAL", "local"):
            begun = replace(account(code), created_at=NOW, updated_at=NOW)
            given().when(create(code), by=CHIEF).then(AccountChanged(account=begun, changed_by="office/chief"))


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (create(name="\x00"), "name"),
        (create(name="x" * 501), "name"),
        (create(scope=Scope(channels=frozenset({" "}))), "channelIds"),
        (create(scope=Scope(locations=frozenset({"a\n"}))), "locationIds"),
        (create(scope=Scope(channels=frozenset(map(str, range(SCOPE_CODES_MAX + 1))))), "channelIds"),
        (AccountUpdate(code=" ", fields={}), "accountId"),
        (AccountUpdate(code="erp", fields={"name": "\ud800"}), "name"),
        (AccountUpdate(code="erp", fields={"scope_channels": frozenset({""})}), "channelIds"),
        (AccountUpdate(code="erp", fields={"scope_locations": frozenset({"x" * 256})}), "locationIds"),
        (AccountArchive(code="\t"), "accountId"),
        (ApiKeyCreate(account="", key_id="a", digest="b"), "accountId"),
        (ApiKeyCreate(account="erp", key_id="a", digest="b", name="\x00"), "name"),
        (ApiKeyCreate(account="erp", key_id="a", digest="b", scope=Scope(channels=frozenset({""}))), "channelIds"),
        (ApiKeyRevoke(key_id=""), "apiKeyId"),
    ],
)
def test_what_is_malformed_is_refused_whatever_there_is(command: AccountCommand, field: str) -> None:
    """Given an account or none, when one field of a command is malformed, then the input is refused there."""
    for facts in ((), (account(),)):
        given(*facts).when(command, by=CHIEF).then_refused(INVALID_INPUT, field)


def test_a_scope_of_as_many_codes_as_may_be_is_taken() -> None:
    """Given so many channels, when a scope names them all, then the account is created."""
    codes = [str(number) for number in range(SCOPE_CODES_MAX)]
    scope = Scope(channels=frozenset(codes))
    begun = replace(account(scope=scope), created_at=NOW, updated_at=NOW)
    outcome = given(*map(channel, codes)).when(create(scope=scope), by=CHIEF)
    outcome.then(AccountChanged(account=begun, changed_by="office/chief"))


class TestUpdate:
    @pytest.mark.parametrize(
        ("fields", "changed"),
        [
            (AccountFields(name="Other"), replace(account(scope=ONE_PLACE), name="Other")),
            (AccountFields(name=None), replace(account(scope=ONE_PLACE), name=None)),
            (AccountFields(role=Role.PARTNER), account(role=Role.PARTNER, scope=ONE_PLACE)),
            (AccountFields(scope_channels=None), account(scope=replace(ONE_PLACE, channels=None))),
            (AccountFields(scope_locations=frozenset()), account(scope=replace(ONE_PLACE, locations=frozenset()))),
            (
                AccountFields(scope_channels=frozenset(), scope_locations=None),
                account(scope=Scope(channels=frozenset(), locations=None)),
            ),
        ],
    )
    def test_named_fields_change_and_all_others_stay(self, fields: AccountFields, changed: Account) -> None:
        """Given an account, when some fields are named, then those are changed, from now on."""
        outcome = given(account(scope=ONE_PLACE)).when(AccountUpdate(code="erp", fields=fields), by=CHIEF)
        after = replace(changed, updated_at=NOW)
        state = outcome.then(AccountChanged(account=after, changed_by="office/chief"))
        assert state.accounts == {"erp": after}

    @pytest.mark.parametrize(
        "fields",
        [
            AccountFields(),
            AccountFields(name="The ERP", role=Role.BACKOFFICE),
            AccountFields(scope_channels=frozenset({WEB}), scope_locations=frozenset({EAST})),
        ],
    )
    def test_what_is_so_already_changes_nothing(self, fields: AccountFields) -> None:
        """Given an account, when its fields are named as they are, then nothing happens."""
        given(account(scope=ONE_PLACE), *EVERY_PLACE).when(AccountUpdate(code="erp", fields=fields), by=CHIEF).then()

    @pytest.mark.parametrize("facts", [(), (account(archived_at=EARLIER),), (account("ERP"),)])
    def test_no_open_account_of_the_code_is_refused(self, facts: tuple[Fact, ...]) -> None:
        """Given no such account, a closed one or one that differs in case, when it is changed, then it is missing."""
        message = "There is no account 'erp'; check the code or create it with accountCreate."
        for command in (AccountUpdate(code="erp", fields={"name": "x"}), AccountArchive(code="erp")):
            outcome = given(*facts).when(command, by=CHIEF)
            outcome.then_refused(RejectionCode.ACCOUNT_NOT_FOUND, "accountId", message=message)

    def test_new_places_must_be_there_and_old_ones_need_not(self) -> None:
        """Given a scope whose places are gone, when the name changes, then it may; when they are named, they are
        missing.
        """
        known = account(scope=ONE_PLACE)
        renamed = replace(known, name="x", updated_at=NOW)
        outcome = given(known).when(AccountUpdate(code="erp", fields={"name": "x"}), by=CHIEF)
        outcome.then(AccountChanged(account=renamed, changed_by="office/chief"))
        again = AccountUpdate(code="erp", fields={"scope_channels": frozenset({WEB})})
        given(known).when(again, by=CHIEF).then_refused(RejectionCode.CHANNEL_NOT_FOUND, "channelIds")


class TestArchive:
    def test_it_is_closed_now(self) -> None:
        """Given an account, when it is archived, then it is closed, and a second time finds none."""
        closed = replace(account(), archived_at=NOW, updated_at=NOW)
        outcome = given(account()).when(AccountArchive(code="erp"), by=CHIEF)
        state = outcome.then(AccountChanged(account=closed, changed_by="office/chief"))
        assert state.accounts == {"erp": closed}
        given(closed).when(AccountArchive(code="erp"), by=CHIEF).then_refused(
            RejectionCode.ACCOUNT_NOT_FOUND, "accountId"
        )

    def test_nobody_closes_their_own_account(self) -> None:
        """Given the caller's own account, when they archive it, then it stays; somebody else may."""
        own = account("office", role=Role.ADMIN)
        message = "This is the account of your own key; archive it with a key of another account."
        outcome = given(own).when(AccountArchive(code="office"), by=CHIEF)
        outcome.then_refused(INVALID_INPUT, "accountId", message=message)
        closed = replace(own, archived_at=NOW, updated_at=NOW)
        by_other = given(own).when(AccountArchive(code="office"), by=LOCAL_PRINCIPAL)
        by_other.then(AccountChanged(account=closed, changed_by="local"))

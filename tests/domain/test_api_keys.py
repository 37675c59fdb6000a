"""API keys: created, rotated, revoked; the one rule: no command makes a key open again that opens nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.account_records import ApiKey, principal_of
from domain.accounts import (
    OVERLAP_MAX,
    AccountArchive,
    ApiKeyChanged,
    ApiKeyCreate,
    ApiKeyRevoke,
    ApiKeyRotate,
)
from domain.principals import EVERYTHING, Principal, Role, Scope
from domain.rejections import RejectionCode
from tests.domain.given import EARLIER, EAST, NOW, WEB, Fact, channel, given, location
from tests.domain.test_accounts import CHIEF, EVERY_PLACE, ONE_PLACE, UNKNOWN_PLACES, account

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
NOT_FOUND = RejectionCode.API_KEY_NOT_FOUND


def api_key(
    key_id: str = "old",
    *,
    scope: Scope = EVERYTHING,
    expires_at: datetime | None = None,
    revoked_at: datetime | None = None,
    replaced_by: str | None = None,
) -> ApiKey:
    """Return a key that has been there for a while."""
    return ApiKey(
        id=key_id,
        account="erp",
        name="nightly",
        digest=f"digest of {key_id}",
        scope=scope,
        created_at=EARLIER,
        created_by="local",
        expires_at=expires_at,
        revoked_at=revoked_at,
        replaced_by=replaced_by,
    )


def rotate(*, overlap: timedelta = HOUR, expires_at: datetime | None = None) -> ApiKeyRotate:
    """Return the command that replaces `old` by `new`."""
    return ApiKeyRotate(old_key_id="old", key_id="new", digest="digest of new", overlap=overlap, expires_at=expires_at)


def create(*, scope: Scope = EVERYTHING, expires_at: datetime | None = None) -> ApiKeyCreate:
    """Return the command that creates `new`."""
    return ApiKeyCreate(
        account="erp", key_id="new", digest="digest of new", name="nightly", scope=scope, expires_at=expires_at
    )


@pytest.mark.parametrize(
    ("key", "opens"),
    [
        (api_key(), True),
        (api_key(expires_at=NOW + MOMENT), True),
        (api_key(expires_at=NOW), False),
        (api_key(expires_at=NOW - MOMENT), False),
        (api_key(revoked_at=NOW), False),
        (api_key(revoked_at=EARLIER, expires_at=NOW + HOUR), False),
        (api_key(replaced_by="new", expires_at=NOW + HOUR), True),
    ],
)
def test_a_key_opens_until_it_is_revoked_or_expires(key: ApiKey, opens: bool) -> None:
    """Given a key, when it is used now, then it opens before its last moment only."""
    assert key.opens(at=NOW) is opens


@pytest.mark.parametrize(
    ("of_account", "of_key", "seen"),
    [
        (EVERYTHING, EVERYTHING, EVERYTHING),
        (ONE_PLACE, EVERYTHING, ONE_PLACE),
        (EVERYTHING, ONE_PLACE, ONE_PLACE),
        (
            Scope(channels=frozenset({WEB, "till"})),
            Scope(channels=frozenset({"till", "shop"}), locations=frozenset({EAST})),
            Scope(channels=frozenset({"till"}), locations=frozenset({EAST})),
        ),
        (Scope(locations=frozenset({EAST})), Scope(locations=frozenset({"WEST"})), Scope(locations=frozenset())),
    ],
)
def test_a_key_sees_what_it_and_its_account_may_both_see(of_account: Scope, of_key: Scope, seen: Scope) -> None:
    """Given two scopes, when the key is used, then its holder sees what both let through, be it nothing."""
    expected = Principal(account="erp", name="erp/nightly", role=Role.BACKOFFICE, scope=seen)
    assert principal_of(account(scope=of_account), api_key(scope=of_key)) == expected


def test_a_key_without_a_name_goes_by_its_id() -> None:
    """Given a key without a name, when it is used, then the audit trail shows its public part."""
    assert principal_of(account(), replace(api_key(), name=None)).name == "erp/old"


class TestCreate:
    @pytest.mark.parametrize("scope", [EVERYTHING, ONE_PLACE])
    @pytest.mark.parametrize("expires_at", [None, NOW + MOMENT])
    def test_an_account_is_given_a_key(self, scope: Scope, expires_at: datetime | None) -> None:
        """Given an account, when a key is created, then it is there, made now by the caller."""
        made = replace(api_key("new", scope=scope, expires_at=expires_at), created_at=NOW, created_by="office/chief")
        outcome = given(account(), *EVERY_PLACE).when(create(scope=scope, expires_at=expires_at), by=CHIEF)
        state = outcome.then(ApiKeyChanged(key=made, changed_by="office/chief"))
        assert state.api_keys == {"new": made}

    @pytest.mark.parametrize("facts", [(), (account(archived_at=EARLIER),)])
    def test_without_an_open_account_there_is_no_key(self, facts: tuple[Fact, ...]) -> None:
        """Given no account, or a closed one, when a key of it is created, then the account is missing."""
        given(*facts).when(create(), by=CHIEF).then_refused(RejectionCode.ACCOUNT_NOT_FOUND, "accountId")

    @pytest.mark.parametrize("expires_at", [NOW, EARLIER])
    def test_a_key_that_would_have_expired_is_refused(self, expires_at: datetime) -> None:
        """Given an account, when a key would open nothing from the first, then the input is refused."""
        message = "The key would have expired already; give a time to come, or none."
        outcome = given(account()).when(create(expires_at=expires_at), by=CHIEF)
        outcome.then_refused(RejectionCode.INVALID_INPUT, "expiresAt", message=message)

    def test_refusals_come_in_the_order_of_their_codes(self) -> None:
        """Given nothing of what is named, when each fault is mended in turn, then the next one is told."""
        everything_wrong = create(scope=UNKNOWN_PLACES, expires_at=EARLIER)
        given().when(everything_wrong, by=CHIEF).then_refused(RejectionCode.INVALID_INPUT, "expiresAt")
        in_time = create(scope=UNKNOWN_PLACES)
        given().when(in_time, by=CHIEF).then_refused(RejectionCode.LOCATION_NOT_FOUND, "locationIds")
        places: tuple[Fact, ...] = (location("NOWHERE"),)
        given(*places).when(in_time, by=CHIEF).then_refused(RejectionCode.CHANNEL_NOT_FOUND, "channelIds", "channelIds")
        places = (*places, channel("shop"), channel("bazaar"))
        given(*places).when(in_time, by=CHIEF).then_refused(RejectionCode.ACCOUNT_NOT_FOUND, "accountId")


class TestRotate:
    @pytest.mark.parametrize(
        ("expires_at", "overlap", "ends_at"),
        [
            (None, HOUR, NOW + HOUR),
            (None, timedelta(0), NOW),
            (None, OVERLAP_MAX, NOW + OVERLAP_MAX),
            (NOW + 2 * HOUR, HOUR, NOW + HOUR),
            (NOW + MOMENT, HOUR, NOW + MOMENT),
        ],
    )
    def test_the_old_key_opens_for_the_overlap_and_no_longer(
        self, expires_at: datetime | None, overlap: timedelta, ends_at: datetime
    ) -> None:
        """Given a key, when it is rotated, then its successor sees the same, and it ends with the overlap or before."""
        old = api_key(scope=ONE_PLACE, expires_at=expires_at)
        new = replace(
            api_key("new", scope=ONE_PLACE), created_at=NOW, created_by="office/chief", expires_at=NOW + 9 * HOUR
        )
        ending = replace(old, expires_at=ends_at, replaced_by="new")
        command = rotate(overlap=overlap, expires_at=NOW + 9 * HOUR)
        outcome = given(account(), old).when(command, by=CHIEF)
        state = outcome.then(
            ApiKeyChanged(key=new, changed_by="office/chief"), ApiKeyChanged(key=ending, changed_by="office/chief")
        )
        assert state.api_keys == {"new": new, "old": ending}
        assert ending.opens(at=ends_at - MOMENT)
        assert not ending.opens(at=ends_at)

    @pytest.mark.parametrize("is_ending", [False, True])
    def test_the_successor_is_made_for_as_long_as_the_old_key_was(self, is_ending: bool) -> None:
        """Given a key, when it is rotated, then the new one lasts as long as the old one was made for."""
        old = api_key(expires_at=NOW + HOUR if is_ending else None)
        state = given(account(), old).after(rotate(), by=CHIEF, at=NOW).state
        ends_at = NOW + (NOW + HOUR - old.created_at) if is_ending else None
        assert (state.api_keys["new"].expires_at, state.api_keys["old"].expires_at) == (ends_at, NOW + HOUR)

    def test_no_key_is_made_for_longer_than_there_is_time(self) -> None:
        """Given a key that ends with all time, when it is rotated, then its successor does too."""
        end = datetime.max.replace(tzinfo=UTC)
        state = given(account(), api_key(expires_at=end)).after(rotate(), by=CHIEF, at=NOW).state
        assert (state.api_keys["new"].expires_at, state.api_keys["old"].expires_at) == (end, NOW + HOUR)

    @pytest.mark.parametrize(
        "facts",
        [
            (account(),),
            (account(), api_key("OLD")),
            (account(), api_key(revoked_at=EARLIER)),
            (account(), api_key(expires_at=NOW)),
            (account(), api_key(replaced_by="newer", expires_at=NOW + HOUR)),
            (account(archived_at=EARLIER), api_key()),
        ],
        ids=["missing", "other case", "revoked", "expired", "rotated before", "account closed"],
    )
    def test_a_key_that_is_not_in_use_is_not_rotated(self, facts: tuple[Fact, ...]) -> None:
        """Given no key, or one that opens nothing or has its successor, when it is rotated, then it is missing."""
        message = "There is no API key 'old' that is in use; `stockgate keys list` shows those that are."
        given(*facts).when(rotate(), by=CHIEF).then_refused(NOT_FOUND, "apiKeyId", message=message)

    @pytest.mark.parametrize("overlap", [-MOMENT, OVERLAP_MAX + MOMENT, timedelta.max])
    def test_an_overlap_out_of_bounds_is_refused(self, overlap: timedelta) -> None:
        """Given a key, when the overlap is negative or beyond 90 days, then the input is refused."""
        message = "The overlap is not between 0 seconds and 90 days."
        outcome = given(account(), api_key()).when(rotate(overlap=overlap), by=CHIEF)
        outcome.then_refused(RejectionCode.INVALID_INPUT, "overlapSeconds", message=message)

    def test_a_malformed_id_is_refused_together_with_the_overlap(self) -> None:
        """Given nothing, when id and overlap are both malformed, then both places are named."""
        command = replace(rotate(overlap=-HOUR), old_key_id="")
        given().when(command, by=CHIEF).then_refused(RejectionCode.INVALID_INPUT, "apiKeyId", "overlapSeconds")

    def test_a_successor_that_would_have_expired_is_refused(self) -> None:
        """Given a key or none, when its successor would open nothing, then the input is refused first."""
        for facts in ((account(), api_key()), ()):
            given(*facts).when(rotate(expires_at=NOW), by=CHIEF).then_refused(RejectionCode.INVALID_INPUT, "expiresAt")


class TestRevoke:
    @pytest.mark.parametrize("known", [api_key(), api_key(expires_at=EARLIER), api_key(replaced_by="new")])
    def test_a_key_is_taken_away_now(self, known: ApiKey) -> None:
        """Given a key, expired and replaced ones too, when it is revoked, then it is so from now on, once."""
        taken = replace(known, revoked_at=NOW)
        outcome = given(account(), known).when(ApiKeyRevoke(key_id="old"), by=CHIEF)
        state = outcome.then(ApiKeyChanged(key=taken, changed_by="office/chief"))
        assert state.api_keys == {"old": taken}
        given(account(), taken).when(ApiKeyRevoke(key_id="old"), by=CHIEF, at=NOW + HOUR).then()

    def test_a_key_of_a_closed_account_can_be_taken_away(self) -> None:
        """Given a closed account, when its key is revoked, then that is kept, for the record."""
        scenario = given(account(), api_key()).after(AccountArchive(code="erp"), by=CHIEF)
        taken = replace(api_key(), revoked_at=NOW)
        scenario.when(ApiKeyRevoke(key_id="old"), by=CHIEF).then(ApiKeyChanged(key=taken, changed_by="office/chief"))

    def test_an_unknown_key_is_refused(self) -> None:
        """Given another key, when one that is not there is revoked, then it is missing."""
        given(account(), api_key("other")).when(ApiKeyRevoke(key_id="old"), by=CHIEF).then_refused(
            NOT_FOUND, "apiKeyId"
        )

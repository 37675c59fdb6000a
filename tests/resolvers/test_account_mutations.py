"""Accounts and keys through the schema; the one rule: a secret is answered once, and only administrators who see all
may ask.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.authentication import UNKNOWN_CREDENTIAL, Unauthenticated
from domain.principals import Principal, Role, Scope
from domain.text import encode_node_id
from resolvers.node_ids import account_id, api_key_id, channel_id, location_id
from tests.resolvers.desk import EAST, MUG, TILL, WEB, WEST, Answer, Desk, Refusal, delta, refusals

ACCOUNT = "account { id code name role channelIds locationIds }"
KEY = "apiKey { id keyId accountId name channelIds locationIds createdBy expiresAt revokedAt replacedBy } token"
ALL_ACCOUNTS = "{ accounts { nodes { code apiKeys { keyId revokedAt } } } }"
INPUTS = {
    "accountCreate": "AccountCreateInput",
    "accountUpdate": "AccountUpdateInput",
    "accountArchive": "AccountArchiveInput",
    "apiKeyCreate": "ApiKeyCreateInput",
    "apiKeyRotate": "ApiKeyRotateInput",
    "apiKeyRevoke": "ApiKeyRevokeInput",
}
PLAIN_INPUTS: dict[str, dict[str, object]] = {
    "accountCreate": {"code": "erp", "role": "ADMIN"},
    "accountUpdate": {"accountId": "erp", "role": "ADMIN"},
    "accountArchive": {"accountId": "erp"},
    "apiKeyCreate": {"accountId": "erp"},
    "apiKeyRotate": {"apiKeyId": "0123456789abcdef"},
    "apiKeyRevoke": {"apiKeyId": "0123456789abcdef"},
}


async def run(desk: Desk, mutation: str, selection: str, **input: object) -> Answer:
    """Run a mutation that must be accepted and return its payload without the refusals."""
    payload = await desk.change(mutation, INPUTS[mutation], f"{selection} userErrors {{ code field message }}", input)
    assert payload.pop("userErrors") == [], payload
    return payload


async def refused(desk: Desk, mutation: str, **input: object) -> list[Refusal]:
    """Run a mutation that must be refused, prove that nothing changed, and return the reasons and where they lie."""
    everything = replace(desk, principal=replace(desk.principal, role=Role.ADMIN, scope=Scope()))
    before = await desk.position(), await everything.ask(ALL_ACCOUNTS)
    what = ACCOUNT if mutation.startswith("account") else KEY
    payload = await desk.change(mutation, INPUTS[mutation], f"{what} userErrors {{ code field message }}", input)
    assert (await desk.position(), await everything.ask(ALL_ACCOUNTS)) == before
    reasons = refusals(payload)
    del payload["userErrors"]
    assert set(payload.values()) == {None}
    assert [field.split(".")[0] for _, field in reasons] == ["input"] * len(reasons)
    return [(code, field.removeprefix("input").removeprefix(".")) for code, field in reasons]


async def new_key(desk: Desk, **input: object) -> tuple[str, str]:
    """Create a key of the account erp; return its public part and its token."""
    payload = await run(desk, "apiKeyCreate", KEY, accountId="erp", **input)
    return payload["apiKey"]["keyId"], payload["token"]


async def caller(desk: Desk, token: str) -> Principal:
    """Return who the holder of a token is to the gateway."""
    return await desk.gateway.authenticator.principal(f"Bearer {token}")


async def is_out(desk: Desk, token: str) -> bool:
    """Return whether the token opens nothing."""
    try:
        await caller(desk, token)
    except Unauthenticated as error:
        return str(error) == UNKNOWN_CREDENTIAL
    return False


def seen_as(desk: Desk, role: Role, scope: Scope = Scope()) -> Desk:  # noqa: B008  # it never changes
    """Return the desk of a caller with this role and scope."""
    return replace(desk, principal=Principal(account="acme", name="acme/clerk", role=role, scope=scope))


class TestAccounts:
    async def test_an_account_is_created_with_a_scope_of_ids_and_codes(self, desk: Desk) -> None:
        """Given places, when an account is created with their ids or codes, then it is answered with the codes."""
        payload = await run(
            desk,
            "accountCreate",
            ACCOUNT,
            code="erp",
            role="PARTNER",
            name="The ERP",
            channelIds=[channel_id(WEB), TILL],
            locationIds=[WEST, location_id(EAST), EAST],
        )
        expected = {
            "id": account_id("erp"),
            "code": "erp",
            "name": "The ERP",
            "role": "PARTNER",
            "channelIds": sorted([TILL, WEB]),
            "locationIds": [EAST, WEST],
        }
        assert payload == {"account": expected}
        for either in ("erp", account_id("erp")):
            document = f"query q($id: ID!) {{ account(id: $id) {{ {ACCOUNT[10:-2]} }} }}"
            assert await desk.ask(document, id=either) == {"account": expected}
        node = "query q($id: ID!) { node(id: $id) { __typename ... on Account { code } } }"
        assert await desk.ask(node, id=account_id("erp")) == {"node": {"__typename": "Account", "code": "erp"}}

    async def test_the_same_again_changes_nothing_and_another_is_refused(self, desk: Desk) -> None:
        """Given an account, when it is created again, then the same is answered; with another role it is refused."""
        first = await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        position = await desk.position()
        assert await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER") == first
        assert await desk.position() == position
        assert await refused(desk, "accountCreate", code="erp", role="ADMIN") == [("ACCOUNT_EXISTS", "code")]

    @pytest.mark.parametrize(
        ("input", "after"),
        [
            ({}, {}),
            ({"name": None}, {"name": None}),
            ({"role": None}, {}),
            ({"role": "CHANNEL"}, {"role": "CHANNEL"}),
            ({"channelIds": None}, {"channelIds": None}),
            ({"channelIds": []}, {"channelIds": []}),
            ({"locationIds": [location_id(EAST)]}, {"locationIds": [EAST]}),
        ],
    )
    async def test_fields_that_are_left_out_stay_and_null_clears(
        self, desk: Desk, input: dict[str, Any], after: dict[str, Any]
    ) -> None:
        """Given an account, when some of its fields are named, then those change, and the answer is as it is read."""
        made = await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER", name="ERP", channelIds=[WEB])
        payload = await run(desk, "accountUpdate", ACCOUNT, accountId=account_id("erp"), **input)
        assert payload == {"account": made["account"] | after}

    async def test_a_closed_account_is_as_good_as_missing(self, desk: Desk) -> None:
        """Given an account with a key, when it is archived, then it is gone from every list, and its key is out."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        _, token = await new_key(desk)
        assert (await caller(desk, token)).account == "erp"
        assert await run(desk, "accountArchive", ACCOUNT, accountId="erp") == {"account": None}
        assert await is_out(desk, token)
        assert await desk.ask('{ account(id: "erp") { code } accounts { nodes { code } } }') == {
            "account": None,
            "accounts": {"nodes": []},
        }
        assert await refused(desk, "accountArchive", accountId="erp") == [("ACCOUNT_NOT_FOUND", "accountId")]
        assert await refused(desk, "apiKeyCreate", accountId="erp") == [("ACCOUNT_NOT_FOUND", "accountId")]

    async def test_nobody_closes_their_own_account(self, desk: Desk) -> None:
        """Given an administrator's account, when they archive it, then it stays."""
        await run(desk, "accountCreate", ACCOUNT, code="acme", role="ADMIN")
        chief = seen_as(desk, Role.ADMIN)
        assert await refused(chief, "accountArchive", accountId="acme") == [("INVALID_INPUT", "accountId")]

    async def test_refusals_name_the_field(self, desk: Desk) -> None:
        """Given no such places or accounts, when they are named, then each refusal says where."""
        not_found = [("CHANNEL_NOT_FOUND", "channelIds")]
        assert await refused(desk, "accountCreate", code="a", role="ADMIN", channelIds=["shop"]) == not_found
        assert await refused(desk, "accountCreate", code="", role="ADMIN") == [("INVALID_INPUT", "code")]
        assert await refused(desk, "accountUpdate", accountId="none") == [("ACCOUNT_NOT_FOUND", "accountId")]
        foreign = encode_node_id("Channel", "erp")
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="ADMIN")
        assert await refused(desk, "accountArchive", accountId=foreign) == [("ACCOUNT_NOT_FOUND", "accountId")]


class TestKeys:
    async def test_the_token_is_answered_once_and_opens(self, desk: Desk) -> None:
        """Given an account, when a key is created, then its token opens at once, and no question ever shows it."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER", locationIds=[EAST, WEST])
        end = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)
        payload = await run(
            desk, "apiKeyCreate", KEY, accountId="erp", name="nightly", locationIds=[EAST], expiresAt=end.isoformat()
        )
        key_id = payload["apiKey"]["keyId"]
        assert payload["apiKey"] == {
            "id": api_key_id(key_id),
            "keyId": key_id,
            "accountId": "erp",
            "name": "nightly",
            "channelIds": None,
            "locationIds": [EAST],
            "createdBy": "local",
            "expiresAt": end.isoformat(),
            "revokedAt": None,
            "replacedBy": None,
        }
        assert payload["token"].startswith(f"sgk_{key_id}_")
        expected = Principal(
            account="erp", name="erp/nightly", role=Role.PARTNER, scope=Scope(locations=frozenset({EAST}))
        )
        assert await caller(desk, payload["token"]) == expected
        node = "query q($id: ID!) { node(id: $id) { ... on ApiKey { keyId revokedAt } } }"
        assert await desk.ask(node, id=api_key_id(key_id)) == {"node": {"keyId": key_id, "revokedAt": None}}

    async def test_a_secret_is_in_no_file(self, desk: Desk) -> None:
        """Given keys that were created, rotated and used, when every byte is searched, then no secret is there."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        key_id, token = await new_key(desk)
        rotated = await run(desk, "apiKeyRotate", KEY, apiKeyId=key_id)
        await caller(desk, token)
        await caller(desk, rotated["token"])
        file = desk.gateway.settings.sqlite_path
        kept = b"".join(path.read_bytes() for path in Path(file).parent.glob(f"{file.name}*"))
        assert kept.count(key_id.encode()) > 0
        for one in (token, rotated["token"]):
            assert kept.count(one.split("_", 2)[2].encode()) == 0

    async def test_a_rotated_key_goes_on_for_the_overlap(self, desk: Desk) -> None:
        """Given a key, when it is rotated, then both open, the old one for the overlap; no second time."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        key_id, token = await new_key(desk, name="nightly", channelIds=[WEB])
        payload = await run(desk, "apiKeyRotate", KEY, apiKeyId=api_key_id(key_id), overlapSeconds=60)
        assert (payload["apiKey"]["name"], payload["apiKey"]["channelIds"]) == ("nightly", [WEB])
        assert await caller(desk, token) == await caller(desk, payload["token"])
        keys = (await desk.ask('{ account(id: "erp") { apiKeys { keyId replacedBy createdAt expiresAt } } }'))[
            "account"
        ]
        old, new = keys["apiKeys"]
        assert (old["keyId"], old["replacedBy"]) == (key_id, new["keyId"])
        ends_at, made_at = datetime.fromisoformat(old["expiresAt"]), datetime.fromisoformat(new["createdAt"])
        assert ends_at - made_at == timedelta(seconds=60)
        assert await refused(desk, "apiKeyRotate", apiKeyId=key_id) == [("API_KEY_NOT_FOUND", "apiKeyId")]
        again = await run(desk, "apiKeyRotate", KEY, apiKeyId=new["keyId"], overlapSeconds=0)
        assert await is_out(desk, payload["token"])
        assert not await is_out(desk, again["token"])

    @pytest.mark.parametrize(
        ("input", "field"),
        [
            ({"overlapSeconds": -1}, "overlapSeconds"),
            ({"overlapSeconds": 90 * 86_400 + 1}, "overlapSeconds"),
            ({"overlapSeconds": 2**31 - 1}, "overlapSeconds"),
            ({"expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ],
    )
    async def test_a_rotation_out_of_bounds_is_refused(self, desk: Desk, input: dict[str, Any], field: str) -> None:
        """Given a key, when the overlap or the end cannot be, then it is refused there, and the key goes on."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        key_id, token = await new_key(desk)
        assert await refused(desk, "apiKeyRotate", apiKeyId=key_id, **input) == [("INVALID_INPUT", field)]
        assert not await is_out(desk, token)

    async def test_a_revoked_key_is_out_at_once_and_stays_on_record(self, desk: Desk) -> None:
        """Given a key in use, when it is revoked, then it is out with the answer, and twice is as once."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        key_id, token = await new_key(desk)
        await caller(desk, token)
        first = await run(desk, "apiKeyRevoke", KEY, apiKeyId=key_id)
        assert first["token"] is None
        assert first["apiKey"]["revokedAt"] is not None
        assert await is_out(desk, token)
        position = await desk.position()
        assert await run(desk, "apiKeyRevoke", KEY, apiKeyId=api_key_id(key_id)) == first
        assert await desk.position() == position
        for mutation in ("apiKeyRotate", "apiKeyRevoke"):
            unknown = await refused(desk, mutation, apiKeyId="0" * 16)
            assert unknown == [("API_KEY_NOT_FOUND", "apiKeyId")]

    async def test_a_changed_account_counts_for_its_keys_at_once(self, desk: Desk) -> None:
        """Given a key in use, when its account changes role and scope, then the next request is another principal."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        _, token = await new_key(desk, locationIds=[EAST])
        assert (await caller(desk, token)).role is Role.PARTNER
        await run(desk, "accountUpdate", ACCOUNT, accountId="erp", role="DASHBOARD", locationIds=[WEST])
        changed = await caller(desk, token)
        assert (changed.role, changed.scope) == (Role.DASHBOARD, Scope(locations=frozenset()))

    async def test_the_first_key_closes_the_gateway(self, desk: Desk) -> None:
        """Given an open gateway, when its first key is created, then whoever comes without one is out at once."""
        authenticator = desk.gateway.authenticator
        assert (await authenticator.principal(None)).role is Role.ADMIN
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        assert (await authenticator.principal(None)).role is Role.ADMIN
        await new_key(desk)
        with pytest.raises(Unauthenticated):
            await authenticator.principal(None)


class TestWhoMay:
    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
    @pytest.mark.parametrize("mutation", INPUTS)
    async def test_other_roles_change_no_accounts(self, desk: Desk, role: Role, mutation: str) -> None:
        """Given a role that is no administrator, when it sends each mutation, then it is forbidden."""
        assert await refused(seen_as(desk, role), mutation, **PLAIN_INPUTS[mutation]) == [("FORBIDDEN", "")]

    @pytest.mark.parametrize("scope", [Scope(channels=frozenset({WEB})), Scope(locations=frozenset({EAST}))])
    async def test_administrators_of_a_part_neither_change_nor_see_accounts(self, desk: Desk, scope: Scope) -> None:
        """Given an administrator with a scope, when they manage accounts, then they may not, and see none."""
        await run(desk, "accountCreate", ACCOUNT, code="erp", role="PARTNER")
        key_id, _ = await new_key(desk)
        narrow = seen_as(desk, Role.ADMIN, scope)
        for mutation, input in PLAIN_INPUTS.items():
            assert await refused(narrow, mutation, **input) == [("FORBIDDEN", "")]
        assert await narrow.ask('{ account(id: "erp") { code } accounts { nodes { code } } }') == {
            "account": None,
            "accounts": {"nodes": []},
        }
        node = "query q($id: ID!) { node(id: $id) { id } }"
        for id in (account_id("erp"), api_key_id(key_id)):
            assert await narrow.ask(node, id=id) == {"node": None}
            assert await desk.ask(node, id=id) == {"node": {"id": id}}

    async def test_everybody_may_ask_who_they_are(self, desk: Desk) -> None:
        """Given callers of several roles and scopes, when they ask, then they are told what they may."""
        viewer = "{ viewer { accountId name role permissions channelIds locationIds } }"
        scope = Scope(channels=frozenset({WEB, TILL}), locations=frozenset())
        assert await seen_as(desk, Role.STOREFRONT, scope).ask(viewer) == {
            "viewer": {
                "accountId": "acme",
                "name": "acme/clerk",
                "role": "STOREFRONT",
                "permissions": ["READ_AVAILABILITY", "READ_CATALOGUE", "RESERVE_STOCK"],
                "channelIds": [TILL, WEB],
                "locationIds": [],
            }
        }
        whole, part = seen_as(desk, Role.ADMIN), seen_as(desk, Role.ADMIN, scope)
        may_all, may_most = [(await one.ask(viewer))["viewer"]["permissions"] for one in (whole, part)]
        assert [one for one in may_all if one not in may_most] == ["MANAGE_ACCOUNTS"]

    async def test_an_administrator_names_another_accounts_key(self, desk: Desk) -> None:
        """Given another account's adjustment, when its key is asked for with the account, then only ADMIN has it."""
        other = replace(seen_as(desk, Role.BACKOFFICE), principal=Principal(account="o", name="o", role=Role.PARTNER))
        await other.adjust("replayed", sku=MUG, adjustments=[delta(EAST, -1)], idempotencyKey="sale")
        by_key = '{ adjustment(idempotencyKey: "sale", accountId: "o") { idempotencyKey } }'
        found = {"adjustment": {"idempotencyKey": "sale"}}
        assert await desk.ask(by_key) == found
        assert await other.ask(by_key) == found
        for blind in (seen_as(desk, Role.BACKOFFICE), seen_as(desk, Role.ADMIN, Scope(channels=frozenset()))):
            assert await blind.ask(by_key) == {"adjustment": None}

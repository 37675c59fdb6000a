"""Who asks, over each transport; the one rule: none answers a stranger, and none goes on after the credential ended.

A credential travels in a header or in connection_init, and never in a URL.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.end_to_end.client import Answer, Client, codes, result_of
from tests.end_to_end.event_stream import open_event_stream
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.web_socket import SUBPROTOCOL, Socket, open_raw_socket

CHECK_MS: Final = "200"
STOCK: Final = "subscription { stockChanged { position } }"
QUERY: Final = {"query": "{ __typename }"}
TYPE_NAME: Final = {"data": {"__typename": "Query"}}
JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A gateway with keys, and the key of its administrator."""

    gateway: Gateway
    admin: str

    async def change(self, mutation: str, kind: str, selection: str, **input: object) -> Answer:
        """Change something as the administrator."""
        async with Client(self.gateway.url) as client:
            client.http.headers["authorization"] = f"Bearer {self.admin}"
            return await client.accepted(mutation, kind, selection, input)

    async def new_key(self) -> tuple[str, str]:
        """Return a new key's id and its token."""
        payload = await self.change(
            "apiKeyCreate", "ApiKeyCreateInput", "token apiKey { keyId }", accountId="admin", name="short"
        )
        return payload["apiKey"]["keyId"], payload["token"]

    async def revoke(self, key_id: str) -> None:
        """Take a key away."""
        await self.change("apiKeyRevoke", "ApiKeyRevokeInput", "", apiKeyId=key_id)


@pytest.fixture(scope="module")
def closed(gateways: Gateways) -> Iterator[Gateway]:
    """A gateway that checks credentials often; it is open until it has its first key."""
    with gateways.new("guarded", CREDENTIAL_CHECK_MS=CHECK_MS, KEEP_ALIVE_MS="10000").begin() as gateway:
        yield gateway
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert gateway.failures() == [], gateway.log()


ADMINS: Final[dict[int, str]] = {}


@pytest.fixture
async def guarded(closed: Gateway) -> Guarded:
    """The gateway, with an administrator's key."""
    if closed.port not in ADMINS:
        async with Client(closed.url) as client:
            account = {"code": "admin", "role": "ADMIN"}
            await client.accepted("accountCreate", "AccountCreateInput", "", account)
            payload = await client.accepted("apiKeyCreate", "ApiKeyCreateInput", "token", {"accountId": "admin"})
            ADMINS[closed.port] = payload["token"]
    return Guarded(gateway=closed, admin=ADMINS[closed.port])


BAD: Final = [None, "", "Bearer", "Bearer sgk_0_0", "Basic YTpi", "Bearer a b", "Bearer " + "x" * 9000, "ä"]


@pytest.mark.parametrize("authorization", BAD)
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "text/event-stream"])
async def test_a_stranger_is_answered_401(guarded: Guarded, authorization: str | None, accept: str) -> None:
    """Given a credential that opens nothing, when it asks by HTTP or for events, then 401 and what would do."""
    headers = {b"accept": accept.encode()}
    if authorization is not None:
        headers[b"authorization"] = authorization.encode()
    async with Client(guarded.gateway.url) as client:
        response = await client.http.post(client.url, json=QUERY, headers=headers)
        got = await client.http.get(client.url, params=QUERY, headers=headers)
    for answer in (response, got):
        assert (answer.status_code, codes(answer.json())) == (401, ["UNAUTHENTICATED"])
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_credential_in_the_url_is_none(guarded: Guarded) -> None:
    """Given a good key as a parameter of the URL, then it counts for nothing: URLs are logged on their way."""
    async with Client(guarded.gateway.url) as client:
        for name in ("authorization", "access_token", "token", "key"):
            response = await client.http.get(client.url, params={**QUERY, name: f"Bearer {guarded.admin}"})
            assert response.status_code == httpx.codes.UNAUTHORIZED
        address = f"ws://{guarded.gateway.host}/graphql?authorization={guarded.admin}"
        async with connect(address, subprotocols=[SUBPROTOCOL], proxy=None) as connection:
            socket = Socket(connection)
            await socket.send({"type": "connection_init"})
            assert await socket.closed() == 4403


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", ""])
async def test_a_key_opens_every_transport(guarded: Guarded, scheme: str) -> None:
    """Given a good key, with or without the word Bearer, then it is let in by HTTP, events and WebSocket."""
    credential = scheme + guarded.admin
    async with Client(guarded.gateway.url) as client:
        answer = await client.http.post(client.url, json=QUERY, headers={"authorization": credential})
        assert result_of(answer) == TYPE_NAME
    async with open_event_stream(guarded.gateway, "{ __typename }", authorization=credential) as stream:
        assert (await stream.next()).payload == TYPE_NAME
    for name in ("authorization", "Authorization"):
        async with open_raw_socket(guarded.gateway) as socket:
            await socket.send({"type": "connection_init", "payload": {name: credential}})
            assert await socket.receive() == {"type": "connection_ack"}
            assert await socket.ask("a", "{ __typename }") == TYPE_NAME


@pytest.mark.parametrize("payload", [None, {}, {"authorization": "Bearer x"}, {"authorization": 5}, {"token": "x"}])
async def test_a_strangers_socket_is_forbidden(guarded: Guarded, payload: object) -> None:
    """Given a connection_init that opens nothing, then the socket is closed with 4403."""
    async with open_raw_socket(guarded.gateway) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == 4403
        assert socket.connection.close_reason == "Forbidden"


async def test_a_sockets_handshake_may_bring_the_key(guarded: Guarded) -> None:
    """Given a key in the handshake's Authorization header, then it counts, unless connection_init brings another."""
    header = {"authorization": f"Bearer {guarded.admin}"}
    address = f"ws://{guarded.gateway.host}/graphql"
    for payload, code in ((None, None), ({"authorization": "Bearer x"}, 4403)):
        async with connect(address, subprotocols=[SUBPROTOCOL], additional_headers=header, proxy=None) as connection:
            socket = Socket(connection)
            await socket.send({"type": "connection_init", "payload": payload})
            if code is None:
                assert await socket.receive() == {"type": "connection_ack"}
            else:
                assert await socket.closed() == code


async def test_a_live_socket_is_closed_when_its_key_is_revoked(guarded: Guarded) -> None:
    """Given a live subscription, when its key is revoked, then the socket is closed with 4403; others live on."""
    key_id, token = await guarded.new_key()
    async with open_raw_socket(guarded.gateway) as ending, open_raw_socket(guarded.gateway) as living:
        for socket, credential in ((ending, token), (living, guarded.admin)):
            await socket.send({"type": "connection_init", "payload": {"authorization": credential}})
            assert await socket.receive() == {"type": "connection_ack"}
            await socket.subscribe("a", STOCK)
        await guarded.revoke(key_id)
        assert await ending.closed() == 4403
        assert await living.ask("b", "{ __typename }") == TYPE_NAME


async def test_a_revoked_key_changes_nothing_more_over_an_open_socket(gateways: Gateways) -> None:
    """Given a socket whose key was revoked, when it asks again before it was closed, then it is closed instead."""
    with gateways.new("slowly_checked", CREDENTIAL_CHECK_MS="60000").begin() as gateway:
        async with Client(gateway.url) as client:
            await client.accepted("accountCreate", "AccountCreateInput", "", {"code": "admin", "role": "ADMIN"})
            payload = await client.accepted("apiKeyCreate", "ApiKeyCreateInput", "token", {"accountId": "admin"})
        guarded = Guarded(gateway=gateway, admin=payload["token"])
        key_id, token = await guarded.new_key()
        async with open_raw_socket(gateway) as socket:
            await socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
            assert (await socket.receive())["type"] == "connection_ack"
            assert await socket.ask("1", "{ __typename }") == TYPE_NAME
            await guarded.revoke(key_id)
            await socket.subscribe("2", 'mutation { channelUpsert(input: {code: "x"}) { userErrors { code } } }')
            assert await socket.closed() == 4403
        async with Client(gateway.url) as client:
            client.http.headers["authorization"] = f"Bearer {guarded.admin}"
            assert await client.ask('{ channel(id: "x") { code } }') == {"channel": None}


async def test_a_live_event_stream_ends_when_its_key_is_revoked(guarded: Guarded) -> None:
    """Given a live stream that is idle, when its key is revoked, then it is told so, and is complete."""
    key_id, token = await guarded.new_key()
    async with open_event_stream(guarded.gateway, STOCK, authorization=f"Bearer {token}") as stream:
        await asyncio.sleep(0.3)
        await guarded.revoke(key_id)
        last = await stream.next()
        assert (last.name, codes(last.payload)) == ("next", ["UNAUTHENTICATED"])
        assert "data" not in last.payload
        assert (await stream.next()).name == "complete"
        await stream.ended()

"""How attacks are launched, over every transport; the one rule: no library's client takes time or looks away.

An attack is built before its clock starts, and ends with the last byte of its refusal.
"""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote, urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

REFUSAL_SECONDS_MAX: Final = 20.0
PATH: Final = "/graphql"
SUBPROTOCOL: Final = "graphql-transport-ws"
INIT: Final = '{"type": "connection_init"}'
JSON: Final = {"content-type": "application/json", "accept": "application/graphql-response+json"}
EVENTS: Final = {"content-type": "application/json", "accept": "text/event-stream"}
CHUNK_BYTES: Final = 65_536
FRAGMENT_CHARACTERS: Final = 1000
UNTYPED: Final = "no code"

Sent = TypeVar("Sent")
Build = Callable[[int], bytes]
"""Makes what is sent, a little different under each serial number: what was refused once may be remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The gateway that is attacked, and the attacker's key."""

    port: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One attack: when it began and ended, on the machine's monotonic clock, and how it was refused."""

    began: float
    ended: float
    refusal: str

    @property
    def took_ms(self) -> float:
        """How long the refusal took."""
        return (self.ended - self.began) * 1000


class Attack(Protocol):
    """One way to hurt a gateway. `refusal` is how it ends: a status or kind of message, with a code; or a close code.

    Several codes are those of a refusal with several errors.
    """

    @property
    def name(self) -> str:
        """What is done."""
        ...

    @property
    def transport(self) -> str:
        """How it is sent."""
        ...

    @property
    def refusal(self) -> str:
        """How it must end."""
        ...

    def launch(self, target: Target, serial_number: int) -> Outcome:
        """Do it, once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAttack:
    """One request on a connection of its own. `rest` is what is sent behind the body that was announced, or no body."""

    name: str
    transport: str
    refusal: str
    method: str = "POST"
    path: Build = lambda _: PATH.encode()
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    body: Build = lambda _: b""
    announced_bytes: int | None = None
    is_chunked: bool = False
    is_known: bool = True

    def launch(self, target: Target, serial_number: int) -> Outcome:
        """Send the request and read its answer to the end."""
        message = self._message(target, serial_number)
        with socket.create_connection(("127.0.0.1", target.port), timeout=REFUSAL_SECONDS_MAX) as connection:
            began = time.monotonic()
            # Refused before all of it was read, it cannot be sent to its end; the answer is there all the same.
            with contextlib.suppress(ConnectionError):
                connection.sendall(message)
            answer = http.client.HTTPResponse(connection, method=self.method)
            answer.begin()
            refusal = _refusal_of(answer)
            return Outcome(began=began, ended=time.monotonic(), refusal=refusal)

    def _message(self, target: Target, serial_number: int) -> bytes:
        body = self.body(serial_number)
        headers = {"host": f"127.0.0.1:{target.port}"}
        if self.is_known:
            headers["authorization"] = f"Bearer {target.token}"
        headers.update(self.headers)
        if self.is_chunked:
            headers["transfer-encoding"] = "chunked"
            body = b"".join(_chunk(body[at : at + CHUNK_BYTES]) for at in range(0, len(body), CHUNK_BYTES)) + _chunk(
                b""
            )
        elif self.method != "GET":
            headers["content-length"] = str(self.announced_bytes or len(body))
        lines = [f"{self.method} {self.path(serial_number).decode('latin-1')} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAttack:
    """Messages on an acknowledged socket, of which the last is refused."""

    name: str
    refusal: str
    messages: Callable[[int], list[str | bytes]]
    is_greeted: bool = True
    is_in_fragments: bool = False
    transport: str = "WebSocket"

    def launch(self, target: Target, serial_number: int) -> Outcome:
        """Send the messages and wait for the refusal."""
        messages = self.messages(serial_number)
        with opened(target) as connection:
            if self.is_greeted:
                connection.send(INIT)
                connection.recv(REFUSAL_SECONDS_MAX)
            began = time.monotonic()
            try:
                for message in messages:
                    connection.send(_fragments(message) if self.is_in_fragments else message)
                answer: dict[str, Any] = json.loads(connection.recv(REFUSAL_SECONDS_MAX))
                refusal = f"{answer['type']} {_codes(answer.get('payload'))}"
            except ConnectionClosed as closed:
                refusal = "cut" if closed.rcvd is None else f"close {closed.rcvd.code}"
            return Outcome(began=began, ended=time.monotonic(), refusal=refusal)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeAttack:
    """A socket that must not be opened, or not for long."""

    name: str
    refusal: str
    origin: str | None = None
    subprotocol: str = SUBPROTOCOL
    transport: str = "WebSocket"

    def launch(self, target: Target, serial_number: int) -> Outcome:
        """Ask for the socket, and wait until it is refused."""
        began = time.monotonic()
        try:
            with opened(target, origin=self.origin, subprotocol=self.subprotocol) as connection:
                connection.recv(REFUSAL_SECONDS_MAX)
                refusal = "opened"
        except InvalidStatus as refused:
            refusal = f"{refused.response.status_code} {_codes(json.loads(refused.response.body or b'{}'))}"
        except ConnectionClosed as closed:
            refusal = "cut" if closed.rcvd is None else f"close {closed.rcvd.code}"
        return Outcome(began=began, ended=time.monotonic(), refusal=refusal)


def opened(target: Target, *, origin: str | None = None, subprotocol: str = SUBPROTOCOL) -> ClientConnection:
    """Return an open socket. Raises InvalidStatus when the handshake is refused."""
    return connect(
        f"ws://127.0.0.1:{target.port}{PATH}",
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol(subprotocol)],
        additional_headers={"authorization": f"Bearer {target.token}"},
        compression=None,
        open_timeout=REFUSAL_SECONDS_MAX,
        close_timeout=REFUSAL_SECONDS_MAX,
        ping_interval=None,
        max_size=None,
        proxy=None,
    )


def always(value: Sent) -> Callable[[int], Sent]:
    """Return what makes the same under every serial number."""
    return lambda _: value


def varied(document: str, serial_number: int) -> str:
    """Return the document with blanks behind it that no other one has, and no token more."""
    return document + f"{serial_number:b}".replace("0", " ").replace("1", "\n")


def request(document: str, variables: object = None, **more: object) -> dict[str, object]:
    """Return a GraphQL request."""
    return {"query": document, **({} if variables is None else {"variables": variables}), **more}


def as_body(value: object) -> bytes:
    """Return the JSON of a body."""
    return json.dumps(value).encode()


def as_url(parameters: Mapping[str, str]) -> bytes:
    """Return the address with parameters."""
    return f"{PATH}?{urlencode(parameters, quote_via=quote)}".encode()


def as_frame(value: object) -> str:
    """Return the JSON of a message."""
    return json.dumps(value)


def as_subscribe(payload: object) -> str:
    """Return the message that begins an operation."""
    return as_frame({"id": "a", "type": "subscribe", "payload": payload})


def _fragments(message: str | bytes) -> list[str]:
    assert isinstance(message, str)
    return [message[at : at + FRAGMENT_CHARACTERS] for at in range(0, len(message), FRAGMENT_CHARACTERS)]


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _refusal_of(answer: http.client.HTTPResponse) -> str:
    """Return an answer's status and codes; of an event stream, its first event and codes."""
    body = answer.read()
    if answer.headers.get_content_type() == "text/event-stream":
        name, data = body.decode().split("\n\n")[0].split("\n")
        return f"{name.removeprefix('event: ')} {_codes(json.loads(data.removeprefix('data: ')))}"
    is_json = answer.headers.get_content_subtype().endswith("json")
    return f"{answer.status} {_codes(json.loads(body)) if is_json else UNTYPED}"


def _codes(answer: object) -> str:
    """Return the codes of the errors in an answer, each once; what answers a field as well is no refusal."""
    errors, data = (answer.get("errors"), answer.get("data")) if isinstance(answer, dict) else (answer, None)
    if not isinstance(errors, list) or any(value is not None for value in (data or {}).values()):
        return "answered"
    return " ".join(sorted({one.get("extensions", {}).get("code", UNTYPED) for one in errors}))

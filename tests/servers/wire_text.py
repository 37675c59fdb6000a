"""What a client says to its server, read off the wire as it passes; the one rule: reading changes and delays nothing.

A reader is fed every byte of one connection's way to the server, in whatever pieces they come, and returns what was
said in full with each piece.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

TEXT_BYTES_MAX: Final = 16 * 1024 * 1024
TYPE_BYTES: Final = 1
LENGTH_BYTES: Final = 4
# What comes before the session begins has no type: PostgreSQL's protocol, "Message Formats".
NEGOTIATIONS: Final = (80877103, 80877104)
"""The codes of SSLRequest and GSSENCRequest; after each of them the client begins once more."""
PREPARING: Final = "PREPARE "


class WireReader(Protocol):
    """Reads one connection."""

    def feed(self, piece: bytes) -> list[str]:
        """Return what was said in full with this piece."""
        ...


@dataclass(slots=True)
class Lines:
    """Lines, as plain text protocols have them (and Redis)."""

    _rest: bytes = b""

    def feed(self, piece: bytes) -> list[str]:
        """Return the lines that end in this piece, without their ends."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [line.removesuffix(b"\r").decode(errors="replace") for line in lines]


@dataclass(slots=True)
class PostgresStatements:
    """The SQL of every statement that is run; a prepared one is told each time that it is executed.

    That a statement is to be prepared is told too, as `PREPARE` and its text: it is not run yet.
    """

    _rest: bytearray = field(default_factory=bytearray)
    _has_begun: bool = False
    _prepared: dict[bytes, str] = field(default_factory=dict)
    _portals: dict[bytes, str] = field(default_factory=dict)

    def feed(self, piece: bytes) -> list[str]:
        """Return the statements whose execution is asked for in this piece."""
        self._rest += piece
        said = []
        while (message := self._next_message()) is not None:
            kind, body = message
            text = self._statement_in(kind, body)
            if text is not None:
                said.append(text)
        return said

    def _next_message(self) -> tuple[bytes, bytes] | None:
        type_bytes = TYPE_BYTES if self._has_begun else 0
        head_bytes = type_bytes + LENGTH_BYTES
        if len(self._rest) < head_bytes:
            return None
        size = type_bytes + int.from_bytes(self._rest[type_bytes:head_bytes])
        if not head_bytes <= size <= TEXT_BYTES_MAX:
            raise ValueError(f"a message of {size} bytes: this is not PostgreSQL's protocol")
        if len(self._rest) < size:
            return None
        kind, body = bytes(self._rest[:type_bytes]), bytes(self._rest[head_bytes:size])
        del self._rest[:size]
        if not kind and int.from_bytes(body[:LENGTH_BYTES]) not in NEGOTIATIONS:
            self._has_begun = True
        return kind, body

    def _statement_in(self, kind: bytes, body: bytes) -> str | None:
        match kind:
            case b"Q":
                return _text(body.partition(b"\0")[0])
            case b"P":
                name, query, *_ = body.split(b"\0", 2)
                self._prepared[name] = _text(query)
                return f"{PREPARING}{self._prepared[name]}"
            case b"B":
                portal, name, *_ = body.split(b"\0", 2)
                self._portals[portal] = self._prepared.get(name, "")
            case b"E":
                return self._portals.get(body.partition(b"\0")[0])
            case _:
                pass
        return None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")

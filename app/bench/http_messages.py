"""The little HTTP/1.1 that the bench speaks; a message is always framed by its Content-Length."""

import re
from typing import Final

HEAD_END: Final = b"\r\n\r\n"
CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})\r\n", re.IGNORECASE)
ACCEPT: Final = "application/graphql-response+json, application/json;q=0.9"
MESSAGE_BYTES_MAX: Final = 8_000_000


class MessageError(ValueError):
    """The peer sent something that cannot be framed by Content-Length alone."""


def encode_post(*, port: int, path: str, body: bytes, token: str | None = None) -> bytes:
    """One whole POST request to the loopback address, ready to be written to a socket.

    `token` is the API key that it is sent with.
    """
    credential = "" if token is None else f"Authorization: Bearer {token}\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        f"Accept: {ACCEPT}\r\n"
        f"{credential}"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body


def encode_answer(body: bytes) -> bytes:
    """One whole answer with status 200 that carries a JSON body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("ascii") + body


def frame(data: bytes, *, length_absent: int | None = None) -> tuple[int, int] | None:
    """Where the body of the message at the start of `data` begins and ends, in bytes.

    None while the message is incomplete. `length_absent` is the body's length when no Content-Length is
    given (0 for requests); without it such a message is refused.
    """
    head_end = data.find(HEAD_END)
    if head_end < 0:
        _refuse_if_too_long(data)
        return None
    length = CONTENT_LENGTH.search(data, 0, head_end + 2)
    if length is None and length_absent is None:
        raise MessageError("the answer has no Content-Length")
    begin = head_end + len(HEAD_END)
    end = begin + (int(length.group(1)) if length else length_absent or 0)
    if len(data) >= end:
        return (begin, end)
    _refuse_if_too_long(data)
    return None


def _refuse_if_too_long(data: bytes) -> None:
    if len(data) > MESSAGE_BYTES_MAX:
        raise MessageError("the message is larger than the bench reads")

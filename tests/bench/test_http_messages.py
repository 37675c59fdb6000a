"""Messages are framed by their Content-Length, whole or not at all."""

import pytest

from app.bench import http_messages
from app.bench.http_messages import MessageError, encode_answer, encode_post, frame


def test_a_request_is_encoded_as_it_goes_over_the_wire() -> None:
    assert encode_post(port=8000, path="/graphql", body=b'{"a":1}') == (
        b"POST /graphql HTTP/1.1\r\n"
        b"Host: 127.0.0.1:8000\r\n"
        b"Accept: application/graphql-response+json, application/json;q=0.9\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 7\r\n\r\n"
        b'{"a":1}'
    )


def test_every_beginning_of_an_answer_is_incomplete_and_the_whole_one_is_framed() -> None:
    answer = encode_answer(b"12345")
    assert [frame(answer[:end]) for end in range(len(answer))] == [None] * len(answer)
    begin, end = frame(answer) or (0, 0)
    assert answer[begin:end] == b"12345"


def test_what_follows_a_message_is_left_alone() -> None:
    first = encode_answer(b"one")
    assert frame(first + encode_answer(b"two")) == (len(first) - 3, len(first))


@pytest.mark.parametrize("name", [b"content-length", b"CONTENT-LENGTH", b"Content-Length"])
def test_the_length_is_found_however_it_is_spelt(name: bytes) -> None:
    assert frame(b"HTTP/1.1 200 OK\r\n" + name + b": 2\r\nx: y\r\n\r\nab") == (44, 46)


def test_an_answer_without_a_length_is_refused_and_a_request_without_one_has_no_body() -> None:
    message = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
    with pytest.raises(MessageError, match=r"^the answer has no Content-Length$"):
        frame(message)
    assert frame(message, length_absent=0) == (len(message), len(message))


def test_a_message_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_messages, "MESSAGE_BYTES_MAX", 10)
    assert frame(b"x" * 10) is None
    with pytest.raises(MessageError, match=r"^the message is larger than the bench reads$"):
        frame(b"x" * 11)

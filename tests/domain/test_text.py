"""Texts that name things: what is refused, and global ids; the one rule: what looks alike must be alike."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as some

from domain.rejections import Rejection, RejectionCode
from domain.text import (
    NODE_TYPES,
    code_problems,
    decode_node_id,
    encode_node_id,
    exact_text_problems,
    free_text_problems,
    is_code,
    new_code_problems,
)

CONTROL = "holds a control character; send printable characters only."
UNPRINTABLE = "holds an unprintable character; send printable characters only."
BLANK = "begins or ends with a blank; remove it."
NOT_NFC = "is not in Unicode form NFC; normalize it before sending."
NOT_STORABLE = "holds a character that cannot be stored (NUL or half a surrogate pair)."
A_COMPOSED, A_DECOMPOSED = "\u00c4", "A\u0308"
NO_BREAK_SPACE, ZERO_WIDTH_SPACE, LONE_SURROGATE = "\u00a0", "\u200b", "\ud800"


def problem(message: str) -> list[Rejection]:
    return [Rejection(code=RejectionCode.INVALID_INPUT, message=f"The code {message}", field=("code",))]


@pytest.mark.parametrize(
    "text",
    ["a", "WH-US-EAST", "a b", "x" * 10, '"quoted"', "; DROP TABLE items", A_COMPOSED, "日本", "é x", "😀"],
)
def test_exact_texts_are_taken(text: str) -> None:
    assert list(exact_text_problems(text, field=("code",), what="The code", length_max=20)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give 1 to 10 characters."),
        ("x" * 11, "has 11 characters; shorten it to at most 10."),
        ("ä" * 11, "has 11 characters; shorten it to at most 10."),
        (" ", BLANK),
        (" a", BLANK),
        ("a ", BLANK),
        (" ä", BLANK),
        ("ä ", BLANK),
        ("\ta", CONTROL),
        ("a\n", CONTROL),
        ("a\x00b", CONTROL),
        ("a\x7f", CONTROL),
        ("ä\n", UNPRINTABLE),
        ("ä\x00", UNPRINTABLE),
        ("a" + NO_BREAK_SPACE, UNPRINTABLE),
        ("a" + ZERO_WIDTH_SPACE, UNPRINTABLE),
        ("a" + LONE_SURROGATE, UNPRINTABLE),
        ("x" + A_DECOMPOSED, NOT_NFC),
    ],
)
def test_what_could_look_alike_and_differ_is_refused(text: str, message: str) -> None:
    assert list(exact_text_problems(text, field=("code",), what="The code", length_max=10)) == problem(message)


@pytest.mark.parametrize(
    ("text", "message"), [("x" * 256, "has 256 characters; shorten it to at most 255."), ("a ", BLANK)]
)
def test_a_code_is_an_exact_text_of_255_characters(text: str, message: str) -> None:
    assert list(code_problems("x" * 255, field=("code",), what="The code")) == []
    assert is_code("x" * 255) is True
    assert list(code_problems(text, field=("code",), what="The code")) == problem(message)
    assert is_code(text) is False


@pytest.mark.parametrize("text", [None, "", " ", "a\nb", "x" * 500, A_DECOMPOSED, NO_BREAK_SPACE, "😀"])
def test_free_texts_are_taken(text: str | None) -> None:
    assert list(free_text_problems(text, field=("code",), what="The code")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 501, "has 501 characters; shorten it to at most 500."),
        ("a\x00", NOT_STORABLE),
        ("a\ud800", NOT_STORABLE),
        ("\udfffa", NOT_STORABLE),
    ],
)
def test_free_texts_that_cannot_be_stored_are_refused(text: str, message: str) -> None:
    assert list(free_text_problems(text, field=("code",), what="The code")) == problem(message)


def test_a_free_text_may_have_another_length() -> None:
    assert list(free_text_problems("x" * 7, field=("code",), what="The code", length_max=7)) == []
    assert list(free_text_problems("x" * 8, field=("code",), what="The code", length_max=7)) == problem(
        "has 8 characters; shorten it to at most 7."
    )


class TestGlobalIds:
    @pytest.mark.parametrize(
        ("type_name", "key", "node_id"),
        [
            ("InventoryItem", "ABC", "SW52ZW50b3J5SXRlbTpBQkM="),
            ("Location", "a:b", "TG9jYXRpb246YTpi"),
            ("Channel", "ü", "Q2hhbm5lbDrDvA=="),
        ],
    )
    def test_they_name_a_type_and_a_key(self, type_name: str, key: str, node_id: str) -> None:
        assert encode_node_id(type_name, key) == node_id
        assert decode_node_id(node_id) == (type_name, key)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("", id="empty"),
            pytest.param("WH-US-EAST", id="a code"),
            pytest.param("TG9jYXRpb246YTpi\n", id="a line break"),
            pytest.param("TG9jYXRpb246YTp", id="cut off"),
            pytest.param("ü", id="not ASCII"),
            pytest.param("//4=", id="bytes that are no text"),
            pytest.param("T3JkZXI6QUJD", id="another type"),
            pytest.param("SW52ZW50b3J5SXRlbQ==", id="a type without a key"),
        ],
    )
    def test_anything_else_is_none(self, text: str) -> None:
        assert decode_node_id(text) is None

    @for_all(some.sampled_from(sorted(NODE_TYPES)), some.text(some.characters(codec="utf-8")))
    def test_decoding_gives_back_what_was_encoded(self, type_name: str, key: str) -> None:
        assert decode_node_id(encode_node_id(type_name, key)) == (type_name, key)

    @pytest.mark.parametrize("type_name", sorted(NODE_TYPES))
    def test_no_new_code_may_look_like_one(self, type_name: str) -> None:
        node_id = encode_node_id(type_name, "ABC")
        assert list(new_code_problems(node_id, field=("code",), what="The code")) == problem(
            "reads like a global id of this gateway; choose a code of your own."
        )
        assert list(code_problems(node_id, field=("code",), what="The code")) == []

    def test_a_new_code_is_a_code_otherwise(self) -> None:
        assert list(new_code_problems("T3JkZXI6QUJD", field=("code",), what="The code")) == []
        assert list(new_code_problems("a ", field=("code",), what="The code")) == problem(BLANK)

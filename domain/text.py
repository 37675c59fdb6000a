"""Checks of the texts that users name things by; the one rule: codes and keys compare exactly, so what could
look alike and differ (outer blanks, unprintable characters, another Unicode form) is refused when it comes in.
"""

import base64
import binascii
import unicodedata
from collections.abc import Iterator

from domain.rejections import FieldPath, Rejection, RejectionCode

IDEMPOTENCY_KEY_LENGTH_MAX = 255
CODE_LENGTH_MAX = 255
NAME_LENGTH_MAX = 500
URI_LENGTH_MAX = 2048
COUNTRY_CODE_LENGTH = 2

NODE_TYPES = frozenset(
    {
        "InventoryItem",
        "Location",
        "Channel",
        "StockLevel",
        "InventoryAdjustment",
        "Listing",
        "Account",
        "ApiKey",
        "Reservation",
        "Allocation",
        "Shipment",
        "StockConflict",
    }
)
"""The types that have a global id; a user's own code may not look like one of their ids."""


def exact_text_problems(text: str, *, field: FieldPath, what: str, length_max: int) -> Iterator[Rejection]:
    """Yield what keeps `text` from being a key or a code: length, unprintable characters, blanks, form."""
    if not text:
        yield _invalid(field, f"{what} is empty; give 1 to {length_max} characters.")
    elif len(text) > length_max:
        yield _invalid(field, f"{what} has {len(text)} characters; shorten it to at most {length_max}.")
    elif text.isascii():
        if not text.isprintable():
            yield _invalid(field, f"{what} holds a control character; send printable characters only.")
        elif text[0] == " " or text[-1] == " ":
            yield _invalid(field, f"{what} begins or ends with a blank; remove it.")
    else:
        yield from _beyond_ascii_problems(text, field=field, what=what)


def free_text_problems(
    text: str | None, *, field: FieldPath, what: str, length_max: int = NAME_LENGTH_MAX
) -> Iterator[Rejection]:
    """Yield what keeps `text` from being stored as a name, note or address: its length, NUL, lone surrogates."""
    if text is None:
        return
    if len(text) > length_max:
        yield _invalid(field, f"{what} has {len(text)} characters; shorten it to at most {length_max}.")
    elif "\x00" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        yield _invalid(field, f"{what} holds a character that cannot be stored (NUL or half a surrogate pair).")


def code_problems(text: str, *, field: FieldPath, what: str) -> Iterator[Rejection]:
    """Yield what keeps `text` from being the code of anything, known or not."""
    return exact_text_problems(text, field=field, what=what, length_max=CODE_LENGTH_MAX)


def key_problems(key: str | None) -> Iterator[Rejection]:
    """Yield what keeps `key` from being an idempotency key; none is for others to judge."""
    if key is not None:
        yield from exact_text_problems(
            key, field=("idempotencyKey",), what="The idempotency key", length_max=IDEMPOTENCY_KEY_LENGTH_MAX
        )


def correlation_problems(correlation_id: str | None) -> Iterator[Rejection]:
    """Yield what keeps `correlation_id` from being kept with a command."""
    yield from free_text_problems(correlation_id, field=("correlationId",), what="The correlation id")


def is_code(text: str) -> bool:
    """Return whether `text` could be the code of anything."""
    return next(code_problems(text, field=(), what=""), None) is None


def new_code_problems(text: str, *, field: FieldPath, what: str) -> Iterator[Rejection]:
    """Yield what keeps `text` from naming a new item, location or channel, for ever."""
    yield from code_problems(text, field=field, what=what)
    if decode_node_id(text) is not None:
        yield _invalid(field, f"{what} reads like a global id of this gateway; choose a code of your own.")


def country_code_problems(code: str | None, *, field: FieldPath) -> Iterator[Rejection]:
    """Yield what keeps `code` from being a country's."""
    is_code = code is None or (
        len(code) == COUNTRY_CODE_LENGTH and code.isascii() and code.isalpha() and code.isupper()
    )
    if not is_code:
        yield _invalid(field, "The country code is not two capital letters (ISO 3166-1 alpha-2), such as DE.")


def encode_node_id(type_name: str, key: str) -> str:
    """Return the global id of the `type_name` that `key` names."""
    return base64.b64encode(f"{type_name}:{key}".encode()).decode("ascii")


def decode_node_id(node_id: str) -> tuple[str, str] | None:
    """Return the type and key behind a global id, or None when the text is no global id of this gateway."""
    try:
        decoded = base64.b64decode(node_id, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    type_name, colon, key = decoded.partition(":")
    return (type_name, key) if colon and type_name in NODE_TYPES else None


def _beyond_ascii_problems(text: str, *, field: FieldPath, what: str) -> Iterator[Rejection]:
    if not text.isprintable():
        yield _invalid(field, f"{what} holds an unprintable character; send printable characters only.")
    elif text != text.strip():
        yield _invalid(field, f"{what} begins or ends with a blank; remove it.")
    elif not unicodedata.is_normalized("NFC", text):
        yield _invalid(field, f"{what} is not in Unicode form NFC; normalize it before sending.")


def _invalid(field: FieldPath, message: str) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)

"""What a client takes and what it sends, by its headers Accept and Content-Type.

The rule: what a header comes to is worked out once and remembered; what is remembered is bounded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

HEADERS_REMEMBERED_MAX = 512
REMEMBERED_BYTES_MAX = 512
RANGES_MAX = 64
"""How many entries of an Accept header are read; a browser sends eight."""
QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
UTF_8 = frozenset({"utf-8", "utf8"})
WILDCARD = "*"


class Kind(StrEnum):
    """The media types that the endpoint answers in."""

    JSON = "application/json"
    GRAPHQL_RESPONSE = "application/graphql-response+json"
    EVENT_STREAM = "text/event-stream"
    PAGE = "text/html"


SINGLE_KINDS = (Kind.JSON, Kind.GRAPHQL_RESPONSE)
"""Of equals the first: until the specification's watershed, `*/*` is answered as application/json."""
KINDS = (*SINGLE_KINDS, Kind.EVENT_STREAM)
KINDS_WITH_PAGE = (*KINDS, Kind.PAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRange:
    """One entry of an Accept header."""

    type: str
    subtype: str
    quality: float
    place: int

    @property
    def specificity(self) -> int:
        """How exactly it names what it takes."""
        return (self.type != WILDCARD) + (self.subtype != WILDCARD)

    def takes(self, kind: Kind) -> bool:
        """Return whether the media type is in the range."""
        type, _, subtype = kind.partition("/")
        return self.type in (WILDCARD, type) and self.subtype in (WILDCARD, subtype)


def preferred_kind(accept: bytes | None, kinds: tuple[Kind, ...]) -> Kind | None:
    """Return which of the media types the client likes best: by quality, then by place. None: it takes none of them."""
    if not accept:
        return kinds[0]
    find = _preferred_kind if len(accept) <= REMEMBERED_BYTES_MAX else _preferred_kind.__wrapped__
    return find(accept, kinds)


def is_json(content_type: bytes | None) -> bool:
    """Return whether a body is declared as JSON in UTF-8."""
    if content_type is None or len(content_type) > REMEMBERED_BYTES_MAX:
        return False
    return _is_json(content_type)


@lru_cache(maxsize=HEADERS_REMEMBERED_MAX)
def _preferred_kind(accept: bytes, kinds: tuple[Kind, ...]) -> Kind | None:
    parts = [part for part in accept.decode("latin-1").lower().split(",")[:RANGES_MAX] if part.strip()]
    ranges = [one for place, part in enumerate(parts) if (one := _media_range(part, place)) is not None]
    best: Kind | None = None
    best_rank = (0.0, 0)
    for kind in kinds:
        matching = [one for one in ranges if one.takes(kind)]
        if matching:
            match = max(matching, key=lambda one: (one.specificity, -one.place))
            rank = (match.quality, -match.place)
            if match.quality > 0 and (best is None or rank > best_rank):
                best, best_rank = kind, rank
    return best


def _media_range(text: str, place: int) -> MediaRange | None:
    """Return one entry; None when it is malformed, or wants other characters than UTF-8."""
    name, *parameters = (part.strip() for part in text.split(";"))
    type, slash, subtype = name.partition("/")
    quality = _parameter(parameters, "q") or "1"
    if not slash or not QUALITY.fullmatch(quality) or not _is_utf_8(parameters):
        return None
    return MediaRange(type=type, subtype=subtype, quality=float(quality), place=place)


@lru_cache(maxsize=HEADERS_REMEMBERED_MAX)
def _is_json(content_type: bytes) -> bool:
    name, *parameters = (part.strip() for part in content_type.decode("latin-1").lower().split(";"))
    return name == Kind.JSON and _is_utf_8(parameters)


def _is_utf_8(parameters: Sequence[str]) -> bool:
    charset = _parameter(parameters, "charset")
    return charset is None or charset in UTF_8


def _parameter(parameters: Sequence[str], wanted: str) -> str | None:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == wanted:
            return value.strip().strip('"')
    return None

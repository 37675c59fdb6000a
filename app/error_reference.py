"""docs/errors.md: every code that a client may be told, printed from the enums.

The rule: what is said of a code stands with its enum; here it is only laid out.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from domain import rejections
from domain.rejections import Explanation, RejectionCode
from resolvers import error_codes
from resolvers.error_codes import ErrorCode

REFERENCE_FILE = "docs/errors.md"
OF_A_REQUEST = "200; 400 for clients that take application/graphql-response+json"
OF_A_FIELD = "200, beside whatever else was answered"
OF_THE_SERVICE = "200; 503 for clients that take application/graphql-response+json, when nothing was answered"
OF_A_STREAM = "none: it ends a subscription, over whichever transport"
OF_A_REFUSAL = "200: the payload's `userErrors`"

STATUSES: Mapping[ErrorCode, str] = {
    ErrorCode.MISDIRECTED_REQUEST: "421",
    ErrorCode.METHOD_NOT_ALLOWED: "405",
    ErrorCode.NOT_ACCEPTABLE: "406",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "415",
    ErrorCode.BODY_TOO_LARGE: "413; 414 for what stands in a URL",
    ErrorCode.BAD_REQUEST: "400; 408 when the body comes too slowly",
    ErrorCode.UNAUTHENTICATED: "401; a WebSocket is closed with 4403",
    ErrorCode.FORBIDDEN: "403",
    ErrorCode.THROTTLED: "429, with the header Retry-After",
    ErrorCode.SUBSCRIPTION_LIMIT_EXCEEDED: "none: it answers one operation of a WebSocket",
    ErrorCode.INVALID_INPUT: OF_A_FIELD,
    ErrorCode.CHANNEL_NOT_FOUND: OF_A_STREAM,
    ErrorCode.OVERLOADED: OF_THE_SERVICE,
    ErrorCode.UNAVAILABLE: f"{OF_THE_SERVICE}, and for all while a gateway that has started waits for its database",
    ErrorCode.POSITION_NOT_REACHED: OF_A_FIELD,
    ErrorCode.POSITION_EXPIRED: OF_A_STREAM,
    ErrorCode.SUBSCRIBER_TOO_SLOW: OF_A_STREAM,
    ErrorCode.GATEWAY_STOPPING: OF_A_STREAM,
    ErrorCode.INTERNAL_ERROR: f"{OF_A_FIELD}; 500 when nothing was answered",
}
"""The HTTP status with which a code is told; where none stands here, it is `OF_A_REQUEST`."""

HEAD = """\
# Errors

Every code that the gateway answers, printed from its own lists by `stockgate errors --write`;
`stockgate errors CODE` prints one of them.

A change that is refused is no failure: it is answered in the payload's `userErrors`, each with a `code`, a `message`
for people and the `field` where the reason lies. A refused change leaves no trace, and its idempotency key stays free.
Everything else that can go wrong is in `errors`, with the code in `extensions.code`.
"""


def printed_reference() -> str:
    """Return docs/errors.md as the file holds it."""
    return "\n".join(_lines())


def explained(code: str) -> str | None:
    """Return what is to be said about one code, wherever it is answered; None when there is no such code."""
    found = [_section(one, place) for one, place in _all_codes() if one == code]
    return "\n".join(line for section in found for line in section) if found else None


def write_reference(project: Path) -> None:
    """Write docs/errors.md."""
    file = project / REFERENCE_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(printed_reference(), encoding="utf-8")


def is_current(project: Path) -> bool:
    """Return whether docs/errors.md is what the code says."""
    file = project / REFERENCE_FILE
    return file.exists() and file.read_text(encoding="utf-8") == printed_reference()


def _lines() -> Iterator[str]:
    yield HEAD
    for heading, codes in (("Refused changes: `userErrors`", RejectionCode), ("Everything else: `errors`", ErrorCode)):
        yield f"## {heading}"
        yield ""
        yield "In the order in which they win over each other." if codes is RejectionCode else "In the order met."
        yield ""
        for code in codes:
            yield from _section(code, _place(code))


def _all_codes() -> Iterator[tuple[StrEnum, str]]:
    for codes in (RejectionCode, ErrorCode):
        yield from ((code, _place(code)) for code in codes)


def _place(code: StrEnum) -> str:
    return "userErrors" if isinstance(code, RejectionCode) else "errors"


def _section(code: StrEnum, place: str) -> Iterator[str]:
    told = explanation(code)
    yield f"### {code.value}"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| Where | `{place}` |"
    yield f"| HTTP status | {status(code)} |"
    yield f"| Means | {told.meaning} |"
    yield f"| Comes when | {told.cause} |"
    yield f"| What to do | {told.remedy} |"
    yield f"| Send it again? | {told.retry.value} |"
    yield ""


def explanation(code: StrEnum) -> Explanation:
    """Return what a code means. Raises KeyError for one that is not explained."""
    if isinstance(code, RejectionCode):
        return rejections.EXPLANATIONS[code]
    return error_codes.EXPLANATIONS[ErrorCode(code)]


def status(code: StrEnum) -> str:
    """Return the HTTP status with which a code is told."""
    return OF_A_REFUSAL if isinstance(code, RejectionCode) else STATUSES.get(ErrorCode(code), OF_A_REQUEST)

"""Every way we know to hurt a gateway with one request; the one rule: each ends in the typed refusal that it names."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.faults.attacks import (
    EVENTS,
    JSON,
    Attack,
    HandshakeAttack,
    HttpAttack,
    SocketAttack,
    always,
    as_body,
    as_frame,
    as_subscribe,
    as_url,
    request,
    varied,
)
from tests.resolvers import documents

EVIL: Final = "https://evil.example"
ADDRESS_BYTES_MAX: Final = 14_000
"""Longer documents are not sent by GET: their address is refused before anything looks at them."""
HEAD_TOO_LARGE: Final = "431 BAD_REQUEST"
CHEAP: Final = "{ __typename }"
ASK: Final = "query ($a: [String!]!) { availability(skus: $a) { sku } }"
ASK_PAGE: Final = "query ($a: Int!) { locations(first: $a) { nodes { code } } }"
ADJUST: Final = "mutation ($a: InventoryAdjustmentInput!) { inventoryAdjust(input: $a) { position } }"
ADJUST_BULK: Final = "mutation ($a: [InventoryAdjustmentInput!]!) { inventoryAdjustBulk(inputs: $a) { position } }"
FOLLOW: Final = "subscription { stockChanged { sku } }"
DEEP: Final = 100_000

VALIDATION: Final = "GRAPHQL_VALIDATION_FAILED"
DOCUMENTS: Final[Mapping[str, tuple[str, str]]] = {
    **documents.ATTACKS,
    "unknown types": (
        "query (" + " ".join(f"$v{n}: InventoryAdjustmentInputs{n}" for n in range(100)) + ") { viewer { name } }",
        VALIDATION,
    ),
    "unknown input fields": (
        "mutation { inventoryAdjust(input: {"
        + " ".join(f"referenceDocumentUrn{n}: 1" for n in range(300))
        + "}) { position } }",
        VALIDATION,
    ),
    "unknown arguments": (
        "{ availability(" + " ".join(f"channelIdentifiers{n}: 1" for n in range(300)) + ") { sku } }",
        VALIDATION,
    ),
    "undefined variables": (
        "{ availability(skus: [" + " ".join(f"$v{n}" for n in range(480)) + "]) { sku } }",
        VALIDATION,
    ),
    "long fragment chain": (
        " ".join(f"query q{n} {{ ...f0 }}" for n in range(65))
        + " ".join(f" fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(50))
        + " fragment f50 on Query { viewer { name } }",
        VALIDATION,
    ),
    "many operations": (" ".join(f"query q{n} {{ viewer {{ name }} }}" for n in range(120)), VALIDATION),
    "same fields, deep": (
        "{ movements { nodes { " + "adjustment { movements { sku } } " * 120 + "} } }",
        VALIDATION,
    ),
    "too many values": ("{ availability(skus: [" + '"a" ' * 980 + "]) { sku } }", "INVALID_INPUT"),
}
"""Each document with the code of its refusal."""
VARIABLES: Final[Mapping[str, tuple[str, object, str]]] = {
    "long list": (ASK, {"a": ["x"] * 100_000}, "BAD_USER_INPUT"),
    "many lists": (ADJUST_BULK, {"a": [{"sku": "a", "adjustments": [{}] * 900}] * 6}, "BAD_USER_INPUT"),
    "wrong entries": (ADJUST_BULK, {"a": [{"sku": 1, "adjustments": [{}] * 900}] * 5}, "BAD_USER_INPUT"),
    "unknown members": (ADJUST, {"a": {f"referenceDocumentUrn{n}": 1 for n in range(30_000)}}, "BAD_USER_INPUT"),
    "unknown members in a list": (
        ADJUST_BULK,
        {"a": [{f"referenceDocumentUrn{n}": 1 for n in range(100)}] * 250},
        "BAD_USER_INPUT",
    ),
    "nested lists": (ASK, {"a": [[[[[[[[[["x"]]]]]]]]]] * 900}, "BAD_USER_INPUT"),
    "long number": (ASK_PAGE, {"a": "1" * 900_000}, "BAD_USER_INPUT"),
    "one too many": (ASK, {"a": [f"sku-{n}" for n in range(251)]}, "INVALID_INPUT"),
}
"""Each document and its variables with the code of its refusal."""


def all_attacks() -> list[Attack]:
    """Return every attack, by what it is and then by transport."""
    return [
        *(one for name in DOCUMENTS for one in _document_attacks(name)),
        *(one for name in VARIABLES for one in _variable_attacks(name)),
        *_body_attacks(),
        *_content_type_attacks(),
        *_cross_site_attacks(),
        *_stranger_attacks(),
        *_frame_attacks(),
    ]


def _document_attacks(name: str) -> Iterator[Attack]:
    text, code = DOCUMENTS[name]
    status = "200" if code == "INVALID_INPUT" else "400"
    yield HttpAttack(
        name=name, transport="POST", refusal=f"{status} {code}", body=lambda n: as_body(request(varied(text, n)))
    )
    if len(as_url({"query": text})) < ADDRESS_BYTES_MAX and not text.startswith("mutation"):
        yield HttpAttack(
            name=name,
            transport="GET",
            refusal=f"{status} {code}",
            method="GET",
            path=lambda n: as_url({"query": varied(text, n)}),
            headers={"accept": JSON["accept"]},
        )
    yield HttpAttack(
        name=name,
        transport="SSE",
        refusal=f"next {code}",
        headers=EVENTS,
        body=lambda n: as_body(request(varied(text, n))),
    )
    kind = "next" if code == "INVALID_INPUT" else "error"
    yield SocketAttack(name=name, refusal=f"{kind} {code}", messages=lambda n: [as_subscribe(request(varied(text, n)))])


def _variable_attacks(name: str) -> Iterator[Attack]:
    document, variables, code = VARIABLES[name]
    body = as_body(request(document, variables))
    status, kind = ("200", "next") if code == "INVALID_INPUT" else ("400", "error")
    name = f"variables: {name}"
    yield HttpAttack(name=name, transport="POST", refusal=f"{status} {code}", body=always(body))
    yield HttpAttack(name=name, transport="SSE", refusal=f"next {code}", headers=EVENTS, body=always(body))
    message = as_subscribe(request(document, variables))
    yield SocketAttack(name=name, refusal=f"{kind} {code}", messages=always([message]))


def _body_attacks() -> Iterator[Attack]:
    too_large, bad = "413 BODY_TOO_LARGE", "400 BAD_REQUEST"
    huge = b'{"query": "' + b" " * 2_000_000 + b'"}'
    yield _posted("2 MB", too_large, huge)
    yield HttpAttack(
        name="body: 2 MB in chunks", transport="POST", refusal=too_large, body=always(huge), is_chunked=True
    )
    yield HttpAttack(
        name="body: 2 MB of 1 TB", transport="POST", refusal=too_large, body=always(huge), announced_bytes=10**12
    )
    yield HttpAttack(name="body: 2 MB", transport="SSE", refusal=too_large, headers=EVENTS, body=always(huge))
    yield _got("address of 2 MB", HEAD_TOO_LARGE, as_url({"query": CHEAP + " " * 700_000}))
    yield _got("address of 60 kB", HEAD_TOO_LARGE, as_url({"query": CHEAP + "#" + "x" * 60_000}))
    deep = b'{"query": "{ __typename }", "variables": {"a": %b}}'
    unreadable: dict[str, bytes] = {
        "deep lists": deep % (b"[" * DEEP + b"]" * DEEP),
        "deep objects": deep % (b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        "1 MB of brackets": b"[" * 999_999,
        "not UTF-8": b'{"query": "' + b"\xff" * 900_000 + b'"}',
        "half a character": b'{"query": "\\ud800"}',
        "not a number": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        "a batch": as_body([request(CHEAP)] * 10_000),
        "nested batches": as_body([[request(CHEAP)]] * 10_000),
        "many members": as_body({f"m{n}": n for n in range(50_000)}),
        "a query that is a list": as_body({"query": ["{"] * 150_000}),
    }
    for name, body in unreadable.items():
        yield _posted(name, bad, body)
        yield HttpAttack(name=f"body: {name}", transport="SSE", refusal=bad, headers=EVENTS, body=always(body))


def _content_type_attacks() -> Iterator[Attack]:
    good = as_body(request(CHEAP))
    for kind in (
        "text/plain",
        "application/jsonfoo",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json" + ";" * 5000,
        "a" * 5000,
    ):
        headers = {**JSON, "content-type": kind}
        yield _posted(f"of {kind[:32]}", "415 UNSUPPORTED_MEDIA_TYPE", good, headers=headers)
    headers = {**JSON, "content-encoding": "gzip"}
    yield _posted("compressed", "415 UNSUPPORTED_MEDIA_TYPE", b"\x1f\x8b" + b"\0" * 900_000, headers=headers)
    for accept in ("text/html", "image/png," * 1000):
        headers = {**JSON, "accept": accept}
        yield _posted(f"for {accept[:32]}", "406 NOT_ACCEPTABLE", good, headers=headers)


def _cross_site_attacks() -> Iterator[Attack]:
    good, refusal = as_body(request(CHEAP)), "403 FORBIDDEN"
    for transport, headers in (("POST", JSON), ("SSE", EVENTS)):
        for origin in (EVIL, "null"):
            yield HttpAttack(
                name=f"page of {origin}",
                transport=transport,
                refusal=refusal,
                headers={**headers, "origin": origin},
                body=always(good),
            )
    for name, transport, accept in (("page", "GET", "application/json"), ("page", "SSE by GET", "text/event-stream")):
        yield HttpAttack(
            name=f"{name} of {EVIL}",
            transport=transport,
            refusal=refusal,
            method="GET",
            path=always(as_url({"query": CHEAP})),
            headers={"accept": accept, "origin": EVIL},
        )
    for origin in (EVIL, "null"):
        yield HandshakeAttack(name=f"page of {origin}", refusal=refusal, origin=origin)
    yield HandshakeAttack(name="another sub-protocol", refusal="close 4406", subprotocol="graphql-ws")
    change = as_url({"query": 'mutation { itemArchive(input: {sku: "a"}) { userErrors { code } } }'})
    yield _got("mutation by GET", "405 METHOD_NOT_ALLOWED", change)
    yield _got("subscription by GET", "400 BAD_REQUEST", as_url({"query": FOLLOW}))
    yield _got("1000 parameters", "400 BAD_REQUEST", as_url({f"p{n}": "x" for n in range(1000)}))
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        yield HttpAttack(
            name=f"method {method}",
            transport="HTTP",
            refusal="405 METHOD_NOT_ALLOWED",
            method=method,
            body=always(good),
        )


def _stranger_attacks() -> Iterator[Attack]:
    good, unknown = as_body(request(CHEAP)), "401 UNAUTHENTICATED"
    strange = f"sgk_{'0' * 16}_{'A' * 43}"
    brought = {
        "none": ("", unknown),
        "an unknown one": (f"Bearer {strange}", unknown),
        "a long one": (f"Bearer {'x' * 10_000}", unknown),
        "an endless one": (f"Bearer {'x' * 60_000}", HEAD_TOO_LARGE),
    }
    for name, (authorization, refusal) in brought.items():
        headers = {**JSON, "authorization": authorization} if authorization else JSON
        yield HttpAttack(
            name=f"key: {name}", transport="POST", refusal=refusal, headers=headers, body=always(good), is_known=False
        )
    for name, payload in (("an unknown one", f"Bearer {strange}"), ("a long one", "x" * 900_000), ("a list", ["x"])):
        init = as_frame({"type": "connection_init", "payload": {"authorization": payload}})
        yield SocketAttack(name=f"key: {name}", refusal="close 4403", messages=always([init]), is_greeted=False)


def _frame_attacks() -> Iterator[Attack]:
    too_large, malformed = "close 1009", "close 4400"
    # Of what is much longer, the connection may be reset while it is still sent, and the close code lost.
    huge = as_subscribe(request(CHEAP + " " * 1_000_000))
    yield SocketAttack(name="frame: 1 MB", refusal=too_large, messages=always([huge]))
    yield SocketAttack(name="frame: 1 MB in 1,000", refusal=too_large, messages=always([huge]), is_in_fragments=True)
    wrong: dict[str, str | bytes] = {
        "deep lists": "[" * DEEP + "]" * DEEP,
        "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
        "900 kB of brackets": "[" * 900_000,
        "bytes": b"\0" * 900_000,
        "a batch": as_frame([{"type": "ping"}] * 10_000),
        "an unknown type": as_frame({"type": "x" * 900_000}),
        "variables in a list": as_subscribe(request(CHEAP, [1] * 100_000)),
        "an id that is a list": as_frame({"id": [1] * 100_000, "type": "subscribe", "payload": request(CHEAP)}),
    }
    for name, message in wrong.items():
        yield SocketAttack(name=f"frame: {name}", refusal=malformed, messages=always([message]))
    early = as_subscribe(request(CHEAP))
    yield SocketAttack(
        name="before the acknowledgement", refusal="close 4401", messages=always([early]), is_greeted=False
    )
    again = as_frame({"type": "connection_init"})
    yield SocketAttack(name="a second init", refusal="close 4429", messages=always([again]))
    yield SocketAttack(name="an id in use", refusal="close 4409", messages=always([as_subscribe(request(FOLLOW))] * 2))
    many = [as_frame({"id": f"s{n}", "type": "subscribe", "payload": request(FOLLOW)}) for n in range(101)]
    yield SocketAttack(
        name="101 subscriptions", refusal="error SUBSCRIPTION_LIMIT_EXCEEDED", messages=always(list(many))
    )


def _posted(name: str, refusal: str, body: bytes, *, headers: Mapping[str, str] = JSON) -> HttpAttack:
    return HttpAttack(name=f"body: {name}", transport="POST", refusal=refusal, headers=headers, body=always(body))


def _got(name: str, refusal: str, path: bytes) -> HttpAttack:
    headers = {"accept": JSON["accept"]}
    return HttpAttack(name=name, transport="GET", refusal=refusal, method="GET", path=always(path), headers=headers)

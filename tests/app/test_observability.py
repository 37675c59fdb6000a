"""The log's lines; the one rule: exactly these fields, and nothing of what the caller sent but the operation's name."""

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.observability import RequestLines, configure_logging
from app.request_traces import CURRENT_TRACE, RequestTrace, RequestTraces, correlation_id_from
from app.settings import Settings
from resolvers.request_log import Moment, OperationRecord

NEW_ID = re.compile(r"[0-9a-f]{32}")
RECORD = OperationRecord(
    moment=Moment.REQUEST,
    operation="productPage",
    kind="query",
    account="shop",
    principal="shop's key",
    correlation_id="abc-1",
    outcome="ok",
    duration_ms=1.23456,
    requested_cost=12,
    actual_cost=7,
)


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    """No request is under way, and the root logger is as it was."""
    token = CURRENT_TRACE.set(None)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    CURRENT_TRACE.reset(token)


def trace() -> RequestTrace:
    return RequestTrace(correlation_id="abc-1", transport="http", path="/graphql")


def written(output: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_an_operation_is_one_line_of_json() -> None:
    """Given an operation, then its line has exactly these fields, in this order."""
    output = io.BytesIO()
    current = trace()
    CURRENT_TRACE.set(current)
    RequestLines(Settings(log_format="json"), output).operation(RECORD)
    (line,) = written(output)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert list(line.items()) == [
        ("level", "INFO"),
        ("event", "request"),
        ("transport", "http"),
        ("operation", "productPage"),
        ("kind", "query"),
        ("account", "shop"),
        ("principal", "shop's key"),
        ("requested_cost", 12),
        ("actual_cost", 7),
        ("duration_ms", 1.235),
        ("outcome", "ok"),
        ("correlation_id", "abc-1"),
    ]
    assert current.is_told


@pytest.mark.parametrize(("workers", "pid"), [(1, None), (2, os.getpid())])
def test_a_line_names_its_process_where_there_are_many(
    workers: int, pid: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given one process, then no line speaks of it; given many, then each does, whichever logger writes it."""
    settings = Settings(log_format="json", workers=workers)
    output = io.BytesIO()
    RequestLines(settings, output).operation(RECORD)
    configure_logging(settings)
    logging.getLogger("stockgate.any").warning("something happened")
    lines = [*written(output), json.loads(capsys.readouterr().err)]
    assert [line.get("pid") for line in lines] == [pid, pid]


@pytest.mark.parametrize(
    ("settings", "is_json"),
    [
        (Settings(environment="production"), True),
        (Settings(environment="development"), False),
        (Settings(environment="development", log_format="json"), True),
        (Settings(environment="production", log_format="console"), False),
    ],
)
def test_the_format_follows_the_settings(settings: Settings, is_json: bool) -> None:
    """Given the environment and the format, then lines are JSON in production and for people elsewhere."""
    output = io.BytesIO()
    RequestLines(settings, output).operation(RECORD)
    assert output.getvalue().startswith(b"{") is is_json
    assert output.getvalue().count(b"\n") == 1


def test_a_line_for_people_steers_no_terminal() -> None:
    """Given a name with an escape or a line break in it, then both are shown and not done."""
    output = io.BytesIO()
    odd = RequestTrace(correlation_id="abc-1", transport="http", path="/\x1b[31m\nrequest outcome=ok")
    odd.status = 404
    RequestLines(Settings(log_format="console"), output).refusal(odd)
    assert b"\x1b[31m" not in output.getvalue()
    assert output.getvalue().count(b"\n") == 1


def test_a_quiet_level_writes_no_requests() -> None:
    """Given a level above info, then there is no line a request."""
    output = io.BytesIO()
    RequestLines(Settings(log_level="warning"), output).operation(RECORD)
    assert output.getvalue() == b""


def test_a_log_that_is_gone_fails_nobody() -> None:
    """Given a closed output, when an operation is told, then nothing is raised."""
    output = io.BytesIO()
    lines = RequestLines(Settings(log_format="json"), output)
    output.close()
    lines.operation(RECORD)


def test_other_loggers_go_through_the_same_formatter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a failure that a library logs during a request, then it is one line of JSON with the request's id."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(Settings(log_format="json"))
    CURRENT_TRACE.set(trace())
    secret = "sgk_live_0123456789"
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("it failed")
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    (line,) = [json.loads(one) for one in stream.getvalue().splitlines()]
    assert (line["level"], line["event"], line["logger"]) == ("ERROR", "it failed", "uvicorn.error")
    assert line["correlation_id"] == "abc-1"
    assert line["exception"].endswith("ValueError: odd")
    assert secret not in stream.getvalue()


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([(b"x-request-id", b"a")], "a"),
        ([(b"x-correlation-id", b"A-b_c.d:9")], "A-b_c.d:9"),
        ([(b"x-request-id", b"x" * 64)], "x" * 64),
        ([(b"x-request-id", b"x" * 65)], None),
        ([(b"x-request-id", b"")], None),
        ([(b"x-request-id", b"a b")], None),
        ([(b"x-request-id", b"a\nb")], None),
        ([(b"x-request-id", "ä".encode())], None),
        ([(b"x-request-id", b'"'), (b"x-correlation-id", b"good")], "good"),
        ([], None),
    ],
)
def test_only_plain_ids_are_taken(headers: list[tuple[bytes, bytes]], taken: str | None) -> None:
    """Given what a caller brings, then it is taken when it is 1 to 64 plain characters."""
    assert correlation_id_from(headers) == taken


async def answer(status: int, body: bytes, *, headers: list[tuple[bytes, bytes]] | None = None) -> tuple[Any, Any]:
    """Return the start of the answer, and what was told of it, for an application that answers so."""
    sent: list[Message] = []
    told: list[RequestTrace] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["state"]["correlation_id"] == CURRENT_TRACE.get().correlation_id  # type: ignore[union-attr]  # set by the layer under test
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope: Scope = {"type": "http", "path": "/graphql", "headers": headers or []}
    await RequestTraces(app, on_refusal=told.append)(scope, receive, send)
    return sent[0], told


async def test_every_answer_names_the_id() -> None:
    """Given a request with an id or without, then the answer's header says under which it is found."""
    start, told = await answer(200, b"{}", headers=[(b"x-request-id", b"mine")])
    assert (dict(start["headers"]), told) == ({b"x-request-id": b"mine"}, [])
    start, told = await answer(200, b"{}")
    assert NEW_ID.fullmatch(dict(start["headers"])[b"x-request-id"].decode())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"errors":[{"message":"m","extensions":{"code":"UNAUTHENTICATED"}}]}', "UNAUTHENTICATED"),
        (b'{"errors":[]}', None),
        (b'{"errors":7}', None),
        (b"not found", None),
    ],
)
async def test_a_refusal_is_told_with_its_code(body: bytes, code: str | None) -> None:
    """Given an answer of 4xx, then its status and code are told, also when it is not ours."""
    _, (told,) = await answer(401, body)
    assert (told.status, told.code, told.transport) == (401, code, "http")
    output = io.BytesIO()
    RequestLines(Settings(log_format="json"), output).refusal(told)
    (line,) = written(output)
    assert (line["event"], line["status"], line["path"], line.get("outcome")) == ("refused", 401, "/graphql", code)


@pytest.mark.parametrize(("code", "is_told"), [(4400, True), (4403, True), (1009, True), (1000, False), (1012, False)])
async def test_a_socket_that_is_refused_is_told_with_its_close_code(code: int, is_told: bool) -> None:
    """Given a socket that the gateway closes, then it is told unless that was a normal end."""
    told: list[RequestTrace] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": code})

    async def pass_over(_: Message) -> None:
        pass

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    scope: Scope = {"type": "websocket", "path": "/graphql", "headers": []}
    await RequestTraces(app, on_refusal=told.append)(scope, receive, pass_over)
    assert [(one.transport, one.status) for one in told] == ([("websocket", code)] if is_told else [])

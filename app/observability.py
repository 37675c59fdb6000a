"""Logs: one line a request, and all other loggers through the same formatter, on standard error.

The rule: a line holds no credential, no document and no variable, and what cannot be written fails no request.
"""

import contextlib
import logging
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import orjson
import structlog
from structlog.typing import Processor

from app.request_traces import CURRENT_TRACE, RequestTrace
from app.settings import Settings
from resolvers.request_log import OperationRecord

Line = MutableMapping[str, Any]

CHATTY_LOGGERS: Final = ("sqlalchemy", "alembic", "aiosqlite", "asyncio")
"""Libraries that tell each statement or callback at INFO, values included: of them only warnings are wanted."""
REFUSED: Final = "refused"
EVENT_COLUMNS: Final = 20
"""How wide the name of an event stands in a line for people."""


def configure_logging(settings: Settings) -> None:
    """Send what every logger of the process says through one formatter to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_with_level, _with_trace],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *_rendered(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class RequestLines:
    """Writes a line for each operation, and for each request that never came to be one."""

    def __init__(self, settings: Settings, output: BinaryIO | None = None) -> None:
        # Written past the standard library's loggers: this is on the path of every request.
        logger = structlog.wrap_logger(
            structlog.BytesLogger(output or sys.stderr.buffer),
            processors=[_without_nothing, *_rendered(settings), _as_bytes],
            wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        )
        self._write = logger.bind(level="INFO").info

    def operation(self, record: OperationRecord) -> None:
        """Write what is told of an operation."""
        trace = CURRENT_TRACE.get()
        if trace is not None:
            trace.is_told = True
        with contextlib.suppress(OSError, ValueError):  # the log has gone away; the request has not
            self._write(
                record.moment.value,
                transport=None if trace is None else trace.transport,
                operation=record.operation,
                kind=record.kind,
                account=record.account,
                principal=record.principal,
                requested_cost=record.requested_cost,
                actual_cost=record.actual_cost,
                messages=record.messages,
                duration_ms=round(record.duration_ms, 3),
                outcome=record.outcome,
                correlation_id=record.correlation_id,
            )

    def refusal(self, trace: RequestTrace) -> None:
        """Write that a request, or a WebSocket, was refused before GraphQL saw it."""
        with contextlib.suppress(OSError, ValueError):  # as above
            self._write(
                REFUSED,
                transport=trace.transport,
                path=trace.path,
                status=int(trace.status),
                duration_ms=round(trace.duration_ms, 3),
                outcome=trace.code,
                correlation_id=trace.correlation_id,
            )


def _rendered(settings: Settings) -> list[Processor]:
    kind = settings.log_format
    if kind == "auto":
        kind = "json" if settings.environment == "production" else "console"
    render = _as_json if kind == "json" else _as_text
    return [render] if settings.workers == 1 else [_with_pid, render]


def _with_pid(_: Any, __: str, line: Line) -> Line:
    line["pid"] = os.getpid()
    return line


def _with_level(_: Any, __: str, line: Line) -> Line:
    line["level"] = line["_record"].levelname
    line["logger"] = line["_record"].name
    return line


def _with_trace(_: Any, __: str, line: Line) -> Line:
    trace = CURRENT_TRACE.get()
    if trace is not None:
        line["correlation_id"] = trace.correlation_id
    return line


def _without_nothing(_: Any, __: str, line: Line) -> Line:
    return {name: value for name, value in line.items() if value is not None}


def _as_json(_: Any, __: str, line: Line) -> str:
    first = {"time": _now(), "level": line.pop("level", None), "event": line.pop("event", None)}
    return orjson.dumps(first | dict(line), default=str).decode()


def _as_text(_: Any, __: str, line: Line) -> str:
    level, event, exception = (line.pop(name, "") for name in ("level", "event", "exception"))
    # Only the program's own words, as tracebacks are, may break lines; whatever else would steer a terminal is escaped.
    shown = _escaped(str(event), breaks_lines="logger" in line)
    rest = " ".join(f"{name}={_escaped(str(value), breaks_lines=False)}" for name, value in line.items())
    text = f"{_now()} {level:<8} {shown:<{EVENT_COLUMNS}} {rest}"
    return f"{text}\n{_escaped(str(exception), breaks_lines=True)}" if exception else text


def _escaped(text: str, *, breaks_lines: bool) -> str:
    if text.isprintable():
        return text
    parts = text.split("\n") if breaks_lines else [text]
    return "\n".join(one if one.isprintable() else ascii(one)[1:-1] for one in parts)


def _as_bytes(_: Any, __: str, line: Any) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""Server-sent events, one connection an operation (the distinct connections mode of graphql-sse).

The rule: line feeds only, JSON in one line, `event: complete` at the end, and nobody is sent anything once the
credential that opened the stream is no longer in force.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from graphql import GraphQLError
from starlette.types import Message, Receive, Scope, Send
from strawberry.types import ExecutionResult

from app.graphql_http import body_of
from app.last_words import last_words_of
from domain.ports import InfrastructureError, SubscriberTooSlow
from resolvers.error_codes import ErrorCode
from resolvers.errors import presented, refused_request
from resolvers.subscriptions import PLACE, Place

logger = logging.getLogger("stockgate.graphql")

HEADERS: Final = {
    "content-type": "text/event-stream",
    # Caches must not keep it, and proxies neither compress nor hold it back.
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
COMPLETE: Final = "event: complete\ndata: \n\n"
UNCERTAIN_SECONDS_MAX: Final = 45.0
CREDENTIAL_ENDED: Final = "The credential is no longer in force; connect again with another, after your last position."

Results = AsyncGenerator[Any, None]


class StreamEvent(NamedTuple):
    """What is sent in one piece, and where the subscription stands with it and without it."""

    text: str
    place: Place | None = None


KEEP_ALIVE: Final = StreamEvent(": ping\n\n")
END: Final = StreamEvent("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often an idle stream shows that it lives, and how often its credential is checked, in seconds."""

    keep_alive_seconds: float
    credential_check_seconds: float


async def event_stream(
    results: Results, intervals: Intervals, *, is_current: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[StreamEvent, None]:
    """Yield the events of one operation, keep-alives between them, and the word that ends them."""
    clock = asyncio.get_running_loop().time
    credential = Credential(is_current)
    queue: asyncio.Queue[StreamEvent | None] = asyncio.Queue(maxsize=1)
    source = asyncio.create_task(_drain(results, queue))
    check_at = clock() + intervals.credential_check_seconds
    try:
        while True:
            event = await _next_event(queue, seconds=min(intervals.keep_alive_seconds, check_at - clock()))
            if event is None:
                break
            if clock() >= check_at:
                if not await credential.is_in_force():
                    yield StreamEvent(next_event(ended_credential()))
                    break
                check_at = clock() + intervals.credential_check_seconds
            yield event
        yield StreamEvent(COMPLETE)
    finally:
        source.cancel()
        with suppress(asyncio.CancelledError):
            await source


class Credential:
    """The credential of a live socket or stream: whether it is still in force.

    While that cannot be found out it is what it was, but not for longer than UNCERTAIN_SECONDS_MAX.
    """

    def __init__(self, is_current: Callable[[], Awaitable[bool]]) -> None:
        self._is_current = is_current
        self._confirmed_at = time.monotonic()

    async def is_in_force(self) -> bool:
        """Return whether whoever brought it is still let in, as the very same."""
        try:
            is_current = await self._is_current()
        except InfrastructureError:
            return time.monotonic() - self._confirmed_at < UNCERTAIN_SECONDS_MAX
        self._confirmed_at = time.monotonic()
        return is_current


class EventStreamResponse:
    """Sends events to a client that reads them; one that stops reading is told where it was, and left."""

    def __init__(self, events: AsyncGenerator[StreamEvent, None], *, send_deadline_seconds: float) -> None:
        self._events = events
        self._send_deadline_seconds = send_deadline_seconds
        self._resume_after: int | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response until it is complete, or the client gone."""
        gone = asyncio.create_task(_until_gone(receive))
        sending = asyncio.create_task(self._send_all(scope, send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            ended = await asyncio.gather(gone, sending, return_exceptions=True)
        failure = ended[1]
        if isinstance(failure, Exception):
            raise failure

    async def _send_all(self, scope: Scope, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        async with aclosing(self._events):
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
            async for event in self._events:
                if not await self._is_taken(event, send):
                    last_words_of(scope)()
                    last_words = next_event(too_slow(self._resume_after)) + COMPLETE
                    await send(_piece(last_words, is_last=True))
                    return
            if not await self._is_taken(END, send):
                last_words_of(scope)()
                await send(_piece(END.text, is_last=True))

    async def _is_taken(self, event: StreamEvent, send: Send) -> bool:
        """Send one event; return whether there was room for it in time."""
        place = event.place
        try:
            async with asyncio.timeout(self._send_deadline_seconds):
                await send(_piece(event.text, is_last=event is END))
        except TimeoutError:
            self._resume_after = self._resume_after if place is None else place.without
            return False
        self._resume_after = self._resume_after if place is None else place.with_it
        return True


def _piece(text: str, *, is_last: bool) -> Message:
    return {"type": "http.response.body", "body": text.encode(), "more_body": not is_last}


def too_slow(resume_after: int | None) -> ExecutionResult:
    """Return what a subscriber is told that left its messages unread for too long."""
    if resume_after is None:
        error = refused_request("Messages were left unread for too long.", code=ErrorCode.SUBSCRIBER_TOO_SLOW)
    else:
        cause = SubscriberTooSlow(resume_after)
        error = presented(
            GraphQLError(str(cause), original_error=cause), request_code=ErrorCode.BAD_REQUEST, correlation_id=None
        )
    return ExecutionResult(data=None, errors=[error])


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def ended_credential() -> ExecutionResult:
    """Return what a stream is told whose credential has ended."""
    error = refused_request(CREDENTIAL_ENDED, code=ErrorCode.UNAUTHENTICATED)
    return ExecutionResult(data=None, errors=[error])


def is_no_answer(result: Any) -> bool:
    """Return whether a stream ends with this result: it holds errors only.

    A subscription whose event could not be presented must not go on behind it as if there had been no such event: the
    subscriber resumes after the last position that it was given.
    """
    return result.data is None and bool(result.errors)


def next_event(result: ExecutionResult) -> str:
    """Return one result as an event."""
    return f"event: next\ndata: {orjson.dumps(body_of(result)).decode()}\n\n"


async def _next_event(queue: "asyncio.Queue[StreamEvent | None]", *, seconds: float) -> StreamEvent | None:
    if not queue.empty():
        return queue.get_nowait()
    try:
        async with asyncio.timeout(seconds):
            return await queue.get()
    except TimeoutError:
        return KEEP_ALIVE


async def _drain(results: Results, queue: "asyncio.Queue[StreamEvent | None]") -> None:
    try:
        async with aclosing(results):
            async for result in results:
                if is_no_answer(result):
                    # The place is still that of the event before it, which has been sent.
                    await queue.put(StreamEvent(next_event(result)))
                    break
                await queue.put(StreamEvent(next_event(result), PLACE.get()))
    except Exception:  # whatever it is, the stream is ended by a word and not in its middle
        logger.exception("an event stream failed")
    await queue.put(None)

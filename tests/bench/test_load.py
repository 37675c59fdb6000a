"""The generator counts every request once, checks every answer, and always comes to an end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.bench.echo import EchoConnection
from app.bench.http_messages import encode_answer, encode_post, frame
from app.bench.load import run_load
from app.bench.plans import LoadFigures, latency_percentiles
from app.bench.workloads import Requests

GOOD = b'{"data":{"inventoryAdjust":{"userErrors":[]}}}'
REFUSED = b'{"data":{"inventoryAdjust":{"userErrors":[{"message":"no"}]}}}'
BROKEN = b'{"errors":[{"message":"masked"}],"data":{"inventoryAdjust":{"userErrors":[]}}}'

Answering = Callable[[bytes, asyncio.Transport], None]


@asynccontextmanager
async def server(protocol: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    """Serve on a free port while the block runs."""
    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def answering(answer: Answering, seen: list[bytes]) -> Callable[[], asyncio.Protocol]:
    """Return a server that notes each request's body and lets `answer` write what it likes."""

    class Answers(EchoConnection):
        def data_received(self, data: bytes) -> None:
            found = frame(data)
            assert found is not None
            seen.append(data[slice(*found)])
            answer(data, self._transport)

    return Answers


def requests(*bodies: bytes, repeated: bool = False, expected: bytes = b'"userErrors":[]') -> Requests:
    """Return encoded requests with these bodies."""
    encoded = [encode_post(port=1, path="/graphql", body=body) for body in bodies]
    return Requests(encoded=encoded, repeated=repeated, expected=expected)


async def load(asked: Requests, port: int, *, connections: int = 1, seconds: float = 5.0) -> LoadFigures:
    """Run a small load without a warm-up."""
    return await run_load(
        asked,
        port=port,
        connections=connections,
        warm_up_seconds=0.0,
        measured_seconds=seconds,
        workload="test",
        drain_seconds=0.2,
    )


async def test_every_request_is_sent_exactly_once_and_answered() -> None:
    seen: list[bytes] = []
    bodies = [b"%03d" % number for number in range(200)]
    answer: Answering = lambda _, transport: transport.write(encode_answer(GOOD))  # noqa: E731 - one line reads best
    async with server(answering(answer, seen)) as port:
        figures = await load(requests(*bodies), port, connections=8)
    assert sorted(seen) == bodies
    assert (figures.requests, figures.failures, figures.ran_out_of_requests) == (200, 0, True)


async def test_repeated_requests_go_on_until_the_time_is_up() -> None:
    async with server(EchoConnection) as port:
        figures = await load(requests(b"ping", repeated=True, expected=b"ping"), port, connections=4, seconds=0.2)
    assert (figures.seconds, figures.failures, figures.ran_out_of_requests) == (0.2, 0, False)
    assert figures.requests == round(figures.rate_per_second * 0.2)


async def test_refusals_errors_and_other_statuses_are_failures_and_the_first_ones_are_kept() -> None:
    answers = iter([encode_answer(GOOD), encode_answer(REFUSED), encode_answer(BROKEN)])
    wrong_status = encode_answer(GOOD).replace(b"200 OK", b"503 No")
    answer: Answering = lambda _, transport: transport.write(next(answers, wrong_status))  # noqa: E731 - as above
    async with server(answering(answer, [])) as port:
        figures = await load(requests(*[b"x"] * 9), port)
    assert (figures.requests, figures.failures) == (9, 8)
    assert figures.failure_examples == [
        f"status 200: {REFUSED.decode()}",
        f"status 200: {BROKEN.decode()}",
        *[f"status 503: {GOOD.decode()}"] * 3,
    ]


async def test_a_dropped_connection_is_one_failure_and_ends_its_share_of_the_load() -> None:
    answer: Answering = lambda _, transport: transport.abort()  # noqa: E731 - as above
    async with server(answering(answer, [])) as port:
        figures = await load(requests(*[b"x"] * 9), port, connections=3)
    assert (figures.requests, figures.failures) == (0, 3)
    assert {example.split(":")[0] for example in figures.failure_examples} == {"the connection was lost"}


async def test_requests_that_are_never_answered_fail_when_the_run_is_over() -> None:
    async with server(answering(lambda _, __: None, [])) as port:
        async with asyncio.timeout(5):
            figures = await load(requests(b"x", repeated=True), port, connections=2, seconds=0.1)
    assert (figures.requests, figures.failures) == (0, 2)


async def test_an_answer_that_was_not_asked_for_is_a_failure() -> None:
    answer: Answering = lambda _, transport: transport.write(encode_answer(GOOD) * 2)  # noqa: E731 - as above
    async with server(answering(answer, [])) as port:
        figures = await load(requests(b"x"), port)
    assert figures.failure_examples == ["the server answered what was not asked"]


async def test_an_answer_in_pieces_is_put_together() -> None:
    def in_pieces(_: bytes, transport: asyncio.Transport) -> None:
        answer = encode_answer(GOOD)
        transport.write(answer[:30])
        asyncio.get_running_loop().call_later(0.01, transport.write, answer[30:])

    async with server(answering(in_pieces, [])) as port:
        figures = await load(requests(b"x", b"y"), port)
    assert (figures.requests, figures.failures) == (2, 0)


def test_percentiles_are_nearest_rank_in_milliseconds() -> None:
    latencies = [number / 1000 for number in range(100, 0, -1)]
    assert latency_percentiles(latencies) == {
        "p50": 51.0,
        "p90": 91.0,
        "p95": 96.0,
        "p99": 100.0,
        "max": 100.0,
    }
    assert latency_percentiles([]) == {"p50": 0.0, "p90": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}

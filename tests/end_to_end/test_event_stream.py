"""Server-sent events to the letter; the one rule: line feeds only, JSON in one line, and a word at the end."""

import asyncio
import json

import pytest

from tests.end_to_end.client import Client, codes, result_of
from tests.end_to_end.event_stream import Event, EventStream, StreamCut, open_event_stream
from tests.end_to_end.gateway import Gateway, Gateways
from tests.end_to_end.shop import OPENING, Shop, open_shop

MANY = 1500
STOCK = """
subscription stock($skus: [String!], $after: String) {
  stockChanged(skus: $skus, after: $after) { position sku correlationId levels { onHand } }
}
"""


async def test_events_are_framed_by_line_feeds(shop: Shop) -> None:
    before, _ = await shop.snapshot()
    position = (await shop.adjust(shop.skus[0], (shop.east, -1), correlationId="ä\r\n\n\u2028€"))["position"]
    variables = {"skus": [shop.skus[0]], "after": str(before)}
    async with open_event_stream(shop.gateway, STOCK, variables) as stream:
        block = await stream.next_block()
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["transfer-encoding"] == "chunked"
    assert stream.headers["cache-control"].startswith("no-cache")
    assert block == (
        f'event: next\ndata: {{"data":{{"stockChanged":{{"position":"{position}","sku":"{shop.skus[0]}",'
        f'"correlationId":"ä\\r\\n\\n\u2028€","levels":[{{"onHand":{OPENING - 1}}}]}}}}}}'
    )


async def test_an_idle_stream_shows_that_it_lives(shop: Shop) -> None:
    before, _ = await shop.snapshot()
    async with open_event_stream(shop.gateway, STOCK, {"skus": [shop.skus[0]], "after": str(before)}) as stream:
        assert [await stream.next_block() for _ in range(3)] == [": ping"] * 3
        await shop.sell(shop.skus[0])
        assert (await stream.next()).name == "next"


async def test_a_query_over_events_is_answered_and_completed(shop: Shop) -> None:
    document = "query q($skus: [String!]!) { availability(skus: $skus) { availableQuantity } }"
    async with open_event_stream(shop.gateway, document, {"skus": [shop.skus[0]]}) as stream:
        event = await stream.next()
        assert (event.name, event.payload) == ("next", {"data": {"availability": [{"availableQuantity": 2 * OPENING}]}})
        assert await stream.next() == Event(name="complete", data="")
        await stream.ended()


async def test_a_mutation_over_events_is_run_once(shop: Shop) -> None:
    document = """mutation adjust($input: InventoryAdjustmentInput!) {
      inventoryAdjust(input: $input) { replayed userErrors { code } }
    }"""
    entries = [{"locationId": shop.east, "delta": -1}]
    input = {"sku": shop.skus[0], "adjustments": entries, "idempotencyKey": shop.key()}
    for replayed in (False, True):
        async with open_event_stream(shop.gateway, document, {"input": input}) as stream:
            payload = (await stream.next()).payload
            assert payload == {"data": {"inventoryAdjust": {"replayed": replayed, "userErrors": []}}}
            assert await stream.next() == Event(name="complete", data="")
    assert (await shop.on_hand())[shop.skus[0], shop.east] == OPENING - 1


async def test_a_browsers_event_source_follows_by_get(shop: Shop) -> None:
    before, _ = await shop.snapshot()
    position = await shop.sell(shop.skus[0])
    variables = json.dumps({"skus": [shop.skus[0]], "after": str(before)})
    parameters = {"query": STOCK, "variables": variables}
    headers = {"accept": "text/event-stream"}
    async with shop.client.http.stream("GET", shop.client.url, params=parameters, headers=headers) as response:
        lines = response.aiter_lines()
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        assert await anext(lines) == "event: next"
        event = json.loads((await anext(lines)).removeprefix("data: "))
    assert event["data"]["stockChanged"]["position"] == str(position)


async def test_a_stream_that_is_no_request_is_refused_before_it_begins(client: Client) -> None:
    headers = {"accept": "text/event-stream", "content-type": "application/json"}
    for body in ("{", "[]", "{}", '{"query": 5}'):
        response = await client.send(body, headers)
        assert (response.status_code, codes(response.json())) == (400, ["BAD_REQUEST"])


async def read_on(stream: EventStream) -> None:
    """Read until the stream ends."""
    for _ in range(MANY + 1):
        await stream.next()


async def test_a_stream_whose_reader_has_stalled_is_given_up(gateways: Gateways) -> None:
    settings = {"SEND_DEADLINE_MS": "300", "KEEP_ALIVE_MS": "100"}
    with gateways.new("stalled", **settings).begin() as gateway:
        async with Client(gateway.url) as client:
            shop = await open_shop(gateway, client, items=1)
            before, _ = await shop.snapshot()
            text = "\N{PACKAGE}" * 500
            await asyncio.gather(*(shop.adjust(shop.skus[0], (shop.east, 1), correlationId=text) for _ in range(MANY)))
        document = "subscription all($after: String) { stockChanged(after: $after) { position correlationId } }"
        async with open_event_stream(gateway, document, {"after": str(before)}, receive_buffer_bytes=4096) as stream:
            await asyncio.sleep(1)
            with pytest.raises(StreamCut):
                await read_on(stream)
        assert gateway.stop(deadline_seconds=20.0) == 0
        assert "Traceback" not in gateway.log()


@pytest.mark.parametrize(
    ("document", "variables", "code"),
    [
        (STOCK, {"after": "soon"}, "INVALID_INPUT"),
        (STOCK, {"skus": 5.5}, "BAD_USER_INPUT"),
        ("subscription { nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_a_refused_stream_says_why_and_ends(
    gateway: Gateway, document: str, variables: dict[str, object], code: str
) -> None:
    async with open_event_stream(gateway, document, variables) as stream:
        event = await stream.next()
        assert (event.name, codes(event.payload)) == ("next", [code])
        assert await stream.next() == Event(name="complete", data="")
        await stream.ended()


@pytest.mark.parametrize(
    "accept",
    [
        "application/json, text/event-stream",
        "application/graphql-response+json, application/json, text/event-stream",
        "text/event-stream;q=0.5, application/json",
        "*/*",
        "*/*, text/event-stream",
        "text/event-stream;q=0, */*;q=0.1",
    ],
)
async def test_a_client_that_prefers_json_gets_json(shop: Shop, accept: str) -> None:
    headers = {"content-type": "application/json", "accept": accept}
    response = await shop.client.send('{"query":"{ __typename }"}', headers)
    assert (response.status_code, result_of(response)) == (200, {"data": {"__typename": "Query"}})
    assert response.headers["content-type"] in (
        "application/json; charset=utf-8",
        "application/graphql-response+json; charset=utf-8",
    )


@pytest.mark.parametrize(
    "accept", ["text/event-stream", "text/event-stream, application/json", "TEXT/EVENT-STREAM; q=1.0"]
)
async def test_a_client_that_prefers_events_gets_events(gateway: Gateway, accept: str) -> None:
    async with open_event_stream(gateway, "{ __typename }", accept=accept) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert (await stream.next()).payload == {"data": {"__typename": "Query"}}


async def test_a_dropped_stream_leaves_the_others_alone(shop: Shop, client: Client) -> None:
    before, _ = await shop.snapshot()
    variables = {"skus": [shop.skus[0]], "after": str(before)}
    async with open_event_stream(shop.gateway, STOCK, variables) as kept:
        for _ in range(20):
            async with open_event_stream(shop.gateway, STOCK, variables) as dropped:
                dropped.cut()
        positions = [await shop.sell(shop.skus[0]) for _ in range(3)]
        seen = [int((await kept.next()).payload["data"]["stockChanged"]["position"]) for _ in positions]
    assert seen == positions
    await asyncio.gather(*(client.ask("{ __typename }") for _ in range(3)))

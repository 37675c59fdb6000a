"""The requests of each workload, encoded before any clock starts; the same seed makes the same requests."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from app.bench import documents
from app.bench.http_messages import encode_post
from app.bench.plans import LoadPlan, Workload

GRAPHQL_PATH: Final = "/graphql"
LOCATIONS: Final = ("BENCH-EAST", "BENCH-WEST", "BENCH-SOUTH")
CHANNELS: Final = ("bench-web", "bench-app")
OPENING_QUANTITY: Final = 5_000_000
ENTRIES_PER_REQUEST: Final = 100
SKUS_PER_READ: Final = 5
READS_DISTINCT: Final = 2_000
NO_USER_ERRORS: Final = b'"userErrors":[]'
# A bulk payload has an empty list beside the full one of a refused entry, and every refusal has a message.
REFUSALS: Final = (b'"errors"', b'"message"')
RESERVED: Final = re.compile(rb'"reservationId":"([0-9a-f]{32})"')
RESERVATION: Final = b"f" * 32
"""Stands for an id of the same length, so that the request around it is encoded before the clock starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Encoded requests, whether they may be sent again and again, and what tells a right answer.

    `seconds` are requests that wait for the answer to another: each is sent once, with the reservation's id from the
    answer in the place of RESERVATION.
    """

    encoded: Sequence[bytes]
    repeated: bool
    expected: bytes
    forbidden: tuple[bytes, ...] = REFUSALS
    seconds: Iterator[bytes] = field(default_factory=lambda: iter(()), compare=False)

    def are_answered_by(self, status: bytes, body: bytes) -> bool:
        """Whether this is status 200 and a body with what it must have and nothing that it must not."""
        return status == b"200" and self.expected in body and not any(part in body for part in self.forbidden)

    def second_after(self, body: bytes) -> bytes | None:
        """Return what is to be sent after an answer; None where that is the next request."""
        found = RESERVED.search(body)
        second = None if found is None else next(self.seconds, None)
        return None if second is None or found is None else second.replace(RESERVATION, found.group(1))


def sku_name(number: int) -> str:
    """The SKU of the item with this number."""
    return f"BENCH-{number:06d}"


def encode_graphql(port: int, query: str, variables: Mapping[str, Any], *, token: str | None = None) -> bytes:
    """One GraphQL request as bytes for the wire, sent with the API key `token`."""
    body = json.dumps({"query": query, "variables": variables}, separators=(",", ":")).encode()
    return encode_post(port=port, path=GRAPHQL_PATH, body=body, token=token)


def make_requests(plan: LoadPlan) -> Requests:
    """The requests of a plan, by its workload."""
    match plan.workload:
        case Workload.ECHO:
            encoded = [_adjust_request(plan, random.Random(plan.seed), number=0)]
            return Requests(encoded=encoded, repeated=True, expected=b"adjustMultiChannelInventory")
        case Workload.ADJUST_SPREAD | Workload.ADJUST_ZIPF | Workload.ADJUST_HOT:
            return _adjust_requests(plan)
        case Workload.RESERVE_SPREAD | Workload.RESERVE_HOT:
            return _reserve_requests(plan)
        case Workload.READ:
            return _read_requests(plan)
        case _:
            assert_never(plan.workload)


def setup_stages(port: int, skus: int, *, token: str | None = None) -> Sequence[Requests]:
    """What must be sent, stage after stage, before a workload can run; the order is that of the references."""
    numbers = range(skus)
    chunks = [numbers[begin : begin + ENTRIES_PER_REQUEST] for begin in range(0, skus, ENTRIES_PER_REQUEST)]
    stages = (
        [(documents.CHANNEL_UPSERT, _channel(code)) for code in CHANNELS],
        [(documents.LOCATION_UPSERT, _location(code)) for code in LOCATIONS],
        [(documents.ITEM_UPSERT_BULK, _items(chunk)) for chunk in chunks],
        [(documents.LISTING_UPSERT_BULK, _listings(chunk)) for chunk in chunks],
        [(documents.INVENTORY_SET, _opening(number)) for number in numbers],
    )
    return [
        Requests(
            encoded=[encode_graphql(port, query, variables, token=token) for query, variables in stage],
            repeated=False,
            expected=NO_USER_ERRORS,
        )
        for stage in stages
    ]


def _adjust_requests(plan: LoadPlan) -> Requests:
    chance = random.Random(plan.seed)
    encoded = [_adjust_request(plan, chance, number=number) for number in range(plan.requests_max)]
    return Requests(encoded=encoded, repeated=False, expected=NO_USER_ERRORS)


def _adjust_request(plan: LoadPlan, chance: random.Random, *, number: int) -> bytes:
    sku = _chosen_sku(plan, chance)
    value = {
        "sku": sku_name(sku),
        "adjustments": [{"locationId": location, "delta": -chance.randint(1, 9)} for location in LOCATIONS[:2]],
        "idempotencyKey": f"{plan.key_prefix}-{number:08d}",
    }
    return encode_graphql(plan.port, documents.ADJUST, {"input": value}, token=plan.token)


def _reserve_requests(plan: LoadPlan) -> Requests:
    chance = random.Random(plan.seed)
    count = plan.requests_max // 2
    return Requests(
        encoded=[_reserve_request(plan, chance, number=number) for number in range(count)],
        repeated=False,
        expected=NO_USER_ERRORS,
        seconds=iter([_commit_request(plan, number=number) for number in range(count)]),
    )


def _reserve_request(plan: LoadPlan, chance: random.Random, *, number: int) -> bytes:
    value = {
        "lines": [{"sku": sku_name(_chosen_sku(plan, chance)), "quantity": chance.randint(1, 3)}],
        "channelId": CHANNELS[0],
        "idempotencyKey": f"{plan.key_prefix}-{number:08d}",
    }
    return encode_graphql(plan.port, documents.RESERVE, {"input": value}, token=plan.token)


def _commit_request(plan: LoadPlan, *, number: int) -> bytes:
    value = {
        "reservationId": RESERVATION.decode("ascii"),
        "orderId": f"{plan.key_prefix}-order-{number:08d}",
        "idempotencyKey": f"{plan.key_prefix}-commit-{number:08d}",
    }
    return encode_graphql(plan.port, documents.COMMIT, {"input": value}, token=plan.token)


def _chosen_sku(plan: LoadPlan, chance: random.Random) -> int:
    match plan.workload:
        case Workload.ADJUST_HOT | Workload.RESERVE_HOT:
            return 0
        case Workload.ADJUST_ZIPF:
            # As sales are: how often an item comes is inverse to its rank, so each tenfold of ranks has the same share.
            return min(plan.skus - 1, int(plan.skus ** chance.random()) - 1)
        case _:
            return chance.randrange(plan.skus)


def _read_requests(plan: LoadPlan) -> Requests:
    chance = random.Random(plan.seed)
    skus_per_read = min(SKUS_PER_READ, plan.skus)
    encoded = []
    for _ in range(READS_DISTINCT):
        skus = [sku_name(number) for number in chance.sample(range(plan.skus), skus_per_read)]
        encoded.append(encode_graphql(plan.port, documents.AVAILABILITY, {"skus": skus}, token=plan.token))
    # A null entry of the list stands for a SKU that was not found; null fields follow a colon instead.
    forbidden = (b'"errors"', b"[null", b",null")
    return Requests(encoded=encoded, repeated=True, expected=b'"onHand":', forbidden=forbidden)


def _channel(code: str) -> dict[str, Any]:
    return {"input": {"code": code, "name": f"Bench channel {code}"}}


def _location(code: str) -> dict[str, Any]:
    return {"input": {"code": code, "name": f"Bench location {code}", "channelIds": CHANNELS}}


def _items(numbers: range) -> dict[str, Any]:
    return {"inputs": [{"sku": sku_name(number), "name": f"Bench item {number}"} for number in numbers]}


def _listings(numbers: range) -> dict[str, Any]:
    pairs = [(sku_name(number), channel) for number in numbers for channel in CHANNELS]
    return {"inputs": [{"sku": sku, "channelId": channel} for sku, channel in pairs]}


def _opening(number: int) -> dict[str, Any]:
    quantities = [{"locationId": code, "quantity": OPENING_QUANTITY, "changeFromQuantity": None} for code in LOCATIONS]
    key = f"opening-{number:06d}"
    return {"input": {"sku": sku_name(number), "quantities": quantities, "idempotencyKey": key}}

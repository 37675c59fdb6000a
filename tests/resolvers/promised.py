"""Words for the tests of documents: what is asked for and looked at; the one rule: no key is used twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

from domain.principals import EVERYTHING, Principal, Role, Scope
from resolvers.context import RequestContext
from tests.resolvers.desk import CORRELATION_ID, Answer, Desk

HOLDS = "holds { sku locationCode quantity reason location { code } }"
RESERVATION = f"""
    id reservationId state channelId externalReference fulfilment createdAt expiresAt updatedAt version orderId
    channel {{ code }} lines {{ lineId sku quantity heldQuantity item {{ name }} {HOLDS} }}
"""
ALLOCATION = f"""
    id orderId channelId fulfilment state createdAt updatedAt version channel {{ code }}
    lines {{ lineId sku quantity openQuantity shippedQuantity cancelledQuantity item {{ name }} {HOLDS} }}
"""
SHIPMENT = f"id shipmentId orderId channelId shippedAt recordedAt lines {{ lineId sku quantity {HOLDS} }}"
LEVELS = "levels { sku location { code } onHand reserved allocated available version }"
ERRORS = "userErrors { field message code quantityAvailable }"
ANSWER_SECONDS_MAX = 10.0
KEYS = count(1)
KINDS = {
    "reservationCreate": f"reservation {{ {RESERVATION} }}",
    "reservationExtend": f"reservation {{ {RESERVATION} }}",
    "reservationRelease": f"reservation {{ {RESERVATION} }}",
    "reservationMove": f"reservation {{ {RESERVATION} }}",
    "reservationCommit": f"reservation {{ {RESERVATION} }} allocation {{ {ALLOCATION} }}",
    "allocationCreate": f"allocation {{ {ALLOCATION} }}",
    "allocationCancel": f"allocation {{ {ALLOCATION} }}",
    "shipmentConfirm": f"shipment {{ {SHIPMENT} }} allocation {{ {ALLOCATION} }}",
}
"""What is selected of each payload, beside what all have."""


def input_kind(mutation: str) -> str:
    """Return the name of a mutation's input."""
    return f"{mutation[0].upper()}{mutation[1:]}Input"


async def sent(desk: Desk, mutation: str, **fields: object) -> Answer:
    """Send a change, under a key of its own unless one is given, and return the whole payload."""
    levels = "" if mutation == "reservationExtend" else LEVELS
    selection = f"replayed position {KINDS[mutation]} {levels} {ERRORS}"
    key = f"{mutation}-{next(KEYS)}"
    return await desk.change(mutation, input_kind(mutation), selection, {"idempotencyKey": key, **fields})


async def done(desk: Desk, mutation: str, **fields: object) -> Answer:
    """Send a change that must be accepted."""
    payload = await sent(desk, mutation, **fields)
    assert payload["userErrors"] == [], payload
    return payload


async def reserved(desk: Desk, *lines: Answer, **fields: object) -> str:
    """Reserve, and return the plain id."""
    payload = await done(desk, "reservationCreate", lines=list(lines), **fields)
    key: str = payload["reservation"]["reservationId"]
    return key


def line(sku: str, quantity: int, at: str | None = None, **more: object) -> Answer:
    """Return a line that is asked for."""
    return {"sku": sku, "quantity": quantity, **({} if at is None else {"locationId": at}), **more}


def held(document: Answer) -> list[tuple[object, ...]]:
    """Return (line, location, quantity, reason) of every hold."""
    return [
        (one["lineId"], hold["locationCode"], hold["quantity"], hold["reason"])
        for one in document["lines"]
        for hold in one["holds"]
    ]


def counters(payload: Answer) -> list[tuple[object, ...]]:
    """Return (SKU, location, on hand, reserved, allocated, available) of every level."""
    names = ("onHand", "reserved", "allocated", "available")
    return [(one["sku"], one["location"]["code"], *(one[name] for name in names)) for one in payload["levels"]]


def seated(desk: Desk, role: Role, scope: Scope = EVERYTHING, *, account: str = "shop") -> Desk:
    """Return the desk of a caller with this role and scope."""
    return replace(desk, principal=Principal(account=account, name=account, role=role, scope=scope))


def sees(*, channels: set[str] | None = None, locations: set[str] | None = None) -> Scope:
    """Return a scope."""
    return Scope(
        channels=None if channels is None else frozenset(channels),
        locations=None if locations is None else frozenset(locations),
    )


@asynccontextmanager
async def following(desk: Desk, document: str, **variables: object) -> AsyncIterator[AsyncIterator[Any]]:
    """Follow a subscription, until the block is left."""
    context = RequestContext(services=desk.gateway.services, principal=desk.principal, correlation_id=CORRELATION_ID)
    stream: Any = await desk.schema.subscribe(document, variable_values=variables, context_value=context)
    try:
        yield stream
    finally:
        await stream.aclose()


async def told(stream: AsyncIterator[Any]) -> Answer:
    """Return what the subscriber is told next, of the one field that it follows."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        result = await anext(stream)
    assert not result.errors, result.errors
    (change,) = result.data.values()
    answer: Answer = change
    return answer

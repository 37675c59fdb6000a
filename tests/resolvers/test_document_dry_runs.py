"""dryRun of changes of documents: everything is computed and answered, and nothing is kept."""

import pytest

from tests.resolvers.desk import CUP, MUG, TILL, WEB, WEST, Answer, Desk
from tests.resolvers.promised import KINDS, done, line, reserved
from tests.resolvers.test_dry_run import everything_kept

REQUESTS: dict[str, Answer] = {
    "reservationCreate": {"channelId": WEB, "lines": [line(MUG, 2)]},
    "reservationExtend": {"ttlSeconds": 60},
    "reservationRelease": {"lines": [{"lineId": "1", "quantity": 1}]},
    "reservationMove": {"moves": [{"lineId": "1", "toLocationId": WEST}]},
    "reservationCommit": {"orderId": "order-2"},
    "allocationCreate": {"orderId": "order-2", "channelId": WEB, "lines": [line(CUP, 1)]},
    "allocationCancel": {"orderId": "order-1", "channelId": WEB},
    "shipmentConfirm": {"orderId": "order-1", "channelId": WEB},
}
NEW = ("id", "reservationId", "createdAt", "updatedAt", "expiresAt", "recordedAt", "shippedAt")


def comparable(payload: Answer) -> Answer:
    """Return what a payload shows but for new ids, times and positions."""
    documents = {name: payload[name] for name in ("reservation", "allocation", "shipment") if name in payload}
    shown: Answer = {
        name: {key: one for key, one in made.items() if key not in NEW} for name, made in documents.items()
    }
    return {**shown, "levels": payload.get("levels"), "replayed": payload["replayed"]}


@pytest.mark.parametrize("mutation", KINDS)
async def test_a_dry_run_answers_all_and_keeps_nothing(desk: Desk, mutation: str) -> None:
    """Given a change, when it is tried, then the answer is that of the real thing, which is still to be made."""
    # Every location serves the till.
    key = await reserved(desk, line(MUG, 3), channelId=TILL)
    await done(desk, "allocationCreate", orderId="order-1", channelId=WEB, lines=[line(CUP, 1)])
    names_it = mutation.startswith("reservation") and mutation != "reservationCreate"
    fields = {**REQUESTS[mutation], **({"reservationId": key} if names_it else {}), "idempotencyKey": "try"}
    before, position = everything_kept(desk), await desk.position()
    tried = await done(desk, mutation, **fields, dryRun=True)
    assert everything_kept(desk) == before
    assert tried["position"] == position
    assert comparable(await done(desk, mutation, **fields)) == comparable(tried)

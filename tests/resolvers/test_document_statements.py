"""How many SQL statements documents cost; the one rule: the number never grows with the number of documents."""

import pytest

from tests.resolvers.desk import EAST, MUG, WEB, Desk
from tests.resolvers.promised import done, line, reserved
from tests.resolvers.test_statement_counts import cost_of

DOCUMENTS = 8
LIST = """query q($first: Int!) {
  reservations(first: $first) {
    nodes {
      state channel { code } lines { item { name } holds { location { code } } }
      allocation { state channel { code } lines { item { name } } shipments { shippedAt lines { item { name } } } }
    }
  }
}"""
CREATE = """mutation m($input: ReservationCreateInput!) {
  reservationCreate(input: $input) {
    reservation { state lines { heldQuantity } } levels { available location { code } } userErrors { code }
  }
}"""


async def test_a_list_of_reservations_takes_a_constant_number_of_statements(desk: Desk) -> None:
    """Given orders that shipped, when a page is read with all that hangs on it, then one is as much as many."""
    for number in range(DOCUMENTS):
        key = await reserved(desk, line(MUG, 1), channelId=WEB)
        await done(desk, "reservationCommit", reservationId=key, orderId=f"order-{number}")
        await done(desk, "shipmentConfirm", orderId=f"order-{number}", channelId=WEB)
    few = await cost_of(desk, LIST, first=1)
    assert await cost_of(desk, LIST, first=DOCUMENTS) == few


@pytest.mark.parametrize("named", [True, False])
async def test_a_reservation_of_many_lines_takes_no_more_statements(desk: Desk, named: bool) -> None:
    """Given a request of one line and one of many, then both take the same statements."""
    place = EAST if named else None
    fields = {"channelId": WEB, "ttlSeconds": 60}
    costs = [
        await cost_of(
            desk, CREATE, input={**fields, "idempotencyKey": f"k-{many}", "lines": [line(MUG, 1, place)] * many}
        )
        for many in (1, 8)
    ]
    assert costs[0] == costs[1]

"""The demo's channels and locations, and which order goes where; the one rule: an order's customer alone decides, so
what a customer sends back returns to where it was bought.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.demo.orders import OrderedItem
from domain.catalogue import ChannelUpsert, LocationUpsert
from domain.records import LocationKind

WEB = "web"
STORE = "store"
AMAZON = "amazon"
ZALANDO = "zalando"

EAST = "WH-US-EAST"
CENTRAL = "WH-EU-CENTRAL"
LONDON = "STORE-LONDON"
MAIN_LOCATION = CENTRAL
"""Stocks every item, and is where write-offs are counted."""

CHANNELS = (
    ChannelUpsert(code=WEB, fields={"name": "Web shop"}),
    ChannelUpsert(code=STORE, fields={"name": "Tills"}),
    ChannelUpsert(code=AMAZON, fields={"name": "Amazon"}),
    ChannelUpsert(code=ZALANDO, fields={"name": "Zalando"}),
)

CHANNELS_SERVED: Mapping[str, frozenset[str]] = {
    EAST: frozenset({WEB, AMAZON}),
    CENTRAL: frozenset({WEB, AMAZON, ZALANDO}),
    LONDON: frozenset({WEB, STORE}),
}
"""The web shop sells what any place has, the tills what is in the shop, the marketplaces what their warehouses have."""

LOCATIONS = (
    LocationUpsert(
        code=EAST,
        fields={"name": "Warehouse US East", "kind": LocationKind.WAREHOUSE, "country_code": "US"},
        channels=CHANNELS_SERVED[EAST],
    ),
    LocationUpsert(
        code=CENTRAL,
        fields={"name": "Warehouse EU Central", "kind": LocationKind.WAREHOUSE, "country_code": "DE"},
        channels=CHANNELS_SERVED[CENTRAL],
    ),
    LocationUpsert(
        code=LONDON,
        fields={"name": "London shop", "kind": LocationKind.STORE, "country_code": "GB"},
        channels=CHANNELS_SERVED[LONDON],
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The channel that an order came through (None: nobody ordered), and the location that it left from."""

    channel: str | None
    location: str


HOME_COUNTRY = "United Kingdom"
OVERSEAS_COUNTRIES = frozenset({"Australia", "Japan"})

WITHOUT_CUSTOMER = Route(channel=STORE, location=LONDON)
FROM_OVERSEAS = Route(channel=AMAZON, location=EAST)
FROM_EUROPE = Route(channel=ZALANDO, location=CENTRAL)
FROM_HOME = (
    Route(channel=WEB, location=CENTRAL),
    Route(channel=WEB, location=CENTRAL),
    Route(channel=WEB, location=EAST),
    Route(channel=AMAZON, location=EAST),
)
"""Customers at home take turns, by their number."""


def route_of(order: OrderedItem) -> Route:
    """Return how an order came in and where it left from."""
    if order.customer is None:
        return WITHOUT_CUSTOMER
    if order.country == HOME_COUNTRY:
        return FROM_HOME[order.customer % len(FROM_HOME)]
    return FROM_OVERSEAS if order.country in OVERSEAS_COUNTRIES else FROM_EUROPE

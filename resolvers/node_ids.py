"""Global ids: every node's `id` names its type and key; inputs take it, or the user's own code, alike."""

import json

from domain.postings import PostingCause
from domain.text import decode_node_id, encode_node_id

ITEM = "InventoryItem"
LOCATION = "Location"
CHANNEL = "Channel"
LEVEL = "StockLevel"
ADJUSTMENT = "InventoryAdjustment"
LISTING = "Listing"
ACCOUNT = "Account"
API_KEY = "ApiKey"
RESERVATION = "Reservation"
ALLOCATION = "Allocation"
SHIPMENT = "Shipment"
DOCUMENTS: dict[PostingCause, str] = {
    PostingCause.RESERVATION_CREATED: RESERVATION,
    PostingCause.RESERVATION_RELEASED: RESERVATION,
    PostingCause.RESERVATION_MOVED: RESERVATION,
    PostingCause.RESERVATION_COMMITTED: RESERVATION,
    PostingCause.RESERVATION_EXPIRED: RESERVATION,
    PostingCause.ALLOCATION_CREATED: ALLOCATION,
    PostingCause.ALLOCATION_CANCELLED: ALLOCATION,
    PostingCause.SHIPMENT_CONFIRMED: ALLOCATION,
}
"""Which kind of document a posting names."""


def code_from(either: str, *, type_name: str) -> str:
    """Return the code behind a global id of `type_name`; any other text is a code already."""
    decoded = decode_node_id(either)
    return decoded[1] if decoded is not None and decoded[0] == type_name else either


def item_id(sku: str) -> str:
    """Return the global id of an item."""
    return encode_node_id(ITEM, sku)


def location_id(code: str) -> str:
    """Return the global id of a location."""
    return encode_node_id(LOCATION, code)


def channel_id(code: str) -> str:
    """Return the global id of a channel."""
    return encode_node_id(CHANNEL, code)


def adjustment_id(key: str) -> str:
    """Return the global id of an adjustment."""
    return encode_node_id(ADJUSTMENT, key)


def level_id(sku: str, location: str) -> str:
    """Return the global id of a stock level."""
    return encode_node_id(LEVEL, pair_key(sku, location))


def listing_id(sku: str, channel: str) -> str:
    """Return the global id of a listing."""
    return encode_node_id(LISTING, pair_key(sku, channel))


def account_id(code: str) -> str:
    """Return the global id of an account."""
    return encode_node_id(ACCOUNT, code)


def api_key_id(key: str) -> str:
    """Return the global id of an API key."""
    return encode_node_id(API_KEY, key)


def reservation_id(key: str) -> str:
    """Return the global id of a reservation."""
    return encode_node_id(RESERVATION, key)


def allocation_id(key: str) -> str:
    """Return the global id of an allocation."""
    return encode_node_id(ALLOCATION, key)


def shipment_id(key: str) -> str:
    """Return the global id of a shipment."""
    return encode_node_id(SHIPMENT, key)


def document_id(cause: PostingCause, key: str) -> str:
    """Return the global id of the document behind a posting."""
    return encode_node_id(DOCUMENTS[cause], key)


def pair_key(first: str, second: str) -> str:
    """Return the key of what two codes name together; the codes themselves may hold any character."""
    return json.dumps([first, second], ensure_ascii=False, separators=(",", ":"))


def pair_from(key: str) -> tuple[str, str] | None:
    """Return the two codes behind a key, or None when it is no such key."""
    try:
        parts = json.loads(key)
    except (ValueError, RecursionError):
        return None
    match parts:
        case [str(first), str(second)]:
            return (first, second)
        case _:
            return None

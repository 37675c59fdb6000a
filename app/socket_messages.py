"""Messages of graphql-transport-ws as clients send them; the one rule: what breaks their form is found here."""

from app.operation_requests import MalformedRequest, operation_request

TYPES_WITH_PAYLOAD = frozenset({"connection_init", "ping", "pong"})
ID_CHARACTERS_MAX = 255
TYPES_WITH_ID = frozenset({"subscribe", "complete"})


def fault_of(message: object) -> str | None:
    """Return what is wrong with the form of a message; None when nothing is."""
    if not isinstance(message, dict):
        return "A message is a JSON object"
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in TYPES_WITH_PAYLOAD | TYPES_WITH_ID:
        return "The message's type is none that a client sends"
    payload = message.get("payload")
    if kind in TYPES_WITH_PAYLOAD:
        return None if payload is None or isinstance(payload, dict) else "The payload is a JSON object, or null"
    id = message.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= ID_CHARACTERS_MAX:
        return f"The message's id is a string of 1 to {ID_CHARACTERS_MAX} characters"
    return _fault_of_payload(payload) if kind == "subscribe" else None


def _fault_of_payload(payload: object) -> str | None:
    try:
        operation_request(payload)
    except MalformedRequest as malformed:
        return str(malformed)
    return None

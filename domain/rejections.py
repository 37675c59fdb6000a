"""Refusals as values: one closed list of codes in order of precedence; the first that applies is the answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

FieldPath = tuple[str, ...]
"""Where in the command the reason lies, in the contract's own field names: `("adjustments", "1", "delta")`."""


class RejectionCode(StrEnum):
    """Why a command was refused. The order is the precedence: earlier codes win over later ones."""

    INVALID_INPUT = "INVALID_INPUT"
    FORBIDDEN = "FORBIDDEN"
    IDEMPOTENCY_KEY_PARAMETER_MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    ITEM_NOT_FOUND = "ITEM_NOT_FOUND"
    LOCATION_NOT_FOUND = "LOCATION_NOT_FOUND"
    CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
    RESERVATION_NOT_FOUND = "RESERVATION_NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    API_KEY_NOT_FOUND = "API_KEY_NOT_FOUND"
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    RESERVATION_ALREADY_COMMITTED = "RESERVATION_ALREADY_COMMITTED"
    RESERVATION_ALREADY_RELEASED = "RESERVATION_ALREADY_RELEASED"
    LINE_NOT_FOUND = "LINE_NOT_FOUND"
    ORDER_LINE_EXISTS = "ORDER_LINE_EXISTS"
    NON_MUTABLE_BUNDLE = "NON_MUTABLE_BUNDLE"
    BUNDLE_CYCLE = "BUNDLE_CYCLE"
    BUNDLE_IN_USE = "BUNDLE_IN_USE"
    BUCKET_OWNED_BY_DOCUMENT = "BUCKET_OWNED_BY_DOCUMENT"
    ITEM_NOT_STOCKED_AT_LOCATION = "ITEM_NOT_STOCKED_AT_LOCATION"
    LOCATION_NOT_SERVING_CHANNEL = "LOCATION_NOT_SERVING_CHANNEL"
    TTL_OUT_OF_RANGE = "TTL_OUT_OF_RANGE"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    CHANGE_FROM_QUANTITY_STALE = "CHANGE_FROM_QUANTITY_STALE"
    EXCEEDS_RESERVED_QUANTITY = "EXCEEDS_RESERVED_QUANTITY"
    EXCEEDS_ALLOCATED_QUANTITY = "EXCEEDS_ALLOCATED_QUANTITY"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    LEVEL_LIMIT_REACHED = "LEVEL_LIMIT_REACHED"
    LEVEL_NOT_EMPTY = "LEVEL_NOT_EMPTY"
    STILL_STOCKED = "STILL_STOCKED"
    BULK_REFUSED = "BULK_REFUSED"


class Retry(StrEnum):
    """Whether sending the same request again can help, as a sentence."""

    CORRECT_FIRST = "Not as it is: correct the request first."
    WHEN_CHANGED = "Once the stock or the catalogue is another; until then it is refused again. Its key stays free."
    LATER = "Yes: the same request, under the same idempotency key, after `retryAfterMs`."
    RESUME = "Yes: subscribe again, after the last position that you were sent."
    WITH_CREDENTIALS = "With credentials that may."
    REPORTED = "Once, under the same idempotency key; if it comes again, tell the operator."


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a code means, why it comes, what to do about it (a sentence or two each), and whether to try again."""

    meaning: str
    cause: str
    remedy: str
    retry: Retry = Retry.CORRECT_FIRST


EXPLANATIONS: dict[RejectionCode, Explanation] = {
    RejectionCode.INVALID_INPUT: Explanation(
        meaning="The input is malformed: empty, too long, unprintable, too many or contradictory entries.",
        cause="A field breaks a rule that needs no look at the stock, such as its length or its characters.",
        remedy="Correct the named field; the same input will never be accepted.",
    ),
    RejectionCode.FORBIDDEN: Explanation(
        meaning="The caller's role may not run this operation.",
        cause="The credentials belong to an account whose role does not make such changes.",
        remedy="Use a key that may.",
        retry=Retry.WITH_CREDENTIALS,
    ),
    RejectionCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH: Explanation(
        meaning="This idempotency key was used before for a different change.",
        cause="A key names one change for ever; two changes were given the same one, or a change was edited on retry.",
        remedy="Send a new key for a new change, or the original input to have its answer again.",
    ),
    RejectionCode.ITEM_NOT_FOUND: Explanation(
        meaning="No such item, or none that the caller may see.",
        cause="The SKU was never created, is archived, or differs in a letter, its case included.",
        remedy="Check the SKU (it is case-sensitive) or create the item with itemUpsert.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.LOCATION_NOT_FOUND: Explanation(
        meaning="No such location, or none that the caller may see.",
        cause="The location was never created, is archived, or lies outside what the credentials are for.",
        remedy="Check the code or id, or create the location with locationUpsert.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.CHANNEL_NOT_FOUND: Explanation(
        meaning="No such channel, or none that the caller may see.",
        cause="The channel was never created, is archived, or lies outside what the credentials are for.",
        remedy="Check the code or id, or create the channel with channelUpsert.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.RESERVATION_NOT_FOUND: Explanation(
        meaning="No such reservation, or none that the caller may see.",
        cause="The id is not one that reservationCreate answered, or its channel lies outside what the credentials "
        "are for.",
        remedy="Check the id; reservations finds them by your own reference.",
    ),
    RejectionCode.ORDER_NOT_FOUND: Explanation(
        meaning="No stock is allocated to such an order, or to none that the caller may see.",
        cause="Nothing was committed or allocated to this order id on this channel, or the channel was left out.",
        remedy="Check the order id and the channel, or allocate with reservationCommit or allocationCreate.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.ACCOUNT_NOT_FOUND: Explanation(
        meaning="No such account, or none that the caller may see.",
        cause="The account was never created, or its code differs in a letter, its case included.",
        remedy="Check the code, or create the account with accountCreate.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.API_KEY_NOT_FOUND: Explanation(
        meaning="No such API key, or none that the caller may see.",
        cause="The id is not one that was answered when a key was created.",
        remedy="Check the id; the list of an account's keys shows it.",
    ),
    RejectionCode.ACCOUNT_EXISTS: Explanation(
        meaning="There is an account of this code already.",
        cause="An account of this code, with another role, name or scope, was created before; archived ones count.",
        remedy="Use the account that is there, or choose another code.",
    ),
    RejectionCode.RESERVATION_EXPIRED: Explanation(
        meaning="The reservation's time was over; it holds nothing any more.",
        cause="The time expiresAt has passed on the database's clock, and nobody had committed or released it before.",
        remedy="Make a new reservation, and tell the customer if that is refused.",
    ),
    RejectionCode.RESERVATION_ALREADY_COMMITTED: Explanation(
        meaning="The reservation became an order's allocation before.",
        cause="Another request committed it first; its order is named in the message.",
        remedy="Go on with the order: allocationCancel gives its stock back.",
    ),
    RejectionCode.RESERVATION_ALREADY_RELEASED: Explanation(
        meaning="The reservation was released before; it holds nothing any more.",
        cause="Another request released it first.",
        remedy="Make a new reservation.",
    ),
    RejectionCode.LINE_NOT_FOUND: Explanation(
        meaning="The document has no such line.",
        cause="The line's id is not one of the reservation's or order's own.",
        remedy="Check the line's id; the document's lines show theirs.",
    ),
    RejectionCode.ORDER_LINE_EXISTS: Explanation(
        meaning="Stock is allocated to this line of this order already.",
        cause="The order's line was committed or allocated before, under another idempotency key.",
        remedy="Use another line id for more units, or cancel the line first.",
    ),
    RejectionCode.NON_MUTABLE_BUNDLE: Explanation(
        meaning="The item is a bundle; it has no stock of its own.",
        cause="A bundle is what its components make; its number changes with theirs.",
        remedy="Change the stock of its components, or reserve and sell the bundle.",
    ),
    RejectionCode.BUNDLE_CYCLE: Explanation(
        meaning="The bundle would contain itself.",
        cause="One of the components is the bundle itself, or a bundle that contains it.",
        remedy="Leave that component out.",
    ),
    RejectionCode.BUNDLE_IN_USE: Explanation(
        meaning="The item is a component of a bundle.",
        cause="A component that becomes a bundle, stops being one or is archived would change the bundles around it.",
        remedy="Take it out of those bundles first, with bundleUpsert or bundleDissolve.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.BUCKET_OWNED_BY_DOCUMENT: Explanation(
        meaning="This counter moves only with its documents (reservations, allocations, transfers, receipts, "
        "backorders).",
        cause="An entry names a counter that sums up documents; changing it alone would make the two disagree.",
        remedy="Change the document instead.",
    ),
    RejectionCode.ITEM_NOT_STOCKED_AT_LOCATION: Explanation(
        meaning="The item has no stock level at this location.",
        cause="A level has to be begun before deltas are applied to it, so that a wrong location is noticed.",
        remedy="Begin one with inventoryActivate or inventorySet.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.LOCATION_NOT_SERVING_CHANNEL: Explanation(
        meaning="The location does not serve this channel.",
        cause="A line names a location whose stock is not sold on the channel of the request.",
        remedy="Name a location that serves the channel, or let it serve it with locationUpsert.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.TTL_OUT_OF_RANGE: Explanation(
        meaning="The reservation would live longer than its channel allows, or not at all.",
        cause="The interval ttlSeconds, or a channel's own default, is below 1 or above the channel's "
        "reservationTtlSecondsMax.",
        remedy="Send an interval within the channel's limit, or none for the channel's default.",
    ),
    RejectionCode.INVALID_QUANTITY: Explanation(
        meaning="A quantity is zero after merging, out of range, or would push a counter beyond 10,000,000.",
        cause="The entries of one counter cancel each other out, or a number has too many digits.",
        remedy="Correct the quantity.",
    ),
    RejectionCode.CHANGE_FROM_QUANTITY_STALE: Explanation(
        meaning="The counter is no longer at changeFromQuantity.",
        cause="Somebody else changed it between your reading it and your change.",
        remedy="Read it again, decide again, and send a new request.",
    ),
    RejectionCode.EXCEEDS_RESERVED_QUANTITY: Explanation(
        meaning="More units were named than the reservation's line holds.",
        cause="The line was reserved in part, or some of it was released before.",
        remedy="Name at most quantityAvailable, or leave the quantity out for all of them.",
    ),
    RejectionCode.EXCEEDS_ALLOCATED_QUANTITY: Explanation(
        meaning="More units were named than are still allocated to the order's line.",
        cause="The line has shipped or was cancelled in part, or the units are allocated at another location.",
        remedy="Name at most quantityAvailable, or leave the quantity out for all that is open.",
    ),
    RejectionCode.INSUFFICIENT_STOCK: Explanation(
        meaning="There is not enough to take.",
        cause="The change would make a counter negative, or promise more than is there.",
        remedy="Take at most quantityAvailable; what has happened to stock on hand is recorded with onShortage "
        "RECORD_CONFLICT.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.LEVEL_LIMIT_REACHED: Explanation(
        meaning="The item is stocked at as many locations as one item may be (200).",
        cause="A new level would be the 201st; the limit keeps every sum over an item within range.",
        remedy="Deactivate a level that is no longer used.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.LEVEL_NOT_EMPTY: Explanation(
        meaning="The stock level still holds or promises units.",
        cause="Ending it would lose them from sight.",
        remedy="Bring every counter to zero first.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.STILL_STOCKED: Explanation(
        meaning="Stock levels still exist here.",
        cause="An item or location was to be archived while it is stocked; its stock would be hidden behind it.",
        remedy="End them with inventoryDeactivate first.",
        retry=Retry.WHEN_CHANGED,
    ),
    RejectionCode.BULK_REFUSED: Explanation(
        meaning="This entry is valid, but another entry of the same all-or-nothing request was refused, so nothing "
        "was applied.",
        cause="The request was sent with errorPolicy REJECT_EVERYTHING.",
        remedy="Correct the entries with other codes and send the request again.",
    ),
}

MEANINGS: dict[RejectionCode, str] = {code: f"{one.meaning} {one.remedy}" for code, one in EXPLANATIONS.items()}
"""What each code means and what to do about it, as the schema describes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One reason why a command was refused: its code, a sentence that says what to do, and where it lies."""

    code: RejectionCode
    message: str
    field: FieldPath = ()
    quantity_available: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused command: every place to which the first applicable code applies. It leaves no trace.

    `position` is the place in the order of events at which it was decided; None where no state was looked at.
    """

    rejections: tuple[Rejection, ...]
    position: int | None = None


def refuse(*rejections: Rejection) -> Refused:
    """Return the refusal for these reasons."""
    return Refused(rejections=rejections)


def first_refused(checks: Iterable[Iterator[Rejection]]) -> Refused | None:
    """Run checks in order of precedence; the first that finds anything ends it, with all that it found."""
    for check in checks:
        found = tuple(check)
        if found:
            return Refused(rejections=found)
    return None

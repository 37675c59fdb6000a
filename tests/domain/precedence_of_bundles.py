"""Commands on bundles and their components that are wrong in as many ways as they are told, for the walk through the
order of refusals.

The rule: every way has a place of its own in the command or in the state, so that any two of them are met at once.
"""

from collections.abc import Callable, Collection

from domain.catalogue import ItemArchive
from domain.rejections import RejectionCode
from tests.domain.bundled import CUP, bundle, dissolve, made_of, part, upsert
from tests.domain.given import Fact, Outcome, given, item, level

INVALID_INPUT = RejectionCode.INVALID_INPUT
ITEM_NOT_FOUND = RejectionCode.ITEM_NOT_FOUND
BUNDLE_CYCLE = RejectionCode.BUNDLE_CYCLE
BUNDLE_IN_USE = RejectionCode.BUNDLE_IN_USE
INVALID_QUANTITY = RejectionCode.INVALID_QUANTITY
STILL_STOCKED = RejectionCode.STILL_STOCKED

Wrong = Collection[RejectionCode]
Build = Callable[[Wrong], Outcome]


def around(sku: str, wrong: Wrong) -> list[Fact]:
    """Return what is wrong with the item itself: a bundle that it is part of, and stock of its own."""
    outer = [bundle(made_of(part(sku)), sku="OUTER")] if BUNDLE_IN_USE in wrong else []
    return [*outer, level(sku=sku, on_hand=1)] if STILL_STOCKED in wrong else [*outer]


def when_bundling(wrong: Wrong) -> Outcome:
    """Name a plain component first, then one for each way of being wrong."""
    parts = {
        INVALID_INPUT: part(" "),
        ITEM_NOT_FOUND: part("UNKNOWN"),
        BUNDLE_CYCLE: part("KIT"),
        INVALID_QUANTITY: part("LID", 0),
    }
    chosen = [one for code, one in parts.items() if code in wrong]
    facts = [item("KIT"), item(CUP), item("LID"), *around("KIT", wrong)]
    return given(*facts).when(upsert(part(CUP), *chosen))


def when_bundling_too_much(wrong: Wrong) -> Outcome:
    """Reach what an item is made of in the end: too many items, or too many units of one."""
    many = tuple(part(f"L{place}") for place in range(100 if INVALID_INPUT in wrong else 1))
    units = 600_000 if INVALID_QUANTITY in wrong else 1
    inner = [bundle(made_of(part(CUP, units), *many), sku="A"), bundle(made_of(part(CUP, units)), sku="B")]
    known = [] if ITEM_NOT_FOUND in wrong else [item("KIT")]
    return given(*known, *inner, item(CUP), *around("KIT", wrong)).when(upsert(part("A"), part("B")))


def when_dissolving(wrong: Wrong) -> Outcome:
    """Take apart what is part of another bundle."""
    sku = " " if INVALID_INPUT in wrong else "UNKNOWN" if ITEM_NOT_FOUND in wrong else "KIT"
    unknown = around("UNKNOWN", wrong)[:1]
    return given(bundle(), *unknown, *around("KIT", wrong)).when(dissolve(sku))


def when_archiving_an_item(wrong: Wrong) -> Outcome:
    """Archive what is stocked or part of a bundle; what is not found is neither."""
    sku = " " if INVALID_INPUT in wrong else "UNKNOWN" if ITEM_NOT_FOUND in wrong else CUP
    return given(item(CUP), *around(CUP, wrong)).when(ItemArchive(sku=sku))


STEPS: list[tuple[Build, tuple[RejectionCode, ...]]] = [
    (when_bundling, (INVALID_INPUT, ITEM_NOT_FOUND, BUNDLE_CYCLE, BUNDLE_IN_USE, INVALID_QUANTITY, STILL_STOCKED)),
    (when_bundling_too_much, (INVALID_INPUT, ITEM_NOT_FOUND, BUNDLE_IN_USE, INVALID_QUANTITY, STILL_STOCKED)),
    (when_dissolving, (INVALID_INPUT, ITEM_NOT_FOUND, BUNDLE_IN_USE)),
    (when_archiving_an_item, (INVALID_INPUT, ITEM_NOT_FOUND, BUNDLE_IN_USE, STILL_STOCKED)),
]

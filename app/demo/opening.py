"""What was in stock when the week began; the one rule: the same orders always lead to the same opening stock.

The retailer's records do not say, so it is derived from what was sold: most levels hold enough for the week, some end
the week sold out or low, and a handful had too little, so that recorded sales open conflicts.
"""

import zlib
from collections.abc import Iterable

from domain.levels import LevelKey

PER_MILLE = 1000
SHORT_PER_MILLE = 2
SOLD_OUT_PER_MILLE = 60
LOW_PER_MILLE = 100
"""How many of a thousand levels begin with too little, just enough, and hardly more."""

SHORTFALL_DIVISOR = 4
LOW_UNITS_MAX = 5
COVER_UNITS_MIN = 12
COVER_PERCENT_MIN = 50
COVER_PERCENT_SPAN = 250
PACK_UNITS = 6


def opening_quantity(key: LevelKey, deltas: Iterable[int]) -> int:
    """Return how many units a level begins with, given the changes of the week in their order."""
    need = units_needed(deltas)
    chance = zlib.crc32("@".join(key).encode())
    share, chance = chance % PER_MILLE, chance // PER_MILLE
    if share < SHORT_PER_MILLE:
        return need - -(-need // SHORTFALL_DIVISOR)
    share -= SHORT_PER_MILLE
    if share < SOLD_OUT_PER_MILLE:
        return need
    if share < SOLD_OUT_PER_MILLE + LOW_PER_MILLE:
        return need + 1 + chance % LOW_UNITS_MAX
    percent = COVER_PERCENT_MIN + chance % COVER_PERCENT_SPAN
    cover = max(need, COVER_UNITS_MIN) * percent // 100
    return -(-(need + cover) // PACK_UNITS) * PACK_UNITS


def units_needed(deltas: Iterable[int]) -> int:
    """Return the least stock with which the changes, in their order, never lead below zero."""
    balance = lowest = 0
    for delta in deltas:
        balance += delta
        lowest = min(lowest, balance)
    return -lowest

"""Ids that sort by the time at which they were made (the layout of UUID version 7, RFC 9562)."""

import os
import time


def new_id() -> str:
    """Return a new id: 32 hexadecimal digits, of which the first 12 are the time in milliseconds."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big")
    value = (
        (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (chance >> 68) << 64 | 0x2 << 62 | chance & (2**62 - 1)
    )
    return f"{value:032x}"

"""The sweeper of reservations: lets those whose time is over expire; the one rule: it only ever asks the writer to.

Whether a reservation has lapsed, and that nothing resolved it first, the writer decides by the database's clock. So two
sweepers at once would do no harm; the lease that this runs under only spares the work.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from domain.ports import InfrastructureError, Ledger, Reads
from domain.principals import SYSTEM_PRINCIPAL
from domain.reservation_commands import ReservationExpire

logger = logging.getLogger("stockgate.expiry")

RESERVATIONS_PER_RUN: Final = 200
PAUSE_SECONDS: Final = 0.5
"""Units are to be back within a second after their reservation's time was over."""


class ReservationExpiry:
    """Sends lapsed reservations to the writer, a bounded number at a time, so that callers' commands pass between."""

    def __init__(self, reads: Reads, ledger: Ledger, *, new_id: Callable[[], str]) -> None:
        self._reads = reads
        self._ledger = ledger
        self._new_id = new_id
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Look for lapsed reservations twice a second, until `stop`."""
        while not self._stopping.is_set():
            is_behind = False
            try:
                is_behind = await self.run_once() == RESERVATIONS_PER_RUN
            except InfrastructureError as error:
                logger.warning("lapsed reservations cannot expire now: %s", error)
            except Exception:  # units that come back late harm somebody; a dead worker harms more
                logger.exception("lapsed reservations cannot expire")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=0 if is_behind else PAUSE_SECONDS)

    async def run_once(self) -> int:
        """Let at most RESERVATIONS_PER_RUN reservations expire, the oldest first; return how many were found.

        Raises Overloaded and Unavailable.
        """
        lapsed = await self._reads.lapsed_reservations(limit=RESERVATIONS_PER_RUN)
        commands = [
            ReservationExpire(command_id=self._new_id(), idempotency_key=None, reservation=one) for one in lapsed
        ]
        await self._ledger.execute_each(commands, by=SYSTEM_PRINCIPAL)
        return len(lapsed)

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

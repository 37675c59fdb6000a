"""A gateway that is opened behind a server which answers already.

The rule: the opening may take as long as its database stays away, but it is no secret. Whoever asks meanwhile is told
so at once, and a gateway that can never be opened ends the server with a sentence.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from app.bootstrap import Gateway
from app.endings import CannotServe
from app.storage.opening import UnusableDatabase
from domain.ports import InfrastructureError

logger = logging.getLogger("stockgate")

PAUSE_SECONDS = 0.5
LOOK_SECONDS = 0.1
GIVING_UP_SECONDS = 1.0


class LateGateway:
    """Opens a gateway in a task of its own, holds it open until `close`, and says whether it is open."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Gateway]]) -> None:
        self._make = make
        self._gateway: Gateway | None = None
        self._opened: asyncio.Future[Gateway] | None = None
        self._holding: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def gateway(self) -> Gateway | None:
        """The gateway; None until it is open."""
        return self._gateway

    async def open(self, *, patience_seconds: float, is_given_up: Callable[[], bool]) -> None:
        """Begin to open it, and wait a while for that, unless it is given up meanwhile.

        Raises what it failed for in that time, CannotServe at best.
        """
        loop = asyncio.get_running_loop()
        self._opened = loop.create_future()
        self._holding = asyncio.create_task(self._hold(self._opened))
        until = loop.time() + patience_seconds
        while not self._opened.done() and loop.time() < until and not is_given_up():
            await asyncio.wait((self._opened,), timeout=min(LOOK_SECONDS, patience_seconds))
        if self._opened.done():
            self._opened.result()

    async def opened(self) -> Gateway:
        """Return the gateway once it is open. Raises what the opening failed for."""
        if self._opened is None:
            raise RuntimeError("nobody has begun to open the gateway")
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Close it, or give up to open it. Raises what closing it failed for."""
        self._closing.set()
        if self._holding is None or self._opened is None:
            return
        if self._gateway is not None:
            await self._holding
            return
        self._holding.cancel()
        # What is cancelled may have to take leave of a server that does not answer.
        await asyncio.wait((self._holding,), timeout=GIVING_UP_SECONDS)
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()

    async def _hold(self, opened: "asyncio.Future[Gateway]") -> None:
        try:
            while not await self._is_done(opened):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), timeout=PAUSE_SECONDS)
        except UnusableDatabase as error:
            opened.set_exception(CannotServe(f"cannot use the database {error}; set STOCKGATE_DATABASE_URL"))
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)
        finally:
            opened.cancel()

    async def _is_done(self, opened: "asyncio.Future[Gateway]") -> bool:
        """Open the gateway and hold it; return False when the database went away before it was open."""
        try:
            async with self._make() as gateway:
                self._gateway = gateway
                opened.set_result(gateway)
                await self._closing.wait()
        except InfrastructureError as error:
            if opened.done():
                raise
            logger.warning("the gateway cannot be opened yet: %s", error)
            return False
        return True

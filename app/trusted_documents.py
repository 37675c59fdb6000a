"""Trusted documents of a running gateway; the one rule: what is registered or removed is so everywhere in seconds.

What was read is believed for a while, what is not registered too, so that a flood of made-up hashes costs one small
statement a turn of the event loop at the most.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from resolvers.loaders import SharedLoader

BELIEVED_SECONDS = 5.0
REMEMBERED_MAX = 2000
KEYS_PER_STATEMENT_MAX = 1000


class BelievedDocuments:
    """Remembers the texts of the documents that were asked for last."""

    def __init__(
        self,
        load: Callable[[Sequence[str]], Awaitable[list[str | None]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._loader: SharedLoader[str, str | None] = SharedLoader(
            load_fn=load, cache=False, max_batch_size=KEYS_PER_STATEMENT_MAX
        )
        self._remembered: OrderedDict[str, tuple[str | None, float]] = OrderedDict()

    async def text(self, key: str) -> str | None:
        """Return the document of this id or digest; None when it is not registered. Raises Unavailable."""
        known = self._remembered.get(key)
        if known is not None and known[1] > self._clock():
            self._remembered.move_to_end(key)
            return known[0]
        found = await self._loader.load(key)
        self._remembered[key] = (found, self._clock() + BELIEVED_SECONDS)
        self._remembered.move_to_end(key)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return found

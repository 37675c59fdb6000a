"""One of the processes of `stockgate serve --workers N`, run by its parent with the arguments of `Assignment`.

The rule: it does not outlive its parent, whose end it sees by the end of the line on which it tells how it is.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time

from app.acceptor import ConnectionCounts, Share
from app.bootstrap import Gateway
from app.endings import REFUSED, CannotServe
from app.observability import configure_logging
from app.server import run_server
from app.settings import Settings
from app.supervisor import STAGES_OF_A_STOP
from app.worker_process import SAYS_SECONDS, Assignment, Word

logger = logging.getLogger("stockgate.worker")

MS = 1000.0


def main() -> None:
    """Serve until the supervisor says stop, or is gone."""
    settings = Settings()
    configure_logging(settings)
    given = Assignment.of_arguments(sys.argv[1:])
    listener, line = (socket.socket(fileno=file) for file in (given.listener, given.line))
    share = Share(ConnectionCounts(given.counts), given.cell)
    # What a terminal sends to all processes of a group is for the parent to act on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    seconds = STAGES_OF_A_STOP * settings.shutdown_deadline_ms / MS
    threading.Thread(target=_end_with_parent, args=(line, seconds), daemon=True).start()
    saying: set[asyncio.Task[None]] = set()

    def ready(gateway: Gateway) -> None:
        word = Word.READY_AND_OPEN if gateway.authenticator.is_open else Word.READY
        saying.add(asyncio.get_running_loop().create_task(_say_on(line, word)))

    try:
        run_server(settings, listener, on_ready=ready, patience_seconds=given.patience_seconds, share=share)
    except CannotServe as refusal:
        logger.critical("%s", refusal)
        sys.exit(REFUSED)


async def _say_on(line: socket.socket, first: Word) -> None:
    """Say a word, and from then on that this process is alive."""
    word = first
    while True:
        say(line, word)
        word = Word.ALIVE
        await asyncio.sleep(SAYS_SECONDS)


def say(line: socket.socket, word: Word) -> None:
    """Say a word to the parent, unless it does not listen."""
    with contextlib.suppress(OSError):
        line.send(word.value, socket.MSG_DONTWAIT)


def _end_with_parent(line: socket.socket, seconds: float) -> None:
    """End as if told to when the line ends; and whatever happens, end."""
    with contextlib.suppress(OSError):
        while line.recv(1):
            continue
    logger.warning("the parent process is gone; this one ends too")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os._exit(1)


if __name__ == "__main__":
    main()

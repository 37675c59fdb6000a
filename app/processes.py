"""What `stockgate serve` runs: the port, and behind it one process or many.

The rule: the port is bound once, by the process that was started, and stays its own whatever becomes of the others.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from app.observability import configure_logging
from app.settings import Settings
from app.supervisor import Ready, Supervisor, Times

if TYPE_CHECKING:  # only its shape is used
    from app.bootstrap import Gateway

BACKLOG = 2048
"""How many connections may wait to be taken; the system may allow fewer."""
MS = 1000.0
SETTING_PREFIX = "STOCKGATE_"


class Announce(Protocol):
    """What is told once that requests are answered."""

    def __call__(self, address: str, *, is_open: bool) -> None:
        """Take note of the address, and of whether callers need no key."""
        ...


def serve(
    settings: Settings, *, on_listening: Callable[[], object], on_ready: Announce, times: Times | None = None
) -> int:
    """Serve until a signal says stop; return the exit code.

    `on_listening` is called once the address is ours. `times` are a supervisor's. Raises OSError when the address is
    another's, and CannotServe.
    """
    configure_logging(settings)
    with _bound(settings) as listener:
        on_listening()
        host, port = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

        def ready(*, is_open: bool) -> None:
            on_ready(address, is_open=is_open)

        if settings.workers == 1:
            return _serve_alone(settings, listener, ready)
        times = times or Times.stopping_within(settings.shutdown_deadline_ms / MS)
        return _serve_together(settings, listener, times, ready)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment in which another process has the same settings, wherever ours came from."""
    given = settings.model_dump(include=settings.model_fields_set, exclude_none=True)
    return {**os.environ, **{f"{SETTING_PREFIX}{name.upper()}": _as_text(value) for name, value in given.items()}}


def _as_text(value: object) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _serve_alone(settings: Settings, listener: socket.socket, ready: Ready) -> int:
    from app.server import run_server  # noqa: PLC0415  # a parent of other processes does not need all that is in it

    def tell(gateway: "Gateway") -> None:
        ready(is_open=gateway.authenticator.is_open)

    run_server(settings, listener, on_ready=tell)
    return 0


def _serve_together(settings: Settings, listener: socket.socket, times: Times, ready: Ready) -> int:
    # From here on connections wait for a process to take them, even in a moment in which there is none.
    listener.listen(BACKLOG)
    supervisor = Supervisor(
        listener, count=settings.workers, environment=environment_of(settings), times=times, on_ready=ready
    )
    return asyncio.run(supervisor.run())


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        listener.close()
        raise
    return listener

"""The server process: uvicorn on one address, told to end its streams before it waits for them."""

import gc
import resource
import signal
import socket
from collections.abc import Callable

import uvicorn

from app.last_words import HttpWithLastWords, WebSocketWithLastWords, configured
from app.observability import configure_logging
from app.settings import Settings
from app.web import GatewayApp

KEEP_ALIVE_SECONDS = 75
FILES_BESIDES_CONNECTIONS = 256
COLLECTION_THRESHOLDS = (10_000, 20, 50)


class GatewayServer(uvicorn.Server):
    """uvicorn, which first ends the gateway's subscriptions when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, *, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, end the streams, finish what has begun."""
        self._end_streams()
        await super().shutdown(sockets)


def serve(settings: Settings, *, on_listening: Callable[[], object], on_ready: Callable[[str], None]) -> None:
    """Serve until a signal says stop.

    `on_listening` is called once the address is ours, `on_ready` is told it once requests are answered.
    """
    configure_logging(settings)
    listener = _listen(settings)
    try:
        on_listening()
    except BaseException:
        listener.close()
        raise
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def ready() -> None:
        settle_memory()
        on_ready(address)

    _allow_files(settings.connections_max + FILES_BESIDES_CONNECTIONS)
    app = GatewayApp(settings, on_ready=ready)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=configured(
            HttpWithLastWords,
            linger_seconds=settings.linger_ms / 1000,
            head_bytes_max=settings.head_bytes_max,
            head_deadline_seconds=settings.head_deadline_ms / 1000,
            connections_max=settings.connections_max,
        ),
        ws=configured(WebSocketWithLastWords, linger_seconds=settings.linger_ms / 1000),
        ws_per_message_deflate=False,
        ws_max_size=settings.body_bytes_max,
        ws_ping_interval=settings.keep_alive_ms / 1000,
        ws_ping_timeout=settings.send_deadline_ms / 1000,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, settings.shutdown_deadline_ms // 1000),
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
    )
    for stop in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops on these, and raises them once more when all is done: by then there is nothing left to stop.
        signal.signal(stop, lambda *_: None)
    GatewayServer(config, end_streams=app.end_streams).run(sockets=[listener])


def settle_memory() -> None:
    """Leave what was loaded at the start out of garbage collection, and collect less often.

    The schema and the libraries are 110,000 objects that never become garbage. Walking them again and again took a
    fifth of a busy gateway's time (measured), in pauses of 57 ms; this way it is a twentieth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


def _allow_files(count: int) -> None:
    """Let the process hold as many files as its connections need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        listener.close()
        raise
    return listener

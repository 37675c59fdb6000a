"""One serving process: uvicorn on a socket that listens already, told to end its streams before it waits for them.

The rule: a request that has reached the process is answered, also while it stops.
"""

import asyncio
import logging
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import cast

import uvicorn

from app.acceptor import Acceptor, Share
from app.bootstrap import Gateway
from app.endings import START_FAILED, CannotServe
from app.last_words import HttpWithLastWords, WebSocketWithLastWords, configured
from app.memory import settle_memory
from app.settings import Settings
from app.web import GatewayApp

logger = logging.getLogger("stockgate")

PATIENCE_SECONDS = 1.0
"""So long the port stays closed for a gateway that is about to open."""
ACCEPTED_SECONDS = 0.05
"""So long a connection that was taken may take to be told of."""
KEEP_ALIVE_SECONDS = 75
FILES_BESIDES_CONNECTIONS = 256


class GatewayServer(uvicorn.Server):
    """uvicorn, which opens the gateway before it serves, and first ends its subscriptions when it is asked to stop."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        app: GatewayApp,
        on_ready: Callable[[Gateway], None],
        patience_seconds: float = PATIENCE_SECONDS,
        share: Share | None = None,
    ) -> None:
        super().__init__(config)
        self._patience_seconds = patience_seconds
        self._share = share
        self._acceptor: Acceptor | None = None
        self.failure: Exception | None = None
        self._app = app
        self._on_ready = on_ready
        self._announcing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the gateway, or begin to, and take requests. Raises what the opening failed for."""
        await self._app.open(patience_seconds=self._patience_seconds, is_given_up=lambda: self.should_exit)
        if self.should_exit:
            await self._app.close()
            return
        if not self._app.is_open:
            logger.warning("the gateway is not open yet; until it is, requests are answered with UNAVAILABLE")
        if self._share is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            self._begin_to_share(sockets or [], self._share)
        self._announcing = asyncio.create_task(self._announce())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, end the streams, finish what has begun, close the gateway."""
        if self._acceptor is None:
            for server in self.servers:
                server.close()
            await asyncio.sleep(ACCEPTED_SECONDS)
        else:
            await self._acceptor.end()
        self._app.end_streams()
        await super().shutdown(sockets)
        if self._announcing is not None:
            self._announcing.cancel()
        if not self.force_exit:
            await self._app.close()

    async def on_tick(self, counter: int) -> bool:
        """Do what is done ten times a second; return whether it is time to stop."""
        if self._acceptor is not None:
            self._acceptor.tell()
        return await super().on_tick(counter)

    def _begin_to_share(self, sockets: list[socket.socket], share: Share) -> None:
        (listener,) = sockets
        connections = self.server_state.connections
        self._acceptor = Acceptor(listener, share, protocol=self._protocol, held=lambda: len(connections))
        self._acceptor.begin()

    def _protocol(self) -> asyncio.Protocol:
        # As uvicorn makes one for each connection that it takes itself.
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def _announce(self) -> None:
        """Tell that requests are answered; end the server when they never will be."""
        try:
            self._on_ready(await self._app.opened())
        except Exception as error:  # noqa: BLE001  # whatever it is, the server is not to go on without a gateway
            self.failure = error
            self.should_exit = True


def run_server(
    settings: Settings,
    listener: socket.socket,
    *,
    on_ready: Callable[[Gateway], None],
    patience_seconds: float = PATIENCE_SECONDS,
    share: Share | None = None,
) -> None:
    """Serve on the socket until a signal says stop; `on_ready` is told of the gateway once requests are answered.

    After `patience_seconds` requests are taken even if the gateway is not open yet, to be told to come again. `share`
    is this process's where others take connections from the same socket.

    Raises CannotServe. Exits with START_FAILED when the gateway cannot be opened for another reason.
    """
    _allow_files(settings.connections_max + FILES_BESIDES_CONNECTIONS)

    def ready(gateway: Gateway) -> None:
        settle_memory()
        on_ready(gateway)
        threading.Thread(target=app.prepare_answers, name="answers", daemon=True).start()

    app = GatewayApp(settings)
    server = GatewayServer(
        _config(settings, app), app=app, on_ready=ready, patience_seconds=patience_seconds, share=share
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops on these, and raises them once more when all is done: by then there is nothing left to stop.
        signal.signal(number, stop)
    try:
        server.run(sockets=[listener])
        if server.failure is not None:
            raise server.failure
    except CannotServe:
        raise
    except Exception:
        logger.critical("the gateway cannot be opened", exc_info=True)
        sys.exit(START_FAILED)


def _config(settings: Settings, app: GatewayApp) -> uvicorn.Config:
    return uvicorn.Config(
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
        lifespan="off",  # the server opens the gateway itself, and goes on while that takes its time
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
    )


def _allow_files(count: int) -> None:
    """Let the process hold as many files as its connections need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The smallest honest HTTP server: each request is answered with its own body, and nothing else is done."""

import asyncio
import signal
import sys
from typing import Final, cast

import uvloop

from app.bench.http_messages import MessageError, encode_answer, frame

BACKLOG_CONNECTIONS: Final = 1024


class EchoConnection(asyncio.Protocol):
    """One keep-alive connection; every whole request in the buffer is answered in order."""

    def __init__(self) -> None:
        self._pending = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        # uvloop's transports do what asyncio.Transport promises without deriving from it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete, keep the rest."""
        self._pending += data
        try:
            while (found := frame(self._pending, length_absent=0)) is not None:
                begin, end = found
                self._transport.write(encode_answer(self._pending[begin:end]))
                self._pending = self._pending[end:]
        except MessageError:
            self._transport.abort()


async def serve(port: int) -> None:
    """Echo on the loopback address until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(EchoConnection, "127.0.0.1", port, backlog=BACKLOG_CONNECTIONS)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

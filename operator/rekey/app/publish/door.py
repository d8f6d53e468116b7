"""Who is let in, and for how long: bounds on connections, so that a slow or greedy client costs little.

1. A request must be complete soon after the connection, or after the one before (aiohttp sees to it); a connection
   that grew old is closed after the next answer, and cut a while later, whatever goes on.
2. Lines, headers, bodies and the number of connections are bounded; one too many is closed at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

PATIENCE: Final = 10.0
OLD: Final = 30.0
TOO_OLD: Final = 60.0
_BEAT: Final = 1.0
_HANDSHAKE: Final = 5.0
_LINE: Final = 2048
_HEADERS: Final = 64

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Door:
    """One listening socket."""

    def __init__(self, answer: Answer, most: int) -> None:
        self._answer = answer
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._since: dict[object, float] = {}
        silent = logging.getLogger("aiohttp.publish")  # it would say each malformed request of a stranger
        silent.disabled = True
        self._server = web.Server(
            self._admit, logger=silent, access_log=None, keepalive_timeout=PATIENCE, lingering_time=0.0,
            max_line_size=_LINE, max_field_size=_LINE, max_headers=_HEADERS,
        )  # fmt: skip
        self._listening: asyncio.Server | None = None
        self.port = 0

    async def open(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Let clients in from now on."""
        self._listening = await self._loop.create_server(
            self._enter, sock=listening, ssl=tls, ssl_handshake_timeout=_HANDSHAKE if tls else None
        )
        self.port = int(listening.getsockname()[1])

    async def close(self, grace: float) -> None:
        """Let nobody in any more; answers that are on their way may take so many seconds."""
        if self._listening is not None:
            self._listening.close()
        self._server.pre_shutdown()
        await self._server.shutdown(grace)

    async def watch(self) -> None:
        """Look after the connections without end."""
        while True:
            await asyncio.sleep(_BEAT)
            self.sweep()

    def sweep(self) -> None:
        """Cut the connections whose time is over."""
        now = self._loop.time()
        here = self._server.connections
        self._since = {handler: self._since.get(handler, now) for handler in here}
        for handler in here:
            if now - self._since[handler] > TOO_OLD and handler.transport is not None:
                handler.transport.abort()

    def _enter(self) -> asyncio.BaseProtocol:
        return self._server() if len(self._server.connections) < self._most else _Refused()

    async def _admit(self, request: web.BaseRequest) -> web.StreamResponse:
        now = self._loop.time()
        answer = await self._answer(request)
        if now - self._since.setdefault(request.protocol, now) > OLD:
            answer.force_close()
        return answer

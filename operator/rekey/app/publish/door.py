"""Who is let in, and for how long: bounds on connections, so that a slow or greedy client costs little.

1. A first request must be complete soon after the connection; a connection that grew old is closed after the next
   answer, and cut a while later, whatever goes on.
2. Lines, headers, bodies and the number of connections are bounded; one too many is closed at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

FIRST: Final = 10.0
OLD: Final = 30.0
TOO_OLD: Final = 60.0
_BEAT: Final = 1.0
_HANDSHAKE: Final = 5.0
_LINE: Final = 2048
_HEADERS: Final = 64

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class _Guest:
    since: float
    asked: bool = False


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Door:
    """One listening socket."""

    def __init__(self, answer: Answer, most: int) -> None:
        self._answer = answer
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._guests: dict[object, _Guest] = {}
        silent = logging.getLogger("aiohttp.publish")  # it would say each malformed request of a stranger
        silent.disabled = True
        self._server = web.Server(
            self._admit, logger=silent, access_log=None, keepalive_timeout=15.0, lingering_time=0.0,
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
        self._guests = {handler: self._guest(handler) for handler in here}
        for handler in here:
            guest = self._guests[handler]
            if now - guest.since > (TOO_OLD if guest.asked else FIRST) and handler.transport is not None:
                handler.transport.abort()

    def _enter(self) -> asyncio.BaseProtocol:
        return self._server() if len(self._server.connections) < self._most else _Refused()

    def _guest(self, handler: object) -> _Guest:
        return self._guests.setdefault(handler, _Guest(self._loop.time()))

    async def _admit(self, request: web.BaseRequest) -> web.StreamResponse:
        guest = self._guest(request.protocol)
        guest.asked = True
        answer = await self._answer(request)
        if self._loop.time() - guest.since > OLD:
            answer.force_close()
        return answer

"""A proxy before an HTTP server that cuts the n-th request, before it or after it is done, or answers in its place."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_ACTION = re.compile(rb"Action=([A-Za-z]+)")


@dataclass
class Between:
    """Numbers requests; `at`: which is cut (0: none), `after`: when it was done; `instead`: answers by action."""

    upstream: int
    at: int = 0
    after: bool = False
    instead: dict[str, bytes] = field(default_factory=dict)
    port: int = 0
    actions: list[str] = field(default_factory=list)
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on and its answer back, and hang up."""
        visit = asyncio.current_task()
        assert visit is not None
        self.visits.add(visit)
        try:
            writer.write(await self._answer(await _message(reader)))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: bytes) -> bytes:
        found = _ACTION.search(request)
        action = found[1].decode() if found else ""
        self.actions.append(action)
        cut = len(self.actions) == self.at
        if cut and not self.after:
            return b""
        if action in self.instead:
            return self.instead[action]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(request)
            answer = await _message(reader)
        finally:
            writer.close()
        return b"" if cut else answer


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return one request or answer, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *([0-9]+)", head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def between(
    upstream: int,
    at: int = 0,
    *,
    after: bool = False,
    instead: dict[str, bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Between]:
    """Give a proxy that listens on this host."""
    proxy = Between(upstream, at, after, instead or {})
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await asyncio.gather(*proxy.visits)

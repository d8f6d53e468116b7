"""A proxy before a PostgreSQL server that cuts a connection at the n-th statement, before it or after it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

STATEMENT, READY = b"Q", b"Z"


@dataclass
class Proxy:
    """Numbers the statements of all connections; `at`: where to cut (0: nowhere), `after`: when it was done."""

    upstream: int
    at: int = 0
    after: bool = False
    port: int = 0
    statements: int = 0
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on both ways until somebody ends, or it is to be cut."""
        visit = asyncio.current_task()
        assert visit is not None
        self.visits.add(visit)
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        ways = (self._to_server(reader, their_writer), self._to_client(their_reader, writer))
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, their_writer):
            end.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = await reader.readexactly(4)
        writer.write(length + await reader.readexactly(int.from_bytes(length) - 4))
        while True:
            kind, message = await _message(reader)
            self.statements += kind == STATEMENT
            if kind == STATEMENT and self.statements == self.at and not self.after:
                return
            writer.write(message)

    async def _to_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, message = await _message(reader)
            if kind == READY and self.statements == self.at and self.after and self.at:
                return
            writer.write(message)


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the next message of either side, with its kind."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


@asynccontextmanager
async def cutting(upstream: int, at: int = 0, *, after: bool = False) -> AsyncIterator[Proxy]:
    """Give a proxy that listens on this host."""
    proxy = Proxy(upstream, at, after)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        # Each ends by itself: whoever was connected has hung up, or was cut off.
        await asyncio.gather(*proxy.visits)

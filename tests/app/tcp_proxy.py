"""A TCP proxy to an API server that can hang or reset what passes through it, TLS and all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from urllib.parse import urlsplit

from rekey.kube.config import Access


class Mode(StrEnum):
    """What becomes of connections, those that are open and new ones."""

    PASS = "pass"
    HANG = "hang"
    RESET = "reset"


class Proxy:
    """One way to an API server."""

    def __init__(self, access: Access) -> None:
        where = urlsplit(access.server)
        self._upstream = (where.hostname or "", where.port or 443)
        self._behind = access
        self._open: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._resets = False
        self.access = access

    def set(self, mode: Mode) -> None:
        """Treat everything so from now on."""
        (self._passes.clear if mode is Mode.HANG else self._passes.set)()
        self._resets = mode is Mode.RESET
        if self._resets:
            for writer in tuple(self._open):
                writer.transport.abort()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        """Listen on a port of our own, which `access` names."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.access = replace(self._behind, server=f"https://127.0.0.1:{port}")
        try:
            yield self
        finally:
            server.close()
            self.set(Mode.RESET)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resets:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._upstream)
        self._open |= {writer, far_writer}
        with suppress(asyncio.CancelledError):  # the end of the loop; asyncio would report it
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        self._open.discard(writer)
        writer.close()

"""A real server on this host for those that ask: it notes what it is shown, and can behave badly."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from rekey.providers.http.addresses import Address

HERE = ip_address("127.0.0.1")
ELSEWHERE = ip_address("203.0.113.7")
"""A public address that is nobody's (RFC 5737)."""

Behaviour = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """What it answers by what it is shown, and what it was shown."""

    port: int = 0
    header: str = "authorization"
    status_of: Callable[[bytes], int] = lambda _: 200
    shown: list[bytes] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    behaviour: Behaviour | None = None
    visits: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and hang up."""
        task = asyncio.current_task()
        assert task is not None
        self.visits.add(task)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        self.asked_for.append(lines[0])
        headers = dict(line.partition(": ")[::2] for line in lines[1:] if line)
        named = {name.lower(): text for name, text in headers.items()}
        value = named.get(self.header, "").encode()
        self.shown.append(value)
        self.bodies.append(await reader.readexactly(int(named.get("content-length", "0"))))
        if self.behaviour is not None:
            await self.behaviour(self, writer)
        else:
            more = f"Location: http://till.orders.svc:{self.port}/next\r\n"
            writer.write(f"HTTP/1.1 {self.status_of(value)} So\r\n{more}Content-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()


@dataclass(frozen=True)
class Says:
    """One answer: a body that is no text is written as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def written(self) -> bytes:
        """Return it as bytes."""
        body = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        lines = [f"HTTP/1.1 {self.status} So", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def telling(*answers: Says | Behaviour) -> Behaviour:
    """Return that these are the next answers; after them it hangs up."""
    left = list(answers)

    async def behave(server: Server, writer: asyncio.StreamWriter) -> None:
        now = left.pop(0) if left else None
        if now is not None and not isinstance(now, Says):
            await now(server, writer)
            return
        if now is not None:
            writer.write(now.written())
            await writer.drain()
        writer.close()

    return behave


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Give a server that listens on this host."""
    found = Server()
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()
        for visit in found.visits:
            visit.cancel()
        await asyncio.gather(*found.visits)
        await asyncio.sleep(0)  # what was hung up is closed in the next turn of the loop


async def leads_here(host: str, port: int) -> Sequence[Address]:
    """Return where names lead in these tests: services of the cluster here, addresses to themselves."""
    del port
    if host in {"till.orders.svc", "till.orders.svc.cluster.local"}:
        return [HERE]
    with suppress(ValueError):
        return [ip_address(host)]
    return [ELSEWHERE]

"""An API server in this process that answers as a test says and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from rekey.kube.config import Access
from rekey.kube.login import Login


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Answer = Callable[[Asked], Awaitable[web.StreamResponse]]


@dataclass
class Answering:
    """The server: where it is and what it was asked so far."""

    server: str
    asked: list[Asked] = field(default_factory=list)

    def access(self, login: Login | None = None) -> Access:
        """Return the way to it."""
        return Access(server=self.server, tls=None, login=login, namespace="shop")


@asynccontextmanager
async def answering(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Answering]:
    """Run such a server."""
    here = Answering("")

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        asked = Asked(
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            orjson.loads(raw) if raw else None,
        )
        here.asked.append(asked)
        return await answer(asked)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        here.server = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield here
    finally:
        await runner.cleanup()


def always(code: int, body: object = None, **headers: str) -> Answer:
    """Answer everything the same."""

    async def answer(_: Asked) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=orjson.dumps(body or {}), headers=named)

    return answer


def status(reason: str = "", *causes: tuple[str, str], **details: object) -> dict[str, object]:
    """Return a metav1.Status that refuses; its message and its causes quote what must not be repeated."""
    quoted = [{"reason": why, "field": where, "message": SECRET} for why, where in causes]
    return {
        "kind": "Status",
        "status": "Failure",
        "message": f"cannot have {SECRET}",
        "reason": reason,
        "details": {"name": SECRET, "causes": quoted, **details},
    }


SECRET = "hunter2-do-not-repeat"


async def never(_: Asked) -> web.StreamResponse:
    """Answer nothing for as long as anybody waits."""
    await asyncio.Event().wait()
    raise AssertionError

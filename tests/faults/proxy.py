"""The proxy between operators and API server: it numbers the calls of each credential, and lets faults meet them.

1. Plain HTTP on the loopback side; towards the API server as its kubeconfig says, with the operator's own login.
2. A request that was begun is ended even if the operator goes away meanwhile, as an API server would.
3. One fault in a case, at the call that its identity names; a storm takes the calls that follow, too.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from rekey.kube.config import Access
from tests.faults import calls, relay
from tests.faults.calls import Call, Point, Track
from tests.faults.matrix import Fault, Kind

STORM = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR)
_REFUSED: dict[Fault | None, tuple[int, str, dict[str, str]]] = {
    Fault.BUSY: (HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", {"Retry-After": "1"}),
    Fault.STORM: (HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", {}),
    Fault.CONFLICT: (HTTPStatus.CONFLICT, "Conflict", {}),
    Fault.INVALID: (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", {}),
}
PIECES = 6
PAUSE = 0.2
_PASSED_ON = ("Authorization", "Content-Type", "Accept")


@dataclass
class Case:
    """One credential in a namespace of its own, and the fault that one of its calls is to meet (None: none)."""

    namespace: str
    point: Point | None = None
    fault: Fault | None = None
    kill: Callable[[], bool] = lambda: False
    met: bool = False
    track: Track = field(default_factory=Track)
    points: list[Point] = field(default_factory=list)
    storm: int = 0
    versions: list[str] = field(default_factory=list)
    travels: bool = False

    def strikes(self, point: Point) -> Fault | None:
        """Take note of a call; return the fault that it meets."""
        self.points.append(point)
        if self.storm and self._is_alike(point):
            self.storm -= 1
            return Fault.STORM
        if self.met or point != self.point:
            return None
        self.met = True
        self.storm = len(STORM) - 1 if self.fault is Fault.STORM else 0
        self.travels = self.fault is Fault.STALE
        return self.fault

    def _is_alike(self, point: Point) -> bool:
        """Events are sent beside all else: a storm takes either them or the rest."""
        assert self.point is not None
        return point.kind is not Kind.NEWS and (point.kind is Kind.EVENT) == (self.point.kind is Kind.EVENT)

    def travel(self) -> str | None:
        """Return the resourceVersion of long ago that a list is to be answered from, once."""
        if not self.travels or not self.versions:
            return None
        self.travels = False
        return self.versions[0]


@dataclass(frozen=True)
class Reply:
    """An answer of the API server, as far as it is passed on."""

    code: int
    body: bytes
    headers: dict[str, str]


class Proxy:
    """The proxy; `cases` are found by their namespaces."""

    def __init__(self, upstream: Access, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session
        self._late: set[asyncio.Task[Reply]] = set()
        self.cases: dict[str, Case] = {}
        self.server = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        call = calls.read(request.method, request.path, request.query_string, body)
        case = self.cases.get(call.namespace) if call else None
        if call is None or case is None:
            return await self._plainly(request, body)
        fault = case.strikes(case.track.point(call))
        try:
            return await self._with(fault, case, call, request, body)
        except ConnectionError:
            return web.Response()  # whoever asked is gone

    async def _with(
        self, fault: Fault | None, case: Case, call: Call, request: web.BaseRequest, body: bytes
    ) -> web.StreamResponse:
        if fault in _REFUSED:
            code, reason, headers = _REFUSED[fault]
            return refusal(STORM[case.storm] if fault is Fault.STORM else code, reason, headers)
        match fault:
            case Fault.REQUEST_LOST:
                return reset(request)
            case Fault.CRASH_BEFORE:
                case.met = case.kill()
                return reset(request)
            case Fault.HANG:
                await asyncio.Event().wait()  # ended by the client that goes away
            case Fault.LATE:
                return await self._late_for(case, call, request, body)
            case _:
                pass
        if call.kind is Kind.WATCH:
            return await self._watch(fault, case, call, request)
        return await self._forwarded(fault, case, call, request, body)

    async def _forwarded(
        self, fault: Fault | None, case: Case, call: Call, request: web.BaseRequest, body: bytes
    ) -> web.StreamResponse:
        if fault is Fault.TWICE:
            await self._carried_out(case, call, request, body)
        reply = await self._carried_out(case, call, request, body)
        if fault is Fault.CRASH_AFTER:
            case.met = case.kill()
        if fault in {Fault.CRASH_AFTER, Fault.REPLY_LOST}:
            return reset(request)
        if fault is Fault.SLOW:
            return await dribbled(request, reply)
        return web.Response(status=reply.code, body=reply.body, headers=reply.headers)

    async def _late_for(self, case: Case, call: Call, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Carry the request out when nobody waits for its answer any more."""
        try:
            await asyncio.Event().wait()
        finally:
            task = asyncio.create_task(self._send(case, call, request, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        raise AssertionError

    async def _carried_out(self, case: Case, call: Call, request: web.BaseRequest, body: bytes) -> Reply:
        task = asyncio.create_task(self._send(case, call, request, body))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return await asyncio.shield(task)

    async def _send(self, case: Case, call: Call, request: web.BaseRequest, body: bytes) -> Reply:
        query = request.query_string
        if call.kind is Kind.LIST and (version := case.travel()):
            query = f"resourceVersion={version}&resourceVersionMatch=Exact"
        reply = await self._reply(request, body, query)
        if call.kind is Kind.WRITE and reply.code < HTTPStatus.MULTIPLE_CHOICES:
            case.track.wrote(call, json.loads(reply.body))
        return reply

    async def _plainly(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if "watch" in request.query:
            async with self._asked(request, b"", request.query_string) as answer:
                return await relay.untouched(request, answer)
        reply = await self._reply(request, body, request.query_string)
        return web.Response(status=reply.code, body=reply.body, headers=reply.headers)

    async def _watch(self, fault: Fault | None, case: Case, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        async with self._asked(request, b"", request.query_string) as answer:
            if fault is Fault.CRASH_AFTER:
                case.met = case.kill()
            if fault in {Fault.CRASH_AFTER, Fault.REPLY_LOST}:
                return reset(request)
            if answer.status != HTTPStatus.OK:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

            def strikes(event: dict[str, Any]) -> Fault | None:
                return case.strikes(case.track.news(call.resource, event))

            return await relay.sifted(request, answer, strikes)

    async def _reply(self, request: web.BaseRequest, body: bytes, query: str) -> Reply:
        async with self._asked(request, body, query) as answer:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
            return Reply(answer.status, await answer.read(), kept)

    @asynccontextmanager
    async def _asked(self, request: web.BaseRequest, body: bytes, query: str) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(f"{self._upstream.server}{request.rel_url.raw_path}{f'?{query}' if query else ''}", encoded=True)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            yield answer


def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection off instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # which nobody gets any more


def refusal(code: int, reason: str, headers: dict[str, str]) -> web.StreamResponse:
    """Return an answer in the form of the API server's own."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return web.json_response({**body, "message": "made by the proxy", "details": {}}, status=code, headers=headers)


async def dribbled(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Answer in pieces, with pauses between them."""
    response = web.StreamResponse(status=reply.code, headers=reply.headers)
    await response.prepare(request)
    size = len(reply.body) // PIECES + 1
    for start in range(0, len(reply.body), size):
        await response.write(reply.body[start : start + size])
        await asyncio.sleep(PAUSE)
    await response.write_eof()
    return response


@asynccontextmanager
async def proxying(upstream: Access) -> AsyncIterator[Proxy]:
    """Run a proxy."""
    connector = aiohttp.TCPConnector(limit=0, ssl=upstream.tls if upstream.tls is not None else True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**21) as session:
        proxy = Proxy(upstream, session)
        server = web.Server(proxy.handle, handler_cancellation=True, access_log=None, keepalive_timeout=300)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            proxy.server = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()

"""The one way to the API server: a small HTTP client over aiohttp and orjson.

1. Connections are kept and bounded; a request waits for a free one within its own timeout.
2. Nothing is followed, guessed from the environment or remembered: no redirects, proxies or cookies.
3. Nothing is tried again here: a lost reply is the engine's business, which looks before it acts again.
   (aiohttp itself repeats a read or a deletion once if a kept connection turns out to be closed.)
4. While the API server says that it is busy fewer requests are under way at once (`rekey.kube.pressure`).
5. What changes an object in a namespace is sent only by who leads there (`rekey.kube.permit`).
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable, Mapping
from http.client import MULTIPLE_CHOICES, OK, TOO_MANY_REQUESTS, UNAUTHORIZED
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from rekey import __version__
from rekey.errors import NoAnswer, Retryable
from rekey.kube.api import LIST, Json, Path, Verb
from rekey.kube.config import Access
from rekey.kube.permit import Permit, Request, within
from rekey.kube.pressure import Pressure
from rekey.kube.refusals import refusal, said, silence
from rekey.ports.lead import Lead

PAGE: Final = 200
"""Objects in one answer to a list: a bound on what is parsed without letting others run, and on memory for it."""

# asyncio sets 256 KiB aside for each TLS connection, and again for each read of it. A record is 16 KiB at most.
SSLProtocol.max_size = 16 * 1024

Observe = Callable[[str, str, int], None]
"""Told of every answer: verb, resource and HTTP status; status 0 means that none came."""

Dated = Callable[[str], None]
"""Told of the `Date` of every answer that the API server itself must have given."""


class Client:
    """A client of one API server, for one event loop; made inside it, and used in `async with`."""

    def __init__(
        self,
        access: Access,
        *,
        observe: Observe = lambda _verb, _resource, _code: None,
        lead: Lead | None = None,
        limit: int = 64,
        timeout: float = 30.0,
    ) -> None:
        self.access = access
        self._observe = observe
        self.dated: Dated = lambda _date: None
        self._permit = Permit(lead, timeout)
        self._timeout = within(timeout)
        self._connector = aiohttp.TCPConnector(
            limit=limit,
            ssl=access.tls if access.tls is not None else True,
            ttl_dns_cache=60,
            keepalive_timeout=60,
        )
        self._session = self._open()
        self._pressure = Pressure(limit)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._connector.close()

    async def request(
        self,
        verb: Verb,
        path: Path,
        *,
        body: Json = None,
        query: Mapping[str, str] | None = None,
        accept: str | None = None,
    ) -> Json:
        """Send one request and return the parsed answer; `accept` asks for another form than plain JSON.

        Raises:
            NotLeading: it is a write where we do not lead, or no longer: it was not sent, or no answer waited for.
            RekeyError: the answer was a refusal (see `rekey.kube.refusals`), or none came (Retryable).
        """
        # A URL made of checked names needs no quoting, which would cost more than all else here.
        url = URL(f"{self.access.server}{path.url}{f'?{urlencode(query)}' if query else ''}", encoded=True)
        headers = await self._headers(verb, accept)
        data = None if body is None else orjson.dumps(body)
        seconds = self._permit.ask(verb, path)
        try:
            await self._pressure.enter(seconds)
            try:
                timeout = within(self._permit.ask(verb, path))
                async with self._session.request(
                    verb.method, url, data=data, headers=headers, allow_redirects=False, timeout=timeout
                ) as answer:
                    payload = await answer.read()
                    if answer.status < MULTIPLE_CHOICES:  # what refuses may be a proxy, with a clock of its own
                        self.dated(answer.headers.get("Date", ""))
            finally:
                self._pressure.leave()
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            self._permit.ask(verb, path)
            self._observe(verb.name, path.resource, 0)
            raise NoAnswer(f"{said(verb, path)}: no answer ({silence(error)})") from error
        self._observe(verb.name, path.resource, answer.status)
        return self._parsed(verb, path, answer, payload)

    async def _headers(self, verb: Verb, accept: str | None) -> dict[str, str]:
        headers = {"Content-Type": verb.content_type}
        if accept is not None:
            headers["Accept"] = accept
        if self.access.login is not None and (login := await self.access.login.header()):
            headers["Authorization"] = login
        return headers

    def _parsed(self, verb: Verb, path: Path, answer: aiohttp.ClientResponse, payload: bytes) -> Json:
        if not OK <= answer.status < MULTIPLE_CHOICES:
            if answer.status == UNAUTHORIZED and self.access.login is not None:
                self.access.login.refused()
            refused = refusal(verb, path, answer.status, answer.headers, payload)
            if answer.status == TOO_MANY_REQUESTS:
                self._pressure.refused(refused.retry_after if isinstance(refused, Retryable) else None)
            raise refused
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            pass  # raised from here, the error below would carry the whole answer along
        raise Retryable(f"{said(verb, path)}: the answer is not JSON")

    async def list(self, path: Path, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return all objects, read anew from storage, page by page."""
        items: list[dict[str, Any]] = []
        async for page in self.pages(path, query):
            items += page["items"]
        return items

    async def pages(
        self, path: Path, query: Mapping[str, str] | None = None, *, accept: str | None = None
    ) -> AsyncIterator[Json]:
        """Give the pages of a list, read anew from storage; `items` of one in another form may be null."""
        # No resourceVersion is sent: "0" or a fixed one would allow an answer from a stale cache.
        asked = {**(query or {}), "limit": str(PAGE)}
        while True:
            page = await self.request(LIST, path, query=asked, accept=accept)
            yield page
            more = page["metadata"].get("continue")
            if not more:
                return
            asked["continue"] = more

    def open_session(
        self,
        *middlewares: aiohttp.ClientMiddlewareType,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        """Return another session over the same connections that logs in by itself: kopf's, to close."""

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            if self.access.login is None:
                return await handler(request)
            if login := await self.access.login.header():
                request.headers["Authorization"] = login
            answer = await handler(request)
            if answer.status == UNAUTHORIZED:
                self.access.login.refused()
            return answer

        return self._open(authorize, *middlewares, response_class=response_class)

    def _open(
        self,
        *middlewares: aiohttp.ClientMiddlewareType,
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            request_class=Request,
            response_class=response_class,
            connector=self._connector,
            connector_owner=False,
            middlewares=middlewares,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Within a cluster packing and unpacking costs more time than it saves.
            headers={
                "User-Agent": f"rekey/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            json_serialize=lambda body: orjson.dumps(body).decode(),
            trust_env=False,
        )

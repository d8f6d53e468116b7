"""One GET to an address that is allowed, with a header that may hold what is secret.

Of the answer's body no more is read than is asked for. No text of a library or of what was sent is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from yarl import URL

from rekey.core.material import Material
from rekey.errors import NotLeading
from rekey.ports.lead import Lead
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, said, session, trusting

_ACCEPT: Final = {"Accept": "*/*"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    `path` and `parameters` are put behind the URL. `most`: how many bytes of the body are of use; of a longer one a
    byte more is read, which tells that it is longer.
    """

    namespace: str
    url: str
    header: Material
    seconds: float
    authority: Material | None = None
    path: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    most: int = 0

    @property
    def whole(self) -> URL:
        """The URL with both.

        Raises:
            ValueError: it is none.
        """
        url = URL(self.url)
        return (url / self.path if self.path else url).update_query(self.parameters)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or None and what went wrong; `forbidden`: nothing may be sent there."""

    status: int | None = None
    body: bytes = b""
    trouble: str = ""
    forbidden: bool = False


class Getter:
    """Sends such requests; `lead` says for how long we may (None: there is only one of us)."""

    def __init__(self, allowed: Allowed, lead: Lead | None = None, lookup: Lookup = addresses_of) -> None:
        self._allowed = allowed
        self._lead = lead
        self._lookup = lookup

    async def get(self, request: Request) -> Answer:
        """Send the request once; it ends in time.

        Raises:
            NotLeading: it is not ours to act there; nothing was sent.
        """
        seconds = self._left(request)
        try:
            async with asyncio.timeout(seconds):
                return await self._get(request)
        except TimeoutError:
            return Answer(trouble=f"no answer within {seconds:.1f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(trouble=said(error))

    def _left(self, request: Request) -> float:
        """Return for how many seconds the request may go on."""
        left = self._lead.remaining(request.namespace) if self._lead is not None else request.seconds
        if left <= 0:
            raise NotLeading(f"a request for namespace {request.namespace}: another process acts there now")
        return min(left, request.seconds)

    async def _get(self, request: Request) -> Answer:
        url = request.whole
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            return Answer(trouble="the URL must be https://host/path", forbidden=True)
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(request.namespace, url.scheme, host, port, addresses):
            return Answer(trouble=why, forbidden=True)
        trust = trusting(request.authority)
        self._left(request)
        return await _sent(url, request, session(addresses, trust))


async def _sent(url: URL, request: Request, client: aiohttp.ClientSession) -> Answer:
    headers = _ACCEPT | {name: value.decode("ascii") for name, value in request.header.reveal().items()}
    async with client, client.get(url, headers=headers, allow_redirects=False) as answer:
        return Answer(answer.status, await _body(answer.content, request.most))


async def _body(content: aiohttp.StreamReader, most: int) -> bytes:
    found = b""
    while most and len(found) <= most and (part := await content.read(most + 1 - len(found))):
        found += part
    return found

"""One GET to an address that is allowed, with a header that may hold what is secret.

1. The name is looked up once, every address is judged, and only these are connected to: a name that leads elsewhere a
   moment later changes nothing.
2. Nothing is followed, guessed from the environment, remembered or tried again: no redirects, proxies, cookies, netrc.
3. Of the answer's body no more is read than is asked for. No text of a library or of what was sent is passed on.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from rekey import __version__
from rekey.core.material import Material
from rekey.errors import NotLeading
from rekey.ports.lead import Lead
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
_HEADERS: Final = {"User-Agent": f"rekey/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


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


async def addresses_of(host: str, port: int) -> Sequence[Address]:
    """Return where a name leads now.

    Raises:
        OSError: nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


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
            return Answer(trouble=_said(error))

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
        trust = self._trust if request.authority is None else _trusting(request.authority)
        self._left(request)
        return await _sent(url, request, _Pinned(addresses), trust)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return _modern(ssl.create_default_context())


class _Pinned(AbstractResolver):
    """Leads every name to the addresses that were judged."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        return [_result(host, port, address) for address in self._addresses]

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004  IP's own number
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


async def _sent(url: URL, request: Request, resolver: _Pinned, trust: ssl.SSLContext) -> Answer:
    headers = {name: value.decode("ascii") for name, value in request.header.reveal().items()}
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=trust, force_close=True, use_dns_cache=False)
    async with (
        aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            trust_env=False,
            auto_decompress=False,
        ) as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, await _body(answer.content, request.most))


async def _body(content: aiohttp.StreamReader, most: int) -> bytes:
    found = b""
    while most and len(found) <= most and (part := await content.read(most + 1 - len(found))):
        found += part
    return found


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _trusting(authority: Material) -> ssl.SSLContext:
    text = authority.reveal()["ca.crt"].decode("ascii")
    if not text.strip():
        raise ssl.SSLError("ca.crt is empty")  # else every authority of the system would do
    return _modern(ssl.create_default_context(cadata=text))


def _said(error: Exception) -> str:
    """Return what went wrong, in words of our own: a library's may quote what was sent or answered."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted, or is another name's"
        case aiohttp.ClientSSLError():
            return "no TLS connection, of version 1.2 at least"
        case socket.gaierror():
            return "its name leads nowhere"
        case aiohttp.ClientConnectorError():
            return "no connection"
        case ssl.SSLError() | UnicodeError():
            return "ca.crt cannot be read"
        case aiohttp.ClientError():
            return "the connection ended without an answer that can be read"
        case _:
            return f"it cannot be asked ({type(error).__name__})"

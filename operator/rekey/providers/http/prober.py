"""The port `Prober` over aiohttp: one GET with a value in a header, and nothing of the answer but its status.

1. The name is looked up once, every address is judged, and only these are connected to: a name that leads elsewhere a
   moment later changes nothing.
2. Nothing is followed, guessed from the environment, remembered or tried again: no redirects, proxies, cookies, netrc.
3. Nothing of the answer's body is read, and no text of the other side, of a library or of the value is passed on.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from rekey import __version__
from rekey.core.material import Material
from rekey.core.probing import Reply
from rekey.errors import NotLeading
from rekey.ports.lead import Lead
from rekey.ports.prober import Question
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
_HEADERS: Final = {"User-Agent": f"rekey/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


async def addresses_of(host: str, port: int) -> Sequence[Address]:
    """Return where a name leads now.

    Raises:
        OSError: nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class HttpProber:
    """Asks services over HTTP; `lead` says for how long we may (None: there is only one of us)."""

    def __init__(self, allowed: Allowed, lead: Lead | None = None, lookup: Lookup = addresses_of) -> None:
        self._allowed = allowed
        self._lead = lead
        self._lookup = lookup

    async def ask(self, question: Question) -> Reply:
        """Send the request once; see the port."""
        seconds = self._left(question)
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(question)
        except TimeoutError:
            return Reply(trouble=f"no answer within {seconds:.1f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(trouble=_said(error))

    def _left(self, question: Question) -> float:
        """Return for how many seconds the request may go on."""
        left = self._lead.remaining(question.namespace) if self._lead is not None else question.seconds
        if left <= 0:
            raise NotLeading(f"a probe in namespace {question.namespace}: another process acts there now")
        return min(left, question.seconds)

    async def _ask(self, question: Question) -> Reply:
        url = URL(question.url)
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            return Reply(trouble="the URL must be https://host/path", forbidden=True)
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(question.namespace, url.scheme, host, port, addresses):
            return Reply(trouble=why, forbidden=True)
        trust = self._trust if question.authority is None else _trusting(question.authority)
        self._left(question)
        return await _get(url, question, _Pinned(addresses), trust)

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


async def _get(url: URL, question: Question, resolver: _Pinned, trust: ssl.SSLContext) -> Reply:
    headers = {name: value.decode("ascii") for name, value in question.header.reveal().items()}
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
        return Reply(answer.status)


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

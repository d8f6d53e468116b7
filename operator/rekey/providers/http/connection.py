"""One connection to addresses that were judged: what everybody here who speaks HTTP stands on.

1. The name is looked up once, every address is judged, and only these are connected to: a name that leads elsewhere a
   moment later changes nothing.
2. Nothing is followed, guessed from the environment, remembered or tried again: no redirects, cookies, netrc,
   and no proxy but one that is named.
3. What went wrong is said in words of our own: a library's may quote what was sent or answered.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from rekey import __version__
from rekey.core.material import Material
from rekey.providers.http.addresses import Address

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
_UNWANTED: Final = re.compile(r"_ALERT_([A-Z_]*CERTIFICATE[A-Z_]*|UNKNOWN_CA|ACCESS_DENIED)")
_OURS: Final = ("tls.crt", "tls.key")
PAIR: Final = "`tls.crt` and `tls.key` that belong together, in PEM and without a password"
_HEADERS: Final = {"User-Agent": f"rekey/{__version__}", "Accept-Encoding": "identity"}


class BadCertificateError(Exception):
    """What we are to show in TLS cannot be read, or key and certificate do not belong together."""


async def addresses_of(host: str, port: int) -> Sequence[Address]:
    """Return where a name leads now.

    Raises:
        OSError: nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def session(addresses: Sequence[Address], trust: ssl.SSLContext) -> aiohttp.ClientSession:
    """Return a session for one request, which leads every name to these addresses; pass `allow_redirects=False`."""
    connector = aiohttp.TCPConnector(resolver=_Pinned(addresses), ssl=trust, force_close=True, use_dns_cache=False)
    return aiohttp.ClientSession(
        connector=connector,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        trust_env=False,
        auto_decompress=False,
        middlewares=(_once(),),
    )


def _once() -> aiohttp.ClientMiddlewareType:
    """Return what keeps the library from sending a request anew that it thinks may be sent twice, such as a DELETE."""
    sent = False

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal sent
        if sent:
            raise aiohttp.ServerDisconnectedError
        sent = True
        return await handler(request)

    return send


def trusting(authority: Material | None, shown: Material | None = None) -> ssl.SSLContext:
    """Return the ends of TLS that are trusted: those of that authority (`ca.crt`), or those that the system trusts.

    `shown`: the certificate that we show who asks for one (`tls.crt`, `tls.key`).

    Raises:
        ssl.SSLError, UnicodeError: the authority cannot be read.
        BadCertificateError: what we show cannot.
    """
    if authority is None:
        return _everybody(_Shown.of(shown) if shown is not None else None)
    context = _trusting(authority)
    if shown is not None:
        _show(context, shown)
    return context


def _trusting(authority: Material) -> ssl.SSLContext:
    text = authority.reveal()["ca.crt"].decode("ascii")
    if not text.strip():
        raise ssl.SSLError("ca.crt is empty")  # else every authority of the system would do
    return _modern(ssl.create_default_context(cadata=text))


def _show(context: ssl.SSLContext, shown: Material) -> None:
    values = shown.reveal()
    # The library reads files only; these are in memory, and nobody else's.
    handle = os.memfd_create("shown")
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(b"\n".join(values.get(key, b"") for key in _OURS))
        # Without a password it would ask for one where we were started.
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=b"")
    except (OSError, ValueError):
        good = False
    else:
        good = True
    finally:
        os.close(handle)
    if not good:
        raise BadCertificateError


def is_readable(shown: Material) -> bool:
    """Say whether that is a certificate and its key, as we can show them."""
    try:
        _show(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), shown)
    except BadCertificateError:
        return False
    return True


def is_unwanted(error: Exception) -> bool:
    """Say whether the other side ended TLS because of the certificate that we showed, or did not show."""
    return isinstance(error, OSError) and _UNWANTED.search(str(error)) is not None


def said(error: Exception) -> str:
    """Return what went wrong, in words of our own."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not trusted, or is another name's"
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return "the proxy does not connect us"
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


@dataclass(frozen=True, slots=True)
class _Shown:
    """What we show in TLS, told from another by a digest of it."""

    digest: bytes = field(repr=False)
    material: Material = field(compare=False)

    @classmethod
    def of(cls, material: Material) -> _Shown:
        values = material.reveal()
        parts = (sha256(values.get(key, b"")).digest() for key in _OURS)
        return cls(sha256(b"".join(parts)).digest(), material)


# To read what the system trusts takes tens of milliseconds in which nothing else goes on, and nearly a megabyte.
@lru_cache(maxsize=8)
def _everybody(shown: _Shown | None) -> ssl.SSLContext:
    context = _modern(ssl.create_default_context())
    if shown is not None:
        _show(context, shown.material)
    return context


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

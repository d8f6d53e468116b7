"""One request to a declared endpoint of a backend, and what came back: never followed, never more than a bound.

1. What was never sent is Retryable; what may have arrived is NoAnswer.
2. Errors are raised outside of the blocks that catch a library's: those may quote what was sent or answered, and would
   stay attached.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import aiohttp
from yarl import URL

from rekey.core.answers import MAX_BODY, Answer
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.addresses import Address
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import (
    PAIR,
    BadCertificateError,
    Lookup,
    addresses_of,
    is_unwanted,
    said,
    session,
    trusting,
)


class Declares(Protocol):
    """What a provider declares of the way to its server."""

    @property
    def ca_secret_name(self) -> str | None:
        """The Secret of whom the server must be known by."""
        ...

    @property
    def certificate_secret_name(self) -> str | None:
        """The Secret of what we show."""
        ...

    @property
    def proxy_url(self) -> str | None:
        """The proxy by which it is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is asked: whom it must be known by, what we show it in TLS, and the proxy that leads there, if any.

    `ca_secret`, `certificate_secret`: where the first two stand, for whoever must mend them.
    """

    name: str
    authority: Material | None = None
    ca_secret: str | None = None
    certificate: Material | None = None
    certificate_secret: str | None = None
    proxy: str | None = None

    @classmethod
    def of(cls, url: str, server: Declares, authority: Material | None, certificate: Material | None) -> Endpoint:
        """Return who is at that URL, as a provider declares it."""
        name, shown = URL(url).host or "", server.certificate_secret_name
        return cls(name, authority, server.ca_secret_name, certificate, shown, server.proxy_url)

    def trust(self) -> ssl.SSLContext:
        """Return by whom the server must be known, and what we show.

        Raises:
            Rejected: a Secret is incomplete.
        """
        missing = f"Secret {self.ca_secret} has no `ca.crt` that can be read: put PEM certificates there"
        try:
            return trusting(self.authority, self.certificate)
        except BadCertificateError:
            missing = f"Secret {self.certificate_secret} has no {PAIR}"
        except (ssl.SSLError, UnicodeError, KeyError):
            pass
        raise Rejected(Reason.PROVIDER_NOT_READY, missing)

    def unwanted(self) -> Rejected:
        """Return what it means that the server ends TLS because of our certificate, or because we showed none."""
        if self.certificate_secret is None:
            what = f"{self.name} wants a certificate of ours, and none is declared (`certificateSecretName`)"
            return Rejected(Reason.PROVIDER_NOT_READY, what)
        secret = f"Secret {self.certificate_secret}"
        mend = f"put a certificate that it accepts into {secret}, or annotate that Secret when it accepts this one"
        return Rejected(Reason.NEEDS_REAUTH, f"{self.name} does not accept us in TLS: {mend}")


class Roads:
    """The ways to the endpoints: where they may lead, and for how long we may go.

    `seconds` says that each time it is asked, and raises NotLeading when it is not ours to act any more.
    """

    def __init__(
        self,
        allowed: Allowed,
        namespace: str,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        lookup: Lookup = addresses_of,
    ) -> None:
        self._allowed = allowed
        self._namespace = namespace
        self._lookup = lookup
        self.now = now
        self.seconds = seconds

    async def send(
        self,
        who: Endpoint,
        endpoint: str | URL,
        request: tuple[dict[str, str], bytes],
        seconds: float,
        method: str = "POST",
        most: int = MAX_BODY,
    ) -> Answer:
        """Send headers and a body once, and return the answer; of a body longer than `most` nothing is kept.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        url, bound = URL(endpoint), max(0.0, min(seconds, self.seconds()))
        try:
            async with asyncio.timeout(bound):
                return await self._send(method, url, who, request, most)
        except TimeoutError:
            why: RekeyError = NoAnswer(f"{url.host}: no answer within {bound:.1f} s")
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, socket.gaierror, UnicodeError) as error:
            why = who.unwanted() if is_unwanted(error) else Retryable(f"{url.host}: {said(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = who.unwanted() if is_unwanted(error) else NoAnswer(f"{url.host}: {said(error)}")
        raise why

    async def _send(
        self, method: str, url: URL, who: Endpoint, request: tuple[dict[str, str], bytes], most: int
    ) -> Answer:
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            raise Rejected(Reason.PROVIDER_NOT_READY, "the URL of an endpoint must be https://host/path")
        proxy = who.proxy
        addresses = await self._judged(url.scheme, host, port) if proxy is None else await self._behind(URL(proxy), url)
        async with session(addresses, who.trust()) as client:
            self.seconds()
            sent = self.now()
            headers, body = request
            options = {"data": body} if body else {"skip_auto_headers": ("Content-Type",)}
            asked = client.request(method, url, headers=headers, allow_redirects=False, proxy=proxy, **options)
            async with asked as answer:
                known = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, sent, known, await _body(answer, most))

    async def _judged(self, scheme: str, host: str, port: int) -> Sequence[Address]:
        """Return where that leads, if anything may be sent there."""
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(self._namespace, scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        return addresses

    async def _behind(self, proxy: URL, url: URL) -> Sequence[Address]:
        """Return where the proxy is; both it and what is behind it are judged.

        Of the latter nothing may be known here: then it is for the proxy to say where the name leads.
        """
        if url.scheme != "https":
            raise Rejected(Reason.PROVIDER_NOT_READY, "with `proxyUrl` endpoints must be https://host/path")
        with suppress(socket.gaierror):
            await self._judged(url.scheme, url.raw_host or "", url.port or 0)
        # To the proxy itself nothing is shown but that name, so TLS or not makes no difference.
        return await self._judged("https", proxy.raw_host or "", proxy.port or 0)


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Return the body, or None if it is longer; with 0 it is not even waited for."""
    found = bytearray()
    if not most:
        return None
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) > most:
            return None
    return bytes(found)

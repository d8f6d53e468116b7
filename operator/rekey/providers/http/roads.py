"""One request to a declared endpoint of a backend, and what came back: never followed, never more than 64 KiB.

1. What was never sent is Retryable; what may have arrived is NoAnswer.
2. Errors are raised outside of the blocks that catch a library's: those may quote what was sent or answered, and would
   stay attached.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import aiohttp
from yarl import URL

from rekey.core.answers import MAX_BODY, Answer
from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, said, session, trusting


class Known(Protocol):
    """Who is asked."""

    def trust(self) -> ssl.SSLContext:
        """Return by whom the server must be known.

        Raises:
            Rejected: the Secret is incomplete.
        """
        ...


def trusted(authority: Material | None, secret: str | None) -> ssl.SSLContext:
    """Return whom that authority makes trusted; `secret`: where it stands.

    Raises:
        Rejected: the Secret is incomplete.
    """
    with suppress(ssl.SSLError, UnicodeError, KeyError):
        return trusting(authority)
    where = f"Secret {secret} has no `ca.crt`"
    raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} that can be read: put PEM certificates there")


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
        self._now = now
        self._lookup = lookup
        self.seconds = seconds

    async def send(
        self, who: Known, endpoint: str, request: tuple[dict[str, str], bytes], seconds: float, method: str = "POST"
    ) -> Answer:
        """Send headers and a body once, and return the answer.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        url, bound = URL(endpoint), max(0.0, min(seconds, self.seconds()))
        try:
            async with asyncio.timeout(bound):
                return await self._send(method, url, who, request)
        except TimeoutError:
            why: RekeyError = NoAnswer(f"{url.host}: no answer within {bound:.1f} s")
        except (aiohttp.ClientConnectorError, socket.gaierror, UnicodeError) as error:
            why = Retryable(f"{url.host}: {said(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = NoAnswer(f"{url.host}: {said(error)}")
        raise why

    async def _send(self, method: str, url: URL, who: Known, request: tuple[dict[str, str], bytes]) -> Answer:
        host, port = url.raw_host or "", url.port or 0
        if url.scheme not in {"http", "https"} or url.raw_user or url.raw_password or not host:
            raise Rejected(Reason.PROVIDER_NOT_READY, "the URL of an endpoint must be https://host/path")
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(self._namespace, url.scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        async with session(addresses, who.trust()) as client:
            self.seconds()
            sent = self._now()
            headers, body = request
            options = {"data": body} if body else {"skip_auto_headers": ("Content-Type",)}
            async with client.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
                known = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, sent, known, await _body(answer))


async def _body(answer: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None if it is longer than anybody's who means well."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) > MAX_BODY:
            return None
    return bytes(found)

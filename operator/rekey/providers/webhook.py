"""Events posted to a webhook of an administrator: signed, so that who gets one knows that it is ours, and whole.

1. Signed in the manner of Standard Webhooks (v1): HMAC-SHA256 over id, time and body: receivers can use its libraries.
2. Nothing is followed and nothing tried again here; of an answer nothing is read but its status and when to come again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import socket
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Final

import aiohttp
import orjson
from yarl import URL

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.rate import asked_wait
from rekey.core.reasons import Reason
from rekey.core.spec_notify import WebhookServer
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, said, session, trusting

LONGEST: Final = 5.0
"""Seconds that a webhook may take: who is slower is told of it again."""
_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_SECRET: Final = re.compile(r"(whsec_)?([A-Za-z0-9+/]+={0,2})")
_LEAST, _MOST = 24, 64


class Webhook:
    """One webhook; `seconds` says for how long we may go, and raises NotLeading when it is not ours to act any more."""

    def __init__(  # noqa: PLR0913  what it is made of
        self,
        server: WebhookServer,
        login: Material,
        authority: Material | None,
        *,
        namespace: str,
        allowed: Allowed,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        lookup: Lookup = addresses_of,
    ) -> None:
        self._server = server
        self._login = login
        self._authority = authority
        self._namespace = namespace
        self._allowed = allowed
        self._now = now
        self._seconds = seconds
        self._lookup = lookup

    async def send(self, message: Message) -> None:
        """Post it once.

        Raises:
            Retryable: it is away or busy; NoAnswer: it may have got it.
            Rejected: it does not want it, or must not be asked.
            NotLeading: nothing was sent.
        """
        url, bound = URL(self._server.url), min(LONGEST, self._seconds())
        body = orjson.dumps(message.body)
        headers = {"Content-Type": _TYPE, **signed(self._key(), message.id, self._now(), body)}
        try:
            async with asyncio.timeout(bound):
                return await self._post(url, headers, body)
        except TimeoutError:
            why: RekeyError = NoAnswer(f"{url.host}: no answer within {bound:.1f} s")
        except (aiohttp.ClientConnectorError, socket.gaierror, UnicodeError) as error:
            why = Retryable(f"{url.host}: {said(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = NoAnswer(f"{url.host}: {said(error)}")
        raise why

    async def _post(self, url: URL, headers: dict[str, str], body: bytes) -> None:
        host, port = url.raw_host or "", url.port or 0
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(self._namespace, url.scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        async with session(addresses, self._trust()) as client:
            self._seconds()
            async with client.post(url, headers=headers, data=body, allow_redirects=False) as answer:
                known = {name.lower(): value for name, value in answer.headers.items()}
                _judge(url.host or "", answer.status, asked_wait(known, self._now(), busy=answer.status in _BUSY))

    def _trust(self) -> ssl.SSLContext:
        try:
            return trusting(self._authority)
        except (ssl.SSLError, UnicodeError, KeyError):
            where = f"Secret {self._server.ca_secret_name} has no `ca.crt`"
        raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} that can be read: put PEM certificates there")

    def _key(self) -> bytes:
        text = self._login.reveal().get("secret", b"").decode("ascii", "replace").strip()
        found = _SECRET.fullmatch(text)
        try:
            key = b64decode(found[2], validate=True) if found is not None else b""
        except ValueError:
            key = b""
        if _LEAST <= len(key) <= _MOST:
            return key
        where = f"`secret` of Secret {self._server.secret_name}"
        how = f"whsec_ and {_LEAST} to {_MOST} random bytes in base64"
        raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} cannot be signed with: it must be {how}")


def signed(key: bytes, what: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that say what it is, when it was sent, and that it is ours."""
    at = str(int(now.timestamp()))
    digest = hmac.digest(key, b".".join((what.encode(), at.encode(), body)), hashlib.sha256)
    return {"webhook-id": what, "webhook-timestamp": at, "webhook-signature": f"v1,{b64encode(digest).decode()}"}


_BUSY: Final = frozenset({408, 425, 429, 503})


def _judge(host: str, status: int, wait: float | None) -> None:
    """Raise what an answer means that is none of success."""
    if 200 <= status < 300:  # noqa: PLR2004  HTTP's own
        return
    if status in _BUSY or wait is not None:
        raise Retryable(f"{host} answered {status}", retry_after=wait)
    if status >= 500:  # noqa: PLR2004  HTTP's own
        raise NoAnswer(f"{host} answered {status}")
    raise Rejected(Reason.BACKEND_REFUSED, f"{host} answered {status}: it does not take events at that URL")

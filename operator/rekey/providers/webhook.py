"""Events posted to a webhook of an administrator: signed, so that who gets one knows that it is ours, and whole.

1. Signed in the manner of Standard Webhooks (v1): HMAC-SHA256 over id, time and body: receivers can use its libraries.
2. Nothing is followed and nothing tried again here; of an answer nothing is read but its status and when to come again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Final

import orjson
from yarl import URL

from rekey.core.material import Material
from rekey.core.notifying import Message
from rekey.core.rate import asked_wait
from rekey.core.reasons import Reason
from rekey.core.spec_notify import WebhookServer
from rekey.errors import NoAnswer, Rejected, Retryable
from rekey.providers.http.roads import Endpoint, Roads

LONGEST: Final = 5.0
"""Seconds that a webhook may take: who is slower is told of it again."""
_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_SECRET: Final = re.compile(r"(whsec_)?([A-Za-z0-9+/]+={0,2})")
_LEAST, _MOST = 24, 64


class Webhook:
    """One webhook; `authority` has the `ca.crt` that is trusted, `certificate` what we show."""

    def __init__(
        self,
        server: WebhookServer,
        login: Material,
        authority: Material | None,
        roads: Roads,
        certificate: Material | None = None,
    ) -> None:
        self._server = server
        self._login = login
        self._roads = roads
        self._host = URL(server.url).host or ""
        self._known = Endpoint.of(server.url, server, authority, certificate)

    async def send(self, message: Message) -> None:
        """Post it once.

        Raises:
            Retryable: it is away or busy; NoAnswer: it may have got it.
            Rejected: it does not want it, or must not be asked.
            NotLeading: nothing was sent.
        """
        body = orjson.dumps(message.body)
        headers = {"Content-Type": _TYPE, **signed(self._key(), message.id, self._roads.now(), body)}
        found = await self._roads.send(self._known, self._server.url, (headers, body), LONGEST, most=0)
        _judge(self._host, found.status, asked_wait(found.headers, found.sent, busy=found.status in _BUSY))

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

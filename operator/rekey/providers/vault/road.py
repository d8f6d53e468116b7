"""One request to a Vault server and what came back: never followed, never more than a megabyte.

1. hvac says which request a call is, and sends it through `Way`, which leads to the connection that everybody here who
   speaks HTTP stands on: the name is looked up once, its addresses are judged, and only these are connected to. None of
   the calls we use is more than one request, so each returns what is awaited, and no thread waits for anything.
2. What was never sent is Retryable; what may have arrived is NoAnswer.
3. Errors are raised outside of the blocks that catch a library's: those may quote what was sent or answered.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import aiohttp
import orjson
from hvac.adapters import Adapter
from yarl import URL

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_vault import VaultServer
from rekey.errors import NoAnswer, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup, addresses_of, said, session, trusting

MAX_BODY: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to a request that was sent at that moment.

    Names of headers are in lower case; `document` is None where the body is no JSON object, or is too long.
    """

    status: int
    sent: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    document: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What hvac asks to be sent; `path` is quoted."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    document: object = field(default=None, repr=False)


Send = Callable[[Request], Awaitable[Answer]]


class Way(Adapter):  # type: ignore[misc]  # hvac ships no types
    """What calls of hvac are sent through."""

    def __init__(self, send: Send) -> None:
        """Have no session, which would follow redirects, ask the environment for proxies, and wait in threads."""
        self._send = send

    def request(self, method: str, url: str, **more: object) -> Awaitable[Answer]:
        """Return what is to be awaited."""
        parameters = more.get("params")
        told = {name: str(value) for name, value in parameters.items()} if isinstance(parameters, dict) else {}
        return self._send(Request(method.upper(), url, told, more.get("json")))

    def get_login_token(self, response: object) -> str:
        """Never asked: who logs in takes the token out of the answer."""
        raise TypeError(f"{type(response).__name__} is not looked into here")


@dataclass(frozen=True, slots=True)
class Site:
    """A server, and by whom it must be known: `authority` has the `ca.crt` that is trusted."""

    server: VaultServer
    authority: Material | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return URL(self.server.address).host or "Vault"

    def trust(self) -> ssl.SSLContext:
        """Return by whom the server must be known.

        Raises:
            Rejected: the Secret is incomplete.
        """
        with suppress(ssl.SSLError, UnicodeError, KeyError):
            return trusting(self.authority)
        where = f"Secret {self.server.ca_secret_name} has no `ca.crt`"
        raise Rejected(Reason.PROVIDER_NOT_READY, f"{where} that can be read: put PEM certificates there")


class Road:
    """The way to a server: where it may lead, and for how long we may go.

    `seconds` says that each time it is asked, and raises NotLeading when it is not ours to act any more.
    """

    def __init__(
        self,
        site: Site,
        allowed: Allowed,
        namespace: str,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        lookup: Lookup = addresses_of,
    ) -> None:
        self._site = site
        self._allowed = allowed
        self._namespace = namespace
        self._lookup = lookup
        self.now = now
        self.seconds = seconds
        self.name = site.name

    async def send(self, request: Request, token: str | None, seconds: float) -> Answer:
        """Send it once, and return the answer.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        bound = max(0.0, min(seconds, self.seconds()))
        try:
            async with asyncio.timeout(bound):
                return await self._send(request, token)
        except TimeoutError:
            why: RekeyError = NoAnswer(f"{self.name}: no answer within {bound:.1f} s")
        except (aiohttp.ClientConnectorError, socket.gaierror, UnicodeError) as error:
            why = Retryable(f"{self.name}: {said(error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = NoAnswer(f"{self.name}: {said(error)}")
        raise why

    async def _send(self, request: Request, token: str | None) -> Answer:
        url = URL(self._site.server.address.rstrip("/") + request.path, encoded=True).update_query(request.parameters)
        host, port = url.raw_host or "", url.port or 0
        addresses = await self._lookup(host, port)
        if why := self._allowed.refusal(self._namespace, url.scheme, host, port, addresses, declared=True):
            raise Rejected(Reason.PROVIDER_NOT_READY, why)
        body = None if request.document is None else orjson.dumps(request.document)
        async with session(addresses, self._site.trust()) as client:
            self.seconds()
            sent = self.now()
            headers = self._headers(token)
            async with client.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
                known = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, sent, known, _document(await _read(answer)))

    def _headers(self, token: str | None) -> dict[str, str]:
        # The first keeps whoever can only have a URL asked from being taken for a client of Vault's.
        found = {"X-Vault-Request": "true", "Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            found["X-Vault-Token"] = token
        if self._site.server.namespace is not None:
            found["X-Vault-Namespace"] = self._site.server.namespace
        return found


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body; nothing of one that is longer than anybody's who means well."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) > MAX_BODY:
            return b""
    return bytes(found)


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None

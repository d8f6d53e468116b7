"""One request to a Vault server and what came back: never followed, never more than a megabyte.

hvac says which request a call is, and sends it through `Way`, by the roads that lead to everybody who speaks HTTP.
None of the calls we use is more than one request, so each returns what is awaited, and no thread waits for anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from hvac.adapters import Adapter
from yarl import URL

from rekey.core.material import Material
from rekey.core.spec_vault import VaultServer
from rekey.providers.http.roads import Endpoint, Roads

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


class Road:
    """The way to one server; `authority` has the `ca.crt` that is trusted, `certificate` what we show."""

    def __init__(
        self, server: VaultServer, authority: Material | None, roads: Roads, certificate: Material | None = None
    ) -> None:
        self._server = server
        self._roads = roads
        self.name = URL(server.address).host or "Vault"
        self._known = Endpoint.of(server.address, server, authority, certificate)
        self.now = roads.now
        self.seconds = roads.seconds

    async def send(self, request: Request, token: str | None, seconds: float) -> Answer:
        """Send it once, and return the answer.

        Raises:
            Retryable, NoAnswer, Rejected: as a port of backends says.
            NotLeading: nothing was sent.
        """
        url = URL(self._server.address.rstrip("/") + request.path, encoded=True).update_query(request.parameters)
        body = b"" if request.document is None else orjson.dumps(request.document)
        asked = (self._headers(token), body)
        found = await self._roads.send(self._known, url, asked, seconds, request.method, most=MAX_BODY)
        return Answer(found.status, found.sent, found.headers, _document(found.body))

    def _headers(self, token: str | None) -> dict[str, str]:
        # The first keeps whoever can only have a URL asked from being taken for a client of Vault's.
        found = {"X-Vault-Request": "true", "Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            found["X-Vault-Token"] = token
        if self._server.namespace is not None:
            found["X-Vault-Namespace"] = self._server.namespace
        return found


def _document(body: bytes | None) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None

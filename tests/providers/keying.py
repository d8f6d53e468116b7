"""A service that makes API keys and answers as it is told, and credentials that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.spec_api_key import ApiKeyServer
from rekey.core.spec_provide import Provide
from rekey.ports.backend import Claim, Held, Intent
from rekey.providers.api_key.asking import Account
from rekey.providers.api_key.backend import ApiKeyBackend
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.connection import Lookup
from rekey.providers.http.roads import Roads
from tests.providers.authorizing import NOW
from tests.providers.serving import Says, Server, leads_here, serving, telling

ADMIN = "canary-admin-4f9d2c7ab1e0"
VALUE = "canary-key-4f9d2c7ab1e0"
OWNER = "0f1e2d3c-0000-4000-8000-000000000001"
MARK = f"rekey-{OWNER}-3"
CLAIM = Claim(OWNER, "orders", "till", 3)
MADE = {"id": "k-1", "key": VALUE}
LISTED = {"path": "/keys"}
PROVED = {"path": "/whoami"}


@dataclass
class Desk:
    """A service that was told its answers, and us."""

    server: Server
    fields: dict[str, Any] = field(default_factory=dict)
    asks: dict[str, Any] = field(default_factory=dict)
    admin: str = ADMIN
    heard: list[Rate] = field(default_factory=list)
    seconds: Callable[[], float] = lambda: 10.0

    def says(self, *answers: Says) -> None:
        """Tell the service its next answers; after these it hangs up."""
        self.server.behaviour = telling(*answers)

    def backend(self, lookup: Lookup = leads_here, allowed: Sequence[str] = ("http://127.0.0.1/32",)) -> ApiKeyBackend:
        """Return the adapter."""
        url = f"http://till.orders.svc:{self.server.port}/v1"
        server = declared(**{"baseUrl": url, **self.fields})
        roads = Roads(Allowed(allowed), "orders", lambda: NOW, self.seconds, lookup)
        account = Account(server, Material({"api_key": self.admin.encode()}))
        return ApiKeyBackend(account, roads, "orders", self.heard.append)

    def intent(self, expires: datetime | None = None) -> Intent:
        """Return a version that is to be made."""
        wanted = Provide.model_validate({"ref": {"name": "crm"}, "apiKey": self.asks})
        return Intent(CLAIM, wanted, NOW, expires=expires)

    @property
    def body(self) -> bytes:
        """The last body that the service was sent."""
        return self.server.bodies[-1]


def declared(**fields: Any) -> ApiKeyServer:
    """Return a service as an administrator declares it."""
    asked = {"create": {"path": "/keys"}, "revoke": {"path": "/keys/{id}"}, "baseUrl": "https://crm.example.com"}
    return ApiKeyServer.model_validate({"secretName": "admin", **asked, **fields})


def held(value: str | None = VALUE, backend_id: str | None = "k-1", kept_id: str = "k-1") -> Held:
    """Return a version with that key; None: nothing is left of it."""
    wanted = Provide.model_validate({"ref": {"name": "crm"}, "apiKey": {}})
    kept = Material({"api_key": value.encode(), "id": kept_id.encode()}) if value is not None else None
    return Held(CLAIM, wanted, backend_id, kept)


def play(scene: Callable[[Desk], Awaitable[Any]], **options: Any) -> Desk:
    """Play a scene; return the desk at its end."""

    async def played() -> Desk:
        async with serving() as server:
            desk = Desk(server, **options)
            await scene(desk)
            return desk

    return asyncio.run(played())

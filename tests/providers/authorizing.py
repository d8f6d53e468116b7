"""An authorization server that answers as it is told, and credentials that ask it."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from rekey.core.material import Material
from rekey.core.rate import Rate
from rekey.core.spec_oauth2 import Oauth2Server, Oauth2Token
from rekey.core.spec_provide import Provide
from rekey.ports.backend import Claim, Held, Intent
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.backend import Oauth2Backend
from tests.providers.serving import Says, Server, leads_here, serving, telling

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SECRET = "canary-secret +%4f9d2c7ab1e0"
GRANT = "canary-grant-4f9d2c7ab1e0"
ACCESS = "canary-access-4f9d2c7ab1e0"
NEXT = "canary-next-4f9d2c7ab1e0"
CANARIES = (SECRET, GRANT, ACCESS, NEXT, "4f9d2c7ab1e0")
CLIENT = Material({"client_id": b"rekey:1", "client_secret": SECRET.encode()})
TOKEN = {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 3600}
BY_CONSENT = {"grantSecretName": "consent"}
OUR_OWN: dict[str, Any] = {"scopes": []}
WANTED = Provide.model_validate({"ref": {"name": "idp"}})
CLAIM = Claim("uid-1", "orders", "till", 3)


@dataclass
class Desk:
    """A server that was told its answers, and us."""

    server: Server
    fields: dict[str, Any] = field(default_factory=dict)
    heard: list[Rate] = field(default_factory=list)
    seconds: Callable[[], float] = lambda: 10.0

    def says(self, *answers: Says) -> None:
        """Tell the server its next answers; after these it hangs up."""
        self.server.behaviour = telling(*answers)

    def declared(self) -> Oauth2Server:
        """Return the server as an administrator declares it."""
        url = f"http://till.orders.svc:{self.server.port}"
        fields = {"tokenUrl": f"{url}/token", "secretName": "client", **self.fields}
        return Oauth2Server.model_validate(
            {key: value.format(url=url) if isinstance(value, str) else value for key, value in fields.items()}
        )

    def backend(self, **asks: Any) -> Oauth2Backend:
        """Return the adapter for who asks for such a token; by default by a refresh token."""
        wanted = Oauth2Token.model_validate(asks or BY_CONSENT)
        roads = Roads(Allowed(["http://127.0.0.1/32"]), "orders", lambda: NOW, self.seconds, leads_here)
        return Oauth2Backend(Login(self.declared(), CLIENT), roads, wanted, self.heard.append)

    def sent(self, number: int = -1) -> dict[str, str]:
        """Return the form that the server was sent, by default the last."""
        return {name: values[0] for name, values in parse_qs(self.server.bodies[number].decode()).items()}

    def logins(self) -> list[str]:
        """Return the clients that the server was shown in headers."""
        return [unquote_plus(b64decode(value.removeprefix(b"Basic ")).decode()) for value in self.server.shown]


def intent(grant: str | None = None, before: Material | None = None, **more: Any) -> Intent:
    """Return a version that is to be made, with what a person's Secret holds, and the version before."""
    secret = Material({"refresh_token": grant.encode()}) if grant is not None else None
    return Intent(CLAIM, WANTED, NOW, grant=secret, before=before, **more)


def held(access: str | None = ACCESS) -> Held:
    """Return a version with that token; None: nothing is left of it."""
    return Held(CLAIM, WANTED, material=Material({"access_token": access.encode()}) if access is not None else None)


def play(scene: Callable[[Desk], Awaitable[Any]], **options: Any) -> Desk:
    """Play a scene; return the desk at its end."""

    async def played() -> Desk:
        async with serving() as server:
            desk = Desk(server, **options)
            await scene(desk)
            return desk

    return asyncio.run(played())

"""The port `Backend` over OAuth2 (RFC 6749): tokens by client credentials or by a refresh token, renewed and revoked.

1. A token endpoint knows no names: a version whose answer was lost is left unaccounted for, and ends by itself.
2. Nothing is asked twice here. What comes after a failure is decided by whoever called.
3. Revoking ends the access token alone: refresh tokens belong to the grant, which is a person's, and its next version
   may have the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final, assert_never

from yarl import URL

from rekey.core import oauth2
from rekey.core.answers import Answer, Then, Trouble
from rekey.core.material import Material
from rekey.core.oauth2 import Token
from rekey.core.rate import Rate, rate
from rekey.core.reasons import Reason
from rekey.core.spec_http import BodyFormat
from rekey.core.spec_oauth2 import Oauth2Authorization, Oauth2Token
from rekey.errors import ConsentRefused, NoAnswer, NotAccepted, NotYet, Rejected, RekeyError, Retryable
from rekey.ports.backend import Claim, Granted, Held, Intent, Traits
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.chain import REFRESH, Chain, taken_up

_ASIDE: Final = 5.0
"""Seconds for what is asked beside a token: who bounds the whole call must not cut it off, and lose the token."""
_CLIENT: Final = "client"
"""Stands in every code by which a server says that it is us whom it does not know (RFC 6749, 5.2, and vendors' own)."""
_GONE: Final = frozenset({"invalid_token"})
_LOST: Final = "the answer of an earlier renewal was lost and the server had rotated the refresh token"


def _nobody(told: Rate) -> None:
    """Tell nobody."""
    del told


class Oauth2Backend:
    """One authorization server, for who asks for such a token; `hears` is told what answers say of its limits."""

    def __init__(self, login: Login, roads: Roads, asks: Oauth2Token, hears: Callable[[Rate], None] = _nobody) -> None:
        self._login = login
        self._server = login.server
        self._roads = roads
        self._asks = asks
        self._hears = hears

    @property
    def traits(self) -> Traits:
        """What it is like."""
        return Traits(makes_value=True, listable=False, provable=self._server.introspection_url is not None)

    def make(self, intent: Intent) -> Material:
        """Never asked: the server makes its tokens itself."""
        raise TypeError(f"an authorization server makes the value of {intent.claim.name} itself")

    async def issue(self, intent: Intent, material: Material | None) -> Granted:
        """Get a token; what is kept for the next one stands under `issuer.`."""
        del material
        chain, ends = self._chain(intent), self._ends()
        parameters = _parameters(self._asks, chain)
        answer = await self._post(self._server.token_url, parameters, ends, self._server.body_format)
        found = oauth2.token(answer, self._server, self._asks.scopes)
        if isinstance(found, Trouble):
            raise self._error(found, None if chain is None else intent)
        return Granted(
            material=_material(found, chain),
            expires=oauth2.expires(await self._life(found, ends), self._server, answer.sent),
            missing=found.missing,
        )

    async def prove(self, held: Held) -> None:
        """Ask the introspection endpoint."""
        token = _token(held)
        if token is None:
            raise NotAccepted(f"nothing is left of the token of version {held.claim.number}")
        if self._server.introspection_url is None:
            raise Rejected(Reason.PROVIDER_NOT_READY, "it has no `introspectionUrl` by which a token could be proved")
        if not await self._active(token, self._ends()):
            raise NotAccepted(f"the server says that the token of version {held.claim.number} is not active")

    async def revoke(self, held: Held) -> None:
        """Revoke the token, and see that it is not active; without a revocation endpoint it ends by itself."""
        token = _token(held)
        if token is None or self._server.revocation_url is None:
            return
        ends = self._ends()
        answer = await self._post(self._server.revocation_url, _about(token), ends)
        found = oauth2.trouble(answer, self._server)
        if not answer.is_success and found.code not in _GONE:
            raise self._error(found)
        if self._server.introspection_url is not None and await self._active(token, ends):
            raise NotYet(f"the token of version {held.claim.number} was revoked, and is active still")

    async def find(self, owner: str) -> tuple[Claim, ...]:
        """Return nothing: tokens cannot be listed."""
        del owner
        return ()

    def _ends(self) -> float:
        return asyncio.get_running_loop().time() + self._roads.seconds()

    def _chain(self, intent: Intent) -> Chain | None:
        """Return the refresh token to show; None where the client asks in its own name."""
        if self._asks.grant_secret_name is None:
            return None
        chain = taken_up(intent.grant, intent.before)
        if chain is None:
            where = f"Secret {self._asks.grant_secret_name} has no `{REFRESH}`"
            raise ConsentRefused(Reason.NEEDS_REAUTH, f"{where}: run `rekey authorize`, which writes it there")
        return chain

    async def _life(self, found: Token, ends: float) -> timedelta | None:
        """Return how long the token is good: what it was got with may be used up, so no failure may lose it."""
        url, now = self._server.introspection_url, asyncio.get_running_loop().time()
        if found.life is None and url is not None:
            ends = now + min(_ASIDE, (ends - now) / 2)
            with suppress(RekeyError):
                return oauth2.told_life(await self._post(url, _about(found.access), ends))
        return found.life

    async def _active(self, token: str, ends: float) -> bool:
        answer = await self._post(self._server.introspection_url or "", _about(token), ends)
        active = oauth2.is_active(answer)
        if active is None:
            raise self._error(oauth2.trouble(answer, self._server, "it does not say whether it is `active`"))
        return active

    async def _post(
        self, url: str, parameters: dict[str, str], ends: float, style: BodyFormat = BodyFormat.FORM
    ) -> Answer:
        request = self._login.request(parameters, style)
        answer = await self._roads.send(self._login.known, url, request, ends - asyncio.get_running_loop().time())
        if told := rate(answer.headers, answer.sent):
            self._hears(told)
        return answer

    def _error(self, found: Trouble, intent: Intent | None = None) -> RekeyError:
        """Return what is raised; `intent`: for which a refresh token was shown."""
        words = f"{URL(self._server.token_url).host} {found.words}"
        match found.then:
            case Then.WAIT:
                return Retryable(words, retry_after=found.retry_after)
            case Then.LOST:
                return NoAnswer(words, retry_after=found.retry_after)
            case Then.REFUSED:
                return Rejected(
                    Reason.BACKEND_REFUSED, f"{words}: see what the provider declares, and what is asked for"
                )
            case Then.REAUTHORIZE if intent is None or not found.code or _CLIENT in found.code.lower():
                secret = f"see `client_id` and `client_secret` in Secret {self._server.secret_name}"
                if self._server.authorization_method is Oauth2Authorization.CERTIFICATE:
                    shown = f"the certificate in Secret {self._server.certificate_secret_name}"
                    secret = f"see `client_id` in Secret {self._server.secret_name}, and {shown}"
                return Rejected(Reason.NEEDS_REAUTH, f"{words}: our client is not accepted; {secret}")
            case Then.REAUTHORIZE:
                return ConsentRefused(Reason.NEEDS_REAUTH, f"{words}: {self._cause(intent)}")
            case _:
                assert_never(found.then)

    def _cause(self, intent: Intent) -> str:
        """Return why a refresh token is not accepted, and what a person can do."""
        cause = _LOST if intent.unanswered else f"the refresh token was revoked or has expired, or {_LOST}"
        secret = f"Secret {self._asks.grant_secret_name}"
        return f"{cause}; authorize again, and write the new refresh token into {secret}"


def _parameters(asks: Oauth2Token, chain: Chain | None) -> dict[str, str]:
    found = {"grant_type": "client_credentials"}
    if chain is not None:
        found = {"grant_type": REFRESH, REFRESH: chain.refresh}
    if asks.scopes:
        found["scope"] = " ".join(asks.scopes)
    if asks.audience is not None:
        found["audience"] = asks.audience
    return found


def _material(found: Token, chain: Chain | None) -> Material:
    plain = {"access_token": found.access.encode(), "token_type": found.kind.encode()}
    return Material(plain | (chain.kept(found.refresh) if chain is not None else {}))


def _about(token: str) -> dict[str, str]:
    """Return what is sent to have a token judged or revoked (RFC 7662, 2.1; RFC 7009, 2.1)."""
    return {"token": token, "token_type_hint": "access_token"}


def _token(held: Held) -> str | None:
    found = held.material.reveal().get("access_token") if held.material is not None else None
    return found.decode() if found else None

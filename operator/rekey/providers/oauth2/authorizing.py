"""A person's consent, got through a browser: a server on the loopback that is asked once, and the code's exchange.

1. It listens at 127.0.0.1 only, answers that name only (a name that leads here is somebody else's page), and ends with
   the first answer that comes, good or bad.
2. Its pages say nothing of what came, load nothing, and are not stored.
3. The refresh token leaves as a Material: it is neither shown nor logged.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from rekey.core import oauth2
from rekey.core.answers import Trouble
from rekey.core.authorization import Consent, Denied
from rekey.core.material import Material
from rekey.core.oauth2 import Token
from rekey.core.spec_oauth2 import Oauth2Token
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.chain import REFRESH

HOST: Final = "127.0.0.1"
PATIENCE: Final = 300.0
"""Seconds for a person to log in and consent."""
_EXCHANGE: Final = 30.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Rekey</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_TAKEN: Final = ("Consent received", "The terminal says whether it was stored. This window can be closed.")
_DENIED: Final = ("No consent", "The terminal says why. This window can be closed.")
_OVER: Final = ("Nothing is waited for here", "This window can be closed.")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person's consent gave; `missing`: scopes that were asked for and not granted."""

    material: Material
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """The open server: where the browser is to go, and what it comes back with."""

    address: str
    consent: Consent
    answer: asyncio.Future[str]


@asynccontextmanager
async def opened(login: Login, asks: Oauth2Token, port: int = 0) -> AsyncIterator[Door]:
    """Give a server that waits for one answer.

    Raises:
        Denied: the port cannot be listened at.
    """
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    known: list[Consent] = []

    async def asked(request: web.BaseRequest) -> web.Response:
        return _answered(request, known[0], answer)

    runner = web.ServerRunner(web.Server(asked, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise Denied(f"port {port} of {HOST} cannot be listened at: give another one by --port") from error
        redirect = f"http://{HOST}:{runner.addresses[0][1]}/"
        consent = Consent(login.server, login.client_id, redirect, secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        known.append(consent)
        address = f"{login.server.authorization_url}?{urlencode(consent.parameters(asks))}"
        yield Door(address, consent, answer)
    finally:
        if answer.done() and not answer.cancelled():
            answer.exception()  # heard, also where nobody waited to the end
        await runner.cleanup()


async def granted(door: Door, login: Login, roads: Roads, asks: Oauth2Token, patience: float = PATIENCE) -> Grant:
    """Wait for the browser, and exchange the code that it brings.

    Raises:
        Denied: there is no consent, or nothing that could be kept of it.
        Retryable, Rejected: the token endpoint was not reached, or must not be asked.
    """
    try:
        async with asyncio.timeout(patience):
            code = await door.answer
    except TimeoutError:
        raise Denied(f"nobody came back from the browser within {patience:.0f} s: run the command again") from None
    request = login.request(door.consent.exchange(code), login.server.body_format)
    answer = await roads.send(login.known, login.server.token_url, request, _EXCHANGE)
    return _grant(oauth2.token(answer, login.server, asks.scopes), login)


def _grant(found: Token | Trouble, login: Login) -> Grant:
    where = URL(login.server.token_url).host
    if isinstance(found, Trouble):
        raise Denied(f"{where} {found.words}: it did not take the code; see the provider, and `client_secret`")
    if found.refresh is None:
        raise Denied(
            f"{where} gave no refresh token, so nothing can be renewed: ask for offline access, by a scope such as "
            "offline_access in spec.provider.oauth2.scopes, or by spec.oauth2.authorizationParameters of the provider "
            "(Google: access_type: offline, prompt: consent)"
        )
    return Grant(Material({REFRESH: found.refresh.encode()}), found.missing)


def _answered(request: web.BaseRequest, consent: Consent, answer: asyncio.Future[str]) -> web.Response:
    """Judge what a browser brought; what is not for us is no answer."""
    if f"http://{request.headers.get('Host', '')}/" != consent.redirect:
        return _page(_OVER, 421)
    if request.path != "/" or not request.query_string:
        return _page(_OVER, 404)
    if request.method != "GET":
        return _page(_OVER, 405)
    if answer.done():
        return _page(_OVER, 410)
    try:
        answer.set_result(consent.code(list(request.rel_url.query.items())))
    except Denied as why:
        answer.set_exception(why)
        return _page(_DENIED, 400)
    return _page(_TAKEN, 200)


def _page(words: tuple[str, str], status: int) -> web.Response:
    title, text = words
    body = _PAGE.format(title=title, text=text)
    return web.Response(status=status, text=body, content_type="text/html", headers=_HEADERS)

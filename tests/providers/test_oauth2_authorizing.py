"""Consent through a browser: the door on the loopback, hostile callbacks, and what the token endpoint makes of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from rekey.core.authorization import Denied
from rekey.core.spec_oauth2 import Oauth2Token
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.authorizing import Door, Grant, granted, opened
from tests.providers.authorizing import BY_CONSENT, CANARIES, CLIENT, NEXT, NOW, TOKEN, Desk, play
from tests.providers.browsing import visit
from tests.providers.serving import Says, leads_here
from tests.providers.test_oauth2_real import Django, django, intent

pytestmark = pytest.mark.xdist_group("oauth2")
__all__ = ["django"]
ASKS = Oauth2Token.model_validate(BY_CONSENT)
ROADS = Roads(Allowed(["http://127.0.0.0/8"]), "orders", lambda: NOW, lambda: 30.0, leads_here)
CONSENTED = {**TOKEN, "refresh_token": NEXT}
Visit = Callable[[httpx.AsyncClient, Door], Any]


def login(desk: Desk) -> Login:
    """Return us at a server that is told its answers."""
    desk.fields = {"authorizationUrl": "https://idp.example.com/authorize", **desk.fields}
    return Login(desk.declared(), CLIENT)


def url(door: Door, query: str = "", **more: str) -> str:
    """Return where a browser comes back to."""
    parameters = httpx.QueryParams({"state": door.consent.state, "code": "canary-code", **more})
    return f"{door.consent.redirect}?{query or parameters}"


async def ask(desk: Desk, *visits: Visit, patience: float = 60.0) -> tuple[Grant, list[httpx.Response]]:
    """Open the door, have the browser come, and return what it gave and the pages that it saw."""
    us = login(desk)
    async with opened(us, ASKS) as door, httpx.AsyncClient(trust_env=False) as browser:
        pages = [await one(browser, door) for one in visits]
        return await granted(door, us, ROADS, ASKS, patience), pages


def comes(**more: str) -> Visit:
    """Return a browser that comes back with a code."""
    return lambda browser, door: browser.get(url(door, **more))


def test_a_code_becomes_a_refresh_token() -> None:
    """The verifier and the redirect are shown beside it, and the page says nothing of it."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(body=CONSENTED))
        grant, [page] = await ask(desk, comes())
        assert grant.material.reveal() == {"refresh_token": NEXT.encode()}
        assert page.status_code == 200
        assert "canary" not in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "src=" not in page.text
        assert "href=" not in page.text
        sent = desk.sent()
        assert (sent["grant_type"], sent["code"]) == ("authorization_code", "canary-code")
        assert sent["redirect_uri"].startswith("http://127.0.0.1:")
        assert len(sent["code_verifier"]) >= 43

    play(scene)


NOT_FOR_US: dict[str, tuple[Visit, int]] = {
    "an icon": (lambda browser, door: browser.get(f"{door.consent.redirect}favicon.ico"), 404),
    "another path with the code": (
        lambda browser, door: browser.get(url(door).replace("/?", "/callback?")),
        404,
    ),
    "no query": (lambda browser, door: browser.get(door.consent.redirect), 404),
    "a form that is posted": (lambda browser, door: browser.post(url(door)), 405),
    "a preflight": (lambda browser, door: browser.options(url(door)), 405),
    "a head": (lambda browser, door: browser.head(url(door)), 405),
    "a name that leads here": (lambda browser, door: browser.get(url(door), headers={"Host": "evil.example.com"}), 421),
    "this host by its name": (lambda browser, door: browser.get(url(door), headers={"Host": "localhost"}), 421),
}


@pytest.mark.parametrize("name", NOT_FOR_US)
def test_what_is_not_for_us_is_no_answer(name: str) -> None:
    """It is told off, and the browser that comes after it is heard."""
    stranger, status = NOT_FOR_US[name]

    async def scene(desk: Desk) -> None:
        desk.says(Says(body=CONSENTED))
        grant, pages = await ask(desk, stranger, comes())
        assert [page.status_code for page in pages] == [status, 200]
        assert grant.material.reveal()["refresh_token"] == NEXT.encode()

    play(scene)


LAST: dict[str, tuple[Visit, str]] = {
    "a wrong state": (comes(state="canary-guess"), "another state"),
    "another issuer": (comes(iss="https://evil.example.com"), "another issuer"),
    "consent refused": (comes(error="access_denied"), "access_denied"),
    "no code": (comes(code=""), "no code"),
}


@pytest.mark.parametrize("name", LAST)
def test_the_first_answer_is_the_only_one(name: str) -> None:
    """After a bad one a good one is not heard, and no server is asked."""
    bad, says = LAST[name]
    seen: list[int] = []

    async def again(browser: httpx.AsyncClient, door: Door) -> None:
        seen.append((await browser.get(url(door))).status_code)

    async def scene(desk: Desk) -> None:
        with pytest.raises(Denied, match=says) as caught:
            await ask(desk, bad, again)
        assert "canary" not in str(caught.value)
        assert seen == [410]
        assert desk.server.asked_for == []

    play(scene)


ANSWERS: dict[str, tuple[Says, str]] = {
    "no refresh token": (Says(body=TOKEN), "gave no refresh token.*ask for offline access"),
    "a code that is used up": (Says(400, {"error": "invalid_grant"}), r"400 \(invalid_grant\): it did not take"),
    "a client that is not known": (Says(401, {"error": "invalid_client"}), "client_secret"),
    "an error that quotes": (Says(400, {"error": f"x {NEXT}"}), "answered 400: it did not"),
    "a page": (Says(200, "<html>canary"), "what is not a JSON object"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_token_endpoint_that_gives_nothing_to_keep(name: str) -> None:
    """It says what to do, and repeats nothing."""
    answer, says = ANSWERS[name]

    async def scene(desk: Desk) -> None:
        desk.says(answer)
        with pytest.raises(Denied, match=says) as caught:
            await ask(desk, comes())
        assert not any(word in str(caught.value) for word in ("canary", *CANARIES))

    play(scene)


def test_nobody_comes_back() -> None:
    """It ends, and says so."""

    async def scene(desk: Desk) -> None:
        with pytest.raises(Denied, match="nobody came back"):
            await ask(desk, patience=0.01)

    play(scene)


def test_a_port_that_is_taken() -> None:
    """Another one can be given."""

    async def scene(desk: Desk) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(Denied, match=f"port {port} .* --port"):
                async with opened(login(desk), ASKS, port):
                    pass

    play(scene)


def real(django: Django) -> Login:
    """Return us at the real server."""
    found = django.adapter("person")._login
    fields = {"authorizationUrl": f"{django.url}/authorize", "tokenUrl": f"{django.url}/token", "secretName": "client"}
    return Login(type(found.server).model_validate(fields), found.client)


def test_a_person_consents_at_the_real_server(django: Django) -> None:
    """By log-in, question and redirect, with PKCE; the refresh token is good for an access token."""

    async def scene() -> Grant:
        us = real(django)
        async with opened(us, ASKS) as door:
            page = await asyncio.to_thread(visit, door.address)
            assert "Consent received" in page.text
            return await granted(door, us, ROADS, ASKS)

    token = asyncio.run(scene()).material
    made = asyncio.run(django.adapter("person").issue(intent(token), None))
    assert django.ask("whoami", made.material.reveal()["access_token"].decode()) is not None


def test_a_person_who_says_no_at_the_real_server(django: Django) -> None:
    """It is said as it is."""

    async def scene() -> None:
        us = real(django)
        async with opened(us, ASKS) as door:
            page = await asyncio.to_thread(lambda: visit(door.address, allow=False))
            assert page.status_code == 400
            assert "No consent" in page.text
            with pytest.raises(Denied, match="access_denied"):
                await granted(door, us, ROADS, ASKS)

    asyncio.run(scene())

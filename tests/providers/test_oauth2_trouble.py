"""The OAuth2 adapter when things go wrong: servers that hang or lose answers, grants that are gone, and secrecy."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rekey.core.material import Material
from rekey.core.reasons import Reason
from rekey.core.spec_limits import Limits
from rekey.core.spec_oauth2 import Oauth2Token
from rekey.errors import NoAnswer, NotLeading, Rejected, RekeyError, Retryable
from rekey.providers.http.allowed import Allowed
from rekey.providers.http.roads import Roads
from rekey.providers.limits import Guarded, Turnstile
from rekey.providers.oauth2.asking import Login
from rekey.providers.oauth2.backend import Oauth2Backend
from tests.providers.authorizing import (
    ACCESS,
    BY_CONSENT,
    CANARIES,
    CLAIM,
    CLIENT,
    GRANT,
    NEXT,
    NOW,
    OUR_OWN,
    SECRET,
    TOKEN,
    Desk,
    held,
    intent,
    play,
)
from tests.providers.serving import Behaviour, Says, Server, leads_here
from tests.providers.test_http import SHOP, end

DENIED = Says(400, {"error": "invalid_grant"})
EVERYTHING = {"introspectionUrl": "{url}/introspect", "revocationUrl": "{url}/revoke"}
LOST = "the answer of an earlier renewal was lost and the server had rotated the refresh token"


async def refused(desk: Desk, **more: Any) -> RekeyError:
    """Ask for a token by the refresh token, and return why there is none."""
    with pytest.raises(RekeyError) as caught:
        await desk.backend().issue(intent(GRANT, **more), None)
    return caught.value


async def _hangs(_: Server, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    del writer
    await asyncio.Event().wait()


async def _trickles(_: Server, writer: asyncio.StreamWriter) -> None:
    """Answer, and never come to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await asyncio.Event().wait()


async def _floods(_: Server, writer: asyncio.StreamWriter) -> None:
    """Send without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
    while True:
        writer.write(NEXT.encode() * 4096)
        await writer.drain()


async def _hangs_up(_: Server, writer: asyncio.StreamWriter) -> None:
    """Say nothing."""
    writer.close()


async def _resets(_: Server, writer: asyncio.StreamWriter) -> None:
    """Drop the connection, as a host does that is gone."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _breaks_off(_: Server, writer: asyncio.StreamWriter) -> None:
    """Hang up in the middle of an answer."""
    writer.write(f'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{{"access_token":"{NEXT}"'.encode())
    await writer.drain()
    writer.close()


async def _repeats(server: Server, writer: asyncio.StreamWriter) -> None:
    """Repeat what was shown, as no answer at all."""
    writer.write(b"You said " + server.shown[-1] + server.bodies[-1] + NEXT.encode() + b"\r\n\r\n")
    await writer.drain()


BEHAVIOURS: dict[str, tuple[Behaviour, str]] = {
    "who never answers": (_hangs, "no answer within 0.3 s"),
    "who never comes to an end": (_trickles, "no answer within 0.3 s"),
    "who sends without end": (_floods, "answered 200 with what is not a JSON object of 64 KiB at most"),
    "who hangs up": (_hangs_up, "without an answer that can be read"),
    "who drops the connection": (_resets, "without an answer that can be read"),
    "who hangs up in the middle": (_breaks_off, "without an answer that can be read"),
    "who repeats what was said": (_repeats, "without an answer that can be read"),
}


@pytest.mark.parametrize("case", BEHAVIOURS)
def test_a_server_that_behaves_badly(case: str) -> None:
    """It is not known what came of it, and whoever asked is free again within the bound."""
    behaviour, words = BEHAVIOURS[case]

    async def scene(desk: Desk) -> None:
        desk.server.behaviour = behaviour
        error = await refused(desk)
        assert type(error) is NoAnswer
        assert words in str(error)

    assert len(play(scene, seconds=lambda: 0.3 if "never" in case else 10.0).server.asked_for) == 1


def test_both_requests_of_a_call_share_the_bound() -> None:
    """A token that is there is not lost because introspection hangs, though whoever asked waits no longer than that."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, {"access_token": ACCESS, "refresh_token": NEXT}))
        first = desk.server.behaviour

        async def then_hang(server: Server, writer: asyncio.StreamWriter) -> None:
            await (first if len(server.asked_for) == 1 and first is not None else _hangs)(server, writer)

        desk.server.behaviour = then_hang
        async with asyncio.timeout(0.5):
            granted = await desk.backend().issue(intent(GRANT), None)
        assert granted.material.reveal()["issuer.refresh_token"] == NEXT.encode()

    assert len(play(scene, fields=EVERYTHING, seconds=lambda: 0.5).server.asked_for) == 2


def test_a_lost_answer_of_a_rotating_refresh_token() -> None:
    """The server has rotated, we have not heard: tried once more, it ends with a person who is told the cause."""

    async def scene(desk: Desk) -> None:
        desk.server.behaviour = _hangs_up
        assert type(await refused(desk)) is NoAnswer
        desk.says(DENIED)
        error = await refused(desk, unanswered=True)
        assert isinstance(error, Rejected)
        assert error.reason == Reason.NEEDS_REAUTH
        assert f": {LOST}; authorize again" in str(error)
        assert "Secret consent" in str(error)

    desk = play(scene)
    assert [desk.sent(number)["refresh_token"] for number in (0, 1)] == [GRANT, GRANT]
    assert len(desk.server.asked_for) == 2


def test_a_refresh_token_that_was_revoked() -> None:
    """A person must act; it was asked once, and nothing follows by itself."""

    async def scene(desk: Desk) -> None:
        desk.says(DENIED, Says(200, TOKEN))
        error = await refused(desk)
        assert isinstance(error, Rejected)
        assert error.reason == Reason.NEEDS_REAUTH
        assert "the refresh token was revoked or has expired, or " + LOST in str(error)
        assert "400 (invalid_grant)" in str(error)

    assert len(play(scene, fields=EVERYTHING).server.asked_for) == 1


def test_fifty_that_renew_each_of_two_accounts() -> None:
    """The server is asked once for each, and for both at once: it answers the first when the second is there."""

    async def scene(desk: Desk) -> None:
        turnstile, both = Turnstile(Limits(), asyncio.get_running_loop().time), asyncio.Event()

        async def answers(server: Server, writer: asyncio.StreamWriter) -> None:
            if len(server.asked_for) == 2:
                both.set()
            await both.wait()
            writer.write(Says(200, TOKEN).written())
            writer.close()

        desk.server.behaviour = answers
        asks = [replace(intent(GRANT), claim=replace(CLAIM, owner=owner)) for owner in ("uid-1", "uid-2")] * 50
        granted = await asyncio.gather(*(Guarded(desk.backend(), turnstile).issue(one, None) for one in asks))
        assert len(granted) == 100

    assert len(play(scene).server.asked_for) == 2


WHO: dict[str, tuple[Says, str | None, str]] = {
    "invalid_client": (Says(401, {"error": "invalid_client"}), GRANT, "in Secret client"),
    "401 without a word": (Says(401), GRANT, "in Secret client"),
    "invalid_grant without a refresh token": (DENIED, None, "in Secret client"),
    "invalid_grant": (DENIED, GRANT, "into Secret consent"),
    "invalid_grant that came with a 401": (Says(401, {"error": "invalid_grant"}), GRANT, "into Secret consent"),
}


@pytest.mark.parametrize("case", WHO)
def test_a_person_is_told_which_secret_to_mend(case: str) -> None:
    """That of the client, which is an administrator's, or that of the grant."""
    says, grant, words = WHO[case]

    async def scene(desk: Desk) -> None:
        desk.says(says)
        with pytest.raises(Rejected, match=words) as caught:
            await desk.backend(**(OUR_OWN if grant is None else BY_CONSENT)).issue(intent(grant), None)
        assert caught.value.reason == Reason.NEEDS_REAUTH

    play(scene)


def test_a_redirect_is_not_followed() -> None:
    """It would carry the client's secret elsewhere."""

    async def scene(desk: Desk) -> None:
        desk.says(Says(307, "", {"Location": f"http://till.orders.svc:{desk.server.port}/next"}))
        error = await refused(desk)
        assert isinstance(error, Rejected)
        assert (error.reason, "answered 307" in str(error)) == (Reason.BACKEND_REFUSED, True)

    assert play(scene).server.asked_for == ["POST /token HTTP/1.1"]


@pytest.mark.parametrize("looks", [0, 1, 2], ids=["at once", "before the lookup", "after the lookup"])
def test_who_does_not_lead_any_more_asks_nobody(looks: int) -> None:
    """Nothing is sent, whenever that is noticed."""
    left = [10.0] * looks

    def seconds() -> float:
        if not left:
            raise NotLeading("another process acts there now")
        return left.pop()

    async def scene(desk: Desk) -> None:
        assert isinstance(await refused(desk), NotLeading)

    assert play(scene, seconds=seconds).server.asked_for == []


def test_no_answer_is_waited_for_longer_than_we_lead() -> None:
    """What is left when the request is sent counts, and not what was left when the call began."""
    left = [0.3, 10.0]

    async def scene(desk: Desk) -> None:
        desk.server.behaviour = _hangs
        assert "no answer within 0.3 s" in str(await refused(desk))

    play(scene, seconds=lambda: left.pop() if len(left) > 1 else left[0])


def test_a_server_that_is_away() -> None:
    """Nothing was sent, so nothing was done."""

    async def scene(desk: Desk) -> None:
        desk.fields = {"tokenUrl": "http://till.orders.svc:1/token"}
        assert type(await refused(desk)) is Retryable

    play(scene)


@pytest.mark.parametrize(
    "authority", [{}, {"ca.crt": b""}, {"ca.crt": b"no"}, {"ca.crt": b"\xff"}], ids=["absent", "empty", "text", "bytes"]
)
def test_an_authority_that_cannot_be_read(authority: dict[str, bytes]) -> None:
    """Nothing is sent: it does not stand for every authority of the system."""

    async def scene(desk: Desk) -> None:
        desk.fields = {"caSecretName": "shop-ca"}
        login = Login(desk.declared(), CLIENT, Material(authority))
        roads = Roads(Allowed(["http://127.0.0.1/32"]), "orders", lambda: NOW, lambda: 10.0, leads_here)
        with pytest.raises(Rejected, match=r"Secret shop-ca has no `ca\.crt`"):
            await Oauth2Backend(login, roads, Oauth2Token()).issue(intent(), None)

    assert play(scene).server.asked_for == []


@pytest.mark.parametrize("trusted", [True, False], ids=["that is trusted", "that is not trusted"])
def test_a_certificate(trusted: bool, tmp_path: Path) -> None:  # noqa: FBT001  the two rows of the table
    """By `ca.crt` the server is known; no secret is shown to whoever else has its name."""
    tls: ssl.SSLContext = end(tmp_path)

    async def scene(desk: Desk) -> None:
        desk.says(Says(200, TOKEN))
        listening = await asyncio.start_server(desk.server.serve, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        desk.fields = {"tokenUrl": f"https://till.orders.svc:{port}/token"}
        roads = Roads(Allowed(["127.0.0.1/32"]), "orders", lambda: NOW, lambda: 10.0, leads_here)
        login = Login(desk.declared(), CLIENT, SHOP.material if trusted else None)
        asked = Oauth2Backend(login, roads, Oauth2Token()).issue(intent(), None)
        if trusted:
            assert (await asked).material.reveal()["access_token"] == ACCESS.encode()
        else:
            with pytest.raises(Retryable, match="certificate is not trusted"):
                await asked
        listening.close()

    assert len(play(scene).server.shown) == trusted


CALLS: tuple[Callable[[Oauth2Backend], Awaitable[object]], ...] = (
    lambda backend: backend.issue(intent(GRANT), None),
    lambda backend: backend.revoke(held()),
    lambda backend: backend.prove(held()),
)
TELLTALES: dict[str, Says | Behaviour] = {
    "an error that describes": Says(400, {"error": "invalid_grant", "error_description": f"{GRANT} {SECRET}"}),
    "an error that is the secret": Says(400, {"error": SECRET}),
    "an error page": Says(500, f"{GRANT} {SECRET} {NEXT}"),
    "a page of success": Says(200, f"{GRANT} {SECRET} {NEXT}"),
    "a token where none is looked for": Says(200, {"token": NEXT}),
    "a redirect that tells": Says(302, "", {"Location": f"https://evil.example/?{GRANT}"}),
    "a header that tells": Says(429, "", {"Retry-After": GRANT, "X-RateLimit-Limit": SECRET}),
    "a token": Says(200, {**TOKEN, "refresh_token": NEXT}),
    **{case: behaviour for case, (behaviour, _) in BEHAVIOURS.items()},
}


@pytest.mark.parametrize("case", TELLTALES)
def test_no_secret_is_told(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither by an error and all that is attached to it, nor by a log, nor by what any object says of itself."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    behaviour = TELLTALES[case]

    async def scene(desk: Desk) -> None:
        said.extend(map(repr, (desk.backend(), intent(GRANT), held(), Login(desk.declared(), CLIENT))))
        for call in CALLS:
            if isinstance(behaviour, Says):
                desk.says(behaviour)
            else:
                desk.server.behaviour = behaviour
            try:
                said.append(repr(await call(desk.backend())))
            except RekeyError as error:
                said.extend([*traceback.format_exception(error), repr(error.__cause__), repr(error.__context__)])

    play(scene, fields=EVERYTHING, seconds=lambda: 0.3 if "never" in case else 10.0)
    assert len(said) >= 7
    told = caplog.text + "".join(said)
    assert [canary for canary in CANARIES if canary in told] == []
